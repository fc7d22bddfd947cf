/* What `--explain` says of the clusters of scan-fusion once they stand. */
#ifndef SIMBAC_PASSES_SCAN_EXPLAIN_H
#define SIMBAC_PASSES_SCAN_EXPLAIN_H

#include "pipeline.h"

/* A line for every tensor of a scan's index space that is stored or loaded, and why: who wants it, and what kept that
 * one out of the kernel. */
void scan_explain(const Graph *graph, PassContext *context);

#endif
