#include "recluster.h"

#include "ir/guard.h"

/* A node as it is seen from a cluster: 0 is from outside of all. */
typedef struct Copy {
  uint32_t cluster;
  NodeId id; /* in the new graph */
  struct Copy *next;
} Copy;

typedef struct Recluster {
  const Graph *from;
  Graph *to;
  const Assignment *assignment;
  Arena *scratch;
  Copy **copy; /* by old node */
} Recluster;

static bool is_view(const Graph *graph, NodeId id) { return op_info(graph_op(graph, id))->lowering == LOWER_VIEW; }

/* The cluster whose copy of the node is read from within `cluster`. */
static uint32_t seen_from(const Recluster *recluster, NodeId id, uint32_t cluster) {
  const Assignment *assignment = recluster->assignment;
  if (assignment->home[id] == 0 && is_view(recluster->from, id)) {
    uint32_t below = seen_from(recluster, graph_operand(recluster->from, id, 0), cluster);
    return below == cluster ? cluster : 0;
  }
  bool again = assignment->recompute != NULL && cluster == assignment->again && assignment->recompute[id];
  bool freely = assignment->free != NULL && assignment->free[id] && cluster != 0;
  return again || freely ? cluster : assignment->home[id];
}

static Copy *find_copy(const Recluster *recluster, NodeId id, uint32_t cluster) {
  Copy *copy = recluster->copy[id];
  while (copy != NULL && copy->cluster != cluster) copy = copy->next;
  return copy;
}

/* Notes that the copy is needed, and what it reads. */
static void need(Recluster *recluster, NodeId id, uint32_t cluster) {
  uint32_t seen = seen_from(recluster, id, cluster);
  if (find_copy(recluster, id, seen) != NULL) return;
  Copy *copy = ARENA_NEW(recluster->scratch, Copy), **end = &recluster->copy[id];
  copy->cluster = seen;
  while (*end != NULL) end = &(*end)->next;
  *end = copy;
  const Node *node = graph_node(recluster->from, id);
  for (uint32_t k = 0; k < node->operand_count; k++) need(recluster, node->operand[k], seen);
}

static void build(Recluster *recluster, NodeId id, Copy *copy) {
  const Node *node = graph_node(recluster->from, id);
  NodeId operands[GRAPH_MAX_OPERANDS];
  for (uint32_t k = 0; k < node->operand_count; k++) {
    uint32_t seen = seen_from(recluster, node->operand[k], copy->cluster);
    operands[k] = find_copy(recluster, node->operand[k], seen)->id;
  }
  recluster->to->span = node->span;
  LoweringKind kind = op_info(node->op)->lowering;
  bool merges = kind == LOWER_LEAF || (kind == LOWER_VIEW && copy->cluster == 0);
  copy->id = merges ? graph_add(recluster->to, node->op, operands, node->operand_count, node->attribute)
                    : graph_add_clone(recluster->to, node->op, operands, node->operand_count, node->attribute);
  bool inside = kind != LOWER_LEAF && (kind != LOWER_VIEW || recluster->assignment->home[id] == copy->cluster);
  if (inside) recluster->to->node[copy->id].cluster = copy->cluster; /* numbered anew below */
}

/* Clusters without nodes vanish. */
static void number_clusters(Recluster *recluster) {
  const Assignment *assignment = recluster->assignment;
  Graph *to = recluster->to;
  bool *used = ARENA_ARRAY(recluster->scratch, bool, assignment->count + 1);
  uint32_t *number = ARENA_ARRAY(recluster->scratch, uint32_t, assignment->count + 1);
  for (NodeId id = 1; id <= to->node_count; id++) used[to->node[id].cluster] = true;
  for (uint32_t c = 1; c <= assignment->count; c++) {
    if (!used[c]) continue;
    Copy *anchor = find_copy(recluster, assignment->anchor[c], c);
    if (anchor == NULL) continue; /* nothing reads the anchor: its nodes stand alone */
    number[c] = graph_add_cluster(to, assignment->family[c], anchor->id);
  }
  for (NodeId id = 1; id <= to->node_count; id++) to->node[id].cluster = number[to->node[id].cluster];
}

