/* A complex product takes three real products instead of four (Gauss).
 *
 *   y = contract(x, w) over Q, "Qbd,QPde->Pbe",  w[1,1] = s w[0,0], s = 1 or -1
 * ->
 *   a = contract(x[0] + s x[1], w[0,0])                 y[0] = a + c
 *   b = contract(x[0], w[0,1] - w[0,0])                 y[1] = a + b
 *   c = contract(x[1], w[1,0] - s w[0,0])
 *
 * Q and P are any axes of extent 2, w is made of parameters; a weight [[Wr, Wi], [-Wi, Wr]] is one of these, and so is
 * that of a conjugate. That the blocks of w are equal is proved: w may only move, negate and stack elements of
 * parameters, so one evaluation with a number of its own for each element tells whether two places always hold the
 * same. Elementwise ops behind such a product are taken part by part, so that they stay behind each of the three.
 *
 * Where few terms are summed, the sums of x and y cost more than the product saves, and it stays as it is. Needs
 * nothing. Keeps every value; its rounding error is that of sums twice as large. Runs before differentiate: the
 * products of the backward graph are three as well. */
#include "pipeline.h"
#include "rebuild.h"

#include "ir/evaluate.h"
#include "ir/guard.h"

#include <string.h>

typedef struct Parts {
  int64_t axis;
  NodeId node[2]; /* with extent 1 along the axis */
} Parts;

typedef struct Splitting {
  const Graph *from;
  Graph *to;
  PassContext *context;
  const bool *fixed;
  NodeId *map;
  Parts *parts; /* by old node; node[0] NODE_NONE: it is no stack of parts */
} Splitting;

/* --- equal blocks ---------------------------------------------------------------------------------------------- */

/* Only moves, negates and stacks elements of parameters; `out_plain` where there is no parameter at all. */
static bool is_arrangement(const Graph *graph, NodeId id, bool *out_plain) {
  const Node *node = graph_node(graph, id);
  LoweringKind kind = op_info(node->op)->lowering;
  *out_plain = node->op == OP_CONSTANT || node->op == OP_INDEX;
  if (*out_plain || node->op == OP_PARAMETER) return true;
  bool moves = kind == LOWER_VIEW || node->op == OP_CONCAT || node->op == OP_NEGATE;
  bool signs = node->op == OP_MULTIPLY || node->op == OP_ADD;
  if (!moves && !signs) return false;
  uint32_t plain = 0;
  for (uint32_t k = 0; k < node->operand_count; k++) {
    bool of_operand;
    if (!is_arrangement(graph, node->operand[k], &of_operand)) return false;
    plain += of_operand;
  }
  *out_plain = plain == node->operand_count;
  return moves || *out_plain || (node->op == OP_MULTIPLY && plain == 1);
}

static const double *number_leaf(const Node *node, Arena *arena, double *next) {
  int64_t count = 1;
  for (int32_t k = 0; k < node->shape.rank; k++) count *= node->shape.dim[k].factor;
  double *data = ARENA_ARRAY(arena, double, count);
  for (int64_t i = 0; i < count; i++) data[i] = (*next)++;
  return data;
}

/* The tensor where each element of a parameter is a number of its own; NULL where it is more than an arrangement. */
static const Value *evaluate_arrangement(const Graph *graph, NodeId id, Arena *scratch) {
  bool plain;
  if (!is_arrangement(graph, id, &plain)) return NULL;
  Graph *alone = graph_create(scratch, "arrangement");
  NodeId *map = ARENA_ARRAY(scratch, NodeId, id + 1);
  bool *needed = ARENA_ARRAY(scratch, bool, id + 1);
  needed[id] = true;
  for (NodeId k = id; k >= 1; k--) {
    const Node *node = graph_node(graph, k);
    for (uint32_t j = 0; needed[k] && j < node->operand_count; j++) needed[node->operand[j]] = true;
  }
  EvaluateInput *inputs = ARENA_ARRAY(scratch, EvaluateInput, id + 1);
  uint32_t count = 0;
  double next = 1;
  for (NodeId k = 1; k <= id; k++) {
    if (!needed[k]) continue;
    map[k] = graph_copy_node(alone, graph, k, map);
    const Node *node = graph_node(graph, k);
    if (node->op == OP_PARAMETER) inputs[count++] = (EvaluateInput){map[k], number_leaf(node, scratch, &next)};
  }
  graph_add_output(alone, OUTPUT_VALUE, "w", map[id], NODE_NONE);
  Value *values = ARENA_ARRAY(scratch, Value, alone->node_count + 1);
  const int64_t symbols[SYMBOL_MAX] = {1, 1, 1, 1};
  graph_evaluate(alone, symbols, 0, 0, inputs, count, false, scratch, values);
  return &values[map[id]];
}

