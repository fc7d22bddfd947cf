/* OpenBLAS and FFTW as a careful user calls them, to be measured beside simbac (worker.h has the commands):
 *
 *   open ID INPUTS OUTPUTS contract|fft|einfft THREADS [BLOCKS THRESHOLD]
 *
 *   contract   out.y [.., N] = in.x [.., K] param.w [K, N]: one sgemm, with OpenBLAS's own threads
 *   fft        out.y [2, B, F, C]: real transforms of in.x [B, T, C] along T, F = T/2 + 1, planned by measuring
 *   einfft     out.y of in.x [B, T, C]: complex 2-D transforms, 8 real products a block as sgemms, the rest in passes
 *
 * The last two share the batch (fft: or the channels, where the batch is too small) among the threads, each of which
 * calls libraries of one thread: no library's threads are needed, nothing is waited for. */
#include "worker.h"

#include <fftw3.h> /* before complex.h, so that fftwf_complex is float[2] */

#include <cblas.h>
#include <math.h>
#include <pthread.h>

enum { THREAD_MAX = 64 };

typedef void Task(Workload *workload, int64_t first, int64_t count);

/* Shapes [batch, tokens, channels] -> [batch, tokens or half of them and 1, columns]. */
struct Workload {
  Task *task; /* on images, or groups of their channels, [first, first + count) */
  int threads;
  int64_t batch, tokens, channels, columns, blocks;
  int64_t groups; /* parts of an image that may go to different threads */
  float threshold, *x, *y, *weight[2], *bias[2];
  fftwf_complex *wave; /* einfft: [batch, tokens, channels]; fft: the half spectrum */
  float *plane[4];     /* einfft: real and imaginary parts [batch, tokens, channels], before and after a layer */
  fftwf_plan forward, inverse; /* of an image; executed on others, whose alignment is the same */
};

static bool is_read(const WorkloadRequest *request, const char *name, float **out_values, int64_t *out_shape,
                    simba_error *error) {
  const Tensor *tensor = tensor_file_find(request->inputs, name);
  if (!tensor) return !error_set(error, SIMBA_DATA_ERROR, "there is no tensor %s", name);
  float *values = memory_allocate_aligned((size_t)tensor->count, sizeof(float));
  if (!values) return !error_set_memory(error, name);
  *out_values = values;
  if (out_shape) memcpy(out_shape, tensor->shape, sizeof tensor->shape);
  return !tensor_read_f32(request->inputs, tensor, values, error);
}

static float *planes(int64_t count) { return memory_allocate_aligned((size_t)count, sizeof(float)); }

/* ---- Threads: fork and join in every run, which costs some 20 microseconds of what is measured ---- */

typedef struct Share {
  Workload *workload;
  int64_t first, count;
} Share;

static void *run_share(void *argument) {
  Share *share = argument;
  share->workload->task(share->workload, share->first, share->count);
  return NULL;
}

static bool workload_run(Workload *workload, simba_error *error) {
  (void)error;
  pthread_t thread[THREAD_MAX];
  Share share[THREAD_MAX];
  int64_t done = 0;
  for (int k = 0; k < workload->threads; k++) {
    int64_t end = workload->batch * workload->groups * (k + 1) / workload->threads;
    share[k] = (Share){workload, done, end - done};
    done = end;
    if (k + 1 < workload->threads && pthread_create(&thread[k], NULL, run_share, &share[k])) abort();
  }
  run_share(&share[workload->threads - 1]);
  for (int k = 0; k + 1 < workload->threads; k++) pthread_join(thread[k], NULL);
  return true;
}

/* ---- A product ---- */

static void run_contract(Workload *workload, int64_t first, int64_t count) {
  (void)first, (void)count;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)(workload->batch * workload->tokens),
              (int)workload->columns, (int)workload->channels, 1, workload->x, (int)workload->channels,
              workload->weight[0], (int)workload->columns, 0, workload->y, (int)workload->columns);
}

static bool open_contract(const WorkloadRequest *request, Workload *workload, simba_error *error) {
  int64_t shape[SIMBA_MAX_RANK] = {0};
  if (!is_read(request, "param.w", &workload->weight[0], shape, error)) return false;
  workload->columns = shape[1];
  workload->y = planes(workload->batch * workload->tokens * workload->columns);
  workload->task = run_contract;
  openblas_set_num_threads(workload->threads);
  workload->threads = 1;
  return true;
}

/* ---- Real transforms along the tokens ---- */

/* Items are groups of an image's channels. */
static void run_fft(Workload *workload, int64_t first, int64_t count) {
  int64_t frequencies = workload->tokens / 2 + 1, width = workload->channels / workload->groups;
  for (int64_t item = first; item < first + count; item++) {
    int64_t image = item / workload->groups, column = item % workload->groups * width;
    fftwf_execute_dft_r2c(workload->forward, workload->x + image * workload->tokens * workload->channels + column,
                          workload->wave + image * frequencies * workload->channels + column);
  }
}

