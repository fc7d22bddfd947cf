/* Elementwise and reduction fusion: neighbouring kernels become one where that saves memory traffic.
 *
 *   %4 = contract(%1, %2)            %4 .. %6 in 1, cluster 1 = contract at %4: one store
 *   %5 = add(%4, broadcast %3)  ->
 *   %6 = tanh(%5)
 *
 *   mean, variance and the normalised row of a layer norm: one map kernel that walks each row a few times
 *
 * Pairs of a value and its reader are tried in order of the reader's id. They merge where
 *   - the families allow it: maps with maps, a product or transform with the elementwise ops behind it (its epilogue);
 *   - it pays (is_profitable): nothing expensive is computed more often, no parallel work becomes serial;
 *   - not a reader that only gradients need with a value of the forward part: what it makes would be stored early and live
 *     long;
 *   - nothing outside would both feed the merged cluster and wait for it;
 *   - the merged cluster lowers to one kernel, which lowering itself is asked.
 * Values that cost nothing (random numbers, comparisons of indices, scalars made of constants) belong to nobody: every
 * cluster that reads them computes them. So are comparisons and pads of values that are in buffers anyway: masks of a
 * backward graph are not kept. What depends on parameters alone merges only with its like, so that it can be computed ahead of a
 * run.
 *
 * Needs: nothing; scan clusters stay as they are. Keeps: what outputs compute. Cost: a trial lowering a pair. */
#include "ir/cost.h"
#include "lower_internal.h"
#include "pipeline.h"
#include "rebuild.h"
#include "recluster.h"

#include <string.h>

typedef struct Fusion {
  const Graph *graph;
  Clusters *clusters;
  Arena *scratch;
  const bool *fixed; /* by node: depends on parameters and constants alone */
  bool *forward;     /* by node: something other than a gradient needs it */
  bool *free;        /* by node: computed by whoever reads it */
  uint32_t *own;     /* by node: its cluster before anything merged */
  uint32_t search;   /* the number of a search among clusters */
  uint32_t *seen;    /* by cluster: the last search that found it */
  uint32_t *waiting; /* clusters that the search has found and not looked at */
  uint32_t waiting_count;
  PassContext *context;
} Fusion;

static const Node *node_of(const Fusion *fusion, NodeId id) { return graph_node(fusion->graph, id); }

/* Is it an output, or reshaped into one? Then it has to be in a buffer. */
static bool is_kept(const Fusion *fusion, NodeId id) {
  const Clusters *clusters = fusion->clusters;
  if (clusters->is_output[id]) return true;
  for (uint32_t k = clusters->user_first[id]; k < clusters->user_first[id + 1]; k++) {
    if (graph_op(fusion->graph, clusters->user[k]) == OP_RESHAPE && is_kept(fusion, clusters->user[k])) return true;
  }
  return false;
}

/* Random numbers, and cheap ops on nothing but those, constants and indices. */
static void find_free(Fusion *fusion) {
  const Graph *graph = fusion->graph;
  bool *rootless = ARENA_ARRAY(fusion->scratch, bool, graph->node_count + 1); /* made without reading a buffer */
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = node_of(fusion, id);
    LoweringKind kind = op_info(node->op)->lowering;
    bool named = node->op == OP_INPUT || node->op == OP_PARAMETER || node->op == OP_STATE;
    bool cheap = op_is_elementwise(node->op) && !op_is_transcendental(node->op);
    bool able = kind == LOWER_VIEW || (kind == LOWER_LEAF && !named) || cheap || node->op == OP_RANDOM_UNIFORM;
    for (uint32_t k = 0; k < node->operand_count; k++) able &= rootless[node->operand[k]];
    rootless[id] = able && !is_kept(fusion, id);
    bool computed = kind != LOWER_VIEW && kind != LOWER_LEAF;
    fusion->free[id] = rootless[id] && computed && node->cluster == 0;
    if (fusion->free[id]) fusion->clusters->of[id] = 0;
  }
}

