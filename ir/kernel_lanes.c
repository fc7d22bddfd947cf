/* The choice of vector axes, by what vectors cost along each. */
#include "kernel_lanes.h"

enum { GUESSED_EXTENT = 32 }; /* of an axis that is known only when running */

double kernel_typical_extent(const Kernel *kernel, int axis) {
  Dim extent = kernel->axis[axis].extent;
  return (double)extent.factor * (dim_is_constant(extent) ? 1 : GUESSED_EXTENT);
}

/* ---- Sums ---- */

/* Cycles of one vector of an access, roughly. */
static double access_cost(const Access *access, int axis, int lanes) {
  Dim stride = access->stride[axis];
  if (!stride.factor) return 0.5;
  if (dim_equal(stride, dim_constant(1))) return 1;
  return dim_equal(stride, dim_constant(-1)) ? 2 : lanes;
}

/* The expressions that decide the vector axis: those that sums are taken of, or all where there are no sums. */
static bool *deciding_expressions(const Kernel *kernel, Arena *arena) {
  bool *decides = ARENA_ARRAY(arena, bool, kernel->expr_count + 1);
  for (uint32_t r = 0; r < kernel->reduction_count; r++) decides[kernel->reduction[r].expr] = true;
  for (uint32_t k = kernel->expr_count; k-- > 0;) {
    const Expr *expr = &kernel->expr[k];
    if (kernel->reduction_count == 0) decides[k] = true;
    for (uint32_t a = 0; decides[k] && expr->kind == EXPR_OP && a < op_info(expr->op)->operands_min; a++)
      decides[expr->arg[a]] = true;
  }
  return decides;
}

/* Cycles of storing at the elements of an axis. Sums are taken as if they were stored once, densely, so that their order
 * does not depend on what else a kernel stores: rematerialisation relies on that. */
static double stores_cost(const Kernel *kernel, int axis, int lanes) {
  double cost = 0;
  if (kernel->reduction_count == 0) {
    for (uint32_t k = 0; k < kernel->store_count; k++) cost += access_cost(&kernel->store[k].access, axis, lanes);
    return cost;
  }
  AxisMask parallel = kernel_axes(kernel, AXIS_PARALLEL);
  bool stored = parallel >> axis & 1, last = parallel >> axis == 1;
  return !stored ? 0.5 : last ? 1 : lanes;
}

/* Per element, with the lanes that are empty in the last vector counted in. */
static double axis_cost(const Kernel *kernel, const bool *decides, int axis, int lanes) {
  double cost = stores_cost(kernel, axis, lanes);
  for (uint32_t k = 0; k < kernel->expr_count; k++) {
    if (!decides[k]) continue;
    cost += 0.25;
    if (kernel->expr[k].kind == EXPR_LOAD) cost += access_cost(&kernel->expr[k].access, axis, lanes);
  }
  double extent = kernel_typical_extent(kernel, axis), vectors = (double)(int64_t)((extent + lanes - 1) / lanes);
  return cost * vectors / extent;
}

int kernel_vector_axis(const Kernel *kernel, int lanes, Arena *arena) {
  const bool *decides = deciding_expressions(kernel, arena);
  int best = -1;
  double best_cost = 0;
  for (int k = 0; k < (int)kernel->axis_count; k++) {
    double cost = axis_cost(kernel, decides, k, lanes);
    if (best < 0 || cost <= best_cost) {
      best = k;
      best_cost = cost;
    }
  }
  return best;
}

/* ---- Transforms ---- */

static bool is_dense(const Access *access, int axis) { return dim_equal(access->stride[axis], dim_constant(1)); }

static int transform_score(const Kernel *kernel, int axis, int lanes) {
  const Expr *source = &kernel->expr[kernel->transform.source];
  Dim extent = kernel->axis[axis].extent;
  int score = 1 + (dim_is_constant(extent) && extent.factor < lanes ? 0 : 4);
  if (source->kind == EXPR_LOAD && is_dense(&source->access, axis)) score += 4;
  for (uint32_t k = 0; k < kernel->store_count; k++)
    if (!is_dense(&kernel->store[k].access, axis)) return score;
  return score + 5;
}

int kernel_transform_axis(const Kernel *kernel, int lanes) {
  int best = -1, best_score = 0;
  for (int axis = 0; axis < (int)kernel->axis_count; axis++) {
    if (kernel->axis[axis].role != AXIS_PARALLEL || kernel->transform.row[axis] != 0) continue;
    int score = transform_score(kernel, axis, lanes);
    if (score < best_score) continue;
    best = axis;
    best_score = score;
  }
  return best;
}
