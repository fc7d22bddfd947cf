/* MAP kernels, and what MAP and SCAN kernels share: reductions inside a kernel and where its results go. */
#include "lower_internal.h"

#include "ir/guard.h"

#include <string.h>

static const Node *node_of(const Builder *builder, NodeId id) { return graph_node(builder->clusters->graph, id); }

/* May a reduction run over this loop? In a map, over a parallel loop too, which becomes a reduced one: rows of a layer
 * norm are first summed, then written. */
static bool may_reduce(const Builder *builder, NodeId id, AxisRole role, bool turn_parallel) {
  if (builder->family == LOWER_MAP) return role == AXIS_REDUCED || (turn_parallel && role == AXIS_PARALLEL);
  return role == AXIS_STATE || id == builder->root;
}

static void turn_reduced(Builder *builder, LogicalAxis *logical) {
  if (builder->family != LOWER_MAP) return;
  logical->role = AXIS_REDUCED;
  for (uint32_t k = 0; k < logical->count; k++) builder->space.axis[logical->first + k].role = AXIS_REDUCED;
}

/* A loop of `extent` to reduce over that is there and not among `taken`: innermost first, a reduced one before a
 * parallel one. */
static bool find_reduced_loop(Builder *builder, NodeId id, Dim extent, AxisMask *taken, Position *out_position) {
  for (int turn = 0; turn < 2; turn++) {
    for (uint32_t n = builder->logical_count; n-- > 0;) {
      LogicalAxis *logical = &builder->logical[n];
      AxisMask axes = logical_axes(builder, n);
      if (!dim_equal(logical->extent, extent) || axes == 0 || (axes & *taken) != 0) continue;
      if (!may_reduce(builder, id, logical->role, turn == 1)) continue;
      turn_reduced(builder, logical);
      *taken |= axes;
      *out_position = logical->position;
      return true;
    }
  }
  return false;
}

/* Loops for the axes marked in `reduced` of an operand: those that are there, innermost first, then new ones, outermost
 * first, so that they walk through memory in order. */
static bool reduced_loops(Builder *builder, NodeId id, const Shape *shape, bool *reduced, AxisMask *taken,
                          Position *positions) {
  for (int32_t k = shape->rank - 1; k >= 0; k--) {
    if (!reduced[k]) continue;
    bool single = dim_equal(shape->dim[k], dim_constant(1));
    positions[k] = position_constant(0);
    bool found = (single && builder->family == LOWER_MAP) ||
                 find_reduced_loop(builder, id, shape->dim[k], taken, &positions[k]) || single;
    if (found) reduced[k] = false;
  }
  for (int32_t k = 0; k < shape->rank; k++) {
    if (!reduced[k]) continue;
    if (builder->family != LOWER_MAP) {
      bool scan = builder->family == LOWER_SCAN;
      return builder_fail(builder, FAILURE_SHAPE, id, scan ? "a sum over no axis of the scan" : "a sum in an epilogue");
    }
    uint32_t number;
    if (!builder_add_axis(builder, shape->dim[k], AXIS_REDUCED, false, &number)) return false;
    *taken |= logical_axes(builder, number);
    positions[k] = builder->logical[number].position;
  }
  return true;
}

/* In a scan, what the sum has to run over besides LANE, TIME and STATE is left to a kernel that follows. */
static bool add_reduction(Builder *builder, NodeId id, ReduceKind kind, uint32_t expr, AxisMask over,
                          uint32_t *out_expr) {
  AxisMask batch = 0;
  for (uint32_t k = 0; k < builder->space.count; k++) {
    if (builder->space.axis[k].role == AXIS_PARALLEL) batch |= over & (AxisMask)1 << k;
  }
  over &= ~batch;
  if (over == 0 && batch == 0) {
    *out_expr = expr;
    return true;
  }
  if (over == 0) return builder_fail(builder, FAILURE_SHAPE, id, "a sum over batch axes alone");
  uint32_t r = 0;
  for (; r < builder->reduction_count; r++) {
    const Reduction *known = &builder->reduction[r];
    if (known->kind == kind && known->expr == expr && known->over == over && builder->batch_over[r] == batch) break;
  }
  if (r == REDUCTIONS_MAX) return builder_fail(builder, FAILURE_SHAPE, id, "too many reductions");
  if (r == builder->reduction_count) {
    builder->batch_over[r] = batch;
    builder->reduction[builder->reduction_count++] = (Reduction){kind, expr, over};
  }
  Expr reduced = {.kind = EXPR_REDUCED, .which = r, .axes = builder->expr[expr].axes & ~over};
  *out_expr = builder_expr(builder, &reduced);
  return true;
}

