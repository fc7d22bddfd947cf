#include "scan_plan.h"

#include "ir/cost.h"

#include <string.h>

static int larger(int a, int b) { return a > b ? a : b; }
static int sweep_from(int phase) { return phase | 1; }        /* the first sweep not before `phase` */
static int pause_from(int phase) { return (phase + 1) & ~1; } /* the first of the others */

/* --- phases -------------------------------------------------------------------------------------------------- */

/* The first phase at which an expression can be had. */
static int available(const ScanPlan *plan, const int *by_expr, uint32_t e) {
  const Expr *expr = &plan->kernel->expr[e];
  int phase = 0;
  switch (expr->kind) {
    case EXPR_OP:
      for (uint32_t k = 0; k < expr_argument_count(expr); k++) phase = larger(phase, by_expr[expr->arg[k]]);
      return phase;
    case EXPR_STATE:
    case EXPR_PREVIOUS:
      return plan->recurrence[expr->which].phase;
    case EXPR_REDUCED:
      return plan->reduction[expr->which].phase + plan->reduction[expr->which].over_time;
    default:
      return 0;
  }
}

static void place_reduction(ScanPlan *plan, uint32_t q, const int *by_expr) {
  const Reduction *source = &plan->kernel->reduction[q];
  ScanReduction *reduction = &plan->reduction[q];
  reduction->over_state = source->over & scan_bit(plan->state_axis);
  reduction->over_lane = source->over & scan_bit(plan->lane_axis);
  reduction->over_time = source->over & scan_bit(plan->time_axis);
  reduction->has_state = scan_has_state(plan, source->expr) && !reduction->over_state;
  reduction->has_time = scan_has_time(plan, source->expr) && !reduction->over_time;
  reduction->in_loop = scan_has_state(plan, source->expr) || reduction->over_state;
  int phase = by_expr[source->expr];
  bool in_sweep = reduction->over_time || reduction->has_time;
  reduction->phase = in_sweep ? sweep_from(phase) : pause_from(phase);
}

static void place_tasks(ScanPlan *plan, Arena *arena) {
  const Kernel *kernel = plan->kernel;
  int *by_expr = ARENA_ARRAY(arena, int, kernel->expr_count);
  bool first = kernel->recurrence_count && kernel->recurrence[0].reverse;
  for (int p = 0; p < SCAN_PHASES; p++) plan->phase[p].backward = p <= 2 ? first : !first;
  for (uint32_t r = 0; r < kernel->recurrence_count; r++)
    plan->recurrence[r].phase = kernel->recurrence[r].reverse == first ? 1 : 3;
  /* Operands come before users, so what a reduction sums is placed before the reduction is read. */
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    if (kernel->expr[e].kind == EXPR_REDUCED) place_reduction(plan, kernel->expr[e].which, by_expr);
    by_expr[e] = available(plan, by_expr, e);
  }
  for (uint32_t r = 0; r < kernel->recurrence_count; r++) {
    const Recurrence *recurrence = &kernel->recurrence[r];
    ASSERT(by_expr[recurrence->decay] <= plan->recurrence[r].phase);
    ASSERT(by_expr[recurrence->input] <= plan->recurrence[r].phase);
    plan->phase[plan->recurrence[r].phase].used = true;
  }
  for (uint32_t s = 0; s < kernel->store_count; s++) {
    const Store *store = &kernel->store[s];
    bool has_time = access_axes(&store->access) & scan_bit(plan->time_axis);
    int phase = by_expr[store->expr];
    plan->store_phase[s] = NO_PHASE;
    if (store->when == STORE_CHECKPOINT) continue; /* due before a step, with its recurrence */
    plan->store_phase[s] = store->when == STORE_LAST ? sweep_from(phase) + 1
                           : has_time                ? sweep_from(phase)
                                                     : pause_from(phase);
    plan->phase[plan->store_phase[s]].used = true;
  }
  for (uint32_t q = 0; q < kernel->reduction_count; q++) plan->phase[plan->reduction[q].phase].used = true;
}

