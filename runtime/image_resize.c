#include "image_resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PRECISION = 22, HALF = 1 << (PRECISION - 1), COLUMNS = 64 };

/* The loops over pixels are compiled twice where the machine may have wider vectors; whole numbers, so the same bits.
 * Which one is taken is found out before ThreadSanitizer has begun, whose code is in there too. */
#if defined(__has_feature)
#define THREADS_SANITIZED __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define THREADS_SANITIZED 1
#else
#define THREADS_SANITIZED 0
#endif
#if defined(__x86_64__) && defined(__gnu_linux__) && !THREADS_SANITIZED
#define WIDE_LOOPS __attribute__((target_clones("avx2", "default")))
#else
#define WIDE_LOOPS
#endif

/* One direction of a resize: output i is the sum over k below `taps` of coefficient[i, k] * input[begin[i] + k], with
 * coefficients of 0 where it takes fewer. Counted from `first`, the first input that any output takes. */
typedef struct Pass {
  int32_t count, taps, first, last;
  const int32_t *begin, *coefficients;
} Pass;

static double filter_weight(ImageFilter filter, double x) {
  x = fabs(x);
  if (filter == FILTER_BILINEAR) return x < 1 ? 1 - x : 0;
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1; /* Keys, a = -1/2 */
  if (x < 2) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
  return 0;
}

static simba_status reserve(size_t count, int32_t **numbers, size_t *capacity, simba_error *error) {
  if (count <= *capacity) return SIMBA_OK;
  free(*numbers);
  *numbers = memory_allocate(count, sizeof **numbers);
  *capacity = *numbers ? count : 0;
  return *numbers ? SIMBA_OK : error_set_memory(error, "an image to be resized");
}

void resize_buffers_clear(ResizeBuffers *buffers) {
  free(buffers->begin);
  free(buffers->coefficients);
  free(buffers->wide);
  image_clear(&buffers->between);
  *buffers = (ResizeBuffers){0};
}

/* Coefficients of outputs window_first .. window_first + count - 1 of `full` ones made from `size` inputs. */
static simba_status pass_prepare(int32_t size, int32_t full, int32_t window_first, int32_t count, ImageFilter filter,
                                 ResizeBuffers *buffers, Pass *out_pass, simba_error *error) {
  double scale = (double)size / full, reduction = fmax(scale, 1), inverse = 1 / reduction;
  double support = (filter == FILTER_BILINEAR ? 1 : 2) * reduction;
  int32_t taps = 2 * (int32_t)ceil(support) + 1;
  simba_status status = reserve((size_t)count, &buffers->begin, &buffers->begin_capacity, error);
  if (!status) {
    status = reserve((size_t)count * (size_t)taps, &buffers->coefficients, &buffers->coefficient_capacity, error);
  }
  if (status) return status;
  *out_pass = (Pass){count, taps, size, 0, buffers->begin, buffers->coefficients};
  for (int32_t i = 0; i < count; i++) {
    double centre = (window_first + i + 0.5) * scale, sum = 0;
    int32_t begin = (int32_t)fmax(centre - support + 0.5, 0), end = (int32_t)fmin(centre + support + 0.5, size);
    int32_t *row = buffers->coefficients + (size_t)i * (size_t)taps;
    for (int32_t x = begin; x < end; x++) sum += filter_weight(filter, (x - centre + 0.5) * inverse);
    for (int32_t k = 0; k < taps; k++) {
      double weight = begin + k < end ? filter_weight(filter, (begin + k - centre + 0.5) * inverse) / sum : 0;
      row[k] = (int32_t)(weight * (1 << PRECISION) + (weight < 0 ? -0.5 : 0.5));
    }
    buffers->begin[i] = begin;
    if (begin < out_pass->first) out_pass->first = begin;
    if (end > out_pass->last) out_pass->last = end;
  }
  return SIMBA_OK;
}

