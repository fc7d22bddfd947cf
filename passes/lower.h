/* From a graph to a program: the last pass of all. Needs: a verified graph without HOST ops. Keeps: what the outputs are.
 *
 *   graph -> spectral_split, unwindow_split, fuse_scan, fuse_map (clusters) -> kernels -> schedule -> memory plan
 *
 * Every node that computes something belongs to one cluster, and each cluster becomes one kernel; views and scalars
 * vanish into the addressing of whoever reads them. A cluster that has no kernel for it (a view chain that is not
 * affine, too many guards) has the value that stands in the way stored by a kernel of its own, so that every graph
 * lowers, with fusion on or off. */
#ifndef SIMBAC_PASSES_LOWER_H
#define SIMBAC_PASSES_LOWER_H

#include "ir/program.h"

typedef struct LowerOptions {
  bool no_fuse_scan; /* scans alone, with decay and input as full tensors */
  bool no_fuse_map;  /* every elementwise op, reduction and epilogue a kernel of its own */
  Text *explain;     /* why something did not fuse, a line each; NULL: not wanted */
} LowerOptions;

/* Everything the program points to lives in `arena`, its graph included. */
Program *program_build(const Graph *graph, Arena *arena, const LowerOptions *options);

/* The graph as it is clustered by program_build: for dumps and tests. */
Graph *graph_fuse(const Graph *graph, Arena *arena, const LowerOptions *options);

#endif
