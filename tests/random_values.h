/* Reproducible numbers for tests: a small generator, no global state. */
#ifndef SIMBAC_TESTS_RANDOM_VALUES_H
#define SIMBAC_TESTS_RANDOM_VALUES_H

#include "ir/evaluate.h"

#include <stdint.h>

typedef struct Random {
  uint64_t state;
} Random;

static inline uint32_t random_next(Random *random) {
  random->state = random->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  uint64_t mixed = (random->state ^ (random->state >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
  return (uint32_t)(mixed >> 32);
}

static inline uint32_t random_below(Random *random, uint32_t bound) { return random_next(random) % bound; }

static inline double random_between(Random *random, double low, double high) {
  return low + (high - low) * ((double)random_next(random) + 0.5) * 0x1p-32;
}

static inline int64_t shape_value_count(const Shape *shape, const int64_t *symbols) {
  int64_t count = 1;
  for (int32_t k = 0; k < shape->rank; k++) count *= dim_value(shape->dim[k], symbols);
  return count;
}

static inline double *random_values(Random *random, Arena *arena, int64_t count, double low, double high) {
  double *data = ARENA_ARRAY(arena, double, count > 0 ? count : 1);
  for (int64_t i = 0; i < count; i++) data[i] = random_between(random, low, high);
  return data;
}

#endif
