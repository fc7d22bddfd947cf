/* A Fourier transform along several axes becomes transforms along one axis each: that is what kernels compute.
 *
 *   %2 = dft %1 axes=[1,2] form=1 scale=s
 * ->
 *   %2 = dft %1 axes=[1] form=1 scale=s        real to complex first, along the longest axis: half the products there
 *   %3 = dft %2 axes=[2] form=0 scale=1
 *
 * Complex to real comes last, also along the longest axis. The scale goes to the first one, once. Linear. */
#include "pipeline.h"
#include "rebuild.h"

/* Index within `axes` of the longest one, a dynamic extent counting as longer than any constant. */
static uint32_t longest_axis(const Node *node, int first) {
  const Attribute *axes = &node->attribute[DFT_AXES];
  uint32_t best = 0;
  for (uint32_t k = 1; k < axes->count; k++) {
    if (node->shape.dim[axes->integers[k] + first].factor > node->shape.dim[axes->integers[best] + first].factor)
      best = k;
  }
  return best;
}

static NodeId split(Graph *to, const Node *node, NodeId x) {
  const Attribute *axes = &node->attribute[DFT_AXES];
  int64_t form = node_integer(node, DFT_FORM);
  bool inverse = node_integer(node, DFT_INVERSE) != 0;
  double scale = node_real(node, DFT_SCALE);
  uint32_t longest = longest_axis(node, form == DFT_COMPLEX_TO_REAL ? 0 : 1);
  if (form == DFT_REAL_TO_COMPLEX) {
    x = graph_dft(to, x, &axes->integers[longest], 1, inverse, form, scale);
    scale = 1;
  }
  for (uint32_t k = 0; k < axes->count; k++) {
    if (k == longest && form != DFT_COMPLEX) continue;
    x = graph_dft(to, x, &axes->integers[k], 1, inverse, DFT_COMPLEX, scale);
    scale = 1;
  }
  if (form == DFT_COMPLEX_TO_REAL) x = graph_dft(to, x, &axes->integers[longest], 1, inverse, form, scale);
  return x;
}

static NodeId split_several(Graph *to, const Node *node, const NodeId *operands, void *unused) {
  (void)unused;
  bool several = node->op == OP_DFT && node->attribute[DFT_AXES].count > 1;
  return several ? split(to, node, operands[0]) : NODE_NONE;
}

Graph *pass_spectral_split(const Graph *graph, PassContext *context) {
  return graph_rewrite(graph, graph_find_live(graph, context->arena), context->arena, split_several, NULL);
}
