/* Inside of the SCAN family: the item in progress, and its cells in scratch. */
#ifndef SIMBAC_CODEGEN_SCAN_EMIT_H
#define SIMBAC_CODEGEN_SCAN_EMIT_H

#include "scan_plan.h"

typedef struct Scan {
  Emitter *e;
  const ScanPlan *plan;
  Place base[SCAN_MAX_VECTORS]; /* one for each vector of the tile: indices of the item and of its lanes */
  LLVMValueRef tile;            /* number of the tile along LANE */
  int phase;
  LLVMValueRef step, steps; /* of the sweep in progress or just done; steps: the extent of TIME */
  LLVMValueRef chunk_begin; /* the first step of the chunk in progress, counted in the first direction */
  bool *slab_is_made;       /* by expression */
} Scan;

/* --- scan_cells.c -------------------------------------------------------------------------------------------- */

/* Vector v of cell n (NULL: the only one) of the cells at `offset`. */
LLVMValueRef scan_load_cell(const Scan *scan, int64_t offset, LLVMValueRef n, int v);
void scan_store_cell(const Scan *scan, int64_t offset, LLVMValueRef n, int v, LLVMValueRef value);
/* The same of row `row` of rows of one cell, or of one for each state. */
LLVMValueRef scan_load_row(const Scan *scan, int64_t offset, bool has_state, LLVMValueRef row, LLVMValueRef n, int v);
void scan_store_row(const Scan *scan, int64_t offset, bool has_state, LLVMValueRef row, LLVMValueRef n, int v,
                    LLVMValueRef value);

/* The row of the place's time within its chunk. */
LLVMValueRef scan_row(const Scan *scan, const Place *place);

/* Gives `place` the values of expressions that other phases, loops or steps left behind: those without STATE, of TIME
 * only with `timed`. */
void scan_provide_outer(const Scan *scan, Place *place, int v, bool timed);
/* The same for expressions of `needed` with STATE, in loop `level` (0: before the sweep). */
void scan_provide_inner(const Scan *scan, Place *place, const bool *needed, int level, LLVMValueRef n, int v);
/* Cells as they are before a sweep: initial states, empty sums over TIME, and what is the same at every step. */
void scan_prepare_sweep(Scan *scan);
/* Sets the states before a chunk from its checkpoints. */
void scan_resume(const Scan *scan, LLVMValueRef chunk);
/* h of recurrence r before the step in progress of its sweep. */
LLVMValueRef scan_load_before(const Scan *scan, uint32_t r, LLVMValueRef n, int v);
/* One step of recurrence r, with that of its partner, at a place in its sweep; sets the values of their EXPR_STATEs. */
void scan_emit_step(const Scan *scan, uint32_t r, Place *place, LLVMValueRef n, int v);

/* --- scan_sums.c --------------------------------------------------------------------------------------------- */

/* Adds the term of reduction q at a place to `sum`; the lanes that do not exist count for nothing. */
LLVMValueRef scan_emit_term(const Scan *scan, uint32_t q, Place *place, LLVMValueRef sum);
/* Adds `value` to the sum over TIME in the cells of q (n NULL: no state). */
void scan_add_to_cells(const Scan *scan, uint32_t q, Place *place, LLVMValueRef n, int v);
/* The sums over LANE of `count` groups of `vectors` vectors, laid out [count][stride]. */
void scan_sum_lanes(const Scan *scan, ReduceKind kind, const LLVMValueRef *vector, int count, int stride,
                    LLVMValueRef *out_scalar);
/* Makes `value` known as reduction q at the place. */
void scan_set_reduced(const Scan *scan, uint32_t q, Place *place, LLVMValueRef value);
/* A sum over STATE is complete: value[v] is handed to the sum over TIME, to the lanes' sum or to its readers. */
void scan_finish_state_sum(const Scan *scan, uint32_t q, Place *outer, LLVMValueRef *value);

#endif
