#include "codelet.h"

#include <math.h>

static const double TURN = 2 * 3.14159265358979323846;

/* Emits, or only counts where `e` is NULL. */
typedef struct Codelet {
  Emitter *e;
  bool fused;
  int operations;
} Codelet;

/* --- operations ----------------------------------------------------------------------------------------------- */

static LLVMValueRef add(Codelet *c, LLVMValueRef a, LLVMValueRef b) {
  c->operations++;
  return c->e ? LLVMBuildFAdd(c->e->builder, a, b, "") : NULL;
}

static LLVMValueRef subtract(Codelet *c, LLVMValueRef a, LLVMValueRef b) {
  c->operations++;
  return c->e ? LLVMBuildFSub(c->e->builder, a, b, "") : NULL;
}

static LLVMValueRef constant_like(Codelet *c, LLVMValueRef value, double constant) {
  return emit_is_vector(value) ? emit_f32_vector(c->e, constant) : emit_f32(c->e, constant);
}

static LLVMValueRef scale(Codelet *c, double factor, LLVMValueRef a) {
  c->operations++;
  return c->e ? LLVMBuildFMul(c->e->builder, a, constant_like(c, a, factor), "") : NULL;
}

/* factor * a + b */
static LLVMValueRef add_scaled(Codelet *c, double factor, LLVMValueRef a, LLVMValueRef b) {
  if (factor == 1) return add(c, b, a);
  if (factor == -1) return subtract(c, b, a);
  c->operations += c->fused ? 1 : 2;
  return c->e ? emit_fma(c->e, a, constant_like(c, a, factor), b) : NULL;
}

/* b + factor * a and b - factor * a */
static void add_both(Codelet *c, double factor, LLVMValueRef a, LLVMValueRef b, LLVMValueRef *plus,
                     LLVMValueRef *minus) {
  if (factor < 0) {
    LLVMValueRef *other = plus;
    plus = minus;
    minus = other;
    factor = -factor;
  }
  if (factor != 1 && !c->fused) {
    a = scale(c, factor, a);
    factor = 1;
  }
  if (factor == 1) {
    *plus = add(c, b, a);
    *minus = subtract(c, b, a);
    return;
  }
  *plus = add_scaled(c, factor, a, b);
  c->operations++;
  if (c->e) *minus = emit_fma(c->e, LLVMBuildFNeg(c->e->builder, a, ""), constant_like(c, a, factor), b);
}

/* --- powers of two -------------------------------------------------------------------------------------------- */

/* even + w odd and even - w odd for w = exp(-i turn). With w = c - i s = c (1 - i t): w odd = c ((re + t im) +
 * i (im - t re)), and the factor c goes into the sums; where s is larger, the same with s taken out. */
static void combine(Codelet *c, double turn, Complex even, Complex odd, Complex *plus, Complex *minus) {
  double cosine = cos(turn), sine = sin(turn), factor = 1;
  LLVMValueRef re = odd.re, im = odd.im;
  if (fabs(sine) < 1e-9) {
    ASSERT(cosine > 0);
  } else if (fabs(cosine) < 1e-9) { /* w = -i */
    add_both(c, 1, im, even.re, &plus->re, &minus->re);
    add_both(c, 1, re, even.im, &minus->im, &plus->im);
    return;
  } else if (fabs(cosine) >= fabs(sine) * (1 - 1e-9)) {
    double t = fabs(fabs(cosine) - fabs(sine)) < 1e-9 ? copysign(1, sine / cosine) : sine / cosine;
    re = add_scaled(c, t, odd.im, odd.re);
    im = add_scaled(c, -t, odd.re, odd.im);
    factor = cosine;
  } else { /* s (t re + im) + i s (t im - re) */
    double t = cosine / sine;
    re = add_scaled(c, t, odd.re, odd.im);
    im = add_scaled(c, -t, odd.im, odd.re); /* negated */
    factor = sine;
    add_both(c, factor, re, even.re, &plus->re, &minus->re);
    add_both(c, factor, im, even.im, &minus->im, &plus->im);
    return;
  }
  add_both(c, factor, re, even.re, &plus->re, &minus->re);
  add_both(c, factor, im, even.im, &plus->im, &minus->im);
}

static void transform_power(Codelet *c, int radix, Complex *x) {
  if (radix == 1) return;
  int half = radix / 2;
  Complex even[CODELET_LARGEST / 2], odd[CODELET_LARGEST / 2];
  for (int k = 0; k < half; k++) {
    even[k] = x[2 * k];
    odd[k] = x[2 * k + 1];
  }
  transform_power(c, half, even);
  transform_power(c, half, odd);
  for (int k = 0; k < half; k++) combine(c, TURN * k / radix, even[k], odd[k], &x[k], &x[k + half]);
}

/* --- odd primes ------------------------------------------------------------------------------------------------ */

/* With sums p[n] = x[n] + x[radix - n] and differences m[n]: X[k], X[radix - k] = a -+ i b, a = x[0] + sum of
 * cos(2 pi n k / radix) p[n], b = sum of sin(2 pi n k / radix) m[n] with the sine of largest magnitude taken out. */
