/* The evaluate column of the op table. Private to evaluate*.c. */
#ifndef SIMBAC_IR_EVALUATE_INTERNAL_H
#define SIMBAC_IR_EVALUATE_INTERNAL_H

#include "evaluate.h"

typedef struct EvaluateContext {
  const Graph *graph;
  const int64_t *symbols;
  uint64_t seed, step;
  const double *const *leaf_data; /* by node id */
  const Value *values;            /* by node id; operands of the node at hand are there */
  Arena *arena;
} EvaluateContext;

/* Fills `out->data`, which is allocated, zeroed and shaped. */
typedef void EvaluateFunction(const EvaluateContext *context, NodeId id, const Value *out);

#define OP(code, name, least, most, attributes, shape, gradient, cost, lowering, evaluate, doc) \
  EvaluateFunction evaluate_##evaluate;
#include "ops.def"
#undef OP

static inline const Value *evaluate_operand(const EvaluateContext *context, NodeId id, uint32_t k) {
  return &context->values[graph_operand(context->graph, id, k)];
}

/* A tensor seen as [outer, extent, inner] around one axis. */
typedef struct AxisView {
  int64_t outer, extent, inner;
} AxisView;

static inline AxisView axis_view(const Shape *shape, int64_t axis) {
  AxisView view = {1, shape->dim[axis].factor, 1};
  for (int64_t k = 0; k < axis; k++) view.outer *= shape->dim[k].factor;
  for (int64_t k = axis + 1; k < shape->rank; k++) view.inner *= shape->dim[k].factor;
  return view;
}

/* out[i] = source[sum_k stride[k] * i_k] over all index tuples of `shape`, in row-major order. */
void evaluate_gather(const Shape *shape, const int64_t *stride, const double *source, double *out);

/* Row-major strides of a shape whose dims are constant. */
static inline void constant_strides(const Shape *shape, int64_t out[SHAPE_MAX_RANK]) {
  int64_t stride = 1;
  for (int32_t k = shape->rank - 1; k >= 0; k--) {
    out[k] = stride;
    stride *= shape->dim[k].factor;
  }
}

/* A copy in which axis `axis` comes last, or with `back` the last one comes to `axis`. */
Value evaluate_moved(const Value *x, int64_t axis, bool back, Arena *arena);

#endif
