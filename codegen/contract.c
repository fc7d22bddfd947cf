#include "contract.h"

#include "contract_plan.h"

/* One item is a block of rows times a panel of columns, or several. Its loops, outermost first:
 *
 *   for each depth block          only where the sum is long; partial sums wait in scratch
 *     copy the left block         where it pays, for several panels: [strip][depth][row] or [row][depth]
 *     for each panel
 *       pack the right panel      where it pays: [depth][panel]
 *       for each tile of rows     tiles of full height, then the remainder's
 *         for each term           sums[row][vector] += broadcast(left) * right
 *   for each panel and row        the epilogue, unless it ran on the registers of each tile
 *
 * Every sum runs over its terms in order from 0, wherever it is cut, so the cuts do not show in the bits. */

enum { MAX_VECTORS = 8, MAX_ROWS = 14, MAX_SUMS = 64 };

/* Indices and offsets at a term. */
typedef struct Term {
  LLVMValueRef index[KERNEL_MAX_AXES];
  LLVMValueRef left, right; /* element offsets from the first term */
  LLVMValueRef flat;        /* number of the term within the packed panel */
} Term;

/* The item in progress. */
typedef struct Block {
  Emitter *e;
  const ContractPlan *plan;
  Place column[MAX_VECTORS]; /* item and column indices, mask */
  int vectors;
  LLVMValueRef row_begin, row_end;
  LLVMValueRef depth_begin, depth_end; /* of reduced axis depth_axis, where the depth is blocked */
  LLVMValueRef outer[KERNEL_MAX_AXES]; /* there: indices of the reduced axes around it, by number */
  LLVMValueRef panel, left, sums;      /* scratch; sums: of the panel in progress */
  void (*work)(struct Block *b);       /* what is done with a panel whose columns have been entered */
} Block;

typedef struct Tile {
  LLVMValueRef row; /* of its first row */
  int rows;
  LLVMValueRef left[MAX_VECTORS], right[MAX_VECTORS]; /* addresses of the first term, where affine */
  LLVMValueRef row_step;                              /* left: from row to row */
  LLVMValueRef sum[MAX_SUMS];                         /* [row][vector] */
} Tile;

static bool is_vector(const Block *b) { return b->plan->vector_axis != NO_AXIS; }
static LLVMValueRef zero_sum(const Block *b) { return is_vector(b) ? emit_f32_vector(b->e, 0) : emit_f32(b->e, 0); }

static AxisMask axis_bit(int axis) { return axis == NO_AXIS ? 0 : 1u << axis; }

static AxisMask reduced_bits(const ContractPlan *plan) {
  AxisMask mask = 0;
  for (uint32_t k = 0; k < plan->reduced_count; k++) mask |= 1u << plan->reduced_axis[k];
  return mask;
}

/* Vector v of the panel in a row of scratch. */
static LLVMValueRef scratch_element(const Block *b, LLVMValueRef base, LLVMValueRef row, int v) {
  Emitter *e = b->e;
  LLVMValueRef index = emit_multiply_i64(e, row, emit_i64(e, b->plan->panel));
  return emit_element(e, base, emit_add_i64(e, index, emit_i64(e, (int64_t)v * b->plan->lanes)));
}

static LLVMValueRef load_scratch(const Block *b, LLVMValueRef pointer) {
  return is_vector(b) ? emit_load_vector(b->e, pointer, NULL) : emit_load_scalar(b->e, pointer);
}

static void store_scratch(const Block *b, LLVMValueRef value, LLVMValueRef pointer) {
  if (is_vector(b))
    emit_store_vector(b->e, emit_splat(b->e, value), pointer, NULL);
  else
    emit_store_scalar(b->e, value, pointer);
}

/* --- one term ------------------------------------------------------------------------------------------------ */

/* The place of a row (NULL: no row) and vector at a term. */
static void enter_term(const Block *b, Place *place, int v, LLVMValueRef row, const Term *term) {
  const ContractPlan *plan = b->plan;
  place_enter(b->e, place, &b->column[v], axis_bit(plan->row_axis) | reduced_bits(plan));
  if (plan->row_axis != NO_AXIS) place->index[plan->row_axis] = row ? row : emit_i64(b->e, 0);
  for (uint32_t k = 0; k < plan->reduced_count; k++)
    place->index[plan->reduced_axis[k]] = term->index[plan->reduced_axis[k]];
}

