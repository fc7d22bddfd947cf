#include "compile.h"

#include "cache.h"
#include "entry.h"
#include "object.h"

#include "runtime/library_kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PARTS = 64 };

/* One module and the thread that makes it. */
typedef struct Part {
  ModuleSpec spec;
  const CodegenOptions *options;
  const Target *target;
  uint64_t load; /* expressions dealt to it */
  uint32_t *kernel;
  Arena *arena; /* owns the object */
  Session session;
  Guard guard;
  CodegenBlob object;
  CodegenTimes times;
  pthread_t thread;
} Part;

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

static void optimise_and_encode(Part *part) {
  double start = object_clock();
  object_optimise(&part->session);
  part->times.optimise += object_clock() - start;
  LLVMMemoryBufferRef buffer = object_encode(&part->session, LLVMObjectFile, &part->times);
  size_t size = LLVMGetBufferSize(buffer);
  part->object = (CodegenBlob){arena_copy(part->arena, LLVMGetBufferStart(buffer), size), size};
  LLVMDisposeMemoryBuffer(buffer);
}

static void build_part(Part *part) {
  const char *folder = part->options->cache_folder;
  part->arena = arena_create();
  session_begin(&part->session, part->target, part->options->lanes, part->arena);
  object_emit(&part->session, &part->spec, must_verify(part->options), &part->times);
  if (!folder) {
    optimise_and_encode(part);
    return;
  }
  CacheKey key = cache_key(&part->session, OBJECT_PIPELINE);
  if (cache_find(folder, &key, part->arena, &part->object)) {
    part->times.cached += part->spec.kernel_count;
    return;
  }
  optimise_and_encode(part);
  cache_store(folder, &key, part->object, part->arena);
}

static void *run_part(void *argument) {
  Part *part = argument;
  if (guard_enter(&part->guard)) {
    build_part(part);
    guard_leave(&part->guard);
  }
  session_discard(&part->session, &part->guard);
  return NULL;
}

static uint32_t part_count(const Program *program, const CodegenOptions *options) {
  long wanted = options->threads ? options->threads : sysconf(_SC_NPROCESSORS_ONLN);
  if (wanted > MAX_PARTS) wanted = MAX_PARTS;
  if (wanted > (long)program->kernel_count) wanted = program->kernel_count;
  return wanted < 1 ? 1 : (uint32_t)wanted;
}

static uint64_t kernel_load(const Kernel *kernel) {
  return 8 + kernel->expr_count + (kernel->family == LOWER_MAP ? 0 : 32);
}

/* Each kernel goes to the part with least to do. The first part also makes the entry points. */
static void deal_kernels(const Program *program, Part *parts, uint32_t count, Arena *arena) {
  for (uint32_t k = 0; k < count; k++) parts[k].kernel = ARENA_ARRAY(arena, uint32_t, program->kernel_count + 1);
  parts[0].load = program->launch_count + program->prepare_count;
  for (uint32_t k = 0; k < program->kernel_count; k++) {
    Part *least = parts;
    for (uint32_t p = 1; p < count; p++)
      if (parts[p].load < least->load) least = &parts[p];
    least->kernel[least->spec.kernel_count++] = k;
    least->load += kernel_load(program->kernel[k]);
  }
}

/* The calling thread takes part 0, and those for which no thread could be made. */
static void run_parts(Part *parts, uint32_t count) {
  bool started[MAX_PARTS] = {false};
  for (uint32_t k = 1; k < count; k++) started[k] = pthread_create(&parts[k].thread, NULL, run_part, &parts[k]) == 0;
  for (uint32_t k = 0; k < count; k++)
    if (!started[k]) run_part(&parts[k]);
  for (uint32_t k = 1; k < count; k++)
    if (started[k]) pthread_join(parts[k].thread, NULL);
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

/* The first failure of a part becomes that of the caller's guard, once nothing of the parts is held any more. */
static void collect_parts(Part *parts, uint32_t count, Arena *arena, CodegenObjects *out) {
  const Guard *failed = NULL;
  for (uint32_t k = 0; k < count; k++) {
    Part *part = &parts[k];
    add_times(&out->times, &part->times);
    if (part->guard.kind != GUARD_OK && !failed) failed = &part->guard;
    if (part->guard.kind == GUARD_OK)
      out->object[k] = (CodegenBlob){arena_copy(arena, part->object.bytes, part->object.size), part->object.size};
    arena_destroy(part->arena);
  }
  if (failed) guard_pass_on(failed);
}

void compile_program(const Program *program, const char *prefix, const CodegenOptions *options, const Target *target,
                     Arena *arena, CodegenObjects *out) {
  uint32_t count = part_count(program, options);
  int lanes = options->lanes ? options->lanes : target->lanes;
  *out = (CodegenObjects){.count = count,
                          .object = ARENA_ARRAY(arena, CodegenBlob, count),
                          .scratch_bytes = entry_scratch_bytes(program, target, lanes),
                          .triple = target->triple,
                          .cpu = target->cpu};
  Part *parts = ARENA_ARRAY(arena, Part, count);
  deal_kernels(program, parts, count, arena);
  for (uint32_t k = 0; k < count; k++) {
    parts[k].spec.program = program;
    parts[k].spec.prefix = prefix;
    parts[k].spec.kernel = parts[k].kernel;
    parts[k].spec.entry = k == 0;
    parts[k].options = options;
    parts[k].target = target;
  }
  run_parts(parts, count);
  collect_parts(parts, count, arena, out);
}

static void print_module(Session *session, CodegenText kind, Text *out) {
  if (kind == CODEGEN_LLVM) {
    char *text = LLVMPrintModuleToString(session->module);
    text_puts(out, text);
    LLVMDisposeMessage(text);
    return;
  }
  CodegenTimes times = {0};
  LLVMMemoryBufferRef buffer = object_encode(session, LLVMAssemblyFile, &times);
  text_add(out, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
  LLVMDisposeMemoryBuffer(buffer);
}

void compile_text(const Program *program, const char *prefix, const CodegenOptions *options, const Target *target,
                  CodegenText kind, Text *out) {
  uint32_t *kernels = ARENA_ARRAY(out->arena, uint32_t, program->kernel_count + 1);
  for (uint32_t k = 0; k < program->kernel_count; k++) kernels[k] = k;
  ModuleSpec spec = {program, prefix, program->kernel_count, kernels, true};
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
