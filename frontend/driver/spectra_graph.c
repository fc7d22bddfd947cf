#include "spectra_graph.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

static const double LN_10 = 2.302585092994046, EDGE_FIRST = -5, EDGE_STEP = 6.4 / (SPECTRA_EDGES - 1);

double spectra_edge(double i) { return exp(-exp(LN_10 * (EDGE_FIRST + EDGE_STEP * i))); }

enum { MAX_FACTORS = 4096 }; /* looked at in one decay: a bound on depth and time, whatever the text is */

typedef struct Builder {
  Graph *graph;
  bool *varies; /* nodes of the model: an input or a random number reaches them */
  Arena *arena;
  int32_t factors_left;
} Builder;

static Builder begin(const Model *model, Arena *arena) {
  const Graph *from = model->graph;
  Builder builder = {.graph = graph_create_like(arena, from), .arena = arena};
  NodeId *map = ARENA_ARRAY(arena, NodeId, from->node_count + 1);
  for (NodeId id = 1; id <= from->node_count; id++) map[id] = graph_copy_node(builder.graph, from, id, map);
  builder.varies = ARENA_ARRAY(arena, bool, builder.graph->node_count + 1);
  for (NodeId id = 1; id <= builder.graph->node_count; id++) {
    const Node *node = graph_node(builder.graph, id);
    bool varies = node->op == OP_INPUT || node->op == OP_RANDOM_UNIFORM || node->op == OP_RANDOM_NORMAL;
    for (uint32_t k = 0; k < node->operand_count; k++) varies |= builder.varies[node->operand[k]];
    builder.varies[id] = varies;
  }
  return builder;
}

/* ---- A of a decay ---- */

/* What no input reaches in a product: NODE_NONE where that is nothing. */
typedef struct Factors {
  NodeId node;
  bool negative; /* the product has a minus beside it */
} Factors;

static NodeId repeat_like(Graph *graph, NodeId x, NodeId broadcast) {
  Shape shape = *graph_shape(graph, broadcast);
  return graph_broadcast(graph, x, &shape, graph_node(graph, broadcast)->attribute[BROADCAST_AXES].integers);
}

static Factors constant_factors(Builder *builder, NodeId id) {
  Graph *graph = builder->graph;
  OpCode op = graph_op(graph, id);
  if (builder->factors_left == 0 || --builder->factors_left == 0) return (Factors){NODE_NONE, false};
  if (!builder->varies[id]) return (Factors){id, false};
  if (op == OP_NEGATE) {
    Factors inner = constant_factors(builder, graph_operand(graph, id, 0));
    return (Factors){inner.node, !inner.negative};
  }
  if (op == OP_BROADCAST) {
    Factors inner = constant_factors(builder, graph_operand(graph, id, 0));
    if (inner.node) inner.node = repeat_like(graph, inner.node, id);
    return inner;
  }
  if (op != OP_MULTIPLY) return (Factors){NODE_NONE, false};
  Factors a = constant_factors(builder, graph_operand(graph, id, 0));
  Factors b = constant_factors(builder, graph_operand(graph, id, 1));
  NodeId both = a.node && b.node ? graph_binary(graph, OP_MULTIPLY, a.node, b.node) : a.node ? a.node : b.node;
  return (Factors){both, a.negative != b.negative};
}

/* A in the shape of the decay `id`, that is, repeated along the data axes. */
static NodeId find_a(Builder *builder, NodeId id) {
  Graph *graph = builder->graph;
  OpCode op = graph_op(graph, id);
  if (op == OP_BROADCAST) {
    NodeId inner = find_a(builder, graph_operand(graph, id, 0));
    return inner ? repeat_like(graph, inner, id) : NODE_NONE;
  }
  if (op != OP_EXP) return NODE_NONE;
  builder->factors_left = MAX_FACTORS;
  Factors factors = constant_factors(builder, graph_operand(graph, id, 0));
  if (!factors.node || builder->factors_left == 0) return NODE_NONE;
  return factors.negative ? graph_unary(graph, OP_NEGATE, factors.node) : factors.node;
}

