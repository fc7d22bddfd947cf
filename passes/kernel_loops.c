#include "kernel_loops.h"

#include "ir/guard.h"

#include <string.h>

static AxisMask map_mask(const LoopMap *map, AxisMask mask) {
  AxisMask mapped = 0;
  for (uint32_t k = 0; k < map->count; k++) mapped |= (mask >> map->from[k] & 1) << k;
  return mapped;
}

static void map_guard(const LoopMap *map, IndexGuard *guard) {
  IndexGuard mapped = {.constant = guard->constant, .extent = guard->extent};
  for (uint32_t k = 0; k < map->count; k++) mapped.coefficient[k] = guard->coefficient[map->from[k]];
  *guard = mapped;
}

static void map_access(const LoopMap *map, Access *access) {
  Access mapped = {.slot = access->slot, .offset = access->offset, .guard_count = access->guard_count};
  for (uint32_t k = 0; k < map->count; k++) mapped.stride[k] = access->stride[map->from[k]];
  for (uint32_t g = 0; g < access->guard_count; g++) {
    mapped.guard[g] = access->guard[g];
    map_guard(map, &mapped.guard[g]);
  }
  *access = mapped;
}

void kernel_map_loops(Kernel *kernel, const LoopMap *map) {
  LoopAxis axis[KERNEL_MAX_AXES] = {0};
  for (uint32_t k = 0; k < map->count; k++) axis[k] = kernel->axis[map->from[k]];
  memcpy(kernel->axis, axis, sizeof axis);
  kernel->axis_count = map->count;
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    kernel->expr[e].axes = map_mask(map, kernel->expr[e].axes);
    map_access(map, &kernel->expr[e].access);
    map_guard(map, &kernel->expr[e].index);
  }
  for (uint32_t r = 0; r < kernel->reduction_count; r++) {
    kernel->reduction[r].over = map_mask(map, kernel->reduction[r].over);
  }
  for (uint32_t s = 0; s < kernel->store_count; s++) map_access(map, &kernel->store[s].access);
  int64_t row[KERNEL_MAX_AXES] = {0};
  for (uint32_t k = 0; k < map->count; k++) row[k] = kernel->transform.row[map->from[k]];
  memcpy(kernel->transform.row, row, sizeof row);
}

/* May loops k and k + 1 be one? Then every address and index moves along k by extent(k + 1) times its step along k + 1.
 */
static bool dim_merges(Dim outer, Dim inner, Dim extent) {
  Dim product;
  return dim_multiply(inner, extent, &product) && dim_equal(outer, product.factor == 0 ? dim_constant(0) : product);
}

static bool guard_merges(const IndexGuard *guard, uint32_t k, Dim extent) {
  if (guard->coefficient[k] == 0 && guard->coefficient[k + 1] == 0) return true;
  return dim_is_constant(extent) && guard->coefficient[k] == guard->coefficient[k + 1] * extent.factor;
}

static bool access_merges(const Access *access, uint32_t k, Dim extent) {
  if (!dim_merges(access->stride[k], access->stride[k + 1], extent)) return false;
  for (uint32_t g = 0; g < access->guard_count; g++) {
    if (!guard_merges(&access->guard[g], k, extent)) return false;
  }
  return true;
}

static bool loops_merge(const Kernel *kernel, uint32_t k) {
  AxisRole role = kernel->axis[k].role;
  Dim extent = kernel->axis[k + 1].extent, product;
  if (role != kernel->axis[k + 1].role || (role != AXIS_PARALLEL && role != AXIS_REDUCED)) return false;
  if (!dim_multiply(kernel->axis[k].extent, extent, &product)) return false;
  const int64_t *row = kernel->transform.row;
  if ((row[k] != 0 || row[k + 1] != 0) && row[k] != row[k + 1] * extent.factor) return false;
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    const Expr *expr = &kernel->expr[e];
    if (!access_merges(&expr->access, k, extent) || !guard_merges(&expr->index, k, extent)) return false;
    if ((expr->axes >> k & 1) != (expr->axes >> (k + 1) & 1)) return false;
  }
  for (uint32_t s = 0; s < kernel->store_count; s++) {
    if (!access_merges(&kernel->store[s].access, k, extent)) return false;
  }
  return true;
}

void kernel_merge_loops(Kernel *kernel) {
  for (uint32_t k = kernel->axis_count; k-- > 1;) {
    if (!loops_merge(kernel, k - 1)) continue;
    bool multiplied = dim_multiply(kernel->axis[k - 1].extent, kernel->axis[k].extent, &kernel->axis[k].extent);
    ASSERT(multiplied);
    LoopMap map = {0};
    for (uint32_t old = 0; old < kernel->axis_count; old++) {
      if (old != k - 1) map.from[map.count++] = old;
    }
    kernel_map_loops(kernel, &map);
  }
}
