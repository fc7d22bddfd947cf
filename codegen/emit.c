#include "emit.h"

/* MXCSR: flush results (bit 15) and operands (bit 6) that are denormal to zero. FPCR.FZ does both. */
enum { MXCSR_FLUSH = 0x8040, FPCR_FLUSH = 1 << 24, DEFAULT_ALIGNMENT = 4 };

/* --- functions ----------------------------------------------------------------------------------------------- */

static void add_function_attributes(Session *session, LLVMValueRef function) {
  session_attribute(session, function, LLVMAttributeFunctionIndex, "nounwind", 0);
  /* Loops that copy or clear stay loops: generated code calls nothing but what abi.def lists. */
  session_text_attribute(session, function, "no-builtins", "true");
  /* Kernels change the mode themselves, so LLVM must not turn a comparison of bits into one of numbers or back. */
  session_text_attribute(session, function, "denormal-fp-math", "dynamic,dynamic");
  session_text_attribute(session, function, "target-cpu", session->target.cpu);
  if (session->target.features[0])
    session_text_attribute(session, function, "target-features", session->target.features);
  if (session->target.lanes == 16) session_text_attribute(session, function, "prefer-vector-width", "512");
}

void emitter_begin_plain(Emitter *e, Session *session, LLVMValueRef function) {
  *e = (Emitter){.session = session,
                 .builder = session->builder,
                 .lanes = session->lanes,
                 .has_fma = session->target.has_fma,
                 .function = function};
  add_function_attributes(session, function);
  e->entry = LLVMAppendBasicBlockInContext(session->context, function, "entry");
  LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(session->context, function, "body");
  LLVMPositionBuilderAtEnd(e->builder, e->entry);
  LLVMBuildBr(e->builder, body);
  LLVMPositionBuilderAtEnd(e->builder, body);
}

/* The caller's floating-point mode is kept in `saved_mode`. */
static void set_flush_to_zero(Emitter *e) {
  Session *s = e->session;
  if (s->target.architecture == ARCH_X86_64) {
    LLVMTypeRef type = session_intrinsic_type(s, INTRINSIC_STMXCSR, NULL, 0);
    e->saved_mode = emit_alloca(e, s->i32, 1, 4);
    LLVMValueRef changed = emit_alloca(e, s->i32, 1, 4);
    LLVMBuildCall2(e->builder, type, session_intrinsic(s, INTRINSIC_STMXCSR, NULL, 0), &e->saved_mode, 1, "");
    LLVMValueRef mode = LLVMBuildLoad2(e->builder, s->i32, e->saved_mode, "mode");
    mode = LLVMBuildOr(e->builder, mode, emit_i32(e, MXCSR_FLUSH), "");
    LLVMBuildStore(e->builder, mode, changed);
    LLVMBuildCall2(e->builder, type, session_intrinsic(s, INTRINSIC_LDMXCSR, NULL, 0), &changed, 1, "");
  } else if (s->target.architecture == ARCH_AARCH64) {
    LLVMTypeRef get = session_intrinsic_type(s, INTRINSIC_GET_FPCR, NULL, 0);
    LLVMTypeRef set = session_intrinsic_type(s, INTRINSIC_SET_FPCR, NULL, 0);
    e->saved_mode = LLVMBuildCall2(e->builder, get, session_intrinsic(s, INTRINSIC_GET_FPCR, NULL, 0), NULL, 0, "mode");
    LLVMValueRef mode = LLVMBuildOr(e->builder, e->saved_mode, emit_i64(e, FPCR_FLUSH), "");
    LLVMBuildCall2(e->builder, set, session_intrinsic(s, INTRINSIC_SET_FPCR, NULL, 0), &mode, 1, "");
  }
}

static void restore_mode(Emitter *e) {
  Session *s = e->session;
  if (!e->saved_mode) return;
  IntrinsicId id = s->target.architecture == ARCH_X86_64 ? INTRINSIC_LDMXCSR : INTRINSIC_SET_FPCR;
  LLVMTypeRef type = session_intrinsic_type(s, id, NULL, 0);
  LLVMBuildCall2(e->builder, type, session_intrinsic(s, id, NULL, 0), &e->saved_mode, 1, "");
}

