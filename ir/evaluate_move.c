/* Views, and ops that move data along one axis. */
#include "evaluate_internal.h"

#include <string.h>

/* Axes from `axis` on; returns the end of what was written. */
static double *gather(int32_t axis, const Shape *shape, const int64_t *stride, const double *source, double *out) {
  if (axis == shape->rank) {
    *out = *source;
    return out + 1;
  }
  int64_t extent = shape->dim[axis].factor;
  if (axis == shape->rank - 1) {
    for (int64_t k = 0; k < extent; k++) out[k] = source[k * stride[axis]];
    return out + extent;
  }
  for (int64_t k = 0; k < extent; k++) out = gather(axis + 1, shape, stride, source + k * stride[axis], out);
  return out;
}

void evaluate_gather(const Shape *shape, const int64_t *stride, const double *source, double *out) {
  gather(0, shape, stride, source, out);
}

void evaluate_broadcast(const EvaluateContext *context, NodeId id, const Value *out) {
  const Value *x = evaluate_operand(context, id, 0);
  const int64_t *axes = graph_node(context->graph, id)->attribute[BROADCAST_AXES].integers;
  int64_t own[SHAPE_MAX_RANK], stride[SHAPE_MAX_RANK] = {0};
  constant_strides(&x->shape, own);
  for (int32_t k = 0; k < x->shape.rank; k++) stride[axes[k]] = own[k];
  evaluate_gather(&out->shape, stride, x->data, out->data);
}

void evaluate_reshape(const EvaluateContext *context, NodeId id, const Value *out) {
  memcpy(out->data, evaluate_operand(context, id, 0)->data, (size_t)value_count(out) * sizeof(double));
}

void evaluate_permute(const EvaluateContext *context, NodeId id, const Value *out) {
  const Value *x = evaluate_operand(context, id, 0);
  const int64_t *axes = graph_node(context->graph, id)->attribute[PERMUTE_AXES].integers;
  int64_t own[SHAPE_MAX_RANK], stride[SHAPE_MAX_RANK];
  constant_strides(&x->shape, own);
  for (int32_t k = 0; k < x->shape.rank; k++) stride[k] = own[axes[k]];
  evaluate_gather(&out->shape, stride, x->data, out->data);
}

void evaluate_slice(const EvaluateContext *context, NodeId id, const Value *out) {
  const Value *x = evaluate_operand(context, id, 0);
  const Node *node = graph_node(context->graph, id);
  int64_t stride[SHAPE_MAX_RANK];
  constant_strides(&x->shape, stride);
  int64_t first = node_integer(node, SLICE_START) * stride[node_integer(node, SLICE_AXIS)];
  evaluate_gather(&out->shape, stride, x->data + first, out->data);
}

void evaluate_reverse(const EvaluateContext *context, NodeId id, const Value *out) {
  const Value *x = evaluate_operand(context, id, 0);
  int64_t axis = node_integer(graph_node(context->graph, id), REVERSE_AXIS);
  int64_t stride[SHAPE_MAX_RANK];
  constant_strides(&x->shape, stride);
  int64_t last = (x->shape.dim[axis].factor - 1) * stride[axis];
  stride[axis] = -stride[axis];
  evaluate_gather(&out->shape, stride, x->data + last, out->data);
}

void evaluate_window(const EvaluateContext *context, NodeId id, const Value *out) {
  const Value *x = evaluate_operand(context, id, 0);
  const Node *node = graph_node(context->graph, id);
  int64_t axis = node_integer(node, WINDOW_AXIS);
  int64_t own[SHAPE_MAX_RANK], stride[SHAPE_MAX_RANK];
  constant_strides(&x->shape, own);
  for (int64_t k = 0; k < x->shape.rank; k++) stride[k > axis ? k + 1 : k] = own[k];
  stride[axis] = own[axis] * node_integer(node, WINDOW_STRIDE);
  stride[axis + 1] = own[axis];
  evaluate_gather(&out->shape, stride, x->data, out->data);
}

void evaluate_unwindow(const EvaluateContext *context, NodeId id, const Value *out) {
  const Value *x = evaluate_operand(context, id, 0);
  const Node *node = graph_node(context->graph, id);
  int64_t axis = node_integer(node, UNWINDOW_AXIS), step = node_integer(node, UNWINDOW_STRIDE);
  AxisView view = axis_view(&out->shape, axis);
  int64_t count = x->shape.dim[axis].factor, size = x->shape.dim[axis + 1].factor;
  const double *source = x->data;
  for (int64_t outer = 0; outer < view.outer; outer++) {
    for (int64_t window = 0; window < count; window++) {
      /* A window is one run of size * inner elements in both tensors. */
      double *target = out->data + (outer * view.extent + window * step) * view.inner;
      for (int64_t k = 0; k < size * view.inner; k++) target[k] += *source++;
    }
  }
}

