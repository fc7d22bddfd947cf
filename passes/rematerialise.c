/* Rematerialisation: where the arena is larger than its budget, values that the backward part of a step needs are not
 * kept from the forward part but computed again.
 *
 *   %2 = sigmoid(%1)                     %2 = sigmoid(%1)
 *   %3 = ... %2 ...                      %3 = ... %2 ...
 *   ...                            ->    ...
 *   %9 = multiply(%8, %2)                %9 = sigmoid(%1)
 *                                        %10 = multiply(%8, %9)
 *
 * Needs: the clusters that the fusion passes made; last of all, since what merges equal nodes undoes it. Keeps: what
 * outputs compute, and their bits: a value is computed again by the ops that computed it, from the same values, and
 * only where a kernel that stores more or less than before takes its sums in the same order (recompute.c: is_exact).
 *
 * The program is made as it would be, and at the launch where most is alive every value that is only carried over it is
 * a candidate: it dies at its last early reader, and is made again right before its first late one by a kernel of its
 * own. What that reads is at hand, or made again as well, or kept alive longer. The candidate that frees most bytes at
 * the peak for what it costs (operations of the op table and bytes moved) is taken, again and again, until the plan
 * fits or nothing makes it smaller. Which one is taken does not depend on the budget, so what one budget cannot reach
 * says the least one that would do. The order of the nodes is then the order of launches that was planned.
 *
 * Cost: one lowering, and for each value computed again a trial for each that is carried over the peak; layouts, which
 * are dear, only of plans that may fit. */
#include "pipeline.h"
#include "rebuild.h"
#include "recluster.h"
#include "recompute.h"

/* ---- A plan becomes a graph ---- */

typedef struct Rebuild {
  const Plan *plan;
  const Graph *from;
  Graph *to;
  Arena *scratch;
  NodeId *home;       /* by node: as its own cluster computes it */
  NodeId *again;      /* by version: as a repetition computes it */
  NodeId *local;      /* by node: as the site that is being built sees it, where ... */
  uint32_t *local_of; /* ... this is the site's number */
  bool *emitted;      /* by cluster */
  uint32_t sites;
} Rebuild;

/* A kernel that is being built. */
typedef struct Site {
  uint32_t number, cluster; /* cluster 0: none, only views of what there is */
  uint32_t run;             /* its reads, and those of the cluster's other launches; RUN_NONE: none */
  NodeId *node, anchor;     /* what it computes, in the new graph */
  uint32_t node_count;
  size_t node_capacity;
} Site;

static Site site_begin(Rebuild *rebuild, uint32_t cluster, uint32_t run) {
  return (Site){.number = ++rebuild->sites, .cluster = cluster, .run = run};
}

/* What the site reads from a buffer in the node's place; NODE_NONE: nothing. */
static NodeId read_of(const Rebuild *rebuild, const Site *site, NodeId id) {
  const Plan *plan = rebuild->plan;
  for (uint32_t r = site->run; r != RUN_NONE; r = plan->run[r].next) {
    for (uint32_t k = 0; k < plan->run[r].read_count; k++) {
      uint32_t version = plan->run[r].read[k];
      if (plan->version[version].node != id) continue;
      return plan->version[version].again ? rebuild->again[version] : rebuild->home[id];
    }
  }
  return NODE_NONE;
}

static NodeId build(Rebuild *rebuild, Site *site, NodeId id);
static void emit_cluster(Rebuild *rebuild, uint32_t cluster);

static NodeId build_node(Rebuild *rebuild, Site *site, NodeId id) {
  const Clusters *clusters = rebuild->plan->clusters;
  const Node *node = graph_node(rebuild->from, id);
  NodeId operands[GRAPH_MAX_OPERANDS];
  for (uint32_t k = 0; k < node->operand_count; k++) operands[k] = build(rebuild, site, node->operand[k]);
  rebuild->to->span = node->span;
  if (clusters->of[id] == 0) return graph_add(rebuild->to, node->op, operands, node->operand_count, node->attribute);
  NodeId made = graph_add_clone(rebuild->to, node->op, operands, node->operand_count, node->attribute);
  site->node = arena_grow(rebuild->scratch, site->node, site->node_count, &site->node_capacity, sizeof *site->node);
  site->node[site->node_count++] = made;
  if (id == clusters->anchor[site->cluster]) site->anchor = made;
  return made;
}