/* The first parameter that elementwise operations and views lead to from a node. */
static const char *parameter_below(const Graph *graph, NodeId from, Arena *arena) {
  bool *reached = ARENA_ARRAY(arena, bool, from + 1);
  const char *name = NULL;
  reached[from] = true;
  for (NodeId id = from; id >= 1; id--) {
    const Node *node = graph_node(graph, id);
    LoweringKind kind = op_info(node->op)->lowering;
    if (!reached[id]) continue;
    if (node->op == OP_PARAMETER) name = node_text(node, LEAF_NAME);
    if (kind != LOWER_MAP && kind != LOWER_VIEW) continue;
    for (uint32_t k = 0; k < node->operand_count; k++) reached[node->operand[k]] = true;
  }
  return name;
}

/* ---- Scans ---- */

/* Axes of a decay (as seen without its complex one) that are data: time, and what grows with the batch. */
static uint32_t data_axes(const Shape *shape, int64_t first, int64_t time, int64_t out_axes[SHAPE_MAX_RANK]) {
  uint32_t count = 0;
  for (int64_t axis = first; axis < shape->rank; axis++)
    if (axis == time || !dim_is_constant(shape->dim[axis])) out_axes[count++] = axis;
  return count;
}

/* spectra_edge(0), spectra_edge(1), ... as a vector. */
static NodeId edges(Graph *graph) {
  Shape shape = {.rank = 1, .dim = {dim_constant(SPECTRA_EDGES)}};
  NodeId step = graph_constant_like(graph, LN_10 * EDGE_STEP, &shape);
  NodeId first = graph_constant_like(graph, LN_10 * EDGE_FIRST, &shape);
  NodeId scaled = graph_binary(graph, OP_MULTIPLY, graph_index(graph, shape.dim[0]), step);
  NodeId rate = graph_unary(graph, OP_EXP, graph_binary(graph, OP_ADD, scaled, first));
  return graph_unary(graph, OP_EXP, graph_unary(graph, OP_NEGATE, rate));
}

/* How many moduli are at most each edge. Data axes are summed first: a float counts to 2^24 by ones. */
static NodeId count_below(Graph *graph, NodeId modulus, int64_t time) {
  Shape shape = *graph_shape(graph, modulus), flat = {.rank = 1};
  if (shape.rank == SHAPE_MAX_RANK) { /* no axis left for the edges */
    shape_count(&shape, &flat.dim[0]);
    modulus = graph_reshape(graph, modulus, &flat);
    shape = flat;
    time = 0;
  }
  int64_t axes[SHAPE_MAX_RANK], own[SHAPE_MAX_RANK], last = shape.rank;
  uint32_t count = data_axes(&shape, 0, time, axes);
  for (int64_t axis = 0; axis < shape.rank; axis++) own[axis] = axis;
  shape.dim[shape.rank++] = dim_constant(SPECTRA_EDGES);
  NodeId is_below = graph_binary(graph, OP_LESS_EQUAL, graph_broadcast(graph, modulus, &shape, own),
                                 graph_broadcast(graph, edges(graph), &shape, &last));
  NodeId of_eigenvalue = graph_reduce(graph, OP_REDUCE_SUM, is_below, axes, count);
  return graph_reduce(graph, OP_REDUCE_SUM, of_eigenvalue, own, (uint32_t)graph_shape(graph, of_eigenvalue)->rank - 1);
}

static NodeId modulus_of(Graph *graph, NodeId decay, bool complex) {
  if (!complex) return graph_unary(graph, OP_ABSOLUTE, decay);
  NodeId re = graph_complex_part(graph, decay, 0), im = graph_complex_part(graph, decay, 1);
  NodeId square =
      graph_binary(graph, OP_ADD, graph_binary(graph, OP_MULTIPLY, re, re), graph_binary(graph, OP_MULTIPLY, im, im));
  return graph_unary(graph, OP_SQRT, square);
}

