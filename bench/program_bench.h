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

enum { BENCH_THREADS = 2, BENCH_RESULT_BYTES = 256 };

typedef struct ProgramBench {
  const CodegenApi *api;
  CodegenImage *image;
  simba_entry *run;
  simba_call call;
} ProgramBench;

/* What the machine does at most, measured between the runs of a program. */
typedef struct PeakBench {
  CodegenImage *image;
  simba_entry *run;
  int64_t work[PEAK_COUNT], rounds;
  simba_call call[BENCH_THREADS]; /* a thread's part */
  char result[BENCH_THREADS][BENCH_RESULT_BYTES];
} PeakBench;

/* Seconds of the launches of a run, whose clock is that of the pool. */
typedef struct LaunchClock {
  ThreadPool *pool;
  double seconds;
  int64_t preemptions;
  bool disturbed; /* a thread lost its processor */
} LaunchClock;

typedef struct BenchTimes {
  double least;      /* seconds of a run */
  double peak_flops; /* additions and multiplications a second, of all threads; 0: not asked for */
  bool disturbed;    /* the machine was too busy for a run without a context switch */
} BenchTimes;

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

static inline void peak_bench_create(Arena *arena, PeakBench *out) {
  enum { ROUNDS = 4000 }; /* some tenths of a millisecond */
  const CodegenApi *api = simbac_codegen_api();
  CodegenOptions options = {0};
  CodegenObjects objects;
  simba_entry *prepare;
  const char *message = "";
  *out = (PeakBench){.rounds = ROUNDS};
  if (api->peaks("peak", &options, arena, &objects, out->work, &message)) bench_fail("peaks", message);
  if (api->load(&objects, "peak", arena, &out->image, &prepare, &out->run, &message)) bench_fail("load", message);
}

static inline void peak_bench_items(const simba_call *call, void *const *arguments, void *scratch, int64_t begin,
                                    int64_t end) {
  (void)call, (void)scratch;
  const PeakBench *bench = arguments[0];
  for (int64_t k = begin; k < end; k++) bench->run(&bench->call[k]);
}

static inline void peak_bench_run(PeakBench *bench, simba_executor *executor) {
  for (int32_t k = 0; k < executor->workers; k++)
    bench->call[k] = (simba_call){
        .seed = PEAK_MULTIPLY_ADD, .step = (uint64_t)bench->rounds, .symbol = {1}, .scratch = bench->result[k]};
  void *arguments[] = {bench};
  executor->run(executor, peak_bench_items, &bench->call[0], arguments, NULL, 0, executor->workers, 0);
}

static inline void bench_record_launch(void *context, const simba_call *call, void *const *arguments, int32_t launch,
                                       int64_t items, int64_t nanoseconds) {
  (void)call, (void)arguments, (void)launch, (void)items;
  LaunchClock *clock = context;
  int64_t preemptions = thread_pool_preemptions(clock->pool);
  clock->disturbed |= preemptions != clock->preemptions;
  clock->preemptions = preemptions;
  clock->seconds += 1e-9 * (double)nanoseconds;
}

/* The least of samples; of disturbed ones only as long as there are no others. */
static inline void bench_keep_least(LaunchClock *clock, double *least, bool *least_disturbed) {
  bool better = clock->disturbed == *least_disturbed ? clock->seconds < *least : *least_disturbed;
  if (better) {
    *least = clock->seconds;
    *least_disturbed = clock->disturbed;
  }
  clock->seconds = 0;
  clock->disturbed = false;
}

/* Least time of a run, over `total` seconds of runs and at least 5, and for some times as long where a thread lost its
 * processor in all of them. Time between launches does not count. `peak` may be NULL; else its runs alternate with the
 * program's. */
static inline BenchTimes program_bench_time(ProgramBench *bench, PeakBench *peak, int32_t threads, double total) {
  enum { LEAST_RUNS = 5, PATIENCE = 6 };
  LaunchClock clock = {0};
  simba_error error = {0};
  if (thread_pool_create(threads, &clock.pool, &error)) bench_fail("threads", error.message);
  simba_executor *executor = thread_pool_executor(clock.pool);
  bench->call.executor = executor;
  thread_pool_set_hook(clock.pool, bench_record_launch, &clock);
  BenchTimes times = {1e9, 0, true};
  double peak_least = 1e9, begin = bench_seconds();
  bool peak_disturbed = true;
  for (int run = 0;; run++) {
    double spent = bench_seconds() - begin;
    if (run >= LEAST_RUNS && spent > total && (!times.disturbed || spent > PATIENCE * total)) break;
    if (bench->run(&bench->call)) bench_fail("run", "failed");
    bench_keep_least(&clock, &times.least, &times.disturbed);
    if (!peak) continue;
    peak_bench_run(peak, executor);
    bench_keep_least(&clock, &peak_least, &peak_disturbed);
  }
  if (peak) {
    double work = (double)peak->work[PEAK_MULTIPLY_ADD] * (double)(peak->rounds * threads);
    times.peak_flops = work / peak_least;
  }
  thread_pool_set_hook(clock.pool, NULL, NULL);
  bench->call.executor = NULL;
  thread_pool_destroy(clock.pool);
  return times;
}

#endif