/* The node as the site sees it: read, computed by it, or a view or scalar of such. */
static NodeId build(Rebuild *rebuild, Site *site, NodeId id) {
  uint32_t cluster = rebuild->plan->clusters->of[id];
  bool outside = cluster != 0 && cluster != site->cluster;
  if (outside && !rebuild->emitted[cluster]) emit_cluster(rebuild, cluster);
  NodeId read = cluster != 0 ? read_of(rebuild, site, id) : NODE_NONE;
  if (read != NODE_NONE) return read;
  if (outside) return rebuild->home[id];
  if (rebuild->local_of[id] != site->number) {
    NodeId made = build_node(rebuild, site, id);
    rebuild->local[id] = made;
    rebuild->local_of[id] = site->number;
  }
  return rebuild->local[id];
}

/* Gives what was built a cluster, unless it is one node that never had one and gets a kernel all the same. */
static void name_cluster(Rebuild *rebuild, const Site *site) {
  const Clusters *clusters = rebuild->plan->clusters;
  if (site->node_count == 0) return;
  LoweringKind kind = op_info(graph_op(rebuild->to, site->node[0]))->lowering;
  bool named = site->cluster <= rebuild->from->cluster_count || kind == LOWER_VIEW || kind == LOWER_LEAF;
  if (site->node_count == 1 && !named) return;
  bool whole = site->anchor != NODE_NONE;
  NodeId anchor = whole ? site->anchor : site->node[site->node_count - 1];
  uint32_t number = graph_add_cluster(rebuild->to, whole ? clusters->family[site->cluster] : LOWER_MAP, anchor);
  for (uint32_t k = 0; k < site->node_count; k++) rebuild->to->node[site->node[k]].cluster = number;
}

/* A cluster as it was, but for results that its launch goes without. */
static void emit_cluster(Rebuild *rebuild, uint32_t cluster) {
  const Plan *plan = rebuild->plan;
  const Clusters *clusters = plan->clusters;
  uint32_t run = plan->run_of[cluster];
  rebuild->emitted[cluster] = true;
  Site site = site_begin(rebuild, cluster, run);
  for (uint32_t k = clusters->member_first[cluster]; k < clusters->member_first[cluster + 1]; k++) {
    NodeId id = clusters->member[k];
    bool wanted = clusters->stored[id];
    if (run != RUN_NONE && !plan->run[run].fixed) {
      wanted = false;
      for (uint32_t w = 0; w < plan->run[run].write_count; w++) {
        NodeId written = plan->version[plan->run[run].write[w]].node;
        wanted |= written == id || (written == clusters->part_of[id] && clusters->stored[id]);
      }
    }
    if (wanted) rebuild->home[id] = build(rebuild, &site, id);
  }
  name_cluster(rebuild, &site);
}

static void emit_repetition(Rebuild *rebuild, uint32_t number) {
  const Run *run = &rebuild->plan->run[number];
  uint32_t version = run->write[0];
  Site site = site_begin(rebuild, run->cluster, number);
  rebuild->again[version] = build_node(rebuild, &site, rebuild->plan->version[version].node);
  name_cluster(rebuild, &site);
}

/* Whether the cluster's place is at its launch `run`. A concatenation is many launches, its own and those that write parts
 * into it: whatever reads it first comes after all of them. */
static bool is_due(const Plan *plan, uint32_t run) {
  const Clusters *clusters = plan->clusters;
  return graph_op(clusters->graph, clusters->anchor[plan->run[run].cluster]) != OP_CONCAT;
}

