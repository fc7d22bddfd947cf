/* The overlap-add of a product becomes a sum over windows: the gradient of a convolution is a convolution.
 *
 *   %3 = contract(%1, %2) "co,osi->csi"        %1: [C, O], %2: [O, S, I]: every window's part of the sum is stored
 *   %4 = unwindow(%3) {axis = 0, stride = 1}   [P, I]
 * ->
 *   %3 = window(pad(%1))                       [P, S, O], of which nothing is stored
 *   %4 = contract(%3, reverse(%2)) "pso,osi->pi"
 *
 * out[p] = sum over o t + s = p of x[o] w[s], where one factor of the product does not know the place s in a window and
 * the other does not know the window o. With s = j t + r and p = q t + r that is, for each remainder r, a sum over j of
 * x[q - j] w[j, r]. What is sliced away of the result is not computed. Several overlap-adds, of an image's rows and
 * columns, go together. With a stride above 1 a contraction stays as it is: some of the w[j, r] are zeros that stand in
 * for the window's missing end, and multiplying by them costs more than storing the product does.
 *
 * Needs: derivatives have been taken. Keeps values but for the order of sums. Linear. */
#include "ir/guard.h"
#include "pipeline.h"
#include "rebuild.h"

#include <string.h>

/* One overlap-add: axes of the product by letter, and which elements of the result are wanted. */
typedef struct Overlap {
  char count, size; /* letters of the windows and of the places in them */
  char tap;         /* of j, new */
  int64_t stride, start, extent, taps;
  int side; /* the factor that has the windows */
} Overlap;

typedef struct Factor {
  NodeId node;
  char letters[SHAPE_MAX_RANK + 1];
} Factor;

typedef struct Product {
  Factor factor[2];
  char result[SHAPE_MAX_RANK + 1];
  Overlap overlap[SHAPE_MAX_RANK];
  uint32_t overlap_count;
  bool summed; /* by a contraction */
} Product;

static bool is_step(OpCode op) { return op == OP_UNWINDOW || op == OP_SLICE; }

/* A letter that `product` has not. */
static char new_letter(const Product *product) {
  for (char letter = 'a'; letter <= 'z'; letter++) {
    bool taken = strchr(product->factor[0].letters, letter) || strchr(product->factor[1].letters, letter) ||
                 strchr(product->result, letter);
    for (uint32_t k = 0; k < product->overlap_count; k++) taken |= product->overlap[k].tap == letter;
    if (!taken) return letter;
  }
  guard_bug("overlap_add: no letter is left");
}

static void insert_letter(char *letters, const char *behind, char letter) {
  size_t at = (size_t)(behind - letters) + 1;
  memmove(letters + at + 1, letters + at, strlen(letters + at) + 1);
  letters[at] = letter;
}

static void remove_letter(char *letters, char letter) {
  char *at = strchr(letters, letter);
  memmove(at, at + 1, strlen(at));
}

/* The factors of an elementwise product: what is broadcast, by the axes of the result that it has. */
static Factor factor_of_multiply(const Graph *graph, NodeId operand, const char *result) {
  Factor factor = {.node = operand};
  const Node *node = graph_node(graph, operand);
  if (node->op != OP_BROADCAST) {
    strcpy(factor.letters, result);
    return factor;
  }
  const Attribute *axes = &node->attribute[BROADCAST_AXES];
  factor.node = node->operand[0];
  for (uint32_t k = 0; k < axes->count && k < SHAPE_MAX_RANK; k++) factor.letters[k] = result[axes->integers[k]];
  return factor;
}

