#include "scan_emit.h"

static LLVMValueRef cell_pointer(const Scan *scan, int64_t offset, LLVMValueRef n, int v) {
  Emitter *e = scan->e;
  LLVMValueRef index = emit_i64(e, offset + (int64_t)v * scan->plan->lanes);
  if (n) index = emit_add_i64(e, emit_multiply_i64(e, n, emit_i64(e, SCAN_TILE)), index);
  return emit_element(e, e->scratch, index);
}

/* Cell number of state n in row `row`. */
static LLVMValueRef row_cell(const Scan *scan, bool has_state, LLVMValueRef row, LLVMValueRef n) {
  if (!has_state) return row;
  return emit_add_i64(scan->e, emit_multiply_i64(scan->e, row, emit_i64(scan->e, scan->plan->states)), n);
}

LLVMValueRef scan_load_cell(const Scan *scan, int64_t offset, LLVMValueRef n, int v) {
  return emit_load_vector(scan->e, cell_pointer(scan, offset, n, v), NULL);
}

void scan_store_cell(const Scan *scan, int64_t offset, LLVMValueRef n, int v, LLVMValueRef value) {
  emit_store_vector(scan->e, emit_splat(scan->e, value), cell_pointer(scan, offset, n, v), NULL);
}

LLVMValueRef scan_load_row(const Scan *scan, int64_t offset, bool has_state, LLVMValueRef row, LLVMValueRef n, int v) {
  return scan_load_cell(scan, offset, row_cell(scan, has_state, row, n), v);
}

void scan_store_row(const Scan *scan, int64_t offset, bool has_state, LLVMValueRef row, LLVMValueRef n, int v,
                    LLVMValueRef value) {
  scan_store_cell(scan, offset, row_cell(scan, has_state, row, n), v, value);
}

/* --- values from elsewhere ----------------------------------------------------------------------------------- */

static LLVMValueRef one_more(const Scan *scan, LLVMValueRef value) {
  return emit_add_i64(scan->e, value, emit_i64(scan->e, 1));
}

/* Rows are kept in the order of the first sweep's steps. */
LLVMValueRef scan_row(const Scan *scan, const Place *place) {
  LLVMValueRef step = place->index[scan->plan->time_axis];
  if (scan->plan->phase[SCAN_FIRST_SWEEP].backward) {
    LLVMValueRef last = emit_add_i64(scan->e, scan->steps, emit_i64(scan->e, -1));
    step = LLVMBuildSub(scan->e->builder, last, step, "");
  }
  return LLVMBuildSub(scan->e->builder, step, scan->chunk_begin, "row");
}

/* The row before the step in progress of the first sweep. */
static LLVMValueRef row_before(const Scan *scan) {
  return LLVMBuildSub(scan->e->builder, scan->step, scan->chunk_begin, "");
}

/* h of a recurrence that has been at the place's time (EXPR_STATE), or h one step earlier (EXPR_PREVIOUS). */
static LLVMValueRef load_state(const Scan *scan, const Expr *expr, const Place *place, int level, LLVMValueRef n,
                               int v) {
  const ScanRecurrence *recurrence = &scan->plan->recurrence[expr->which];
  bool earlier = expr->kind == EXPR_PREVIOUS;
  if (recurrence->rows != NO_CELLS) {
    LLVMValueRef row = scan_row(scan, place);
    if (!earlier) row = one_more(scan, row);
    return scan_load_row(scan, recurrence->rows, recurrence->has_state, row, n, v);
  }
  bool made = scan->phase > recurrence->phase || level > recurrence->level; /* the step at hand */
  int64_t newest = scan->plan->kernel->recurrence[expr->which].late ? recurrence->kept : recurrence->carry;
  int64_t offset = earlier && made ? recurrence->previous : newest;
  ASSERT(offset != NO_CELLS);
  return scan_load_cell(scan, offset, n, v);
}

