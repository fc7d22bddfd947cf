#include "peak.h"

#include "entry.h"
#include "object.h"
#include "vector_math.h"

/* Enough chains of dependent operations to hide their latency, and few enough for the registers. */
enum { MULTIPLY_STEPS = 4, ELEMENTARY_CHAINS = 8, READ_CHAINS = 8, MAX_CHAINS = 32 };

static uint32_t multiply_chains(const Session *session) { return (uint32_t)session->target.registers * 3 / 4; }

static void carry_chains(Emitter *e, Loop *loop, const LLVMValueRef *initial, uint32_t count) {
  for (uint32_t k = 0; k < count; k++) loop_carry(e, loop, initial[k]);
}

static void begin_chains(Emitter *e, LLVMValueRef *out_chain, uint32_t count) {
  for (uint32_t k = 0; k < count; k++) out_chain[k] = emit_f32_vector(e, 0.5 / (k + 1));
}

/* The result goes somewhere, so that it is computed. */
static void store_sum(Emitter *e, const LLVMValueRef *chain, uint32_t count) {
  LLVMValueRef sum = chain[0];
  for (uint32_t k = 1; k < count; k++) sum = emit_combine(e, REDUCE_SUM, sum, chain[k]);
  LLVMValueRef scratch = emit_call_field(e, CALL_SCRATCH, e->session->pointer, "scratch");
  emit_store_vector(e, sum, scratch, NULL);
}

/* x = x / 2 + 1 / 2 */
static void emit_multiply_adds(Emitter *e) {
  LLVMValueRef chain[MAX_CHAINS], half = emit_f32_vector(e, 0.5);
  uint32_t count = multiply_chains(e->session);
  ASSERT(count <= MAX_CHAINS);
  begin_chains(e, chain, count);
  Loop loop;
  loop_begin(e, &loop, emit_i64(e, 0), e->step, 1);
  carry_chains(e, &loop, chain, count);
  for (int step = 0; step < MULTIPLY_STEPS; step++)
    for (uint32_t k = 0; k < count; k++) loop.next[k] = emit_fma(e, loop.next[k], half, half);
  loop_end(e, &loop);
  store_sum(e, loop.carried, count);
}

/* x = 2^-x, by the cheapest exponential there is. */
static void emit_elementary(Emitter *e) {
  LLVMValueRef chain[ELEMENTARY_CHAINS];
  begin_chains(e, chain, ELEMENTARY_CHAINS);
  Loop loop;
  loop_begin(e, &loop, emit_i64(e, 0), e->step, 1);
  carry_chains(e, &loop, chain, ELEMENTARY_CHAINS);
  for (int k = 0; k < ELEMENTARY_CHAINS; k++)
    loop.next[k] = emit_exp2_scan(e, LLVMBuildFNeg(e->builder, loop.next[k], ""));
  loop_end(e, &loop);
  store_sum(e, loop.carried, ELEMENTARY_CHAINS);
}

/* Sums of all that is in call->arena, as often as the first symbol says. */
static void emit_reads(Emitter *e) {
  int64_t width = (int64_t)READ_CHAINS * e->lanes;
  LLVMValueRef chain[READ_CHAINS], memory = emit_call_field(e, CALL_ARENA, e->session->pointer, "memory");
  LLVMValueRef end = emit_multiply_i64(e, e->step, emit_i64(e, width));
  begin_chains(e, chain, READ_CHAINS);
  Loop times, loop;
  loop_begin(e, &times, emit_i64(e, 0), e->symbol[0], 1);
  carry_chains(e, &times, chain, READ_CHAINS);
  loop_begin(e, &loop, emit_i64(e, 0), end, width);
  carry_chains(e, &loop, times.carried, READ_CHAINS);
  for (int k = 0; k < READ_CHAINS; k++) {
    LLVMValueRef at = emit_add_i64(e, loop.index, emit_i64(e, (int64_t)k * e->lanes));
    loop.next[k] = emit_combine(e, REDUCE_SUM, loop.next[k], emit_load_vector(e, emit_element(e, memory, at), NULL));
  }
  loop_end(e, &loop);
  for (int k = 0; k < READ_CHAINS; k++) times.next[k] = loop.carried[k];
  loop_end(e, &times);
  store_sum(e, times.carried, READ_CHAINS);
}

static void begin_entry(Emitter *e, Session *session, const char *prefix, const char *suffix) {
  const char *name = arena_format(session->arena, "%s_%s", prefix, suffix);
  emitter_begin_plain(e, session, LLVMAddFunction(session->module, name, session->entry_type));
}

static void emit_module(Session *session, const char *prefix) {
  static void (*const emit[PEAK_COUNT])(Emitter *) = {emit_multiply_adds, emit_elementary, emit_reads};
  session_begin_module(session, prefix);
  Emitter e;
  begin_entry(&e, session, prefix, "prepare");
  LLVMBuildRet(e.builder, emit_i32(&e, 0));
  begin_entry(&e, session, prefix, "run");
  emitter_load_call(&e, LLVMGetParam(e.function, 0));
  for (int k = 0; k < PEAK_COUNT; k++) {
    Branch wanted;
    branch_begin(&e, &wanted, LLVMBuildICmp(e.builder, LLVMIntEQ, e.seed, emit_i64(&e, k), ""));
    emit[k](&e);
    branch_end(&e, &wanted);
  }
  LLVMBuildRet(e.builder, emit_i32(&e, 0));
}

void peak_compile(const char *prefix, const CodegenOptions *options, const Target *target, Arena *arena,
                  CodegenObjects *out_objects, int64_t out_work[PEAK_COUNT]) {
  *out_objects = (CodegenObjects){
      .count = 1, .object = ARENA_ARRAY(arena, CodegenBlob, 1), .triple = target->triple, .cpu = target->cpu};
  Session *session = ARENA_NEW(arena, Session);
  Guard guard;
  if (guard_enter(&guard)) {
    session_begin(session, target, options->lanes, arena);
    emit_module(session, prefix);
    object_verify(session);
    object_optimise(session);
    out_objects->object[0] = object_bytes(session, session->machine, arena, &out_objects->times);
    out_work[PEAK_MULTIPLY_ADD] = (int64_t)2 * MULTIPLY_STEPS * multiply_chains(session) * session->lanes;
    out_work[PEAK_ELEMENTARY] = (int64_t)ELEMENTARY_CHAINS * session->lanes;
    out_work[PEAK_READ] = (int64_t)READ_CHAINS * session->lanes * (int64_t)sizeof(float);
    guard_leave(&guard);
  }
  session_discard(session, &guard);
  guard_pass_on(&guard);
}
