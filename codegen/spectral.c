#include "spectral.h"

#include "fft.h"
#include "spectral_plan.h"

/* The item in progress. */
typedef struct Spectral {
  Emitter *e;
  const SpectralPlan *plan;
  Fft fft;
  Place item;         /* the indices of the item axes */
  LLVMValueRef lane;  /* i64: its first one */
  LLVMValueRef whole; /* i1, where it is not known before */
  Rows staged;        /* in scratch */
} Spectral;

/* --- places ----------------------------------------------------------------------------------------------------- */

void spectral_set_row(Emitter *e, Place *place, AxisRole role, LLVMValueRef row) {
  const Kernel *kernel = e->kernel;
  int64_t count = 1;
  for (uint32_t k = 0; k < kernel->axis_count; k++)
    if (kernel->axis[k].role == role && kernel->transform.row[k]) count *= kernel->axis[k].extent.factor;
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    int64_t unit = kernel->transform.row[k], extent = kernel->axis[k].extent.factor;
    if (kernel->axis[k].role != role || !unit) continue;
    LLVMValueRef index = unit == 1 ? row : LLVMBuildUDiv(e->builder, row, emit_i64(e, unit), "");
    if (unit * extent != count) index = LLVMBuildURem(e->builder, index, emit_i64(e, extent), "");
    place->index[k] = index;
  }
}

AxisMask spectral_axes(const Kernel *kernel) {
  AxisMask mask = 0;
  for (uint32_t k = 0; k < kernel->axis_count; k++)
    if (kernel->transform.row[k]) mask |= (AxisMask)1 << k;
  return mask;
}

/* A place of the item at a row of one side, and the lanes of vector `vector` of a unit. */
static void enter(Spectral *s, Place *out, AxisRole role, LLVMValueRef row, LLVMValueRef unit, int vector, bool whole) {
  Emitter *e = s->e;
  const SpectralPlan *plan = s->plan;
  AxisMask changes = spectral_axes(e->kernel);
  if (plan->vector_axis != NO_SPECTRAL_AXIS) changes |= (AxisMask)1 << plan->vector_axis;
  place_enter(e, out, &s->item, changes);
  spectral_set_row(e, out, role, row);
  if (plan->vector_axis == NO_SPECTRAL_AXIS) return;
  LLVMValueRef lane = emit_multiply_i64(e, unit, emit_i64(e, (int64_t)plan->vectors * plan->lanes));
  lane = emit_add_i64(e, emit_add_i64(e, s->lane, lane), emit_i64(e, (int64_t)vector * plan->lanes));
  place_set_vector(e, out, plan->vector_axis, lane, whole);
}

/* --- loops over rows ---------------------------------------------------------------------------------------------- */

typedef void RowBody(Spectral *s, LLVMValueRef row, LLVMValueRef unit, bool whole);

static void emit_rows(Spectral *s, int64_t rows, RowBody *body, bool whole) {
  Emitter *e = s->e;
  Loop row, unit;
  loop_begin(e, &row, emit_i64(e, 0), emit_i64(e, rows), 1);
  loop_begin(e, &unit, emit_i64(e, 0), emit_i64(e, s->plan->units), 1);
  body(s, row.index, unit.index, whole);
  loop_end(e, &unit);
  loop_end(e, &row);
}

/* Once for whole items, unless `partial_only`, and once for others. */
static void emit_pass(Spectral *s, int64_t rows, RowBody *body, bool partial_only) {
  Emitter *e = s->e;
  Wholeness whole = s->plan->whole;
  Branch branch;
  if (whole != WHOLE_SOMETIMES) {
    if (whole == WHOLE_NEVER || !partial_only) emit_rows(s, rows, body, whole == WHOLE_ALWAYS);
    return;
  }
  if (!partial_only) {
    branch_begin(e, &branch, s->whole);
    emit_rows(s, rows, body, true);
    branch_end(e, &branch);
  }
  branch_begin(e, &branch, LLVMBuildNot(e->builder, s->whole, ""));
  emit_rows(s, rows, body, false);
  branch_end(e, &branch);
}

/* --- scratch -------------------------------------------------------------------------------------------------------- */

