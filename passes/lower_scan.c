/* SCAN kernels: recurrences with everything around them that has their index space, and sums out of it. */
#include "lower_internal.h"
#include "scan_nodes.h"

#include "ir/guard.h"

#include <string.h>

static const Node *node_of(const Builder *builder, NodeId id) { return graph_node(builder->clusters->graph, id); }

static bool is_full_place(const Builder *builder, const Place *place) {
  Place unguarded = *place;
  unguarded.guard_count = 0;
  return place_equal(&unguarded, &builder->full);
}

static Place without_axis(const Place *place, int64_t axis) {
  Place result = *place;
  result.rank--;
  for (int32_t k = (int32_t)axis; k < result.rank; k++) result.axis[k] = place->axis[k + 1];
  return result;
}

/* One kernel has one distance between checkpoints. */
static bool set_chunk(Builder *builder, NodeId id, int64_t steps) {
  if (builder->chunk != 0 && builder->chunk != steps)
    return builder_fail(builder, FAILURE_SHAPE, id, "checkpoints at other steps");
  builder->chunk = steps;
  return true;
}

/* Where checkpoints are with axis `last` of the states moved to the end. */
static Place checkpoint_place(const Builder *builder, int64_t last) {
  Place place = builder->full;
  Position moved = place.axis[last];
  for (int32_t k = (int32_t)last; k < place.rank - 1; k++) place.axis[k] = place.axis[k + 1];
  place.axis[place.rank - 1] = moved;
  return place;
}

/* The load of the checkpoints of part `part` of `node`, whose chunk number stands for the step. */
static bool load_checkpoints(Builder *builder, NodeId id, int64_t part, Recurrence *recurrence) {
  const Node *node = node_of(builder, id);
  NodeId checkpoints = scan_initial(node, part);
  if (builder->clusters->of[checkpoints] == builder->cluster)
    return builder_fail(builder, FAILURE_SHAPE, id, "its checkpoints are made in the same kernel");
  Place place = checkpoint_place(builder, node_integer(node, RESCAN_LAST));
  return lower_value(builder, checkpoints, &place, &recurrence->initial) &&
         set_chunk(builder, id, node_integer(node, RESCAN_STEPS));
}

/* The imaginary part of a decay turns a state into the other part of the next one: into the real part with a minus. */
static bool lower_turn(Builder *builder, const Node *node, int64_t part, uint32_t *out_expr) {
  uint32_t turn;
  if (!lower_value(builder, node->operand[PART_DECAY + 1], &builder->full, &turn)) return false;
  const Expr *expr = &builder->expr[turn];
  bool negated = expr->kind == EXPR_OP && expr->op == OP_NEGATE;
  *out_expr = part == 1 ? turn : negated ? expr->arg[0] : builder_op(builder, OP_NEGATE, turn, 0, 0);
  return true;
}

/* What part `part` of scan `id` is made of; adds the axes that it depends on. */
static bool lower_recurrence(Builder *builder, NodeId id, int64_t part, Recurrence *out, AxisMask *axes) {
  const Node *node = node_of(builder, id);
  bool complex = op_is_part(node->op);
  NodeId input = complex ? node->operand[PART_INPUT + part] : node->operand[1], initial = scan_initial(node, part);
  *out = (Recurrence){.initial = EXPR_NO_INITIAL,
                      .reverse = node_integer(node, SCAN_REVERSE) != 0,
                      .late = scan_is_late(node),
                      .resumes = op_is_rescan(node->op),
                      .coupled = complex};
  if (!lower_value(builder, node->operand[0], &builder->full, &out->decay)) return false;
  if (!lower_value(builder, input, &builder->full, &out->input)) return false;
  if (complex && !lower_turn(builder, node, part, &out->turn)) return false;
  if (out->resumes && !load_checkpoints(builder, id, part, out)) return false;
  if (!out->resumes && initial != NODE_NONE) {
    Place first = without_axis(&builder->full, node_integer(node, SCAN_AXIS));
    if (!lower_value(builder, initial, &first, &out->initial)) return false;
  }
  uint32_t source[RECURRENCE_MAX_SOURCES], count = recurrence_sources(out, source);
  for (uint32_t k = 0; k < count; k++) *axes |= builder->expr[source[k]].axes;
  return true;
}

