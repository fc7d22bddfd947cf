#include "library.h"
#include "spectral.h"

#include "runtime/library_kernels.h"

/* An item transforms a panel of columns: indices of an axis that is not transformed, side by side.
 *
 *   gather    source[row][column] in scratch, rows numbered as the kernel says (ir/kernel.h)
 *   FFTW      result[row][column] in scratch
 *   epilogue  times the scale, row by row */

enum { NO_COLUMNS = -1, SCRATCH_BUDGET = 256 * 1024, MOST_COLUMNS = 64, ALIGNMENT = 64 };

typedef struct DftPlan {
  const Transform *transform;
  int column_axis; /* NO_COLUMNS: one column */
  uint32_t item_count;
  int item_axis[KERNEL_MAX_AXES];
  int64_t source_rows, result_rows; /* of all parts */
  int64_t columns;
  size_t result_offset; /* in scratch */
  KernelWork work;
} DftPlan;

/* --- the plan ------------------------------------------------------------------------------------------------- */

/* The axis that is dense in the data, else the longest. */
static int column_score(const Kernel *kernel, int axis, int lanes) {
  const Expr *source = &kernel->expr[kernel->transform.source];
  Dim extent = kernel->axis[axis].extent;
  bool is_long = !dim_is_constant(extent) || extent.factor >= lanes;
  bool dense = source->kind == EXPR_LOAD && dim_equal(source->access.stride[axis], dim_constant(1));
  return 1 + is_long + 2 * dense;
}

static void sort_axes(const Kernel *kernel, int lanes, DftPlan *plan) {
  int best = 0;
  plan->column_axis = NO_COLUMNS;
  for (int axis = 0; axis < (int)kernel->axis_count; axis++) {
    if (kernel->axis[axis].role != AXIS_PARALLEL || kernel->transform.row[axis]) continue;
    int score = column_score(kernel, axis, lanes);
    if (score >= best) best = score, plan->column_axis = axis;
  }
  for (int axis = 0; axis < (int)kernel->axis_count; axis++)
    if (kernel->axis[axis].role == AXIS_PARALLEL && !kernel->transform.row[axis] && axis != plan->column_axis)
      plan->item_axis[plan->item_count++] = axis;
}

