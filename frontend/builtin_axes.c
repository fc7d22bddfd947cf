#include "builtin.h"

#include <string.h>

enum { MAX_PARTS = 64 };

bool builtin_axis_is_new(Elaborator *elaborator, const NamedTensor *x, const AxisLabel *label, Span span) {
  if (tensor_find_axis(x, label) < 0) return true;
  REPORT(elaborator, DIAG_AXIS_TWICE, span, label->text);
  return false;
}

static bool room_for_axis(Elaborator *elaborator, const NamedTensor *x, Span span) {
  if (x->rank + x->complex < SHAPE_MAX_RANK) return true;
  REPORT(elaborator, DIAG_RANGE, span, "the number of axes", "8 at most", "9");
  return false;
}

static bool report_too_many(Elaborator *elaborator, const Expression *chain, const char *what, uint32_t most,
                            uint32_t count) {
  REPORT(elaborator, DIAG_RANGE, chain->span, what, arena_format(elaborator->arena, "%u at most", most),
         arena_format(elaborator->arena, "%u", count));
  return false;
}

static bool report_parts(Elaborator *elaborator, const Expression *parts, Dim total, const Axis *axis) {
  REPORT(elaborator, DIAG_PARTS, parts->span, elaborator_expression_text(elaborator, parts),
         elaborator_dim_text(elaborator, total), axis->label->text, elaborator_dim_text(elaborator, axis->extent));
  return false;
}

static NodeId reshape_to_axes(Elaborator *elaborator, Span span, NodeId x, const NamedTensor *axes) {
  Shape shape = tensor_shape(axes);
  return emit_reshape(elaborator, span, x, &shape);
}

/* C = K*d, or C = P. */
static bool split_axis(Elaborator *elaborator, const Argument *argument, int32_t place, NamedTensor *x) {
  const Expression *factor[SHAPE_MAX_RANK];
  uint32_t count = flatten_chain(argument->value, TOKEN_STAR, factor, SHAPE_MAX_RANK);
  NamedTensor result = {.complex = x->complex};
  Dim total = dim_constant(1);
  uint32_t axes = (uint32_t)(x->rank + x->complex) + count - 1;
  if (axes > SHAPE_MAX_RANK)
    return report_too_many(elaborator, argument->value, "the number of axes", SHAPE_MAX_RANK, axes);
  for (int32_t i = 0; i < place; i++) result.axis[result.rank++] = x->axis[i];
  for (uint32_t k = 0; k < count; k++) {
    Axis axis = {.label = expression_label(elaborator, factor[k])};
    if (!expression_extent(elaborator, factor[k], arena_format(elaborator->arena, "'%s'", axis.label->text),
                           &axis.extent))
      return false;
    if (axis.extent.factor < 1 || !dim_multiply(total, axis.extent, &total))
      return report_parts(elaborator, argument->value, axis.extent, &x->axis[place]);
    result.axis[result.rank++] = axis;
  }
  for (int32_t i = place + 1; i < x->rank; i++) result.axis[result.rank++] = x->axis[i];
  if (!dim_equal(total, x->axis[place].extent))
    return report_parts(elaborator, argument->value, total, &x->axis[place]);
  for (int32_t i = 0; i < result.rank; i++) {
    for (int32_t k = 0; k < i; k++) {
      if (result.axis[i].label != result.axis[k].label) continue;
      REPORT(elaborator, DIAG_AXIS_TWICE, argument->value->span, result.axis[i].label->text);
      return false;
    }
  }
  result.node = reshape_to_axes(elaborator, argument->value->span, x->node, &result);
  *x = result;
  return result.node != NODE_NONE;
}

/* The axes at `place`, in that order, side by side where the first of them is. */
static NamedTensor gather_axes(Elaborator *elaborator, Span span, const NamedTensor *x, const int32_t *place,
                               uint32_t count, int32_t *out_first) {
  NamedTensor order = {.complex = x->complex};
  bool gathered[SHAPE_MAX_RANK] = {false};
  for (uint32_t k = 0; k < count; k++) gathered[place[k]] = true;
  for (int32_t i = 0; i < x->rank; i++) {
    if (i == place[0]) {
      *out_first = order.rank;
      for (uint32_t k = 0; k < count; k++) order.axis[order.rank++] = x->axis[place[k]];
    }
    if (!gathered[i]) order.axis[order.rank++] = x->axis[i];
  }
  return tensor_permute(elaborator, span, x, &order);
}

