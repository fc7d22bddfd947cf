/* Pass spectral-symmetry: random chains of ops on spectra of real signals compute the same by halves, gradients too;
 * what is shared, and why a transform stays as it was. */
#include "passes/pipeline.h"
#include "tests/random_graph.h"
#include "tests/suite_run.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN_COUNT = 600, VALUES_MAX = 12 };

/* --- random chains ------------------------------------------------------------------------------------------- */

/* Values have the shape [2, B, T, K, d] or, of magnitudes, [B, T, K, d]. */
typedef struct Chain {
  RandomGraph made;
  Shape shape;         /* [2, B, T, K, d] */
  bool transformed[2]; /* along T, along K */
  NodeId value[VALUES_MAX];
  uint32_t count;
} Chain;

enum { PART_AXIS = 0, T_AXIS = 2, K_AXIS = 3, CHANNEL_AXIS = 4 };

static NodeId pick(Chain *chain) {
  Random *random = chain->made.random;
  return chain->value[random_below(random, 3) ? chain->count - 1 : random_below(random, chain->count)];
}

static void keep(Chain *chain, NodeId x) {
  if (chain->count < VALUES_MAX) chain->value[chain->count++] = x;
}

/* A parameter over some of the axes, repeated along the others. */
static NodeId parameter_like(Chain *chain, const Shape *shape) {
  Shape part = {0};
  int64_t axes[SHAPE_MAX_RANK];
  for (int32_t k = 0; k < shape->rank; k++) {
    bool constant = dim_is_constant(shape->dim[k]);
    if (!constant || random_below(chain->made.random, 3) != 0) continue;
    axes[part.rank] = k;
    part.dim[part.rank++] = shape->dim[k];
  }
  return graph_broadcast(chain->made.graph, random_graph_leaf(&chain->made, &part), shape, axes);
}

/* y[.., e] = sum over channels (and parts) of x and a weight that may differ from bin to bin. */
static NodeId product(Chain *chain, NodeId x) {
  Random *random = chain->made.random;
  Shape weight = {0};
  char b[SHAPE_MAX_RANK + 1] = {0}, labels[32];
  bool parts = random_below(random, 4) != 0, reversed = random_below(random, 3) == 0;
  const char *all = parts ? "QP" : random_below(random, 2) ? "P" : "";
  for (const char *letter = all; *letter; letter++) weight.dim[weight.rank++] = dim_constant(2);
  strcpy(b, all);
  for (int32_t axis = T_AXIS; axis <= K_AXIS; axis++) {
    if (random_below(random, axis == T_AXIS ? 4 : 2) != 0) continue;
    strcat(b, axis == T_AXIS ? "t" : "k");
    weight.dim[weight.rank++] = chain->shape.dim[axis];
  }
  strcat(b, "de");
  weight.dim[weight.rank++] = chain->shape.dim[CHANNEL_AXIS];
  weight.dim[weight.rank++] = chain->shape.dim[CHANNEL_AXIS];
  const char *a = parts ? "Qbtkd" : "Pbtkd";
  snprintf(labels, sizeof labels, "%s,%s->Pbtke", reversed ? b : a, reversed ? a : b);
  NodeId w = random_graph_leaf(&chain->made, &weight);
  return graph_contract(chain->made.graph, reversed ? w : x, reversed ? x : w, labels);
}

static NodeId part_of(Chain *chain, NodeId x, int64_t part) {
  return graph_slice(chain->made.graph, x, PART_AXIS, part, 1);
}