static bool open_fft(const WorkloadRequest *request, Workload *workload, simba_error *error) {
  (void)request, (void)error;
  int channels = (int)workload->channels;
  int64_t count = workload->batch * (workload->tokens / 2 + 1) * channels;
  workload->wave = (fftwf_complex *)planes(2 * count);
  bool shared = workload->batch < workload->threads && channels % (16 * workload->threads) == 0;
  workload->groups = shared ? workload->threads : 1;
  fftwf_iodim transform = {(int)workload->tokens, channels, channels};
  fftwf_iodim columns = {channels / (int)workload->groups, 1, 1};
  float *source = planes(workload->tokens * channels);
  workload->forward = fftwf_plan_guru_dft_r2c(1, &transform, 1, &columns, source, workload->wave, FFTW_MEASURE);
  free(source);
  workload->task = run_fft;
  return true;
}

/* ---- EinFFT: transform, product, bias and ReLU, product, bias and softshrink, inverse, in passes ---- */

static void split_waves(const Workload *workload, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; i++) {
    workload->plane[0][i] = workload->wave[i][0];
    workload->plane[1][i] = workload->wave[i][1];
  }
}

/* result block k = sign * part of plane times part of weight, added to what is there where `add`. */
static void multiply_block(const Workload *workload, int64_t first, int64_t count, int64_t k, const float *source,
                           const float *weight, float sign, bool add, float *result) {
  int64_t size = workload->channels / workload->blocks;
  int64_t at = first * workload->tokens * workload->channels + k * size;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)(count * workload->tokens), (int)size, (int)size, sign,
              source + at, (int)workload->channels, weight + k * size * size, (int)size, add ? 1 : 0, result + at,
              (int)workload->channels);
}

static void multiply_layer(Workload *workload, int layer, int64_t first, int64_t count) {
  float **source = &workload->plane[layer ? 2 : 0], **result = &workload->plane[layer ? 0 : 2];
  int64_t size = workload->channels / workload->blocks;
  const float *real = workload->weight[layer], *imaginary = real + workload->blocks * size * size;
  for (int64_t k = 0; k < workload->blocks; k++) {
    multiply_block(workload, first, count, k, source[0], real, 1, false, result[0]);
    multiply_block(workload, first, count, k, source[1], imaginary, -1, true, result[0]);
    multiply_block(workload, first, count, k, source[0], imaginary, 1, false, result[1]);
    multiply_block(workload, first, count, k, source[1], real, 1, true, result[1]);
  }
}

static void apply_relu(const Workload *workload, int part, int64_t from, int64_t to) {
  const float *bias = workload->bias[0] + part * workload->channels;
  float *values = workload->plane[2 + part];
  for (int64_t row = from; row < to; row += workload->channels) {
    for (int64_t c = 0; c < workload->channels; c++) {
      float value = values[row + c] + bias[c];
      values[row + c] = value > 0 ? value : 0;
    }
  }
}

static void apply_softshrink(const Workload *workload, int part, int64_t from, int64_t to) {
  const float *bias = workload->bias[1] + part * workload->channels, threshold = workload->threshold;
  const float *values = workload->plane[part];
  for (int64_t row = from; row < to; row += workload->channels) {
    for (int64_t c = 0; c < workload->channels; c++) {
      float value = values[row + c] + bias[c];
      float over = value > threshold ? value - threshold : 0, under = value < -threshold ? value + threshold : 0;
      workload->wave[row + c][part] = over + under;
    }
  }
}

static void run_einfft(Workload *workload, int64_t first, int64_t count) {
  int64_t image = workload->tokens * workload->channels, from = first * image, to = from + count * image;
  float scale = 1 / sqrtf((float)(workload->tokens * workload->blocks));
  for (int64_t i = from; i < to; i++) {
    workload->wave[i][0] = workload->x[i] * scale;
    workload->wave[i][1] = 0;
  }
  for (int64_t at = from; at < to; at += image)
    fftwf_execute_dft(workload->forward, workload->wave + at, workload->wave + at);
  split_waves(workload, from, to);
  multiply_layer(workload, 0, first, count);
  for (int part = 0; part < 2; part++) apply_relu(workload, part, from, to);
  multiply_layer(workload, 1, first, count);
  for (int part = 0; part < 2; part++) apply_softshrink(workload, part, from, to);
  for (int64_t at = from; at < to; at += image)
    fftwf_execute_dft(workload->inverse, workload->wave + at, workload->wave + at);
  for (int64_t i = from; i < to; i++) workload->y[i] = workload->wave[i][0] * scale;
}

/* Plans of one image in place, along tokens and blocks, for every channel of a block. */
static void plan_einfft(Workload *workload) {
  int channels = (int)workload->channels, size = channels / (int)workload->blocks;
  fftwf_iodim transform[] = {{(int)workload->tokens, channels, channels}, {(int)workload->blocks, size, size}};
  fftwf_iodim columns = {size, 1, 1};
  fftwf_complex *wave = workload->wave;
  workload->forward = fftwf_plan_guru_dft(2, transform, 1, &columns, wave, wave, FFTW_FORWARD, FFTW_MEASURE);
  workload->inverse = fftwf_plan_guru_dft(2, transform, 1, &columns, wave, wave, FFTW_BACKWARD, FFTW_MEASURE);
}

