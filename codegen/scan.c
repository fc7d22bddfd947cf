#include "scan.h"

#include "lane_sums.h"
#include "scan_emit.h"
#include "vector_math.h"

#include "ir/sign.h"

/* The lanes are channels, so that time and states are plain loops around vector code:
 *
 *   for each step                              scan_plan.h: a sweep
 *     what depends on the step only            once for all states
 *     for n in 0 .. states - 1, several in lock-step so that their latencies overlap
 *       decay, input, h = decay * h + input    h in scratch, in the first cache level
 *       sums over n                            a few partial sums, joined in a fixed order after the loop
 *     what depends on the sums
 */

/* --- stores -------------------------------------------------------------------------------------------------- */

/* An item stores what other items also have (it lacks one of their axes) only where it is the first of them. */
static LLVMValueRef first_of_equals(const Scan *scan, AxisMask axes, bool every_tile, const Place *place) {
  Emitter *e = scan->e;
  const ScanPlan *plan = scan->plan;
  LLVMValueRef zero = emit_i64(e, 0), condition = NULL;
  for (int axis = 0; axis < (int)plan->kernel->axis_count; axis++) {
    bool lane = axis == plan->lane_axis;
    if (axes >> axis & 1 || !(lane || plan->kernel->axis[axis].role == AXIS_PARALLEL)) continue;
    if (lane && every_tile) continue;
    LLVMValueRef index = lane ? scan->tile : place->index[axis];
    LLVMValueRef first = LLVMBuildICmp(e->builder, LLVMIntEQ, index, zero, "");
    condition = condition ? LLVMBuildAnd(e->builder, condition, first, "") : first;
  }
  return condition;
}

/* A value that is the same in all lanes is stored once. */
static void store_uniform(const Scan *scan, const Store *store, Place *place) {
  Emitter *e = scan->e;
  LLVMValueRef value = emit_expr(e, place, store->expr);
  if (emit_is_vector(value)) value = LLVMBuildExtractElement(e->builder, value, emit_i32(e, 0), "");
  LLVMValueRef address = emit_address(e, place, &store->access);
  if (store->tile_stride.factor)
    address = emit_add_i64(e, address, emit_multiply_i64(e, scan->tile, emit_dim(e, store->tile_stride)));
  emit_store_scalar(e, value, emit_element(e, e->slot[store->access.slot], address));
}

static void emit_scan_store(const Scan *scan, uint32_t s, Place *places) {
  Emitter *e = scan->e;
  const Store *store = &scan->plan->kernel->store[s];
  AxisMask axes = access_axes(&store->access);
  for (int v = 0; v < scan->plan->vectors; v++) emit_expr(e, &places[v], store->expr);
  LLVMValueRef condition = first_of_equals(scan, axes, store->tile_stride.factor != 0, &places[0]);
  Branch branch;
  if (condition) branch_begin(e, &branch, condition);
  if (!(axes & scan_bit(scan->plan->lane_axis)))
    store_uniform(scan, store, &places[0]);
  else
    for (int v = 0; v < scan->plan->vectors; v++)
      emit_store_value(e, &places[v], &store->access, emit_expr(e, &places[v], store->expr), true);
  if (condition) branch_end(e, &branch);
}

/* --- loops over states --------------------------------------------------------------------------------------- */

/* Partial sums over STATE: [reduction][partial][vector]. */
typedef struct StateLoop {
  int level;
  const bool *needed;
  int partials; /* of each sum */
  LLVMValueRef *partial;
} StateLoop;

static bool is_state_sum(const Scan *scan, uint32_t q, int level) {
  const ScanReduction *reduction = &scan->plan->reduction[q];
  return reduction->phase == scan->phase && reduction->level == level && reduction->over_state;
}

static LLVMValueRef *partial_sum(const Scan *scan, const StateLoop *loop, uint32_t q, int k, int v) {
  return &loop->partial[((int)q * loop->partials + k) * scan->plan->vectors + v];
}

/* States n .. n + count - 1 in lock-step. */
typedef struct Chunk {
  LLVMValueRef n[SCAN_MAX_UNROLL];
  int count;
  Place place[SCAN_MAX_UNROLL][SCAN_MAX_VECTORS];
  bool *stepped; /* by recurrence */
} Chunk;

