/* Scan fusion: a recurrence and everything around it that has its index space becomes one kernel.
 *
 *   %9 = exp(...) : [B, T, E, N]                  cluster 1 = scan at %11
 *   %10 = multiply(...) : [B, T, E, N]            %9 .. %13 in 1: only %12 and %13 are stored
 *   %11 = scan(%9, %10) : [B, T, E, N]      ->
 *   %12 = contract(%11, %4) : [B, T, E]
 *   %13 = multiply(%12, %5) : [B, T, E]
 *
 * A rule over the graph. The full space is the shape of the scan. A cluster takes
 *   - whatever full-space operands of its members are computed from, back to smaller tensors: elementwise ops, delays,
 *     pads, outer products, and other scans (a backward recurrence runs the forward one again);
 *   - whatever reads its states and has the full space, and sums, products and last steps that leave it;
 *   - elementwise ops on a sum over one axis, at the sum's index.
 * Values of the full space that several clusters need are computed in each of them, so that none is ever stored.
 * Nothing joins that would have the cluster wait for itself by way of a node outside. A cluster is kept if it lowers to
 * one kernel, else tried again without what follows the sums, else the scan stays alone.
 *
 * Needs: nothing. Keeps: what outputs compute. Cost: quadratic in the size of a cluster. */
#include "lower_internal.h"
#include "pipeline.h"
#include "recluster.h"
#include "scan_explain.h"
#include "scan_layout.h"
#include "scan_nodes.h"

#include <string.h>

/* A first run and its adjoint share a kernel, which then keeps the states of all steps, where they are at most as many. */
enum { TURN_BYTES = 1 << 20 };

typedef struct Fusion {
  const Graph *graph;
  const Clusters *clusters; /* for the users of nodes */
  Arena *scratch;
  NodeId scan;
  const Shape *full;
  bool *member, *again; /* again: computed by another cluster as well */
} Fusion;

static const Node *node_of(const Fusion *fusion, NodeId id) { return graph_node(fusion->graph, id); }

static bool is_full(const Fusion *fusion, NodeId id) { return shape_equal(&node_of(fusion, id)->shape, fusion->full); }

static bool is_outer_product(const Node *node) {
  Labels labels;
  const char *message;
  if (node->op != OP_CONTRACT || !labels_parse(node_text(node, CONTRACT_LABELS), &labels, &message)) return false;
  for (const char *letter = labels.a; *letter; letter++) {
    if (strchr(labels.result, *letter) == NULL) return false;
  }
  return true;
}

/* A recurrence that the cluster's own may have beside it: along the same axis and, where the number of steps is not
 * known, in the same direction, since a turn keeps the states of all steps in scratch of a constant size. */
static bool runs_along(const Fusion *fusion, const Node *node) {
  const Node *scan = node_of(fusion, fusion->scan);
  int64_t axis = node_integer(scan, SCAN_AXIS);
  bool same_way = (node_integer(node, SCAN_REVERSE) != 0) == (node_integer(scan, SCAN_REVERSE) != 0);
  return node_integer(node, SCAN_AXIS) == axis && (same_way || dim_is_constant(fusion->full->dim[axis]));
}

/* Can the cluster compute the node itself? */
static bool is_producer(const Fusion *fusion, NodeId id) {
  const Node *node = node_of(fusion, id);
  if (!is_full(fusion, id)) return false;
  if (op_is_first_run(node->op)) return runs_along(fusion, node);
  return op_is_elementwise(node->op) || node->op == OP_DELAY || node->op == OP_PAD || is_outer_product(node);
}

/* The two parts of a complex scan take each step together. */
static void add_member(Fusion *fusion, NodeId id) {
  NodeId member[] = {id, scan_find_other_part(fusion->graph, id)};
  for (int k = 0; k < 2; k++) {
    if (member[k] == NODE_NONE) continue;
    fusion->member[member[k]] = true;
    fusion->again[member[k]] = node_of(fusion, member[k])->cluster != 0;
  }
}

/* The one axis of `full` that is not among `axes`. */
static int32_t find_repeated_axis(const Shape *full, const Attribute *axes) {
  int32_t axis = 0;
  while (axis < full->rank && (uint32_t)axis < axes->count && axes->integers[axis] == axis) axis++;
  return axis;
}