static bool right_is_direct(const ContractPlan *plan) {
  return plan->vector_axis != NO_AXIS && access_is_affine(plan->right) &&
         dim_is(plan->right->stride[plan->vector_axis], 1);
}

/* Left elements at an address of their own: one scalar a row. */
static bool left_is_direct(const ContractPlan *plan) {
  return access_is_affine(plan->left) &&
         (plan->vector_axis == NO_AXIS || !access_varies(plan->left, plan->vector_axis));
}

static LLVMValueRef load_right(const Block *b, const Tile *tile, const Term *term, int v) {
  Emitter *e = b->e;
  const ContractPlan *plan = b->plan;
  if (plan->packed) return load_scratch(b, scratch_element(b, b->panel, term->flat, v));
  if (right_is_direct(plan))
    return emit_load_vector(e, emit_element(e, tile->right[v], term->right), b->column[v].mask);
  Place place;
  enter_term(b, &place, v, NULL, term);
  return emit_load(e, &place, plan->right);
}

/* Element (row, term) of the left operand's copy. A tile begins where a strip does, or lies within one. */
static LLVMValueRef copied_left(const Block *b, LLVMValueRef row, LLVMValueRef flat) {
  Emitter *e = b->e;
  const ContractPlan *plan = b->plan;
  LLVMValueRef within = LLVMBuildSub(e->builder, row, b->row_begin, "");
  if (plan->left_form == LEFT_ROWS)
    return emit_element(e, emit_element(e, b->left, emit_multiply_i64(e, within, emit_i64(e, plan->left_terms))), flat);
  LLVMValueRef width = emit_i64(e, (int64_t)STRIP_TILES * plan->rows);
  LLVMValueRef rest = LLVMBuildURem(e->builder, within, width, "");
  LLVMValueRef strip = emit_multiply_i64(e, LLVMBuildSub(e->builder, within, rest, ""), emit_i64(e, plan->left_terms));
  LLVMValueRef line = emit_element(e, emit_element(e, b->left, strip), emit_multiply_i64(e, flat, width));
  return emit_element(e, line, rest);
}

static LLVMValueRef load_left(const Block *b, const Tile *tile, const Term *term, int row, int v) {
  Emitter *e = b->e;
  if (b->plan->left_form != LEFT_IN_PLACE) {
    int64_t step = b->plan->left_form == LEFT_ROWS ? b->plan->left_terms : 1;
    return emit_load_scalar(e, emit_element(e, copied_left(b, tile->row, term->flat), emit_i64(e, step * row)));
  }
  if (left_is_direct(b->plan)) {
    LLVMValueRef step = emit_multiply_i64(e, tile->row_step, emit_i64(e, row));
    return emit_load_scalar(e, emit_element(e, emit_element(e, tile->left[0], term->left), step));
  }
  Place place;
  enter_term(b, &place, v, emit_add_i64(e, tile->row, emit_i64(e, row)), term);
  return emit_load(e, &place, b->plan->left);
}

static void emit_term(const Block *b, Tile *tile, const Term *term) {
  Emitter *e = b->e;
  LLVMValueRef right[MAX_VECTORS];
  bool shared = !is_vector(b) || !access_varies(b->plan->left, b->plan->vector_axis);
  for (int v = 0; v < b->vectors; v++) right[v] = load_right(b, tile, term, v);
  for (int r = 0; r < tile->rows; r++) {
    LLVMValueRef left = NULL;
    for (int v = 0; v < b->vectors; v++) {
      if (v == 0 || !shared) left = load_left(b, tile, term, r, v);
      LLVMValueRef *sum = &tile->sum[r * b->vectors + v];
      *sum = is_vector(b) ? emit_fma(e, emit_splat(e, left), emit_splat(e, right[v]), *sum)
                          : emit_fma(e, left, right[v], *sum);
    }
  }
}

/* --- the loops over terms ------------------------------------------------------------------------------------ */

static Term first_term(const Block *b) {
  LLVMValueRef zero = emit_i64(b->e, 0);
  Term term = {.left = zero, .right = zero, .flat = zero};
  for (uint32_t k = 0; k < b->plan->reduced_count; k++) term.index[b->plan->reduced_axis[k]] = zero;
  return term;
}