/* A couple takes its steps together. */
static void mark_stepped(const Scan *scan, bool *stepped, uint32_t r) {
  const Recurrence *recurrence = &scan->plan->kernel->recurrence[r];
  stepped[r] = true;
  if (recurrence->coupled) stepped[recurrence->partner] = true;
}

static void step_chunk(const Scan *scan, Chunk *chunk, uint32_t r) {
  if (chunk->stepped[r]) return;
  mark_stepped(scan, chunk->stepped, r);
  for (int u = 0; u < chunk->count; u++)
    for (int v = 0; v < scan->plan->vectors; v++) scan_emit_step(scan, r, &chunk->place[u][v], chunk->n[u], v);
}

/* Terms of a sum over LANE alone, for each state; the vectors are summed together after the loop. */
static void keep_lane_terms(const Scan *scan, Chunk *chunk, uint32_t q) {
  for (int u = 0; u < chunk->count; u++) {
    LLVMValueRef sum = NULL;
    for (int v = 0; v < scan->plan->vectors; v++) {
      LLVMValueRef term = scan_emit_term(scan, q, &chunk->place[u][v], NULL);
      sum = sum ? emit_combine(scan->e, scan->plan->kernel->reduction[q].kind, sum, term) : term;
    }
    scan_store_cell(scan, scan->plan->reduction[q].lane_cells, chunk->n[u], 0, sum);
  }
}

static void emit_plain(const Scan *scan, Place *place, uint32_t k) {
  const Expr *expr = &scan->plan->kernel->expr[k];
  if (place->value[k]) return;
  bool exponential = expr->kind == EXPR_OP && (expr->op == OP_EXP || expr->op == OP_EXP2);
  if (!exponential || !scan_has_time(scan->plan, k)) {
    emit_expr(scan->e, place, k);
    return;
  }
  LLVMValueRef x = emit_expr_vector(scan->e, place, expr->arg[0]);
  place_set_value(place, k, expr->op == OP_EXP ? emit_exp_scan(scan->e, x) : emit_exp2_scan(scan->e, x));
}

/* A power of two, which depends on the step, for all states and vectors of the chunk. */
static void emit_chunk_powers(const Scan *scan, Chunk *chunk, uint32_t k) {
  const ScanPlan *plan = scan->plan;
  uint32_t exponent = plan->kernel->expr[k].arg[0];
  LLVMValueRef x[SCAN_MAX_UNROLL * SCAN_MAX_VECTORS];
  int count = chunk->count * plan->vectors;
  if (chunk->place[0][0].value[k]) return;
  for (int i = 0; i < count; i++)
    x[i] = emit_expr_vector(scan->e, &chunk->place[i / plan->vectors][i % plan->vectors], exponent);
  emit_exp2_scan_side_by_side(scan->e, kernel_sign(plan->kernel, exponent) == SIGN_NOT_POSITIVE, x, count);
  for (int i = 0; i < count; i++) place_set_value(&chunk->place[i / plan->vectors][i % plan->vectors], k, x[i]);
}

/* Expression k for all states and vectors of the chunk, side by side. */
static void emit_chunk_expr(const Scan *scan, const StateLoop *loop, Chunk *chunk, uint32_t k) {
  const ScanPlan *plan = scan->plan;
  const Expr *expr = &plan->kernel->expr[k];
  if (plan->fused[k]) return;
  if (expr->kind == EXPR_STATE && plan->recurrence[expr->which].phase == scan->phase &&
      plan->recurrence[expr->which].level == loop->level) {
    step_chunk(scan, chunk, expr->which);
    return;
  }
  if (expr->kind == EXPR_REDUCED && plan->reduction[expr->which].phase == scan->phase) {
    keep_lane_terms(scan, chunk, expr->which);
    return;
  }
  bool share = scan->phase == SCAN_FIRST_SWEEP && plan->shared[k] != NO_CELLS;
  if (expr->kind == EXPR_OP && expr->op == OP_EXP2 && scan_has_time(plan, k)) emit_chunk_powers(scan, chunk, k);
  for (int u = 0; u < chunk->count; u++) {
    for (int v = 0; v < plan->vectors; v++) {
      emit_plain(scan, &chunk->place[u][v], k);
      if (share)
        scan_store_row(scan, plan->shared[k], true, scan_row(scan, &chunk->place[u][v]), chunk->n[u], v,
                       chunk->place[u][v].value[k]);
    }
  }
}