static bool is_cheap(OpCode op) { return op == OP_ADD || op == OP_SUBTRACT || op == OP_MULTIPLY || op == OP_NEGATE; }

/* A cheap value of every step and channel that the states repeat, of what is in buffers anyway: dt * u. Computed where it
 * is read, it needs no buffer. */
static bool is_repeated_producer(const Fusion *fusion, const Node *view, const Node *source) {
  if (view->op != OP_BROADCAST || !shape_equal(&view->shape, fusion->full) || !is_cheap(source->op)) return false;
  for (uint32_t k = 0; k < source->operand_count; k++)
    if (node_of(fusion, source->operand[k])->cluster != 0) return false;
  const Attribute *axes = &view->attribute[BROADCAST_AXES];
  int64_t time = node_integer(node_of(fusion, fusion->scan), SCAN_AXIS);
  bool has_time = false;
  for (uint32_t k = 0; k < axes->count; k++) has_time |= axes->integers[k] == time;
  return has_time && axes->count + 1 == (uint32_t)fusion->full->rank &&
         find_repeated_axis(fusion->full, axes) != scan_find_channels(node_of(fusion, fusion->scan));
}

/* The members' operands of the full space, and theirs. Operands come first, so one sweep downwards finds all. */
static void add_producers(Fusion *fusion) {
  for (NodeId id = fusion->graph->node_count; id >= 1; id--) {
    if (!fusion->member[id]) continue;
    const Node *node = node_of(fusion, id);
    for (uint32_t k = 0; k < node->operand_count; k++) {
      NodeId operand = node->operand[k];
      if (!fusion->member[operand] && is_producer(fusion, operand)) add_member(fusion, operand);
      const Node *view = node_of(fusion, operand);
      if (view->op == OP_BROADCAST && is_repeated_producer(fusion, view, node_of(fusion, view->operand[0])))
        fusion->member[view->operand[0]] = fusion->again[view->operand[0]] = true;
    }
  }
}

/* Does nothing that the members read wait for them? */
static bool is_convex(const Fusion *fusion) {
  bool *own = ARENA_ARRAY(fusion->scratch, bool, fusion->graph->node_count + 1);
  for (NodeId id = 1; id <= fusion->graph->node_count; id++) own[id] = fusion->member[id] && !fusion->again[id];
  const bool *waiting = graph_find_waiting(fusion->graph, own, fusion->scratch);
  for (NodeId id = 1; id <= fusion->graph->node_count; id++) {
    if (!fusion->member[id]) continue;
    const Node *node = node_of(fusion, id);
    for (uint32_t k = 0; k < node->operand_count; k++) {
      NodeId operand = node->operand[k];
      if (!fusion->member[operand] && waiting[operand]) return false;
    }
  }
  return true;
}

static bool has_user(const Fusion *fusion, NodeId id, bool inside) {
  const Clusters *clusters = fusion->clusters;
  for (uint32_t k = clusters->user_first[id]; k < clusters->user_first[id + 1]; k++) {
    if (fusion->member[clusters->user[k]] == inside) return true;
  }
  return false;
}

/* How many full tensors the members load. */
static uint32_t count_full_loads(const Fusion *fusion) {
  uint32_t count = 0;
  for (NodeId id = 1; id <= fusion->graph->node_count; id++) {
    if (fusion->member[id] || !is_full(fusion, id) || node_of(fusion, id)->op == OP_BROADCAST) continue;
    count += has_user(fusion, id, true);
  }
  return count;
}

/* Would a recurrence that has not run before keep more states for its adjoint than is good? Run once more by a kernel of
 * the adjoint's own, it can start from checkpoints. */
