/* Polynomials are minimax fits for the relative error of the function (scripts/minimax.py prints every coefficient here
 * and the error it leaves). Leading coefficients that carry exactness are fixed, the rest is fitted around them:
 * e^r = 1 + r + r^2 q(r), 2^f = 1 + f q(f), log(1 + f) = f - f^2 / 2 + f^3 q(f) or f + f^2 q(f), tanh x = x + x^3
 * q(x^2), erf x = x + x q(x^2).
 *
 * Rounding to an integer is an addition of 1.5 * 2^23, after which the integer stands in the low bits: it costs no more
 * than a rounding instruction, exists on every target, and multiplied by fma serves the range reduction too. */
#include "vector_math.h"

#define ROUNDING_BIAS 12582912.0 /* 1.5 * 2^23 */
#define LOG2_E 1.44269504088896340736
#define LN2 0.69314718055994530942
#define LN2_HIGH 0.693359375 /* 355 / 512: its product with an 8-bit integer is exact */
#define LN2_LOW (-2.12194440e-4)

enum { MANTISSA_BITS = 23, EXPONENT_BIAS = 127 };
#define MANTISSA_MASK 0x007fffff
#define MAGNITUDE_MASK 0x7fffffff
#define SIGN_BIT 0x80000000u
#define SMALLEST_NORMAL 0x00800000
#define INFINITY_BITS 0x7f800000
#define SQRT_HALF_BITS 0x3f3504f3

static const double EXP_POLYNOMIAL[] = {4.999999343e-01, 1.666652040e-01, 4.166839062e-02, 8.368745263e-03,
                                        1.381454882e-03}; /* |r| <= ln 2 / 2: 2^-28.3 */
static const double EXP_SCAN_POLYNOMIAL[] = {4.999923031e-01, 1.666711539e-01, 4.189033150e-02,
                                             8.312501243e-03}; /* 2^-23.2 */
static const double EXP2_POLYNOMIAL[] = {6.931472029e-01, 2.402264791e-01, 5.550332465e-02,
                                         9.618437396e-03, 1.339887691e-03, 1.535335600e-04}; /* |f| <= 1/2: 2^-28.9 */
static const double EXP2_SCAN_POLYNOMIAL[] = {6.931469776e-01, 2.402224205e-01, 5.550733737e-02, 9.671515092e-03,
                                              1.326473261e-03}; /* 2^-23.4 */
static const double LOG_POLYNOMIAL[] = {3.333333171e-01,  -2.500082103e-01, 2.000122688e-01,
                                        -1.662335738e-01, 1.420175792e-01,  -1.316018197e-01,
                                        1.276157740e-01,  -7.634498040e-02}; /* sqrt(1/2) - 1 .. sqrt(2) - 1: 2^-27.4 */
static const double LOG1P_POLYNOMIAL[] = {-4.999993145e-01, 3.333046436e-01,  -2.495801896e-01,
                                          1.969210207e-01,  -1.534488052e-01, 1.066112816e-01,
                                          -5.745723099e-02, 2.008624189e-02,  -3.290468594e-03}; /* 0 .. 1: 2^-27.5 */
static const double TANH_POLYNOMIAL[] = {-3.333328194e-01, 1.333144220e-01, -5.373971515e-02, 2.063908742e-02,
                                         -5.704987171e-03}; /* in x^2, x <= 0.625: 2^-27.8 */
static const double ERF_POLYNOMIAL[] = {
    1.283791668e-01, -3.761263498e-01, 1.128371503e-01, -2.686050847e-02,
    5.203859179e-03, -8.175639488e-04, 8.513104821e-05}; /* in x^2, x <= 0.9: 2^-31.7 */
/* -log(1 - erf x) on 0.9 .. 3.95: 2^-34.0 of erf x. */
static const double ERF_TAIL_POLYNOMIAL[] = {-1.692038814e-04, 1.129488400e+00, 6.334008642e-01,  1.082203686e-01,
                                             -2.508060605e-02, 4.156250759e-03, -4.313926672e-04, 2.082853711e-05};

