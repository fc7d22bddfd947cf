#include "recompute.h"

#include "scan_nodes.h"

#include "ir/cost.h"
#include "memory_plan.h"

#include <string.h>

/* ---- Making a plan ---- */

static uint32_t add_version(Plan *plan, NodeId node, Dim count, int64_t bytes) {
  plan->version = arena_grow(plan->arena, plan->version, plan->version_count, &plan->version_capacity, sizeof(Version));
  plan->version[plan->version_count] =
      (Version){.node = node, .count = count, .bytes = bytes, .maker = RUN_NONE, .next = VERSION_NONE};
  if (node != NODE_NONE) {
    plan->version[plan->version_count].next = plan->first_version[node];
    plan->first_version[node] = plan->version_count;
  }
  return plan->version_count++;
}

static uint32_t add_run(Plan *plan, const Run *run) {
  plan->run = arena_grow(plan->arena, plan->run, plan->run_count, &plan->run_capacity, sizeof(Run));
  plan->run[plan->run_count] = *run;
  return plan->run_count++;
}

static int64_t laid_out(const Plan *plan, Dim count) {
  return memory_laid_out(count) * (dim_is_constant(count) ? 1 : plan->symbols[count.symbol - 1]);
}

/* Buffers become versions of their number. The value of a node is one; parts of a value that is added up later and
 * tables are versions of no node. */
static void add_buffers(Plan *plan) {
  const Program *program = plan->program;
  for (BufferId b = 0; b < program->buffer_count; b++) {
    const Buffer *buffer = &program->buffer[b];
    bool whole = buffer->node != NODE_NONE && plan->lowered->of_node[buffer->node] == b + 1;
    int64_t bytes = buffer->kind == BUFFER_ARENA ? laid_out(plan, buffer->count) : 0;
    add_version(plan, whole ? buffer->node : NODE_NONE, buffer->count, bytes);
  }
}

static void add_launch(Plan *plan, const Launch *launch) {
  const Kernel *kernel = plan->program->kernel[launch->kernel];
  uint32_t cluster = plan->clusters->of[launch->node];
  Run run = {.cluster = cluster, .fixed = graph_op(plan->clusters->graph, launch->node) == OP_CONCAT};
  run.read = arena_copy(plan->arena, launch->argument, kernel->argument_count * sizeof *run.read);
  run.read_count = kernel->read_count;
  run.write = run.read + kernel->read_count;
  run.write_count = kernel->argument_count - kernel->read_count;
  run.next = plan->run_of[cluster];
  run.leader = run.next == RUN_NONE ? plan->run_count : plan->run[run.next].leader;
  uint32_t number = plan->run_of[cluster] = add_run(plan, &run);
  if (run.next != RUN_NONE) plan->run[run.next].fixed = plan->run[number].fixed = true;
  for (uint32_t k = 0; k < run.write_count; k++) {
    Version *version = &plan->version[run.write[k]];
    if (version->maker != RUN_NONE) version->shared = true;
    version->maker = number;
  }
  plan->order = arena_grow(plan->arena, plan->order, plan->order_count, &plan->order_capacity, sizeof *plan->order);
  plan->order[plan->order_count++] = number;
}

Plan *plan_create(const Clusters *clusters, const Lowered *lowered, const Program *program, int64_t batch, bool strict,
                  Arena *arena) {
  Plan *plan = ARENA_NEW(arena, Plan);
  *plan = (Plan){.clusters = clusters, .lowered = lowered, .program = program, .strict = strict, .arena = arena};
  for (int s = 0; s < SYMBOL_MAX; s++) plan->symbols[s] = batch;
  uint32_t nodes = clusters->graph->node_count + 1;
  plan->first_version = ARENA_ARRAY(arena, uint32_t, nodes);
  plan->mark = ARENA_ARRAY(arena, uint32_t, nodes);
  plan->run_of = ARENA_ARRAY(arena, uint32_t, clusters->count + 1);
  for (NodeId id = 0; id < nodes; id++) plan->first_version[id] = VERSION_NONE;
  for (uint32_t c = 0; c <= clusters->count; c++) plan->run_of[c] = RUN_NONE;
  add_buffers(plan);
  for (uint32_t k = 0; k < program->launch_count; k++) add_launch(plan, &program->launch[k]);
  for (uint32_t k = 0; k < plan->run_count; k++) {
    for (uint32_t w = 0; w < plan->run[k].write_count; w++)
      plan->run[k].fixed |= plan->version[plan->run[k].write[w]].shared;
  }
  return plan;
}

