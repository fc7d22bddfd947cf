/* Philox4x32-10 (Salmon et al., SC'11) on vectors: the numbers of random_word and random_unit in ir/evaluate.h. */
#include "emit_random.h"

enum { ROUNDS = 10 };
static const uint32_t MULTIPLIER[2] = {0xD2511F53u, 0xCD9E8D57u};
static const uint32_t WEYL[2] = {0x9E3779B9u, 0xBB67AE85u};

static LLVMTypeRef i64_like(Emitter *e, LLVMValueRef value) {
  return emit_is_vector(value) ? e->session->i64_vector : e->session->i64;
}

static LLVMTypeRef i32_like(Emitter *e, LLVMValueRef value) {
  return emit_is_vector(value) ? e->session->i32_vector : e->session->i32;
}

static LLVMValueRef constant_like(LLVMTypeRef type, Emitter *e, LLVMValueRef like, uint64_t value) {
  LLVMValueRef constant = LLVMConstInt(type, value, false);
  return emit_is_vector(like) ? emit_splat(e, constant) : constant;
}

/* The 64-bit product of x and a constant, in halves. */
static void multiply_wide(Emitter *e, LLVMValueRef x, uint32_t factor, LLVMValueRef *out_high, LLVMValueRef *out_low) {
  LLVMTypeRef wide = i64_like(e, x), narrow = i32_like(e, x);
  LLVMValueRef extended = LLVMBuildZExt(e->builder, x, wide, "");
  LLVMValueRef product = LLVMBuildMul(e->builder, extended, constant_like(e->session->i64, e, x, factor), "");
  LLVMValueRef high = LLVMBuildLShr(e->builder, product, constant_like(e->session->i64, e, x, 32), "");
  *out_high = LLVMBuildTrunc(e->builder, high, narrow, "");
  *out_low = LLVMBuildTrunc(e->builder, product, narrow, "");
}

static LLVMValueRef low_word(Emitter *e, LLVMValueRef value) {
  return LLVMBuildTrunc(e->builder, value, i32_like(e, value), "");
}

static LLVMValueRef high_word(Emitter *e, LLVMValueRef value) {
  LLVMValueRef shift = constant_like(e->session->i64, e, value, 32);
  return low_word(e, LLVMBuildLShr(e->builder, value, shift, ""));
}

static LLVMValueRef exclusive_or(Emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
  return LLVMBuildXor(e->builder, LLVMBuildXor(e->builder, a, b, ""), c, "");
}

/* `counter` in, the four words out. `key` are scalars. */
static void philox(Emitter *e, LLVMValueRef counter[4], LLVMValueRef key[2]) {
  bool vector = emit_is_vector(counter[0]);
  for (int round = 0; round < ROUNDS; round++) {
    LLVMValueRef high[2], low[2], spread[2];
    for (size_t k = 0; k < 2; k++) {
      multiply_wide(e, counter[2 * k], MULTIPLIER[k], &high[k], &low[k]);
      spread[k] = vector ? emit_splat(e, key[k]) : key[k];
      key[k] = LLVMBuildAdd(e->builder, key[k], LLVMConstInt(e->session->i32, WEYL[k], false), "");
    }
    LLVMValueRef first = exclusive_or(e, high[1], counter[1], spread[0]);
    LLVMValueRef third = exclusive_or(e, high[0], counter[3], spread[1]);
    counter[0] = first;
    counter[1] = low[1];
    counter[2] = third;
    counter[3] = low[0];
  }
}

LLVMValueRef emit_random_unit(Emitter *e, LLVMValueRef element, int64_t stream) {
  bool vector = emit_is_vector(element);
  LLVMValueRef stream_word = emit_i32(e, (int32_t)(uint32_t)(uint64_t)stream), step_word = low_word(e, e->step);
  LLVMValueRef counter[4] = {low_word(e, element), high_word(e, element),
                             vector ? emit_splat(e, stream_word) : stream_word,
                             vector ? emit_splat(e, step_word) : step_word};
  LLVMValueRef key[2] = {low_word(e, e->seed), high_word(e, e->seed)};
  philox(e, counter, key);
  LLVMValueRef bits = LLVMBuildLShr(e->builder, counter[0], constant_like(e->session->i32, e, element, 8), "");
  /* 24 bits are positive as a signed number, and exact as f32. */
  LLVMTypeRef type = vector ? e->session->f32_vector : e->session->f32;
  LLVMValueRef number = LLVMBuildSIToFP(e->builder, bits, type, "");
  LLVMValueRef scale = vector ? emit_f32_vector(e, 0x1p-24) : emit_f32(e, 0x1p-24);
  return LLVMBuildFMul(e->builder, number, scale, "");
}
