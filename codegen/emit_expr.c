/* Values of a kernel's expressions at a place in its loop nest, and its stores. */
#include "emit.h"
#include "emit_random.h"

#include <string.h>

/* --- places -------------------------------------------------------------------------------------------------- */

static LLVMValueRef *new_values(Emitter *e) {
  return ARENA_ARRAY(e->session->arena, LLVMValueRef, e->kernel->expr_count + 1);
}

void place_begin(Emitter *e, Place *place) { *place = (Place){.vector_axis = NO_VECTOR_AXIS, .value = new_values(e)}; }

void place_enter(Emitter *e, Place *place, const Place *outer, AxisMask changes) {
  *place = *outer;
  place->value = new_values(e);
  for (uint32_t k = 0; k < e->kernel->expr_count; k++)
    if (!(e->kernel->expr[k].axes & changes)) place->value[k] = outer->value[k];
}

/* A lane number, or e->lanes where it is beyond: i32. */
static LLVMValueRef clamp_lane(Emitter *e, LLVMValueRef lane) {
  if (LLVMIsAConstantInt(lane)) {
    int64_t value = LLVMConstIntGetSExtValue(lane);
    return emit_i32(e, value < 0 ? 0 : value > e->lanes ? e->lanes : (int32_t)value);
  }
  LLVMValueRef bounds[] = {lane, emit_i64(e, 0)};
  LLVMValueRef clamped = emit_minimum_i64(e, emit_intrinsic(e, INTRINSIC_SMAX, bounds, 2), emit_i64(e, e->lanes));
  return LLVMBuildTrunc(e->builder, clamped, e->session->i32, "");
}

/* Lanes l with lower <= l < upper (i64 scalars; NULL lower is 0). */
static LLVMValueRef lane_range(Emitter *e, LLVMValueRef lower, LLVMValueRef upper) {
  LLVMValueRef lanes = emit_lane_numbers(e), mask = NULL;
  LLVMValueRef bound[] = {lower, upper};
  for (int k = lower ? 0 : 1; k < 2; k++) {
    LLVMValueRef narrow = clamp_lane(e, bound[k]);
    LLVMIntPredicate predicate = k == 0 ? LLVMIntSGE : LLVMIntSLT;
    LLVMValueRef part = LLVMBuildICmp(e->builder, predicate, lanes, emit_splat(e, narrow), "lanes");
    mask = mask ? LLVMBuildAnd(e->builder, mask, part, "") : part;
  }
  return mask;
}

void place_set_vector(Emitter *e, Place *place, int axis, LLVMValueRef index, bool whole) {
  place->vector_axis = axis;
  place->index[axis] = index;
  place->mask = place->active = NULL;
  if (whole) return;
  LLVMValueRef extent = emit_dim(e, e->kernel->axis[axis].extent);
  LLVMValueRef remaining = LLVMBuildSub(e->builder, extent, index, "remaining");
  place->active = clamp_lane(e, remaining);
  place->mask = lane_range(e, NULL, remaining);
}

void place_set_value(Place *place, uint32_t expr, LLVMValueRef value) { place->value[expr] = value; }

/* --- addresses and guards ------------------------------------------------------------------------------------ */

LLVMValueRef emit_address(Emitter *e, const Place *place, const Access *access) {
  LLVMValueRef address = emit_linear(e, &access->offset);
  for (uint32_t k = 0; k < e->kernel->axis_count; k++) {
    if (!access->stride[k].factor) continue;
    ASSERT(place->index[k]);
    address = emit_add_i64(e, address, emit_multiply_i64(e, place->index[k], emit_dim(e, access->stride[k])));
  }
  return address;
}

/* constant + sum of coefficient * index, at lane 0. */
static LLVMValueRef linear_index(Emitter *e, const Place *place, const IndexGuard *guard) {
  LLVMValueRef value = emit_i64(e, guard->constant);
  for (uint32_t k = 0; k < e->kernel->axis_count; k++) {
    if (!guard->coefficient[k]) continue;
    ASSERT(place->index[k]);
    value = emit_add_i64(e, value, emit_multiply_i64(e, place->index[k], emit_i64(e, guard->coefficient[k])));
  }
  return value;
}

/* first + lane * stride in i64 lanes; both i64 scalars. */
static LLVMValueRef lane_sequence(Emitter *e, LLVMValueRef first, LLVMValueRef stride) {
  LLVMValueRef lanes = LLVMBuildZExt(e->builder, emit_lane_numbers(e), e->session->i64_vector, "");
  LLVMValueRef scaled = LLVMBuildMul(e->builder, lanes, emit_splat(e, stride), "");
  return LLVMBuildAdd(e->builder, emit_splat(e, first), scaled, "");
}

