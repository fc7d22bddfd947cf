/* Flush-to-zero and denormals-are-zero for the calling thread, as kernels run. */
#ifndef SIMBAC_TESTS_DENORMAL_MODE_H
#define SIMBAC_TESTS_DENORMAL_MODE_H

#include <stdint.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
enum { DENORMALS_ARE_ZERO = 0x8040 };
static inline uint64_t denormal_mode(void) { return _mm_getcsr(); }
static inline void denormal_mode_set(uint64_t mode) { _mm_setcsr((uint32_t)mode); }
#elif defined(__aarch64__)
enum { DENORMALS_ARE_ZERO = 1 << 24 };
static inline uint64_t denormal_mode(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
static inline void denormal_mode_set(uint64_t mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#endif

#endif
