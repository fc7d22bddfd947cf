/* The constructors of graph.h: attributes put in their slots. */
#include "graph.h"
#include "guard.h"

#include <string.h>

static Attribute attribute_dims(const Shape *shape) {
  return (Attribute){.count = (uint32_t)shape->rank, .dims = shape->dim};
}

static Attribute attribute_integers(const int64_t *integers, uint32_t count) {
  return (Attribute){.count = count, .integers = integers};
}

static Attribute attribute_integer(int64_t integer) { return (Attribute){.integer = integer}; }

NodeId graph_leaf(Graph *graph, OpCode op, const char *name, const Shape *shape) {
  Attribute attributes[] = {[LEAF_NAME] = {.text = name}, [LEAF_SHAPE] = attribute_dims(shape)};
  return graph_add(graph, op, NULL, 0, attributes);
}

NodeId graph_constant(Graph *graph, double value) {
  Attribute attributes[] = {[CONSTANT_VALUE] = {.real = value}};
  return graph_add(graph, OP_CONSTANT, NULL, 0, attributes);
}

NodeId graph_index(Graph *graph, Dim extent) {
  Attribute attributes[] = {[EXTENT_DIM] = {.count = 1, .dims = &extent}};
  return graph_add(graph, OP_INDEX, NULL, 0, attributes);
}

NodeId graph_extent(Graph *graph, Dim extent) {
  Attribute attributes[] = {[EXTENT_DIM] = {.count = 1, .dims = &extent}};
  return graph_add(graph, OP_EXTENT, NULL, 0, attributes);
}

NodeId graph_random(Graph *graph, OpCode op, int64_t stream, const Shape *shape) {
  Attribute attributes[] = {[RANDOM_STREAM] = {.integer = stream}, [RANDOM_SHAPE] = attribute_dims(shape)};
  return graph_add(graph, op, NULL, 0, attributes);
}

NodeId graph_unary(Graph *graph, OpCode op, NodeId x) {
  ASSERT(op_is_elementwise(op));
  return graph_add(graph, op, &x, 1, NULL);
}

NodeId graph_binary(Graph *graph, OpCode op, NodeId a, NodeId b) {
  ASSERT(op_is_elementwise(op));
  return graph_add(graph, op, (NodeId[]){a, b}, 2, NULL);
}

NodeId graph_select(Graph *graph, NodeId condition, NodeId a, NodeId b) {
  return graph_add(graph, OP_SELECT, (NodeId[]){condition, a, b}, 3, NULL);
}

NodeId graph_broadcast(Graph *graph, NodeId x, const Shape *shape, const int64_t *axes) {
  if (shape_equal(graph_shape(graph, x), shape)) return x;
  Attribute attributes[] = {[BROADCAST_SHAPE] = attribute_dims(shape),
                            [BROADCAST_AXES] = attribute_integers(axes, (uint32_t)graph_shape(graph, x)->rank)};
  return graph_add(graph, OP_BROADCAST, &x, 1, attributes);
}

NodeId graph_broadcast_scalar(Graph *graph, NodeId scalar, const Shape *shape) {
  ASSERT(graph_shape(graph, scalar)->rank == 0);
  return graph_broadcast(graph, scalar, shape, NULL);
}

NodeId graph_constant_like(Graph *graph, double value, const Shape *shape) {
  return graph_broadcast_scalar(graph, graph_constant(graph, value), shape);
}

NodeId graph_reshape(Graph *graph, NodeId x, const Shape *shape) {
  if (shape_equal(graph_shape(graph, x), shape)) return x;
  Attribute attributes[] = {[RESHAPE_SHAPE] = attribute_dims(shape)};
  return graph_add(graph, OP_RESHAPE, &x, 1, attributes);
}

NodeId graph_permute(Graph *graph, NodeId x, const int64_t *axes) {
  int32_t rank = graph_shape(graph, x)->rank;
  bool identity = true;
  for (int32_t k = 0; k < rank; k++) identity = identity && axes[k] == k;
  if (identity) return x;
  Attribute attributes[] = {[PERMUTE_AXES] = attribute_integers(axes, (uint32_t)rank)};
  return graph_add(graph, OP_PERMUTE, &x, 1, attributes);
}

NodeId graph_slice(Graph *graph, NodeId x, int64_t axis, int64_t start, int64_t size) {
  const Shape *shape = graph_shape(graph, x);
  bool whole = start == 0 && axis >= 0 && axis < shape->rank && dim_equal(shape->dim[axis], dim_constant(size));
  if (whole) return x;
  Attribute attributes[] = {[SLICE_AXIS] = attribute_integer(axis),
                            [SLICE_START] = attribute_integer(start),
                            [SLICE_SIZE] = attribute_integer(size)};
  return graph_add(graph, OP_SLICE, &x, 1, attributes);
}

NodeId graph_reverse(Graph *graph, NodeId x, int64_t axis) {
  Attribute attributes[] = {[REVERSE_AXIS] = attribute_integer(axis)};
  return graph_add(graph, OP_REVERSE, &x, 1, attributes);
}

NodeId graph_window(Graph *graph, NodeId x, int64_t axis, int64_t size, int64_t stride) {
  Attribute attributes[] = {[WINDOW_AXIS] = attribute_integer(axis),
                            [WINDOW_SIZE] = attribute_integer(size),
                            [WINDOW_STRIDE] = attribute_integer(stride)};
  return graph_add(graph, OP_WINDOW, &x, 1, attributes);
}

