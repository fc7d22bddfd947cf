/* Gradients of elementwise ops. x, a, b are operands, y is the result, g its cotangent; y is used where that saves work
 * and stays accurate. Choices are made by select, not by a product with 0 or 1, so that an infinity on the side that
 * was not taken stays there. */
#include "autodiff.h"

static NodeId constant(Backward *backward, double value) {
  Shape shape = backward->node.shape;
  return graph_constant_like(backward->graph, value, &shape);
}

static NodeId unary(Backward *backward, OpCode op, NodeId x) { return graph_unary(backward->graph, op, x); }

static NodeId binary(Backward *backward, OpCode op, NodeId a, NodeId b) {
  return graph_binary(backward->graph, op, a, b);
}

static NodeId multiply(Backward *backward, NodeId a, NodeId b) { return binary(backward, OP_MULTIPLY, a, b); }

/* -g */
void gradient_negate(Backward *backward) { backward_add(backward, 0, unary(backward, OP_NEGATE, backward->gradient)); }

/* g sign(x) */
void gradient_absolute(Backward *backward) {
  NodeId sign = unary(backward, OP_SIGN, backward_operand(backward, 0));
  backward_add(backward, 0, multiply(backward, backward->gradient, sign));
}

/* g y */
void gradient_exp(Backward *backward) {
  backward_add(backward, 0, multiply(backward, backward->gradient, backward->result));
}

/* g y ln 2 */
void gradient_exp2(Backward *backward) {
  NodeId slope = multiply(backward, backward->result, constant(backward, 0.69314718055994530942));
  backward_add(backward, 0, multiply(backward, backward->gradient, slope));
}

/* g / x */
void gradient_log(Backward *backward) {
  backward_add(backward, 0, binary(backward, OP_DIVIDE, backward->gradient, backward_operand(backward, 0)));
}

/* g / 2 / y */
void gradient_sqrt(Backward *backward) {
  NodeId half = multiply(backward, backward->gradient, constant(backward, 0.5));
  backward_add(backward, 0, binary(backward, OP_DIVIDE, half, backward->result));
}

/* -g / 2 y^3 */
void gradient_rsqrt(Backward *backward) {
  NodeId square = multiply(backward, backward->result, backward->result);
  NodeId cube = multiply(backward, square, backward->result);
  NodeId half = multiply(backward, backward->gradient, constant(backward, -0.5));
  backward_add(backward, 0, multiply(backward, half, cube));
}

/* g (1 - y^2) */
void gradient_tanh(Backward *backward) {
  NodeId square = multiply(backward, backward->result, backward->result);
  NodeId slope = binary(backward, OP_SUBTRACT, constant(backward, 1.0), square);
  backward_add(backward, 0, multiply(backward, backward->gradient, slope));
}

/* g y (1 - y) */
void gradient_sigmoid(Backward *backward) {
  NodeId rest = binary(backward, OP_SUBTRACT, constant(backward, 1.0), backward->result);
  backward_add(backward, 0, multiply(backward, backward->gradient, multiply(backward, backward->result, rest)));
}

/* g sigmoid(x) */
void gradient_softplus(Backward *backward) {
  NodeId slope = unary(backward, OP_SIGMOID, backward_operand(backward, 0));
  backward_add(backward, 0, multiply(backward, backward->gradient, slope));
}

/* g 2 / sqrt(pi) e^(-x^2) */
void gradient_erf(Backward *backward) {
  const double two_over_root_pi = 1.1283791670955125739;
  NodeId x = backward_operand(backward, 0);
  NodeId bell = unary(backward, OP_EXP, unary(backward, OP_NEGATE, multiply(backward, x, x)));
  NodeId slope = multiply(backward, bell, constant(backward, two_over_root_pi));
  backward_add(backward, 0, multiply(backward, backward->gradient, slope));
}

/* g, g */
void gradient_add(Backward *backward) {
  for (uint32_t k = 0; k < 2; k++) {
    if (backward_wants(backward, k)) backward_add(backward, k, backward->gradient);
  }
}

/* g, -g */
void gradient_subtract(Backward *backward) {
  if (backward_wants(backward, 0)) backward_add(backward, 0, backward->gradient);
  if (backward_wants(backward, 1)) backward_add(backward, 1, unary(backward, OP_NEGATE, backward->gradient));
}

/* g b, g a */
void gradient_multiply(Backward *backward) {
  for (uint32_t k = 0; k < 2; k++) {
    if (!backward_wants(backward, k)) continue;
    backward_add(backward, k, multiply(backward, backward->gradient, backward_operand(backward, 1 - k)));
  }
}

/* g / b, -(g / b) y */
void gradient_divide(Backward *backward) {
  NodeId quotient = binary(backward, OP_DIVIDE, backward->gradient, backward_operand(backward, 1));
  if (backward_wants(backward, 0)) backward_add(backward, 0, quotient);
  if (!backward_wants(backward, 1)) return;
  backward_add(backward, 1, unary(backward, OP_NEGATE, multiply(backward, quotient, backward->result)));
}

/* g to operand `first` where the condition is not 0, else to operand `first` + 1 */
static void choose(Backward *backward, NodeId condition, uint32_t first) {
  NodeId zero = constant(backward, 0.0);
  NodeId g = backward->gradient;
  if (backward_wants(backward, first)) {
    backward_add(backward, first, graph_select(backward->graph, condition, g, zero));
  }
  if (backward_wants(backward, first + 1)) {
    backward_add(backward, first + 1, graph_select(backward->graph, condition, zero, g));
  }
}

/* a > b, strictly: relu(x) = maximum(x, 0) has slope 0 at 0. That is y > b, and y is often in a buffer, a is not. */
void gradient_maximum(Backward *backward) {
  choose(backward, binary(backward, OP_LESS, backward_operand(backward, 1), backward->result), 0);
}

/* a < b, which is y < b */
void gradient_minimum(Backward *backward) {
  choose(backward, binary(backward, OP_LESS, backward->result, backward_operand(backward, 1)), 0);
}

/* none to the condition */
void gradient_select(Backward *backward) { choose(backward, backward_operand(backward, 0), 1); }

void gradient_copy(Backward *backward) { backward_add(backward, 0, backward->gradient); }
