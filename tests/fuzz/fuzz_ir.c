/* Any bytes, read as IR text, are a graph or diagnostics; a graph is sound, and prints as text that reads back equal.
 */
#include "ir/graph.h"
#include "ir/guard.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  abort();
}

/* All three renderings, for their own sake. */
static void render(const Diagnostics *diagnostics, Arena *arena) {
  for (int style = DIAGNOSTIC_HUMAN; style <= DIAGNOSTIC_TEST; style++) {
    Text text = text_begin(arena);
    diagnostics_render(diagnostics, (DiagnosticStyle)style, style == DIAGNOSTIC_HUMAN, &text);
  }
}

static void check(const Graph *graph, Arena *arena) {
  const char *message;
  if (!graph_verify(graph, arena, &message)) fail(message);
  Text text = text_begin(arena), dot = text_begin(arena);
  graph_print(graph, &text);
  graph_dot(graph, &dot);
  Diagnostics *diagnostics = diagnostics_create(arena);
  uint32_t source = diagnostics_add_source(diagnostics, "printed", text.data, text.length);
  const Graph *again = graph_read(arena, diagnostics, source);
  if (!again) fail("what was printed does not read back");
  if (!graph_equal(graph, again)) fail("what was printed reads back as another graph");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Guard guard;
  if (guard_enter(&guard)) {
    Diagnostics *diagnostics = diagnostics_create(arena);
    uint32_t source = diagnostics_add_source(diagnostics, "fuzz", (const char *)data, size);
    const Graph *graph = graph_read(arena, diagnostics, source);
    if (!graph && diagnostics_error_count(diagnostics) == 0) fail("neither a graph nor an error");
    render(diagnostics, arena);
    if (graph) check(graph, arena);
    guard_leave(&guard);
  } else {
    fail(guard.message);
  }
  arena_destroy(arena);
  return 0;
}