static void sum_chunk(const Scan *scan, const StateLoop *loop, Chunk *chunk, uint32_t q) {
  const ScanReduction *reduction = &scan->plan->reduction[q];
  if (reduction->phase != scan->phase || reduction->level != loop->level || !reduction->in_loop) return;
  for (int u = 0; u < chunk->count; u++) {
    for (int v = 0; v < scan->plan->vectors; v++) {
      Place *place = &chunk->place[u][v];
      LLVMValueRef *partial = partial_sum(scan, loop, q, u % loop->partials, v);
      if (reduction->over_state)
        *partial = scan_emit_term(scan, q, place, *partial);
      else if (reduction->over_time)
        scan_add_to_cells(scan, q, place, chunk->n[u], v);
    }
  }
}

static bool is_due(const Scan *scan, uint32_t s, int level) {
  return scan->plan->store_phase[s] == scan->phase && scan->plan->store_level[s] == level;
}

/* The sum over LANE alone that the store takes, NULL if it takes anything else. */
static const ScanReduction *lane_sum_of(const ScanPlan *plan, uint32_t s) {
  const Expr *expr = &plan->kernel->expr[plan->kernel->store[s].expr];
  if (expr->kind != EXPR_REDUCED || plan->reduction[expr->which].lane_cells == NO_CELLS) return NULL;
  return &plan->reduction[expr->which];
}

static void emit_chunk(const Scan *scan, const StateLoop *loop, const Place *outer, LLVMValueRef n, int count) {
  Emitter *e = scan->e;
  const ScanPlan *plan = scan->plan;
  const Kernel *kernel = plan->kernel;
  Chunk chunk = {.count = count, .stepped = ARENA_ARRAY(e->session->arena, bool, kernel->recurrence_count)};
  for (int u = 0; u < count; u++) {
    chunk.n[u] = emit_add_i64(e, n, emit_i64(e, u));
    for (int v = 0; v < plan->vectors; v++) {
      Place *place = &chunk.place[u][v];
      place_enter(e, place, &outer[v], scan_bit(plan->state_axis));
      place->index[plan->state_axis] = chunk.n[u];
      scan_provide_inner(scan, place, loop->needed, loop->level, chunk.n[u], v);
    }
  }
  for (uint32_t k = 0; k < kernel->expr_count; k++)
    if (loop->needed[k]) emit_chunk_expr(scan, loop, &chunk, k);
  for (uint32_t r = 0; r < kernel->recurrence_count; r++) {
    const ScanRecurrence *recurrence = &plan->recurrence[r];
    if (recurrence->phase == scan->phase && recurrence->level == loop->level && recurrence->has_state)
      step_chunk(scan, &chunk, r);
  }
  for (uint32_t q = 0; q < kernel->reduction_count; q++) sum_chunk(scan, loop, &chunk, q);
  for (uint32_t s = 0; s < kernel->store_count; s++) {
    if (!is_due(scan, s, loop->level) || !scan_store_in_loop(plan, s) || lane_sum_of(plan, s)) continue;
    for (int u = 0; u < count; u++) emit_scan_store(scan, s, chunk.place[u]);
  }
}