NodeId graph_unwindow(Graph *graph, NodeId x, int64_t axis, int64_t extent, int64_t stride) {
  Attribute attributes[] = {[UNWINDOW_AXIS] = attribute_integer(axis),
                            [UNWINDOW_EXTENT] = attribute_integer(extent),
                            [UNWINDOW_STRIDE] = attribute_integer(stride)};
  return graph_add(graph, OP_UNWINDOW, &x, 1, attributes);
}

NodeId graph_pad(Graph *graph, NodeId x, int64_t axis, int64_t low, int64_t high) {
  if (low == 0 && high == 0) return x;
  Attribute attributes[] = {
      [PAD_AXIS] = attribute_integer(axis), [PAD_LOW] = attribute_integer(low), [PAD_HIGH] = attribute_integer(high)};
  return graph_add(graph, OP_PAD, &x, 1, attributes);
}

NodeId graph_concat(Graph *graph, const NodeId *parts, uint32_t count, int64_t axis) {
  if (count == 1) return parts[0];
  Attribute attributes[] = {[CONCAT_AXIS] = attribute_integer(axis)};
  return graph_add(graph, OP_CONCAT, parts, count, attributes);
}

NodeId graph_delay(Graph *graph, NodeId x, NodeId initial, int64_t axis, bool reverse) {
  Attribute attributes[] = {[DELAY_AXIS] = attribute_integer(axis), [DELAY_REVERSE] = attribute_integer(reverse)};
  return graph_add(graph, OP_DELAY, (NodeId[]){x, initial}, initial == NODE_NONE ? 1 : 2, attributes);
}

NodeId graph_reduce(Graph *graph, OpCode op, NodeId x, const int64_t *axes, uint32_t count) {
  ASSERT(op == OP_REDUCE_SUM || op == OP_REDUCE_MAX);
  if (count == 0) return x;
  Attribute attributes[] = {[REDUCE_AXES] = attribute_integers(axes, count)};
  return graph_add(graph, op, &x, 1, attributes);
}

NodeId graph_contract(Graph *graph, NodeId a, NodeId b, const char *labels) {
  Attribute attributes[] = {[CONTRACT_LABELS] = {.text = labels}};
  return graph_add(graph, OP_CONTRACT, (NodeId[]){a, b}, 2, attributes);
}

static NodeId add_scan(Graph *graph, OpCode op, const NodeId *operands, int64_t axis, bool reverse, bool late) {
  Attribute attributes[] = {[SCAN_AXIS] = attribute_integer(axis),
                            [SCAN_REVERSE] = attribute_integer(reverse),
                            [SCAN_LATE] = attribute_integer(late)};
  return graph_add(graph, op, operands, operands[2] == NODE_NONE ? 2 : 3, attributes);
}

NodeId graph_scan(Graph *graph, NodeId decay, NodeId input, NodeId initial, int64_t axis, bool reverse, bool late) {
  return add_scan(graph, OP_SCAN, (NodeId[]){decay, input, initial}, axis, reverse, late);
}

NodeId graph_complex_scan(Graph *graph, NodeId decay, NodeId input, NodeId initial, int64_t axis, bool reverse,
                          bool late) {
  return add_scan(graph, OP_COMPLEX_SCAN, (NodeId[]){decay, input, initial}, axis, reverse, late);
}

NodeId graph_complex_part(Graph *graph, NodeId x, int64_t part) {
  Shape shape = *graph_shape(graph, x);
  for (int32_t k = 0; k + 1 < shape.rank; k++) shape.dim[k] = shape.dim[k + 1];
  shape.rank--;
  return graph_reshape(graph, graph_slice(graph, x, 0, part, 1), &shape);
}

NodeId graph_complex(Graph *graph, NodeId re, NodeId im) {
  Shape shape = *graph_shape(graph, re);
  for (int32_t k = shape.rank++; k > 0; k--) shape.dim[k] = shape.dim[k - 1];
  shape.dim[0] = dim_constant(1);
  return graph_concat(graph, (NodeId[]){graph_reshape(graph, re, &shape), graph_reshape(graph, im, &shape)}, 2, 0);
}

NodeId graph_dft(Graph *graph, NodeId x, const int64_t *axes, uint32_t count, bool inverse, int64_t form, double scale,
                 int64_t extent) {
  Attribute attributes[] = {[DFT_AXES] = attribute_integers(axes, count),
                            [DFT_INVERSE] = attribute_integer(inverse),
                            [DFT_FORM] = attribute_integer(form),
                            [DFT_SCALE] = {.real = scale},
                            [DFT_EXTENT] = attribute_integer(extent)};
  return graph_add(graph, OP_DFT, &x, 1, attributes);
}

NodeId graph_broadcast_labels(Graph *graph, NodeId x, const char *letters, const char *result, const Shape *shape) {
  int64_t order[SHAPE_MAX_RANK] = {0}, axes[SHAPE_MAX_RANK] = {0};
  uint32_t count = 0;
  for (int32_t k = 0; result[k]; k++) {
    const char *at = strchr(letters, result[k]);
    if (!at) continue;
    order[count] = at - letters;
    axes[count++] = k;
  }
  return graph_broadcast(graph, graph_permute(graph, x, order), shape, axes);
}