/* Moves `term` to an index of reduced axis number k. */
static void term_move(const Block *b, Term *term, uint32_t k, LLVMValueRef index) {
  Emitter *e = b->e;
  const ContractPlan *plan = b->plan;
  int axis = plan->reduced_axis[k];
  term->index[axis] = index;
  term->left = emit_add_i64(e, term->left, emit_multiply_i64(e, index, emit_dim(e, plan->left->stride[axis])));
  term->right = emit_add_i64(e, term->right, emit_multiply_i64(e, index, emit_dim(e, plan->right->stride[axis])));
}

/* Where the sums of a block of terms begin, and the number of the first axis that it has loops for. */
static Term block_term(const Block *b, uint32_t *out_axis) {
  Term term = first_term(b);
  *out_axis = b->depth_begin ? b->plan->depth_axis : 0;
  for (uint32_t k = 0; k < *out_axis; k++) term_move(b, &term, k, b->outer[k]);
  return term;
}

static bool is_blocked(const Block *b, uint32_t k) { return b->depth_begin && k == b->plan->depth_axis; }

/* Opens the loop over reduced axis number k. */
static void term_loop_begin(const Block *b, Loop *loop, uint32_t k) {
  Emitter *e = b->e;
  const LoopAxis *axis = &b->plan->kernel.axis[b->plan->reduced_axis[k]];
  if (is_blocked(b, k))
    loop_begin(e, loop, b->depth_begin, b->depth_end, 1);
  else
    loop_begin(e, loop, emit_i64(e, 0), emit_dim(e, axis->extent), 1);
}

static Term term_advance(const Block *b, const Loop *loop, uint32_t k, const Term *term) {
  Emitter *e = b->e;
  const ContractPlan *plan = b->plan;
  LLVMValueRef index = loop->index;
  Term inner = *term;
  term_move(b, &inner, k, index);
  if (!plan->packed && plan->left_form == LEFT_IN_PLACE) return inner;
  Dim extent = plan->kernel.axis[plan->reduced_axis[k]].extent;
  if (is_blocked(b, k))
    inner.flat = LLVMBuildSub(e->builder, index, b->depth_begin, "");
  else
    inner.flat = emit_add_i64(e, emit_multiply_i64(e, term->flat, emit_dim(e, extent)), index);
  return inner;
}

static void emit_terms(const Block *b, Tile *tile, uint32_t k, const Term *term) {
  if (k == b->plan->reduced_count) {
    emit_term(b, tile, term);
    return;
  }
  int sums = tile->rows * b->vectors;
  Loop loop;
  term_loop_begin(b, &loop, k);
  for (int s = 0; s < sums; s++) tile->sum[s] = loop_carry(b->e, &loop, tile->sum[s]);
  Term inner = term_advance(b, &loop, k, term);
  emit_terms(b, tile, k + 1, &inner);
  for (int s = 0; s < sums; s++) loop.next[s] = tile->sum[s];
  loop_end(b->e, &loop);
  for (int s = 0; s < sums; s++) tile->sum[s] = loop.carried[s];
}

/* Copies the right operand's panel to scratch. */
static void pack_right(const Block *b, uint32_t k, const Term *term) {
  Emitter *e = b->e;
  if (k < b->plan->reduced_count) {
    Loop loop;
    term_loop_begin(b, &loop, k);
    Term inner = term_advance(b, &loop, k, term);
    pack_right(b, k + 1, &inner);
    loop_end(e, &loop);
    return;
  }
  for (int v = 0; v < b->vectors; v++) {
    Place place;
    enter_term(b, &place, v, NULL, term);
    store_scratch(b, emit_load(e, &place, b->plan->right), scratch_element(b, b->panel, term->flat, v));
  }
}

static void set_addresses(const Block *b, Tile *tile) {
  Emitter *e = b->e;
  const ContractPlan *plan = b->plan;
  Term term = first_term(b);
  Place place;
  if (left_is_direct(plan)) {
    enter_term(b, &place, 0, tile->row, &term);
    tile->left[0] = emit_element(e, e->slot[plan->left->slot], emit_address(e, &place, plan->left));
    tile->row_step = plan->row_axis == NO_AXIS ? emit_i64(e, 0) : emit_dim(e, plan->left->stride[plan->row_axis]);
  }
  if (plan->packed || !right_is_direct(plan)) return;
  for (int v = 0; v < b->vectors; v++) {
    enter_term(b, &place, v, tile->row, &term);
    tile->right[v] = emit_element(e, e->slot[plan->right->slot], emit_address(e, &place, plan->right));
  }
}