/* The sums over LANE of as many states as a vector has lanes, stored as a vector. */
static void store_lane_sums(const Scan *scan, uint32_t s, const Place *outer) {
  Emitter *e = scan->e;
  const ScanPlan *plan = scan->plan;
  const Store *store = &plan->kernel->store[s];
  const ScanReduction *reduction = lane_sum_of(plan, s);
  ReduceKind kind = plan->kernel->reduction[plan->kernel->expr[store->expr].which].kind;
  Branch branch;
  LLVMValueRef condition = first_of_equals(scan, access_axes(&store->access), store->tile_stride.factor != 0, outer);
  if (condition) branch_begin(e, &branch, condition);
  LLVMValueRef offset = emit_multiply_i64(e, scan->tile, emit_dim(e, store->tile_stride));
  Loop states;
  loop_begin(e, &states, emit_i64(e, 0), emit_i64(e, plan->states), plan->lanes);
  LLVMValueRef vector[SCAN_TILE];
  for (int k = 0; k < plan->lanes; k++)
    vector[k] = scan_load_cell(scan, reduction->lane_cells, emit_add_i64(e, states.index, emit_i64(e, k)), 0);
  Place place;
  place_enter(e, &place, outer, scan_bit(plan->state_axis));
  place_set_vector(e, &place, plan->state_axis, states.index, plan->states % plan->lanes == 0);
  emit_store_value_at(e, &place, &store->access, offset, emit_lane_sum_vector(e, kind, vector), true);
  loop_end(e, &states);
  if (condition) branch_end(e, &branch);
}

/* The partial sums of each reduction, joined pairwise, are handed on. */
static void finish_state_sums(const Scan *scan, const StateLoop *loop, Place *outer) {
  const Kernel *kernel = scan->plan->kernel;
  for (uint32_t q = 0; q < kernel->reduction_count; q++) {
    if (!is_state_sum(scan, q, loop->level)) continue;
    LLVMValueRef value[SCAN_MAX_VECTORS];
    for (int v = 0; v < scan->plan->vectors; v++) {
      for (int width = loop->partials; width > 1; width = (width + 1) / 2)
        for (int k = 0; k < width / 2; k++) {
          LLVMValueRef *low = partial_sum(scan, loop, q, k, v), high = *partial_sum(scan, loop, q, width - 1 - k, v);
          *low = emit_combine(scan->e, kernel->reduction[q].kind, *low, high);
        }
      value[v] = *partial_sum(scan, loop, q, 0, v);
    }
    scan_finish_state_sum(scan, q, outer, value);
  }
}

/* Carries the partial sums into the loop, or with `end` hands them to its next round. */
static void carry_sums(const Scan *scan, StateLoop *state_loop, Loop *loop, bool end) {
  uint32_t number = 0;
  for (uint32_t q = 0; q < scan->plan->kernel->reduction_count; q++) {
    if (!is_state_sum(scan, q, state_loop->level)) continue;
    for (int k = 0; k < state_loop->partials * scan->plan->vectors; k++) {
      LLVMValueRef *partial = partial_sum(scan, state_loop, q, 0, 0) + k;
      if (end)
        loop->next[number++] = *partial;
      else
        *partial = loop_carry(scan->e, loop, *partial);
    }
  }
}

static void take_sums(const Scan *scan, StateLoop *state_loop, const Loop *loop) {
  uint32_t number = 0;
  for (uint32_t q = 0; q < scan->plan->kernel->reduction_count; q++)
    for (int k = 0; is_state_sum(scan, q, state_loop->level) && k < state_loop->partials * scan->plan->vectors; k++)
      *(partial_sum(scan, state_loop, q, 0, 0) + k) = loop->carried[number++];
}

/* Partial sums hide the latency of additions as long as they have registers; many sums hide each other's. */
static int choose_partials(const Scan *scan, int level) {
  const ScanPlan *plan = scan->plan;
  int sums = 0, partials = plan->unroll < SCAN_MAX_PARTIALS ? plan->unroll : SCAN_MAX_PARTIALS;
  for (uint32_t q = 0; q < plan->kernel->reduction_count; q++) sums += is_state_sum(scan, q, level);
  while (partials > 1 && sums * partials * plan->vectors > scan->e->session->target.registers) partials--;
  return partials;
}

static void begin_sums(const Scan *scan, StateLoop *loop) {
  const ScanPlan *plan = scan->plan;
  loop->partials = choose_partials(scan, loop->level);
  loop->partial = ARENA_ARRAY(scan->e->session->arena, LLVMValueRef,
                              plan->kernel->reduction_count * (uint32_t)(loop->partials * plan->vectors) + 1);
  for (uint32_t q = 0; q < plan->kernel->reduction_count; q++)
    for (int k = 0; k < loop->partials * plan->vectors; k++)
      *(partial_sum(scan, loop, q, 0, 0) + k) = emit_reduce_identity(scan->e, plan->kernel->reduction[q].kind, true);
}

