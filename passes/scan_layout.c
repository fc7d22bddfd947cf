/* The part of scan fusion that knows which axis is LANE: small factors without the time axis are laid out with the
 * channels last, so that a kernel loads them by whole vectors, once, before its first step.
 *
 *   %12 = broadcast(%10: [E, N]) [B, T, E, N]
 * ->
 *   %20 = copy(permute %10): [N, E];  %21 = permute %20: [E, N];  %22 = broadcast(%21) [B, T, E, N] */
#include "scan_layout.h"

#include "lower_internal.h"
#include "recluster.h"

/* By broadcast: 1 + the axis of its operand that is LANE in a cluster that reads it; 0: leave it alone. */
static void mark_broadcasts(const Graph *graph, uint32_t cluster, int32_t lane, int32_t *marks) {
  const Node *scan = graph_node(graph, graph->cluster[cluster].anchor);
  int64_t time = node_integer(scan, SCAN_AXIS);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *member = graph_node(graph, id);
    for (uint32_t k = 0; member->cluster == cluster && k < member->operand_count; k++) {
      const Node *view = graph_node(graph, member->operand[k]);
      if (view->op != OP_BROADCAST || !shape_equal(&view->shape, &scan->shape)) continue;
      const Attribute *axes = &view->attribute[BROADCAST_AXES];
      int32_t place = -1;
      bool constant = true;
      for (uint32_t a = 0; a < axes->count; a++) {
        constant &= axes->integers[a] != time && dim_is_constant(view->shape.dim[axes->integers[a]]);
        if (axes->integers[a] == lane) place = (int32_t)a;
      }
      if (constant && place >= 0 && place + 1 < (int32_t)axes->count) marks[member->operand[k]] = 1 + place;
    }
  }
}

static NodeId lay_out(Graph *to, const Node *broadcast, NodeId x, int32_t axis) {
  int32_t rank = graph_shape(to, x)->rank;
  int64_t last[SHAPE_MAX_RANK], back[SHAPE_MAX_RANK];
  for (int32_t k = 0; k < rank - 1; k++) last[k] = k < axis ? k : k + 1;
  last[rank - 1] = axis;
  for (int32_t k = 0; k < rank; k++) back[last[k]] = k;
  NodeId copy = graph_unary(to, OP_COPY, graph_permute(to, x, last));
  return graph_broadcast(to, graph_permute(to, copy, back), &broadcast->shape,
                         broadcast->attribute[BROADCAST_AXES].integers);
}

Graph *scan_layout(const Graph *graph, Arena *arena) {
  Arena *scratch = arena_create();
  int32_t *marks = ARENA_ARRAY(scratch, int32_t, graph->node_count + 1);
  Clusters *clusters = clusters_create(graph, scratch);
  for (uint32_t c = 1; c <= graph->cluster_count; c++) {
    int32_t lane;
    if (graph->cluster[c].family != LOWER_SCAN || !lower_scan_lane(clusters, c, scratch, &lane)) continue;
    mark_broadcasts(graph, c, lane, marks);
  }
  Graph *to = graph_create_like(arena, graph);
  NodeId *map = ARENA_ARRAY(scratch, NodeId, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    to->span = node->span;
    map[id] = marks[id] > 0 ? lay_out(to, node, map[node->operand[0]], marks[id] - 1)
                            : graph_copy_clustered(to, graph, id, map);
  }
  to->span = graph->span;
  graph_copy_clusters(to, graph, map);
  graph_copy_outputs(to, graph, map);
  arena_destroy(scratch);
  return to;
}
