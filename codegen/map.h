/* MAP kernels: elementwise expressions with broadcasts and chained reductions.
 *
 * One axis is the vector axis. Where it is PARALLEL (COLUMN mode) a work item is a chunk of it at one index of the
 * other PARALLEL axes; `columns` vectors go side by side. Where it is REDUCED (ROW mode) an item is one index of all
 * PARALLEL axes, and lanes are summed at the end. Reductions that read other reductions come in later passes over the
 * REDUCED axes, which load and compute again what they need. Sums run in `strands` interleaved partial sums (adds have
 * a latency of several cycles), added at the end by a fixed tree: all of it is fixed by kernel, target and lanes. */
#ifndef SIMBAC_CODEGEN_MAP_H
#define SIMBAC_CODEGEN_MAP_H

#include "emit.h"

enum { MAP_PASS_REDUCTIONS = 8, MAP_MAX_SUMS = 32, MAP_MAX_COLUMNS = 4, MAP_MAX_STRANDS = 4 };

/* Reductions that one sweep over the REDUCED axes computes; the last pass makes the stores along those axes. */
typedef struct MapPass {
  uint32_t reduction_count, reduction[MAP_PASS_REDUCTIONS];
  int strands; /* a power of two; 1 without reductions */
  bool stores;
} MapPass;

enum { NO_BLOCK_AXIS = -1 };

typedef struct MapPlan {
  AxisMask parallel, reduced;
  int vector_axis; /* NO_VECTOR_AXIS: a kernel without axes */
  bool row;        /* the vector axis is REDUCED */
  int columns;
  int block_axis;       /* elementwise: W x W blocks with this axis are transposed in registers (map_block.c) */
  int64_t chunk;        /* COLUMN: of the vector axis in one item */
  uint32_t order_count; /* REDUCED axes, outermost first */
  int order[KERNEL_MAX_AXES];
  uint32_t pass_count;
  MapPass *pass;
  KernelWork work;
} MapPlan;

/* The part of a load that a block transposes: it lies dense along the block axis and not along the vector axis. */
bool map_is_transposed(const MapPlan *plan, const Expr *expr);
/* All stores of the W x W block at (block_first, vector_first), both whole; `item` has the other indices. */
void map_emit_block(Emitter *e, const MapPlan *plan, const Place *item, LLVMValueRef block_first,
                    LLVMValueRef vector_first);

MapPlan map_plan(const Kernel *kernel, int lanes, Arena *arena);

KernelWork map_work(const Kernel *kernel, const Target *target, int lanes);
void map_emit(Session *session, const Kernel *kernel, const char *name);

#endif
