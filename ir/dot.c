/* Graphviz text of a graph. */
#include "graph.h"

static const char *const family_colour[] = {
    [LOWER_LEAF] = "#eeeeee", [LOWER_VIEW] = "#f5f5dc",     [LOWER_MAP] = "#dcecf9", [LOWER_CONTRACT] = "#fde3c8",
    [LOWER_SCAN] = "#d9f2d9", [LOWER_SPECTRAL] = "#e8dcf5", [LOWER_HOST] = "#f3d6d6"};

static void put_escaped(Text *out, const char *text) {
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') text_puts(out, "\\");
    text_add(out, *text == '\n' ? " " : text, 1);
  }
}

/* What tells this node from others of its op, in one line. */
static void put_detail(const Graph *graph, const Node *node, Text *out) {
  const OpInfo *info = op_info(node->op);
  for (uint8_t k = 0; k < info->attribute_count; k++) {
    const Attribute *attribute = &node->attribute[k];
    switch (info->attribute[k].kind) {
      case ATTRIBUTE_TEXT:
        text_puts(out, "\\n");
        put_escaped(out, attribute->text);
        break;
      case ATTRIBUTE_REAL:
        text_print(out, "\\n%s = ", info->attribute[k].name);
        text_real(out, attribute->real);
        break;
      case ATTRIBUTE_INTEGER:
        text_print(out, "\\n%s = %lld", info->attribute[k].name, (long long)attribute->integer);
        break;
      case ATTRIBUTE_INTEGERS:
        text_print(out, "\\n%s = [", info->attribute[k].name);
        for (uint32_t j = 0; j < attribute->count; j++) {
          text_print(out, "%s%lld", j ? ", " : "", (long long)attribute->integers[j]);
        }
        text_puts(out, "]");
        break;
      case ATTRIBUTE_DIMS: /* seen in the shape */
      case ATTRIBUTE_NONE:
        break;
    }
  }
  text_puts(out, "\\n");
  Text shape = text_begin(out->arena);
  text_shape(&shape, &node->shape, graph->symbol);
  put_escaped(out, shape.data);
}

static void put_node(const Graph *graph, NodeId id, const char *indent, Text *out) {
  const Node *node = graph_node(graph, id);
  const OpInfo *info = op_info(node->op);
  text_print(out, "%sn%u [label=\"%%%u %s", indent, id, id, info->name);
  put_detail(graph, node, out);
  const char *shape = node->op == OP_PARAMETER || node->op == OP_STATE ? "cylinder"
                      : info->lowering == LOWER_LEAF                   ? "ellipse"
                                                                       : "box";
  text_print(out, "\", shape=%s, fillcolor=\"%s\"];\n", shape, family_colour[info->lowering]);
}

/* Node ids by cluster: those of cluster c are members[first[c]] .. members[first[c + 1] - 1], those of none c = 0. */
typedef struct Membership {
  uint32_t *first;
  NodeId *member;
} Membership;

static Membership group_nodes(const Graph *graph, Arena *arena) {
  uint32_t groups = graph->cluster_count + 1;
  Membership grouped = {ARENA_ARRAY(arena, uint32_t, groups + 2), ARENA_ARRAY(arena, NodeId, graph->node_count + 1)};
  for (NodeId id = 1; id <= graph->node_count; id++) grouped.first[graph_node(graph, id)->cluster + 2]++;
  for (uint32_t c = 1; c <= groups; c++) grouped.first[c + 1] += grouped.first[c];
  /* first[c + 1] is now the start of c; filling moves it to the start of c + 1. */
  for (NodeId id = 1; id <= graph->node_count; id++) {
    grouped.member[grouped.first[graph_node(graph, id)->cluster + 1]++] = id;
  }
  return grouped;
}

static void put_clusters(const Graph *graph, Text *out) {
  Membership grouped = group_nodes(graph, out->arena);
  for (uint32_t c = 0; c <= graph->cluster_count; c++) {
    if (c) {
      const Cluster *cluster = &graph->cluster[c];
      text_print(out, "  subgraph cluster_%u {\n    label=\"%u: %s\"; style=\"rounded,filled\"; fillcolor=\"%s\";\n", c,
                 c, lowering_name(cluster->family), family_colour[cluster->family]);
    }
    for (uint32_t k = grouped.first[c]; k < grouped.first[c + 1]; k++) {
      put_node(graph, grouped.member[k], c ? "    " : "  ", out);
    }
    if (c) text_puts(out, "  }\n");
  }
}

void graph_dot(const Graph *graph, Text *out) {
  text_puts(out, "digraph \"");
  put_escaped(out, graph->name);
  text_puts(out, "\" {\n  node [fontname=\"Helvetica\", fontsize=10, style=filled];\n  edge [arrowsize=0.6];\n");
  put_clusters(graph, out);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    for (uint32_t k = 0; k < node->operand_count; k++) text_print(out, "  n%u -> n%u;\n", node->operand[k], id);
  }
  for (uint32_t k = 0; k < graph->output_count; k++) {
    const Output *output = &graph->output[k];
    text_print(out, "  o%u [label=\"%s\\n", k, output_kind_name(output->kind));
    put_escaped(out, output->name);
    text_print(out, "\", shape=house, fillcolor=\"#ffffff\"];\n  n%u -> o%u;\n", output->node, k);
  }
  text_puts(out, "}\n");
}
