/* In which order kernels run: producers first, and among those that could run next the one that frees most and
 * allocates least, with the lower number winning a tie. Deterministic, and the arena stays small. */
#ifndef SIMBAC_PASSES_SCHEDULE_H
#define SIMBAC_PASSES_SCHEDULE_H

#include "lower_internal.h"

/* `resident[v]`: value v is not in the arena (bound from outside, constant, prepared). The steps' numbers in order. */
uint32_t *schedule_steps(const Step *steps, uint32_t step_count, const LoweredValue *values, uint32_t value_count,
                         const bool *resident, Arena *arena);

#endif