/* The computed nodes that a node reads, through views. */
static NodeId source_of(const Fusion *fusion, NodeId id) {
  while (fusion->clusters->of[id] == 0 && op_info(graph_op(fusion->graph, id))->lowering == LOWER_VIEW) {
    id = graph_operand(fusion->graph, id, 0);
  }
  return id;
}

/* Marks what waits for the node, other than clusters a and b themselves; true where one of those does, by way of others.
 * `direct`: the node is a member of a or b, or a view of one. */
static bool reaches(Fusion *fusion, NodeId id, uint32_t a, uint32_t b, bool direct) {
  const Clusters *clusters = fusion->clusters;
  for (uint32_t k = clusters->user_first[id]; k < clusters->user_first[id + 1]; k++) {
    NodeId user = clusters->user[k];
    uint32_t cluster = clusters->of[user];
    if (cluster == a || cluster == b) {
      if (!direct) return true;
    } else if (cluster == 0) {
      if (reaches(fusion, user, a, b, direct)) return true;
    } else if (fusion->seen[cluster] != fusion->search) {
      fusion->seen[cluster] = fusion->search;
      fusion->waiting[fusion->waiting_count++] = cluster;
    }
  }
  return false;
}

/* Would merging clusters a and b make a third cluster both feed and wait for them? What lies behind both may lead back: a
 * cluster can begin before them and end behind them. */
static bool makes_cycle(Fusion *fusion, uint32_t a, uint32_t b) {
  const Clusters *clusters = fusion->clusters;
  const uint32_t *first = clusters->member_first;
  fusion->search++;
  fusion->waiting_count = 0;
  for (uint32_t k = first[a]; k < first[a + 1]; k++) reaches(fusion, clusters->member[k], a, b, true);
  for (uint32_t k = first[b]; k < first[b + 1]; k++) reaches(fusion, clusters->member[k], a, b, true);
  while (fusion->waiting_count > 0) {
    uint32_t c = fusion->waiting[--fusion->waiting_count];
    for (uint32_t k = first[c]; k < first[c + 1]; k++) {
      if (reaches(fusion, clusters->member[k], a, b, false)) return true;
    }
  }
  return false;
}

static bool is_product(LoweringKind family) { return family == LOWER_CONTRACT || family == LOWER_SPECTRAL; }
static bool is_reduction(OpCode op) { return op == OP_REDUCE_SUM || op == OP_REDUCE_MAX; }

/* Do all readers of the cluster's values belong to it or to `other`? */
static bool feeds_only(const Fusion *fusion, uint32_t cluster, uint32_t other) {
  const Clusters *clusters = fusion->clusters;
  for (uint32_t k = clusters->member_first[cluster]; k < clusters->member_first[cluster + 1]; k++) {
    NodeId id = clusters->member[k];
    if (!clusters->stored[id]) continue;
    if (clusters->is_output[id] || !clusters_feeds(clusters, id, cluster, other)) return false;
  }
  return true;
}

static bool has_op(const Fusion *fusion, uint32_t cluster, bool (*test)(OpCode op)) {
  const Clusters *clusters = fusion->clusters;
  for (uint32_t k = clusters->member_first[cluster]; k < clusters->member_first[cluster + 1]; k++) {
    if (test(graph_op(fusion->graph, clusters->member[k]))) return true;
  }
  return false;
}

/* Work for more than one thread and whole vectors when the elements of the shape are independent items? */
static bool is_parallel(const Shape *shape) {
  enum { FEWEST = 16 };
  Dim count;
  return shape_count(shape, &count) && (!dim_is_constant(count) || count.factor >= FEWEST);
}

/* A sum over rows: its first axis stays. */
static bool keeps_first_axis(const Node *reduction) {
  const Attribute *axes = &reduction->attribute[REDUCE_AXES];
  return axes->count == 0 || axes->integers[0] > 0;
}

/* Are all sums of the cluster over rows? */
static bool sums_rows(const Fusion *fusion, uint32_t cluster) {
  const Clusters *clusters = fusion->clusters;
  for (uint32_t k = clusters->member_first[cluster]; k < clusters->member_first[cluster + 1]; k++) {
    const Node *node = node_of(fusion, clusters->member[k]);
    if (is_reduction(node->op) && !keeps_first_axis(node)) return false;
  }
  return true;
}

