/* The reference evaluator: every op in float64, naively, one loop nest each. The oracle for passes and kernels, and the
 * way initial values of weights are computed. */
#ifndef SIMBAC_IR_EVALUATE_H
#define SIMBAC_IR_EVALUATE_H

#include "graph.h"

typedef struct Value {
  Shape shape; /* all dims constant */
  double *data;
} Value;

typedef struct EvaluateInput {
  NodeId node; /* an input, param or state leaf */
  const double *data;
} EvaluateInput;

/* Values of all nodes with the given symbol values, seed and step. `out_values[id]`, in `arena`. Only nodes that an
 * output needs are evaluated unless `all`. A leaf without data is a bug. */
void graph_evaluate(const Graph *graph, const int64_t *symbols, uint64_t seed, uint64_t step,
                    const EvaluateInput *inputs, uint32_t input_count, bool all, Arena *arena, Value *out_values);

int64_t value_count(const Value *value);

/* Word `word` of Philox4x32-10 with counter (element, stream, step) and key the seed, and the uniform made of it:
 * its upper 24 bits times 2^-24. Emitted code gives the same numbers. */
uint32_t random_word(uint64_t seed, uint64_t step, int64_t stream, uint64_t element, int word);
double random_unit(uint32_t word);

#endif
