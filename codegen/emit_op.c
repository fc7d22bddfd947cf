/* One elementwise op on f32 values. Operations are rounded one by one: what is written as multiply and add is never
 * fused, so that every target gives the bits that its own operations give. */
#include "emit.h"
#include "vector_math.h"

static LLVMValueRef constant_like(Emitter *e, LLVMValueRef value, double constant) {
  return emit_is_vector(value) ? emit_f32_vector(e, constant) : emit_f32(e, constant);
}

static LLVMValueRef emit_sign(Emitter *e, LLVMValueRef x) {
  LLVMValueRef zero = constant_like(e, x, 0), one = constant_like(e, x, 1), minus = constant_like(e, x, -1);
  LLVMValueRef below = LLVMBuildFCmp(e->builder, LLVMRealOLT, x, zero, "");
  LLVMValueRef above = LLVMBuildFCmp(e->builder, LLVMRealOGT, x, zero, "");
  return LLVMBuildSelect(e->builder, above, one, LLVMBuildSelect(e->builder, below, minus, zero, ""), "");
}

static LLVMValueRef emit_extreme(Emitter *e, LLVMRealPredicate predicate, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildSelect(e->builder, LLVMBuildFCmp(e->builder, predicate, a, b, ""), a, b, "");
}

static LLVMValueRef emit_compare(Emitter *e, LLVMRealPredicate predicate, LLVMValueRef a, LLVMValueRef b) {
  LLVMValueRef condition = LLVMBuildFCmp(e->builder, predicate, a, b, "");
  return LLVMBuildSelect(e->builder, condition, constant_like(e, a, 1), constant_like(e, a, 0), "");
}

typedef LLVMValueRef VectorFunction(Emitter *e, LLVMValueRef x);

static VectorFunction *vector_function(OpCode op) {
  switch (op) {
    case OP_EXP:
      return emit_exp;
    case OP_EXP2:
      return emit_exp2;
    case OP_LOG:
      return emit_log;
    case OP_TANH:
      return emit_tanh;
    case OP_SIGMOID:
      return emit_sigmoid;
    case OP_SOFTPLUS:
      return emit_softplus;
    case OP_ERF:
      return emit_erf;
    default:
      return NULL;
  }
}

/* A scalar is computed in lane 0 of a vector: the same bits as in any other lane. */
static LLVMValueRef emit_transcendental(Emitter *e, VectorFunction *function, LLVMValueRef x) {
  if (emit_is_vector(x)) return function(e, x);
  return LLVMBuildExtractElement(e->builder, function(e, emit_splat(e, x)), emit_i32(e, 0), "");
}

static LLVMValueRef emit_unary(Emitter *e, OpCode op, LLVMValueRef x) {
  VectorFunction *function = vector_function(op);
  if (function) return emit_transcendental(e, function, x);
  switch (op) {
    case OP_NEGATE:
      return LLVMBuildFNeg(e->builder, x, "");
    case OP_ABSOLUTE:
      return emit_intrinsic(e, INTRINSIC_FABS, &x, 1);
    case OP_SIGN:
      return emit_sign(e, x);
    case OP_SQRT:
      return emit_intrinsic(e, INTRINSIC_SQRT, &x, 1);
    case OP_RSQRT:
      return LLVMBuildFDiv(e->builder, constant_like(e, x, 1), emit_intrinsic(e, INTRINSIC_SQRT, &x, 1), "");
    case OP_DETACH:
    case OP_COPY:
      return x;
    default:
      guard_bug("no code for the op %s", op_info(op)->name);
  }
}

static LLVMValueRef emit_binary(Emitter *e, OpCode op, LLVMValueRef a, LLVMValueRef b) {
  switch (op) {
    case OP_ADD:
      return LLVMBuildFAdd(e->builder, a, b, "");
    case OP_SUBTRACT:
      return LLVMBuildFSub(e->builder, a, b, "");
    case OP_MULTIPLY:
      return LLVMBuildFMul(e->builder, a, b, "");
    case OP_DIVIDE:
      return LLVMBuildFDiv(e->builder, a, b, "");
    case OP_MAXIMUM:
      return emit_extreme(e, LLVMRealOGT, a, b);
    case OP_MINIMUM:
      return emit_extreme(e, LLVMRealOLT, a, b);
    case OP_LESS:
      return emit_compare(e, LLVMRealOLT, a, b);
    case OP_LESS_EQUAL:
      return emit_compare(e, LLVMRealOLE, a, b);
    case OP_EQUAL:
      return emit_compare(e, LLVMRealOEQ, a, b);
    default:
      guard_bug("no code for the op %s", op_info(op)->name);
  }
}

LLVMValueRef emit_op(Emitter *e, OpCode op, const LLVMValueRef *operands, uint32_t count) {
  if (count == 1) return emit_unary(e, op, operands[0]);
  if (count == 2) return emit_binary(e, op, operands[0], operands[1]);
  ASSERT(op == OP_SELECT && count == 3);
  LLVMValueRef zero = constant_like(e, operands[0], 0);
  LLVMValueRef condition = LLVMBuildFCmp(e->builder, LLVMRealUNE, operands[0], zero, "");
  return LLVMBuildSelect(e->builder, condition, operands[1], operands[2], "");
}
