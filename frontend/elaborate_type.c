#include "elaborator.h"

#include <string.h>

static const char *type_text(Elaborator *elaborator, const TypeSyntax *type) {
  Text text = text_begin(elaborator->arena);
  ast_print_type(type, &text);
  return text.data;
}

/* The text of an axis of a type: its label's name. */
static const char *axis_text(Elaborator *elaborator, const AxisSyntax *axis) {
  return axis->name.text ? axis->name.text : elaborator_expression_text(elaborator, axis->value);
}

static const AxisLabel *axis_label(Elaborator *elaborator, const AxisSyntax *axis) {
  return scope_label(elaborator, elaborator->scope, axis_text(elaborator, axis));
}

static const char *quoted(Elaborator *elaborator, const char *text) {
  return arena_format(elaborator->arena, "axis '%s'", text);
}

/* `T = extent` in a type: a new dimension. */
static bool bind_declared(Elaborator *elaborator, Name name, Dim extent) {
  const StaticName *other = scope_find_static(elaborator->scope, name.text);
  if (!other) {
    scope_bind_static(elaborator, elaborator->scope, name, static_extent(extent));
    return true;
  }
  if (other->poison) return false;
  REPORT_WITH(elaborator,
              (diagnostic_note(elaborator->diagnostics, other->span, "the first one is here"),
               diagnostic_hint(elaborator->diagnostics, "write '%s' alone to use it again", name.text)),
              DIAG_NAME_TWICE, name.span, name.text);
  return false;
}

/* The extent that an axis of a type gives, if it gives one: false and *out_new where it is a name that is not known. */
static bool axis_extent(Elaborator *elaborator, const AxisSyntax *axis, Dim *out, bool *out_new) {
  const char *text = axis_text(elaborator, axis);
  *out_new = false;
  if (!axis->name.text && axis->value->kind == EXPRESSION_NAME && !scope_find_static(elaborator->scope, text)) {
    *out_new = true;
    return false;
  }
  if (!expression_extent(elaborator, axis->value, quoted(elaborator, text), out)) {
    if (axis->name.text) scope_bind_poison(elaborator, elaborator->scope, axis->name);
    return false;
  }
  if (axis->name.text && !bind_declared(elaborator, axis->name, *out)) return false;
  if (out->factor >= 1) return true;
  REPORT(elaborator, DIAG_RANGE, axis->span, quoted(elaborator, text), "at least 1",
         elaborator_dim_text(elaborator, *out));
  return false;
}

static bool new_symbol(Elaborator *elaborator, const AxisSyntax *axis, Dim *out) {
  Graph *graph = elaborator->model->graph;
  const char *name = axis->value->name.text;
  if (graph->symbol_count == 1) { /* a call of compiled code has one batch */
    REPORT(elaborator, DIAG_LIMIT, axis->span,
           arena_format(elaborator->arena, "only the run knows '%s', and so '%s': a model has one such extent",
                        graph->symbol[0], name));
    return false;
  }
  *out = dim_symbol(1, graph_symbol(graph, name));
  scope_bind_static(elaborator, elaborator->scope, axis->value->name, static_extent(*out));
  return true;
}

static bool check_rank(Elaborator *elaborator, const TypeSyntax *type) {
  uint32_t most = type->kind == TYPE_COMPLEX ? SHAPE_MAX_RANK - 1 : SHAPE_MAX_RANK;
  if (type->count <= most) return true;
  REPORT(elaborator, DIAG_RANGE, type->span, "the number of axes",
         type->kind == TYPE_COMPLEX ? "7 at most" : "8 at most", arena_format(elaborator->arena, "%u", type->count));
  return false;
}

static bool add_axis(Elaborator *elaborator, NamedTensor *tensor, Axis axis, Span span) {
  if (tensor_find_axis(tensor, axis.label) >= 0) {
    REPORT(elaborator, DIAG_AXIS_TWICE, span, axis.label->text);
    return false;
  }
  tensor->axis[tensor->rank++] = axis;
  return true;
}

