#include "map.h"

/* One vector of the vector axis that is worked on: columns in COLUMN mode, one without a vector axis in ROW mode. */
typedef struct Map {
  Emitter *e;
  const MapPlan *plan;
  int columns; /* side by side now: plan->columns, or 1 at the end of the axis */
  const MapPass *pass;
  /* sum[(reduction * strands + strand) * columns + column]: partial results of the pass */
  uint32_t sum_count;
  LLVMValueRef sum[MAP_MAX_SUMS];
} Map;

static uint32_t sum_index(const Map *m, uint32_t reduction, int strand, int column) {
  return (reduction * (uint32_t)m->pass->strands + (uint32_t)strand) * (uint32_t)m->columns + (uint32_t)column;
}

static const Reduction *pass_reduction(const Map *m, uint32_t k) {
  return &m->e->kernel->reduction[m->pass->reduction[k]];
}

static bool varies(AxisMask axes, AxisMask over) { return (axes & over) != 0; }

static bool is_reduced_store(const Map *m, const Store *store) {
  return varies(access_axes(&store->access), m->plan->reduced);
}

/* Lanes that do not exist must not count. */
static LLVMValueRef masked_value(Map *m, const Place *place, LLVMValueRef value, LLVMValueRef identity) {
  value = emit_splat(m->e, value);
  return place->mask ? LLVMBuildSelect(m->e->builder, place->mask, value, identity, "") : value;
}

/* A sum of products takes fused multiply-adds. */
static LLVMValueRef accumulate(Map *m, Place *place, const Reduction *reduction, LLVMValueRef sum) {
  Emitter *e = m->e;
  const Expr *expr = &e->kernel->expr[reduction->expr];
  bool vector = emit_is_vector(sum), mask = m->plan->row;
  if (reduction->kind == REDUCE_SUM && expr->kind == EXPR_OP && expr->op == OP_MULTIPLY &&
      !place->value[reduction->expr]) {
    LLVMValueRef factor[2];
    for (int k = 0; k < 2; k++) {
      factor[k] = emit_expr(e, place, expr->arg[k]);
      if (vector && mask) factor[k] = masked_value(m, place, factor[k], LLVMConstNull(e->session->f32_vector));
    }
    return emit_fma(e, factor[0], factor[1], sum);
  }
  LLVMValueRef value = emit_expr(e, place, reduction->expr);
  if (vector && mask) value = masked_value(m, place, value, emit_reduce_identity(e, reduction->kind, true));
  return emit_combine(e, reduction->kind, sum, value);
}

/* All values before the first store: a result may lie where an operand was. */
static void emit_stores(Map *m, Place *place, bool reduced) {
  const Kernel *kernel = m->e->kernel;
  for (uint32_t k = 0; k < kernel->store_count; k++)
    if (is_reduced_store(m, &kernel->store[k]) == reduced) emit_expr(m->e, place, kernel->store[k].expr);
  for (uint32_t k = 0; k < kernel->store_count; k++)
    if (is_reduced_store(m, &kernel->store[k]) == reduced) emit_store(m->e, place, k);
}

/* What the pass computes in its inner loops. */
static void emit_pass_invariants(Map *m, Place *place) {
  const Kernel *kernel = m->e->kernel;
  for (uint32_t k = 0; k < m->pass->reduction_count; k++) emit_invariants(m->e, place, pass_reduction(m, k)->expr);
  for (uint32_t k = 0; m->pass->stores && k < kernel->store_count; k++)
    if (is_reduced_store(m, &kernel->store[k])) emit_invariants(m->e, place, kernel->store[k].expr);
}

/* The body of the innermost loop at one index: `place` is that of column `column`. */
static void emit_element_work(Map *m, Place *place, int strand, int column) {
  for (uint32_t k = 0; k < m->pass->reduction_count; k++) {
    LLVMValueRef *sum = &m->sum[sum_index(m, k, strand, column)];
    *sum = accumulate(m, place, pass_reduction(m, k), *sum);
  }
  if (m->pass->stores) emit_stores(m, place, true);
}

