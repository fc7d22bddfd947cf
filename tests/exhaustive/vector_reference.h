/* References in double for the exhaustive test of vector math: relative error under 2^-40, written so that the compiler
 * vectorises them (2^32 values of each function have to pass through). Operands are finite; the logarithm's are not
 * negative. */
#ifndef SIMBAC_TESTS_VECTOR_REFERENCE_H
#define SIMBAC_TESTS_VECTOR_REFERENCE_H

#include <stdint.h>

typedef void VectorReference(const float *x, double *y, int64_t count);

void reference_exp(const float *x, double *y, int64_t count);
void reference_exp2(const float *x, double *y, int64_t count);
void reference_log(const float *x, double *y, int64_t count);
void reference_sigmoid(const float *x, double *y, int64_t count);
void reference_softplus(const float *x, double *y, int64_t count);
void reference_tanh(const float *x, double *y, int64_t count);
void reference_erf(const float *x, double *y, int64_t count);

/* Largest error of y against the reference, in units in the last place of an f32 at the reference (of the smallest
 * normal one below that). A zero for a reference under `flushed_below` counts as right, an infinity as 2^128; a nan
 * gives a nan. y outside [low, high] gives a nan too. */
double reference_compare(const float *y, const double *reference, int64_t count, double flushed_below, float low,
                         float high);

#endif