static bool keeps_too_much(const Fusion *fusion) {
  int64_t bytes[2] = {0}; /* by direction */
  bool turned[2] = {false, false};
  for (NodeId id = 1; id <= fusion->graph->node_count; id++) {
    const Node *node = node_of(fusion, id);
    if (!fusion->member[id] || !op_is_first_run(node->op)) continue;
    bool reverse = node_integer(node, SCAN_REVERSE) != 0;
    Dim steps = node->shape.dim[node_integer(node, SCAN_AXIS)];
    if (scan_is_late(node))
      turned[!reverse] = true;
    else if (!fusion->again[id] && dim_is_constant(steps))
      bytes[reverse] += scan_step_bytes(node) * steps.factor;
  }
  return (turned[0] && bytes[0] > TURN_BYTES) || (turned[1] && bytes[1] > TURN_BYTES);
}

/* Adds the node with what it needs, or nothing. */
static bool try_add(Fusion *fusion, NodeId id, bool may_load_full) {
  size_t bytes = fusion->graph->node_count + 1;
  bool *member = arena_copy(fusion->scratch, fusion->member, bytes);
  bool *again = arena_copy(fusion->scratch, fusion->again, bytes);
  uint32_t loads = count_full_loads(fusion);
  add_member(fusion, id);
  add_producers(fusion);
  bool fits = may_load_full || count_full_loads(fusion) <= loads;
  if (fits && !keeps_too_much(fusion) && is_convex(fusion)) return true;
  memcpy(fusion->member, member, bytes);
  memcpy(fusion->again, again, bytes);
  return false;
}

/* Members that depend on the states of a member scan. */
static bool *find_dependent(const Fusion *fusion) {
  bool *dependent = ARENA_ARRAY(fusion->scratch, bool, fusion->graph->node_count + 1);
  for (NodeId id = 1; id <= fusion->graph->node_count; id++) {
    if (!fusion->member[id]) continue;
    const Node *node = node_of(fusion, id);
    dependent[id] = op_is_first_run(node->op);
    for (uint32_t k = 0; k < node->operand_count; k++) dependent[id] |= dependent[node->operand[k]];
  }
  return dependent;
}

static bool is_last_step(const Fusion *fusion, const Node *node) {
  const Node *scan = node_of(fusion, node->operand[0]);
  if (node->op != OP_SLICE || !op_is_first_run(scan->op)) return false;
  int64_t axis = node_integer(scan, SCAN_AXIS);
  int64_t last = node_integer(scan, SCAN_REVERSE) ? 0 : scan->shape.dim[axis].factor - 1;
  return dim_is_constant(scan->shape.dim[axis]) && node_integer(node, SLICE_AXIS) == axis &&
         node_integer(node, SLICE_SIZE) == 1 && node_integer(node, SLICE_START) == last;
}

/* May it read states inside the cluster? */
static bool is_consumer(const Fusion *fusion, NodeId id) {
  const Node *node = node_of(fusion, id);
  if (node->cluster != 0) return false;
  if (is_full(fusion, id)) return op_is_elementwise(node->op) || node->op == OP_DELAY;
  if (node->op == OP_REDUCE_SUM || node->op == OP_REDUCE_MAX || node->op == OP_CONTRACT) return true;
  return is_last_step(fusion, node);
}

static void add_consumers(Fusion *fusion) {
  const Clusters *clusters = fusion->clusters;
  for (bool changed = true; changed;) {
    changed = false;
    const bool *dependent = find_dependent(fusion);
    for (NodeId id = 1; id <= fusion->graph->node_count; id++) {
      if (!dependent[id] || !is_full(fusion, id)) continue;
      for (uint32_t k = clusters->user_first[id]; k < clusters->user_first[id + 1]; k++) {
        NodeId user = clusters->user[k];
        if (fusion->member[user] || !is_consumer(fusion, user)) continue;
        changed |= try_add(fusion, user, false);
      }
    }
  }
}

/* Values of the full space that no member reads would only be stored: whoever reads them computes them instead. */
static void drop_unread(Fusion *fusion) {
  NodeId other = scan_find_other_part(fusion->graph, fusion->scan);
  for (NodeId id = fusion->graph->node_count; id >= 1; id--) {
    if (!fusion->member[id] || id == fusion->scan || id == other || !is_full(fusion, id)) continue;
    if (!has_user(fusion, id, true)) fusion->member[id] = fusion->again[id] = false;
  }
}