/* The extent of the merged axis as it is written; a name that is not known becomes a dimension. */
static bool check_merged(Elaborator *elaborator, const Expression *value, const Axis *axis) {
  Dim declared;
  if (value->kind == EXPRESSION_NAME && !scope_find_static(elaborator->scope, value->name.text)) {
    scope_bind_static(elaborator, elaborator->scope, value->name, static_extent(axis->extent));
    return true;
  }
  if (!expression_extent(elaborator, value, arena_format(elaborator->arena, "'%s'", axis->label->text), &declared))
    return false;
  return dim_equal(declared, axis->extent) || report_parts(elaborator, value, declared, axis);
}

/* K*d = C */
static bool merge_axes(Elaborator *elaborator, const Argument *argument, NamedTensor *x) {
  const Expression *factor[SHAPE_MAX_RANK];
  int32_t place[SHAPE_MAX_RANK] = {0}, first = 0;
  Span span = argument->left->span;
  uint32_t count = flatten_chain(argument->left, TOKEN_STAR, factor, SHAPE_MAX_RANK);
  Axis merged = {.label = expression_label(elaborator, argument->value), .extent = dim_constant(1)};
  if (count > SHAPE_MAX_RANK)
    return report_too_many(elaborator, argument->left, "the number of axes to merge", SHAPE_MAX_RANK, count);
  for (uint32_t k = 0; k < count; k++) {
    place[k] = tensor_need_axis(elaborator, x, expression_label(elaborator, factor[k]), factor[k]->span);
    if (place[k] < 0) return false;
    for (uint32_t i = 0; i < k; i++) {
      if (place[i] != place[k]) continue;
      REPORT(elaborator, DIAG_AXIS_TWICE, span, x->axis[place[k]].label->text);
      return false;
    }
    if (!dim_multiply(merged.extent, x->axis[place[k]].extent, &merged.extent)) {
      REPORT(elaborator, DIAG_RANGE, span, "the product of the axes", "a multiple of one open extent", "of two");
      return false;
    }
  }
  if (!check_merged(elaborator, argument->value, &merged)) return false;
  NamedTensor result = gather_axes(elaborator, span, x, place, count, &first);
  for (uint32_t k = 1; k < count; k++) tensor_remove_axis(&result, first + 1);
  result.axis[first] = merged;
  for (int32_t i = 0; i < result.rank; i++) {
    if (i == first || result.axis[i].label != merged.label) continue;
    REPORT(elaborator, DIAG_AXIS_TWICE, argument->value->span, merged.label->text);
    return false;
  }
  result.node = result.node == NODE_NONE ? NODE_NONE : reshape_to_axes(elaborator, span, result.node, &result);
  *x = result;
  return result.node != NODE_NONE;
}

static Value usage_error(Elaborator *elaborator, const BuiltinCall *call, Span span) {
  REPORT(elaborator, DIAG_EXPECTED_VALUE, span, call->builtin->usage,
         elaborator_expression_text(elaborator, call->expression));
  return value_poison(call->span);
}

Value builtin_reshape(Elaborator *elaborator, const BuiltinCall *call) {
  const Expression *expression = call->expression;
  if (expression->count < 2 || expression->argument[0].left) return usage_error(elaborator, call, call->span);
  Value value = expression_value(elaborator, expression->argument[0].value);
  const NamedTensor *tensor = value_as_tensor(elaborator, &value);
  if (!tensor) return value_poison(call->span);
  NamedTensor x = *tensor;
  for (uint32_t i = 1; i < expression->count; i++) {
    const Argument *argument = &expression->argument[i];
    if (!argument->left) return usage_error(elaborator, call, argument->value->span);
    int32_t place = tensor_find_axis(&x, expression_label(elaborator, argument->left));
    bool product = argument->left->kind == EXPRESSION_BINARY && argument->left->operator_kind == TOKEN_STAR;
    if (place < 0 && !product)
      place = tensor_need_axis(elaborator, &x, expression_label(elaborator, argument->left), argument->left->span);
    if (place < 0 && !product) return value_poison(call->span);
    if (!(place >= 0 ? split_axis(elaborator, argument, place, &x) : merge_axes(elaborator, argument, &x)))
      return value_poison(call->span);
  }
  return value_tensor(elaborator, call->span, &x);
}