static inline uint8_t clip(int32_t sum) {
  int32_t value = sum >> PRECISION;
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Taps of an output that lie inside `end` inputs: the rest are zeros that must not be read. */
static inline int32_t taps_inside(const Pass *pass, int32_t begin, int32_t end) {
  return begin + pass->taps <= end ? pass->taps : end - begin;
}

/* A pixel and the first value of the next one: a vector has four. */
typedef int32_t Sums4 __attribute__((vector_size(16)));

/* A row of pixels [size, 3] to [count, 3]. `wide` has room for 3 * size + 1 numbers: pixels become 32 bits once, not
 * once a tap. */
WIDE_LOOPS static void resize_row_colour(const Pass *pass, const uint8_t *row, int32_t size, int32_t *wide,
                                         uint8_t *out) {
  for (size_t x = 0; x < 3 * (size_t)size; x++) wide[x] = row[x];
  wide[3 * (size_t)size] = 0;
  for (int32_t i = 0; i < pass->count; i++) {
    int32_t begin = pass->begin[i], taps = taps_inside(pass, begin, size);
    const int32_t *coefficient = pass->coefficients + (size_t)i * (size_t)pass->taps;
    const int32_t *pixel = wide + 3 * (size_t)begin;
    Sums4 sum = {HALF, HALF, HALF};
    for (int32_t k = 0; k < taps; k++) {
      Sums4 values;
      memcpy(&values, pixel + 3 * (size_t)k, sizeof values);
      sum += coefficient[k] * values;
    }
    for (int c = 0; c < 3; c++) out[3 * i + c] = clip(sum[c]);
  }
}

/* The same for [size] to [count]. */
WIDE_LOOPS static void resize_row_grey(const Pass *pass, const uint8_t *row, int32_t size, uint8_t *out) {
  for (int32_t i = 0; i < pass->count; i++) {
    int32_t begin = pass->begin[i], taps = taps_inside(pass, begin, size), sum = HALF;
    const int32_t *coefficient = pass->coefficients + (size_t)i * (size_t)pass->taps;
    for (int32_t k = 0; k < taps; k++) sum += coefficient[k] * row[begin + k];
    out[i] = clip(sum);
  }
}

/* Columns of rows of `length` values, rows of the input counted from `first`. */
WIDE_LOOPS static void resize_columns(const Pass *pass, const Image *between, int32_t first, uint8_t *out) {
  size_t length = (size_t)between->width * (size_t)between->channels;
  for (int32_t i = 0; i < pass->count; i++) {
    int32_t begin = pass->begin[i], taps = taps_inside(pass, begin, first + between->height);
    const int32_t *coefficient = pass->coefficients + (size_t)i * (size_t)pass->taps;
    const uint8_t *rows = between->pixels + (size_t)(begin - first) * length;
    for (size_t x = 0; x < length; x += COLUMNS) {
      int32_t sum[COLUMNS];
      size_t width = length - x < COLUMNS ? length - x : COLUMNS;
      for (size_t j = 0; j < width; j++) sum[j] = HALF;
      for (int32_t k = 0; k < taps; k++) {
        const uint8_t *row = rows + (size_t)k * length + x;
        for (size_t j = 0; j < width; j++) sum[j] += coefficient[k] * row[j];
      }
      for (size_t j = 0; j < width; j++) out[(size_t)i * length + x + j] = clip(sum[j]);
    }
  }
}

/* Rows first .. last of the box, at their full height, columns resized: into buffers->between. */
static simba_status resize_rows(const Image *source, ImageBox box, int32_t full_width, ImageBox window, int32_t first,
                                int32_t last, ImageFilter filter, ResizeBuffers *buffers, simba_error *error) {
  size_t channels = (size_t)source->channels, stride = (size_t)source->width * channels;
  simba_status status = image_reserve(&buffers->between, last - first, window.width, source->channels, error);
  Pass pass = {0};
  bool same = box.width == full_width;
  if (!status && !same && source->channels == 3) {
    status = reserve(3 * (size_t)box.width + 1, &buffers->wide, &buffers->wide_capacity, error);
  }
  if (!status && !same) {
    status = pass_prepare(box.width, full_width, window.left, window.width, filter, buffers, &pass, error);
  }
  if (status) return status;
  for (int32_t y = first; y < last; y++) {
    const uint8_t *row = source->pixels + (size_t)(box.top + y) * stride + (size_t)box.left * channels;
    uint8_t *out = buffers->between.pixels + (size_t)(y - first) * (size_t)window.width * channels;
    if (same) {
      memcpy(out, row + (size_t)window.left * channels, (size_t)window.width * channels);
    } else if (source->channels == 3) {
      resize_row_colour(&pass, row, box.width, buffers->wide, out);
    } else {
      resize_row_grey(&pass, row, box.width, out);
    }
  }
  return SIMBA_OK;
}

simba_status image_resize(const Image *source, ImageBox box, int32_t full_height, int32_t full_width, ImageBox window,
                          ImageFilter filter, ResizeBuffers *buffers, Image *out, simba_error *error) {
  bool same = box.height == full_height;
  int32_t first = window.top, last = window.top + window.height;
  Pass pass = {0};
  simba_status status = SIMBA_OK;
  /* Which rows the second pass takes is known from its coefficients; the first pass then uses their memory. */
  if (!same) {
    status = pass_prepare(box.height, full_height, window.top, window.height, filter, buffers, &pass, error);
    first = pass.first;
    last = pass.last;
  }
  if (!status) status = resize_rows(source, box, full_width, window, first, last, filter, buffers, error);
  if (!status) status = image_reserve(out, window.height, window.width, source->channels, error);
  if (status) return status;
  if (same) {
    memcpy(out->pixels, buffers->between.pixels,
           (size_t)window.height * (size_t)window.width * (size_t)source->channels);
    return SIMBA_OK;
  }
  status = pass_prepare(box.height, full_height, window.top, window.height, filter, buffers, &pass, error);
  if (!status) resize_columns(&pass, &buffers->between, first, out->pixels);
  return status;
}
