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

Graph *pass_cse(const Graph *graph, PassContext *context) {
  Graph *to = graph_create_like(context->arena, graph);
  const bool *live = pass_find_live(graph, context);
  NodeId *map = ARENA_ARRAY(context->arena, NodeId, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    if (!live[id]) continue;
    const Node *node = graph_node(graph, id);
    bool swap = op_is_commutative(node->op) && map[node->operand[0]] > map[node->operand[1]];
    if (swap) {
      to->span = node->span;
      map[id] = graph_binary(to, node->op, map[node->operand[1]], map[node->operand[0]]);
    } else {
      map[id] = graph_copy_node(to, graph, id, map);
    }
  }
  to->span = graph->span;
  graph_copy_outputs(to, graph, map);
  return to;
}
