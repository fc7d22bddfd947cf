/* Random graphs for property tests: every op, small shapes, one dynamic extent B. Values stay of moderate size, and
 * comparisons are of leaves only, so that rewrites that round differently do not flip them. The constants that
 * simplifications look for (0, 1, -1, powers of two) are frequent. */
#ifndef SIMBAC_TESTS_RANDOM_GRAPH_H
#define SIMBAC_TESTS_RANDOM_GRAPH_H

#include "tests/random_values.h"

#include <stdio.h>
#include <string.h>

enum { RANDOM_GRAPH_MAX_RANK = 4, RANDOM_GRAPH_MAX_COUNT = 600, RANDOM_GRAPH_BATCH = 2, RANDOM_GRAPH_POOL = 96 };

static const int64_t RANDOM_GRAPH_SYMBOLS[SYMBOL_MAX] = {RANDOM_GRAPH_BATCH};

typedef struct RandomGraph {
  Random *random;
  Graph *graph;
  NodeId pool[RANDOM_GRAPH_POOL];
  uint32_t pool_count, leaf_count;
} RandomGraph;

static inline bool random_graph_fits(const Shape *shape) {
  return shape->rank <= RANDOM_GRAPH_MAX_RANK &&
         shape_value_count(shape, RANDOM_GRAPH_SYMBOLS) <= RANDOM_GRAPH_MAX_COUNT;
}

static inline void random_graph_keep(RandomGraph *made, NodeId id) {
  if (made->pool_count < RANDOM_GRAPH_POOL && random_graph_fits(graph_shape(made->graph, id))) {
    made->pool[made->pool_count++] = id;
  }
}

/* Newer nodes are likelier, so that chains grow. */
static inline NodeId random_graph_pick(RandomGraph *made) {
  uint32_t a = random_below(made->random, made->pool_count), b = random_below(made->random, made->pool_count);
  return made->pool[a > b ? a : b];
}

static inline NodeId random_graph_leaf(RandomGraph *made, const Shape *shape) {
  char name[16];
  snprintf(name, sizeof name, "l%u", made->leaf_count++);
  return graph_leaf(made->graph, random_below(made->random, 3) ? OP_PARAMETER : OP_INPUT, name, shape);
}

static inline double random_graph_number(RandomGraph *made) {
  static const double numbers[] = {0, 1, -1, 2, 0.5, -4, 0.3, -1.7};
  return numbers[random_below(made->random, sizeof numbers / sizeof numbers[0])];
}

/* A node of the shape: from the pool, a constant, a broadcast or a new leaf. */
static inline NodeId random_graph_like(RandomGraph *made, const Shape *shape) {
  uint32_t choice = random_below(made->random, 4);
  if (choice == 0) return graph_constant_like(made->graph, random_graph_number(made), shape);
  if (choice == 1) {
    Shape part = {0};
    int64_t axes[SHAPE_MAX_RANK] = {0};
    for (int32_t k = 0; k < shape->rank; k++) {
      if (random_below(made->random, 2) == 0) continue;
      axes[part.rank] = k;
      part.dim[part.rank++] = shape->dim[k];
    }
    return graph_broadcast(made->graph, random_graph_leaf(made, &part), shape, axes);
  }
  for (uint32_t k = made->pool_count; k-- > 0;) {
    if (shape_equal(graph_shape(made->graph, made->pool[k]), shape) && random_below(made->random, 2)) {
      return made->pool[k];
    }
  }
  return random_graph_leaf(made, shape);
}

static inline NodeId random_graph_unary(RandomGraph *made, NodeId x) {
  static const OpCode ops[] = {OP_NEGATE,   OP_NEGATE, OP_ABSOLUTE, OP_TANH, OP_SIGMOID,
                               OP_SOFTPLUS, OP_ERF,    OP_DETACH,   OP_COPY};
  Graph *graph = made->graph;
  Shape shape = *graph_shape(graph, x);
  NodeId bounded = graph_unary(graph, OP_SIGMOID, x);
  NodeId positive = graph_binary(graph, OP_ADD, bounded, graph_constant_like(graph, 0.5, &shape));
  switch (random_below(made->random, 6)) {
    case 0:
      return graph_unary(graph, OP_EXP, bounded);
    case 1:
      return graph_unary(graph, OP_LOG, positive);
    case 2:
      return graph_unary(graph, OP_SQRT, positive);
    case 3:
      return graph_unary(graph, OP_RSQRT, positive);
    default:
      return graph_unary(graph, ops[random_below(made->random, sizeof ops / sizeof ops[0])], x);
  }
}

