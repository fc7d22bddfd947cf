/* Reassociation: the factors of a product that repeat along the same axes are multiplied before they are repeated.
 *
 *   (dt * B) * u, dt and u [b, t, d], B [b, t, n]     ->    broadcast(dt * u) * B
 *   -dt * A, A a parameter [d, n]                     ->    dt * broadcast(-A)
 *   exp(dt * A), A a parameter [d, n]                 ->    exp2(dt * broadcast(A log2 e))
 *
 * The factors of a product are those of its tree of multiplications and negations that nothing else reads, looked at
 * through broadcasts. The two whose common index space is the smallest are multiplied in that space, as long as it
 * lacks an axis of the product; numbers and signs go to the factor that costs the least: one that is computed from
 * parameters alone, else the smallest. So the multiplications that are left over all axes are as few as they can be.
 *
 * An exponential of such a product becomes one to base 2 once derivatives have been taken (before, their factor ln 2
 * would be over all axes).
 *
 * A value may differ by roundings, of which there are at most as many, and one more in the exponent of an exponential:
 * that of its factor times log2 e. Where a partial product leaves the range of f32, the value may too. Needs nothing.
 * Removes nodes that no output needs. Cubic in the factors of a product, of which the first FACTORS_MAX are looked at. */
#include "pipeline.h"
#include "rebuild.h"

#include <float.h>
#include <math.h>

#define LOG2_E 1.44269504088896340736
enum { FACTORS_MAX = 16 };

typedef uint32_t Axes; /* of the product's shape */

/* `node`, in the new graph, has one axis for each of `axes`, ascending. */
typedef struct Factor {
  NodeId node;
  Axes axes;
  bool fixed; /* depends on parameters and constants alone */
} Factor;

typedef struct Product {
  Factor factor[FACTORS_MAX];
  uint32_t count;
  double coefficient;
  bool late_number; /* a number or sign was found over all axes, or on a factor that is not fixed */
} Product;

typedef struct Reassociation {
  const Graph *graph;
  Graph *to;
  const bool *fixed;
  const uint32_t *uses;
  NodeId *user; /* by node: the last one that reads it */
  NodeId *map;
  bool exponentials; /* to base 2 */
} Reassociation;

static const Node *node_of(const Reassociation *state, NodeId id) { return graph_node(state->graph, id); }

static bool is_product_op(OpCode op) { return op == OP_MULTIPLY || op == OP_NEGATE; }

/* Whether the node is a part of the product that its only reader belongs to. */
static bool is_part(const Reassociation *state, NodeId id) {
  if (!is_product_op(graph_op(state->graph, id)) || state->uses[id] != 1 || !state->user[id]) return false;
  OpCode reader = graph_op(state->graph, state->user[id]);
  return is_product_op(reader) || (reader == OP_EXP && state->exponentials);
}

static NodeId copy_of(const Reassociation *state, NodeId id);

static NodeId copy_node(const Reassociation *state, NodeId id) {
  const Node *node = node_of(state, id);
  NodeId operands[2];
  for (uint32_t k = 0; k < node->operand_count; k++) operands[k] = copy_of(state, node->operand[k]);
  return graph_add(state->to, node->op, operands, node->operand_count, node->attribute);
}

/* The node in the new graph, where a part is only if it is asked for. */
static NodeId copy_of(const Reassociation *state, NodeId id) {
  return is_part(state, id) ? copy_node(state, id) : state->map[id];
}

/* --- taking a product apart ---------------------------------------------------------------------------------- */

static void add_factor(const Reassociation *state, Product *product, NodeId id, Axes axes) {
  while (graph_op(state->graph, id) == OP_NEGATE) {
    product->coefficient = -product->coefficient;
    product->late_number |= !state->fixed[id];
    id = graph_operand(state->graph, id, 0);
  }
  if (graph_op(state->graph, id) == OP_CONSTANT) {
    product->coefficient *= node_real(node_of(state, id), CONSTANT_VALUE);
    product->late_number = true;
    return;
  }
  product->factor[product->count++] = (Factor){copy_of(state, id), axes, state->fixed[id]};
}

