/* Calls an exported forecaster on plain floats: forecast_client X Y BATCH. Ten threads that call at once, and one call
 * that is spread over two, must agree with the calling thread; misuse must be refused. */
#include "forecaster.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 10 };

typedef struct Job {
  int64_t batch;
  const float *x;
  float *y;
  size_t y_bytes;
  int code;
} Job;

static void *infer(void *context) {
  Job *job = context;
  size_t bytes = ((size_t)forecaster_arena_bytes(job->batch) + 63) / 64 * 64;
  void *arena = aligned_alloc(64, bytes);
  memset(arena, 0xff, bytes); /* what it holds does not matter */
  job->code = forecaster_infer(job->batch, job->x, job->y, arena);
  free(arena);
  return NULL;
}

typedef struct Share {
  simba_kernel *kernel;
  const struct simba_call *call;
  void *const *arguments;
  char *scratch;
  int64_t begin, end;
} Share;

static void *run_share(void *context) {
  Share *share = context;
  share->kernel(share->call, share->arguments, share->scratch, share->begin, share->end);
  return NULL;
}

/* An executor of two workers: the first half of the items on a thread of its own, the second on the calling one. */
static void run_halves(simba_executor *self, simba_kernel *kernel, const struct simba_call *call,
                       void *const *arguments, char *scratch, size_t scratch_bytes, int64_t items, int32_t launch) {
  (void)self, (void)launch;
  Share first = {kernel, call, arguments, scratch, 0, items / 2};
  Share second = {kernel, call, arguments, scratch + scratch_bytes, items / 2, items};
  pthread_t thread;
  if (pthread_create(&thread, NULL, run_share, &first)) exit(3);
  run_share(&second);
  pthread_join(thread, NULL);
}

static int infer_on_two(int64_t batch, const float *x, float *y) {
  simba_executor executor = {.workers = 2, .run = run_halves};
  void *arena = aligned_alloc(64, ((size_t)forecaster_arena_bytes_threads(batch, 2) + 63) / 64 * 64);
  int code = forecaster_infer_threads(batch, x, y, arena, &executor);
  executor.workers = 0;
  if (forecaster_infer_threads(batch, x, y, arena, &executor) != FORECASTER_BAD_EXECUTOR) code = 4;
  free(arena);
  return code;
}

static int refuses_misuse(const float *x, float *y) {
  void *arena = aligned_alloc(64, ((size_t)forecaster_arena_bytes(1) + 63) / 64 * 64);
  int refuses = forecaster_infer(0, x, y, arena) == FORECASTER_BAD_BATCH &&
                forecaster_infer(1, NULL, y, arena) == FORECASTER_NULL_POINTER &&
                forecaster_infer(1, x, NULL, arena) == FORECASTER_NULL_POINTER &&
                forecaster_infer(1, x, y, NULL) == FORECASTER_NULL_POINTER &&
                forecaster_infer(1, x, y, (char *)arena + 4) == FORECASTER_MISALIGNED &&
                forecaster_arena_bytes(-1) == FORECASTER_BAD_BATCH &&
                forecaster_arena_bytes_threads(1, 0) == FORECASTER_BAD_EXECUTOR;
  free(arena);
  return refuses;
}

static float *read_floats(const char *path, size_t *out_bytes) {
  FILE *file = fopen(path, "rb");
  if (!file) exit(3);
  fseek(file, 0, SEEK_END);
  *out_bytes = (size_t)ftell(file);
  rewind(file);
  float *values = malloc(*out_bytes);
  if (fread(values, 1, *out_bytes, file) != *out_bytes) exit(3);
  fclose(file);
  return values;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  size_t x_bytes;
  float *x = read_floats(argv[1], &x_bytes);
  const simba_exported_tensor *y_info = forecaster_outputs(NULL);
  Job job[THREADS + 1];
  pthread_t thread[THREADS];
  for (int k = 0; k <= THREADS; k++) {
    job[k] = (Job){.batch = atoll(argv[3]), .x = x, .code = -99};
    job[k].y_bytes = (size_t)(job[k].batch * y_info->extent[1] * y_info->extent[2]) * sizeof(float);
    job[k].y = malloc(job[k].y_bytes);
  }
  for (int k = 0; k < THREADS; k++) pthread_create(&thread[k], NULL, infer, &job[k]);
  infer(&job[THREADS]);
  int wrong = job[THREADS].code;
  for (int k = 0; k < THREADS; k++) {
    pthread_join(thread[k], NULL);
    wrong |= job[k].code | memcmp(job[k].y, job[THREADS].y, job[k].y_bytes);
  }
  wrong |= infer_on_two(job[0].batch, x, job[0].y) | memcmp(job[0].y, job[THREADS].y, job[0].y_bytes);
  if (wrong) return 1;
  if (!refuses_misuse(x, job[0].y)) return 4;
  FILE *file = fopen(argv[2], "wb");
  if (!file || fwrite(job[THREADS].y, 1, job[THREADS].y_bytes, file) != job[THREADS].y_bytes || fclose(file)) return 3;
  for (int k = 0; k <= THREADS; k++) free(job[k].y);
  free(x);
  return 0;
}
