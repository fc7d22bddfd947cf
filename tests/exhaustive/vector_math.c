/* Every f32 through an elementary function of codegen/vector_math.h, as compiled for this machine, against a reference
 * in double:
 *
 *   vector_math FUNCTION [CPU]      CPU as in simbac --cpu, or "baseline" (no FMA on x86-64)
 *
 * Prints the largest error and where it is; fails above the bound that the header states, and on a wrong special value.
 * The kernels run with flush-to-zero, as in simbac; a sample is run without. Sanitizer builds test the sample only. */
#include "codegen/vector_math.h"
#include "tests/support/denormal_mode.h"
#include "tests/support/vector_kernel.h"
#include "vector_reference.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Function {
  const char *name;
  VectorKernelEmit *emit;
  VectorReference *reference;
  double bound;
  bool odd, logarithm;
  bool bounds_operand; /* nans are promised only where their low bits are 0, denormal results only to be denormal */
  float at_minus_infinity, at_infinity;
  float at_zero;     /* exactly; nan: within the bound is enough */
  float range[2][2]; /* of results: [negative, other operands][lowest, highest] */
} Function;

static const Function FUNCTIONS[] = {
    {"exp", emit_exp, reference_exp, 2, false, false, false, 0, INFINITY, 1, {{0, 1}, {1, INFINITY}}},
    {"exp_scan", emit_exp_scan, reference_exp, 4, false, false, false, 0, INFINITY, 1, {{0, 1}, {1, INFINITY}}},
    {"exp2", emit_exp2, reference_exp2, 2, false, false, false, 0, INFINITY, 1, {{0, 1}, {1, INFINITY}}},
    {"exp2_scan", emit_exp2_scan, reference_exp2, 4, false, false, true, 0, INFINITY, 1, {{0, 1}, {1, INFINITY}}},
    {"log", emit_log, reference_log, 2, false, true, false, NAN, INFINITY, -INFINITY, {{0, 0}, {-INFINITY, INFINITY}}},
    {"sigmoid", emit_sigmoid, reference_sigmoid, 2, false, false, false, 0, 1, 0.5f, {{0, 0.5f}, {0.5f, 1}}},
    {"softplus",
     emit_softplus,
     reference_softplus,
     2,
     false,
     false,
     false,
     0,
     INFINITY,
     NAN,
     {{0, 0.7f}, {0.69f, INFINITY}}},
    {"tanh", emit_tanh, reference_tanh, 2, true, false, false, -1, 1, 0, {{-1, 0}, {0, 1}}},
    {"erf", emit_erf, reference_erf, 2, true, false, false, -1, 1, 0, {{-1, 0}, {0, 1}}},
};
enum { FUNCTION_COUNT = sizeof FUNCTIONS / sizeof *FUNCTIONS };

#define SIGN 0x80000000u
#define MAGNITUDE 0x7fffffffu
#define INFINITY_BITS 0x7f800000u
#define LOW_BITS 0x1ffu
enum { CHUNK = 4096, TASK_BITS = 20, SAMPLE_STRIDE = 4099, NEIGHBOURS = 64 };

typedef struct Chunk {
  _Alignas(64) float x[CHUNK];
  _Alignas(64) float y[CHUNK];
  _Alignas(64) double reference[CHUNK];
} Chunk;

typedef struct Result {
  double error; /* nan: a wrong special value */
  float x, y;
} Result;

static bool is_worse(double error, double than) { return isnan(error) ? !isnan(than) : error > than; }

static void result_take(Result *result, double error, float x, float y) {
  if (is_worse(error, result->error)) *result = (Result){error, x, y};
}

static float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static bool is_special(const Function *function, uint32_t bits) {
  return (bits & INFINITY_BITS) == INFINITY_BITS || (function->logarithm && bits >> 31);
}

static double special_error(const Function *function, uint32_t bits, float y) {
  bool minus = bits >> 31, zero = (bits & MAGNITUDE) == 0;
  float expected = zero ? function->at_zero : minus ? function->at_minus_infinity : function->at_infinity;
  if ((bits & MAGNITUDE) > INFINITY_BITS) {
    if (function->bounds_operand && bits & LOW_BITS) return 0;
    expected = NAN;
  }
  return (isnan(expected) ? isnan(y) : y == expected) ? 0 : (double)NAN;
}

/* Results that may be flushed to zero: denormal ones, and those of denormal operands, which may count as zero. */
static double flushed_below(const Function *function, uint32_t bits) {
  if (function->logarithm) return 0;
  return (bits & INFINITY_BITS) == 0 ? 0x1p-125 : 0x1p-126 * (1 + 0x1p-20);
}

