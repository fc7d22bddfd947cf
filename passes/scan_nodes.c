#include "scan_nodes.h"

#include "ir/kernel.h"

static bool attributes_equal(const Node *a, const Node *b) {
  uint32_t compared = op_info(a->op)->attribute_count - op_is_part(a->op); /* all but the part */
  for (uint32_t k = 0; k < compared; k++)
    if (node_integer(a, k) != node_integer(b, k)) return false;
  return true;
}

bool scan_is_same(const Node *a, const Node *b) {
  if (a->op != b->op || a->operand_count != b->operand_count || !attributes_equal(a, b)) return false;
  for (uint32_t k = 0; k < a->operand_count; k++)
    if (a->operand[k] != b->operand[k]) return false;
  return true;
}

NodeId scan_find_other_part(const Graph *graph, NodeId id) {
  const Node *node = graph_node(graph, id);
  if (!op_is_part(node->op)) return NODE_NONE;
  for (NodeId other = 1; other <= graph->node_count; other++) {
    const Node *found = graph_node(graph, other);
    if (other != id && found->op == node->op && found->cluster == node->cluster && scan_is_same(found, node) &&
        scan_part_number(found) != scan_part_number(node))
      return other;
  }
  return NODE_NONE;
}

int32_t scan_find_channels(const Node *scan) {
  int32_t widest = -1;
  for (int32_t k = 0; k < scan->shape.rank; k++) {
    if (k == node_integer(scan, SCAN_AXIS) || !dim_is_constant(scan->shape.dim[k])) continue;
    if (widest < 0 || scan->shape.dim[k].factor > scan->shape.dim[widest].factor) widest = k;
  }
  return widest;
}

int64_t scan_step_bytes(const Node *scan) {
  int64_t states = 1;
  int32_t channels = scan_find_channels(scan);
  for (int32_t k = 0; k < scan->shape.rank; k++)
    if (k != node_integer(scan, SCAN_AXIS) && k != channels && dim_is_constant(scan->shape.dim[k]))
      states *= scan->shape.dim[k].factor;
  return states * SCAN_TILE * (int64_t)sizeof(float);
}