/* --- levels -------------------------------------------------------------------------------------------------- */

/* Level of a user of expression `e`: in a loop over STATE, or outside. */
static int user_level(const ScanPlan *plan, const int *level, uint32_t e, bool in_loop) {
  if (!in_loop) return level[e];
  return scan_has_state(plan, e) ? larger(level[e], 1) : level[e] + 1;
}

static int own_level(const ScanPlan *plan, const int *level, uint32_t r) {
  const Recurrence *source = &plan->kernel->recurrence[r];
  bool has_state = plan->recurrence[r].has_state;
  int result = larger(user_level(plan, level, source->decay, has_state),
                      user_level(plan, level, source->input, has_state));
  return source->coupled ? larger(result, user_level(plan, level, source->turn, has_state)) : result;
}

static int recurrence_level(const ScanPlan *plan, const int *level, uint32_t r) {
  const Recurrence *recurrence = &plan->kernel->recurrence[r];
  int result = own_level(plan, level, r);
  return recurrence->coupled ? larger(result, own_level(plan, level, recurrence->partner)) : result;
}

static int expr_level(ScanPlan *plan, int p, const int *level, uint32_t e) {
  const Expr *expr = &plan->kernel->expr[e];
  int base = scan_has_state(plan, e) ? 1 : 0;
  if (expr->kind == EXPR_OP) {
    for (uint32_t k = 0; k < expr_argument_count(expr); k++)
      base = larger(base, user_level(plan, level, expr->arg[k], scan_has_state(plan, e)));
  } else if (expr->kind == EXPR_STATE && plan->recurrence[expr->which].phase == p) {
    ScanRecurrence *recurrence = &plan->recurrence[expr->which];
    base = recurrence->level = recurrence_level(plan, level, expr->which);
  } else if (expr->kind == EXPR_REDUCED && plan->reduction[expr->which].phase == p) {
    ScanReduction *reduction = &plan->reduction[expr->which];
    reduction->level = user_level(plan, level, plan->kernel->reduction[expr->which].expr, reduction->in_loop);
    if (!reduction->over_time) base = reduction->level;
  }
  return base;
}

static void set_levels(ScanPlan *plan, int p, Arena *arena) {
  const Kernel *kernel = plan->kernel;
  ScanPhase *phase = &plan->phase[p];
  phase->level = ARENA_ARRAY(arena, int, kernel->expr_count);
  for (uint32_t e = 0; e < kernel->expr_count; e++) phase->level[e] = expr_level(plan, p, phase->level, e);
  for (uint32_t r = 0; r < kernel->recurrence_count; r++) {
    ScanRecurrence *recurrence = &plan->recurrence[r];
    if (recurrence->phase != p) continue; /* it may be read in later phases only */
    recurrence->level = recurrence_level(plan, phase->level, r);
    phase->last_level = larger(phase->last_level, recurrence->level);
  }
  for (uint32_t q = 0; q < kernel->reduction_count; q++)
    if (plan->reduction[q].phase == p) phase->last_level = larger(phase->last_level, plan->reduction[q].level);
  for (uint32_t s = 0; s < kernel->store_count; s++) {
    if (plan->store_phase[s] != p) continue;
    plan->store_level[s] = user_level(plan, phase->level, kernel->store[s].expr, scan_store_in_loop(plan, s));
    phase->last_level = larger(phase->last_level, plan->store_level[s]);
  }
}

/* --- what is needed where ------------------------------------------------------------------------------------ */

