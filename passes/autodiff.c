/* Reverse mode: walk from the loss to the leaves in order of falling id, so that a node's cotangent is complete when
 * its rule runs.
 *
 *   %1 = param "w" [3]                      ...
 *   %2 = exp %1                             %5 = constant 1
 *   %3 = reduce_sum %2 axes=[0]       ->    %6 = broadcast %5 to [3]        d loss / d %2
 *   loss %3                                 %7 = multiply %6, %2            d loss / d %1
 *                                           loss %3; gradient "w" %7
 *
 * Linear in the nodes and edges of the graph. */
#include "autodiff.h"

#include "differentiate.h"
#include "ir/guard.h"
#include "rebuild.h"

#include <string.h>

static GradientRule *const RULES[OP_COUNT] = {
#define OP(code, name, lo, hi, attributes, shape, gradient, ...) [OP_##code] = gradient_##gradient,
#include "ir/ops.def"
#undef OP
};

void gradient_none(Backward *backward) {
  guard_bug("the gradient rule of leaf op '%s' was asked for", op_info(backward->node.op)->name);
}

void gradient_zero(Backward *backward) {
  guard_bug("the gradient rule of piecewise constant op '%s' was asked for", op_info(backward->node.op)->name);
}

bool op_is_differentiable(OpCode op) {
  return op != OP_NONE && RULES[op] != gradient_none && RULES[op] != gradient_zero;
}

bool backward_wants(const Backward *backward, uint32_t k) { return backward->active[backward->node.operand[k]]; }

void backward_add(Backward *backward, uint32_t k, NodeId cotangent) {
  NodeId operand = backward->node.operand[k];
  ASSERT(shape_equal(graph_shape(backward->graph, operand), graph_shape(backward->graph, cotangent)));
  NodeId sum = backward->cotangent[operand];
  backward->cotangent[operand] = sum ? graph_binary(backward->graph, OP_ADD, sum, cotangent) : cotangent;
}

/* sum over the named outputs of sum(output * lw.<output>), with `map` from ids of `from` to those of `to`. */
static NodeId weigh_outputs(Graph *to, const Graph *from, const NodeId *map, const DifferentiateSpec *spec) {
  NodeId loss = NODE_NONE;
  for (uint32_t i = 0; i < spec->cotangent_count; i++) {
    const Output *output = graph_find_output(from, OUTPUT_VALUE, spec->cotangent[i]);
    if (!output) guard_bug("there is no output '%s' to weigh", spec->cotangent[i]);
    NodeId value = map[output->node];
    Shape shape = *graph_shape(to, value);
    to->span = graph_node(to, value)->span;
    NodeId weight = graph_leaf(to, OP_INPUT, arena_format(to->arena, "lw.%s", output->name), &shape);
    NodeId term = graph_binary(to, OP_MULTIPLY, value, weight);
    int64_t axes[SHAPE_MAX_RANK];
    for (int32_t k = 0; k < shape.rank; k++) axes[k] = k;
    if (shape.rank > 0) term = graph_reduce(to, OP_REDUCE_SUM, term, axes, (uint32_t)shape.rank);
    loss = loss ? graph_binary(to, OP_ADD, loss, term) : term;
  }
  return loss;
}

static NodeId find_loss(const Graph *graph) {
  for (uint32_t i = 0; i < graph->output_count; i++) {
    if (graph->output[i].kind == OUTPUT_LOSS) return graph->output[i].node;
  }
  guard_bug("graph '%s' has no loss to differentiate", graph->name);
}

/* Copies outputs; with cotangents the loss is replaced. */
static void copy_outputs(Graph *to, const Graph *from, const NodeId *map, const DifferentiateSpec *spec, NodeId loss) {
  for (uint32_t i = 0; i < from->output_count; i++) {
    const Output *output = &from->output[i];
    ASSERT(output->kind != OUTPUT_GRADIENT);
    if (output->kind == OUTPUT_LOSS && spec->cotangent_count > 0) continue;
    NodeId leaf = output->leaf ? map[output->leaf] : NODE_NONE;
    graph_add_output(to, output->kind, output->name, map[output->node], leaf);
  }
  if (spec->cotangent_count > 0) graph_add_output(to, OUTPUT_LOSS, "loss", loss, NODE_NONE);
}

