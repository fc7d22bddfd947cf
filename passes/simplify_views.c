/* Rules of simplify for ops that move data; the patterns stand in simplify_rules.def. */
#include "simplify.h"

NodeId simplify_view_identity(const Candidate *candidate) {
  const Node *node = candidate->node;
  if (!shape_equal(&node->shape, graph_shape(candidate->graph, candidate->operand[0]))) return NODE_NONE;
  if (node->op == OP_CONCAT && node->operand_count > 1) return NODE_NONE;
  const Attribute *axes = &node->attribute[PERMUTE_AXES];
  for (uint32_t k = 0; node->op == OP_PERMUTE && k < axes->count; k++) {
    if (axes->integers[k] != k) return NODE_NONE;
  }
  return candidate->operand[0];
}

NodeId simplify_reverse_reverse(const Candidate *candidate) {
  int64_t axis = node_integer(candidate->node, REVERSE_AXIS);
  if (dim_equal(candidate->node->shape.dim[axis], dim_constant(1))) return candidate->operand[0];
  if (!operand_is(candidate, 0, OP_REVERSE)) return NODE_NONE;
  if (node_integer(candidate_operand(candidate, 0), REVERSE_AXIS) != axis) return NODE_NONE;
  return candidate_inner(candidate, 0, 0);
}

NodeId simplify_permute_permute(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_PERMUTE)) return NODE_NONE;
  const Attribute *inner = &candidate_operand(candidate, 0)->attribute[PERMUTE_AXES];
  const Attribute *outer = &candidate->node->attribute[PERMUTE_AXES];
  int64_t axes[SHAPE_MAX_RANK];
  for (uint32_t k = 0; k < outer->count; k++) axes[k] = inner->integers[outer->integers[k]];
  return graph_permute(candidate->graph, candidate_inner(candidate, 0, 0), axes);
}

NodeId simplify_reshape_reshape(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_RESHAPE)) return NODE_NONE;
  return graph_reshape(candidate->graph, candidate_inner(candidate, 0, 0), &candidate->node->shape);
}

NodeId simplify_broadcast_broadcast(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_BROADCAST)) return NODE_NONE;
  const Attribute *inner = &candidate_operand(candidate, 0)->attribute[BROADCAST_AXES];
  const Attribute *outer = &candidate->node->attribute[BROADCAST_AXES];
  int64_t axes[SHAPE_MAX_RANK] = {0};
  for (uint32_t k = 0; k < inner->count; k++) axes[k] = outer->integers[inner->integers[k]];
  return graph_broadcast(candidate->graph, candidate_inner(candidate, 0, 0), &candidate->node->shape, axes);
}

bool shapes_match_but_units(const Shape *from, const Shape *to, int32_t out_axis[SHAPE_MAX_RANK]) {
  const Dim one = dim_constant(1);
  int32_t at = 0;
  for (int32_t k = 0; k < from->rank; k++) {
    out_axis[k] = -1;
    if (dim_equal(from->dim[k], one)) continue;
    while (at < to->rank && dim_equal(to->dim[at], one)) at++;
    if (at == to->rank || !dim_equal(from->dim[k], to->dim[at])) return false;
    out_axis[k] = at++;
  }
  while (at < to->rank && dim_equal(to->dim[at], one)) at++;
  return at == to->rank;
}

NodeId simplify_reshape_of_broadcast(const Candidate *candidate) {
  const Node *node = candidate->node, *broadcast = candidate_operand(candidate, 0);
  int32_t moved[SHAPE_MAX_RANK];
  if (broadcast->op != OP_BROADCAST || !shapes_match_but_units(&broadcast->shape, &node->shape, moved))
    return NODE_NONE;
  const Attribute *inner = &broadcast->attribute[BROADCAST_AXES];
  Shape small = {0};
  int64_t axes[SHAPE_MAX_RANK];
  for (uint32_t k = 0; k < inner->count; k++) {
    int32_t axis = moved[inner->integers[k]];
    if (axis < 0) continue;
    small.dim[small.rank] = node->shape.dim[axis];
    axes[small.rank++] = axis;
  }
  NodeId x = graph_reshape(candidate->graph, broadcast->operand[0], &small);
  return graph_broadcast(candidate->graph, x, &node->shape, axes);
}

