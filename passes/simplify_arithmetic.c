/* Rules of simplify for elementwise ops; the patterns stand in simplify_rules.def. */
#include "simplify.h"

#include <float.h>
#include <math.h>

static NodeId negate(const Candidate *candidate, NodeId x) { return graph_unary(candidate->graph, OP_NEGATE, x); }

static NodeId constant(const Candidate *candidate, double value) {
  return graph_constant_like(candidate->graph, value, &candidate->node->shape);
}

/* The operand beside one of `value` everywhere, or NODE_NONE. */
static NodeId beside(const Candidate *candidate, double value) {
  for (uint32_t k = 0; k < 2; k++) {
    if (node_is_value(candidate->graph, candidate->operand[k], value)) return candidate->operand[1 - k];
  }
  return NODE_NONE;
}

NodeId simplify_add_zero(const Candidate *candidate) { return beside(candidate, 0.0); }

NodeId simplify_add_negative(const Candidate *candidate) {
  Graph *graph = candidate->graph;
  NodeId a = candidate->operand[0], b = candidate->operand[1];
  if (operand_is(candidate, 1, OP_NEGATE)) return graph_binary(graph, OP_SUBTRACT, a, candidate_inner(candidate, 1, 0));
  if (operand_is(candidate, 0, OP_NEGATE)) return graph_binary(graph, OP_SUBTRACT, b, candidate_inner(candidate, 0, 0));
  return NODE_NONE;
}

NodeId simplify_subtract_zero(const Candidate *candidate) {
  if (node_is_value(candidate->graph, candidate->operand[1], 0.0)) return candidate->operand[0];
  if (node_is_value(candidate->graph, candidate->operand[0], 0.0)) return negate(candidate, candidate->operand[1]);
  return NODE_NONE;
}

NodeId simplify_subtract_negative(const Candidate *candidate) {
  if (!operand_is(candidate, 1, OP_NEGATE)) return NODE_NONE;
  return graph_binary(candidate->graph, OP_ADD, candidate->operand[0], candidate_inner(candidate, 1, 0));
}

NodeId simplify_multiply_one(const Candidate *candidate) {
  NodeId x = beside(candidate, 1.0);
  if (x) return x;
  x = beside(candidate, -1.0);
  return x ? negate(candidate, x) : NODE_NONE;
}

/* Finite whatever the inputs hold. Sums and products of finite numbers may overflow, so they do not count. */
static bool is_finite(const Graph *graph, NodeId id) {
  const Node *node = graph_node(graph, id);
  switch (node->op) {
    case OP_CONSTANT:
      return fabs(node_real(node, CONSTANT_VALUE)) <= FLT_MAX;
    case OP_INDEX:
    case OP_EXTENT:
    case OP_RANDOM_UNIFORM:
    case OP_LESS:
    case OP_LESS_EQUAL:
    case OP_EQUAL:
      return true;
    case OP_BROADCAST:
    case OP_RESHAPE:
    case OP_PERMUTE:
    case OP_SLICE:
    case OP_REVERSE:
    case OP_WINDOW:
    case OP_NEGATE:
    case OP_ABSOLUTE:
      return is_finite(graph, node->operand[0]);
    default:
      return false;
  }
}

NodeId simplify_multiply_zero(const Candidate *candidate) {
  NodeId x = beside(candidate, 0.0);
  return x && is_finite(candidate->graph, x) ? constant(candidate, 0.0) : NODE_NONE;
}

NodeId simplify_multiply_negatives(const Candidate *candidate) {
  Graph *graph = candidate->graph;
  bool negated[2] = {operand_is(candidate, 0, OP_NEGATE), operand_is(candidate, 1, OP_NEGATE)};
  if (negated[0] && negated[1]) {
    return graph_binary(graph, OP_MULTIPLY, candidate_inner(candidate, 0, 0), candidate_inner(candidate, 1, 0));
  }
  for (uint32_t k = 0; k < 2; k++) {
    double value;
    if (!negated[k] || !node_is_uniform(graph, candidate->operand[1 - k], &value)) continue;
    return graph_binary(graph, OP_MULTIPLY, candidate_inner(candidate, k, 0), constant(candidate, -value));
  }
  return NODE_NONE;
}

/* Far from overflow and from subnormal numbers, so that a product of two is not nearer to them than its factors. */
static bool is_ordinary(double value) { return fabs(value) >= 0x1p-60 && fabs(value) <= 0x1p60; }

NodeId simplify_multiply_constants(const Candidate *candidate) {
  Graph *graph = candidate->graph;
  for (uint32_t k = 0; k < 2; k++) {
    double outer, inner;
    if (!operand_is(candidate, 1 - k, OP_MULTIPLY) || !node_is_uniform(graph, candidate->operand[k], &outer)) continue;
    for (uint32_t j = 0; j < 2; j++) {
      if (!node_is_uniform(graph, candidate_inner(candidate, 1 - k, j), &inner)) continue;
      if (!is_ordinary(outer) || !is_ordinary(inner) || !is_ordinary(outer * inner)) continue;
      NodeId x = candidate_inner(candidate, 1 - k, 1 - j);
      return graph_binary(graph, OP_MULTIPLY, x, constant(candidate, outer * inner));
    }
  }
  return NODE_NONE;
}