static int64_t vector_coefficient(const Place *place, const IndexGuard *guard) {
  return place->vector_axis == NO_VECTOR_AXIS ? 0 : guard->coefficient[place->vector_axis];
}

/* Lanes where a guard that varies along the vector axis holds. */
static LLVMValueRef guard_lanes(Emitter *e, const IndexGuard *guard, int64_t coefficient, LLVMValueRef first) {
  LLVMValueRef extent = emit_dim(e, guard->extent);
  if (coefficient == 1)
    return lane_range(e, LLVMBuildNeg(e->builder, first, ""), LLVMBuildSub(e->builder, extent, first, ""));
  if (coefficient == -1) { /* first - extent < l <= first */
    LLVMValueRef upper = LLVMBuildAdd(e->builder, first, emit_i64(e, 1), "");
    return lane_range(e, LLVMBuildSub(e->builder, upper, extent, ""), upper);
  }
  LLVMValueRef index = lane_sequence(e, first, emit_i64(e, coefficient));
  return LLVMBuildICmp(e->builder, LLVMIntULT, index, emit_splat(e, extent), "guard");
}

static LLVMValueRef both(Emitter *e, LLVMValueRef a, LLVMValueRef b) {
  if (!a || !b) return a ? a : b;
  return LLVMBuildAnd(e->builder, a, b, "");
}

/* out_condition: i1 that holds for all lanes alike, or NULL; out_lanes: mask of the others, or NULL. */
static void emit_guards(Emitter *e, const Place *place, const Access *access, LLVMValueRef *out_condition,
                        LLVMValueRef *out_lanes) {
  *out_condition = *out_lanes = NULL;
  for (uint32_t k = 0; k < access->guard_count; k++) {
    const IndexGuard *guard = &access->guard[k];
    LLVMValueRef first = linear_index(e, place, guard);
    int64_t coefficient = vector_coefficient(place, guard);
    if (coefficient) {
      *out_lanes = both(e, *out_lanes, guard_lanes(e, guard, coefficient, first));
    } else {
      /* One unsigned comparison says 0 <= first < extent. */
      LLVMValueRef inside = LLVMBuildICmp(e->builder, LLVMIntULT, first, emit_dim(e, guard->extent), "guard");
      *out_condition = both(e, *out_condition, inside);
    }
  }
}

static Dim vector_stride(const Place *place, const Access *access) {
  return place->vector_axis == NO_VECTOR_AXIS ? dim_constant(0) : access->stride[place->vector_axis];
}

static LLVMValueRef reverse_lanes(Emitter *e, LLVMValueRef vector) {
  LLVMValueRef order[64];
  for (int k = 0; k < e->lanes; k++) order[k] = emit_i32(e, e->lanes - 1 - k);
  LLVMValueRef poison = LLVMGetPoison(LLVMTypeOf(vector));
  return LLVMBuildShuffleVector(e->builder, vector, poison, LLVMConstVector(order, (unsigned)e->lanes), "reversed");
}

/* Pointers to `first + lane * stride`. */
static LLVMValueRef lane_pointers(Emitter *e, LLVMValueRef base, LLVMValueRef first, Dim stride) {
  LLVMValueRef index = lane_sequence(e, first, emit_dim(e, stride));
  return LLVMBuildGEP2(e->builder, e->session->f32, base, &index, 1, "lanes");
}

static LLVMValueRef all_lanes(Emitter *e, LLVMValueRef mask) {
  return mask ? mask : emit_splat(e, LLVMConstInt(e->session->i1, 1, false));
}

static LLVMValueRef gather(Emitter *e, LLVMValueRef pointers, LLVMValueRef mask) {
  Session *s = e->session;
  LLVMTypeRef overloads[] = {s->f32_vector, s->pointer_vector};
  LLVMValueRef arguments[] = {pointers, emit_i32(e, 4), all_lanes(e, mask), LLVMConstNull(s->f32_vector)};
  return LLVMBuildCall2(e->builder, session_intrinsic_type(s, INTRINSIC_GATHER, overloads, 2),
                        session_intrinsic(s, INTRINSIC_GATHER, overloads, 2), arguments, 4, "");
}

static void scatter(Emitter *e, LLVMValueRef value, LLVMValueRef pointers, LLVMValueRef mask) {
  Session *s = e->session;
  LLVMTypeRef overloads[] = {s->f32_vector, s->pointer_vector};
  LLVMValueRef arguments[] = {value, pointers, emit_i32(e, 4), all_lanes(e, mask)};
  LLVMBuildCall2(e->builder, session_intrinsic_type(s, INTRINSIC_SCATTER, overloads, 2),
                 session_intrinsic(s, INTRINSIC_SCATTER, overloads, 2), arguments, 4, "");
}