/* s with w[1,1] = s w[0,0] along axes q and p of extent 2; 0: neither. */
static int diagonal_sign(const Value *w, int32_t q, int32_t p) {
  int64_t stride[SHAPE_MAX_RANK], count = value_count(w), step = 1;
  for (int32_t k = w->shape.rank - 1; k >= 0; k--) {
    stride[k] = step;
    step *= w->shape.dim[k].factor;
  }
  bool same = true, opposite = true;
  for (int64_t i = 0; i < count; i++) {
    if (i / stride[q] % 2 != 0 || i / stride[p] % 2 != 0) continue;
    double first = w->data[i], second = w->data[i + stride[q] + stride[p]];
    same &= first == second;
    opposite &= first == -second;
  }
  return same ? 1 : opposite ? -1 : 0;
}

/* --- the three products ---------------------------------------------------------------------------------------- */

typedef struct Product {
  Labels labels;
  bool swapped;         /* w is the first operand */
  char *x, *w;          /* letters */
  int32_t summed, free; /* Q and P in w */
  int sign;
} Product;

static bool is_two(const Shape *shape, int32_t axis) { return dim_equal(shape->dim[axis], dim_constant(2)); }

/* Terms of a sum without the one over Q. */
static int64_t count_terms(const Product *product, const Shape *w) {
  int64_t terms = 1;
  for (int32_t k = 0; k < w->rank; k++) {
    bool summed = strchr(product->labels.result, product->w[k]) == NULL;
    if (summed && k != product->summed) terms *= w->dim[k].factor;
  }
  return terms;
}

/* Has x enough rows of its own that sums of weights are nothing? */
static bool has_rows(const Product *product, const Shape *x) {
  enum { FEWEST = 64 };
  int64_t rows = 1;
  for (int32_t k = 0; k < x->rank; k++) {
    if (strchr(product->w, product->x[k]) != NULL) continue;
    if (!dim_is_constant(x->dim[k])) return true;
    rows *= x->dim[k].factor;
  }
  return rows >= FEWEST;
}

/* Letters Q and P with equal blocks on the diagonal of w. */
static bool find_parts(const Splitting *state, NodeId id, NodeId w, Product *product) {
  const Shape *shape = graph_shape(state->from, w);
  Arena *scratch = arena_create();
  const Value *value = NULL;
  bool found = false, looked = false; /* looked: two axes may be Q and P */
  for (int32_t q = 0; q < shape->rank && !found; q++) {
    bool summed = strchr(product->labels.result, product->w[q]) == NULL;
    if (!is_two(shape, q) || !summed || strchr(product->x, product->w[q]) == NULL) continue;
    for (int32_t p = 0; p < shape->rank && !found; p++) {
      if (!is_two(shape, p) || p == q || strchr(product->x, product->w[p]) != NULL) continue;
      if (!looked) value = evaluate_arrangement(state->from, w, scratch);
      looked = true;
      product->sign = value == NULL ? 0 : diagonal_sign(value, q, p);
      product->summed = q;
      product->free = p;
      found = product->sign != 0;
    }
  }
  arena_destroy(scratch);
  if (looked && !found)
    pass_explain(state->context, "product %%%u stays: no two blocks of %%%u are always equal", id, w);
  return found;
}

static bool read_product(const Splitting *state, NodeId id, Product *product) {
  enum { FEWEST_TERMS = 64 };
  const Node *node = graph_node(state->from, id);
  const char *message;
  bool parsed = labels_parse(node_text(node, CONTRACT_LABELS), &product->labels, &message);
  ASSERT(parsed);
  product->swapped = state->fixed[node->operand[0]];
  if (product->swapped == state->fixed[node->operand[1]]) return false;
  product->x = product->swapped ? product->labels.b : product->labels.a;
  product->w = product->swapped ? product->labels.a : product->labels.b;
  NodeId x = node->operand[product->swapped ? 1 : 0], w = node->operand[product->swapped ? 0 : 1];
  if (!has_rows(product, graph_shape(state->from, x)) || !find_parts(state, id, w, product)) return false;
  int64_t terms = count_terms(product, graph_shape(state->from, w));
  if (terms >= FEWEST_TERMS) return true;
  pass_explain(state->context, "product %%%u stays: it sums %lld terms a part, fewer than %d", id, (long long)terms,
               FEWEST_TERMS);
  return false;
}

/* One step of an axis; without the axis. */
static NodeId take(Graph *to, NodeId x, int64_t axis, int64_t at) {
  x = graph_slice(to, x, axis, at, 1);
  Shape shape = *graph_shape(to, x);
  shape.rank--;
  for (int32_t k = (int32_t)axis; k < shape.rank; k++) shape.dim[k] = shape.dim[k + 1];
  return graph_reshape(to, x, &shape);
}