/* ---- What is alive ---- */

static void live_through(Version *version, uint32_t place) {
  if (version->first == UINT32_MAX) version->first = place;
  version->last = place;
}

static void find_lifetimes(const Plan *plan) {
  for (uint32_t v = 0; v < plan->version_count; v++) plan->version[v].first = UINT32_MAX;
  for (uint32_t place = 0; place < plan->order_count; place++) {
    Run *run = &plan->run[plan->order[place]];
    run->place = place;
    for (uint32_t k = 0; k < run->read_count; k++) live_through(&plan->version[run->read[k]], place);
    for (uint32_t k = 0; k < run->write_count; k++) live_through(&plan->version[run->write[k]], place);
  }
}

int64_t plan_bytes(const Plan *plan, Arena *scratch) {
  find_lifetimes(plan);
  Lifetime *lifetimes = ARENA_ARRAY(scratch, Lifetime, plan->version_count + 1);
  uint32_t count = 0;
  for (uint32_t v = 0; v < plan->version_count; v++) {
    const Version *version = &plan->version[v];
    if (version->bytes == 0 || version->first == UINT32_MAX) continue;
    lifetimes[count++] = (Lifetime){version->count, version->first, version->last, {0}};
  }
  Linear bytes = memory_plan(lifetimes, count, scratch);
  return linear_value(&bytes, plan->symbols);
}

int64_t plan_least_bytes(const Plan *plan, Arena *scratch) {
  find_lifetimes(plan);
  int64_t *change = ARENA_ARRAY(scratch, int64_t, plan->order_count + 1), alive = 0, most = 0;
  for (uint32_t v = 0; v < plan->version_count; v++) {
    const Version *version = &plan->version[v];
    if (version->bytes == 0 || version->first == UINT32_MAX) continue;
    int64_t bytes = (int64_t)sizeof(float) * dim_value(version->count, plan->symbols);
    change[version->first] += bytes;
    change[version->last + 1] -= bytes;
  }
  for (uint32_t place = 0; place < plan->order_count; place++) {
    alive += change[place];
    if (alive > most) most = alive;
  }
  return most;
}

static void measure(Plan *plan) {
  find_lifetimes(plan);
  uint32_t count = plan->order_count;
  if (plan->live_capacity < count + 1) {
    plan->live_capacity = 2 * (count + 1);
    plan->live = ARENA_ARRAY(plan->arena, int64_t, plan->live_capacity);
    plan->start = ARENA_ARRAY(plan->arena, int64_t, plan->live_capacity);
  }
  memset(plan->live, 0, (count + 1) * sizeof *plan->live);
  memset(plan->start, 0, (count + 1) * sizeof *plan->start);
  for (uint32_t v = 0; v < plan->version_count; v++) {
    const Version *version = &plan->version[v];
    if (version->bytes == 0 || version->first == UINT32_MAX) continue;
    plan->live[version->first] += version->bytes;
    plan->live[version->last + 1] -= version->bytes;
    plan->start[version->first] += version->bytes;
  }
  plan->peak = 0;
  for (uint32_t place = 1; place < count; place++) {
    plan->live[place] += plan->live[place - 1];
    if (plan->live[place] > plan->live[plan->peak]) plan->peak = place;
  }
}

