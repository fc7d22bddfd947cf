#include "graph_model.h"

#include <string.h>

bool path_is_graph(const char *path) {
  size_t length = strlen(path);
  return length > 3 && !strcmp(path + length - 3, ".ir");
}

/* Marks what the outputs that inference gives back depend on. */
static void mark_needed(const Graph *graph, bool *needed) {
  for (uint32_t k = 0; k < graph->output_count; k++) {
    OutputKind kind = graph->output[k].kind;
    if (kind == OUTPUT_VALUE || kind == OUTPUT_STATE) needed[graph->output[k].node] = true;
  }
  for (NodeId id = graph->node_count; id >= 1; id--) {
    for (uint32_t k = 0; needed[id] && k < graph_node(graph, id)->operand_count; k++)
      needed[graph_operand(graph, id, k)] = true;
  }
}

static int64_t shape_elements(const Shape *shape) {
  int64_t count = 1;
  for (int32_t k = 0; k < shape->rank; k++) count *= shape->dim[k].factor;
  return count;
}

static void add_stored(const Graph *graph, NodeId id, ModelParameter *list, uint32_t *count) {
  const Node *node = graph_node(graph, id);
  list[(*count)++] = (ModelParameter){
      .path = node_text(node, 0), .shape = node->shape, .count = shape_elements(&node->shape), .leaf = id};
}

static void add_given(const Graph *graph, NodeId id, ModelTensor *list, uint32_t *count) {
  const Node *node = graph_node(graph, id);
  const char *name = node_text(node, 0);
  list[(*count)++] = (ModelTensor){.name = name, .declared = name, .shape = node->shape, .leaf = id};
}

static void add_zeros(Graph *initial, const ModelParameter *list, uint32_t count) {
  for (uint32_t k = 0; k < count; k++) {
    NodeId zeros = graph_constant_like(initial, 0, &list[k].shape);
    graph_add_output(initial, OUTPUT_VALUE, list[k].path, zeros, NODE_NONE);
  }
}

/* What is stored has a size that is known while compiling. */
static bool check_stored(const Graph *graph, const char **out_message) {
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op != OP_PARAMETER && node->op != OP_STATE) continue;
    for (int32_t k = 0; k < node->shape.rank; k++) {
      if (dim_is_constant(node->shape.dim[k])) continue;
      *out_message = arena_format(graph->arena, "the shape of '%s' is not known while compiling", node_text(node, 0));
      return false;
    }
  }
  return true;
}

Model *model_of_graph(Graph *graph, const char **out_message) {
  if (!check_stored(graph, out_message)) return NULL;
  Arena *arena = graph->arena;
  uint32_t most = graph->node_count + 1;
  Model *model = ARENA_NEW(arena, Model);
  *model = (Model){.name = graph->name,
                   .graph = graph,
                   .initial = graph_create(arena, arena_format(arena, "%s_initial", graph->name)),
                   .parameter = ARENA_ARRAY(arena, ModelParameter, most),
                   .state = ARENA_ARRAY(arena, ModelParameter, most),
                   .input = ARENA_ARRAY(arena, ModelTensor, most),
                   .target = ARENA_ARRAY(arena, ModelTensor, most)};
  bool *needed = ARENA_ARRAY(arena, bool, most);
  mark_needed(graph, needed);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    OpCode op = graph_op(graph, id);
    if (op == OP_PARAMETER)
      add_stored(graph, id, model->parameter, &model->parameter_count);
    else if (op == OP_STATE)
      add_stored(graph, id, model->state, &model->state_count);
    else if (op == OP_INPUT && needed[id])
      add_given(graph, id, model->input, &model->input_count);
    else if (op == OP_INPUT)
      add_given(graph, id, model->target, &model->target_count);
  }
  add_zeros(model->initial, model->parameter, model->parameter_count);
  add_zeros(model->initial, model->state, model->state_count);
  return model;
}
