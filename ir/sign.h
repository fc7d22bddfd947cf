/* What is known of the sign of a value, whatever the inputs and parameters are. A nan has any sign. */
#ifndef SIMBAC_IR_SIGN_H
#define SIMBAC_IR_SIGN_H

#include "graph.h"
#include "kernel.h"

/* Of an elementwise op, given those of its operands; `same`: both operands are one value. */
Sign sign_of_op(OpCode op, const Sign *operand, bool same);
/* By walking a few ops up. */
Sign graph_sign(const Graph *graph, NodeId id);
Sign kernel_sign(const Kernel *kernel, uint32_t expr);

#endif
