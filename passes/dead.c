/* Dead code elimination: drops every node that no output needs, leaves included.
 *
 *   %1 = input "x" [3]
 *   %2 = exp %1                 ->    %1 = input "x" [3]
 *   %3 = negate %1                    %2 = negate %1
 *   output "y" %3                     output "y" %2
 *
 * The leaf that a gradient or state output names stays, whether its value is used or not. Linear. */
#include "rebuild.h"

bool *graph_find_live(const Graph *graph, Arena *arena) {
  bool *live = ARENA_ARRAY(arena, bool, graph->node_count + 1);
  for (uint32_t i = 0; i < graph->output_count; i++) {
    live[graph->output[i].node] = true;
    if (graph->output[i].leaf) live[graph->output[i].leaf] = true;
  }
  for (NodeId id = graph->node_count; id >= 1; id--) {
    if (!live[id]) continue;
    const Node *node = graph_node(graph, id);
    for (uint32_t k = 0; k < node->operand_count; k++) live[node->operand[k]] = true;
  }
  return live;
}

bool *graph_find_fixed(const Graph *graph, Arena *arena) {
  bool *fixed = ARENA_ARRAY(arena, bool, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    fixed[id] = node->op != OP_INPUT && node->op != OP_STATE && node->op != OP_RANDOM_UNIFORM;
    if (node->op == OP_EXTENT) fixed[id] = dim_is_constant(node->attribute[EXTENT_DIM].dims[0]);
    for (uint32_t k = 0; k < node->operand_count; k++) fixed[id] &= fixed[node->operand[k]];
  }
  return fixed;
}

bool *pass_find_live(const Graph *graph, const PassContext *context) {
  bool *live = graph_find_live(graph, context->arena);
  const DifferentiateSpec *spec = context->differentiate;
  if (!spec || !spec->zeros || context->differentiated) return live;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    if (differentiate_wants(spec, graph, id)) live[id] = true;
  }
  return live;
}

Graph *graph_rewrite(const Graph *graph, const bool *live, Arena *arena, RewriteFunction *rewrite, void *user) {
  Graph *to = graph_create_like(arena, graph);
  NodeId *map = ARENA_ARRAY(arena, NodeId, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    if (!live[id]) continue;
    const Node *node = graph_node(graph, id);
    NodeId operands[GRAPH_MAX_OPERANDS];
    for (uint32_t k = 0; k < node->operand_count; k++) operands[k] = map[node->operand[k]];
    to->span = node->span;
    if (rewrite) map[id] = rewrite(to, node, operands, user);
    if (!map[id]) map[id] = graph_add(to, node->op, operands, node->operand_count, node->attribute);
  }
  to->span = graph->span;
  graph_copy_outputs(to, graph, map);
  return to;
}

Graph *graph_copy_live(const Graph *graph, Arena *arena) {
  return graph_rewrite(graph, graph_find_live(graph, arena), arena, NULL, NULL);
}

Graph *pass_dead(const Graph *graph, PassContext *context) {
  return graph_rewrite(graph, pass_find_live(graph, context), context->arena, NULL, NULL);
}
