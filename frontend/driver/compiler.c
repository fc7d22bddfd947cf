#include "compiler.h"

#include "codegen_library.h"
#include "graph_model.h"
#include "passes/lower.h"
#include "runtime/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

double clock_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void compiler_add_phase(Compiler *compiler, const char *name, double seconds) {
  if (compiler->phase_count < COMPILER_MAX_PHASES) {
    compiler->phase[compiler->phase_count++] = (Phase){name, seconds};
  }
}

const char *compiler_node_label(const Compiler *compiler, const Graph *graph, NodeId node) {
  Text text = text_begin(compiler->arena);
  text_print(&text, "%%%u %s", node, op_info(graph_op(graph, node))->name);
  text_shape(&text, graph_shape(graph, node), graph->symbol);
  Span span = graph_node(graph, node)->span;
  const Source *source = diagnostics_source(compiler->diagnostics, span.source);
  if (!source) return text.data;
  uint32_t line, column;
  diagnostics_place(compiler->diagnostics, span, &line, &column);
  text_print(&text, ", computed at %s:%u:%u", source->name, line, column);
  return text.data;
}

/* Diagnostics speak for themselves, so their status has no message. */
static simba_status diagnosed(simba_error *error) { return error_set(error, SIMBA_MODEL_ERROR, "%s", ""); }

simba_status compiler_unwound(const Guard *guard, simba_error *error) {
  if (guard->kind == GUARD_OUT_OF_MEMORY) return error_set_memory(error, "compiling");
  return error_set(error, SIMBA_BUG, "%s", guard->message);
}

simba_status codegen_status(CodegenStatus result, const char *message, simba_error *error) {
  if (!message) message = "the code generator failed";
  switch (result) {
    case CODEGEN_OK:
      return SIMBA_OK;
    case CODEGEN_USER_ERROR:
      return error_set(error, SIMBA_INVALID_ARGUMENT, "%s", message);
    case CODEGEN_OUT_OF_MEMORY:
      return error_set_memory(error, "generating code");
    case CODEGEN_BUG:
      break;
  }
  return error_set(error, SIMBA_BUG, "%s", message);
}

/* ---- Opening: text to model ---- */

static const FrontendSetting *frontend_settings(Compiler *compiler) {
  const CompilerOptions *options = &compiler->options;
  FrontendSetting *settings = ARENA_ARRAY(compiler->arena, FrontendSetting, options->setting_count + 1);
  for (uint32_t k = 0; k < options->setting_count; k++) {
    settings[k] = (FrontendSetting){options->setting[k].name, options->setting[k].value};
  }
  return settings;
}

static Model *elaborate(Compiler *compiler, bool training) {
  FrontendOptions options = {.setting = frontend_settings(compiler),
                             .setting_count = compiler->options.setting_count,
                             .model = compiler->options.model_name,
                             .training = training};
  double start = clock_seconds();
  Model *model = frontend_elaborate(compiler->file, compiler->arena, compiler->diagnostics, &options);
  compiler_add_phase(compiler, training ? "elaborate for training" : "elaborate", clock_seconds() - start);
  return model;
}

static simba_status open_graph(Compiler *compiler, const char *text, size_t length, simba_error *error) {
  Guard guard;
  if (compiler->options.setting_count || compiler->options.model_name) {
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "%s: a graph has no settings and no other models: --set and "
                     "--model are for .simba files",
                     compiler->path);
  }
  if (!guard_enter(&guard)) return compiler_unwound(&guard, error);
  double start = clock_seconds();
  const char *message = NULL;
  Graph *graph = graph_read(compiler->arena, compiler->diagnostics,
                            diagnostics_add_source(compiler->diagnostics, compiler->path, text, length));
  if (graph) compiler->infer = compiler->train = model_of_graph(graph, &message);
  compiler_add_phase(compiler, "read the graph", clock_seconds() - start);
  guard_leave(&guard);
  if (message) return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: %s", compiler->path, message);
  return compiler->infer ? SIMBA_OK : diagnosed(error);
}

static simba_status open_file(Compiler *compiler, const char *text, size_t length, simba_error *error) {
  Guard guard;
  if (!guard_enter(&guard)) return compiler_unwound(&guard, error);
  double start = clock_seconds();
  compiler->file = text ? frontend_parse(compiler->arena, compiler->diagnostics, compiler->path, text, length)
                        : frontend_parse_file(compiler->arena, compiler->diagnostics, compiler->path);
  compiler_add_phase(compiler, "parse", clock_seconds() - start);
  if (compiler->file) compiler->infer = elaborate(compiler, false);
  guard_leave(&guard);
  return compiler->infer ? SIMBA_OK : diagnosed(error);
}

