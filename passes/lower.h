/* From a graph to a program. Needs: the graph that the pipeline gives (spectral-split, unwindow-split and
 * separate-outputs have run; clusters are what scan-fusion and map-fusion made of it), without HOST ops.
 *
 *   clusters -> kernels -> order of launches -> buffers and memory plan
 *
 * Every node that computes something belongs to one cluster, alone or as the fusion passes say, and each cluster
 * becomes one kernel (a scan with sums over channels or batches: some more that add up partial sums); views and scalars
 * vanish into the addressing of whoever reads them. Where no kernel can address a value (a view chain that is not
 * affine) the value is stored by a kernel of its own, and a cluster that cannot be one kernel falls apart into its
 * nodes, so that every graph lowers, fused or not. */
#ifndef SIMBAC_PASSES_LOWER_H
#define SIMBAC_PASSES_LOWER_H

#include "ir/program.h"

typedef struct LowerOptions {
  Text *explain; /* what fell apart or had to be stored, and why, a line each; NULL: not wanted */
  int64_t batch; /* the value of symbols that launches are ordered for; 0: a typical one */
} LowerOptions;

/* Everything the program points to but the graph lives in `arena`. `options` may be NULL. */
Program *program_build(const Graph *graph, Arena *arena, const LowerOptions *options);

#endif
