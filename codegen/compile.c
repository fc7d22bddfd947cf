#include "compile.h"

#include "cache.h"
#include "entry.h"
#include "object.h"

#include "runtime/library_kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_THREADS = 64 };

/* One module: a kernel, or the entry points, which find kernels by name. */
typedef struct Unit {
  ModuleSpec spec;
  uint32_t kernel; /* the one of spec */
  uint64_t load;   /* expressions, about */
  CodegenBlob object;
} Unit;

/* What the threads share. Whoever is free takes the next unit. */
typedef struct Work {
  const CodegenOptions *options;
  const Target *target;
  Cache *cache; /* NULL: none */
  uint32_t count;
  Unit *unit;          /* the entry points, then the kernels in their order */
  Unit **by_load;      /* the same, those with most to do first */
  atomic_uint started; /* of by_load */
} Work;

typedef struct Worker {
  Work *work;
  Arena *arena; /* owns the objects it made */
  Session session;
  Guard guard;
  CodegenTimes times;
  pthread_t thread;
} Worker;

/* Emitted code is checked where it is developed; in a release build on demand. */
static bool must_verify(const CodegenOptions *options) {
#ifdef NDEBUG
  return options->verify;
#else
  (void)options;
  return true;
#endif
}

static bool load_libraries(const CodegenOptions *options, Arena *arena, const char **out_message) {
  simba_error error = {0};
  if (options->triple) {
    *out_message = "OpenBLAS and FFTW serve code for this machine only";
    return false;
  }
  if (library_blas_load(&error) == SIMBA_OK && library_fft_load(&error) == SIMBA_OK) return true;
  *out_message = arena_format(arena, "%s", error.message);
  return false;
}

bool compile_target(const CodegenOptions *options, Arena *arena, Target *out, const char **out_message) {
  if (options->lanes != 0 && options->lanes != 4 && options->lanes != 8 && options->lanes != 16) {
    *out_message = arena_format(arena, "a vector of %d f32: 4, 8 and 16 are possible", options->lanes);
    return false;
  }
  if (!target_find(options->triple, options->cpu, arena, out, out_message)) return false;
  out->has_libraries = options->library_kernels;
  return !options->library_kernels || load_libraries(options, arena, out_message);
}

/* Entry points are a launch behind the other, thousands in a large model's step: nothing of them is worth optimising,
 * and common subexpressions would be kept alive from one end to the other. */
static void optimise_and_encode(Worker *worker, Unit *unit) {
  Session *session = &worker->session;
  if (unit->spec.entry) {
    unit->object = object_bytes(session, session->entry_machine, worker->arena, &worker->times);
    return;
  }
  double start = object_clock();
  object_optimise(session);
  worker->times.optimise += object_clock() - start;
  unit->object = object_bytes(session, session->machine, worker->arena, &worker->times);
}

static void build_unit(Worker *worker, Unit *unit) {
  Work *work = worker->work;
  object_emit(&worker->session, &unit->spec, must_verify(work->options), &worker->times);
  if (!work->cache) {
    optimise_and_encode(worker, unit);
    return;
  }
  CacheKey key = cache_key(&worker->session, unit->spec.entry ? "" : OBJECT_PIPELINE);
  if (cache_find(work->cache, &key, worker->arena, &unit->object)) {
    worker->times.cached++;
    return;
  }
  optimise_and_encode(worker, unit);
  cache_store(work->cache, &key, unit->object);
}

static void *run_worker(void *argument) {
  Worker *worker = argument;
  Work *work = worker->work;
  if (guard_enter(&worker->guard)) {
    worker->arena = arena_create();
    session_begin(&worker->session, work->target, work->options->lanes, worker->arena);
    for (unsigned next; (next = atomic_fetch_add(&work->started, 1)) < work->count;)
      build_unit(worker, work->by_load[next]);
    guard_leave(&worker->guard);
  }
  session_discard(&worker->session, &worker->guard);
  return NULL;
}

static uint32_t thread_count(const Work *work) {
  long wanted = work->options->threads ? work->options->threads : sysconf(_SC_NPROCESSORS_ONLN);
  if (wanted > MAX_THREADS) wanted = MAX_THREADS;
  if (wanted > (long)work->count) wanted = work->count;
  return wanted < 1 ? 1 : (uint32_t)wanted;
}

static uint64_t kernel_load(const Kernel *kernel) {
  return 8 + kernel->expr_count + (kernel->family == LOWER_MAP ? 0 : 32) + 32 * (uint64_t)kernel->recurrence_count;
}

static int compare_loads(const void *a, const void *b) {
  const Unit *left = *(Unit *const *)a, *right = *(Unit *const *)b;
  if (left->load != right->load) return left->load < right->load ? 1 : -1;
  return left < right ? -1 : 1;
}