static bool open_einfft(const WorkloadRequest *request, Workload *workload, simba_error *error) {
  if (request->argument_count < 4)
    return !error_set(error, SIMBA_INVALID_ARGUMENT, "how many blocks, which threshold?");
  workload->blocks = atoi(request->argument[2]);
  workload->threshold = strtof(request->argument[3], NULL);
  static const char *const weight[] = {"param.complex_weight_1", "param.complex_weight_2"};
  static const char *const bias[] = {"param.complex_bias_1", "param.complex_bias_2"};
  for (int layer = 0; layer < 2; layer++) {
    if (!is_read(request, weight[layer], &workload->weight[layer], NULL, error)) return false;
    if (!is_read(request, bias[layer], &workload->bias[layer], NULL, error)) return false;
  }
  int64_t count = workload->batch * workload->tokens * workload->channels;
  workload->wave = (fftwf_complex *)planes(2 * count);
  for (int k = 0; k < 4; k++) workload->plane[k] = planes(count);
  workload->y = planes(count);
  plan_einfft(workload);
  openblas_set_num_threads(1);
  workload->task = run_einfft;
  return true;
}

/* ---- The worker ---- */

/* The half spectrum [B, F, C] as [2, B, F, C]. */
static float *split_spectrum(const Workload *workload, int64_t count) {
  float *parts = planes(2 * count);
  for (int64_t i = 0; parts && i < count; i++) {
    parts[i] = workload->wave[i][0];
    parts[count + i] = workload->wave[i][1];
  }
  return parts;
}

static bool write_result(const Workload *workload, const char *path, simba_error *error) {
  Tensor tensor = {.name = "out.y", .type = TENSOR_F32};
  float *parts = NULL;
  if (workload->task == run_fft) {
    int64_t frequencies = workload->tokens / 2 + 1, shape[] = {2, workload->batch, frequencies, workload->channels};
    parts = split_spectrum(workload, workload->batch * frequencies * workload->channels);
    if (!parts) return !error_set_memory(error, "a result");
    tensor.rank = 4;
    memcpy(tensor.shape, shape, sizeof shape);
    tensor.bytes = parts;
  } else {
    int64_t shape[] = {workload->batch, workload->tokens, workload->columns};
    tensor.rank = 3;
    memcpy(tensor.shape, shape, sizeof shape);
    tensor.bytes = workload->y;
  }
  bool written = !tensor_file_write(path, &tensor, 1, NULL, 0, error);
  free(parts);
  return written;
}

static bool open_task(const WorkloadRequest *request, Workload *workload, simba_error *error) {
  int64_t shape[SIMBA_MAX_RANK] = {0};
  if (!is_read(request, "in.x", &workload->x, shape, error)) return false;
  workload->batch = shape[0];
  workload->tokens = shape[1];
  workload->channels = workload->columns = shape[2];
  if (!strcmp(request->argument[0], "contract")) return open_contract(request, workload, error);
  if (!strcmp(request->argument[0], "fft")) return open_fft(request, workload, error);
  if (!strcmp(request->argument[0], "einfft")) return open_einfft(request, workload, error);
  return !error_set(error, SIMBA_INVALID_ARGUMENT, "there is no workload '%s'", request->argument[0]);
}

static bool workload_open(const WorkloadRequest *request, Workload **out_workload, simba_error *error) {
  int threads = request->argument_count > 1 ? atoi(request->argument[1]) : 0;
  if (threads < 1 || threads > THREAD_MAX) return !error_set(error, SIMBA_INVALID_ARGUMENT, "how many threads?");
  Workload *workload = memory_allocate_aligned(1, sizeof *workload);
  if (!workload) return !error_set_memory(error, "a workload");
  workload->threads = threads;
  workload->groups = 1;
  if (open_task(request, workload, error) && workload_run(workload, error) &&
      write_result(workload, request->outputs, error)) {
    *out_workload = workload;
    return true;
  }
  workload_close(workload);
  return false;
}

static void workload_close(Workload *workload) {
  if (!workload) return;
  if (workload->forward) fftwf_destroy_plan(workload->forward);
  if (workload->inverse) fftwf_destroy_plan(workload->inverse);
  for (int k = 0; k < 2; k++) {
    free(workload->weight[k]);
    free(workload->bias[k]);
  }
  for (int k = 0; k < 4; k++) free(workload->plane[k]);
  free(workload->wave);
  free(workload->x);
  free(workload->y);
  free(workload);
}

static void workload_describe(const Workload *workload) {
  (void)workload;
  printf(", \"blas\": \"%s\", \"fftw\": \"%s\"", openblas_get_corename(), fftwf_version);
}

int main(void) { return worker_main(); }
