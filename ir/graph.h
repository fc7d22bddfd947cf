/* The tensor IR: a graph of pure ops in SSA form. Nodes are numbered from 1 in an order in which operands come first.
 *
 * A node's meaning does not depend on anything but its op, operands and attributes (and, for random ops, the seed and
 * step of the run). Building a node checks it: operand count, attributes and shape rule; a violation is our bug, since
 * the checker in frontend/ has already spoken to the user. Passes never change a node in place: they build a new graph
 * and map old ids to new ones (graph_copy_node below), so ids stay topologically ordered.
 *
 * Every node carries the span of source text it came from; a pass copies the span of what it replaces. */
#ifndef SIMBAC_IR_GRAPH_H
#define SIMBAC_IR_GRAPH_H

#include "arena.h"
#include "diagnostic.h"
#include "ops.h"
#include "shape.h"

typedef uint32_t NodeId; /* 0 is no node */
enum { NODE_NONE = 0, GRAPH_MAX_OPERANDS = 64, GRAPH_MAX_NODES = 1 << 26 };

typedef struct Attribute {
  uint32_t count; /* of integers or dims */
  union {
    int64_t integer;
    double real;
    const char *text;
    const int64_t *integers;
    const Dim *dims;
  };
} Attribute;

typedef struct Node {
  OpCode op;
  uint32_t operand_count;
  const NodeId *operand;
  Attribute attribute[OP_MAX_ATTRIBUTES];
  Shape shape;
  Span span;
  uint32_t cluster; /* the fusion it belongs to, from 1; 0 before the fusion passes or where it stands alone */
} Node;

/* A fusion: nodes that become one kernel. The nodes keep their meaning, so the evaluator ignores clusters. */
typedef struct Cluster {
  LoweringKind family;
  NodeId anchor; /* the contract, scan or dft it is built around, or the node a map cluster writes */
} Cluster;

typedef enum OutputKind {
  OUTPUT_VALUE,    /* out.<name> */
  OUTPUT_LOSS,     /* the scalar that training minimises */
  OUTPUT_METRIC,   /* a scalar that is reported */
  OUTPUT_GRADIENT, /* gradient with respect to the input or parameter <name> (leaf says which) */
  OUTPUT_STATE     /* the new value of state <name> */
} OutputKind;

typedef struct Output {
  OutputKind kind;
  const char *name; /* file name: without "out.", "gin.", ... */
  NodeId node;
  NodeId leaf; /* gradient: the input or parameter; state: the state; else NODE_NONE */
} Output;

typedef struct Graph {
  Arena *arena; /* owns everything the graph points to */
  const char *name;
  int32_t symbol_count;
  const char *symbol[SYMBOL_MAX]; /* names; symbol s is symbol[s - 1] */
  uint32_t node_count;            /* node ids are 1 .. node_count */
  Node *node;                     /* indexed by id; node[0] is unused */
  size_t node_capacity;
  uint32_t output_count;
  Output *output;
  size_t output_capacity;
  uint32_t cluster_count; /* cluster numbers are 1 .. cluster_count */
  Cluster *cluster;       /* indexed by number; cluster[0] is unused */
  size_t cluster_capacity;
  bool batch_fused;       /* launches that share the batch run image by image (pass batch-fusion) */
  Span span;              /* given to nodes built from now on */
  struct GraphHash *hash; /* equal nodes are built once */
} Graph;

Graph *graph_create(Arena *arena, const char *name);
/* Same name, symbols, span and annotation of the whole, no nodes. */
Graph *graph_create_like(Arena *arena, const Graph *graph);
/* The symbol's number; declares it at first use. */
int32_t graph_symbol(Graph *graph, const char *name);

static inline const Node *graph_node(const Graph *graph, NodeId id) { return &graph->node[id]; }
static inline const Shape *graph_shape(const Graph *graph, NodeId id) { return &graph->node[id].shape; }
static inline OpCode graph_op(const Graph *graph, NodeId id) { return graph->node[id].op; }
static inline NodeId graph_operand(const Graph *graph, NodeId id, uint32_t k) { return graph->node[id].operand[k]; }
static inline int64_t node_integer(const Node *node, int slot) { return node->attribute[slot].integer; }
static inline double node_real(const Node *node, int slot) { return node->attribute[slot].real; }
static inline const char *node_text(const Node *node, int slot) { return node->attribute[slot].text; }

/* Adds a node, or returns the equal one that exists (leaves with a name included: one node a name). Attributes and
 * operands are copied. A rule that does not hold is a bug (guard.h). */
NodeId graph_add(Graph *graph, OpCode op, const NodeId *operands, uint32_t operand_count, const Attribute *attributes);
/* The same, for callers that must not unwind (the IR reader): NODE_NONE and a message where a rule does not hold. */
NodeId graph_try_add(Graph *graph, OpCode op, const NodeId *operands, uint32_t operand_count,
                     const Attribute *attributes, const char **out_message);
/* A node that is not merged with an equal one, now or later: recomputation on purpose. Copying merges it again unless
 * the pass clones. */
NodeId graph_add_clone(Graph *graph, OpCode op, const NodeId *operands, uint32_t operand_count,
                       const Attribute *attributes);
/* For the IR reader, which builds node by node what was printed: does not merge, but later nodes merge with it. */
NodeId graph_try_append(Graph *graph, OpCode op, const NodeId *operands, uint32_t operand_count,
                        const Attribute *attributes, const char **out_message);

/* One output of a kind and name; loss and metrics are scalars; a gradient has the shape of its leaf, an input or
 * parameter, and a state output that of its state. */