NodeId simplify_divide_one(const Candidate *candidate) {
  if (node_is_value(candidate->graph, candidate->operand[1], 1.0)) return candidate->operand[0];
  if (node_is_value(candidate->graph, candidate->operand[1], -1.0)) return negate(candidate, candidate->operand[0]);
  return NODE_NONE;
}

NodeId simplify_divide_power(const Candidate *candidate) {
  double value;
  int exponent;
  if (!node_is_uniform(candidate->graph, candidate->operand[1], &value) || !is_ordinary(value)) return NODE_NONE;
  if (fabs(frexp(value, &exponent)) != 0.5) return NODE_NONE;
  return graph_binary(candidate->graph, OP_MULTIPLY, candidate->operand[0], constant(candidate, 1.0 / value));
}

NodeId simplify_negate_negate(const Candidate *candidate) {
  if (operand_is(candidate, 0, OP_NEGATE)) return candidate_inner(candidate, 0, 0);
  if (!operand_is(candidate, 0, OP_SUBTRACT)) return NODE_NONE;
  return graph_binary(candidate->graph, OP_SUBTRACT, candidate_inner(candidate, 0, 1),
                      candidate_inner(candidate, 0, 0));
}

NodeId simplify_absolute_absolute(const Candidate *candidate) {
  if (operand_is(candidate, 0, OP_ABSOLUTE)) return candidate->operand[0];
  if (!operand_is(candidate, 0, OP_NEGATE)) return NODE_NONE;
  return graph_unary(candidate->graph, OP_ABSOLUTE, candidate_inner(candidate, 0, 0));
}

NodeId simplify_same_operands(const Candidate *candidate) {
  return candidate->operand[0] == candidate->operand[1] ? candidate->operand[0] : NODE_NONE;
}

NodeId simplify_select_known(const Candidate *candidate) {
  if (candidate->operand[1] == candidate->operand[2]) return candidate->operand[1];
  double condition;
  if (!node_is_uniform(candidate->graph, candidate->operand[0], &condition)) return NODE_NONE;
  return candidate->operand[condition != 0.0 ? 1 : 2];
}

NodeId simplify_detach_done(const Candidate *candidate) {
  return candidate->context->differentiated ? candidate->operand[0] : NODE_NONE;
}

/* The axes of `shape` in `axes` (a mask), and for each axis of `shape` its place among them. */
static Shape restrict_shape(const Shape *shape, unsigned axes, int64_t out_axes[SHAPE_MAX_RANK],
                            int64_t out_place[SHAPE_MAX_RANK]) {
  Shape part = {0};
  for (int32_t k = 0; k < shape->rank; k++) {
    if (!(axes >> k & 1)) continue;
    out_axes[part.rank] = k;
    out_place[k] = part.rank;
    part.dim[part.rank++] = shape->dim[k];
  }
  return part;
}

/* Operand `k` with just the axes in `part`: a constant, or a broadcast whose axes are among them. */
static NodeId restrict_operand(const Candidate *candidate, uint32_t k, const Shape *part,
                               const int64_t place[SHAPE_MAX_RANK]) {
  double value;
  if (node_is_uniform(candidate->graph, candidate->operand[k], &value)) {
    return graph_constant_like(candidate->graph, value, part);
  }
  const Attribute *axes = &candidate_operand(candidate, k)->attribute[BROADCAST_AXES];
  int64_t moved[SHAPE_MAX_RANK];
  for (uint32_t i = 0; i < axes->count; i++) moved[i] = place[axes->integers[i]];
  return graph_broadcast(candidate->graph, candidate_inner(candidate, k, 0), part, moved);
}

NodeId simplify_elementwise_of_broadcasts(const Candidate *candidate) {
  const Node *node = candidate->node;
  if (!op_is_elementwise(node->op)) return NODE_NONE;
  unsigned varying = 0;
  for (uint32_t k = 0; k < node->operand_count; k++) {
    double value;
    if (node_is_uniform(candidate->graph, candidate->operand[k], &value)) continue;
    if (!operand_is(candidate, k, OP_BROADCAST)) return NODE_NONE;
    const Attribute *axes = &candidate_operand(candidate, k)->attribute[BROADCAST_AXES];
    for (uint32_t i = 0; i < axes->count; i++) varying |= 1u << axes->integers[i];
  }
  if (varying == (1u << node->shape.rank) - 1) return NODE_NONE;
  int64_t axes[SHAPE_MAX_RANK] = {0}, place[SHAPE_MAX_RANK] = {0};
  Shape part = restrict_shape(&node->shape, varying, axes, place);
  NodeId operand[3];
  for (uint32_t k = 0; k < node->operand_count; k++) operand[k] = restrict_operand(candidate, k, &part, place);
  NodeId small = graph_add(candidate->graph, node->op, operand, node->operand_count, node->attribute);
  return graph_broadcast(candidate->graph, small, &node->shape, axes);
}
