#include "cost.h"

#include "guard.h"

#include <math.h>
#include <string.h>

typedef struct CostContext {
  const Graph *graph;
  const Node *node;
  const int64_t *symbols;
  double count; /* elements of the result */
} CostContext;

typedef Cost CostRule(const CostContext *context);

static double extent_value(Dim dim, const int64_t *symbols) { return (double)dim_value(dim, symbols); }

static double shape_value_count(const Shape *shape, const int64_t *symbols) {
  double count = 1;
  for (int32_t k = 0; k < shape->rank; k++) count *= extent_value(shape->dim[k], symbols);
  return count;
}

static const Shape *operand_shape(const CostContext *context, uint32_t k) {
  return graph_shape(context->graph, context->node->operand[k]);
}

/* The cost of moving operands and result. */
static Cost cost_move(const CostContext *context) {
  Cost cost = {.bytes_written = context->count * sizeof(float)};
  for (uint32_t k = 0; k < context->node->operand_count; k++) {
    cost.bytes_read += shape_value_count(operand_shape(context, k), context->symbols) * sizeof(float);
  }
  return cost;
}

static Cost cost_zero(const CostContext *context) {
  (void)context;
  return (Cost){0};
}

static Cost cost_add(const CostContext *context) {
  Cost cost = cost_move(context);
  cost.adds = context->count;
  return cost;
}

static Cost cost_multiply(const CostContext *context) {
  Cost cost = cost_move(context);
  cost.multiplies = context->count;
  return cost;
}

static Cost cost_divide(const CostContext *context) { return cost_multiply(context); }

static Cost cost_transcendental(const CostContext *context) {
  Cost cost = cost_move(context);
  cost.transcendentals = context->count;
  return cost;
}

/* Ten rounds of Philox: two products, four exclusive ors and two additions each. */
static Cost cost_random(const CostContext *context) {
  Cost cost = cost_move(context);
  cost.multiplies = 20 * context->count;
  cost.adds = 60 * context->count;
  return cost;
}

static Cost cost_reduce(const CostContext *context) {
  Cost cost = cost_move(context);
  cost.adds = shape_value_count(operand_shape(context, 0), context->symbols);
  return cost;
}

static Cost cost_contract(const CostContext *context) {
  Labels labels;
  const char *message;
  if (!labels_parse(node_text(context->node, CONTRACT_LABELS), &labels, &message)) guard_bug("cost: %s", message);
  double products = context->count;
  for (const char *letter = labels.a; *letter; letter++) {
    if (strchr(labels.result, *letter)) continue;
    products *= extent_value(operand_shape(context, 0)->dim[letter - labels.a], context->symbols);
  }
  Cost cost = cost_move(context);
  cost.adds = cost.multiplies = products;
  return cost;
}

static Cost cost_scan(const CostContext *context) {
  Cost cost = cost_move(context);
  cost.adds = cost.multiplies = context->count;
  return cost;
}

/* Elements are parts, each with two products. */
static Cost cost_complex_scan(const CostContext *context) {
  Cost cost = cost_move(context);
  cost.adds = cost.multiplies = 2 * context->count;
  return cost;
}

static Cost cost_scan_part(const CostContext *context) { return cost_complex_scan(context); }

/* 3 additions and 2 multiplications an element and level of a complex radix-2 transform, half of it on real data. The
 * side that is real has all samples, and of two complex ones both have. */
static Cost cost_dft(const CostContext *context) {
  const Attribute *axes = &context->node->attribute[DFT_AXES];
  int64_t form = node_integer(context->node, DFT_FORM);
  bool real_result = dft_parts_out(form) == 1, real_operand = dft_parts_in(form) == 1;
  const Shape *samples = real_operand ? operand_shape(context, 0) : &context->node->shape;
  double levels = 0, points = shape_value_count(samples, context->symbols);
  int first = real_operand || real_result ? 0 : 1;
  for (uint32_t k = 0; k < axes->count; k++) levels += log2((double)samples->dim[axes->integers[k] + first].factor);
  points /= 2; /* two parts, or half the work */
  Cost cost = cost_move(context);
  cost.adds = 3 * points * levels;
  cost.multiplies = 2 * points * levels;
  return cost;
}

static CostRule *const cost_rule[OP_COUNT] = {
#define OP(code, name, least, most, attributes, shape, gradient, cost, ...) [OP_##code] = cost_##cost,
#include "ops.def"
#undef OP
};

bool op_is_transcendental(OpCode op) { return cost_rule[op] == cost_transcendental; }

Cost op_element_cost(OpCode op) {
  CostContext context = {.node = &(Node){.op = op}, .count = 1};
  Cost cost = cost_rule[op](&context);
  cost.bytes_read = cost.bytes_written = 0;
  return cost;
}

Cost node_cost(const Graph *graph, NodeId id, const int64_t *symbols) {
  const Node *node = graph_node(graph, id);
  CostContext context = {graph, node, symbols, shape_value_count(&node->shape, symbols)};
  return cost_rule[node->op](&context);
}

Cost graph_cost(const Graph *graph, const int64_t *symbols) {
  Cost sum = {0};
  for (NodeId id = 1; id <= graph->node_count; id++) {
    Cost cost = node_cost(graph, id, symbols);
    sum.adds += cost.adds;
    sum.multiplies += cost.multiplies;
    sum.transcendentals += cost.transcendentals;
    sum.bytes_read += cost.bytes_read;
    sum.bytes_written += cost.bytes_written;
  }
  return sum;
}