static void note_use(const Plan *plan, Version *version, const Run *run) {
  uint32_t place = run->place <= plan->peak ? run->place : plan->run[run->leader].place;
  if (place > plan->peak && place < version->late) version->late = place;
  if (place <= plan->peak && (version->early == UINT32_MAX || place > version->early)) version->early = place;
  if (run->place > plan->peak && place <= plan->peak) version->early = plan->peak; /* a cluster is not torn apart */
}

/* Which versions are only carried over the peak. */
static void find_idle(const Plan *plan) {
  for (uint32_t v = 0; v < plan->version_count; v++) plan->version[v].early = plan->version[v].late = UINT32_MAX;
  for (uint32_t place = 0; place < plan->order_count; place++) {
    const Run *run = &plan->run[plan->order[place]];
    for (uint32_t k = 0; k < run->read_count; k++) note_use(plan, &plan->version[run->read[k]], run);
    for (uint32_t k = 0; k < run->write_count; k++) note_use(plan, &plan->version[run->write[k]], run);
  }
}

static bool is_idle(const Plan *plan, const Version *version) {
  return version->bytes > 0 && version->node != NODE_NONE && !version->shared && version->early < plan->peak &&
         version->late != UINT32_MAX && !plan->run[version->maker].fixed;
}

/* ---- Whether the same bits come out ---- */

static bool is_sum(OpCode op) {
  return op == OP_REDUCE_SUM || op == OP_REDUCE_MAX || op == OP_CONTRACT || op == OP_DFT || op_is_recurrence(op) ||
         op == OP_CHECKPOINT;
}

/* Sums that `root` takes within its cluster, counted once a walk. */
static uint32_t count_sums(Plan *plan, NodeId root, uint32_t cluster) {
  const Clusters *clusters = plan->clusters;
  bool inside = clusters->of[root] == cluster;
  if (plan->mark[root] == plan->stamp || (!inside && clusters->of[root] != 0)) return 0;
  plan->mark[root] = plan->stamp;
  const Node *node = graph_node(clusters->graph, root);
  uint32_t sums = inside && is_sum(node->op);
  for (uint32_t k = 0; k < node->operand_count; k++) sums += count_sums(plan, node->operand[k], cluster);
  return sums;
}

/* The sums of a launch when `without` is no longer among what it writes (VERSION_NONE: all is). */
static uint32_t launch_sums(Plan *plan, const Run *run, uint32_t without) {
  uint32_t sums = 0;
  plan->stamp++;
  for (uint32_t k = 0; k < run->write_count; k++) {
    if (run->write[k] != without) sums += count_sums(plan, plan->version[run->write[k]].node, run->cluster);
  }
  return sums;
}

/* A kernel with some of the results of another one gives the same bits where no sum may be taken in another order:
 * products take theirs term by term whatever is stored; the other families where they have all sums or none. */
static bool is_exact(const Plan *plan, uint32_t cluster, uint32_t sums, uint32_t all_sums, bool all_results) {
  LoweringKind family = plan->clusters->family[cluster];
  if (sums == 0 || family == LOWER_CONTRACT || all_results) return true;
  return family == LOWER_MAP && sums == all_sums && !plan->strict;
}

/* ---- Trying a change ---- */

/* A repetition while what it computes and reads is being found. */
typedef struct Walk {
  Plan *plan;
  Change *change;
  bool deep;         /* what is not at hand is made again too; else it lives longer */
  uint32_t attempts; /* to make something again: so many and no more, since what fails branches */
} Walk;

/* The version of a node that is alive when the change takes place, not counting the one that is to die; else the newest
 * one that could be. */
static uint32_t version_at(const Walk *walk, NodeId node, bool *out_alive) {
  const Plan *plan = walk->plan;
  uint32_t newest = VERSION_NONE;
  *out_alive = false;
  for (uint32_t v = plan->first_version[node]; v != VERSION_NONE; v = plan->version[v].next) {
    const Version *version = &plan->version[v];
    bool bound = version->maker == RUN_NONE;
    if (v == walk->change->version || (!bound && plan->run[version->maker].place >= walk->change->at)) continue;
    *out_alive = version->bytes == 0 || version->last >= walk->change->at;
    if (*out_alive) return v;
    if (newest == VERSION_NONE || plan->version[newest].last < version->last) newest = v;
  }
  return newest;
}

