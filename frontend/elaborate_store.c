/* What a graph shares with the outside: params, states, inputs, targets, outputs. */
#include "elaborator.h"

#include <string.h>

static const char *statement_path(Elaborator *elaborator, const Statement *statement) {
  const char *own = statement->path.part ? expression_path(elaborator, &statement->path) : statement->name[0].text;
  return own ? join_path(elaborator->arena, elaborator->scope->prefix, own) : NULL;
}

static const ModelParameter *find_stored(const Model *model, const char *path) {
  for (uint32_t i = 0; i < model->parameter_count; i++)
    if (!strcmp(model->parameter[i].path, path)) return &model->parameter[i];
  for (uint32_t i = 0; i < model->state_count; i++)
    if (!strcmp(model->state[i].path, path)) return &model->state[i];
  return NULL;
}

static NodeId add_leaf(Elaborator *elaborator, Span span, OpCode op, const char *name, const Shape *shape) {
  Attribute attribute[] = {{.text = name}, {.count = (uint32_t)shape->rank, .dims = shape->dim}};
  return emit(elaborator, span, op, NULL, 0, attribute);
}

/* The initial value, spread over the declared axes, becomes an output of the graph of initial values. */
static void add_initial(Elaborator *elaborator, const Statement *statement, const char *path,
                        const NamedTensor *declared) {
  InitialContext context = {.path = path, .shape = *declared};
  Graph *graph = elaborator->graph;
  bool hidden = elaborator->scope->tensors_hidden;
  elaborator->graph = elaborator->model->initial;
  elaborator->initial = &context;
  elaborator->scope->tensors_hidden = true;
  Span span = statement->value ? statement->value->span : statement->span;
  Value value =
      statement->value ? expression_value(elaborator, statement->value) : value_static(span, static_integer(0));
  const NamedTensor *tensor = value_as_tensor(elaborator, &value);
  NamedTensor axes;
  if (tensor && tensor_union(elaborator, span, declared, statement->type.span, tensor, span, &axes)) {
    if (axes.rank != declared->rank || (tensor->complex && !declared->complex)) {
      REPORT_WITH(elaborator, diagnostic_note(elaborator->diagnostics, statement->type.span, "its type is here"),
                  DIAG_TYPE_AXES, span, arena_format(elaborator->arena, "'%s'", statement->name[0].text),
                  elaborator_axes_text(elaborator, declared), elaborator_axes_text(elaborator, tensor));
    } else {
      NamedTensor whole = declared->complex && !tensor->complex ? complex_from_real(elaborator, span, tensor) : *tensor;
      NodeId node = whole.node == NODE_NONE ? NODE_NONE : tensor_spread(elaborator, span, &whole, declared);
      if (node != NODE_NONE) graph_add_output(elaborator->graph, OUTPUT_VALUE, path, node, NODE_NONE);
    }
  }
  elaborator->graph = graph;
  elaborator->initial = NULL;
  elaborator->scope->tensors_hidden = hidden;
}

static bool shape_is_constant(Elaborator *elaborator, const NamedTensor *tensor, Span span) {
  for (int32_t i = 0; i < tensor->rank; i++) {
    if (dim_is_constant(tensor->axis[i].extent)) continue;
    REPORT(elaborator, DIAG_OPEN_AXIS, span, tensor->axis[i].label->text,
           elaborator_dim_text(elaborator, tensor->axis[i].extent));
    return false;
  }
  return true;
}

/* The place in the user's own text that the statement was reached from. */
static Span user_place(const Elaborator *elaborator, Span span) {
  for (const Scope *scope = elaborator->scope; scope->definition->library && scope->caller; scope = scope->caller)
    span = scope->call;
  return span;
}

static void record_stored(Elaborator *elaborator, const Statement *statement, const char *path,
                          const NamedTensor *tensor) {
  Model *model = elaborator->model;
  ModelParameter entry = {.path = path,
                          .shape = tensor_shape(tensor),
                          .complex = tensor->complex,
                          .leaf = tensor->node,
                          .span = statement->span,
                          .call = user_place(elaborator, statement->span)};
  Dim count;
  entry.count = shape_count(&entry.shape, &count) ? count.factor : 0;
  if (statement->kind == STATEMENT_PARAM) {
    model->parameter = arena_grow(elaborator->arena, model->parameter, model->parameter_count,
                                  &elaborator->parameter_capacity, sizeof entry);
    model->parameter[model->parameter_count++] = entry;
  } else {
    model->state =
        arena_grow(elaborator->arena, model->state, model->state_count, &elaborator->state_capacity, sizeof entry);
    model->state[model->state_count++] = entry;
  }
}