static LLVMValueRef load_reduced(const Scan *scan, const Expr *expr, const Place *place, LLVMValueRef n, int v) {
  const ScanReduction *reduction = &scan->plan->reduction[expr->which];
  if (reduction->rows != NO_CELLS && scan->phase > reduction->phase + 1)
    return scan_load_row(scan, reduction->rows, reduction->has_state, scan_row(scan, place), n, v);
  ASSERT(reduction->cells != NO_CELLS);
  if (!reduction->over_lane) return scan_load_cell(scan, reduction->cells, n, v);
  LLVMValueRef vector[SCAN_MAX_VECTORS], sum;
  for (int k = 0; k < scan->plan->vectors; k++) vector[k] = scan_load_cell(scan, reduction->cells, n, k);
  scan_sum_lanes(scan, scan->plan->kernel->reduction[expr->which].kind, vector, 1, scan->plan->vectors, &sum);
  return sum;
}

/* Whether the expression is a value that this phase finds, and does not make at `level` itself. */
static bool is_found(const Scan *scan, const Expr *expr, int level) {
  const ScanPlan *plan = scan->plan;
  if (expr->kind == EXPR_PREVIOUS) return true;
  if (expr->kind == EXPR_STATE)
    return plan->recurrence[expr->which].phase != scan->phase || level > plan->recurrence[expr->which].level;
  return expr->kind == EXPR_REDUCED && plan->reduction[expr->which].phase != scan->phase;
}

static LLVMValueRef load_found(const Scan *scan, const Expr *expr, const Place *place, int level, LLVMValueRef n,
                               int v) {
  return expr->kind == EXPR_REDUCED ? load_reduced(scan, expr, place, n, v)
                                    : load_state(scan, expr, place, level, n, v);
}

void scan_provide_outer(const Scan *scan, Place *place, int v, bool timed) {
  const ScanPlan *plan = scan->plan;
  const bool *needed = plan->phase[scan->phase].needed;
  for (uint32_t e = 0; e < plan->kernel->expr_count; e++) {
    const Expr *expr = &plan->kernel->expr[e];
    if (!needed[e] || place->value[e] || scan_has_state(plan, e) || !is_found(scan, expr, 0)) continue;
    if (scan_has_time(plan, e) && !timed) continue;
    place_set_value(place, e, load_found(scan, expr, place, 0, NULL, v));
  }
}

static LLVMValueRef load_shared(const Scan *scan, uint32_t e, const Place *place, LLVMValueRef n, int v) {
  return scan_load_row(scan, scan->plan->shared[e], true, scan_row(scan, place), n, v);
}

void scan_provide_inner(const Scan *scan, Place *place, const bool *needed, int level, LLVMValueRef n, int v) {
  const ScanPlan *plan = scan->plan;
  for (uint32_t e = 0; e < plan->kernel->expr_count; e++) {
    const Expr *expr = &plan->kernel->expr[e];
    if (!needed[e] || !scan_has_state(plan, e)) continue;
    if (level && scan_is_sweep(scan->phase) && plan->slab[e] != NO_CELLS)
      place_set_value(place, e, scan_load_cell(scan, plan->slab[e], n, v));
    else if (level && scan->phase == SCAN_SECOND_SWEEP && plan->shared[e] != NO_CELLS)
      place_set_value(place, e, load_shared(scan, e, place, n, v));
    else if (is_found(scan, expr, level))
      place_set_value(place, e, load_found(scan, expr, place, level, n, v));
  }
}

/* --- before a sweep ------------------------------------------------------------------------------------------ */

/* Cells, one or one for each state, from an expression (EXPR_NO_INITIAL: from the constant). */
static void fill_cells(const Scan *scan, int64_t offset, bool has_state, uint32_t expr, double constant) {
  Emitter *e = scan->e;
  const ScanPlan *plan = scan->plan;
  Loop states;
  bool *needed = ARENA_ARRAY(e->session->arena, bool, plan->kernel->expr_count);
  for (uint32_t k = expr == EXPR_NO_INITIAL ? 0 : expr + 1; k-- > 0;) {
    needed[k] |= k == expr;
    for (uint32_t a = 0; needed[k] && a < expr_argument_count(&plan->kernel->expr[k]); a++)
      needed[plan->kernel->expr[k].arg[a]] = true;
  }
  if (has_state) loop_begin(e, &states, emit_i64(e, 0), emit_i64(e, plan->states), 1);
  for (int v = 0; v < plan->vectors; v++) {
    LLVMValueRef value = emit_f32_vector(e, constant), n = has_state ? states.index : NULL;
    if (expr != EXPR_NO_INITIAL) {
      Place place;
      place_enter(e, &place, &scan->base[v], scan_bit(plan->state_axis));
      if (has_state) place.index[plan->state_axis] = n;
      scan_provide_inner(scan, &place, needed, 0, n, v);
      value = emit_expr_vector(e, &place, expr);
    }
    scan_store_cell(scan, offset, n, v, value);
  }
  if (has_state) loop_end(e, &states);
}

