#include "machine.h"

#include "compiler.h"

#include <stdlib.h>
#include <string.h>

enum { SMALLEST_SIZE = 1 << 16, SIZE_FACTOR = 4, RUNS = 12, MOST_RUNS = 60, RESULT_BYTES = 256 };
static const double RUN_SECONDS = 1e-3; /* long against a launch, short against a time slice */
static const char PREFIX[] = "simbac_peak";

/* One thread's part. */
typedef struct Share {
  simba_call call;
  _Alignas(64) char result[RESULT_BYTES];
} Share;

typedef struct Measurement {
  simba_entry *entry;
  ThreadPool *pool;
  simba_executor *executor;
  Share *share; /* one a worker */
  char *memory; /* all shares read from it */
  int64_t work[PEAK_COUNT];
  int64_t preemptions;
  bool disturbed; /* the last run was */
} Measurement;

static void run_shares(const simba_call *call, void *const *arguments, void *scratch, int64_t begin, int64_t end) {
  (void)call, (void)scratch;
  const Measurement *measurement = arguments[0];
  for (int64_t k = begin; k < end; k++) measurement->entry(&measurement->share[k].call);
}

/* Seconds that all threads take for `rounds` rounds each, `times` times. */
static double run_peak(Measurement *measurement, CodegenPeak peak, int64_t rounds, int64_t times) {
  simba_executor *executor = measurement->executor;
  int64_t bytes = rounds * measurement->work[PEAK_READ];
  for (int32_t k = 0; k < executor->workers; k++) {
    simba_call *call = &measurement->share[k].call;
    *call = (simba_call){.symbol = {times}, .seed = (uint64_t)peak, .step = (uint64_t)rounds};
    call->arena = measurement->memory + (peak == PEAK_READ ? k * bytes : 0);
    call->scratch = measurement->share[k].result;
  }
  void *arguments[] = {measurement};
  double start = clock_seconds();
  executor->run(executor, run_shares, &measurement->share[0].call, arguments, NULL, 0, executor->workers, 0);
  return clock_seconds() - start;
}

/* Remembers whether a thread lost its processor in the launch. */
static void watch_launch(void *context, const simba_call *call, void *const *arguments, int32_t launch, int64_t items,
                         int64_t nanoseconds) {
  (void)call, (void)arguments, (void)launch, (void)items, (void)nanoseconds;
  Measurement *measurement = context;
  int64_t preemptions = thread_pool_preemptions(measurement->pool);
  measurement->disturbed = preemptions != measurement->preemptions;
  measurement->preemptions = preemptions;
}

/* Of several undisturbed runs; on a machine that is too busy for them, of disturbed ones. */
static double least_seconds(Measurement *measurement, CodegenPeak peak, int64_t rounds, int64_t times) {
  double least = 0;
  bool least_disturbed = true;
  for (int run = 0, undisturbed = 0; run < MOST_RUNS && undisturbed < RUNS; run++) {
    double seconds = run_peak(measurement, peak, rounds, times);
    undisturbed += !measurement->disturbed;
    bool better = measurement->disturbed == least_disturbed ? seconds < least : least_disturbed;
    if (run > 0 && !better) continue;
    least = seconds;
    least_disturbed = measurement->disturbed;
  }
  return least;
}

/* The best of several runs: rounds a second, of all threads. Where `rounds` is 0 there are as many as make the shortest
 * run long enough; else they are repeated until it is. */
static double best_rate(Measurement *measurement, CodegenPeak peak, int64_t rounds) {
  int64_t times = 1, *repeated = rounds ? &times : &rounds;
  if (!rounds) rounds = 1;
  double least = least_seconds(measurement, peak, rounds, times);
  while (least < RUN_SECONDS) {
    *repeated *= 2;
    least = least_seconds(measurement, peak, rounds, times);
  }
  return (double)rounds * (double)times * measurement->executor->workers / least;
}

static void measure(Measurement *measurement, MachineSpeed *speed) {
  const int64_t *work = measurement->work;
  speed->flops = best_rate(measurement, PEAK_MULTIPLY_ADD, 0) * (double)work[PEAK_MULTIPLY_ADD];
  speed->elementary = best_rate(measurement, PEAK_ELEMENTARY, 0) * (double)work[PEAK_ELEMENTARY];
  for (int k = 0; k < MACHINE_SIZES; k++) {
    int64_t rounds = speed->size[k] / measurement->executor->workers / work[PEAK_READ];
    speed->bandwidth[k] = best_rate(measurement, PEAK_READ, rounds ? rounds : 1) * (double)work[PEAK_READ];
  }
}

/* All pages are written to: those that are not are all the same one. */
static simba_status allocate(Measurement *measurement, int64_t largest, simba_error *error) {
  size_t workers = (size_t)measurement->executor->workers;
  size_t bytes = (size_t)largest + workers * (size_t)measurement->work[PEAK_READ];
  measurement->share = memory_allocate_aligned(workers, sizeof *measurement->share);
  measurement->memory = memory_allocate_aligned(bytes, 1);
  if (!measurement->share || !measurement->memory) return error_set_memory(error, "measuring this machine");
  memset(measurement->memory, 0, bytes);
  return SIMBA_OK;
}

static simba_status load_peaks(const CodegenApi *api, const CodegenOptions *options, Arena *arena,
                               Measurement *measurement, CodegenImage **out_image, simba_error *error) {
  CodegenObjects objects;
  simba_entry *prepare;
  const char *message = NULL;
  CodegenStatus result = api->peaks(PREFIX, options, arena, &objects, measurement->work, &message);
  if (result == CODEGEN_OK)
    result = api->load(&objects, PREFIX, arena, out_image, &prepare, &measurement->entry, &message);
  return codegen_status(result, message, error);
}

simba_status machine_measure(const CodegenApi *api, const CodegenOptions *options, ThreadPool *pool,
                             MachineSpeed *out_speed, simba_error *error) {
  Measurement measurement = {.pool = pool, .executor = thread_pool_executor(pool)};
  CodegenImage *image = NULL;
  int64_t size = SMALLEST_SIZE;
  for (int k = 0; k < MACHINE_SIZES; k++, size *= SIZE_FACTOR) out_speed->size[k] = size;
  Arena *arena = arena_create();
  simba_status status = load_peaks(api, options, arena, &measurement, &image, error);
  if (status == SIMBA_OK) status = allocate(&measurement, out_speed->size[MACHINE_SIZES - 1], error);
  if (status == SIMBA_OK) {
    thread_pool_set_hook(pool, watch_launch, &measurement);
    measure(&measurement, out_speed);
    thread_pool_set_hook(pool, NULL, NULL);
  }
  free(measurement.share);
  free(measurement.memory);
  if (image) api->unload(image);
  arena_destroy(arena);
  return status;
}

double machine_seconds(const MachineSpeed *speed, const Cost *cost) {
  double bytes = cost->bytes_read + cost->bytes_written;
  int level = 0;
  while (level < MACHINE_SIZES - 1 && bytes > (double)speed->size[level]) level++;
  double memory = bytes / speed->bandwidth[level];
  double arithmetic = (cost->adds + cost->multiplies) / speed->flops + cost->transcendentals / speed->elementary;
  return arithmetic > memory ? arithmetic : memory;
}