static const char *copy_text(Arena *arena, const char *text) {
  return text ? arena_text(arena, text, strlen(text)) : NULL;
}

static const char *const *copy_names(Arena *arena, const char *const *names, uint32_t count) {
  if (!names) return NULL;
  const char **copy = ARENA_ARRAY(arena, const char *, count + 1);
  for (uint32_t k = 0; k < count; k++) copy[k] = copy_text(arena, names[k]);
  return copy;
}

/* Steps are compiled when they are needed, so what the caller gave must live as long as the compiler. */
static CompilerOptions copy_options(Arena *arena, const CompilerOptions *from) {
  CompilerOptions options = *from;
  simba_setting *settings = ARENA_ARRAY(arena, simba_setting, from->setting_count + 1);
  for (uint32_t k = 0; k < from->setting_count; k++) {
    settings[k].name = copy_text(arena, from->setting[k].name);
    settings[k].value = copy_text(arena, from->setting[k].value);
  }
  options.setting = settings;
  options.model_name = copy_text(arena, from->model_name);
  options.cache_folder = copy_text(arena, from->cache_folder);
  options.only = copy_names(arena, from->only, from->only_count);
  options.skip = copy_names(arena, from->skip, from->skip_count);
  return options;
}

/* Names of passes, before any of them is asked for. */
static simba_status check_passes(Compiler *compiler, simba_error *error) {
  const CompilerOptions *from = &compiler->options;
  PipelineOptions options = {
      .only = from->only, .only_count = from->only_count, .skip = from->skip, .skip_count = from->skip_count};
  const char *message;
  if (pipeline_check(&options, compiler->arena, &message)) return SIMBA_OK;
  return error_set(error, SIMBA_INVALID_ARGUMENT, "%s", message);
}

static simba_status open_compiler(const char *path, const char *text, size_t length, const CompilerOptions *options,
                                  Compiler **out_compiler, simba_error *error) {
  static const CompilerOptions nothing;
  Guard guard;
  Arena *volatile arena = NULL;
  if (!guard_enter(&guard)) {
    if (!*out_compiler) arena_destroy(arena);
    return compiler_unwound(&guard, error);
  }
  arena = arena_create();
  Compiler *compiler = ARENA_NEW(arena, Compiler);
  compiler->arena = arena;
  compiler->diagnostics = diagnostics_create(arena);
  compiler->options = copy_options(arena, options ? options : &nothing);
  compiler->path = arena_text(arena, path, strlen(path));
  compiler->explain = text_begin(arena);
  *out_compiler = compiler; /* also where it fails: the diagnostics are in it */
  simba_status status = check_passes(compiler, error);
  guard_leave(&guard);
  if (status != SIMBA_OK) return status;
  return path_is_graph(path) ? open_graph(compiler, text, length, error) : open_file(compiler, text, length, error);
}

/* Asked before anything is parsed, so that the world's refusal is no mistake in the model. */
static simba_status check_readable(const char *path, simba_error *error) {
  struct stat info;
  int reason = stat(path, &info) != 0 || access(path, R_OK) != 0 ? errno : S_ISDIR(info.st_mode) ? EISDIR : 0;
  return reason ? error_set(error, SIMBA_IO_ERROR, "%s: cannot read: %s", path, strerror(reason)) : SIMBA_OK;
}

simba_status compiler_open(const char *path, const CompilerOptions *options, Compiler **out_compiler,
                           simba_error *error) {
  simba_status status = check_readable(path, error);
  if (status != SIMBA_OK) return status;
  if (!path_is_graph(path)) return open_compiler(path, NULL, 0, options, out_compiler, error);
  char *text;
  size_t length;
  status = file_read(path, &text, &length, error);
  if (status != SIMBA_OK) return status;
  status = length <= UINT32_MAX ? open_compiler(path, text, length, options, out_compiler, error)
                                : error_set(error, SIMBA_DATA_ERROR, "%s: has more than 4 GB", path);
  free(text);
  return status;
}