/* Index `index` of the innermost REDUCED axis, for all columns. */
static void emit_inner_index(Map *m, const Place *outer, LLVMValueRef index, int strand, bool whole) {
  int axis = m->plan->order[m->plan->order_count - 1];
  for (int c = 0; c < m->columns; c++) {
    Place place;
    place_enter(m->e, &place, &outer[c], (AxisMask)1 << axis);
    if (m->plan->row)
      place_set_vector(m->e, &place, axis, index, whole);
    else
      place.index[axis] = index;
    emit_element_work(m, &place, strand, c);
  }
}

static void carry_sums(Map *m, Loop *loop) {
  for (uint32_t k = 0; k < m->sum_count; k++) m->sum[k] = loop_carry(m->e, loop, m->sum[k]);
}

static void end_sums(Map *m, Loop *loop) {
  for (uint32_t k = 0; k < m->sum_count; k++) loop->next[k] = m->sum[k];
  loop_end(m->e, loop);
  for (uint32_t k = 0; k < m->sum_count; k++) m->sum[k] = loop->carried[k];
}

/* Whole groups of `strands` steps from 0 to `end`. */
static void emit_inner_groups(Map *m, const Place *outer, LLVMValueRef end, int64_t step) {
  Emitter *e = m->e;
  int64_t group = step * m->pass->strands;
  bool once = LLVMIsAConstantInt(end) && LLVMConstIntGetSExtValue(end) == group;
  Loop loop = {0};
  LLVMValueRef first = emit_i64(e, 0);
  if (!once) {
    loop_begin(e, &loop, first, end, group);
    carry_sums(m, &loop);
    first = loop.index;
  }
  for (int strand = 0; strand < m->pass->strands; strand++)
    emit_inner_index(m, outer, emit_add_i64(e, first, emit_i64(e, strand * step)), strand, true);
  if (!once) end_sums(m, &loop);
}

static void emit_inner_constant(Map *m, const Place *outer, int64_t extent, int64_t step) {
  int64_t group = step * m->pass->strands, at = extent / group * group;
  if (at) emit_inner_groups(m, outer, emit_i64(m->e, at), step);
  for (int strand = 0; at < extent; at += step, strand++)
    emit_inner_index(m, outer, emit_i64(m->e, at), strand, at + step <= extent);
}

static void emit_inner_dynamic(Map *m, const Place *outer, LLVMValueRef extent, int64_t step) {
  Emitter *e = m->e;
  LLVMValueRef rest = LLVMBuildURem(e->builder, extent, emit_i64(e, step * m->pass->strands), "");
  LLVMValueRef end = LLVMBuildSub(e->builder, extent, rest, "");
  emit_inner_groups(m, outer, end, step);
  Loop loop;
  loop_begin(e, &loop, end, extent, step);
  carry_sums(m, &loop);
  emit_inner_index(m, outer, loop.index, 0, false);
  end_sums(m, &loop);
}

/* Loops over REDUCED axes order[depth] and those inside. `outer`: one place a column. */
static void emit_nest(Map *m, const Place *outer, uint32_t depth) {
  Emitter *e = m->e;
  int axis = m->plan->order[depth];
  Dim extent = e->kernel->axis[axis].extent;
  if (depth + 1 == m->plan->order_count) {
    int64_t step = m->plan->row ? e->lanes : 1;
    if (dim_is_constant(extent))
      emit_inner_constant(m, outer, extent.factor, step);
    else
      emit_inner_dynamic(m, outer, emit_dim(e, extent), step);
    return;
  }
  Loop loop;
  Place inner[MAP_MAX_COLUMNS];
  loop_begin(e, &loop, emit_i64(e, 0), emit_dim(e, extent), 1);
  carry_sums(m, &loop);
  for (int c = 0; c < m->columns; c++) {
    place_enter(e, &inner[c], &outer[c], (AxisMask)1 << axis);
    inner[c].index[axis] = loop.index;
    emit_pass_invariants(m, &inner[c]);
  }
  emit_nest(m, inner, depth + 1);
  end_sums(m, &loop);
}

