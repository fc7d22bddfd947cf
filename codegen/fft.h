/* Code of a complex transform across lanes: rows of vectors in memory, by the levels of a plan. */
#ifndef SIMBAC_CODEGEN_FFT_H
#define SIMBAC_CODEGEN_FFT_H

#include "codelet.h"
#include "fft_plan.h"

/* Row n of unit u: real parts of the lanes at part[0] + n * row + u * unit (in f32), imaginary ones at part[1] likewise.
 */
typedef struct Rows {
  LLVMValueRef part[2];
  LLVMValueRef row, unit; /* i64 */
} Rows;

typedef struct Fft {
  Emitter *e;
  const FftPlan *plan;
  bool vector;                          /* values are vectors, not scalars */
  int64_t units;                        /* transforms side by side, made level by level */
  double factor;                        /* results are multiplied by it */
  Rows work;                            /* between levels: plan->length rows; used where there are several */
  LLVMValueRef terms;                   /* scratch of fft_plan_terms values */
  LLVMValueRef twiddle[FFT_MAX_LEVELS]; /* tables */
  LLVMValueRef dense[FFT_MAX_LEVELS];
  LLVMValueRef chirp, convolved;
} Fft;

/* Given everything above the tables, adds those to the module. */
void fft_add_tables(Fft *fft);
/* Forwards. With a chirp `from` and `to` are the same rows, plan->length of them. */
void fft_emit(Fft *fft, const Rows *from, const Rows *to);

/* Values of rows: `offset` f32 behind a part. */
LLVMValueRef fft_load(const Fft *fft, LLVMValueRef pointer, LLVMValueRef offset);
void fft_store(const Fft *fft, LLVMValueRef value, LLVMValueRef pointer, LLVMValueRef offset);

#endif
