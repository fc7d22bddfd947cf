#include "random.h"

#include <Random123/philox.h>
#include <math.h>

void random_bits(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out_words[4]) {
  philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
  philox4x32_ctr_t position = {
      {(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)}};
  philox4x32_ctr_t words = philox4x32(position, key);
  for (int i = 0; i < 4; i++) out_words[i] = words.v[i];
}

float random_uniform(uint64_t seed, uint64_t stream, uint64_t counter) {
  uint32_t words[4];
  random_bits(seed, stream, counter, words);
  return (float)(words[0] >> 8) * 0x1p-24f;
}

double random_normal(uint64_t seed, uint64_t stream, uint64_t counter) {
  uint32_t words[4];
  random_bits(seed, stream, counter, words);
  uint64_t high = (uint64_t)words[0] << 32 | words[1], low = (uint64_t)words[2] << 32 | words[3];
  double radius = ((double)(high >> 11) + 1) * 0x1p-53; /* in (0, 1]: its logarithm is finite */
  double angle = (double)(low >> 11) * 0x1p-53;
  return sqrt(-2 * log(radius)) * cos(2 * 3.14159265358979323846 * angle);
}

/* Draws of a shuffle: 64 bits each, two a Philox block. */
typedef struct Draws {
  uint64_t seed, stream, counter;
  uint32_t words[4];
  int left;
} Draws;

static uint64_t draw(Draws *draws) {
  if (draws->left == 0) {
    random_bits(draws->seed, draws->stream, draws->counter++, draws->words);
    draws->left = 2;
  }
  int k = 2 * (2 - draws->left--);
  return (uint64_t)draws->words[k] << 32 | draws->words[k + 1];
}

/* The 128-bit product of two 64-bit numbers, in C17. */
static uint64_t multiply_wide(uint64_t a, uint64_t b, uint64_t *out_low) {
  uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
  uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (uint32_t)middle;
  *out_low = a * b;
  return a1 * b1 + (middle >> 32) + (other >> 32);
}

/* Uniform in 0 .. bound - 1: the high half of draw * bound, where draws that would make some results likelier than
 * others (low half under 2^64 mod bound) are thrown away. */
static uint64_t draw_below(Draws *draws, uint64_t bound) {
  uint64_t low, high = multiply_wide(draw(draws), bound, &low);
  if (low < bound) {
    uint64_t threshold = -bound % bound;
    while (low < threshold) high = multiply_wide(draw(draws), bound, &low);
  }
  return high;
}

void random_shuffle(uint64_t seed, uint64_t epoch, int64_t count, int64_t *out_order) {
  /* Low word: which use; high word: the epoch. */
  Draws draws = {.seed = seed, .stream = (epoch << 32) | RANDOM_SHUFFLE};
  for (int64_t i = 0; i < count; i++) out_order[i] = i;
  for (int64_t i = count - 1; i > 0; i--) {
    int64_t j = (int64_t)draw_below(&draws, (uint64_t)i + 1), value = out_order[i];
    out_order[i] = out_order[j];
    out_order[j] = value;
  }
}