/* --- copies of the left operand ------------------------------------------------------------------------------ */

/* `count` elements from a row and term on. */
static void copy_left_elements(const Block *b, LLVMValueRef row, const Term *term, int count) {
  Emitter *e = b->e;
  Tile tile = {.row = row, .rows = 1};
  set_addresses(b, &tile);
  LLVMValueRef from = emit_element(e, tile.left[0], term->left), to = copied_left(b, row, term->flat);
  for (int done = 0, size; done < count; done += size) {
    for (size = 1; size * 2 <= count - done && size * 2 <= e->lanes;) size *= 2;
    LLVMTypeRef type = size == 1 ? e->session->f32 : LLVMVectorType(e->session->f32, (unsigned)size);
    LLVMValueRef value = LLVMBuildLoad2(e->builder, type, emit_element(e, from, emit_i64(e, done)), "");
    LLVMSetAlignment(value, sizeof(float));
    LLVMSetAlignment(LLVMBuildStore(e->builder, value, emit_element(e, to, emit_i64(e, done))), sizeof(float));
  }
}

/* Along contiguous rows: as many strips of each height as fit, in turn, each as it lies in scratch. */
static void copy_left_strips(const Block *b) {
  Emitter *e = b->e;
  Loop terms, rows;
  LLVMValueRef row = b->row_begin;
  for (uint32_t k = 0; k < b->plan->strips.count; k++) {
    int height = b->plan->strips.rows[k];
    loop_begin(e, &rows, row, LLVMBuildSub(e->builder, b->row_end, emit_i64(e, height - 1), ""), height);
    LLVMValueRef next = loop_carry(e, &rows, row);
    rows.next[0] = emit_add_i64(e, next, emit_i64(e, height));
    term_loop_begin(b, &terms, 0);
    Term first = first_term(b), term = term_advance(b, &terms, 0, &first);
    copy_left_elements(b, rows.index, &term, height);
    loop_end(e, &terms);
    loop_end(e, &rows);
    row = rows.carried[0];
  }
}

/* Along contiguous terms: whole vectors, then single ones. */
static void copy_left_rows(const Block *b) {
  Emitter *e = b->e;
  const ContractPlan *plan = b->plan;
  Loop rows, terms;
  loop_begin(e, &rows, b->row_begin, b->row_end, 1);
  LLVMValueRef begin = b->depth_begin;
  for (int size = e->lanes; size >= 1; size = size > 1 ? 1 : 0) {
    loop_begin(e, &terms, begin, LLVMBuildSub(e->builder, b->depth_end, emit_i64(e, size - 1), ""), size);
    LLVMValueRef next = loop_carry(e, &terms, begin);
    terms.next[0] = emit_add_i64(e, next, emit_i64(e, size));
    Term term = first_term(b);
    term.left = emit_multiply_i64(e, terms.index, emit_dim(e, plan->left->stride[plan->reduced_axis[0]]));
    term.flat = LLVMBuildSub(e->builder, terms.index, b->depth_begin, "");
    copy_left_elements(b, rows.index, &term, size);
    loop_end(e, &terms);
    begin = terms.carried[0];
  }
  loop_end(e, &rows);
}

/* --- the epilogue -------------------------------------------------------------------------------------------- */

/* Places of the panel's columns, with what the epilogue needs and is the same in all rows. */
static void enter_columns(const Block *b, Place *columns) {
  const Kernel *kernel = &b->plan->kernel;
  for (int v = 0; v < b->vectors; v++) {
    place_enter(b->e, &columns[v], &b->column[v], 0);
    for (uint32_t k = 0; k < kernel->store_count; k++) emit_invariants(b->e, &columns[v], kernel->store[k].expr);
  }
}

/* Expressions and stores of one row, given its finished sums. */
static void emit_epilogue(const Block *b, const Place *columns, LLVMValueRef row, const LLVMValueRef *sums) {
  const Kernel *kernel = &b->plan->kernel;
  for (int v = 0; v < b->vectors; v++) {
    Place place;
    place_enter(b->e, &place, &columns[v], axis_bit(b->plan->row_axis));
    if (b->plan->row_axis != NO_AXIS) place.index[b->plan->row_axis] = row;
    for (uint32_t k = 0; k < kernel->expr_count; k++)
      if (kernel->expr[k].kind == EXPR_PRODUCT) place_set_value(&place, k, sums[v]);
    for (uint32_t k = 0; k < kernel->store_count; k++) emit_store(b->e, &place, k);
  }
}

