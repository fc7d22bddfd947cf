/* Checkpoints: a recurrence that runs again for its adjoint starts from states that the first run has left.
 *
 *   %11 = scan(%9, %10) in 1                        %11 = scan(%9, %10) in 1
 *   ...                                             %12 = checkpoint(%11) {steps = 16} in 1
 *   %29 = scan(%27, %28) in 2, equal to %11   ->    %30 = rescan(%27, %28, %12) {steps = 16} in 2
 *   %30 = scan(...) {reverse = 1, late = 1} in 2    %31 = scan(...) {reverse = 1, late = 1} in 2
 *
 * The kernel of cluster 2 then goes from chunk to chunk against the first direction, and no more than one chunk of
 * states waits in its scratch, where it would else be all of them. The steps of a chunk are chosen so that its states
 * and decays fill about half of a second-level cache; where all steps do, the scan stays as it is.
 *
 * A pair is changed where both clusters still lower to one kernel. Needs the clusters of scan-fusion. Keeps every value.
 * Quadratic in the number of scans. */
#include "lower_internal.h"
#include "pipeline.h"
#include "recluster.h"

enum { KEPT_BYTES = 128 << 10, KEPT_VALUES = 2 /* a state and its decay */, LEAST_STEPS = 8, MOST_STEPS = 64 };

static bool runs_in_scan(const Graph *graph, const Node *node) {
  return node->op == OP_SCAN && node->cluster != 0 && graph->cluster[node->cluster].family == LOWER_SCAN;
}

/* Does the cluster also run in the other direction? */
static bool is_turned(const Graph *graph, const Node *scan) {
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *other = graph_node(graph, id);
    if (other->op == OP_SCAN && other->cluster == scan->cluster &&
        node_integer(other, SCAN_REVERSE) != node_integer(scan, SCAN_REVERSE))
      return true;
  }
  return false;
}

/* The widest constant axis beside that of time: the channels, which are the lanes of a kernel. -1: there is none. */
static int32_t find_channels(const Node *scan) {
  int32_t widest = -1;
  for (int32_t k = 0; k < scan->shape.rank; k++) {
    if (k == node_integer(scan, SCAN_AXIS) || !dim_is_constant(scan->shape.dim[k])) continue;
    if (widest < 0 || scan->shape.dim[k].factor > scan->shape.dim[widest].factor) widest = k;
  }
  return widest;
}

/* The steps of a chunk, or 0 where there is nothing to gain. */
static int64_t choose_steps(const Node *scan) {
  int64_t axis = node_integer(scan, SCAN_AXIS), states = 1;
  int32_t channels = find_channels(scan);
  if (!dim_is_constant(scan->shape.dim[axis]) || channels < 0) return 0;
  for (int32_t k = 0; k < scan->shape.rank; k++)
    if (k != axis && k != channels && dim_is_constant(scan->shape.dim[k])) states *= scan->shape.dim[k].factor;
  int64_t bytes = states * SCAN_TILE * (int64_t)sizeof(float) * KEPT_VALUES, steps = MOST_STEPS;
  if (bytes * scan->shape.dim[axis].factor <= 2 * KEPT_BYTES) return 0;
  while (steps > LEAST_STEPS && steps * bytes > KEPT_BYTES) steps /= 2;
  return steps < scan->shape.dim[axis].factor ? steps : 0;
}

/* By node: equal for nodes that compute the same, clones or not. */
static const NodeId *number_values(const Graph *graph, Arena *arena) {
  Graph *merged = graph_create_like(arena, graph);
  NodeId *number = ARENA_ARRAY(arena, NodeId, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) number[id] = graph_copy_node(merged, graph, id, number);
  return number;
}

/* The scan that `again` repeats, in a cluster that does not wait for that of `again`; or NODE_NONE. */
static NodeId find_first_run(const Graph *graph, NodeId again, Arena *arena) {
  const NodeId *number = number_values(graph, arena);
  uint32_t cluster = graph_node(graph, again)->cluster;
  bool *own = ARENA_ARRAY(arena, bool, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) own[id] = graph_node(graph, id)->cluster == cluster;
  const bool *waiting = graph_find_waiting(graph, own, arena);
  for (NodeId id = 1; id < again; id++) {
    const Node *node = graph_node(graph, id);
    if (number[id] == number[again] && runs_in_scan(graph, node) && node->cluster != cluster && !waiting[id]) return id;
  }
  return NODE_NONE;
}

