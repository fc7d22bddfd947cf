/* Flush-to-zero while a loop runs, so that subnormal moments do not slow it down and the bits do not depend on the
 * caller's mode. Where a target has no such mode it does nothing. */
#ifndef SIMBA_FLOAT_MODE_H
#define SIMBA_FLOAT_MODE_H

#include <stdint.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

/* Returns what float_mode_restore takes. */
static inline uint64_t float_mode_flush(void) {
#if defined(__SSE2__)
  unsigned before = _mm_getcsr();
  _mm_setcsr((before & ~0x6000u) | 0x8040u); /* round to nearest, flush to zero, subnormals are zero */
  return before;
#elif defined(__aarch64__)
  uint64_t before;
  __asm__ volatile("mrs %0, fpcr" : "=r"(before));
  __asm__ volatile("msr fpcr, %0" : : "r"((before & ~(UINT64_C(3) << 22)) | UINT64_C(1) << 24));
  return before;
#else
  return 0;
#endif
}

static inline void float_mode_restore(uint64_t mode) {
#if defined(__SSE2__)
  _mm_setcsr((unsigned)mode);
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
  (void)mode;
#endif
}

#endif
