/* Simplification: constant folding, identities and composition of views, by the rules of simplify_rules.def.
 *
 *   %1 = input "x" [3]
 *   %2 = constant 1                       %1 = input "x" [3]
 *   %3 = broadcast %2 [3]           ->    %2 = exp %1
 *   %4 = multiply %1, %3
 *   %5 = exp %4
 *
 * Needs nothing; keeps outputs, names and what they compute (simplify_rules.def says to which degree). Each sweep
 * rebuilds the live nodes in order, so a rule sees operands that are simple already; sweeps go on until one changes
 * nothing. Linear in the nodes for each sweep; SWEEP_LIMIT bounds them. */
#include "simplify.h"

#include "ir/evaluate.h"
#include "rebuild.h"

enum { SWEEP_LIMIT = 64 };

typedef struct RuleRow {
  OpCode op;
  SimplifyRule *apply;
} RuleRow;

static const RuleRow RULES[] = {
#define RULE(op, name, pattern) {op, simplify_##name},
#include "simplify_rules.def"
#undef RULE
};

bool node_is_uniform(const Graph *graph, NodeId id, double *out_value) {
  const Node *node = graph_node(graph, id);
  if (node->op == OP_BROADCAST) node = graph_node(graph, node->operand[0]);
  if (node->op != OP_CONSTANT) return false;
  *out_value = node_real(node, CONSTANT_VALUE);
  return true;
}

bool node_is_value(const Graph *graph, NodeId id, double value) {
  double found;
  return node_is_uniform(graph, id, &found) && found == value;
}

/* The evaluator is the one place that knows what an op computes: a graph of the op on scalar constants is run. */
NodeId simplify_fold_elementwise(const Candidate *candidate) {
  const Node *node = candidate->node;
  if (!op_is_elementwise(node->op)) return NODE_NONE;
  Arena *arena = candidate->context->arena;
  double value[3];
  for (uint32_t k = 0; k < node->operand_count; k++) {
    if (!node_is_uniform(candidate->graph, candidate->operand[k], &value[k])) return NODE_NONE;
  }
  Graph *scalar = graph_create(arena, "fold");
  NodeId operand[3];
  for (uint32_t k = 0; k < node->operand_count; k++) operand[k] = graph_constant(scalar, value[k]);
  NodeId result = graph_add(scalar, node->op, operand, node->operand_count, node->attribute);
  Value *values = ARENA_ARRAY(arena, Value, scalar->node_count + 1);
  graph_evaluate(scalar, NULL, 0, 0, NULL, 0, true, arena, values);
  return graph_constant_like(candidate->graph, values[result].data[0], &node->shape);
}

NodeId simplify_extent_known(const Candidate *candidate) {
  Dim extent = candidate->node->attribute[EXTENT_DIM].dims[0];
  return dim_is_constant(extent) ? graph_constant(candidate->graph, (double)extent.factor) : NODE_NONE;
}

NodeId simplify_view_of_uniform(const Candidate *candidate) {
  double value;
  if (!node_is_uniform(candidate->graph, candidate->operand[0], &value)) return NODE_NONE;
  return graph_constant_like(candidate->graph, value, &candidate->node->shape);
}

static NodeId apply_rules(const Candidate *candidate) {
  for (size_t i = 0; i < sizeof RULES / sizeof RULES[0]; i++) {
    if (RULES[i].op != OP_NONE && RULES[i].op != candidate->node->op) continue;
    NodeId replacement = RULES[i].apply(candidate);
    if (replacement) return replacement;
  }
  return NODE_NONE;
}

typedef struct Sweep {
  PassContext *context;
  const uint32_t *uses;
  uint32_t rewrites; /* how many rules matched */
} Sweep;

static NodeId simplify_node(Graph *to, const Node *node, const NodeId *operands, void *user) {
  Sweep *sweep = user;
  const Candidate candidate = {to, sweep->context, node, operands, sweep->uses};
  NodeId replacement = apply_rules(&candidate);
  sweep->rewrites += replacement != NODE_NONE;
  return replacement;
}

/* By live nodes and outputs: the old graph still has what the sweep before has replaced. */
static uint32_t *count_live_uses(const Graph *graph, const bool *live, Arena *arena) {
  uint32_t *uses = ARENA_ARRAY(arena, uint32_t, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    for (uint32_t k = 0; live[id] && k < node->operand_count; k++) uses[node->operand[k]]++;
  }
  for (uint32_t k = 0; k < graph->output_count; k++) uses[graph->output[k].node]++;
  return uses;
}

/* One pass over the live nodes. */
static Graph *sweep_graph(const Graph *graph, PassContext *context, uint32_t *out_rewrites) {
  const bool *live = pass_find_live(graph, context);
  Sweep sweep = {context, count_live_uses(graph, live, context->arena), 0};
  Graph *to = graph_rewrite(graph, live, context->arena, simplify_node, &sweep);
  *out_rewrites = sweep.rewrites;
  return to;
}

Graph *pass_simplify(const Graph *graph, PassContext *context) {
  uint32_t rewrites = 0;
  Graph *simple = sweep_graph(graph, context, &rewrites);
  for (int count = 1; rewrites > 0; count++) {
    if (count == SWEEP_LIMIT) {
      pass_explain(context, "stopped after %d sweeps with %u rewrites in the last", SWEEP_LIMIT, rewrites);
      break;
    }
    simple = sweep_graph(simple, context, &rewrites);
  }
  return simple;
}
