/* Recurrences and Fourier transforms. */
#include "builtin.h"

#include <math.h>
#include <string.h>

/* `initial` laid out as `like` without its axis `place`. NODE_NONE and a report where it has other axes. */
static NodeId spread_initial(Elaborator *elaborator, const BuiltinCall *call, const BuiltinArgument *initial,
                             const NamedTensor *like, int32_t place) {
  NamedTensor expected = *like, axes;
  tensor_remove_axis(&expected, place);
  if (!tensor_union(elaborator, call->span, &expected, call->span, initial->tensor, initial->span, &axes))
    return NODE_NONE;
  if (axes.rank != expected.rank) {
    REPORT(elaborator, DIAG_TYPE_AXES, initial->span, "the initial value", elaborator_axes_text(elaborator, &expected),
           elaborator_axes_text(elaborator, initial->tensor));
    return NODE_NONE;
  }
  NamedTensor whole = like->complex && !initial->tensor->complex
                          ? complex_from_real(elaborator, call->span, initial->tensor)
                          : *initial->tensor;
  return whole.node == NODE_NONE ? NODE_NONE : tensor_spread(elaborator, call->span, &whole, &expected);
}

Value builtin_scan(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *decay = &call->argument[0], *input = &call->argument[1], *over = &call->argument[2];
  const BuiltinArgument *initial = &call->argument[3];
  NamedTensor result, driven = *input->tensor;
  if (initial->expression && initial->tensor->complex && !driven.complex)
    driven = complex_from_real(elaborator, call->span, &driven);
  if (driven.node == NODE_NONE ||
      !tensor_union(elaborator, call->span, decay->tensor, decay->span, &driven, input->span, &result))
    return value_poison(call->span);
  int32_t place = tensor_need_axis(elaborator, &result, over->axis[0], over->span);
  if (place < 0) return value_poison(call->span);
  NodeId operand[3] = {tensor_spread(elaborator, call->span, decay->tensor, &result),
                       tensor_spread(elaborator, call->span, &driven, &result)};
  if (initial->expression) operand[2] = spread_initial(elaborator, call, initial, &result, place);
  Attribute attribute[] = {{.integer = place + result.complex}, {.integer = call->argument[4].truth}, {.integer = 0}};
  result.node = emit(elaborator, call->span, OP_SCAN, operand, initial->expression ? 3 : 2, attribute);
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_delay(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *over = &call->argument[1], *initial = &call->argument[2];
  NamedTensor result = *call->argument[0].tensor;
  int32_t place = tensor_need_axis(elaborator, &result, over->axis[0], over->span);
  if (place < 0) return value_poison(call->span);
  if (initial->expression && initial->tensor->complex && !result.complex)
    result = complex_from_real(elaborator, call->span, &result);
  NodeId operand[2] = {result.node};
  if (initial->expression) operand[1] = spread_initial(elaborator, call, initial, &result, place);
  Attribute attribute[] = {{.integer = place + result.complex}, {.integer = call->argument[3].truth}};
  result.node = emit(elaborator, call->span, OP_DELAY, operand, initial->expression ? 2 : 1, attribute);
  return value_tensor(elaborator, call->span, &result);
}

static NodeId emit_dft(Elaborator *elaborator, Span span, NodeId x, const Attribute *axes, bool inverse, int64_t form,
                       double scale) {
  Attribute attribute[] = {*axes, {.integer = inverse}, {.integer = form}, {.real = scale}, {.integer = 0}};
  return emit(elaborator, span, OP_DFT, &x, 1, attribute);
}

static bool transform_fits(Elaborator *elaborator, Span span, int64_t extent) {
  if (extent <= MAX_TRANSFORM) return true;
  REPORT(
      elaborator, DIAG_LIMIT, span,
      arena_format(elaborator->arena, "a transform along %lld elements: at most %d", (long long)extent, MAX_TRANSFORM));
  return false;
}

static Value transform(Elaborator *elaborator, const BuiltinCall *call, bool inverse) {
  const BuiltinArgument *over = &call->argument[1];
  FourierNorm norm = call->argument[2].norm;
  NamedTensor result = *call->argument[0].tensor;
  int64_t axes[SHAPE_MAX_RANK];
  uint32_t count;
  double elements = 1;
  for (uint32_t i = 0; i < over->axis_count; i++) {
    int32_t place = tensor_need_constant_axis(elaborator, &result, over->axis[i], over->span);
    if (place < 0 || !transform_fits(elaborator, over->span, result.axis[place].extent.factor))
      return value_poison(call->span);
    elements *= (double)result.axis[place].extent.factor;
  }
  if (!builtin_axes(elaborator, &result, over, axes, &count)) return value_poison(call->span);
  bool scaled = norm == (inverse ? NORM_BACKWARD : NORM_FORWARD);
  double scale = norm == NORM_ORTHO ? 1 / sqrt(elements) : scaled ? 1 / elements : 1;
  Attribute attribute = {.count = count, .integers = axes};
  int64_t form = result.complex ? DFT_COMPLEX : DFT_REAL_TO_COMPLEX;
  result.node = emit_dft(elaborator, call->span, result.node, &attribute, inverse, form, scale);
  result.complex = true;
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_fft(Elaborator *elaborator, const BuiltinCall *call) { return transform(elaborator, call, false); }
Value builtin_ifft(Elaborator *elaborator, const BuiltinCall *call) { return transform(elaborator, call, true); }

Value builtin_real(Elaborator *elaborator, const BuiltinCall *call) {
  const NamedTensor *x = call->argument[0].tensor;
  if (!x->complex) return value_tensor(elaborator, call->span, x);
  NamedTensor result = *x;
  const Node *node = graph_node(elaborator->graph, x->node);
  if (node->op == OP_DFT && node_integer(node, DFT_FORM) == DFT_COMPLEX) {
    /* The real part of a transform is an op of its own: the imaginary part is not computed. */
    result.complex = false;
    result.node = emit_dft(elaborator, call->span, node->operand[0], &node->attribute[DFT_AXES],
                           node_integer(node, DFT_INVERSE) != 0, DFT_COMPLEX_TO_REAL, node_real(node, DFT_SCALE));
  } else {
    result = complex_part(elaborator, call->span, x, 0);
  }
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_imaginary(Elaborator *elaborator, const BuiltinCall *call) {
  const NamedTensor *x = call->argument[0].tensor;
  NamedTensor result = *x;
  Shape shape = tensor_shape(x);
  if (x->complex)
    result = complex_part(elaborator, call->span, x, 1);
  else
    result.node = emit_constant_like(elaborator, call->span, 0, &shape);
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_conjugate(Elaborator *elaborator, const BuiltinCall *call) {
  const NamedTensor *x = call->argument[0].tensor;
  NamedTensor result = x->complex ? complex_conjugate(elaborator, call->span, x) : *x;
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_complex(Elaborator *elaborator, const BuiltinCall *call) {
  NamedTensor result = complex_join(elaborator, call->span, call->argument[0].tensor, call->argument[1].tensor);
  return value_tensor(elaborator, call->span, &result);
}
