/* The expression for one element of a node's value: the heart of lowering. Operands are asked for the element that is
 * needed, down to buffers; views only change which element that is. */
#include "lower_internal.h"
#include "scan_nodes.h"

static const Node *node_of(const Builder *builder, NodeId id) { return graph_node(builder->clusters->graph, id); }

static bool is_local(const Builder *builder, NodeId id) { return builder->clusters->of[id] == builder->cluster; }

static bool is_in_buffer(const Builder *builder, NodeId id) {
  return builder->clusters->stored[id] && !is_local(builder, id);
}

static bool load_node(Builder *builder, NodeId buffer, NodeId as, const Place *place, uint32_t *out_expr) {
  ValueId value = builder->lowered->of_node[buffer];
  return builder_load(builder, value, &node_of(builder, as)->shape, place, buffer, out_expr);
}

/* A reshape of what is in a buffer addresses that buffer with strides of its own. */
static NodeId reshaped_buffer(const Builder *builder, NodeId id) {
  while (node_of(builder, id)->op == OP_RESHAPE) {
    id = node_of(builder, id)->operand[0];
    if (is_in_buffer(builder, id)) return id;
    if (is_local(builder, id)) return NODE_NONE;
  }
  return NODE_NONE;
}

static bool lower_view(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  const Node *node = node_of(builder, id);
  if (node->op == OP_RESHAPE) {
    NodeId buffer = reshaped_buffer(builder, id);
    if (buffer != NODE_NONE) return load_node(builder, buffer, id, place, out_expr);
  }
  Place inner;
  SplitRequest split;
  NodeId operand = node->operand[0];
  if (!place_through_view(&builder->space, node, &node_of(builder, operand)->shape, place, &inner, &split)) {
    while (node_of(builder, operand)->op == OP_RESHAPE) operand = node_of(builder, operand)->operand[0];
    return builder_split(builder, &split, operand);
  }
  return lower_value(builder, operand, &inner, out_expr);
}

static uint32_t index_expr(Builder *builder, const Position *position) {
  Expr index = {.kind = EXPR_INDEX, .axes = position_axes(position)};
  index.index.constant = position->constant.constant;
  for (int k = 0; k < KERNEL_MAX_AXES; k++) index.index.coefficient[k] = position->coefficient[k];
  return builder_expr(builder, &index);
}

/* 1 where the position is below a limit. The distance is compared with 0: f32 keeps its sign, however large it is, and
 * would not tell large neighbours apart. */
static uint32_t is_below(Builder *builder, const Position *position, int64_t limit) {
  Position distance = *position;
  distance.constant.constant -= limit;
  return builder_op(builder, OP_LESS, index_expr(builder, &distance), builder_constant(builder, 0), 0);
}

/* 1 where 0 <= position < extent, for bounds that may fail; UINT32_MAX where none does. */
static uint32_t inside(Builder *builder, const Position *position, Dim extent) {
  uint32_t condition = UINT32_MAX, high;
  if (!position_is_from(&builder->space, position, 0)) {
    condition = builder_op(builder, OP_LESS_EQUAL, builder_constant(builder, 0), index_expr(builder, position), 0);
  }
  if (dim_is_constant(extent)) {
    if (position_is_below(&builder->space, position, extent.factor)) return condition;
    high = is_below(builder, position, extent.factor);
  } else {
    uint32_t limit = builder_expr(builder, &(Expr){.kind = EXPR_EXTENT, .dim = extent});
    high = builder_op(builder, OP_LESS, index_expr(builder, position), limit, 0);
  }
  return condition == UINT32_MAX ? high : builder_op(builder, OP_MULTIPLY, condition, high, 0);
}

bool lower_guarded(Builder *builder, NodeId id, NodeId operand, int64_t axis, Place inner, uint32_t *out_expr) {
  Dim extent = node_of(builder, operand)->shape.dim[axis];
  bool added;
  if (!place_guard(&builder->space, &inner, &inner.axis[axis], extent, &added)) {
    return builder_fail(builder, FAILURE_STORE, id, "too many guards");
  }
  if (!lower_value(builder, operand, &inner, out_expr)) return false;
  if (!added || builder->expr[*out_expr].kind == EXPR_LOAD) return true;
  uint32_t condition = inside(builder, &inner.axis[axis], extent);
  *out_expr = builder_op(builder, OP_SELECT, condition, *out_expr, builder_constant(builder, 0));
  return true;
}