static LLVMValueRef staged_offset(const Spectral *s, LLVMValueRef row, LLVMValueRef unit) {
  Emitter *e = s->e;
  return emit_add_i64(e, emit_multiply_i64(e, row, s->staged.row), emit_multiply_i64(e, unit, s->staged.unit));
}

static Complex load_staged(const Spectral *s, LLVMValueRef row, LLVMValueRef unit) {
  LLVMValueRef offset = staged_offset(s, row, unit);
  return (Complex){fft_load(&s->fft, s->staged.part[0], offset), fft_load(&s->fft, s->staged.part[1], offset)};
}

static void store_staged(const Spectral *s, LLVMValueRef row, LLVMValueRef unit, Complex value) {
  LLVMValueRef offset = staged_offset(s, row, unit);
  fft_store(&s->fft, value.re, s->staged.part[0], offset);
  fft_store(&s->fft, value.im, s->staged.part[1], offset);
}

/* The other direction is this one with real and imaginary parts exchanged on both sides. */
static Rows levels_side(const Spectral *s, Rows rows) {
  if (!s->e->kernel->transform.inverse) return rows;
  LLVMValueRef part = rows.part[0];
  rows.part[0] = rows.part[1];
  rows.part[1] = part;
  return rows;
}

static Rows scratch_rows(const Spectral *s, size_t offset, int64_t rows) {
  Emitter *e = s->e;
  int64_t lanes = s->plan->lanes;
  LLVMValueRef first = emit_element(e, e->scratch, emit_i64(e, (int64_t)(offset / sizeof(float))));
  return (Rows){
      {first, emit_element(e, first, emit_i64(e, lanes))}, emit_i64(e, 2 * lanes), emit_i64(e, 2 * lanes * rows)};
}

/* --- from the source ------------------------------------------------------------------------------------------------ */

/* Part `part` of a row of the source, in one vector of lanes. */
static LLVMValueRef load_source(Spectral *s, int part, LLVMValueRef row, LLVMValueRef unit, int vector, bool whole) {
  Emitter *e = s->e;
  Place place;
  enter(s, &place, AXIS_REDUCED, emit_add_i64(e, row, emit_i64(e, part * s->plan->rows_in)), unit, vector, whole);
  LLVMValueRef value = emit_expr(e, &place, e->kernel->transform.source);
  return s->fft.vector ? emit_splat(e, value) : value;
}

static LLVMValueRef none(const Spectral *s) { return s->fft.vector ? emit_f32_vector(s->e, 0) : emit_f32(s->e, 0); }

/* A complex row, or a real one of each of two vectors. */
static Complex source_row(Spectral *s, LLVMValueRef row, LLVMValueRef unit, bool whole) {
  bool real = s->plan->real_in;
  LLVMValueRef part[2];
  for (int p = 0; p < 2; p++) {
    bool exists = !real || p < s->plan->vectors;
    part[p] = exists ? load_source(s, real ? 0 : p, row, unit, real ? p : 0, whole) : none(s);
  }
  return (Complex){part[0], part[1]};
}

static void stage_row(Spectral *s, LLVMValueRef row, LLVMValueRef unit, bool whole) {
  store_staged(s, row, unit, source_row(s, row, unit, whole));
}

/* A frequency and the one that is its mirror image; `own`: they are the same. */
static LLVMValueRef mirror_of(const Spectral *s, LLVMValueRef row, LLVMValueRef *out_own) {
  LLVMBuilderRef builder = s->e->builder;
  LLVMValueRef samples = emit_i64(s->e, s->plan->samples);
  LLVMValueRef mirror = LLVMBuildURem(builder, LLVMBuildSub(builder, samples, row, ""), samples, "mirror");
  *out_own = LLVMBuildICmp(builder, LLVMIntEQ, row, mirror, "own");
  return mirror;
}

/* Row `row` and its mirror image of the spectrum a + i b, where a and b are twice the Hermitian parts of the two vectors'
 * spectra A and B: (A[k] + conj A[-k]) + i (B[k] + conj B[-k]). */
