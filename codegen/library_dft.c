#include "contract_plan.h"
#include "library.h"

#include "runtime/library_kernels.h"

/* An item transforms a panel of columns: indices of an axis that is not transformed, side by side.
 *
 *   gather    source[part][sample][column] in scratch, by loops over the REDUCED axes
 *   FFTW      result[part][frequency][column] in scratch
 *   epilogue  by loops over the axes along which the table's results lie
 *
 * Rows of both blocks are numbered as the table's columns and rows are (ir/kernel.h), so whatever the loops have become
 * by merging, its strides say which row an index belongs to. */

enum { SCRATCH_BUDGET = 256 * 1024, MOST_COLUMNS = 64, ALIGNMENT = 64 };

typedef struct DftPlan {
  ContractPlan contract; /* for its merged axes */
  const Access *table, *data;
  bool table_right;
  int column_axis; /* NO_AXIS: one column */
  uint32_t result_count, item_count;
  int result_axis[KERNEL_MAX_AXES], item_axis[KERNEL_MAX_AXES];
  int64_t source_rows, result_rows; /* parts * extent */
  int32_t form;
  int64_t extent, columns;
  size_t result_offset; /* in scratch */
  KernelWork work;
} DftPlan;

/* --- the plan ------------------------------------------------------------------------------------------------- */

/* The axis that is dense in the data, else the longest. */
static int column_score(const DftPlan *plan, int axis) {
  Dim extent = plan->contract.kernel.axis[axis].extent;
  bool is_long = !dim_is_constant(extent) || extent.factor >= plan->contract.lanes;
  return 1 + is_long + 2 * dim_is(plan->data->stride[axis], 1);
}

static void sort_axes(DftPlan *plan) {
  const Kernel *kernel = &plan->contract.kernel;
  int best = 0;
  plan->column_axis = NO_AXIS;
  for (int axis = 0; axis < (int)kernel->axis_count; axis++) {
    if (kernel->axis[axis].role != AXIS_PARALLEL || dim_is(kernel->axis[axis].extent, 1)) continue;
    if (access_varies(plan->table, axis)) {
      plan->result_axis[plan->result_count++] = axis;
    } else {
      plan->item_axis[plan->item_count++] = axis;
      int score = column_score(plan, axis);
      if (score >= best) best = score, plan->column_axis = axis;
    }
  }
  uint32_t kept = 0;
  for (uint32_t k = 0; k < plan->item_count; k++)
    if (plan->item_axis[k] != plan->column_axis) plan->item_axis[kept++] = plan->item_axis[k];
  plan->item_count = kept;
}

static int64_t row_count(const DftPlan *plan, const int *axis, uint32_t count) {
  int64_t rows = 1;
  for (uint32_t k = 0; k < count; k++) {
    Dim extent = plan->contract.kernel.axis[axis[k]].extent;
    ASSERT(dim_is_constant(extent));
    rows *= extent.factor;
  }
  return rows;
}

/* Of two sides, at least one is complex. A real side has all samples, so it tells a half spectrum of the other. */
static void find_form(DftPlan *plan) {
  int64_t source = row_count(plan, plan->contract.reduced_axis, plan->contract.reduced_count);
  int64_t result = row_count(plan, plan->result_axis, plan->result_count);
  plan->source_rows = source;
  plan->result_rows = result;
  if (source == result) {
    plan->form = LIBRARY_DFT_COMPLEX;
    plan->extent = source / 2;
  } else if (source < result) {
    plan->form = result == 2 * source ? LIBRARY_DFT_REAL_TO_COMPLEX : LIBRARY_DFT_REAL_TO_HALF;
    plan->extent = source;
  } else {
    plan->form = source == 2 * result ? LIBRARY_DFT_COMPLEX_TO_REAL : LIBRARY_DFT_HALF_TO_REAL;
    plan->extent = result;
  }
}

