#include "sign.h"

enum { MOST_STEPS = 12 };

static Sign negated(Sign sign) {
  return sign == SIGN_ANY ? SIGN_ANY : sign == SIGN_NOT_NEGATIVE ? SIGN_NOT_POSITIVE : SIGN_NOT_NEGATIVE;
}

static Sign of_number(double value) {
  return value >= 0 ? SIGN_NOT_NEGATIVE : value <= 0 ? SIGN_NOT_POSITIVE : SIGN_ANY;
}

static Sign of_sum(Sign a, Sign b) { return a == b ? a : SIGN_ANY; }

static Sign of_product(Sign a, Sign b, bool same) {
  if (same) return SIGN_NOT_NEGATIVE;
  if (a == SIGN_ANY || b == SIGN_ANY) return SIGN_ANY;
  return a == b ? SIGN_NOT_NEGATIVE : SIGN_NOT_POSITIVE;
}

/* The larger of both is not negative where one is not; `bound` says which side that is. */
static Sign of_extreme(Sign a, Sign b, Sign bound) { return a == bound || b == bound ? bound : of_sum(a, b); }

Sign sign_of_op(OpCode op, const Sign *operand, bool same) {
  switch (op) {
    case OP_EXP:
    case OP_EXP2:
    case OP_SIGMOID:
    case OP_SOFTPLUS:
    case OP_SQRT:
    case OP_RSQRT:
    case OP_ABSOLUTE:
    case OP_LESS:
    case OP_LESS_EQUAL:
    case OP_EQUAL:
      return SIGN_NOT_NEGATIVE;
    case OP_NEGATE:
      return negated(operand[0]);
    case OP_COPY:
    case OP_DETACH:
    case OP_SIGN:
    case OP_TANH:
    case OP_ERF:
      return operand[0];
    case OP_ADD:
      return of_sum(operand[0], operand[1]);
    case OP_SUBTRACT:
      return of_sum(operand[0], negated(operand[1]));
    case OP_MULTIPLY:
    case OP_DIVIDE:
      return of_product(operand[0], operand[1], same);
    case OP_MAXIMUM:
      return of_extreme(operand[0], operand[1], SIGN_NOT_NEGATIVE);
    case OP_MINIMUM:
      return of_extreme(operand[0], operand[1], SIGN_NOT_POSITIVE);
    case OP_SELECT:
      return of_sum(operand[1], operand[2]);
    default:
      return SIGN_ANY;
  }
}

static Sign node_sign(const Graph *graph, NodeId id, int steps) {
  const Node *node = graph_node(graph, id);
  LoweringKind kind = op_info(node->op)->lowering;
  if (node->op == OP_CONSTANT) return of_number(node_real(node, CONSTANT_VALUE));
  if (steps == 0 || kind == LOWER_LEAF) return SIGN_ANY;
  if (kind == LOWER_VIEW || node->op == OP_PAD || node->op == OP_REDUCE_SUM || node->op == OP_REDUCE_MAX)
    return node_sign(graph, node->operand[0], steps - 1);
  if (!op_is_elementwise(node->op)) return SIGN_ANY;
  Sign operand[3] = {SIGN_ANY, SIGN_ANY, SIGN_ANY};
  for (uint32_t k = 0; k < node->operand_count; k++) operand[k] = node_sign(graph, node->operand[k], steps - 1);
  return sign_of_op(node->op, operand, node->operand_count == 2 && node->operand[0] == node->operand[1]);
}

Sign graph_sign(const Graph *graph, NodeId id) { return node_sign(graph, id, MOST_STEPS); }

static Sign expr_sign(const Kernel *kernel, uint32_t number, int steps) {
  const Expr *expr = &kernel->expr[number];
  if (expr->kind == EXPR_CONSTANT) return of_number(expr->value);
  if (expr->kind == EXPR_LOAD) return expr->sign;
  if (expr->kind != EXPR_OP || steps == 0) return SIGN_ANY;
  Sign operand[3] = {SIGN_ANY, SIGN_ANY, SIGN_ANY};
  uint32_t count = op_info(expr->op)->operands_min;
  for (uint32_t k = 0; k < count; k++) operand[k] = expr_sign(kernel, expr->arg[k], steps - 1);
  return sign_of_op(expr->op, operand, count == 2 && expr->arg[0] == expr->arg[1]);
}

Sign kernel_sign(const Kernel *kernel, uint32_t expr) { return expr_sign(kernel, expr, MOST_STEPS); }