static void emit_state_loop(const Scan *scan, int level, Place *outer) {
  Emitter *e = scan->e;
  const ScanPlan *plan = scan->plan;
  uint32_t exprs = plan->kernel->expr_count;
  bool *needed = ARENA_ARRAY(e->session->arena, bool, exprs), *root = ARENA_ARRAY(e->session->arena, bool, exprs);
  scan_mark_roots(plan, scan->phase, level, true, root);
  scan_mark_loop(plan, scan->phase, level, needed);
  bool empty = true;
  for (uint32_t k = 0; k < exprs; k++) {
    if (!root[k]) continue;
    empty = false;
    for (int v = 0; v < plan->vectors; v++) emit_invariants(e, &outer[v], k);
  }
  if (empty) return;
  StateLoop state_loop = {.level = level, .needed = needed};
  begin_sums(scan, &state_loop);
  int64_t whole = plan->states / plan->unroll * plan->unroll;
  Loop loop;
  loop_begin(e, &loop, emit_i64(e, 0), emit_i64(e, whole), plan->unroll);
  carry_sums(scan, &state_loop, &loop, false);
  emit_chunk(scan, &state_loop, outer, loop.index, plan->unroll);
  carry_sums(scan, &state_loop, &loop, true);
  loop_end(e, &loop);
  take_sums(scan, &state_loop, &loop);
  if (whole < plan->states) emit_chunk(scan, &state_loop, outer, emit_i64(e, whole), (int)(plan->states - whole));
  finish_state_sums(scan, &state_loop, outer);
  for (uint32_t s = 0; s < plan->kernel->store_count; s++)
    if (is_due(scan, s, level) && lane_sum_of(plan, s)) store_lane_sums(scan, s, &outer[0]);
}

/* --- code without STATE -------------------------------------------------------------------------------------- */

static void step_outside(const Scan *scan, uint32_t r, int level, Place *outer, bool *stepped) {
  const ScanRecurrence *recurrence = &scan->plan->recurrence[r];
  if (recurrence->phase != scan->phase || recurrence->level != level || recurrence->has_state || stepped[r]) return;
  mark_stepped(scan, stepped, r);
  for (int v = 0; v < scan->plan->vectors; v++) scan_emit_step(scan, r, &outer[v], NULL, v);
}

static void sum_outside(const Scan *scan, uint32_t q, int level, Place *outer) {
  const ScanReduction *reduction = &scan->plan->reduction[q];
  if (reduction->phase != scan->phase || reduction->level != level || reduction->in_loop) return;
  LLVMValueRef vector[SCAN_MAX_VECTORS], sum;
  for (int v = 0; v < scan->plan->vectors; v++) {
    if (reduction->over_time)
      scan_add_to_cells(scan, q, &outer[v], NULL, v);
    else
      vector[v] = scan_emit_term(scan, q, &outer[v], NULL);
  }
  if (reduction->over_time) return;
  scan_sum_lanes(scan, scan->plan->kernel->reduction[q].kind, vector, 1, scan->plan->vectors, &sum);
  for (int v = 0; v < scan->plan->vectors; v++) scan_set_reduced(scan, q, &outer[v], sum);
}

static void emit_outside(const Scan *scan, int level, Place *outer) {
  const ScanPlan *plan = scan->plan;
  const Kernel *kernel = plan->kernel;
  bool *stepped = ARENA_ARRAY(scan->e->session->arena, bool, kernel->recurrence_count);
  for (uint32_t k = 0; k < kernel->expr_count; k++)
    if (kernel->expr[k].kind == EXPR_STATE) step_outside(scan, kernel->expr[k].which, level, outer, stepped);
  for (uint32_t r = 0; r < kernel->recurrence_count; r++) step_outside(scan, r, level, outer, stepped);
  for (uint32_t q = 0; q < kernel->reduction_count; q++) sum_outside(scan, q, level, outer);
  for (uint32_t s = 0; s < kernel->store_count; s++)
    if (is_due(scan, s, level) && !scan_store_in_loop(plan, s)) emit_scan_store(scan, s, outer);
}