/* A constant with the type of `like`, f32 or vector of f32; below, i32 likewise. */
static LLVMValueRef splat_like(LLVMTypeRef type, LLVMValueRef scalar) {
  if (LLVMGetTypeKind(type) != LLVMVectorTypeKind) return scalar;
  enum { LANES_MAX = 64 };
  LLVMValueRef lane[LANES_MAX];
  unsigned count = LLVMGetVectorSize(type);
  ASSERT(count <= LANES_MAX);
  for (unsigned i = 0; i < count; i++) lane[i] = scalar;
  return LLVMConstVector(lane, count);
}

static LLVMValueRef constant(Emitter *e, LLVMValueRef like, double value) {
  return splat_like(LLVMTypeOf(like), LLVMConstReal(e->session->f32, value));
}

static LLVMValueRef integer(Emitter *e, LLVMValueRef like, uint32_t value) {
  return splat_like(LLVMTypeOf(like), LLVMConstInt(e->session->i32, value, false));
}

static LLVMTypeRef type_like(LLVMValueRef like, LLVMTypeRef scalar) {
  LLVMTypeRef type = LLVMTypeOf(like);
  if (LLVMGetTypeKind(type) != LLVMVectorTypeKind) return scalar;
  return LLVMVectorType(scalar, LLVMGetVectorSize(type));
}

static LLVMValueRef as_bits(Emitter *e, LLVMValueRef x) {
  return LLVMBuildBitCast(e->builder, x, type_like(x, e->session->i32), "");
}

static LLVMValueRef as_float(Emitter *e, LLVMValueRef bits) {
  return LLVMBuildBitCast(e->builder, bits, type_like(bits, e->session->f32), "");
}

static LLVMValueRef multiply(Emitter *e, LLVMValueRef a, LLVMValueRef b) { return LLVMBuildFMul(e->builder, a, b, ""); }
static LLVMValueRef add(Emitter *e, LLVMValueRef a, LLVMValueRef b) { return LLVMBuildFAdd(e->builder, a, b, ""); }
static LLVMValueRef subtract(Emitter *e, LLVMValueRef a, LLVMValueRef b) { return LLVMBuildFSub(e->builder, a, b, ""); }

/* x * factor + addend with constants. */
static LLVMValueRef scale_add(Emitter *e, LLVMValueRef x, double factor, LLVMValueRef addend) {
  return emit_fma(e, x, constant(e, x, factor), addend);
}

/* The form that is one instruction on x86; a nan stays. */
static LLVMValueRef at_least(Emitter *e, LLVMValueRef x, double bound) {
  LLVMValueRef limit = constant(e, x, bound);
  return LLVMBuildSelect(e->builder, LLVMBuildFCmp(e->builder, LLVMRealOLT, x, limit, ""), limit, x, "");
}

static LLVMValueRef at_most(Emitter *e, LLVMValueRef x, double bound) {
  LLVMValueRef limit = constant(e, x, bound);
  return LLVMBuildSelect(e->builder, LLVMBuildFCmp(e->builder, LLVMRealOGT, x, limit, ""), limit, x, "");
}

static LLVMValueRef magnitude(Emitter *e, LLVMValueRef x) {
  LLVMValueRef bits = as_bits(e, x);
  return as_float(e, LLVMBuildAnd(e->builder, bits, integer(e, bits, MAGNITUDE_MASK), ""));
}

/* `value`, which is not negative, with the sign of `sign`. */
static LLVMValueRef with_sign(Emitter *e, LLVMValueRef value, LLVMValueRef sign) {
  LLVMValueRef bits = as_bits(e, sign);
  LLVMValueRef bit = LLVMBuildAnd(e->builder, bits, integer(e, bits, SIGN_BIT), "");
  return as_float(e, LLVMBuildOr(e->builder, as_bits(e, value), bit, ""));
}