LLVMValueRef emit_call_field(Emitter *e, unsigned field, LLVMTypeRef type, const char *name) {
  LLVMValueRef pointer = LLVMBuildStructGEP2(e->builder, e->session->call_struct, e->call, field, "");
  return LLVMBuildLoad2(e->builder, type, pointer, name);
}

void emitter_load_call(Emitter *e, LLVMValueRef call) {
  Session *s = e->session;
  e->call = call;
  LLVMValueRef symbols = LLVMBuildStructGEP2(e->builder, s->call_struct, e->call, 0, "symbols");
  for (int k = 0; k < SYMBOL_MAX; k++) {
    LLVMValueRef index = emit_i64(e, k);
    LLVMValueRef pointer = LLVMBuildGEP2(e->builder, s->i64, symbols, &index, 1, "");
    e->symbol[k] = LLVMBuildLoad2(e->builder, s->i64, pointer, "symbol");
  }
  e->seed = emit_call_field(e, 1, s->i64, "seed");
  e->step = emit_call_field(e, 2, s->i64, "step");
}

static LLVMValueRef add_zeros(Emitter *e) {
  Session *s = e->session;
  LLVMValueRef zeros = LLVMGetNamedGlobal(s->module, "zeros");
  if (zeros) return zeros;
  LLVMTypeRef type = LLVMArrayType2(s->f32, (uint64_t)s->lanes);
  zeros = LLVMAddGlobal(s->module, type, "zeros");
  LLVMSetInitializer(zeros, LLVMConstNull(type));
  LLVMSetLinkage(zeros, LLVMPrivateLinkage);
  LLVMSetGlobalConstant(zeros, true);
  LLVMSetAlignment(zeros, 64);
  return zeros;
}

void emitter_begin(Emitter *e, Session *session, const Kernel *kernel, const char *name) {
  LLVMValueRef function = LLVMAddFunction(session->module, name, session->kernel_type);
  /* Global between the objects of one program, invisible outside of what they are linked into. */
  LLVMSetVisibility(function, LLVMHiddenVisibility);
  emitter_begin_plain(e, session, function);
  e->kernel = kernel;
  e->arguments = LLVMGetParam(function, 1);
  e->scratch = LLVMGetParam(function, 2);
  e->begin = LLVMGetParam(function, 3);
  e->end = LLVMGetParam(function, 4);
  e->zeros = add_zeros(e);
  emitter_load_call(e, LLVMGetParam(function, 0));
  e->slot = ARENA_ARRAY(session->arena, LLVMValueRef, kernel->argument_count + 1);
  for (uint32_t k = 0; k < kernel->argument_count; k++) {
    LLVMValueRef index = emit_i64(e, k);
    LLVMValueRef pointer = LLVMBuildGEP2(e->builder, session->pointer, e->arguments, &index, 1, "");
    e->slot[k] = LLVMBuildLoad2(e->builder, session->pointer, pointer, "argument");
  }
  set_flush_to_zero(e);
}

void emitter_end(Emitter *e) {
  restore_mode(e);
  LLVMBuildRetVoid(e->builder);
}

/* --- scalars and vectors ------------------------------------------------------------------------------------- */

LLVMValueRef emit_i64(Emitter *e, int64_t value) { return LLVMConstInt(e->session->i64, (uint64_t)value, true); }

LLVMValueRef emit_i32(Emitter *e, int32_t value) {
  return LLVMConstInt(e->session->i32, (uint64_t)(int64_t)value, true);
}

LLVMValueRef emit_f32(Emitter *e, double value) { return LLVMConstReal(e->session->f32, value); }

static LLVMValueRef constant_vector(Emitter *e, LLVMValueRef scalar) {
  LLVMValueRef lane[64];
  for (int k = 0; k < e->lanes; k++) lane[k] = scalar;
  return LLVMConstVector(lane, (unsigned)e->lanes);
}

LLVMValueRef emit_f32_vector(Emitter *e, double value) { return constant_vector(e, emit_f32(e, value)); }

LLVMValueRef emit_i32_vector(Emitter *e, int32_t value) { return constant_vector(e, emit_i32(e, value)); }

