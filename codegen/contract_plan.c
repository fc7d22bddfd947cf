#include "contract_plan.h"

#include "ir/cost.h"

/* Up to DEPTH_WHOLE terms are summed in one go; longer sums are cut into about DEPTH_BLOCK terms, whose packed panel
 * stays in the first cache level beside a tile of the left operand. A block of the left operand is to stay in the second
 * level, of which it takes LEFT_FLOATS at most: every panel reads it. */
enum {
  DEPTH_BLOCK = 256,
  DEPTH_WHOLE = 640,
  LEFT_FLOATS = 1 << 16,
  LEAST_BLOCK_ROWS = 48,
  MOST_BLOCK_ROWS = 192,
  SHARED_PANELS = 16,
  LONG_STRIDE = 256,
  LINE_FLOATS = 16,
  WANTED_ITEMS = 8
};
enum { MAX_VECTORS = 8, MAX_ROWS = 14, MAX_DIRECT_OPS = 6, TYPICAL_SYMBOL = 16 };

static int64_t typical(Dim dim) { return dim.factor * (dim_is_constant(dim) ? 1 : TYPICAL_SYMBOL); }
static int64_t ceiling(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* --- merging axes -------------------------------------------------------------------------------------------- */

static bool guards_vary(const Access *access, int axis) {
  for (uint32_t g = 0; g < access->guard_count; g++)
    if (access->guard[g].coefficient[axis]) return true;
  return false;
}

static bool access_merges(const Access *access, int outer, int inner, Dim extent) {
  Dim step;
  if (guards_vary(access, outer) || guards_vary(access, inner)) return false;
  if (!access_varies(access, outer) && !access_varies(access, inner)) return true;
  return dim_multiply(access->stride[inner], extent, &step) && dim_equal(step, access->stride[outer]);
}

static bool index_merges(const IndexGuard *index, int outer, int inner, Dim extent) {
  int64_t a = index->coefficient[outer], b = index->coefficient[inner];
  return dim_is_constant(extent) ? a == b * extent.factor : a == 0 && b == 0;
}

/* Whether the loop pair (outer, inner) is one loop to every access, index and store. */
static bool axes_merge(const Kernel *kernel, int outer, int inner) {
  Dim extent = kernel->axis[inner].extent, product;
  if (!dim_multiply(kernel->axis[outer].extent, extent, &product)) return false;
  for (uint32_t k = 0; k < kernel->expr_count; k++) {
    const Expr *expr = &kernel->expr[k];
    if ((expr->kind == EXPR_LOAD || expr->kind == EXPR_RANDOM) && !access_merges(&expr->access, outer, inner, extent))
      return false;
    if (expr->kind == EXPR_INDEX && !index_merges(&expr->index, outer, inner, extent)) return false;
  }
  for (uint32_t k = 0; k < kernel->store_count; k++)
    if (!access_merges(&kernel->store[k].access, outer, inner, extent)) return false;
  return true;
}

static void merge_axes(Kernel *kernel, int outer, int inner) {
  Dim product;
  ASSERT(dim_multiply(kernel->axis[outer].extent, kernel->axis[inner].extent, &product));
  kernel->axis[inner].extent = product;
  kernel->axis[outer].extent = dim_constant(1);
  for (uint32_t k = 0; k < kernel->expr_count; k++) {
    Expr *expr = &kernel->expr[k];
    if (expr->axes >> outer & 1) expr->axes = (expr->axes & ~(1u << outer)) | 1u << inner;
  }
}

static bool is_loop(const Kernel *kernel, int axis) { return !dim_is(kernel->axis[axis].extent, 1); }

/* A copy whose expressions can be changed. */
static Kernel copy_kernel(const Kernel *kernel, Arena *arena) {
  Kernel copy = *kernel;
  copy.expr = arena_copy(arena, kernel->expr, sizeof(Expr) * kernel->expr_count);
  return copy;
}

/* Merges every axis of `mask` that merges with `axis` into it. */
static void merge_into(Kernel *kernel, int axis, AxisMask mask) {
  for (int outer = axis - 1; outer >= 0; outer--)
    if (mask >> outer & 1 && is_loop(kernel, outer) && axes_merge(kernel, outer, axis)) merge_axes(kernel, outer, axis);
}

/* --- choosing axes ------------------------------------------------------------------------------------------- */

static const Access *operand(const Kernel *kernel, uint32_t expr) {
  ASSERT(kernel->expr[expr].kind == EXPR_LOAD);
  return &kernel->expr[expr].access;
}

static bool stores_are_unit(const Kernel *kernel, int axis) {
  for (uint32_t k = 0; k < kernel->store_count; k++)
    if (!dim_is(kernel->store[k].access.stride[axis], 1)) return false;
  return kernel->store_count > 0;
}

/* Best is an axis of one operand only (the other is broadcast), contiguous in its operand and in the results. */
static int vector_score(const Kernel *kernel, const Access *a, const Access *b, int axis, int lanes) {
  bool in_a = access_varies(a, axis), in_b = access_varies(b, axis);
  int64_t extent = typical(kernel->axis[axis].extent);
  if (!in_a && !in_b) return 0;
  int unit = (in_a && dim_is(a->stride[axis], 1)) + (in_b && dim_is(b->stride[axis], 1));
  int score = 1 + (extent >= lanes ? 4 : extent >= 4 ? 2 : 0) + (stores_are_unit(kernel, axis) ? 6 : 0);
  return in_a && in_b ? score + 3 * unit : score + 4 + 6 * unit;
}

static void choose_vector_axis(ContractPlan *plan) {
  const Kernel *kernel = &plan->kernel;
  int best = 0;
  plan->vector_axis = NO_AXIS;
  for (int axis = 0; axis < (int)kernel->axis_count; axis++) {
    if (kernel->axis[axis].role != AXIS_PARALLEL || !is_loop(kernel, axis)) continue;
    int score = vector_score(kernel, plan->left, plan->right, axis, plan->lanes);
    if (score > best) best = score, plan->vector_axis = axis;
  }
  int axis = plan->vector_axis;
  if (axis == NO_AXIS) {
    plan->lanes = 1;
  } else if (!access_varies(plan->right, axis)) {
    const Access *right = plan->left;
    plan->left = plan->right;
    plan->right = right;
  }
}

/* Rows share the right operand: the largest PARALLEL axis along which it does not vary. */
static void choose_row_axis(ContractPlan *plan) {
  Kernel *kernel = &plan->kernel;
  int64_t best = 1;
  AxisMask rows = 0;
  plan->row_axis = NO_AXIS;
  for (int axis = 0; axis < (int)kernel->axis_count; axis++) {
    if (kernel->axis[axis].role != AXIS_PARALLEL || axis == plan->vector_axis || !is_loop(kernel, axis)) continue;
    if (access_varies(plan->right, axis)) continue;
    rows |= 1u << axis;
    Dim extent = kernel->axis[axis].extent;
    int64_t size = dim_is_constant(extent) ? extent.factor : typical(extent) / 2;
    if (size >= best) best = size, plan->row_axis = axis;
  }
  if (plan->row_axis == NO_AXIS) return;
  /* A long constant axis has a remainder that is known now; a short one is better as part of a longer one. */
  Dim extent = kernel->axis[plan->row_axis].extent;
  if (!dim_is_constant(extent) || extent.factor < INT64_C(4) * MAX_ROWS) {
    merge_into(kernel, plan->row_axis, rows);
    return;
  }
  for (int outer = plan->row_axis - 1; outer >= 0; outer--)
    if (rows >> outer & 1 && dim_is_constant(kernel->axis[outer].extent))
      merge_into(kernel, plan->row_axis, 1u << outer);
}

static void list_axes(ContractPlan *plan) {
  Kernel *kernel = &plan->kernel;
  for (int axis = (int)kernel->axis_count - 1; axis >= 0; axis--)
    if (kernel->axis[axis].role == AXIS_REDUCED && is_loop(kernel, axis))
      for (int outer = axis - 1; outer >= 0; outer--) {
        if (kernel->axis[outer].role != AXIS_REDUCED || !is_loop(kernel, outer)) continue;
        if (!axes_merge(kernel, outer, axis)) break; /* the order of the sum is kept */
        merge_axes(kernel, outer, axis);
      }
  for (int axis = 0; axis < (int)kernel->axis_count; axis++) {
    if (!is_loop(kernel, axis)) continue;
    if (kernel->axis[axis].role == AXIS_REDUCED)
      plan->reduced_axis[plan->reduced_count++] = axis;
    else if (axis != plan->vector_axis && axis != plan->row_axis)
      plan->item_axis[plan->item_count++] = axis;
  }
}

/* --- sizes --------------------------------------------------------------------------------------------------- */

static Dim row_extent(const ContractPlan *plan) {
  return plan->row_axis == NO_AXIS ? dim_constant(1) : plan->kernel.axis[plan->row_axis].extent;
}

static Dim column_extent(const ContractPlan *plan) {
  return plan->vector_axis == NO_AXIS ? dim_constant(1) : plan->kernel.axis[plan->vector_axis].extent;
}

/* Sums fill the registers but those for the right operand's vectors, one of the left, and one for what comes between. */
static int tile_rows(const ContractPlan *plan, int registers, int vectors) {
  Dim rows = row_extent(plan);
  int most = access_is_affine(plan->left) ? MAX_ROWS : 4; /* there each row asks its own guards */
  int fitting = (registers - vectors - 2) / vectors;
  if (fitting < most) most = fitting > 1 ? fitting : 1;
  return dim_is_constant(rows) ? (int)ceiling(rows.factor, ceiling(rows.factor, most))
                               : most; /* of about equal height */
}

/* About the cycles that a term takes for one row of a tile: there are two multiplications a cycle, of a latency of four,
 * and two loads; those of a panel may come from the second cache level. */
static double row_cycles(const ContractPlan *plan, int registers, int64_t vectors) {
  enum { LATENCY = 4 };
  if (vectors == 0) return 0;
  double rows = tile_rows(plan, registers, (int)vectors);
  double cycles = rows * (double)vectors / 2, loads = (rows + (double)vectors) / 2;
  if (cycles < loads) cycles = loads;
  return ((cycles < LATENCY ? LATENCY : cycles) + (double)vectors / 2) / rows;
}

/* How many vectors a panel has is the choice that takes least time for all columns, two unless another is clearly
 * better. */
static void choose_tile(ContractPlan *plan, const Target *target) {
  enum { MANY = 840 }; /* divides by all numbers of vectors */
  int registers = target->registers;
  Dim columns = column_extent(plan);
  int64_t wide = dim_is_constant(columns) ? ceiling(columns.factor, plan->lanes) : MANY;
  double least = 0;
  for (int k = 1; k <= MAX_VECTORS; k++) {
    int vectors = k <= 2 ? 3 - k : k; /* 2, 1, 3, 4, ... */
    double cycles = (double)(wide / vectors) * row_cycles(plan, registers, vectors);
    cycles += row_cycles(plan, registers, wide % vectors);
    if (vectors > wide || (plan->vectors && cycles >= least * 0.98)) continue;
    plan->vectors = vectors;
    least = cycles;
  }
  plan->rows = plan->tail_rows = tile_rows(plan, registers, plan->vectors);
  plan->panel = (int64_t)plan->vectors * plan->lanes;
  if (plan->vector_axis == NO_AXIS) return;
  int64_t rest = dim_is_constant(columns) ? columns.factor % plan->panel : plan->panel - 1;
  plan->tail_vectors = (int)ceiling(rest, plan->lanes);
  plan->tail_whole = dim_is_constant(columns) ? (int)(rest / plan->lanes) : 0;
  /* A panel with fewer vectors has room for taller tiles: whole ones, so that both kinds cut a block at the same rows. */
  if (plan->tail_vectors && dim_is_constant(row_extent(plan)))
    plan->tail_rows = tile_rows(plan, registers, plan->tail_vectors) / plan->rows * plan->rows;
}

/* The number of terms where it is constant, else 0. */
static int64_t constant_depth(const ContractPlan *plan) {
  int64_t depth = 1;
  for (uint32_t k = 0; k < plan->reduced_count; k++) {
    Dim extent = plan->kernel.axis[plan->reduced_axis[k]].extent;
    if (!dim_is_constant(extent)) return 0;
    depth *= extent.factor;
  }
  return depth;
}

static bool sum_is_whole(const ContractPlan *plan) {
  int64_t depth = constant_depth(plan);
  return depth && depth <= DEPTH_WHOLE;
}

/* Short axes within others are summed whole, so that a block has terms enough for its panel to be worth packing. Cuts
 * are of equal size where the number of terms is known. */
static void choose_depth(ContractPlan *plan) {
  if (sum_is_whole(plan) || plan->reduced_count == 0) return;
  int64_t inner = 1;
  uint32_t axis = plan->reduced_count - 1;
  for (; axis > 0; axis--) {
    Dim extent = plan->kernel.axis[plan->reduced_axis[axis]].extent;
    if (!dim_is_constant(extent) || inner * extent.factor > DEPTH_BLOCK / 2) break;
    inner *= extent.factor;
  }
  Dim extent = plan->kernel.axis[plan->reduced_axis[axis]].extent;
  int64_t block = DEPTH_BLOCK / inner;
  if (dim_is_constant(extent)) block = ceiling(extent.factor, ceiling(extent.factor, block));
  if (inner == 1) block = ceiling(block, LINE_FLOATS) * LINE_FLOATS;
  plan->depth_axis = axis;
  plan->depth_block = block;
  plan->depth_terms = block * inner;
}

static int64_t block_depth(const ContractPlan *plan) {
  return plan->depth_block ? plan->depth_terms : sum_is_whole(plan) ? constant_depth(plan) : DEPTH_BLOCK;
}

/* Tiles of a block at most. */
static int64_t most_tiles(const ContractPlan *plan) {
  int64_t rows = LEFT_FLOATS / block_depth(plan);
  rows = rows < LEAST_BLOCK_ROWS ? LEAST_BLOCK_ROWS : rows > MOST_BLOCK_ROWS ? MOST_BLOCK_ROWS : rows;
  return ceiling(rows, plan->rows);
}

static void add_height(TileHeights *heights, int64_t rows) {
  uint32_t at = heights->count;
  if (rows == 0) return;
  for (uint32_t k = 0; k < heights->count; k++)
    if (heights->rows[k] == rows) return;
  for (; at > 0 && heights->rows[at - 1] < rows; at--) heights->rows[at] = heights->rows[at - 1];
  heights->rows[at] = (int)rows;
  heights->count++;
}

/* Enough for any rest. */
static void add_remainders(TileHeights *heights, int rows) {
  for (int height = 8; height >= 1; height /= 2)
    if (height < rows) add_height(heights, height);
}

/* Tiles of `rows` rows and what is left: at the end of a block, and of the last one. */
static void choose_heights(const ContractPlan *plan, int rows, TileHeights *out) {
  Dim extent = row_extent(plan);
  add_height(out, rows);
  if (dim_is_constant(extent)) {
    int64_t block = plan->block_rows < extent.factor ? plan->block_rows : extent.factor;
    add_height(out, block % rows);
    add_height(out, extent.factor % plan->block_rows % rows);
  } else {
    add_remainders(out, rows);
  }
}

/* Of the axes that are neither rows nor columns, as far as that is known. */
static int64_t constant_items(const ContractPlan *plan) {
  int64_t items = 1;
  for (uint32_t k = 0; k < plan->item_count; k++) {
    Dim extent = plan->kernel.axis[plan->item_axis[k]].extent;
    if (dim_is_constant(extent)) items *= extent.factor;
  }
  return items;
}

static void choose_block(ContractPlan *plan) {
  Dim rows = row_extent(plan), columns = column_extent(plan);
  int64_t most = most_tiles(plan);
  int64_t tiles = dim_is_constant(rows) ? ceiling(rows.factor, plan->rows) : most;
  int64_t others = constant_items(plan) * (dim_is_constant(columns) ? ceiling(columns.factor, plan->panel) : 1);
  int64_t block = tiles < most ? tiles : most;
  while (block > 3 && ceiling(tiles, block) * others < WANTED_ITEMS) block = ceiling(block, 2);
  if (dim_is_constant(rows)) block = ceiling(tiles, ceiling(tiles, block));
  if (block > 1) block = ceiling(block, plan->tail_rows / plan->rows) * (plan->tail_rows / plan->rows);
  plan->block_rows = block * plan->rows;
}

/* At least `depth`, so that `width` floats for each term are an odd number of cache lines: copies that far apart are in
 * different sets of a cache. */
static int64_t padded_terms(int64_t depth, int64_t width) {
  enum { PERIOD = 2 * LINE_FLOATS };
  for (int64_t terms = depth; terms < depth + PERIOD; terms++)
    if (terms * width % PERIOD == LINE_FLOATS) return terms;
  return depth;
}

/* A panel that several tiles read is copied, but for one that is dense as it is: loads with a mask are slow. */
static void choose_packing(ContractPlan *plan) {
  if (plan->vector_axis == NO_AXIS || (!sum_is_whole(plan) && !plan->depth_block)) return;
  bool unit = dim_is(plan->right->stride[plan->vector_axis], 1) && access_is_affine(plan->right);
  int64_t tiles = plan->block_rows / plan->rows;
  Dim columns = column_extent(plan);
  bool dense = dim_is_constant(columns) && columns.factor == plan->panel;
  plan->packed = unit ? tiles >= 3 && !dense : tiles >= 2;
}

/* Panels of one item. */
static int64_t shared_panels(const ContractPlan *plan) {
  Dim columns = column_extent(plan);
  if (!dim_is_constant(columns)) return 1;
  int64_t panels = ceiling(columns.factor, plan->panel);
  int64_t blocks = ceiling(typical(row_extent(plan)), plan->block_rows) * constant_items(plan);
  int64_t shared = panels < SHARED_PANELS ? panels : SHARED_PANELS;
  while (shared > 1 && blocks * ceiling(panels, shared) < WANTED_ITEMS) shared = ceiling(shared, 2);
  return ceiling(panels, ceiling(panels, shared));
}

/* Where the distance from row to row (or, with contiguous rows, from term to term) is long, a block of the left operand
 * is spread over as many pages and, if the distance is a power of two, over few sets of the caches. Copying it pays
 * where several panels share the copy. */
static void choose_left_form(ContractPlan *plan) {
  plan->panels = 1;
  if (plan->vector_axis == NO_AXIS || plan->row_axis == NO_AXIS || plan->reduced_count != 1) return;
  if (!access_is_affine(plan->left) || access_varies(plan->left, plan->vector_axis)) return;
  if (!sum_is_whole(plan) && !plan->depth_block) return;
  Dim row = plan->left->stride[plan->row_axis], term = plan->left->stride[plan->reduced_axis[0]];
  int strip = STRIP_TILES * plan->rows;
  int64_t shared = shared_panels(plan);
  if (shared < 2) return;
  if (dim_is(row, 1) && typical(term) >= LONG_STRIDE) {
    plan->left_form = LEFT_STRIPS;
    plan->left_terms = padded_terms(block_depth(plan), strip);
    add_height(&plan->strips, strip);
    add_remainders(&plan->strips, strip);
  } else if (dim_is(term, 1) && typical(row) >= LONG_STRIDE && plan->depth_block) {
    plan->left_form = LEFT_ROWS;
    plan->left_terms = padded_terms(plan->depth_block, 1);
  }
  if (plan->left_form != LEFT_IN_PLACE) plan->panels = shared;
}

/* The next panel of an operand with long rows is a line on many pages: tiles ask for some of them each. */
static void choose_prefetch(ContractPlan *plan) {
  enum { MOST = 32 };
  if (!plan->packed || plan->reduced_count != 1 || !access_is_affine(plan->right)) return;
  if (!dim_is(plan->right->stride[plan->vector_axis], 1)) return;
  if (typical(plan->right->stride[plan->reduced_axis[0]]) < LONG_STRIDE) return;
  int64_t lines = ceiling(block_depth(plan), plan->block_rows / plan->rows);
  if (lines <= MOST) plan->prefetched = (int)lines;
}

static int op_weight(OpCode op) {
  if (op_is_transcendental(op)) return 2 * MAX_DIRECT_OPS;
  switch (op) {
    case OP_DIVIDE:
    case OP_SQRT:
    case OP_RSQRT:
      return 3;
    default:
      return 1;
  }
}

/* A short epilogue is emitted once for each vector of the tile, a long one once, in a loop over the rows. */
static bool epilogue_is_short(const Kernel *kernel) {
  int weight = (int)kernel->store_count - 1;
  for (uint32_t k = 0; k < kernel->expr_count; k++) {
    const Expr *expr = &kernel->expr[k];
    if (expr->kind == EXPR_OP) weight += op_weight(expr->op);
    if (expr->kind == EXPR_RANDOM) weight += 2 * MAX_DIRECT_OPS;
    if (expr->kind == EXPR_LOAD && expr->access.guard_count && k != kernel->left && k != kernel->right) weight += 2;
  }
  return weight <= MAX_DIRECT_OPS;
}

/* Of `count` floats, in whole cache lines. */
static size_t float_bytes(int64_t count) { return (size_t)ceiling(count * (int64_t)sizeof(float), 64) * 64; }

static void lay_out_work(ContractPlan *plan) {
  KernelWork *work = &plan->work;
  for (uint32_t k = 0; k < plan->item_count; k++)
    work->part[work->part_count++] = (WorkPart){plan->kernel.axis[plan->item_axis[k]].extent, 1};
  work->part[work->part_count++] = (WorkPart){row_extent(plan), plan->block_rows};
  work->part[work->part_count++] = (WorkPart){column_extent(plan), plan->panel * plan->panels};
  int64_t strip = (int64_t)STRIP_TILES * plan->rows;
  if (plan->packed) plan->left_offset = float_bytes(block_depth(plan) * plan->panel);
  plan->sums_offset = plan->left_offset;
  if (plan->left_form != LEFT_IN_PLACE)
    plan->sums_offset += float_bytes(ceiling(plan->block_rows, strip) * strip * plan->left_terms);
  work->scratch_bytes = plan->sums_offset;
  if (!plan->direct) work->scratch_bytes += float_bytes(plan->panels * plan->block_rows * plan->panel);
}

void contract_plan(const Kernel *kernel, const Target *target, int lanes, Arena *arena, ContractPlan *out) {
  *out = (ContractPlan){.kernel = copy_kernel(kernel, arena), .lanes = lanes};
  out->left = operand(&out->kernel, kernel->left);
  out->right = operand(&out->kernel, kernel->right);
  choose_vector_axis(out);
  if (out->vector_axis != NO_AXIS) {
    AxisMask like = 0; /* axes of the same operand merge into the lanes */
    for (int axis = 0; axis < (int)kernel->axis_count; axis++)
      if (kernel->axis[axis].role == AXIS_PARALLEL && axis != out->vector_axis) like |= 1u << axis;
    merge_into(&out->kernel, out->vector_axis, like);
  }
  choose_row_axis(out);
  list_axes(out);
  choose_tile(out, target);
  choose_depth(out);
  choose_block(out);
  choose_heights(out, out->rows, &out->tiles);
  choose_heights(out, out->tail_rows, &out->tail_tiles);
  choose_packing(out);
  choose_left_form(out);
  choose_prefetch(out);
  out->direct = !out->depth_block && epilogue_is_short(kernel);
  lay_out_work(out);
}
