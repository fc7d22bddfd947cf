/* Reads the text form of a graph. Every mistake is a diagnostic with a place; reading goes on with the next line. A
 * node whose line had a mistake is known by name but poisoned: nothing is reported about its uses. */
#include "graph.h"
#include "ir_lexer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Names of nodes, by open addressing. A name is there even if its node is NODE_NONE: poisoned. */
typedef struct Names {
  uint32_t count, capacity; /* capacity is a power of two, or 0 */
  const char **name;
  NodeId *node;
} Names;

typedef struct Reader {
  Diagnostics *diagnostics;
  Arena *arena;
  Graph *graph;
  IrLexer lexer;
  IrToken token;
  uint32_t previous_end; /* of the token before `token` */
  Names names;
} Reader;

static uint32_t name_place(const Names *names, const char *name) {
  uint32_t hash = 2166136261u;
  for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
  hash ^= hash >> 15;
  uint32_t place = hash & (names->capacity - 1);
  while (names->name[place] && strcmp(names->name[place], name) != 0) place = (place + 1) & (names->capacity - 1);
  return place;
}

static void names_add(Reader *reader, const char *name, NodeId node) {
  Names *names = &reader->names;
  if (names->count * 2 >= names->capacity) {
    Names old = *names;
    names->capacity = old.capacity ? old.capacity * 2 : 64;
    names->name = ARENA_ARRAY(reader->arena, const char *, names->capacity);
    names->node = ARENA_ARRAY(reader->arena, NodeId, names->capacity);
    for (uint32_t k = 0; k < old.capacity; k++) {
      if (!old.name[k]) continue;
      uint32_t place = name_place(names, old.name[k]);
      names->name[place] = old.name[k];
      names->node[place] = old.node[k];
    }
  }
  uint32_t place = name_place(names, name);
  names->name[place] = name;
  names->node[place] = node;
  names->count++;
}

static bool names_find(const Names *names, const char *name, NodeId *out_node) {
  uint32_t place = names->capacity ? name_place(names, name) : 0;
  if (!names->capacity || !names->name[place]) return false;
  *out_node = names->node[place];
  return true;
}

static void advance(Reader *reader) {
  reader->previous_end = reader->token.span.start + reader->token.span.length;
  reader->token = ir_lexer_next(&reader->lexer);
}

static bool at_mark(const Reader *reader, char mark) {
  return reader->token.kind == IR_TOKEN_MARK && reader->token.text[0] == mark;
}

static bool at_word(const Reader *reader, const char *word) {
  return reader->token.kind == IR_TOKEN_NAME && strcmp(reader->token.text, word) == 0;
}

/* Reports that the token is not `what`; false, so that callers can return it. */
static bool expected(Reader *reader, const char *what) {
  const IrToken *token = &reader->token;
  const char *found = "the end of the text";
  if (token->kind == IR_TOKEN_TEXT) {
    found = "a text";
  } else if (token->kind != IR_TOKEN_END) {
    const char *sign = token->kind == IR_TOKEN_NODE ? "%" : "";
    found = arena_format(reader->arena, "'%s%.40s'", sign, token->text);
  }
  diagnostic_error(reader->diagnostics, DIAG_IR_SYNTAX, token->span, what, found);
  return false;
}

static bool accept_mark(Reader *reader, char mark) {
  if (!at_mark(reader, mark)) return false;
  advance(reader);
  return true;
}

static bool expect_mark(Reader *reader, char mark) {
  return accept_mark(reader, mark) || expected(reader, (char[]){'\'', mark, '\'', '\0'});
}

static bool expect_word(Reader *reader, const char *word) {
  if (!at_word(reader, word)) return expected(reader, arena_format(reader->arena, "'%s'", word));
  advance(reader);
  return true;
}

static bool expect_kind(Reader *reader, IrTokenKind kind, const char *what, IrToken *out) {
  *out = reader->token;
  if (reader->token.kind != kind) return expected(reader, what);
  advance(reader);
  return true;
}

static bool read_integer(Reader *reader, int64_t *out) {
  IrToken token;
  if (!expect_kind(reader, IR_TOKEN_NUMBER, "an integer", &token)) return false;
  char *end;
  *out = 0;
  errno = 0;
  long long value = strtoll(token.text, &end, 10);
  if (*end || errno) {
    diagnostic_error(reader->diagnostics, DIAG_IR_NUMBER, token.span, errno ? "the integer" : "what is no integer");
    return false;
  }
  *out = value;
  return true;
}

