/* In which order kernels run, so that the arena stays small: producers first, and then
 *
 *   1. an order by greed: among the steps that could run next the one that frees most and allocates least, and the
 *      order of the graph itself, which is one that a pass may have thought about (rematerialise);
 *   2. each step is tried as late and as early as its values allow, and stays where the arena gets smaller, or where
 *      less is alive on the whole;
 *   3. the better of the two.
 *
 * Sizes that depend on a symbol are weighed as if it was `extent`. Deterministic: ties go to the earlier candidate. */
#ifndef SIMBAC_PASSES_SCHEDULE_H
#define SIMBAC_PASSES_SCHEDULE_H

#include "lower_internal.h"

typedef struct ScheduleInput {
  const Step *step;
  uint32_t step_count;
  const LoweredValue *value;
  uint32_t value_count;
  const bool *resident; /* by value: not in the arena (bound from outside, constant, prepared) */
  const NodeId *rank;   /* by step: its place in the order of the graph */
  int64_t extent;       /* of every symbol */
} ScheduleInput;

/* The steps' numbers in order. */
uint32_t *schedule_steps(const ScheduleInput *input, Arena *arena);

#endif
