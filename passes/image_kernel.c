#include "image_kernel.h"

#include "kernel_loops.h"

#include "ir/kernel_lanes.h"

#include <string.h>

/* A product with fewer rows an image does not fill register tiles, and moves its weights for nothing. */
enum { ROWS_MIN = 12 };

/* ---- May it be cut? ---- */

static bool find_axis(const Kernel *kernel, ImageSlice *slice, const char **out_why) {
  uint32_t found = 0;
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    Dim extent = kernel->axis[k].extent;
    if (dim_is_constant(extent)) continue;
    if (extent.symbol != SYMBOL_BATCH || kernel->axis[k].role != AXIS_PARALLEL) {
      *out_why = "it sums over the batch";
      return false;
    }
    slice->axis = k;
    slice->factor = extent.factor;
    found++;
  }
  *out_why = found == 0 ? "it has no loop over the batch" : "it has several loops over the batch";
  return found == 1;
}

static bool index_varies(const IndexGuard *index, uint32_t axis) {
  return index->coefficient[axis] != 0 || !dim_is_constant(index->extent);
}

static bool note_access(const Access *access, ImageSlice *slice, bool *seen, const char **out_why) {
  for (uint32_t g = 0; g < access->guard_count; g++) {
    if (!index_varies(&access->guard[g], slice->axis)) continue;
    *out_why = "it asks for the number of the image";
    return false;
  }
  Dim stride = access->stride[slice->axis];
  int64_t advance = stride.factor * slice->factor;
  bool agrees = dim_is_constant(stride) && (!seen[access->slot] || slice->advance[access->slot] == advance);
  *out_why = "it reads several images at once";
  seen[access->slot] = true;
  slice->advance[access->slot] = advance;
  return agrees;
}

static bool note_expr(const Expr *expr, ImageSlice *slice, bool *seen, const char **out_why) {
  switch (expr->kind) {
    case EXPR_LOAD:
      return note_access(&expr->access, slice, seen, out_why);
    case EXPR_INDEX:
      *out_why = "it asks for the number of the image";
      return expr->index.coefficient[slice->axis] == 0;
    case EXPR_RANDOM:
      *out_why = "its random numbers are not numbered along the batch";
      return dim_is_constant(expr->access.stride[slice->axis]);
    default:
      return true;
  }
}

/* Products: rows of an image. The vector axis stays whole. */
static bool product_fits(const Kernel *kernel, const ImageSlice *slice, const char **out_why) {
  bool product = kernel->family == LOWER_CONTRACT;
  if (!product && kernel->family != LOWER_SPECTRAL) return true;
  int64_t rows = 1;
  uint32_t last = 0;
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    if (kernel->axis[k].role != AXIS_PARALLEL) continue;
    last = k;
    if (!product) continue;
    bool left = kernel->expr[kernel->left].axes >> k & 1, right = kernel->expr[kernel->right].axes >> k & 1;
    if (left && !right) rows *= k == slice->axis ? slice->factor : kernel->axis[k].extent.factor;
  }
  *out_why = last == slice->axis ? "images are its vector axis" : "an image has too few rows for a product";
  return last != slice->axis && (!product || rows >= ROWS_MIN);
}

/* ---- What of a buffer does an image touch? ---- */

/* Numbers from low to high, both included. */
typedef struct Range {
  int64_t low, high;
} Range;

static void range_add(Range *range, int64_t step, int64_t count) {
  int64_t reach = step * (count - 1);
  if (reach < 0)
    range->low += reach;
  else
    range->high += reach;
}

static int64_t extent_of(const Kernel *kernel, const ImageSlice *slice, uint32_t axis) {
  return axis == slice->axis ? slice->factor : kernel->axis[axis].extent.factor;
}

/* A guard of an index that the address follows bounds what its loops reach: padding is never touched. Takes those loops
 * out of `step`. */
static void range_add_guarded(const Kernel *kernel, const ImageSlice *slice, const IndexGuard *guard, int64_t *step,
                              Range *range) {
  int64_t scale = 0;
  for (uint32_t k = 0; k < kernel->axis_count && scale == 0; k++) {
    if (guard->coefficient[k] != 0) scale = step[k] / guard->coefficient[k];
  }
  Range loops = {0, 0}, kept = {-scale * guard->constant, -scale * guard->constant};
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    if (guard->coefficient[k] == 0) continue;
    if (scale == 0 || step[k] != scale * guard->coefficient[k]) return;
    range_add(&loops, step[k], extent_of(kernel, slice, k));
  }
  range_add(&kept, scale, guard->extent.factor);
  range->low += loops.low > kept.low ? loops.low : kept.low;
  range->high += loops.high < kept.high ? loops.high : kept.high;
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    if (guard->coefficient[k] != 0) step[k] = 0;
  }
}

/* Rows of B spans: what moves by whole rows stays in its span. */
static bool moves_by_rows(int64_t per_batch, int64_t span) { return per_batch % span == 0; }

static bool is_inside(const Kernel *kernel, const ImageSlice *slice, const Access *access, Dim tile_stride,
                      int64_t span) {
  Range range = {access->offset.constant, access->offset.constant};
  int64_t step[KERNEL_MAX_AXES];
  if (!moves_by_rows(access->offset.per_symbol[SYMBOL_BATCH - 1], span)) return false;
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    Dim stride = access->stride[k];
    step[k] = dim_is_constant(stride) ? stride.factor : 0;
    if (!dim_is_constant(stride) && !moves_by_rows(stride.factor, span)) return false;
    if (kernel->axis[k].role == AXIS_LANE && tile_stride.factor != 0) {
      int64_t tiles = (kernel->axis[k].extent.factor + SCAN_TILE - 1) / SCAN_TILE;
      if (dim_is_constant(tile_stride))
        range_add(&range, tile_stride.factor, tiles);
      else if (!moves_by_rows(tile_stride.factor, span))
        return false;
    }
  }
  for (uint32_t g = 0; g < access->guard_count; g++) range_add_guarded(kernel, slice, &access->guard[g], step, &range);
  for (uint32_t k = 0; k < kernel->axis_count; k++) range_add(&range, step[k], extent_of(kernel, slice, k));
  return range.low >= 0 && range.high < span;
}