static void emit_block_epilogue(Block *b) {
  Emitter *e = b->e;
  Place columns[MAX_VECTORS];
  LLVMValueRef sums[MAX_VECTORS];
  enter_columns(b, columns);
  Loop rows;
  loop_begin(e, &rows, b->row_begin, b->row_end, 1);
  LLVMValueRef row = LLVMBuildSub(e->builder, rows.index, b->row_begin, "");
  for (int v = 0; v < b->vectors; v++) sums[v] = load_scratch(b, scratch_element(b, b->sums, row, v));
  emit_epilogue(b, columns, rows.index, sums);
  loop_end(e, &rows);
}

/* Of the panel that is packed next: the one beside this, or the one below it where the item has a single one. */
static void prefetch_right(const Block *b, LLVMValueRef row) {
  Emitter *e = b->e;
  const ContractPlan *plan = b->plan;
  bool below = plan->depth_block && plan->panels == 1;
  LLVMValueRef step = emit_dim(e, plan->right->stride[plan->reduced_axis[0]]);
  LLVMValueRef done = LLVMBuildSub(e->builder, row, b->row_begin, "");
  LLVMValueRef line = LLVMBuildUDiv(e->builder, done, emit_i64(e, plan->rows), "");
  line = emit_multiply_i64(e, line, emit_i64(e, plan->prefetched));
  if (b->depth_begin) line = emit_add_i64(e, line, b->depth_begin);
  if (below) line = emit_add_i64(e, line, emit_i64(e, plan->depth_block));
  Term term = first_term(b);
  Place place;
  enter_term(b, &place, 0, NULL, &term);
  LLVMValueRef base = emit_element(e, e->slot[plan->right->slot], emit_address(e, &place, plan->right));
  if (!below) base = emit_element(e, base, emit_i64(e, plan->panel));
  base = emit_element(e, base, emit_multiply_i64(e, line, step));
  for (int k = 0; k < plan->prefetched; k++) {
    emit_prefetch(e, base);
    base = emit_element(e, base, step);
  }
}

/* --- tiles --------------------------------------------------------------------------------------------------- */

static void emit_tile(const Block *b, LLVMValueRef row, int rows) {
  Emitter *e = b->e;
  Tile tile = {.row = row, .rows = rows};
  LLVMValueRef first = LLVMBuildSub(e->builder, row, b->row_begin, "");
  LLVMValueRef place[MAX_SUMS];
  for (int s = 0; s < rows * b->vectors; s++) {
    tile.sum[s] = zero_sum(b);
    if (b->plan->direct) continue;
    LLVMValueRef at = emit_add_i64(e, first, emit_i64(e, s / b->vectors));
    place[s] = scratch_element(b, b->sums, at, s % b->vectors);
    if (b->plan->depth_block) tile.sum[s] = load_scratch(b, place[s]);
  }
  if (b->plan->prefetched) prefetch_right(b, row);
  set_addresses(b, &tile);
  uint32_t axis;
  Term term = block_term(b, &axis);
  emit_terms(b, &tile, axis, &term);
  if (!b->plan->direct) {
    for (int s = 0; s < rows * b->vectors; s++) store_scratch(b, tile.sum[s], place[s]);
    return;
  }
  Place columns[MAX_VECTORS];
  enter_columns(b, columns);
  for (int r = 0; r < rows; r++)
    emit_epilogue(b, columns, emit_add_i64(e, row, emit_i64(e, r)), tile.sum + (ptrdiff_t)r * b->vectors);
}

/* Tiles of each height in turn, as many as fit in what is left of the block. */
static void emit_tiles(const Block *b, const TileHeights *heights) {
  Emitter *e = b->e;
  LLVMValueRef row = b->row_begin;
  for (uint32_t k = 0; k < heights->count; k++) {
    int rows = heights->rows[k];
    LLVMValueRef last = LLVMBuildSub(e->builder, b->row_end, emit_i64(e, rows - 1), "");
    Loop loop;
    loop_begin(e, &loop, row, last, rows);
    LLVMValueRef next = loop_carry(e, &loop, row);
    loop.next[0] = emit_add_i64(e, next, emit_i64(e, rows));
    emit_tile(b, loop.index, rows);
    loop_end(e, &loop);
    row = loop.carried[0];
  }
}