/* Is the reader's value stored, and larger than the one it reads? Then it waits for whoever takes it back to size: a
 * product over windows for its sum, which alone need not store it. */
static bool stores_more(const Fusion *fusion, NodeId value, NodeId reader) {
  Dim read, stored;
  if (!fusion->clusters->stored[reader]) return false;
  bool known = shape_count(&node_of(fusion, value)->shape, &read);
  known &= shape_count(&node_of(fusion, reader)->shape, &stored);
  return known && stored.symbol == read.symbol && stored.factor >= 2 * read.factor;
}

/* Only where reading `value` in the cluster of `reader` saves more than it costs. */
static bool is_profitable(const Fusion *fusion, NodeId value, NodeId reader) {
  const Clusters *clusters = fusion->clusters;
  const Node *source = node_of(fusion, value), *node = node_of(fusion, reader);
  uint32_t from = clusters->of[value], to = clusters->of[reader];
  bool alone = feeds_only(fusion, from, to);
  bool same = shape_equal(&source->shape, &node->shape);
  if (source->op == OP_CONCAT || node->op == OP_CONCAT) return false;
  /* A factor is read more than once, by loops that have no time for guards: a padded copy of it costs less. */
  if (is_product(clusters->family[to]) && reader == clusters->anchor[to]) return false;
  if (is_product(clusters->family[to])) return alone && same && !has_op(fusion, from, is_reduction);
  if (is_product(clusters->family[from])) return same && op_is_elementwise(node->op);
  if (is_reduction(node->op)) {
    bool cheap = !has_op(fusion, from, op_is_transcendental);
    return (alone || keeps_first_axis(node)) && (is_parallel(&node->shape) || cheap);
  }
  if (same) return true;
  if (stores_more(fusion, value, reader)) return false;
  if (has_op(fusion, from, is_reduction)) return sums_rows(fusion, from) && is_parallel(&source->shape);
  return alone && !has_op(fusion, from, op_is_transcendental);
}

/* Does the cluster lower to one kernel? */
static bool lowers(const Fusion *fusion, uint32_t cluster, Lowered *lowered) {
  uint32_t values = lowered->value_count;
  Failure failure = {0};
  bool done = lower_cluster(fusion->clusters, cluster, lowered, &failure);
  lowered->value_count = values;
  lowered->step_count = 0;
  return done;
}

/* Merges the clusters of a value and its reader if they become one kernel. */
static bool try_merge(Fusion *fusion, Lowered *lowered, NodeId value, NodeId reader) {
  enum { MOST_MEMBERS = 48 };
  Clusters *clusters = fusion->clusters;
  uint32_t from = clusters->of[value], to = clusters->of[reader];
  bool keep_from = is_product(clusters->family[from]);
  uint32_t kept = keep_from ? from : to, gone = keep_from ? to : from;
  uint32_t count = clusters->member_first[gone + 1] - clusters->member_first[gone];
  uint32_t total = count + clusters->member_first[kept + 1] - clusters->member_first[kept];
  if (total > MOST_MEMBERS || makes_cycle(fusion, from, to)) return false;
  Arena *scratch = arena_create();
  NodeId *members = arena_copy(scratch, &clusters->member[clusters->member_first[gone]], count * sizeof *members);
  clusters_move(clusters, members, count, kept);
  uint32_t values = lowered->value_count;
  Failure failure = {0};
  bool merged = lower_cluster(clusters, kept, lowered, &failure);
  bool product = merged && is_product(lowered->step[0].kernel->family);
  bool lost = merged && is_product(clusters->family[kept]) && !product && count > 0 && keep_from;
  lowered->value_count = values;
  lowered->step_count = 0;
  if (!merged || lost) {
    if (!merged) pass_explain(fusion->context, "%%%u and %%%u stay apart: %s", value, reader, failure.message);
    clusters_move(clusters, members, count, gone);
  }
  arena_destroy(scratch);
  return merged && !lost;
}