/* --- phases -------------------------------------------------------------------------------------------------- */

/* Everything of a phase at one time (NULL: at none). */
static void emit_phase_at(const Scan *scan, LLVMValueRef time) {
  const ScanPlan *plan = scan->plan;
  Place outer[SCAN_MAX_VECTORS];
  for (int v = 0; v < plan->vectors; v++) {
    place_enter(scan->e, &outer[v], &scan->base[v], scan_bit(plan->time_axis));
    outer[v].index[plan->time_axis] = time;
    scan_provide_outer(scan, &outer[v], v, time != NULL);
  }
  for (int level = 0; level <= plan->phase[scan->phase].last_level; level++) {
    if (level > 0) emit_state_loop(scan, level, outer);
    emit_outside(scan, level, outer);
  }
}

/* What is the same at all steps is made before the loop over them. */
static void emit_step_invariants(Scan *scan) {
  const ScanPlan *plan = scan->plan;
  bool *root = ARENA_ARRAY(scan->e->session->arena, bool, plan->kernel->expr_count);
  for (int level = 0; level <= plan->phase[scan->phase].last_level; level++) {
    scan_mark_roots(plan, scan->phase, level, true, root);
    scan_mark_roots(plan, scan->phase, level, false, root);
  }
  for (uint32_t k = 0; k < plan->kernel->expr_count; k++)
    for (int v = 0; root[k] && v < plan->vectors; v++) emit_invariants(scan->e, &scan->base[v], k);
}

static LLVMValueRef time_of(const Scan *scan, LLVMValueRef step) {
  if (!scan->plan->phase[scan->phase].backward) return step;
  LLVMValueRef last = emit_add_i64(scan->e, scan->steps, emit_i64(scan->e, -1));
  return LLVMBuildSub(scan->e->builder, last, step, "time");
}

/* Everything that a sweep finds as it is, before the first chunk. */
static void begin_sweep(Scan *scan, int phase) {
  scan->phase = phase;
  for (int v = 0; v < scan->plan->vectors; v++) scan_provide_outer(scan, &scan->base[v], v, false);
  scan_prepare_sweep(scan);
  emit_step_invariants(scan);
}

static bool is_checkpoint_of(const Scan *scan, uint32_t s) {
  const Store *store = &scan->plan->kernel->store[s];
  if (store->when != STORE_CHECKPOINT) return false;
  return scan->plan->recurrence[scan->plan->kernel->expr[store->expr].which].phase == scan->phase;
}

/* The states before the step in progress, which begins a chunk. */
static void store_checkpoint(const Scan *scan, uint32_t s, LLVMValueRef chunk) {
  Emitter *e = scan->e;
  const ScanPlan *plan = scan->plan;
  uint32_t expr = plan->kernel->store[s].expr, r = plan->kernel->expr[expr].which;
  bool has_state = plan->recurrence[r].has_state;
  Loop states;
  if (has_state) loop_begin(e, &states, emit_i64(e, 0), emit_i64(e, plan->states), 1);
  Place place[SCAN_MAX_VECTORS];
  for (int v = 0; v < plan->vectors; v++) {
    place_enter(e, &place[v], &scan->base[v], scan_bit(plan->time_axis) | scan_bit(plan->state_axis));
    place[v].index[plan->time_axis] = chunk;
    if (has_state) place[v].index[plan->state_axis] = states.index;
    place_set_value(&place[v], expr, scan_load_before(scan, r, has_state ? states.index : NULL, v));
  }
  emit_scan_store(scan, s, place);
  if (has_state) loop_end(e, &states);
}

