/* Rebuilding a graph node by node, which is what a pass does. */
#ifndef SIMBAC_PASSES_REBUILD_H
#define SIMBAC_PASSES_REBUILD_H

#include "pipeline.h"

/* [id]: an output needs the node, or names it as its leaf. In `arena`. */
bool *graph_find_live(const Graph *graph, Arena *arena);
/* The same for passes that may run before differentiate: a leaf that is to get a gradient even of zero is live too. */
bool *pass_find_live(const Graph *graph, const PassContext *context);

/* The live nodes and the outputs in a new graph. Equal nodes become one. */
Graph *graph_copy_live(const Graph *graph, Arena *arena);

#endif
