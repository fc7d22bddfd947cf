/* Gradients of ops that move data: each is linear, and its rule is its transpose. g is the cotangent of the result. */
#include "autodiff.h"

/* Sum over the axes that repeat x. */
void gradient_broadcast(Backward *backward) {
  const Node *node = &backward->node;
  const Attribute *axes = &node->attribute[BROADCAST_AXES];
  int64_t repeated[SHAPE_MAX_RANK];
  uint32_t count = 0, next = 0;
  for (int32_t k = 0; k < node->shape.rank; k++) {
    if (next < axes->count && axes->integers[next] == k) {
      next++;
    } else {
      repeated[count++] = k;
    }
  }
  NodeId g = backward->gradient;
  backward_add(backward, 0, count > 0 ? graph_reduce(backward->graph, OP_REDUCE_SUM, g, repeated, count) : g);
}

void gradient_reshape(Backward *backward) {
  Shape shape = *backward_operand_shape(backward, 0);
  backward_add(backward, 0, graph_reshape(backward->graph, backward->gradient, &shape));
}

void gradient_permute(Backward *backward) {
  const Attribute *axes = &backward->node.attribute[PERMUTE_AXES];
  int64_t inverse[SHAPE_MAX_RANK];
  for (uint32_t k = 0; k < axes->count; k++) inverse[axes->integers[k]] = k;
  backward_add(backward, 0, graph_permute(backward->graph, backward->gradient, inverse));
}

/* Zeros where the slice did not look. */
void gradient_slice(Backward *backward) {
  int64_t axis = node_integer(&backward->node, SLICE_AXIS);
  int64_t low = node_integer(&backward->node, SLICE_START);
  int64_t extent = backward_operand_shape(backward, 0)->dim[axis].factor;
  int64_t high = extent - low - node_integer(&backward->node, SLICE_SIZE);
  backward_add(backward, 0, graph_pad(backward->graph, backward->gradient, axis, low, high));
}

void gradient_reverse(Backward *backward) {
  int64_t axis = node_integer(&backward->node, REVERSE_AXIS);
  backward_add(backward, 0, graph_reverse(backward->graph, backward->gradient, axis));
}

void gradient_window(Backward *backward) {
  int64_t axis = node_integer(&backward->node, WINDOW_AXIS);
  int64_t stride = node_integer(&backward->node, WINDOW_STRIDE);
  int64_t extent = backward_operand_shape(backward, 0)->dim[axis].factor;
  backward_add(backward, 0, graph_unwindow(backward->graph, backward->gradient, axis, extent, stride));
}

void gradient_unwindow(Backward *backward) {
  int64_t axis = node_integer(&backward->node, UNWINDOW_AXIS);
  int64_t stride = node_integer(&backward->node, UNWINDOW_STRIDE);
  int64_t size = backward_operand_shape(backward, 0)->dim[axis + 1].factor;
  backward_add(backward, 0, graph_window(backward->graph, backward->gradient, axis, size, stride));
}

void gradient_pad(Backward *backward) {
  int64_t axis = node_integer(&backward->node, PAD_AXIS);
  int64_t low = node_integer(&backward->node, PAD_LOW);
  int64_t extent = backward_operand_shape(backward, 0)->dim[axis].factor;
  backward_add(backward, 0, graph_slice(backward->graph, backward->gradient, axis, low, extent));
}

void gradient_concat(Backward *backward) {
  int64_t axis = node_integer(&backward->node, CONCAT_AXIS);
  int64_t start = 0;
  for (uint32_t k = 0; k < backward->node.operand_count; k++) {
    int64_t extent = backward_operand_shape(backward, k)->dim[axis].factor;
    if (backward_wants(backward, k)) {
      backward_add(backward, k, graph_slice(backward->graph, backward->gradient, axis, start, extent));
    }
    start += extent;
  }
}

static Shape shape_without(const Shape *shape, int64_t axis) {
  Shape rest = {.rank = shape->rank - 1};
  for (int32_t k = 0; k < rest.rank; k++) rest.dim[k] = shape->dim[k < axis ? k : k + 1];
  return rest;
}

/* Along an axis of symbolic extent nothing can be sliced: there a mask, 1 at the first element, picks it. */
NodeId backward_first(Graph *graph, NodeId x, int64_t axis, bool reverse) {
  Shape shape = *graph_shape(graph, x);
  Shape rest = shape_without(&shape, axis);
  Dim extent = shape.dim[axis];
  if (dim_is_constant(extent)) {
    NodeId first = graph_slice(graph, x, axis, reverse ? extent.factor - 1 : 0, 1);
    return graph_reshape(graph, first, &rest);
  }
  NodeId zeros = graph_constant_like(graph, 0.0, &shape);
  NodeId mask = graph_delay(graph, zeros, graph_constant_like(graph, 1.0, &rest), axis, reverse);
  return graph_reduce(graph, OP_REDUCE_SUM, graph_select(graph, mask, x, zeros), &axis, 1);
}

/* y[t] = x[t - 1], y[0] = initial: dx[t] = g[t + 1], 0 for the last; d initial = g[0]. */
void gradient_delay(Backward *backward) {
  int64_t axis = node_integer(&backward->node, DELAY_AXIS);
  bool reverse = node_integer(&backward->node, DELAY_REVERSE) != 0;
  NodeId g = backward->gradient;
  if (backward_wants(backward, 0)) {
    backward_add(backward, 0, graph_delay(backward->graph, g, NODE_NONE, axis, !reverse));
  }
  if (backward->node.operand_count > 1 && backward_wants(backward, 1)) {
    backward_add(backward, 1, backward_first(backward->graph, g, axis, reverse));
  }
}
