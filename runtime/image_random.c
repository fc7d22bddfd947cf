#include "image_random.h"

#include <math.h>

#include "random.h"

ImageDraws image_draws(const ImageKey *key, DrawPurpose purpose) {
  uint64_t low = RANDOM_IMAGE | (uint64_t)(key->repeat & 255) << 8 | purpose;
  return (ImageDraws){.seed = key->seed, .stream = (uint64_t)key->epoch << 32 | low, .counter = key->sample << 32};
}

static uint32_t draw_word(ImageDraws *draws) {
  if (draws->left == 0) {
    random_bits(draws->seed, draws->stream, draws->counter++, draws->words);
    draws->left = 4;
  }
  return draws->words[4 - draws->left--];
}

double draw_uniform(ImageDraws *draws) { return draw_word(draws) * 0x1p-32; }

double draw_between(ImageDraws *draws, double low, double high) { return low + draw_uniform(draws) * (high - low); }

int32_t draw_index(ImageDraws *draws, int32_t count) {
  return (int32_t)((uint64_t)draw_word(draws) * (uint64_t)count >> 32);
}

void draw_normals(ImageDraws *draws, double out_normals[2]) {
  double radius = sqrt(-2 * log((draw_word(draws) + 1.0) * 0x1p-32)); /* of (0, 1]: finite */
  double angle = 2 * 3.14159265358979323846 * draw_uniform(draws);
  out_normals[0] = radius * cos(angle);
  out_normals[1] = radius * sin(angle);
}

/* The logarithm of a Gamma(shape, 1) number: Marsaglia and Tsang, "A simple method for generating gamma variables"
 * (2000). Below 1 from shape + 1, times a power of a uniform number, which is why it is a logarithm: it gets tiny. */
static double draw_log_gamma(ImageDraws *draws, double shape) {
  double boost = 0;
  if (shape < 1) {
    boost = log((draw_word(draws) + 1.0) * 0x1p-32) / shape;
    shape += 1;
  }
  double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
  while (true) {
    double x[2];
    draw_normals(draws, x);
    double uniform = (draw_word(draws) + 1.0) * 0x1p-32;
    double cube = pow(1 + c * x[0], 3);
    if (cube > 0 && log(uniform) < 0.5 * x[0] * x[0] + d - d * cube + d * log(cube)) return log(d * cube) + boost;
  }
}

double draw_beta(ImageDraws *draws, double alpha) {
  double a = draw_log_gamma(draws, alpha), b = draw_log_gamma(draws, alpha);
  return 1 / (1 + exp(b - a));
}
