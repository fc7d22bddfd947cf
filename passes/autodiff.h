/* What a gradient rule is given. The rule of an op is gradient_<x>, x being its gradient column in ops.def: it adds to
 * the cotangent of each operand what flows back through one node. `gradient_none` and `gradient_zero` say that nothing
 * does; they are never called. */
#ifndef SIMBAC_PASSES_AUTODIFF_H
#define SIMBAC_PASSES_AUTODIFF_H

#include "ir/graph.h"

typedef struct Backward {
  Graph *graph;            /* forward nodes first, backward nodes behind */
  uint32_t forward_count;  /* ids of forward nodes are 1 .. forward_count */
  const bool *active;      /* [id]: on a path from a wanted leaf to the loss */
  NodeId *cotangent;       /* [id]: d loss / d node so far, or NODE_NONE */
  Node node;               /* the node whose rule runs, copied: building nodes moves the originals */
  NodeId result, gradient; /* its id, and its cotangent */
} Backward;

typedef void GradientRule(Backward *backward);

#define OP(code, name, lo, hi, attributes, shape, gradient, ...) GradientRule gradient_##gradient;
#include "ir/ops.def"
#undef OP

/* Whether operand `k` wants a cotangent: rules build nothing for one that does not. */
bool backward_wants(const Backward *backward, uint32_t k);
void backward_add(Backward *backward, uint32_t k, NodeId cotangent);

static inline NodeId backward_operand(const Backward *backward, uint32_t k) { return backward->node.operand[k]; }
static inline const Shape *backward_operand_shape(const Backward *backward, uint32_t k) {
  return graph_shape(backward->graph, backward->node.operand[k]);
}

/* Elements 0 of `axis` of x (the last ones where `reverse`), without the axis. */
NodeId backward_first(Graph *graph, NodeId x, int64_t axis, bool reverse);

#endif
