/* From clusters to kernels. A cluster is lowered again while a reshape asks for a loop to be split; what stands in the
 * way of a kernel is stored, or the cluster falls apart into its nodes, which always have one. */
#include "lower_internal.h"

#include "ir/guard.h"

#include <limits.h>
#include <string.h>

ValueId lowered_add_value(Lowered *lowered, NodeId node, Dim count) {
  lowered->value = arena_grow(lowered->arena, lowered->value, lowered->value_count + 1, &lowered->value_capacity,
                              sizeof(LoweredValue));
  lowered->value[++lowered->value_count] = (LoweredValue){node, count};
  return lowered->value_count;
}

static void add_step(Lowered *lowered, const Step *step) {
  lowered->step = arena_grow(lowered->arena, lowered->step, lowered->step_count, &lowered->step_capacity, sizeof(Step));
  lowered->step[lowered->step_count++] = *step;
}

void builder_restart(Builder *builder, LoweringKind family) {
  Builder fresh = {.clusters = builder->clusters,
                   .lowered = builder->lowered,
                   .arena = builder->arena,
                   .cluster = builder->cluster,
                   .family = family,
                   .lane_axis = builder->lane_axis,
                   .state_axis = builder->state_axis};
  memcpy(fresh.splits, builder->splits, sizeof fresh.splits);
  fresh.placed = ARENA_ARRAY(builder->arena, PlacedExpr *, builder->clusters->graph->node_count + 1);
  *builder = fresh;
}

static Builder *builder_create(const Clusters *clusters, uint32_t cluster, Lowered *lowered, Arena *scratch) {
  Builder *builder = ARENA_NEW(scratch, Builder);
  *builder = (Builder){.clusters = clusters, .lowered = lowered, .arena = scratch, .cluster = cluster};
  builder->lane_axis = builder->state_axis = -1;
  return builder;
}

static bool fill(Builder *builder) {
  switch (builder->family) {
    case LOWER_CONTRACT:
      return lower_contract_cluster(builder);
    case LOWER_SPECTRAL:
      return lower_spectral_cluster(builder);
    case LOWER_SCAN:
      return lower_scan_cluster(builder);
    default:
      return lower_map_cluster(builder);
  }
}

/* Lowers until no loop has to be split any more. */
static bool fill_with_splits(Builder *builder, LoweringKind family) {
  memset(builder->splits, 0, sizeof builder->splits);
  do {
    builder_restart(builder, family);
    if (fill(builder)) return true;
  } while (builder->failure.kind == FAILURE_SPLIT);
  return false;
}

/* The kernel of a filled builder and, after it, those that add up partial sums. False where it breaks a promise. */
static bool commit(Builder *builder, NodeId node) {
  Lowered *lowered = builder->lowered;
  Step step = {.node = node};
  step.kernel = builder_finish(builder, lowered->arena, &step.argument);
  const char *message = kernel_verify(step.kernel, builder->arena);
  if (message != NULL) return builder_fail(builder, FAILURE_SHAPE, node, message);
  add_step(lowered, &step);
  for (const PartialSum *partial = builder->partial; partial != NULL; partial = partial->next) {
    Builder *sum = builder_create(builder->clusters, builder->cluster, lowered, builder->arena);
    builder_restart(sum, LOWER_MAP);
    if (!lower_partial_sum(sum, partial)) {
      builder->failure = sum->failure;
      return false;
    }
    Step after = {.node = partial->result};
    after.kernel = builder_finish(sum, lowered->arena, &after.argument);
    message = kernel_verify(after.kernel, builder->arena);
    if (message != NULL) return builder_fail(builder, FAILURE_SHAPE, node, message);
    add_step(lowered, &after);
  }
  return true;
}

/* The choice of LANE and STATE axes that suits the loads and stores best; false where none works. */
static bool choose_scan_axes(Builder *builder, const Shape *shape, int64_t time) {
  int best = INT_MIN;
  int32_t best_lane = -1, best_state = -1;
  Failure failure = {0};
  for (int32_t lane = shape->rank == 1 ? -1 : 0; lane < shape->rank; lane++) {
    for (int32_t state = -1; state < shape->rank; state++) {
      if (lane == time || state == time || (state >= 0 && state == lane)) continue;
      if (state >= 0 && !dim_is_constant(shape->dim[state])) continue;
      if (lane < 0 && shape->rank > 1) continue;
      uint32_t values = builder->lowered->value_count;
      builder->lane_axis = lane;
      builder->state_axis = state;
      bool filled = fill_with_splits(builder, LOWER_SCAN);
      builder->lowered->value_count = values;
      if (!filled && (failure.kind == FAILURE_NONE || builder->failure.kind == FAILURE_STORE))
        failure = builder->failure;
      int score = filled ? scan_score(builder) : INT_MIN;
      if (score <= best) continue;
      best = score;
      best_lane = lane;
      best_state = state;
    }
  }
  builder->lane_axis = best_lane;
  builder->state_axis = best_state;
  builder->failure = failure;
  return best > INT_MIN;
}