/* Parts apart: the complex product of two values, or functions of each part. */
static NodeId by_parts(Chain *chain, NodeId x) {
  Graph *graph = chain->made.graph;
  NodeId re = part_of(chain, x, 0), im = part_of(chain, x, 1), result[2];
  if (random_below(chain->made.random, 2)) {
    NodeId y = random_below(chain->made.random, 2) ? pick(chain) : parameter_like(chain, &chain->shape);
    NodeId y_re = part_of(chain, y, 0), y_im = part_of(chain, y, 1);
    result[0] = graph_binary(graph, OP_SUBTRACT, graph_binary(graph, OP_MULTIPLY, re, y_re),
                             graph_binary(graph, OP_MULTIPLY, im, y_im));
    result[1] = graph_binary(graph, OP_ADD, graph_binary(graph, OP_MULTIPLY, re, y_im),
                             graph_binary(graph, OP_MULTIPLY, im, y_re));
  } else {
    result[0] =
        random_below(chain->made.random, 2) ? graph_unary(graph, OP_SIGMOID, re) : graph_unary(graph, OP_ERF, im);
    result[1] = random_below(chain->made.random, 2) ? graph_unary(graph, OP_TANH, im) : re;
  }
  return graph_concat(graph, result, 2, PART_AXIS);
}

/* Through another arrangement of the axes and back. */
static NodeId rearranged(Chain *chain, NodeId x) {
  Graph *graph = chain->made.graph;
  if (random_below(chain->made.random, 2)) {
    NodeId moved = graph_permute(graph, x, (int64_t[]){1, 3, 0, 4, 2});
    return graph_permute(graph, graph_unary(graph, OP_TANH, moved), (int64_t[]){2, 0, 4, 1, 3});
  }
  Shape shape = *graph_shape(graph, x), wide = {.rank = 6};
  for (int32_t k = 0; k < 6; k++) wide.dim[k] = k == 2 ? dim_constant(1) : shape.dim[k < 2 ? k : k - 1];
  NodeId reshaped = graph_unary(graph, OP_NEGATE, graph_reshape(graph, x, &wide));
  reshaped = graph_reverse(graph, reshaped, 5);
  return graph_reshape(graph, reshaped, &shape);
}

/* Scaled by a function of the magnitude, over channels or not. */
static NodeId by_magnitude(Chain *chain, NodeId x) {
  Graph *graph = chain->made.graph;
  bool channels = random_below(chain->made.random, 2) != 0;
  int64_t axes[] = {PART_AXIS, CHANNEL_AXIS}, others[] = {1, 2, 3, 4};
  OpCode op = random_below(chain->made.random, 4) ? OP_REDUCE_SUM : OP_REDUCE_MAX;
  NodeId square = graph_binary(graph, OP_MULTIPLY, x, x);
  NodeId size = graph_unary(graph, OP_TANH, graph_reduce(graph, op, square, axes, channels ? 2 : 1));
  return graph_binary(graph, OP_MULTIPLY, x, graph_broadcast(graph, size, &chain->shape, others));
}

static NodeId step(Chain *chain) {
  Graph *graph = chain->made.graph;
  NodeId x = pick(chain), zero = graph_constant_like(graph, 0, &chain->shape);
  switch (random_below(chain->made.random, 10)) {
    case 0:
    case 1:
    case 2:
      return product(chain, x);
    case 3:
      return graph_binary(graph, OP_ADD, x, parameter_like(chain, &chain->shape));
    case 4:
      return graph_binary(graph, OP_MULTIPLY, x, parameter_like(chain, &chain->shape));
    case 5:
      return graph_binary(graph, OP_MAXIMUM, x, zero);
    case 6:
      return graph_binary(graph, random_below(chain->made.random, 2) ? OP_SUBTRACT : OP_ADD, x, pick(chain));
    case 7:
      return by_parts(chain, x);
    case 8:
      return rearranged(chain, x);
    default:
      return by_magnitude(chain, x);
  }
}

static NodeId transformed(Chain *chain, NodeId x, int64_t form, bool inverse) {
  int64_t axes[2];
  uint32_t count = 0;
  for (int64_t k = 0; k < 2; k++) {
    if (chain->transformed[k]) axes[count++] = 1 + k;
  }
  return graph_dft(chain->made.graph, x, axes, count, inverse, form, 0.5, 0);
}

