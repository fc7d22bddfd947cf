#include "library_kernels.h"

#include <dlfcn.h>
#include <pthread.h>

static const char LIBRARY[] = "libopenblas.so.0";

/* Of cblas.h, which nobody needs to have installed. */
enum { ROW_MAJOR = 101, NOT_TRANSPOSED = 111, TRANSPOSED = 112 };

typedef void SgemmFunction(int order, int left_form, int right_form, int rows, int columns, int depth, float factor,
                           const float *left, int left_stride, const float *right, int right_stride, float kept,
                           float *result, int result_stride);
typedef void SetThreadsFunction(int threads);

static struct {
  pthread_once_t once;
  SgemmFunction *sgemm; /* NULL: not to be had */
} blas = {.once = PTHREAD_ONCE_INIT};

static void load(void) {
  void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  SetThreadsFunction *set_threads;
  *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
  if (!set_threads) return;
  set_threads(1); /* our threads divide the work, the same way for any number of them */
  *(void **)&blas.sgemm = dlsym(library, "cblas_sgemm");
}

simba_status library_blas_load(simba_error *error) {
  pthread_once(&blas.once, load);
  if (blas.sgemm) return SIMBA_OK;
  return error_set(error, SIMBA_INVALID_ARGUMENT,
                   "%s cannot be loaded: products by OpenBLAS need the Debian package "
                   "libopenblas0-pthread",
                   LIBRARY);
}

/* A factor as sgemm takes it: as it is where its rows lie dense, else transposed. The distance of rows or columns must
 * be valid even where there is only one. */
static int factor_form(int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride, int *out_stride) {
  bool dense_rows = column_stride == 1;
  int64_t stride = dense_rows ? row_stride : column_stride, least = dense_rows ? columns : rows;
  *out_stride = (int)(stride < least ? least : stride);
  return dense_rows ? NOT_TRANSPOSED : TRANSPOSED;
}

void simba_library_gemm(int32_t accumulate, int64_t rows, int64_t columns, int64_t depth, const float *left,
                        int64_t left_row, int64_t left_term, const float *right, int64_t right_term,
                        int64_t right_column, float *result, int64_t result_row) {
  int left_stride, right_stride;
  int left_form = factor_form(rows, depth, left_row, left_term, &left_stride);
  int right_form = factor_form(depth, columns, right_term, right_column, &right_stride);
  int result_stride = (int)(result_row < columns ? columns : result_row);
  blas.sgemm(ROW_MAJOR, left_form, right_form, (int)rows, (int)columns, (int)depth, 1, left, left_stride, right,
             right_stride, accumulate ? 1 : 0, result, result_stride);
}
