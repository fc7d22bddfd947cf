/* Layout: the second factor of a product is laid out anew where the vector axis of the result is not contiguous in it,
 * and so is a weight that an elementwise op reads along its last axis (a filter for each channel).
 *
 *   %3 = contract(%1, %2) "bi,oi->bo"            %3 = permute(%2) {axes = [1, 0]}; %4 = copy(%3)
 *                                         ->     %5 = contract(%1, %4) "bi,io->bo"
 *
 * The vector axis is the last axis of the result that is in one factor only; a kernel loads that factor by whole
 * vectors along it (kernel.h: `right`). A copy costs one pass over the factor, strided loads cost one for every tile of
 * the product; a copied weight is prepared once. Where the factor is larger than the result, as in the gradient of a
 * convolution's filter, the result is computed with another axis last, one that is contiguous in its factor, and
 * permuted. Products that become maps (no axis of the left factor's own) are left alone.
 *
 * Needs nothing. Keeps every value. Linear. */
#include "pipeline.h"
#include "position.h"
#include "rebuild.h"

#include "ir/guard.h"

#include <string.h>

/* Where the elements of the node are in the buffer that its views lead to. One loop stands for each axis. */
static bool find_access(const Graph *graph, NodeId id, Access *out) {
  LoopSpace space = {0};
  Place place = {.rank = graph_shape(graph, id)->rank};
  for (int32_t k = 0; k < place.rank; k++) {
    place.axis[k].coefficient[space.count] = 1;
    space.axis[space.count++] = (LoopAxis){graph_shape(graph, id)->dim[k], AXIS_PARALLEL};
  }
  while (op_info(graph_op(graph, id))->lowering == LOWER_VIEW || graph_op(graph, id) == OP_PAD) {
    const Node *node = graph_node(graph, id);
    NodeId operand = node->operand[0];
    Place inner = place;
    SplitRequest split;
    if (node->op != OP_PAD && !place_through_view(&space, node, graph_shape(graph, operand), &place, &inner, &split)) {
      break; /* it will be stored as it is */
    }
    place = inner;
    id = operand;
  }
  return place_access(&place, graph_shape(graph, id), out);
}

static bool is_contiguous(const Graph *graph, NodeId id, int32_t axis) {
  Access access;
  return find_access(graph, id, &access) && dim_equal(access.stride[axis], dim_constant(1));
}

static bool is_single(const Shape *shape, const char *letters, char letter) {
  const char *at = strchr(letters, letter);
  return at != NULL && dim_equal(shape->dim[at - letters], dim_constant(1));
}

/* The letter of the vector axis, or 0; `out_side` is the factor that has it. */
static char vector_letter(const Graph *graph, const Node *node, const Labels *labels, int *out_side) {
  const Shape *a = graph_shape(graph, node->operand[0]), *b = graph_shape(graph, node->operand[1]);
  char vector = 0;
  bool other_side = false;
  for (size_t k = strlen(labels->result); k-- > 0;) {
    char letter = labels->result[k];
    bool in_a = strchr(labels->a, letter) != NULL, in_b = strchr(labels->b, letter) != NULL;
    if ((in_a && in_b) || is_single(a, labels->a, letter) || is_single(b, labels->b, letter)) continue;
    if (vector == 0) {
      vector = letter;
      *out_side = in_b;
    }
    other_side |= in_b != (*out_side == 1);
  }
  return other_side ? vector : 0;
}

/* Is it a parameter, or a view of one? */
static bool is_weight(const Graph *graph, NodeId id) {
  while (op_info(graph_op(graph, id))->lowering == LOWER_VIEW) id = graph_operand(graph, id, 0);
  return graph_op(graph, id) == OP_PARAMETER;
}

/* A weight that is read along the last axis of an elementwise op, and does not lie so. */
static NodeId lay_out_broadcast(Graph *to, const Node *node, NodeId operand) {
  const Attribute *axes = &node->attribute[BROADCAST_AXES];
  int32_t last = graph_shape(to, operand)->rank - 1;
  if (last < 1 || !is_weight(to, operand) || axes->integers[last] != node->shape.rank - 1) return NODE_NONE;
  if (dim_equal(graph_shape(to, operand)->dim[last], dim_constant(1)) || is_contiguous(to, operand, last))
    return NODE_NONE;
  return graph_broadcast(to, graph_unary(to, OP_COPY, operand), &node->shape, axes->integers);
}

/* More elements than the other? One that grows with the batch has more than one that does not. */
static bool is_larger(const Shape *shape, const Shape *other) {
  Dim count, against;
  if (!shape_count(shape, &count) || !shape_count(other, &against)) return false;
  bool grows = !dim_is_constant(count);
  return grows != !dim_is_constant(against) ? grows : count.factor > against.factor;
}

/* The longest axis of the result that is in one factor only and contiguous there, or 0. */
static char contiguous_letter(const Graph *graph, const NodeId *operands, const Labels *labels) {
  char best = 0;
  int64_t most = 1;
  for (const char *at = labels->result; *at; at++) {
    const char *in_a = strchr(labels->a, *at), *in_b = strchr(labels->b, *at);
    if (in_a && in_b) continue;
    int32_t axis = (int32_t)(in_b ? in_b - labels->b : in_a - labels->a);
    Dim extent = graph_shape(graph, operands[in_b != NULL])->dim[axis];
    if (extent.factor <= most || !dim_is_constant(extent) || !is_contiguous(graph, operands[in_b != NULL], axis))
      continue;
    best = *at;
    most = extent.factor;
  }
  return best;
}