static NodeId spectrum(Chain *chain) {
  Shape shape = {.rank = 4};
  for (int32_t k = 0; k < 4; k++) shape.dim[k] = chain->shape.dim[k + 1];
  NodeId x = random_graph_leaf(&chain->made, &shape);
  return transformed(chain, x, DFT_REAL_TO_COMPLEX, random_below(chain->made.random, 4) == 0);
}

static void add_result(Chain *chain, NodeId y, const char *name, NodeId *loss) {
  Graph *graph = chain->made.graph;
  graph_add_output(graph, OUTPUT_VALUE, name, y, NODE_NONE);
  int64_t axes[] = {0, 1, 2, 3, 4};
  NodeId sum =
      graph_reduce(graph, OP_REDUCE_SUM, graph_unary(graph, OP_TANH, y), axes, (uint32_t)graph_shape(graph, y)->rank);
  *loss = *loss == NODE_NONE ? sum : graph_binary(graph, OP_ADD, *loss, sum);
}

static Graph *random_chain(Random *random, Arena *arena) {
  static const int64_t blocks[] = {1, 2, 3, 4, 4, 5, 6, 8};
  Chain chain = {.made = {random, graph_create(arena, "chain"), .pool_count = 0}};
  chain.shape = (Shape){5, {dim_constant(2), dim_symbol(1, graph_symbol(chain.made.graph, "B"))}};
  chain.shape.dim[T_AXIS] = dim_constant(1 + random_below(random, 9));
  chain.shape.dim[K_AXIS] = dim_constant(blocks[random_below(random, sizeof blocks / sizeof blocks[0])]);
  chain.shape.dim[CHANNEL_AXIS] = dim_constant(1 + random_below(random, 3));
  uint32_t which = random_below(random, 4);
  chain.transformed[0] = which != 0;
  chain.transformed[1] = which != 1;
  keep(&chain, spectrum(&chain));
  if (random_below(random, 4) == 0) keep(&chain, spectrum(&chain));
  for (uint32_t k = random_below(random, 7); k > 0; k--) keep(&chain, step(&chain));
  NodeId loss = NODE_NONE, last = chain.value[chain.count - 1];
  uint32_t ends = random_below(random, 8);
  if (ends != 0) add_result(&chain, transformed(&chain, last, DFT_COMPLEX_TO_REAL, true), "y", &loss);
  if (ends < 2) add_result(&chain, pick(&chain), "spectrum", &loss);
  graph_add_output(chain.made.graph, OUTPUT_LOSS, "loss", loss, NODE_NONE);
  return chain.made.graph;
}

/* --- properties ---------------------------------------------------------------------------------------------- */

static Graph *halve(const Graph *graph, Arena *arena, Text *explain) {
  PassContext context = {.arena = arena, .pass = "spectral-symmetry", .explain = explain};
  return pass_spectral_symmetry(graph, &context);
}

static double largest_of(const Value *value) {
  double largest = 1;
  for (int64_t i = 0; i < value_count(value); i++) largest = fmax(largest, fabs(value->data[i]));
  return largest;
}

static void check_same(const Graph *before, const Graph *after, Arena *arena, int seed) {
  const char *message = NULL;
  ck_assert_msg(graph_verify(after, arena, &message), "seed %d: %s", seed, message);
  Value *old = random_graph_evaluate(before, arena), *new = random_graph_evaluate(after, arena);
  for (uint32_t k = 0; k < before->output_count; k++) {
    const Output *a = &before->output[k], *b = graph_find_output(after, a->kind, a->name);
    ck_assert_msg(b != NULL, "seed %d: output %s is gone", seed, a->name);
    double scale = largest_of(&old[a->node]);
    for (int64_t i = 0; i < value_count(&old[a->node]); i++) {
      double x = old[a->node].data[i], y = new[b->node].data[i];
      ck_assert_msg(fabs(x - y) <= 1e-12 * scale, "seed %d: output %s[%d] was %.17g and became %.17g", seed, a->name,
                    (int)i, x, y);
    }
  }
}