/* coefficient[0] + coefficient[1] x + ..., by Horner's rule. */
static LLVMValueRef polynomial(Emitter *e, LLVMValueRef x, const double *coefficient, size_t count) {
  LLVMValueRef sum = constant(e, x, coefficient[count - 1]);
  for (size_t i = count - 1; i-- > 0;) sum = emit_fma(e, sum, x, constant(e, x, coefficient[i]));
  return sum;
}
#define POLYNOMIAL(e, x, table) polynomial((e), (x), (table), sizeof(table) / sizeof *(table))

/* The same where the square of x is at hand: pairs of coefficients, then Horner's rule in the square. As many operations,
 * but half of them wait for each other. */
static LLVMValueRef polynomial_in_pairs(Emitter *e, LLVMValueRef x, LLVMValueRef square, const double *coefficient,
                                        size_t count) {
  size_t i = (count - 1) & ~(size_t)1;
  LLVMValueRef sum = count % 2 ? constant(e, x, coefficient[i]) : polynomial(e, x, coefficient + i, 2);
  while (i > 0) {
    i -= 2;
    sum = emit_fma(e, sum, square, polynomial(e, x, coefficient + i, 2));
  }
  return sum;
}

/* With log2_e: x = n ln 2 + r, |r| <= ln 2 / 2, e^r = 1 + tail, so e^x = 2^n (1 + tail). With -log2_e: x = -n ln 2 + r,
 * so e^-x = 2^n / (1 + tail). `rounded` holds n + bias in the low bits of its mantissa. */
typedef struct Exponential {
  LLVMValueRef n, rounded, tail;
} Exponential;

static Exponential exponential(Emitter *e, LLVMValueRef x, double log2_e, int bias, bool scan) {
  double shift = ROUNDING_BIAS + bias, sign = log2_e < 0 ? -1 : 1;
  Exponential result;
  result.rounded = scale_add(e, x, log2_e, constant(e, x, shift));
  result.n = subtract(e, result.rounded, constant(e, x, shift));
  LLVMValueRef r = scale_add(e, result.n, -sign * LN2_HIGH, x);
  r = scale_add(e, result.n, -sign * LN2_LOW, r);
  LLVMValueRef q = scan ? POLYNOMIAL(e, r, EXP_SCAN_POLYNOMIAL) : POLYNOMIAL(e, r, EXP_POLYNOMIAL);
  result.tail = emit_fma(e, multiply(e, r, r), q, r);
  return result;
}

/* 2^n where the bias was EXPONENT_BIAS; 0 for n = -127. */
static LLVMValueRef power_of_two(Emitter *e, LLVMValueRef rounded) {
  LLVMValueRef bits = as_bits(e, rounded);
  return as_float(e, LLVMBuildShl(e->builder, bits, integer(e, bits, MANTISSA_BITS), ""));
}

/* scale * (1 + tail). Without FMA, scale * tail may be denormal where the result is not. */
static LLVMValueRef scale_one_plus(Emitter *e, LLVMValueRef scale, LLVMValueRef tail) {
  if (e->has_fma) return emit_fma(e, scale, tail, scale);
  return multiply(e, scale, add(e, constant(e, tail, 1.0), tail));
}

/* value * 2^n for |n| up to any size, by AVX-512's own instruction. */
static LLVMValueRef scale_by_power(Emitter *e, LLVMValueRef value, LLVMValueRef n) {
  enum { CURRENT_ROUNDING = 4 };
  Session *session = e->session;
  LLVMTypeRef i16 = LLVMInt16TypeInContext(session->context);
  LLVMValueRef arguments[] = {value, n, value, LLVMConstAllOnes(i16),
                              LLVMConstInt(session->i32, CURRENT_ROUNDING, false)};
  LLVMTypeRef type = session_intrinsic_type(session, INTRINSIC_SCALEF, NULL, 0);
  LLVMValueRef function = session_intrinsic(session, INTRINSIC_SCALEF, NULL, 0);
  return LLVMBuildCall2(e->builder, type, function, arguments, 5, "");
}

static bool has_power_scaling(Emitter *e, LLVMValueRef x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  return e->session->target.has_scalef && LLVMGetTypeKind(type) == LLVMVectorTypeKind && LLVMGetVectorSize(type) == 16;
}