static double value_error(const Function *function, float x, float y, double reference) {
  uint32_t bits = bits_of(x);
  if (is_special(function, bits)) return special_error(function, bits, y);
  if (bits << 1 == 0 && !isnan(function->at_zero)) return special_error(function, bits, y);
  const float *range = function->range[!(bits >> 31)];
  return reference_compare(&y, &reference, 1, flushed_below(function, bits), range[0], range[1]);
}

/* Results as their readers see them. */
static void run(const Function *function, const VectorKernel *kernel, bool flushing, const float *x, float *y) {
  uint64_t mode = denormal_mode();
  if (flushing) denormal_mode_set(mode | DENORMALS_ARE_ZERO);
  kernel->run(x, y, CHUNK);
  denormal_mode_set(mode);
  for (int i = 0; function->bounds_operand && i < CHUNK; i++) y[i] = fabsf(y[i]) < 0x1p-126f ? 0 : y[i];
}

/* Any operands, one by one. */
static void check_values(const Function *function, Chunk *chunk, Result *result) {
  function->reference(chunk->x, chunk->reference, CHUNK);
  for (int i = 0; i < CHUNK; i++)
    result_take(result, value_error(function, chunk->x[i], chunk->y[i], chunk->reference[i]), chunk->x[i], chunk->y[i]);
}

/* --- the sample: every 4099th operand and the neighbours of every power of two and every threshold --------------- */

static const float THRESHOLDS[] = {-103.97208f, -88.0f,  -87.33654f, 88.72283f, 88.3762f, 0.625f, 0.9f,
                                   3.95f,       0.3466f, 1.0397f,    0.70711f,  1.41421f, 17.0f};
enum { THRESHOLD_COUNT = sizeof THRESHOLDS / sizeof *THRESHOLDS, POWERS = 512 };
static const uint32_t STRIDED = UINT32_MAX / SAMPLE_STRIDE + 1;
static const uint32_t SAMPLE = UINT32_MAX / SAMPLE_STRIDE + 1 + (POWERS + 2 * THRESHOLD_COUNT) * 2 * NEIGHBOURS;

static uint32_t sample_operand(uint32_t number) {
  if (number < STRIDED) return number * SAMPLE_STRIDE;
  number -= STRIDED;
  uint32_t centre = number / (2 * NEIGHBOURS), offset = number % (2 * NEIGHBOURS) - NEIGHBOURS;
  if (centre < POWERS) return (centre << 23) + offset;
  centre = (centre - POWERS) % (2 * THRESHOLD_COUNT);
  float threshold = THRESHOLDS[centre / 2];
  return bits_of(centre % 2 ? -threshold : threshold) + offset;
}

static void check_sample(const Function *function, const VectorKernel *kernel, bool flushing, Result *result) {
  Chunk *chunk = aligned_alloc(64, sizeof *chunk);
  for (uint32_t first = 0; first < SAMPLE; first += CHUNK) {
    for (uint32_t i = 0; i < CHUNK; i++) chunk->x[i] = float_of(sample_operand(first + i < SAMPLE ? first + i : 0));
    run(function, kernel, flushing, chunk->x, chunk->y);
    check_values(function, chunk, result);
  }
  free(chunk);
}

#ifndef SIMBA_SAMPLE_ONLY
/* --- all of them, by tasks of 2^20 ------------------------------------------------------------------------------ */

/* CHUNK operands of one sign and exponent. For an odd function also their negatives, whose results must differ in
 * nothing but the sign. */
static void check_chunk(const Function *function, const VectorKernel *kernel, uint32_t first, Chunk *chunk,
                        Result *result) {
  for (uint32_t i = 0; i < CHUNK; i++) chunk->x[i] = float_of(first + i);
  run(function, kernel, true, chunk->x, chunk->y);
  if (is_special(function, first) || first << 1 == 0) {
    check_values(function, chunk, result);
  } else {
    const float *range = function->range[!(first >> 31)];
    function->reference(chunk->x, chunk->reference, CHUNK);
    double error =
        reference_compare(chunk->y, chunk->reference, CHUNK, flushed_below(function, first), range[0], range[1]);
    if (is_worse(error, result->error)) check_values(function, chunk, result);
  }
  if (!function->odd) return;
  Chunk *negated = chunk + 1;
  for (uint32_t i = 0; i < CHUNK; i++) negated->x[i] = -chunk->x[i];
  run(function, kernel, true, negated->x, negated->y);
  for (uint32_t i = 0; i < CHUNK; i++)
    if (bits_of(negated->y[i]) != (bits_of(chunk->y[i]) ^ SIGN) && !(isnan(chunk->y[i]) && isnan(negated->y[i])))
      result_take(result, NAN, negated->x[i], negated->y[i]);
}