bool lower_reduce(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  const Node *node = node_of(builder, id);
  const Shape *shape = &node_of(builder, node->operand[0])->shape;
  const Attribute *axes = &node->attribute[REDUCE_AXES];
  Place inner = *place;
  inner.rank = shape->rank;
  bool reduced[SHAPE_MAX_RANK] = {false};
  for (uint32_t k = 0; k < axes->count; k++) reduced[axes->integers[k]] = true;
  AxisMask kept = place_axes(place), taken = kept;
  for (int32_t k = shape->rank - 1, from = place->rank - 1; k >= 0; k--) {
    if (!reduced[k]) inner.axis[k] = place->axis[from--];
  }
  if (!reduced_loops(builder, id, shape, reduced, &taken, inner.axis)) return false;
  uint32_t body;
  if (!lower_value(builder, node->operand[0], &inner, &body)) return false;
  return add_reduction(builder, id, node->op == OP_REDUCE_SUM ? REDUCE_SUM : REDUCE_MAX, body, taken & ~kept, out_expr);
}

bool lower_inner_product(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  const Node *node = node_of(builder, id);
  if (builder->family != LOWER_MAP && builder->family != LOWER_SCAN) {
    return builder_fail(builder, FAILURE_SHAPE, id, "a product is read away from its own index");
  }
  Labels labels;
  const char *message;
  bool parsed = labels_parse(node_text(node, CONTRACT_LABELS), &labels, &message);
  ASSERT(parsed);
  const char *letters[2] = {labels.a, labels.b};
  Place inner[2] = {*place, *place};
  AxisMask kept = place_axes(place), taken = kept;
  for (int side = 0; side < 2; side++) {
    const Shape *shape = &node_of(builder, node->operand[side])->shape;
    bool summed[SHAPE_MAX_RANK] = {false};
    inner[side].rank = shape->rank;
    for (int32_t k = 0; k < shape->rank; k++) {
      const char *in_result = strchr(labels.result, letters[side][k]);
      const char *in_a = side == 1 ? strchr(labels.a, letters[side][k]) : NULL;
      if (in_result != NULL) {
        inner[side].axis[k] = place->axis[in_result - labels.result];
      } else if (in_a != NULL) {
        inner[side].axis[k] = inner[0].axis[in_a - labels.a];
      } else {
        summed[k] = true;
      }
    }
    if (!reduced_loops(builder, id, shape, summed, &taken, inner[side].axis)) return false;
  }
  uint32_t a, b;
  if (!lower_value(builder, node->operand[0], &inner[0], &a)) return false;
  if (!lower_value(builder, node->operand[1], &inner[1], &b)) return false;
  uint32_t product = builder_op(builder, OP_MULTIPLY, a, b, 0);
  return add_reduction(builder, id, REDUCE_SUM, product, taken & ~kept, out_expr);
}