/* w[q, p] without the axis of Q, with extent 1 along that of P. */
static NodeId take_block(Graph *to, const Product *product, NodeId w, int64_t q, int64_t p) {
  w = graph_slice(to, w, product->free, p, 1);
  return take(to, w, product->summed, q);
}

static void remove_letter(char *letters, int64_t at) { memmove(letters + at, letters + at + 1, strlen(letters + at)); }

static NodeId contract(Graph *to, const Product *product, NodeId x, NodeId w) {
  const char *labels =
      arena_format(to->arena, "%s,%s->%s", product->labels.a, product->labels.b, product->labels.result);
  return product->swapped ? graph_contract(to, w, x, labels) : graph_contract(to, x, w, labels);
}

static bool split_product(Splitting *state, NodeId id) {
  Graph *to = state->to;
  const Node *node = graph_node(state->from, id);
  Product product;
  if (!read_product(state, id, &product)) return false;
  NodeId old_x = node->operand[product.swapped ? 1 : 0], w = state->map[node->operand[product.swapped ? 0 : 1]];
  char letter = product.w[product.summed], result_letter = product.w[product.free];
  int64_t axis = strchr(product.x, letter) - product.x;
  NodeId x[2], block[2][2];
  const Parts *parts = &state->parts[old_x];
  for (int64_t k = 0; k < 2; k++) {
    bool apart = parts->node[0] != NODE_NONE && parts->axis == axis;
    x[k] = apart ? take(to, parts->node[k], axis, 0) : take(to, state->map[old_x], axis, k);
    for (int64_t p = 0; p < 2; p++) block[k][p] = take_block(to, &product, w, k, p);
  }
  remove_letter(product.x, axis);
  remove_letter(product.w, product.summed);
  OpCode plus = product.sign > 0 ? OP_ADD : OP_SUBTRACT, minus = product.sign > 0 ? OP_SUBTRACT : OP_ADD;
  NodeId a = contract(to, &product, graph_binary(to, plus, x[0], x[1]), block[0][0]);
  NodeId c = contract(to, &product, x[1], graph_binary(to, minus, block[1][0], block[0][0]));
  NodeId first = graph_binary(to, OP_ADD, a, c);
  NodeId b = contract(to, &product, x[0], graph_binary(to, OP_SUBTRACT, block[0][1], block[0][0]));
  NodeId second = graph_binary(to, OP_ADD, a, b);
  int64_t stacked = strchr(product.labels.result, result_letter) - product.labels.result;
  state->parts[id] = (Parts){stacked, {first, second}};
  return true;
}

/* --- elementwise ops, part by part ------------------------------------------------------------------------------ */

static bool split_elementwise(Splitting *state, NodeId id) {
  Graph *to = state->to;
  const Node *node = graph_node(state->from, id);
  int64_t axis = -1;
  for (uint32_t k = 0; k < node->operand_count; k++) {
    const Parts *parts = &state->parts[node->operand[k]];
    bool apart = parts->node[0] != NODE_NONE;
    if (!apart && graph_op(state->from, node->operand[k]) != OP_BROADCAST) return false;
    if (apart && axis >= 0 && axis != parts->axis) return false;
    if (apart) axis = parts->axis;
  }
  if (axis < 0) return false;
  Parts result = {.axis = axis};
  for (int64_t p = 0; p < 2; p++) {
    NodeId operands[3];
    for (uint32_t k = 0; k < node->operand_count; k++) {
      const Parts *parts = &state->parts[node->operand[k]];
      operands[k] =
          parts->node[0] != NODE_NONE ? parts->node[p] : graph_slice(to, state->map[node->operand[k]], axis, p, 1);
    }
    result.node[p] = graph_add(to, node->op, operands, node->operand_count, node->attribute);
  }
  state->parts[id] = result;
  return true;
}

Graph *pass_complex_product(const Graph *graph, PassContext *context) {
  Arena *arena = context->arena;
  Splitting state = {.from = graph, .to = graph_create_like(arena, graph), .context = context};
  state.fixed = graph_find_fixed(graph, arena);
  state.map = ARENA_ARRAY(arena, NodeId, graph->node_count + 1);
  state.parts = ARENA_ARRAY(arena, Parts, graph->node_count + 1);
  const bool *live = pass_find_live(graph, context);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    if (!live[id]) continue;
    const Node *node = graph_node(graph, id);
    state.to->span = node->span;
    bool split = node->op == OP_CONTRACT ? split_product(&state, id)
                                         : op_is_elementwise(node->op) && split_elementwise(&state, id);
    const Parts *parts = &state.parts[id];
    state.map[id] =
        split ? graph_concat(state.to, parts->node, 2, parts->axis) : graph_copy_node(state.to, graph, id, state.map);
  }
  state.to->span = graph->span;
  graph_copy_outputs(state.to, graph, state.map);
  return graph_rewrite(state.to, pass_find_live(state.to, context), arena, NULL, NULL);
}