static const char *unique_name(const Observation *observation, const char *name, Arena *arena) {
  uint32_t same = 0;
  size_t length = strlen(name);
  for (uint32_t k = 0; k < observation->scan_count; k++) {
    const char *other = observation->scan[k].name;
    same += !strncmp(other, name, length) && (other[length] == '\0' || other[length] == '#');
  }
  return same ? arena_format(arena, "%s#%u", name, same + 1) : name;
}

static void add_scan(Builder *builder, NodeId id, Observation *observation) {
  Graph *graph = builder->graph;
  const bool complex = graph_op(graph, id) == OP_COMPLEX_SCAN;
  const int64_t first = complex ? 1 : 0, time = node_integer(graph_node(graph, id), SCAN_AXIS);
  const NodeId decay = graph_operand(graph, id, 0);
  const Shape shape = *graph_shape(graph, decay);
  const uint32_t number = observation->scan_count;
  ScanObservation scan = {.complex = complex, .eigenvalues = 1};
  int64_t axes[SHAPE_MAX_RANK];
  uint32_t count = data_axes(&shape, first, time, axes);
  NodeId modulus = modulus_of(graph, decay, complex);
  shape_count(graph_shape(graph, modulus), &scan.values);
  for (int64_t axis = first; axis < shape.rank; axis++)
    if (axis != time && dim_is_constant(shape.dim[axis])) scan.eigenvalues *= shape.dim[axis].factor;

  const NodeId a = complex ? NODE_NONE : find_a(builder, decay);
  const char *name = parameter_below(graph, a ? a : decay, builder->arena);
  scan.has_a = a != NODE_NONE;
  scan.name = unique_name(observation, name ? name : "scan", builder->arena);
  graph_add_output(graph, OUTPUT_VALUE, arena_format(builder->arena, "%u.below", number),
                   count_below(graph, modulus, time - first), NODE_NONE);
  graph_add_output(graph, OUTPUT_VALUE, arena_format(builder->arena, "%u.sum", number),
                   graph_reduce(graph, OP_REDUCE_SUM, decay, axes, count), NODE_NONE);
  if (a) {
    graph_add_output(graph, OUTPUT_VALUE, arena_format(builder->arena, "%u.a", number),
                     graph_reduce(graph, OP_REDUCE_MAX, a, axes, count), NODE_NONE);
  }
  observation->scan[observation->scan_count++] = scan;
}

/* ---- Matrices ---- */

/* Whether an operation leaves the last two axes of its first operand as they are, or exchanges them. */
static bool keeps_matrices(const Graph *graph, const Node *node) {
  if (node->operand_count == 0) return false;
  const Shape *from = graph_shape(graph, node->operand[0]), *to = &node->shape;
  if (from->rank < 2 || to->rank < 2) return false;
  const Dim *a = &from->dim[from->rank - 2], *b = &to->dim[to->rank - 2];
  bool same = dim_equal(a[0], b[0]) && dim_equal(a[1], b[1]);
  switch (node->op) {
    case OP_NEGATE:
    case OP_DETACH:
    case OP_COPY:
      return true;
    case OP_RESHAPE:
      return same;
    case OP_SLICE:
      return node_integer(node, SLICE_AXIS) < to->rank - 2;
    case OP_REVERSE:
      return node_integer(node, REVERSE_AXIS) < to->rank - 2;
    case OP_CONCAT:
      return node_integer(node, CONCAT_AXIS) < to->rank - 2;
    case OP_PERMUTE: {
      const int64_t *axes = node->attribute[PERMUTE_AXES].integers;
      return axes[to->rank - 1] >= to->rank - 2 && axes[to->rank - 2] >= to->rank - 2;
    }
    case OP_BROADCAST: {
      const int64_t *axes = node->attribute[BROADCAST_AXES].integers;
      return same && axes[from->rank - 1] == to->rank - 1 && axes[from->rank - 2] == to->rank - 2;
    }
    default:
      return false;
  }
}

