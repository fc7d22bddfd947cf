/* Rules of simplify for reductions and Einstein products; the patterns stand in simplify_rules.def. */
#include "ir/guard.h"
#include "simplify.h"

#include <string.h>

NodeId simplify_reduce_units(const Candidate *candidate) {
  const Attribute *axes = &candidate->node->attribute[REDUCE_AXES];
  const Shape *shape = graph_shape(candidate->graph, candidate->operand[0]);
  for (uint32_t k = 0; k < axes->count; k++) {
    if (!dim_equal(shape->dim[axes->integers[k]], dim_constant(1))) return NODE_NONE;
  }
  return graph_reshape(candidate->graph, candidate->operand[0], &candidate->node->shape);
}

/* A sum that others read is not summed again. */
NodeId simplify_reduce_reduce(const Candidate *candidate) {
  const Node *node = candidate->node, *inner = candidate_operand(candidate, 0);
  if (inner->op != node->op || !operand_is_own(candidate, 0)) return NODE_NONE;
  const Attribute *first = &inner->attribute[REDUCE_AXES], *second = &node->attribute[REDUCE_AXES];
  int32_t rank = graph_shape(candidate->graph, inner->operand[0])->rank;
  int64_t axes[SHAPE_MAX_RANK];
  uint32_t count = 0;
  int64_t place = 0; /* of the axis in what the inner reduction leaves */
  for (int32_t k = 0; k < rank; k++) {
    bool inner_has = axes_have(first->integers, first->count, k);
    if (inner_has || axes_have(second->integers, second->count, place)) axes[count++] = k;
    if (!inner_has) place++;
  }
  return graph_reduce(candidate->graph, node->op, inner->operand[0], axes, count);
}

/* x times the number of elements along `axes` of `shape`; NODE_NONE where that is no Dim. */
static NodeId multiply_by_extents(Graph *graph, NodeId x, const Shape *shape, const int64_t *axes, uint32_t count) {
  Dim total = dim_constant(1);
  for (uint32_t k = 0; k < count; k++) {
    if (!dim_multiply(total, shape->dim[axes[k]], &total)) return NODE_NONE;
  }
  Shape small = *graph_shape(graph, x);
  NodeId number = dim_is_constant(total) ? graph_constant(graph, (double)total.factor) : graph_extent(graph, total);
  return graph_binary(graph, OP_MULTIPLY, x, graph_broadcast_scalar(graph, number, &small));
}

/* Axes of x are reduced before they are repeated; axes that repeat x and are reduced become a factor (sum) or nothing
 * (maximum). */
NodeId simplify_reduce_of_broadcast(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_BROADCAST)) return NODE_NONE;
  Graph *graph = candidate->graph;
  const Node *node = candidate->node, *broadcast = candidate_operand(candidate, 0);
  const Attribute *reduced = &node->attribute[REDUCE_AXES], *axes = &broadcast->attribute[BROADCAST_AXES];
  Shape shape = broadcast->shape;
  int64_t inner[SHAPE_MAX_RANK] = {0}, repeated[SHAPE_MAX_RANK], result_axes[SHAPE_MAX_RANK] = {0};
  uint32_t inner_count = 0, repeated_count = 0, result_count = 0;
  int64_t place = 0, x_axis = 0; /* of axis k in the result, and in x */
  for (int32_t k = 0; k < shape.rank; k++) {
    bool in_x = axes_have(axes->integers, axes->count, k);
    bool goes = axes_have(reduced->integers, reduced->count, k);
    if (goes && in_x) inner[inner_count++] = x_axis;
    if (goes && !in_x) repeated[repeated_count++] = k;
    if (!goes && in_x) result_axes[result_count++] = place;
    if (!goes) place++;
    if (in_x) x_axis++;
  }
  NodeId small = graph_reduce(graph, node->op, broadcast->operand[0], inner, inner_count);
  if (node->op == OP_REDUCE_SUM && repeated_count > 0) {
    small = multiply_by_extents(graph, small, &shape, repeated, repeated_count);
  }
  return small ? graph_broadcast(graph, small, &node->shape, result_axes) : NODE_NONE;
}

NodeId simplify_reduce_of_units(const Candidate *candidate) {
  const Node *node = candidate->node, *reshape = candidate_operand(candidate, 0);
  int32_t moved[SHAPE_MAX_RANK];
  if (reshape->op != OP_RESHAPE) return NODE_NONE;
  NodeId x = reshape->operand[0];
  if (!shapes_match_but_units(&reshape->shape, graph_shape(candidate->graph, x), moved)) return NODE_NONE;
  const Attribute *axes = &node->attribute[REDUCE_AXES];
  int64_t inner[SHAPE_MAX_RANK];
  uint32_t count = 0;
  for (uint32_t k = 0; k < axes->count; k++)
    if (moved[axes->integers[k]] >= 0) inner[count++] = moved[axes->integers[k]];
  return graph_reshape(candidate->graph, graph_reduce(candidate->graph, node->op, x, inner, count), &node->shape);
}

/* The parts of a complex sum, whose terms are in a scan's kernel. */
NodeId simplify_reduce_of_concat(const Candidate *candidate) {
  const Node *node = candidate->node, *concat = candidate_operand(candidate, 0);
  if (concat->op != OP_CONCAT) return NODE_NONE;
  const Attribute *axes = &node->attribute[REDUCE_AXES];
  int64_t axis = node_integer(concat, CONCAT_AXIS), place = axis;
  for (uint32_t k = 0; k < axes->count; k++) {
    if (axes->integers[k] == axis) return NODE_NONE;
    place -= axes->integers[k] < axis;
  }
  NodeId part[GRAPH_MAX_OPERANDS];
  for (uint32_t k = 0; k < candidate_operand(candidate, 0)->operand_count; k++)
    part[k] = graph_reduce(candidate->graph, node->op, candidate_inner(candidate, 0, k), axes->integers, axes->count);
  return graph_concat(candidate->graph, part, candidate_operand(candidate, 0)->operand_count, place);
}