/* Constants stay broadcasts: that is the form other rules look for. */
NodeId simplify_broadcast_units(const Candidate *candidate) {
  const Node *node = candidate->node;
  const Attribute *axes = &node->attribute[BROADCAST_AXES];
  if (operand_is(candidate, 0, OP_CONSTANT)) return NODE_NONE;
  for (int32_t k = 0; k < node->shape.rank; k++) {
    bool repeats = !axes_have(axes->integers, axes->count, k);
    if (repeats && !dim_equal(node->shape.dim[k], dim_constant(1))) return NODE_NONE;
  }
  return graph_reshape(candidate->graph, candidate->operand[0], &node->shape);
}

NodeId simplify_slice_slice(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_SLICE)) return NODE_NONE;
  const Node *inner = candidate_operand(candidate, 0), *node = candidate->node;
  int64_t axis = node_integer(node, SLICE_AXIS);
  if (node_integer(inner, SLICE_AXIS) != axis) return NODE_NONE;
  int64_t start = node_integer(inner, SLICE_START) + node_integer(node, SLICE_START);
  return graph_slice(candidate->graph, inner->operand[0], axis, start, node_integer(node, SLICE_SIZE));
}

NodeId simplify_permute_of_broadcast(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_BROADCAST)) return NODE_NONE;
  const Attribute *inner = &candidate_operand(candidate, 0)->attribute[BROADCAST_AXES];
  const Attribute *outer = &candidate->node->attribute[PERMUTE_AXES];
  int64_t order[SHAPE_MAX_RANK] = {0}, axes[SHAPE_MAX_RANK] = {0};
  uint32_t count = 0;
  for (uint32_t k = 0; k < outer->count; k++) {
    for (uint32_t i = 0; i < inner->count; i++) {
      if (inner->integers[i] != outer->integers[k]) continue;
      order[count] = i;
      axes[count++] = k;
    }
  }
  NodeId x = graph_permute(candidate->graph, candidate_inner(candidate, 0, 0), order);
  return graph_broadcast(candidate->graph, x, &candidate->node->shape, axes);
}

/* The axis of x that becomes `axis` of broadcast(x), or -1 where `axis` repeats x. */
static int64_t axis_before_broadcast(const Node *broadcast, int64_t axis) {
  const Attribute *axes = &broadcast->attribute[BROADCAST_AXES];
  for (uint32_t k = 0; k < axes->count; k++) {
    if (axes->integers[k] == axis) return k;
  }
  return -1;
}

NodeId simplify_slice_of_broadcast(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_BROADCAST)) return NODE_NONE;
  const Node *node = candidate->node, *inner = candidate_operand(candidate, 0);
  const int64_t *axes = inner->attribute[BROADCAST_AXES].integers;
  NodeId x = inner->operand[0];
  int64_t axis = axis_before_broadcast(inner, node_integer(node, SLICE_AXIS));
  if (axis >= 0) {
    x = graph_slice(candidate->graph, x, axis, node_integer(node, SLICE_START), node_integer(node, SLICE_SIZE));
  }
  return graph_broadcast(candidate->graph, x, &node->shape, axes);
}

NodeId simplify_reverse_of_broadcast(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_BROADCAST)) return NODE_NONE;
  const Node *node = candidate->node, *inner = candidate_operand(candidate, 0);
  const int64_t *axes = inner->attribute[BROADCAST_AXES].integers;
  int64_t axis = axis_before_broadcast(inner, node_integer(node, REVERSE_AXIS));
  if (axis < 0) return candidate->operand[0];
  NodeId x = graph_reverse(candidate->graph, inner->operand[0], axis);
  return graph_broadcast(candidate->graph, x, &node->shape, axes);
}

NodeId simplify_slice_of_permute(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_PERMUTE)) return NODE_NONE;
  const Node *node = candidate->node, *permute = candidate_operand(candidate, 0);
  const int64_t *axes = permute->attribute[PERMUTE_AXES].integers;
  NodeId slice = graph_slice(candidate->graph, permute->operand[0], axes[node_integer(node, SLICE_AXIS)],
                             node_integer(node, SLICE_START), node_integer(node, SLICE_SIZE));
  return graph_permute(candidate->graph, slice, axes);
}

NodeId simplify_slice_of_concat(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_CONCAT)) return NODE_NONE;
  const Node *node = candidate->node, *concat = candidate_operand(candidate, 0);
  int64_t axis = node_integer(node, SLICE_AXIS), size = node_integer(node, SLICE_SIZE);
  int64_t start = node_integer(node, SLICE_START);
  if (node_integer(concat, CONCAT_AXIS) != axis) return NODE_NONE;
  for (uint32_t k = 0; k < concat->operand_count; k++) {
    int64_t extent = graph_shape(candidate->graph, concat->operand[k])->dim[axis].factor;
    if (start + size <= extent) return graph_slice(candidate->graph, concat->operand[k], axis, start, size);
    if (start < extent) return NODE_NONE;
    start -= extent;
  }
  return NODE_NONE;
}