static uint32_t count_form(const Graph *graph, int64_t form) {
  uint32_t count = 0;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    count += node->op == OP_DFT && node_integer(node, DFT_FORM) == form;
  }
  return count;
}

START_TEST(random_chains_compute_the_same) {
  Arena *arena = arena_create();
  Random random = {(uint64_t)_i + 1};
  Graph *before = random_chain(&random, arena), *after = halve(before, arena, NULL);
  check_same(before, after, arena, _i);
  const DifferentiateSpec spec = {.parameters = true, .inputs = true, .zeros = true};
  PassContext context = {.arena = arena, .pass = "dead"};
  check_same(graph_differentiate(pass_dead(before, &context), arena, &spec), graph_differentiate(after, arena, &spec),
             arena, _i);
  ck_assert_msg(graph_equal(after, halve(after, arena, NULL)), "seed %d: the pass is not done after one run", _i);
  arena_destroy(arena);
}
END_TEST

/* The property above would hold of a pass that did nothing. */
START_TEST(most_chains_are_halved) {
  Arena *arena = arena_create();
  int halved = 0, unfolded = 0;
  for (int seed = 0; seed < CHAIN_COUNT; seed++) {
    Random random = {(uint64_t)seed + 1};
    Graph *after = halve(random_chain(&random, arena), arena, NULL);
    bool half = count_form(after, DFT_REAL_TO_HALF) > 0;
    halved += half;
    unfolded += half && count_form(after, DFT_HALF_TO_REAL) == 0;
  }
  ck_assert_int_gt(halved, CHAIN_COUNT / 2);
  ck_assert_int_gt(unfolded, 0);
  arena_destroy(arena);
}
END_TEST

/* --- what is shared, and reasons ------------------------------------------------------------------------------- */

/* dft along T and K of [B, T, K, 2], complex product with weights of each block, maximum with 0. */
static NodeId layer(Graph *graph, int64_t samples, int64_t blocks, NodeId *out_spectrum) {
  Dim batch = dim_symbol(1, graph_symbol(graph, "B"));
  Shape shape = {4, {batch, dim_constant(samples), dim_constant(blocks), dim_constant(2)}};
  Shape weight = {5, {dim_constant(2), dim_constant(2), dim_constant(blocks), dim_constant(2), dim_constant(2)}};
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &shape), w = graph_leaf(graph, OP_PARAMETER, "w", &weight);
  *out_spectrum = graph_dft(graph, x, (int64_t[]){1, 2}, 2, false, DFT_REAL_TO_COMPLEX, 1, 0);
  NodeId y = graph_contract(graph, *out_spectrum, w, "Qbtkd,QPkde->Pbtke");
  return graph_binary(graph, OP_MAXIMUM, y, graph_constant_like(graph, 0, graph_shape(graph, y)));
}

/* Multiplications of all products, with B = 1. */
static double product_work(const Graph *graph) {
  double work = 0;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op != OP_CONTRACT) continue;
    Labels labels;
    const char *message;
    ck_assert(labels_parse(node_text(node, CONTRACT_LABELS), &labels, &message));
    double terms = 1;
    const Shape *a = graph_shape(graph, node->operand[0]), *b = graph_shape(graph, node->operand[1]);
    for (int32_t k = 0; k < a->rank; k++) terms *= (double)a->dim[k].factor;
    for (int32_t k = 0; k < b->rank; k++) {
      if (!strchr(labels.a, labels.b[k])) terms *= (double)b->dim[k].factor;
    }
    work += terms;
  }
  return work;
}

