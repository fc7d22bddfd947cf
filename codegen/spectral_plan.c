#include "spectral_plan.h"

#include "codelet.h"

#include "ir/cost.h"

#include "ir/kernel_lanes.h"

/* Lanes of an item: at least a cache line of 16, the two halves of which must not be read or written at different times,
 * and more of a short transform, so that an item is worth its beginning. Rows of a long one leave no room for that. */
enum { ITEM_LANES = 16, ITEM_VALUES = 512, WORK_BUDGET = 1024 * 1024, MOST_OPERATIONS = 4 };

static bool dim_is(Dim dim, int64_t value) { return dim_is_constant(dim) && dim.factor == value; }

static bool is_transformed(const Kernel *kernel, int axis) { return kernel->transform.row[axis] != 0; }

static void choose_axes(SpectralPlan *plan, int lanes) {
  const Kernel *kernel = plan->kernel;
  int axis = kernel_transform_axis(kernel, lanes);
  plan->vector_axis = axis < 0 ? NO_SPECTRAL_AXIS : axis;
  for (axis = 0; axis < (int)kernel->axis_count; axis++)
    if (kernel->axis[axis].role == AXIS_PARALLEL && !is_transformed(kernel, axis) && axis != plan->vector_axis)
      plan->item_axis[plan->item_count++] = axis;
}

static void choose_units(SpectralPlan *plan, int lanes) {
  bool real = plan->real_in || plan->real_out;
  plan->lanes = plan->vector_axis == NO_SPECTRAL_AXIS ? 1 : lanes;
  plan->vectors = real && plan->lanes > 1 ? 2 : 1;
  plan->units = 1;
  if (plan->lanes == 1) return;
  int64_t unit = (int64_t)plan->vectors * plan->lanes;
  int64_t bytes = plan->fft.length * 2 * plan->lanes * (int64_t)sizeof(float);
  Dim extent = plan->kernel->axis[plan->vector_axis].extent;
  int64_t wanted = ITEM_VALUES / plan->fft.length;
  if (wanted < ITEM_LANES) wanted = ITEM_LANES;
  while (plan->units * unit < wanted && (plan->units + 1) * bytes <= WORK_BUDGET &&
         !(dim_is_constant(extent) && extent.factor <= plan->units * unit))
    plan->units++;
  int64_t item = plan->units * unit;
  plan->whole = !dim_is_constant(extent)    ? WHOLE_SOMETIMES
                : extent.factor % item == 0 ? WHOLE_ALWAYS
                : extent.factor < item      ? WHOLE_NEVER
                                            : WHOLE_SOMETIMES;
}

int spectral_row_axis(const Kernel *kernel, AxisRole role, int64_t rows, bool *out_single) {
  *out_single = rows == 1;
  for (int axis = 0; axis < (int)kernel->axis_count; axis++) {
    if (kernel->axis[axis].role != role || kernel->transform.row[axis] != 1) continue;
    return kernel->axis[axis].extent.factor % rows == 0 ? axis : NO_SPECTRAL_AXIS;
  }
  return NO_SPECTRAL_AXIS;
}

/* Rows of an argument that a level may read or write itself: lanes side by side, rows at even distances. */
static bool is_direct(const SpectralPlan *plan, const Access *access, AxisRole role, int64_t rows) {
  bool single;
  int axis = spectral_row_axis(plan->kernel, role, rows, &single);
  if (access->guard_count != 0 || (axis == NO_SPECTRAL_AXIS && !single)) return false;
  return plan->vector_axis == NO_SPECTRAL_AXIS || dim_is(access->stride[plan->vector_axis], 1);
}

/* A short epilogue can be repeated for every row. */
static bool fits_registers(const SpectralPlan *plan) {
  const Kernel *kernel = plan->kernel;
  uint32_t operations = kernel->store_count - 1;
  for (uint32_t k = 0; k < kernel->expr_count; k++) {
    operations += kernel->expr[k].kind == EXPR_OP;
    if (kernel->expr[k].kind == EXPR_RANDOM) return false;
    if (kernel->expr[k].kind == EXPR_OP && op_is_transcendental(kernel->expr[k].op)) return false;
  }
  return plan->fft.level_count == 1 && plan->samples <= CODELET_LARGEST && operations <= MOST_OPERATIONS;
}

static void choose_steps(SpectralPlan *plan) {
  const Kernel *kernel = plan->kernel;
  const Expr *source = &kernel->expr[kernel->transform.source];
  const Store *store = &kernel->store[0];
  bool combines = plan->real_out, separates = plan->real_in, chirp = plan->fft.chirp;
  bool alone = plan->lanes == 1 && (plan->real_in || plan->real_out); /* a real signal that shares with none */
  bool plain = kernel->store_count == 1 && kernel->expr[store->expr].kind == EXPR_PRODUCT;
  plan->direct_in = source->kind == EXPR_LOAD && !combines && !chirp && !alone &&
                    is_direct(plan, &source->access, AXIS_REDUCED, plan->rows_in);
  plan->direct_out =
      plain && !separates && !chirp && !alone && is_direct(plan, &store->access, AXIS_PARALLEL, plan->rows_out);
  plan->in_registers = fits_registers(plan);
  bool staged = !plan->direct_in || !plan->direct_out || plan->whole != WHOLE_ALWAYS;
  plan->staged_rows = staged && !plan->in_registers ? plan->fft.length : 0;
}

static size_t lines(int64_t values) { return (size_t)((values * (int64_t)sizeof(float) + 63) / 64 * 64); }

static void lay_out_work(SpectralPlan *plan) {
  const Kernel *kernel = plan->kernel;
  KernelWork *work = &plan->work;
  for (uint32_t k = 0; k < plan->item_count; k++)
    work->part[work->part_count++] = (WorkPart){kernel->axis[plan->item_axis[k]].extent, 1};
  if (plan->vector_axis != NO_SPECTRAL_AXIS) {
    Dim extent = kernel->axis[plan->vector_axis].extent;
    work->part[work->part_count++] = (WorkPart){extent, plan->units * plan->vectors * plan->lanes};
  }
  int64_t row = plan->units * 2 * plan->lanes, levels = plan->fft.level_count;
  plan->staged_offset = levels > 1 ? lines(plan->fft.length * row) : 0;
  plan->terms_offset = plan->staged_offset + lines(plan->staged_rows * row);
  work->scratch_bytes = plan->terms_offset + lines(fft_plan_terms(&plan->fft) * plan->lanes);
}

void spectral_plan(const Kernel *kernel, const Target *target, int lanes, SpectralPlan *out) {
  const Transform *transform = &kernel->transform;
  *out = (SpectralPlan){.kernel = kernel,
                        .samples = transform->extent,
                        .rows_in = dft_rows_in(transform->form, transform->extent),
                        .rows_out = dft_rows_out(transform->form, transform->extent),
                        .real_in = dft_parts_in(transform->form) == 1,
                        .real_out = dft_parts_out(transform->form) == 1};
  fft_plan(transform->extent, target, &out->fft);
  choose_axes(out, lanes);
  choose_units(out, lanes);
  out->factor = transform->scale * (out->real_in || out->real_out ? 0.5 : 1);
  choose_steps(out);
  lay_out_work(out);
}