static void combined_rows(Spectral *s, LLVMValueRef row, LLVMValueRef unit, bool whole, Complex *out_low,
                          Complex *out_high) {
  LLVMBuilderRef builder = s->e->builder;
  bool half = s->e->kernel->transform.form == DFT_HALF_TO_REAL;
  LLVMValueRef own, mirror = mirror_of(s, row, &own), re[2], im[2];
  for (int v = 0; v < 2; v++) {
    re[v] = im[v] = none(s);
    if (v >= s->plan->vectors) continue;
    LLVMValueRef low_re = load_source(s, 0, row, unit, v, whole), low_im = load_source(s, 1, row, unit, v, whole);
    if (half) { /* frequencies that are their own mirror image have no other to share with */
      re[v] = LLVMBuildSelect(builder, own, LLVMBuildFAdd(builder, low_re, low_re, ""), low_re, "");
      im[v] = LLVMBuildSelect(builder, own, none(s), low_im, "");
    } else {
      re[v] = LLVMBuildFAdd(builder, low_re, load_source(s, 0, mirror, unit, v, whole), "");
      im[v] = LLVMBuildFSub(builder, low_im, load_source(s, 1, mirror, unit, v, whole), "");
    }
  }
  *out_low = (Complex){LLVMBuildFSub(builder, re[0], im[1], ""), LLVMBuildFAdd(builder, im[0], re[1], "")};
  *out_high = (Complex){LLVMBuildFAdd(builder, re[0], im[1], ""), LLVMBuildFSub(builder, re[1], im[0], "")};
}

static void stage_combined(Spectral *s, LLVMValueRef row, LLVMValueRef unit, bool whole) {
  Complex low, high;
  LLVMValueRef own, mirror = mirror_of(s, row, &own);
  combined_rows(s, row, unit, whole, &low, &high);
  store_staged(s, row, unit, low);
  Branch branch;
  branch_begin(s->e, &branch, LLVMBuildNot(s->e->builder, own, ""));
  store_staged(s, mirror, unit, high);
  branch_end(s->e, &branch);
}

/* --- to the results ------------------------------------------------------------------------------------------------- */

/* The epilogue for part `part` of a row of the result, in one vector of lanes. */
static void finish(Spectral *s, int part, LLVMValueRef row, LLVMValueRef unit, int vector, bool whole,
                   LLVMValueRef value) {
  Emitter *e = s->e;
  Place place;
  enter(s, &place, AXIS_PARALLEL, emit_add_i64(e, row, emit_i64(e, part * s->plan->rows_out)), unit, vector, whole);
  for (uint32_t k = 0; k < e->kernel->expr_count; k++)
    if (e->kernel->expr[k].kind == EXPR_PRODUCT) place_set_value(&place, k, value);
  for (uint32_t k = 0; k < e->kernel->store_count; k++) emit_store(e, &place, k);
}

/* A complex row, or a real one of each of two vectors. */
static void finish_value(Spectral *s, LLVMValueRef row, LLVMValueRef unit, bool whole, Complex value) {
  bool real = s->plan->real_out;
  finish(s, 0, row, unit, 0, whole, value.re);
  if (!real || s->plan->vectors == 2) finish(s, real ? 0 : 1, row, unit, real ? 1 : 0, whole, value.im);
}

static void finish_row(Spectral *s, LLVMValueRef row, LLVMValueRef unit, bool whole) {
  finish_value(s, row, unit, whole, load_staged(s, row, unit));
}

/* The spectra A and B of two real signals from Z, that of a + i b: A = (Z[k] + conj Z[-k]) / 2, B = (Z[k] - conj Z[-k]) /
 * 2 i; the halves are in the transform's factor. */
static void finish_separated(Spectral *s, LLVMValueRef row, LLVMValueRef unit, bool whole, Complex low, Complex high) {
  LLVMBuilderRef builder = s->e->builder;
  LLVMValueRef own, mirror = mirror_of(s, row, &own);
  LLVMValueRef re[2] = {LLVMBuildFAdd(builder, low.re, high.re, ""), LLVMBuildFAdd(builder, low.im, high.im, "")};
  LLVMValueRef im[2] = {LLVMBuildFSub(builder, low.im, high.im, ""), LLVMBuildFSub(builder, high.re, low.re, "")};
  for (int v = 0; v < s->plan->vectors; v++) {
    finish(s, 0, row, unit, v, whole, re[v]);
    finish(s, 1, row, unit, v, whole, im[v]);
    if (s->e->kernel->transform.form == DFT_REAL_TO_HALF) continue;
    finish(s, 0, mirror, unit, v, whole, re[v]);
    finish(s, 1, mirror, unit, v, whole, LLVMBuildFNeg(builder, im[v], ""));
  }
}

