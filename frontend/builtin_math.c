#include "builtin.h"

#include <math.h>

Value builtin_absolute(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *x = &call->argument[0];
  double number;
  if (!x->tensor && x->value.fixed.kind == STATIC_INTEGER && x->value.fixed.integer.factor > INT64_MIN) {
    Dim extent = x->value.fixed.integer;
    if (extent.factor < 0) extent.factor = -extent.factor;
    return value_static(call->span, static_extent(extent));
  }
  if (!x->tensor && static_number(&x->value.fixed, &number)) return value_static(call->span, static_real(fabs(number)));
  const NamedTensor *tensor = value_as_tensor(elaborator, &x->value);
  if (!tensor) return value_poison(call->span);
  NamedTensor result = tensor->complex ? complex_magnitude(elaborator, call->span, tensor)
                                       : tensor_unary(elaborator, call->span, OP_ABSOLUTE, tensor);
  return value_tensor(elaborator, call->span, &result);
}

/* Whole where it fits, so that it can be an extent. */
static Value whole(const BuiltinCall *call, double number) {
  if (fabs(number) < 9e15) return value_static(call->span, static_integer((int64_t)number));
  return value_static(call->span, static_real(number));
}

Value builtin_ceiling(Elaborator *elaborator, const BuiltinCall *call) {
  (void)elaborator;
  return whole(call, ceil(call->argument[0].number));
}

Value builtin_floor(Elaborator *elaborator, const BuiltinCall *call) {
  (void)elaborator;
  return whole(call, floor(call->argument[0].number));
}

Value builtin_round(Elaborator *elaborator, const BuiltinCall *call) {
  (void)elaborator;
  return whole(call, round(call->argument[0].number));
}

