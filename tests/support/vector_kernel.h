/* The elementary functions of codegen/vector_math.h as callable code of this machine: y[i] = f(x[i]), for the
 * exhaustive test and the benchmark of vector math. */
#ifndef SIMBAC_TESTS_VECTOR_KERNEL_H
#define SIMBAC_TESTS_VECTOR_KERNEL_H

#include "codegen/emit.h"

#include <llvm-c/LLJIT.h>

/* `count` is a multiple of VECTOR_KERNEL_STEP. */
typedef void VectorKernelFunction(const float *x, float *y, int64_t count);
typedef LLVMValueRef VectorKernelEmit(Emitter *e, LLVMValueRef x);
enum { VECTOR_KERNEL_STEP = 64 };

typedef struct VectorKernel {
  VectorKernelFunction *run;
  LLVMOrcLLJITRef jit;
} VectorKernel;

/* `cpu` as target_find takes it; "baseline" is that of this machine's triple. `lanes` 0: the target's. A failure is a
 * guard_bug, which without a guard ends the process. */
void vector_kernel_create(VectorKernelEmit *emit, const char *cpu, int lanes, VectorKernel *out);
void vector_kernel_destroy(VectorKernel *kernel);

#endif