/* The number of the recurrence of scan `id`; adds it, with its partner, when it is first needed. */
static bool recurrence_of(Builder *builder, NodeId id, uint32_t *out_which, AxisMask *out_axes) {
  const Node *node = node_of(builder, id);
  uint32_t parts = op_is_part(node->op) ? 2 : 1, part = (uint32_t)scan_part_number(node);
  Recurrence recurrence[2];
  *out_axes = position_axes(&builder->full.axis[node_integer(node, SCAN_AXIS)]);
  for (uint32_t p = 0; p < parts; p++)
    if (!lower_recurrence(builder, id, p, &recurrence[p], out_axes)) return false;
  for (uint32_t r = 0; r < builder->recurrence_count; r += builder->recurrence[r].coupled ? 2 : 1) {
    *out_which = r + part;
    if (scan_is_same(node_of(builder, builder->recurrence_node[r]), node)) return true;
  }
  uint32_t first = builder->recurrence_count;
  if (first + parts > RECURRENCES_MAX) return builder_fail(builder, FAILURE_SHAPE, id, "too many scans");
  for (uint32_t p = 0; p < parts; p++) {
    recurrence[p].partner = parts == 2 ? first + 1 - p : 0;
    builder->recurrence[first + p] = recurrence[p];
    builder->recurrence_node[first + p] = id;
  }
  builder->recurrence_count += parts;
  *out_which = first + part;
  return true;
}

/* A recurrence that starts from checkpoints has the initial state of those. */
static bool same_initial(const Builder *builder, const Node *scan, const Node *delay) {
  NodeId initial = scan_initial(scan, scan_part_number(scan));
  if (op_is_rescan(scan->op)) {
    const Node *checkpoints = node_of(builder, initial);
    if (checkpoints->op != OP_CHECKPOINT) return false;
    initial = checkpoints->operand_count == 2 ? checkpoints->operand[1] : NODE_NONE;
  }
  return initial == (delay->operand_count == 2 ? delay->operand[1] : NODE_NONE);
}

bool lower_state(Builder *builder, NodeId id, const Place *place, uint32_t *out_expr) {
  const Node *node = node_of(builder, id);
  NodeId scan = id;
  if (builder->family != LOWER_SCAN || !is_full_place(builder, place)) {
    return builder_fail(builder, FAILURE_SHAPE, id, "states are read away from their own index");
  }
  if (node->op == OP_DELAY) {
    scan = node->operand[0];
    const Node *source = node_of(builder, scan);
    bool local = builder->clusters->of[scan] == builder->cluster && op_is_recurrence(source->op);
    if (!local || node_integer(node, DELAY_AXIS) != node_integer(source, SCAN_AXIS) ||
        (node_integer(node, DELAY_REVERSE) != 0) != (node_integer(source, SCAN_REVERSE) != 0) ||
        !same_initial(builder, source, node)) {
      return builder_fail(builder, FAILURE_SHAPE, id, "a delay that is not the state before");
    }
  }
  Expr expr = {.kind = node->op == OP_DELAY ? EXPR_PREVIOUS : EXPR_STATE};
  if (!recurrence_of(builder, scan, &expr.which, &expr.axes)) return false;
  *out_expr = builder_expr(builder, &expr);
  return true;
}

static AxisMask role_axes(const Builder *builder, AxisRole role) {
  AxisMask axes = 0;
  for (uint32_t k = 0; k < builder->space.count; k++) {
    if (builder->space.axis[k].role == role) axes |= (AxisMask)1 << k;
  }
  return axes;
}

