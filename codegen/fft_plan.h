/* How a complex transform of a constant length is cut into levels of codelets, by estimated cost: a pure function of
 * the length and the target, so that every thread and run has the same bits.
 *
 * N = r1 r2 ... rL: level l makes transforms of r_l values that lie N / (r1 ... r_l) rows apart, multiplies them by
 * twiddles unless it is the last, and leaves them where they were; the last one writes rows in order of frequency.
 * Radices are those of codelets, or primes above them, for which a level is a loop over the prime's dense matrix. A
 * length with large primes may be done as a convolution with a chirp instead (Bluestein), by transforms of a longer
 * smooth length. */
#ifndef SIMBAC_CODEGEN_FFT_PLAN_H
#define SIMBAC_CODEGEN_FFT_PLAN_H

#include "target.h"

#include <stdint.h>

enum { FFT_MAX_LEVELS = 16 };

typedef struct FftPlan {
  int64_t extent; /* N */
  bool chirp;     /* Bluestein: the levels are those of a transform of `length` rows, run twice */
  int64_t length; /* the product of the radices */
  int level_count;
  int64_t radix[FFT_MAX_LEVELS];
  double cost; /* estimated cycles for one vector of lanes */
} FftPlan;

/* The cheapest one. */
void fft_plan(int64_t extent, const Target *target, FftPlan *out);
/* Values of one lane vector or scalar that levels of dense matrices keep their terms in. */
int64_t fft_plan_terms(const FftPlan *plan);
/* "4 x 7 x 7: 5762 cycles; product with a matrix: 76832": that plan, the best of the other kind if there is one, and one product with
 * the whole matrix, with their costs. */
void fft_plan_explain(int64_t extent, const Target *target, Text *out);

#endif
