/* CONTRACT kernels: sums of products over REDUCED axes, register-tiled, with an epilogue of expressions. */
#ifndef SIMBAC_CODEGEN_CONTRACT_H
#define SIMBAC_CODEGEN_CONTRACT_H

#include "emit.h"

KernelWork contract_work(const Kernel *kernel, const Target *target, int lanes);
void contract_emit(Session *session, const Kernel *kernel, const char *name);

#endif