static bool find_product(const Graph *graph, NodeId id, Product *out) {
  const Node *node = graph_node(graph, id);
  *out = (Product){.summed = node->op == OP_CONTRACT};
  if (node->op == OP_CONTRACT) {
    Labels labels;
    const char *message = NULL;
    if (!labels_parse(node_text(node, CONTRACT_LABELS), &labels, &message)) guard_bug("%s", message);
    out->factor[0].node = node->operand[0];
    out->factor[1].node = node->operand[1];
    strcpy(out->factor[0].letters, labels.a);
    strcpy(out->factor[1].letters, labels.b);
    strcpy(out->result, labels.result);
    return true;
  }
  if (node->op != OP_MULTIPLY) return false;
  for (int32_t k = 0; k < node->shape.rank; k++) out->result[k] = (char)('a' + k);
  for (int k = 0; k < 2; k++) out->factor[k] = factor_of_multiply(graph, node->operand[k], out->result);
  return true;
}

/* Below: the steps from `id` down to the product. Axis k of the node that is looked at has the letters axis[k]. */
typedef struct Step {
  int64_t axis, start, size, stride;
  bool unwindow;
} Step;
enum { MOST_STEPS = 2 * SHAPE_MAX_RANK };

static NodeId find_steps(const Graph *graph, NodeId id, Step *steps, uint32_t *out_count) {
  *out_count = 0;
  for (; is_step(graph_op(graph, id)); id = graph_operand(graph, id, 0)) {
    if (*out_count == MOST_STEPS) return NODE_NONE;
    const Node *node = graph_node(graph, id);
    bool unwindow = node->op == OP_UNWINDOW;
    Step *step = &steps[(*out_count)++];
    *step = (Step){.unwindow = unwindow, .axis = node_integer(node, unwindow ? (int)UNWINDOW_AXIS : (int)SLICE_AXIS)};
    step->size = node_integer(node, unwindow ? (int)UNWINDOW_EXTENT : (int)SLICE_SIZE);
    step->start = unwindow ? 0 : node_integer(node, SLICE_START);
    step->stride = unwindow ? node_integer(node, UNWINDOW_STRIDE) : 1;
  }
  return id;
}

/* Replays the steps upwards from the product: overlap-adds of its own axes, slices of what those leave. */
static bool find_overlaps(const Step *steps, uint32_t step_count, Product *product) {
  char axis[SHAPE_MAX_RANK + 1]; /* letters of the axes so far */
  strcpy(axis, product->result);
  for (uint32_t k = step_count; k-- > 0;) {
    const Step *step = &steps[k];
    char letter = axis[step->axis];
    Overlap *found = NULL;
    for (uint32_t n = 0; n < product->overlap_count; n++) {
      if (product->overlap[n].count == letter) found = &product->overlap[n];
    }
    if (!step->unwindow) {
      if (!found) return false;
      found->start += step->start;
      found->extent = step->size;
      continue;
    }
    char size = axis[step->axis + 1];
    for (uint32_t n = 0; n < product->overlap_count; n++) {
      if (found || product->overlap[n].count == size) return false;
    }
    product->overlap[product->overlap_count++] =
        (Overlap){.count = letter, .size = size, .stride = step->stride, .extent = step->size};
    remove_letter(axis, size);
  }
  return product->overlap_count > 0;
}

/* Which factor has the windows, and does the other alone have the places in them? */
static bool find_side(const Product *product, Overlap *overlap) {
  for (int side = 0; side < 2; side++) {
    const char *windows = product->factor[side].letters, *places = product->factor[1 - side].letters;
    overlap->side = side;
    bool apart = !strchr(windows, overlap->size) && !strchr(places, overlap->count);
    if (apart && strchr(windows, overlap->count) && strchr(places, overlap->size)) return true;
  }
  return false;
}

/* Pads by `low` and `high`, slices where they are negative. */
static NodeId fit(Graph *to, NodeId x, int64_t axis, int64_t low, int64_t high) {
  int64_t extent = graph_shape(to, x)->dim[axis].factor;
  if (low < 0 || high < 0) {
    int64_t start = low < 0 ? -low : 0, end = extent + (high < 0 ? high : 0);
    if (start >= end) return NODE_NONE; /* nothing of it is wanted */
    x = graph_slice(to, x, axis, start, end - start);
  }
  return graph_pad(to, x, axis, low > 0 ? low : 0, high > 0 ? high : 0);
}

