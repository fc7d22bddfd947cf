/* OpenBLAS and FFTW through the runtime: every orientation of a product and every form of a transform against plain
 * sums in f64, from several threads that load and plan at once. */
#include "runtime/library_kernels.h"
#include "tests/random_values.h"
#include "tests/suite_run.h"

#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum { ROWS = 9, COLUMNS = 17, DEPTH = 13, THREADS = 4, FORMS = 3, MOST_VALUES = 2 * 49 * 16 };

static const double PI = 3.14159265358979323846, TOLERANCE = 1e-5;
static const int64_t LENGTHS[] = {1, 2, 5, 12, 49};
enum { LENGTH_COUNT = sizeof LENGTHS / sizeof *LENGTHS };

static void fill(float *values, size_t count, uint64_t seed) {
  Random random = {seed};
  for (size_t k = 0; k < count; k++) values[k] = (float)random_between(&random, -1, 1);
}

START_TEST(product_in_every_orientation) {
  ck_assert_int_eq(library_blas_load(NULL), SIMBA_OK);
  bool left_dense = _i & 1, right_dense = _i & 2, accumulate = _i & 4;
  float left[ROWS * DEPTH], right[DEPTH * COLUMNS], result[ROWS * (COLUMNS + 3)];
  fill(left, ROWS * DEPTH, 1);
  fill(right, DEPTH * COLUMNS, 2);
  int64_t left_row = left_dense ? DEPTH : 1, left_term = left_dense ? 1 : ROWS;
  int64_t right_term = right_dense ? COLUMNS : 1, right_column = right_dense ? 1 : DEPTH;
  for (int k = 0; k < ROWS * (COLUMNS + 3); k++) result[k] = accumulate ? 1 : NAN;
  simba_library_gemm(accumulate, ROWS, COLUMNS, DEPTH, left, left_row, left_term, right, right_term, right_column,
                     result, COLUMNS + 3);
  for (int i = 0; i < ROWS; i++) {
    for (int j = 0; j < COLUMNS; j++) {
      double sum = accumulate;
      for (int t = 0; t < DEPTH; t++)
        sum += (double)left[i * left_row + t * left_term] * (double)right[t * right_term + j * right_column];
      ck_assert_double_eq_tol(result[i * (COLUMNS + 3) + j], sum, TOLERANCE);
    }
  }
}
END_TEST

static int parts_in(int32_t form) {
  return form == LIBRARY_DFT_REAL_TO_COMPLEX || form == LIBRARY_DFT_REAL_TO_HALF ? 1 : 2;
}

/* Part p of frequency k in column c, by its definition. */
static double expected(int32_t form, bool inverse, int64_t extent, int64_t columns, const float *source, int p,
                       int64_t k, int64_t c) {
  double sum = 0, sign = inverse ? 1 : -1;
  int64_t terms = form == LIBRARY_DFT_HALF_TO_REAL ? extent / 2 + 1 : extent;
  for (int64_t n = 0; n < terms; n++) {
    double angle = sign * 2 * PI * (double)(k * n % extent) / (double)extent;
    double real = source[n * columns + c];
    double imaginary = parts_in(form) == 1 ? 0 : (double)source[(terms + n) * columns + c];
    sum += p ? real * sin(angle) + imaginary * cos(angle) : real * cos(angle) - imaginary * sin(angle);
  }
  return sum;
}

/* The largest error of one transform relative to sqrt(extent); infinite where nothing could be planned. */
static double transform_error(int32_t form, bool inverse, int64_t extent, int64_t columns) {
  _Alignas(64) float source[MOST_VALUES], used[MOST_VALUES], result[MOST_VALUES];
  if (library_fft_plan(form, extent, columns, NULL) != SIMBA_OK) return INFINITY;
  fill(source, MOST_VALUES, 3);
  for (int k = 0; k < MOST_VALUES; k++) used[k] = source[k];
  simba_library_dft(form, inverse, extent, columns, used, result);
  double worst = 0;
  int parts = form == LIBRARY_DFT_COMPLEX_TO_REAL || form == LIBRARY_DFT_HALF_TO_REAL ? 1 : 2;
  int64_t rows = form == LIBRARY_DFT_REAL_TO_HALF ? extent / 2 + 1 : extent;
  for (int64_t at = 0; at < parts * rows * columns; at++) {
    int64_t row = at / columns;
    double value = expected(form, inverse, extent, columns, source, (int)(row / rows), row % rows, at % columns);
    worst = fmax(worst, fabs((double)result[at] - value) / sqrt((double)extent));
  }
  return worst;
}

static void *transform_everything(void *argument) {
  double *worst = argument;
  for (int k = 0; k < LENGTH_COUNT; k++)
    for (int32_t form = 0; form < FORMS; form++)
      for (int inverse = 0; inverse < 2; inverse++)
        for (int64_t columns = 1; columns <= 16; columns *= 16)
          *worst = fmax(*worst, transform_error(form, inverse, LENGTHS[k], columns));
  return NULL;
}

START_TEST(transforms_from_several_threads) {
  pthread_t thread[THREADS];
  double worst[THREADS] = {0};
  for (int k = 0; k < THREADS; k++)
    ck_assert_int_eq(pthread_create(&thread[k], NULL, transform_everything, &worst[k]), 0);
  for (int k = 0; k < THREADS; k++) {
    pthread_join(thread[k], NULL);
    ck_assert_double_le(worst[k], TOLERANCE);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_library_kernels");
  TCase *functions = tcase_create("functions");
  tcase_add_loop_test(functions, product_in_every_orientation, 0, 8);
  tcase_add_test(functions, transforms_from_several_threads);
  suite_add_tcase(suite, functions);
  return suite_run(suite);
}