static void store_checkpoints(const Scan *scan) {
  Emitter *e = scan->e;
  const Kernel *kernel = scan->plan->kernel;
  bool due = false;
  for (uint32_t s = 0; s < kernel->store_count; s++) due |= is_checkpoint_of(scan, s);
  if (!due) return;
  LLVMValueRef size = emit_i64(e, kernel->chunk), rest = LLVMBuildURem(e->builder, scan->step, size, "");
  Branch branch;
  branch_begin(e, &branch, LLVMBuildICmp(e->builder, LLVMIntEQ, rest, emit_i64(e, 0), ""));
  LLVMValueRef chunk = LLVMBuildUDiv(e->builder, scan->step, size, "chunk");
  for (uint32_t s = 0; s < kernel->store_count; s++)
    if (is_checkpoint_of(scan, s)) store_checkpoint(scan, s, chunk);
  branch_end(e, &branch);
}

static bool is_dense_row(const ScanPlan *plan, const Access *access) {
  return access->guard_count == 0 && dim_equal(access->stride[plan->lane_axis], dim_constant(1)) &&
         access->stride[plan->time_axis].factor && !(access_axes(access) & scan_bit(plan->state_axis));
}

/* The step whose rows are asked for in the one in progress: some way ahead; or, since chunks are gone through from the
 * last one to the first, the same step of the chunk that comes next. NULL in the second sweep, which finds most of them
 * in the second cache level. */
static LLVMValueRef step_ahead(const Scan *scan) {
  enum { STATES_AHEAD = 96, STEPS_AHEAD = 8 };
  Emitter *e = scan->e;
  const ScanPlan *plan = scan->plan;
  if (scan->phase == SCAN_SECOND_SWEEP) return NULL;
  if (plan->resumes) {
    LLVMValueRef size = emit_i64(e, plan->chunk);
    LLVMValueRef back = emit_minimum_i64(e, size, scan->chunk_begin);
    return LLVMBuildSub(e->builder, scan->step, back, "ahead");
  }
  int64_t ahead = 1 + STATES_AHEAD / plan->states;
  LLVMValueRef step = emit_add_i64(e, scan->step, emit_i64(e, ahead < STEPS_AHEAD ? ahead : STEPS_AHEAD));
  return emit_minimum_i64(e, step, emit_add_i64(e, scan->steps, emit_i64(e, -1)));
}

/* A tile's rows of one tensor are far apart, each a line of a page of its own, which no hardware foresees. */
static void prefetch_rows(const Scan *scan) {
  Emitter *e = scan->e;
  const ScanPlan *plan = scan->plan;
  LLVMValueRef step = step_ahead(scan);
  if (!step) return;
  Place place = scan->base[0];
  place.index[plan->time_axis] = time_of(scan, step);
  for (uint32_t k = 0; k < plan->kernel->expr_count; k++) {
    const Expr *expr = &plan->kernel->expr[k];
    bool needed = plan->phase[scan->phase].needed[k] || (plan->resumes && plan->phase[SCAN_SECOND_SWEEP].needed[k]);
    if (needed && expr->kind == EXPR_LOAD && is_dense_row(plan, &expr->access))
      emit_prefetch(e, emit_element(e, e->slot[expr->access.slot], emit_address(e, &place, &expr->access)));
  }
}

static void sweep_steps(Scan *scan, int phase, LLVMValueRef begin, LLVMValueRef end) {
  Loop steps;
  scan->phase = phase;
  loop_begin(scan->e, &steps, begin, end, 1);
  scan->step = steps.index;
  prefetch_rows(scan);
  store_checkpoints(scan);
  emit_phase_at(scan, time_of(scan, steps.index));
  loop_end(scan->e, &steps);
}

/* From the last chunk to the first one, forth and back. */
static void sweep_chunks(Scan *scan) {
  Emitter *e = scan->e;
  LLVMValueRef size = emit_i64(e, scan->plan->chunk), one = emit_i64(e, 1);
  LLVMValueRef rounded = emit_add_i64(e, scan->steps, emit_i64(e, scan->plan->chunk - 1));
  LLVMValueRef count = LLVMBuildUDiv(e->builder, rounded, size, "chunks");
  begin_sweep(scan, SCAN_FIRST_SWEEP);
  begin_sweep(scan, SCAN_SECOND_SWEEP);
  Loop chunks;
  loop_begin(e, &chunks, emit_i64(e, 0), count, 1);
  LLVMValueRef chunk = LLVMBuildSub(e->builder, LLVMBuildSub(e->builder, count, one, ""), chunks.index, "chunk");
  scan->chunk_begin = emit_multiply_i64(e, chunk, size);
  LLVMValueRef end = emit_minimum_i64(e, emit_add_i64(e, scan->chunk_begin, size), scan->steps);
  scan_resume(scan, chunk);
  sweep_steps(scan, SCAN_FIRST_SWEEP, scan->chunk_begin, end);
  LLVMValueRef turned = LLVMBuildSub(e->builder, scan->steps, end, "");
  sweep_steps(scan, SCAN_SECOND_SWEEP, turned, LLVMBuildSub(e->builder, scan->steps, scan->chunk_begin, ""));
  loop_end(e, &chunks);
}