simba_status compiler_open_text(const char *name, const char *text, size_t length, const CompilerOptions *options,
                                Compiler **out_compiler, simba_error *error) {
  return open_compiler(name, text, length, options, out_compiler, error);
}

void compiler_close(Compiler *compiler) {
  if (!compiler) return;
  for (uint32_t k = 0; k < compiler->step_count; k++) compiler->step[k]->api->unload(compiler->step[k]->image);
  arena_destroy(compiler->arena);
}

simba_status compiler_model(Compiler *compiler, bool training, Model **out_model, simba_error *error) {
  if (training && !compiler->train) {
    Guard guard;
    if (!guard_enter(&guard)) return compiler_unwound(&guard, error);
    compiler->train = elaborate(compiler, true);
    guard_leave(&guard);
    if (!compiler->train) return diagnosed(error);
  }
  *out_model = training ? compiler->train : compiler->infer;
  return SIMBA_OK;
}

/* ---- Model to graph to program ---- */

/* The graph with only those outputs that were asked for; shares the nodes. */
static const Graph *select_outputs(Compiler *compiler, const Graph *graph, const StepRequest *request) {
  Graph *selected = ARENA_NEW(compiler->arena, Graph);
  *selected = *graph;
  selected->output = ARENA_ARRAY(compiler->arena, Output, graph->output_count + 1);
  selected->output_count = 0;
  for (uint32_t k = 0; k < graph->output_count; k++) {
    OutputKind kind = graph->output[k].kind;
    bool wanted = request->whole || (kind == OUTPUT_VALUE && request->values) ||
                  (kind == OUTPUT_METRIC && request->metrics) ||
                  (kind == OUTPUT_LOSS && (request->loss || request->differentiate)) ||
                  (kind == OUTPUT_STATE && request->training);
    if (wanted) selected->output[selected->output_count++] = graph->output[k];
  }
  return selected;
}

DifferentiateSpec compiler_all_gradients(const Graph *graph, Arena *arena) {
  const char **output = ARENA_ARRAY(arena, const char *, graph->output_count + 1);
  DifferentiateSpec spec = {.parameters = true, .inputs = true, .cotangent = output};
  for (uint32_t k = 0; k < graph->output_count; k++)
    if (graph->output[k].kind == OUTPUT_VALUE) output[spec.cotangent_count++] = graph->output[k].name;
  return spec;
}

static const char *pass_phase(Compiler *compiler, uint32_t position) {
  return arena_format(compiler->arena, "pass %s", pipeline_pass(position)->name);
}

/* A graph that was read may have gradients already. */
static bool has_gradients(const Graph *graph) {
  for (uint32_t k = 0; k < graph->output_count; k++)
    if (graph->output[k].kind == OUTPUT_GRADIENT) return true;
  return false;
}

/* The cotangent of output 'y' is the input 'lw.y', which a graph that was read may have as one of its own. */
static bool has_cotangent(const Graph *graph, const char *output) {
  for (NodeId id = 1; id <= graph->node_count; id++) {
    if (graph_op(graph, id) != OP_INPUT) continue;
    const char *name = node_text(graph_node(graph, id), LEAF_NAME);
    if (!strncmp(name, "lw.", 3) && !strcmp(name + 3, output)) return true;
  }
  return false;
}

static simba_status check_request(const Graph *graph, const StepRequest *request, const char *path,
                                  simba_error *error) {
  if (!request->differentiate) return SIMBA_OK;
  if (has_gradients(graph))
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: the graph '%s' has gradients already", path, graph->name);
  const DifferentiateSpec *spec = request->differentiate;
  for (uint32_t k = 0; k < spec->cotangent_count; k++) {
    if (!has_cotangent(graph, spec->cotangent[k])) continue;
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "%s: the input 'lw.%s' of '%s' has the name of the weights of output '%s' that gradients are "
                     "computed with: rename one of them",
                     path, spec->cotangent[k], graph->name, spec->cotangent[k]);
  }
  if (spec->cotangent_count) return SIMBA_OK;
  for (uint32_t k = 0; k < graph->output_count; k++) {
    if (graph->output[k].kind == OUTPUT_LOSS) return SIMBA_OK;
  }
  return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: the model '%s' has no loss to differentiate", path, graph->name);
}