/* value * 2^n by adding n, which stands in the low bits of `rounded`, to the exponent: right where the result is normal
 * and finite, and for value = 1 and n = 128, which is infinity. */
static LLVMValueRef scale_by_addition(Emitter *e, LLVMValueRef value, LLVMValueRef rounded) {
  LLVMValueRef bits = as_bits(e, rounded);
  LLVMValueRef shifted = LLVMBuildShl(e->builder, bits, integer(e, bits, MANTISSA_BITS), "");
  return as_float(e, LLVMBuildAdd(e->builder, as_bits(e, value), shifted, ""));
}

/* The exponential `value` of x where that is a normal number, 0 below, infinity above, nan for nan. */
static LLVMValueRef within_normal(Emitter *e, LLVMValueRef x, LLVMValueRef value, double lowest, double highest) {
  const double overflowing = 3.0e38;
  LLVMValueRef underflow = LLVMBuildFCmp(e->builder, LLVMRealOLT, x, constant(e, x, lowest), "");
  value = LLVMBuildSelect(e->builder, underflow, constant(e, x, 0.0), value, "");
  LLVMValueRef ordinary = LLVMBuildFCmp(e->builder, LLVMRealOLE, x, constant(e, x, highest), "");
  return LLVMBuildSelect(e->builder, ordinary, value, multiply(e, x, constant(e, x, overflowing)), "");
}

/* e^x for any x: by addition n is -126 .. 128, the ends only with 1 + tail above and below 1. */
static LLVMValueRef exp_any(Emitter *e, LLVMValueRef x, bool scan) {
  const double log_smallest_normal = -87.3365402, log_largest = 88.7228317;
  if (has_power_scaling(e, x)) {
    LLVMValueRef bounded = at_most(e, at_least(e, x, -104.0), 89.0); /* beyond them 2^n is 0 or inf all the same */
    Exponential power = exponential(e, bounded, LOG2_E, 0, scan);
    return scale_by_power(e, add(e, constant(e, x, 1.0), power.tail), power.n);
  }
  Exponential power = exponential(e, x, LOG2_E, 0, scan);
  LLVMValueRef value = scale_by_addition(e, add(e, constant(e, x, 1.0), power.tail), power.rounded);
  return within_normal(e, x, value, log_smallest_normal, log_largest);
}

/* 2^x = 2^n 2^f, n the nearest integer, x - n exact: `rounded` is x + ROUNDING_BIAS. Returns 2^f. */
static LLVMValueRef exp2_of_fraction(Emitter *e, LLVMValueRef x, LLVMValueRef rounded, bool scan) {
  LLVMValueRef f = add(e, x, subtract(e, constant(e, x, ROUNDING_BIAS), rounded)); /* one constant in a register */
  LLVMValueRef q = scan ? POLYNOMIAL(e, f, EXP2_SCAN_POLYNOMIAL) : POLYNOMIAL(e, f, EXP2_POLYNOMIAL);
  return emit_fma(e, f, q, constant(e, x, 1.0));
}

static LLVMValueRef exp2_by_power_scaling(Emitter *e, LLVMValueRef x, bool scan) {
  LLVMValueRef bounded = at_most(e, at_least(e, x, -151.0), 129.0); /* beyond them 2^n is 0 or inf all the same */
  LLVMValueRef rounded = add(e, bounded, constant(e, x, ROUNDING_BIAS));
  LLVMValueRef n = subtract(e, rounded, constant(e, x, ROUNDING_BIAS));
  return scale_by_power(e, exp2_of_fraction(e, bounded, rounded, scan), n);
}

LLVMValueRef emit_exp(Emitter *e, LLVMValueRef x) { return exp_any(e, x, false); }
LLVMValueRef emit_exp_scan(Emitter *e, LLVMValueRef x) { return exp_any(e, x, true); }

