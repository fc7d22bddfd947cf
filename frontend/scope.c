#include "elaborator.h"

#include <string.h>

bool elaborator_report_once(Elaborator *elaborator, DiagnosticCode code, Span span) {
  for (size_t i = 0; i < elaborator->reported_count; i++) {
    Span other = elaborator->reported[i];
    if (elaborator->reported_code[i] == code && other.source == span.source && other.start == span.start) return false;
  }
  size_t count = elaborator->reported_count++;
  elaborator->reported =
      arena_grow(elaborator->arena, elaborator->reported, count, &elaborator->reported_capacity, sizeof(Span));
  elaborator->reported_code = arena_grow(elaborator->arena, elaborator->reported_code, count,
                                         &elaborator->reported_code_capacity, sizeof(DiagnosticCode));
  elaborator->reported[count] = span;
  elaborator->reported_code[count] = code;
  if (elaborator->reported_count == MAX_REPORTS) elaborator->stopped = true; /* far more than are shown */
  return true;
}

/* The calls from the place outwards, up to the first that is not written in the library. */
void elaborator_note_calls(Elaborator *elaborator) {
  for (const Scope *scope = elaborator->scope; scope && scope->caller; scope = scope->caller) {
    diagnostic_note(elaborator->diagnostics, scope->call, "in the call of '%s' here", scope->definition->name.text);
    if (!scope->caller->definition->library) return;
  }
}

void elaborator_stop(Elaborator *elaborator, Span span, const char *message) {
  if (!elaborator->stopped) REPORT(elaborator, DIAG_LIMIT, span, message);
  elaborator->stopped = true;
}

bool elaborator_step(Elaborator *elaborator, Span span) {
  if (++elaborator->steps > MAX_STEPS)
    elaborator_stop(elaborator, span, "the model takes more than 1000000 steps to unroll");
  return !elaborator->stopped;
}

const AxisLabel *scope_label(Elaborator *elaborator, Scope *scope, const char *text) {
  for (const AxisLabel *label = scope->label; label; label = label->next) {
    if (!strcmp(label->text, text)) return label;
  }
  AxisLabel *label = ARENA_NEW(elaborator->arena, AxisLabel);
  *label = (AxisLabel){.text = text, .owner = scope, .next = scope->label};
  return scope->label = label;
}

TensorName *scope_find_tensor(const Scope *scope, const char *name) {
  for (size_t i = scope->tensor_count; i-- > 0;)
    if (!strcmp(scope->tensor[i].name, name)) return &scope->tensor[i];
  return NULL;
}

StaticName *scope_find_static(const Scope *scope, const char *name) {
  for (size_t i = scope->fixed_count; i-- > 0;)
    if (!strcmp(scope->fixed[i].name, name)) return &scope->fixed[i];
  return NULL;
}

void scope_bind_tensor(Elaborator *elaborator, Scope *scope, Name name, Value value) {
  TensorName *entry = scope_find_tensor(scope, name.text);
  if (!entry) {
    if (scope->tensor_count == MAX_NAMES)
      elaborator_stop(elaborator, name.span, "a block or model has more than 4096 names of tensors");
    scope->tensor =
        arena_grow(elaborator->arena, scope->tensor, scope->tensor_count, &scope->tensor_capacity, sizeof(TensorName));
    entry = &scope->tensor[scope->tensor_count++];
  }
  *entry = (TensorName){.name = name.text, .value = value, .span = name.span};
}

static StaticName *add_static(Elaborator *elaborator, Scope *scope, Name name) {
  StaticName *entry = scope_find_static(scope, name.text);
  if (entry || !strcmp(name.text, "training")) {
    if (!entry || !entry->poison) {
      REPORT_WITH(elaborator,
                  entry ? diagnostic_note(elaborator->diagnostics, entry->span, "the first one is here") : (void)0,
                  DIAG_NAME_TWICE, name.span, name.text);
    }
    return NULL;
  }
  if (scope->fixed_count == MAX_NAMES)
    elaborator_stop(elaborator, name.span, "a block or model has more than 4096 static names");
  scope->fixed =
      arena_grow(elaborator->arena, scope->fixed, scope->fixed_count, &scope->fixed_capacity, sizeof(StaticName));
  entry = &scope->fixed[scope->fixed_count++];
  *entry = (StaticName){.name = name.text, .span = name.span};
  return entry;
}

void scope_bind_static(Elaborator *elaborator, Scope *scope, Name name, StaticValue value) {
  StaticName *entry = add_static(elaborator, scope, name);
  if (entry) entry->value = value;
}

