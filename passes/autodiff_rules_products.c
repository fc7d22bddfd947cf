/* Gradients of reductions, Einstein products, recurrences and Fourier transforms. g is the cotangent of the result. */
#include "autodiff.h"

#include "ir/guard.h"

/* x, which lacks the reduced axes, repeated along them again. */
static NodeId broadcast_back(Backward *backward, NodeId x) {
  const Attribute *reduced = &backward->node.attribute[REDUCE_AXES];
  Shape shape = *backward_operand_shape(backward, 0);
  int64_t kept[SHAPE_MAX_RANK] = {0};
  uint32_t count = 0, next = 0;
  for (int32_t k = 0; k < shape.rank; k++) {
    if (next < reduced->count && reduced->integers[next] == k) {
      next++;
    } else {
      kept[count++] = k;
    }
  }
  return graph_broadcast(backward->graph, x, &shape, kept);
}

void gradient_reduce_sum(Backward *backward) {
  backward_add(backward, 0, broadcast_back(backward, backward->gradient));
}

/* g / (number of largest) to each of the largest */
void gradient_reduce_max(Backward *backward) {
  Graph *graph = backward->graph;
  const Attribute *axes = &backward->node.attribute[REDUCE_AXES];
  Shape shape = *backward_operand_shape(backward, 0);
  NodeId largest = broadcast_back(backward, backward->result);
  NodeId mask = graph_binary(graph, OP_EQUAL, backward_operand(backward, 0), largest);
  NodeId number = graph_reduce(graph, OP_REDUCE_SUM, mask, axes->integers, axes->count);
  NodeId share = broadcast_back(backward, graph_binary(graph, OP_DIVIDE, backward->gradient, number));
  NodeId zero = graph_constant_like(graph, 0.0, &shape);
  backward_add(backward, 0, graph_select(graph, mask, share, zero));
}

/* "a,b->r": da = "r,b->a" of g and b, db = "a,r->b" of a and g. A letter of a is in r, or in b and summed, so both are
 * labels of a product again. */
void gradient_contract(Backward *backward) {
  Graph *graph = backward->graph;
  Labels labels;
  const char *message = NULL;
  if (!labels_parse(node_text(&backward->node, CONTRACT_LABELS), &labels, &message)) guard_bug("%s", message);
  NodeId a = backward_operand(backward, 0), b = backward_operand(backward, 1), g = backward->gradient;
  if (backward_wants(backward, 0)) {
    const char *text = arena_format(graph->arena, "%s,%s->%s", labels.result, labels.b, labels.a);
    backward_add(backward, 0, graph_contract(graph, g, b, text));
  }
  if (backward_wants(backward, 1)) {
    const char *text = arena_format(graph->arena, "%s,%s->%s", labels.a, labels.result, labels.b);
    backward_add(backward, 1, graph_contract(graph, a, g, text));
  }
}

/* The cotangent l of the input is a recurrence against the direction of h ("next" is t + 1 in h's direction):
 *
 *   h[t] = decay[t] h[t-1] + input[t]            l[t] = g[t] + decay[t+1] l[t+1]: a late scan
 *     d input = l    d decay[t] = l[t] h[t-1]      d initial = decay[0] l[0]
 *   h[t] = decay[t-1] h[t-1] + input[t] (late)   l[t] = g[t] + decay[t] l[t+1]: a scan that is not late
 *     d input = l    d decay[t] = h[t] l[t+1]      d initial = l[0] */
void gradient_scan(Backward *backward) {
  Graph *graph = backward->graph;
  const Node *node = &backward->node;
  int64_t axis = node_integer(node, SCAN_AXIS);
  bool reverse = node_integer(node, SCAN_REVERSE) != 0, late = node_integer(node, SCAN_LATE) != 0;
  NodeId decay = backward_operand(backward, 0);
  NodeId initial = node->operand_count > 2 ? backward_operand(backward, 2) : NODE_NONE;
  NodeId l = graph_scan(graph, decay, backward->gradient, NODE_NONE, axis, !reverse, !late);
  if (backward_wants(backward, 0)) {
    NodeId other = late ? backward->result : l;
    NodeId moved = late ? graph_delay(graph, l, NODE_NONE, axis, !reverse)
                        : graph_delay(graph, backward->result, initial, axis, reverse);
    backward_add(backward, 0, graph_binary(graph, OP_MULTIPLY, other, moved));
  }
  if (backward_wants(backward, 1)) backward_add(backward, 1, l);
  if (initial && backward_wants(backward, 2)) {
    NodeId first = backward_first(graph, l, axis, reverse);
    if (!late) first = graph_binary(graph, OP_MULTIPLY, backward_first(graph, decay, axis, reverse), first);
    backward_add(backward, 2, first);
  }
}