Value builtin_split(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *parts = &call->argument[1], *over = &call->argument[2];
  const NamedTensor *x = call->argument[0].tensor;
  const Expression *part[MAX_PARTS];
  if (x->rank == 0) {
    REPORT(elaborator, DIAG_EXPECTED_VALUE, call->argument[0].span, "a tensor with an axis to split",
           "a single number");
    return value_poison(call->span);
  }
  const AxisLabel *label = over->expression ? over->axis[0] : x->axis[x->rank - 1].label;
  int32_t place =
      tensor_need_constant_axis(elaborator, x, label, over->expression ? over->span : call->argument[0].span);
  if (place < 0) return value_poison(call->span);
  uint32_t count = flatten_chain(parts->expression, TOKEN_PLUS, part, MAX_PARTS);
  if (count > MAX_PARTS) {
    report_too_many(elaborator, parts->expression, "the number of parts", MAX_PARTS, count);
    return value_poison(call->span);
  }
  int64_t start = 0, extent = x->axis[place].extent.factor, size[MAX_PARTS];
  for (uint32_t i = 0; i < count; i++) {
    if (!expression_integer(elaborator, part[i], "the size of a part", &size[i])) return value_poison(call->span);
    if (size[i] < 1 || size[i] > extent - start) {
      report_parts(elaborator, parts->expression, dim_constant(size[i] < 1 ? size[i] : start + size[i]),
                   &x->axis[place]);
      return value_poison(call->span);
    }
    start += size[i];
  }
  if (start != extent) {
    report_parts(elaborator, parts->expression, dim_constant(start), &x->axis[place]);
    return value_poison(call->span);
  }
  Value *item = ARENA_ARRAY(elaborator->arena, Value, count);
  start = 0;
  for (uint32_t i = 0; i < count; i++) {
    NamedTensor piece = *x;
    piece.axis[place] = (Axis){expression_label(elaborator, part[i]), dim_constant(size[i])};
    NamedTensor others = *x;
    tensor_remove_axis(&others, place);
    if (!builtin_axis_is_new(elaborator, &others, piece.axis[place].label, part[i]->span))
      return value_poison(call->span);
    piece.node = emit_slice(elaborator, call->span, x->node, place + x->complex, start, size[i]);
    item[i] = value_tensor(elaborator, part[i]->span, &piece);
    start += size[i];
  }
  return (Value){.kind = VALUE_TUPLE, .span = call->span, .item = item, .count = count};
}

/* The tensors, each with all axes that any of them has; the axis `over` keeps its extent. */
static bool align_parts(Elaborator *elaborator, const BuiltinCall *call, NamedTensor *part, const Span *span,
                        uint32_t count, const AxisLabel *over, Span over_span) {
  NamedTensor all = part[0];
  for (uint32_t i = 0; i < count; i++) {
    int32_t place = tensor_need_constant_axis(elaborator, &part[i], over, over_span);
    if (place < 0) return false;
    NamedTensor same = part[i];
    same.axis[place].extent = all.axis[tensor_find_axis(&all, over)].extent;
    if (!tensor_union(elaborator, call->span, &all, span[0], &same, span[i], &all)) return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    NamedTensor order = all;
    if (all.complex && !part[i].complex) part[i] = complex_from_real(elaborator, call->span, &part[i]);
    if (part[i].node == NODE_NONE) return false;
    order.axis[tensor_find_axis(&all, over)].extent = part[i].axis[tensor_find_axis(&part[i], over)].extent;
    part[i] = tensor_permute(elaborator, call->span, &part[i], &order);
  }
  return true;
}