/* The failure with a message that outlives the builder. */
static Failure kept_failure(const Builder *builder) {
  Failure failure = builder->failure;
  const char *message = failure.message != NULL ? failure.message : "";
  failure.message = arena_text(builder->lowered->arena, message, strlen(message));
  return failure;
}

bool lower_cluster(const Clusters *clusters, uint32_t cluster, Lowered *lowered, Failure *out_failure) {
  Arena *scratch = arena_create();
  uint32_t values = lowered->value_count, steps = lowered->step_count;
  Builder *builder = builder_create(clusters, cluster, lowered, scratch);
  NodeId anchor = clusters->anchor[cluster];
  LoweringKind family = clusters->family[cluster];
  bool done = true;
  if (family == LOWER_SCAN) {
    const Node *scan = graph_node(clusters->graph, anchor);
    done = choose_scan_axes(builder, &scan->shape, node_integer(scan, SCAN_AXIS));
  }
  done = done && fill_with_splits(builder, family) && commit(builder, anchor);
  if (!done) {
    lowered->value_count = values;
    lowered->step_count = steps;
    *out_failure = kept_failure(builder);
  }
  arena_destroy(scratch);
  return done;
}

static Lowered *lowered_create(const Clusters *clusters, Arena *arena, bool everything) {
  Lowered *lowered = ARENA_NEW(arena, Lowered);
  lowered->arena = arena;
  lowered->value = arena_grow(arena, NULL, 0, &lowered->value_capacity, sizeof(LoweredValue)); /* slot 0 stays free */
  lowered->of_node = ARENA_ARRAY(arena, ValueId, clusters->graph->node_count + 1);
  for (NodeId id = 1; id <= clusters->graph->node_count; id++) {
    bool own = clusters->stored[id] && clusters->part_of[id] == NODE_NONE;
    if (!own && !everything) continue;
    Dim count = dim_constant(0);
    bool counted = shape_count(graph_shape(clusters->graph, id), &count);
    if (!counted && clusters->stored[id]) guard_bug("lowering: %%%u has two symbols", id);
    lowered->of_node[id] = lowered_add_value(lowered, id, count);
  }
  return lowered;
}

Lowered *lowered_for_trials(const Clusters *clusters, Arena *arena) { return lowered_create(clusters, arena, true); }

bool lower_is_possible(Clusters *clusters, uint32_t cluster, Arena *scratch, Failure *out_failure) {
  for (;;) {
    clusters_settle(clusters);
    Lowered *lowered = lowered_create(clusters, scratch, false);
    if (lower_cluster(clusters, cluster, lowered, out_failure)) return true;
    if (out_failure->kind != FAILURE_STORE || clusters->of[out_failure->node] != 0) return false;
    clusters_store(clusters, out_failure->node);
  }
}

bool lower_scan_lane(Clusters *clusters, uint32_t cluster, Arena *scratch, int32_t *out_lane) {
  clusters_settle(clusters);
  Lowered *lowered = lowered_create(clusters, scratch, false);
  Builder *builder = builder_create(clusters, cluster, lowered, scratch);
  const Node *scan = graph_node(clusters->graph, clusters->anchor[cluster]);
  bool found = choose_scan_axes(builder, &scan->shape, node_integer(scan, SCAN_AXIS));
  *out_lane = builder->lane_axis;
  return found;
}

/* Writes one part of a concatenation to its place. */
static bool lower_concat_part(Builder *builder, NodeId id, uint32_t part, const Position *start) {
  const Node *node = graph_node(builder->clusters->graph, id);
  const Shape *shape = graph_shape(builder->clusters->graph, node->operand[part]);
  Place place = {.rank = shape->rank};
  uint32_t expr;
  for (int32_t k = 0; k < shape->rank; k++) {
    uint32_t number;
    if (!builder_add_axis(builder, shape->dim[k], AXIS_PARALLEL, false, &number)) return false;
    place.axis[k] = builder->logical[number].position;
  }
  if (!lower_value(builder, node->operand[part], &place, &expr)) return false;
  position_add(&place.axis[node_integer(node, CONCAT_AXIS)], start, 1);
  return builder_store(builder, builder->lowered->of_node[id], &node->shape, &place, id, expr, NULL);
}

