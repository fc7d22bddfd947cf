/* Recurrences, real and complex. */
#include "evaluate_internal.h"

void evaluate_scan(const EvaluateContext *context, NodeId id, const Value *out) {
  const Node *node = graph_node(context->graph, id);
  const double *decay = evaluate_operand(context, id, 0)->data, *input = evaluate_operand(context, id, 1)->data;
  const double *initial = node->operand_count == 3 ? evaluate_operand(context, id, 2)->data : NULL;
  bool reverse = node_integer(node, SCAN_REVERSE), late = node_integer(node, SCAN_LATE);
  AxisView view = axis_view(&out->shape, node_integer(node, SCAN_AXIS));
  for (int64_t outer = 0; outer < view.outer; outer++) {
    for (int64_t inner = 0; inner < view.inner; inner++) {
      double carry = initial ? initial[outer * view.inner + inner] : 0;
      for (int64_t step = 0; step < view.extent; step++) {
        int64_t t = reverse ? view.extent - 1 - step : step;
        int64_t at = (outer * view.extent + t) * view.inner + inner;
        double h = late ? carry + input[at] : decay[at] * carry + input[at];
        out->data[at] = h;
        carry = late ? decay[at] * h : h;
      }
    }
  }
}

void evaluate_rescan(const EvaluateContext *context, NodeId id, const Value *out) {
  const Node *node = graph_node(context->graph, id);
  const double *decay = evaluate_operand(context, id, 0)->data, *input = evaluate_operand(context, id, 1)->data;
  Value checkpoints =
      evaluate_moved(evaluate_operand(context, id, 2), node_integer(node, RESCAN_LAST), true, context->arena);
  bool reverse = node_integer(node, RESCAN_REVERSE);
  int64_t axis = node_integer(node, RESCAN_AXIS), steps = node_integer(node, RESCAN_STEPS);
  AxisView view = axis_view(&out->shape, axis), kept = axis_view(&checkpoints.shape, axis);
  for (int64_t outer = 0; outer < view.outer; outer++) {
    for (int64_t inner = 0; inner < view.inner; inner++) {
      double state = 0;
      for (int64_t step = 0; step < view.extent; step++) {
        int64_t t = reverse ? view.extent - 1 - step : step;
        int64_t at = (outer * view.extent + t) * view.inner + inner;
        if (step % steps == 0) state = checkpoints.data[(outer * kept.extent + step / steps) * view.inner + inner];
        out->data[at] = state = decay[at] * state + input[at];
      }
    }
  }
}

/* A complex recurrence over data whose parts lie apart. `step_count` 0: no checkpoints, `initial` (NULL: 0) is the state
 * before the first step. */
typedef struct ComplexScan {
  const double *decay[2], *input[2], *initial[2];
  double *out[2]; /* NULL: not wanted */
  AxisView view;
  int64_t step_count, kept; /* steps from checkpoint to checkpoint, and how many of those there are */
  bool reverse, late;
} ComplexScan;

static void multiply(const double *a, const double *b, double *out) {
  double re = a[0] * b[0] - a[1] * b[1];
  out[1] = a[0] * b[1] + a[1] * b[0];
  out[0] = re;
}

static void run_line(const ComplexScan *scan, int64_t outer, int64_t inner) {
  const AxisView *view = &scan->view;
  double carry[2] = {0};
  for (int64_t step = 0; step < view->extent; step++) {
    int64_t t = scan->reverse ? view->extent - 1 - step : step, piece = 0;
    bool starts = scan->step_count ? step % scan->step_count == 0 : step == 0;
    if (scan->step_count) piece = step / scan->step_count;
    for (int p = 0; p < 2 && starts && scan->initial[p]; p++)
      carry[p] = scan->initial[p][(outer * scan->kept + piece) * view->inner + inner];
    int64_t at = (outer * view->extent + t) * view->inner + inner;
    double decay[2] = {scan->decay[0][at], scan->decay[1][at]}, h[2];
    if (!scan->late) multiply(decay, carry, carry);
    for (int p = 0; p < 2; p++) {
      h[p] = carry[p] = carry[p] + scan->input[p][at];
      if (scan->out[p]) scan->out[p][at] = h[p];
    }
    if (scan->late) multiply(decay, h, carry);
  }
}

static void run_complex(const ComplexScan *scan) {
  for (int64_t outer = 0; outer < scan->view.outer; outer++)
    for (int64_t inner = 0; inner < scan->view.inner; inner++) run_line(scan, outer, inner);
}

static Shape shape_of_part(const Shape *shape) {
  Shape part = {.rank = shape->rank - 1};
  for (int32_t k = 0; k < part.rank; k++) part.dim[k] = shape->dim[k + 1];
  return part;
}

void evaluate_complex_scan(const EvaluateContext *context, NodeId id, const Value *out) {
  const Node *node = graph_node(context->graph, id);
  Shape part = shape_of_part(&out->shape);
  int64_t axis = node_integer(node, SCAN_AXIS) - 1, size = value_count(out) / 2;
  ComplexScan scan = {.view = axis_view(&part, axis),
                      .kept = 1,
                      .reverse = node_integer(node, SCAN_REVERSE),
                      .late = node_integer(node, SCAN_LATE)};
  for (int p = 0; p < 2; p++) {
    scan.decay[p] = evaluate_operand(context, id, 0)->data + p * size;
    scan.input[p] = evaluate_operand(context, id, 1)->data + p * size;
    scan.out[p] = out->data + p * size;
    if (node->operand_count < 3) continue;
    const Value *initial = evaluate_operand(context, id, 2);
    scan.initial[p] = initial->data + p * (value_count(initial) / 2);
  }
  run_complex(&scan);
}

void evaluate_scan_part(const EvaluateContext *context, NodeId id, const Value *out) {
  const Node *node = graph_node(context->graph, id);
  ComplexScan scan = {.view = axis_view(&out->shape, node_integer(node, SCAN_AXIS)),
                      .kept = 1,
                      .reverse = node_integer(node, SCAN_REVERSE),
                      .late = node_integer(node, SCAN_LATE)};
  for (uint32_t p = 0; p < 2; p++) {
    scan.decay[p] = evaluate_operand(context, id, PART_DECAY + p)->data;
    scan.input[p] = evaluate_operand(context, id, PART_INPUT + p)->data;
    if (node->operand_count > PART_INITIAL) scan.initial[p] = evaluate_operand(context, id, PART_INITIAL + p)->data;
  }
  scan.out[node_integer(node, SCAN_PART_PART)] = out->data;
  run_complex(&scan);
}

void evaluate_rescan_part(const EvaluateContext *context, NodeId id, const Value *out) {
  const Node *node = graph_node(context->graph, id);
  int64_t axis = node_integer(node, RESCAN_AXIS);
  ComplexScan scan = {.view = axis_view(&out->shape, axis),
                      .step_count = node_integer(node, RESCAN_STEPS),
                      .reverse = node_integer(node, RESCAN_REVERSE)};
  for (uint32_t p = 0; p < 2; p++) {
    scan.decay[p] = evaluate_operand(context, id, PART_DECAY + p)->data;
    scan.input[p] = evaluate_operand(context, id, PART_INPUT + p)->data;
    Value checkpoints = evaluate_moved(evaluate_operand(context, id, PART_INITIAL + p), node_integer(node, RESCAN_LAST),
                                       true, context->arena);
    scan.initial[p] = checkpoints.data;
    scan.kept = checkpoints.shape.dim[axis].factor;
  }
  scan.out[node_integer(node, RESCAN_PART_PART)] = out->data;
  run_complex(&scan);
}
