#include "elaborator.h"

#include <math.h>
#include <string.h>

enum { MAX_WHOLE_POWER = 64 };

Value value_poison(Span span) { return (Value){.kind = VALUE_POISON, .span = span}; }
Value value_static(Span span, StaticValue fixed) { return (Value){.kind = VALUE_STATIC, .span = span, .fixed = fixed}; }

Value value_tensor(Elaborator *elaborator, Span span, const NamedTensor *tensor) {
  if (tensor->node == NODE_NONE) return value_poison(span);
  return (Value){.kind = VALUE_TENSOR, .span = span, .tensor = arena_copy(elaborator->arena, tensor, sizeof *tensor)};
}

const NamedTensor *value_as_tensor(Elaborator *elaborator, const Value *value) {
  if (value->kind == VALUE_POISON) return NULL;
  if (value->kind == VALUE_TENSOR) return value->tensor;
  if (value->kind == VALUE_STATIC && value->fixed.kind <= STATIC_REAL) {
    NamedTensor scalar = {0};
    double number;
    if (static_number(&value->fixed, &number))
      scalar = tensor_scalar(elaborator, value->span, number);
    else
      scalar.node =
          emit(elaborator, value->span, OP_EXTENT, NULL, 0, &(Attribute){.count = 1, .dims = &value->fixed.integer});
    return scalar.node == NODE_NONE ? NULL : arena_copy(elaborator->arena, &scalar, sizeof scalar);
  }
  REPORT(elaborator, DIAG_EXPECTED_VALUE, value->span, "a tensor or a number", value_kind_text(elaborator, value));
  return NULL;
}

static Value evaluate_name(Elaborator *elaborator, const Expression *expression) {
  Scope *scope = elaborator->scope;
  Span span = expression->span;
  const TensorName *tensor = scope->tensors_hidden ? NULL : scope_find_tensor(scope, expression->name.text);
  if (tensor) {
    Value value = tensor->value;
    value.span = span;
    return value;
  }
  const StaticName *fixed = scope_find_static(scope, expression->name.text);
  if (fixed) return fixed->poison ? value_poison(span) : value_static(span, fixed->value);
  if (!strcmp(expression->name.text, "training"))
    return value_static(span, static_truth(elaborator->options->training));
  elaborator_unknown_name(elaborator, expression->name);
  return value_poison(span);
}

static const char *words_text(Elaborator *elaborator, const Formal *formal) {
  Text text = text_begin(elaborator->arena);
  for (uint32_t i = 0; i < formal->allowed_count; i++)
    text_print(&text, "%s%s", i ? ", " : "", formal->allowed[i].text);
  return text.data;
}

static bool word_allowed(const Formal *formal, const char *word) {
  for (uint32_t i = 0; i < formal->allowed_count; i++)
    if (!strcmp(formal->allowed[i].text, word)) return true;
  return false;
}

static void report_word(Elaborator *elaborator, const Formal *formal, const char *word, Span span) {
  const char **candidate = ARENA_ARRAY(elaborator->arena, const char *, formal->allowed_count);
  for (uint32_t i = 0; i < formal->allowed_count; i++) candidate[i] = formal->allowed[i].text;
  const char *nearest = text_nearest(word, candidate, formal->allowed_count);
  REPORT_WITH(elaborator, nearest ? diagnostic_hint(elaborator->diagnostics, "did you mean '%s'?", nearest) : (void)0,
              DIAG_WORD, span, word, words_text(elaborator, formal));
}

/* `embed == patch`: a bare name beside a word is a word of its list. */
static Value evaluate_beside_word(Elaborator *elaborator, const StaticValue *word, const Expression *expression) {
  if (expression->kind != EXPRESSION_NAME) return expression_value(elaborator, expression);
  const char *name = expression->name.text;
  if (word_allowed(word->words, name))
    return value_static(expression->span, (StaticValue){.kind = STATIC_WORD, .word = name, .words = word->words});
  if (scope_find_static(elaborator->scope, name)) return expression_value(elaborator, expression);
  report_word(elaborator, word->words, name, expression->span);
  return value_poison(expression->span);
}