void scan_mark_roots(const ScanPlan *plan, int phase, int level, bool in_loop, bool *out_root) {
  const Kernel *kernel = plan->kernel;
  for (uint32_t r = 0; r < kernel->recurrence_count; r++) {
    const ScanRecurrence *recurrence = &plan->recurrence[r];
    if (recurrence->phase != phase || recurrence->level != level || recurrence->has_state != in_loop) continue;
    out_root[kernel->recurrence[r].decay] = out_root[kernel->recurrence[r].input] = true;
    if (kernel->recurrence[r].coupled) out_root[kernel->recurrence[r].turn] = true;
  }
  for (uint32_t q = 0; q < kernel->reduction_count; q++) {
    const ScanReduction *reduction = &plan->reduction[q];
    if (reduction->phase == phase && reduction->level == level && reduction->in_loop == in_loop)
      out_root[kernel->reduction[q].expr] = true;
  }
  for (uint32_t s = 0; s < kernel->store_count; s++)
    if (plan->store_phase[s] == phase && plan->store_level[s] == level && scan_store_in_loop(plan, s) == in_loop)
      out_root[kernel->store[s].expr] = true;
}

void scan_mark_loop(const ScanPlan *plan, int phase, int level, bool *out_needed) {
  const Kernel *kernel = plan->kernel;
  memset(out_needed, 0, kernel->expr_count * sizeof(bool));
  scan_mark_roots(plan, phase, level, true, out_needed);
  for (uint32_t e = kernel->expr_count; e-- > 0;) {
    if (!scan_has_state(plan, e)) out_needed[e] = false;
    if (!out_needed[e] || scan_is_kept(plan, phase, e)) continue;
    for (uint32_t k = 0; k < expr_argument_count(&kernel->expr[e]); k++) out_needed[kernel->expr[e].arg[k]] = true;
  }
}

/* Down to what a slab is made of, but not further than what the first sweep shares. */
static void set_needed(ScanPlan *plan, int p, Arena *arena) {
  const Kernel *kernel = plan->kernel;
  bool *needed = plan->phase[p].needed = ARENA_ARRAY(arena, bool, kernel->expr_count);
  for (int level = 0; level <= plan->phase[p].last_level; level++) {
    scan_mark_roots(plan, p, level, true, needed);
    scan_mark_roots(plan, p, level, false, needed);
  }
  for (uint32_t r = 0; r < kernel->recurrence_count; r++)
    if (plan->recurrence[r].phase == p && kernel->recurrence[r].initial != EXPR_NO_INITIAL)
      needed[kernel->recurrence[r].initial] = true;
  for (uint32_t e = kernel->expr_count; e-- > 0;) {
    bool found = p == SCAN_SECOND_SWEEP && plan->shared[e] != NO_CELLS;
    for (uint32_t k = 0; needed[e] && !found && k < expr_argument_count(&kernel->expr[e]); k++)
      needed[kernel->expr[e].arg[k]] = true;
  }
}

/* --- what is kept -------------------------------------------------------------------------------------------- */

/* Space for `count` cells; its offset in floats. */
static int64_t keep(ScanPlan *plan, int64_t count) {
  int64_t offset = (int64_t)(plan->work.scratch_bytes / sizeof(float));
  plan->work.scratch_bytes += (size_t)count * SCAN_TILE * sizeof(float);
  return offset;
}

static int64_t kept_steps(const ScanPlan *plan) {
  if (plan->chunk == 0) guard_bug("scan: states of all steps are kept, but their number is not known");
  return plan->chunk;
}

/* Elementary functions that both sweeps need are made once where their rows stay in the cache. */
static void share_rows(ScanPlan *plan, Arena *arena) {
  const int64_t most_bytes = 256 << 10;
  const Kernel *kernel = plan->kernel;
  const ScanPhase *first = &plan->phase[SCAN_FIRST_SWEEP], *second = &plan->phase[SCAN_SECOND_SWEEP];
  if (!first->used || !second->used || plan->chunk == 0) return;
  int64_t cells = plan->chunk * plan->states, bytes = 0;
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    const Expr *expr = &kernel->expr[e];
    bool costly = expr->kind == EXPR_OP && op_is_transcendental(expr->op);
    if (!costly || !scan_has_state(plan, e) || !scan_has_time(plan, e) || !first->needed[e] || !second->needed[e])
      continue;
    bytes += cells * (int64_t)(SCAN_TILE * sizeof(float));
    if (bytes <= most_bytes) plan->shared[e] = keep(plan, cells);
  }
  set_needed(plan, SCAN_SECOND_SWEEP, arena);
}