void graph_add_output(Graph *graph, OutputKind kind, const char *name, NodeId node, NodeId leaf);
bool graph_try_add_output(Graph *graph, OutputKind kind, const char *name, NodeId node, NodeId leaf,
                          const char **out_message);
const char *output_kind_name(OutputKind kind); /* "value", "loss", ... */
const Output *graph_find_output(const Graph *graph, OutputKind kind, const char *name);
NodeId graph_find_leaf(const Graph *graph, OpCode op, const char *name);
uint32_t graph_add_cluster(Graph *graph, LoweringKind family, NodeId anchor);

/* Constructors, one for each kind of op. `graph_unary/binary` take elementwise ops. Views, pads and reductions that
 * would change nothing (and a concat of one part) return their operand. */
NodeId graph_leaf(Graph *graph, OpCode op, const char *name, const Shape *shape); /* input, param, state */
NodeId graph_constant(Graph *graph, double value);
NodeId graph_index(Graph *graph, Dim extent);
NodeId graph_extent(Graph *graph, Dim extent);
NodeId graph_random(Graph *graph, OpCode op, int64_t stream, const Shape *shape);
NodeId graph_unary(Graph *graph, OpCode op, NodeId x);
NodeId graph_binary(Graph *graph, OpCode op, NodeId a, NodeId b);
NodeId graph_select(Graph *graph, NodeId condition, NodeId a, NodeId b);
NodeId graph_broadcast(Graph *graph, NodeId x, const Shape *shape, const int64_t *axes);
NodeId graph_broadcast_scalar(Graph *graph, NodeId scalar, const Shape *shape);
NodeId graph_constant_like(Graph *graph, double value, const Shape *shape); /* broadcast constant */
NodeId graph_reshape(Graph *graph, NodeId x, const Shape *shape);
NodeId graph_permute(Graph *graph, NodeId x, const int64_t *axes);
NodeId graph_slice(Graph *graph, NodeId x, int64_t axis, int64_t start, int64_t size);
NodeId graph_reverse(Graph *graph, NodeId x, int64_t axis);
NodeId graph_window(Graph *graph, NodeId x, int64_t axis, int64_t size, int64_t stride);
NodeId graph_unwindow(Graph *graph, NodeId x, int64_t axis, int64_t extent, int64_t stride);
NodeId graph_pad(Graph *graph, NodeId x, int64_t axis, int64_t low, int64_t high);
NodeId graph_concat(Graph *graph, const NodeId *parts, uint32_t count, int64_t axis);
NodeId graph_delay(Graph *graph, NodeId x, NodeId initial, int64_t axis, bool reverse);
NodeId graph_reduce(Graph *graph, OpCode op, NodeId x, const int64_t *axes, uint32_t count);
NodeId graph_contract(Graph *graph, NodeId a, NodeId b, const char *labels);
NodeId graph_scan(Graph *graph, NodeId decay, NodeId input, NodeId initial, int64_t axis, bool reverse, bool late);
/* The same with complex operands; `axis` counts their leading one. */
NodeId graph_complex_scan(Graph *graph, NodeId decay, NodeId input, NodeId initial, int64_t axis, bool reverse,
                          bool late);
/* Part 0 or 1 of a complex tensor, without the leading axis; and the tensor of two parts. */
NodeId graph_complex_part(Graph *graph, NodeId x, int64_t part);
NodeId graph_complex(Graph *graph, NodeId re, NodeId im);
/* `extent`: of DFT_HALF_TO_REAL, samples along the last axis; else 0. */
NodeId graph_dft(Graph *graph, NodeId x, const int64_t *axes, uint32_t count, bool inverse, int64_t form, double scale,
                 int64_t extent);

/* Rebuilding: `map[old] = new` for nodes of `from` in `to`. Copies node `id` with mapped operands and its span. */
NodeId graph_copy_node(Graph *to, const Graph *from, NodeId id, const NodeId *map);
/* Copies outputs through the map. */
void graph_copy_outputs(Graph *to, const Graph *from, const NodeId *map);

/* Number of uses of each node by nodes and outputs; array of node_count + 1 in `arena`. */
uint32_t *graph_use_counts(const Graph *graph, Arena *arena);

/* Einstein labels "ab,bc->ac" taken apart. False and a message where they are malformed or do not fit the ranks. */
typedef struct Labels {
  char a[SHAPE_MAX_RANK + 1], b[SHAPE_MAX_RANK + 1], result[SHAPE_MAX_RANK + 1];
} Labels;
bool labels_parse(const char *text, Labels *out, const char **out_message);
/* x, whose axes have the letters `letters`, as a tensor of `shape` with axes `result`, which has all of them. */
NodeId graph_broadcast_labels(Graph *graph, NodeId x, const char *letters, const char *result, const Shape *shape);

/* verify.c: structure, operand order, attributes, shape rules, outputs. False and a message at the first violation. */
bool graph_verify(const Graph *graph, Arena *arena, const char **out_message);

/* print.c, read.c: the text form; reading what was printed gives an equal graph (spans apart). */
void graph_print(const Graph *graph, Text *out);
/* Reports mistakes to `diagnostics` and returns NULL. */
Graph *graph_read(Arena *arena, Diagnostics *diagnostics, uint32_t source);
/* Same nodes, attributes, outputs; spans are not compared. */
bool graph_equal(const Graph *a, const Graph *b);
/* dot.c: Graphviz text, clusters as boxes, a colour a family. */
void graph_dot(const Graph *graph, Text *out);

#endif
