/* Leaves, and the random numbers that two of them are made of. */
#include "evaluate_internal.h"
#include "guard.h"

#include <math.h>
#include <string.h>

/* Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011). */
static void philox(uint32_t counter[4], uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; round++) {
    uint64_t product0 = (uint64_t)counter[0] * UINT32_C(0xD2511F53);
    uint64_t product1 = (uint64_t)counter[2] * UINT32_C(0xCD9E8D57);
    counter[0] = (uint32_t)(product1 >> 32) ^ counter[1] ^ key0;
    counter[1] = (uint32_t)product1;
    counter[2] = (uint32_t)(product0 >> 32) ^ counter[3] ^ key1;
    counter[3] = (uint32_t)product0;
    key0 += UINT32_C(0x9E3779B9);
    key1 += UINT32_C(0xBB67AE85);
  }
}

static void random_words(uint64_t seed, uint64_t step, int64_t stream, uint64_t element, uint32_t out[4]) {
  out[0] = (uint32_t)element;
  out[1] = (uint32_t)(element >> 32);
  out[2] = (uint32_t)stream;
  out[3] = (uint32_t)step;
  philox(out, (uint32_t)seed, (uint32_t)(seed >> 32));
}

uint32_t random_word(uint64_t seed, uint64_t step, int64_t stream, uint64_t element, int word) {
  ASSERT(word >= 0 && word < 4);
  uint32_t words[4];
  random_words(seed, step, stream, element, words);
  return words[word];
}

double random_unit(uint32_t word) { return (word >> 8) * 0x1p-24; }

double random_gauss(uint32_t word0, uint32_t word1) {
  double u = (word0 + 1.0) * 0x1p-32, v = word1 * 0x1p-32;
  return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);
}

void evaluate_input(const EvaluateContext *context, NodeId id, const Value *out) {
  const double *data = context->leaf_data[id];
  if (!data) {
    const Node *node = graph_node(context->graph, id);
    guard_bug("evaluate: %s '%s' has no value", op_info(node->op)->name, node_text(node, LEAF_NAME));
  }
  memcpy(out->data, data, (size_t)value_count(out) * sizeof(double));
}

void evaluate_constant(const EvaluateContext *context, NodeId id, const Value *out) {
  out->data[0] = node_real(graph_node(context->graph, id), CONSTANT_VALUE);
}

void evaluate_index(const EvaluateContext *context, NodeId id, const Value *out) {
  (void)context, (void)id;
  for (int64_t k = 0; k < out->shape.dim[0].factor; k++) out->data[k] = (double)k;
}

void evaluate_extent(const EvaluateContext *context, NodeId id, const Value *out) {
  Dim extent = graph_node(context->graph, id)->attribute[EXTENT_DIM].dims[0];
  out->data[0] = (double)dim_value(extent, context->symbols);
}

void evaluate_random_uniform(const EvaluateContext *context, NodeId id, const Value *out) {
  int64_t stream = node_integer(graph_node(context->graph, id), RANDOM_STREAM), count = value_count(out);
  for (int64_t k = 0; k < count; k++) {
    out->data[k] = random_unit(random_word(context->seed, context->step, stream, (uint64_t)k, 0));
  }
}

void evaluate_random_normal(const EvaluateContext *context, NodeId id, const Value *out) {
  int64_t stream = node_integer(graph_node(context->graph, id), RANDOM_STREAM), count = value_count(out);
  for (int64_t k = 0; k < count; k++) {
    uint32_t words[4];
    random_words(context->seed, context->step, stream, (uint64_t)k, words);
    out->data[k] = random_gauss(words[0], words[1]);
  }
}
