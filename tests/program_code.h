/* Machine code of a program, run on data that depends on the names of its leaves alone. Whatever a call is given to
 * write to begins as NaN: what is read before it is written, or not written at all, shows. */
#ifndef SIMBAC_TESTS_PROGRAM_CODE_H
#define SIMBAC_TESTS_PROGRAM_CODE_H

#include "runtime/threads.h"
#include "tests/codegen_library.h"
#include "tests/program_run.h"

/* Made once and run several times. */
typedef struct Code {
  const Program *program;
  CodegenObjects objects;
  CodegenImage *image;
  simba_entry *prepare, *run;
} Code;

static inline Code code_create(const Program *program, const CodegenOptions *options, Arena *arena) {
  Code code = {.program = program};
  const CodegenApi *api = codegen_library();
  const char *message = "";
  if (api->compile(program, "net", options, arena, &code.objects, &message)) ck_abort_msg("%s", message);
  if (api->load(&code.objects, "net", arena, &code.image, &code.prepare, &code.run, &message))
    ck_abort_msg("%s", message);
  return code;
}

static inline void code_destroy(Code *code) { codegen_library()->unload(code->image); }

static inline float **code_leaves(const Binding *bindings, uint32_t count, const int64_t *symbols, Arena *arena) {
  float **data = ARENA_ARRAY(arena, float *, count + 1);
  for (uint32_t k = 0; k < count; k++) {
    int64_t size = shape_value_count(&bindings[k].shape, symbols);
    double *values = leaf_data(bindings[k].name, &bindings[k].shape, symbols, arena);
    data[k] = ARENA_ARRAY(arena, float, size + 1);
    for (int64_t i = 0; i < size; i++) data[k][i] = (float)values[i];
  }
  return data;
}

/* All bits set is a NaN; aligned as a call wants it. */
static inline void *code_block(size_t bytes, Arena *arena) {
  char *memory = arena_allocate(arena, bytes + 64);
  memory += (64 - (uintptr_t)memory % 64) % 64;
  return memset(memory, 0xff, bytes);
}

/* The outputs, in order. `threads` 0: no executor, all on the calling thread. */
static inline float **code_run(const Code *code, const int64_t *symbols, int32_t threads, Arena *arena) {
  const Program *program = code->program;
  float **output = ARENA_ARRAY(arena, float *, program->output_count + 1);
  for (uint32_t k = 0; k < program->output_count; k++) {
    size_t count = (size_t)shape_value_count(&program->output[k].shape, symbols);
    output[k] = code_block(count * sizeof(float), arena);
  }
  simba_call call = {
      .seed = PROGRAM_SEED,
      .step = PROGRAM_STEP,
      .input = (const float *const *)code_leaves(program->input, program->input_count, symbols, arena),
      .output = output,
      .parameter = (const float *const *)code_leaves(program->parameter, program->parameter_count, symbols, arena),
      .state = (const float *const *)code_leaves(program->state, program->state_count, symbols, arena),
      .prepared = code_block((size_t)linear_value(&program->prepared_bytes, symbols), arena),
      .arena = code_block((size_t)linear_value(&program->arena_bytes, symbols), arena),
      .scratch = code_block(code->objects.scratch_bytes * (size_t)(threads > 0 ? threads : 1), arena)};
  memcpy(call.symbol, symbols, sizeof call.symbol);
  ThreadPool *pool = NULL;
  if (threads > 0) {
    ck_assert_int_eq(thread_pool_create(threads, &pool, NULL), SIMBA_OK);
    call.executor = thread_pool_executor(pool);
  }
  ck_assert_int_eq(code->prepare(&call), 0);
  ck_assert_int_eq(code->run(&call), 0);
  if (pool) thread_pool_destroy(pool);
  return output;
}

#endif