static Graph *rebuild_graph(const Plan *plan, Arena *arena, Arena *scratch) {
  const Graph *from = plan->clusters->graph;
  uint32_t nodes = from->node_count + 1;
  Rebuild rebuild = {.plan = plan, .from = from, .to = graph_create_like(arena, from), .scratch = scratch};
  rebuild.home = ARENA_ARRAY(scratch, NodeId, nodes);
  rebuild.local = ARENA_ARRAY(scratch, NodeId, nodes);
  rebuild.local_of = ARENA_ARRAY(scratch, uint32_t, nodes);
  rebuild.again = ARENA_ARRAY(scratch, NodeId, plan->version_count + 1);
  rebuild.emitted = ARENA_ARRAY(scratch, bool, plan->clusters->count + 1);
  Site outside = site_begin(&rebuild, 0, RUN_NONE);
  const bool *live = graph_find_live(from, scratch);
  for (NodeId id = 1; id <= from->node_count; id++) { /* in the order in which they are bound */
    OpCode op = graph_op(from, id);
    if (live[id] && (op == OP_INPUT || op == OP_PARAMETER || op == OP_STATE)) build(&rebuild, &outside, id);
  }
  for (uint32_t place = 0; place < plan->order_count; place++) {
    const Run *run = &plan->run[plan->order[place]];
    if (run->again)
      emit_repetition(&rebuild, plan->order[place]);
    else if (!rebuild.emitted[run->cluster] && is_due(plan, plan->order[place]))
      emit_cluster(&rebuild, run->cluster);
  }
  NodeId *map = ARENA_ARRAY(scratch, NodeId, nodes);
  for (uint32_t k = 0; k < from->output_count; k++) {
    const Output *output = &from->output[k];
    map[output->node] = build(&rebuild, &outside, output->node);
    if (output->leaf != NODE_NONE) map[output->leaf] = build(&rebuild, &outside, output->leaf);
  }
  rebuild.to->span = from->span;
  graph_copy_outputs(rebuild.to, from, map);
  return rebuild.to;
}

/* ---- Until it fits ---- */

enum { MOST_TRIES = 8 }; /* of plans that fit and whose sums would come in another order */

static void explain_change(PassContext *context, const Plan *plan, const Change *change) {
  const Graph *graph = plan->clusters->graph;
  NodeId id = plan->version[change->version].node;
  if (context->explain == NULL) return;
  Text shape = text_begin(context->arena);
  text_shape(&shape, graph_shape(graph, id), graph->symbol);
  pass_explain(context, "%%%u %s%s is computed again, by %u kernel%s: %lld bytes less where most is alive", id,
               op_info(graph_op(graph, id))->name, shape.data, change->count, change->count == 1 ? "" : "s",
               (long long)change->freed);
}

static int64_t arena_bytes(const Program *program, int64_t batch) {
  int64_t symbols[SYMBOL_MAX];
  for (int s = 0; s < SYMBOL_MAX; s++) symbols[s] = batch;
  return linear_value(&program->arena_bytes, symbols);
}

static Graph *copy_graph(const Graph *graph, Arena *arena) {
  Assignment assignment = assignment_of_graph(graph, 0, arena);
  return graph_recluster(graph, arena, &assignment, NULL);
}

/* Expressions that sums are taken of, and what they are computed from. */
static uint32_t count_summed(const Kernel *kernel, Arena *scratch) {
  bool *summed = ARENA_ARRAY(scratch, bool, kernel->expr_count + 1);
  uint32_t count = 0;
  for (uint32_t r = 0; r < kernel->reduction_count; r++) summed[kernel->reduction[r].expr] = true;
  for (uint32_t k = kernel->expr_count; k-- > 0;) {
    const Expr *expr = &kernel->expr[k];
    count += summed[k];
    for (uint32_t a = 0; summed[k] && expr->kind == EXPR_OP && a < op_info(expr->op)->operands_min; a++)
      summed[expr->arg[a]] = true;
  }
  return count;
}

/* Do both walk the same loops to take as many sums of as much? Then their order is the same (codegen/README.md). */
static bool sums_are_alike(const Kernel *a, const Kernel *b, Arena *scratch) {
  if (b->family != LOWER_MAP || a->axis_count != b->axis_count || a->reduction_count != b->reduction_count)
    return false;
  for (uint32_t k = 0; k < a->axis_count; k++) {
    if (a->axis[k].role != b->axis[k].role || !dim_equal(a->axis[k].extent, b->axis[k].extent)) return false;
  }
  return count_summed(a, scratch) == count_summed(b, scratch);
}