static bool lay_out_partial(Builder *builder, NodeId id, const Place *place, AxisMask over, PartialSum *partial,
                            Place *out_place, Shape *out_shape, Dim *out_tile) {
  *out_place = (Place){0};
  *out_shape = (Shape){0};
  for (uint32_t n = 0; n < builder->logical_count; n++) {
    if (builder->logical[n].role != AXIS_PARALLEL || !(logical_axes(builder, n) & over)) continue;
    out_place->axis[out_place->rank++] = builder->logical[n].position;
    out_shape->dim[out_shape->rank++] = builder->logical[n].extent;
  }
  partial->summed = out_place->rank;
  for (int32_t k = 0; k < place->rank; k++) {
    if (out_place->rank == SHAPE_MAX_RANK) return builder_fail(builder, FAILURE_SHAPE, id, "too many axes");
    out_place->axis[out_place->rank++] = place->axis[k];
    out_shape->dim[out_shape->rank++] = node_of(builder, id)->shape.dim[k];
  }
  if (!shape_count(out_shape, out_tile)) return builder_fail(builder, FAILURE_SHAPE, id, "two symbols in one buffer");
  partial->rank = out_shape->rank;
  memcpy(partial->extent, out_shape->dim, sizeof out_shape->dim);
  return true;
}

/* The channels go in tiles of SCAN_TILE: an axis of partial sums before all others. */
static bool add_tile_axis(Builder *builder, NodeId id, PartialSum *partial, Dim tile, Dim *out_count) {
  Dim channels = node_of(builder, builder->clusters->anchor[builder->cluster])->shape.dim[builder->lane_axis];
  if (!dim_is_constant(channels)) return builder_fail(builder, FAILURE_SHAPE, id, "a sum over a dynamic LANE axis");
  int64_t tiles = (channels.factor + SCAN_TILE - 1) / SCAN_TILE;
  memmove(&partial->extent[1], &partial->extent[0], sizeof(Dim) * (size_t)partial->rank);
  partial->extent[0] = dim_constant(tiles);
  partial->rank++;
  partial->summed++;
  if (dim_multiply(tile, dim_constant(tiles), out_count)) return true;
  return builder_fail(builder, FAILURE_SHAPE, id, "a buffer that is too big");
}

/* A sum over LANE or PARALLEL axes: the kernel stores partial sums, another one adds them up in order. */
static bool store_partial(Builder *builder, NodeId id, const Place *place, uint32_t expr, AxisMask over) {
  PartialSum *partial = ARENA_NEW(builder->arena, PartialSum);
  Place at;
  Shape shape;
  Dim tile, count;
  if (!lay_out_partial(builder, id, place, over, partial, &at, &shape, &tile)) return false;
  count = tile;
  bool tiled = (over & role_axes(builder, AXIS_LANE)) != 0;
  if (tiled && !add_tile_axis(builder, id, partial, tile, &count)) return false;
  partial->value = lowered_add_value(builder->lowered, id, count);
  partial->result = id;
  partial->next = builder->partial;
  builder->partial = partial;
  Store *store;
  if (!builder_store(builder, partial->value, &shape, &at, id, expr, &store)) return false;
  if (tiled) store->tile_stride = tile;
  return true;
}

/* The state after the last step: a slice of one step of a scan. */
static bool store_last(Builder *builder, NodeId id) {
  const Node *node = node_of(builder, id), *scan = node_of(builder, node->operand[0]);
  int64_t axis = node_integer(scan, SCAN_AXIS);
  int64_t last = node_integer(scan, SCAN_REVERSE) ? 0 : scan->shape.dim[axis].factor - 1;
  if (!dim_is_constant(scan->shape.dim[axis]) || node_integer(node, SLICE_AXIS) != axis ||
      node_integer(node, SLICE_START) != last || node_integer(node, SLICE_SIZE) != 1) {
    return builder_fail(builder, FAILURE_SHAPE, id, "a slice of states that is not the last step");
  }
  Expr expr = {.kind = EXPR_STATE};
  if (!recurrence_of(builder, node->operand[0], &expr.which, &expr.axes)) return false;
  Place place = builder->full;
  place.axis[axis] = position_constant(0);
  ValueId value = builder->lowered->of_node[id];
  Store *store;
  if (!builder_store(builder, value, &node->shape, &place, id, builder_expr(builder, &expr), &store)) return false;
  store->when = STORE_LAST;
  return true;
}