/* Whether expression `e` is read in a loop of `phase` after loop `level`. */
static bool is_read_later(const ScanPlan *plan, int phase, int level, uint32_t e, Arena *arena) {
  bool *needed = ARENA_ARRAY(arena, bool, plan->kernel->expr_count);
  for (int loop = level + 1; loop <= plan->phase[phase].last_level; loop++) {
    scan_mark_loop(plan, phase, loop, needed);
    if (needed[e]) return true;
  }
  return false;
}

static void keep_recurrence(ScanPlan *plan, uint32_t r, Arena *arena) {
  const Kernel *kernel = plan->kernel;
  ScanRecurrence *recurrence = &plan->recurrence[r];
  bool late = kernel->recurrence[r].late, kept = false, previous = false;
  bool rows = kernel->recurrence[r].resumes;
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    const Expr *expr = &kernel->expr[e];
    if ((expr->kind != EXPR_STATE && expr->kind != EXPR_PREVIOUS) || expr->which != r) continue;
    for (int p = recurrence->phase; p < SCAN_PHASES; p++) {
      if (!plan->phase[p].used || !plan->phase[p].needed[e]) continue;
      bool later =
          p > recurrence->phase || (recurrence->has_state && is_read_later(plan, p, recurrence->level, e, arena));
      rows |= p > recurrence->phase + 1;
      kept |= later || expr->kind == EXPR_PREVIOUS;
      previous |= later && expr->kind == EXPR_PREVIOUS;
    }
  }
  int64_t cells = recurrence->has_state ? plan->states : 1;
  recurrence->carry = recurrence->kept = recurrence->previous = recurrence->rows = NO_CELLS;
  if (rows) recurrence->rows = keep(plan, cells * (kept_steps(plan) + 1));
  if (!rows || late) recurrence->carry = keep(plan, cells);
  if (kept && late && !rows) recurrence->kept = keep(plan, cells);
  if (previous && !rows) recurrence->previous = keep(plan, cells);
}

static void keep_reduction(ScanPlan *plan, uint32_t q) {
  const Kernel *kernel = plan->kernel;
  ScanReduction *reduction = &plan->reduction[q];
  bool rows = false, cells = reduction->over_time;
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    if (kernel->expr[e].kind != EXPR_REDUCED || kernel->expr[e].which != q) continue;
    for (int p = reduction->phase + 1; p < SCAN_PHASES; p++) {
      if (!plan->phase[p].used || !plan->phase[p].needed[e]) continue;
      if (reduction->has_time && p > reduction->phase + 1)
        rows = true;
      else
        cells = true;
    }
  }
  int64_t count = reduction->has_state ? plan->states : 1;
  reduction->cells = cells ? keep(plan, count) : NO_CELLS;
  reduction->rows = rows ? keep(plan, count * kept_steps(plan)) : NO_CELLS;
  bool lanes_alone = reduction->over_lane && !reduction->over_state && !reduction->over_time;
  int64_t padded = (plan->states + plan->lanes - 1) / plan->lanes * plan->lanes;
  reduction->lane_cells = lanes_alone && reduction->has_state ? keep(plan, padded) : NO_CELLS;
}

/* What a loop can just as well repeat. A load of whole vectors is not: a tile's rows are as far apart as there are
 * channels, which is bad for caches, where the slab is dense. */