/* Everything that is due once, before or after a sweep. */
static void emit_pause(Scan *scan, int phase) {
  if (!scan->plan->phase[phase].used) return;
  scan->phase = phase;
  for (int v = 0; v < scan->plan->vectors; v++) scan_provide_outer(scan, &scan->base[v], v, false);
  LLVMValueRef last = emit_add_i64(scan->e, scan->steps, emit_i64(scan->e, -1));
  emit_phase_at(scan, phase ? time_of(scan, last) : NULL);
}

static void emit_sweep(Scan *scan, int phase) {
  if (!scan->plan->phase[phase].used) return;
  begin_sweep(scan, phase);
  sweep_steps(scan, phase, emit_i64(scan->e, 0), scan->steps);
}

static void emit_phases(Scan *scan) {
  scan->chunk_begin = emit_i64(scan->e, 0);
  emit_pause(scan, 0);
  if (scan->plan->resumes && scan->plan->phase[SCAN_SECOND_SWEEP].used) {
    sweep_chunks(scan);
    emit_pause(scan, 2);
  } else {
    emit_sweep(scan, SCAN_FIRST_SWEEP);
    emit_pause(scan, 2);
    emit_sweep(scan, SCAN_SECOND_SWEEP);
  }
  emit_pause(scan, 4);
}

static void emit_scan_item(Scan *scan, LLVMValueRef item) {
  Emitter *e = scan->e;
  const ScanPlan *plan = scan->plan;
  const Kernel *kernel = plan->kernel;
  LLVMValueRef tile[KERNEL_MAX_AXES];
  emit_item(e, &plan->work, item, tile);
  scan->tile = tile[plan->work.part_count - 1];
  Dim channels = kernel->axis[plan->lane_axis].extent;
  bool whole = dim_is_constant(channels) && channels.factor % SCAN_TILE == 0;
  for (int v = 0; v < plan->vectors; v++) {
    Place *place = &scan->base[v];
    place_begin(e, place);
    int part = 0;
    for (int axis = 0; axis < (int)kernel->axis_count; axis++)
      if (kernel->axis[axis].role == AXIS_PARALLEL) place->index[axis] = tile[part++];
    LLVMValueRef channel = emit_multiply_i64(e, scan->tile, emit_i64(e, SCAN_TILE));
    place_set_vector(e, place, plan->lane_axis, emit_add_i64(e, channel, emit_i64(e, (int64_t)v * plan->lanes)), whole);
  }
  emit_phases(scan);
}

KernelWork scan_work(const Kernel *kernel, const Target *target, int lanes) {
  Arena *arena = arena_create();
  ScanPlan plan;
  scan_plan(kernel, target, lanes, arena, &plan);
  arena_destroy(arena);
  return plan.work;
}

void scan_emit(Session *session, const Kernel *kernel, const char *name) {
  ScanPlan plan;
  scan_plan(kernel, &session->target, session->lanes, session->arena, &plan);
  Emitter e;
  emitter_begin(&e, session, kernel, name);
  Scan scan = {.e = &e, .plan = &plan, .slab_is_made = ARENA_ARRAY(session->arena, bool, kernel->expr_count)};
  scan.steps = emit_dim(&e, kernel->axis[plan.time_axis].extent);
  Loop items;
  loop_begin(&e, &items, e.begin, e.end, 1);
  emit_scan_item(&scan, items.index);
  loop_end(&e, &items);
  emitter_end(&e);
}
