/* Kernels under construction: loops, expressions built once, argument slots; and the finishing touches. */
#include "kernel_loops.h"
#include "lower_internal.h"

#include "ir/sign.h"

#include "ir/guard.h"

#include <string.h>

bool builder_fail(Builder *builder, FailureKind kind, NodeId node, const char *message) {
  builder->failure = (Failure){kind, node, message};
  return false;
}

AxisMask logical_axes(const Builder *builder, uint32_t logical) {
  return position_axes(&builder->logical[logical].position);
}

bool builder_add_axis(Builder *builder, Dim extent, AxisRole role, bool keep, uint32_t *out_logical) {
  if (builder->logical_count == LOGICAL_MAX) return builder_fail(builder, FAILURE_SHAPE, NODE_NONE, "too many axes");
  uint32_t number = builder->logical_count++;
  LogicalAxis *logical = &builder->logical[number];
  *logical = (LogicalAxis){.extent = extent, .role = role, .first = builder->space.count};
  logical->position = position_constant(0);
  *out_logical = number;
  if (!keep && dim_equal(extent, dim_constant(1))) return true;
  const Splits *splits = &builder->splits[number];
  if (builder->space.count + splits->count + 1 > KERNEL_MAX_AXES) {
    return builder_fail(builder, FAILURE_SHAPE, NODE_NONE, "too many axes");
  }
  Dim rest = extent;
  for (uint32_t k = splits->count + 1; k-- > 0;) { /* outermost loop first: the one with the largest step */
    int64_t step = k == 0 ? 1 : splits->inner[k - 1];
    Dim count;
    bool divides = dim_divide(rest, dim_constant(step), &count);
    ASSERT(divides);
    uint32_t loop = builder->space.count++;
    builder->space.axis[loop] = (LoopAxis){count, role};
    logical->position.coefficient[loop] = step;
    rest = dim_constant(step);
    logical->count++;
  }
  return true;
}

/* Adds a split at `inner` elements of the logical axis where all splits still divide one another. */
static bool add_split(Splits *splits, int64_t inner) {
  uint32_t at = 0;
  while (at < splits->count && splits->inner[at] < inner) at++;
  if (splits->count == SPLITS_MAX || (at < splits->count && splits->inner[at] % inner != 0)) return false;
  if (at > 0 && inner % splits->inner[at - 1] != 0) return false;
  if (at < splits->count && splits->inner[at] == inner) return false;
  for (uint32_t k = splits->count; k > at; k--) splits->inner[k] = splits->inner[k - 1];
  splits->inner[at] = inner;
  splits->count++;
  return true;
}

bool builder_split(Builder *builder, const SplitRequest *request, NodeId otherwise) {
  if (request->wanted) {
    AxisRole role = builder->space.axis[request->axis].role;
    for (uint32_t n = 0; n < builder->logical_count && (role == AXIS_PARALLEL || role == AXIS_REDUCED); n++) {
      const LogicalAxis *logical = &builder->logical[n];
      if (request->axis < logical->first || request->axis >= logical->first + logical->count) continue;
      int64_t inner = request->inner * logical->position.coefficient[request->axis];
      if (add_split(&builder->splits[n], inner)) return builder_fail(builder, FAILURE_SPLIT, otherwise, "");
    }
  }
  return builder_fail(builder, FAILURE_STORE, otherwise, "a reshape is not affine");
}

uint32_t builder_expr(Builder *builder, const Expr *expr) {
  bool product = builder->family == LOWER_CONTRACT;
  for (uint32_t e = 0; e < builder->expr_count; e++) {
    if (product && (e == builder->left || e == builder->right)) continue; /* factors are read by the product alone */
    if (builder->expr[e].kind == expr->kind && expr_equal(&builder->expr[e], expr, KERNEL_MAX_AXES)) return e;
  }
  builder->expr = arena_grow(builder->arena, builder->expr, builder->expr_count, &builder->expr_capacity, sizeof(Expr));
  builder->expr[builder->expr_count] = *expr;
  return builder->expr_count++;
}

uint32_t builder_constant(Builder *builder, double value) {
  return builder_expr(builder, &(Expr){.kind = EXPR_CONSTANT, .value = value});
}

uint32_t builder_op(Builder *builder, OpCode op, uint32_t a, uint32_t b, uint32_t c) {
  Expr expr = {.kind = EXPR_OP, .op = op, .arg = {a, b, c}};
  for (int k = 0; k < op_info(op)->operands_min; k++) expr.axes |= builder->expr[expr.arg[k]].axes;
  return builder_expr(builder, &expr);
}

/* SLOTS_MAX where there is no room. */
uint32_t builder_slot(Builder *builder, ValueId value, bool written) {
  for (uint32_t k = 0; k < builder->slot_count; k++) {
    if (builder->slot[k] == value && builder->slot_written[k] == written) return k;
  }
  if (builder->slot_count == SLOTS_MAX) return SLOTS_MAX;
  builder->slot[builder->slot_count] = value;
  builder->slot_written[builder->slot_count] = written;
  return builder->slot_count++;
}

bool builder_load(Builder *builder, ValueId value, const Shape *shape, const Place *place, NodeId node,
                  uint32_t *out_expr) {
  Expr expr = {.kind = EXPR_LOAD};
  if (!place_access(place, shape, &expr.access)) {
    return builder_fail(builder, FAILURE_SHAPE, node, "strides depend on a symbol in a way that is not linear");
  }
  expr.access.slot = builder_slot(builder, value, false);
  if (expr.access.slot == SLOTS_MAX) return builder_fail(builder, FAILURE_SHAPE, node, "too many arguments");
  expr.axes = access_axes(&expr.access);
  if (builder->family == LOWER_SCAN && builder->lowered->value[value].node == node)
    expr.sign = graph_sign(builder->clusters->graph, node);
  *out_expr = builder_expr(builder, &expr);
  return true;
}

