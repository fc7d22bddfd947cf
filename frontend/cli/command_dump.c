#include "options.h"

#include "frontend/driver/codegen_library.h"
#include "frontend/driver/render.h"
#include "runtime/file.h"

#include <string.h>

enum { KEY_STAGE = 0x100, KEY_AFTER, KEY_EACH, KEY_ENTRY, KEY_FORMAT, KEY_CPU, KEY_TARGET };

typedef enum Stage { STAGE_AST, STAGE_IR, STAGE_LOOPS, STAGE_LLVM, STAGE_ASM, STAGE_COUNT } Stage;
static const char *const stage_names[] = {"ast", "ir", "loops", "llvm", "asm"};
typedef enum Format { FORMAT_TEXT, FORMAT_DOT, FORMAT_SVG, FORMAT_PNG, FORMAT_COUNT } Format;
static const char *const format_names[] = {"text", "dot", "svg", "png"};

typedef struct DumpOptions {
  CommonOptions common;
  Stage stage;
  Format format;
  const char *after, *out, *cpu, *triple;
  bool each, train, gradients, entry_given, after_seen;
  Text text;
} DumpOptions;

static const struct argp_option dump_options[] = {
    {"stage", KEY_STAGE, "ast|ir|loops|llvm|asm", 0, "What to show (default ir, after all passes)", 1},
    {"after", KEY_AFTER, "PASS", 0, "The IR after this pass; `none` for the IR before the first", 1},
    {"each", KEY_EACH, 0, 0, "The IR before the first pass and after each", 1},
    {"entry", KEY_ENTRY, "infer|train|gradients", 0,
     "Inference (default), the training step with all gradients, or forward and backward from derivatives of the "
     "outputs, for which a model needs no loss",
     1},
    {"format", KEY_FORMAT, "text|dot|svg|png", 0, "Pictures for ast and ir (default text)", 1},
    {"output", 'o', "FILE", 0, "Where to (default standard output)", 1},
    {"target", KEY_TARGET, "TRIPLE", 0, "llvm, asm: for this target (default this machine)", 1},
    {"cpu", KEY_CPU, "NAME", 0, "llvm, asm: for this processor", 1},
    {0},
};

static int choose(const char *option, const char *text, const char *const *names, int count, struct argp_state *state) {
  for (int k = 0; k < count; k++) {
    if (!strcmp(text, names[k])) return k;
  }
  const char *nearest = text_nearest(text, names, (size_t)count);
  argp_error(state, "%s: there is no '%s'%s%s%s", option, text, nearest ? "; did you mean '" : "",
             nearest ? nearest : "", nearest ? "'?" : "");
  return 0;
}

/* Options of which one would be ignored. */
static void check_dump(const DumpOptions *options, struct argp_state *state) {
  const CompilerOptions *compiler = &options->common.compiler;
  if (options->format >= FORMAT_DOT && options->stage >= STAGE_LOOPS)
    argp_error(state, "--format %s is for --stage ast and ir", format_names[options->format]);
  if ((options->after || options->each) && options->stage != STAGE_IR)
    argp_error(state, "--after and --each are for --stage ir");
  if (options->after && options->each) argp_error(state, "--after and --each: give one of them");
  if (options->each && options->format >= FORMAT_SVG) argp_error(state, "--each gives text or dot");
  if ((options->triple || options->cpu) && options->stage < STAGE_LLVM)
    argp_error(state, "--target and --cpu are for --stage llvm and asm");
  bool chooses = compiler->setting_count || compiler->model_name || compiler->only || compiler->skip;
  if (options->stage == STAGE_AST && (chooses || options->entry_given)) {
    argp_error(state,
               "--stage ast shows the text as it is written: --set, --model, --entry and passes are for the "
               "stages after it");
  }
}

