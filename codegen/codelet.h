/* Codelets: straight-line Fourier transforms of 2 to 16 complex values that are held in registers, forwards and not
 * scaled. A value is a pair of f32 (scalars or vectors: the lanes are independent transforms). Each operation is made
 * once: twiddles that are 1, -i or (1 - i) sqrt(1/2) cost what they must, and a twiddle that a butterfly follows is
 * multiplied into it by fused operations where the target has them. */
#ifndef SIMBAC_CODEGEN_CODELET_H
#define SIMBAC_CODEGEN_CODELET_H

#include "emit.h"

enum { CODELET_LARGEST = 16 };

typedef struct Complex {
  LLVMValueRef re, im;
} Complex;

/* X[k] = sum over n of x[n] exp(-2 pi i n k / radix), in place. */
void codelet_emit(Emitter *e, int radix, Complex *x);
/* Arithmetic instructions of that code. */
int codelet_operations(int radix, bool has_fma);
/* x * (re + i im), where the factor is a pair of scalars or vectors. */
Complex codelet_multiply(Emitter *e, Complex x, Complex factor);

#endif
