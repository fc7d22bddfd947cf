#include "elaborator.h"

#include "ir/guard.h"

#include <string.h>

/* Nodes that are new in the model's graph were made by the call that runs. */
static void record_calls(Elaborator *elaborator) {
  if (elaborator->graph != elaborator->model->graph) return;
  while (elaborator->call_count <= elaborator->graph->node_count) {
    elaborator->call = arena_grow(elaborator->arena, elaborator->call, elaborator->call_count,
                                  &elaborator->call_capacity, sizeof *elaborator->call);
    elaborator->call[elaborator->call_count++] = elaborator->scope->prefix;
  }
}

NodeId emit(Elaborator *elaborator, Span span, OpCode op, const NodeId *operands, uint32_t count,
            const Attribute *attributes) {
  for (uint32_t i = 0; i < count; i++)
    if (operands[i] == NODE_NONE) return NODE_NONE;
  Graph *graph = elaborator->graph;
  if (graph->node_count >= MAX_NODES) {
    elaborator_stop(elaborator, span, "the model makes more than 1000000 operations");
    return NODE_NONE;
  }
  graph->span = span;
  const char *message = NULL;
  NodeId node = graph_try_add(graph, op, operands, count, attributes, &message);
  if (node == NODE_NONE) REPORT(elaborator, DIAG_GRAPH_RULE, span, op_info(op)->name, message);
  record_calls(elaborator);
  return node;
}

NodeId emit_unary(Elaborator *elaborator, Span span, OpCode op, NodeId x) {
  return emit(elaborator, span, op, &x, 1, NULL);
}

NodeId emit_binary(Elaborator *elaborator, Span span, OpCode op, NodeId a, NodeId b) {
  return emit(elaborator, span, op, (NodeId[]){a, b}, 2, NULL);
}

static NodeId emit_constant(Elaborator *elaborator, double value) { return graph_constant(elaborator->graph, value); }

NodeId emit_reshape(Elaborator *elaborator, Span span, NodeId x, const Shape *shape) {
  if (x == NODE_NONE || shape_equal(graph_shape(elaborator->graph, x), shape)) return x;
  Attribute attribute = {.count = (uint32_t)shape->rank, .dims = shape->dim};
  return emit(elaborator, span, OP_RESHAPE, &x, 1, &attribute);
}

static NodeId emit_permute(Elaborator *elaborator, Span span, NodeId x, const int64_t *axes, uint32_t count) {
  bool identity = true;
  for (uint32_t i = 0; i < count; i++) identity = identity && axes[i] == (int64_t)i;
  if (x == NODE_NONE || identity) return x;
  return emit(elaborator, span, OP_PERMUTE, &x, 1, &(Attribute){.count = count, .integers = axes});
}

NodeId emit_slice(Elaborator *elaborator, Span span, NodeId x, int64_t axis, int64_t start, int64_t size) {
  Attribute attribute[] = {{.integer = axis}, {.integer = start}, {.integer = size}};
  return emit(elaborator, span, OP_SLICE, &x, 1, attribute);
}

NodeId emit_concat(Elaborator *elaborator, Span span, const NodeId *parts, uint32_t count, int64_t axis) {
  return count == 1 ? parts[0] : emit(elaborator, span, OP_CONCAT, parts, count, &(Attribute){.integer = axis});
}

NodeId emit_pad(Elaborator *elaborator, Span span, NodeId x, int64_t axis, int64_t low, int64_t high) {
  if (low == 0 && high == 0) return x;
  Attribute attribute[] = {{.integer = axis}, {.integer = low}, {.integer = high}};
  return emit(elaborator, span, OP_PAD, &x, 1, attribute);
}

static NodeId emit_reduce(Elaborator *elaborator, Span span, OpCode op, NodeId x, const int64_t *axes, uint32_t count) {
  return count == 0 ? x : emit(elaborator, span, op, &x, 1, &(Attribute){.count = count, .integers = axes});
}

static NodeId emit_broadcast(Elaborator *elaborator, Span span, NodeId x, const Shape *shape, const int64_t *axes,
                             uint32_t count) {
  if (x == NODE_NONE || (count == (uint32_t)shape->rank && shape_equal(graph_shape(elaborator->graph, x), shape)))
    return x;
  Attribute attribute[] = {{.count = (uint32_t)shape->rank, .dims = shape->dim}, {.count = count, .integers = axes}};
  return emit(elaborator, span, OP_BROADCAST, &x, 1, attribute);
}