/* y[p] = sum over s of x[p - s][s], where there is a window p - s. Strides above 1 have become 1 (unwindow_split). */
bool lower_overlap_add(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  const Node *node = node_of(builder, id);
  const Shape *shape = &node_of(builder, node->operand[0])->shape;
  int64_t axis = node_integer(node, UNWINDOW_AXIS);
  if (node_integer(node, UNWINDOW_STRIDE) != 1) return builder_fail(builder, FAILURE_SHAPE, id, "a window stride");
  Place inner = *place;
  inner.rank = shape->rank;
  for (int32_t k = (int32_t)axis + 2; k < inner.rank; k++) inner.axis[k] = place->axis[k - 1];
  AxisMask kept = place_axes(place), taken = kept;
  bool summed[SHAPE_MAX_RANK] = {false};
  summed[axis + 1] = true;
  if (!reduced_loops(builder, id, shape, summed, &taken, inner.axis)) return false;
  position_add(&inner.axis[axis], &inner.axis[axis + 1], -1);
  uint32_t body;
  if (!lower_guarded(builder, id, node->operand[0], axis, inner, &body)) {
    bool strides = builder->failure.kind == FAILURE_SHAPE && builder->clusters->of[node->operand[0]] == 0;
    if (strides) builder->failure = (Failure){FAILURE_STORE, node->operand[0], builder->failure.message};
    return false;
  }
  return add_reduction(builder, id, REDUCE_SUM, body, taken & ~kept, out_expr);
}

/* Is all of `id` at this place, so that it can be stored there? Each axis is a whole loop of the problem or has extent
 * 1: a place where only a slice is read does not do. */
static bool is_storable(const Builder *builder, NodeId id, const Place *place) {
  if (place->guard_count != 0) return false;
  const Shape *shape = &node_of(builder, id)->shape;
  AxisMask seen = 0;
  for (int32_t k = 0; k < place->rank; k++) {
    const Position *position = &place->axis[k];
    bool found =
        position_is_constant(position) && position->constant.constant == 0 && dim_equal(shape->dim[k], dim_constant(1));
    for (uint32_t n = 0; n < builder->logical_count && !found; n++) {
      found = logical_axes(builder, n) != 0 && dim_equal(builder->logical[n].extent, shape->dim[k]) &&
              position_equal(&builder->logical[n].position, position);
    }
    if (!found || (position_axes(position) & seen) != 0) return false;
    seen |= position_axes(position);
  }
  return true;
}

static bool known_place(const Builder *builder, NodeId id, const Place *const *places, Place *out_place) {
  if (places[id] != NULL) {
    *out_place = *places[id];
    return true;
  }
  for (const PlacedExpr *placed = builder->placed[id]; placed != NULL; placed = placed->next) {
    if (!is_storable(builder, id, &placed->place)) continue;
    *out_place = placed->place;
    return true;
  }
  return false;
}

/* The place of a node that reads something whose place is known: an elementwise op stays there, a reduction or product
 * loses the axes it sums over. */
static bool place_from_operand(const Builder *builder, NodeId id, uint32_t k, const Place *operand, Place *out_place) {
  const Node *node = node_of(builder, id);
  *out_place = *operand;
  if (op_is_elementwise(node->op)) return true;
  if (node->op == OP_REDUCE_SUM || node->op == OP_REDUCE_MAX) {
    const Attribute *axes = &node->attribute[REDUCE_AXES];
    out_place->rank = 0;
    for (int32_t a = 0; a < operand->rank; a++) {
      bool reduced = false;
      for (uint32_t r = 0; r < axes->count; r++) reduced |= axes->integers[r] == a;
      if (!reduced) out_place->axis[out_place->rank++] = operand->axis[a];
    }
    return true;
  }
  if (node->op != OP_CONTRACT) return false;
  Labels labels;
  const char *message;
  if (!labels_parse(node_text(node, CONTRACT_LABELS), &labels, &message)) return false;
  const char *letters = k == 0 ? labels.a : labels.b;
  out_place->rank = node->shape.rank;
  for (int32_t a = 0; a < out_place->rank; a++) {
    const char *at = strchr(letters, labels.result[a]);
    if (at == NULL) return false;
    out_place->axis[a] = operand->axis[at - letters];
  }
  return true;
}

static bool find_place(const Builder *builder, NodeId id, const Place *const *places, Place *out_place) {
  if (known_place(builder, id, places, out_place)) return true;
  const Node *node = node_of(builder, id);
  for (uint32_t k = 0; k < node->operand_count; k++) {
    Place operand;
    bool local = builder->clusters->of[node->operand[k]] == builder->cluster;
    if (!local || !known_place(builder, node->operand[k], places, &operand)) continue;
    if (place_from_operand(builder, id, k, &operand, out_place) && is_storable(builder, id, out_place)) return true;
  }
  return false;
}

