/* The two entry points of a program: straight-line code that computes the addresses of buffers, fills argument arrays
 * and launches kernels, on the caller's executor or directly. A group of launches (program.h) is a function of its own
 * whose items are images. */
#ifndef SIMBAC_CODEGEN_ENTRY_H
#define SIMBAC_CODEGEN_ENTRY_H

#include "session.h"

#include "ir/program.h"

/* Fields of simba_call by number, as runtime/abi.h orders them. */
enum {
  CALL_SYMBOL,
  CALL_SEED,
  CALL_STEP,
  CALL_INPUT,
  CALL_OUTPUT,
  CALL_PARAMETER,
  CALL_STATE,
  CALL_PREPARED,
  CALL_ARENA,
  CALL_SCRATCH,
  CALL_EXECUTOR
};

/* Fields of simba_executor by number. */
enum { EXECUTOR_WORKERS, EXECUTOR_STEPWISE, EXECUTOR_RUN };

/* Bytes of scratch that a worker needs for any kernel of the program; a multiple of 64. */
size_t entry_scratch_bytes(const Program *program, const Target *target, int lanes);
/* Names of the program's kernels, by which its objects find each other, visible nowhere else: the kernel's number, for
 * people; or what the kernel is, so that equal kernels of several programs are equal objects. */
const char *const *entry_names_by_number(const Program *program, const char *prefix, Arena *arena);
const char *const *entry_names_by_content(const Program *program, const char *prefix, Arena *arena);
/* Emits <prefix>_prepare and <prefix>_run into the session's module; kernels it has no definition of are declared. */
void entry_emit(Session *session, const Program *program, const char *prefix, const char *const *kernel_name);

#endif
