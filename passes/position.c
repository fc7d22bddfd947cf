#include "position.h"

#include <string.h>

Linear linear_of_dim(Dim dim) {
  Linear linear = {0};
  if (dim_is_constant(dim)) {
    linear.constant = dim.factor;
  } else {
    linear.per_symbol[dim.symbol - 1] = dim.factor;
  }
  return linear;
}

void linear_add(Linear *sum, const Linear *term, int64_t scale) {
  sum->constant += term->constant * scale;
  for (int s = 0; s < SYMBOL_MAX; s++) sum->per_symbol[s] += term->per_symbol[s] * scale;
}

bool linear_is_never_negative(const Linear *linear) {
  int64_t least = linear->constant;
  for (int s = 0; s < SYMBOL_MAX; s++) {
    if (linear->per_symbol[s] < 0) return false;
    least += linear->per_symbol[s];
  }
  return least >= 0;
}

static bool linear_is_constant(const Linear *linear) {
  for (int s = 0; s < SYMBOL_MAX; s++) {
    if (linear->per_symbol[s] != 0) return false;
  }
  return true;
}

Position position_constant(int64_t constant) { return (Position){.constant = {.constant = constant}}; }

bool position_equal(const Position *a, const Position *b) { return memcmp(a, b, sizeof *a) == 0; }

bool position_is_constant(const Position *position) {
  return position_axes(position) == 0 && linear_is_constant(&position->constant);
}

void position_add(Position *sum, const Position *term, int64_t scale) {
  linear_add(&sum->constant, &term->constant, scale);
  for (int k = 0; k < KERNEL_MAX_AXES; k++) sum->coefficient[k] += term->coefficient[k] * scale;
}

AxisMask position_axes(const Position *position) {
  AxisMask axes = 0;
  for (uint32_t k = 0; k < KERNEL_MAX_AXES; k++) {
    if (position->coefficient[k] != 0) axes |= (AxisMask)1 << k;
  }
  return axes;
}

static void position_range(const LoopSpace *space, const Position *position, Linear *out_low, Linear *out_high) {
  *out_low = *out_high = position->constant;
  for (uint32_t k = 0; k < space->count; k++) {
    Linear last = linear_of_dim(space->axis[k].extent);
    last.constant -= 1;
    int64_t coefficient = position->coefficient[k];
    linear_add(coefficient < 0 ? out_low : out_high, &last, coefficient);
  }
}

bool position_is_within(const LoopSpace *space, const Position *position, Dim extent) {
  Linear low, high, room = linear_of_dim(extent);
  position_range(space, position, &low, &high);
  room.constant -= 1;
  linear_add(&room, &high, -1);
  return linear_is_never_negative(&low) && linear_is_never_negative(&room);
}

bool position_is_below(const LoopSpace *space, const Position *position, int64_t limit) {
  Linear low, high, room = {.constant = limit - 1};
  position_range(space, position, &low, &high);
  linear_add(&room, &high, -1);
  return linear_is_never_negative(&room);
}

bool position_is_from(const LoopSpace *space, const Position *position, int64_t limit) {
  Linear low, high;
  position_range(space, position, &low, &high);
  low.constant -= limit;
  return linear_is_never_negative(&low);
}

static bool guard_equal(const IndexGuard *a, const IndexGuard *b) {
  return a->constant == b->constant && dim_equal(a->extent, b->extent) &&
         memcmp(a->coefficient, b->coefficient, sizeof a->coefficient) == 0;
}

bool place_equal(const Place *a, const Place *b) {
  if (a->rank != b->rank || a->guard_count != b->guard_count) return false;
  for (int32_t k = 0; k < a->rank; k++) {
    if (!position_equal(&a->axis[k], &b->axis[k])) return false;
  }
  for (uint32_t g = 0; g < a->guard_count; g++) {
    if (!guard_equal(&a->guard[g], &b->guard[g])) return false;
  }
  return true;
}

AxisMask place_axes(const Place *place) {
  AxisMask axes = 0;
  for (int32_t k = 0; k < place->rank; k++) axes |= position_axes(&place->axis[k]);
  for (uint32_t g = 0; g < place->guard_count; g++) axes |= index_axes(&place->guard[g]);
  return axes;
}

