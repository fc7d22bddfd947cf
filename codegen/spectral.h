/* SPECTRAL kernels: a Fourier transform as the product of a constant table and the data. */
#ifndef SIMBAC_CODEGEN_SPECTRAL_H
#define SIMBAC_CODEGEN_SPECTRAL_H

#include "emit.h"

KernelWork spectral_work(const Kernel *kernel, const Target *target, int lanes);
void spectral_emit(Session *session, const Kernel *kernel, const char *name);

#endif
