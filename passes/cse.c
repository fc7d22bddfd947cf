/* Common subexpressions: equal nodes are built once.
 *
 *   %3 = multiply %1, %2              %3 = multiply %1, %2
 *   %4 = multiply %2, %1        ->    %4 = add %3, %3
 *   %5 = add %3, %4
 *
 * The graph merges nodes of one op with the same operands and attributes as they are built; this pass also gives
 * the operands of a commutative op one order, by id. Only ops whose value does not depend on the order to the last bit
 * count: add, multiply, equal. Linear. */
#include "rebuild.h"

static bool op_is_commutative(OpCode op) { return op == OP_ADD || op == OP_MULTIPLY || op == OP_EQUAL; }

static NodeId order_operands(Graph *to, const Node *node, const NodeId *operands, void *unused) {
  (void)unused;
  if (!op_is_commutative(node->op) || operands[0] <= operands[1]) return NODE_NONE;
  return graph_binary(to, node->op, operands[1], operands[0]);
}

Graph *pass_cse(const Graph *graph, PassContext *context) {
  return graph_rewrite(graph, pass_find_live(graph, context), context->arena, order_operands, NULL);
}
