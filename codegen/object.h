/* From kernels to object bytes: one module, optimised, checked and encoded, in one thread. */
#ifndef SIMBAC_CODEGEN_OBJECT_H
#define SIMBAC_CODEGEN_OBJECT_H

#include "codegen.h"
#include "session.h"

/* What a module holds: some kernels of a program, and perhaps its entry points. */
typedef struct ModuleSpec {
  const Program *program;
  const char *prefix;
  const char *const *kernel_name; /* of every kernel of the program */
  uint32_t kernel_count;
  const uint32_t *kernel; /* numbers */
  bool entry;
} ModuleSpec;

/* All of a program in one module. */
ModuleSpec object_whole(const Program *program, const char *prefix, Arena *arena);

extern const char OBJECT_PIPELINE[]; /* what object_optimise runs */

/* Emits and verifies (`verify`) the module; it stays in the session. Times are added to. */
void object_emit(Session *session, const ModuleSpec *spec, bool verify, CodegenTimes *times);
/* The same, and optimises it. */
void object_build(Session *session, const ModuleSpec *spec, bool verify, CodegenTimes *times);
/* Encodes the session's module by one of its machines; LLVM changes the module by it: once for each module. */
LLVMMemoryBufferRef object_encode(Session *session, LLVMTargetMachineRef machine, LLVMCodeGenFileType type,
                                  CodegenTimes *times);
/* The object code of the session's module, in `arena`. */
CodegenBlob object_bytes(Session *session, LLVMTargetMachineRef machine, Arena *arena, CodegenTimes *times);
/* LLVM's verifier and the pipeline, for modules that others have filled (exports). */
void object_verify(Session *session);
void object_optimise(Session *session);
void object_prune(Session *session); /* internal functions and data that nothing uses go */

double object_clock(void); /* seconds */

#endif