Value builtin_concat(Elaborator *elaborator, const BuiltinCall *call) {
  const Expression *expression = call->expression, *over = NULL;
  NamedTensor part[MAX_PARTS];
  Span span[MAX_PARTS];
  NodeId node[MAX_PARTS];
  uint32_t count = 0;
  for (uint32_t i = 0; i < expression->count; i++) {
    const Argument *argument = &expression->argument[i];
    if (argument->left) {
      bool known = argument->left->kind == EXPRESSION_NAME && !strcmp(argument->left->name.text, "over") && !over;
      if (!known) return usage_error(elaborator, call, argument->left->span);
      over = argument->value;
      continue;
    }
    if (count == MAX_PARTS) {
      report_too_many(elaborator, argument->value, "the number of parts", MAX_PARTS, count + 1);
      return value_poison(call->span);
    }
    Value value = expression_value(elaborator, argument->value);
    const NamedTensor *tensor = value_as_tensor(elaborator, &value);
    if (!tensor) return value_poison(call->span);
    span[count] = value.span;
    part[count++] = *tensor;
  }
  if (!over || count == 0) return usage_error(elaborator, call, call->span);
  const AxisLabel *label = expression_label(elaborator, over);
  if (!align_parts(elaborator, call, part, span, count, label, over->span)) return value_poison(call->span);
  NamedTensor result = part[0];
  int32_t place = tensor_find_axis(&result, label);
  result.axis[place].extent.factor = 0;
  for (uint32_t i = 0; i < count; i++) {
    node[i] = part[i].node;
    result.axis[place].extent.factor += part[i].axis[place].extent.factor;
  }
  result.node = emit_concat(elaborator, call->span, node, count, place + result.complex);
  return value_tensor(elaborator, call->span, &result);
}

/* A slice that lies in its axis, else NODE_NONE and a report. */
static NodeId slice_axis(Elaborator *elaborator, const BuiltinCall *call, const NamedTensor *x, int32_t place,
                         int64_t start, int64_t size) {
  int64_t extent = x->axis[place].extent.factor;
  if (start >= 0 && size >= 1 && start < extent && size <= extent - start)
    return emit_slice(elaborator, call->span, x->node, place + x->complex, start, size);
  REPORT(elaborator, DIAG_RANGE, call->span,
         arena_format(elaborator->arena, "%lld elements from %lld", (long long)size, (long long)start),
         arena_format(elaborator->arena, "within axis '%s'", x->axis[place].label->text),
         arena_format(elaborator->arena, "outside its %lld", (long long)extent));
  return NODE_NONE;
}