/* Where one of our passes fails on a graph: the graph that replays it is written beside, and how that is done said. */
static void save_replay(Compiler *compiler, const PipelineReport *report, bool differentiate, simba_error *error) {
  Guard guard;
  if (!report || !report->before || !guard_enter(&guard)) return;
  Text text = text_begin(compiler->arena);
  graph_print(report->before, &text);
  guard_leave(&guard);
  FILE *file = fopen("simbac-bug.ir", "w");
  if (!file) return;
  fputs(text.data, file);
  if (fclose(file) == 0) {
    error_prefix(error, SIMBA_BUG,
                 "in pass '%s' (the graph before it is in simbac-bug.ir; to replay: simbac dump "
                 "simbac-bug.ir%s): ",
                 report->running ? report->running : "?",
                 differentiate && !has_gradients(report->before) ? " --entry train" : "");
  }
}

/* The batch that memory is planned for; 0: a typical one. */
static int64_t budget_batch(const Compiler *compiler, const StepRequest *request) {
  if (compiler->options.batch > 0) return compiler->options.batch;
  return request->batch > 0 ? request->batch : compiler->infer->recipe.batch;
}

simba_status compiler_graph(Compiler *compiler, const StepRequest *request, const Graph **out_graph,
                            simba_error *error) {
  Model *model;
  simba_status status = compiler_model(compiler, request->training, &model, error);
  if (status != SIMBA_OK) return status;
  const Graph *graph = request->graph ? request->graph : model->graph;
  status = check_request(graph, request, compiler->path, error);
  if (status != SIMBA_OK) return status;
  PipelineReport *volatile report = NULL;
  Guard guard;
  if (!guard_enter(&guard)) {
    status = compiler_unwound(&guard, error);
    if (status == SIMBA_BUG) save_replay(compiler, report, request->differentiate != NULL, error);
    return status;
  }
  const CompilerOptions *from = &compiler->options;
  PipelineOptions options = {.only = from->only,
                             .only_count = from->only_count,
                             .skip = from->skip,
                             .skip_count = from->skip_count,
                             .verify = from->verify,
                             .dump = from->dump,
                             .dump_user = from->dump_user,
                             .explain = from->explain ? &compiler->explain : NULL,
                             .differentiate = request->differentiate,
                             .memory_budget = from->memory_budget,
                             .batch = compiler->batch = budget_batch(compiler, request)};
  report = pipeline_report_create(compiler->arena);
  *out_graph = pipeline_run(select_outputs(compiler, graph, request), compiler->arena, &options, report);
  for (uint32_t k = 0; k < pipeline_length(); k++) {
    if (!strcmp(pipeline_pass(k)->name, "rematerialise")) compiler->rematerialised = report->pass[k].ran;
    if (report->pass[k].ran) compiler_add_phase(compiler, pass_phase(compiler, k), report->pass[k].seconds);
  }
  guard_leave(&guard);
  return SIMBA_OK;
}

static int64_t kilobytes(int64_t bytes) { return (bytes + 1023) / 1024; }

/* Does the plan fit? Recomputation has got as far as it can, unless it was left out. */
static simba_status check_budget(const Compiler *compiler, const Program *program, simba_error *error) {
  int64_t budget = compiler->options.memory_budget;
  int64_t batch = compiler->batch > 0 ? compiler->batch : PASS_TYPICAL_BATCH, symbols[SYMBOL_MAX];
  for (int s = 0; s < SYMBOL_MAX; s++) symbols[s] = batch;
  int64_t bytes = linear_value(&program->arena_bytes, symbols);
  if (budget <= 0 || bytes <= budget) return SIMBA_OK;
  const char *batch_text =
      program->graph->symbol_count == 0 ? "" : arena_format(compiler->arena, " for a batch of %lld", (long long)batch);
  return error_set(error, SIMBA_INVALID_ARGUMENT,
                   "%s: a memory budget of %lld KB does not do: intermediate values take %lld KB%s%s", compiler->path,
                   (long long)budget / 1024, (long long)kilobytes(bytes), batch_text,
                   compiler->rematerialised ? ", and that is the least" : " without the pass rematerialise");
}

simba_status compiler_program(Compiler *compiler, const Graph *graph, const Program **out_program, simba_error *error) {
  Guard guard;
  if (!guard_enter(&guard)) return compiler_unwound(&guard, error);
  double start = clock_seconds();
  LowerOptions options = {.explain = compiler->options.explain ? &compiler->explain : NULL, .batch = compiler->batch};
  *out_program = program_build(graph, compiler->arena, &options);
  compiler_add_phase(compiler, "lower, schedule and plan memory", clock_seconds() - start);
  simba_status status = check_budget(compiler, *out_program, error);
  guard_leave(&guard);
  return status;
}

