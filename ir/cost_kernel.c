#include "cost.h"
#include "program.h"

#include <math.h>

typedef struct Extents {
  double axis[KERNEL_MAX_AXES];
  uint32_t count;
} Extents;

static double index_count(const Extents *extents, AxisMask axes) {
  double count = 1;
  for (uint32_t k = 0; k < extents->count; k++) {
    if (axes >> k & 1) count *= extents->axis[k];
  }
  return count;
}

/* --- arithmetic ------------------------------------------------------------------------------------------------ */

static void add_cost(Cost *sum, Cost each, double times) {
  sum->adds += each.adds * times;
  sum->multiplies += each.multiplies * times;
  sum->transcendentals += each.transcendentals * times;
}

/* What a fast transform costs, as for the op; real signals half. */
static void add_transforms(const Kernel *kernel, const Extents *extents, Cost *sum) {
  const Transform *transform = &kernel->transform;
  static const Cost level = {.adds = 3, .multiplies = 2};
  double count = (double)transform->extent * log2((double)transform->extent);
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    if (kernel->axis[k].role == AXIS_PARALLEL && transform->row[k] == 0) count *= extents->axis[k];
  }
  add_cost(sum, level, transform->form == DFT_COMPLEX ? count : count / 2);
}

static void add_arithmetic(const Kernel *kernel, const Extents *extents, Cost *sum) {
  static const Cost sum_term = {.adds = 1}, product_term = {.adds = 1, .multiplies = 1};
  for (uint32_t k = 0; k < kernel->expr_count; k++) {
    const Expr *expr = &kernel->expr[k];
    if (expr->kind == EXPR_OP) add_cost(sum, op_element_cost(expr->op), index_count(extents, expr->axes));
    if (expr->kind == EXPR_RANDOM) add_cost(sum, op_element_cost(OP_RANDOM_UNIFORM), index_count(extents, expr->axes));
  }
  for (uint32_t k = 0; k < kernel->reduction_count; k++)
    add_cost(sum, sum_term, index_count(extents, kernel->expr[kernel->reduction[k].expr].axes));
  for (uint32_t k = 0; k < kernel->recurrence_count; k++) {
    const Recurrence *recurrence = &kernel->recurrence[k];
    AxisMask axes = kernel->expr[recurrence->decay].axes | kernel->expr[recurrence->input].axes;
    if (recurrence->coupled) axes |= kernel->expr[recurrence->turn].axes;
    double steps = index_count(extents, axes | kernel_axes(kernel, AXIS_TIME));
    add_cost(sum, product_term, recurrence->coupled ? 2 * steps : steps);
  }
  if (kernel->family == LOWER_CONTRACT) add_cost(sum, product_term, index_count(extents, ~(AxisMask)0));
  if (kernel->family == LOWER_SPECTRAL) add_transforms(kernel, extents, sum);
}

/* --- memory ---------------------------------------------------------------------------------------------------- */

/* What is read or written of one argument: the elements of its accesses and the addresses that they lie between. */
typedef struct Touched {
  double elements, low, high;
} Touched;

/* `tiles` times, each `tile_stride` further on. */
static void touch(Touched *touched, const Access *access, double tiles, double tile_stride, const Extents *extents,
                  const int64_t *symbols) {
  double low = (double)linear_value(&access->offset, symbols), high = low + (tiles - 1) * tile_stride;
  double elements = tiles;
  for (uint32_t k = 0; k < extents->count; k++) {
    double stride = (double)dim_value(access->stride[k], symbols);
    if (stride == 0) continue;
    elements *= extents->axis[k];
    *(stride < 0 ? &low : &high) += stride * (extents->axis[k] - 1);
  }
  if (touched->elements == 0 || low < touched->low) touched->low = low;
  if (touched->elements == 0 || high > touched->high) touched->high = high;
  touched->elements += elements;
}

/* Accesses of one argument may overlap (windows, loads one step apart), so it counts no more elements than there are
 * between the lowest and the highest address. */
static double touched_bytes(const Kernel *kernel, uint32_t slot, const Extents *extents, const int64_t *symbols) {
  Touched touched = {0};
  for (uint32_t k = 0; k < kernel->expr_count; k++) {
    const Expr *expr = &kernel->expr[k];
    if (expr->kind == EXPR_LOAD && expr->access.slot == slot) touch(&touched, &expr->access, 1, 0, extents, symbols);
  }
  for (uint32_t k = 0; k < kernel->store_count; k++) {
    const Store *store = &kernel->store[k];
    if (store->access.slot != slot) continue;
    double stride = (double)dim_value(store->tile_stride, symbols);
    double tiles = stride == 0 ? 1 : ceil(index_count(extents, kernel_axes(kernel, AXIS_LANE)) / SCAN_TILE);
    touch(&touched, &store->access, tiles, stride, extents, symbols);
  }
  if (touched.elements == 0) return 0;
  return sizeof(float) * fmin(touched.elements, touched.high - touched.low + 1);
}

Cost kernel_cost(const Kernel *kernel, const int64_t *symbols) {
  Extents extents = {.count = kernel->axis_count};
  Cost cost = {0};
  for (uint32_t k = 0; k < kernel->axis_count; k++)
    extents.axis[k] = (double)dim_value(kernel->axis[k].extent, symbols);
  add_arithmetic(kernel, &extents, &cost);
  for (uint32_t k = 0; k < kernel->argument_count; k++)
    *(k < kernel->read_count ? &cost.bytes_read : &cost.bytes_written) += touched_bytes(kernel, k, &extents, symbols);
  return cost;
}