LLVMValueRef emit_exp2(Emitter *e, LLVMValueRef x) {
  if (has_power_scaling(e, x)) return exp2_by_power_scaling(e, x, false);
  LLVMValueRef rounded = add(e, x, constant(e, x, ROUNDING_BIAS));
  LLVMValueRef value = scale_by_addition(e, exp2_of_fraction(e, x, rounded, false), rounded);
  return within_normal(e, x, value, -126.0, 127.99999);
}

/* Bounding x costs less than choosing among results. At -126.5 the exponent field is that of denormal numbers, which
 * count as 0; 2^128 is infinity. */
void emit_exp2_scan_side_by_side(Emitter *e, bool not_positive, LLVMValueRef *x, int count) {
  enum { DEGREES = sizeof EXP2_SCAN_POLYNOMIAL / sizeof *EXP2_SCAN_POLYNOMIAL };
  LLVMValueRef rounded[EXP2_SIDE_BY_SIDE], f[EXP2_SIDE_BY_SIDE], sum[EXP2_SIDE_BY_SIDE];
  ASSERT(count <= EXP2_SIDE_BY_SIDE);
  if (has_power_scaling(e, x[0])) {
    for (int k = 0; k < count; k++) x[k] = exp2_by_power_scaling(e, x[k], true);
    return;
  }
  for (int k = 0; k < count; k++) x[k] = at_least(e, x[k], -126.5);
  for (int k = 0; k < count && !not_positive; k++) x[k] = at_most(e, x[k], 128.0);
  for (int k = 0; k < count; k++) rounded[k] = add(e, x[k], constant(e, x[k], ROUNDING_BIAS));
  for (int k = 0; k < count; k++) f[k] = subtract(e, constant(e, x[k], ROUNDING_BIAS), rounded[k]);
  for (int k = 0; k < count; k++) f[k] = add(e, x[k], f[k]);
  for (int k = 0; k < count; k++) sum[k] = constant(e, x[k], EXP2_SCAN_POLYNOMIAL[DEGREES - 1]);
  for (int i = DEGREES - 2; i >= -1; i--)
    for (int k = 0; k < count; k++)
      sum[k] = emit_fma(e, sum[k], f[k], constant(e, x[k], i >= 0 ? EXP2_SCAN_POLYNOMIAL[i] : 1.0));
  for (int k = 0; k < count; k++) x[k] = scale_by_addition(e, sum[k], rounded[k]);
}

LLVMValueRef emit_exp2_scan(Emitter *e, LLVMValueRef x) {
  emit_exp2_scan_side_by_side(e, false, &x, 1);
  return x;
}

/* e^x for x <= 0 inside other functions: one clamp is all that small results need, since 2^-127 is built as 0, and a
 * nan passes through the multiplication. */
static LLVMValueRef exp_not_positive(Emitter *e, LLVMValueRef x) {
  Exponential power = exponential(e, at_least(e, x, -88.0), LOG2_E, EXPONENT_BIAS, false);
  return scale_one_plus(e, power_of_two(e, power.rounded), power.tail);
}

static LLVMValueRef exp_of_minus_magnitude(Emitter *e, LLVMValueRef x) {
  LLVMValueRef bits = as_bits(e, x);
  LLVMValueRef negative = LLVMBuildOr(e->builder, bits, integer(e, bits, SIGN_BIT), "");
  return exp_not_positive(e, as_float(e, negative));
}

/* w = sigmoid(-|x|) and 1 - w. e^-|x| = s / t with s a power of two and t = 1 + tail near 1, so w = s / (s + t): what
 * is divided is exact, and only the denominator is rounded, once: 1 + s is taken with what its rounding loses. */
LLVMValueRef emit_sigmoid(Emitter *e, LLVMValueRef x) {
  Exponential power = exponential(e, at_most(e, magnitude(e, x), 88.0), -LOG2_E, EXPONENT_BIAS, false);
  LLVMValueRef scale = power_of_two(e, power.rounded), one = constant(e, x, 1.0);
  LLVMValueRef base = add(e, one, scale), lost = subtract(e, scale, subtract(e, base, one));
  LLVMValueRef w = emit_divide(e, scale, add(e, base, add(e, lost, power.tail)));
  LLVMValueRef negative = LLVMBuildFCmp(e->builder, LLVMRealOLT, x, constant(e, x, 0.0), "");
  return LLVMBuildSelect(e->builder, negative, w, subtract(e, one, w), "");
}

