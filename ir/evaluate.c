#include "evaluate_internal.h"

#include "guard.h"

#include <string.h>

static EvaluateFunction *const evaluate_function[OP_COUNT] = {
#define OP(code, name, least, most, attributes, shape, gradient, cost, lowering, evaluate, doc) \
  [OP_##code] = evaluate_##evaluate,
#include "ops.def"
#undef OP
};

int64_t value_count(const Value *value) {
  int64_t count = 1;
  for (int32_t k = 0; k < value->shape.rank; k++) count *= value->shape.dim[k].factor;
  return count;
}

static bool *find_needed(const Graph *graph, bool all, Arena *arena) {
  bool *needed = ARENA_ARRAY(arena, bool, graph->node_count + 1);
  if (all) memset(needed, true, graph->node_count + 1);
  for (uint32_t k = 0; k < graph->output_count; k++) needed[graph->output[k].node] = true;
  for (NodeId id = graph->node_count; id >= 1; id--) {
    const Node *node = graph_node(graph, id);
    for (uint32_t k = 0; needed[id] && k < node->operand_count; k++) needed[node->operand[k]] = true;
  }
  return needed;
}

void graph_evaluate(const Graph *graph, const int64_t *symbols, uint64_t seed, uint64_t step,
                    const EvaluateInput *inputs, uint32_t input_count, bool all, Arena *arena, Value *out_values) {
  const double **leaf_data = ARENA_ARRAY(arena, const double *, graph->node_count + 1);
  for (uint32_t k = 0; k < input_count; k++) {
    ASSERT(inputs[k].node != NODE_NONE && inputs[k].node <= graph->node_count);
    leaf_data[inputs[k].node] = inputs[k].data;
  }
  EvaluateContext context = {graph, symbols, seed, step, leaf_data, out_values, arena};
  const bool *needed = find_needed(graph, all, arena);
  memset(out_values, 0, (graph->node_count + 1) * sizeof *out_values);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    Value *value = &out_values[id];
    value->shape.rank = node->shape.rank;
    for (int32_t k = 0; k < node->shape.rank; k++) {
      value->shape.dim[k] = dim_constant(dim_value(node->shape.dim[k], symbols));
    }
    if (!needed[id]) continue;
    value->data = ARENA_ARRAY(arena, double, value_count(value));
    evaluate_function[node->op](&context, id, value);
  }
}