LLVMValueRef emit_lane_numbers(Emitter *e) {
  LLVMValueRef lane[64];
  for (int k = 0; k < e->lanes; k++) lane[k] = emit_i32(e, k);
  return LLVMConstVector(lane, (unsigned)e->lanes);
}

bool emit_is_vector(LLVMValueRef value) { return LLVMGetTypeKind(LLVMTypeOf(value)) == LLVMVectorTypeKind; }

LLVMValueRef emit_splat(Emitter *e, LLVMValueRef scalar) {
  if (emit_is_vector(scalar)) return scalar;
  if (LLVMIsConstant(scalar)) return constant_vector(e, scalar);
  LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), (unsigned)e->lanes);
  LLVMValueRef poison = LLVMGetPoison(type);
  LLVMValueRef first = LLVMBuildInsertElement(e->builder, poison, scalar, emit_i32(e, 0), "");
  return LLVMBuildShuffleVector(e->builder, first, poison, LLVMConstNull(e->session->i32_vector), "splat");
}

LLVMValueRef emit_intrinsic(Emitter *e, IntrinsicId id, LLVMValueRef *arguments, unsigned count) {
  LLVMTypeRef type = LLVMTypeOf(arguments[0]);
  return LLVMBuildCall2(e->builder, session_intrinsic_type(e->session, id, &type, 1),
                        session_intrinsic(e->session, id, &type, 1), arguments, count, "");
}

LLVMValueRef emit_fma(Emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
  if (emit_is_vector(a) || emit_is_vector(b) || emit_is_vector(c)) {
    a = emit_splat(e, a);
    b = emit_splat(e, b);
    c = emit_splat(e, c);
  }
  if (!e->has_fma) return LLVMBuildFAdd(e->builder, LLVMBuildFMul(e->builder, a, b, ""), c, "");
  LLVMValueRef arguments[] = {a, b, c};
  return emit_intrinsic(e, INTRINSIC_FMA, arguments, 3);
}

/* "a > b ? a : b" is what maxps does, so one instruction. */
LLVMValueRef emit_combine(Emitter *e, ReduceKind kind, LLVMValueRef a, LLVMValueRef b) {
  if (emit_is_vector(a) || emit_is_vector(b)) {
    a = emit_splat(e, a);
    b = emit_splat(e, b);
  }
  if (kind == REDUCE_SUM) return LLVMBuildFAdd(e->builder, a, b, "");
  return LLVMBuildSelect(e->builder, LLVMBuildFCmp(e->builder, LLVMRealOGT, a, b, ""), a, b, "");
}

LLVMValueRef emit_reduce_identity(Emitter *e, ReduceKind kind, bool vector) {
  /* -0 rather than 0: x + -0 is x for every x. */
  double value = kind == REDUCE_SUM ? -0.0 : -__builtin_inf();
  return vector ? emit_f32_vector(e, value) : emit_f32(e, value);
}

LLVMValueRef emit_reduce_lanes(Emitter *e, ReduceKind kind, LLVMValueRef vector) {
  for (int half = e->lanes / 2; half >= 1; half /= 2) {
    LLVMValueRef low[64], high[64];
    for (int k = 0; k < half; k++) {
      low[k] = emit_i32(e, k);
      high[k] = emit_i32(e, half + k);
    }
    LLVMValueRef poison = LLVMGetPoison(LLVMTypeOf(vector));
    LLVMValueRef a = LLVMBuildShuffleVector(e->builder, vector, poison, LLVMConstVector(low, (unsigned)half), "");
    LLVMValueRef b = LLVMBuildShuffleVector(e->builder, vector, poison, LLVMConstVector(high, (unsigned)half), "");
    if (kind == REDUCE_SUM)
      vector = LLVMBuildFAdd(e->builder, a, b, "");
    else
      vector = LLVMBuildSelect(e->builder, LLVMBuildFCmp(e->builder, LLVMRealOGT, a, b, ""), a, b, "");
  }
  return LLVMBuildExtractElement(e->builder, vector, emit_i32(e, 0), "");
}

/* --- i64 ----------------------------------------------------------------------------------------------------- */

static bool is_constant(LLVMValueRef value, int64_t wanted) {
  return LLVMIsAConstantInt(value) && LLVMConstIntGetSExtValue(value) == wanted;
}