bool place_guard(const LoopSpace *space, Place *place, const Position *position, Dim extent, bool *out_added) {
  if (out_added) *out_added = false;
  if (position_is_within(space, position, extent)) return true;
  if (!linear_is_constant(&position->constant)) return false;
  if (out_added) *out_added = true;
  IndexGuard guard = {.constant = position->constant.constant, .extent = extent};
  memcpy(guard.coefficient, position->coefficient, sizeof guard.coefficient);
  for (uint32_t g = 0; g < place->guard_count; g++) {
    if (guard_equal(&place->guard[g], &guard)) return true;
  }
  if (place->guard_count == KERNEL_MAX_GUARDS) return false;
  place->guard[place->guard_count++] = guard;
  return true;
}

/* A run of result axes [r0, r1) that holds the same elements as a run of operand axes [o0, o1) of a reshape. */
typedef struct AxisGroup {
  int32_t r0, r1, o0, o1;
} AxisGroup;

static void skip_ones(const Shape *shape, int32_t *axis) {
  while (*axis < shape->rank && dim_equal(shape->dim[*axis], dim_constant(1))) ++*axis;
}

/* The next smallest group from axes `r` and `o` on; axes of extent 1 before it are skipped. */
static bool next_group(const Shape *result, const Shape *operand, int32_t r, int32_t o, AxisGroup *out) {
  skip_ones(result, &r);
  skip_ones(operand, &o);
  if (r == result->rank || o == operand->rank) return false;
  *out = (AxisGroup){r, r + 1, o, o + 1};
  Dim in_result = result->dim[r], in_operand = operand->dim[o], rest;
  while (!dim_equal(in_result, in_operand)) {
    bool more_operand = dim_divide(in_result, in_operand, &rest);
    bool more_result = dim_divide(in_operand, in_result, &rest);
    if (!more_operand && !more_result) more_operand = more_result = true;
    if (more_operand && (out->o1 == operand->rank || !dim_multiply(in_operand, operand->dim[out->o1++], &in_operand))) {
      return false;
    }
    if (more_result && (out->r1 == result->rank || !dim_multiply(in_result, result->dim[out->r1++], &in_result))) {
      return false;
    }
  }
  return true;
}

/* The part of `rest` that is a remainder of division by `extent`; `rest` becomes the quotient. */
static bool divide_position(const LoopSpace *space, Position *rest, int64_t extent, Position *out_remainder,
                            SplitRequest *out_split) {
  Position quotient = position_constant(0), remainder = position_constant(0);
  int64_t constant = rest->constant.constant;
  int64_t below = ((constant % extent) + extent) % extent;
  quotient.constant.constant = (constant - below) / extent;
  remainder.constant.constant = below;
  for (int s = 0; s < SYMBOL_MAX; s++) {
    if (rest->constant.per_symbol[s] % extent != 0) return false;
    quotient.constant.per_symbol[s] = rest->constant.per_symbol[s] / extent;
  }
  for (int k = 0; k < KERNEL_MAX_AXES; k++) {
    bool divides = rest->coefficient[k] % extent == 0;
    if (divides) {
      quotient.coefficient[k] = rest->coefficient[k] / extent;
    } else {
      remainder.coefficient[k] = rest->coefficient[k];
    }
  }
  if (!position_is_within(space, &remainder, dim_constant(extent))) {
    for (uint32_t k = 0; k < space->count; k++) {
      int64_t step = remainder.coefficient[k];
      Dim outer;
      if (step <= 0 || extent % step != 0) continue;
      if (!dim_divide(space->axis[k].extent, dim_constant(extent / step), &outer)) continue;
      if (dim_equal(outer, dim_constant(1))) continue;
      *out_split = (SplitRequest){true, k, extent / step};
      break;
    }
    return false;
  }
  *rest = quotient;
  *out_remainder = remainder;
  return true;
}

static bool place_through_group(const LoopSpace *space, const Shape *result, const Shape *operand,
                                const AxisGroup *group, const Place *place, Place *out, SplitRequest *out_split) {
  if (group->r1 - group->r0 == 1 && group->o1 - group->o0 == 1) {
    out->axis[group->o0] = place->axis[group->r0];
    return true;
  }
  Position rest = position_constant(0);
  Dim stride = dim_constant(1);
  for (int32_t r = group->r1 - 1; r >= group->r0; r--) {
    if (!dim_is_constant(stride)) return false;
    if (!position_is_within(space, &place->axis[r], result->dim[r])) return false;
    position_add(&rest, &place->axis[r], stride.factor);
    if (!dim_multiply(stride, result->dim[r], &stride)) return false;
  }
  for (int32_t o = group->o1 - 1; o > group->o0; o--) {
    if (!dim_is_constant(operand->dim[o])) return false;
    if (!divide_position(space, &rest, operand->dim[o].factor, &out->axis[o], out_split)) return false;
  }
  out->axis[group->o0] = rest;
  return true;
}