static void separate_rows(Spectral *s, LLVMValueRef row, LLVMValueRef unit, bool whole) {
  LLVMValueRef own, mirror = mirror_of(s, row, &own);
  finish_separated(s, row, unit, whole, load_staged(s, row, unit), load_staged(s, mirror, unit));
}

/* --- short transforms ------------------------------------------------------------------------------------------------ */

static void exchange_parts(const Spectral *s, Complex *x) {
  for (int64_t k = 0; s->e->kernel->transform.inverse && k < s->plan->samples; k++) x[k] = (Complex){x[k].im, x[k].re};
}

/* One codelet with all steps in registers. */
static void emit_short(Spectral *s, LLVMValueRef zero, LLVMValueRef unit, bool whole) {
  (void)zero;
  const SpectralPlan *plan = s->plan;
  Emitter *e = s->e;
  int64_t samples = plan->samples;
  Complex x[CODELET_LARGEST];
  for (int64_t k = 0; plan->real_out && k <= samples / 2; k++)
    combined_rows(s, emit_i64(e, k), unit, whole, &x[k], &x[(samples - k) % samples]);
  for (int64_t k = 0; !plan->real_out && k < samples; k++) x[k] = source_row(s, emit_i64(e, k), unit, whole);
  exchange_parts(s, x);
  codelet_emit(e, (int)samples, x);
  LLVMValueRef factor = s->fft.vector ? emit_f32_vector(e, plan->factor) : emit_f32(e, plan->factor);
  for (int64_t k = 0; plan->factor != 1 && k < samples; k++) {
    x[k].re = LLVMBuildFMul(e->builder, x[k].re, factor, "");
    x[k].im = LLVMBuildFMul(e->builder, x[k].im, factor, "");
  }
  exchange_parts(s, x);
  for (int64_t k = 0; plan->real_in && k <= samples / 2; k++)
    finish_separated(s, emit_i64(e, k), unit, whole, x[k], x[(samples - k) % samples]);
  for (int64_t k = 0; !plan->real_in && k < samples; k++) finish_value(s, emit_i64(e, k), unit, whole, x[k]);
}

/* --- items ---------------------------------------------------------------------------------------------------------- */

/* Rows of an argument as levels read or write them. */
static Rows argument_rows(Spectral *s, const Access *access, AxisRole role, int64_t rows, bool real) {
  Emitter *e = s->e;
  const SpectralPlan *plan = s->plan;
  LLVMValueRef zero = emit_i64(e, 0);
  Rows out = {.row = zero, .unit = emit_i64(e, (int64_t)plan->vectors * plan->lanes)};
  bool single;
  int axis = spectral_row_axis(e->kernel, role, rows, &single);
  if (axis != NO_SPECTRAL_AXIS) out.row = emit_dim(e, access->stride[axis]);
  for (int part = 0; part < 2; part++) {
    Place place;
    enter(s, &place, role, emit_i64(e, real ? 0 : part * rows), zero, real ? part : 0, true);
    out.part[part] = emit_element(e, e->slot[access->slot], emit_address(e, &place, access));
  }
  return out;
}

/* The argument's for whole items, those of scratch for others. */
static Rows choose_rows(Spectral *s, bool direct, const Access *access, AxisRole role, int64_t rows, bool real) {
  LLVMBuilderRef builder = s->e->builder;
  if (!direct || s->plan->whole == WHOLE_NEVER) return s->staged;
  Rows argument = argument_rows(s, access, role, rows, real);
  if (s->plan->whole == WHOLE_ALWAYS) return argument;
  return (Rows){{LLVMBuildSelect(builder, s->whole, argument.part[0], s->staged.part[0], ""),
                 LLVMBuildSelect(builder, s->whole, argument.part[1], s->staged.part[1], "")},
                LLVMBuildSelect(builder, s->whole, argument.row, s->staged.row, ""),
                LLVMBuildSelect(builder, s->whole, argument.unit, s->staged.unit, "")};
}

