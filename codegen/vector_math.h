/* Elementary functions of f32, emitted inline: no calls, no tables, no branches. Operands are scalars or vectors of any
 * width; the bits of a lane do not depend on the width, nor on where in a vector the value stands.
 *
 * Bounds, over every f32 (tests/exhaustive/vector_math.c), in units in the last place of the exact result:
 *   emit_exp, emit_exp2, emit_log, emit_sigmoid, emit_softplus, emit_tanh, emit_erf   2
 *   emit_exp_scan, emit_exp2_scan                                                     4
 *   emit_square_root, emit_divide                                                     0.5, the IEEE operations
 *   emit_reciprocal_square_root                                                       1, two IEEE operations
 * They hold with separate multiply and add as well as with FMA; the bits differ between the two.
 *
 * Special values. exp(0) = 1 exactly, exp(x) <= 1 for x <= 0, exp(-inf) = 0, exp(inf) = inf; log(+-0) = -inf,
 * log(x < 0) = nan, log(inf) = inf; sigmoid is within [0, 1], tanh and erf within [-1, 1] and odd; softplus(x) tends to
 * e^x on the left and to x on the right; exp2 as exp. A nan gives a nan, but emit_exp2_scan promises that only for
 * those whose low 9 bits are 0, as of every nan that arithmetic makes.
 *
 * Denormals. Kernels run with flush-to-zero and denormals-are-zero: a result that is denormal may be zero, and a
 * denormal operand may count as zero of its sign; emit_exp2_scan gives some denormal number for every result below
 * 2^-126. The logarithm alone takes denormal operands at their value, in
 * either mode. */
#ifndef SIMBAC_CODEGEN_VECTOR_MATH_H
#define SIMBAC_CODEGEN_VECTOR_MATH_H

#include "emit.h"

LLVMValueRef emit_exp(Emitter *e, LLVMValueRef x);
LLVMValueRef emit_exp_scan(Emitter *e, LLVMValueRef x); /* cheaper; for decays inside a scan */
LLVMValueRef emit_exp2(Emitter *e, LLVMValueRef x);
LLVMValueRef emit_exp2_scan(Emitter *e, LLVMValueRef x);
/* emit_exp2_scan of several vectors, in their places, op by op, so that the code has them side by side as it stands: what the
 * processor looks ahead is not enough to overlap chains of twenty operations. `not_positive`: no x is above 0. */
enum { EXP2_SIDE_BY_SIDE = 16 };
void emit_exp2_scan_side_by_side(Emitter *e, bool not_positive, LLVMValueRef *x, int count);
LLVMValueRef emit_log(Emitter *e, LLVMValueRef x);
LLVMValueRef emit_sigmoid(Emitter *e, LLVMValueRef x);
LLVMValueRef emit_softplus(Emitter *e, LLVMValueRef x);
LLVMValueRef emit_tanh(Emitter *e, LLVMValueRef x);
LLVMValueRef emit_erf(Emitter *e, LLVMValueRef x);
LLVMValueRef emit_square_root(Emitter *e, LLVMValueRef x);
LLVMValueRef emit_reciprocal_square_root(Emitter *e, LLVMValueRef x);
LLVMValueRef emit_divide(Emitter *e, LLVMValueRef a, LLVMValueRef b);

#endif