/* A concatenation that stands alone: parts that are not there already are written by a kernel each. */
static bool lower_concat_parts(const Clusters *clusters, uint32_t cluster, Lowered *lowered, Failure *out_failure) {
  NodeId id = clusters->anchor[cluster];
  const Node *node = graph_node(clusters->graph, id);
  Position start = position_constant(0);
  for (uint32_t part = 0; part < node->operand_count; part++) {
    bool done = clusters->part_of[node->operand[part]] == id;
    if (!done) {
      Arena *scratch = arena_create();
      Builder *builder = builder_create(clusters, cluster, lowered, scratch);
      do {
        builder_restart(builder, LOWER_MAP);
        done = lower_concat_part(builder, id, part, &start);
      } while (!done && builder->failure.kind == FAILURE_SPLIT);
      done = done && commit(builder, id);
      if (!done) *out_failure = kept_failure(builder);
      arena_destroy(scratch);
    }
    if (!done) return false;
    Linear extent =
        linear_of_dim(graph_shape(clusters->graph, node->operand[part])->dim[node_integer(node, CONCAT_AXIS)]);
    linear_add(&start.constant, &extent, 1);
  }
  return true;
}

static bool is_lone_concat(const Clusters *clusters, uint32_t cluster) {
  uint32_t members = clusters->member_first[cluster + 1] - clusters->member_first[cluster];
  return members == 1 && graph_op(clusters->graph, clusters->anchor[cluster]) == OP_CONCAT;
}

/* Every node of the cluster on its own. */
static void dissolve(Clusters *clusters, uint32_t cluster) {
  for (uint32_t k = clusters->member_first[cluster]; k < clusters->member_first[cluster + 1]; k++) {
    NodeId id = clusters->member[k];
    LoweringKind kind = op_info(graph_op(clusters->graph, id))->lowering;
    if (kind == LOWER_VIEW || kind == LOWER_LEAF) {
      clusters->of[id] = 0;
      if (clusters->is_output[id]) clusters_store(clusters, id);
    } else {
      clusters->of[id] = ++clusters->count;
      clusters->family[clusters->count] = kind;
      clusters->anchor[clusters->count] = id;
    }
  }
}

/* Changes the clusters so that the failure does not come again. Clusters above `known` are of this round. */
static void mend(Clusters *clusters, uint32_t cluster, const Failure *failure, uint32_t known, Text *explain) {
  NodeId node = failure->node;
  if (failure->kind == FAILURE_STORE && clusters->of[node] > known) return; /* another cluster asked for it too */
  bool alone = clusters->member_first[cluster + 1] - clusters->member_first[cluster] == 1;
  if (failure->kind == FAILURE_STORE && clusters->of[node] == 0) {
    if (explain) text_print(explain, "lower: %%%u is stored: %s\n", node, failure->message);
    clusters_store(clusters, node);
  } else if (!alone) {
    NodeId anchor = clusters->anchor[cluster];
    if (explain) text_print(explain, "lower: the fusion around %%%u falls apart: %s\n", anchor, failure->message);
    dissolve(clusters, cluster);
  } else {
    guard_bug("lowering: %%%u %s has no kernel: %s", clusters->anchor[cluster],
              op_info(graph_op(clusters->graph, clusters->anchor[cluster]))->name, failure->message);
  }
}

Lowered *lower_all(Clusters *clusters, Arena *arena, Text *explain) {
  for (;;) {
    clusters_settle(clusters);
    Lowered *lowered = lowered_create(clusters, arena, false);
    bool complete = true;
    uint32_t count = clusters->count; /* mending adds more, for the next round */
    for (uint32_t c = 1; c <= count; c++) {
      bool read = false;
      for (uint32_t k = clusters->member_first[c]; k < clusters->member_first[c + 1]; k++) {
        read |= clusters->stored[clusters->member[k]];
      }
      Failure failure = {0};
      if (!read) continue;
      bool done = is_lone_concat(clusters, c) ? lower_concat_parts(clusters, c, lowered, &failure)
                                              : lower_cluster(clusters, c, lowered, &failure);
      if (done) continue;
      complete = false;
      mend(clusters, c, &failure, count, explain);
    }
    if (complete) return lowered;
  }
}
