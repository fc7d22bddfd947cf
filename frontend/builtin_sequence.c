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
  bool turns = decay->tensor->complex, complex = turns || (initial->expression && initial->tensor->complex);
  NamedTensor result, driven = *input->tensor;
  if (complex && !driven.complex) driven = complex_from_real(elaborator, call->span, &driven);
  if (driven.node == NODE_NONE ||
      !tensor_union(elaborator, call->span, decay->tensor, decay->span, &driven, input->span, &result))
    return value_poison(call->span);
  int32_t place = tensor_need_axis(elaborator, &result, over->axis[0], over->span);
  if (place < 0) return value_poison(call->span);
  NodeId operand[3] = {tensor_spread(elaborator, call->span, decay->tensor, &result),
                       tensor_spread(elaborator, call->span, &driven, &result)};
  if (initial->expression) operand[2] = spread_initial(elaborator, call, initial, &result, place);
  Attribute attribute[] = {{.integer = place + result.complex}, {.integer = call->argument[4].truth}, {.integer = 0}};
  OpCode op = turns ? OP_COMPLEX_SCAN : OP_SCAN;
  result.node = emit(elaborator, call->span, op, operand, initial->expression ? 3 : 2, attribute);
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
                       double scale, int64_t extent) {
  Attribute attribute[] = {*axes, {.integer = inverse}, {.integer = form}, {.real = scale}, {.integer = extent}};
  return emit(elaborator, span, OP_DFT, &x, 1, attribute);
}

static bool transform_fits(Elaborator *elaborator, Span span, int64_t extent) {
  if (extent <= MAX_TRANSFORM) return true;
  REPORT(
      elaborator, DIAG_LIMIT, span,
      arena_format(elaborator->arena, "a transform along %lld elements: at most %d", (long long)extent, MAX_TRANSFORM));
  return false;
}

/* The places of `over` in x, ascending, and the product of their extents. False and a report. */
static bool transform_axes(Elaborator *elaborator, const NamedTensor *x, const BuiltinArgument *over, int64_t *out_axes,
                           uint32_t *out_count, double *out_elements) {
  *out_elements = 1;
  for (uint32_t i = 0; i < over->axis_count; i++) {
    int32_t place = tensor_need_constant_axis(elaborator, x, over->axis[i], over->span);
    if (place < 0 || !transform_fits(elaborator, over->span, x->axis[place].extent.factor)) return false;
    *out_elements *= (double)x->axis[place].extent.factor;
  }
  return builtin_axes(elaborator, x, over, out_axes, out_count);
}

static double transform_scale(FourierNorm norm, bool inverse, double elements) {
  if (norm == NORM_ORTHO) return 1 / sqrt(elements);
  return norm == (inverse ? NORM_BACKWARD : NORM_FORWARD) ? 1 / elements : 1;
}

static Value transform(Elaborator *elaborator, const BuiltinCall *call, bool inverse) {
  NamedTensor result = *call->argument[0].tensor;
  int64_t axes[SHAPE_MAX_RANK];
  uint32_t count;
  double elements;
  if (!transform_axes(elaborator, &result, &call->argument[1], axes, &count, &elements))
    return value_poison(call->span);
  Attribute attribute = {.count = count, .integers = axes};
  int64_t form = result.complex ? DFT_COMPLEX : DFT_REAL_TO_COMPLEX;
  double scale = transform_scale(call->argument[2].norm, inverse, elements);
  result.node = emit_dft(elaborator, call->span, result.node, &attribute, inverse, form, scale, 0);
  result.complex = true;
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_fft(Elaborator *elaborator, const BuiltinCall *call) { return transform(elaborator, call, false); }
Value builtin_ifft(Elaborator *elaborator, const BuiltinCall *call) { return transform(elaborator, call, true); }

/* The half axis is the last of `over`: its place leaves `axes`, whose rest goes through whole transforms. */
static int32_t take_half_axis(const NamedTensor *x, const BuiltinArgument *over, int64_t *axes, uint32_t *count) {
  int32_t half = tensor_find_axis(x, over->axis[over->axis_count - 1]);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < *count; i++)
    if (axes[i] != half) axes[kept++] = axes[i];
  *count = kept;
  return half;
}

static NodeId emit_half_dft(Elaborator *elaborator, Span span, NodeId x, int64_t half, bool inverse, double scale,
                            int64_t extent) {
  Attribute attribute = {.count = 1, .integers = &half};
  return emit_dft(elaborator, span, x, &attribute, inverse, inverse ? DFT_HALF_TO_REAL : DFT_REAL_TO_HALF, scale,
                  extent);
}

static NodeId emit_whole_dft(Elaborator *elaborator, Span span, NodeId x, const int64_t *axes, uint32_t count,
                             bool inverse) {
  Attribute attribute = {.count = count, .integers = axes};
  return count == 0 ? x : emit_dft(elaborator, span, x, &attribute, inverse, DFT_COMPLEX, 1, 0);
}