static bool lower_pad(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  const Node *node = node_of(builder, id);
  int64_t axis = node_integer(node, PAD_AXIS);
  Place inner = *place;
  inner.axis[axis].constant.constant -= node_integer(node, PAD_LOW);
  return lower_guarded(builder, id, node->operand[0], axis, inner, out_expr);
}

/* The first operand at `inner`, which may be before the first step: there the second operand, or 0. */
static bool lower_shifted(Builder *builder, NodeId id, const Place *place, const Place *inner, int64_t axis, Dim extent,
                          uint32_t *out_expr) {
  const Node *node = node_of(builder, id);
  if (node->operand_count == 1) return lower_guarded(builder, id, node->operand[0], axis, *inner, out_expr);
  if (builder->one_load) return builder_fail(builder, FAILURE_STORE, id, "a factor is no plain load");
  Place first = *place;
  first.rank--;
  for (int32_t k = (int32_t)axis; k < first.rank; k++) first.axis[k] = place->axis[k + 1];
  uint32_t before = 0, other = 0;
  if (!lower_guarded(builder, id, node->operand[0], axis, *inner, &before)) return false;
  if (!lower_value(builder, node->operand[1], &first, &other)) return false;
  uint32_t condition = inside(builder, &inner->axis[axis], extent);
  *out_expr = condition == UINT32_MAX ? before : builder_op(builder, OP_SELECT, condition, before, other);
  return true;
}

static bool lower_delay(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  const Node *node = node_of(builder, id);
  int64_t axis = node_integer(node, DELAY_AXIS);
  Place inner = *place;
  inner.axis[axis].constant.constant += node_integer(node, DELAY_REVERSE) != 0 ? 1 : -1;
  return lower_shifted(builder, id, place, &inner, axis, node->shape.dim[axis], out_expr);
}

/* Where no scan leaves them: the states one step before every `steps`-th. */
static bool lower_checkpoint(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  const Node *node = node_of(builder, id);
  int64_t axis = node_integer(node, CHECKPOINT_AXIS), steps = node_integer(node, CHECKPOINT_STEPS);
  bool reverse = node_integer(node, CHECKPOINT_REVERSE) != 0;
  Dim extent = node_of(builder, node->operand[0])->shape.dim[axis];
  Place cut = *place; /* with the last axis back in its place among the states' */
  for (int32_t k = place->rank - 1; k > node_integer(node, CHECKPOINT_LAST); k--) cut.axis[k] = place->axis[k - 1];
  cut.axis[node_integer(node, CHECKPOINT_LAST)] = place->axis[place->rank - 1];
  Place inner = cut;
  Position position = {0};
  position_add(&position, &cut.axis[axis], reverse ? -steps : steps);
  position.constant.constant += reverse ? extent.factor : -1;
  inner.axis[axis] = position;
  return lower_shifted(builder, id, &cut, &inner, axis, extent, out_expr);
}

/* Which part an element is in is decided while compiling where it can be, else by comparing the index. */
static bool lower_concat(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  const Node *node = node_of(builder, id);
  int64_t axis = node_integer(node, CONCAT_AXIS), start = 0;
  const Position *position = &place->axis[axis];
  uint32_t value[GRAPH_MAX_OPERANDS] = {0}, condition[GRAPH_MAX_OPERANDS] = {0}, count = 0;
  for (uint32_t k = 0; k < node->operand_count; k++) {
    Dim extent = node_of(builder, node->operand[k])->shape.dim[axis];
    if (!dim_is_constant(extent)) return builder_fail(builder, FAILURE_SHAPE, id, "a part's extent is no constant");
    int64_t end = start + extent.factor;
    bool misses =
        position_is_below(&builder->space, position, start) || position_is_from(&builder->space, position, end);
    if (!misses) {
      Place inner = *place;
      inner.axis[axis].constant.constant -= start;
      if (!lower_guarded(builder, id, node->operand[k], axis, inner, &value[count])) return false;
      bool last = position_is_below(&builder->space, position, end);
      condition[count++] = last ? UINT32_MAX : is_below(builder, position, end); /* in this part or an earlier one */
    }
    start = end;
  }
  if (count == 0) return builder_fail(builder, FAILURE_SHAPE, id, "an element outside all parts");
  if (builder->one_load && count > 1) return builder_fail(builder, FAILURE_STORE, id, "a factor is no plain load");
  *out_expr = value[count - 1];
  for (uint32_t k = count - 1; k-- > 0;) {
    *out_expr =
        condition[k] == UINT32_MAX ? value[k] : builder_op(builder, OP_SELECT, condition[k], value[k], *out_expr);
  }
  return true;
}