/* Storing less may have merged loops that a store kept apart. */
static bool sums_are_kept(const Program *before, const Program *after, Arena *scratch) {
  for (uint32_t k = 0; k < after->kernel_count; k++) {
    const Kernel *kernel = after->kernel[k];
    bool found = kernel->family != LOWER_MAP || kernel->reduction_count == 0;
    for (uint32_t j = 0; j < before->kernel_count && !found; j++)
      found = sums_are_alike(kernel, before->kernel[j], scratch);
    if (!found) return false;
  }
  return true;
}

typedef struct Shrinking {
  PassContext *context;
  const Clusters *clusters;
  const Lowered *lowered;
  const Program *program;
  int64_t batch;
  Arena *scratch;
} Shrinking;

static Plan *begin_plan(const Shrinking *from, bool strict) {
  return plan_create(from->clusters, from->lowered, from->program, from->batch, strict, from->scratch);
}

static int64_t planned_bytes(const Plan *plan) {
  Arena *scratch = arena_create();
  int64_t bytes = plan_bytes(plan, scratch);
  arena_destroy(scratch);
  return bytes;
}

static int64_t least_bytes(const Plan *plan) {
  Arena *scratch = arena_create();
  int64_t bytes = plan_least_bytes(plan, scratch);
  arena_destroy(scratch);
  return bytes;
}

/* Changes that were made one after the other, and what is alive at once after each. */
typedef struct Changes {
  Change *change;
  int64_t *alive;
  uint32_t count;
  size_t change_capacity, alive_capacity;
} Changes;

static void note_change(Changes *changes, const Change *change, int64_t alive, Arena *arena) {
  changes->change =
      arena_grow(arena, changes->change, changes->count, &changes->change_capacity, sizeof *changes->change);
  changes->alive = arena_grow(arena, changes->alive, changes->count, &changes->alive_capacity, sizeof *changes->alive);
  changes->change[changes->count] = *change;
  changes->alive[changes->count++] = alive;
}

/* What layouts take: bytes[k] after k changes, 0 the program itself. `last_bytes` is known of the last one; the others
 * are made only where what is alive at once is less than the least so far, and are INT64_MAX otherwise. */
static int64_t *layout_bytes(const Shrinking *from, bool strict, const Changes *changes, int64_t last_bytes) {
  Plan *plan = begin_plan(from, strict);
  int64_t *bytes = ARENA_ARRAY(from->scratch, int64_t, changes->count + 1);
  bytes[0] = arena_bytes(from->program, from->batch);
  int64_t least = last_bytes < bytes[0] ? last_bytes : bytes[0];
  for (uint32_t k = 0; k < changes->count; k++) {
    plan_apply(plan, &changes->change[k]);
    bytes[k + 1] = changes->alive[k] > least ? INT64_MAX : planned_bytes(plan);
    if (bytes[k + 1] < least) least = bytes[k + 1];
  }
  pass_explain(from->context, "nothing is left that could be computed again: %lld bytes", (long long)least);
  return bytes;
}

static Graph *replay(const Shrinking *from, bool strict, const Changes *changes, uint32_t count) {
  Plan *plan = begin_plan(from, strict);
  for (uint32_t k = 0; k < count; k++) plan_apply(plan, &changes->change[k]);
  return rebuild_graph(plan, from->context->arena, from->scratch);
}

/* What the graph takes once it is lowered; out_kept: with sums as they were. */
static int64_t graph_bytes(const Shrinking *from, const Graph *graph, bool *out_kept) {
  Arena *scratch = arena_create();
  const LowerOptions options = {.batch = from->batch};
  const Program *program = program_build(graph, scratch, &options);
  int64_t bytes = arena_bytes(program, from->batch);
  *out_kept = sums_are_kept(from->program, program, scratch);
  arena_destroy(scratch);
  return bytes;
}

/* The smallest program of those whose sums are as they were; the few smallest may not have them. */
static Graph *shrink_most(const Shrinking *from, bool strict, const Changes *changes, int64_t last_bytes,
                          bool *out_lost) {
  int64_t *bytes = layout_bytes(from, strict, changes, last_bytes);
  for (int tries = 0; tries < MOST_TRIES; tries++, *out_lost = true) {
    uint32_t best = 0;
    for (uint32_t k = 1; k <= changes->count; k++) {
      if (bytes[k] < bytes[best]) best = k;
    }
    if (best == 0) break;
    bool kept;
    Graph *smallest = replay(from, strict, changes, best);
    bool smaller = graph_bytes(from, smallest, &kept) < bytes[0];
    if (kept && smaller) return smallest;
    if (kept) break;
    bytes[best] = INT64_MAX;
  }
  return copy_graph(from->clusters->graph, from->context->arena);
}

