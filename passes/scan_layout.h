/* Called by scan-fusion once its clusters stand. */
#ifndef SIMBAC_PASSES_SCAN_LAYOUT_H
#define SIMBAC_PASSES_SCAN_LAYOUT_H

#include "ir/graph.h"

/* The same graph and clusters, with factors of scans that do not depend on time laid out with the channels last. */
Graph *scan_layout(const Graph *graph, Arena *arena);

#endif