/* Back from `id` as long as the last two axes stay and there is one operand. */
static NodeId chain_start(const Graph *graph, NodeId id) {
  while (graph_op(graph, id) != OP_CONCAT && keeps_matrices(graph, graph_node(graph, id)))
    id = graph_operand(graph, id, 0);
  return id;
}

/* The parameter whose matrices the last two axes of `id` are, be it in several parts put together, as those of a
 * complex product are; NODE_NONE where there is none. */
static NodeId matrices_of(const Graph *graph, NodeId id) {
  id = chain_start(graph, id);
  const Node *node = graph_node(graph, id);
  if (node->op == OP_CONCAT) {
    if (!keeps_matrices(graph, node)) return NODE_NONE;
    id = chain_start(graph, node->operand[0]);
    for (uint32_t k = 1; k < node->operand_count; k++)
      if (chain_start(graph, node->operand[k]) != id) return NODE_NONE;
  }
  return graph_op(graph, id) == OP_PARAMETER ? id : NODE_NONE;
}

/* The parameter that a product takes as square matrices in operand k. */
static NodeId square_operand(const Graph *graph, NodeId product, uint32_t k) {
  const Shape *shape = graph_shape(graph, graph_operand(graph, product, k));
  const char *message;
  Labels labels;
  if (shape->rank < 2 || !dim_equal(shape->dim[shape->rank - 1], shape->dim[shape->rank - 2])) return NODE_NONE;
  if (!labels_parse(node_text(graph_node(graph, product), CONTRACT_LABELS), &labels, &message)) return NODE_NONE;
  const char *of = k == 0 ? labels.a : labels.b, *other = k == 0 ? labels.b : labels.a;
  int summed = 0, free = 0;
  for (int32_t axis = shape->rank - 2; axis < shape->rank; axis++) {
    bool in_result = strchr(labels.result, of[axis]) != NULL, in_other = strchr(other, of[axis]) != NULL;
    summed += !in_result;
    free += in_result && !in_other;
  }
  return summed == 1 && free == 1 ? matrices_of(graph, graph_operand(graph, product, k)) : NODE_NONE;
}

static void find_matrices(const Builder *builder, const Model *model, const char *glob, Observation *observation) {
  const Graph *graph = builder->graph;
  bool *square = ARENA_ARRAY(builder->arena, bool, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    for (uint32_t k = 0; graph_op(graph, id) == OP_CONTRACT && k < 2; k++) square[square_operand(graph, id, k)] = true;
  }
  for (uint32_t p = 0; p < model->parameter_count; p++) {
    const ModelParameter *parameter = &model->parameter[p];
    NodeId leaf = graph_find_leaf(graph, OP_PARAMETER, parameter->path);
    if (!leaf || !square[leaf] || (glob && fnmatch(glob, parameter->path, 0) != 0)) continue;
    int64_t size = parameter->shape.dim[parameter->shape.rank - 1].factor;
    int64_t count = parameter->count / (size * size) / (parameter->complex ? 2 : 1);
    observation->matrix[observation->matrix_count++] = (MatrixObservation){p, count, size};
  }
}

Observation *observation_create(const Model *model, const char *matrices, Arena *arena) {
  Builder builder = begin(model, arena);
  const uint32_t nodes = builder.graph->node_count;
  Observation *observation = ARENA_NEW(arena, Observation);
  observation->graph = builder.graph;
  observation->scan = ARENA_ARRAY(arena, ScanObservation, nodes + 1);
  observation->matrix = ARENA_ARRAY(arena, MatrixObservation, model->parameter_count + 1);
  find_matrices(&builder, model, matrices, observation);
  for (NodeId id = 1; id <= nodes; id++) {
    OpCode op = graph_op(builder.graph, id);
    if (op == OP_SCAN || op == OP_COMPLEX_SCAN) add_scan(&builder, id, observation);
  }
  return observation;
}