static void add_read(const Walk *walk, Run *run, uint32_t version) {
  for (uint32_t k = 0; k < run->read_count; k++) {
    if (run->read[k] == version) return;
  }
  if ((run->read_count & (run->read_count - 1)) == 0) { /* a power of two, or 0: full */
    uint32_t *grown = ARENA_ARRAY(walk->plan->trial, uint32_t, 2 * run->read_count + 1);
    if (run->read_count > 0) memcpy(grown, run->read, run->read_count * sizeof *grown);
    run->read = grown;
  }
  run->read[run->read_count++] = version;
}

static bool repeat(Walk *walk, uint32_t version, uint32_t *out_version);

static bool extend(const Walk *walk, uint32_t version) {
  Change *change = walk->change;
  for (uint32_t k = 0; k < change->extended_count; k++) {
    if (change->extended[k] == version) return true;
  }
  if (change->extended_count == EXTENDED_MAX) return false;
  change->extended[change->extended_count++] = version;
  return true;
}

/* A value that is not at hand: made again or kept alive, and read. */
static bool fetch(Walk *walk, Run *run, uint32_t version) {
  const Plan *plan = walk->plan;
  for (uint32_t k = 0; k < walk->change->count; k++) {
    if (walk->change->node[k] != plan->version[version].node) continue;
    add_read(walk, run, plan->version_count + k);
    return true;
  }
  uint32_t made;
  Change before = *walk->change;
  if (walk->deep && walk->attempts < REPETITIONS_MAX && !plan->version[version].shared &&
      !plan->run[plan->version[version].maker].fixed) {
    if (repeat(walk, version, &made)) {
      add_read(walk, run, made);
      return true;
    }
    *walk->change = before;
  }
  add_read(walk, run, version);
  return extend(walk, version);
}

typedef struct Part {
  uint32_t stamp, sums;
  NodeId root;
} Part;

/* The node's operations in bytes moved that take as long, roughly. */
static double operations(const Plan *plan, NodeId id) {
  enum { TRANSCENDENTAL = 10, INTEGER = 16, OPERATIONS_A_BYTE = 8 };
  Cost cost = node_cost(plan->clusters->graph, id, plan->symbols);
  double count = cost.adds + cost.multiplies + TRANSCENDENTAL * cost.transcendentals;
  bool random = graph_op(plan->clusters->graph, id) == OP_RANDOM_UNIFORM; /* long products of integers */
  return (random ? INTEGER * count : count) / OPERATIONS_A_BYTE;
}

/* What computes `id` within the run's cluster, down to what is read; views and scalars cost nothing. */
static bool visit(Walk *walk, Run *run, Part *part, NodeId id) {
  Plan *plan = walk->plan;
  const Clusters *clusters = plan->clusters;
  if (plan->mark[id] == part->stamp) return true;
  plan->mark[id] = part->stamp;
  bool inside = clusters->of[id] == run->cluster, alive = false;
  uint32_t version = id != part->root && clusters->stored[id] ? version_at(walk, id, &alive) : VERSION_NONE;
  if (alive) {
    add_read(walk, run, version);
    return true;
  }
  if (!inside && clusters->stored[id]) return version != VERSION_NONE && fetch(walk, run, version);
  const Node *node = graph_node(clusters->graph, id);
  if (inside) {
    walk->change->cost += operations(plan, id);
    part->sums += is_sum(node->op);
  }
  for (uint32_t k = 0; k < node->operand_count; k++) {
    if (!visit(walk, run, part, node->operand[k])) return false;
  }
  return true;
}

static int64_t version_bytes(const Walk *walk, uint32_t version) {
  const Plan *plan = walk->plan;
  if (version >= plan->version_count) version = plan->first_version[walk->change->node[version - plan->version_count]];
  return (int64_t)sizeof(float) * dim_value(plan->version[version].count, plan->symbols);
}

