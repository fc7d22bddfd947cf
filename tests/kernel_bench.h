/* Hand-built kernels as a program: compiled, loaded, run on buffers that end at an unmapped page, and compared with
 * kernel_evaluate. Every slot of a kernel gets a buffer of its own: read-only ones are inputs, the others outputs. */
#ifndef SIMBAC_TESTS_KERNEL_BENCH_H
#define SIMBAC_TESTS_KERNEL_BENCH_H

#include "ir/guard.h"
#include "tests/codegen_library.h"
#include "tests/random_values.h"

#include <check.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BENCH_MAX_BUFFERS = 2048, BENCH_MAX_LAUNCHES = 512, BENCH_MAX_SCRATCH = 1 << 22 };

typedef struct KernelBench {
  Arena *arena;
  Random random;
  Program program;
  float *data[BENCH_MAX_BUFFERS]; /* by buffer */
  float tolerance[BENCH_MAX_LAUNCHES];
  int64_t symbols[SIMBA_SYMBOLS];
  uint64_t seed, step;
  CodegenObjects objects;
  CodegenImage *image;
  simba_entry *prepare, *run;
} KernelBench;

/* The program an executor divides in as many parts as `parts`, the last part first. */
typedef struct PartsExecutor {
  simba_executor base;
  int64_t parts;
} PartsExecutor;

static inline float *bench_memory(int64_t count) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (size_t)count * sizeof(float);
  size_t pages = (size + page - 1) / page * page;
  char *memory = mmap(NULL, pages + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert(memory != MAP_FAILED);
  ck_assert_int_eq(mprotect(memory + pages, page, PROT_NONE), 0);
  return (float *)(void *)(memory + pages - size);
}

static inline KernelBench *bench_create(Arena *arena) {
  KernelBench *bench = ARENA_NEW(arena, KernelBench);
  bench->arena = arena;
  bench->seed = 0x123456789abcdefull;
  bench->step = 3;
  bench->symbols[0] = 5;
  bench->program.arena = arena;
  bench->program.kernel = ARENA_ARRAY(arena, Kernel *, BENCH_MAX_LAUNCHES);
  bench->program.launch = ARENA_ARRAY(arena, Launch, BENCH_MAX_LAUNCHES);
  bench->program.buffer = ARENA_ARRAY(arena, Buffer, BENCH_MAX_BUFFERS);
  return bench;
}

/* Adds a buffer with values in [low, high). */
static inline BufferId bench_buffer(KernelBench *bench, bool input, int64_t count, double low, double high) {
  Program *program = &bench->program;
  BufferId id = program->buffer_count++;
  ck_assert_uint_lt(id, BENCH_MAX_BUFFERS);
  uint32_t index = input ? program->input_count++ : program->output_count++;
  program->buffer[id] = (Buffer){.kind = input ? BUFFER_INPUT : BUFFER_OUTPUT, .index = index, .count = {count, 0}};
  bench->data[id] = bench_memory(count);
  double *values = random_values(&bench->random, bench->arena, count, low, high);
  for (int64_t k = 0; k < count; k++) bench->data[id][k] = (float)values[k];
  return id;
}

/* A launch of `kernel`, whose slots have counts[slot] elements. */
static inline void bench_add(KernelBench *bench, Kernel *kernel, const int64_t *counts, double low, double high,
                             float tolerance) {
  Program *program = &bench->program;
  const char *wrong = kernel_verify(kernel, bench->arena);
  if (wrong) ck_abort_msg("%s", wrong);
  ck_assert_uint_lt(program->launch_count, BENCH_MAX_LAUNCHES);
  Launch *launch = &program->launch[program->launch_count];
  bench->tolerance[program->launch_count++] = tolerance;
  launch->kernel = program->kernel_count;
  program->kernel[program->kernel_count++] = kernel;
  launch->argument = ARENA_ARRAY(bench->arena, BufferId, kernel->argument_count + 1);
  for (uint32_t k = 0; k < kernel->argument_count; k++)
    launch->argument[k] = bench_buffer(bench, k < kernel->read_count, counts[k], low, high);
}