bool type_declare(Elaborator *elaborator, const TypeSyntax *type, bool open, NamedTensor *out) {
  NamedTensor result = {.complex = type->kind == TYPE_COMPLEX};
  if (type->kind == TYPE_PARTS) {
    REPORT(elaborator, DIAG_MISPLACED, type->span, "'parts'", "a block's parameters and results");
    return false;
  }
  bool sound = true;
  if (!check_rank(elaborator, type)) return false;
  for (uint32_t i = 0; i < type->count; i++) {
    const AxisSyntax *axis = &type->axis[i];
    if (axis->rest) {
      REPORT(elaborator, DIAG_MISPLACED, axis->span, "'...'", "a block's parameters and results");
      return false;
    }
    Dim extent;
    bool is_new;
    if (!axis_extent(elaborator, axis, &extent, &is_new)) {
      if (is_new && open && i == 0) {
        if (!new_symbol(elaborator, axis, &extent)) return false;
      } else {
        if (is_new) elaborator_unknown_name(elaborator, axis->value->name);
        sound = false;
        continue;
      }
    }
    sound = add_axis(elaborator, &result, (Axis){axis_label(elaborator, axis), extent}, axis->span) && sound;
  }
  *out = result;
  return sound;
}

static bool check_kind(Elaborator *elaborator, const TypeSyntax *type, const NamedTensor *value, Span span) {
  bool wrong = (type->kind == TYPE_REAL && value->complex) || (type->kind == TYPE_COMPLEX && !value->complex);
  if (wrong) {
    REPORT_WITH(elaborator, diagnostic_note(elaborator->diagnostics, type->span, "the type is here"),
                DIAG_EXPECTED_VALUE, span, type->kind == TYPE_REAL ? "a real tensor" : "a complex tensor",
                elaborator_axes_text(elaborator, value));
  }
  return !wrong;
}

static bool report_axes(Elaborator *elaborator, const TypeSyntax *type, const char *what, const NamedTensor *value,
                        Span span) {
  REPORT_WITH(elaborator, diagnostic_note(elaborator->diagnostics, type->span, "the type is here"), DIAG_TYPE_AXES,
              span, what, type_text(elaborator, type), elaborator_axes_text(elaborator, value));
  return false;
}

static bool report_extent(Elaborator *elaborator, const AxisSyntax *axis, Dim declared, Dim found, Span span) {
  const char *text = axis_text(elaborator, axis);
  REPORT_WITH(elaborator,
              diagnostic_note(elaborator->diagnostics, axis->span, "axis '%s' is %s here", text,
                              elaborator_dim_text(elaborator, declared)),
              DIAG_AXIS_MISMATCH, span, text, elaborator_dim_text(elaborator, found),
              elaborator_dim_text(elaborator, declared));
  return false;
}

/* The axes of value in the order of the type, by label; `...` takes the ones that it does not name. */
static bool order_axes(Elaborator *elaborator, const TypeSyntax *type, const char *what, const NamedTensor *value,
                       Span span, NamedTensor *out) {
  NamedTensor result = {.complex = value->complex};
  bool named[SHAPE_MAX_RANK] = {false};
  uint32_t found = 0, rest = 0;
  for (uint32_t i = 0; i < type->count; i++) {
    if (type->axis[i].rest) {
      rest++;
      continue;
    }
    int32_t place = tensor_find_axis(value, axis_label(elaborator, &type->axis[i]));
    if (place < 0 || named[place]) return report_axes(elaborator, type, what, value, span);
    named[place] = true;
    found++;
  }
  if (rest > 1 || (rest == 0 && found != (uint32_t)value->rank))
    return report_axes(elaborator, type, what, value, span);
  for (uint32_t i = 0; i < type->count; i++) {
    if (!type->axis[i].rest) {
      result.axis[result.rank++] = value->axis[tensor_find_axis(value, axis_label(elaborator, &type->axis[i]))];
      continue;
    }
    for (int32_t k = 0; k < value->rank; k++)
      if (!named[k]) result.axis[result.rank++] = value->axis[k];
  }
  *out = tensor_permute(elaborator, span, value, &result);
  return out->node != NODE_NONE;
}

bool type_match_value(Elaborator *elaborator, const TypeSyntax *type, const char *what, const NamedTensor *value,
                      Span span, NamedTensor *out) {
  if (!check_kind(elaborator, type, value, span) || !order_axes(elaborator, type, what, value, span, out)) return false;
  for (uint32_t i = 0; i < type->count; i++) {
    const AxisSyntax *axis = &type->axis[i];
    if (axis->rest) continue;
    Dim found = out->axis[tensor_find_axis(out, axis_label(elaborator, axis))].extent, declared;
    bool is_new;
    if (axis_extent(elaborator, axis, &declared, &is_new)) {
      if (!dim_equal(declared, found)) return report_extent(elaborator, axis, declared, found, span);
    } else if (is_new) {
      scope_bind_static(elaborator, elaborator->scope, axis->value->name, static_extent(found));
    } else {
      return false;
    }
  }
  return true;
}