Graph *graph_recluster(const Graph *graph, Arena *arena, const Assignment *assignment, NodeId **out_map) {
  Arena *scratch = arena_create();
  Recluster recluster = {graph, graph_create_like(arena, graph), assignment, scratch, NULL};
  recluster.copy = ARENA_ARRAY(scratch, Copy *, graph->node_count + 1);
  NodeId *map = ARENA_ARRAY(arena, NodeId, graph->node_count + 1);
  for (uint32_t k = 0; k < graph->output_count; k++) {
    need(&recluster, graph->output[k].node, 0);
    if (graph->output[k].leaf != NODE_NONE) need(&recluster, graph->output[k].leaf, 0);
  }
  for (NodeId id = 1; id <= graph->node_count; id++) {
    for (Copy *copy = recluster.copy[id]; copy != NULL; copy = copy->next) {
      build(&recluster, id, copy);
      if (copy->cluster == assignment->home[id] || map[id] == NODE_NONE) map[id] = copy->id;
    }
  }
  recluster.to->span = graph->span;
  graph_copy_outputs(recluster.to, graph, map);
  number_clusters(&recluster);
  arena_destroy(scratch);
  if (out_map) *out_map = map;
  return recluster.to;
}

Assignment assignment_of_graph(const Graph *graph, uint32_t more, Arena *arena) {
  uint32_t most = graph->cluster_count + more + 1;
  Assignment assignment = {.count = graph->cluster_count};
  assignment.family = ARENA_ARRAY(arena, LoweringKind, most);
  assignment.anchor = ARENA_ARRAY(arena, NodeId, most);
  assignment.home = ARENA_ARRAY(arena, uint32_t, graph->node_count + 1);
  for (uint32_t c = 1; c <= graph->cluster_count; c++) {
    assignment.family[c] = graph->cluster[c].family;
    assignment.anchor[c] = graph->cluster[c].anchor;
  }
  for (NodeId id = 1; id <= graph->node_count; id++) assignment.home[id] = graph->node[id].cluster;
  return assignment;
}

NodeId graph_copy_clustered(Graph *to, const Graph *from, NodeId id, const NodeId *map) {
  const Node *node = graph_node(from, id);
  LoweringKind kind = op_info(node->op)->lowering;
  if (kind == LOWER_LEAF || (kind == LOWER_VIEW && node->cluster == 0)) return graph_copy_node(to, from, id, map);
  NodeId operands[GRAPH_MAX_OPERANDS];
  for (uint32_t k = 0; k < node->operand_count; k++) operands[k] = map[node->operand[k]];
  NodeId copy = graph_add_clone(to, node->op, operands, node->operand_count, node->attribute);
  to->node[copy].cluster = node->cluster;
  return copy;
}

void graph_copy_clusters(Graph *to, const Graph *from, const NodeId *map) {
  for (uint32_t c = 1; c <= from->cluster_count; c++)
    graph_add_cluster(to, from->cluster[c].family, map[from->cluster[c].anchor]);
}

bool *graph_find_waiting(const Graph *graph, const bool *source, Arena *arena) {
  bool *waiting = ARENA_ARRAY(arena, bool, graph->node_count + 1);
  bool *cluster_waits = ARENA_ARRAY(arena, bool, graph->cluster_count + 1);
  for (bool changed = true; changed;) {
    changed = false;
    for (NodeId id = 1; id <= graph->node_count; id++) {
      if (waiting[id] || source[id]) continue;
      const Node *node = graph_node(graph, id);
      bool waits = cluster_waits[node->cluster];
      for (uint32_t k = 0; k < node->operand_count && !waits; k++)
        waits = waiting[node->operand[k]] || source[node->operand[k]];
      if (!waits) continue;
      waiting[id] = changed = true;
      if (node->cluster != 0) cluster_waits[node->cluster] = true;
    }
  }
  return waiting;
}
