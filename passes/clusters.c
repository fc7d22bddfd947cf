/* Which node is computed by which kernel, and which values are in buffers. */
#include "lower_internal.h"

#include <string.h>

static bool is_leaf_buffer(OpCode op) { return op == OP_INPUT || op == OP_PARAMETER || op == OP_STATE; }

static void find_users(Clusters *clusters) {
  const Graph *graph = clusters->graph;
  uint32_t *first = clusters->user_first = ARENA_ARRAY(clusters->arena, uint32_t, graph->node_count + 2);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    for (uint32_t k = 0; k < node->operand_count; k++) first[node->operand[k] + 1]++;
  }
  for (NodeId id = 1; id <= graph->node_count + 1; id++) first[id] += first[id - 1];
  clusters->user = ARENA_ARRAY(clusters->arena, NodeId, first[graph->node_count + 1] + 1);
  uint32_t *next = arena_copy(clusters->arena, first, (graph->node_count + 2) * sizeof *first);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    for (uint32_t k = 0; k < node->operand_count; k++) clusters->user[next[node->operand[k]]++] = id;
  }
}

Clusters *clusters_create(const Graph *graph, Arena *arena) {
  Clusters *clusters = ARENA_NEW(arena, Clusters);
  uint32_t most = graph->cluster_count + graph->node_count + 1;
  *clusters = (Clusters){.graph = graph, .arena = arena, .count = graph->cluster_count};
  clusters->of = ARENA_ARRAY(arena, uint32_t, graph->node_count + 1);
  clusters->family = ARENA_ARRAY(arena, LoweringKind, most);
  clusters->anchor = ARENA_ARRAY(arena, NodeId, most);
  clusters->stored = ARENA_ARRAY(arena, bool, graph->node_count + 1);
  clusters->part_of = ARENA_ARRAY(arena, NodeId, graph->node_count + 1);
  clusters->is_output = ARENA_ARRAY(arena, bool, graph->node_count + 1);
  clusters->member_first = ARENA_ARRAY(arena, uint32_t, most + 1);
  clusters->member = ARENA_ARRAY(arena, NodeId, graph->node_count + 1);
  clusters->member_next = ARENA_ARRAY(arena, uint32_t, most + 1);
  for (uint32_t c = 1; c <= graph->cluster_count; c++) {
    clusters->family[c] = graph->cluster[c].family;
    clusters->anchor[c] = graph->cluster[c].anchor;
  }
  for (NodeId id = 1; id <= graph->node_count; id++) {
    LoweringKind kind = op_info(graph_op(graph, id))->lowering;
    if (graph->node[id].cluster != 0) {
      clusters->of[id] = graph->node[id].cluster;
    } else if (kind != LOWER_LEAF && kind != LOWER_VIEW && kind != LOWER_HOST) {
      clusters->of[id] = ++clusters->count;
      clusters->family[clusters->count] = kind;
      clusters->anchor[clusters->count] = id;
    }
  }
  for (uint32_t k = 0; k < graph->output_count; k++) clusters->is_output[graph->output[k].node] = true;
  for (NodeId id = 1; id <= graph->node_count; id++) clusters->concat_count += graph_op(graph, id) == OP_CONCAT;
  clusters->concat = ARENA_ARRAY(arena, NodeId, clusters->concat_count + 1);
  clusters->concat_count = 0;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    if (graph_op(graph, id) == OP_CONCAT) clusters->concat[clusters->concat_count++] = id;
  }
  find_users(clusters);
  return clusters;
}

void clusters_store(Clusters *clusters, NodeId node) {
  clusters->of[node] = ++clusters->count;
  clusters->family[clusters->count] = LOWER_MAP;
  clusters->anchor[clusters->count] = node;
}

bool clusters_escapes(const Clusters *clusters, NodeId node, uint32_t cluster) {
  if (clusters->is_output[node]) return true;
  for (uint32_t k = clusters->user_first[node]; k < clusters->user_first[node + 1]; k++) {
    NodeId user = clusters->user[k];
    if (clusters->of[user] == cluster) continue;
    if (clusters->of[user] != 0 || clusters_escapes(clusters, user, cluster)) return true;
  }
  return false;
}