Value builtin_where(Elaborator *elaborator, const BuiltinCall *call) {
  NamedTensor a = *call->argument[1].tensor, b = *call->argument[2].tensor;
  if (a.complex && !b.complex)
    b = complex_from_real(elaborator, call->span, &b);
  else if (b.complex && !a.complex)
    a = complex_from_real(elaborator, call->span, &a);
  NamedTensor result = tensor_select(elaborator, call->span, call->argument[0].tensor, &a, &b);
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_detach(Elaborator *elaborator, const BuiltinCall *call) {
  NamedTensor result = tensor_unary(elaborator, call->span, OP_DETACH, call->argument[0].tensor);
  return value_tensor(elaborator, call->span, &result);
}

/* n - 1, or 1 where n is 1. */
static NamedTensor degrees_of_freedom(Elaborator *elaborator, Span span, const NamedTensor *n) {
  NamedTensor one = tensor_scalar(elaborator, span, 1);
  NamedTensor fewer = tensor_binary(elaborator, span, OP_SUBTRACT, n, span, &one, span);
  return tensor_binary(elaborator, span, OP_MAXIMUM, &fewer, span, &one, span);
}

static NamedTensor mean_over(Elaborator *elaborator, Span span, const NamedTensor *x, const int64_t *axes,
                             uint32_t count, bool unbiased) {
  NamedTensor sum = tensor_reduce(elaborator, span, OP_REDUCE_SUM, x, axes, count);
  NamedTensor divisor = tensor_extent(elaborator, span, x, axes, count);
  if (sum.node == NODE_NONE || divisor.node == NODE_NONE) return (NamedTensor){0};
  if (unbiased) divisor = degrees_of_freedom(elaborator, span, &divisor);
  return tensor_binary(elaborator, span, OP_DIVIDE, &sum, span, &divisor, span);
}

Value builtin_sum(Elaborator *elaborator, const BuiltinCall *call) {
  const NamedTensor *x = call->argument[0].tensor;
  int64_t axes[SHAPE_MAX_RANK];
  uint32_t count;
  if (!builtin_axes(elaborator, x, &call->argument[1], axes, &count)) return value_poison(call->span);
  NamedTensor result = tensor_reduce(elaborator, call->span, OP_REDUCE_SUM, x, axes, count);
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_mean(Elaborator *elaborator, const BuiltinCall *call) {
  const NamedTensor *x = call->argument[0].tensor;
  int64_t axes[SHAPE_MAX_RANK];
  uint32_t count;
  if (!builtin_axes(elaborator, x, &call->argument[1], axes, &count)) return value_poison(call->span);
  NamedTensor result = mean_over(elaborator, call->span, x, axes, count, false);
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_variance(Elaborator *elaborator, const BuiltinCall *call) {
  const NamedTensor *x = call->argument[0].tensor;
  int64_t axes[SHAPE_MAX_RANK];
  uint32_t count;
  if (!builtin_axes(elaborator, x, &call->argument[1], axes, &count)) return value_poison(call->span);
  NamedTensor mean = mean_over(elaborator, call->span, x, axes, count, false);
  if (mean.node == NODE_NONE) return value_poison(call->span);
  NamedTensor centred = tensor_binary(elaborator, call->span, OP_SUBTRACT, x, call->span, &mean, call->span);
  if (centred.node == NODE_NONE) return value_poison(call->span);
  NamedTensor square = tensor_binary(elaborator, call->span, OP_MULTIPLY, &centred, call->span, &centred, call->span);
  NamedTensor result = mean_over(elaborator, call->span, &square, axes, count, call->argument[2].truth);
  return value_tensor(elaborator, call->span, &result);
}

static Value extremum_of_two(Elaborator *elaborator, const BuiltinCall *call, OpCode op) {
  const BuiltinArgument *x = &call->argument[0], *y = &call->argument[1];
  if (call->argument[2].expression) {
    REPORT(elaborator, DIAG_EXTRA_ARGUMENT, call->argument[2].span, "max and min of two values", 2u);
    return value_poison(call->span);
  }
  double left, right;
  if (!x->tensor && !y->tensor && static_number(&x->value.fixed, &left) && static_number(&y->value.fixed, &right)) {
    bool first = op == OP_MAXIMUM ? left >= right : left <= right;
    return value_static(call->span, first ? x->value.fixed : y->value.fixed);
  }
  const NamedTensor *a = value_as_tensor(elaborator, &x->value), *b = value_as_tensor(elaborator, &y->value);
  if (!a || !b) return value_poison(call->span);
  if (a->complex || b->complex) {
    REPORT_WITH(elaborator,
                diagnostic_hint(elaborator->diagnostics,
                                "a block whose parameter is parts[...] sees the two parts of a complex tensor"),
                DIAG_COMPLEX, call->span, call->builtin->name);
    return value_poison(call->span);
  }
  NamedTensor result = tensor_binary(elaborator, call->span, op, a, x->span, b, y->span);
  return value_tensor(elaborator, call->span, &result);
}

static Value extremum(Elaborator *elaborator, const BuiltinCall *call, OpCode op) {
  const BuiltinArgument *x = &call->argument[0];
  if (call->argument[1].expression) return extremum_of_two(elaborator, call, op);
  const NamedTensor *tensor = value_as_tensor(elaborator, &x->value);
  int64_t axes[SHAPE_MAX_RANK];
  uint32_t count;
  if (!tensor || !builtin_axes(elaborator, tensor, &call->argument[2], axes, &count)) return value_poison(call->span);
  if (tensor->complex) {
    REPORT(elaborator, DIAG_COMPLEX, call->span, call->builtin->name);
    return value_poison(call->span);
  }
  NamedTensor result = *tensor;
  if (op == OP_MINIMUM) result = tensor_unary(elaborator, call->span, OP_NEGATE, &result);
  result = tensor_reduce(elaborator, call->span, OP_REDUCE_MAX, &result, axes, count);
  if (op == OP_MINIMUM) result = tensor_unary(elaborator, call->span, OP_NEGATE, &result);
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_maximum(Elaborator *elaborator, const BuiltinCall *call) {
  return extremum(elaborator, call, OP_MAXIMUM);
}
Value builtin_minimum(Elaborator *elaborator, const BuiltinCall *call) {
  return extremum(elaborator, call, OP_MINIMUM);
}

Value builtin_dot(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *a = &call->argument[0], *b = &call->argument[1], *over = &call->argument[2];
  for (uint32_t i = 0; i < over->axis_count; i++) {
    if (tensor_need_axis(elaborator, a->tensor, over->axis[i], over->span) < 0 ||
        tensor_need_axis(elaborator, b->tensor, over->axis[i], over->span) < 0)
      return value_poison(call->span);
  }
  NamedTensor result =
      tensor_dot(elaborator, call->span, a->tensor, a->span, b->tensor, b->span, over->axis, over->axis_count);
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_index(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *extent = &call->argument[0];
  NamedTensor result = {.rank = 1, .axis = {{extent->axis[0], extent->extent}}};
  result.node = emit(elaborator, call->span, OP_INDEX, NULL, 0, &(Attribute){.count = 1, .dims = &extent->extent});
  return value_tensor(elaborator, call->span, &result);
}

static NodeId emit_random(Elaborator *elaborator, Span span, OpCode op, int64_t stream, const NamedTensor *like) {
  Shape shape = tensor_shape(like);
  Attribute attribute[] = {{.integer = stream}, {.count = (uint32_t)shape.rank, .dims = shape.dim}};
  return emit(elaborator, span, op, NULL, 0, attribute);
}

Value builtin_random(Elaborator *elaborator, const BuiltinCall *call) {
  const NamedTensor *x = call->argument[0].tensor;
  int64_t axes[SHAPE_MAX_RANK];
  uint32_t count;
  if (elaborator->initial) {
    REPORT(elaborator, DIAG_MISPLACED, call->span, "'random'", "a model, not an initial value: use 'uniform'");
    return value_poison(call->span);
  }
  if (!builtin_axes(elaborator, x, &call->argument[1], axes, &count)) return value_poison(call->span);
  NamedTensor result = {.rank = (int32_t)count};
  for (uint32_t i = 0; i < count; i++) result.axis[i] = x->axis[axes[i]];
  Scope *scope = elaborator->scope;
  const char *name =
      arena_format(elaborator->arena, "%s#%s#%u", scope->prefix, scope->definition->name.text, scope->draws++);
  result.node = emit_random(elaborator, call->span, OP_RANDOM_UNIFORM, elaborator_stream(elaborator, name), &result);
  return value_tensor(elaborator, call->span, &result);
}

static NamedTensor draw(Elaborator *elaborator, const BuiltinCall *call, OpCode op) {
  InitialContext *context = elaborator->initial;
  if (!context) {
    REPORT(elaborator, DIAG_MISPLACED, call->span, arena_format(elaborator->arena, "'%s'", call->builtin->name),
           "the initial value of a param or state; 'random' draws in every step");
    return (NamedTensor){0};
  }
  NamedTensor result = context->shape;
  const char *name = arena_format(elaborator->arena, "%s#%u", context->path, context->draws++);
  result.node = emit_random(elaborator, call->span, op, elaborator_stream(elaborator, name), &result);
  return result;
}

static NamedTensor scaled(Elaborator *elaborator, Span span, OpCode op, const NamedTensor *x, double number) {
  if (x->node == NODE_NONE) return *x;
  NamedTensor scalar = tensor_scalar(elaborator, span, number);
  return tensor_binary(elaborator, span, op, x, span, &scalar, span);
}

Value builtin_normal(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *std = &call->argument[0];
  NamedTensor result = draw(elaborator, call, OP_RANDOM_NORMAL);
  if (std->expression) result = scaled(elaborator, call->span, OP_MULTIPLY, &result, std->number);
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_uniform(Elaborator *elaborator, const BuiltinCall *call) {
  double low = call->argument[0].number, high = call->argument[1].expression ? call->argument[1].number : 1;
  NamedTensor result = draw(elaborator, call, OP_RANDOM_UNIFORM);
  result = scaled(elaborator, call->span, OP_MULTIPLY, &result, high - low);
  /* Part by part: a complex draw is uniform in a square. */
  if (result.node != NODE_NONE && low != 0) {
    Shape shape = tensor_shape(&result);
    result.node = emit_binary(elaborator, call->span, OP_ADD, result.node,
                              emit_constant_like(elaborator, call->span, low, &shape));
  }
  return value_tensor(elaborator, call->span, &result);
}