/* Where the condition fails, a place that holds zeros: a load without a branch. */
static LLVMValueRef guarded_pointer(Emitter *e, LLVMValueRef condition, LLVMValueRef pointer) {
  return condition ? LLVMBuildSelect(e->builder, condition, pointer, e->zeros, "") : pointer;
}

LLVMValueRef emit_load(Emitter *e, const Place *place, const Access *access) {
  LLVMValueRef condition, lanes, base = e->slot[access->slot];
  emit_guards(e, place, access, &condition, &lanes);
  LLVMValueRef address = emit_address(e, place, access);
  Dim stride = vector_stride(place, access);
  if (!stride.factor && !lanes)
    return emit_load_scalar(e, guarded_pointer(e, condition, emit_element(e, base, address)));
  LLVMValueRef mask = both(e, place->mask, lanes);
  if (dim_equal(stride, dim_constant(1)))
    return emit_load_vector(e, guarded_pointer(e, condition, emit_element(e, base, address)), mask);
  if (dim_equal(stride, dim_constant(-1))) {
    LLVMValueRef last = emit_add_i64(e, address, emit_i64(e, 1 - e->lanes));
    LLVMValueRef pointer = guarded_pointer(e, condition, emit_element(e, base, last));
    return reverse_lanes(e, emit_load_vector(e, pointer, mask ? reverse_lanes(e, mask) : NULL));
  }
  if (condition) mask = both(e, mask, emit_splat(e, condition));
  return gather(e, lane_pointers(e, base, address, stride), mask);
}

/* --- expressions --------------------------------------------------------------------------------------------- */

static LLVMValueRef emit_index(Emitter *e, const Place *place, const IndexGuard *index) {
  LLVMValueRef first = linear_index(e, place, index);
  int64_t coefficient = vector_coefficient(place, index);
  if (!coefficient) return LLVMBuildSIToFP(e->builder, first, e->session->f32, "");
  /* An index that f32 can tell from its neighbours fits i32 by far. */
  LLVMValueRef narrow = LLVMBuildTrunc(e->builder, first, e->session->i32, "");
  LLVMValueRef scale = emit_i32_vector(e, (int32_t)coefficient);
  LLVMValueRef steps = LLVMBuildMul(e->builder, emit_lane_numbers(e), scale, "");
  LLVMValueRef lanes = LLVMBuildAdd(e->builder, emit_splat(e, narrow), steps, "");
  return LLVMBuildSIToFP(e->builder, lanes, e->session->f32_vector, "");
}

static LLVMValueRef emit_random(Emitter *e, const Place *place, const Expr *expr) {
  LLVMValueRef element = emit_address(e, place, &expr->access);
  Dim stride = vector_stride(place, &expr->access);
  if (stride.factor) element = lane_sequence(e, element, emit_dim(e, stride));
  return emit_random_unit(e, element, expr->stream);
}

static bool is_comparison(OpCode op) { return op == OP_LESS || op == OP_LESS_EQUAL || op == OP_EQUAL; }

static void emit_operands(Emitter *e, Place *place, const Expr *expr, uint32_t first, uint32_t count,
                          LLVMValueRef *out) {
  bool vector = false;
  for (uint32_t k = 0; k < count; k++) {
    out[k] = emit_expr(e, place, expr->arg[first + k]);
    vector |= emit_is_vector(out[k]);
  }
  for (uint32_t k = 0; vector && k < count; k++) out[k] = emit_splat(e, out[k]);
}

/* Select needs no detour by 0 and 1 where its condition is a comparison. */
static LLVMValueRef emit_select(Emitter *e, Place *place, const Expr *expr) {
  const Expr *test = &e->kernel->expr[expr->arg[0]];
  LLVMValueRef value[2], compared[2];
  if (!(test->kind == EXPR_OP && is_comparison(test->op))) {
    LLVMValueRef operand[3];
    emit_operands(e, place, expr, 0, 3, operand);
    return emit_op(e, OP_SELECT, operand, 3);
  }
  emit_operands(e, place, test, 0, 2, compared);
  emit_operands(e, place, expr, 1, 2, value);
  if (emit_is_vector(compared[0]))
    for (int k = 0; k < 2; k++) value[k] = emit_splat(e, value[k]);
  LLVMRealPredicate predicate = test->op == OP_LESS         ? LLVMRealOLT
                                : test->op == OP_LESS_EQUAL ? LLVMRealOLE
                                                            : LLVMRealOEQ;
  LLVMValueRef condition = LLVMBuildFCmp(e->builder, predicate, compared[0], compared[1], "");
  return LLVMBuildSelect(e->builder, condition, value[0], value[1], "");
}