/* The states before every `steps`-th step. */
static bool store_checkpoints(Builder *builder, NodeId id) {
  const Node *node = node_of(builder, id), *scan = node_of(builder, node->operand[0]);
  NodeId initial = node->operand_count == 2 ? node->operand[1] : NODE_NONE;
  bool fits = op_is_first_run(scan->op) && !scan_is_late(scan) &&
              node_integer(node, CHECKPOINT_AXIS) == node_integer(scan, SCAN_AXIS) &&
              node_integer(node, CHECKPOINT_REVERSE) == node_integer(scan, SCAN_REVERSE) &&
              initial == scan_initial(scan, scan_part_number(scan));
  if (!fits) return builder_fail(builder, FAILURE_SHAPE, id, "checkpoints of another recurrence");
  Expr expr = {.kind = EXPR_PREVIOUS};
  if (!recurrence_of(builder, node->operand[0], &expr.which, &expr.axes)) return false;
  if (!set_chunk(builder, id, node_integer(node, CHECKPOINT_STEPS))) return false;
  ValueId value = builder->lowered->of_node[id];
  Store *store;
  Place place = checkpoint_place(builder, node_integer(node, CHECKPOINT_LAST));
  if (!builder_store(builder, value, &node->shape, &place, id, builder_expr(builder, &expr), &store)) return false;
  store->when = STORE_CHECKPOINT;
  return true;
}

bool lower_scan_root(Builder *builder, NodeId id, const Place *place) {
  builder->root = id;
  uint32_t expr;
  bool found = lower_value(builder, id, place, &expr);
  builder->root = NODE_NONE;
  if (!found) return false;
  AxisMask over = 0;
  if (builder->expr[expr].kind == EXPR_REDUCED) {
    uint32_t which = builder->expr[expr].which;
    over = builder->reduction[which].over | builder->batch_over[which];
  }
  if (over & (role_axes(builder, AXIS_LANE) | role_axes(builder, AXIS_PARALLEL))) {
    return store_partial(builder, id, place, expr, over);
  }
  ValueId value = builder->lowered->of_node[id];
  return builder_store(builder, value, &node_of(builder, id)->shape, place, id, expr, NULL);
}

bool lower_scan_states(Builder *builder, NodeId id, bool *out_done) {
  const Node *node = node_of(builder, id);
  *out_done = (node->op == OP_SLICE || node->op == OP_CHECKPOINT) &&
              op_is_first_run(node_of(builder, node->operand[0])->op) &&
              builder->clusters->of[node->operand[0]] == builder->cluster;
  if (!*out_done) return true;
  return node->op == OP_SLICE ? store_last(builder, id) : store_checkpoints(builder, id);
}

bool lower_partial_sum(Builder *builder, const PartialSum *partial) {
  Place place = {.rank = partial->rank}, result = {.rank = partial->rank - partial->summed};
  Shape shape = {.rank = partial->rank};
  for (int32_t k = 0; k < partial->rank; k++) {
    uint32_t number;
    AxisRole role = k < partial->summed ? AXIS_REDUCED : AXIS_PARALLEL;
    if (!builder_add_axis(builder, partial->extent[k], role, false, &number)) return false;
    shape.dim[k] = partial->extent[k];
    place.axis[k] = builder->logical[number].position;
    if (k >= partial->summed) result.axis[k - partial->summed] = place.axis[k];
  }
  uint32_t expr;
  if (!builder_load(builder, partial->value, &shape, &place, partial->result, &expr)) return false;
  AxisMask over = role_axes(builder, AXIS_REDUCED);
  if (over != 0) {
    bool largest = node_of(builder, partial->result)->op == OP_REDUCE_MAX;
    builder->reduction[0] = (Reduction){largest ? REDUCE_MAX : REDUCE_SUM, expr, over};
    builder->reduction_count = 1;
    expr = builder_expr(builder, &(Expr){.kind = EXPR_REDUCED, .axes = builder->expr[expr].axes & ~over});
  }
  ValueId value = builder->lowered->of_node[partial->result];
  return builder_store(builder, value, &node_of(builder, partial->result)->shape, &result, partial->result, expr, NULL);
}