static void begin_item(Spectral *s, const LLVMValueRef *tile) {
  Emitter *e = s->e;
  const SpectralPlan *plan = s->plan;
  place_begin(e, &s->item);
  for (uint32_t k = 0; k < plan->item_count; k++) s->item.index[plan->item_axis[k]] = tile[k];
  if (plan->vector_axis == NO_SPECTRAL_AXIS) return;
  LLVMValueRef lanes = emit_i64(e, plan->units * plan->vectors * plan->lanes);
  s->lane = emit_multiply_i64(e, tile[plan->item_count], lanes);
  if (plan->whole != WHOLE_SOMETIMES) return;
  LLVMValueRef extent = emit_dim(e, e->kernel->axis[plan->vector_axis].extent);
  LLVMValueRef end = LLVMBuildAdd(e->builder, s->lane, lanes, "");
  s->whole = LLVMBuildICmp(e->builder, LLVMIntSLE, end, extent, "whole");
}

static void emit_transforms(Spectral *s) {
  const SpectralPlan *plan = s->plan;
  if (plan->in_registers) {
    emit_pass(s, 1, emit_short, false);
    return;
  }
  const Kernel *kernel = s->e->kernel;
  const Access *source = &kernel->expr[kernel->transform.source].access, *result = &kernel->store[0].access;
  if (plan->real_out)
    emit_pass(s, kernel->transform.extent / 2 + 1, stage_combined, false);
  else
    emit_pass(s, plan->rows_in, stage_row, plan->direct_in);
  Rows from = choose_rows(s, plan->direct_in, source, AXIS_REDUCED, plan->rows_in, plan->real_in);
  Rows to = choose_rows(s, plan->direct_out, result, AXIS_PARALLEL, plan->rows_out, plan->real_out);
  from = levels_side(s, from);
  to = levels_side(s, to);
  fft_emit(&s->fft, &from, &to);
  if (plan->real_in)
    emit_pass(s, kernel->transform.extent / 2 + 1, separate_rows, false);
  else
    emit_pass(s, plan->rows_out, finish_row, plan->direct_out);
}

KernelWork spectral_work(const Kernel *kernel, const Target *target, int lanes) {
  SpectralPlan plan;
  spectral_plan(kernel, target, lanes, &plan);
  return plan.work;
}

void spectral_describe(const Kernel *kernel, const Target *target, int lanes, Text *out) {
  SpectralPlan plan;
  spectral_plan(kernel, target, lanes, &plan);
  text_print(out, "transform of %lld: ", (long long)plan.samples);
  fft_plan_explain(plan.samples, target, out);
  text_print(out, " (estimated, for %s of %d lanes)", plan.vectors == 2 ? "two real vectors" : "a vector", plan.lanes);
}

void spectral_emit(Session *session, const Kernel *kernel, const char *name) {
  SpectralPlan plan;
  spectral_plan(kernel, &session->target, session->lanes, &plan);
  Emitter e;
  emitter_begin(&e, session, kernel, name);
  Spectral s = {.e = &e, .plan = &plan};
  s.fft = (Fft){.e = &e, .plan = &plan.fft, .vector = plan.lanes > 1, .units = plan.units, .factor = plan.factor};
  s.fft.work = scratch_rows(&s, 0, plan.fft.length);
  s.fft.terms = emit_element(&e, e.scratch, emit_i64(&e, (int64_t)(plan.terms_offset / sizeof(float))));
  s.staged = scratch_rows(&s, plan.staged_offset, plan.fft.length);
  fft_add_tables(&s.fft);
  Loop items;
  LLVMValueRef tile[KERNEL_MAX_AXES];
  loop_begin(&e, &items, e.begin, e.end, 1);
  emit_item(&e, &plan.work, items.index, tile);
  begin_item(&s, tile);
  emit_transforms(&s);
  loop_end(&e, &items);
  emitter_end(&e);
}