static bool may_merge(const Fusion *fusion, NodeId value, NodeId reader) {
  const Clusters *clusters = fusion->clusters;
  uint32_t from = clusters->of[value], to = clusters->of[reader];
  if (from == 0 || to == 0 || from == to) return false;
  LoweringKind a = clusters->family[from], b = clusters->family[to];
  if (a == LOWER_SCAN || b == LOWER_SCAN || (is_product(a) && is_product(b))) return false;
  if (fusion->fixed[value] != fusion->fixed[reader]) return false;
  if (fusion->forward[value] && !fusion->forward[reader]) return false;
  return is_profitable(fusion, value, reader);
}

/* A pad of a pad is left for last: each may be computed by whoever reads it. */
static bool merge_pairs(Fusion *fusion, Lowered *lowered, bool pads_of_pads) {
  bool changed = false;
  for (NodeId reader = 1; reader <= fusion->graph->node_count; reader++) {
    const Node *node = node_of(fusion, reader);
    for (uint32_t k = 0; k < node->operand_count; k++) {
      NodeId value = source_of(fusion, node->operand[k]);
      if ((node->op == OP_PAD && graph_op(fusion->graph, value) == OP_PAD) != pads_of_pads) continue;
      if (may_merge(fusion, value, reader)) changed |= try_merge(fusion, lowered, value, reader);
    }
  }
  return changed;
}

/* What products read comes from buffers, so somebody has to compute it. */
static void keep_factors(Fusion *fusion) {
  for (NodeId id = 1; id <= fusion->graph->node_count; id++) {
    const Node *node = node_of(fusion, id);
    if (!is_product(op_info(node->op)->lowering) || node->cluster != 0) continue;
    for (uint32_t k = 0; k < node->operand_count; k++) {
      NodeId source = source_of(fusion, node->operand[k]);
      while (fusion->free[source] && op_info(graph_op(fusion->graph, source))->lowering == LOWER_VIEW) {
        source = graph_operand(fusion->graph, source, 0);
      }
      if (!fusion->free[source]) continue;
      fusion->free[source] = false;
      fusion->clusters->of[source] = fusion->own[source];
    }
  }
}

/* Is what the operand is a view of at hand for any kernel? */
static bool is_at_hand(const Fusion *fusion, NodeId operand) {
  NodeId source = source_of(fusion, operand);
  const Clusters *clusters = fusion->clusters;
  if (clusters->of[source] != 0) return clusters->stored[source];
  return fusion->free[source] || op_info(graph_op(fusion->graph, source))->lowering == LOWER_LEAF;
}

/* Can all readers of the value compute it? Products need their factors in buffers. `lowered` is NULL: only look. */
static bool readers_lower(const Fusion *fusion, NodeId id, Lowered *lowered) {
  const Clusters *clusters = fusion->clusters;
  for (uint32_t k = clusters->user_first[id]; k < clusters->user_first[id + 1]; k++) {
    NodeId user = clusters->user[k];
    uint32_t cluster = clusters->of[user];
    if (cluster == 0) {
      if (!readers_lower(fusion, user, lowered)) return false;
      continue;
    }
    LoweringKind family = clusters->family[cluster];
    if (lowered == NULL && (family == LOWER_SCAN || (is_product(family) && user == clusters->anchor[cluster]))) {
      return false;
    }
    if (lowered != NULL && !lowers(fusion, cluster, lowered)) return false;
  }
  return true;
}

static bool is_comparison(OpCode op) { return op == OP_LESS || op == OP_LESS_EQUAL || op == OP_EQUAL; }

/* A comparison or a pad that other kernels read is computed by each of them from what it compares or surrounds, where
 * that is in a buffer anyway: a store less, and a buffer that would live until then. */
