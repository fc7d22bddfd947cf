/* IR text in the place of a model file: what `dump` printed, a graph written by hand, or the graph that replays a bug.
 * A graph has no settings, no recipe and no initial values (all 0), and is the same for inference and training. */
#ifndef SIMBAC_DRIVER_GRAPH_MODEL_H
#define SIMBAC_DRIVER_GRAPH_MODEL_H

#include "frontend/frontend.h"

/* Whether a file of this name holds IR text: it ends in ".ir". */
bool path_is_graph(const char *path);
/* The model around a graph, in its arena. Inputs that no output but the loss and metrics needs are targets. NULL and a
 * message where the graph is none of a model. */
Model *model_of_graph(Graph *graph, const char **out_message);

#endif
