/* Shared by the files that turn clusters into kernels. */
#ifndef SIMBAC_PASSES_LOWER_INTERNAL_H
#define SIMBAC_PASSES_LOWER_INTERNAL_H

#include "lower.h"
#include "position.h"

/* Something that lives in a buffer: the value of a node, or a partial sum. */
typedef uint32_t ValueId; /* from 1 */

typedef struct LoweredValue {
  NodeId node;       /* whose value it is, or which it is a part of */
  Dim count;         /* elements */
} LoweredValue;

/* One kernel and what it is bound to. */
typedef struct Step {
  Kernel *kernel;
  ValueId *argument; /* kernel->argument_count of them, read-only ones first */
  NodeId node;
} Step;

typedef struct Clusters {
  const Graph *graph;
  Arena *arena;
  uint32_t count;       /* cluster numbers are 1 .. count */
  uint32_t *of;         /* by node: its cluster; 0 for views and leaves that are not stored */
  LoweringKind *family; /* by cluster */
  NodeId *anchor;       /* by cluster: its contract, scan or dft; else its last node */
  bool *stored;         /* by node: it is in a buffer (leaves that the caller gives included) */
  bool *is_output;      /* by node */
  uint32_t *user_first; /* users of node n: user[user_first[n]] .. user[user_first[n + 1] - 1] */
  NodeId *user;
  NodeId *part_of; /* by node: the concatenation in whose buffer it is written at once; found by clusters_settle */
  uint32_t *member_first; /* the nodes of a cluster in order, found by clusters_settle */
  NodeId *member;
  uint32_t *member_next; /* by cluster: where clusters_settle is filling */
  NodeId *concat;        /* all concatenations */
  uint32_t concat_count;
} Clusters;

/* Every node in its own cluster, or in the one that the graph says. */
Clusters *clusters_create(const Graph *graph, Arena *arena);
/* Recomputes `stored`, `member` and `part_of` from `of`. */
void clusters_settle(Clusters *clusters);
/* Gives settled nodes another cluster (0: none) and settles what changes by it. */
void clusters_move(Clusters *clusters, const NodeId *nodes, uint32_t count, uint32_t to);
/* Gives a view or scalar a cluster, so that it gets a buffer of its own. */
void clusters_store(Clusters *clusters, NodeId node);
/* Is the value of `node` read outside `cluster`, or an output? Looks through views that are not stored. */
bool clusters_escapes(const Clusters *clusters, NodeId node, uint32_t cluster);

/* Do all readers of `node` belong to one of two clusters? */
bool clusters_feeds(const Clusters *clusters, NodeId node, uint32_t a, uint32_t b);

typedef struct Lowered {
  uint32_t step_count;
  Step *step;
  size_t step_capacity;
  uint32_t value_count; /* ids are 1 .. value_count */
  LoweredValue *value;
  size_t value_capacity;
  ValueId *of_node; /* by node */
  Arena *arena;
} Lowered;

ValueId lowered_add_value(Lowered *lowered, NodeId node, Dim count);

typedef enum FailureKind {
  FAILURE_NONE,
  FAILURE_SPLIT, /* lower again with a loop split */
  FAILURE_STORE, /* the value of `node` has to come from a buffer */
  FAILURE_SHAPE  /* no kernel of this family computes it; `message` says why */
} FailureKind;

typedef struct Failure {
  FailureKind kind;
  NodeId node;
  const char *message;
} Failure;

/* A loop of the problem; it may have become several loops of the kernel. */
typedef struct LogicalAxis {
  Dim extent;
  AxisRole role;
  uint32_t first, count; /* its loops, outermost first */
  Position position;
} LogicalAxis;

enum { LOGICAL_MAX = 16, SPLITS_MAX = 4, SLOTS_MAX = 64, STORES_MAX = 64, RECURRENCES_MAX = 8, REDUCTIONS_MAX = 64 };

typedef struct Splits {
  uint32_t count;
  int64_t inner[SPLITS_MAX]; /* ascending, each divides the next */
} Splits;

typedef struct PlacedExpr {
  Place place;
  uint32_t expr;
  struct PlacedExpr *next; /* of the same node */
} PlacedExpr;

/* Sums of channel tiles and of batches, laid out [tile, batch..., result...]. */
typedef struct PartialSum {
  ValueId value;
  NodeId result;
  int32_t rank, summed; /* the first `summed` axes are added up */
  Dim extent[KERNEL_MAX_AXES];
  struct PartialSum *next;
} PartialSum;

/* A kernel under construction. */
typedef struct Builder {
  const Clusters *clusters;
  Lowered *lowered;
  Arena *arena;
  uint32_t cluster;
  LoweringKind family;
  LoopSpace space;
  uint32_t logical_count;
  LogicalAxis logical[LOGICAL_MAX];
  Splits splits[LOGICAL_MAX]; /* kept when lowering starts again */
  Expr *expr;
  size_t expr_capacity;
  uint32_t expr_count;
  Reduction reduction[REDUCTIONS_MAX];
  uint32_t reduction_count;
  Recurrence recurrence[RECURRENCES_MAX];
  uint32_t recurrence_count;
  NodeId recurrence_node[RECURRENCES_MAX];
  Store store[STORES_MAX];
  uint32_t store_count;
  ValueId slot[SLOTS_MAX]; /* values read and written, in order of first use */
  bool slot_written[SLOTS_MAX];
  uint32_t slot_count;
  uint32_t left, right;                /* contract */
  Transform transform;                 /* spectral */
  int64_t chunk;                       /* scan: steps from checkpoint to checkpoint, 0 for none */
  PlacedExpr **placed;                 /* by node */
  int32_t lane_axis, state_axis;       /* scan: axes of the anchor, state_axis -1 for none */
  Place full;                          /* scan: the place of the anchor's states */
  NodeId root;                         /* scan: the result whose own sum may run over LANE, TIME and PARALLEL axes */
  AxisMask batch_over[REDUCTIONS_MAX]; /* scan, by reduction: PARALLEL axes that a kernel which follows sums over */
  struct PartialSum *partial;          /* scan: partial sums that a kernel which follows adds up */
  bool one_load;                       /* the value must come from a buffer as it is: a factor of a product */
  Failure failure;
} Builder;

