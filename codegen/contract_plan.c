#include "contract_plan.h"

#include "ir/cost.h"

/* Terms of a sum that are kept together: a packed panel of DEPTH_BLOCK rows stays in the first cache level beside a tile
 * of the left operand, one of DEPTH_WHOLE in the second. */
enum {
  DEPTH_BLOCK = 256,
  DEPTH_WHOLE = 1024,
  BLOCK_TILES = 8,
  SHARED_ROWS = 96,
  SHARED_PANELS = 8,
  LONG_STRIDE = 256,
  WANTED_ITEMS = 16
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

/* Sums fill the registers but four: two vectors of the right operand, one of the left, one for what comes between. */
static void choose_tile(ContractPlan *plan, const Target *target) {
  int budget = target->registers - 4;
  Dim rows = row_extent(plan), columns = column_extent(plan);
  int64_t wide = dim_is_constant(columns) ? ceiling(columns.factor, plan->lanes) : MAX_VECTORS;
  int64_t vectors = 2;
  if (dim_is_constant(rows) && rows.factor < budget / 2) {
    vectors = budget / rows.factor;
    if (vectors > MAX_VECTORS) vectors = MAX_VECTORS;
  }
  if (vectors > wide) vectors = wide;
  if (plan->vector_axis == NO_AXIS) vectors = 1;
  plan->vectors = (int)vectors;
  plan->rows = budget / plan->vectors < MAX_ROWS ? budget / plan->vectors : MAX_ROWS;
  if (!access_is_affine(plan->left) && plan->rows > 4) plan->rows = 4; /* each row asks its own guards */
  if (dim_is_constant(rows) && rows.factor < plan->rows) plan->rows = (int)rows.factor;
  plan->panel = (int64_t)plan->vectors * plan->lanes;
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

static void choose_depth(ContractPlan *plan) {
  if (!sum_is_whole(plan) && plan->reduced_count == 1) plan->depth_block = DEPTH_BLOCK;
}

/* Tiles of a block at most. A sum that is cut packs its panel anew at every cut: enough rows have to share that. */
static int64_t most_tiles(const ContractPlan *plan) {
  int64_t shared = plan->depth_block ? ceiling(SHARED_ROWS, plan->rows) : 0;
  return shared > BLOCK_TILES ? shared : BLOCK_TILES;
}

static void choose_block(ContractPlan *plan) {
  Dim rows = row_extent(plan), columns = column_extent(plan);
  int64_t most = most_tiles(plan);
  int64_t tiles = dim_is_constant(rows) ? ceiling(rows.factor, plan->rows) : most;
  int64_t others = dim_is_constant(columns) ? ceiling(columns.factor, plan->panel) : 1;
  for (uint32_t k = 0; k < plan->item_count; k++)
    if (dim_is_constant(plan->kernel.axis[plan->item_axis[k]].extent))
      others *= plan->kernel.axis[plan->item_axis[k]].extent.factor;
  int64_t block = tiles < most ? tiles : most;
  while (block > 3 && ceiling(tiles, block) * others < WANTED_ITEMS) block = ceiling(block, 2);
  if (dim_is_constant(rows)) block = ceiling(tiles, ceiling(tiles, block));
  plan->block_rows = block * plan->rows;
  plan->size[plan->size_count++] = plan->rows;
  if (dim_is_constant(rows)) {
    if (rows.factor % plan->rows) plan->size[plan->size_count++] = (int)(rows.factor % plan->rows);
    return;
  }
  for (int size = 8; size >= 1; size /= 2)
    if (size < plan->rows) plan->size[plan->size_count++] = size;
}

static void choose_packing(ContractPlan *plan) {
  if (plan->vector_axis == NO_AXIS || (!sum_is_whole(plan) && !plan->depth_block)) return;
  bool unit = dim_is(plan->right->stride[plan->vector_axis], 1) && access_is_affine(plan->right);
  int64_t tiles = plan->block_rows / plan->rows;
  Dim columns = column_extent(plan);
  bool one_panel = dim_is_constant(columns) && columns.factor <= plan->panel;
  plan->packed = unit ? tiles >= 3 && !one_panel : tiles >= 2;
}

/* A left operand whose rows are contiguous is strided along the terms: where the stride is long, every term of a tile is
 * a cache line in another set or page. Copying a block of it pays where several panels share the copy. */
static void choose_left_packing(ContractPlan *plan) {
  plan->panels = 1;
  if (!plan->packed || !plan->depth_block || plan->row_axis == NO_AXIS || !access_is_affine(plan->left)) return;
  if (access_varies(plan->left, plan->vector_axis) || !dim_is(plan->left->stride[plan->row_axis], 1)) return;
  Dim columns = column_extent(plan), rows = row_extent(plan), stride = plan->left->stride[plan->reduced_axis[0]];
  if (!dim_is_constant(columns) || !dim_is_constant(rows) || typical(stride) < LONG_STRIDE) return;
  int64_t panels = ceiling(columns.factor, plan->panel), blocks = ceiling(rows.factor, plan->block_rows);
  int64_t shared = panels < SHARED_PANELS ? panels : SHARED_PANELS;
  while (shared > 2 && blocks * ceiling(panels, shared) < WANTED_ITEMS) shared = ceiling(shared, 2);
  if (shared < 2) return;
  plan->panels = shared;
  plan->left_packed = true;
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
  int64_t depth = plan->depth_block ? plan->depth_block : constant_depth(plan);
  if (plan->packed) plan->left_offset = float_bytes(depth * plan->panel);
  plan->sums_offset = plan->left_offset;
  if (plan->left_packed) plan->sums_offset += float_bytes(depth * plan->block_rows);
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
  choose_packing(out);
  choose_left_packing(out);
  out->direct = !out->depth_block && epilogue_is_short(kernel);
  lay_out_work(out);
}
