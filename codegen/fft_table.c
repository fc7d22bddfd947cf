#include "fft_table.h"

#include <math.h>

static const double TURN = 2 * 3.14159265358979323846;

static LLVMValueRef add_table(Session *session, const float *values, int64_t count) {
  size_t size = (size_t)count * sizeof(float);
  LLVMValueRef bytes = LLVMConstStringInContext2(session->context, (const char *)values, size, true);
  LLVMValueRef global = LLVMAddGlobal(session->module, LLVMTypeOf(bytes), "table");
  LLVMSetInitializer(global, bytes);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetGlobalConstant(global, true);
  LLVMSetAlignment(global, 64);
  return global;
}

LLVMValueRef fft_table_twiddles(Session *session, int64_t radix, int64_t below, int64_t first, double factor) {
  int64_t length = radix * below, at = 0;
  float *table = ARENA_ARRAY(session->arena, float, 2 * length);
  for (int64_t j = 0; j < below; j++) {
    for (int64_t n = first; n < radix; n++) {
      double angle = TURN * (double)(n * j % length) / (double)length;
      table[at++] = (float)(factor * cos(angle));
      table[at++] = (float)(factor * -sin(angle));
    }
  }
  return add_table(session, table, at);
}

LLVMValueRef fft_table_dense(Session *session, int64_t prime) {
  int64_t half = (prime - 1) / 2, at = 0;
  float *table = ARENA_ARRAY(session->arena, float, 2 * half * half);
  for (int64_t k = 1; k <= half; k++) {
    for (int64_t n = 1; n <= half; n++) {
      double angle = TURN * (double)(n * k % prime) / (double)prime;
      table[at++] = (float)cos(angle);
      table[at++] = (float)sin(angle);
    }
  }
  return add_table(session, table, at);
}

/* Angle of the chirp at n, exactly reduced. */
static double chirp_angle(int64_t n, int64_t extent) {
  return TURN / 2 * (double)(n * n % (2 * extent)) / (double)extent;
}

LLVMValueRef fft_table_chirp(Session *session, int64_t extent) {
  float *table = ARENA_ARRAY(session->arena, float, 2 * extent);
  for (int64_t n = 0; n < extent; n++) {
    table[2 * n] = (float)cos(chirp_angle(n, extent));
    table[2 * n + 1] = (float)-sin(chirp_angle(n, extent));
  }
  return add_table(session, table, 2 * extent);
}

/* A transform in f64 of `length` pairs `stride` apart, by factors. */
static void transform(Arena *arena, int64_t length, int64_t stride, const double *from, double *to) {
  int64_t radix = 2;
  while (radix < length && length % radix != 0) radix++;
  if (length == 1) {
    to[0] = from[0];
    to[1] = from[1];
    return;
  }
  int64_t rows = length / radix;
  double *part = ARENA_ARRAY(arena, double, 2 * length);
  for (int64_t n = 0; n < radix; n++)
    transform(arena, rows, stride * radix, from + 2 * n * stride, part + 2 * n * rows);
  for (int64_t k = 0; k < length; k++) {
    double re = 0, im = 0;
    for (int64_t n = 0; n < radix; n++) {
      double angle = TURN * (double)(n * k % length) / (double)length, cosine = cos(angle), sine = sin(angle);
      const double *x = part + 2 * (n * rows + k % rows);
      re += x[0] * cosine + x[1] * sine;
      im += x[1] * cosine - x[0] * sine;
    }
    to[2 * k] = re;
    to[2 * k + 1] = im;
  }
}

LLVMValueRef fft_table_convolution(Session *session, const FftPlan *plan, double factor) {
  int64_t extent = plan->extent, length = plan->length;
  Arena *scratch = arena_create();
  double *chirp = ARENA_ARRAY(scratch, double, 2 * length), *spectrum = ARENA_ARRAY(scratch, double, 2 * length);
  float *table = ARENA_ARRAY(session->arena, float, 4 * length);
  for (int64_t n = 0; n < extent; n++) {
    double re = cos(chirp_angle(n, extent)), im = sin(chirp_angle(n, extent));
    int64_t mirror = (length - n) % length;
    chirp[2 * n] = chirp[2 * mirror] = re;
    chirp[2 * n + 1] = chirp[2 * mirror + 1] = im;
    table[2 * length + 2 * n] = (float)re;
    table[2 * length + 2 * n + 1] = (float)im;
  }
  transform(scratch, length, 1, chirp, spectrum);
  for (int64_t k = 0; k < 2 * length; k++) table[k] = (float)(spectrum[k] * factor / (double)length);
  arena_destroy(scratch);
  return add_table(session, table, 4 * length);
}
