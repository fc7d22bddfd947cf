/* A sum over several axes of terms that are made of fewer numbers than there are of them is taken in two steps, so that
 * what is read again is still near.
 *
 *   %4 = multiply(%1, %2)                       [B, H, 3, W, 3, C]: windows of an image, and an image
 *   %5 = reduce_sum(%4) {axes = [0, 1, 3]}      [3, 3, C]: the filters' gradient
 * ->
 *   %5 = reduce_sum(%4) {axes = [3]}            [B, H, 3, 3, C]: nine times over a row and its neighbours, all in cache
 *   %6 = reduce_sum(%5) {axes = [0, 1]}
 *
 * The first step sums along the last of the axes. Each of many results walking through all of both images would read
 * them from memory once for every result; the sums of the first step are few beside what they are made of.
 *
 * Needs: no pass behind it joins sums of sums (simplify does). Keeps values but for the order of sums. Linear. */
#include "pipeline.h"
#include "rebuild.h"

enum {
  LEAST_REUSE = 4, /* terms for each number that they are made of */
  LEAST_GAIN = 2   /* numbers that terms are made of, for each sum of the first step */
};

/* Is `few` at most `many` divided by `times`? A count without the batch is small beside one that has it. */
static bool is_fewer(Dim few, Dim many, int64_t times) {
  if (few.symbol != many.symbol) return dim_is_constant(few);
  return few.factor <= many.factor / times;
}

/* The largest of the tensors that the terms are made of: where views repeat them, or where they are stored. False where
 * one is not much smaller than the terms are many. */
static bool find_largest(const Graph *graph, NodeId id, Dim terms, Dim *largest) {
  const Node *node = graph_node(graph, id);
  Dim count;
  if (!shape_count(&node->shape, &count)) return false;
  bool open = op_is_elementwise(node->op) || op_info(node->op)->lowering == LOWER_VIEW;
  if (!is_fewer(count, terms, LEAST_REUSE) && open) {
    for (uint32_t k = 0; k < node->operand_count; k++) {
      if (!find_largest(graph, node->operand[k], terms, largest)) return false;
    }
    return true;
  }
  if (is_fewer(*largest, count, 1)) *largest = count;
  return is_fewer(count, terms, LEAST_REUSE);
}

static NodeId split(Graph *to, const Node *node, const NodeId *operands, void *unused) {
  (void)unused;
  if (node->op != OP_REDUCE_SUM) return NODE_NONE;
  const Attribute *axes = &node->attribute[REDUCE_AXES];
  const Shape *shape = graph_shape(to, operands[0]);
  Dim terms, largest = dim_constant(1), sums;
  if (axes->count < 2 || !shape_count(shape, &terms) || !find_largest(to, operands[0], terms, &largest))
    return NODE_NONE;
  int64_t last = axes->integers[axes->count - 1];
  if (!dim_divide(terms, shape->dim[last], &sums) || !is_fewer(sums, largest, LEAST_GAIN)) return NODE_NONE;
  NodeId rows = graph_reduce(to, OP_REDUCE_SUM, operands[0], &last, 1);
  return graph_reduce(to, OP_REDUCE_SUM, rows, axes->integers, axes->count - 1);
}

Graph *pass_sum_split(const Graph *graph, PassContext *context) {
  return graph_rewrite(graph, graph_find_live(graph, context->arena), context->arena, split, NULL);
}