LLVMValueRef emit_add_i64(Emitter *e, LLVMValueRef a, LLVMValueRef b) {
  if (is_constant(a, 0)) return b;
  if (is_constant(b, 0)) return a;
  return LLVMBuildAdd(e->builder, a, b, "");
}

LLVMValueRef emit_multiply_i64(Emitter *e, LLVMValueRef a, LLVMValueRef b) {
  if (is_constant(a, 1) || is_constant(b, 0)) return b;
  if (is_constant(b, 1) || is_constant(a, 0)) return a;
  return LLVMBuildMul(e->builder, a, b, "");
}

LLVMValueRef emit_minimum_i64(Emitter *e, LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef arguments[] = {a, b};
  if (LLVMIsAConstantInt(a) && LLVMIsAConstantInt(b))
    return LLVMConstIntGetSExtValue(a) < LLVMConstIntGetSExtValue(b) ? a : b;
  return emit_intrinsic(e, INTRINSIC_SMIN, arguments, 2);
}

LLVMValueRef emit_dim(Emitter *e, Dim dim) {
  LLVMValueRef factor = emit_i64(e, dim.factor);
  return dim_is_constant(dim) ? factor : emit_multiply_i64(e, factor, e->symbol[dim.symbol - 1]);
}

LLVMValueRef emit_linear(Emitter *e, const Linear *linear) {
  LLVMValueRef value = emit_i64(e, linear->constant);
  for (int k = 0; k < SYMBOL_MAX; k++) {
    if (!linear->per_symbol[k]) continue;
    value = emit_add_i64(e, value, emit_multiply_i64(e, emit_i64(e, linear->per_symbol[k]), e->symbol[k]));
  }
  return value;
}

/* --- memory -------------------------------------------------------------------------------------------------- */

LLVMValueRef emit_alloca(Emitter *e, LLVMTypeRef type, uint64_t count, unsigned alignment) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->builder);
  LLVMPositionBuilderBefore(e->builder, LLVMGetBasicBlockTerminator(e->entry));
  LLVMTypeRef array = count == 1 ? type : LLVMArrayType2(type, count);
  LLVMValueRef memory = LLVMBuildAlloca(e->builder, array, "");
  LLVMSetAlignment(memory, alignment);
  LLVMPositionBuilderAtEnd(e->builder, here);
  return memory;
}

LLVMValueRef emit_element(Emitter *e, LLVMValueRef pointer, LLVMValueRef index) {
  if (is_constant(index, 0)) return pointer;
  return LLVMBuildGEP2(e->builder, e->session->f32, pointer, &index, 1, "");
}

void emit_prefetch(Emitter *e, LLVMValueRef pointer) {
  enum { READ = 0, SECOND_LEVEL = 2, DATA = 1 };
  Session *s = e->session;
  LLVMValueRef arguments[] = {pointer, emit_i32(e, READ), emit_i32(e, SECOND_LEVEL), emit_i32(e, DATA)};
  LLVMBuildCall2(e->builder, session_intrinsic_type(s, INTRINSIC_PREFETCH, &s->pointer, 1),
                 session_intrinsic(s, INTRINSIC_PREFETCH, &s->pointer, 1), arguments, 4, "");
}

LLVMValueRef emit_load_scalar(Emitter *e, LLVMValueRef pointer) {
  LLVMValueRef value = LLVMBuildLoad2(e->builder, e->session->f32, pointer, "");
  LLVMSetAlignment(value, DEFAULT_ALIGNMENT);
  return value;
}

LLVMValueRef emit_load_vector(Emitter *e, LLVMValueRef pointer, LLVMValueRef mask) {
  Session *s = e->session;
  if (!mask) {
    LLVMValueRef value = LLVMBuildLoad2(e->builder, s->f32_vector, pointer, "");
    LLVMSetAlignment(value, DEFAULT_ALIGNMENT);
    return value;
  }
  LLVMTypeRef overloads[] = {s->f32_vector, s->pointer};
  LLVMValueRef arguments[] = {pointer, emit_i32(e, DEFAULT_ALIGNMENT), mask, LLVMConstNull(s->f32_vector)};
  return LLVMBuildCall2(e->builder, session_intrinsic_type(s, INTRINSIC_MASKED_LOAD, overloads, 2),
                        session_intrinsic(s, INTRINSIC_MASKED_LOAD, overloads, 2), arguments, 4, "");
}

