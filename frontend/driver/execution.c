#include "execution.h"

#include <stdlib.h>
#include <string.h>

int32_t binding_find(const Binding *bindings, uint32_t count, const char *name) {
  for (uint32_t k = 0; k < count; k++) {
    if (!strcmp(bindings[k].name, name)) return (int32_t)k;
  }
  return -1;
}

int32_t output_find(const Program *program, OutputKind kind, const char *name) {
  for (uint32_t k = 0; k < program->output_count; k++) {
    if (program->output[k].kind == kind && !strcmp(program->output[k].name, name)) return (int32_t)k;
  }
  return -1;
}

static void symbols_of(int64_t batch, int64_t out_symbols[SIMBA_SYMBOLS]) {
  for (int k = 0; k < SIMBA_SYMBOLS; k++) out_symbols[k] = k == 0 ? batch : 0;
}

int64_t binding_count(const Binding *binding, int64_t batch) {
  int64_t symbols[SIMBA_SYMBOLS], count = 1;
  symbols_of(batch, symbols);
  for (int32_t k = 0; k < binding->shape.rank; k++) count *= dim_value(binding->shape.dim[k], symbols);
  return count;
}

int64_t execution_arena_bytes(const CompiledStep *step, int64_t batch) {
  int64_t symbols[SIMBA_SYMBOLS];
  symbols_of(batch, symbols);
  return linear_value(&step->program->arena_bytes, symbols);
}

simba_status execution_create(const CompiledStep *step, ThreadPool *pool, Execution **out_execution,
                              simba_error *error) {
  const Program *program = step->program;
  Execution *execution = memory_allocate(1, sizeof *execution);
  if (!execution) return error_set_memory(error, "a compiled step");
  memset(execution, 0, sizeof *execution);
  execution->step = step;
  execution->pool = pool;
  execution->input = memory_allocate_aligned(program->input_count + 1, sizeof *execution->input);
  execution->output = memory_allocate_aligned(program->output_count + 1, sizeof *execution->output);
  execution->parameter = memory_allocate_aligned(program->parameter_count + 1, sizeof *execution->parameter);
  execution->state = memory_allocate_aligned(program->state_count + 1, sizeof *execution->state);
  simba_call *call = &execution->call;
  int64_t none[SIMBA_SYMBOLS] = {0};
  call->executor = thread_pool_executor(pool);
  call->prepared = memory_allocate_aligned((size_t)linear_value(&program->prepared_bytes, none) + 64, 1);
  call->scratch = memory_allocate_aligned((size_t)call->executor->workers * step->scratch_bytes + 64, 1);
  if (!execution->input || !execution->output || !execution->parameter || !execution->state || !call->prepared ||
      !call->scratch) {
    execution_destroy(execution);
    return error_set_memory(error, "a compiled step");
  }
  call->input = execution->input;
  call->output = execution->output;
  call->parameter = execution->parameter;
  call->state = execution->state;
  *out_execution = execution;
  return SIMBA_OK;
}

void execution_destroy(Execution *execution) {
  if (!execution) return;
  free(execution->input);
  free(execution->output);
  free(execution->parameter);
  free(execution->state);
  free(execution->call.prepared);
  free(execution->call.scratch);
  free(execution->call.arena);
  free(execution);
}

simba_status execution_check_batch(int64_t batch, simba_error *error) {
  if (batch >= 1 && batch <= INT32_MAX) return SIMBA_OK;
  return error_set(error, SIMBA_INVALID_ARGUMENT, "the batch must be 1 to %d, not %lld", INT32_MAX, (long long)batch);
}

simba_status execution_reserve(Execution *execution, int64_t batch, simba_error *error) {
  if (execution->call.arena && batch <= execution->batch_reserved) return SIMBA_OK;
  int64_t bytes = execution_arena_bytes(execution->step, batch);
  void *arena = memory_allocate_aligned((size_t)bytes + 64, 1);
  if (!arena) {
    return error_set(error, SIMBA_OUT_OF_MEMORY, "a batch of %lld needs an arena of %lld MB, which the system refuses",
                     (long long)batch, (long long)(bytes >> 20));
  }
  free(execution->call.arena);
  execution->call.arena = arena;
  execution->batch_reserved = batch;
  return SIMBA_OK;
}

simba_status execution_prepare(Execution *execution, simba_error *error) {
  simba_status status = execution_reserve(execution, 1, error);
  if (status != SIMBA_OK) return status;
  symbols_of(execution->batch_reserved, execution->call.symbol);
  if (execution->step->prepare(&execution->call) != 0) return error_set(error, SIMBA_BUG, "preparing weights failed");
  return SIMBA_OK;
}

simba_status execution_run(Execution *execution, int64_t batch, uint64_t seed, uint64_t step, simba_error *error) {
  simba_status status = execution_reserve(execution, batch, error);
  if (status != SIMBA_OK) return status;
  symbols_of(batch, execution->call.symbol);
  execution->call.seed = seed;
  execution->call.step = step;
  if (execution->step->run(&execution->call) != 0) return error_set(error, SIMBA_BUG, "a compiled step failed");
  return SIMBA_OK;
}

void execution_clear(Execution *execution, int64_t batch) {
  const Program *program = execution->step->program;
  memset(execution->call.arena, 0, (size_t)execution_arena_bytes(execution->step, batch));
  memset(execution->call.scratch, 0, (size_t)execution->call.executor->workers * execution->step->scratch_bytes);
  for (uint32_t k = 0; k < program->output_count; k++)
    memset(execution->output[k], 0, (size_t)binding_count(&program->output[k], batch) * sizeof(float));
}