typedef struct Parts {
  NodeId re, im;
} Parts;

static Parts parts_of(Graph *graph, NodeId x) {
  return (Parts){graph_complex_part(graph, x, 0), graph_complex_part(graph, x, 1)};
}

/* x conj(y) */
static NodeId times_conjugate(Graph *graph, Parts x, Parts y) {
  NodeId rr = graph_binary(graph, OP_MULTIPLY, x.re, y.re), ii = graph_binary(graph, OP_MULTIPLY, x.im, y.im);
  NodeId ir = graph_binary(graph, OP_MULTIPLY, x.im, y.re), ri = graph_binary(graph, OP_MULTIPLY, x.re, y.im);
  return graph_complex(graph, graph_binary(graph, OP_ADD, rr, ii), graph_binary(graph, OP_SUBTRACT, ir, ri));
}

static Parts delay_parts(Graph *graph, Parts x, NodeId initial, int64_t axis, bool reverse) {
  Parts first = {NODE_NONE, NODE_NONE};
  if (initial != NODE_NONE) first = parts_of(graph, initial);
  return (Parts){graph_delay(graph, x.re, first.re, axis, reverse), graph_delay(graph, x.im, first.im, axis, reverse)};
}

static Parts first_of_parts(Graph *graph, Parts x, int64_t axis, bool reverse) {
  return (Parts){backward_first(graph, x.re, axis, reverse), backward_first(graph, x.im, axis, reverse)};
}

/* As of a real scan, with conj(decay) for the decay and conj(h) for h: a cotangent is dL/d re + i dL/d im. */
void gradient_complex_scan(Backward *backward) {
  Graph *graph = backward->graph;
  const Node *node = &backward->node;
  int64_t axis = node_integer(node, SCAN_AXIS), part_axis = axis - 1;
  bool reverse = node_integer(node, SCAN_REVERSE) != 0, late = node_integer(node, SCAN_LATE) != 0;
  NodeId initial = node->operand_count > 2 ? backward_operand(backward, 2) : NODE_NONE;
  Parts decay = parts_of(graph, backward_operand(backward, 0));
  NodeId conjugate = graph_complex(graph, decay.re, graph_unary(graph, OP_NEGATE, decay.im));
  NodeId adjoint = graph_complex_scan(graph, conjugate, backward->gradient, NODE_NONE, axis, !reverse, !late);
  Parts l = parts_of(graph, adjoint);
  if (backward_wants(backward, 0)) {
    Parts h = parts_of(graph, backward->result);
    NodeId product = late ? times_conjugate(graph, delay_parts(graph, l, NODE_NONE, part_axis, !reverse), h)
                          : times_conjugate(graph, l, delay_parts(graph, h, initial, part_axis, reverse));
    backward_add(backward, 0, product);
  }
  if (backward_wants(backward, 1)) backward_add(backward, 1, adjoint);
  if (initial && backward_wants(backward, 2)) {
    Parts first = first_of_parts(graph, l, part_axis, reverse);
    NodeId result = late ? graph_complex(graph, first.re, first.im)
                         : times_conjugate(graph, first, first_of_parts(graph, decay, part_axis, reverse));
    backward_add(backward, 2, result);
  }
}

/* The transpose of a transform is the one in the other direction, from what the result was to what x was. */
void gradient_dft(Backward *backward) {
  static const int64_t transposed[] = {
      [DFT_COMPLEX] = DFT_COMPLEX,
      [DFT_REAL_TO_COMPLEX] = DFT_COMPLEX_TO_REAL,
      [DFT_COMPLEX_TO_REAL] = DFT_REAL_TO_COMPLEX,
      [DFT_REAL_TO_HALF] = DFT_HALF_TO_REAL,
      [DFT_HALF_TO_REAL] = DFT_REAL_TO_HALF,
  };
  const Node *node = &backward->node;
  const Attribute *axes = &node->attribute[DFT_AXES];
  bool inverse = node_integer(node, DFT_INVERSE) != 0;
  int64_t form = transposed[node_integer(node, DFT_FORM)], extent = 0;
  if (form == DFT_HALF_TO_REAL) {
    const Shape *samples = graph_shape(backward->graph, backward_operand(backward, 0));
    extent = samples->dim[axes->integers[axes->count - 1]].factor;
  }
  backward_add(backward, 0,
               graph_dft(backward->graph, backward->gradient, axes->integers, axes->count, !inverse, form,
                         node_real(node, DFT_SCALE), extent));
}
