#include "elaborator.h"

#include <math.h>
#include <string.h>

StaticValue static_integer(int64_t value) { return static_extent(dim_constant(value)); }
StaticValue static_extent(Dim value) { return (StaticValue){.kind = STATIC_INTEGER, .integer = value}; }
StaticValue static_real(double value) { return (StaticValue){.kind = STATIC_REAL, .real = value}; }
StaticValue static_truth(bool value) { return (StaticValue){.kind = STATIC_BOOLEAN, .truth = value}; }

bool static_number(const StaticValue *value, double *out) {
  if (value->kind == STATIC_INTEGER && dim_is_constant(value->integer))
    *out = (double)value->integer.factor;
  else if (value->kind == STATIC_REAL)
    *out = value->real;
  else
    return false;
  return true;
}

bool static_whole(const StaticValue *value, Dim *out) {
  if (value->kind == STATIC_INTEGER) {
    *out = value->integer;
    return true;
  }
  if (value->kind != STATIC_REAL || value->real != floor(value->real) || fabs(value->real) > 9e15) return false;
  *out = dim_constant((int64_t)value->real);
  return true;
}

const char *static_text(Elaborator *elaborator, const StaticValue *value) {
  Text text = text_begin(elaborator->arena);
  switch (value->kind) {
    case STATIC_INTEGER:
      return elaborator_dim_text(elaborator, value->integer);
    case STATIC_REAL:
      text_real(&text, value->real);
      return text.data;
    case STATIC_BOOLEAN:
      return value->truth ? "true" : "false";
    case STATIC_WORD:
      return value->word;
  }
  return text.data;
}

const char *value_kind_text(Elaborator *elaborator, const Value *value) {
  switch (value->kind) {
    case VALUE_STATIC:
      return static_text(elaborator, &value->fixed);
    case VALUE_TENSOR:
      return arena_format(elaborator->arena, "a tensor %s", elaborator_axes_text(elaborator, value->tensor));
    case VALUE_TUPLE:
      return arena_format(elaborator->arena, "%u values", value->count);
    case VALUE_NOTHING:
      return "nothing";
    case VALUE_POISON:
      break;
  }
  return "an erroneous value";
}

static Value report_open(Elaborator *elaborator, const Expression *expression) {
  REPORT(elaborator, DIAG_NOT_STATIC, expression->span, elaborator_expression_text(elaborator, expression),
         "it depends on an extent that only the run knows");
  return value_poison(expression->span);
}

static Value report_operands(Elaborator *elaborator, const Expression *expression, const Value *a, const Value *b) {
  const char *name = token_kind_text(expression->operator_kind);
  const char *found =
      b ? arena_format(elaborator->arena, "%s and %s", value_kind_text(elaborator, a), value_kind_text(elaborator, b))
        : value_kind_text(elaborator, a);
  REPORT(elaborator, DIAG_OPERANDS, expression->span, name, found);
  return value_poison(expression->span);
}

static Value report_range(Elaborator *elaborator, const Expression *expression, const char *what) {
  REPORT(elaborator, DIAG_STATIC_RANGE, expression->span, elaborator_expression_text(elaborator, expression), what);
  return value_poison(expression->span);
}

static Value divide_integers(Elaborator *elaborator, const Expression *expression, Dim a, Dim b) {
  Dim quotient;
  if (dim_divide(a, b, &quotient)) return value_static(expression->span, static_extent(quotient));
  if (dim_is_constant(b) && b.factor == 0) return report_range(elaborator, expression, "divides by zero");
  if (!dim_is_constant(a) || !dim_is_constant(b)) return report_open(elaborator, expression);
  /* The least number has no negative one, and dividing it by -1 traps. */
  bool fits = b.factor != -1 || a.factor != INT64_MIN;
  if (fits && a.factor % b.factor == 0) return value_static(expression->span, static_integer(a.factor / b.factor));
  StaticValue real = static_real((double)a.factor / (double)b.factor);
  real.uneven = fits;
  real.numerator = a.factor;
  real.denominator = b.factor;
  return value_static(expression->span, real);
}

static bool add_dims(Dim a, Dim b, int sign, Dim *out) {
  if (a.symbol != b.symbol) return false;
  bool overflow = sign > 0 ? __builtin_add_overflow(a.factor, b.factor, &out->factor)
                           : __builtin_sub_overflow(a.factor, b.factor, &out->factor);
  out->symbol = out->factor == 0 ? SYMBOL_NONE : a.symbol;
  return !overflow;
}

/* Whole numbers stay whole; false where the result is none (too large, or of two symbols). */
static bool combine_integers(TokenKind kind, Dim a, Dim b, Dim *out) {
  switch (kind) {
    case TOKEN_PLUS:
      return add_dims(a, b, 1, out);
    case TOKEN_MINUS:
      return add_dims(a, b, -1, out);
    case TOKEN_STAR:
      return dim_multiply(a, b, out);
    case TOKEN_CARET: {
      if (!dim_is_constant(b) || b.factor < 0 || b.factor > 63) return false;
      *out = dim_constant(1);
      for (int64_t i = 0; i < b.factor; i++)
        if (!dim_multiply(*out, a, out)) return false;
      return true;
    }
    default:
      return false;
  }
}