static bool read_real(Reader *reader, double *out) {
  const IrToken token = reader->token;
  bool number = token.kind == IR_TOKEN_NUMBER || at_word(reader, "inf") || at_word(reader, "nan");
  char *end = NULL;
  if (number) *out = strtod(token.text, &end);
  if (!number || *end || strchr(token.text, 'x') || strchr(token.text, 'X')) return expected(reader, "a number");
  advance(reader);
  return true;
}

static bool find_symbol(const Graph *graph, const char *name, int32_t *out) {
  for (int32_t k = 0; k < graph->symbol_count; k++) {
    if (strcmp(graph->symbol[k], name) == 0) {
      *out = k + 1;
      return true;
    }
  }
  return false;
}

/* 96, B or 7*B */
static bool read_dim(Reader *reader, Dim *out) {
  *out = dim_constant(1);
  if (reader->token.kind == IR_TOKEN_NUMBER) {
    if (!read_integer(reader, &out->factor)) return false;
    if (!accept_mark(reader, '*')) return true;
  }
  IrToken symbol;
  if (!expect_kind(reader, IR_TOKEN_NAME, "an extent", &symbol)) return false;
  if (find_symbol(reader->graph, symbol.text, &out->symbol)) return true;
  diagnostic_error(reader->diagnostics, DIAG_IR_SYMBOL, symbol.span, symbol.text, "not declared");
  const char *nearest = text_nearest(symbol.text, reader->graph->symbol, (size_t)reader->graph->symbol_count);
  if (nearest) diagnostic_hint(reader->diagnostics, "did you mean '%s'?", nearest);
  return false;
}

/* [..] of dims or integers; more than fit are counted but not kept: the rules reject the count. */
static bool read_list(Reader *reader, bool of_dims, Attribute *out) {
  Dim *dims = ARENA_ARRAY(reader->arena, Dim, SHAPE_MAX_RANK);
  int64_t *integers = ARENA_ARRAY(reader->arena, int64_t, SHAPE_MAX_RANK);
  uint32_t count = 0;
  if (!expect_mark(reader, '[')) return false;
  while (!at_mark(reader, ']')) {
    if (count && !expect_mark(reader, ',')) return false;
    Dim dim = {0};
    int64_t integer = 0;
    if (of_dims ? !read_dim(reader, &dim) : !read_integer(reader, &integer)) return false;
    if (count < SHAPE_MAX_RANK) {
      dims[count] = dim;
      integers[count] = integer;
    }
    count++;
  }
  advance(reader);
  *out = (Attribute){.count = count};
  if (of_dims) {
    out->dims = dims;
  } else {
    out->integers = integers;
  }
  return true;
}

static bool read_value(Reader *reader, AttributeKind kind, Attribute *out) {
  IrToken token;
  switch (kind) {
    case ATTRIBUTE_INTEGER:
      return read_integer(reader, &out->integer);
    case ATTRIBUTE_REAL:
      return read_real(reader, &out->real);
    case ATTRIBUTE_TEXT:
      if (!expect_kind(reader, IR_TOKEN_TEXT, "a text in quotes", &token)) return false;
      out->text = token.text;
      return true;
    case ATTRIBUTE_INTEGERS:
      return read_list(reader, false, out);
    case ATTRIBUTE_DIMS:
      return read_list(reader, true, out);
    case ATTRIBUTE_NONE:
      break;
  }
  return false;
}

static bool bad_attribute(Reader *reader, Span span, const char *name, const OpInfo *info, const char *what) {
  diagnostic_error(reader->diagnostics, DIAG_IR_ATTRIBUTE, span, name, info->name, what);
  return false;
}

