#include "contract_plan.h"
#include "library.h"

/* Sums of one item: small enough to stay in the second cache level, large enough for OpenBLAS. */
enum { BLOCK_ROWS = 128, PANEL_COLUMNS = 512 };

typedef struct GemmPlan {
  ContractPlan contract; /* its axes are ours, its tiles are not */
  int64_t rows, columns; /* of an item */
  int term_axis;         /* of the REDUCED axes, the one within a call; the others are loops */
  uint32_t outer_count;
  int outer_axis[KERNEL_MAX_AXES];
  bool direct; /* the sums are the result */
  KernelWork work;
} GemmPlan;

/* --- what fits ------------------------------------------------------------------------------------------------ */

static Dim axis_extent(const ContractPlan *plan, int axis) {
  return axis == NO_AXIS ? dim_constant(1) : plan->kernel.axis[axis].extent;
}

/* stride >= extent for all values of the symbols, which are 1 at least. */
static bool covers(Dim stride, Dim extent) {
  bool comparable = dim_is_constant(extent) || (!dim_is_constant(stride) && stride.symbol == extent.symbol);
  return comparable && stride.factor >= extent.factor;
}

/* Dense along `dense`, and what lies along it does not overlap from one index of `other` to the next. */
static bool is_matrix(const ContractPlan *plan, const Access *access, int dense, int other) {
  if (dense != NO_AXIS && !dim_is(access->stride[dense], 1)) return false;
  return other == NO_AXIS || covers(access->stride[other], axis_extent(plan, dense));
}

static bool factor_fits(const ContractPlan *plan, const Access *access, int axis, int term) {
  return access_is_affine(access) && (is_matrix(plan, access, term, axis) || is_matrix(plan, access, axis, term));
}

/* The REDUCED axis that sgemm sums over: the longest that fits, of equals the innermost; NO_AXIS: nothing fits. The
 * others are loops around it. */
static int term_axis(const ContractPlan *plan) {
  int best = NO_AXIS;
  if (plan->vector_axis == NO_AXIS || access_varies(plan->left, plan->vector_axis)) return NO_AXIS;
  for (uint32_t k = 0; k < plan->reduced_count; k++) {
    int axis = plan->reduced_axis[k];
    if (!factor_fits(plan, plan->left, plan->row_axis, axis)) continue;
    if (!factor_fits(plan, plan->right, plan->vector_axis, axis)) continue;
    if (best == NO_AXIS || covers(axis_extent(plan, axis), axis_extent(plan, best))) best = axis;
  }
  return best;
}

bool library_gemm_fits(const Kernel *kernel, const Target *target, int lanes) {
  Arena *arena = arena_create();
  ContractPlan plan;
  contract_plan(kernel, target, lanes, arena, &plan);
  bool fits = term_axis(&plan) != NO_AXIS;
  arena_destroy(arena);
  return fits;
}

/* --- the plan ------------------------------------------------------------------------------------------------- */

static bool stores_sums(const ContractPlan *plan) {
  const Store *store = &plan->kernel.store[0];
  if (plan->kernel.store_count != 1 || plan->kernel.expr[store->expr].kind != EXPR_PRODUCT) return false;
  return is_matrix(plan, &store->access, plan->vector_axis, plan->row_axis);
}

static int64_t shorter(Dim extent, int64_t limit, int64_t multiple) {
  int64_t size = dim_is_constant(extent) ? (extent.factor + multiple - 1) / multiple * multiple : limit;
  return size < limit ? size : limit;
}

static void gemm_plan(const Kernel *kernel, const Target *target, int lanes, Arena *arena, GemmPlan *out) {
  *out = (GemmPlan){0};
  ContractPlan *contract = &out->contract;
  contract_plan(kernel, target, lanes, arena, contract);
  out->term_axis = term_axis(contract);
  ASSERT(out->term_axis != NO_AXIS);
  for (uint32_t k = 0; k < contract->reduced_count; k++)
    if (contract->reduced_axis[k] != out->term_axis) out->outer_axis[out->outer_count++] = contract->reduced_axis[k];
  Dim rows = axis_extent(contract, contract->row_axis), columns = axis_extent(contract, contract->vector_axis);
  out->rows = shorter(rows, BLOCK_ROWS, 1);
  out->columns = shorter(columns, PANEL_COLUMNS, lanes);
  out->direct = stores_sums(contract);
  KernelWork *work = &out->work;
  for (uint32_t k = 0; k < contract->item_count; k++)
    work->part[work->part_count++] = (WorkPart){axis_extent(contract, contract->item_axis[k]), 1};
  work->part[work->part_count++] = (WorkPart){rows, out->rows};
  work->part[work->part_count++] = (WorkPart){columns, out->columns};
  if (!out->direct) work->scratch_bytes = (size_t)(out->rows * out->columns) * sizeof(float);
}

KernelWork library_gemm_work(const Kernel *kernel, const Target *target, int lanes) {
  Arena *arena = arena_create();
  GemmPlan plan;
  gemm_plan(kernel, target, lanes, arena, &plan);
  arena_destroy(arena);
  return plan.work;
}

/* --- code ----------------------------------------------------------------------------------------------------- */

typedef struct Gemm {
  Emitter *e;
  const GemmPlan *plan;
  Panel panel;
  LLVMValueRef row_begin, row_count;
  LLVMValueRef row; /* in the epilogue: within the block */
} Gemm;