/* Adds the repetition that makes `version` again, behind those that it needs. */
static bool repeat(Walk *walk, uint32_t version, uint32_t *out_version) {
  Plan *plan = walk->plan;
  Change *change = walk->change;
  NodeId node = plan->version[version].node;
  walk->attempts++;
  const Run *maker = &plan->run[plan->run_of[plan->clusters->of[node]]];
  Run run = {.cluster = maker->cluster, .again = true};
  Part part = {.stamp = ++plan->stamp, .root = node};
  if (!visit(walk, &run, &part, node)) return false;
  uint32_t all = 0;
  for (uint32_t k = plan->clusters->member_first[run.cluster]; k < plan->clusters->member_first[run.cluster + 1]; k++)
    all += is_sum(graph_op(plan->clusters->graph, plan->clusters->member[k]));
  bool all_results = maker->write_count == 1 && plan->version[maker->write[0]].node == node;
  if (!is_exact(plan, run.cluster, part.sums, all, all_results) || change->count == REPETITIONS_MAX) return false;
  for (uint32_t k = 0; k < run.read_count; k++) change->cost += (double)version_bytes(walk, run.read[k]);
  change->cost += (double)version_bytes(walk, version);
  change->node[change->count] = node;
  change->run[change->count] = run;
  *out_version = plan->version_count + change->count++;
  return true;
}

/* The first maker goes without the version where no early reader is left: it has to have another result, and sums that
 * stay what they are. */
static bool may_drop(Plan *plan, uint32_t version) {
  const Run *maker = &plan->run[plan->version[version].maker];
  if (maker->again || maker->write_count < 2) return false;
  uint32_t all = launch_sums(plan, maker, VERSION_NONE);
  return is_exact(plan, maker->cluster, launch_sums(plan, maker, version), all, false);
}

static void note_load(Change *change, int64_t bytes) {
  if (bytes > change->peak) {
    change->peak = bytes;
    change->peak_count = 0;
  }
  change->peak_count += bytes == change->peak;
}

/* What is alive with the change; of repetitions, as if all they read and make lived until the last one. */
static void weigh(const Plan *plan, Change *change) {
  const Version *version = &plan->version[change->version];
  uint32_t from = change->keeps ? version->early + 1 : version->early;
  change->peak = 0;
  for (uint32_t place = 0; place < plan->order_count; place++) {
    int64_t bytes = plan->live[place];
    if (place >= from && place < change->at) bytes -= version->bytes;
    for (uint32_t k = 0; place < change->at && k < change->extended_count; k++) {
      const Version *extended = &plan->version[change->extended[k]];
      if (place > extended->last) bytes += extended->bytes;
    }
    if (place == plan->peak) change->freed = plan->live[place] - bytes;
    note_load(change, bytes);
  }
  int64_t bytes = plan->live[change->at] - plan->start[change->at] - version->bytes;
  for (uint32_t k = 0; k < change->extended_count; k++) bytes += plan->version[change->extended[k]].bytes;
  for (uint32_t k = 0; k < change->count; k++) {
    bytes += plan->version[plan->first_version[change->node[k]]].bytes;
    note_load(change, bytes);
  }
}

static bool try_change(Plan *plan, uint32_t version, bool deep, Change *out_change) {
  const Version *idle = &plan->version[version];
  *out_change = (Change){.version = version, .at = idle->late, .keeps = idle->early > plan->run[idle->maker].place};
  Walk walk = {plan, out_change, deep, 0};
  uint32_t made;
  if (!out_change->keeps && !may_drop(plan, version)) return false;
  if (!repeat(&walk, version, &made)) return false;
  weigh(plan, out_change);
  return out_change->freed > 0;
}

static void keep_reads(const Plan *plan, Change *change) {
  for (uint32_t k = 0; k < change->count; k++) {
    Run *run = &change->run[k];
    run->read = arena_copy(plan->arena, run->read, run->read_count * sizeof *run->read);
  }
}