static bool read_attribute(Reader *reader, const OpInfo *info, unsigned *seen, Attribute *attributes) {
  IrToken name;
  if (!expect_kind(reader, IR_TOKEN_NAME, "an attribute", &name)) return false;
  const char *candidates[OP_MAX_ATTRIBUTES];
  uint8_t slot = info->attribute_count;
  for (uint8_t k = 0; k < info->attribute_count; k++) {
    candidates[k] = info->attribute[k].name;
    if (strcmp(candidates[k], name.text) == 0) slot = k;
  }
  if (slot == info->attribute_count) {
    bad_attribute(reader, name.span, name.text, info, "unknown");
    const char *nearest = text_nearest(name.text, candidates, info->attribute_count);
    if (nearest) diagnostic_hint(reader->diagnostics, "did you mean '%s'?", nearest);
    return false;
  }
  if (*seen >> slot & 1) return bad_attribute(reader, name.span, name.text, info, "given twice");
  *seen |= 1u << slot;
  return expect_mark(reader, '=') && read_value(reader, info->attribute[slot].kind, &attributes[slot]);
}

static bool read_attributes(Reader *reader, Span op_span, const OpInfo *info, Attribute *attributes) {
  unsigned seen = 0;
  if (accept_mark(reader, '{')) {
    for (bool first = true; !at_mark(reader, '}'); first = false) {
      if (!first && !expect_mark(reader, ',')) return false;
      if (!read_attribute(reader, info, &seen, attributes)) return false;
    }
    advance(reader);
  }
  for (uint8_t k = 0; k < info->attribute_count; k++) {
    if (!(seen >> k & 1)) return bad_attribute(reader, op_span, info->attribute[k].name, info, "missing");
  }
  return true;
}

/* A use of a node; NODE_NONE where it is poisoned. */
static bool read_use(Reader *reader, NodeId *out) {
  IrToken token;
  *out = NODE_NONE;
  if (!expect_kind(reader, IR_TOKEN_NODE, "a node", &token)) return false;
  if (names_find(&reader->names, token.text, out)) return true;
  diagnostic_error(reader->diagnostics, DIAG_IR_UNKNOWN_NODE, token.span, token.text);
  return false;
}

/* The op of a node with all that belongs to it, as read. */
typedef struct NodeText {
  IrToken op_token;
  OpCode op;
  bool poisoned;
  uint32_t operand_count;
  NodeId operand[GRAPH_MAX_OPERANDS];
  Attribute attribute[OP_MAX_ATTRIBUTES];
  bool has_shape;
  Attribute shape;
  Span shape_span;
  int64_t cluster;
  Span cluster_span;
} NodeText;

static bool read_op(Reader *reader, NodeText *node) {
  if (!expect_kind(reader, IR_TOKEN_NAME, "an op", &node->op_token)) return false;
  node->op = op_by_name(node->op_token.text);
  if (node->op != OP_NONE) return true;
  diagnostic_error(reader->diagnostics, DIAG_IR_UNKNOWN_OP, node->op_token.span, node->op_token.text);
  const char *candidates[OP_COUNT];
  for (int op = OP_NONE + 1; op < OP_COUNT; op++) candidates[op - 1] = op_info((OpCode)op)->name;
  const char *nearest = text_nearest(node->op_token.text, candidates, OP_COUNT - 1);
  if (nearest) diagnostic_hint(reader->diagnostics, "did you mean '%s'?", nearest);
  return false;
}

static bool read_operands(Reader *reader, NodeText *node) {
  if (!accept_mark(reader, '(')) return true;
  while (!at_mark(reader, ')')) {
    NodeId operand;
    if (node->operand_count && !expect_mark(reader, ',')) return false;
    if (!read_use(reader, &operand)) return false;
    if (operand == NODE_NONE) node->poisoned = true;
    if (node->operand_count < GRAPH_MAX_OPERANDS) node->operand[node->operand_count] = operand;
    node->operand_count++;
  }
  advance(reader);
  return true;
}

/* op(operands) {attributes} : shape in cluster */
static bool read_node_text(Reader *reader, NodeText *node) {
  if (!read_op(reader, node) || !read_operands(reader, node)) return false;
  if (!read_attributes(reader, node->op_token.span, op_info(node->op), node->attribute)) return false;
  node->has_shape = accept_mark(reader, ':');
  node->shape_span = reader->token.span;
  if (node->has_shape) {
    if (!read_list(reader, true, &node->shape)) return false;
    node->shape_span.length = reader->previous_end - node->shape_span.start;
  }
  if (!at_word(reader, "in")) return true;
  advance(reader);
  node->cluster_span = reader->token.span;
  if (!read_integer(reader, &node->cluster)) return false;
  if (node->cluster >= 1 && node->cluster <= UINT32_MAX) return true;
  diagnostic_error(reader->diagnostics, DIAG_IR_NUMBER, node->cluster_span, "the cluster's number");
  return false;
}