NodeId emit_constant_like(Elaborator *elaborator, Span span, double value, const Shape *shape) {
  return emit_broadcast(elaborator, span, emit_constant(elaborator, value), shape, NULL, 0);
}

Shape tensor_shape(const NamedTensor *tensor) {
  Shape shape = {0};
  if (tensor->complex) shape.dim[shape.rank++] = dim_constant(2);
  for (int32_t i = 0; i < tensor->rank && shape.rank < SHAPE_MAX_RANK; i++)
    shape.dim[shape.rank++] = tensor->axis[i].extent;
  return shape;
}

int32_t tensor_find_axis(const NamedTensor *tensor, const AxisLabel *label) {
  for (int32_t i = 0; i < tensor->rank; i++)
    if (tensor->axis[i].label == label) return i;
  return -1;
}

int32_t tensor_need_axis(Elaborator *elaborator, const NamedTensor *tensor, const AxisLabel *label, Span span) {
  int32_t axis = tensor_find_axis(tensor, label);
  if (axis < 0) REPORT(elaborator, DIAG_NO_AXIS, span, label->text, elaborator_axes_text(elaborator, tensor));
  return axis;
}

int32_t tensor_need_constant_axis(Elaborator *elaborator, const NamedTensor *tensor, const AxisLabel *label,
                                  Span span) {
  int32_t axis = tensor_need_axis(elaborator, tensor, label, span);
  if (axis < 0 || dim_is_constant(tensor->axis[axis].extent)) return axis;
  REPORT(elaborator, DIAG_OPEN_AXIS, span, label->text, elaborator_dim_text(elaborator, tensor->axis[axis].extent));
  return -1;
}

void tensor_remove_axis(NamedTensor *tensor, int32_t axis) {
  for (int32_t i = axis; i + 1 < tensor->rank; i++) tensor->axis[i] = tensor->axis[i + 1];
  tensor->rank--;
}

NamedTensor tensor_scalar(Elaborator *elaborator, Span span, double value) {
  elaborator->graph->span = span;
  return (NamedTensor){.node = emit_constant(elaborator, value)};
}

static void report_mismatch(Elaborator *elaborator, Span span, const Axis *a, Span a_span, const Axis *b, Span b_span) {
  const char *left = elaborator_dim_text(elaborator, a->extent), *right = elaborator_dim_text(elaborator, b->extent);
  if (!elaborator_report_once(elaborator, DIAG_AXIS_MISMATCH, span)) return;
  diagnostic_error(elaborator->diagnostics, DIAG_AXIS_MISMATCH, span, a->label->text, left, right);
  diagnostic_note(elaborator->diagnostics, a_span, "axis '%s' is %s here", a->label->text, left);
  diagnostic_note(elaborator->diagnostics, b_span, "axis '%s' is %s here", b->label->text, right);
  elaborator_note_calls(elaborator);
}

bool tensor_union(Elaborator *elaborator, Span span, const NamedTensor *a, Span a_span, const NamedTensor *b,
                  Span b_span, NamedTensor *out) {
  bool swapped = b->rank > a->rank;
  const NamedTensor *first = swapped ? b : a, *second = swapped ? a : b;
  NamedTensor result = {.complex = a->complex || b->complex, .rank = first->rank};
  memcpy(result.axis, first->axis, sizeof result.axis);
  for (int32_t i = 0; i < second->rank; i++) {
    int32_t place = tensor_find_axis(first, second->axis[i].label);
    if (place >= 0) {
      if (dim_equal(first->axis[place].extent, second->axis[i].extent)) continue;
      const Axis *left = swapped ? &second->axis[i] : &first->axis[place];
      const Axis *right = swapped ? &first->axis[place] : &second->axis[i];
      report_mismatch(elaborator, span, left, a_span, right, b_span);
      return false;
    }
    if (result.rank + result.complex >= SHAPE_MAX_RANK) {
      REPORT(elaborator, DIAG_RANGE, span, "the number of axes", "8 at most",
             arena_format(elaborator->arena, "those of %s and %s together", elaborator_axes_text(elaborator, a),
                          elaborator_axes_text(elaborator, b)));
      return false;
    }
    result.axis[result.rank++] = second->axis[i];
  }
  *out = result;
  return true;
}

