/* A compiled step bound to memory: one program, its arena, prepared block and scratch, and the pointer tables of a
 * call. Grows its arena when the batch grows and keeps it; allocates nothing in a step otherwise. */
#ifndef SIMBAC_DRIVER_EXECUTION_H
#define SIMBAC_DRIVER_EXECUTION_H

#include "codegen/codegen.h"
#include "runtime/threads.h"

/* Code in memory, ready to run. */
typedef struct CompiledStep {
  const CodegenApi *api;
  const Program *program;
  CodegenImage *image;
  simba_entry *prepare, *run;
  size_t scratch_bytes; /* a worker's */
} CompiledStep;

typedef struct Execution {
  const CompiledStep *step;
  ThreadPool *pool;
  const float **input, **parameter, **state; /* to be set by the owner, in the program's order */
  float **output;
  int64_t batch_reserved; /* the arena is large enough for it */
  simba_call call;
} Execution;

simba_status execution_create(const CompiledStep *step, ThreadPool *pool, Execution **out_execution,
                              simba_error *error);
void execution_destroy(Execution *execution);
/* Bytes of the arena for a batch. */
int64_t execution_arena_bytes(const CompiledStep *step, int64_t batch);
/* SIMBA_OK where it is 1 .. 2147483647, so that no size overflows. */
simba_status execution_check_batch(int64_t batch, simba_error *error);
simba_status execution_reserve(Execution *execution, int64_t batch, simba_error *error);
/* Computes what depends on parameters only; to be called when they have changed. */
simba_status execution_prepare(Execution *execution, simba_error *error);
simba_status execution_run(Execution *execution, int64_t batch, uint64_t seed, uint64_t step, simba_error *error);

/* Zeros in the arena, in scratch and in the outputs of a batch that has run: what that has left there is gone. */
void execution_clear(Execution *execution, int64_t batch);

/* Position in one of the program's binding tables, or -1. */
int32_t binding_find(const Binding *bindings, uint32_t count, const char *name);
int32_t output_find(const Program *program, OutputKind kind, const char *name);
/* Elements of a binding for a batch. */
int64_t binding_count(const Binding *binding, int64_t batch);

#endif