static void emit_panel_and_tiles(Block *b) {
  if (b->plan->packed) {
    uint32_t axis;
    Term term = block_term(b, &axis);
    pack_right(b, axis, &term);
  }
  emit_tiles(b, b->vectors < b->plan->vectors ? &b->plan->tail_tiles : &b->plan->tiles);
}

static void clear_sums(const Block *b) {
  Emitter *e = b->e;
  int lanes = is_vector(b) ? b->plan->lanes : 1;
  int64_t count = b->plan->panels * b->plan->block_rows * b->plan->panel;
  Loop loop;
  loop_begin(e, &loop, emit_i64(e, 0), emit_i64(e, count), lanes);
  store_scratch(b, zero_sum(b), emit_element(e, b->sums, loop.index));
  loop_end(e, &loop);
}

/* Loops over the blocks of terms: one for each axis up to the one that is cut. */
static void depth_begin(Block *b, Loop *loop) {
  Emitter *e = b->e;
  const ContractPlan *plan = b->plan;
  for (uint32_t k = 0; k < plan->depth_axis; k++, loop++) {
    loop_begin(e, loop, emit_i64(e, 0), emit_dim(e, plan->kernel.axis[plan->reduced_axis[k]].extent), 1);
    b->outer[k] = loop->index;
  }
  LLVMValueRef depth = emit_dim(e, plan->kernel.axis[plan->reduced_axis[plan->depth_axis]].extent);
  loop_begin(e, loop, emit_i64(e, 0), depth, plan->depth_block);
  b->depth_begin = loop->index;
  b->depth_end = emit_minimum_i64(e, emit_add_i64(e, loop->index, emit_i64(e, plan->depth_block)), depth);
}

static void depth_end(Block *b, Loop *loop) {
  for (uint32_t k = b->plan->depth_axis + 1; k > 0; k--) loop_end(b->e, &loop[k - 1]);
  b->depth_begin = b->depth_end = NULL;
}

/* A block with one panel. */
static void emit_block(Block *b) {
  if (b->plan->depth_block) {
    Loop loop[KERNEL_MAX_AXES];
    clear_sums(b);
    depth_begin(b, loop);
    emit_panel_and_tiles(b);
    depth_end(b, loop);
  } else {
    emit_panel_and_tiles(b);
  }
  if (!b->plan->direct) emit_block_epilogue(b);
}

/* --- items --------------------------------------------------------------------------------------------------- */

/* The block with `vectors` vectors of columns from `column` on, of which the first `whole` lie within the axis. */
static void emit_columns(Block *b, const Place *item, LLVMValueRef column, int vectors, int whole) {
  Emitter *e = b->e;
  int axis = b->plan->vector_axis;
  b->vectors = vectors;
  for (int v = 0; v < vectors; v++) {
    place_enter(e, &b->column[v], item, axis_bit(axis));
    if (axis == NO_AXIS) continue;
    LLVMValueRef first = emit_add_i64(e, column, emit_i64(e, (int64_t)v * b->plan->lanes));
    place_set_vector(e, &b->column[v], axis, first, v < whole);
  }
  b->work(b);
}

/* Panels within the axis and the one across its end have code of their own, each where there is one. */
static void emit_panel(Block *b, const Place *item, LLVMValueRef column) {
  Emitter *e = b->e;
  const ContractPlan *plan = b->plan;
  int vectors = plan->vectors;
  if (plan->vector_axis == NO_AXIS) {
    emit_columns(b, item, emit_i64(e, 0), 1, 1);
    return;
  }
  Dim extent = plan->kernel.axis[plan->vector_axis].extent;
  int tail = plan->tail_vectors, whole = plan->tail_whole;
  if (tail == 0) {
    emit_columns(b, item, column, vectors, vectors);
  } else if (dim_is_constant(extent) && extent.factor < plan->panel) {
    emit_columns(b, item, column, tail, whole);
  } else {
    LLVMValueRef end = emit_add_i64(e, column, emit_i64(e, plan->panel));
    Branch branch;
    branch_begin(e, &branch, LLVMBuildICmp(e->builder, LLVMIntSLE, end, emit_dim(e, extent), ""));
    emit_columns(b, item, column, vectors, vectors);
    branch_end(e, &branch);
    branch_begin(e, &branch, LLVMBuildICmp(e->builder, LLVMIntSGT, end, emit_dim(e, extent), ""));
    emit_columns(b, item, column, tail, whole);
    branch_end(e, &branch);
  }
}