static void free_cheap_values(Fusion *fusion, Lowered *lowered) {
  Clusters *clusters = fusion->clusters;
  for (NodeId id = 1; id <= fusion->graph->node_count; id++) {
    const Node *node = node_of(fusion, id);
    uint32_t cluster = clusters->of[id];
    if (!is_comparison(node->op) && node->op != OP_PAD) continue;
    if (cluster == 0 || !clusters->stored[id] || is_kept(fusion, id) || fusion->fixed[id]) continue;
    bool alone = clusters->member_first[cluster + 1] - clusters->member_first[cluster] == 1;
    if (clusters->family[cluster] == LOWER_SCAN || (clusters->anchor[cluster] == id && !alone)) continue;
    bool at_hand = true;
    for (uint32_t k = 0; k < node->operand_count; k++) at_hand &= is_at_hand(fusion, node->operand[k]);
    if (!at_hand) continue;
    if (!readers_lower(fusion, id, NULL)) continue;
    clusters_move(clusters, &id, 1, 0);
    fusion->free[id] = (alone || lowers(fusion, cluster, lowered)) && readers_lower(fusion, id, lowered);
    if (fusion->free[id]) continue;
    clusters_move(clusters, &id, 1, cluster);
  }
}

static bool reads_free(const Fusion *fusion, NodeId id) {
  const Node *node = node_of(fusion, id);
  for (uint32_t k = 0; k < node->operand_count; k++) {
    if (fusion->free[source_of(fusion, node->operand[k])]) return true;
  }
  return false;
}

/* Clusters of one node that reads nothing free stay unnamed. */
static Graph *name_clusters(const Fusion *fusion) {
  const Clusters *clusters = fusion->clusters;
  Assignment assignment = {.count = clusters->count, .family = clusters->family, .anchor = clusters->anchor};
  assignment.free = fusion->free;
  assignment.home = ARENA_ARRAY(fusion->scratch, uint32_t, fusion->graph->node_count + 1);
  for (NodeId id = 1; id <= fusion->graph->node_count; id++) {
    uint32_t cluster = clusters->of[id];
    if (cluster == 0) continue;
    uint32_t members = clusters->member_first[cluster + 1] - clusters->member_first[cluster];
    bool named = members > 1 || node_of(fusion, id)->cluster != 0 || reads_free(fusion, id);
    if (named) assignment.home[id] = cluster;
  }
  return graph_recluster(fusion->graph, fusion->context->arena, &assignment, NULL);
}

/* Operands come before users: one walk backwards. */
static void find_forward(Fusion *fusion) {
  const Graph *graph = fusion->graph;
  fusion->forward = ARENA_ARRAY(fusion->scratch, bool, graph->node_count + 1);
  for (uint32_t k = 0; k < graph->output_count; k++)
    if (graph->output[k].kind != OUTPUT_GRADIENT) fusion->forward[graph->output[k].node] = true;
  for (NodeId id = graph->node_count; id >= 1; id--)
    for (uint32_t k = 0; fusion->forward[id] && k < node_of(fusion, id)->operand_count; k++)
      fusion->forward[graph_operand(graph, id, k)] = true;
}

Graph *pass_fuse_map(const Graph *graph, PassContext *context) {
  enum { ROUNDS = 3 };
  Arena *scratch = arena_create();
  Fusion fusion = {.graph = graph, .scratch = scratch, .context = context};
  fusion.clusters = clusters_create(graph, scratch);
  fusion.fixed = graph_find_fixed(graph, scratch);
  fusion.free = ARENA_ARRAY(scratch, bool, graph->node_count + 1);
  fusion.own = arena_copy(scratch, fusion.clusters->of, (graph->node_count + 1) * sizeof *fusion.own);
  fusion.seen = ARENA_ARRAY(scratch, uint32_t, fusion.clusters->count + 1);
  fusion.waiting = ARENA_ARRAY(scratch, uint32_t, fusion.clusters->count + 1);
  find_forward(&fusion);
  find_free(&fusion);
  keep_factors(&fusion);
  clusters_settle(fusion.clusters);
  Lowered *lowered = lowered_for_trials(fusion.clusters, scratch);
  for (int round = 0; round < ROUNDS; round++) {
    if (!merge_pairs(&fusion, lowered, false)) break;
  }
  free_cheap_values(&fusion, lowered);
  merge_pairs(&fusion, lowered, true);
  Graph *fused = name_clusters(&fusion);
  arena_destroy(scratch);
  return fused;
}