/* The strands of reduction k added as a tree, then the lanes. */
static LLVMValueRef finish_sum(Map *m, uint32_t k, int column) {
  const Reduction *reduction = pass_reduction(m, k);
  LLVMValueRef part[MAP_MAX_STRANDS] = {NULL};
  for (int s = 0; s < m->pass->strands; s++) part[s] = m->sum[sum_index(m, k, s, column)];
  for (int half = m->pass->strands / 2; half >= 1; half /= 2)
    for (int s = 0; s < half; s++) part[s] = emit_combine(m->e, reduction->kind, part[s], part[s + half]);
  return m->plan->row ? emit_reduce_lanes(m->e, reduction->kind, part[0]) : part[0];
}

/* Sums begin empty; results become the values of the EXPR_REDUCED that read them. */
static void emit_pass(Map *m, Place *places, const MapPass *pass) {
  Emitter *e = m->e;
  m->pass = pass;
  m->sum_count = pass->reduction_count * (uint32_t)(m->pass->strands * m->columns);
  bool vector = m->plan->vector_axis != NO_VECTOR_AXIS;
  for (uint32_t k = 0; k < m->sum_count; k++) {
    const Reduction *reduction = pass_reduction(m, k / (uint32_t)(m->pass->strands * m->columns));
    m->sum[k] = emit_reduce_identity(e, reduction->kind, vector);
  }
  for (int c = 0; c < m->columns; c++) emit_pass_invariants(m, &places[c]);
  emit_nest(m, places, 0);
  for (uint32_t k = 0; k < pass->reduction_count; k++) {
    for (int c = 0; c < m->columns; c++) {
      LLVMValueRef value = finish_sum(m, k, c);
      for (uint32_t x = 0; x < e->kernel->expr_count; x++)
        if (e->kernel->expr[x].kind == EXPR_REDUCED && e->kernel->expr[x].which == pass->reduction[k])
          place_set_value(&places[c], x, value);
    }
  }
}

/* Everything at the PARALLEL indices of `places`. */
static void emit_tile(Map *m, Place *places) {
  const Kernel *kernel = m->e->kernel;
  for (int c = 0; c < m->columns; c++)
    for (uint32_t k = 0; m->plan->pass_count && k < kernel->store_count; k++)
      if (!is_reduced_store(m, &kernel->store[k])) emit_invariants(m->e, &places[c], kernel->store[k].expr);
  for (uint32_t k = 0; k < m->plan->pass_count; k++) emit_pass(m, places, &m->plan->pass[k]);
  for (int c = 0; c < m->columns; c++) emit_stores(m, &places[c], false);
}

/* Columns from loop index `first`: plan->columns whole vectors, or a single one that may be cut. */
static void emit_columns(Map *m, const Place *item, LLVMValueRef first, bool whole) {
  Emitter *e = m->e;
  Place places[MAP_MAX_COLUMNS];
  m->columns = whole ? m->plan->columns : 1;
  int axis = m->plan->vector_axis;
  for (int c = 0; c < m->columns; c++) {
    place_enter(e, &places[c], item, (AxisMask)1 << axis);
    place_set_vector(e, &places[c], axis, emit_add_i64(e, first, emit_i64(e, (int64_t)c * e->lanes)), whole);
  }
  emit_tile(m, places);
}

/* The vector axis from chunk number `tile` to its end: begin .. middle in whole groups of `group`, then up to end. */
typedef struct Chunk {
  LLVMValueRef begin, middle, end;
} Chunk;

static Chunk emit_chunk_bounds(Map *m, LLVMValueRef tile, int64_t group) {
  Emitter *e = m->e;
  Dim extent = e->kernel->axis[m->plan->vector_axis].extent;
  Chunk chunk = {.begin = LLVMBuildMul(e->builder, tile, emit_i64(e, m->plan->chunk), "")};
  chunk.end = emit_add_i64(e, chunk.begin, emit_i64(e, m->plan->chunk));
  chunk.end = emit_minimum_i64(e, chunk.end, emit_dim(e, extent));
  LLVMValueRef size = LLVMBuildSub(e->builder, chunk.end, chunk.begin, "");
  LLVMValueRef rest = LLVMBuildURem(e->builder, size, emit_i64(e, group), "");
  chunk.middle = LLVMBuildSub(e->builder, chunk.end, rest, "");
  return chunk;
}