static void emit_panels(Block *b, const Place *item, LLVMValueRef begin, LLVMValueRef end, void (*work)(Block *b)) {
  Emitter *e = b->e;
  LLVMValueRef sums = b->sums;
  Loop loop;
  b->work = work;
  loop_begin(e, &loop, begin, end, b->plan->panel);
  LLVMValueRef done = LLVMBuildSub(e->builder, loop.index, begin, "");
  b->sums = emit_element(e, sums, emit_multiply_i64(e, done, emit_i64(e, b->plan->block_rows)));
  emit_panel(b, item, loop.index);
  loop_end(e, &loop);
  b->sums = sums;
}

static void copy_left(Block *b, const Place *item) {
  place_enter(b->e, &b->column[0], item, 0); /* the left operand does not vary along the columns */
  if (b->plan->left_form == LEFT_STRIPS)
    copy_left_strips(b);
  else
    copy_left_rows(b);
}

/* A block with several panels, which share a copy of the left operand. */
static void emit_shared_block(Block *b, const Place *item, LLVMValueRef begin) {
  Emitter *e = b->e;
  LLVMValueRef size = emit_i64(e, b->plan->panel * b->plan->panels);
  LLVMValueRef extent = emit_dim(e, b->plan->kernel.axis[b->plan->vector_axis].extent);
  LLVMValueRef end = emit_minimum_i64(e, emit_add_i64(e, begin, size), extent);
  if (!b->plan->depth_block) {
    copy_left(b, item);
    emit_panels(b, item, begin, end, emit_block);
    return;
  }
  Loop loop[KERNEL_MAX_AXES];
  clear_sums(b);
  depth_begin(b, loop);
  copy_left(b, item);
  emit_panels(b, item, begin, end, emit_panel_and_tiles);
  depth_end(b, loop);
  emit_panels(b, item, begin, end, emit_block_epilogue);
}

KernelWork contract_work(const Kernel *kernel, const Target *target, int lanes) {
  Arena *arena = arena_create();
  ContractPlan plan;
  contract_plan(kernel, target, lanes, arena, &plan);
  arena_destroy(arena);
  return plan.work;
}

void contract_emit(Session *session, const Kernel *kernel, const char *name) {
  ContractPlan plan;
  contract_plan(kernel, &session->target, session->lanes, session->arena, &plan);
  Emitter e;
  emitter_begin(&e, session, &plan.kernel, name);
  Block b = {.e = &e, .plan = &plan, .panel = e.scratch, .work = emit_block};
  b.left = emit_element(&e, e.scratch, emit_i64(&e, (int64_t)plan.left_offset / 4));
  b.sums = emit_element(&e, e.scratch, emit_i64(&e, (int64_t)plan.sums_offset / 4));
  Loop items;
  LLVMValueRef tile[KERNEL_MAX_AXES];
  loop_begin(&e, &items, e.begin, e.end, 1);
  emit_item(&e, &plan.work, items.index, tile);
  Place item;
  place_begin(&e, &item);
  for (int axis = 0; axis < (int)plan.kernel.axis_count; axis++) /* merged axes, of either role, have no loop */
    if (plan.kernel.axis[axis].role == AXIS_PARALLEL || dim_is(plan.kernel.axis[axis].extent, 1))
      item.index[axis] = emit_i64(&e, 0);
  for (uint32_t k = 0; k < plan.item_count; k++) item.index[plan.item_axis[k]] = tile[k];
  uint32_t row_part = plan.item_count;
  LLVMValueRef rows = plan.row_axis == NO_AXIS ? emit_i64(&e, 1) : emit_dim(&e, plan.kernel.axis[plan.row_axis].extent);
  b.row_begin = emit_multiply_i64(&e, tile[row_part], emit_i64(&e, plan.block_rows));
  b.row_end = emit_minimum_i64(&e, emit_add_i64(&e, b.row_begin, emit_i64(&e, plan.block_rows)), rows);
  LLVMValueRef column = emit_multiply_i64(&e, tile[row_part + 1], emit_i64(&e, plan.panel * plan.panels));
  if (plan.left_form != LEFT_IN_PLACE)
    emit_shared_block(&b, &item, column);
  else
    emit_panel(&b, &item, column);
  loop_end(&e, &items);
  emitter_end(&e);
}