static bool is_plain(const ScanPlan *plan, const Expr *expr) {
  if (expr->kind == EXPR_LOAD) return expr->access.guard_count == 0 && expr->access.stride[plan->lane_axis].factor == 0;
  return expr->kind == EXPR_CONSTANT || expr->kind == EXPR_EXTENT || expr->kind == EXPR_INDEX;
}

/* Expressions of STATE but not TIME that something at a time step takes are made once. */
static void keep_slabs(ScanPlan *plan, Arena *arena) {
  const Kernel *kernel = plan->kernel;
  bool *wanted = ARENA_ARRAY(arena, bool, kernel->expr_count);
  for (int p = 1; p < SCAN_PHASES; p += 2) {
    if (!plan->phase[p].used) continue;
    for (int level = 1; level <= plan->phase[p].last_level; level++) scan_mark_roots(plan, p, level, true, wanted);
    for (uint32_t e = 0; e < kernel->expr_count; e++)
      for (uint32_t k = 0;
           plan->phase[p].needed[e] && scan_has_time(plan, e) && k < expr_argument_count(&kernel->expr[e]); k++)
        wanted[kernel->expr[e].arg[k]] = true;
  }
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    const Expr *expr = &kernel->expr[e];
    bool family = expr->kind == EXPR_REDUCED || expr->kind == EXPR_STATE || expr->kind == EXPR_PREVIOUS;
    if (wanted[e] && scan_has_state(plan, e) && !scan_has_time(plan, e) && !family && !is_plain(plan, expr))
      plan->slab[e] = keep(plan, plan->states);
  }
}

static void count_uses(const Kernel *kernel, uint32_t *out_uses) {
  for (uint32_t e = 0; e < kernel->expr_count; e++)
    for (uint32_t k = 0; k < expr_argument_count(&kernel->expr[e]); k++) out_uses[kernel->expr[e].arg[k]]++;
  for (uint32_t r = 0; r < kernel->recurrence_count; r++) {
    uint32_t source[RECURRENCE_MAX_SOURCES], count = recurrence_sources(&kernel->recurrence[r], source);
    for (uint32_t k = 0; k < count; k++) out_uses[source[k]]++;
  }
  for (uint32_t q = 0; q < kernel->reduction_count; q++) out_uses[kernel->reduction[q].expr]++;
  for (uint32_t s = 0; s < kernel->store_count; s++) out_uses[kernel->store[s].expr]++;
}

static void fuse_products(ScanPlan *plan, Arena *arena) {
  const Kernel *kernel = plan->kernel;
  uint32_t *uses = ARENA_ARRAY(arena, uint32_t, kernel->expr_count);
  count_uses(kernel, uses);
  for (uint32_t q = 0; q < kernel->reduction_count; q++) {
    const Reduction *reduction = &kernel->reduction[q];
    const Expr *expr = &kernel->expr[reduction->expr];
    bool accumulates = plan->reduction[q].in_loop && (plan->reduction[q].over_state || plan->reduction[q].over_time);
    if (accumulates && reduction->kind == REDUCE_SUM && expr->kind == EXPR_OP && expr->op == OP_MULTIPLY)
      plan->fused[reduction->expr] = uses[reduction->expr] == 1 && plan->slab[reduction->expr] == NO_CELLS;
  }
}

/* --- the plan ------------------------------------------------------------------------------------------------ */

static void find_axes(ScanPlan *plan) {
  const Kernel *kernel = plan->kernel;
  plan->lane_axis = plan->time_axis = plan->state_axis = NO_VECTOR_AXIS;
  plan->states = 1;
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    const LoopAxis *axis = &kernel->axis[k];
    if (axis->role == AXIS_PARALLEL) plan->work.part[plan->work.part_count++] = (WorkPart){axis->extent, 1};
    if (axis->role == AXIS_LANE) plan->lane_axis = (int)k;
    if (axis->role == AXIS_TIME) plan->time_axis = (int)k;
    if (axis->role != AXIS_STATE) continue;
    if (!dim_is_constant(axis->extent)) guard_bug("scan: the number of states is not known");
    plan->state_axis = (int)k;
    plan->states = axis->extent.factor;
  }
  ASSERT(plan->lane_axis != NO_VECTOR_AXIS && plan->time_axis != NO_VECTOR_AXIS);
  plan->work.part[plan->work.part_count++] = (WorkPart){kernel->axis[plan->lane_axis].extent, SCAN_TILE};
}

