/* What nodes cost: the cost column of the op table with extents filled in. Counts are of f32 elements, of the op alone:
 * bytes are those it would move if its operands came from memory and its result went there, so fused nodes move less.
 * Leaves and views cost nothing. A division counts as a multiplication; a Fourier transform costs what a fast one
 * would. */
#ifndef SIMBAC_IR_COST_H
#define SIMBAC_IR_COST_H

#include "graph.h"
#include "kernel.h"

typedef struct Cost {
  double adds, multiplies, transcendentals, bytes_read, bytes_written;
} Cost;

/* Whether the op computes an elementary function, which costs as much as many additions. */
bool op_is_transcendental(OpCode op);
/* With symbol s bound to symbols[s - 1]. */
Cost node_cost(const Graph *graph, NodeId id, const int64_t *symbols);
/* Sum over all nodes. */
Cost graph_cost(const Graph *graph, const int64_t *symbols);
/* What one element of an elementwise op costs, memory aside. */
Cost op_element_cost(OpCode op);
/* What a launch of the kernel computes, each expression once for each index of the axes it depends on, and the bytes
 * that it touches of its arguments, each once: what the best emitter cannot do without, whatever an emitter repeats. A
 * transform costs what the op does. */
Cost kernel_cost(const Kernel *kernel, const int64_t *symbols);

#endif
