#include "vector_reference.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static inline uint64_t bits_of(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline double double_of(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* |x| is cut off at 160, where f32 results have long become 0 or infinity. */
static inline double exp_double(double x) {
  x = x > 160 ? 160 : x;
  x = x < -160 ? -160 : x;
  const double rounding = 0x1.8p52;
  double rounded = x * 0x1.71547652b82fep0 + rounding;
  double n = rounded - rounding;
  double r = (x - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33;
  double p = 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r * r + r + 1;
  return p * double_of((bits_of(rounded) + 1023) << 52);
}

/* 2 atanh(s), |s| <= 1/3: twelve terms leave less than 2^-42. */
static inline double twice_atanh(double s) {
  double q = s * s, p = 1.0 / 25;
  p = p * q + 1.0 / 23;
  p = p * q + 1.0 / 21;
  p = p * q + 1.0 / 19;
  p = p * q + 1.0 / 17;
  p = p * q + 1.0 / 15;
  p = p * q + 1.0 / 13;
  p = p * q + 1.0 / 11;
  p = p * q + 1.0 / 9;
  p = p * q + 1.0 / 7;
  p = p * q + 1.0 / 5;
  p = p * q + 1.0 / 3;
  return 2 * s * (p * q + 1);
}

static inline double log_double(double x) {
  const uint64_t sqrt_half = 0x3fe6a09e667f3bcd;
  uint64_t above = bits_of(x) - sqrt_half;
  /* The exponent, made a double by way of the mantissa of 2^52 + 2048. */
  double exponent = double_of((above + ((uint64_t)2048 << 52)) >> 52 | 0x4330000000000000) - (0x1p52 + 2048);
  double m = double_of((above & 0x000fffffffffffff) + sqrt_half);
  double result = exponent * 0x1.62e42fefa39efp-1 + twice_atanh((m - 1) / (m + 1));
  return x == 0 ? -HUGE_VAL : result;
}

/* Where all operands are tiny or all are huge, which is most of the f32 numbers, the exponential takes no polynomial. */
static bool exp_is_simple(const float *x, double scale, double *y, int64_t count) {
  const double tiny = 0x1p-20, huge = 160, large_result = 0x1p200;
  float largest = 0, smallest = HUGE_VALF;
  for (int64_t i = 0; i < count; i++) {
    float magnitude = fabsf(x[i]);
    largest = magnitude > largest ? magnitude : largest;
    smallest = magnitude < smallest ? magnitude : smallest;
  }
  if (largest * scale < tiny) {
    for (int64_t i = 0; i < count; i++) y[i] = 1 + x[i] * scale * (1 + x[i] * scale / 2);
  } else if (smallest * scale > huge) {
    for (int64_t i = 0; i < count; i++) y[i] = x[i] > 0 ? large_result : 1 / large_result;
  } else {
    return false;
  }
  return true;
}

void reference_exp(const float *x, double *y, int64_t count) {
  if (exp_is_simple(x, 1, y, count)) return;
  for (int64_t i = 0; i < count; i++) y[i] = exp_double(x[i]);
}

void reference_exp2(const float *x, double *y, int64_t count) {
  if (exp_is_simple(x, 0x1.62e42fefa39efp-1, y, count)) return;
  for (int64_t i = 0; i < count; i++) {
    double v = (double)x[i] > 230 ? 230.0 : (double)x[i];
    v = v < -230 ? -230.0 : v;
    y[i] = exp_double(v * 0x1.62e42fefa39efp-1);
  }
}

void reference_log(const float *x, double *y, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] = log_double(x[i]);
}

void reference_sigmoid(const float *x, double *y, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] = 1 / (1 + exp_double(-(double)x[i]));
}

void reference_softplus(const float *x, double *y, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    double z = exp_double(-fabs((double)x[i]));
    y[i] = (x[i] > 0 ? (double)x[i] : 0.0) + twice_atanh(z / (2 + z));
  }
}

void reference_tanh(const float *x, double *y, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    double v = x[i], q = v * v;
    double small = v * (1 + q * (-1.0 / 3 + q * (2.0 / 15)));
    double large = 1 - 2 / (exp_double(2 * v) + 1);
    y[i] = q < 0x1p-20 ? small : large;
  }
}

/* The library's erf where it is neither its series nor 1. */
void reference_erf(const float *x, double *y, int64_t count) {
  const double two_over_sqrt_pi = 0x1.20dd750429b6dp0;
  for (int64_t i = 0; i < count; i++) {
    double v = x[i], q = v * v;
    if (q < 0x1p-24)
      y[i] = v * two_over_sqrt_pi * (1 - q * (1.0 / 3));
    else
      y[i] = q < 36 ? erf(v) : copysign(1.0, v);
  }
}

/* One error; without branches. */
static inline double error_in_units(double value, double exact, double flushed_below, double low, double high) {
  const double overflow = 0x1p128;
  const uint64_t exponent_mask = 0x7ff0000000000000, mantissa_bits = 23;
  /* Less the exponent field of 2^e this is 2^(23 - e). */
  const uint64_t reciprocal = (2 * 1023 + mantissa_bits) << 52;
  exact = exact > overflow ? overflow : exact;
  exact = exact < -overflow ? -overflow : exact;
  value = value > overflow ? overflow : value;
  value = value < -overflow ? -overflow : value;
  double power = double_of(bits_of(exact) & exponent_mask);
  power = power < 0x1p-126 ? 0x1p-126 : power;
  power = power > 0x1p127 ? 0x1p127 : power;
  double error = fabs(value - exact) * double_of(reciprocal - bits_of(power));
  double excused = fabs(exact) < flushed_below ? 0.0 : -1.0;
  error = fabs(value) == excused ? 0.0 : error;
  error = value >= low ? error : (double)NAN;
  return value <= high ? error : (double)NAN;
}

double reference_compare(const float *y, const double *reference, int64_t count, double flushed_below, float low,
                         float high) {
  enum { BLOCK = 256 };
  int64_t largest = 0; /* errors compare as integers, and a nan is above every number */
  for (int64_t first = 0; first < count; first += BLOCK) {
    double error[BLOCK];
    int64_t size = count - first < BLOCK ? count - first : BLOCK;
    for (int64_t i = 0; i < size; i++)
      error[i] = error_in_units(y[first + i], reference[first + i], flushed_below, low, high);
    for (int64_t i = 0; i < size; i++) {
      int64_t bits = (int64_t)bits_of(error[i]);
      largest = bits > largest ? bits : largest;
    }
  }
  return double_of((uint64_t)largest);
}
