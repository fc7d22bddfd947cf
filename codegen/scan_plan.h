/* How a SCAN kernel runs. One item is a tile of SCAN_TILE channels at one index of the PARALLEL axes. Its work is cut
 * into phases, numbered in the order in which they run:
 *
 *   0      what depends on no time step
 *   1, 3   a sweep: one pass over TIME, in the direction of the first recurrence, then in the other. Runs the
 *          recurrences of its direction
 *   2, 4   once, after the sweep: sums over TIME are complete, STORE_LAST is due
 *
 * A kernel whose first recurrences start from checkpoints runs both sweeps chunk by chunk, against the first direction:
 * the first sweep over a chunk from its checkpoint, then the second one over the same steps; then phases 2 and 4.
 *
 * A phase (at each of its time steps) alternates between code without STATE and loops over STATE. The level of an
 * expression that does not depend on STATE is the number of loops that must have ended before it is known; of one that
 * does, the loop (from 1) in which it can first be had.
 *
 * What one phase, loop or step leaves to a later one waits in the worker's scratch, in cells of SCAN_TILE floats. */
#ifndef SIMBAC_CODEGEN_SCAN_PLAN_H
#define SIMBAC_CODEGEN_SCAN_PLAN_H

#include "emit.h"

enum { SCAN_MAX_VECTORS = 4, SCAN_MAX_UNROLL = 8, SCAN_MAX_PARTIALS = 4 };
enum { SCAN_FIRST_SWEEP = 1, SCAN_SECOND_SWEEP = 3, SCAN_PHASES = 5, NO_PHASE = -1 };
#define NO_CELLS (-1) /* an offset in scratch, in floats: not kept */

typedef struct ScanRecurrence {
  int phase;        /* of its sweep */
  int level;        /* within the phase */
  bool has_state;   /* one cell for each n, else one */
  int64_t carry;    /* what goes from step to step: h, or c of a late one. NO_CELLS: it is in rows */
  int64_t kept;     /* h of the last step made, where neither carry nor rows is that */
  int64_t previous; /* h of the step before */
  int64_t rows;     /* all steps of a chunk: row 0 is the state before it, row k + 1 is h after its step k */
} ScanRecurrence;

typedef struct ScanReduction {
  int phase, level;
  bool over_state, over_lane, over_time;
  bool has_state, has_time; /* the result has these axes */
  bool in_loop;             /* its terms are made in a loop over STATE */
  int64_t cells;            /* the sum over TIME so far, or the value of the last step */
  int64_t rows;             /* the value at each t */
  int64_t lane_cells;       /* sums over LANE alone, one for each state: the vectors that are yet to be summed */
} ScanReduction;

typedef struct ScanPhase {
  bool used;
  bool backward; /* the direction of the sweep, or of the sweep before */
  int last_level;
  int *level;   /* by expression */
  bool *needed; /* by expression: some task of this phase needs it */
} ScanPhase;

typedef struct ScanPlan {
  const Kernel *kernel;
  int lane_axis, time_axis, state_axis; /* NO_VECTOR_AXIS: none */
  int lanes, vectors;                   /* vectors * lanes = SCAN_TILE */
  int64_t states;                       /* 1 without a STATE axis */
  int unroll;                           /* states in lock-step */
  int64_t chunk;                        /* steps whose rows are kept; 0: the number of steps is not known */
  bool resumes;                         /* a chunk is less than all steps, and starts from checkpoints */
  ScanPhase phase[SCAN_PHASES];
  ScanRecurrence *recurrence;
  ScanReduction *reduction;
  int *store_phase, *store_level;
  int64_t *slab;   /* by expression: cells for each n of what is the same at every step, else NO_CELLS */
  int64_t *shared; /* by expression: rows of what the first sweep makes and the second one needs, else NO_CELLS */
  bool *fused;     /* by expression: a product that exists only as a multiply-add of the sum that takes it */
  KernelWork work;
} ScanPlan;

void scan_plan(const Kernel *kernel, const Target *target, int lanes, Arena *arena, ScanPlan *out);

static inline AxisMask scan_bit(int axis) { return axis == NO_VECTOR_AXIS ? 0 : 1u << axis; }
static inline bool scan_has_state(const ScanPlan *plan, uint32_t expr) {
  return (plan->kernel->expr[expr].axes & scan_bit(plan->state_axis)) != 0;
}
static inline bool scan_has_time(const ScanPlan *plan, uint32_t expr) {
  return (plan->kernel->expr[expr].axes & scan_bit(plan->time_axis)) != 0;
}
static inline bool scan_is_sweep(int phase) { return phase & 1; }
static inline bool scan_store_in_loop(const ScanPlan *plan, uint32_t store) {
  return (access_axes(&plan->kernel->store[store].access) & scan_bit(plan->state_axis)) != 0;
}
/* Whether a loop over STATE of `phase` loads the expression instead of making it. */
static inline bool scan_is_kept(const ScanPlan *plan, int phase, uint32_t expr) {
  return (scan_is_sweep(phase) && plan->slab[expr] != NO_CELLS) ||
         (phase == SCAN_SECOND_SWEEP && plan->shared[expr] != NO_CELLS);
}
static inline uint32_t expr_argument_count(const Expr *expr) {
  return expr->kind == EXPR_OP ? op_info(expr->op)->operands_min : 0;
}

/* Marks the expressions that the tasks of one level start from: those of loop `level`, or with `in_loop` false those of
 * the code without STATE behind it. */
void scan_mark_roots(const ScanPlan *plan, int phase, int level, bool in_loop, bool *out_root);
/* Marks what loop `level` of `phase` makes or is given: all expressions with STATE that its roots need. */
void scan_mark_loop(const ScanPlan *plan, int phase, int level, bool *out_needed);

#endif
