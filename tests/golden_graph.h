/* Graphs of models, read from the golden text that the frontend's test keeps (tests/golden/lower). */
#ifndef SIMBAC_TESTS_GOLDEN_GRAPH_H
#define SIMBAC_TESTS_GOLDEN_GRAPH_H

#include "golden_text.h"
#include "ir/graph.h"

/* The model's own graph; that of its initial values may follow in the file. */
static inline Graph *golden_graph(Arena *arena, const char *path) {
  size_t length = 0;
  const char *text = golden_read(arena, path, &length);
  ck_assert_msg(text != NULL, "%s cannot be read", path);
  const char *end = strstr(text, "\n}\n");
  ck_assert_msg(end != NULL, "%s has no graph", path);
  length = (size_t)(end - text) + 3;
  Diagnostics *diagnostics = diagnostics_create(arena);
  Graph *graph = graph_read(arena, diagnostics, diagnostics_add_source(diagnostics, path, text, length));
  ck_assert_msg(graph != NULL, "%s does not parse", path);
  return graph;
}

#endif