bool type_match_result(Elaborator *elaborator, const TypeSyntax *type, const NamedTensor *value, Span span,
                       NamedTensor *out) {
  bool hides = type->kind == TYPE_PARTS && elaborator->scope->shows_parts;
  NamedTensor seen = hides ? complex_hide_parts(elaborator, span, value) : *value;
  if (seen.node == NODE_NONE || !check_kind(elaborator, type, &seen, span)) return false;
  const char *what = arena_format(elaborator->arena, "the result of '%s'", elaborator->scope->definition->name.text);
  return order_axes(elaborator, type, what, &seen, span, out);
}

static bool is_axis_formal(const Definition *definition, const AxisSyntax *axis) {
  if (axis->rest || axis->name.text || axis->value->kind != EXPRESSION_NAME) return false;
  for (uint32_t i = 0; i < definition->formal_count; i++) {
    const Formal *formal = &definition->formal[i];
    bool names_axis = formal->kind == FORMAL_AXIS || formal->kind == FORMAL_ARROW;
    if (names_axis && !strcmp(formal->name.text, axis->value->name.text)) return true;
  }
  return false;
}

/* One axis of the argument gets the name that the type has at its place. */
static bool bind_axis(Elaborator *elaborator, const Formal *formal, const AxisSyntax *syntax, Axis *axis,
                      const NamedTensor *argument, Span span) {
  Scope *scope = elaborator->scope;
  Dim declared;
  bool is_new;
  if (axis_extent(elaborator, syntax, &declared, &is_new)) {
    if (!dim_equal(declared, axis->extent)) return report_extent(elaborator, syntax, declared, axis->extent, span);
  } else if (is_new) {
    scope_bind_static(elaborator, scope, syntax->value->name, static_extent(axis->extent));
  } else {
    return false;
  }
  const AxisLabel *label = axis_label(elaborator, syntax), *outer = scope_outer_label(scope, label);
  if (outer && outer != axis->label) {
    REPORT_WITH(elaborator,
                diagnostic_note(elaborator->diagnostics, syntax->span, "axis '%s' is '%s' of an earlier argument",
                                label->text, outer->text),
                DIAG_ARGUMENT_AXES, span, formal->name.text, type_text(elaborator, &formal->type),
                elaborator_axes_text(elaborator, argument));
    return false;
  }
  if (!outer) scope_bind_axis(elaborator, scope, label, axis->label);
  axis->label = label;
  return true;
}

static bool report_argument(Elaborator *elaborator, const Formal *formal, const NamedTensor *argument, Span span) {
  REPORT_WITH(elaborator, diagnostic_note(elaborator->diagnostics, formal->span, "it is declared here"),
              DIAG_ARGUMENT_AXES, span, formal->name.text, type_text(elaborator, &formal->type),
              elaborator_axes_text(elaborator, argument));
  return false;
}

bool type_bind_argument(Elaborator *elaborator, const Formal *formal, const NamedTensor *argument, Span span,
                        NamedTensor *out) {
  const TypeSyntax *type = &formal->type;
  const Definition *definition = elaborator->scope->definition;
  if (!check_kind(elaborator, type, argument, span)) return false;
  bool shows = type->kind == TYPE_PARTS && argument->complex;
  if (shows) elaborator->scope->shows_parts = true;
  *out = shows ? complex_show_parts(elaborator, argument) : *argument;
  /* The axes that are bound by position: those that no axis parameter picks and that are not the shown parts. */
  int32_t open[SHAPE_MAX_RANK] = {0}, open_count = 0, positional = 0, rest = 0;
  bool picked[SHAPE_MAX_RANK] = {false};
  for (uint32_t i = 0; i < type->count; i++) {
    const AxisSyntax *axis = &type->axis[i];
    if (!is_axis_formal(definition, axis)) {
      rest += axis->rest;
      positional += !axis->rest;
      continue;
    }
    int32_t place = tensor_find_axis(out, axis_label(elaborator, axis));
    if (place < 0) return report_argument(elaborator, formal, argument, span);
    picked[place] = true;
  }
  for (int32_t i = 0; i < out->rank; i++)
    if (!picked[i] && out->axis[i].label != elaborator->part_label) open[open_count++] = i;
  if (rest > 1 || open_count < positional || (rest == 0 && open_count > positional))
    return report_argument(elaborator, formal, argument, span);
  int32_t next = 0;
  for (uint32_t i = 0; i < type->count; i++) {
    const AxisSyntax *axis = &type->axis[i];
    if (axis->rest)
      next += open_count - positional;
    else if (!is_axis_formal(definition, axis) &&
             !bind_axis(elaborator, formal, axis, &out->axis[open[next++]], argument, span))
      return false;
  }
  return true;
}