static void take_apart(const Reassociation *state, Product *product, NodeId id, uint32_t room) {
  const Node *node = node_of(state, id);
  if (node->op == OP_NEGATE && is_part(state, id)) {
    product->coefficient = -product->coefficient;
    product->late_number = true;
    take_apart(state, product, node->operand[0], room);
  } else if (node->op == OP_MULTIPLY && is_part(state, id) && product->count + room + 2 <= FACTORS_MAX) {
    take_apart(state, product, node->operand[0], room + 1);
    take_apart(state, product, node->operand[1], room);
  } else if (node->op == OP_BROADCAST) {
    const Attribute *map = &node->attribute[BROADCAST_AXES];
    Axes axes = 0;
    for (uint32_t k = 0; k < map->count; k++) axes |= (Axes)1 << map->integers[k];
    add_factor(state, product, node->operand[0], axes);
  } else {
    Axes all = ((Axes)1 << node->shape.rank) - 1;
    product->factor[product->count++] = (Factor){copy_of(state, id), all, state->fixed[id]};
  }
}

/* The factors of the root of a product; a root that is no product is its own factor. */
static Product product_of(const Reassociation *state, NodeId root) {
  const Node *node = node_of(state, root);
  Product product = {.coefficient = 1};
  if (node->op == OP_NEGATE) {
    product.coefficient = -1;
    product.late_number = true;
    take_apart(state, &product, node->operand[0], 0);
  } else {
    take_apart(state, &product, node->operand[0], 1);
    take_apart(state, &product, node->operand[1], 0);
  }
  return product;
}

/* --- putting it together again ------------------------------------------------------------------------------- */

static double element_count(const Shape *shape, Axes axes) {
  const double typical_symbol = 16;
  double count = 1;
  for (int32_t k = 0; k < shape->rank; k++) {
    if (!(axes >> k & 1)) continue;
    count *= (double)shape->dim[k].factor * (dim_is_constant(shape->dim[k]) ? 1 : typical_symbol);
  }
  return count;
}

static bool lacks_axis(const Shape *shape, Axes axes) { return element_count(shape, axes) < element_count(shape, ~0u); }

/* The shape of `axes` of a product, and where the axes `within` stand in it. */
static Shape shape_of_axes(const Shape *shape, Axes axes, Axes within, int64_t *out_places) {
  Shape result = {0};
  uint32_t place = 0;
  for (int32_t k = 0; k < shape->rank; k++) {
    if (!(axes >> k & 1)) continue;
    if (within >> k & 1) out_places[place++] = result.rank;
    result.dim[result.rank++] = shape->dim[k];
  }
  return result;
}

static NodeId spread(Graph *to, const Shape *shape, const Factor *factor, Axes axes) {
  int64_t places[SHAPE_MAX_RANK];
  Shape result = shape_of_axes(shape, axes, factor->axes, places);
  return factor->axes == axes ? factor->node : graph_broadcast(to, factor->node, &result, places);
}

static Factor multiply(Graph *to, const Shape *shape, const Factor *a, const Factor *b) {
  Axes axes = a->axes | b->axes;
  NodeId node = graph_binary(to, OP_MULTIPLY, spread(to, shape, a, axes), spread(to, shape, b, axes));
  return (Factor){node, axes, a->fixed && b->fixed};
}

/* The pair with the smallest common space, the first one of equals. False where each has all axes. */
static bool find_pair(const Product *product, const Shape *shape, uint32_t *out_a, uint32_t *out_b) {
  double least = element_count(shape, ~0u);
  bool found = false;
  for (uint32_t a = 0; a < product->count; a++) {
    for (uint32_t b = a + 1; b < product->count; b++) {
      double count = element_count(shape, product->factor[a].axes | product->factor[b].axes);
      if (count >= least) continue;
      least = count;
      found = true;
      *out_a = a;
      *out_b = b;
    }
  }
  return found;
}

static uint32_t cheapest_factor(const Product *product, const Shape *shape) {
  uint32_t best = 0;
  for (uint32_t k = 1; k < product->count; k++) {
    const Factor *factor = &product->factor[k], *other = &product->factor[best];
    if (factor->fixed != other->fixed ? factor->fixed
                                      : element_count(shape, factor->axes) < element_count(shape, other->axes))
      best = k;
  }
  return best;
}

