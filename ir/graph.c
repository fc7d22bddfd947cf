#include "graph_internal.h"

#include "guard.h"
#include "shape_rules.h"

#include <math.h>
#include <string.h>

/* Open addressing: slots hold node ids, 0 is free. A named leaf hashes by op and name alone, so it is found by them. */
struct GraphHash {
  uint32_t capacity, count; /* capacity is a power of two */
  NodeId *slot;
  uint32_t *hash; /* of the node in the slot */
};

enum { FIRST_CAPACITY = 64 };

/* Room for some nodes more than `count`, so that a graph like another one is not copied as it grows. */
static Graph *create_with_room(Arena *arena, const char *name, uint32_t count) {
  Graph *graph = ARENA_NEW(arena, Graph);
  graph->arena = arena;
  graph->name = arena_text(arena, name, strlen(name));
  graph->symbol[SYMBOL_IMAGE - 1] = "image";
  graph->node_capacity = count + count / 16 + FIRST_CAPACITY;
  graph->node = arena_allocate(arena, graph->node_capacity * sizeof(Node));
  graph->hash = ARENA_NEW(arena, struct GraphHash);
  graph->hash->capacity = FIRST_CAPACITY;
  while (graph->hash->capacity / 2 <= count) graph->hash->capacity *= 2;
  graph->hash->slot = ARENA_ARRAY(arena, NodeId, graph->hash->capacity);
  graph->hash->hash = ARENA_ARRAY(arena, uint32_t, graph->hash->capacity);
  return graph;
}

Graph *graph_create(Arena *arena, const char *name) { return create_with_room(arena, name, 0); }

Graph *graph_create_like(Arena *arena, const Graph *graph) {
  Graph *created = create_with_room(arena, graph->name, graph->node_count);
  for (int32_t k = 0; k < graph->symbol_count; k++) graph_symbol(created, graph->symbol[k]);
  created->batch_fused = graph->batch_fused;
  created->span = graph->span;
  return created;
}

int32_t graph_symbol(Graph *graph, const char *name) {
  for (int32_t k = 0; k < graph->symbol_count; k++) {
    if (strcmp(graph->symbol[k], name) == 0) return k + 1;
  }
  if (graph->symbol_count == SYMBOL_IMAGE - 1) guard_bug("a graph has at most %d symbols", SYMBOL_IMAGE - 1);
  graph->symbol[graph->symbol_count++] = arena_text(graph->arena, name, strlen(name));
  return graph->symbol_count;
}

static uint32_t hash_mix(uint32_t hash, uint64_t value) {
  uint64_t mixed = (value ^ hash) * UINT64_C(0x9e3779b97f4a7c15);
  return (uint32_t)(mixed >> 32) ^ (uint32_t)mixed * UINT32_C(0x85ebca6b);
}

static uint32_t hash_text(uint32_t hash, const char *text) {
  for (; *text; text++) hash = hash_mix(hash, (unsigned char)*text);
  return hash;
}