/* Copies all of `x` to where its axis starts at `start` in the longer axis of `out`. */
static void place(const Value *x, int64_t axis, int64_t start, const Value *out) {
  AxisView from = axis_view(&x->shape, axis), to = axis_view(&out->shape, axis);
  int64_t run = from.extent * from.inner;
  for (int64_t outer = 0; outer < from.outer; outer++) {
    double *target = out->data + (outer * to.extent + start) * to.inner;
    memcpy(target, x->data + outer * run, (size_t)run * sizeof(double));
  }
}

void evaluate_pad(const EvaluateContext *context, NodeId id, const Value *out) {
  const Node *node = graph_node(context->graph, id);
  place(evaluate_operand(context, id, 0), node_integer(node, PAD_AXIS), node_integer(node, PAD_LOW), out);
}

void evaluate_concat(const EvaluateContext *context, NodeId id, const Value *out) {
  const Node *node = graph_node(context->graph, id);
  int64_t axis = node_integer(node, CONCAT_AXIS), start = 0;
  for (uint32_t k = 0; k < node->operand_count; k++) {
    const Value *x = evaluate_operand(context, id, k);
    place(x, axis, start, out);
    start += x->shape.dim[axis].factor;
  }
}

void evaluate_delay(const EvaluateContext *context, NodeId id, const Value *out) {
  const Node *node = graph_node(context->graph, id);
  const Value *x = evaluate_operand(context, id, 0);
  const double *initial = node->operand_count == 2 ? evaluate_operand(context, id, 1)->data : NULL;
  bool reverse = node_integer(node, DELAY_REVERSE);
  AxisView view = axis_view(&out->shape, node_integer(node, DELAY_AXIS));
  size_t row = (size_t)view.inner * sizeof(double);
  for (int64_t outer = 0; outer < view.outer; outer++) {
    double *target = out->data + outer * view.extent * view.inner;
    const double *source = x->data + outer * view.extent * view.inner;
    memcpy(reverse ? target : target + view.inner, reverse ? source + view.inner : source,
           (size_t)(view.extent - 1) * row);
    double *edge = reverse ? target + (view.extent - 1) * view.inner : target;
    if (initial) memcpy(edge, initial + outer * view.inner, row);
  }
}

/* Axis `axis` comes last, or the last one comes to `axis`. */
Value evaluate_moved(const Value *x, int64_t axis, bool back, Arena *arena) {
  Value moved = *x;
  int32_t from = back ? x->shape.rank - 1 : (int32_t)axis, to = back ? (int32_t)axis : x->shape.rank - 1;
  Dim dim = x->shape.dim[from];
  for (int32_t k = from; k < to; k++) moved.shape.dim[k] = x->shape.dim[k + 1];
  for (int32_t k = from; k > to; k--) moved.shape.dim[k] = x->shape.dim[k - 1];
  moved.shape.dim[to] = dim;
  AxisView view = axis_view(back ? &moved.shape : &x->shape, axis);
  moved.data = ARENA_ARRAY(arena, double, view.outer *view.extent *view.inner);
  for (int64_t outer = 0; outer < view.outer; outer++) {
    for (int64_t k = 0; k < view.extent; k++) {
      for (int64_t inner = 0; inner < view.inner; inner++) {
        int64_t here = (outer * view.extent + k) * view.inner + inner;
        int64_t last = (outer * view.inner + inner) * view.extent + k;
        moved.data[back ? here : last] = x->data[back ? last : here];
      }
    }
  }
  return moved;
}

void evaluate_checkpoint(const EvaluateContext *context, NodeId id, const Value *out) {
  const Node *node = graph_node(context->graph, id);
  const Value *states = evaluate_operand(context, id, 0);
  const double *initial = node->operand_count == 2 ? evaluate_operand(context, id, 1)->data : NULL;
  bool reverse = node_integer(node, CHECKPOINT_REVERSE);
  int64_t axis = node_integer(node, CHECKPOINT_AXIS), steps = node_integer(node, CHECKPOINT_STEPS);
  AxisView view = axis_view(&states->shape, axis);
  Value cut = *states;
  cut.shape.dim[axis] = dim_constant((view.extent + steps - 1) / steps);
  AxisView kept = axis_view(&cut.shape, axis);
  cut.data = ARENA_ARRAY(context->arena, double, kept.outer *kept.extent *kept.inner);
  for (int64_t outer = 0; outer < kept.outer; outer++) {
    for (int64_t k = 0; k < kept.extent; k++) {
      int64_t t = reverse ? view.extent - k * steps : k * steps - 1;
      const double *source = states->data + (outer * view.extent + t) * view.inner;
      if (k == 0) source = initial ? initial + outer * view.inner : NULL;
      double *target = cut.data + (outer * kept.extent + k) * view.inner;
      for (int64_t inner = 0; inner < view.inner; inner++) target[inner] = source ? source[inner] : 0;
    }
  }
  Value moved = evaluate_moved(&cut, node_integer(node, CHECKPOINT_LAST), false, context->arena);
  memcpy(out->data, moved.data, (size_t)(kept.outer * kept.extent * kept.inner) * sizeof(double));
}
