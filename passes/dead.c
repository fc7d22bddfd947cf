/* Dead code elimination: drops every node that no output needs, leaves included.
 *
 *   %1 = input "x" [3]
 *   %2 = exp %1                 ->    %1 = input "x" [3]
 *   %3 = negate %1                    %2 = negate %1
 *   output "y" %3                     output "y" %2
 *
 * The leaf that a gradient or state output names stays, whether its value is used or not. Linear. */
#include "pipeline.h"
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

Graph *graph_copy_live(const Graph *graph, Arena *arena) {
  Graph *to = graph_create_like(arena, graph);
  const bool *live = graph_find_live(graph, arena);
  NodeId *map = ARENA_ARRAY(arena, NodeId, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    if (live[id]) map[id] = graph_copy_node(to, graph, id, map);
  }
  graph_copy_outputs(to, graph, map);
  return to;
}

Graph *pass_dead(const Graph *graph, PassContext *context) { return graph_copy_live(graph, context->arena); }
