/* Products by OpenBLAS and transforms by FFTW, for the JIT where CodegenOptions.library_kernels asks for them.
 *
 * Such a kernel is like any other to whoever launches it: items, scratch, the same arguments. An item is a block of
 * rows times a panel of columns whose size is fixed by the kernel, so the library is given the same problem whatever
 * the number of threads. It makes plain sums in scratch (or in the result itself where nothing follows them), and we
 * emit the epilogue over them. The functions that are called are those of runtime/library_kernels.h. */
#ifndef SIMBAC_CODEGEN_LIBRARY_H
#define SIMBAC_CODEGEN_LIBRARY_H

#include "emit.h"

/* Whether a CONTRACT is matrix products as sgemm takes them, once its axes are merged: no guards, and for some REDUCED
 * axis each factor is dense along one of its two axes and does not overlap itself along the other. There is one product
 * for each index of the batch axes; those for indices of further REDUCED axes are added one after the other. */
bool library_gemm_fits(const Kernel *kernel, const Target *target, int lanes);
KernelWork library_gemm_work(const Kernel *kernel, const Target *target, int lanes);
void library_gemm_emit(Session *session, const Kernel *kernel, const char *name);

/* Any SPECTRAL kernel: its data is gathered first. FFTW's plans are made here. */
KernelWork library_dft_work(const Kernel *kernel, const Target *target, int lanes);
void library_dft_emit(Session *session, const Kernel *kernel, const char *name);

/* --- for the two emitters ------------------------------------------------------------------------------------ */

/* Columns side by side in each row of a block of scratch, one for each index of `axis` from `first` on. */
typedef struct Panel {
  Emitter *e;
  int axis;                  /* NO_VECTOR_AXIS: one column, and values are scalars */
  int64_t width;             /* elements of a row of scratch */
  LLVMValueRef first, count; /* i64: of the columns that exist */
} Panel;

/* Is given the place and the number within the panel of the column in lane 0. */
typedef void PanelBody(void *context, Place *place, LLVMValueRef column);
/* Loops over all columns at the indices of `row`, a vector at a time. */
void panel_emit_columns(const Panel *panel, const Place *row, PanelBody *body, void *context);
LLVMValueRef panel_load(const Panel *panel, LLVMValueRef block, LLVMValueRef row, LLVMValueRef column);
void panel_store(const Panel *panel, LLVMValueRef value, LLVMValueRef block, LLVMValueRef row, LLVMValueRef column);
/* The epilogue at a place, given the finished sum there. */
void library_emit_epilogue(Emitter *e, Place *place, LLVMValueRef sum);
/* Index 0 in every PARALLEL and REDUCED loop, then those of the item. */
void library_begin_item(Emitter *e, Place *place, const int *axis, uint32_t axis_count, const LLVMValueRef *tile);
void library_call(Emitter *e, const char *name, LLVMValueRef *arguments, unsigned count);

#endif