/* The factors of one overlap: taps [j, r] from the last to the first in place of [s], and the other factor padded for
 * windows of taps [q, j] in place of [o]. */
static bool apply_overlap(Graph *to, Product *product, Overlap *overlap) {
  Factor *windows = &product->factor[overlap->side], *places = &product->factor[1 - overlap->side];
  int64_t t = overlap->stride;
  int64_t axis = strchr(places->letters, overlap->size) - places->letters;
  int64_t size = graph_shape(to, places->node)->dim[axis].factor;
  int64_t shift = (t - overlap->start % t) % t; /* s counted from where a remainder of 0 begins */
  int64_t first = (overlap->start + shift) / t; /* the window there */
  int64_t taps = (size + shift + t - 1) / t, wanted = (overlap->extent + t - 1) / t;
  NodeId w = graph_pad(to, places->node, axis, shift, taps * t - size - shift);
  overlap->tap = new_letter(product);
  if (t > 1) {
    Dim dims[] = {dim_constant(taps), dim_constant(t)};
    Shape cut = shape_replace(graph_shape(to, w), (int32_t)axis, 1, dims, 2);
    w = graph_reshape(to, w, &cut);
    insert_letter(places->letters, &places->letters[axis], overlap->size);
  }
  places->letters[axis] = overlap->tap;
  places->node = graph_reverse(to, w, axis);
  axis = strchr(windows->letters, overlap->count) - windows->letters;
  int64_t count = graph_shape(to, windows->node)->dim[axis].factor;
  int64_t low = taps - 1 - first;
  NodeId x = fit(to, windows->node, axis, low, wanted + taps - 1 - low - count);
  if (!x) return false;
  windows->node = x;
  overlap->taps = taps;
  if (t == 1) remove_letter(product->result, overlap->size);
  return true;
}

static void add_windows(Graph *to, Product *product, const Overlap *overlap) {
  Factor *windows = &product->factor[overlap->side];
  int64_t axis = strchr(windows->letters, overlap->count) - windows->letters;
  windows->node = graph_window(to, windows->node, axis, overlap->taps, 1);
  insert_letter(windows->letters, &windows->letters[axis], overlap->tap);
}

static Dim extent_of(const Graph *graph, const Product *product, char letter) {
  for (int k = 0; k < 2; k++) {
    const char *at = strchr(product->factor[k].letters, letter);
    if (at) return graph_shape(graph, product->factor[k].node)->dim[at - product->factor[k].letters];
  }
  guard_bug("overlap_add: no factor has the axis %c", letter);
}

/* An elementwise product and its sum over the taps, which stand behind their windows. */
static NodeId sum_of_product(Graph *to, const Product *product) {
  char letters[SHAPE_MAX_RANK + 1];
  strcpy(letters, product->result);
  for (uint32_t k = 0; k < product->overlap_count; k++) {
    insert_letter(letters, strchr(letters, product->overlap[k].count), product->overlap[k].tap);
  }
  Shape shape = {0};
  int64_t taps[SHAPE_MAX_RANK];
  uint32_t count = 0;
  for (; letters[shape.rank]; shape.rank++) {
    shape.dim[shape.rank] = extent_of(to, product, letters[shape.rank]);
    if (!strchr(product->result, letters[shape.rank])) taps[count++] = shape.rank;
  }
  const Factor *factor = product->factor;
  NodeId a = graph_broadcast_labels(to, factor[0].node, factor[0].letters, letters, &shape);
  NodeId b = graph_broadcast_labels(to, factor[1].node, factor[1].letters, letters, &shape);
  return graph_reduce(to, OP_REDUCE_SUM, graph_binary(to, OP_MULTIPLY, a, b), taps, count);
}

/* Neither a factor nor the product may have more axes than shapes can. */
static bool is_small_enough(const Product *product) {
  size_t most = strlen(product->result) + (product->summed ? 0 : product->overlap_count);
  for (int k = 0; k < 2; k++) {
    size_t rank = strlen(product->factor[k].letters) + product->overlap_count;
    if (rank > most) most = rank;
  }
  return most <= SHAPE_MAX_RANK;
}