bool clusters_feeds(const Clusters *clusters, NodeId node, uint32_t a, uint32_t b) {
  if (clusters->is_output[node]) return false;
  for (uint32_t k = clusters->user_first[node]; k < clusters->user_first[node + 1]; k++) {
    NodeId user = clusters->user[k];
    uint32_t cluster = clusters->of[user];
    if (cluster != 0 && cluster != a && cluster != b) return false;
    if (cluster == 0 && !clusters_feeds(clusters, user, a, b)) return false;
  }
  return true;
}

/* A computed value that only a concatenation reads is written into its place there. */
static void find_parts(Clusters *clusters) {
  const Graph *graph = clusters->graph;
  for (uint32_t n = 0; n < clusters->concat_count; n++) {
    const Node *node = graph_node(graph, clusters->concat[n]);
    for (uint32_t k = 0; k < node->operand_count; k++) clusters->part_of[node->operand[k]] = NODE_NONE;
  }
  for (uint32_t n = 0; n < clusters->concat_count; n++) {
    NodeId id = clusters->concat[n];
    const Node *node = graph_node(graph, id);
    uint32_t cluster = clusters->of[id];
    if (cluster == 0 || !clusters->stored[id]) continue;
    if (clusters->member_first[cluster + 1] - clusters->member_first[cluster] != 1) continue;
    for (uint32_t k = 0; k < node->operand_count; k++) {
      NodeId part = node->operand[k];
      bool sole = clusters->user_first[part + 1] - clusters->user_first[part] == 1 && !clusters->is_output[part];
      bool computed = clusters->of[part] != 0 && graph_op(graph, part) != OP_CONCAT;
      if (sole && computed && clusters->stored[part]) clusters->part_of[part] = id;
    }
  }
}

static void find_members(Clusters *clusters) {
  const Graph *graph = clusters->graph;
  uint32_t *first = clusters->member_first;
  memset(first, 0, (clusters->count + 2) * sizeof *first);
  for (NodeId id = 1; id <= graph->node_count; id++) first[clusters->of[id] + 1]++;
  first[1] = 0; /* nodes of no cluster */
  for (uint32_t c = 1; c <= clusters->count + 1; c++) first[c] += first[c - 1];
  uint32_t *next = clusters->member_next;
  memcpy(next, first, (clusters->count + 2) * sizeof *first);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    if (clusters->of[id] != 0) clusters->member[next[clusters->of[id]]++] = id;
  }
}

static void find_stored(Clusters *clusters, NodeId id) {
  uint32_t cluster = clusters->of[id];
  bool leaf = is_leaf_buffer(graph_op(clusters->graph, id));
  clusters->stored[id] = cluster == 0 ? leaf : clusters_escapes(clusters, id, cluster);
}

void clusters_settle(Clusters *clusters) {
  for (NodeId id = 1; id <= clusters->graph->node_count; id++) find_stored(clusters, id);
  find_members(clusters);
  find_parts(clusters);
}

/* What the node reads, through nodes of no cluster. */
static void find_stored_operands(Clusters *clusters, NodeId id) {
  const Node *node = graph_node(clusters->graph, id);
  for (uint32_t k = 0; k < node->operand_count; k++) {
    NodeId operand = node->operand[k];
    find_stored(clusters, operand);
    if (clusters->of[operand] == 0) find_stored_operands(clusters, operand);
  }
}

void clusters_move(Clusters *clusters, const NodeId *nodes, uint32_t count, uint32_t to) {
  for (uint32_t k = 0; k < count; k++) clusters->of[nodes[k]] = to;
  for (uint32_t k = 0; k < count; k++) {
    find_stored(clusters, nodes[k]);
    find_stored_operands(clusters, nodes[k]);
  }
  find_members(clusters);
  find_parts(clusters);
}
