/* Rebuilding a graph node by node, which is what a pass does. */
#ifndef SIMBAC_PASSES_REBUILD_H
#define SIMBAC_PASSES_REBUILD_H

#include "pipeline.h"

/* [id]: an output needs the node, or names it as its leaf. In `arena`. */
bool *graph_find_live(const Graph *graph, Arena *arena);
/* [id]: the node depends on parameters and constants alone. */
bool *graph_find_fixed(const Graph *graph, Arena *arena);
/* The live nodes of passes that may run before differentiate: a leaf that is to get a gradient even of zero is live too. */
bool *pass_find_live(const Graph *graph, const PassContext *context);

/* What takes the place of `node`, built in `to` from its operands there; NODE_NONE: a copy. */
typedef NodeId RewriteFunction(Graph *to, const Node *node, const NodeId *operands, void *user);

/* The live nodes, rewritten in order (NULL: copied), and the outputs in a new graph. Equal nodes become one; what a
 * rewrite builds has the span of the node it replaces. */
Graph *graph_rewrite(const Graph *graph, const bool *live, Arena *arena, RewriteFunction *rewrite, void *user);
Graph *graph_copy_live(const Graph *graph, Arena *arena);

#endif
