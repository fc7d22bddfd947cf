/* Elementwise values of the forward part of a step are computed again by what only gradients need, from values that are
 * kept anyway.
 *
 *   forward   %3 = sigmoid(%2);  %4 = multiply(%2, %3), which a product reads
 *   backward  %8 = subtract(1, %3); ...          ->          %7 = sigmoid(%2) again;  %8 = subtract(1, %7); ...
 *
 * Such a value would live from its forward kernel to its backward one, and so would what the backward part makes of it
 * alone (derivatives of activations, which map fusion would compute in the forward kernel). Computed again it costs some
 * operations in a kernel that waits for memory, and neither a store nor a buffer.
 *
 * What stays as it is: whatever a kernel has to find in a buffer (factors of products, sources of transforms, what is
 * padded, copied or repeated along further axes), outputs, what depends on parameters alone, and what is not elementwise.
 *
 * Runs behind whatever merges equal nodes, and needs no clusters. Keeps every value and bit. Linear. */
#include "pipeline.h"
#include "rebuild.h"
#include "recluster.h"

#include "ir/guard.h"

typedef struct Repetition {
  const Graph *from;
  Graph *to;
  const bool *live;
  bool *forward; /* by node: something other than a gradient needs it */
  bool *stays;   /* by node: not computed again */
  NodeId *map, *again;
} Repetition;

static bool is_view(const Graph *graph, NodeId id) { return op_info(graph_op(graph, id))->lowering == LOWER_VIEW; }

/* Operands come before users: one walk backwards. */
static void find_forward(Repetition *r) {
  const Graph *graph = r->from;
  for (uint32_t k = 0; k < graph->output_count; k++)
    if (graph->output[k].kind != OUTPUT_GRADIENT) r->forward[graph->output[k].node] = true;
  for (NodeId id = graph->node_count; id >= 1; id--)
    for (uint32_t k = 0; r->forward[id] && k < graph_node(graph, id)->operand_count; k++)
      r->forward[graph_operand(graph, id, k)] = true;
}

/* A reader that computes element by element over the same loops can compute the value as well. Padding is a condition for
 * a load: any such reader can have it. */
static bool computes_along(const Graph *graph, NodeId reader, NodeId value) {
  OpCode op = graph_op(graph, reader);
  Dim elements, read;
  if (op == OP_REDUCE_SUM || op == OP_REDUCE_MAX || (op_is_elementwise(op) && graph_op(graph, value) == OP_PAD))
    return true;
  return op_is_elementwise(op) && shape_count(graph_shape(graph, reader), &elements) &&
         shape_count(graph_shape(graph, value), &read) && dim_equal(elements, read);
}

static void keep_base(Repetition *r, NodeId id) {
  while (is_view(r->from, id)) id = graph_operand(r->from, id, 0);
  r->stays[id] = true;
}

static void find_staying(Repetition *r) {
  const Graph *graph = r->from;
  const bool *fixed = graph_find_fixed(graph, r->to->arena);
  for (uint32_t k = 0; k < graph->output_count; k++) keep_base(r, graph->output[k].node);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    r->stays[id] |= fixed[id] || !(op_is_elementwise(graph_op(graph, id)) || graph_op(graph, id) == OP_PAD);
    if (!r->live[id] || is_view(graph, id)) continue;
    const Node *node = graph_node(graph, id);
    for (uint32_t k = 0; k < node->operand_count; k++) {
      NodeId value = node->operand[k];
      while (is_view(graph, value)) value = graph_operand(graph, value, 0);
      if (!computes_along(graph, id, value)) r->stays[value] = true;
    }
  }
}

/* The node as the backward part sees it. */
static NodeId again(Repetition *r, NodeId id) {
  const Node *node = graph_node(r->from, id);
  bool repeats = is_view(r->from, id) || !r->stays[id];
  if (!r->forward[id] || !repeats) return r->map[id];
  if (r->again[id] != NODE_NONE) return r->again[id];
  NodeId operands[GRAPH_MAX_OPERANDS];
  bool same = is_view(r->from, id);
  for (uint32_t k = 0; k < node->operand_count; k++) {
    operands[k] = again(r, node->operand[k]);
    same &= operands[k] == r->map[node->operand[k]];
  }
  r->to->span = node->span;
  if (same)
    r->again[id] = r->map[id];
  else if (is_view(r->from, id))
    r->again[id] = graph_add(r->to, node->op, operands, node->operand_count, node->attribute);
  else
    r->again[id] = graph_add_clone(r->to, node->op, operands, node->operand_count, node->attribute);
  return r->again[id];
}

static NodeId copy_backward(Repetition *r, NodeId id) {
  const Node *node = graph_node(r->from, id);
  NodeId operands[GRAPH_MAX_OPERANDS];
  for (uint32_t k = 0; k < node->operand_count; k++) operands[k] = again(r, node->operand[k]);
  r->to->span = node->span; /* what is computed again has its own */
  LoweringKind kind = op_info(node->op)->lowering;
  if (kind == LOWER_LEAF || kind == LOWER_VIEW)
    return graph_add(r->to, node->op, operands, node->operand_count, node->attribute);
  return graph_add_clone(r->to, node->op, operands, node->operand_count, node->attribute);
}

Graph *pass_backward_values(const Graph *graph, PassContext *context) {
  Arena *arena = context->arena;
  uint32_t nodes = graph->node_count + 1;
  Repetition r = {.from = graph, .to = graph_create_like(arena, graph), .live = graph_find_live(graph, arena)};
  r.forward = ARENA_ARRAY(arena, bool, nodes);
  r.stays = ARENA_ARRAY(arena, bool, nodes);
  r.map = ARENA_ARRAY(arena, NodeId, nodes);
  r.again = ARENA_ARRAY(arena, NodeId, nodes);
  find_forward(&r);
  find_staying(&r);
  for (NodeId id = 1; id < nodes; id++) {
    if (!r.live[id]) continue;
    r.to->span = graph_node(graph, id)->span;
    r.map[id] = r.forward[id] ? graph_copy_clustered(r.to, graph, id, r.map) : copy_backward(&r, id);
  }
  r.to->span = graph->span;
  graph_copy_outputs(r.to, graph, r.map);
  return r.to;
}
