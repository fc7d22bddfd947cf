/* Throughput of vector math on this machine: the least of many runs over an array that stays in the first-level cache,
 * load and store included.
 *
 *   vector_math_bench [CPU]      CPU as in simbac --cpu, or "baseline" */
#include "codegen/vector_math.h"
#include "tests/support/denormal_mode.h"
#include "tests/support/vector_kernel.h"

#include <stdio.h>
#include <time.h>

enum { COUNT = 2048, REPEATS = 64, RUNS = 400, GROUP = 16 };

typedef struct Row {
  const char *name;
  VectorKernelEmit *emit;
  float low, high; /* operands */
} Row;

static const Row ROWS[] = {
    {"exp", emit_exp, -20, 20},
    {"exp_scan", emit_exp_scan, -20, 0},
    {"exp2", emit_exp2, -20, 20},
    {"exp2_scan", emit_exp2_scan, -20, 0},
    {"log", emit_log, 0.01f, 100},
    {"sigmoid", emit_sigmoid, -10, 10},
    {"softplus", emit_softplus, -10, 10},
    {"tanh", emit_tanh, -4, 4},
    {"erf", emit_erf, -4, 4},
    {"square root", emit_square_root, 0.01f, 100},
    {"1 / square root", emit_reciprocal_square_root, 0.01f, 100},
};

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double least_time(const VectorKernel *kernel, const float *x, float *y) {
  double least = 1e9;
  for (int run = 0; run < RUNS; run++) {
    double start = seconds();
    for (int k = 0; k < REPEATS; k++) kernel->run(x, y, COUNT);
    double taken = seconds() - start;
    if (taken < least) least = taken;
  }
  return least;
}

int main(int argument_count, char **arguments) {
  _Alignas(64) static float x[COUNT], y[COUNT];
  denormal_mode_set(denormal_mode() | DENORMALS_ARE_ZERO);
  for (size_t k = 0; k < sizeof ROWS / sizeof *ROWS; k++) {
    const Row *row = &ROWS[k];
    VectorKernel kernel;
    vector_kernel_create(row->emit, argument_count > 1 ? arguments[1] : NULL, 0, &kernel);
    for (int i = 0; i < COUNT; i++) x[i] = row->low + (row->high - row->low) * (float)(i * 787 % COUNT) / COUNT;
    double groups = (double)COUNT / GROUP * REPEATS;
    printf("%-16s %6.2f ns per %d values\n", row->name, 1e9 * least_time(&kernel, x, y) / groups, (int)GROUP);
    vector_kernel_destroy(&kernel);
  }
  return 0;
}