Value builtin_slice(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *over = &call->argument[1];
  NamedTensor result = *call->argument[0].tensor;
  int32_t place = tensor_need_constant_axis(elaborator, &result, over->axis[0], over->span);
  if (place < 0) return value_poison(call->span);
  result.node = slice_axis(elaborator, call, &result, place, call->argument[2].integer, call->argument[3].integer);
  result.axis[place].extent = dim_constant(call->argument[3].integer);
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_take(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *over = &call->argument[1];
  NamedTensor result = *call->argument[0].tensor;
  int32_t place = tensor_need_constant_axis(elaborator, &result, over->axis[0], over->span);
  if (place < 0) return value_poison(call->span);
  NodeId slice = slice_axis(elaborator, call, &result, place, call->argument[2].integer, 1);
  tensor_remove_axis(&result, place);
  result.node = reshape_to_axes(elaborator, call->span, slice, &result);
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_flip(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *over = &call->argument[1];
  NamedTensor result = *call->argument[0].tensor;
  int32_t place = tensor_need_axis(elaborator, &result, over->axis[0], over->span);
  if (place < 0) return value_poison(call->span);
  result.node =
      emit(elaborator, call->span, OP_REVERSE, &result.node, 1, &(Attribute){.integer = place + result.complex});
  return value_tensor(elaborator, call->span, &result);
}

static bool pad_amount(Elaborator *elaborator, const BuiltinArgument *argument, int64_t *out) {
  *out = argument->integer;
  if (*out >= 0 && *out <= INT32_MAX) return true;
  REPORT(elaborator, DIAG_RANGE, argument->span, "the padding", "0 or more",
         arena_format(elaborator->arena, "%lld", (long long)*out));
  return false;
}

Value builtin_pad(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *over = &call->argument[1];
  NamedTensor result = *call->argument[0].tensor;
  int64_t low, high;
  int32_t place = tensor_need_constant_axis(elaborator, &result, over->axis[0], over->span);
  if (place < 0 || !pad_amount(elaborator, &call->argument[2], &low) ||
      !pad_amount(elaborator, &call->argument[3], &high))
    return value_poison(call->span);
  result.node = emit_pad(elaborator, call->span, result.node, place + result.complex, low, high);
  result.axis[place].extent.factor += low + high;
  return value_tensor(elaborator, call->span, &result);
}

/* Element `at` of the axis, `count` times. */
static NodeId repeat_element(Elaborator *elaborator, Span span, const NamedTensor *x, int32_t place, int64_t at,
                             int64_t count) {
  NamedTensor bare = *x, repeated = *x;
  NodeId slice = emit_slice(elaborator, span, x->node, place + x->complex, at, 1);
  tensor_remove_axis(&bare, place);
  bare.node = reshape_to_axes(elaborator, span, slice, &bare);
  repeated.axis[place].extent = dim_constant(count);
  return bare.node == NODE_NONE ? NODE_NONE : tensor_spread(elaborator, span, &bare, &repeated);
}

Value builtin_edge_pad(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *over = &call->argument[1];
  const NamedTensor *x = call->argument[0].tensor;
  int64_t low, high;
  int32_t place = tensor_need_constant_axis(elaborator, x, over->axis[0], over->span);
  if (place < 0 || !pad_amount(elaborator, &call->argument[2], &low) ||
      !pad_amount(elaborator, &call->argument[3], &high))
    return value_poison(call->span);
  NodeId part[3];
  uint32_t count = 0;
  int64_t extent = x->axis[place].extent.factor;
  if (low) part[count++] = repeat_element(elaborator, call->span, x, place, 0, low);
  part[count++] = x->node;
  if (high) part[count++] = repeat_element(elaborator, call->span, x, place, extent - 1, high);
  NamedTensor result = *x;
  result.node = emit_concat(elaborator, call->span, part, count, place + x->complex);
  result.axis[place].extent.factor += low + high;
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_window(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *over = &call->argument[1], *size = &call->argument[2], *stride = &call->argument[3];
  const NamedTensor *x = call->argument[0].tensor;
  int64_t step = stride->expression ? stride->integer : 1;
  int32_t place = tensor_need_constant_axis(elaborator, x, over->axis[0], over->span);
  if (place < 0 || !room_for_axis(elaborator, x, call->span) ||
      !builtin_axis_is_new(elaborator, x, size->axis[0], size->span))
    return value_poison(call->span);
  int64_t extent = x->axis[place].extent.factor;
  if (!dim_is_constant(size->extent) || size->extent.factor > extent || step < 1) {
    REPORT(
        elaborator, DIAG_RANGE, call->span, "a window's size and stride",
        arena_format(elaborator->arena, "between 1 and the %lld of axis '%s'", (long long)extent,
                     x->axis[place].label->text),
        arena_format(elaborator->arena, "%s and %lld", elaborator_dim_text(elaborator, size->extent), (long long)step));
    return value_poison(call->span);
  }
  NamedTensor result = *x;
  for (int32_t i = x->rank; i > place + 1; i--) result.axis[i] = x->axis[i - 1];
  result.rank++;
  result.axis[place].extent = dim_constant((extent - size->extent.factor) / step + 1);
  result.axis[place + 1] = (Axis){size->axis[0], size->extent};
  Attribute attribute[] = {{.integer = place + x->complex}, {.integer = size->extent.factor}, {.integer = step}};
  result.node = emit(elaborator, call->span, OP_WINDOW, &x->node, 1, attribute);
  return value_tensor(elaborator, call->span, &result);
}

Value builtin_expand(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *extent = &call->argument[1];
  const NamedTensor *x = call->argument[0].tensor;
  if (!room_for_axis(elaborator, x, call->span) || !builtin_axis_is_new(elaborator, x, extent->axis[0], extent->span))
    return value_poison(call->span);
  NamedTensor result = {.complex = x->complex, .rank = x->rank + 1, .axis = {{extent->axis[0], extent->extent}}};
  memcpy(result.axis + 1, x->axis, sizeof(Axis) * (size_t)x->rank);
  result.node = tensor_spread(elaborator, call->span, x, &result);
  return value_tensor(elaborator, call->span, &result);
}
