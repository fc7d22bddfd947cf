/* SPECTRAL kernels: Fourier transforms along one axis, by levels of codelets across lanes (spectral_plan.h). */
#ifndef SIMBAC_CODEGEN_SPECTRAL_H
#define SIMBAC_CODEGEN_SPECTRAL_H

#include "emit.h"

KernelWork spectral_work(const Kernel *kernel, const Target *target, int lanes);
void spectral_emit(Session *session, const Kernel *kernel, const char *name);
void spectral_describe(const Kernel *kernel, const Target *target, int lanes, Text *out);

/* The axes that are transformed, and their indices on one side at a row of it: part * rows + frequency or sample. */
AxisMask spectral_axes(const Kernel *kernel);
void spectral_set_row(Emitter *e, Place *place, AxisRole role, LLVMValueRef row);

#endif