/* The first plan that fits its budget as a program too and keeps its sums, or else the smallest one that does. out_lost:
 * smaller ones had to be given up for their sums. A layout costs more than to find a change, so it is made only where it
 * may fit. */
static Graph *shrink(const Shrinking *from, bool strict, bool *out_lost) {
  PassContext *context = from->context;
  Plan *plan = begin_plan(from, strict);
  Changes changes = {0};
  bool kept;
  Change change;
  int tries = 0;
  *out_lost = false;
  while (tries < MOST_TRIES && plan_find_change(plan, &change)) {
    explain_change(context, plan, &change);
    plan_apply(plan, &change);
    int64_t alive = least_bytes(plan);
    note_change(&changes, &change, alive, from->scratch);
    if (alive > context->memory_budget || planned_bytes(plan) > context->memory_budget) continue;
    Graph *graph = rebuild_graph(plan, context->arena, from->scratch);
    bool fits = graph_bytes(from, graph, &kept) <= context->memory_budget;
    if (fits && kept) return graph;
    tries += fits;
  }
  *out_lost = tries > 0;
  return shrink_most(from, strict, &changes, planned_bytes(plan), out_lost);
}

/* Of launches that run over the whole batch. NULL where nothing is to be changed. */
static Graph *fit_budget(const Graph *graph, PassContext *context, int64_t batch, Arena *scratch) {
  Clusters *clusters = clusters_create(graph, scratch);
  Lowered *lowered = lower_all(clusters, scratch, NULL);
  const Program *program = program_of(clusters, lowered, scratch, &(LowerOptions){.batch = batch});
  if (arena_bytes(program, batch) <= context->memory_budget) return NULL;
  const Shrinking shrinking = {context, clusters, lowered, program, batch, scratch};
  bool lost, kept;
  Graph *smallest = shrink(&shrinking, false, &lost);
  int64_t bytes = graph_bytes(&shrinking, smallest, &kept);
  if (!lost || bytes <= context->memory_budget) return smallest;
  pass_explain(context, "a kernel would take its sums in another order: once more, without those that take sums");
  Graph *strict = shrink(&shrinking, true, &lost);
  return graph_bytes(&shrinking, strict, &kept) < bytes ? strict : smallest;
}

static int64_t built_bytes(const Graph *graph, int64_t batch) {
  Arena *scratch = arena_create();
  int64_t bytes = arena_bytes(program_build(graph, scratch, &(LowerOptions){.batch = batch}), batch);
  arena_destroy(scratch);
  return bytes;
}

Graph *pass_rematerialise(const Graph *graph, PassContext *context) {
  if (context->memory_budget <= 0) {
    pass_explain(context, "there is no memory budget");
    return copy_graph(graph, context->arena);
  }
  int64_t batch = context->batch > 0 ? context->batch : PASS_TYPICAL_BATCH, bytes = built_bytes(graph, batch);
  if (bytes <= context->memory_budget) {
    pass_explain(context, "the arena fits its budget: %lld bytes", (long long)bytes);
    return copy_graph(graph, context->arena);
  }
  Arena *scratch = arena_create();
  Graph *plain = copy_graph(graph, scratch);
  plain->batch_fused = false;
  Graph *fitting = fit_budget(plain, context, batch, scratch);
  if (fitting == NULL) fitting = copy_graph(plain, context->arena);
  arena_destroy(scratch);
  if (!graph->batch_fused) return fitting;
  int64_t plain_bytes = built_bytes(fitting, batch);
  fitting->batch_fused = true;
  int64_t fused_bytes = built_bytes(fitting, batch);
  if (bytes <= plain_bytes && bytes <= fused_bytes) return copy_graph(graph, context->arena);
  if (fused_bytes <= plain_bytes) return fitting;
  pass_explain(context, "launches run over the whole batch: image by image, more values are kept");
  fitting->batch_fused = false;
  return fitting;
}