bool plan_find_change(Plan *plan, Change *out_change) {
  measure(plan);
  plan->trial = arena_create();
  find_idle(plan);
  int64_t peak = plan->order_count > 0 ? plan->live[plan->peak] : 0;
  uint32_t peak_count = 0;
  for (uint32_t place = 0; place < plan->order_count; place++) peak_count += plan->live[place] == peak;
  bool found = false;
  for (uint32_t v = 0; v < plan->version_count; v++) {
    if (!is_idle(plan, &plan->version[v])) continue;
    for (int deep = 0; deep < 2; deep++) {
      Change change;
      if (!try_change(plan, v, deep != 0, &change)) continue;
      if (change.peak > peak || (change.peak == peak && change.peak_count >= peak_count)) continue;
      if (found && (double)change.freed * out_change->cost <= (double)out_change->freed * change.cost) continue;
      *out_change = change;
      found = true;
    }
  }
  if (found) keep_reads(plan, out_change);
  arena_destroy(plan->trial);
  return found;
}

/* ---- Making a change ---- */

static void replace_reads(const Plan *plan, uint32_t from, uint32_t old, uint32_t new) {
  for (uint32_t place = from; place < plan->order_count; place++) {
    Run *run = &plan->run[plan->order[place]];
    for (uint32_t k = 0; k < run->read_count; k++) {
      if (run->read[k] == old) run->read[k] = new;
    }
  }
}

/* Stored values of other clusters that `id` is computed from. */
static void mark_reads(Plan *plan, NodeId id, uint32_t cluster) {
  const Clusters *clusters = plan->clusters;
  if (plan->mark[id] == plan->stamp) return;
  plan->mark[id] = plan->stamp;
  if (clusters->of[id] != cluster && clusters->stored[id]) return;
  const Node *node = graph_node(clusters->graph, id);
  for (uint32_t k = 0; k < node->operand_count; k++) mark_reads(plan, node->operand[k], cluster);
}

/* A launch goes without one of its results, and without what only that read. */
static void drop_result(Plan *plan, Run *run, uint32_t version) {
  uint32_t kept = 0;
  plan->stamp++;
  for (uint32_t k = 0; k < run->write_count; k++) {
    if (run->write[k] == version) continue;
    run->write[kept++] = run->write[k];
    mark_reads(plan, plan->version[run->write[k]].node, run->cluster);
  }
  run->write_count = kept;
  kept = 0;
  for (uint32_t k = 0; k < run->read_count; k++) {
    NodeId node = plan->version[run->read[k]].node;
    if (node == NODE_NONE || plan->mark[node] == plan->stamp) run->read[kept++] = run->read[k];
  }
  run->read_count = kept;
}

void plan_apply(Plan *plan, const Change *change) {
  uint32_t first = plan->version_count;
  for (uint32_t k = 0; k < change->count; k++) {
    const Version *like = &plan->version[plan->first_version[change->node[k]]];
    uint32_t version = add_version(plan, change->node[k], like->count, laid_out(plan, like->count));
    Run run = change->run[k];
    run.next = RUN_NONE;
    run.leader = plan->run_count;
    run.read = arena_copy(plan->arena, run.read, run.read_count * sizeof *run.read);
    run.write = arena_copy(plan->arena, &version, sizeof version);
    run.write_count = 1;
    plan->version[version].again = true;
    plan->version[version].maker = add_run(plan, &run);
    plan->order = arena_grow(plan->arena, plan->order, plan->order_count, &plan->order_capacity, sizeof *plan->order);
    plan->order_count++;
  }
  uint32_t *place = &plan->order[change->at];
  memmove(place + change->count, place, (plan->order_count - change->count - change->at) * sizeof *place);
  for (uint32_t k = 0; k < change->count; k++) place[k] = plan->version[first + k].maker;
  replace_reads(plan, change->at + change->count, change->version, first + change->count - 1);
  if (!change->keeps) drop_result(plan, &plan->run[plan->version[change->version].maker], change->version);
}
