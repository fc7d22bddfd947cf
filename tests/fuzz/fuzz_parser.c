/* The lexer, the parser and the elaborator take any bytes as a model file: diagnostics or a sound graph, never a crash,
 * a hang or a bug of ours. The first byte chooses between inference and training. */
#include "frontend/frontend.h"
#include "ir/guard.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_model(const Model *model, Arena *arena) {
  const char *message = NULL;
  if (!graph_verify(model->graph, arena, &message)) guard_bug("the model's graph: %s", message);
  if (!graph_verify(model->initial, arena, &message)) guard_bug("the graph of initial values: %s", message);
  if (model->initial->output_count != model->parameter_count + model->state_count)
    guard_bug("an initial value is missing");
}

static void run(Arena *arena, const uint8_t *data, size_t size) {
  FrontendOptions options = {.training = size > 0 && (data[0] & 1)};
  Diagnostics *diagnostics = diagnostics_create(arena);
  FrontendFile *file = frontend_parse(arena, diagnostics, "fuzz.simba", (const char *)data, size);
  Text text = text_begin(arena);
  if (file) {
    frontend_print_ast(file, false, &text);
    Model *model = frontend_elaborate(file, arena, diagnostics, &options);
    if (model)
      check_model(model, arena);
    else if (diagnostics_error_count(diagnostics) == 0)
      guard_bug("a model was refused without a word");
  }
  diagnostics_render(diagnostics, DIAGNOSTIC_HUMAN, false, &text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Arena *arena = arena_create();
  Guard guard;
  if (guard_enter(&guard)) {
    run(arena, data, size);
    guard_leave(&guard);
  } else if (guard.kind == GUARD_BUG) {
    abort();
  }
  arena_destroy(arena);
  return 0;
}