bool image_slice_is_apart(const Kernel *kernel, const ImageSlice *slice, uint32_t slot) {
  int64_t span = slice->advance[slot];
  if (span <= 0) return false;
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    const Expr *expr = &kernel->expr[e];
    bool reads = expr->kind == EXPR_LOAD && expr->access.slot == slot;
    if (reads && !is_inside(kernel, slice, &expr->access, dim_constant(0), span)) return false;
  }
  for (uint32_t s = 0; s < kernel->store_count; s++) {
    const Store *store = &kernel->store[s];
    if (store->access.slot == slot && !is_inside(kernel, slice, &store->access, store->tile_stride, span)) return false;
  }
  return true;
}

/* ---- The cut ---- */

/* Do its bits depend on the loop that lanes lie along? Then its loops stay as they are. */
static bool lanes_decide(const Kernel *kernel) {
  return kernel->family == LOWER_SPECTRAL || (kernel->family == LOWER_MAP && kernel->reduction_count > 0);
}

static Dim of_one(Dim dim) { return dim_constant(dim.factor); }

static void cut_access(const Kernel *kernel, const bool *local, Access *access) {
  if (!local[access->slot]) return;
  for (uint32_t k = 0; k < kernel->axis_count; k++) access->stride[k] = of_one(access->stride[k]);
  for (int s = 0; s < SYMBOL_MAX; s++) access->offset.constant += access->offset.per_symbol[s];
  memset(access->offset.per_symbol, 0, sizeof access->offset.per_symbol);
}

Kernel *image_kernel(const Kernel *kernel, const ImageSlice *slice, const bool *local, Arena *arena) {
  Kernel *image = arena_copy(arena, kernel, sizeof *kernel);
  image->expr = arena_copy(arena, kernel->expr, kernel->expr_count * sizeof(Expr));
  image->store = arena_copy(arena, kernel->store, kernel->store_count * sizeof(Store));
  image->reduction = arena_copy(arena, kernel->reduction, kernel->reduction_count * sizeof(Reduction));
  image->axis[slice->axis].extent = dim_constant(slice->factor);
  for (uint32_t e = 0; e < image->expr_count; e++) {
    Access *access = &image->expr[e].access;
    if (image->expr[e].kind == EXPR_LOAD) cut_access(image, local, access);
    if (image->expr[e].kind == EXPR_RANDOM)
      access->offset.per_symbol[SYMBOL_IMAGE - 1] = access->stride[slice->axis].factor * slice->factor;
  }
  for (uint32_t s = 0; s < image->store_count; s++) {
    Store *store = &image->store[s];
    cut_access(image, local, &store->access);
    if (local[store->access.slot]) store->tile_stride = of_one(store->tile_stride);
  }
  LoopMap map = {0};
  for (uint32_t k = 0; k < image->axis_count; k++) {
    if (k != slice->axis || slice->factor != 1) map.from[map.count++] = k;
  }
  kernel_map_loops(image, &map);
  if (!lanes_decide(kernel)) kernel_merge_loops(image);
  return image;
}

/* ---- Which kernels ---- */

static int lanes_axis(const Kernel *kernel, int lanes, Arena *arena) {
  return kernel->family == LOWER_SPECTRAL ? kernel_transform_axis(kernel, lanes)
                                          : kernel_vector_axis(kernel, lanes, arena);
}

/* Are the lanes along the same loop, whatever is local? */
static bool keeps_lanes(const Kernel *kernel, const ImageSlice *slice, Arena *arena) {
  if (!lanes_decide(kernel)) return true;
  bool *local = ARENA_ARRAY(arena, bool, kernel->argument_count + 1);
  for (int all = 0; all < 2; all++) {
    for (uint32_t a = 0; a < kernel->argument_count; a++) local[a] = all != 0;
    const Kernel *image = image_kernel(kernel, slice, local, arena);
    for (int lanes = LANES_MIN; lanes <= LANES_MAX; lanes *= 2) {
      int axis = lanes_axis(kernel, lanes, arena);
      if (axis == (int)slice->axis) return false;
      bool moved = slice->factor == 1 && axis > (int)slice->axis;
      if (lanes_axis(image, lanes, arena) != axis - moved) return false;
    }
  }
  return true;
}

bool image_slice_find(const Kernel *kernel, Arena *arena, ImageSlice *out_slice, const char **out_why) {
  *out_slice = (ImageSlice){.advance = ARENA_ARRAY(arena, int64_t, kernel->argument_count + 1)};
  bool *seen = ARENA_ARRAY(arena, bool, kernel->argument_count + 1);
  if (!find_axis(kernel, out_slice, out_why) || !product_fits(kernel, out_slice, out_why)) return false;
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    if (!note_expr(&kernel->expr[e], out_slice, seen, out_why)) return false;
  }
  for (uint32_t s = 0; s < kernel->store_count; s++) {
    const Access *access = &kernel->store[s].access;
    if (!note_access(access, out_slice, seen, out_why)) return false;
    *out_why = "all images write one result";
    if (out_slice->advance[access->slot] == 0) return false;
  }
  *out_why = "its lanes would lie along another loop, and give other bits";
  return keeps_lanes(kernel, out_slice, arena);
}
