#include "elaborator.h"

#include <string.h>

/* The model named in the options, or the last one of the file. */
static const Definition *find_model(const FrontendFile *file, Diagnostics *diagnostics, Arena *arena,
                                    const char *name) {
  const char **candidate = NULL;
  size_t count = 0, capacity = 0;
  const Definition *found = NULL;
  for (uint32_t f = 0; f < file->library_first; f++) {
    const SyntaxFile *syntax = &file->file[f];
    for (uint32_t i = 0; i < syntax->definition_count; i++) {
      const Definition *definition = &syntax->definition[i];
      if (definition->kind != DEFINITION_MODEL) continue;
      candidate = arena_grow(arena, candidate, count, &capacity, sizeof *candidate);
      candidate[count++] = definition->name.text;
      if (name ? !strcmp(definition->name.text, name) : f == 0) found = definition;
    }
  }
  if (found) return found;
  Span start = {file->file[0].source, 0, 0};
  if (!name) {
    diagnostic_error(diagnostics, DIAG_NO_MODEL, start, diagnostics_source(diagnostics, start.source)->name);
    return NULL;
  }
  const char *nearest = text_nearest(name, candidate, count);
  diagnostic_error(diagnostics, DIAG_UNKNOWN_MODEL, start, name);
  if (nearest) diagnostic_hint(diagnostics, "did you mean '%s'?", nearest);
  return NULL;
}

static void check_outputs(Elaborator *elaborator, const Definition *definition) {
  const Graph *graph = elaborator->model->graph;
  for (uint32_t i = 0; i < graph->output_count; i++)
    if (graph->output[i].kind == OUTPUT_VALUE) return;
  REPORT(elaborator, DIAG_NO_OUTPUT, definition->span, definition->name.text);
}

Model *frontend_elaborate(const FrontendFile *file, Arena *arena, Diagnostics *diagnostics,
                          const FrontendOptions *options) {
  uint32_t errors = diagnostics_error_count(diagnostics);
  const Definition *definition = find_model(file, diagnostics, arena, options->model);
  if (!definition) return NULL;
  Scope scope = {.definition = definition, .prefix = ""};
  AxisLabel part_label = {.text = "part"};
  Model *model = ARENA_NEW(arena, Model);
  model->name = definition->name.text;
  model->span = definition->span;
  model->graph = graph_create(arena, model->name);
  model->initial = graph_create(arena, arena_format(arena, "%s_initial", model->name));
  Elaborator elaborator = {.arena = arena,
                           .diagnostics = diagnostics,
                           .file = file,
                           .options = options,
                           .model = model,
                           .graph = model->graph,
                           .scope = &scope,
                           .part_label = &part_label};
  if (!parse_settings(&elaborator)) return NULL;
  elaborate_settings(&elaborator, definition);
  run_body(&elaborator, &definition->body, false);
  /* The recipe may name what comes after the requirement. */
  if (scope.unmet) return NULL;
  if (diagnostics_error_count(diagnostics) == errors) check_outputs(&elaborator, definition);
  elaborate_recipe(&elaborator, &file->file[0].recipe);
  check_settings(&elaborator);
  model->graph->span = model->initial->span = SPAN_NONE;
  model->call = elaborator.call;
  return diagnostics_error_count(diagnostics) == errors ? model : NULL;
}