/* The place within the concatenation that `part` belongs to. */
static Place place_in_whole(const Builder *builder, NodeId part, const Place *place) {
  const Graph *graph = builder->clusters->graph;
  const Node *whole = graph_node(graph, builder->clusters->part_of[part]);
  int64_t axis = node_integer(whole, CONCAT_AXIS);
  Place moved = *place;
  for (uint32_t k = 0; whole->operand[k] != part; k++) {
    Linear extent = linear_of_dim(graph_shape(graph, whole->operand[k])->dim[axis]);
    linear_add(&moved.axis[axis].constant, &extent, 1);
  }
  return moved;
}

bool builder_store(Builder *builder, ValueId value, const Shape *shape, const Place *place, NodeId node, uint32_t expr,
                   Store **out_store) {
  if (builder->store_count == STORES_MAX) return builder_fail(builder, FAILURE_SHAPE, node, "too many results");
  Store *store = &builder->store[builder->store_count];
  *store = (Store){.expr = expr};
  Place moved = *place;
  NodeId whole = builder->clusters->part_of[node];
  if (whole != NODE_NONE && value == builder->lowered->of_node[node]) {
    moved = place_in_whole(builder, node, place);
    shape = graph_shape(builder->clusters->graph, whole);
    value = builder->lowered->of_node[whole];
  }
  if (!place_access(&moved, shape, &store->access)) {
    return builder_fail(builder, FAILURE_SHAPE, node, "strides depend on a symbol in a way that is not linear");
  }
  store->access.slot = builder_slot(builder, value, true);
  if (store->access.slot == SLOTS_MAX) return builder_fail(builder, FAILURE_SHAPE, node, "too many arguments");
  builder->store_count++;
  if (out_store) *out_store = store;
  return true;
}

/* Where a loop stands: by role, and the PARALLEL axes of a product by the factors that vary along them. */
static int loop_rank(const Kernel *kernel, uint32_t k) {
  static const int by_role[] = {
      [AXIS_PARALLEL] = 0, [AXIS_LANE] = 3, [AXIS_TIME] = 4, [AXIS_STATE] = 5, [AXIS_REDUCED] = 6};
  if (kernel->family != LOWER_CONTRACT || kernel->axis[k].role != AXIS_PARALLEL) return by_role[kernel->axis[k].role];
  bool left = kernel->expr[kernel->left].axes >> k & 1, right = kernel->expr[kernel->right].axes >> k & 1;
  return left && right ? 0 : left ? 1 : 2;
}

static void order_loops(Kernel *kernel) {
  LoopMap map = {0};
  for (int rank = 0; rank <= 6; rank++) {
    for (uint32_t k = 0; k < kernel->axis_count; k++) {
      if (loop_rank(kernel, k) == rank) map.from[map.count++] = k;
    }
  }
  kernel_map_loops(kernel, &map);
}

/* Read-only slots first, in order of first use. */
static void order_slots(const Builder *builder, Kernel *kernel, Arena *arena, ValueId **out_arguments) {
  uint32_t place[SLOTS_MAX] = {0};
  ValueId *arguments = ARENA_ARRAY(arena, ValueId, builder->slot_count + 1);
  for (int written = 0; written < 2; written++) {
    for (uint32_t k = 0; k < builder->slot_count; k++) {
      if (builder->slot_written[k] != written) continue;
      place[k] = kernel->argument_count;
      arguments[kernel->argument_count++] = builder->slot[k];
    }
    if (!written) kernel->read_count = kernel->argument_count;
  }
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    if (kernel->expr[e].kind == EXPR_LOAD) kernel->expr[e].access.slot = place[kernel->expr[e].access.slot];
  }
  for (uint32_t s = 0; s < kernel->store_count; s++) {
    kernel->store[s].access.slot = place[kernel->store[s].access.slot];
  }
  *out_arguments = arguments;
}

Kernel *builder_finish(Builder *builder, Arena *arena, ValueId **out_arguments) {
  Kernel *kernel = ARENA_NEW(arena, Kernel);
  kernel->family = builder->family;
  kernel->axis_count = builder->space.count;
  memcpy(kernel->axis, builder->space.axis, sizeof kernel->axis);
  kernel->expr_count = builder->expr_count;
  kernel->expr = arena_copy(arena, builder->expr, builder->expr_count * sizeof(Expr));
  kernel->reduction_count = builder->reduction_count;
  kernel->reduction = arena_copy(arena, builder->reduction, builder->reduction_count * sizeof(Reduction));
  kernel->recurrence_count = builder->recurrence_count;
  kernel->recurrence = arena_copy(arena, builder->recurrence, builder->recurrence_count * sizeof(Recurrence));
  kernel->store_count = builder->store_count;
  kernel->store = arena_copy(arena, builder->store, builder->store_count * sizeof(Store));
  kernel->left = builder->left;
  kernel->right = builder->right;
  kernel->transform = builder->transform;
  kernel->chunk = builder->chunk;
  order_loops(kernel);
  kernel_merge_loops(kernel);
  order_slots(builder, kernel, arena, out_arguments);
  return kernel;
}