static inline NodeId random_graph_binary(RandomGraph *made, NodeId x) {
  static const OpCode ops[] = {OP_ADD, OP_SUBTRACT, OP_MULTIPLY, OP_MULTIPLY, OP_MAXIMUM, OP_MINIMUM};
  static const OpCode comparisons[] = {OP_LESS, OP_LESS_EQUAL, OP_EQUAL};
  Graph *graph = made->graph;
  Shape shape = *graph_shape(graph, x);
  NodeId y = random_graph_like(made, &shape);
  uint32_t choice = random_below(made->random, 10);
  if (choice == 0) {
    NodeId divisor = graph_unary(graph, OP_SIGMOID, y);
    double number = random_graph_number(made);
    return graph_binary(graph, OP_DIVIDE, x, number == 0 ? divisor : graph_constant_like(graph, number, &shape));
  }
  if (choice == 1) {
    NodeId zero = graph_constant_like(graph, 0, &shape);
    NodeId condition =
        graph_binary(graph, comparisons[random_below(made->random, 3)], random_graph_leaf(made, &shape), zero);
    return graph_select(graph, condition, x, y);
  }
  OpCode op = ops[random_below(made->random, sizeof ops / sizeof ops[0])];
  return random_below(made->random, 2) ? graph_binary(graph, op, x, y) : graph_binary(graph, op, y, x);
}

static inline NodeId random_graph_broadcast(RandomGraph *made, NodeId x) {
  Shape shape = *graph_shape(made->graph, x), wide = {0};
  if (shape.rank == RANDOM_GRAPH_MAX_RANK) return x;
  int32_t place = (int32_t)random_below(made->random, (uint32_t)shape.rank + 1);
  int64_t axes[SHAPE_MAX_RANK] = {0};
  for (int32_t k = 0; k < shape.rank; k++) axes[k] = k < place ? k : k + 1;
  wide.rank = shape.rank + 1;
  wide.dim[place] = dim_constant(1 + random_below(made->random, 3));
  for (int32_t k = 0; k < shape.rank; k++) wide.dim[axes[k]] = shape.dim[k];
  return graph_broadcast(made->graph, x, &wide, axes);
}

/* Merges two axes or adds one of extent 1. */
static inline NodeId random_graph_reshape(RandomGraph *made, NodeId x) {
  Shape shape = *graph_shape(made->graph, x), other = {0};
  int32_t place = shape.rank > 1 ? (int32_t)random_below(made->random, (uint32_t)shape.rank - 1) : 0;
  bool merge = shape.rank > 1 && random_below(made->random, 2);
  for (int32_t k = 0; k < shape.rank; k++) {
    if (!merge && k == place) other.dim[other.rank++] = dim_constant(1);
    other.dim[other.rank++] = shape.dim[k];
    if (merge && k == place) {
      if (!dim_multiply(shape.dim[k], shape.dim[k + 1], &other.dim[other.rank - 1])) return x;
      k++;
    }
  }
  return graph_reshape(made->graph, x, &other);
}

static inline NodeId random_graph_permute(RandomGraph *made, NodeId x) {
  int32_t rank = graph_shape(made->graph, x)->rank;
  int64_t axes[SHAPE_MAX_RANK];
  for (int32_t k = 0; k < rank; k++) axes[k] = k;
  for (int32_t k = rank - 1; k > 0; k--) {
    uint32_t other = random_below(made->random, (uint32_t)k + 1);
    int64_t kept = axes[k];
    axes[k] = axes[other];
    axes[other] = kept;
  }
  return graph_permute(made->graph, x, axes);
}

/* Moves along one axis of constant extent. */
static inline NodeId random_graph_move(RandomGraph *made, NodeId x, int64_t axis) {
  Graph *graph = made->graph;
  Shape shape = *graph_shape(graph, x);
  int64_t extent = shape.dim[axis].factor;
  int64_t start = random_below(made->random, (uint32_t)extent);
  int64_t size = 1 + random_below(made->random, (uint32_t)(extent - start));
  switch (random_below(made->random, 6)) {
    case 0:
      return graph_reverse(graph, x, axis);
    case 1:
      return graph_pad(graph, x, axis, random_below(made->random, 3), random_below(made->random, 2));
    case 2: {
      NodeId parts[] = {x, random_graph_like(made, &shape), x};
      return graph_concat(graph, parts, 3, axis);
    }
    case 3: {
      if (start == 0) return x; /* taken apart and put together */
      NodeId low = graph_slice(graph, x, axis, 0, start);
      NodeId high = graph_unary(graph, OP_TANH, graph_slice(graph, x, axis, start, extent - start));
      return graph_concat(graph, (NodeId[]){high, low}, 2, axis);
    }
    case 4: {
      int64_t stride = 1 + random_below(made->random, 3);
      return graph_unwindow(graph, graph_window(graph, x, axis, size, stride), axis, extent, stride);
    }
    default:
      return graph_slice(graph, x, axis, start, size);
  }
}

