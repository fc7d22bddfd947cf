/* Overlap-add with a stride above 1 becomes one with stride 1 for every remainder of the index by the stride: then the
 * windows that reach an element are at an affine distance, which is what kernels can address.
 *
 *   %2 = unwindow %1 axis=0 extent=P stride=t             %1: [C, S]
 * ->
 *   %2 = pad %1 up to [C, U*t], U = ceil(S / t);  %3 = reshape %2 [C, U, t]
 *   %4 = unwindow %3 axis=0 extent=C+U-1 stride=1         [C+U-1, t]
 *   %5 = reshape %4 [(C+U-1)*t];  %6 = slice or pad %5 to P
 *
 * Windows that do not overlap (U = 1) are a reshape alone. Linear. */
#include "ir/guard.h"
#include "pipeline.h"
#include "rebuild.h"

static NodeId split(Graph *to, const Node *node, NodeId x) {
  int32_t axis = (int32_t)node_integer(node, UNWINDOW_AXIS);
  int64_t extent = node_integer(node, UNWINDOW_EXTENT), stride = node_integer(node, UNWINDOW_STRIDE);
  const Shape *shape = graph_shape(to, x);
  int64_t count = shape->dim[axis].factor, size = shape->dim[axis + 1].factor;
  if (count == 1) stride = size; /* a single window has no next one to be far from */
  int64_t pieces = (size + stride - 1) / stride, whole = count;
  if (pieces * stride > size) x = graph_pad(to, x, axis + 1, 0, pieces * stride - size);
  if (pieces > 1) {
    whole = count + pieces - 1;
    Dim dims[] = {dim_constant(pieces), dim_constant(stride)};
    Shape cut = shape_replace(graph_shape(to, x), axis + 1, 1, dims, 2);
    x = graph_unwindow(to, graph_reshape(to, x, &cut), axis, whole, 1);
  }
  Dim merged = dim_constant(whole * stride);
  Shape flat = shape_replace(graph_shape(to, x), axis, 2, &merged, 1);
  x = graph_reshape(to, x, &flat);
  if (whole * stride > extent) x = graph_slice(to, x, axis, 0, extent);
  if (whole * stride < extent) x = graph_pad(to, x, axis, 0, extent - whole * stride);
  return x;
}

static NodeId split_strided(Graph *to, const Node *node, const NodeId *operands, void *unused) {
  (void)unused;
  bool strided = node->op == OP_UNWINDOW && node_integer(node, UNWINDOW_STRIDE) > 1;
  return strided ? split(to, node, operands[0]) : NODE_NONE;
}

Graph *pass_unwindow_split(const Graph *graph, PassContext *context) {
  return graph_rewrite(graph, graph_find_live(graph, context->arena), context->arena, split_strided, NULL);
}