static void lay_out_work(DftPlan *plan) {
  const Kernel *kernel = &plan->contract.kernel;
  int64_t lanes = plan->contract.lanes, columns = 1;
  if (plan->column_axis != NO_AXIS) {
    Dim extent = kernel->axis[plan->column_axis].extent;
    int64_t allowed = SCRATCH_BUDGET / (4 * (plan->extent + 1) * (int64_t)sizeof(float)), wanted = MOST_COLUMNS;
    if (dim_is_constant(extent) && extent.factor < wanted) wanted = extent.factor + lanes - 1;
    columns = (wanted < allowed ? wanted : allowed) / lanes * lanes;
    if (columns < lanes) columns = lanes;
  }
  plan->columns = columns;
  size_t block = (size_t)((2 * plan->extent + 2) * columns) * sizeof(float);
  plan->result_offset = (block + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  KernelWork *work = &plan->work;
  for (uint32_t k = 0; k < plan->item_count; k++)
    work->part[work->part_count++] = (WorkPart){kernel->axis[plan->item_axis[k]].extent, 1};
  if (plan->column_axis != NO_AXIS)
    work->part[work->part_count++] = (WorkPart){kernel->axis[plan->column_axis].extent, columns};
  work->scratch_bytes = plan->result_offset + block;
}

static void dft_plan(const Kernel *kernel, const Target *target, int lanes, Arena *arena, DftPlan *out) {
  *out = (DftPlan){.table_right = kernel->table == kernel->right};
  ContractPlan *contract = &out->contract;
  contract_plan(kernel, target, lanes, arena, contract);
  contract->lanes = lanes;
  out->table = &contract->kernel.expr[kernel->table].access;
  out->data = &contract->kernel.expr[out->table_right ? kernel->left : kernel->right].access;
  sort_axes(out);
  find_form(out);
  lay_out_work(out);
}

KernelWork library_dft_work(const Kernel *kernel, const Target *target, int lanes) {
  Arena *arena = arena_create();
  DftPlan plan;
  dft_plan(kernel, target, lanes, arena, &plan);
  arena_destroy(arena);
  return plan.work;
}

/* --- code ----------------------------------------------------------------------------------------------------- */

typedef struct Dft {
  Emitter *e;
  const DftPlan *plan;
  Panel panel;
  LLVMValueRef source, result; /* blocks of scratch */
  LLVMValueRef scale, inverse; /* f32, i32 */
  LLVMValueRef row;            /* of a block, in the loops below */
} Dft;

static LLVMValueRef table_entry(const Dft *d, int64_t row, int64_t column) {
  const DftPlan *plan = d->plan;
  int64_t at = plan->table_right ? column * plan->result_rows + row : row * plan->source_rows + column;
  return emit_load_scalar(d->e, emit_element(d->e, d->e->slot[plan->table->slot], emit_i64(d->e, at)));
}

/* The first entry is the scale; the sine of the first sample in the first frequency has the sign of the direction, if
 * it is not 0, when direction does not matter. */
static void emit_direction(Dft *d) {
  Emitter *e = d->e;
  const DftPlan *plan = d->plan;
  d->scale = table_entry(d, 0, 0);
  d->inverse = emit_i32(e, 0);
  if (plan->extent <= 2) return;
  bool to_real = plan->result_rows < plan->source_rows;
  LLVMValueRef zero = emit_f32(e, 0);
  LLVMValueRef sine =
      to_real ? table_entry(d, 1, plan->source_rows / 2 + 1) : table_entry(d, plan->result_rows / 2 + 1, 1);
  LLVMValueRef positive = LLVMBuildFCmp(e->builder, to_real ? LLVMRealOLT : LLVMRealOGT, sine, zero, "");
  LLVMValueRef kept = LLVMBuildFCmp(e->builder, LLVMRealOGT, d->scale, zero, "");
  LLVMValueRef same = LLVMBuildICmp(e->builder, LLVMIntEQ, positive, kept, "");
  d->inverse = LLVMBuildZExt(e->builder, same, e->session->i32, "inverse");
}

static void gather_columns(void *context, Place *place, LLVMValueRef column) {
  const Dft *d = context;
  panel_store(&d->panel, emit_load(d->e, place, d->plan->data), d->source, d->row, column);
}

static void finish_columns(void *context, Place *place, LLVMValueRef column) {
  const Dft *d = context;
  LLVMValueRef sum = panel_load(&d->panel, d->result, d->row, column);
  LLVMValueRef scale = emit_is_vector(sum) ? emit_splat(d->e, d->scale) : d->scale;
  library_emit_epilogue(d->e, place, LLVMBuildFMul(d->e->builder, sum, scale, ""));
}

/* Loops over some axes, which between them number the rows of a block: a step along one is `unit` entries of the table
 * for each row. */
typedef struct Rows {
  const int *axis;
  uint32_t count;
  int64_t unit;
  PanelBody *body;
} Rows;

static void emit_rows(Dft *d, const Rows *rows, uint32_t depth, const Place *outer, LLVMValueRef row) {
  Emitter *e = d->e;
  if (depth == rows->count) {
    d->row = row;
    panel_emit_columns(&d->panel, outer, rows->body, d);
    return;
  }
  int axis = rows->axis[depth];
  Loop loop;
  loop_begin(e, &loop, emit_i64(e, 0), emit_dim(e, e->kernel->axis[axis].extent), 1);
  Place inner;
  place_enter(e, &inner, outer, (AxisMask)1 << axis);
  inner.index[axis] = loop.index;
  LLVMValueRef step = emit_i64(e, d->plan->table->stride[axis].factor / rows->unit);
  emit_rows(d, rows, depth + 1, &inner, emit_add_i64(e, row, emit_multiply_i64(e, loop.index, step)));
  loop_end(e, &loop);
}

static void emit_transform(Dft *d) {
  Emitter *e = d->e;
  LLVMValueRef arguments[] = {emit_i32(e, d->plan->form),    d->inverse, emit_i64(e, d->plan->extent),
                              emit_i64(e, d->plan->columns), d->source,  d->result};
  library_call(e, "simba_library_dft", arguments, sizeof arguments / sizeof *arguments);
}

static void emit_columns_of_item(Dft *d, const LLVMValueRef *tile) {
  Emitter *e = d->e;
  const DftPlan *plan = d->plan;
  Place item;
  library_begin_item(e, &item, plan->item_axis, plan->item_count, tile);
  if (plan->column_axis != NO_AXIS) {
    LLVMValueRef width = emit_i64(e, plan->columns), extent = emit_dim(e, e->kernel->axis[plan->column_axis].extent);
    d->panel.first = emit_multiply_i64(e, tile[plan->item_count], width);
    d->panel.count = emit_minimum_i64(e, LLVMBuildSub(e->builder, extent, d->panel.first, ""), width);
  }
  LLVMValueRef zero = emit_i64(e, 0);
  const ContractPlan *contract = &plan->contract;
  Rows source = {contract->reduced_axis, contract->reduced_count, plan->table_right ? plan->result_rows : 1,
                 gather_columns};
  Rows result = {plan->result_axis, plan->result_count, plan->table_right ? 1 : plan->source_rows, finish_columns};
  emit_rows(d, &source, 0, &item, zero);
  emit_transform(d);
  emit_rows(d, &result, 0, &item, zero);
}

static void plan_transforms(const DftPlan *plan) {
  simba_error error = {0};
  simba_status status = library_fft_plan(plan->form, plan->extent, plan->columns, &error);
  if (status == SIMBA_OUT_OF_MEMORY) guard_out_of_memory();
  if (status != SIMBA_OK) guard_bug("%s", error.message);
}

void library_dft_emit(Session *session, const Kernel *kernel, const char *name) {
  DftPlan plan;
  dft_plan(kernel, &session->target, session->lanes, session->arena, &plan);
  plan_transforms(&plan);
  Emitter e;
  emitter_begin(&e, session, &plan.contract.kernel, name);
  Dft d = {.e = &e, .plan = &plan, .panel = {.e = &e, .axis = plan.column_axis, .width = plan.columns}};
  d.source = e.scratch;
  d.result = emit_element(&e, e.scratch, emit_i64(&e, (int64_t)(plan.result_offset / sizeof(float))));
  emit_direction(&d);
  Loop items;
  LLVMValueRef tile[KERNEL_MAX_AXES];
  loop_begin(&e, &items, e.begin, e.end, 1);
  emit_item(&e, &plan.work, items.index, tile);
  emit_columns_of_item(&d, tile);
  loop_end(&e, &items);
  emitter_end(&e);
}