static LLVMValueRef emit_fresh(Emitter *e, Place *place, uint32_t number) {
  const Expr *expr = &e->kernel->expr[number];
  LLVMValueRef operand[3];
  switch (expr->kind) {
    case EXPR_CONSTANT:
      return emit_f32(e, expr->value);
    case EXPR_LOAD:
      return emit_load(e, place, &expr->access);
    case EXPR_INDEX:
      return emit_index(e, place, &expr->index);
    case EXPR_EXTENT:
      return LLVMBuildSIToFP(e->builder, emit_dim(e, expr->dim), e->session->f32, "");
    case EXPR_RANDOM:
      return emit_random(e, place, expr);
    case EXPR_OP:
      if (expr->op == OP_SELECT) return emit_select(e, place, expr);
      emit_operands(e, place, expr, 0, op_info(expr->op)->operands_min, operand);
      return emit_op(e, expr->op, operand, op_info(expr->op)->operands_min);
    default:
      guard_bug("expression %u of kind %d has no value here", number, (int)expr->kind);
  }
}

LLVMValueRef emit_expr(Emitter *e, Place *place, uint32_t expr) {
  if (!place->value[expr]) place->value[expr] = emit_fresh(e, place, expr);
  return place->value[expr];
}

LLVMValueRef emit_expr_vector(Emitter *e, Place *place, uint32_t expr) {
  return emit_splat(e, emit_expr(e, place, expr));
}

static uint32_t argument_count(const Expr *expr) { return expr->kind == EXPR_OP ? op_info(expr->op)->operands_min : 0; }

static bool is_family_value(ExprKind kind) {
  return kind == EXPR_REDUCED || kind == EXPR_PRODUCT || kind == EXPR_STATE || kind == EXPR_PREVIOUS;
}

static bool is_available(Emitter *e, const Place *place, uint32_t number, const bool *available) {
  const Expr *expr = &e->kernel->expr[number];
  if (place->value[number]) return true;
  if (is_family_value(expr->kind)) return false;
  for (uint32_t k = 0; k < e->kernel->axis_count; k++)
    if ((expr->axes >> k & 1) && !place->index[k]) return false;
  for (uint32_t k = 0; k < argument_count(expr); k++)
    if (!available[expr->arg[k]]) return false;
  return true;
}

void emit_invariants(Emitter *e, Place *place, uint32_t root) {
  bool *needed = ARENA_ARRAY(e->session->arena, bool, root + 1);
  bool *available = ARENA_ARRAY(e->session->arena, bool, root + 1);
  needed[root] = true;
  for (uint32_t k = root + 1; k-- > 0;) {
    const Expr *expr = &e->kernel->expr[k];
    for (uint32_t a = 0; needed[k] && !place->value[k] && a < argument_count(expr); a++) needed[expr->arg[a]] = true;
  }
  for (uint32_t k = 0; k <= root; k++) {
    if (!needed[k]) continue;
    available[k] = is_available(e, place, k, available);
    if (available[k]) emit_expr(e, place, k);
  }
}

/* --- stores -------------------------------------------------------------------------------------------------- */

void emit_store_value(Emitter *e, const Place *place, const Access *access, LLVMValueRef value, bool vector) {
  emit_store_value_at(e, place, access, emit_i64(e, 0), value, vector);
}

void emit_store_value_at(Emitter *e, const Place *place, const Access *access, LLVMValueRef offset, LLVMValueRef value,
                         bool vector) {
  LLVMValueRef base = e->slot[access->slot], address = emit_add_i64(e, emit_address(e, place, access), offset);
  ASSERT(!access->guard_count);
  if (!vector) {
    if (emit_is_vector(value)) value = LLVMBuildExtractElement(e->builder, value, emit_i32(e, 0), "");
    emit_store_scalar(e, value, emit_element(e, base, address));
    return;
  }
  value = emit_splat(e, value);
  Dim stride = vector_stride(place, access);
  if (dim_equal(stride, dim_constant(1))) {
    LLVMValueRef pointer = emit_element(e, base, address);
    if (place->mask)
      emit_store_first(e, value, pointer, place->active);
    else
      emit_store_vector(e, value, pointer, NULL);
  } else if (dim_equal(stride, dim_constant(-1))) {
    LLVMValueRef last = emit_add_i64(e, address, emit_i64(e, 1 - e->lanes));
    LLVMValueRef mask = place->mask ? reverse_lanes(e, place->mask) : NULL;
    emit_store_vector(e, reverse_lanes(e, value), emit_element(e, base, last), mask);
  } else {
    scatter(e, value, lane_pointers(e, base, address, stride), place->mask);
  }
}

void emit_store(Emitter *e, Place *place, uint32_t store) {
  const Store *s = &e->kernel->store[store];
  LLVMValueRef value = emit_expr(e, place, s->expr);
  bool vector = place->vector_axis != NO_VECTOR_AXIS && (access_axes(&s->access) >> place->vector_axis & 1);
  emit_store_value(e, place, &s->access, value, vector);
}