static NodeId contract_as(Graph *to, const NodeId *operands, const Labels *labels) {
  return graph_contract(to, operands[0], operands[1],
                        arena_format(to->arena, "%s,%s->%s", labels->a, labels->b, labels->result));
}

/* The product with axis `last` of its result in the last place, seen in the order that was asked for. */
static NodeId contract_permuted(Graph *to, const NodeId *operands, Labels *labels, char last) {
  int64_t axes[SHAPE_MAX_RANK];
  int32_t rank = (int32_t)strlen(labels->result), axis = (int32_t)(strchr(labels->result, last) - labels->result);
  for (int32_t k = 0; k < rank; k++) axes[k] = k < axis ? k : k == axis ? rank - 1 : k - 1;
  memmove(labels->result + axis, labels->result + axis + 1, (size_t)(rank - axis - 1));
  labels->result[rank - 1] = last;
  return graph_permute(to, contract_as(to, operands, labels), axes);
}

/* Rows that are short and do not continue in the next ones, as the windows of a small image: a tile has no more rows than
 * they, so each would read all of the other factor for few of them. A copy of all windows is one product. */
static bool has_short_rows(const Graph *graph, NodeId factor, const char *letters, const Labels *labels) {
  enum { ROWS_ENOUGH = 24 };
  Access access;
  const Shape *shape = graph_shape(graph, factor);
  int32_t rows = -1;
  if (!find_access(graph, factor, &access)) return false;
  for (size_t k = strlen(labels->result); k-- > 0;) {
    const char *at = strchr(letters, labels->result[k]);
    bool other = strchr(letters == labels->a ? labels->b : labels->a, labels->result[k]) != NULL;
    if (!at || other || dim_equal(shape->dim[at - letters], dim_constant(1))) continue;
    int32_t axis = (int32_t)(at - letters);
    Dim step;
    if (rows >= 0)
      return !dim_multiply(access.stride[rows], shape->dim[rows], &step) || !dim_equal(step, access.stride[axis]);
    if (!dim_is_constant(shape->dim[axis]) || shape->dim[axis].factor >= ROWS_ENOUGH) return false;
    rows = axis;
  }
  return false;
}

/* A copy of the factor with the axes of the result first, in their order there, and then those that are summed. */
static NodeId copy_as_matrix(Graph *to, NodeId factor, char *letters, const char *result) {
  int64_t axes[SHAPE_MAX_RANK];
  char ordered[SHAPE_MAX_RANK + 1] = {0};
  int32_t count = 0;
  for (const char *at = result; *at; at++) {
    const char *found = strchr(letters, *at);
    if (found) axes[count++] = found - letters;
  }
  for (int32_t k = 0; letters[k]; k++)
    if (!strchr(result, letters[k])) axes[count++] = k;
  for (int32_t k = 0; k < count; k++) ordered[k] = letters[axes[k]];
  memcpy(letters, ordered, (size_t)count);
  return graph_unary(to, OP_COPY, graph_permute(to, factor, axes));
}

static NodeId lay_out(Graph *to, const Node *node, const NodeId *given, void *unused) {
  (void)unused;
  if (node->op == OP_BROADCAST) return lay_out_broadcast(to, node, given[0]);
  if (node->op != OP_CONTRACT) return NODE_NONE;
  Labels labels;
  const char *message;
  bool parsed = labels_parse(node_text(node, CONTRACT_LABELS), &labels, &message);
  ASSERT(parsed);
  int side = 0;
  Node moved = *node;
  NodeId operands[2] = {given[0], given[1]};
  moved.operand = operands;
  char vector = vector_letter(to, &moved, &labels, &side);
  char *letters = side == 1 ? labels.b : labels.a;
  int32_t rank = (int32_t)strlen(letters);
  int32_t axis = vector ? (int32_t)(strchr(letters, vector) - letters) : -1;
  if (vector != 0 && !is_contiguous(to, operands[side], axis)) {
    char other =
        is_larger(graph_shape(to, operands[side]), &node->shape) ? contiguous_letter(to, operands, &labels) : 0;
    if (other) return contract_permuted(to, operands, &labels, other);
    int64_t axes[SHAPE_MAX_RANK];
    for (int32_t k = 0; k < rank - 1; k++) axes[k] = k < axis ? k : k + 1;
    axes[rank - 1] = axis;
    operands[side] = graph_unary(to, OP_COPY, graph_permute(to, operands[side], axes));
    memmove(letters + axis, letters + axis + 1, (size_t)(rank - axis - 1));
    letters[rank - 1] = vector;
  }
  char *rows = side == 1 ? labels.a : labels.b;
  if (vector != 0 && has_short_rows(to, operands[!side], rows, &labels))
    operands[!side] = copy_as_matrix(to, operands[!side], rows, labels.result);
  return contract_as(to, operands, &labels);
}

Graph *pass_layout(const Graph *graph, PassContext *context) {
  return graph_rewrite(graph, graph_find_live(graph, context->arena), context->arena, lay_out, NULL);
}
