/* The loops of a finished kernel, rearranged: what it computes stays. */
#ifndef SIMBAC_PASSES_KERNEL_LOOPS_H
#define SIMBAC_PASSES_KERNEL_LOOPS_H

#include "ir/kernel.h"

/* New loop n is what old loop from[n] was; loops that are not listed go. */
typedef struct LoopMap {
  uint32_t count;
  uint32_t from[KERNEL_MAX_AXES];
} LoopMap;

void kernel_map_loops(Kernel *kernel, const LoopMap *map);
/* Neighbouring loops of one role become one where every address and index allows it. */
void kernel_merge_loops(Kernel *kernel);

#endif
