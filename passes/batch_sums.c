/* Batch sums: what is summed over the batch and over more is summed image by image first.
 *
 *   %3 = contract(%1, %2) "bti,bto->io"      ->     %3 = contract(%1, %2) "bti,bto->bio"; %4 = reduce_sum(%3) {axes = [0]}
 *   %5 = reduce_sum(%1) {axes = [0, 1]}      ->     %5 = reduce_sum(%1) {axes = [1]};     %6 = reduce_sum(%5) {axes = [0]}
 *
 * Gradients of parameters are such sums. Their parts are independent of each other, each goes through the values of one
 * image only, which a cache holds, and they can run with whatever else is made of that image (batch_fusion). Done where
 * the parts together are small beside what is summed.
 *
 * Needs nothing. Keeps every term; sums are of as many roundings at most, in another order. Linear. */
#include "pipeline.h"
#include "rebuild.h"

#include "ir/guard.h"

#include <string.h>

/* Elements that are summed for one that a part stores, at least. */
enum { LEAST_TERMS = 4 };

/* The elements that an image has of it; 0 where it has no axis that grows with the batch. */
static int64_t image_elements(const Shape *shape) {
  Dim count;
  return shape_count(shape, &count) && !dim_is_constant(count) ? count.factor : 0;
}

static NodeId sum_over_images(Graph *to, NodeId parts) {
  const int64_t first = 0;
  return graph_reduce(to, OP_REDUCE_SUM, parts, &first, 1);
}

static NodeId split_contract(Graph *to, const Node *node, const NodeId *operands) {
  Labels labels;
  const char *message;
  bool parsed = labels_parse(node_text(node, CONTRACT_LABELS), &labels, &message);
  ASSERT(parsed);
  const Shape *a = graph_shape(to, operands[0]), *b = graph_shape(to, operands[1]);
  Dim count;
  int64_t size = image_elements(a) + image_elements(b);
  if (!shape_count(&node->shape, &count) || !dim_is_constant(count) || count.factor * LEAST_TERMS > size)
    return NODE_NONE;
  char batch = 0;
  int summed = 0;
  for (int32_t k = 0; k < a->rank; k++) {
    char letter = labels.a[k];
    if (!strchr(labels.b, letter)) continue;
    summed++;
    if (!dim_is_constant(a->dim[k])) batch = letter;
  }
  if (!batch || summed < 2 || node->shape.rank == SHAPE_MAX_RANK) return NODE_NONE;
  const char *text = arena_format(to->arena, "%s,%s->%c%s", labels.a, labels.b, batch, labels.result);
  return sum_over_images(to, graph_contract(to, operands[0], operands[1], text));
}

static NodeId split_reduce(Graph *to, const Node *node, NodeId operand) {
  const Attribute *axes = &node->attribute[REDUCE_AXES];
  const Shape *shape = graph_shape(to, operand);
  Dim count;
  if (!shape_count(&node->shape, &count) || count.factor * LEAST_TERMS > image_elements(shape)) return NODE_NONE;
  int64_t others[SHAPE_MAX_RANK];
  uint32_t other_count = 0;
  for (uint32_t k = 0; k < axes->count; k++)
    if (dim_is_constant(shape->dim[axes->integers[k]])) others[other_count++] = axes->integers[k];
  if (other_count == 0 || other_count == axes->count) return NODE_NONE;
  NodeId parts = graph_reduce(to, OP_REDUCE_SUM, operand, others, other_count);
  const Shape *rest = graph_shape(to, parts);
  for (int64_t k = 0; k < rest->rank; k++)
    if (!dim_is_constant(rest->dim[k])) return graph_reduce(to, OP_REDUCE_SUM, parts, &k, 1);
  return NODE_NONE;
}

static NodeId split_sum(Graph *to, const Node *node, const NodeId *operands, void *unused) {
  (void)unused;
  if (node->op == OP_CONTRACT) return split_contract(to, node, operands);
  if (node->op == OP_REDUCE_SUM) return split_reduce(to, node, operands[0]);
  return NODE_NONE;
}

Graph *pass_batch_sums(const Graph *graph, PassContext *context) {
  return graph_rewrite(graph, graph_find_live(graph, context->arena), context->arena, split_sum, NULL);
}