/* The axis of the full space that a member sums over alone, or -1. */
static int32_t axis_summed_alone(const Fusion *fusion, const Node *node) {
  const Shape *shape = &node_of(fusion, node->operand[0])->shape;
  if (node->op == OP_REDUCE_SUM || node->op == OP_REDUCE_MAX) {
    bool alone = node->attribute[REDUCE_AXES].count == 1 && shape_equal(shape, fusion->full);
    return alone ? (int32_t)node->attribute[REDUCE_AXES].integers[0] : -1;
  }
  Labels labels;
  const char *message;
  if (node->op != OP_CONTRACT || !labels_parse(node_text(node, CONTRACT_LABELS), &labels, &message)) return -1;
  bool first = shape_equal(shape, fusion->full);
  const char *letters = first ? labels.a : labels.b;
  int32_t axis = -1, sums = 0;
  for (int32_t k = 0; letters[k]; k++) {
    if (strchr(labels.result, letters[k]) != NULL) continue;
    axis = k;
    sums++;
  }
  return sums == 1 && (int32_t)strlen(letters) == fusion->full->rank ? axis : -1;
}

/* The axis that becomes STATE: the shortest one that something sums over alone, and that may be read at once. */
static int32_t find_state_axis(const Fusion *fusion) {
  int32_t best = -1;
  for (NodeId id = 1; id <= fusion->graph->node_count; id++) {
    if (!fusion->member[id] || is_full(fusion, id)) continue;
    int32_t axis = axis_summed_alone(fusion, node_of(fusion, id));
    if (axis < 0 || axis == node_integer(node_of(fusion, fusion->scan), SCAN_AXIS)) continue;
    if (!dim_is_constant(fusion->full->dim[axis])) continue;
    if (best < 0 || fusion->full->dim[axis].factor < fusion->full->dim[best].factor) best = axis;
  }
  return best;
}

/* Elementwise operands that only the cluster reads come along: silu(z) of a gate. */
static void add_own_operands(Fusion *fusion, const Shape *shape, bool *epilogue) {
  for (NodeId id = fusion->graph->node_count; id >= 1; id--) {
    if (!fusion->member[id] || !epilogue[id]) continue;
    const Node *node = node_of(fusion, id);
    for (uint32_t k = 0; k < node->operand_count; k++) {
      NodeId operand = node->operand[k];
      const Node *source = node_of(fusion, operand);
      bool fits = !fusion->member[operand] && op_is_elementwise(source->op) && source->cluster == 0 &&
                  shape_equal(&source->shape, shape) && !has_user(fusion, operand, false) &&
                  !fusion->clusters->is_output[operand];
      if (fits && try_add(fusion, operand, false)) epilogue[operand] = true;
    }
  }
}

/* Elementwise ops at the index of a sum over the STATE axis. */
static void add_epilogues(Fusion *fusion) {
  int32_t state = find_state_axis(fusion);
  const Clusters *clusters = fusion->clusters;
  bool *epilogue = ARENA_ARRAY(fusion->scratch, bool, fusion->graph->node_count + 1);
  for (NodeId id = 1; id <= fusion->graph->node_count && state >= 0; id++) {
    if (!fusion->member[id] || is_full(fusion, id)) continue;
    const Node *node = node_of(fusion, id);
    if (!epilogue[id] && axis_summed_alone(fusion, node) != state) continue;
    for (uint32_t k = clusters->user_first[id]; k < clusters->user_first[id + 1]; k++) {
      NodeId user = clusters->user[k];
      const Node *reader = node_of(fusion, user);
      bool fits = !fusion->member[user] && op_is_elementwise(reader->op) && reader->cluster == 0 &&
                  shape_equal(&reader->shape, &node->shape);
      if (!fits || !try_add(fusion, user, false)) continue;
      epilogue[user] = true;
      add_own_operands(fusion, &node->shape, epilogue);
    }
  }
}

typedef enum Extent { WITH_EPILOGUES, WITH_CONSUMERS, WITH_PRODUCERS, EXTENT_COUNT } Extent;

