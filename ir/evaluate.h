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

/* Values of all nodes with the given symbol values, seed and step: `out_values[id]`, node_count + 1 of them, data in
 * `arena`. Only nodes that an output needs are evaluated unless `all`; the others have no data. A needed leaf without
 * data is a bug. */
void graph_evaluate(const Graph *graph, const int64_t *symbols, uint64_t seed, uint64_t step,
                    const EvaluateInput *inputs, uint32_t input_count, bool all, Arena *arena, Value *out_values);

int64_t value_count(const Value *value);

/* Random numbers: word `word` (0 .. 3) of Philox4x32-10 with the counter words
 *   (low 32 bits of element, high 32 bits of element, stream, low 32 bits of step)
 * and the key words (low 32 bits of seed, high 32 bits of seed). `element` is the row-major number of the element in
 * its tensor. Emitted code gives the same words. */
uint32_t random_word(uint64_t seed, uint64_t step, int64_t stream, uint64_t element, int word);
/* The uniform made of word 0: its upper 24 bits times 2^-24, in [0, 1), exact in f32. */
double random_unit(uint32_t word);
/* Box-Muller in f64 on words 0 and 1: u = (word 0 + 1) 2^-32, v = word 1 * 2^-32, sqrt(-2 log u) cos(2 pi v). */
double random_gauss(uint32_t word0, uint32_t word1);

#endif
