/* What a rewrite rule of simplify is given: one node of the old graph whose operands have been rebuilt. A rule that
 * matches returns the node that takes its place, else NODE_NONE. Every match must make the graph smaller or move it
 * towards the one form the rules agree on, so that the sweeps come to an end. */
#ifndef SIMBAC_PASSES_SIMPLIFY_H
#define SIMBAC_PASSES_SIMPLIFY_H

#include "pipeline.h"

typedef struct Candidate {
  Graph *graph; /* being built */
  const PassContext *context;
  const Node *node;      /* in the old graph: op, attributes, shape; its operands are not those below */
  const NodeId *operand; /* in the new graph */
  const uint32_t *uses;  /* by node of the old graph */
} Candidate;

typedef NodeId SimplifyRule(const Candidate *candidate);

#define RULE(op, name, pattern) SimplifyRule simplify_##name;
#include "simplify_rules.def"
#undef RULE

/* A constant, or a broadcast of one: views of constants come to have this form. */
bool node_is_uniform(const Graph *graph, NodeId id, double *out_value);
bool node_is_value(const Graph *graph, NodeId id, double value);

static inline const Node *candidate_operand(const Candidate *candidate, uint32_t k) {
  return graph_node(candidate->graph, candidate->operand[k]);
}
/* Is the node the only reader of its operand `k`? */
static inline bool operand_is_own(const Candidate *candidate, uint32_t k) {
  return candidate->uses[candidate->node->operand[k]] == 1;
}
/* Operand `k` of operand `of` of the candidate. */
static inline NodeId candidate_inner(const Candidate *candidate, uint32_t of, uint32_t k) {
  return candidate_operand(candidate, of)->operand[k];
}
static inline bool operand_is(const Candidate *candidate, uint32_t k, OpCode op) {
  return candidate_operand(candidate, k)->op == op;
}

/* Where shapes differ in axes of extent 1 only: by axis of `from` the axis of `to`, -1 for those of extent 1. */
bool shapes_match_but_units(const Shape *from, const Shape *to, int32_t out_axis[SHAPE_MAX_RANK]);

static inline bool axes_have(const int64_t *axes, uint32_t count, int64_t axis) {
  for (uint32_t k = 0; k < count; k++) {
    if (axes[k] == axis) return true;
  }
  return false;
}

#endif
