/* Constants of transforms: computed in f64, rounded once, data of the module. */
#ifndef SIMBAC_CODEGEN_FFT_TABLE_H
#define SIMBAC_CODEGEN_FFT_TABLE_H

#include "fft_plan.h"
#include "session.h"

/* exp(-2 pi i n j / (radix * below)) for j < below and n from `first` below radix, times `factor`: [j][n][re, im]. */
LLVMValueRef fft_table_twiddles(Session *session, int64_t radix, int64_t below, int64_t first, double factor);
/* cos and sin of 2 pi n k / prime for k and n from 1 to (prime - 1) / 2: [k][n][cos, sin]. */
LLVMValueRef fft_table_dense(Session *session, int64_t prime);
/* exp(-pi i n n / extent) for n < extent: [n][re, im]. */
LLVMValueRef fft_table_chirp(Session *session, int64_t extent);
/* Two tables of `length` rows, [k][re, im]: the transform of the conjugate chirp, -extent < n < extent modulo length, times
 * factor / length; then the conjugate chirp, and 0. */
LLVMValueRef fft_table_convolution(Session *session, const FftPlan *plan, double factor);

#endif