/* x^n, n >= 1, by squaring. */
static NodeId raise_whole(Elaborator *elaborator, Span span, NodeId x, int n) {
  NodeId power = NODE_NONE;
  for (NodeId square = x;; square = emit_binary(elaborator, span, OP_MULTIPLY, square, square)) {
    if (n % 2) power = power == NODE_NONE ? square : emit_binary(elaborator, span, OP_MULTIPLY, power, square);
    n /= 2;
    if (n == 0) return power;
  }
}

/* x^n by multiplication for small whole n, by roots for halves, else exp(n log x). */
static Value raise_tensor(Elaborator *elaborator, const Expression *expression, const Value *base, const Value *power) {
  Span span = expression->span;
  double exponent;
  if (power->kind != VALUE_STATIC || !static_number(&power->fixed, &exponent)) {
    REPORT(elaborator, DIAG_NOT_STATIC, power->span, "an exponent", "write exp(y * log(x)) where it is a tensor");
    return value_poison(span);
  }
  const NamedTensor *x = value_as_tensor(elaborator, base);
  if (!x) return value_poison(span);
  if (x->complex && exponent != 2) {
    REPORT(elaborator, DIAG_COMPLEX, span, "^");
    return value_poison(span);
  }
  NamedTensor result = *x;
  if (x->complex) {
    result = complex_multiply(elaborator, span, x, base->span, x, base->span);
  } else if (exponent == 0.5) {
    result = tensor_unary(elaborator, span, OP_SQRT, x);
  } else if (exponent == -0.5) {
    result = tensor_unary(elaborator, span, OP_RSQRT, x);
  } else if (exponent == 0) {
    Shape shape = tensor_shape(x);
    result.node = emit_constant_like(elaborator, span, 1, &shape);
  } else if (fabs(exponent) <= MAX_WHOLE_POWER && exponent == floor(exponent)) {
    result.node = raise_whole(elaborator, span, x->node, (int)fabs(exponent));
    NamedTensor one = tensor_scalar(elaborator, span, 1);
    if (exponent < 0) result = tensor_binary(elaborator, span, OP_DIVIDE, &one, span, &result, span);
  } else {
    NamedTensor logarithm = tensor_unary(elaborator, span, OP_LOG, x),
                scale = tensor_scalar(elaborator, span, exponent);
    NamedTensor product = tensor_binary(elaborator, span, OP_MULTIPLY, &logarithm, span, &scale, span);
    result = tensor_unary(elaborator, span, OP_EXP, &product);
  }
  return value_tensor(elaborator, span, &result);
}

static NamedTensor apply_arithmetic(Elaborator *elaborator, Span span, TokenKind kind, const NamedTensor *a,
                                    Span a_span, const NamedTensor *b, Span b_span) {
  bool mixed = a->complex != b->complex;
  if (kind == TOKEN_PLUS || kind == TOKEN_MINUS) {
    NamedTensor left = mixed && !a->complex ? complex_from_real(elaborator, span, a) : *a;
    NamedTensor right = mixed && !b->complex ? complex_from_real(elaborator, span, b) : *b;
    return tensor_binary(elaborator, span, kind == TOKEN_PLUS ? OP_ADD : OP_SUBTRACT, &left, a_span, &right, b_span);
  }
  if (kind == TOKEN_STAR) {
    if (a->complex && b->complex) return complex_multiply(elaborator, span, a, a_span, b, b_span);
    return tensor_binary(elaborator, span, OP_MULTIPLY, a, a_span, b, b_span);
  }
  if (b->complex) return complex_divide(elaborator, span, a, a_span, b, b_span);
  return tensor_binary(elaborator, span, OP_DIVIDE, a, a_span, b, b_span);
}