static uint64_t real_bits(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static bool op_is_named_leaf(OpCode op) { return op == OP_INPUT || op == OP_PARAMETER || op == OP_STATE; }

static uint32_t hash_leaf(OpCode op, const char *name) { return hash_text(hash_mix(0, op), name); }

static uint32_t hash_attribute(uint32_t hash, AttributeKind kind, const Attribute *attribute) {
  switch (kind) {
    case ATTRIBUTE_NONE:
      break;
    case ATTRIBUTE_INTEGER:
      return hash_mix(hash, (uint64_t)attribute->integer);
    case ATTRIBUTE_REAL:
      return hash_mix(hash, real_bits(attribute->real));
    case ATTRIBUTE_TEXT:
      return hash_text(hash, attribute->text);
    case ATTRIBUTE_INTEGERS:
      for (uint32_t k = 0; k < attribute->count; k++) hash = hash_mix(hash, (uint64_t)attribute->integers[k]);
      return hash_mix(hash, attribute->count);
    case ATTRIBUTE_DIMS:
      for (uint32_t k = 0; k < attribute->count; k++) {
        hash = hash_mix(hash_mix(hash, (uint64_t)attribute->dims[k].factor), (uint64_t)attribute->dims[k].symbol);
      }
      return hash_mix(hash, attribute->count);
  }
  return hash;
}

static uint32_t node_hash(const Node *node) {
  if (op_is_named_leaf(node->op)) return hash_leaf(node->op, node_text(node, LEAF_NAME));
  const OpInfo *info = op_info(node->op);
  uint32_t hash = hash_mix(0, node->op);
  for (uint32_t k = 0; k < node->operand_count; k++) hash = hash_mix(hash, node->operand[k]);
  for (uint8_t k = 0; k < info->attribute_count; k++) {
    hash = hash_attribute(hash, info->attribute[k].kind, &node->attribute[k]);
  }
  return hash;
}

static bool attribute_equal(AttributeKind kind, const Attribute *a, const Attribute *b) {
  switch (kind) {
    case ATTRIBUTE_NONE:
      return true;
    case ATTRIBUTE_INTEGER:
      return a->integer == b->integer;
    case ATTRIBUTE_REAL:
      return real_bits(a->real) == real_bits(b->real);
    case ATTRIBUTE_TEXT:
      return strcmp(a->text, b->text) == 0;
    case ATTRIBUTE_INTEGERS:
      return a->count == b->count &&
             (a->count == 0 || memcmp(a->integers, b->integers, a->count * sizeof *a->integers) == 0);
    case ATTRIBUTE_DIMS:
      if (a->count != b->count) return false;
      for (uint32_t k = 0; k < a->count; k++) {
        if (!dim_equal(a->dims[k], b->dims[k])) return false;
      }
      return true;
  }
  return false;
}

bool node_equal(const Node *a, const Node *b) {
  if (a->op != b->op || a->operand_count != b->operand_count) return false;
  for (uint32_t k = 0; k < a->operand_count; k++) {
    if (a->operand[k] != b->operand[k]) return false;
  }
  const OpInfo *info = op_info(a->op);
  for (uint8_t k = 0; k < info->attribute_count; k++) {
    if (!attribute_equal(info->attribute[k].kind, &a->attribute[k], &b->attribute[k])) return false;
  }
  return true;
}

static void hash_insert(Graph *graph, uint32_t hash, NodeId id) {
  struct GraphHash *table = graph->hash;
  if (table->count * 2 >= table->capacity) {
    struct GraphHash old = *table;
    table->capacity *= 2;
    table->slot = ARENA_ARRAY(graph->arena, NodeId, table->capacity);
    table->hash = ARENA_ARRAY(graph->arena, uint32_t, table->capacity);
    table->count = 0;
    for (uint32_t k = 0; k < old.capacity; k++) {
      if (old.slot[k]) hash_insert(graph, old.hash[k], old.slot[k]);
    }
  }
  uint32_t place = hash & (table->capacity - 1);
  while (table->slot[place]) place = (place + 1) & (table->capacity - 1);
  table->slot[place] = id;
  table->hash[place] = hash;
  table->count++;
}

static NodeId hash_find(const Graph *graph, uint32_t hash, const Node *node) {
  const struct GraphHash *table = graph->hash;
  for (uint32_t place = hash & (table->capacity - 1); table->slot[place]; place = (place + 1) & (table->capacity - 1)) {
    if (table->hash[place] == hash && node_equal(graph_node(graph, table->slot[place]), node))
      return table->slot[place];
  }
  return NODE_NONE;
}

NodeId graph_find_leaf(const Graph *graph, OpCode op, const char *name) {
  const struct GraphHash *table = graph->hash;
  uint32_t hash = hash_leaf(op, name);
  for (uint32_t place = hash & (table->capacity - 1); table->slot[place]; place = (place + 1) & (table->capacity - 1)) {
    const Node *node = graph_node(graph, table->slot[place]);
    if (node->op == op && strcmp(node_text(node, LEAF_NAME), name) == 0) return table->slot[place];
  }
  return NODE_NONE;
}

const char *graph_check_node(const Graph *graph, NodeId limit, OpCode op, const NodeId *operands,
                             uint32_t operand_count, const Attribute *attributes, Arena *arena, Shape *out_shape) {
  if (op <= OP_NONE || op >= OP_COUNT) return "there is no such op";
  if (operand_count > GRAPH_MAX_OPERANDS)
    return arena_format(arena, "it has more than %d operands", GRAPH_MAX_OPERANDS);
  RuleContext context = {.op = op,
                         .operand_count = operand_count,
                         .attribute = attributes,
                         .symbol = graph->symbol,
                         .symbol_count = graph->symbol_count,
                         .arena = arena};
  for (uint32_t k = 0; k < operand_count; k++) {
    if (operands[k] == NODE_NONE || operands[k] >= limit) {
      return arena_format(arena, "operand %u is %%%u, which is not an earlier node", k, operands[k]);
    }
    context.operand[k] = graph_shape(graph, operands[k]);
  }
  return shape_rule_apply(&context, out_shape);
}

static void attribute_own(Arena *arena, AttributeKind kind, Attribute *attribute) {
  switch (kind) {
    case ATTRIBUTE_TEXT:
      attribute->text = arena_text(arena, attribute->text, strlen(attribute->text));
      break;
    case ATTRIBUTE_INTEGERS:
      attribute->integers = arena_copy(arena, attribute->integers, attribute->count * sizeof(int64_t));
      break;
    case ATTRIBUTE_DIMS:
      attribute->dims = arena_copy(arena, attribute->dims, attribute->count * sizeof(Dim));
      break;
    case ATTRIBUTE_NONE:
    case ATTRIBUTE_INTEGER:
    case ATTRIBUTE_REAL:
      break;
  }
}

static NodeId node_append(Graph *graph, Node node) {
  node.operand = arena_copy(graph->arena, node.operand, node.operand_count * sizeof(NodeId));
  const OpInfo *info = op_info(node.op);
  for (uint8_t k = 0; k < info->attribute_count; k++) {
    attribute_own(graph->arena, info->attribute[k].kind, &node.attribute[k]);
  }
  graph->node = arena_grow(graph->arena, graph->node, graph->node_count + 1, &graph->node_capacity, sizeof(Node));
  graph->node[++graph->node_count] = node;
  return graph->node_count;
}

typedef enum MergeKind {
  MERGE,  /* return the equal node if there is one */
  APPEND, /* a new node; found by later ones unless an equal one is found first */
  CLONE   /* a new node that is never found */
} MergeKind;

static NodeId node_add(Graph *graph, MergeKind merge, OpCode op, const NodeId *operands, uint32_t operand_count,
                       const Attribute *attributes, const char **out_message) {
  Node node = {.op = op, .operand_count = operand_count, .operand = operands, .span = graph->span};
  *out_message = graph_check_node(graph, graph->node_count + 1, op, operands, operand_count, attributes, graph->arena,
                                  &node.shape);
  if (*out_message) return NODE_NONE;
  const OpInfo *info = op_info(op);
  for (uint8_t k = 0; k < info->attribute_count; k++) {
    node.attribute[k] = attributes[k];
    /* One NaN, so that nodes compare by bits and printing loses nothing. */
    if (info->attribute[k].kind == ATTRIBUTE_REAL && isnan(attributes[k].real)) node.attribute[k].real = NAN;
  }
  uint32_t hash = node_hash(&node);
  NodeId existing = merge == CLONE ? NODE_NONE : hash_find(graph, hash, &node);
  if (op_is_named_leaf(op)) {
    NodeId namesake = graph_find_leaf(graph, op, node_text(&node, LEAF_NAME));
    if (namesake && (merge != MERGE || namesake != existing)) {
      *out_message =
          arena_format(graph->arena, "'%s' is there already, as %%%u", node_text(&node, LEAF_NAME), namesake);
      return NODE_NONE;
    }
  }
  if (existing && merge == MERGE) return existing;
  if (graph->node_count >= GRAPH_MAX_NODES) {
    *out_message = "the graph has too many nodes";
    return NODE_NONE;
  }
  NodeId id = node_append(graph, node);
  bool found_later = merge != CLONE || op_is_named_leaf(op);
  if (found_later && !existing) hash_insert(graph, hash, id);
  return id;
}

NodeId graph_add(Graph *graph, OpCode op, const NodeId *operands, uint32_t operand_count, const Attribute *attributes) {
  const char *message;
  NodeId id = node_add(graph, MERGE, op, operands, operand_count, attributes, &message);
  if (!id) guard_bug("graph %s: %s: %s", graph->name, op > OP_NONE && op < OP_COUNT ? op_info(op)->name : "?", message);
  return id;
}

NodeId graph_try_add(Graph *graph, OpCode op, const NodeId *operands, uint32_t operand_count,
                     const Attribute *attributes, const char **out_message) {
  return node_add(graph, MERGE, op, operands, operand_count, attributes, out_message);
}

NodeId graph_try_append(Graph *graph, OpCode op, const NodeId *operands, uint32_t operand_count,
                        const Attribute *attributes, const char **out_message) {
  return node_add(graph, APPEND, op, operands, operand_count, attributes, out_message);
}

NodeId graph_add_clone(Graph *graph, OpCode op, const NodeId *operands, uint32_t operand_count,
                       const Attribute *attributes) {
  const char *message;
  NodeId id = node_add(graph, CLONE, op, operands, operand_count, attributes, &message);
  if (!id) guard_bug("graph %s: %s: %s", graph->name, op > OP_NONE && op < OP_COUNT ? op_info(op)->name : "?", message);
  return id;
}

const char *output_kind_name(OutputKind kind) {
  static const char *const name[] = {[OUTPUT_VALUE] = "value",
                                     [OUTPUT_LOSS] = "loss",
                                     [OUTPUT_METRIC] = "metric",
                                     [OUTPUT_GRADIENT] = "gradient",
                                     [OUTPUT_STATE] = "state"};
  ASSERT(kind >= OUTPUT_VALUE && kind <= OUTPUT_STATE);
  return name[kind];
}

const char *graph_check_output(const Graph *graph, const Output *output, Arena *arena) {
  if (!output->name || !output->name[0]) return "the name is empty";
  if (output->node == NODE_NONE || output->node > graph->node_count) return "it is not a node of the graph";
  bool scalar = output->kind == OUTPUT_LOSS || output->kind == OUTPUT_METRIC;
  if (scalar && graph_shape(graph, output->node)->rank != 0) {
    return arena_format(arena, "%s '%s' is not a scalar", output_kind_name(output->kind), output->name);
  }
  bool of_leaf = output->kind == OUTPUT_GRADIENT || output->kind == OUTPUT_STATE;
  if (!of_leaf) return output->leaf == NODE_NONE ? NULL : "only gradients and states are of a leaf";
  if (output->leaf == NODE_NONE || output->leaf > graph->node_count) return "its leaf is not a node of the graph";
  OpCode op = graph_op(graph, output->leaf);
  bool fits = output->kind == OUTPUT_STATE ? op == OP_STATE : op == OP_INPUT || op == OP_PARAMETER;
  if (!fits) return arena_format(arena, "there is no %s of %%%u", output_kind_name(output->kind), output->leaf);
  if (!shape_equal(graph_shape(graph, output->node), graph_shape(graph, output->leaf))) {
    return arena_format(arena, "%s '%s' has another shape than %%%u", output_kind_name(output->kind), output->name,
                        output->leaf);
  }
  return NULL;
}

bool graph_try_add_output(Graph *graph, OutputKind kind, const char *name, NodeId node, NodeId leaf,
                          const char **out_message) {
  Output output = {kind, name, node, leaf};
  *out_message = graph_check_output(graph, &output, graph->arena);
  if (*out_message) return false;
  if (graph_find_output(graph, kind, name)) {
    *out_message = arena_format(graph->arena, "there are two outputs %s '%s'", output_kind_name(kind), name);
    return false;
  }
  output.name = arena_text(graph->arena, name, strlen(name));
  graph->output = arena_grow(graph->arena, graph->output, graph->output_count, &graph->output_capacity, sizeof(Output));
  graph->output[graph->output_count++] = output;
  return true;
}

void graph_add_output(Graph *graph, OutputKind kind, const char *name, NodeId node, NodeId leaf) {
  const char *message;
  if (!graph_try_add_output(graph, kind, name, node, leaf, &message)) guard_bug("graph %s: %s", graph->name, message);
}

const Output *graph_find_output(const Graph *graph, OutputKind kind, const char *name) {
  for (uint32_t k = 0; k < graph->output_count; k++) {
    if (graph->output[k].kind == kind && strcmp(graph->output[k].name, name) == 0) return &graph->output[k];
  }
  return NULL;
}

uint32_t graph_add_cluster(Graph *graph, LoweringKind family, NodeId anchor) {
  ASSERT(anchor != NODE_NONE && anchor <= graph->node_count);
  uint32_t used = graph->cluster ? graph->cluster_count + 1 : 0; /* number 0 is unused */
  graph->cluster = arena_grow(graph->arena, graph->cluster, used, &graph->cluster_capacity, sizeof(Cluster));
  graph->cluster[++graph->cluster_count] = (Cluster){family, anchor};
  return graph->cluster_count;
}

NodeId graph_copy_node(Graph *to, const Graph *from, NodeId id, const NodeId *map) {
  const Node *node = graph_node(from, id);
  ASSERT(node->operand_count <= GRAPH_MAX_OPERANDS);
  NodeId operands[GRAPH_MAX_OPERANDS];
  for (uint32_t k = 0; k < node->operand_count; k++) operands[k] = map[node->operand[k]];
  Span span = to->span;
  to->span = node->span;
  NodeId copy = graph_add(to, node->op, operands, node->operand_count, node->attribute);
  to->span = span;
  return copy;
}

void graph_copy_outputs(Graph *to, const Graph *from, const NodeId *map) {
  for (uint32_t k = 0; k < from->output_count; k++) {
    const Output *output = &from->output[k];
    NodeId leaf = output->leaf ? map[output->leaf] : NODE_NONE;
    graph_add_output(to, output->kind, output->name, map[output->node], leaf);
  }
}

uint32_t *graph_use_counts(const Graph *graph, Arena *arena) {
  uint32_t *uses = ARENA_ARRAY(arena, uint32_t, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    for (uint32_t k = 0; k < node->operand_count; k++) uses[node->operand[k]]++;
  }
  for (uint32_t k = 0; k < graph->output_count; k++) uses[graph->output[k].node]++;
  return uses;
}