void scope_bind_formal(Elaborator *elaborator, Scope *scope, const Formal *formal, StaticValue value, Span origin) {
  if (value.origin.length == 0) value.origin = origin;
  scope_bind_static(elaborator, scope, formal->name, value);
}

void scope_bind_poison(Elaborator *elaborator, Scope *scope, Name name) {
  StaticName *entry = add_static(elaborator, scope, name);
  if (entry) entry->poison = true;
}

void scope_bind_axis(Elaborator *elaborator, Scope *scope, const AxisLabel *inner, const AxisLabel *outer) {
  scope->binding = arena_grow(elaborator->arena, scope->binding, scope->binding_count, &scope->binding_capacity,
                              sizeof(AxisBinding));
  scope->binding[scope->binding_count++] = (AxisBinding){inner, outer};
}

const AxisLabel *scope_outer_label(const Scope *scope, const AxisLabel *inner) {
  for (size_t i = 0; i < scope->binding_count; i++) {
    if (scope->binding[i].inner == inner) return scope->binding[i].outer;
  }
  return NULL;
}

void elaborator_unknown_name(Elaborator *elaborator, Name name) {
  const Scope *scope = elaborator->scope;
  const char **candidate = ARENA_ARRAY(elaborator->arena, const char *, scope->tensor_count + scope->fixed_count + 1);
  size_t count = 0;
  for (size_t i = 0; i < scope->fixed_count; i++) candidate[count++] = scope->fixed[i].name;
  for (size_t i = 0; !scope->tensors_hidden && i < scope->tensor_count; i++) candidate[count++] = scope->tensor[i].name;
  candidate[count++] = "training";
  const char *nearest = text_nearest(name.text, candidate, count);
  /* Of a name of one letter every other one is near. */
  if (nearest && text_distance(name.text, nearest) >= strlen(name.text)) nearest = NULL;
  bool tensor = scope->tensors_hidden && scope_find_tensor(scope, name.text);
  if (!elaborator_report_once(elaborator, DIAG_UNKNOWN_NAME, name.span)) return;
  diagnostic_error(elaborator->diagnostics, DIAG_UNKNOWN_NAME, name.span, name.text);
  if (tensor)
    diagnostic_hint(elaborator->diagnostics, "'%s' is a tensor, but here a static value is needed", name.text);
  else if (nearest)
    diagnostic_hint(elaborator->diagnostics, "did you mean '%s'?", nearest);
  elaborator_note_calls(elaborator);
}

const char *join_path(Arena *arena, const char *prefix, const char *path) {
  if (!prefix[0]) return path;
  if (!path[0]) return prefix;
  return arena_format(arena, "%s.%s", prefix, path);
}

int64_t elaborator_stream(Elaborator *elaborator, const char *name) {
  uint32_t stream = UINT32_C(2166136261); /* FNV-1a */
  for (const char *byte = name; *byte; byte++) stream = (stream ^ (unsigned char)*byte) * UINT32_C(16777619);
  /* Two names of one hash: the later one takes the next free number. */
  for (size_t i = 0; i < elaborator->stream_count; i++) {
    if (elaborator->stream[i] != stream) continue;
    stream++;
    i = (size_t)-1;
  }
  elaborator->stream = arena_grow(elaborator->arena, elaborator->stream, elaborator->stream_count,
                                  &elaborator->stream_capacity, sizeof(uint32_t));
  elaborator->stream[elaborator->stream_count++] = stream;
  return stream;
}

const char *elaborator_dim_text(Elaborator *elaborator, Dim dim) {
  Text text = text_begin(elaborator->arena);
  text_dim(&text, dim, elaborator->model->graph->symbol);
  return text.data;
}

const char *elaborator_axes_text(Elaborator *elaborator, const NamedTensor *tensor) {
  Text text = text_begin(elaborator->arena);
  text_puts(&text, tensor->complex ? "complex[" : "[");
  for (int32_t i = 0; i < tensor->rank; i++) {
    const char *extent = elaborator_dim_text(elaborator, tensor->axis[i].extent);
    text_print(&text, "%s%s", i ? ", " : "", tensor->axis[i].label->text);
    if (strcmp(extent, tensor->axis[i].label->text) != 0) text_print(&text, " = %s", extent);
  }
  text_puts(&text, "]");
  return text.data;
}

const char *elaborator_expression_text(Elaborator *elaborator, const Expression *expression) {
  if (expression->kind == EXPRESSION_NAME) return expression->name.text;
  Text text = text_begin(elaborator->arena);
  ast_print_expression(expression, &text);
  return text.data;
}
