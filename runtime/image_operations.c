#include "image_operations.h"

#include <math.h>
#include <string.h>

static size_t image_size(const Image *image) {
  return (size_t)image->height * (size_t)image->width * (size_t)image->channels;
}

static inline uint8_t clip(int32_t value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

static inline void flip_rows(Image *image, size_t channels) {
  size_t width = (size_t)image->width;
  for (int32_t y = 0; y < image->height; y++) {
    uint8_t *left = image->pixels + (size_t)y * width * channels, *right = left + (width - 1) * channels;
    for (; left < right; left += channels, right -= channels) {
      for (size_t c = 0; c < channels; c++) {
        uint8_t value = left[c];
        left[c] = right[c];
        right[c] = value;
      }
    }
  }
}

void image_flip(Image *image) {
  if (image->channels == 3)
    flip_rows(image, 3);
  else
    flip_rows(image, 1);
}

/* ---- A table for each channel ---- */

static void apply_tables(Image *image, uint8_t tables[3][256]) {
  size_t count = (size_t)image->height * (size_t)image->width;
  uint8_t *pixel = image->pixels;
  if (image->channels == 1) {
    for (size_t i = 0; i < count; i++) pixel[i] = tables[0][pixel[i]];
    return;
  }
  for (size_t i = 0; i < count; i++, pixel += 3) {
    for (int c = 0; c < 3; c++) pixel[c] = tables[c][pixel[c]];
  }
}

static void apply_table(Image *image, const uint8_t table[256]) {
  size_t size = image_size(image);
  for (size_t i = 0; i < size; i++) image->pixels[i] = table[image->pixels[i]];
}

static void take_histograms(const Image *image, int64_t histograms[3][256]) {
  memset(histograms, 0, 3 * sizeof *histograms);
  size_t count = (size_t)image->height * (size_t)image->width, channels = (size_t)image->channels;
  for (size_t i = 0; i < count; i++) {
    for (size_t c = 0; c < channels; c++) histograms[c][image->pixels[i * channels + c]]++;
  }
}

void image_autocontrast(Image *image) {
  int64_t histograms[3][256];
  uint8_t tables[3][256];
  take_histograms(image, histograms);
  for (int c = 0; c < image->channels; c++) {
    int low = 0, high = 255;
    while (low < 255 && !histograms[c][low]) low++;
    while (high > 0 && !histograms[c][high]) high--;
    double scale = high > low ? 255.0 / (high - low) : 1, offset = high > low ? -low * scale : 0;
    for (int i = 0; i < 256; i++) tables[c][i] = clip((int32_t)(i * scale + offset));
  }
  apply_tables(image, tables);
}

void image_equalize(Image *image) {
  int64_t histograms[3][256];
  uint8_t tables[3][256];
  take_histograms(image, histograms);
  int64_t count = (int64_t)image->height * image->width;
  for (int c = 0; c < image->channels; c++) {
    int last = 255;
    while (last > 0 && !histograms[c][last]) last--;
    int64_t step = (count - histograms[c][last]) / 255, sum = step / 2;
    for (int i = 0; i < 256; i++) {
      tables[c][i] = step ? clip((int32_t)(sum / step)) : (uint8_t)i;
      sum += histograms[c][i];
    }
  }
  apply_tables(image, tables);
}

void image_invert(Image *image) { image_solarize(image, 0); }

void image_posterize(Image *image, int32_t bits) {
  uint8_t table[256];
  for (int i = 0; i < 256; i++) table[i] = (uint8_t)(i & ~((1 << (8 - bits)) - 1));
  apply_table(image, table);
}

void image_solarize(Image *image, int32_t threshold) {
  uint8_t table[256];
  for (int i = 0; i < 256; i++) table[i] = (uint8_t)(i < threshold ? i : 255 - i);
  apply_table(image, table);
}

void image_solarize_add(Image *image, int32_t add) {
  uint8_t table[256];
  for (int i = 0; i < 256; i++) table[i] = i < 128 ? clip(i + add) : (uint8_t)i;
  apply_table(image, table);
}

/* ---- Blends ---- */

/* From a to b by a factor that may be beyond 0 .. 1, cut to whole numbers. */
static inline uint8_t blend(int32_t a, int32_t b, float factor) {
  float value = (float)a + factor * (float)(b - a);
  return (uint8_t)(value <= 0 ? 0 : value >= 255 ? 255 : value);
}

/* Luminance as Pillow's mode "L" has it. */
static inline int32_t luminance(const uint8_t *pixel) {
  return (pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000) >> 16;
}

void image_color(Image *image, float factor) {
  if (image->channels == 1 || factor == 1) return;
  size_t size = image_size(image);
  for (size_t i = 0; i < size; i += 3) {
    uint8_t *pixel = image->pixels + i;
    int32_t grey = luminance(pixel);
    for (int c = 0; c < 3; c++) pixel[c] = blend(grey, pixel[c], factor);
  }
}

/* Blends with one grey level. */
static void blend_level(Image *image, int32_t level, float factor) {
  uint8_t table[256];
  for (int i = 0; i < 256; i++) table[i] = blend(level, i, factor);
  apply_table(image, table);
}

void image_contrast(Image *image, float factor) {
  size_t count = (size_t)image->height * (size_t)image->width;
  int64_t sum = 0;
  for (size_t i = 0; i < count; i++) {
    sum += image->channels == 1 ? image->pixels[i] : luminance(image->pixels + 3 * i);
  }
  blend_level(image, (int32_t)((double)sum / (double)count + 0.5), factor);
}

void image_brightness(Image *image, float factor) { blend_level(image, 0, factor); }

void image_sharpness(const Image *source, float factor, Image *out) {
  size_t channels = (size_t)source->channels, stride = (size_t)source->width * channels;
  memcpy(out->pixels, source->pixels, image_size(source)); /* the border is not smoothed */
  for (int32_t y = 1; y < source->height - 1; y++) {
    for (size_t x = channels; x + channels < stride; x++) {
      const uint8_t *here = source->pixels + (size_t)y * stride + x, *above = here - stride, *below = here + stride;
      int32_t sum = above[-(ptrdiff_t)channels] + above[0] + above[channels] + here[-(ptrdiff_t)channels] +
                    5 * here[0] + here[channels] + below[-(ptrdiff_t)channels] + below[0] + below[channels];
      out->pixels[(size_t)y * stride + x] = blend((2 * sum + 13) / 26, here[0], factor);
    }
  }
}

/* ---- Moves ---- */

static inline int32_t bounded(int32_t i, int32_t count) { return i < 0 ? 0 : i >= count ? count - 1 : i; }

static inline double cubic(double a, double b, double c, double d, double t) {
  return b + t * (-a + c + t * (2 * (a - b) + c - d + t * (-a + b - c + d)));
}

/* Four rows of four columns, one above and left of (y, x), and the place in the middle square. */
typedef struct Place {
  const uint8_t *row[4];
  size_t column[4];
  double down, right;
} Place;

static Place place_at(const Image *source, double y, double x) {
  Place place;
  int32_t top = (int32_t)floor(y), left = (int32_t)floor(x);
  size_t channels = (size_t)source->channels, stride = (size_t)source->width * channels;
  for (int32_t k = 0; k < 4; k++) {
    place.row[k] = source->pixels + (size_t)bounded(top - 1 + k, source->height) * stride;
    place.column[k] = (size_t)bounded(left - 1 + k, source->width) * channels;
  }
  place.down = y - top;
  place.right = x - left;
  return place;
}

static uint8_t sample_linear(const Place *place, size_t channel) {
  double row[2];
  for (int k = 0; k < 2; k++) {
    const uint8_t *pixels = place->row[k + 1] + channel;
    double left = pixels[place->column[1]], right = pixels[place->column[2]];
    row[k] = left + (right - left) * place->right;
  }
  return (uint8_t)(row[0] + (row[1] - row[0]) * place->down);
}

static uint8_t sample_cubic(const Place *place, size_t channel) {
  double row[4];
  for (int k = 0; k < 4; k++) {
    const uint8_t *pixels = place->row[k] + channel;
    row[k] = cubic(pixels[place->column[0]], pixels[place->column[1]], pixels[place->column[2]],
                   pixels[place->column[3]], place->right);
  }
  double value = cubic(row[0], row[1], row[2], row[3], place->down);
  return (uint8_t)(value <= 0 ? 0 : value >= 255 ? 255 : value);
}

void image_affine(const Image *source, const double m[6], ImageFilter filter, const uint8_t fill[3], Image *out) {
  size_t channels = (size_t)source->channels;
  uint8_t *pixel = out->pixels;
  for (int32_t i = 0; i < source->height; i++) {
    for (int32_t j = 0; j < source->width; j++, pixel += channels) {
      double x = m[0] * (j + 0.5) + m[1] * (i + 0.5) + m[2], y = m[3] * (j + 0.5) + m[4] * (i + 0.5) + m[5];
      if (!(x >= 0 && x < source->width && y >= 0 && y < source->height)) {
        memcpy(pixel, fill, channels);
        continue;
      }
      Place place = place_at(source, y - 0.5, x - 0.5);
      for (size_t c = 0; c < channels; c++) {
        pixel[c] = filter == FILTER_BICUBIC ? sample_cubic(&place, c) : sample_linear(&place, c);
      }
    }
  }
}

void rotation_matrix(double degrees, int32_t height, int32_t width, double out_m[6]) {
  double angle = -degrees * (3.14159265358979323846 / 180), cosine = cos(angle), sine = sin(angle);
  double x = width / 2.0, y = height / 2.0;
  double m[6] = {cosine, sine, x - cosine * x - sine * y, -sine, cosine, y + sine * x - cosine * y};
  memcpy(out_m, m, sizeof m);
}