static void lay_out_work(const Kernel *kernel, int lanes, DftPlan *plan) {
  int64_t columns = 1, rows = plan->source_rows > plan->result_rows ? plan->source_rows : plan->result_rows;
  if (plan->column_axis != NO_COLUMNS) {
    Dim extent = kernel->axis[plan->column_axis].extent;
    int64_t allowed = SCRATCH_BUDGET / (2 * rows * (int64_t)sizeof(float)), wanted = MOST_COLUMNS;
    if (dim_is_constant(extent) && extent.factor < wanted) wanted = extent.factor + lanes - 1;
    columns = (wanted < allowed ? wanted : allowed) / lanes * lanes;
    if (columns < lanes) columns = lanes;
  }
  plan->columns = columns;
  size_t block = (size_t)(rows * columns) * sizeof(float);
  plan->result_offset = (block + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  KernelWork *work = &plan->work;
  for (uint32_t k = 0; k < plan->item_count; k++)
    work->part[work->part_count++] = (WorkPart){kernel->axis[plan->item_axis[k]].extent, 1};
  if (plan->column_axis != NO_COLUMNS)
    work->part[work->part_count++] = (WorkPart){kernel->axis[plan->column_axis].extent, columns};
  work->scratch_bytes = plan->result_offset + block;
}

static void dft_plan(const Kernel *kernel, int lanes, DftPlan *out) {
  const Transform *transform = &kernel->transform;
  *out = (DftPlan){.transform = transform,
                   .source_rows = dft_parts_in(transform->form) * dft_rows_in(transform->form, transform->extent),
                   .result_rows = dft_parts_out(transform->form) * dft_rows_out(transform->form, transform->extent)};
  sort_axes(kernel, lanes, out);
  lay_out_work(kernel, lanes, out);
}

KernelWork library_dft_work(const Kernel *kernel, const Target *target, int lanes) {
  (void)target;
  DftPlan plan;
  dft_plan(kernel, lanes, &plan);
  return plan.work;
}

/* --- code ----------------------------------------------------------------------------------------------------- */

typedef struct Dft {
  Emitter *e;
  const DftPlan *plan;
  Panel panel;
  LLVMValueRef source, result; /* blocks of scratch */
  LLVMValueRef row;            /* of a block, in the loops below */
} Dft;

static void gather_columns(void *context, Place *place, LLVMValueRef column) {
  const Dft *d = context;
  panel_store(&d->panel, emit_expr(d->e, place, d->plan->transform->source), d->source, d->row, column);
}

static void finish_columns(void *context, Place *place, LLVMValueRef column) {
  const Dft *d = context;
  LLVMValueRef sum = panel_load(&d->panel, d->result, d->row, column);
  double scale = d->plan->transform->scale;
  LLVMValueRef factor = emit_is_vector(sum) ? emit_f32_vector(d->e, scale) : emit_f32(d->e, scale);
  library_emit_epilogue(d->e, place, LLVMBuildFMul(d->e->builder, sum, factor, ""));
}

static void emit_rows(Dft *d, const Place *item, AxisRole role, int64_t rows, PanelBody *body) {
  Emitter *e = d->e;
  Loop loop;
  loop_begin(e, &loop, emit_i64(e, 0), emit_i64(e, rows), 1);
  Place place;
  place_enter(e, &place, item, spectral_axes(e->kernel));
  spectral_set_row(e, &place, role, loop.index);
  d->row = loop.index;
  panel_emit_columns(&d->panel, &place, body, d);
  loop_end(e, &loop);
}

static void emit_transform(Dft *d) {
  Emitter *e = d->e;
  const Transform *transform = d->plan->transform;
  LLVMValueRef arguments[] = {emit_i32(e, (int32_t)transform->form),
                              emit_i32(e, transform->inverse),
                              emit_i64(e, transform->extent),
                              emit_i64(e, d->plan->columns),
                              d->source,
                              d->result};
  library_call(e, "simba_library_dft", arguments, sizeof arguments / sizeof *arguments);
}

static void emit_columns_of_item(Dft *d, const LLVMValueRef *tile) {
  Emitter *e = d->e;
  const DftPlan *plan = d->plan;
  Place item;
  library_begin_item(e, &item, plan->item_axis, plan->item_count, tile);
  if (plan->column_axis != NO_COLUMNS) {
    LLVMValueRef width = emit_i64(e, plan->columns), extent = emit_dim(e, e->kernel->axis[plan->column_axis].extent);
    d->panel.first = emit_multiply_i64(e, tile[plan->item_count], width);
    d->panel.count = emit_minimum_i64(e, LLVMBuildSub(e->builder, extent, d->panel.first, ""), width);
  }
  emit_rows(d, &item, AXIS_REDUCED, plan->source_rows, gather_columns);
  emit_transform(d);
  emit_rows(d, &item, AXIS_PARALLEL, plan->result_rows, finish_columns);
}

static void plan_transforms(const DftPlan *plan) {
  simba_error error = {0};
  simba_status status =
      library_fft_plan((int32_t)plan->transform->form, plan->transform->extent, plan->columns, &error);
  if (status == SIMBA_OUT_OF_MEMORY) guard_out_of_memory();
  if (status != SIMBA_OK) guard_bug("%s", error.message);
}

void library_dft_emit(Session *session, const Kernel *kernel, const char *name) {
  DftPlan plan;
  dft_plan(kernel, session->lanes, &plan);
  plan_transforms(&plan);
  Emitter e;
  emitter_begin(&e, session, kernel, name);
  int column_axis = plan.column_axis == NO_COLUMNS ? NO_VECTOR_AXIS : plan.column_axis;
  Dft d = {.e = &e, .plan = &plan, .panel = {.e = &e, .axis = column_axis, .width = plan.columns}};
  d.source = e.scratch;
  d.result = emit_element(&e, e.scratch, emit_i64(&e, (int64_t)(plan.result_offset / sizeof(float))));
  Loop items;
  LLVMValueRef tile[KERNEL_MAX_AXES];
  loop_begin(&e, &items, e.begin, e.end, 1);
  emit_item(&e, &plan.work, items.index, tile);
  emit_columns_of_item(&d, tile);
  loop_end(&e, &items);
  emitter_end(&e);
}