static LLVMValueRef address(const Gemm *g, const Place *first, const Access *access) {
  return emit_element(g->e, g->e->slot[access->slot], emit_address(g->e, first, access));
}

/* An axis that is not there is one step long. */
static LLVMValueRef stride(const Gemm *g, const Access *access, int axis) {
  return axis == NO_AXIS ? emit_i64(g->e, 1) : emit_dim(g->e, access->stride[axis]);
}

/* `first` has the indices of the item's first row and column, and of the first term of this call; `number` is that of
 * the call: all but the first add to what is there. */
static void emit_call(const Gemm *g, const Place *first, LLVMValueRef number) {
  Emitter *e = g->e;
  const ContractPlan *contract = &g->plan->contract;
  int row = contract->row_axis, column = contract->vector_axis, term = g->plan->term_axis;
  const Access *result = &contract->kernel.store[0].access;
  LLVMValueRef later = LLVMBuildICmp(e->builder, LLVMIntNE, number, emit_i64(e, 0), "");
  LLVMValueRef arguments[] = {LLVMBuildZExt(e->builder, later, e->session->i32, ""),
                              g->row_count,
                              g->panel.count,
                              emit_dim(e, contract->kernel.axis[term].extent),
                              address(g, first, contract->left),
                              stride(g, contract->left, row),
                              stride(g, contract->left, term),
                              address(g, first, contract->right),
                              stride(g, contract->right, term),
                              stride(g, contract->right, column),
                              g->plan->direct ? address(g, first, result) : e->scratch,
                              g->plan->direct ? stride(g, result, row) : emit_i64(e, g->plan->columns)};
  library_call(e, "simba_library_gemm", arguments, sizeof arguments / sizeof *arguments);
}

static void emit_sums(const Gemm *g, uint32_t depth, const Place *outer, LLVMValueRef number) {
  if (depth == g->plan->outer_count) {
    emit_call(g, outer, number);
    return;
  }
  Emitter *e = g->e;
  int axis = g->plan->outer_axis[depth];
  LLVMValueRef extent = emit_dim(e, axis_extent(&g->plan->contract, axis));
  Loop loop;
  loop_begin(e, &loop, emit_i64(e, 0), extent, 1);
  Place inner;
  place_enter(e, &inner, outer, (AxisMask)1 << axis);
  inner.index[axis] = loop.index;
  emit_sums(g, depth + 1, &inner, emit_add_i64(e, emit_multiply_i64(e, number, extent), loop.index));
  loop_end(e, &loop);
}

static void finish_columns(void *context, Place *place, LLVMValueRef column) {
  const Gemm *g = context;
  library_emit_epilogue(g->e, place, panel_load(&g->panel, g->e->scratch, g->row, column));
}

static void emit_rows(Gemm *g, const Place *item) {
  Emitter *e = g->e;
  int axis = g->plan->contract.row_axis;
  Loop rows;
  loop_begin(e, &rows, emit_i64(e, 0), g->row_count, 1);
  g->row = rows.index;
  Place row;
  place_enter(e, &row, item, axis == NO_AXIS ? 0 : (AxisMask)1 << axis);
  if (axis != NO_AXIS) row.index[axis] = emit_add_i64(e, g->row_begin, rows.index);
  panel_emit_columns(&g->panel, &row, finish_columns, g);
  loop_end(e, &rows);
}

/* Number `tile` of the pieces of `size` that an axis is cut into. */
static void emit_piece(Emitter *e, LLVMValueRef tile, int64_t size, Dim extent, LLVMValueRef *out_begin,
                       LLVMValueRef *out_count) {
  *out_begin = emit_multiply_i64(e, tile, emit_i64(e, size));
  LLVMValueRef rest = LLVMBuildSub(e->builder, emit_dim(e, extent), *out_begin, "");
  *out_count = emit_minimum_i64(e, rest, emit_i64(e, size));
}

void library_gemm_emit(Session *session, const Kernel *kernel, const char *name) {
  GemmPlan plan;
  gemm_plan(kernel, &session->target, session->lanes, session->arena, &plan);
  const ContractPlan *contract = &plan.contract;
  int row = contract->row_axis, column = contract->vector_axis;
  Emitter e;
  emitter_begin(&e, session, &contract->kernel, name);
  Gemm g = {.e = &e, .plan = &plan, .panel = {.e = &e, .axis = column, .width = plan.columns}};
  Loop items;
  LLVMValueRef tile[KERNEL_MAX_AXES];
  loop_begin(&e, &items, e.begin, e.end, 1);
  emit_item(&e, &plan.work, items.index, tile);
  uint32_t others = contract->item_count;
  emit_piece(&e, tile[others], plan.rows, axis_extent(contract, row), &g.row_begin, &g.row_count);
  emit_piece(&e, tile[others + 1], plan.columns, axis_extent(contract, column), &g.panel.first, &g.panel.count);
  Place item;
  library_begin_item(&e, &item, contract->item_axis, others, tile);
  if (row != NO_AXIS) item.index[row] = g.row_begin;
  item.index[column] = g.panel.first;
  emit_sums(&g, 0, &item, emit_i64(&e, 0));
  if (!plan.direct) emit_rows(&g, &item);
  loop_end(&e, &items);
  emitter_end(&e);
}
