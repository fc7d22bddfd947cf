/* A complex scan becomes one of each part, over tensors without the axis of parts: that is what kernels compute.
 *
 *   %3 = complex_scan(%1, %2) {axis = 2, ...} : [2, B, T, N]
 * ->
 *   %8 = scan_part(%4, %5, %6, %7) {axis = 1, ..., part = 0} : [B, T, N]      %4 ... %7: parts of decay and input
 *   %9 = scan_part(%4, %5, %6, %7) {axis = 1, ..., part = 1} : [B, T, N]
 *   %10 = concat(%8, %9)                                     : [2, B, T, N]
 *
 * Whoever reads one part of the states then reads it without the other. Needs: derivatives have been taken, whose rules
 * are about complex numbers. Keeps every value. Linear. */
#include "pipeline.h"
#include "rebuild.h"

static NodeId split(Graph *to, const Node *node, const NodeId *operands, void *unused) {
  (void)unused;
  if (node->op != OP_COMPLEX_SCAN) return NODE_NONE;
  Attribute attributes[OP_MAX_ATTRIBUTES] = {{0}};
  attributes[SCAN_AXIS].integer = node_integer(node, SCAN_AXIS) - 1;
  attributes[SCAN_REVERSE].integer = node_integer(node, SCAN_REVERSE);
  attributes[SCAN_LATE].integer = node_integer(node, SCAN_LATE);
  NodeId operand[PART_INITIAL + 2], part[2];
  for (uint32_t k = 0; k < 2 * node->operand_count; k++)
    operand[k] = graph_complex_part(to, operands[k / 2], (int64_t)(k % 2));
  for (int64_t p = 0; p < 2; p++) {
    attributes[SCAN_PART_PART].integer = p;
    part[p] = graph_add(to, OP_SCAN_PART, operand, 2 * node->operand_count, attributes);
  }
  return graph_complex(to, part[0], part[1]);
}

Graph *pass_complex_split(const Graph *graph, PassContext *context) {
  return graph_rewrite(graph, graph_find_live(graph, context->arena), context->arena, split, NULL);
}
