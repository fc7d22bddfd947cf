/* Rebuilding a graph whose nodes have been given to clusters, some of them computed anew in several. */
#ifndef SIMBAC_PASSES_RECLUSTER_H
#define SIMBAC_PASSES_RECLUSTER_H

#include "ir/graph.h"

typedef struct Assignment {
  uint32_t count;       /* clusters are 1 .. count; those without nodes vanish */
  LoweringKind *family; /* by cluster */
  NodeId *anchor;       /* by cluster */
  uint32_t *home;       /* by node: the cluster that computes its value for whoever reads it; 0: none, or alone */
  bool *free;           /* by node: every cluster that reads it computes it itself; NULL: none */
  uint32_t again;       /* a cluster that computes ... */
  bool *recompute;      /* ... these nodes itself, whatever their home; NULL: none */
} Assignment;

/* The nodes that outputs need, each in its cluster; nodes computed in several clusters are cloned. Clusters keep their
 * relative order. `out_map` (may be NULL): by old node, the new one that its home computes. */
Graph *graph_recluster(const Graph *graph, Arena *arena, const Assignment *assignment, NodeId **out_map);

/* An assignment that says what the graph says, with room for `more` further clusters. */
Assignment assignment_of_graph(const Graph *graph, uint32_t more, Arena *arena);

#endif
