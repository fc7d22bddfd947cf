#include "weights_options.h"

#include "frontend/driver/export_library.h"

#include <stdio.h>
#include <string.h>

enum { KEY_WEIGHTS = 0x100, KEY_TARGET, KEY_CPU };

typedef struct CompileOptions {
  CommonOptions common;
  ExportOptions export_options;
} CompileOptions;

static const struct argp_option compile_options[] = {
    {"output", 'o', "LIB.so|LIB.a|LIB.o", 0, "What to write; the header goes beside it", 1},
    {"weights", KEY_WEIGHTS, WEIGHTS_ARGUMENT, 0, "Weights to embed; without them the caller gives them at run time",
     1},
    {"target", KEY_TARGET, "TRIPLE", 0, "For this target (default this machine; others give .o and .a)", 1},
    {"cpu", KEY_CPU, "NAME", 0, "For this processor (default this machine's)", 1},
    {0},
};

static error_t parse_compile(int key, char *argument, struct argp_state *state) {
  CompileOptions *options = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = &options->common;
      state->child_inputs[1] = &options->export_options.weights;
      return 0;
    case 'o':
      options->export_options.output = argument;
      return 0;
    case KEY_WEIGHTS:
      options->export_options.weights.path = argument;
      return 0;
    case KEY_TARGET:
      options->export_options.triple = argument;
      return 0;
    case KEY_CPU:
      options->export_options.cpu = argument;
      return 0;
    case ARGP_KEY_ARG:
      return common_positional(&options->common, argument, state);
    case ARGP_KEY_END:
      if (!options->common.model_path) argp_error(state, "which model file?");
      if (!options->export_options.output) argp_error(state, "-o says what to write");
      if (options->common.compiler.library_kernels) {
        argp_error(state,
                   "an exported library has simbac's kernels only: --kernels=library is for run, train and eval");
      }
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

static int compile_model(CompileOptions *options) {
  CommonOptions *common = &options->common;
  Compiler *compiler = NULL;
  simba_model *model = NULL;
  ExportResult result;
  simba_error error = {0};
  simba_options model_options = {.size = sizeof model_options, .threads = common->compiler.threads};
  common->compiler.batch = 1; /* a library's batch is its caller's: a memory budget is for one */
  simba_status status = compiler_open(common->model_path, &common->compiler, &compiler, &error);
  report_diagnostics(common, compiler);
  if (status == SIMBA_OK) {
    status = model_create(compiler, &model_options, &model, &error);
    if (status != SIMBA_OK) compiler = NULL; /* model_create took it */
  }
  if (status == SIMBA_OK) status = export_library(model, &options->export_options, &result, &error);
  report_model_weights(common, options->export_options.weights.path, model);
  report_compilation(common, compiler);
  if (status == SIMBA_OK && !common->quiet) {
    fprintf(stderr, "%s and %s: %s, %s, %lld KB, %lld KB of weights in it; %lld KB of memory for a batch of 1\n",
            options->export_options.output, result.header_path, result.triple, result.cpu,
            (long long)(result.object_bytes + 1023) / 1024,
            options->export_options.weights.path ? (long long)(result.weight_bytes + 1023) / 1024 : 0LL,
            (long long)(result.arena_bytes + 1023) / 1024);
  }
  int code = report_failure(status, &error);
  if (model)
    simba_model_destroy(model);
  else
    compiler_close(compiler);
  return code;
}

int command_compile(int argc, char **argv) {
  static const struct argp_child children[] = {{&common_argp, 0, 0, 10}, {&weights_argp, 0, 0, 5}, {0}};
  static const struct argp parser = {
      .options = compile_options,
      .parser = parse_compile,
      .args_doc = "MODEL",
      .doc =
          "Export a model as native code with a C header. The result needs libc and libm only. MODEL may "
          "be IR text (*.ir).\v"
          "Example:\n"
          "  simbac compile examples/forecaster.simba --weights run/weights.safetensors -o libforecaster.so\n",
      .children = children};
  CompileOptions options = {0};
  common_begin(&options.common);
  argp_parse(&parser, argc, argv, 0, NULL, &options);
  int code = compile_model(&options);
  common_end(&options.common);
  return code;
}
