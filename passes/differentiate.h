/* Reverse-mode differentiation of a graph. The backward graph is ordinary IR, so every later pass serves it too.
 *
 * Needs: a graph without gradient outputs. Keeps: every node, output and name of the graph; only OUTPUT_LOSS is
 * replaced where cotangents are asked for. Adds: OUTPUT_GRADIENT outputs, in the order of their leaves.
 *
 * Only nodes on a path from a wanted leaf to the loss get a cotangent. Contributions to a cotangent are added in order
 * of falling id of the node they come from, then of its operands, so the sum has one order on every run. Backward nodes
 * carry the span of the forward node whose rule built them. */
#ifndef SIMBAC_PASSES_DIFFERENTIATE_H
#define SIMBAC_PASSES_DIFFERENTIATE_H

#include "ir/graph.h"

typedef struct DifferentiateSpec {
  /* Names of OUTPUT_VALUE outputs. Each gets an input leaf "lw.<name>" of its shape, and the loss is the sum over them
   * of sum(output * lw), put in as OUTPUT_LOSS "loss" in place of the model's. None: the model's own OUTPUT_LOSS. */
  const char *const *cotangent;
  uint32_t cotangent_count;
  bool parameters, inputs;   /* with respect to all parameters, all inputs */
  bool zeros;                /* a leaf that the loss does not depend on gets a gradient of zero; else no output */
  const char *const *frozen; /* names of parameters that are not among them: nothing is computed for their gradients */
  uint32_t frozen_count;
} DifferentiateSpec;

/* A new graph in `arena`. A spec that does not fit the graph (no loss, a loss that is no scalar, an output that does
 * not exist) is a bug: its caller has spoken to the user. */
Graph *graph_differentiate(const Graph *graph, Arena *arena, const DifferentiateSpec *spec);

/* Whether the spec asks for the gradient of this leaf. */
bool differentiate_wants(const DifferentiateSpec *spec, const Graph *graph, NodeId leaf);

/* False for ops through which no gradient flows: leaves, comparisons, detach. */
bool op_is_differentiable(OpCode op);

#endif
