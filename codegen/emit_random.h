/* Counter-based random numbers in emitted code. */
#ifndef SIMBAC_CODEGEN_EMIT_RANDOM_H
#define SIMBAC_CODEGEN_EMIT_RANDOM_H

#include "emit.h"

/* Uniform in [0, 1) of element `element` (i64, scalar or vector) of a stream, with the call's seed and step. */
LLVMValueRef emit_random_unit(Emitter *e, LLVMValueRef element, int64_t stream);

#endif
