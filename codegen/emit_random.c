/* Philox4x32-10 (Salmon et al., SC'11) on vectors: the numbers of random_word and random_unit in ir/evaluate.h. */
#include "emit_random.h"

enum { ROUNDS = 10 };
static const uint32_t MULTIPLIER[2] = {0xD2511F53u, 0xCD9E8D57u};
static const uint32_t WEYL[2] = {0x9E3779B9u, 0xBB67AE85u};

/* A word is the low half of an i64, and what the high half holds does not matter: then a multiplication of 32 by 32 bits
 * is one instruction on two words side by side, and nothing has to be widened, narrowed or moved between lanes. */
static LLVMValueRef constant_like(Emitter *e, LLVMValueRef like, uint64_t value) {
  LLVMValueRef constant = LLVMConstInt(e->session->i64, value, false);
  return emit_is_vector(like) ? emit_splat(e, constant) : constant;
}

static LLVMValueRef high_half(Emitter *e, LLVMValueRef value) {
  return LLVMBuildLShr(e->builder, value, constant_like(e, value, 32), "");
}

static LLVMValueRef multiply_wide(Emitter *e, LLVMValueRef x, uint32_t factor) {
  LLVMValueRef word = LLVMBuildAnd(e->builder, x, constant_like(e, x, UINT32_MAX), "");
  return LLVMBuildMul(e->builder, word, constant_like(e, x, factor), "");
}

static LLVMValueRef exclusive_or(Emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
  return LLVMBuildXor(e->builder, LLVMBuildXor(e->builder, a, b, ""), c, "");
}

/* `counter` in, the four words out. `key` are scalars. */
static void philox(Emitter *e, LLVMValueRef counter[4], LLVMValueRef key[2]) {
  bool vector = emit_is_vector(counter[0]);
  for (int round = 0; round < ROUNDS; round++) {
    LLVMValueRef product[2], spread[2];
    for (size_t k = 0; k < 2; k++) {
      product[k] = multiply_wide(e, counter[2 * k], MULTIPLIER[k]);
      spread[k] = vector ? emit_splat(e, key[k]) : key[k];
      key[k] = LLVMBuildAdd(e->builder, key[k], emit_i64(e, WEYL[k]), "");
    }
    LLVMValueRef first = exclusive_or(e, high_half(e, product[1]), counter[1], spread[0]);
    LLVMValueRef third = exclusive_or(e, high_half(e, product[0]), counter[3], spread[1]);
    counter[0] = first;
    counter[1] = product[1];
    counter[2] = third;
    counter[3] = product[0];
  }
}

LLVMValueRef emit_random_unit(Emitter *e, LLVMValueRef element, int64_t stream) {
  bool vector = emit_is_vector(element);
  LLVMValueRef counter[4] = {element, high_half(e, element), constant_like(e, element, (uint32_t)(uint64_t)stream),
                             vector ? emit_splat(e, e->step) : e->step};
  LLVMValueRef key[2] = {e->seed, high_half(e, e->seed)};
  philox(e, counter, key);
  LLVMTypeRef narrow = vector ? e->session->i32_vector : e->session->i32;
  LLVMValueRef bits =
      LLVMBuildTrunc(e->builder, LLVMBuildLShr(e->builder, counter[0], constant_like(e, element, 8), ""), narrow, "");
  bits = LLVMBuildAnd(e->builder, bits, vector ? emit_i32_vector(e, 0xFFFFFF) : emit_i32(e, 0xFFFFFF), "");
  /* 24 bits are positive as a signed number, and exact as f32. */
  LLVMTypeRef type = vector ? e->session->f32_vector : e->session->f32;
  LLVMValueRef number = LLVMBuildSIToFP(e->builder, bits, type, "");
  LLVMValueRef scale = vector ? emit_f32_vector(e, 0x1p-24) : emit_f32(e, 0x1p-24);
  return LLVMBuildFMul(e->builder, number, scale, "");
}