static bool shape_as_written(const NodeText *node, const Shape *shape) {
  if (node->shape.count != (uint32_t)shape->rank) return false;
  for (int32_t k = 0; k < shape->rank; k++) {
    if (!dim_equal(node->shape.dims[k], shape->dim[k])) return false;
  }
  return true;
}

static void report_shape(Reader *reader, const NodeText *node, const Shape *shape) {
  Text given = text_begin(reader->arena);
  text_shape(&given, shape, reader->graph->symbol);
  const char *written =
      arena_text(reader->arena, reader->lexer.source->text + node->shape_span.start, node->shape_span.length);
  diagnostic_error(reader->diagnostics, DIAG_IR_SHAPE, node->shape_span, written, given.data);
}

static NodeId build_node(Reader *reader, const NodeText *node) {
  const char *message;
  NodeId id = graph_try_append(reader->graph, node->op, node->operand, node->operand_count, node->attribute, &message);
  if (!id) {
    diagnostic_error(reader->diagnostics, DIAG_IR_RULE, node->op_token.span, op_info(node->op)->name, message);
    return NODE_NONE;
  }
  reader->graph->node[id].cluster = (uint32_t)node->cluster;
  if (node->has_shape && !shape_as_written(node, graph_shape(reader->graph, id))) {
    report_shape(reader, node, graph_shape(reader->graph, id));
  }
  return id;
}

/* %name = op... */
static bool read_node(Reader *reader) {
  IrToken name = reader->token;
  NodeId existing, id = NODE_NONE;
  bool redefined = names_find(&reader->names, name.text, &existing);
  if (redefined) diagnostic_error(reader->diagnostics, DIAG_IR_REDEFINED, name.span, name.text);
  advance(reader);
  NodeText *node = &(NodeText){0};
  bool sound = expect_mark(reader, '=') && read_node_text(reader, node);
  if (sound && !node->poisoned && !redefined) {
    reader->graph->span = name.span;
    reader->graph->span.length = reader->previous_end - name.span.start;
    id = build_node(reader, node);
  }
  if (!redefined) names_add(reader, name.text, id);
  return sound;
}

static bool read_symbols(Reader *reader) {
  advance(reader);
  bool more = true;
  while (more) {
    IrToken name;
    int32_t symbol;
    if (!expect_kind(reader, IR_TOKEN_NAME, "a symbol", &name)) return false;
    bool known = find_symbol(reader->graph, name.text, &symbol);
    if (known || reader->graph->symbol_count == SYMBOL_IMAGE - 1) {
      diagnostic_error(reader->diagnostics, DIAG_IR_SYMBOL, name.span, name.text,
                       known ? "declared twice" : "one too many");
      return false;
    }
    graph_symbol(reader->graph, name.text);
    more = accept_mark(reader, ',');
  }
  return true;
}

/* batch fused */
static bool read_batch(Reader *reader) {
  advance(reader);
  if (!expect_word(reader, "fused")) return false;
  reader->graph->batch_fused = true;
  return true;
}

/* cluster 2 = contract at %9 */
static bool read_cluster(Reader *reader) {
  Span span = reader->token.span;
  advance(reader);
  int64_t number;
  NodeId anchor;
  IrToken family;
  Span number_span = reader->token.span;
  if (!read_integer(reader, &number) || !expect_mark(reader, '=')) return false;
  if (!expect_kind(reader, IR_TOKEN_NAME, "a kernel family", &family)) return false;
  if (!expect_word(reader, "at") || !read_use(reader, &anchor)) return false;
  int kind = LOWER_LEAF;
  while (kind <= LOWER_HOST && strcmp(lowering_name((LoweringKind)kind), family.text) != 0) kind++;
  if (kind > LOWER_HOST) {
    diagnostic_error(reader->diagnostics, DIAG_IR_CLUSTER, family.span, "there is no such kernel family");
    return false;
  }
  if (number != (int64_t)reader->graph->cluster_count + 1) {
    diagnostic_error(reader->diagnostics, DIAG_IR_CLUSTER, number_span, "clusters are numbered 1, 2, ... in order");
    return false;
  }
  if (anchor == NODE_NONE) return true;
  if (graph_node(reader->graph, anchor)->cluster != number) {
    diagnostic_error(reader->diagnostics, DIAG_IR_CLUSTER, span, "its anchor is not in it");
    return true;
  }
  graph_add_cluster(reader->graph, (LoweringKind)kind, anchor);
  return true;
}