static NamedTensor apply_comparison(Elaborator *elaborator, Span span, TokenKind kind, const NamedTensor *a,
                                    Span a_span, const NamedTensor *b, Span b_span) {
  bool swapped = kind == TOKEN_GREATER || kind == TOKEN_GREATER_EQUAL;
  OpCode op = kind == TOKEN_LESS || kind == TOKEN_GREATER               ? OP_LESS
              : kind == TOKEN_LESS_EQUAL || kind == TOKEN_GREATER_EQUAL ? OP_LESS_EQUAL
                                                                        : OP_EQUAL;
  NamedTensor result = {0};
  /* Aligned first, so that the order of the axes does not depend on the operator. */
  if (!tensor_union(elaborator, span, a, a_span, b, b_span, &result)) return result;
  NodeId left = tensor_spread(elaborator, span, a, &result), right = tensor_spread(elaborator, span, b, &result);
  result.node = emit_binary(elaborator, span, op, swapped ? right : left, swapped ? left : right);
  if (kind != TOKEN_NOT_EQUAL || result.node == NODE_NONE) return result;
  NamedTensor one = tensor_scalar(elaborator, span, 1);
  return tensor_binary(elaborator, span, OP_SUBTRACT, &one, span, &result, span);
}

static Value expression_operator(Elaborator *elaborator, const Expression *expression, const Value *a, const Value *b) {
  TokenKind kind = expression->operator_kind;
  Span span = expression->span;
  if (a->kind == VALUE_POISON || b->kind == VALUE_POISON) return value_poison(span);
  if (a->kind == VALUE_STATIC && b->kind == VALUE_STATIC) return static_binary(elaborator, expression, a, b);
  bool logical = kind == TOKEN_AND || kind == TOKEN_OR || kind == TOKEN_ARROW;
  bool tensors =
      (a->kind == VALUE_TENSOR || a->kind == VALUE_STATIC) && (b->kind == VALUE_TENSOR || b->kind == VALUE_STATIC);
  if (logical || !tensors) {
    REPORT(
        elaborator, DIAG_OPERANDS, span, token_kind_text(kind),
        arena_format(elaborator->arena, "%s and %s", value_kind_text(elaborator, a), value_kind_text(elaborator, b)));
    return value_poison(span);
  }
  if (kind == TOKEN_CARET) return raise_tensor(elaborator, expression, a, b);
  const NamedTensor *left = value_as_tensor(elaborator, a), *right = value_as_tensor(elaborator, b);
  if (!left || !right) return value_poison(span);
  NamedTensor result;
  if (kind >= TOKEN_EQUAL && kind <= TOKEN_GREATER) {
    if (left->complex || right->complex) {
      REPORT(elaborator, DIAG_COMPLEX, span, "a comparison");
      return value_poison(span);
    }
    result = apply_comparison(elaborator, span, kind, left, a->span, right, b->span);
  } else {
    result = apply_arithmetic(elaborator, span, kind, left, a->span, right, b->span);
  }
  return value_tensor(elaborator, span, &result);
}

static Value evaluate_binary(Elaborator *elaborator, const Expression *expression) {
  TokenKind kind = expression->operator_kind;
  Value a = expression_value(elaborator, expression->left);
  /* The right side of `and` and `or` is looked at only where it matters. */
  if (a.kind == VALUE_STATIC && a.fixed.kind == STATIC_BOOLEAN) {
    if (kind == TOKEN_AND && !a.fixed.truth) return value_static(expression->span, static_truth(false));
    if (kind == TOKEN_OR && a.fixed.truth) return value_static(expression->span, static_truth(true));
  }
  bool comparison = kind == TOKEN_EQUAL || kind == TOKEN_NOT_EQUAL;
  bool word = comparison && a.kind == VALUE_STATIC && a.fixed.kind == STATIC_WORD;
  /* Beside what could not be had, a bare name may have been one of its words. */
  if (comparison && a.kind == VALUE_POISON && expression->right->kind == EXPRESSION_NAME) return a;
  Value b = word ? evaluate_beside_word(elaborator, &a.fixed, expression->right)
                 : expression_value(elaborator, expression->right);
  return expression_operator(elaborator, expression, &a, &b);
}