bool builder_fail(Builder *builder, FailureKind kind, NodeId node, const char *message);
/* Nothing built yet, for a kernel of `family`. Splits are kept. */
void builder_restart(Builder *builder, LoweringKind family);
/* A loop axis; false where there are too many. Extent 1 gives position 0 and no loop unless `keep`. */
bool builder_add_axis(Builder *builder, Dim extent, AxisRole role, bool keep, uint32_t *out_logical);
/* Notes that the loop of `request` should be split; false (always) with the failure set. */
bool builder_split(Builder *builder, const SplitRequest *request, NodeId otherwise);
uint32_t builder_expr(Builder *builder, const Expr *expr);
uint32_t builder_constant(Builder *builder, double value);
uint32_t builder_op(Builder *builder, OpCode op, uint32_t a, uint32_t b, uint32_t c);
uint32_t builder_slot(Builder *builder, ValueId value, bool written);
bool builder_load(Builder *builder, ValueId value, const Shape *shape, const Place *place, NodeId node,
                  uint32_t *out_expr);
bool builder_store(Builder *builder, ValueId value, const Shape *shape, const Place *place, NodeId node, uint32_t expr,
                   Store **out_store);
AxisMask logical_axes(const Builder *builder, uint32_t logical);

/* The expression for the element of `node` at `place`. False with builder->failure set. */
bool lower_value(Builder *builder, NodeId node, const Place *place, uint32_t *out_expr);
/* The operand of `node` at `inner` where axis `axis` of it lies inside the operand, else 0. */
bool lower_guarded(Builder *builder, NodeId node, NodeId operand, int64_t axis, Place inner, uint32_t *out_expr);
/* Reductions and products within a MAP or SCAN kernel. */
bool lower_reduce(Builder *builder, NodeId node, const Place *place, uint32_t *out_expr);
bool lower_inner_product(Builder *builder, NodeId node, const Place *place, uint32_t *out_expr);
bool lower_overlap_add(Builder *builder, NodeId node, const Place *place, uint32_t *out_expr);
/* Scans and delays of their states within a SCAN kernel. */
bool lower_state(Builder *builder, NodeId node, const Place *place, uint32_t *out_expr);

/* The finished sum of node `id`, at the place where its loops stand; and whether what follows may be an epilogue. */
void product_register(Builder *builder, NodeId id, const Place *place);
bool product_check_epilogue(Builder *builder);

/* The families: fill an empty builder. */
bool lower_map_cluster(Builder *builder);
bool lower_contract_cluster(Builder *builder);
bool lower_spectral_cluster(Builder *builder);
bool lower_scan_cluster(Builder *builder);
/* Roots of a map or an epilogue, given the places that are known; every root is stored. */
bool lower_roots(Builder *builder, NodeId main, const Place *main_place);

/* Roles in order, loops that belong together merged, slots numbered. */
Kernel *builder_finish(Builder *builder, Arena *arena, ValueId **out_arguments);

/* scan: stores one result, as partial sums where it sums over LANE or PARALLEL axes. */
bool lower_scan_root(Builder *builder, NodeId id, const Place *place);
/* scan: stores states of single steps (the last one, checkpoints), where that is what `id` is. */
bool lower_scan_states(Builder *builder, NodeId id, bool *out_done);
/* scan: the kernel that adds up partial sums. */
bool lower_partial_sum(Builder *builder, const PartialSum *partial);
/* scan: how well the choice of axes suits the loads and stores; more is better. */
int scan_score(const Builder *builder);

/* Tries to lower a cluster; nothing is added to `lowered` when it fails. */
bool lower_cluster(const Clusters *clusters, uint32_t cluster, Lowered *lowered, Failure *out_failure);
/* Would the cluster be one kernel? For passes that try. Settles `clusters`. */
bool lower_is_possible(Clusters *clusters, uint32_t cluster, Arena *scratch, Failure *out_failure);
/* The axis of its anchor that a scan cluster takes as LANE; false where it does not lower. Settles `clusters`. */
bool lower_scan_lane(Clusters *clusters, uint32_t cluster, Arena *scratch, int32_t *out_lane);
/* For lower_cluster in a pass that tries: every node has a value. */
Lowered *lowered_for_trials(const Clusters *clusters, Arena *arena);
/* All clusters; adds to clusters->of what has to be stored, and says so to `explain`. */
Lowered *lower_all(Clusters *clusters, Arena *arena, Text *explain);
/* The program of what was lowered: buffer v - 1 is value v. */
Program *program_of(const Clusters *clusters, Lowered *lowered, Arena *arena, const LowerOptions *options);

#endif