NodeId tensor_spread(Elaborator *elaborator, Span span, const NamedTensor *x, const NamedTensor *target) {
  /* The axes of x in the order in which target has them, and where they are in target. */
  int64_t order[SHAPE_MAX_RANK], place[SHAPE_MAX_RANK];
  uint32_t count = 0;
  if (x->complex) {
    order[count] = 0;
    place[count++] = 0;
  }
  for (int32_t i = 0; i < target->rank; i++) {
    int32_t axis = tensor_find_axis(x, target->axis[i].label);
    if (axis < 0) continue;
    order[count] = axis + x->complex;
    place[count++] = i + target->complex;
  }
  ASSERT(count == (uint32_t)(x->rank + x->complex));
  Shape shape = tensor_shape(target);
  return emit_broadcast(elaborator, span, emit_permute(elaborator, span, x->node, order, count), &shape, place, count);
}

NamedTensor tensor_permute(Elaborator *elaborator, Span span, const NamedTensor *x, const NamedTensor *order) {
  NamedTensor result = *order;
  result.complex = x->complex;
  result.node = tensor_spread(elaborator, span, x, &result);
  return result;
}

NamedTensor tensor_unary(Elaborator *elaborator, Span span, OpCode op, const NamedTensor *x) {
  NamedTensor result = *x;
  result.node = emit_unary(elaborator, span, op, x->node);
  return result;
}

NamedTensor tensor_binary(Elaborator *elaborator, Span span, OpCode op, const NamedTensor *a, Span a_span,
                          const NamedTensor *b, Span b_span) {
  NamedTensor result = {0};
  if (!tensor_union(elaborator, span, a, a_span, b, b_span, &result)) return result;
  NodeId left = tensor_spread(elaborator, span, a, &result), right = tensor_spread(elaborator, span, b, &result);
  result.node = emit_binary(elaborator, span, op, left, right);
  return result;
}

NamedTensor tensor_select(Elaborator *elaborator, Span span, const NamedTensor *condition, const NamedTensor *a,
                          const NamedTensor *b) {
  NamedTensor values, result = {0};
  if (!tensor_union(elaborator, span, a, span, b, span, &values)) return result;
  if (!tensor_union(elaborator, span, &values, span, condition, span, &result)) return result;
  NodeId operand[] = {tensor_spread(elaborator, span, condition, &result), tensor_spread(elaborator, span, a, &result),
                      tensor_spread(elaborator, span, b, &result)};
  result.node = emit(elaborator, span, OP_SELECT, operand, 3, NULL);
  return result;
}

NamedTensor tensor_reduce(Elaborator *elaborator, Span span, OpCode op, const NamedTensor *x, const int64_t *axes,
                          uint32_t count) {
  NamedTensor result = *x;
  int64_t ascending[SHAPE_MAX_RANK];
  uint32_t found = 0;
  for (int32_t i = x->rank - 1; i >= 0; i--) {
    for (uint32_t k = 0; k < count; k++) {
      if (axes[k] != i) continue;
      tensor_remove_axis(&result, i);
      break;
    }
  }
  for (int32_t i = 0; i < x->rank; i++) {
    if (tensor_find_axis(&result, x->axis[i].label) < 0) ascending[found++] = i + x->complex;
  }
  result.node = emit_reduce(elaborator, span, op, x->node, ascending, found);
  return result;
}

NamedTensor tensor_extent(Elaborator *elaborator, Span span, const NamedTensor *x, const int64_t *axes,
                          uint32_t count) {
  Dim known = dim_constant(1);
  NamedTensor result = {0};
  for (uint32_t k = 0; k < count; k++) {
    if (!dim_multiply(known, x->axis[axes[k]].extent, &known)) {
      REPORT(elaborator, DIAG_RANGE, span, "the number of elements", "smaller", elaborator_axes_text(elaborator, x));
      return result;
    }
  }
  if (dim_is_constant(known)) return tensor_scalar(elaborator, span, (double)known.factor);
  result.node = emit(elaborator, span, OP_EXTENT, NULL, 0, &(Attribute){.count = 1, .dims = &known});
  return result;
}