static bool read_output_kind(Reader *reader, OutputKind *out) {
  *out = OUTPUT_VALUE;
  for (int kind = OUTPUT_VALUE; kind <= OUTPUT_STATE; kind++) {
    if (!at_word(reader, output_kind_name((OutputKind)kind))) continue;
    *out = (OutputKind)kind;
    advance(reader);
    return true;
  }
  return expected(reader, "value, loss, metric, gradient or state");
}

/* output gradient "x" = %12 of %1 */
static bool read_output(Reader *reader) {
  Span span = reader->token.span;
  advance(reader);
  OutputKind kind;
  IrToken name;
  NodeId node, leaf = NODE_NONE;
  if (!read_output_kind(reader, &kind) || !expect_kind(reader, IR_TOKEN_TEXT, "a name in quotes", &name)) return false;
  if (!expect_mark(reader, '=') || !read_use(reader, &node)) return false;
  bool poisoned = node == NODE_NONE;
  if (at_word(reader, "of")) {
    advance(reader);
    if (!read_use(reader, &leaf)) return false;
    poisoned = poisoned || leaf == NODE_NONE;
  }
  const char *message;
  span.length = reader->previous_end - span.start;
  if (!poisoned && !graph_try_add_output(reader->graph, kind, name.text, node, leaf, &message)) {
    diagnostic_error(reader->diagnostics, DIAG_IR_OUTPUT, span, message);
  }
  return true;
}

static bool read_statement(Reader *reader) {
  if (reader->token.kind == IR_TOKEN_NODE) return read_node(reader);
  if (at_word(reader, "symbols")) return read_symbols(reader);
  if (at_word(reader, "batch")) return read_batch(reader);
  if (at_word(reader, "cluster")) return read_cluster(reader);
  if (at_word(reader, "output")) return read_output(reader);
  return expected(reader, "a node, symbols, batch, cluster, output or '}'");
}

static void check_membership(Reader *reader) {
  for (NodeId id = 1; id <= reader->graph->node_count; id++) {
    const Node *node = graph_node(reader->graph, id);
    if (node->cluster <= reader->graph->cluster_count) continue;
    diagnostic_error(reader->diagnostics, DIAG_IR_CLUSTER, node->span, "the node is in a cluster that is not there");
  }
}

static void read_body(Reader *reader) {
  while (!at_mark(reader, '}') && reader->token.kind != IR_TOKEN_END) {
    uint32_t start = reader->token.span.start;
    if (read_statement(reader)) continue;
    /* On with the next line, having taken at least one token. */
    if (reader->token.span.start == start) advance(reader);
    while (!reader->token.starts_line && reader->token.kind != IR_TOKEN_END) advance(reader);
  }
  if (expect_mark(reader, '}') && reader->token.kind != IR_TOKEN_END) expected(reader, "the end of the text");
}

Graph *graph_read(Arena *arena, Diagnostics *diagnostics, uint32_t source) {
  uint32_t errors = diagnostics_error_count(diagnostics);
  Reader reader = {.diagnostics = diagnostics,
                   .arena = arena,
                   .lexer = {.source = diagnostics_source(diagnostics, source), .number = source, .arena = arena}};
  advance(&reader);
  if (!expect_word(&reader, "graph")) return NULL;
  IrToken name = reader.token;
  if (name.kind != IR_TOKEN_NAME && name.kind != IR_TOKEN_TEXT) {
    expected(&reader, "the graph's name");
    return NULL;
  }
  advance(&reader);
  if (!expect_mark(&reader, '{')) return NULL;
  reader.graph = graph_create(arena, name.text);
  read_body(&reader);
  if (diagnostics_error_count(diagnostics) == errors) check_membership(&reader);
  reader.graph->span = SPAN_NONE;
  return diagnostics_error_count(diagnostics) == errors ? reader.graph : NULL;
}