static inline NodeId random_graph_along(RandomGraph *made, NodeId x) {
  Shape shape = *graph_shape(made->graph, x);
  if (shape.rank == 0) return x;
  int64_t axis = random_below(made->random, (uint32_t)shape.rank);
  if (!dim_is_constant(shape.dim[axis])) return graph_reverse(made->graph, x, axis);
  NodeId moved = random_graph_move(made, random_graph_move(made, x, axis), axis);
  if (shape.rank == RANDOM_GRAPH_MAX_RANK || random_below(made->random, 4)) return moved;
  return graph_window(made->graph, moved, axis, 1, 1 + random_below(made->random, 2));
}

static inline NodeId random_graph_reduce(RandomGraph *made, NodeId x) {
  int32_t rank = graph_shape(made->graph, x)->rank;
  int64_t axes[SHAPE_MAX_RANK];
  uint32_t count = 0;
  for (int32_t k = 0; k < rank; k++) {
    if (random_below(made->random, 2)) axes[count++] = k;
  }
  return graph_reduce(made->graph, random_below(made->random, 4) ? OP_REDUCE_SUM : OP_REDUCE_MAX, x, axes, count);
}

/* Each letter of x is kept by the product, or shared with y and summed or kept; y has one letter of its own. */
static inline NodeId random_graph_contract(RandomGraph *made, NodeId x) {
  Shape shape = *graph_shape(made->graph, x), other = {0};
  char labels[4 * SHAPE_MAX_RANK + 4] = {0}, b[SHAPE_MAX_RANK + 1] = {0}, result[SHAPE_MAX_RANK + 2] = {0};
  for (int32_t k = 0; k < shape.rank; k++) {
    char letter[2] = {(char)('a' + k), 0};
    uint32_t role = random_below(made->random, 3);
    strcat(labels, letter);
    if (role != 0) {
      memmove(b + 1, b, strlen(b));
      b[0] = letter[0];
      memmove(other.dim + 1, other.dim, sizeof(Dim) * (size_t)other.rank++);
      other.dim[0] = shape.dim[k];
    }
    if (role != 1) strcat(result, letter);
  }
  if (strlen(result) < RANDOM_GRAPH_MAX_RANK && other.rank < RANDOM_GRAPH_MAX_RANK) {
    strcat(b, "z");
    strcat(result, "z");
    other.dim[other.rank++] = dim_constant(2);
  }
  strcat(strcat(strcat(strcat(labels, ","), b), "->"), result);
  return graph_contract(made->graph, x, random_graph_like(made, &other), labels);
}

static inline NodeId random_graph_sequence(RandomGraph *made, NodeId x) {
  Graph *graph = made->graph;
  Shape shape = *graph_shape(graph, x), rest = {.rank = shape.rank - 1};
  if (shape.rank == 0) return x;
  int64_t axis = random_below(made->random, (uint32_t)shape.rank);
  for (int32_t k = 0; k < rest.rank; k++) rest.dim[k] = shape.dim[k < axis ? k : k + 1];
  NodeId initial = random_below(made->random, 2) ? random_graph_like(made, &rest) : NODE_NONE;
  bool reverse = random_below(made->random, 2) != 0, late = random_below(made->random, 2) != 0;
  if (random_below(made->random, 2)) return graph_delay(graph, x, initial, axis, reverse);
  NodeId decay = graph_unary(graph, OP_SIGMOID, random_graph_like(made, &shape));
  if (random_below(made->random, 3) > 0 || shape.rank == SHAPE_MAX_RANK)
    return graph_scan(graph, decay, x, initial, axis, reverse, late);
  NodeId turn = graph_unary(graph, OP_TANH, random_graph_like(made, &shape));
  NodeId first = initial != NODE_NONE ? graph_complex(graph, initial, initial) : NODE_NONE;
  NodeId h = graph_complex_scan(graph, graph_complex(graph, decay, turn), graph_complex(graph, x, decay), first,
                                axis + 1, reverse, late);
  return graph_complex_part(graph, h, random_below(made->random, 2));
}

static inline NodeId random_graph_transform(RandomGraph *made, NodeId x) {
  Shape shape = *graph_shape(made->graph, x);
  int64_t axis = -1;
  for (int32_t k = 0; k < shape.rank; k++) {
    if (dim_is_constant(shape.dim[k])) axis = k;
  }
  if (axis < 0) return x;
  bool inverse = random_below(made->random, 2) != 0;
  if (random_below(made->random, 4) == 0) {
    NodeId half = graph_dft(made->graph, x, &axis, 1, inverse, DFT_REAL_TO_HALF, 0.5, 0);
    return graph_dft(made->graph, half, &axis, 1, !inverse, DFT_HALF_TO_REAL, 0.5, shape.dim[axis].factor);
  }
  NodeId complex = graph_dft(made->graph, x, &axis, 1, inverse, DFT_REAL_TO_COMPLEX, 0.5, 0);
  if (random_below(made->random, 2)) return complex;
  complex = graph_dft(made->graph, complex, &axis, 1, inverse, DFT_COMPLEX, 0.5, 0);
  return graph_dft(made->graph, complex, &axis, 1, !inverse, DFT_COMPLEX_TO_REAL, 0.5, 0);
}