static void emit_column_loop(Map *m, const Place *item, LLVMValueRef begin, LLVMValueRef end, bool whole) {
  Loop loop;
  loop_begin(m->e, &loop, begin, end, (int64_t)m->e->lanes * (whole ? m->plan->columns : 1));
  emit_columns(m, item, loop.index, whole);
  loop_end(m->e, &loop);
}

static void emit_item_invariants(Map *m, Place *item) {
  const Kernel *kernel = m->e->kernel;
  for (uint32_t k = 0; k < kernel->store_count; k++) emit_invariants(m->e, item, kernel->store[k].expr);
}

static void emit_chunk(Map *m, Place *item, LLVMValueRef tile) {
  Dim extent = m->e->kernel->axis[m->plan->vector_axis].extent;
  int64_t group = (int64_t)m->e->lanes * m->plan->columns;
  Chunk chunk = emit_chunk_bounds(m, tile, group);
  emit_item_invariants(m, item);
  bool constant = dim_is_constant(extent);
  if (!constant || extent.factor >= group) emit_column_loop(m, item, chunk.begin, chunk.middle, true);
  if (!constant || extent.factor % group) emit_column_loop(m, item, chunk.middle, chunk.end, false);
}

/* W indices of the block axis: whole blocks, then row by row what they leave at the end of either axis. */
static void emit_blocks(Map *m, Place *item, LLVMValueRef block_tile, LLVMValueRef tile) {
  Emitter *e = m->e;
  int axis = m->plan->block_axis;
  Chunk chunk = emit_chunk_bounds(m, tile, e->lanes);
  LLVMValueRef first = LLVMBuildMul(e->builder, block_tile, emit_i64(e, e->lanes), "");
  LLVMValueRef last = emit_add_i64(e, first, emit_i64(e, e->lanes)), extent = emit_dim(e, e->kernel->axis[axis].extent);
  LLVMValueRef whole = LLVMBuildICmp(e->builder, LLVMIntSLE, last, extent, "");
  LLVMValueRef blocks_end = LLVMBuildSelect(e->builder, whole, chunk.middle, chunk.begin, "");
  item->index[axis] = NULL;
  emit_item_invariants(m, item);
  Loop loop;
  loop_begin(e, &loop, chunk.begin, blocks_end, e->lanes);
  map_emit_block(e, m->plan, item, first, loop.index);
  loop_end(e, &loop);
  LLVMValueRef some = LLVMBuildICmp(e->builder, LLVMIntSLT, blocks_end, chunk.end, "");
  LLVMValueRef rows_end = LLVMBuildSelect(e->builder, some, emit_minimum_i64(e, last, extent), first, "");
  loop_begin(e, &loop, first, rows_end, 1);
  Place row;
  place_enter(e, &row, item, (AxisMask)1 << axis);
  row.index[axis] = loop.index;
  emit_item_invariants(m, &row);
  emit_column_loop(m, &row, blocks_end, chunk.end, false);
  loop_end(e, &loop);
}

static void emit_map_item(Map *m, LLVMValueRef number) {
  Emitter *e = m->e;
  LLVMValueRef tile[KERNEL_MAX_AXES];
  emit_item(e, &m->plan->work, number, tile);
  Place item;
  place_begin(e, &item);
  uint32_t part = 0;
  for (uint32_t k = 0; k < e->kernel->axis_count; k++)
    if ((m->plan->parallel >> k & 1) && (int)k != m->plan->vector_axis) item.index[k] = tile[part++];
  if (m->plan->row || m->plan->vector_axis == NO_VECTOR_AXIS)
    emit_tile(m, &item);
  else if (m->plan->block_axis != NO_BLOCK_AXIS)
    emit_blocks(m, &item, item.index[m->plan->block_axis], tile[part]);
  else
    emit_chunk(m, &item, tile[part]);
}

void map_emit(Session *session, const Kernel *kernel, const char *name) {
  Emitter e;
  emitter_begin(&e, session, kernel, name);
  MapPlan plan = map_plan(kernel, session->lanes, session->arena);
  Map m = {.e = &e, .plan = &plan, .columns = 1};
  Loop items;
  loop_begin(&e, &items, e.begin, e.end, 1);
  emit_map_item(&m, items.index);
  loop_end(&e, &items);
  emitter_end(&e);
}