NodeId simplify_reduce_of_negate(const Candidate *candidate) {
  if (!operand_is(candidate, 0, OP_NEGATE)) return NODE_NONE;
  const Attribute *axes = &candidate->node->attribute[REDUCE_AXES];
  NodeId x = candidate_inner(candidate, 0, 0);
  NodeId sum = graph_reduce(candidate->graph, OP_REDUCE_SUM, x, axes->integers, axes->count);
  return graph_unary(candidate->graph, OP_NEGATE, sum);
}

static Labels labels_of(const Node *node) {
  Labels labels;
  const char *message = NULL;
  if (!labels_parse(node_text(node, CONTRACT_LABELS), &labels, &message)) guard_bug("%s", message);
  return labels;
}

static NodeId contract(const Candidate *candidate, NodeId a, NodeId b, const Labels *labels) {
  const char *text = arena_format(candidate->graph->arena, "%s,%s->%s", labels->a, labels->b, labels->result);
  return graph_contract(candidate->graph, a, b, text);
}

NodeId simplify_contract_of_permute(const Candidate *candidate) {
  Labels labels = labels_of(candidate->node);
  NodeId operand[2] = {candidate->operand[0], candidate->operand[1]};
  bool found = false;
  for (uint32_t k = 0; k < 2; k++) {
    if (!operand_is(candidate, k, OP_PERMUTE)) continue;
    char *letters = k == 0 ? labels.a : labels.b, before[SHAPE_MAX_RANK + 1] = {0};
    const Attribute *axes = &candidate_operand(candidate, k)->attribute[PERMUTE_AXES];
    for (uint32_t i = 0; i < axes->count; i++) before[axes->integers[i]] = letters[i];
    memcpy(letters, before, sizeof before);
    operand[k] = candidate_inner(candidate, k, 0);
    found = true;
  }
  return found ? contract(candidate, operand[0], operand[1], &labels) : NODE_NONE;
}

static void remove_letter(char *letters, char letter) {
  char *at = strchr(letters, letter);
  if (at) memmove(at, at + 1, strlen(at));
}

/* Operand `k`, a broadcast, without the axes whose letters `kept` (a part of `letters`, in order) lacks. */
static NodeId narrow_broadcast(const Candidate *candidate, uint32_t k, const char *letters, const char *kept) {
  const Node *broadcast = candidate_operand(candidate, k);
  const Attribute *axes = &broadcast->attribute[BROADCAST_AXES];
  Shape shape = {0};
  int64_t moved[SHAPE_MAX_RANK] = {0};
  uint32_t count = 0;
  for (int32_t i = 0; i < broadcast->shape.rank; i++) {
    if (!strchr(kept, letters[i])) continue;
    if (axes_have(axes->integers, axes->count, i)) moved[count++] = shape.rank;
    shape.dim[shape.rank++] = broadcast->shape.dim[i];
  }
  return graph_broadcast(candidate->graph, broadcast->operand[0], &shape, moved);
}

/* A letter that repeats x: where the other operand has it and the result too, x can do without; where only x has it,
 * the result repeats along it. A summed letter stays: moving it would change the order of a sum. */
static NodeId narrow_operand(const Candidate *candidate, uint32_t k) {
  if (!operand_is(candidate, k, OP_BROADCAST)) return NODE_NONE;
  const Attribute *axes = &candidate_operand(candidate, k)->attribute[BROADCAST_AXES];
  const Labels full = labels_of(candidate->node);
  Labels labels = full;
  const char *letters = k == 0 ? full.a : full.b, *others = k == 0 ? full.b : full.a;
  char *kept = k == 0 ? labels.a : labels.b;
  for (uint32_t i = 0; letters[i]; i++) {
    if (axes_have(axes->integers, axes->count, i) || !strchr(full.result, letters[i])) continue;
    remove_letter(kept, letters[i]);
    if (!strchr(others, letters[i])) remove_letter(labels.result, letters[i]);
  }
  if (strcmp(kept, letters) == 0) return NODE_NONE;
  NodeId operand[2] = {candidate->operand[0], candidate->operand[1]};
  operand[k] = narrow_broadcast(candidate, k, letters, kept);
  NodeId product = contract(candidate, operand[0], operand[1], &labels);
  int64_t result_axes[SHAPE_MAX_RANK] = {0};
  for (int32_t i = 0; labels.result[i]; i++) result_axes[i] = strchr(full.result, labels.result[i]) - full.result;
  return graph_broadcast(candidate->graph, product, &candidate->node->shape, result_axes);
}

NodeId simplify_contract_of_broadcast(const Candidate *candidate) {
  NodeId narrowed = narrow_operand(candidate, 0);
  return narrowed ? narrowed : narrow_operand(candidate, 1);
}

NodeId simplify_contract_to_multiply(const Candidate *candidate) {
  Labels labels = labels_of(candidate->node);
  for (const char *letter = labels.a; *letter; letter++) {
    if (!strchr(labels.result, *letter)) return NODE_NONE;
  }
  const Shape *shape = &candidate->node->shape;
  NodeId a = graph_broadcast_labels(candidate->graph, candidate->operand[0], labels.a, labels.result, shape);
  NodeId b = graph_broadcast_labels(candidate->graph, candidate->operand[1], labels.b, labels.result, shape);
  return graph_binary(candidate->graph, OP_MULTIPLY, a, b);
}