static inline void bench_run_parts(simba_executor *self, simba_kernel *kernel, const simba_call *call,
                                   void *const *arguments, char *scratch, size_t scratch_bytes, int64_t items,
                                   int32_t launch) {
  (void)launch;
  int64_t parts = ((PartsExecutor *)self)->parts;
  for (int64_t k = parts; k-- > 0;)
    kernel(call, arguments, scratch + (size_t)(k % self->workers) * scratch_bytes, items * k / parts,
           items * (k + 1) / parts);
}

static inline void bench_load(KernelBench *bench, const CodegenOptions *options) {
  const CodegenApi *api = codegen_library();
  const char *message = "";
  if (api->compile(&bench->program, "bench", options, bench->arena, &bench->objects, &message) != CODEGEN_OK)
    ck_abort_msg("%s", message);
  if (api->load(&bench->objects, "bench", bench->arena, &bench->image, &bench->prepare, &bench->run, &message))
    ck_abort_msg("%s", message);
}

/* Runs the loaded program with its items divided in `parts` (0: without an executor). */
static inline void bench_execute(KernelBench *bench, int64_t parts) {
  Program *program = &bench->program;
  const float **input = ARENA_ARRAY(bench->arena, const float *, program->input_count + 1);
  float **output = ARENA_ARRAY(bench->arena, float *, program->output_count + 1);
  for (BufferId id = 0; id < program->buffer_count; id++) {
    const Buffer *buffer = &program->buffer[id];
    if (buffer->kind == BUFFER_INPUT)
      input[buffer->index] = bench->data[id];
    else
      output[buffer->index] = bench->data[id];
  }
  PartsExecutor executor = {{.workers = 2, .run = bench_run_parts}, parts};
  static _Alignas(64) char scratch[BENCH_MAX_SCRATCH];
  ck_assert_uint_le(2 * bench->objects.scratch_bytes, sizeof scratch);
  simba_call call = {.seed = bench->seed,
                     .step = bench->step,
                     .input = input,
                     .output = output,
                     .scratch = scratch,
                     .executor = parts ? &executor.base : NULL};
  memcpy(call.symbol, bench->symbols, sizeof call.symbol);
  ck_assert_int_eq(bench->prepare(&call), 0);
  ck_assert_int_eq(bench->run(&call), 0);
}

static inline void bench_unload(KernelBench *bench) { codegen_library()->unload(bench->image); }

static inline void bench_run(KernelBench *bench, const CodegenOptions *options, int64_t parts) {
  bench_load(bench, options);
  bench_execute(bench, parts);
  bench_unload(bench);
}

/* Outputs of every launch against kernel_evaluate on the same inputs: |difference| <= tolerance * (1 + |expected|). */
static inline void bench_check(KernelBench *bench) {
  Program *program = &bench->program;
  for (uint32_t l = 0; l < program->launch_count; l++) {
    const Launch *launch = &program->launch[l];
    const Kernel *kernel = program->kernel[launch->kernel];
    double **arguments = ARENA_ARRAY(bench->arena, double *, kernel->argument_count + 1);
    for (uint32_t k = 0; k < kernel->argument_count; k++) {
      int64_t count = program->buffer[launch->argument[k]].count.factor;
      arguments[k] = ARENA_ARRAY(bench->arena, double, count);
      for (int64_t i = 0; i < count; i++) arguments[k][i] = (double)bench->data[launch->argument[k]][i];
    }
    kernel_evaluate(kernel, bench->symbols, bench->seed, bench->step, arguments);
    for (uint32_t k = kernel->read_count; k < kernel->argument_count; k++) {
      int64_t count = program->buffer[launch->argument[k]].count.factor;
      for (int64_t i = 0; i < count; i++) {
        double expected = arguments[k][i], found = (double)bench->data[launch->argument[k]][i];
        if (fabs(found - expected) <= (double)bench->tolerance[l] * (1 + fabs(expected))) continue;
        if (isnan(found) && isnan(expected)) continue;
        Text text = text_begin(bench->arena);
        kernel_print(kernel, NULL, &text);
        ck_abort_msg("launch %u slot %u element %lld: %.9g, not %.9g\n%s", l, k, (long long)i, found, expected,
                     text.data);
      }
    }
  }
}

