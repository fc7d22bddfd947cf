/* Elementwise ops: operands and result have one shape. */
#include "evaluate_internal.h"

#include <math.h>

#define UNARY(name, expression)                                                       \
  void evaluate_##name(const EvaluateContext *context, NodeId id, const Value *out) { \
    const double *data = evaluate_operand(context, id, 0)->data;                      \
    int64_t count = value_count(out);                                                 \
    for (int64_t k = 0; k < count; k++) {                                             \
      double x = data[k];                                                             \
      out->data[k] = (expression);                                                    \
    }                                                                                 \
  }

#define BINARY(name, expression)                                                                                  \
  void evaluate_##name(const EvaluateContext *context, NodeId id, const Value *out) {                             \
    const double *left = evaluate_operand(context, id, 0)->data, *right = evaluate_operand(context, id, 1)->data; \
    int64_t count = value_count(out);                                                                             \
    for (int64_t k = 0; k < count; k++) {                                                                         \
      double a = left[k], b = right[k];                                                                           \
      out->data[k] = (expression);                                                                                \
    }                                                                                                             \
  }

UNARY(negate, -x)
UNARY(absolute, fabs(x))
UNARY(sign, (x > 0) - (x < 0))
UNARY(exp, exp(x))
UNARY(exp2, exp2(x))
UNARY(log, log(x))
UNARY(sqrt, sqrt(x))
UNARY(rsqrt, 1 / sqrt(x))
UNARY(tanh, tanh(x))
UNARY(sigmoid, 1 / (1 + exp(-x)))
UNARY(softplus, (x > 0 ? x : 0) + log1p(exp(-fabs(x))))
UNARY(erf, erf(x))
UNARY(copy, x)

BINARY(add, a + b)
BINARY(subtract, a - b)
BINARY(multiply, a *b)
BINARY(divide, a / b)
BINARY(maximum, a > b ? a : b)
BINARY(minimum, a < b ? a : b)
BINARY(less, a < b)
BINARY(less_equal, a <= b)
BINARY(equal, a == b)

void evaluate_select(const EvaluateContext *context, NodeId id, const Value *out) {
  const double *condition = evaluate_operand(context, id, 0)->data;
  const double *a = evaluate_operand(context, id, 1)->data, *b = evaluate_operand(context, id, 2)->data;
  int64_t count = value_count(out);
  for (int64_t k = 0; k < count; k++) out->data[k] = condition[k] != 0 ? a[k] : b[k];
}