static void fill_initial_states(const Scan *scan, uint32_t r) {
  const ScanRecurrence *recurrence = &scan->plan->recurrence[r];
  int64_t target[] = {recurrence->carry, recurrence->kept, recurrence->rows};
  for (int k = 0; k < 3; k++)
    if (target[k] != NO_CELLS)
      fill_cells(scan, target[k], recurrence->has_state, scan->plan->kernel->recurrence[r].initial, 0);
}

void scan_prepare_sweep(Scan *scan) {
  const ScanPlan *plan = scan->plan;
  const Kernel *kernel = plan->kernel;
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    if (plan->slab[e] == NO_CELLS || scan->slab_is_made[e] || !plan->phase[scan->phase].needed[e]) continue;
    fill_cells(scan, plan->slab[e], true, e, 0);
    scan->slab_is_made[e] = true;
  }
  for (uint32_t r = 0; r < kernel->recurrence_count; r++)
    if (plan->recurrence[r].phase == scan->phase && !kernel->recurrence[r].resumes) fill_initial_states(scan, r);
  for (uint32_t q = 0; q < kernel->reduction_count; q++) {
    const ScanReduction *reduction = &plan->reduction[q];
    if (reduction->phase != scan->phase || !reduction->over_time) continue;
    double empty = kernel->reduction[q].kind == REDUCE_SUM ? 0 : -__builtin_inf();
    fill_cells(scan, reduction->cells, reduction->has_state, EXPR_NO_INITIAL, empty);
  }
}

static void resume_recurrence(const Scan *scan, uint32_t r, LLVMValueRef chunk) {
  Emitter *e = scan->e;
  const ScanPlan *plan = scan->plan;
  const ScanRecurrence *recurrence = &plan->recurrence[r];
  const Access *access = &plan->kernel->expr[plan->kernel->recurrence[r].initial].access;
  Loop states;
  if (recurrence->has_state) loop_begin(e, &states, emit_i64(e, 0), emit_i64(e, plan->states), 1);
  for (int v = 0; v < plan->vectors; v++) {
    Place place = scan->base[v];
    place.index[plan->time_axis] = chunk;
    if (recurrence->has_state) place.index[plan->state_axis] = states.index;
    LLVMValueRef state = emit_splat(e, emit_load(e, &place, access));
    scan_store_cell(scan, recurrence->rows, recurrence->has_state ? states.index : NULL, v, state);
  }
  if (recurrence->has_state) loop_end(e, &states);
}

void scan_resume(const Scan *scan, LLVMValueRef chunk) {
  for (uint32_t r = 0; r < scan->plan->kernel->recurrence_count; r++)
    if (scan->plan->kernel->recurrence[r].resumes) resume_recurrence(scan, r, chunk);
}

/* --- a step -------------------------------------------------------------------------------------------------- */

static void store_state(const Scan *scan, const ScanRecurrence *recurrence, LLVMValueRef n, int v, LLVMValueRef h) {
  if (recurrence->rows != NO_CELLS)
    scan_store_row(scan, recurrence->rows, recurrence->has_state, one_more(scan, row_before(scan)), n, v, h);
}

LLVMValueRef scan_load_before(const Scan *scan, uint32_t r, LLVMValueRef n, int v) {
  const ScanRecurrence *recurrence = &scan->plan->recurrence[r];
  if (recurrence->rows == NO_CELLS) return scan_load_cell(scan, recurrence->carry, n, v);
  return scan_load_row(scan, recurrence->rows, recurrence->has_state, row_before(scan), n, v);
}