static bool place_through_reshape(const LoopSpace *space, const Shape *result, const Shape *operand, const Place *place,
                                  Place *out, SplitRequest *out_split) {
  for (int32_t k = 0; k < operand->rank; k++) out->axis[k] = position_constant(0);
  AxisGroup group = {0};
  int32_t r = 0, o = 0;
  while (next_group(result, operand, r, o, &group)) {
    if (!place_through_group(space, result, operand, &group, place, out, out_split)) return false;
    r = group.r1;
    o = group.o1;
  }
  skip_ones(result, &r);
  skip_ones(operand, &o);
  return r == result->rank && o == operand->rank;
}

bool place_through_view(const LoopSpace *space, const Node *node, const Shape *operand, const Place *place, Place *out,
                        SplitRequest *out_split) {
  *out = *place;
  *out_split = (SplitRequest){0};
  out->rank = operand->rank;
  switch (node->op) {
    case OP_BROADCAST:
      for (int32_t k = 0; k < operand->rank; k++) {
        int64_t axis = node->attribute[BROADCAST_AXES].integers[k];
        out->axis[k] = place->axis[axis];
      }
      return true;
    case OP_PERMUTE:
      for (int32_t k = 0; k < operand->rank; k++) {
        out->axis[node->attribute[PERMUTE_AXES].integers[k]] = place->axis[k];
      }
      return true;
    case OP_SLICE: {
      Position start = position_constant(node_integer(node, SLICE_START));
      position_add(&out->axis[node_integer(node, SLICE_AXIS)], &start, 1);
      return true;
    }
    case OP_REVERSE: {
      int64_t axis = node_integer(node, REVERSE_AXIS);
      Position turned = {.constant = linear_of_dim(operand->dim[axis])};
      turned.constant.constant -= 1;
      position_add(&turned, &place->axis[axis], -1);
      out->axis[axis] = turned;
      return true;
    }
    case OP_WINDOW: {
      int64_t axis = node_integer(node, WINDOW_AXIS);
      Position merged = place->axis[axis + 1];
      position_add(&merged, &place->axis[axis], node_integer(node, WINDOW_STRIDE));
      out->axis[axis] = merged;
      for (int32_t k = (int32_t)axis + 1; k < operand->rank; k++) out->axis[k] = place->axis[k + 1];
      return true;
    }
    case OP_RESHAPE:
      return place_through_reshape(space, &node->shape, operand, place, out, out_split);
    default:
      return false;
  }
}

/* sum += a * b where a stride stays a Dim */
static bool stride_add(Dim *sum, int64_t coefficient, Dim stride) {
  if (coefficient == 0) return true;
  Dim term = {stride.factor * coefficient, stride.symbol};
  if (sum->factor == 0) {
    *sum = term;
    return true;
  }
  if (sum->symbol != term.symbol) return false;
  sum->factor += term.factor;
  if (sum->factor == 0) sum->symbol = SYMBOL_NONE;
  return true;
}

static bool offset_add(Linear *offset, const Linear *position, Dim stride) {
  if (dim_is_constant(stride)) {
    linear_add(offset, position, stride.factor);
    return true;
  }
  if (!linear_is_constant(position)) return false;
  offset->per_symbol[stride.symbol - 1] += position->constant * stride.factor;
  return true;
}

bool place_access(const Place *place, const Shape *shape, Access *out) {
  Dim stride[SHAPE_MAX_RANK];
  *out = (Access){0};
  if (!shape_strides(shape, stride)) return false;
  for (int32_t a = 0; a < shape->rank; a++) {
    if (!offset_add(&out->offset, &place->axis[a].constant, stride[a])) return false;
    for (int k = 0; k < KERNEL_MAX_AXES; k++) {
      if (!stride_add(&out->stride[k], place->axis[a].coefficient[k], stride[a])) return false;
    }
  }
  out->guard_count = place->guard_count;
  memcpy(out->guard, place->guard, sizeof out->guard);
  return true;
}
