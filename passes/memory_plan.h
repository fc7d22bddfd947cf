/* Where buffers lie: offsets for things that are alive between two launches, in regions by symbol (program.h), so that
 * two that are alive at once never overlap, for any value of the symbols.
 *
 * Each is placed in the smallest gap that holds it between those that are alive with it, else behind them all. The
 * order in which they are placed is the best of four: by size, by size times lifetime, by lifetime, by first launch. A
 * buffer of constant size goes into a gap of the batch's region (symbol 1) where one holds it even for a batch of 1.
 * Offsets are multiples of 64 bytes. A buffer whose size is a multiple of 4096 is laid out 64 bytes larger, so that a
 * row of equal big ones does not start at equal page offsets and fight for the same sets of a cache. */
#ifndef SIMBAC_PASSES_MEMORY_PLAN_H
#define SIMBAC_PASSES_MEMORY_PLAN_H

#include "ir/kernel.h"

typedef struct Lifetime {
  Dim count;            /* elements of f32 */
  uint32_t first, last; /* alive from launch `first` to launch `last`, both included */
  Dim offset;           /* result: bytes within the region of count's symbol */
} Lifetime;

/* Bytes that a buffer takes: the whole where the count is constant, else for each unit of its symbol. */
int64_t memory_laid_out(Dim count);
/* Fills the offsets; the size of every region, which is the exact peak of its own buffers: where the last of them ends,
 * and the next multiple of 64 where a region follows. So the last byte of the plan is the last byte of a buffer. */
Linear memory_plan(Lifetime *lifetimes, uint32_t count, Arena *scratch);

#endif