/* log(1 + z), 0 <= z <= 1, by one polynomial; its first coefficient apart, since pairs with it lose more to rounding. */
static LLVMValueRef log1p_at_once(Emitter *e, LLVMValueRef z) {
  enum { COUNT = sizeof LOG1P_POLYNOMIAL / sizeof *LOG1P_POLYNOMIAL };
  LLVMValueRef square = multiply(e, z, z);
  LLVMValueRef rest = polynomial_in_pairs(e, z, square, LOG1P_POLYNOMIAL + 1, COUNT - 1);
  return emit_fma(e, square, emit_fma(e, z, rest, constant(e, z, LOG1P_POLYNOMIAL[0])), z);
}

/* The same with fewer roundings where each operation is one: where 1 + z > sqrt 2, its half is taken and log 2 added. */
static LLVMValueRef log1p_by_halves(Emitter *e, LLVMValueRef z) {
  const double sqrt_two_less_one = 0.41421356;
  LLVMValueRef halved = LLVMBuildFCmp(e->builder, LLVMRealOGT, z, constant(e, z, sqrt_two_less_one), "");
  LLVMValueRef half = multiply(e, subtract(e, z, constant(e, z, 1.0)), constant(e, z, 0.5));
  LLVMValueRef f = LLVMBuildSelect(e->builder, halved, half, z, "");
  LLVMValueRef log_two = LLVMBuildSelect(e->builder, halved, constant(e, z, LN2), constant(e, z, 0.0), "");
  LLVMValueRef square = multiply(e, f, f);
  LLVMValueRef low = multiply(e, multiply(e, square, f), POLYNOMIAL(e, f, LOG_POLYNOMIAL));
  return add(e, log_two, add(e, f, scale_add(e, square, -0.5, low)));
}

/* max(x, 0) + log(1 + z), z = e^-|x|. */
LLVMValueRef emit_softplus(Emitter *e, LLVMValueRef x) {
  LLVMValueRef z = exp_of_minus_magnitude(e, x);
  return add(e, at_least(e, x, 0.0), e->has_fma ? log1p_at_once(e, z) : log1p_by_halves(e, z));
}

/* Small: x + x^3 q(x^2). Large: 1 - 2 z / (1 + z), z = e^(-2 |x|). */
LLVMValueRef emit_tanh(Emitter *e, LLVMValueRef x) {
  const double small_below = 0.625;
  LLVMValueRef a = magnitude(e, x), square = multiply(e, x, x), one = constant(e, x, 1.0);
  LLVMValueRef small = emit_fma(e, multiply(e, a, square), POLYNOMIAL(e, square, TANH_POLYNOMIAL), a);
  LLVMValueRef z = exp_not_positive(e, multiply(e, a, constant(e, x, -2.0)));
  LLVMValueRef large = subtract(e, one, emit_divide(e, add(e, z, z), add(e, one, z)));
  LLVMValueRef is_small = LLVMBuildFCmp(e->builder, LLVMRealOLT, a, constant(e, x, small_below), "");
  return with_sign(e, LLVMBuildSelect(e->builder, is_small, small, large, ""), x);
}

/* Small: x + x q(x^2). Large: 1 - e^-p(|x|); from 3.95 on that is 1. */
LLVMValueRef emit_erf(Emitter *e, LLVMValueRef x) {
  const double small_below = 0.9, one_from = 3.95;
  LLVMValueRef a = magnitude(e, x);
  LLVMValueRef small = scale_one_plus(e, a, POLYNOMIAL(e, multiply(e, x, x), ERF_POLYNOMIAL));
  LLVMValueRef exponent = POLYNOMIAL(e, at_most(e, a, one_from), ERF_TAIL_POLYNOMIAL);
  LLVMValueRef complement = exp_not_positive(e, LLVMBuildFNeg(e->builder, exponent, ""));
  LLVMValueRef large = subtract(e, constant(e, x, 1.0), complement);
  LLVMValueRef is_small = LLVMBuildFCmp(e->builder, LLVMRealOLT, a, constant(e, x, small_below), "");
  return with_sign(e, LLVMBuildSelect(e->builder, is_small, small, large, ""), x);
}