/* -1, 0 or 1; false where not both are numbers that are known now. */
static bool order_numbers(const StaticValue *a, const StaticValue *b, int *out) {
  double x, y;
  if (!static_number(a, &x) || !static_number(b, &y)) return false;
  *out = (x > y) - (x < y);
  if (a->kind != STATIC_INTEGER || b->kind != STATIC_INTEGER) return true;
  int64_t left = a->integer.factor, right = b->integer.factor; /* not every whole number is a double */
  *out = (left > right) - (left < right);
  return true;
}

static Value compare(Elaborator *elaborator, const Expression *expression, const Value *a, const Value *b) {
  TokenKind kind = expression->operator_kind;
  const StaticValue *left = &a->fixed, *right = &b->fixed;
  bool numbers = left->kind <= STATIC_REAL && right->kind <= STATIC_REAL, same = false;
  int order = 0;
  bool ordered = order_numbers(left, right, &order);
  if (ordered)
    same = order == 0;
  else if (left->kind == STATIC_BOOLEAN && right->kind == STATIC_BOOLEAN)
    same = left->truth == right->truth;
  else if (left->kind == STATIC_WORD && right->kind == STATIC_WORD)
    same = !strcmp(left->word, right->word);
  else if (numbers && left->kind == right->kind && dim_equal(left->integer, right->integer))
    same = true;
  else if (numbers)
    return report_open(elaborator, expression);
  else
    return report_operands(elaborator, expression, a, b);
  if (kind == TOKEN_EQUAL) return value_static(expression->span, static_truth(same));
  if (kind == TOKEN_NOT_EQUAL) return value_static(expression->span, static_truth(!same));
  if (!ordered) return numbers ? report_open(elaborator, expression) : report_operands(elaborator, expression, a, b);
  bool truth = kind == TOKEN_LESS         ? order < 0
               : kind == TOKEN_LESS_EQUAL ? order <= 0
               : kind == TOKEN_GREATER    ? order > 0
                                          : order >= 0;
  return value_static(expression->span, static_truth(truth));
}

static Value combine_reals(Elaborator *elaborator, const Expression *expression, double x, double y) {
  double result = 0;
  switch (expression->operator_kind) {
    case TOKEN_PLUS:
      result = x + y;
      break;
    case TOKEN_MINUS:
      result = x - y;
      break;
    case TOKEN_STAR:
      result = x * y;
      break;
    case TOKEN_SLASH:
      if (y == 0) return report_range(elaborator, expression, "divides by zero");
      result = x / y;
      break;
    case TOKEN_CARET:
      result = pow(x, y);
      break;
    default:
      break;
  }
  if (!isfinite(result)) return report_range(elaborator, expression, "is no finite number");
  return value_static(expression->span, static_real(result));
}

Value static_binary(Elaborator *elaborator, const Expression *expression, const Value *a, const Value *b) {
  TokenKind kind = expression->operator_kind;
  if (kind == TOKEN_AND || kind == TOKEN_OR) {
    if (a->fixed.kind != STATIC_BOOLEAN || b->fixed.kind != STATIC_BOOLEAN)
      return report_operands(elaborator, expression, a, b);
    bool truth = kind == TOKEN_AND ? a->fixed.truth && b->fixed.truth : a->fixed.truth || b->fixed.truth;
    return value_static(expression->span, static_truth(truth));
  }
  if (kind >= TOKEN_EQUAL && kind <= TOKEN_GREATER) return compare(elaborator, expression, a, b);
  bool whole = a->fixed.kind == STATIC_INTEGER && b->fixed.kind == STATIC_INTEGER;
  if (whole && kind == TOKEN_SLASH) return divide_integers(elaborator, expression, a->fixed.integer, b->fixed.integer);
  Dim result;
  if (whole && combine_integers(kind, a->fixed.integer, b->fixed.integer, &result))
    return value_static(expression->span, static_extent(result));
  double x, y;
  if (static_number(&a->fixed, &x) && static_number(&b->fixed, &y)) return combine_reals(elaborator, expression, x, y);
  bool numbers = a->fixed.kind <= STATIC_REAL && b->fixed.kind <= STATIC_REAL;
  return numbers ? report_open(elaborator, expression) : report_operands(elaborator, expression, a, b);
}

Value static_unary(Elaborator *elaborator, const Expression *expression, const Value *a) {
  StaticValue result = a->fixed;
  result.origin = SPAN_NONE;
  if (expression->operator_kind == TOKEN_NOT) {
    if (result.kind != STATIC_BOOLEAN) return report_operands(elaborator, expression, a, NULL);
    result.truth = !result.truth;
  } else if (result.kind == STATIC_REAL) {
    result.real = -result.real;
    result.uneven = result.uneven && result.numerator != INT64_MIN;
    if (result.uneven) result.numerator = -result.numerator;
  } else if (result.kind == STATIC_INTEGER && result.integer.factor != INT64_MIN) {
    result.integer.factor = -result.integer.factor;
  } else {
    return report_operands(elaborator, expression, a, NULL);
  }
  return value_static(expression->span, result);
}