static Value evaluate_unary(Elaborator *elaborator, const Expression *expression) {
  Value a = expression_value(elaborator, expression->left);
  if (a.kind == VALUE_POISON) return a;
  if (a.kind == VALUE_STATIC) return static_unary(elaborator, expression, &a);
  if (a.kind == VALUE_TENSOR && expression->operator_kind == TOKEN_MINUS) {
    NamedTensor result = tensor_unary(elaborator, expression->span, OP_NEGATE, a.tensor);
    return value_tensor(elaborator, expression->span, &result);
  }
  REPORT(elaborator, DIAG_OPERANDS, expression->span, token_kind_text(expression->operator_kind),
         value_kind_text(elaborator, &a));
  return value_poison(expression->span);
}

static Value evaluate_tuple(Elaborator *elaborator, const Expression *expression) {
  Value *item = ARENA_ARRAY(elaborator->arena, Value, expression->count);
  for (uint32_t i = 0; i < expression->count; i++) item[i] = expression_value(elaborator, expression->item[i]);
  return (Value){.kind = VALUE_TUPLE, .span = expression->span, .item = item, .count = expression->count};
}

static Value evaluate_call(Elaborator *elaborator, const Expression *expression) {
  const Builtin *builtin = find_builtin(expression->name.text);
  if (builtin) return call_builtin(elaborator, expression, builtin);
  const Definition *block = find_block(elaborator, expression->name.text);
  if (block) return call_block(elaborator, expression, block);
  elaborator_unknown_function(elaborator, expression->name);
  return value_poison(expression->span);
}

static Value evaluate_kind(Elaborator *elaborator, const Expression *expression) {
  switch (expression->kind) {
    case EXPRESSION_NUMBER:
      return value_static(expression->span,
                          expression->is_integer ? static_integer(expression->integer) : static_real(expression->real));
    case EXPRESSION_BOOLEAN:
      return value_static(expression->span, static_truth(expression->truth));
    case EXPRESSION_NAME:
      return evaluate_name(elaborator, expression);
    case EXPRESSION_UNARY:
      return evaluate_unary(elaborator, expression);
    case EXPRESSION_BINARY:
      return evaluate_binary(elaborator, expression);
    case EXPRESSION_CALL:
      return evaluate_call(elaborator, expression);
    case EXPRESSION_TUPLE:
      return evaluate_tuple(elaborator, expression);
    case EXPRESSION_LIST:
    case EXPRESSION_TEXT:
      break;
  }
  REPORT(elaborator, DIAG_EXPECTED_VALUE, expression->span, "a value",
         expression->kind == EXPRESSION_TEXT ? "a quoted text" : "a list of axes");
  return value_poison(expression->span);
}

Value expression_value(Elaborator *elaborator, const Expression *expression) {
  if (!elaborator_step(elaborator, expression->span)) return value_poison(expression->span);
  if (elaborator->evaluation_depth >= MAX_EVALUATION_DEPTH) {
    elaborator_stop(elaborator, expression->span, "blocks and expressions are nested too deeply");
    return value_poison(expression->span);
  }
  elaborator->evaluation_depth++;
  Value value = evaluate_kind(elaborator, expression);
  elaborator->evaluation_depth--;
  return value;
}

/* Static names only. Poison where it is not static. */
static Value expression_static(Elaborator *elaborator, const Expression *expression, const char *what) {
  bool hidden = elaborator->scope->tensors_hidden;
  elaborator->scope->tensors_hidden = true;
  Value value = expression_value(elaborator, expression);
  elaborator->scope->tensors_hidden = hidden;
  if (value.kind == VALUE_STATIC || value.kind == VALUE_POISON) return value;
  REPORT(elaborator, DIAG_NOT_STATIC, expression->span, what,
         arena_format(elaborator->arena, "this is %s", value_kind_text(elaborator, &value)));
  return value_poison(expression->span);
}