/* log of 2^exponent * (1 + f), sqrt(1/2) <= 1 + f < sqrt(2). */
static LLVMValueRef log_of_parts(Emitter *e, LLVMValueRef f, LLVMValueRef exponent) {
  LLVMValueRef square = multiply(e, f, f);
  LLVMValueRef low = multiply(e, multiply(e, square, f), POLYNOMIAL(e, f, LOG_POLYNOMIAL));
  low = scale_add(e, exponent, LN2_LOW, low);
  low = scale_add(e, square, -0.5, low);
  return scale_add(e, exponent, LN2_HIGH, add(e, f, low));
}

/* Everything special is told by integer comparison, so that the mode for denormals does not matter: the bits of a
 * denormal, converted from integer, are its value times 2^149. */
LLVMValueRef emit_log(Emitter *e, LLVMValueRef x) {
  LLVMBuilderRef builder = e->builder;
  LLVMValueRef bits = as_bits(e, x);
  LLVMValueRef denormal = LLVMBuildICmp(builder, LLVMIntSLT, bits, integer(e, bits, SMALLEST_NORMAL), "");
  LLVMValueRef scaled = as_bits(e, LLVMBuildSIToFP(builder, bits, LLVMTypeOf(x), ""));
  LLVMValueRef normal = LLVMBuildSelect(builder, denormal, scaled, bits, "");
  LLVMValueRef rescale = LLVMBuildSelect(builder, denormal, constant(e, x, -149.0), constant(e, x, 0.0), "");
  LLVMValueRef above = LLVMBuildSub(builder, normal, integer(e, bits, SQRT_HALF_BITS), "");
  LLVMValueRef exponent = LLVMBuildAShr(builder, above, integer(e, bits, MANTISSA_BITS), "");
  exponent = add(e, LLVMBuildSIToFP(builder, exponent, LLVMTypeOf(x), ""), rescale);
  LLVMValueRef mantissa = LLVMBuildAnd(builder, above, integer(e, bits, MANTISSA_MASK), "");
  mantissa = as_float(e, LLVMBuildAdd(builder, mantissa, integer(e, bits, SQRT_HALF_BITS), ""));
  LLVMValueRef value = log_of_parts(e, subtract(e, mantissa, constant(e, x, 1.0)), exponent);

  LLVMValueRef unsign = LLVMBuildAnd(builder, bits, integer(e, bits, MAGNITUDE_MASK), "");
  LLVMValueRef zero = LLVMBuildICmp(builder, LLVMIntEQ, unsign, integer(e, bits, 0), "");
  LLVMValueRef negative = LLVMBuildICmp(builder, LLVMIntSLT, bits, integer(e, bits, 0), "");
  LLVMValueRef endless = LLVMBuildICmp(builder, LLVMIntSGE, bits, integer(e, bits, INFINITY_BITS), "");
  value = LLVMBuildSelect(builder, endless, x, value, ""); /* inf and nan */
  value = LLVMBuildSelect(builder, negative, constant(e, x, __builtin_nan("")), value, "");
  return LLVMBuildSelect(builder, zero, constant(e, x, -__builtin_inf()), value, "");
}

LLVMValueRef emit_square_root(Emitter *e, LLVMValueRef x) { return emit_intrinsic(e, INTRINSIC_SQRT, &x, 1); }

LLVMValueRef emit_reciprocal_square_root(Emitter *e, LLVMValueRef x) {
  return emit_divide(e, constant(e, x, 1.0), emit_square_root(e, x));
}

LLVMValueRef emit_divide(Emitter *e, LLVMValueRef a, LLVMValueRef b) { return LLVMBuildFDiv(e->builder, a, b, ""); }
