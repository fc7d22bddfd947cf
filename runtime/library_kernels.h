/* OpenBLAS and FFTW for code that the JIT makes on request: baselines to measure against and oracles to test with.
 *
 * Both libraries are opened at first need by dlopen; nothing is linked with them, and an exported library never calls
 * them (FFTW's licence is the GPL). The functions that generated code calls are listed in abi.def. They may be called
 * by any number of threads at once; the same arguments always give the same bits. The only state is the two tables of
 * functions, which are filled once, and the list of FFTW's plans, which only grows. */
#ifndef SIMBA_LIBRARY_KERNELS_H
#define SIMBA_LIBRARY_KERNELS_H

#include "status.h"

#include <stdint.h>

/* Opens a library, once for the process: to be called before code that needs it runs. Where it is missing the message
 * names the Debian package. OpenBLAS is set to one thread. */
simba_status library_blas_load(simba_error *error);
simba_status library_fft_load(simba_error *error);

/* result[i][j] = (accumulate ? result[i][j] : 0) + sum over t < depth of left[i][t] * right[t][j], i < rows, j <
 * columns. Element (i, t) of `left` lies at i * left_row + t * left_term, and so on; columns of the result lie side by
 * side. Of each factor one stride is 1 and the other at least the extent along it, or that of an axis of extent 1.
 * Extents and strides are below 2^31. */
void simba_library_gemm(int32_t accumulate, int64_t rows, int64_t columns, int64_t depth, const float *left,
                        int64_t left_row, int64_t left_term, const float *right, int64_t right_term,
                        int64_t right_column, float *result, int64_t result_row);

/* The complex parts on each side of a transform: the forms of OP_DFT. */
enum {
  LIBRARY_DFT_COMPLEX,
  LIBRARY_DFT_REAL_TO_COMPLEX,
  LIBRARY_DFT_COMPLEX_TO_REAL,
  LIBRARY_DFT_REAL_TO_HALF,
  LIBRARY_DFT_HALF_TO_REAL
};

/* Plans transforms of that form and size, both directions, at first need. The only thing that may fail: it comes before
 * code that needs it runs. */
simba_status library_fft_plan(int32_t form, int64_t extent, int64_t columns, simba_error *error);

/* `columns` planned transforms of length `extent` side by side: result[p][k][column] of source[q][n][column], p and q
 * the real and imaginary part where that side is complex, not scaled. The spectrum of a real signal is written whole;
 * the real part is taken of any spectrum. Half spectra have frequencies 0 .. extent / 2. Both blocks begin at a multiple of 64 bytes, and `source` is overwritten. */
void simba_library_dft(int32_t form, int32_t inverse, int64_t extent, int64_t columns, float *source, float *result);

#endif