bool expression_extent(Elaborator *elaborator, const Expression *expression, const char *what, Dim *out) {
  Value value = expression_static(elaborator, expression, what);
  if (value.kind == VALUE_POISON) return false;
  if (static_whole(&value.fixed, out)) return true;
  if (value.fixed.uneven)
    REPORT(elaborator, DIAG_UNEVEN, expression->span, what, (long long)value.fixed.numerator,
           (long long)value.fixed.denominator);
  else
    REPORT(elaborator, DIAG_NOT_WHOLE, expression->span, what, static_text(elaborator, &value.fixed));
  return false;
}

bool expression_integer(Elaborator *elaborator, const Expression *expression, const char *what, int64_t *out) {
  Dim extent;
  if (!expression_extent(elaborator, expression, what, &extent)) return false;
  *out = extent.factor;
  if (dim_is_constant(extent)) return true;
  REPORT(elaborator, DIAG_NOT_STATIC, expression->span, what,
         arena_format(elaborator->arena, "only the run knows %s", elaborator_dim_text(elaborator, extent)));
  return false;
}

bool expression_number(Elaborator *elaborator, const Expression *expression, const char *what, double *out) {
  Value value = expression_static(elaborator, expression, what);
  if (value.kind == VALUE_POISON) return false;
  if (static_number(&value.fixed, out)) return true;
  REPORT(elaborator, DIAG_RANGE, expression->span, what, "a number", static_text(elaborator, &value.fixed));
  return false;
}

bool expression_truth(Elaborator *elaborator, const Expression *expression, const char *what, bool *out) {
  Value value = expression_static(elaborator, expression, what);
  if (value.kind == VALUE_POISON) return false;
  *out = value.fixed.truth;
  if (value.fixed.kind == STATIC_BOOLEAN) return true;
  REPORT(elaborator, DIAG_RANGE, expression->span, what, "true or false", static_text(elaborator, &value.fixed));
  return false;
}

bool expression_for_formal(Elaborator *elaborator, const Formal *formal, const Expression *expression,
                           StaticValue *out) {
  bool bare = expression->kind == EXPRESSION_NAME;
  if (formal->allowed_count && bare && word_allowed(formal, expression->name.text)) {
    *out = (StaticValue){.kind = STATIC_WORD, .word = expression->name.text, .words = formal};
    return true;
  }
  if (formal->allowed_count && bare && !scope_find_static(elaborator->scope, expression->name.text)) {
    report_word(elaborator, formal, expression->name.text, expression->span);
    return false;
  }
  Value value = expression_static(elaborator, expression, arena_format(elaborator->arena, "'%s'", formal->name.text));
  if (value.kind == VALUE_POISON) return false;
  *out = value.fixed;
  if (!formal->allowed_count) return true;
  const char *word = static_text(elaborator, out);
  if (out->kind == STATIC_WORD && word_allowed(formal, word)) {
    out->words = formal;
    return true;
  }
  report_word(elaborator, formal, word, expression->span);
  return false;
}

const AxisLabel *expression_label(Elaborator *elaborator, const Expression *expression) {
  return scope_label(elaborator, elaborator->scope, elaborator_expression_text(elaborator, expression));
}

const char *expression_path(Elaborator *elaborator, const Path *path) {
  Text text = text_begin(elaborator->arena);
  for (uint32_t i = 0; i < path->count; i++) {
    int64_t index;
    if (i) text_puts(&text, ".");
    if (!path->part[i].index)
      text_puts(&text, path->part[i].name.text);
    else if (expression_integer(elaborator, path->part[i].index, "an index in a path", &index))
      text_print(&text, "%lld", (long long)index);
    else
      return NULL;
  }
  return text.data;
}