bool lower_roots(Builder *builder, NodeId main, const Place *main_place) {
  const Clusters *clusters = builder->clusters;
  uint32_t first = clusters->member_first[builder->cluster], last = clusters->member_first[builder->cluster + 1];
  const Place **places = ARENA_ARRAY(builder->arena, const Place *, clusters->graph->node_count + 1);
  places[main] = main_place;
  uint32_t expr;
  if (!lower_value(builder, main, main_place, &expr)) return false;
  for (uint32_t k = first; k < last; k++) {
    NodeId id = clusters->member[k];
    Place found;
    if (find_place(builder, id, places, &found))
      places[id] = arena_copy(builder->arena, &found, sizeof found);
    else if (shape_equal(&node_of(builder, id)->shape, &node_of(builder, main)->shape))
      places[id] = main_place;
    if (!clusters->stored[id]) continue;
    bool done = false;
    if (builder->family == LOWER_SCAN && !lower_scan_states(builder, id, &done)) return false;
    if (done) continue;
    if (places[id] == NULL) return builder_fail(builder, FAILURE_SHAPE, id, "a result with axes of its own");
    if (builder->family == LOWER_SCAN) {
      if (!lower_scan_root(builder, id, places[id])) return false;
      continue;
    }
    if (!lower_value(builder, id, places[id], &expr)) return false;
    ValueId value = builder->lowered->of_node[id];
    if (!builder_store(builder, value, &node_of(builder, id)->shape, places[id], id, expr, NULL)) return false;
  }
  return true;
}

/* All reductions over all reduced loops, no results along some of them only. */
static bool check_reductions(Builder *builder) {
  AxisMask reduced = 0;
  for (uint32_t k = 0; k < builder->space.count; k++) {
    if (builder->space.axis[k].role == AXIS_REDUCED) reduced |= (AxisMask)1 << k;
  }
  for (uint32_t r = 0; r < builder->reduction_count; r++) {
    if (builder->reduction[r].over != reduced) {
      return builder_fail(builder, FAILURE_SHAPE, NODE_NONE, "reductions over different axes");
    }
  }
  for (uint32_t s = 0; s < builder->store_count; s++) {
    AxisMask axes = access_axes(&builder->store[s].access) & reduced;
    AxisMask needed = builder->expr[builder->store[s].expr].axes;
    if ((axes != 0 && axes != reduced) || (needed & ~access_axes(&builder->store[s].access)) != 0) {
      return builder_fail(builder, FAILURE_SHAPE, NODE_NONE, "a result along some of the reduced axes");
    }
  }
  return true;
}

/* Larger as a number of elements; one with a symbol is larger than one without. */
static bool is_larger(const Shape *a, const Shape *b) {
  Dim count_a, count_b;
  if (!shape_count(a, &count_a) || !shape_count(b, &count_b)) return false;
  bool symbol_a = !dim_is_constant(count_a), symbol_b = !dim_is_constant(count_b);
  return symbol_a != symbol_b ? symbol_a : count_a.factor > count_b.factor;
}

bool lower_map_cluster(Builder *builder) {
  const Clusters *clusters = builder->clusters;
  NodeId main = NODE_NONE;
  for (uint32_t k = clusters->member_first[builder->cluster]; k < clusters->member_first[builder->cluster + 1]; k++) {
    NodeId id = clusters->member[k];
    if (!clusters->stored[id]) continue;
    if (main == NODE_NONE || is_larger(&node_of(builder, id)->shape, &node_of(builder, main)->shape)) main = id;
  }
  if (main == NODE_NONE) return builder_fail(builder, FAILURE_SHAPE, NODE_NONE, "nothing reads it");
  const Shape *shape = &node_of(builder, main)->shape;
  Place place = {.rank = shape->rank};
  for (int32_t k = 0; k < shape->rank; k++) {
    uint32_t number;
    if (!builder_add_axis(builder, shape->dim[k], AXIS_PARALLEL, false, &number)) return false;
    place.axis[k] = builder->logical[number].position;
  }
  return lower_roots(builder, main, &place) && check_reductions(builder);
}