static void apply_coefficient(Graph *to, Product *product, const Shape *shape) {
  Factor *factor = &product->factor[cheapest_factor(product, shape)];
  if (product->coefficient == -1) {
    factor->node = graph_unary(to, OP_NEGATE, factor->node);
  } else if (product->coefficient != 1) {
    NodeId number = graph_constant_like(to, product->coefficient, graph_shape(to, factor->node));
    factor->node = graph_binary(to, OP_MULTIPLY, factor->node, number);
  }
}

static NodeId put_together(Graph *to, Product *product, const Shape *shape) {
  apply_coefficient(to, product, shape);
  uint32_t a, b;
  while (find_pair(product, shape, &a, &b)) {
    product->factor[a] = multiply(to, shape, &product->factor[a], &product->factor[b]);
    product->count--;
    for (uint32_t k = b; k < product->count; k++) product->factor[k] = product->factor[k + 1];
  }
  Axes all = ((Axes)1 << shape->rank) - 1;
  NodeId result = spread(to, shape, &product->factor[0], all);
  for (uint32_t k = 1; k < product->count; k++)
    result = graph_binary(to, OP_MULTIPLY, result, spread(to, shape, &product->factor[k], all));
  return result;
}

/* --- what pays ----------------------------------------------------------------------------------------------- */

static bool is_ordinary(double number) {
  double magnitude = fabs(number);
  return magnitude >= (double)FLT_MIN && magnitude <= (double)FLT_MAX;
}

/* Whether a number costs less on the cheapest factor than over all axes. */
static bool absorbs_number(const Product *product, const Shape *shape) {
  const Factor *factor = &product->factor[cheapest_factor(product, shape)];
  bool all_fixed = true;
  for (uint32_t k = 0; k < product->count; k++) all_fixed &= product->factor[k].fixed;
  return lacks_axis(shape, factor->axes) || (factor->fixed && !all_fixed);
}

static bool pays(const Product *product, const Shape *shape) {
  if (product->count < 2 || !is_ordinary(product->coefficient)) return false;
  uint32_t a, b;
  if (find_pair(product, shape, &a, &b)) return true;
  return product->late_number && absorbs_number(product, shape);
}

static NodeId rebuild_product(const Reassociation *state, NodeId root) {
  Product product = product_of(state, root);
  const Shape *shape = graph_shape(state->graph, root);
  return pays(&product, shape) ? put_together(state->to, &product, shape) : copy_node(state, root);
}

static NodeId rebuild_exponential(const Reassociation *state, NodeId id) {
  NodeId exponent = graph_operand(state->graph, id, 0);
  const Shape *shape = graph_shape(state->graph, id);
  if (!is_part(state, exponent)) return graph_unary(state->to, OP_EXP, state->map[exponent]);
  Product product = product_of(state, exponent);
  product.coefficient *= LOG2_E;
  if (product.count < 2 || !is_ordinary(product.coefficient) || !absorbs_number(&product, shape))
    return graph_unary(state->to, OP_EXP, rebuild_product(state, exponent));
  return graph_unary(state->to, OP_EXP2, put_together(state->to, &product, shape));
}

Graph *pass_reassociate(const Graph *graph, PassContext *context) {
  Arena *arena = context->arena;
  Reassociation state = {.graph = graph,
                         .to = graph_create_like(arena, graph),
                         .fixed = graph_find_fixed(graph, arena),
                         .uses = graph_use_counts(graph, arena),
                         .user = ARENA_ARRAY(arena, NodeId, graph->node_count + 1),
                         .map = ARENA_ARRAY(arena, NodeId, graph->node_count + 1),
                         .exponentials = context->differentiated};
  for (NodeId id = 1; id <= graph->node_count; id++)
    for (uint32_t k = 0; k < graph_node(graph, id)->operand_count; k++) state.user[graph_operand(graph, id, k)] = id;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    if (is_part(&state, id)) continue;
    OpCode op = graph_op(graph, id);
    state.to->span = graph_node(graph, id)->span;
    if (is_product_op(op))
      state.map[id] = rebuild_product(&state, id);
    else if (op == OP_EXP && state.exponentials)
      state.map[id] = rebuild_exponential(&state, id);
    else
      state.map[id] = graph_copy_node(state.to, graph, id, state.map);
  }
  state.to->span = graph->span;
  graph_copy_outputs(state.to, graph, state.map);
  return graph_rewrite(state.to, pass_find_live(state.to, context), arena, NULL, NULL);
}