/* The direction that runs first: that of recurrences that are run again for their adjoints, which are late. */
static bool first_direction(const Builder *builder) {
  const Clusters *clusters = builder->clusters;
  const Node *first = NULL;
  for (uint32_t k = clusters->member_first[builder->cluster]; k < clusters->member_first[builder->cluster + 1]; k++) {
    const Node *member = node_of(builder, clusters->member[k]);
    if (!op_is_recurrence(member->op)) continue;
    if (!scan_is_late(member)) return node_integer(member, SCAN_REVERSE) != 0;
    if (first == NULL) first = member;
  }
  return first != NULL && node_integer(first, SCAN_REVERSE) != 0;
}

static bool add_recurrences(Builder *builder, bool reverse) {
  const Clusters *clusters = builder->clusters;
  for (uint32_t k = clusters->member_first[builder->cluster]; k < clusters->member_first[builder->cluster + 1]; k++) {
    const Node *member = node_of(builder, clusters->member[k]);
    if (!op_is_recurrence(member->op) || (node_integer(member, SCAN_REVERSE) != 0) != reverse) continue;
    uint32_t expr;
    if (!lower_value(builder, clusters->member[k], &builder->full, &expr)) return false;
  }
  return true;
}

bool lower_scan_cluster(Builder *builder) {
  NodeId anchor = builder->clusters->anchor[builder->cluster];
  const Node *node = node_of(builder, anchor);
  int64_t time = node_integer(node, SCAN_AXIS);
  builder->full.rank = node->shape.rank;
  for (int32_t k = 0; k < node->shape.rank; k++) {
    uint32_t number;
    AxisRole role = k == time                  ? AXIS_TIME
                    : k == builder->lane_axis  ? AXIS_LANE
                    : k == builder->state_axis ? AXIS_STATE
                                               : AXIS_PARALLEL;
    bool keep = role == AXIS_TIME || role == AXIS_LANE;
    if (!builder_add_axis(builder, node->shape.dim[k], role, keep, &number)) return false;
    builder->full.axis[k] = builder->logical[number].position;
  }
  if (builder->lane_axis < 0) { /* a scan of one axis */
    uint32_t number;
    if (!builder_add_axis(builder, dim_constant(1), AXIS_LANE, true, &number)) return false;
  }
  bool reverse = first_direction(builder);
  return add_recurrences(builder, reverse) && add_recurrences(builder, !reverse) &&
         lower_roots(builder, anchor, &builder->full);
}

int scan_score(const Builder *builder) {
  AxisMask lane = role_axes(builder, AXIS_LANE), time = role_axes(builder, AXIS_TIME);
  AxisMask all = ((AxisMask)1 << builder->space.count) - 1;
  int score = 0;
  for (uint32_t k = 0; k < builder->space.count; k++) {
    if (!(lane >> k & 1)) continue;
    if (builder->space.axis[k].extent.factor >= SCAN_TILE) score += 3;
    for (uint32_t e = 0; e < builder->expr_count; e++) {
      const Expr *expr = &builder->expr[e];
      if (expr->kind != EXPR_LOAD || expr->access.stride[k].factor == 0) continue;
      bool unit = dim_equal(expr->access.stride[k], dim_constant(1));
      score += unit ? (expr->axes & time ? 4 : 1) : expr->axes & time ? -4 : -1;
    }
    for (uint32_t s = 0; s < builder->store_count; s++) {
      const Access *access = &builder->store[s].access;
      if (dim_equal(access->stride[k], dim_constant(1))) score += 4;
      if (builder->store[s].tile_stride.factor != 0) score -= 2;
      if (access_axes(access) == all) score += 1;
    }
  }
  if (role_axes(builder, AXIS_STATE) != 0) {
    bool reduced = false;
    for (uint32_t r = 0; r < builder->reduction_count; r++) {
      reduced |= (builder->reduction[r].over & role_axes(builder, AXIS_STATE)) != 0;
    }
    score += reduced ? 2 : -2;
  }
  return score;
}