static void plan_units(Work *work, const Program *program, const char *prefix, Arena *arena) {
  const char *const *names = entry_names_by_content(program, prefix, arena);
  work->count = program->kernel_count + 1;
  work->unit = ARENA_ARRAY(arena, Unit, work->count);
  work->by_load = ARENA_ARRAY(arena, Unit *, work->count);
  for (uint32_t k = 0; k < work->count; k++) {
    Unit *unit = &work->unit[k];
    bool entry = k == 0;
    unit->spec = (ModuleSpec){.program = program, .prefix = prefix, .kernel_name = names, .entry = entry};
    unit->load = program->launch_count + program->prepare_count;
    work->by_load[k] = unit;
    if (entry) continue;
    unit->kernel = k - 1;
    unit->spec.kernel = &unit->kernel;
    unit->spec.kernel_count = 1;
    unit->load = kernel_load(program->kernel[unit->kernel]);
  }
  qsort(work->by_load, work->count, sizeof *work->by_load, compare_loads);
}

/* The calling thread is worker 0, and does the work of those for which no thread could be made. */
static void run_workers(Worker *workers, uint32_t count) {
  bool started[MAX_THREADS] = {false};
  for (uint32_t k = 1; k < count; k++)
    started[k] = pthread_create(&workers[k].thread, NULL, run_worker, &workers[k]) == 0;
  run_worker(&workers[0]);
  for (uint32_t k = 1; k < count; k++)
    if (started[k]) pthread_join(workers[k].thread, NULL);
}

static void add_times(CodegenTimes *sum, const CodegenTimes *part) {
  sum->emit += part->emit;
  sum->optimise += part->optimise;
  sum->encode += part->encode;
  sum->kernels += part->kernels;
  sum->cached += part->cached;
  sum->library += part->library;
  sum->fallback += part->fallback;
}

/* The first failure of a worker becomes that of the caller's guard, once nothing of the workers is held any more. */
static void collect_objects(const Work *work, Worker *workers, uint32_t count, Arena *arena, CodegenObjects *out) {
  const Guard *failed = NULL;
  for (uint32_t k = 0; k < count; k++) {
    add_times(&out->times, &workers[k].times);
    if (workers[k].guard.kind != GUARD_OK && !failed) failed = &workers[k].guard;
  }
  for (uint32_t k = 0; !failed && k < work->count; k++) {
    const CodegenBlob *made = &work->unit[k].object;
    out->object[k] = (CodegenBlob){arena_copy(arena, made->bytes, made->size), made->size};
  }
  for (uint32_t k = 0; k < count; k++) arena_destroy(workers[k].arena);
  if (failed) guard_pass_on(failed);
}

void compile_program(const Program *program, const char *prefix, const CodegenOptions *options, const Target *target,
                     Arena *arena, CodegenObjects *out) {
  int lanes = options->lanes ? options->lanes : target->lanes;
  Work work = {.options = options, .target = target};
  plan_units(&work, program, prefix, arena);
  *out = (CodegenObjects){.count = work.count,
                          .object = ARENA_ARRAY(arena, CodegenBlob, work.count),
                          .scratch_bytes = entry_scratch_bytes(program, target, lanes),
                          .triple = target->triple,
                          .cpu = target->cpu};
  uint32_t count = thread_count(&work);
  Worker *workers = ARENA_ARRAY(arena, Worker, count);
  for (uint32_t k = 0; k < count; k++) workers[k].work = &work;
  if (options->cache_folder) work.cache = cache_open(options->cache_folder, arena, &out->cache_problem);
  run_workers(workers, count);
  cache_close(work.cache);
  collect_objects(&work, workers, count, arena, out);
}

static void print_module(Session *session, CodegenText kind, Text *out) {
  if (kind == CODEGEN_LLVM) {
    char *text = LLVMPrintModuleToString(session->module);
    text_puts(out, text);
    LLVMDisposeMessage(text);
    return;
  }
  CodegenTimes times = {0};
  LLVMMemoryBufferRef buffer = object_encode(session, session->machine, LLVMAssemblyFile, &times);
  text_add(out, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
  LLVMDisposeMemoryBuffer(buffer);
}

void compile_text(const Program *program, const char *prefix, const CodegenOptions *options, const Target *target,
                  CodegenText kind, Text *out) {
  ModuleSpec spec = object_whole(program, prefix, out->arena);
  CodegenTimes times = {0};
  Session *session = ARENA_NEW(out->arena, Session);
  Guard guard;
  if (guard_enter(&guard)) {
    session_begin(session, target, options->lanes, out->arena);
    object_build(session, &spec, must_verify(options), &times);
    print_module(session, kind, out);
    guard_leave(&guard);
  }
  session_discard(session, &guard);
  guard_pass_on(&guard);
}
