#include "pipeline.h"

#include "ir/guard.h"

#include <string.h>
#include <time.h>

static const PassInfo PASSES[] = {
#define PASS(name, function, kind, doc) {name, function, kind, doc},
#include "passes.def"
#undef PASS
};

enum { PASS_COUNT = sizeof PASSES / sizeof PASSES[0] };

uint32_t pipeline_length(void) { return PASS_COUNT; }

const PassInfo *pipeline_pass(uint32_t position) {
  ASSERT(position < PASS_COUNT);
  return &PASSES[position];
}

PipelineReport *pipeline_report_create(Arena *arena) {
  PipelineReport *report = ARENA_NEW(arena, PipelineReport);
  report->pass = ARENA_ARRAY(arena, PassReport, PASS_COUNT);
  return report;
}

void pass_explain(PassContext *context, const char *format, ...) {
  if (!context->explain) return;
  va_list arguments;
  va_start(arguments, format);
  const char *reason = arena_vformat(context->arena, format, arguments);
  va_end(arguments);
  text_print(context->explain, "%s: %s\n", context->pass, reason);
}

static bool names_have(const char *const *names, uint32_t count, const char *name) {
  for (uint32_t i = 0; i < count; i++) {
    if (strcmp(names[i], name) == 0) return true;
  }
  return false;
}

static const PassInfo *find_pass(const char *name) {
  for (uint32_t i = 0; i < PASS_COUNT; i++) {
    if (strcmp(PASSES[i].name, name) == 0) return &PASSES[i];
  }
  return NULL;
}

const char *pipeline_unknown_pass(const char *name, Arena *arena) {
  const char *candidates[PASS_COUNT];
  for (uint32_t i = 0; i < PASS_COUNT; i++) candidates[i] = PASSES[i].name;
  const char *nearest = text_nearest(name, candidates, PASS_COUNT);
  if (nearest) return arena_format(arena, "there is no pass '%s'; did you mean '%s'?", name, nearest);
  Text text = text_begin(arena);
  text_print(&text, "there is no pass '%s'; there are", name);
  for (uint32_t i = 0; i < PASS_COUNT; i++) {
    if (find_pass(PASSES[i].name) == &PASSES[i]) text_print(&text, "%s %s", i ? "," : "", PASSES[i].name);
  }
  return text.data;
}

static bool check_name(const char *name, Arena *arena, const char **out_message) {
  const PassInfo *pass = find_pass(name);
  if (pass && pass->kind == PASS_OPTIONAL) return true;
  if (pass) {
    *out_message = arena_format(arena, "pass '%s' is no choice: it always runs where it is needed", name);
    return false;
  }
  *out_message = pipeline_unknown_pass(name, arena);
  return false;
}

bool pipeline_check(const PipelineOptions *options, Arena *arena, const char **out_message) {
  for (uint32_t i = 0; i < options->only_count; i++) {
    if (!check_name(options->only[i], arena, out_message)) return false;
  }
  for (uint32_t i = 0; i < options->skip_count; i++) {
    if (!check_name(options->skip[i], arena, out_message)) return false;
  }
  return true;
}

static bool is_wanted(const PassInfo *pass, const PipelineOptions *options) {
  if (pass->kind == PASS_REQUIRED) return true;
  if (options->only && !names_have(options->only, options->only_count, pass->name)) return false;
  return !names_have(options->skip, options->skip_count, pass->name);
}

static bool verify_is_on(const PipelineOptions *options) {
#ifdef NDEBUG
  return options->verify;
#else
  (void)options;
  return true;
#endif
}

static void verify_after(const Graph *graph, Arena *arena, const char *when) {
  const char *message = NULL;
  if (!graph_verify(graph, arena, &message)) guard_bug("the graph is unsound %s: %s", when, message);
}

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

const Graph *pipeline_run(const Graph *graph, Arena *arena, const PipelineOptions *options, PipelineReport *report) {
  const char *message = NULL;
  if (!pipeline_check(options, arena, &message)) guard_bug("%s", message);
  if (!report) report = pipeline_report_create(arena);
  bool verify = verify_is_on(options);
  if (verify) verify_after(graph, arena, "before the first pass");
  PassContext context = {.arena = arena,
                         .differentiate = options->differentiate,
                         .explain = options->explain,
                         .memory_budget = options->memory_budget,
                         .batch = options->batch};
  for (uint32_t i = 0; i < PASS_COUNT; i++) {
    const PassInfo *pass = &PASSES[i];
    if (!is_wanted(pass, options)) continue;
    report->running = context.pass = pass->name;
    report->before = graph;
    double start = seconds_now();
    const Graph *after = pass->run(graph, &context);
    report->pass[i] = (PassReport){true, seconds_now() - start, graph->node_count, after->node_count};
    if (verify) verify_after(after, arena, arena_format(arena, "after pass '%s'", pass->name));
    if (options->dump) options->dump(options->dump_user, i, pass, after);
    graph = after;
    report->running = NULL;
  }
  return graph;
}
