/* Sums over the lanes of several vectors at once: merging them pairwise costs far less than summing each alone. */
#ifndef SIMBAC_CODEGEN_LANE_SUMS_H
#define SIMBAC_CODEGEN_LANE_SUMS_H

#include "emit.h"

/* out_scalar[k] is the sum or maximum of the lanes of vector[k], by a tree that depends on e->lanes and on how `count`
 * is made up of powers of two, and on nothing else. */
void emit_lane_sums(Emitter *e, ReduceKind kind, const LLVMValueRef *vector, int count, LLVMValueRef *out_scalar);

/* The same for e->lanes vectors; lane k of the result belongs to vector[k]. */
LLVMValueRef emit_lane_sum_vector(Emitter *e, ReduceKind kind, const LLVMValueRef *vector);

#endif
