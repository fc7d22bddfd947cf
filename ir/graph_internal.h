/* Shared by the files that make up graph.h: checking a node without adding it. */
#ifndef SIMBAC_IR_GRAPH_INTERNAL_H
#define SIMBAC_IR_GRAPH_INTERNAL_H

#include "graph.h"

/* NULL and the node's shape where all rules hold, operands precede `limit`, and attributes fit; else what is wrong, in
 * `arena`. Nothing of the arguments is trusted but that arrays have their length. */
const char *graph_check_node(const Graph *graph, NodeId limit, OpCode op, const NodeId *operands,
                             uint32_t operand_count, const Attribute *attributes, Arena *arena, Shape *out_shape);
/* NULL where the output is sound by itself (names may still clash). */
const char *graph_check_output(const Graph *graph, const Output *output, Arena *arena);

/* Same op, operands and attributes. */
bool node_equal(const Node *a, const Node *b);

#endif
