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

/* The node with its cluster's number; neither it nor its copy merges with an equal node, leaves and views outside of
 * clusters apart. */
NodeId graph_copy_clustered(Graph *to, const Graph *from, NodeId id, const NodeId *map);
/* The clusters themselves, once all nodes have been copied. */
void graph_copy_clusters(Graph *to, const Graph *from, const NodeId *map);

/* [id]: the node has to wait for one of `source`. A cluster runs as a whole, so all of it waits; of the sources
 * themselves nothing is said. */
bool *graph_find_waiting(const Graph *graph, const bool *source, Arena *arena);

#endif
