#include "stage_report.h"

#include "ir/cost.h"

#include <string.h>

typedef struct Stage {
  const char *name;
  int name_length;
  int64_t parameters;
  double products, other;
} Stage;

typedef struct StageTable {
  Arena *arena;
  Stage *stage;
  size_t count, capacity;
} StageTable;

/* A model has some ten stages, so they are looked up one by one; the last one is the likeliest. */
static Stage *find_stage(StageTable *table, const char *path) {
  int length = (int)strcspn(path, ".");
  for (size_t k = table->count; k-- > 0;) {
    Stage *stage = &table->stage[k];
    if (stage->name_length == length && !memcmp(stage->name, path, (size_t)length)) return stage;
  }
  table->stage = arena_grow(table->arena, table->stage, table->count, &table->capacity, sizeof(Stage));
  table->stage[table->count] = (Stage){.name = path, .name_length = length};
  return &table->stage[table->count++];
}

/* A parameter of the model's own body, of which no call's path is the beginning, is in the stage "". */
static const char *parameter_stage(const char *path) { return strchr(path, '.') ? path : ""; }

static StageTable collect_stages(const Model *model, Arena *arena) {
  StageTable table = {.arena = arena};
  const Graph *graph = model->graph;
  const int64_t symbols[SYMBOL_MAX] = {1};
  for (NodeId id = 1; id <= graph->node_count; id++) {
    double multiplies = node_cost(graph, id, symbols).multiplies;
    if (multiplies == 0) continue;
    Stage *stage = find_stage(&table, model->call ? model->call[id] : "");
    *(graph_op(graph, id) == OP_CONTRACT ? &stage->products : &stage->other) += multiplies;
  }
  for (uint32_t k = 0; k < model->parameter_count; k++)
    find_stage(&table, parameter_stage(model->parameter[k].path))->parameters += model->parameter[k].count;
  return table;
}

static void print_stage(Text *out, const char *name, int name_length, const Stage *stage) {
  text_print(out, "  %-9s %-28.*s %12lld %15.3f %10.3f\n", "", name_length, name, (long long)stage->parameters,
             stage->products * 1e-6, stage->other * 1e-6);
}

void report_stages(const Model *model, Arena *arena, Text *out) {
  StageTable table = collect_stages(model, arena);
  Stage whole = {0};
  text_print(out, "  %-9s %-28s %12s %15s %10s\n", "stage", "", "parameters", "10^6 products", "and other");
  for (size_t k = 0; k < table.count; k++) {
    const Stage *stage = &table.stage[k];
    whole.parameters += stage->parameters;
    whole.products += stage->products;
    whole.other += stage->other;
    if (table.count == 1) continue;
    if (stage->name_length)
      print_stage(out, stage->name, stage->name_length, stage);
    else
      print_stage(out, "(the model itself)", 18, stage);
  }
  print_stage(out, "forward, batch 1", 16, &whole);
}
