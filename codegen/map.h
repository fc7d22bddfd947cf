/* MAP kernels: elementwise expressions with broadcasts and chained reductions. */
#ifndef SIMBAC_CODEGEN_MAP_H
#define SIMBAC_CODEGEN_MAP_H

#include "emit.h"

KernelWork map_work(const Kernel *kernel, const Target *target, int lanes);
void map_emit(Session *session, const Kernel *kernel, const char *name);

#endif
