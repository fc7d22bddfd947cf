/* The text form of a graph; docs/ir.md describes it and read.c reads it. */
#include "graph.h"

#include <string.h>

static bool is_identifier(const char *text) {
  if (*text >= '0' && *text <= '9') return false;
  size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
  return length > 0 && text[length] == '\0';
}

static void print_quoted(Text *out, const char *text) {
  text_puts(out, "\"");
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') {
      text_print(out, "\\%c", c);
    } else if (c < 0x20 || c == 0x7f) {
      text_print(out, "\\x%02x", (unsigned)c);
    } else {
      text_add(out, text, 1);
    }
  }
  text_puts(out, "\"");
}

static void print_attribute(const Graph *graph, AttributeKind kind, const Attribute *attribute, Text *out) {
  switch (kind) {
    case ATTRIBUTE_NONE:
      break;
    case ATTRIBUTE_INTEGER:
      text_print(out, "%lld", (long long)attribute->integer);
      break;
    case ATTRIBUTE_REAL:
      text_real(out, attribute->real);
      break;
    case ATTRIBUTE_TEXT:
      print_quoted(out, attribute->text);
      break;
    case ATTRIBUTE_INTEGERS:
    case ATTRIBUTE_DIMS:
      text_puts(out, "[");
      for (uint32_t k = 0; k < attribute->count; k++) {
        if (k) text_puts(out, ", ");
        if (kind == ATTRIBUTE_DIMS) {
          text_dim(out, attribute->dims[k], graph->symbol);
        } else {
          text_print(out, "%lld", (long long)attribute->integers[k]);
        }
      }
      text_puts(out, "]");
      break;
  }
}

static void print_node(const Graph *graph, NodeId id, Text *out) {
  const Node *node = graph_node(graph, id);
  const OpInfo *info = op_info(node->op);
  text_print(out, "  %%%u = %s", id, info->name);
  for (uint32_t k = 0; k < node->operand_count; k++) text_print(out, "%s%%%u", k ? ", " : "(", node->operand[k]);
  if (node->operand_count) text_puts(out, ")");
  for (uint8_t k = 0; k < info->attribute_count; k++) {
    text_print(out, "%s%s = ", k ? ", " : " {", info->attribute[k].name);
    print_attribute(graph, info->attribute[k].kind, &node->attribute[k], out);
  }
  text_puts(out, info->attribute_count ? "} : " : " : ");
  text_shape(out, &node->shape, graph->symbol);
  if (node->cluster) text_print(out, " in %u", node->cluster);
  text_puts(out, "\n");
}

void graph_print(const Graph *graph, Text *out) {
  text_puts(out, "graph ");
  if (is_identifier(graph->name)) {
    text_puts(out, graph->name);
  } else {
    print_quoted(out, graph->name);
  }
  text_puts(out, " {\n");
  for (int32_t k = 0; k < graph->symbol_count; k++) text_print(out, "%s%s", k ? ", " : "  symbols ", graph->symbol[k]);
  if (graph->symbol_count) text_puts(out, "\n");
  if (graph->batch_fused) text_puts(out, "  batch fused\n");
  for (NodeId id = 1; id <= graph->node_count; id++) print_node(graph, id, out);
  for (uint32_t number = 1; number <= graph->cluster_count; number++) {
    const Cluster *cluster = &graph->cluster[number];
    text_print(out, "  cluster %u = %s at %%%u\n", number, lowering_name(cluster->family), cluster->anchor);
  }
  for (uint32_t k = 0; k < graph->output_count; k++) {
    const Output *output = &graph->output[k];
    text_print(out, "  output %s ", output_kind_name(output->kind));
    print_quoted(out, output->name);
    text_print(out, " = %%%u", output->node);
    if (output->leaf) text_print(out, " of %%%u", output->leaf);
    text_puts(out, "\n");
  }
  text_puts(out, "}\n");
}
