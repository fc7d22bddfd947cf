/* Objects into this process, by LLVM's JIT linker. */
#ifndef SIMBAC_CODEGEN_JIT_H
#define SIMBAC_CODEGEN_JIT_H

#include "codegen.h"

/* Bugs unwind: a malformed object, or one that needs a symbol which neither the objects define nor runtime/abi.def
 * lists. The image and its code live until jit_unload; `objects` are copied. */
CodegenImage *jit_load(const CodegenObjects *objects, const char *prefix, Arena *arena, simba_entry **out_prepare,
                       simba_entry **out_run);
void jit_unload(CodegenImage *image);

#endif