void declare_stored(Elaborator *elaborator, const Statement *statement) {
  bool param = statement->kind == STATEMENT_PARAM;
  Name name = statement->name[0];
  scope_bind_tensor(elaborator, elaborator->scope, name, value_poison(statement->span));
  if (elaborator->initial) {
    REPORT(elaborator, DIAG_MISPLACED, statement->span, param ? "'param'" : "'state'", "a model, not an initial value");
    return;
  }
  NamedTensor tensor;
  const char *path = statement_path(elaborator, statement);
  if (!path || !type_declare(elaborator, &statement->type, false, &tensor)) return;
  if (!shape_is_constant(elaborator, &tensor, statement->type.span)) return;
  const ModelParameter *other = find_stored(elaborator->model, path);
  if (other) {
    REPORT_WITH(elaborator,
                (diagnostic_note(elaborator->diagnostics, other->call, "the first one is made here"),
                 diagnostic_hint(elaborator->diagnostics, "give calls and parameters different names with '@'")),
                DIAG_PATH_TWICE, statement->span, path);
    return;
  }
  if (elaborator->model->parameter_count + elaborator->model->state_count == MAX_STORED) {
    elaborator_stop(elaborator, statement->span, "the model has more than 20000 params and states");
    return;
  }
  Shape shape = tensor_shape(&tensor);
  tensor.node = add_leaf(elaborator, statement->span, param ? OP_PARAMETER : OP_STATE, path, &shape);
  if (tensor.node == NODE_NONE) return;
  record_stored(elaborator, statement, path, &tensor);
  add_initial(elaborator, statement, path, &tensor);
  Value value = value_tensor(elaborator, statement->span, &tensor);
  scope_bind_tensor(elaborator, elaborator->scope, name, value);
  if (!param) scope_find_tensor(elaborator->scope, name.text)->state = tensor.node;
}

void update_state(Elaborator *elaborator, const Statement *statement) {
  Name name = statement->name[0];
  Value value = expression_value(elaborator, statement->value);
  TensorName *entry = scope_find_tensor(elaborator->scope, name.text);
  if (entry && entry->value.kind == VALUE_POISON) return;
  if (!entry || entry->state == NODE_NONE) {
    REPORT(elaborator, DIAG_NO_STATE, name.span, name.text);
    return;
  }
  if (entry->updated) {
    REPORT(elaborator, DIAG_NAME_TWICE, statement->span, arena_format(elaborator->arena, "update %s", name.text));
    return;
  }
  const NamedTensor *declared = entry->value.tensor, *tensor = value_as_tensor(elaborator, &value);
  NamedTensor axes;
  if (!tensor || !tensor_union(elaborator, statement->span, declared, entry->span, tensor, value.span, &axes)) return;
  if (axes.rank != declared->rank || tensor->complex != declared->complex) {
    REPORT(elaborator, DIAG_TYPE_AXES, value.span, arena_format(elaborator->arena, "'%s'", name.text),
           elaborator_axes_text(elaborator, declared), elaborator_axes_text(elaborator, tensor));
    return;
  }
  NodeId node = tensor_spread(elaborator, statement->span, tensor, declared);
  entry->updated = true;
  if (node != NODE_NONE)
    graph_add_output(elaborator->graph, OUTPUT_STATE, node_text(graph_node(elaborator->graph, entry->state), LEAF_NAME),
                     node, entry->state);
}

static bool in_model(Elaborator *elaborator, const Statement *statement, const char *word) {
  if (!elaborator->scope->caller) return true;
  REPORT(elaborator, DIAG_MISPLACED, statement->span, word, "a model");
  return false;
}

static const ModelTensor *find_given(const Model *model, const char *name) {
  for (uint32_t i = 0; i < model->input_count; i++)
    if (!strcmp(model->input[i].name, name)) return &model->input[i];
  for (uint32_t i = 0; i < model->target_count; i++)
    if (!strcmp(model->target[i].name, name)) return &model->target[i];
  return NULL;
}

