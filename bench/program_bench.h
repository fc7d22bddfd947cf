/* Graphs as compiled code that is timed: passes, lowering and the code generator as every user has them, the inputs
 * random, the threads those of the runtime. A step that fails ends the benchmark with its message. */
#ifndef SIMBAC_BENCH_PROGRAM_BENCH_H
#define SIMBAC_BENCH_PROGRAM_BENCH_H

#include "codegen/codegen.h"
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "runtime/threads.h"
#include "tests/random_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

CodegenApiFunction simbac_codegen_api;

enum { BENCH_THREADS = 2 };

typedef struct ProgramBench {
  const CodegenApi *api;
  CodegenImage *image;
  simba_entry *run;
  simba_call call;
} ProgramBench;

static inline void bench_fail(const char *what, const char *message) {
  fprintf(stderr, "%s: %s\n", what, message);
  exit(EXIT_FAILURE);
}

static inline double bench_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The first line that describes the host: machine, CPU, lanes, registers. */
static inline void bench_print_machine(void) {
  Arena *arena = arena_create();
  Text text = text_begin(arena);
  simbac_codegen_api()->describe_host(&text);
  size_t first_line = strcspn(text.data, "\n");
  printf("%.*s\nleast of many runs\n", (int)first_line, text.data);
  arena_destroy(arena);
}

static inline void *bench_block(Arena *arena, int64_t bytes) {
  char *memory = arena_allocate(arena, (size_t)bytes + 64);
  memset(memory, 0, (size_t)bytes + 64);
  return memory + (64 - (uintptr_t)memory % 64) % 64;
}

static inline float **bench_bindings(Arena *arena, const Binding *bindings, uint32_t count, const int64_t *symbols) {
  Random random = {1};
  float **data = ARENA_ARRAY(arena, float *, count + 1);
  for (uint32_t k = 0; k < count; k++) {
    int64_t size = shape_value_count(&bindings[k].shape, symbols);
    data[k] = bench_block(arena, size * (int64_t)sizeof(float));
    for (int64_t i = 0; i < size; i++) data[k][i] = (float)random_between(&random, -1, 1);
  }
  return data;
}

/* `differentiate` NULL: forward alone. */
static inline ProgramBench program_bench_create(const Graph *graph, const DifferentiateSpec *differentiate,
                                                const int64_t *symbols, Arena *arena) {
  PipelineOptions pipeline = {.differentiate = differentiate};
  Program *program = program_build(pipeline_run(graph, arena, &pipeline, NULL), arena, NULL);
  ProgramBench bench = {.api = simbac_codegen_api()};
  CodegenOptions options = {0};
  CodegenObjects objects;
  simba_entry *prepare;
  const char *message = "";
  if (bench.api->compile(program, "bench", &options, arena, &objects, &message)) bench_fail("compile", message);
  if (bench.api->load(&objects, "bench", arena, &bench.image, &prepare, &bench.run, &message))
    bench_fail("load", message);
  bench.call = (simba_call){
      .input = (const float *const *)bench_bindings(arena, program->input, program->input_count, symbols),
      .output = bench_bindings(arena, program->output, program->output_count, symbols),
      .parameter = (const float *const *)bench_bindings(arena, program->parameter, program->parameter_count, symbols),
      .state = (const float *const *)bench_bindings(arena, program->state, program->state_count, symbols),
      .prepared = bench_block(arena, linear_value(&program->prepared_bytes, symbols)),
      .arena = bench_block(arena, linear_value(&program->arena_bytes, symbols)),
      .scratch = bench_block(arena, (int64_t)objects.scratch_bytes * BENCH_THREADS)};
  memcpy(bench.call.symbol, symbols, sizeof bench.call.symbol);
  if (prepare(&bench.call)) bench_fail("prepare", "failed");
  return bench;
}

static inline void program_bench_destroy(ProgramBench *bench) { bench->api->unload(bench->image); }

/* Least seconds of a run, over `total` seconds of runs and at least 5. */
static inline double program_bench_time(ProgramBench *bench, int32_t threads, double total) {
  ThreadPool *pool = NULL;
  simba_error error = {0};
  if (thread_pool_create(threads, &pool, &error)) bench_fail("threads", error.message);
  bench->call.executor = threads > 1 ? thread_pool_executor(pool) : NULL;
  double least = 1e9, begin = bench_seconds();
  for (int run = 0; run < 5 || bench_seconds() - begin < total; run++) {
    double start = bench_seconds();
    if (bench->run(&bench->call)) bench_fail("run", "failed");
    double taken = bench_seconds() - start;
    if (taken < least) least = taken;
  }
  bench->call.executor = NULL;
  thread_pool_destroy(pool);
  return least;
}

#endif