typedef struct Sweep {
  const Function *function;
  const VectorKernel *kernel;
  uint32_t task_count;
  _Atomic uint32_t next;
  pthread_mutex_t lock;
  Result result;
} Sweep;

static void *sweep_work(void *argument) {
  Sweep *sweep = argument;
  Chunk *chunk = aligned_alloc(64, 2 * sizeof *chunk);
  Result result = {.error = 0};
  for (uint32_t task; (task = atomic_fetch_add(&sweep->next, 1)) < sweep->task_count;)
    for (uint32_t first = 0; first < 1u << TASK_BITS; first += CHUNK)
      check_chunk(sweep->function, sweep->kernel, (task << TASK_BITS) + first, chunk, &result);
  free(chunk);
  pthread_mutex_lock(&sweep->lock);
  result_take(&sweep->result, result.error, result.x, result.y);
  pthread_mutex_unlock(&sweep->lock);
  return NULL;
}

static void check_all(const Function *function, const VectorKernel *kernel, Result *result) {
  enum { THREADS_MAX = 64 };
  pthread_t thread[THREADS_MAX];
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  int threads = processors < 1 ? 1 : processors > THREADS_MAX ? THREADS_MAX : (int)processors;
  Sweep sweep = {.function = function,
                 .kernel = kernel,
                 .task_count = 1u << ((function->odd ? 31 : 32) - TASK_BITS),
                 .lock = PTHREAD_MUTEX_INITIALIZER};
  int started = 0;
  while (started < threads && !pthread_create(&thread[started], NULL, sweep_work, &sweep)) started++;
  if (!started) sweep_work(&sweep);
  for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
  result_take(result, sweep.result.error, sweep.result.x, sweep.result.y);
}
#endif

static const Function *find_function(const char *name) {
  for (int i = 0; i < FUNCTION_COUNT; i++)
    if (!strcmp(FUNCTIONS[i].name, name)) return &FUNCTIONS[i];
  return NULL;
}

/* Scalars and every width of vector give the same bits. */
static bool widths_agree(const Function *function, const char *cpu, const VectorKernel *kernel) {
  static const int WIDTHS[] = {1, 4, 8, 16};
  bool agree = true;
  Chunk *chunk = aligned_alloc(64, 2 * sizeof *chunk);
  for (int k = 0; k < 4; k++) {
    VectorKernel other;
    vector_kernel_create(function->emit, cpu, WIDTHS[k], &other);
    for (uint32_t first = 0; first < SAMPLE; first += CHUNK) {
      for (uint32_t i = 0; i < CHUNK; i++) chunk->x[i] = float_of(sample_operand((first + i) % SAMPLE));
      run(function, kernel, true, chunk->x, chunk[0].y);
      run(function, &other, true, chunk->x, chunk[1].y);
      for (uint32_t i = 0; i < CHUNK; i++)
        agree &= bits_of(chunk[0].y[i]) == bits_of(chunk[1].y[i]) || (isnan(chunk[0].y[i]) && isnan(chunk[1].y[i]));
    }
    vector_kernel_destroy(&other);
  }
  free(chunk);
  return agree;
}

int main(int argument_count, char **arguments) {
  const Function *function = argument_count > 1 ? find_function(arguments[1]) : NULL;
  if (!function) {
    fprintf(stderr, "usage: vector_math FUNCTION [CPU], FUNCTION one of");
    for (int i = 0; i < FUNCTION_COUNT; i++) fprintf(stderr, " %s", FUNCTIONS[i].name);
    fprintf(stderr, "\n");
    return 2;
  }
  const char *cpu = argument_count > 2 ? arguments[2] : NULL;
  VectorKernel kernel;
  vector_kernel_create(function->emit, cpu, 0, &kernel);
  Result result = {.error = 0};
  check_sample(function, &kernel, false, &result);
  check_sample(function, &kernel, true, &result);
#ifndef SIMBA_SAMPLE_ONLY
  check_all(function, &kernel, &result);
#endif
  bool agree = widths_agree(function, cpu, &kernel);
  vector_kernel_destroy(&kernel);
  bool good = result.error <= function->bound && agree;
  printf("%s: largest error %.3f ulp (bound %g) at %a (%.9g), which gives %.9g%s%s\n", function->name, result.error,
         function->bound, (double)result.x, (double)result.x, (double)result.y,
         agree ? "" : "; the widths of vectors disagree", good ? "" : ": WRONG");
  return good ? 0 : 1;
}