/* Of K blocks, one or two are their own mirrors: their rows at f and -f share the first layer. */
START_TEST(products_are_shared) {
  for (int64_t blocks = 1; blocks <= 8; blocks++) {
    for (int64_t samples = 9; samples <= 10; samples++) {
      Arena *arena = arena_create();
      Graph *graph = graph_create(arena, "layer");
      NodeId spectrum, y = layer(graph, samples, blocks, &spectrum);
      y = graph_dft(graph, y, (int64_t[]){1, 2}, 2, true, DFT_COMPLEX_TO_REAL, 1, 0);
      graph_add_output(graph, OUTPUT_VALUE, "y", y, NODE_NONE);
      Graph *after = halve(graph, arena, NULL);
      check_same(graph, after, arena, (int)blocks);
      double half = (double)(samples / 2 + 1), own = blocks % 2 == 0 ? 2 : 1, rest = (double)blocks - own;
      ck_assert_double_eq(product_work(graph), 16 * (double)(samples * blocks));
      ck_assert_double_eq(product_work(after), 16 * half * (own + 2 * rest));
      ck_assert_uint_eq(count_form(after, DFT_REAL_TO_COMPLEX), 0);
      arena_destroy(arena);
    }
  }
}
END_TEST

static void check_reason(const Graph *graph, Arena *arena, const char *reason) {
  Text text = text_begin(arena);
  Graph *after = halve(graph, arena, &text);
  ck_assert_str_eq(text.data, reason);
  ck_assert_uint_eq(count_form(after, DFT_REAL_TO_HALF), 0);
  check_same(graph, after, arena, 0);
}

START_TEST(reasons) {
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "spectrum_read");
  NodeId spectrum, y = layer(graph, 7, 4, &spectrum);
  graph_add_output(graph, OUTPUT_VALUE, "y", y, NODE_NONE);
  graph_add_output(graph, OUTPUT_VALUE, "spectrum", spectrum, NODE_NONE);
  check_reason(graph, arena,
               "spectral-symmetry: transform %3 keeps all frequencies: an output reads all frequencies of %3, and no "
               "product was shared before\n");
  graph = graph_create(arena, "short");
  y = layer(graph, 2, 2, &spectrum);
  graph_add_output(graph, OUTPUT_VALUE, "y", y, NODE_NONE);
  check_reason(graph, arena,
               "spectral-symmetry: transform %3 keeps all frequencies: its axes are too short to have mirrored "
               "frequencies\n");
  graph = graph_create(arena, "scanned");
  layer(graph, 7, 4, &spectrum);
  NodeId scanned = graph_delay(graph, spectrum, NODE_NONE, 2, false);
  NodeId back = graph_dft(graph, scanned, (int64_t[]){1, 2}, 2, true, DFT_COMPLEX_TO_REAL, 1, 0);
  graph_add_output(graph, OUTPUT_VALUE, "y", back, NODE_NONE);
  check_reason(
      graph, arena,
      "spectral-symmetry: transform %3 keeps all frequencies: delay reads all frequencies of %3, and no product "
      "was shared before\n");
  arena_destroy(arena);
}
END_TEST

/* A shared product pays for a reader of all frequencies. */
START_TEST(unfolds_behind_a_shared_product) {
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "read");
  NodeId spectrum, y = layer(graph, 7, 5, &spectrum);
  graph_add_output(graph, OUTPUT_VALUE, "y", y, NODE_NONE);
  Graph *after = halve(graph, arena, NULL);
  ck_assert_uint_eq(count_form(after, DFT_REAL_TO_HALF), 1);
  check_same(graph, after, arena, 0);
  arena_destroy(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("spectral_symmetry");
  TCase *tests = tcase_create("symmetry");
  tcase_add_loop_test(tests, random_chains_compute_the_same, 0, CHAIN_COUNT);
  tcase_add_test(tests, most_chains_are_halved);
  tcase_add_test(tests, products_are_shared);
  tcase_add_test(tests, reasons);
  tcase_add_test(tests, unfolds_behind_a_shared_product);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