static error_t parse_dump(int key, char *argument, struct argp_state *state) {
  static const char *const entries[] = {"infer", "train", "gradients"};
  DumpOptions *options = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = &options->common;
      return 0;
    case KEY_STAGE:
      options->stage = (Stage)choose("--stage", argument, stage_names, STAGE_COUNT, state);
      return 0;
    case KEY_FORMAT:
      options->format = (Format)choose("--format", argument, format_names, FORMAT_COUNT, state);
      return 0;
    case KEY_ENTRY:
      options->train = choose("--entry", argument, entries, 3, state) == 1;
      options->gradients = choose("--entry", argument, entries, 3, state) == 2;
      options->entry_given = true;
      return 0;
    case KEY_AFTER:
      options->after = argument;
      return 0;
    case KEY_EACH:
      options->each = true;
      return 0;
    case KEY_TARGET:
      options->triple = argument;
      return 0;
    case KEY_CPU:
      options->cpu = argument;
      return 0;
    case 'o':
      options->out = argument;
      return 0;
    case ARGP_KEY_ARG:
      return common_positional(&options->common, argument, state);
    case ARGP_KEY_END:
      if (!options->common.model_path) argp_error(state, "which model file?");
      check_dump(options, state);
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

static void print_graph(DumpOptions *options, const Graph *graph) {
  if (options->format == FORMAT_TEXT)
    graph_print(graph, &options->text);
  else
    graph_dot(graph, &options->text);
}

static void dump_pass(void *user, uint32_t position, const PassInfo *pass, const Graph *graph) {
  DumpOptions *options = user;
  if (options->each) {
    text_print(&options->text, "# %02u after %s\n", position + 1, pass->name);
    print_graph(options, graph);
  } else if (options->after && !strcmp(options->after, pass->name)) {
    options->text.length = 0; /* a pass that runs twice: the last time counts */
    print_graph(options, graph);
    options->after_seen = true;
  }
}

static simba_status check_pass_name(DumpOptions *options, simba_error *error) {
  if (!options->after || !strcmp(options->after, "none")) return SIMBA_OK;
  for (uint32_t k = 0; k < pipeline_length(); k++) {
    if (!strcmp(pipeline_pass(k)->name, options->after)) return SIMBA_OK;
  }
  return error_set(error, SIMBA_INVALID_ARGUMENT, "%s", pipeline_unknown_pass(options->after, options->common.arena));
}

static simba_status dump_code(DumpOptions *options, Compiler *compiler, const Program *program, simba_error *error) {
  const CodegenApi *api;
  simba_status status = codegen_library(&api, error);
  if (status != SIMBA_OK) return status;
  CodegenOptions codegen = compiler_codegen_options(compiler);
  codegen.triple = options->triple;
  codegen.cpu = options->cpu;
  const char *message = "";
  CodegenStatus result =
      api->text(program, program->graph->name, &codegen, options->stage == STAGE_LLVM ? CODEGEN_LLVM : CODEGEN_ASSEMBLY,
                &options->text, &message);
  return codegen_status(result, message, error);
}

static simba_status dump_ir(DumpOptions *options, Compiler *compiler, simba_error *error) {
  const Graph *graph;
  const Program *program;
  Model *model;
  static const DifferentiateSpec all_parameters = {.parameters = true};
  DifferentiateSpec all;
  bool backward = options->train || options->gradients;
  StepRequest request = {.values = !options->train,
                         .loss = options->train,
                         .metrics = options->train,
                         .training = backward,
                         .differentiate = options->train ? &all_parameters : NULL};
  simba_status status = check_pass_name(options, error);
  request.whole = !compiler->file; /* a graph is dumped as it is */
  if (status == SIMBA_OK) status = compiler_model(compiler, backward, &model, error);
  if (status != SIMBA_OK) return status;
  if (options->gradients) {
    all = compiler_all_gradients(model->graph, options->common.arena);
    request.differentiate = &all;
  }
  bool before = options->after && !strcmp(options->after, "none");
  if (options->each) text_puts(&options->text, "# 00 before the first pass\n");
  if (options->each || before) print_graph(options, model->graph);
  if (before) return SIMBA_OK;
  status = compiler_graph(compiler, &request, &graph, error);
  if (status != SIMBA_OK) return status;
  if (options->after && !options->after_seen) {
    return error_set(error, SIMBA_INVALID_ARGUMENT, "the pass '%s' did not run", options->after);
  }
  if (options->stage == STAGE_IR) {
    if (!options->each && !options->after) print_graph(options, graph);
    return SIMBA_OK;
  }
  status = compiler_program(compiler, graph, &program, error);
  if (status != SIMBA_OK) return status;
  if (options->stage == STAGE_LOOPS) {
    program_print(program, &options->text);
    return SIMBA_OK;
  }
  return dump_code(options, compiler, program, error);
}

static simba_status deliver(DumpOptions *options, simba_error *error) {
  Text *text = &options->text, picture = text_begin(options->common.arena);
  if (options->format >= FORMAT_SVG) {
    simba_status status = render_dot(text->data, text->length, format_names[options->format], &picture, error);
    if (status != SIMBA_OK) return status;
    text = &picture;
  }
  if (options->out) return file_write(options->out, text->data, text->length, error);
  return fwrite(text->data, 1, text->length, stdout) == text->length
             ? SIMBA_OK
             : error_set(error, SIMBA_IO_ERROR, "cannot write to standard output");
}

static int dump_model(DumpOptions *options) {
  CommonOptions *common = &options->common;
  options->text = text_begin(common->arena);
  common->compiler.dump = dump_pass;
  common->compiler.dump_user = options;
  Compiler *compiler = NULL;
  simba_error error = {0};
  simba_status status;
  if (options->stage == STAGE_AST) {
    Diagnostics *diagnostics = diagnostics_create(common->arena);
    status = syntax_dump(common->model_path, common->arena, diagnostics, options->format != FORMAT_TEXT, &options->text,
                         &error);
    Text messages = text_begin(common->arena);
    diagnostics_render(diagnostics, common->style, false, &messages);
    fputs(messages.data, stderr);
  } else {
    status = compiler_open(common->model_path, &common->compiler, &compiler, &error);
    if (status == SIMBA_OK) status = dump_ir(options, compiler, &error);
    report_diagnostics(common, compiler);
  }
  if (status == SIMBA_OK) status = deliver(options, &error);
  report_compilation(common, compiler);
  int code = report_failure(status, &error);
  compiler_close(compiler);
  return code;
}

int command_dump(int argc, char **argv) {
  static const struct argp_child children[] = {{&common_argp, 0, 0, 10}, {0}};
  static const struct argp parser = {
      .options = dump_options,
      .parser = parse_dump,
      .args_doc = "MODEL",
      .doc =
          "Show what the compiler makes of a model at any stage. MODEL may be IR text (*.ir): what "
          "`dump` wrote, or the graph of a bug.\v"
          "Example:\n"
          "  simbac dump examples/forecaster.simba --format svg -o forecaster.svg\n",
      .children = children};
  DumpOptions options = {.stage = STAGE_IR};
  common_begin(&options.common);
  argp_parse(&parser, argc, argv, 0, NULL, &options);
  int code = dump_model(&options);
  common_end(&options.common);
  return code;
}