static void transform_prime(Codelet *c, int radix, Complex *x) {
  enum { MOST = CODELET_LARGEST / 2 };
  int half = (radix - 1) / 2;
  Complex sum[MOST + 1], difference[MOST + 1], first = x[0];
  for (int n = 1; n <= half; n++) {
    add_both(c, 1, x[radix - n].re, x[n].re, &sum[n].re, &difference[n].re);
    add_both(c, 1, x[radix - n].im, x[n].im, &sum[n].im, &difference[n].im);
    x[0] = n == 1 ? (Complex){add(c, first.re, sum[n].re), add(c, first.im, sum[n].im)}
                  : (Complex){add(c, x[0].re, sum[n].re), add(c, x[0].im, sum[n].im)};
  }
  for (int k = 1; k <= half; k++) {
    Complex a = first, b;
    int largest = 1;
    for (int n = 1; n <= half; n++) {
      double cosine = cos(TURN * (n * k % radix) / radix);
      a.re = add_scaled(c, cosine, sum[n].re, a.re);
      a.im = add_scaled(c, cosine, sum[n].im, a.im);
      if (fabs(sin(TURN * (n * k % radix) / radix)) > fabs(sin(TURN * (largest * k % radix) / radix))) largest = n;
    }
    double pivot = sin(TURN * (largest * k % radix) / radix);
    b = difference[largest];
    for (int n = 1; n <= half; n++) {
      if (n == largest) continue;
      double ratio = sin(TURN * (n * k % radix) / radix) / pivot;
      b.re = add_scaled(c, ratio, difference[n].re, b.re);
      b.im = add_scaled(c, ratio, difference[n].im, b.im);
    }
    add_both(c, pivot, b.im, a.re, &x[k].re, &x[radix - k].re);
    add_both(c, pivot, b.re, a.im, &x[radix - k].im, &x[k].im);
  }
}

/* --- products --------------------------------------------------------------------------------------------------- */

static void transform(Codelet *c, int radix, Complex *x);

/* Coprime factors need no twiddles: sample b i + a j (modulo radix), frequency that is k modulo a and l modulo b. */
static void transform_coprime(Codelet *c, int a, int b, Complex *x) {
  int radix = a * b;
  Complex rows[CODELET_LARGEST][CODELET_LARGEST], column[CODELET_LARGEST]; /* [j][i] */
  for (int j = 0; j < b; j++) {
    for (int i = 0; i < a; i++) rows[j][i] = x[(b * i + a * j) % radix];
    transform(c, a, rows[j]);
  }
  for (int k = 0; k < a; k++) {
    for (int j = 0; j < b; j++) column[j] = rows[j][k];
    transform(c, b, column);
    for (int at = k; at < radix; at += a) x[at] = column[at % b];
  }
}

static Complex multiply(Codelet *c, Complex x, double turn) {
  double re = cos(turn), im = -sin(turn);
  Complex scaled = {scale(c, re, x.re), scale(c, re, x.im)};
  return (Complex){add_scaled(c, -im, x.im, scaled.re), add_scaled(c, im, x.re, scaled.im)};
}

/* 9 = 3 x 3: sample 3 i + j, frequency k + 3 l. */
static void transform_nine(Codelet *c, Complex *x) {
  Complex row[3][3], column[3];
  for (int j = 0; j < 3; j++) {
    for (int i = 0; i < 3; i++) row[j][i] = x[3 * i + j];
    transform(c, 3, row[j]);
  }
  for (int k = 0; k < 3; k++) {
    for (int j = 0; j < 3; j++) column[j] = j * k > 0 ? multiply(c, row[j][k], TURN * j * k / 9) : row[j][k];
    transform(c, 3, column);
    for (int l = 0; l < 3; l++) x[k + 3 * l] = column[l];
  }
}

static void transform(Codelet *c, int radix, Complex *x) {
  switch (radix) {
    case 1:
    case 2:
    case 4:
    case 8:
    case 16:
      transform_power(c, radix, x);
      break;
    case 6:
    case 10:
    case 14:
      transform_coprime(c, 2, radix / 2, x);
      break;
    case 12:
    case 15:
      transform_coprime(c, 3, radix / 3, x);
      break;
    case 9:
      transform_nine(c, x);
      break;
    default:
      ASSERT(radix == 3 || radix == 5 || radix == 7 || radix == 11 || radix == 13);
      transform_prime(c, radix, x);
  }
}

void codelet_emit(Emitter *e, int radix, Complex *x) {
  Codelet codelet = {.e = e, .fused = e->has_fma};
  transform(&codelet, radix, x);
}

int codelet_operations(int radix, bool has_fma) {
  Codelet codelet = {.fused = has_fma};
  Complex x[CODELET_LARGEST] = {0};
  transform(&codelet, radix, x);
  return codelet.operations;
}

Complex codelet_multiply(Emitter *e, Complex x, Complex factor) {
  LLVMValueRef re = LLVMBuildFMul(e->builder, x.re, factor.re, ""), im = LLVMBuildFMul(e->builder, x.im, factor.re, "");
  return (Complex){emit_fma(e, LLVMBuildFNeg(e->builder, x.im, ""), factor.im, re), emit_fma(e, x.re, factor.im, im)};
}