/* Outputs are set to a pattern, so that an element that is not written shows. */
static inline void bench_reset(KernelBench *bench, float value) {
  Program *program = &bench->program;
  for (BufferId id = 0; id < program->buffer_count; id++)
    for (int64_t k = 0; program->buffer[id].kind == BUFFER_OUTPUT && k < program->buffer[id].count.factor; k++)
      bench->data[id][k] = value;
}

/* All outputs one behind the other, for comparisons of bits. */
static inline float *bench_outputs(const KernelBench *bench, size_t *out_count) {
  const Program *program = &bench->program;
  size_t count = 0, at = 0;
  for (BufferId id = 0; id < program->buffer_count; id++)
    if (program->buffer[id].kind == BUFFER_OUTPUT) count += (size_t)program->buffer[id].count.factor;
  float *all = ARENA_ARRAY(bench->arena, float, count + 1);
  for (BufferId id = 0; id < program->buffer_count; id++) {
    if (program->buffer[id].kind != BUFFER_OUTPUT) continue;
    size_t size = (size_t)program->buffer[id].count.factor;
    memcpy(all + at, bench->data[id], size * sizeof(float));
    at += size;
  }
  *out_count = count;
  return all;
}

/* --- building kernels ------------------------------------------------------------------------------------------ */

enum { KERNEL_ROOM = 64 };

static inline Kernel *kernel_begin(Arena *arena, LoweringKind family) {
  Kernel *kernel = ARENA_NEW(arena, Kernel);
  kernel->family = family;
  kernel->expr = ARENA_ARRAY(arena, Expr, KERNEL_ROOM);
  kernel->reduction = ARENA_ARRAY(arena, Reduction, KERNEL_ROOM);
  kernel->recurrence = ARENA_ARRAY(arena, Recurrence, KERNEL_ROOM);
  kernel->store = ARENA_ARRAY(arena, Store, KERNEL_ROOM);
  return kernel;
}

static inline void kernel_add_axis(Kernel *kernel, AxisRole role, Dim extent) {
  kernel->axis[kernel->axis_count++] = (LoopAxis){extent, role};
}

/* Call for all read-only slots before the first one that is not. */
static inline Access kernel_add_slot(Kernel *kernel, bool read) {
  if (read) kernel->read_count++;
  return (Access){.slot = kernel->argument_count++};
}

static inline uint32_t kernel_add_expr(Kernel *kernel, Expr expr) {
  kernel->expr[kernel->expr_count] = expr;
  return kernel->expr_count++;
}

static inline uint32_t kernel_add_load(Kernel *kernel, Access access) {
  return kernel_add_expr(kernel, (Expr){.kind = EXPR_LOAD, .access = access, .axes = access_axes(&access)});
}

static inline uint32_t kernel_add_constant(Kernel *kernel, double value) {
  return kernel_add_expr(kernel, (Expr){.kind = EXPR_CONSTANT, .value = value});
}

static inline uint32_t kernel_add_op(Kernel *kernel, OpCode op, uint32_t a, uint32_t b, uint32_t c) {
  Expr expr = {.kind = EXPR_OP, .op = op, .arg = {a, b, c}};
  for (int k = 0; k < op_info(op)->operands_min; k++) expr.axes |= kernel->expr[expr.arg[k]].axes;
  return kernel_add_expr(kernel, expr);
}

/* The expression that reads a new reduction of `expr` over `over`. */
static inline uint32_t kernel_add_reduction(Kernel *kernel, ReduceKind kind, uint32_t expr, AxisMask over) {
  kernel->reduction[kernel->reduction_count] = (Reduction){kind, expr, over};
  Expr read = {.kind = EXPR_REDUCED, .which = kernel->reduction_count++, .axes = kernel->expr[expr].axes & ~over};
  return kernel_add_expr(kernel, read);
}

static inline void kernel_add_store(Kernel *kernel, uint32_t expr, Access access) {
  kernel->store[kernel->store_count++] = (Store){.expr = expr, .access = access};
}

#endif
