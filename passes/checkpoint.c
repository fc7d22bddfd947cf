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
 * All scans that a cluster runs again in one direction are changed together, where every cluster still lowers to one
 * kernel; of a complex scan there are checkpoints of both parts. Needs the clusters of scan-fusion. Keeps every value.
 * Quadratic in the number of scans. */
#include "lower_internal.h"
#include "pipeline.h"
#include "recluster.h"
#include "scan_nodes.h"

enum {
  KEPT_BYTES = 128 << 10,
  KEPT_VALUES = 2 /* a state and its decay */,
  LEAST_STEPS = 8,
  MOST_STEPS = 64,
  LONG_STEPS = 8192
};

static bool runs_in_scan(const Graph *graph, const Node *node) {
  return op_is_first_run(node->op) && node->cluster != 0 && graph->cluster[node->cluster].family == LOWER_SCAN;
}

/* Does the cluster also run in the other direction? */
static bool is_turned(const Graph *graph, const Node *scan) {
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *other = graph_node(graph, id);
    if (op_is_first_run(other->op) && other->cluster == scan->cluster &&
        node_integer(other, SCAN_REVERSE) != node_integer(scan, SCAN_REVERSE))
      return true;
  }
  return false;
}

/* The steps of a chunk for a cluster that runs `recurrences` again, or 0 where there is nothing to gain. */
static int64_t choose_steps(const Node *scan, int64_t recurrences) {
  Dim extent = scan->shape.dim[node_integer(scan, SCAN_AXIS)];
  if (!dim_is_constant(extent) || scan_find_channels(scan) < 0) return 0;
  bool is_long = extent.factor > LONG_STEPS; /* checkpoints are what takes memory then */
  int64_t bytes = recurrences * KEPT_VALUES * scan_step_bytes(scan), steps = is_long ? 2 * MOST_STEPS : MOST_STEPS;
  if (bytes * extent.factor <= 2 * KEPT_BYTES) return 0;
  while (steps > LEAST_STEPS && steps * bytes > (is_long ? 2 * KEPT_BYTES : KEPT_BYTES)) steps /= 2;
  return steps < extent.factor ? steps : 0;
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

enum { RESUMES_MAX = 8 };

/* A recurrence that is run again: `again` and, of a complex one, its other part. */
typedef struct Resume {
  NodeId again, first;  /* the same part of both runs */
  NodeId checkpoint[2]; /* by part, in the new graph */
} Resume;

/* What one cluster runs again in one direction. */
typedef struct Group {
  const Graph *graph;
  uint32_t cluster, count;
  int64_t steps;
  Resume resume[RESUMES_MAX];
} Group;

static bool is_run_again(const Graph *graph, NodeId id) {
  const Node *node = graph_node(graph, id);
  return runs_in_scan(graph, node) && !scan_is_late(node) && is_turned(graph, node);
}

/* The resume whose recurrence `id` is a part of. */
static Resume *resume_of(Group *group, NodeId id) {
  const Node *node = graph_node(group->graph, id);
  if (node->cluster != group->cluster || !op_is_first_run(node->op)) return NULL;
  for (uint32_t k = 0; k < group->count; k++)
    if (scan_is_same(graph_node(group->graph, group->resume[k].again), node)) return &group->resume[k];
  return NULL;
}

/* All that the cluster of `id` runs again in its direction; false where `id` is not the first of them, or too many. */
static bool find_group(const Graph *graph, NodeId id, Group *out) {
  const Node *first = graph_node(graph, id);
  *out = (Group){.graph = graph, .cluster = first->cluster};
  int64_t recurrences = 0;
  for (NodeId again = 1; again <= graph->node_count; again++) {
    const Node *node = graph_node(graph, again);
    if (node->cluster != first->cluster || !is_run_again(graph, again)) continue;
    if (node_integer(node, SCAN_REVERSE) != node_integer(first, SCAN_REVERSE)) continue;
    if (again < id) return false;
    if (resume_of(out, again) != NULL) continue;
    if (out->count == RESUMES_MAX) return false;
    out->resume[out->count++].again = again;
    recurrences += op_is_part(node->op) ? 2 : 1;
  }
  out->steps = choose_steps(first, recurrences);
  return out->count > 0 && out->steps != 0;
}

/* The first run of every recurrence of the group; false where one has none. */
static bool find_first_runs(Group *group, Arena *arena) {
  for (uint32_t k = 0; k < group->count; k++) {
    Resume *resume = &group->resume[k];
    resume->first = find_first_run(group->graph, resume->again, arena);
    NodeId other = scan_find_other_part(group->graph, resume->again);
    if (resume->first == NODE_NONE && other != NODE_NONE) {
      resume->first = find_first_run(group->graph, other, arena);
      if (resume->first > resume->again) return false;
      resume->again = other;
    }
    if (resume->first == NODE_NONE) return false;
  }
  return true;
}

/* The attributes that `checkpoint` and both kinds of rescan share. */
static const Attribute *attributes_of(const Node *scan, int64_t steps, Attribute *out) {
  out[CHECKPOINT_AXIS].integer = node_integer(scan, SCAN_AXIS);
  out[CHECKPOINT_REVERSE].integer = node_integer(scan, SCAN_REVERSE);
  out[CHECKPOINT_STEPS].integer = steps;
  out[CHECKPOINT_LAST].integer = scan_find_channels(scan);
  return out;
}

static NodeId clone_in(Graph *to, uint32_t cluster, OpCode op, const NodeId *operands, uint32_t count,
                       const Attribute *attributes) {
  NodeId node = graph_add_clone(to, op, operands, count, attributes);
  to->node[node].cluster = cluster;
  return node;
}

/* Part `part` of the scan that `states` is a part of. */
static NodeId build_part(Graph *to, const Node *scan, NodeId states, int64_t part) {
  if (scan_part_number(scan) == part) return states;
  Attribute attributes[OP_MAX_ATTRIBUTES];
  const Node *source = graph_node(to, states);
  NodeId operands[PART_INITIAL + 2];
  for (uint32_t k = 0; k < source->operand_count; k++) operands[k] = source->operand[k];
  for (uint32_t k = 0; k < op_info(scan->op)->attribute_count; k++) attributes[k] = scan->attribute[k];
  attributes[SCAN_PART_PART].integer = part;
  return clone_in(to, scan->cluster, OP_SCAN_PART, operands, source->operand_count, attributes);
}

static void build_checkpoints(Graph *to, const Node *scan, NodeId states, const NodeId *map, int64_t steps,
                              Resume *resume) {
  Attribute attributes[OP_MAX_ATTRIBUTES] = {{0}};
  for (int64_t part = 0; part < (op_is_part(scan->op) ? 2 : 1); part++) {
    NodeId initial = map[scan_initial(scan, part)];
    NodeId operands[] = {build_part(to, scan, states, part), initial};
    resume->checkpoint[part] =
        clone_in(to, scan->cluster, OP_CHECKPOINT, operands, initial ? 2 : 1, attributes_of(scan, steps, attributes));
  }
}

static NodeId build_rescan(Graph *to, const Node *scan, const NodeId *map, const Resume *resume, int64_t steps) {
  Attribute attributes[OP_MAX_ATTRIBUTES] = {{0}};
  attributes_of(scan, steps, attributes);
  if (!op_is_part(scan->op)) {
    NodeId operands[] = {map[scan->operand[0]], map[scan->operand[1]], resume->checkpoint[0]};
    return clone_in(to, scan->cluster, OP_RESCAN, operands, 3, attributes);
  }
  attributes[RESCAN_PART_PART].integer = scan_part_number(scan);
  NodeId operands[PART_INITIAL + 2] = {[PART_INITIAL] = resume->checkpoint[0],
                                       [PART_INITIAL + 1] = resume->checkpoint[1]};
  for (uint32_t k = 0; k < PART_INITIAL; k++) operands[k] = map[scan->operand[k]];
  return clone_in(to, scan->cluster, OP_RESCAN_PART, operands, PART_INITIAL + 2, attributes);
}

/* A copy in which the recurrences of the group start from checkpoints, and where nodes are in it. */
static Graph *rebuild(const Graph *graph, Group *group, Arena *arena, NodeId **out_map) {
  Graph *to = graph_create_like(arena, graph);
  NodeId *map = ARENA_ARRAY(arena, NodeId, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    const Resume *resume = resume_of(group, id);
    to->span = node->span;
    map[id] =
        resume != NULL ? build_rescan(to, node, map, resume, group->steps) : graph_copy_clustered(to, graph, id, map);
    for (uint32_t k = 0; k < group->count; k++)
      if (group->resume[k].first == id) build_checkpoints(to, node, map[id], map, group->steps, &group->resume[k]);
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

/* The result is in `arena`. */
static Graph *try_resume(const Graph *graph, NodeId id, PassContext *context, Arena *arena) {
  Group group;
  if (!find_group(graph, id, &group)) return NULL;
  Arena *scratch = arena_create();
  Graph *made = NULL;
  if (find_first_runs(&group, scratch)) {
    const char *reason;
    NodeId *map;
    made = rebuild(graph, &group, arena, &map);
    bool done = lowers(made, map[id], scratch, &reason);
    for (uint32_t k = 0; k < group.count && done; k++)
      done = lowers(made, map[group.resume[k].first], scratch, &reason);
    if (!done) {
      pass_explain(context, "scan %%%u does not start from checkpoints of %%%u: %s", id, group.resume[0].first, reason);
      made = NULL;
    }
  }
  arena_destroy(scratch);
  return made;
}

/* Each change is a graph of its own in an arena of its own; the last one is copied. */
Graph *pass_checkpoint(const Graph *graph, PassContext *context) {
  NodeId *map;
  Arena *last = arena_create();
  const Graph *result = graph;
  for (NodeId id = 1; id <= result->node_count; id++) {
    if (!is_run_again(result, id)) continue;
    Arena *next = arena_create();
    Graph *made = try_resume(result, id, context, next);
    if (made != NULL) {
      result = made;
      id = 0;
    }
    arena_destroy(made != NULL ? last : next);
    if (made != NULL) last = next;
  }
  Group none = {.graph = result};
  Graph *copy = rebuild(result, &none, context->arena, &map);
  arena_destroy(last);
  return copy;
}
