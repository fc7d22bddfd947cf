/* Calls an exported forecaster on plain floats: forecast_client X Y BATCH. Ten threads must agree with the calling one.
 */
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
  if (wrong) return 1;
  void *arena = aligned_alloc(64, ((size_t)forecaster_arena_bytes(1) + 63) / 64 * 64);
  if (forecaster_infer(0, x, job[0].y, arena) != FORECASTER_BAD_BATCH) return 4;
  if (forecaster_infer(1, NULL, job[0].y, arena) != FORECASTER_NULL_POINTER) return 4;
  if (forecaster_infer(1, x, job[0].y, (char *)arena + 4) != FORECASTER_MISALIGNED) return 4;
  free(arena);
  FILE *file = fopen(argv[2], "wb");
  if (!file || fwrite(job[THREADS].y, 1, job[THREADS].y_bytes, file) != job[THREADS].y_bytes || fclose(file)) return 3;
  for (int k = 0; k <= THREADS; k++) free(job[k].y);
  free(x);
  return 0;
}