static inline NodeId random_graph_source(RandomGraph *made) {
  Shape shape = {0};
  uint32_t rank = random_below(made->random, 4);
  bool symbolic = false;
  for (uint32_t k = 0; k < rank; k++) {
    bool batch = !symbolic && random_below(made->random, 3) == 0;
    symbolic = symbolic || batch;
    shape.dim[shape.rank++] = batch ? dim_symbol(1, 1) : dim_constant(1 + random_below(made->random, 4));
  }
  switch (random_below(made->random, 8)) {
    case 0:
      return graph_random(made->graph, OP_RANDOM_UNIFORM, random_below(made->random, 3), &shape);
    case 1:
      return graph_index(made->graph, dim_constant(3));
    case 2:
      return graph_extent(made->graph, random_below(made->random, 2) ? dim_symbol(2, 1) : dim_constant(3));
    case 3:
      return graph_constant_like(made->graph, random_graph_number(made), &shape);
    default:
      return random_graph_leaf(made, &shape);
  }
}

static inline NodeId random_graph_step(RandomGraph *made) {
  NodeId x = random_graph_pick(made);
  switch (random_below(made->random, 13)) {
    case 0:
      return random_graph_source(made);
    case 1:
      return random_graph_unary(made, x);
    case 2:
    case 3:
    case 4:
      return random_graph_binary(made, x);
    case 5:
      return random_graph_broadcast(made, x);
    case 6:
      return random_graph_reshape(made, x);
    case 7:
      return random_graph_permute(made, x);
    case 8:
      return random_graph_along(made, x);
    case 9:
      return graph_unary(made->graph, OP_TANH, random_graph_reduce(made, x));
    case 10:
      return graph_unary(made->graph, OP_TANH, random_graph_contract(made, x));
    case 11:
      return random_graph_sequence(made, x);
    default:
      return random_graph_transform(made, x);
  }
}

/* A graph of about `steps` ops with values "y0", "y1", ... and a loss. */
static inline Graph *random_graph(Random *random, Arena *arena, uint32_t steps) {
  RandomGraph made = {random, graph_create(arena, "random")};
  graph_symbol(made.graph, "B");
  random_graph_keep(&made, random_graph_leaf(&made, &(Shape){2, {dim_symbol(1, 1), dim_constant(3)}}));
  for (uint32_t k = 0; k < steps; k++) random_graph_keep(&made, random_graph_step(&made));
  NodeId loss = graph_constant(made.graph, 0);
  for (uint32_t k = 0; k < 3; k++) {
    char name[8];
    NodeId y = made.pool[made.pool_count - 1 - random_below(random, made.pool_count < 4 ? made.pool_count : 4)];
    snprintf(name, sizeof name, "y%u", k);
    graph_add_output(made.graph, OUTPUT_VALUE, name, y, NODE_NONE);
    NodeId bounded = graph_unary(made.graph, OP_TANH, y);
    int64_t axes[SHAPE_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    NodeId sum = graph_reduce(made.graph, OP_REDUCE_SUM, bounded, axes, (uint32_t)graph_shape(made.graph, y)->rank);
    loss = graph_binary(made.graph, OP_ADD, loss, sum);
  }
  graph_add_output(made.graph, OUTPUT_LOSS, "loss", loss, NODE_NONE);
  return made.graph;
}

/* Values of all nodes with leaf data that depends on the leaves' names alone. */
static inline Value *random_graph_evaluate(const Graph *graph, Arena *arena) {
  EvaluateInput *inputs = ARENA_ARRAY(arena, EvaluateInput, graph->node_count + 1);
  uint32_t count = 0;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op != OP_INPUT && node->op != OP_PARAMETER && node->op != OP_STATE) continue;
    Random random = {1};
    for (const char *c = node_text(node, LEAF_NAME); *c; c++) random.state = random.state * 31 + (unsigned char)*c;
    int64_t elements = shape_value_count(&node->shape, RANDOM_GRAPH_SYMBOLS);
    inputs[count++] = (EvaluateInput){id, random_values(&random, arena, elements, -1, 1)};
  }
  Value *values = ARENA_ARRAY(arena, Value, graph->node_count + 1);
  graph_evaluate(graph, RANDOM_GRAPH_SYMBOLS, 7, 3, inputs, count, false, arena, values);
  return values;
}

#endif