NodeId simplify_slice_of_pad(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_PAD)) return NODE_NONE;
  const Node *node = candidate->node, *pad = candidate_operand(candidate, 0);
  int64_t axis = node_integer(node, SLICE_AXIS), size = node_integer(node, SLICE_SIZE);
  if (node_integer(pad, PAD_AXIS) != axis) return NODE_NONE;
  int64_t start = node_integer(node, SLICE_START) - node_integer(pad, PAD_LOW);
  int64_t extent = graph_shape(candidate->graph, pad->operand[0])->dim[axis].factor;
  if (start >= 0 && start + size <= extent) return graph_slice(candidate->graph, pad->operand[0], axis, start, size);
  if (start >= extent || start + size <= 0) return graph_constant_like(candidate->graph, 0.0, &node->shape);
  return NODE_NONE;
}

/* So that nobody wants the other steps of x and y, which may then exist in a kernel alone: the first step of a decay. */
NodeId simplify_slice_of_elementwise(const Candidate *candidate) {
  const Node *node = candidate->node, *source = candidate_operand(candidate, 0);
  if (!op_is_elementwise(source->op) || node_integer(node, SLICE_SIZE) != 1) return NODE_NONE;
  NodeId operand[3];
  for (uint32_t k = 0; k < source->operand_count; k++)
    operand[k] = graph_slice(candidate->graph, source->operand[k], node_integer(node, SLICE_AXIS),
                             node_integer(node, SLICE_START), 1);
  return graph_add(candidate->graph, source->op, operand, source->operand_count, source->attribute);
}

NodeId simplify_pad_pad(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_PAD)) return NODE_NONE;
  const Node *node = candidate->node, *inner = candidate_operand(candidate, 0);
  int64_t axis = node_integer(node, PAD_AXIS);
  if (node_integer(inner, PAD_AXIS) != axis) return NODE_NONE;
  int64_t low = node_integer(inner, PAD_LOW) + node_integer(node, PAD_LOW);
  int64_t high = node_integer(inner, PAD_HIGH) + node_integer(node, PAD_HIGH);
  return graph_pad(candidate->graph, inner->operand[0], axis, low, high);
}

/* Appends x, or its parts where it is a concat along the same axis; false where there are too many. */
static bool append_parts(const Graph *graph, NodeId x, int64_t axis, NodeId *parts, uint32_t *count) {
  const Node *node = graph_node(graph, x);
  bool joined = node->op == OP_CONCAT && node_integer(node, CONCAT_AXIS) == axis;
  uint32_t more = joined ? node->operand_count : 1;
  if (*count + more > GRAPH_MAX_OPERANDS) return false;
  for (uint32_t k = 0; k < more; k++) parts[(*count)++] = joined ? node->operand[k] : x;
  return true;
}

NodeId simplify_concat_concat(const Candidate *candidate) {
  int64_t axis = node_integer(candidate->node, CONCAT_AXIS);
  NodeId parts[GRAPH_MAX_OPERANDS];
  uint32_t count = 0;
  for (uint32_t k = 0; k < candidate->node->operand_count; k++) {
    if (!append_parts(candidate->graph, candidate->operand[k], axis, parts, &count)) return NODE_NONE;
  }
  if (count == candidate->node->operand_count) return NODE_NONE;
  return graph_concat(candidate->graph, parts, count, axis);
}

/* Comes from the backward pass of slices that take a tensor apart: their cotangents are put together again. */
NodeId simplify_add_of_pads(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_PAD) || !operand_is(candidate, 1, OP_PAD)) return NODE_NONE;
  const Node *a = candidate_operand(candidate, 0), *b = candidate_operand(candidate, 1);
  int64_t axis = node_integer(a, PAD_AXIS);
  if (node_integer(b, PAD_AXIS) != axis) return NODE_NONE;
  if (node_integer(a, PAD_LOW) > node_integer(b, PAD_LOW)) {
    const Node *swap = a;
    a = b;
    b = swap;
  }
  int64_t extent = graph_shape(candidate->graph, a->operand[0])->dim[axis].factor;
  int64_t low = node_integer(a, PAD_LOW), high = node_integer(b, PAD_HIGH);
  if (low + extent != node_integer(b, PAD_LOW)) return NODE_NONE;
  NodeId joined = graph_concat(candidate->graph, (NodeId[]){a->operand[0], b->operand[0]}, 2, axis);
  return graph_pad(candidate->graph, joined, axis, low, high);
}