static bool find_members(Fusion *fusion, Extent extent) {
  size_t bytes = fusion->graph->node_count + 1;
  memset(fusion->member, 0, bytes);
  memset(fusion->again, 0, bytes);
  if (!try_add(fusion, fusion->scan, true)) return false;
  if (extent <= WITH_CONSUMERS) add_consumers(fusion);
  drop_unread(fusion);
  if (extent <= WITH_EPILOGUES) add_epilogues(fusion);
  uint32_t members = 0;
  for (NodeId id = 1; id <= fusion->graph->node_count; id++) members += fusion->member[id];
  return members > 1 && is_convex(fusion);
}

/* The graph with the members in a cluster, or NULL and the reason where they do not make a kernel. */
static Graph *make_cluster(const Fusion *fusion, Arena *arena, NodeId **out_map, const char **out_reason) {
  const Graph *graph = fusion->graph;
  Assignment assignment = assignment_of_graph(graph, 1, fusion->scratch);
  uint32_t number = ++assignment.count;
  assignment.family[number] = LOWER_SCAN;
  assignment.anchor[number] = fusion->scan;
  assignment.again = number;
  assignment.recompute = fusion->again;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    if (fusion->member[id] && !fusion->again[id]) assignment.home[id] = number;
  }
  Graph *made = graph_recluster(graph, arena, &assignment, out_map);
  uint32_t cluster = made->node[(*out_map)[fusion->scan]].cluster;
  Clusters *clusters = clusters_create(made, fusion->scratch);
  Failure failure = {0};
  if (lower_is_possible(clusters, cluster, fusion->scratch, &failure)) return made;
  *out_reason = arena_text(fusion->scratch, failure.message, strlen(failure.message));
  return NULL;
}

/* The result is in `arena`. */
static const Graph *fuse_one(const Graph *graph, NodeId scan, PassContext *context, Arena *arena, NodeId **out_map) {
  static const char *const extent_name[] = {[WITH_EPILOGUES] = "with what follows its sums",
                                            [WITH_CONSUMERS] = "with what reads its states",
                                            [WITH_PRODUCERS] = "with what it is made of"};
  Arena *scratch = arena_create();
  Fusion fusion = {.graph = graph, .clusters = clusters_create(graph, scratch), .scratch = scratch, .scan = scan};
  fusion.full = graph_shape(graph, scan);
  fusion.member = ARENA_ARRAY(scratch, bool, graph->node_count + 1);
  fusion.again = ARENA_ARRAY(scratch, bool, graph->node_count + 1);
  const Graph *made = NULL;
  for (Extent extent = 0; extent < EXTENT_COUNT && made == NULL; extent++) {
    const char *reason = "nothing joins it";
    if (find_members(&fusion, extent)) made = make_cluster(&fusion, arena, out_map, &reason);
    if (made == NULL) pass_explain(context, "scan %%%u does not fuse %s: %s", scan, extent_name[extent], reason);
  }
  if (made == NULL) pass_explain(context, "scan %%%u stays alone: it loads and stores its whole index space", scan);
  arena_destroy(scratch);
  return made;
}

/* Each fusion is a graph of its own in an arena of its own; the last one is copied. */
Graph *pass_fuse_scan(const Graph *graph, PassContext *context) {
  const Graph *fused = graph;
  Arena *last = arena_create();
  bool *tried = ARENA_ARRAY(last, bool, graph->node_count + 1);
  for (NodeId id = 1; id <= fused->node_count; id++) {
    if (!op_is_first_run(graph_op(fused, id)) || tried[id] || fused->node[id].cluster != 0) continue;
    tried[id] = true;
    NodeId *map;
    Arena *next = arena_create();
    const Graph *made = fuse_one(fused, id, context, next, &map);
    if (made == NULL) {
      arena_destroy(next);
      continue;
    }
    bool *moved = ARENA_ARRAY(next, bool, made->node_count + 1);
    for (NodeId old = 1; old <= fused->node_count; old++) {
      if (tried[old]) moved[map[old]] = true;
    }
    tried = moved;
    fused = made;
    id = 0;
    arena_destroy(last);
    last = next;
  }
  if (context->explain) scan_explain(fused, context);
  Graph *result = scan_layout(fused, context->arena);
  arena_destroy(last);
  return result;
}
