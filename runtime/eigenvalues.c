#include "eigenvalues.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static const char LIBRARY[] = "libopenblas.so.0";
enum { LARGEST = 4096 };

/* LAPACK's zgeev by Fortran's rules; the lengths of its texts come last. */
typedef void ZgeevFunction(const char *left, const char *right, const int *size, double *matrix, const int *stride,
                           double *values, double *left_vectors, const int *left_stride, double *right_vectors,
                           const int *right_stride, double *work, const int *work_size, double *real_work,
                           int *out_info, size_t left_length, size_t right_length);
typedef void SetThreadsFunction(int threads);

static struct {
  pthread_once_t once;
  ZgeevFunction *zgeev; /* NULL: not to be had */
} lapack = {.once = PTHREAD_ONCE_INIT};

static void load(void) {
  void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  SetThreadsFunction *set_threads;
  *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
  if (!set_threads) return;
  set_threads(1); /* the same bits on every machine */
  *(void **)&lapack.zgeev = dlsym(library, "zgeev_");
}

simba_status eigenvalues_load(simba_error *error) {
  pthread_once(&lapack.once, load);
  if (lapack.zgeev) return SIMBA_OK;
  return error_set(error, SIMBA_INVALID_ARGUMENT,
                   "%s cannot be loaded: eigenvalues need the Debian package libopenblas0-pthread", LIBRARY);
}

/* Column-major and complex, as LAPACK has it. False where an entry is not finite. */
static bool fill(const float *re, const float *im, int64_t size, double *matrix) {
  bool finite = true;
  for (int64_t row = 0; row < size; row++) {
    for (int64_t column = 0; column < size; column++) {
      double a = (double)re[row * size + column], b = im ? (double)im[row * size + column] : 0;
      matrix[2 * (column * size + row)] = a;
      matrix[2 * (column * size + row) + 1] = b;
      finite &= isfinite(a) && isfinite(b);
    }
  }
  return finite;
}

simba_status eigenvalues_complex(const float *re, const float *im, int64_t size, double *out_re, double *out_im,
                                 simba_error *error) {
  if (size < 1 || size > LARGEST)
    return error_set(error, SIMBA_INVALID_ARGUMENT, "eigenvalues of matrices of 1 to %d rows only", LARGEST);
  const int rows = (int)size, work_size = 33 * rows, one = 1;
  double *matrix = memory_allocate((size_t)(size * size), 2 * sizeof *matrix);
  double *values = memory_allocate((size_t)size, 2 * sizeof *values);
  double *work = memory_allocate((size_t)work_size, 2 * sizeof *work);
  double *real_work = memory_allocate((size_t)size, 2 * sizeof *real_work);
  simba_status status = SIMBA_OK;
  if (!matrix || !values || !work || !real_work) {
    status = error_set_memory(error, "eigenvalues");
  } else if (!fill(re, im, size, matrix)) {
    status = error_set(error, SIMBA_NOT_FINITE, "a matrix has entries that are not finite");
  } else {
    int info = 0;
    double none[2];
    lapack.zgeev("N", "N", &rows, matrix, &rows, values, none, &one, none, &one, work, &work_size, real_work, &info, 1,
                 1);
    if (info) status = error_set(error, SIMBA_NOT_FINITE, "eigenvalues did not converge");
    for (int64_t k = 0; k < size; k++) {
      out_re[k] = values[2 * k];
      out_im[k] = values[2 * k + 1];
    }
  }
  free(matrix);
  free(values);
  free(work);
  free(real_work);
  return status;
}