Value builtin_rfft(Elaborator *elaborator, const BuiltinCall *call) {
  NamedTensor result = *call->argument[0].tensor;
  int64_t axes[SHAPE_MAX_RANK];
  uint32_t count;
  double elements;
  if (!transform_axes(elaborator, &result, &call->argument[1], axes, &count, &elements))
    return value_poison(call->span);
  int32_t half = take_half_axis(&result, &call->argument[1], axes, &count);
  double scale = transform_scale(call->argument[2].norm, false, elements);
  result.node = emit_half_dft(elaborator, call->span, result.node, half, false, scale, 0);
  result.node = emit_whole_dft(elaborator, call->span, result.node, axes, count, false);
  result.axis[half].extent = dim_constant(result.axis[half].extent.factor / 2 + 1);
  result.complex = true;
  return value_tensor(elaborator, call->span, &result);
}

/* How often frequency k of a half spectrum of `size` samples is in the whole one, as a vector: 1 for 0 and size / 2,
 * else 2, because size - k is not written out. */
static NodeId frequency_counts(Elaborator *elaborator, Span span, int64_t size) {
  Dim frequencies = dim_constant(size / 2 + 1);
  Shape shape = {.rank = 1, .dim = {frequencies}};
  NodeId index = emit(elaborator, span, OP_INDEX, NULL, 0, &(Attribute){.count = 1, .dims = &frequencies});
  NodeId zero = emit_constant_like(elaborator, span, 0, &shape), two = emit_constant_like(elaborator, span, 2, &shape);
  NodeId counts = emit_binary(elaborator, span, OP_SUBTRACT, two, emit_binary(elaborator, span, OP_EQUAL, index, zero));
  if (size % 2 != 0) return counts;
  NodeId middle = emit_constant_like(elaborator, span, (double)(size / 2), &shape);
  return emit_binary(elaborator, span, OP_SUBTRACT, counts, emit_binary(elaborator, span, OP_EQUAL, index, middle));
}

/* The half axis gets `size` elements and the name of that extent. False and a report. */
static bool restore_half_axis(Elaborator *elaborator, const BuiltinCall *call, Axis *half) {
  const BuiltinArgument *over = &call->argument[1], *size = &call->argument[2];
  if (!dim_is_constant(size->extent)) {
    REPORT(elaborator, DIAG_OPEN_AXIS, size->span, size->axis[0]->text, elaborator_dim_text(elaborator, size->extent));
    return false;
  }
  int64_t samples = size->extent.factor;
  if (!transform_fits(elaborator, size->span, samples)) return false;
  if (half->extent.factor != samples / 2 + 1) {
    REPORT(elaborator, DIAG_RANGE, over->span, arena_format(elaborator->arena, "axis '%s'", half->label->text),
           arena_format(elaborator->arena, "the %lld frequencies of a half spectrum of %lld samples",
                        (long long)(samples / 2 + 1), (long long)samples),
           arena_format(elaborator->arena, "%lld", (long long)half->extent.factor));
    return false;
  }
  *half = (Axis){size->axis[0], size->extent};
  return true;
}

Value builtin_irfft(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *over = &call->argument[1], *size = &call->argument[2];
  NamedTensor x = *call->argument[0].tensor;
  int64_t axes[SHAPE_MAX_RANK];
  uint32_t count;
  double elements;
  if (!transform_axes(elaborator, &x, over, axes, &count, &elements)) return value_poison(call->span);
  int32_t half = take_half_axis(&x, over, axes, &count);
  NamedTensor result = x;
  if (size->axis[0] != x.axis[half].label && !builtin_axis_is_new(elaborator, &x, size->axis[0], size->span))
    return value_poison(call->span);
  if (!restore_half_axis(elaborator, call, &result.axis[half])) return value_poison(call->span);
  elements *= (double)size->extent.factor / (double)x.axis[half].extent.factor;
  if (!x.complex) x = complex_from_real(elaborator, call->span, &x);
  if (x.node == NODE_NONE) return value_poison(call->span);
  NamedTensor counts = {.rank = 1, .axis = {x.axis[half]}};
  counts.node = frequency_counts(elaborator, call->span, size->extent.factor);
  x = tensor_binary(elaborator, call->span, OP_MULTIPLY, &x, call->span, &counts, call->span);
  NodeId rows = emit_whole_dft(elaborator, call->span, x.node, axes, count, true);
  double scale = transform_scale(call->argument[3].norm, true, elements);
  result.node = emit_half_dft(elaborator, call->span, rows, half, true, scale, size->extent.factor);
  result.complex = false;
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_real(Elaborator *elaborator, const BuiltinCall *call) {
  const NamedTensor *x = call->argument[0].tensor;
  if (!x->complex) return value_tensor(elaborator, call->span, x);
  NamedTensor result = *x;
  const Node *node = graph_node(elaborator->graph, x->node);
  if (node->op == OP_DFT && node_integer(node, DFT_FORM) == DFT_COMPLEX) {
    /* The real part of a transform is an op of its own: the imaginary part is not computed. */
    result.complex = false;
    result.node = emit_dft(elaborator, call->span, node->operand[0], &node->attribute[DFT_AXES],
                           node_integer(node, DFT_INVERSE) != 0, DFT_COMPLEX_TO_REAL, node_real(node, DFT_SCALE), 0);
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