static bool lower_elementwise(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  const Node *node = node_of(builder, id);
  uint32_t arg[3] = {0};
  for (uint32_t k = 0; k < node->operand_count; k++) {
    if (!lower_value(builder, node->operand[k], place, &arg[k])) return false;
  }
  bool copies = node->op == OP_COPY || node->op == OP_DETACH;
  *out_expr = copies ? arg[0] : builder_op(builder, node->op, arg[0], arg[1], arg[2]);
  return true;
}

static bool lower_random(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  const Node *node = node_of(builder, id);
  Expr expr = {.kind = EXPR_RANDOM, .stream = node_integer(node, RANDOM_STREAM)};
  Place unguarded = *place;
  unguarded.guard_count = 0;
  if (!place_access(&unguarded, &node->shape, &expr.access)) {
    return builder_fail(builder, FAILURE_SHAPE, id, "the element's number is not linear in the loop indices");
  }
  expr.axes = access_axes(&expr.access);
  *out_expr = builder_expr(builder, &expr);
  return true;
}

static bool lower_index(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  const Position *position = &place->axis[0];
  for (int s = 0; s < SYMBOL_MAX; s++) {
    if (position->constant.per_symbol[s] != 0) {
      return builder_fail(builder, FAILURE_STORE, id, "an index that depends on a symbol");
    }
  }
  *out_expr = index_expr(builder, position);
  return true;
}

static bool lower_op(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  const Node *node = node_of(builder, id);
  if (op_info(node->op)->lowering == LOWER_VIEW) return lower_view(builder, id, place, out_expr);
  if (node->op == OP_PAD) return lower_pad(builder, id, place, out_expr);
  if (node->op == OP_CONCAT) return lower_concat(builder, id, place, out_expr);
  if (op_is_recurrence(node->op)) return lower_state(builder, id, place, out_expr);
  if (node->op == OP_DELAY) {
    if (builder->family == LOWER_SCAN && lower_state(builder, id, place, out_expr)) return true;
    return lower_delay(builder, id, place, out_expr);
  }
  if (builder->one_load) return builder_fail(builder, FAILURE_STORE, id, "a factor is no plain load");
  if (op_is_elementwise(node->op)) return lower_elementwise(builder, id, place, out_expr);
  switch (node->op) {
    case OP_CONSTANT:
      *out_expr = builder_constant(builder, node_real(node, CONSTANT_VALUE));
      return true;
    case OP_EXTENT: {
      Expr expr = {.kind = EXPR_EXTENT, .dim = node->attribute[EXTENT_DIM].dims[0]};
      *out_expr = builder_expr(builder, &expr);
      return true;
    }
    case OP_INDEX:
      return lower_index(builder, id, place, out_expr);
    case OP_RANDOM_UNIFORM:
      return lower_random(builder, id, place, out_expr);
    case OP_REDUCE_SUM:
    case OP_REDUCE_MAX:
      return lower_reduce(builder, id, place, out_expr);
    case OP_CONTRACT:
      return lower_inner_product(builder, id, place, out_expr);
    case OP_CHECKPOINT:
      return lower_checkpoint(builder, id, place, out_expr);
    case OP_UNWINDOW:
      return lower_overlap_add(builder, id, place, out_expr);
    default:
      return builder_fail(builder, FAILURE_SHAPE, id, "the op does not go into this kernel");
  }
}

bool lower_value(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  if (is_in_buffer(builder, id)) return load_node(builder, id, id, place, out_expr);
  for (const PlacedExpr *known = builder->placed[id]; known != NULL; known = known->next) {
    if (!place_equal(&known->place, place)) continue;
    *out_expr = known->expr;
    return true;
  }
  if (!lower_op(builder, id, place, out_expr)) return false;
  PlacedExpr *placed = ARENA_NEW(builder->arena, PlacedExpr);
  *placed = (PlacedExpr){*place, *out_expr, builder->placed[id]};
  builder->placed[id] = placed;
  return true;
}