void declare_given(Elaborator *elaborator, const Statement *statement) {
  bool input = statement->kind == STATEMENT_INPUT;
  Model *model = elaborator->model;
  Name name = statement->name[0];
  NamedTensor tensor;
  if (!in_model(elaborator, statement, input ? "'input'" : "'target'")) return;
  scope_bind_tensor(elaborator, elaborator->scope, name, value_poison(statement->span));
  const char *path = statement_path(elaborator, statement);
  if (!path || !type_declare(elaborator, &statement->type, true, &tensor)) return;
  const ModelTensor *other = find_given(model, path);
  if (other) {
    REPORT_WITH(elaborator, diagnostic_note(elaborator->diagnostics, other->span, "the first one is here"),
                DIAG_PATH_TWICE, statement->span, path);
    return;
  }
  Shape shape = tensor_shape(&tensor);
  tensor.node = add_leaf(elaborator, statement->span, OP_INPUT, path, &shape);
  if (tensor.node == NODE_NONE) return;
  ModelTensor entry = {
      .name = path, .declared = name.text, .shape = shape, .leaf = tensor.node, .span = statement->span};
  if (input) {
    model->input =
        arena_grow(elaborator->arena, model->input, model->input_count, &elaborator->input_capacity, sizeof entry);
    model->input[model->input_count++] = entry;
  } else {
    model->target =
        arena_grow(elaborator->arena, model->target, model->target_count, &elaborator->target_capacity, sizeof entry);
    model->target[model->target_count++] = entry;
  }
  scope_bind_tensor(elaborator, elaborator->scope, name, value_tensor(elaborator, statement->span, &tensor));
}

static bool metric_fits(Elaborator *elaborator, const Statement *statement) {
  uint32_t metrics = 0;
  for (uint32_t i = 0; i < elaborator->graph->output_count; i++)
    metrics += elaborator->graph->output[i].kind == OUTPUT_METRIC;
  if (metrics < MODEL_MAX_METRICS) return true;
  REPORT(elaborator, DIAG_LIMIT, statement->span,
         arena_format(elaborator->arena, "a model has at most %d metrics", MODEL_MAX_METRICS));
  return false;
}

static bool output_is_new(Elaborator *elaborator, OutputKind kind, const Statement *statement, const char *path) {
  const Graph *graph = elaborator->graph;
  if (kind == OUTPUT_METRIC && !metric_fits(elaborator, statement)) return false;
  for (uint32_t i = 0; i < graph->output_count; i++) {
    const Output *other = &graph->output[i];
    if (other->kind == OUTPUT_STATE) continue;
    Span first = graph_node(graph, other->node)->span;
    if (kind == OUTPUT_LOSS && other->kind == OUTPUT_LOSS) {
      REPORT_WITH(elaborator, diagnostic_note(elaborator->diagnostics, first, "the first one is computed here"),
                  DIAG_SECOND_LOSS, statement->span, elaborator->model->name);
      return false;
    }
    bool values = (kind == OUTPUT_VALUE) == (other->kind == OUTPUT_VALUE);
    if (!values || strcmp(other->name, path) != 0) continue;
    REPORT_WITH(elaborator, diagnostic_note(elaborator->diagnostics, first, "the first one is computed here"),
                DIAG_PATH_TWICE, statement->span, path);
    return false;
  }
  return true;
}

void declare_output(Elaborator *elaborator, const Statement *statement) {
  OutputKind kind = statement->kind == STATEMENT_OUTPUT ? OUTPUT_VALUE
                    : statement->kind == STATEMENT_LOSS ? OUTPUT_LOSS
                                                        : OUTPUT_METRIC;
  Name name = statement->name[0];
  static const char *const words[] = {
      [OUTPUT_VALUE] = "'output'", [OUTPUT_LOSS] = "'loss'", [OUTPUT_METRIC] = "'metric'"};
  if (!in_model(elaborator, statement, words[kind])) return;
  Value value = expression_value(elaborator, statement->value);
  scope_bind_tensor(elaborator, elaborator->scope, name, value);
  const char *path = statement_path(elaborator, statement);
  const NamedTensor *tensor = value_as_tensor(elaborator, &value);
  if (!path || !tensor) return;
  NamedTensor result = *tensor;
  if (kind != OUTPUT_VALUE && (tensor->rank || tensor->complex)) {
    REPORT(elaborator, DIAG_NOT_SCALAR, value.span, name.text, elaborator_axes_text(elaborator, tensor));
    return;
  }
  if (statement->type.span.length) {
    const char *what = arena_format(elaborator->arena, "'%s'", name.text);
    if (!type_match_value(elaborator, &statement->type, what, tensor, value.span, &result)) return;
    scope_bind_tensor(elaborator, elaborator->scope, name, value_tensor(elaborator, value.span, &result));
  }
  if (output_is_new(elaborator, kind, statement, path))
    graph_add_output(elaborator->graph, kind, path, result.node, NODE_NONE);
}