/* [.., q, r, ..] -> [.., q * t + r, ..], what is wanted of it. */
static NodeId join_remainders(Graph *to, NodeId x, const Product *product) {
  char letters[SHAPE_MAX_RANK + 1];
  strcpy(letters, product->result);
  for (uint32_t k = 0; k < product->overlap_count; k++) {
    const Overlap *overlap = &product->overlap[k];
    int64_t axis = strchr(letters, overlap->count) - letters;
    if (overlap->stride > 1) {
      Dim merged = dim_constant(graph_shape(to, x)->dim[axis].factor * overlap->stride);
      Shape flat = shape_replace(graph_shape(to, x), (int32_t)axis, 2, &merged, 1);
      x = graph_reshape(to, x, &flat);
      remove_letter(letters, overlap->size);
    }
    if (graph_shape(to, x)->dim[axis].factor > overlap->extent) x = graph_slice(to, x, axis, 0, overlap->extent);
  }
  return x;
}

/* Does every remainder stand right behind its window, so that the two can be joined? */
static bool is_joined(const Product *product) {
  for (uint32_t k = 0; k < product->overlap_count; k++) {
    const char *at = strchr(product->result, product->overlap[k].count);
    if (product->overlap[k].stride > 1 && at[1] != product->overlap[k].size) return false;
  }
  return true;
}

static NodeId sum_over_windows(Graph *to, NodeId top) {
  Step steps[MOST_STEPS];
  uint32_t step_count;
  NodeId bottom = find_steps(to, top, steps, &step_count);
  Product product;
  if (!bottom || !find_product(to, bottom, &product)) return NODE_NONE;
  if (!find_overlaps(steps, step_count, &product) || !is_small_enough(&product) || !is_joined(&product)) {
    return NODE_NONE;
  }
  for (uint32_t k = 0; k < product.overlap_count; k++) {
    Overlap *overlap = &product.overlap[k];
    if (!find_side(&product, overlap) || (product.summed && overlap->stride > 1)) return NODE_NONE;
  }
  for (uint32_t k = 0; k < product.overlap_count; k++) {
    if (!apply_overlap(to, &product, &product.overlap[k])) return NODE_NONE;
  }
  for (uint32_t k = 0; k < product.overlap_count; k++) add_windows(to, &product, &product.overlap[k]);
  if (!product.summed) return join_remainders(to, sum_of_product(to, &product), &product);
  const char *labels =
      arena_format(to->arena, "%s,%s->%s", product.factor[0].letters, product.factor[1].letters, product.result);
  return graph_contract(to, product.factor[0].node, product.factor[1].node, labels);
}

typedef struct Tops {
  const Graph *graph;
  bool *inner; /* [id]: a step that only other steps read */
} Tops;

static NodeId rewrite(Graph *to, const Node *node, const NodeId *operands, void *user) {
  const Tops *tops = user;
  if (!is_step(node->op) || tops->inner[node - tops->graph->node]) return NODE_NONE;
  return sum_over_windows(to, graph_add(to, node->op, operands, node->operand_count, node->attribute));
}

static bool *find_inner(const Graph *graph, Arena *arena) {
  bool *inner = ARENA_ARRAY(arena, bool, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) inner[id] = is_step(graph_op(graph, id));
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    for (uint32_t k = 0; k < node->operand_count; k++) inner[node->operand[k]] &= is_step(node->op);
  }
  for (uint32_t k = 0; k < graph->output_count; k++) inner[graph->output[k].node] = false;
  return inner;
}

Graph *pass_overlap_add(const Graph *graph, PassContext *context) {
  Tops tops = {graph, find_inner(graph, context->arena)};
  return graph_rewrite(graph, graph_find_live(graph, context->arena), context->arena, rewrite, &tops);
}
