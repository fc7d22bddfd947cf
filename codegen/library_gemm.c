#include "contract_plan.h"
#include "library.h"

/* Sums of one item: small enough to stay in the second cache level, large enough for OpenBLAS. */
enum { BLOCK_ROWS = 128, PANEL_COLUMNS = 512 };

typedef struct GemmPlan {
  ContractPlan contract; /* its axes are ours, its tiles are not */
  int64_t rows, columns; /* of an item */
  bool direct;           /* the sums are the result */
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

static bool factor_fits(const ContractPlan *plan, const Access *access, int axis) {
  int reduced = plan->reduced_axis[0];
  return access_is_affine(access) && (is_matrix(plan, access, reduced, axis) || is_matrix(plan, access, axis, reduced));
}

static bool contract_fits(const ContractPlan *plan) {
  if (plan->reduced_count != 1 || plan->vector_axis == NO_AXIS) return false;
  if (access_varies(plan->left, plan->vector_axis)) return false;
  return factor_fits(plan, plan->left, plan->row_axis) && factor_fits(plan, plan->right, plan->vector_axis);
}

bool library_gemm_fits(const Kernel *kernel, const Target *target, int lanes) {
  Arena *arena = arena_create();
  ContractPlan plan;
  contract_plan(kernel, target, lanes, arena, &plan);
  bool fits = contract_fits(&plan);
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
  ASSERT(contract_fits(contract));
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

/* `first` has the indices of the item's first row, column and term. */
static void emit_sums(const Gemm *g, const Place *first) {
  Emitter *e = g->e;
  const ContractPlan *contract = &g->plan->contract;
  int row = contract->row_axis, column = contract->vector_axis, term = contract->reduced_axis[0];
  const Access *result = &contract->kernel.store[0].access;
  LLVMValueRef arguments[] = {g->row_count,
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
  emit_sums(&g, &item);
  if (!plan.direct) emit_rows(&g, &item);
  loop_end(&e, &items);
  emitter_end(&e);
}
