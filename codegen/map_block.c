/* Transposition within elementwise MAP kernels. A load that lies dense along another axis than the stores do would
 * gather W lanes from W cache lines, again for each index of that axis. A block of W x W indices instead loads W
 * vectors along the block axis and transposes them in registers, once for all its rows. */
#include "map.h"

enum { MAX_LANES = 16 };

bool map_is_transposed(const MapPlan *plan, const Expr *expr) {
  if (expr->kind != EXPR_LOAD || plan->block_axis == NO_BLOCK_AXIS || expr->access.guard_count) return false;
  Dim along = expr->access.stride[plan->vector_axis];
  return along.factor && !dim_equal(along, dim_constant(1)) &&
         dim_equal(expr->access.stride[plan->block_axis], dim_constant(1));
}

/* Of the two vectors a and b at distance `step` in the block: lanes with that bit clear from a's own or upper half. */
static LLVMValueRef exchange(Emitter *e, LLVMValueRef a, LLVMValueRef b, int step, bool upper) {
  LLVMValueRef order[MAX_LANES] = {NULL};
  for (int lane = 0; lane < e->lanes; lane++) {
    int from_a = upper ? lane + step : lane, from_b = upper ? lane : lane - step;
    order[lane] = emit_i32(e, lane & step ? e->lanes + from_b : from_a);
  }
  return LLVMBuildShuffleVector(e->builder, a, b, LLVMConstVector(order, (unsigned)e->lanes), "");
}

/* Eklundh's algorithm: after the step of distance s, bit s of row and lane are exchanged. */
static void transpose(Emitter *e, LLVMValueRef row[MAX_LANES]) {
  for (int step = 1; step < e->lanes; step *= 2) {
    for (int k = 0; k < e->lanes; k++) {
      if (k & step) continue;
      LLVMValueRef a = row[k], b = row[k + step];
      row[k] = exchange(e, a, b, step, false);
      row[k + step] = exchange(e, a, b, step, true);
    }
  }
}

/* out[j]: the load's values at block index block_first + j, lanes along the vector axis. */
static void load_block(Emitter *e, const MapPlan *plan, const Place *item, const Access *access,
                       LLVMValueRef block_first, LLVMValueRef vector_first, LLVMValueRef out[MAX_LANES]) {
  for (int lane = 0; lane < e->lanes; lane++) {
    Place place = *item;
    place.index[plan->vector_axis] = emit_add_i64(e, vector_first, emit_i64(e, lane));
    place_set_vector(e, &place, plan->block_axis, block_first, true);
    out[lane] = emit_load(e, &place, access);
  }
  transpose(e, out);
}

void map_emit_block(Emitter *e, const MapPlan *plan, const Place *item, LLVMValueRef block_first,
                    LLVMValueRef vector_first) {
  const Kernel *kernel = e->kernel;
  Place row[MAX_LANES];
  AxisMask changes = (AxisMask)1 << plan->block_axis | (AxisMask)1 << plan->vector_axis;
  for (int j = 0; j < e->lanes; j++) {
    place_enter(e, &row[j], item, changes);
    row[j].index[plan->block_axis] = emit_add_i64(e, block_first, emit_i64(e, j));
    place_set_vector(e, &row[j], plan->vector_axis, vector_first, true);
  }
  for (uint32_t k = 0; k < kernel->expr_count; k++) {
    if (!map_is_transposed(plan, &kernel->expr[k])) continue;
    LLVMValueRef value[MAX_LANES] = {NULL};
    load_block(e, plan, item, &kernel->expr[k].access, block_first, vector_first, value);
    for (int j = 0; j < e->lanes; j++) place_set_value(&row[j], k, value[j]);
  }
  for (int j = 0; j < e->lanes; j++) {
    for (uint32_t k = 0; k < kernel->store_count; k++) emit_expr(e, &row[j], kernel->store[k].expr);
    for (uint32_t k = 0; k < kernel->store_count; k++) emit_store(e, &row[j], k);
  }
}