/* ---- Program to code ---- */

CodegenOptions compiler_codegen_options(const Compiler *compiler) {
  return (CodegenOptions){.library_kernels = compiler->options.library_kernels,
                          .verify = compiler->options.verify,
                          .threads = compiler->options.threads,
                          .cache_folder = compiler->options.cache_folder};
}

const char *compiler_kernel_choice(const Compiler *compiler, const CodegenApi *api, const Kernel *kernel) {
  Text text = text_begin(compiler->arena);
  CodegenOptions options = compiler_codegen_options(compiler);
  api->describe_kernel(kernel, &options, &text);
  return text.data;
}

static void explain_kernels(Compiler *compiler, const CodegenApi *api, const Program *program) {
  for (uint32_t k = 0; k < program->kernel_count; k++) {
    const char *choice = compiler_kernel_choice(compiler, api, program->kernel[k]);
    if (choice[0]) text_print(&compiler->explain, "kernel k%u: %s\n", k, choice);
  }
}

static const char *compile_phase(const Compiler *compiler, const CodegenObjects *objects) {
  const CodegenTimes *times = &objects->times;
  Text text = text_begin(compiler->arena);
  text_print(&text, "compile %u kernels", times->kernels);
  if (compiler->options.library_kernels)
    text_print(&text, ": %u call OpenBLAS or FFTW, %u products do not fit", times->library, times->fallback);
  if (compiler->options.cache_folder && !objects->cache_problem)
    text_print(&text, "; %u of %u objects were cached", times->cached, objects->count);
  else
    text_puts(&text, "; no cache");
  return text.data;
}

static simba_status make_step(Compiler *compiler, const Program *program, CompiledStep **out_step, simba_error *error) {
  double start = clock_seconds();
  const CodegenApi *api;
  simba_status status = codegen_library(&api, error);
  if (status != SIMBA_OK) return status;
  compiler_add_phase(compiler, "load the code generator", clock_seconds() - start);
  ASSERT(compiler->step_count < sizeof compiler->step / sizeof *compiler->step);

  if (compiler->options.explain) explain_kernels(compiler, api, program);
  CodegenOptions options = compiler_codegen_options(compiler);
  CodegenObjects *objects = ARENA_NEW(compiler->arena, CodegenObjects);
  const char *message = NULL;
  start = clock_seconds();
  CodegenStatus result = api->compile(program, "simbac_step", &options, compiler->arena, objects, &message);
  status = codegen_status(result, message, error);
  if (status != SIMBA_OK) return status;
  compiler->cache_problem = objects->cache_problem;
  compiler_add_phase(compiler, compile_phase(compiler, objects), clock_seconds() - start);

  CompiledStep *step = ARENA_NEW(compiler->arena, CompiledStep);
  step->api = api;
  step->program = program;
  step->scratch_bytes = objects->scratch_bytes;
  start = clock_seconds();
  result = api->load(objects, "simbac_step", compiler->arena, &step->image, &step->prepare, &step->run, &message);
  status = codegen_status(result, message, error);
  if (status != SIMBA_OK) return status;
  compiler_add_phase(compiler, "load code", clock_seconds() - start);
  compiler->step[compiler->step_count++] = step;
  *out_step = step;
  return SIMBA_OK;
}

simba_status compiler_step(Compiler *compiler, const Program *program, CompiledStep **out_step, simba_error *error) {
  Guard guard;
  if (!guard_enter(&guard)) return compiler_unwound(&guard, error);
  simba_status status = make_step(compiler, program, out_step, error);
  guard_leave(&guard);
  return status;
}

simba_status syntax_dump(const char *path, Arena *arena, Diagnostics *diagnostics, bool dot, Text *out,
                         simba_error *error) {
  simba_status status = check_readable(path, error);
  if (status != SIMBA_OK) return status;
  if (path_is_graph(path)) return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: a graph has no syntax tree", path);
  Guard guard;
  if (!guard_enter(&guard)) return compiler_unwound(&guard, error);
  FrontendFile *file = frontend_parse_file(arena, diagnostics, path);
  if (file) frontend_print_ast(file, dot, out);
  guard_leave(&guard);
  return file ? SIMBA_OK : diagnosed(error);
}