void emit_store_scalar(Emitter *e, LLVMValueRef value, LLVMValueRef pointer) {
  LLVMSetAlignment(LLVMBuildStore(e->builder, value, pointer), DEFAULT_ALIGNMENT);
}

void emit_store_vector(Emitter *e, LLVMValueRef value, LLVMValueRef pointer, LLVMValueRef mask) {
  Session *s = e->session;
  if (!mask) {
    LLVMSetAlignment(LLVMBuildStore(e->builder, value, pointer), DEFAULT_ALIGNMENT);
    return;
  }
  LLVMTypeRef overloads[] = {s->f32_vector, s->pointer};
  LLVMValueRef arguments[] = {value, pointer, emit_i32(e, DEFAULT_ALIGNMENT), mask};
  LLVMBuildCall2(e->builder, session_intrinsic_type(s, INTRINSIC_MASKED_STORE, overloads, 2),
                 session_intrinsic(s, INTRINSIC_MASKED_STORE, overloads, 2), arguments, 4, "");
}

/* Lanes first .. first + count - 1. */
static LLVMValueRef take_lanes(Emitter *e, LLVMValueRef vector, int first, int count) {
  LLVMValueRef order[64];
  for (int k = 0; k < count; k++) order[k] = emit_i32(e, first + k);
  LLVMValueRef poison = LLVMGetPoison(LLVMTypeOf(vector));
  return LLVMBuildShuffleVector(e->builder, vector, poison, LLVMConstVector(order, (unsigned)count), "");
}

static void store_constant_count(Emitter *e, LLVMValueRef value, LLVMValueRef pointer, int count) {
  int at = 0;
  for (int piece = e->lanes; piece >= 1; piece /= 2) {
    if (!(count & piece)) continue;
    LLVMValueRef target = emit_element(e, pointer, emit_i64(e, at));
    LLVMSetAlignment(LLVMBuildStore(e->builder, take_lanes(e, value, at, piece), target), DEFAULT_ALIGNMENT);
    at += piece;
  }
}

/* W lanes or, bit by bit of the count, pieces of W/2, W/4, ..., 1: what is left moves down to lane 0 after each. */
static void store_counted(Emitter *e, LLVMValueRef value, LLVMValueRef pointer, LLVMValueRef count) {
  LLVMTypeRef i32 = e->session->i32;
  Branch branch;
  LLVMValueRef all = LLVMBuildICmp(e->builder, LLVMIntEQ, count, emit_i32(e, e->lanes), "");
  branch_begin(e, &branch, all);
  emit_store_vector(e, value, pointer, NULL);
  branch_end(e, &branch);
  for (int piece = e->lanes / 2; piece >= 1; piece /= 2) {
    LLVMValueRef bit = LLVMBuildAnd(e->builder, count, emit_i32(e, piece), "");
    LLVMValueRef has = LLVMBuildICmp(e->builder, LLVMIntNE, bit, LLVMConstNull(i32), "");
    LLVMValueRef low = take_lanes(e, value, 0, piece);
    branch_begin(e, &branch, has);
    LLVMSetAlignment(LLVMBuildStore(e->builder, low, pointer), DEFAULT_ALIGNMENT);
    branch_end(e, &branch);
    if (piece == 1) break;
    value = LLVMBuildSelect(e->builder, has, take_lanes(e, value, piece, piece), low, "");
    pointer = emit_element(e, pointer, LLVMBuildZExt(e->builder, bit, e->session->i64, ""));
  }
}

void emit_store_first(Emitter *e, LLVMValueRef value, LLVMValueRef pointer, LLVMValueRef count) {
  if (e->session->target.has_masked_store) {
    LLVMValueRef lanes = emit_lane_numbers(e);
    LLVMValueRef mask = LLVMBuildICmp(e->builder, LLVMIntSLT, lanes, emit_splat(e, count), "lanes");
    emit_store_vector(e, value, pointer, mask);
  } else if (LLVMIsAConstantInt(count)) {
    store_constant_count(e, value, pointer, (int)LLVMConstIntGetSExtValue(count));
  } else {
    store_counted(e, value, pointer, count);
  }
}