bool differentiate_wants(const DifferentiateSpec *spec, const Graph *graph, NodeId leaf) {
  if (graph_op(graph, leaf) == OP_INPUT) return spec->inputs;
  if (graph_op(graph, leaf) != OP_PARAMETER || !spec->parameters) return false;
  const char *name = node_text(graph_node(graph, leaf), LEAF_NAME);
  for (uint32_t k = 0; k < spec->frozen_count; k++) {
    if (!strcmp(spec->frozen[k], name)) return false;
  }
  return true;
}

/* The leaves a gradient is wanted for, as a flag for each forward node of `graph`. */
static bool *find_wanted(const Graph *from, const Graph *to, const NodeId *map, Arena *arena,
                         const DifferentiateSpec *spec) {
  bool *wanted = ARENA_ARRAY(arena, bool, to->node_count + 1);
  for (NodeId id = 1; id <= from->node_count; id++) {
    OpCode op = graph_op(from, id);
    if (op == OP_PARAMETER || op == OP_INPUT) wanted[map[id]] = differentiate_wants(spec, from, id);
  }
  return wanted;
}

/* Nodes that a wanted leaf flows into and that flow into the loss, through ops that have a gradient. */
static bool *find_active(const Graph *graph, const bool *wanted, NodeId loss, Arena *arena) {
  bool *depends = ARENA_ARRAY(arena, bool, graph->node_count + 1);
  bool *active = ARENA_ARRAY(arena, bool, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    depends[id] = wanted[id];
    if (!op_is_differentiable(node->op)) continue;
    for (uint32_t k = 0; k < node->operand_count; k++) depends[id] |= depends[node->operand[k]];
  }
  active[loss] = depends[loss];
  for (NodeId id = loss; id >= 1; id--) {
    const Node *node = graph_node(graph, id);
    if (!active[id] || !op_is_differentiable(node->op)) continue;
    for (uint32_t k = 0; k < node->operand_count; k++) active[node->operand[k]] |= depends[node->operand[k]];
  }
  return active;
}

static void walk_backward(Backward *backward, NodeId loss) {
  Graph *graph = backward->graph;
  graph->span = graph_node(graph, loss)->span;
  backward->cotangent[loss] = graph_constant(graph, 1.0);
  for (NodeId id = loss; id >= 1; id--) {
    if (!backward->active[id] || !backward->cotangent[id]) continue;
    backward->node = *graph_node(graph, id);
    if (!op_is_differentiable(backward->node.op)) continue;
    backward->result = id;
    backward->gradient = backward->cotangent[id];
    graph->span = backward->node.span;
    RULES[backward->node.op](backward);
  }
}

static void add_gradient_outputs(const Backward *backward, const bool *wanted, bool zeros) {
  Graph *graph = backward->graph;
  for (NodeId id = 1; id <= backward->forward_count; id++) {
    if (!wanted[id]) continue;
    NodeId gradient = backward->cotangent[id];
    Shape shape = *graph_shape(graph, id);
    graph->span = graph_node(graph, id)->span;
    if (!gradient && zeros) gradient = graph_constant_like(graph, 0.0, &shape);
    if (gradient) graph_add_output(graph, OUTPUT_GRADIENT, node_text(graph_node(graph, id), LEAF_NAME), gradient, id);
  }
}

Graph *graph_differentiate(const Graph *graph, Arena *arena, const DifferentiateSpec *spec) {
  Graph *to = graph_create_like(arena, graph);
  Span span = to->span;
  NodeId *map = ARENA_ARRAY(arena, NodeId, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) map[id] = graph_copy_node(to, graph, id, map);
  NodeId loss = spec->cotangent_count > 0 ? weigh_outputs(to, graph, map, spec) : map[find_loss(graph)];
  ASSERT(graph_shape(to, loss)->rank == 0);
  copy_outputs(to, graph, map, spec, loss);
  const bool *wanted = find_wanted(graph, to, map, arena, spec);
  Backward backward = {.graph = to, .forward_count = to->node_count};
  backward.active = find_active(to, wanted, loss, arena);
  backward.cotangent = ARENA_ARRAY(arena, NodeId, to->node_count + 1);
  walk_backward(&backward, loss);
  add_gradient_outputs(&backward, wanted, spec->zeros);
  to->span = span;
  return to;
}

Graph *pass_differentiate(const Graph *graph, PassContext *context) {
  context->differentiated = true;
  if (!context->differentiate) {
    pass_explain(context, "no gradient is wanted");
    return graph_copy_live(graph, context->arena);
  }
  return graph_differentiate(graph, context->arena, context->differentiate);
}