static void set_chunk(ScanPlan *plan) {
  const Kernel *kernel = plan->kernel;
  Dim steps = kernel->axis[plan->time_axis].extent;
  plan->chunk = dim_is_constant(steps) ? steps.factor : 0;
  for (uint32_t r = 0; r < kernel->recurrence_count; r++) plan->resumes |= kernel->recurrence[r].resumes;
  if (plan->resumes && plan->chunk > kernel->chunk) plan->chunk = kernel->chunk;
}

/* Constants of the exponential take a dozen registers. */
static void set_unroll(ScanPlan *plan, const Target *target) {
  int unroll = (target->registers - 12) / (2 * plan->vectors);
  if (unroll > SCAN_MAX_UNROLL) unroll = SCAN_MAX_UNROLL;
  if (unroll > plan->states) unroll = (int)plan->states;
  plan->unroll = unroll < 1 ? 1 : unroll;
}

/* What recurrence r reads, of a couple both. Returns how many. */
static uint32_t couple_sources(const Kernel *kernel, uint32_t r, uint32_t out_source[2 * RECURRENCE_MAX_SOURCES]) {
  const Recurrence *recurrence = &kernel->recurrence[r];
  uint32_t count = recurrence_sources(recurrence, out_source);
  if (recurrence->coupled) count += recurrence_sources(&kernel->recurrence[recurrence->partner], out_source + count);
  return count;
}

static AxisMask recurrence_axes(const Kernel *kernel, uint32_t r) {
  uint32_t source[2 * RECURRENCE_MAX_SOURCES], count = couple_sources(kernel, r, source);
  AxisMask axes = 0;
  for (uint32_t k = 0; k < count; k++) axes |= kernel->expr[source[k]].axes;
  return axes;
}

void scan_plan(const Kernel *kernel, const Target *target, int lanes, Arena *arena, ScanPlan *out) {
  *out = (ScanPlan){.kernel = kernel, .lanes = lanes, .vectors = SCAN_TILE / lanes};
  find_axes(out);
  set_unroll(out, target);
  set_chunk(out);
  out->recurrence = ARENA_ARRAY(arena, ScanRecurrence, kernel->recurrence_count);
  out->reduction = ARENA_ARRAY(arena, ScanReduction, kernel->reduction_count);
  out->store_phase = ARENA_ARRAY(arena, int, kernel->store_count);
  out->store_level = ARENA_ARRAY(arena, int, kernel->store_count);
  out->slab = ARENA_ARRAY(arena, int64_t, kernel->expr_count);
  out->shared = ARENA_ARRAY(arena, int64_t, kernel->expr_count);
  for (uint32_t e = 0; e < kernel->expr_count; e++) out->slab[e] = out->shared[e] = NO_CELLS;
  out->fused = ARENA_ARRAY(arena, bool, kernel->expr_count);
  for (uint32_t r = 0; r < kernel->recurrence_count; r++)
    out->recurrence[r].has_state = recurrence_axes(kernel, r) & scan_bit(out->state_axis);
  place_tasks(out, arena);
  for (int p = 0; p < SCAN_PHASES; p++) {
    set_levels(out, p, arena);
    set_needed(out, p, arena);
  }
  share_rows(out, arena);
  keep_slabs(out, arena);
  for (uint32_t r = 0; r < kernel->recurrence_count; r++) keep_recurrence(out, r, arena);
  for (uint32_t q = 0; q < kernel->reduction_count; q++) keep_reduction(out, q);
  fuse_products(out, arena);
}