/* The attributes that `checkpoint` and `rescan` share. */
static const Attribute *attributes_of(const Node *scan, int64_t steps, Attribute *out) {
  out[CHECKPOINT_AXIS].integer = node_integer(scan, SCAN_AXIS);
  out[CHECKPOINT_REVERSE].integer = node_integer(scan, SCAN_REVERSE);
  out[CHECKPOINT_STEPS].integer = steps;
  out[CHECKPOINT_LAST].integer = find_channels(scan);
  return out;
}

static NodeId build_checkpoint(Graph *to, const Node *scan, NodeId states, NodeId initial, int64_t steps) {
  Attribute attributes[OP_MAX_ATTRIBUTES] = {{0}};
  NodeId operands[] = {states, initial};
  NodeId node = graph_add_clone(to, OP_CHECKPOINT, operands, initial ? 2 : 1, attributes_of(scan, steps, attributes));
  to->node[node].cluster = scan->cluster;
  return node;
}

static NodeId build_rescan(Graph *to, const Node *scan, const NodeId *map, NodeId checkpoint, int64_t steps) {
  Attribute attributes[OP_MAX_ATTRIBUTES] = {{0}};
  NodeId operands[] = {map[scan->operand[0]], map[scan->operand[1]], checkpoint};
  NodeId node = graph_add_clone(to, OP_RESCAN, operands, 3, attributes_of(scan, steps, attributes));
  to->node[node].cluster = scan->cluster;
  return node;
}

/* A copy in which `again` starts from checkpoints of `first` (both may be NODE_NONE), and where nodes are in it. */
static Graph *rebuild(const Graph *graph, NodeId first, NodeId again, int64_t steps, Arena *arena, NodeId **out_map) {
  Graph *to = graph_create_like(arena, graph);
  NodeId *map = ARENA_ARRAY(arena, NodeId, graph->node_count + 1), checkpoint = NODE_NONE;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    to->span = node->span;
    map[id] = id == again ? build_rescan(to, node, map, checkpoint, steps) : graph_copy_clustered(to, graph, id, map);
    if (id != first) continue;
    NodeId initial = node->operand_count == 3 ? map[node->operand[2]] : NODE_NONE;
    checkpoint = build_checkpoint(to, node, map[id], initial, steps);
  }
  to->span = graph->span;
  graph_copy_clusters(to, graph, map);
  graph_copy_outputs(to, graph, map);
  *out_map = map;
  return to;
}

static bool lowers(const Graph *graph, NodeId node, Arena *scratch, const char **out_reason) {
  Failure failure = {0};
  Clusters *clusters = clusters_create(graph, scratch);
  bool possible = lower_is_possible(clusters, graph_node(graph, node)->cluster, scratch, &failure);
  *out_reason = failure.message;
  return possible;
}

static Graph *try_resume(const Graph *graph, NodeId again, PassContext *context) {
  int64_t steps = choose_steps(graph_node(graph, again));
  if (steps == 0) return NULL;
  Arena *scratch = arena_create();
  Graph *result = NULL;
  NodeId first = find_first_run(graph, again, scratch), *map;
  if (first != NODE_NONE) {
    const char *reason;
    Graph *made = rebuild(graph, first, again, steps, context->arena, &map);
    if (lowers(made, map[first], scratch, &reason) && lowers(made, map[again], scratch, &reason))
      result = made;
    else
      pass_explain(context, "scan %%%u does not start from checkpoints of %%%u: %s", again, first, reason);
  }
  arena_destroy(scratch);
  return result;
}

Graph *pass_checkpoint(const Graph *graph, PassContext *context) {
  NodeId *map;
  Graph *result = rebuild(graph, NODE_NONE, NODE_NONE, 0, context->arena, &map);
  for (NodeId id = 1; id <= result->node_count; id++) {
    const Node *node = graph_node(result, id);
    bool runs_again = runs_in_scan(result, node) && node_integer(node, SCAN_LATE) == 0 && is_turned(result, node);
    Graph *made = runs_again ? try_resume(result, id, context) : NULL;
    if (made == NULL) continue;
    result = made;
    id = 0;
  }
  return result;
}
