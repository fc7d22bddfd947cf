#include "graph_internal.h"

#include <string.h>

/* Everything that graph_add checks, checked again from scratch: a pass may have touched nodes behind its back. */
static const char *verify_node(const Graph *graph, NodeId id, Arena *arena) {
  const Node *node = graph_node(graph, id);
  Shape shape;
  const char *message =
      graph_check_node(graph, id, node->op, node->operand, node->operand_count, node->attribute, arena, &shape);
  if (message) return message;
  if (!shape_equal(&shape, &node->shape)) {
    Text text = text_begin(arena);
    text_puts(&text, "its shape is ");
    text_shape(&text, &node->shape, graph->symbol);
    text_puts(&text, " but its rule gives ");
    text_shape(&text, &shape, graph->symbol);
    return text.data;
  }
  if (node->cluster > graph->cluster_count) return arena_format(arena, "there is no cluster %u", node->cluster);
  bool named = node->op == OP_INPUT || node->op == OP_PARAMETER || node->op == OP_STATE;
  if (!named) return NULL;
  NodeId found = graph_find_leaf(graph, node->op, node_text(node, LEAF_NAME));
  if (found != id) {
    return arena_format(arena, "its name '%s' is %s", node_text(node, LEAF_NAME),
                        found ? "there twice" : "not the one it was added with");
  }
  return NULL;
}

static const char *verify_cluster(const Graph *graph, uint32_t number, Arena *arena) {
  const Cluster *cluster = &graph->cluster[number];
  if (cluster->family < LOWER_LEAF || cluster->family > LOWER_HOST) return "its family does not exist";
  if (cluster->anchor == NODE_NONE || cluster->anchor > graph->node_count) return "its anchor is not a node";
  if (graph_node(graph, cluster->anchor)->cluster != number) {
    return arena_format(arena, "its anchor %%%u is not in it", cluster->anchor);
  }
  return NULL;
}

static const char *verify_output(const Graph *graph, uint32_t index, Arena *arena) {
  const Output *output = &graph->output[index];
  const char *message = graph_check_output(graph, output, arena);
  if (message) return message;
  if (graph_find_output(graph, output->kind, output->name) != output) return "an output of that name is there twice";
  return NULL;
}

bool graph_verify(const Graph *graph, Arena *arena, const char **out_message) {
  *out_message = NULL;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const char *message = verify_node(graph, id, arena);
    if (!message) continue;
    OpCode op = graph_op(graph, id);
    const char *name = op > OP_NONE && op < OP_COUNT ? op_info(op)->name : "?";
    *out_message = arena_format(arena, "node %%%u = %s: %s", id, name, message);
    return false;
  }
  for (uint32_t number = 1; number <= graph->cluster_count; number++) {
    const char *message = verify_cluster(graph, number, arena);
    if (!message) continue;
    *out_message = arena_format(arena, "cluster %u: %s", number, message);
    return false;
  }
  for (uint32_t k = 0; k < graph->output_count; k++) {
    const char *message = verify_output(graph, k, arena);
    if (!message) continue;
    *out_message = arena_format(arena, "output %u: %s", k, message);
    return false;
  }
  return true;
}

bool graph_equal(const Graph *a, const Graph *b) {
  bool same_counts = a->symbol_count == b->symbol_count && a->node_count == b->node_count &&
                     a->output_count == b->output_count && a->cluster_count == b->cluster_count;
  if (!same_counts || strcmp(a->name, b->name) != 0) return false;
  for (int32_t k = 0; k < a->symbol_count; k++) {
    if (strcmp(a->symbol[k], b->symbol[k]) != 0) return false;
  }
  for (NodeId id = 1; id <= a->node_count; id++) {
    const Node *x = graph_node(a, id), *y = graph_node(b, id);
    if (!node_equal(x, y) || x->cluster != y->cluster || !shape_equal(&x->shape, &y->shape)) return false;
  }
  for (uint32_t number = 1; number <= a->cluster_count; number++) {
    const Cluster *x = &a->cluster[number], *y = &b->cluster[number];
    if (x->family != y->family || x->anchor != y->anchor) return false;
  }
  for (uint32_t k = 0; k < a->output_count; k++) {
    const Output *x = &a->output[k], *y = &b->output[k];
    if (x->kind != y->kind || x->node != y->node || x->leaf != y->leaf || strcmp(x->name, y->name) != 0) return false;
  }
  return true;
}
