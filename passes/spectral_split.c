/* A Fourier transform along several axes becomes transforms along one axis each: that is what kernels compute.
 *
 *   %2 = dft %1 axes=[1,2] form=1 scale=s
 * ->
 *   %2 = dft %1 axes=[1] form=1 scale=s        real to complex first, along the longest axis: half the products there
 *   %3 = dft %2 axes=[2] form=0 scale=1
 *
 * Complex to real comes last, also along the longest axis. So do transforms to and from half spectra, along the last
 * axis, which is the one that is halved. The scale goes to the first one, once. Linear. */
#include "pipeline.h"
#include "rebuild.h"

static int64_t node_form(const Node *node) { return node_integer(node, DFT_FORM); }

/* Index within `axes` of the longest one, of the last one for half spectra. */
static uint32_t real_axis(const Node *node) {
  const Attribute *axes = &node->attribute[DFT_AXES];
  if (node_form(node) == DFT_REAL_TO_HALF || node_form(node) == DFT_HALF_TO_REAL) return axes->count - 1;
  const Dim *dim = node->shape.dim + (dft_parts_out(node_form(node)) - 1);
  uint32_t best = 0;
  for (uint32_t k = 1; k < axes->count; k++) {
    if (dim[axes->integers[k]].factor > dim[axes->integers[best]].factor) best = k;
  }
  return best;
}

static NodeId split(Graph *to, const Node *node, NodeId x) {
  const Attribute *axes = &node->attribute[DFT_AXES];
  int64_t form = node_form(node), extent = node_integer(node, DFT_EXTENT);
  bool inverse = node_integer(node, DFT_INVERSE) != 0;
  double scale = node_real(node, DFT_SCALE);
  uint32_t real = real_axis(node);
  if (dft_parts_in(form) == 1) {
    x = graph_dft(to, x, &axes->integers[real], 1, inverse, form, scale, extent);
    scale = 1;
  }
  for (uint32_t k = 0; k < axes->count; k++) {
    if (k == real && form != DFT_COMPLEX) continue;
    x = graph_dft(to, x, &axes->integers[k], 1, inverse, DFT_COMPLEX, scale, 0);
    scale = 1;
  }
  if (dft_parts_out(form) == 1) x = graph_dft(to, x, &axes->integers[real], 1, inverse, form, scale, extent);
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
