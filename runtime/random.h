/* Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011),
 * by Random123. A number is a function of (seed, stream, counter) and of nothing else, so there is no state to save. */
#ifndef SIMBA_RANDOM_H
#define SIMBA_RANDOM_H

#include <stdint.h>

/* Streams of the runtime's own; a seed means something else in each. */
typedef enum RandomStream {
  RANDOM_SHUFFLE = 0x73687566,
  RANDOM_IMAGE = 0x696d0000 /* and the 65,535 after it: image_random.h */
} RandomStream;

/* Four independent 32-bit words. Key: the seed. Counter: (counter, stream). */
void random_bits(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out_words[4]);
/* Uniform in [0, 1): a multiple of 2^-24, exact in f32. */
float random_uniform(uint64_t seed, uint64_t stream, uint64_t counter);
/* Normal with mean 0 and deviation 1 (Box and Muller), in double. */
double random_normal(uint64_t seed, uint64_t stream, uint64_t counter);
/* A permutation of 0 .. count - 1 keyed by (seed, epoch): Fisher and Yates with unbiased bounded draws (Lemire, "Fast
 * random integer generation in an interval", 2019). */
void random_shuffle(uint64_t seed, uint64_t epoch, int64_t count, int64_t *out_order);

#endif