/* A recurrence, or the two of a couple. */
typedef struct Step {
  const Scan *scan;
  uint32_t count, which[2];
  LLVMValueRef decay[2], turn[2], input[2];
  LLVMValueRef n;
  int v;
} Step;

static const ScanRecurrence *step_recurrence(const Step *step, uint32_t k) {
  return &step->scan->plan->recurrence[step->which[k]];
}

/* decay * own + turn * the partner's + `more` (NULL: nothing) */
static LLVMValueRef emit_decayed(const Step *step, uint32_t k, const LLVMValueRef *value, LLVMValueRef more) {
  Emitter *e = step->scan->e;
  if (step->count == 2)
    more = more ? emit_fma(e, step->turn[k], value[1 - k], more)
                : LLVMBuildFMul(e->builder, step->turn[k], value[1 - k], "");
  return more ? emit_fma(e, step->decay[k], value[k], more) : LLVMBuildFMul(e->builder, step->decay[k], value[k], "c");
}

static void emit_late_step(const Step *step, LLVMValueRef *out_h) {
  const Scan *scan = step->scan;
  for (uint32_t k = 0; k < step->count; k++) {
    const ScanRecurrence *recurrence = step_recurrence(step, k);
    if (recurrence->previous != NO_CELLS)
      scan_store_cell(scan, recurrence->previous, step->n, step->v,
                      scan_load_cell(scan, recurrence->kept, step->n, step->v));
    LLVMValueRef carried = scan_load_cell(scan, recurrence->carry, step->n, step->v);
    out_h[k] = LLVMBuildFAdd(scan->e->builder, carried, step->input[k], "h");
    store_state(scan, recurrence, step->n, step->v, out_h[k]);
    if (recurrence->kept != NO_CELLS) scan_store_cell(scan, recurrence->kept, step->n, step->v, out_h[k]);
  }
  for (uint32_t k = 0; k < step->count; k++)
    scan_store_cell(scan, step_recurrence(step, k)->carry, step->n, step->v, emit_decayed(step, k, out_h, NULL));
}

static void emit_early_step(const Step *step, LLVMValueRef *out_h) {
  const Scan *scan = step->scan;
  LLVMValueRef before[2];
  for (uint32_t k = 0; k < step->count; k++) before[k] = scan_load_before(scan, step->which[k], step->n, step->v);
  for (uint32_t k = 0; k < step->count; k++) {
    const ScanRecurrence *recurrence = step_recurrence(step, k);
    out_h[k] = emit_decayed(step, k, before, step->input[k]);
    if (recurrence->previous != NO_CELLS) scan_store_cell(scan, recurrence->previous, step->n, step->v, before[k]);
    store_state(scan, recurrence, step->n, step->v, out_h[k]);
    if (recurrence->carry != NO_CELLS) scan_store_cell(scan, recurrence->carry, step->n, step->v, out_h[k]);
  }
}

void scan_emit_step(const Scan *scan, uint32_t r, Place *place, LLVMValueRef n, int v) {
  const Kernel *kernel = scan->plan->kernel;
  const Recurrence *recurrence = &kernel->recurrence[r];
  Step step = {.scan = scan, .count = recurrence->coupled ? 2 : 1, .which = {r, recurrence->partner}, .n = n, .v = v};
  LLVMValueRef h[2];
  for (uint32_t k = 0; k < step.count; k++) {
    const Recurrence *part = &kernel->recurrence[step.which[k]];
    step.decay[k] = emit_expr_vector(scan->e, place, part->decay);
    step.input[k] = emit_expr_vector(scan->e, place, part->input);
    if (part->coupled) step.turn[k] = emit_expr_vector(scan->e, place, part->turn);
  }
  if (recurrence->late)
    emit_late_step(&step, h);
  else
    emit_early_step(&step, h);
  for (uint32_t e = 0; e < kernel->expr_count; e++)
    for (uint32_t k = 0; k < step.count; k++)
      if (kernel->expr[e].kind == EXPR_STATE && kernel->expr[e].which == step.which[k]) place_set_value(place, e, h[k]);
}
