#include "weights_options.h"

#include "frontend/driver/model_weights.h"
#include "frontend/driver/tensor_run.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_TENSORS = 0x100, KEY_OUT, KEY_GRAD, KEY_MODE, KEY_CHECK, KEY_TOLERANCE, KEY_SEED, KEY_WEIGHTS };

typedef struct RunOptions {
  CommonOptions common;
  const char *tensors, *out, *check;
  simba_weights_source weights;
  double tolerance; /* negative: what the golden file states */
  TensorRunOptions run;
} RunOptions;

static const struct argp_option run_options[] = {
    {"tensors", KEY_TENSORS, "IN.safetensors", 0, "in.<input>, param.<path>, buf.<state>, and cotangents lw.<output>",
     1},
    {"weights", KEY_WEIGHTS, WEIGHTS_ARGUMENT, 0, "Trained weights, in place of IN's param.* and buf.*", 1},
    {"out", KEY_OUT, "OUT.safetensors", 0, "Where results go: out.*, buf_after.*, loss, gin.*, gparam.*", 1},
    {"grad", KEY_GRAD, 0, 0, "Gradients too: of sum(out * lw), or of the model's loss where IN has no lw.*", 1},
    {"mode", KEY_MODE, "infer|train", 0, "The static `training`, and whether states are updated (default infer)", 1},
    {"check", KEY_CHECK, "GOLDEN.safetensors", 0,
     "Compare instead of writing: a line a tensor; exit 1 where one is over", 1},
    {"tolerance", KEY_TOLERANCE, "T", 0,
     "Largest max|difference| / max|reference| (default: 20 times the float32 error that GOLDEN states, at least 1e-5)",
     1},
    {"seed", KEY_SEED, "N", 0, "Of random numbers, such as dropout masks in mode train (default 0)", 1},
    {0},
};

static error_t parse_run(int key, char *argument, struct argp_state *state) {
  RunOptions *options = state->input;
  char *end;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = &options->common;
      state->child_inputs[1] = &options->weights;
      return 0;
    case KEY_TENSORS:
      options->tensors = argument;
      return 0;
    case KEY_WEIGHTS:
      options->weights.path = argument;
      return 0;
    case KEY_OUT:
      options->out = argument;
      return 0;
    case KEY_GRAD:
      options->run.gradients = true;
      return 0;
    case KEY_MODE:
      if (strcmp(argument, "infer") != 0 && strcmp(argument, "train") != 0) {
        argp_error(state, "--mode is infer or train, not '%s'", argument);
      }
      options->run.training = !strcmp(argument, "train");
      return 0;
    case KEY_CHECK:
      options->check = argument;
      return 0;
    case KEY_SEED:
      options->run.seed = (uint64_t)option_integer("--seed", argument, 0, INT64_MAX, state);
      return 0;
    case KEY_TOLERANCE:
      options->tolerance = strtod(argument, &end);
      if (end == argument || *end || !(options->tolerance >= 0)) {
        argp_error(state, "--tolerance takes a number that is not negative, not '%s'", argument);
      }
      return 0;
    case ARGP_KEY_ARG:
      return common_positional(&options->common, argument, state);
    case ARGP_KEY_END:
      if (!options->common.model_path) argp_error(state, "which model file?");
      if (!options->tensors && options->check) options->tensors = options->check;
      if (!options->tensors) argp_error(state, "--tensors says what to run on");
      if (!options->out == !options->check) argp_error(state, "give one of --out and --check");
      if (options->tolerance >= 0 && !options->check) argp_error(state, "--tolerance is for --check");
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

static simba_status check_run(RunOptions *options, const TensorRun *run, bool *out_agrees, simba_error *error) {
  TensorFile *golden;
  simba_status status = tensor_file_open(options->check, &golden, error);
  if (status != SIMBA_OK) return status;
  Text report = text_begin(options->common.arena);
  status = tensor_run_check(run, golden, options->run.gradients, options->tolerance, &report, out_agrees, error);
  if (status == SIMBA_OK && !options->common.quiet) fputs(report.data, stdout);
  tensor_file_close(golden);
  return status;
}

static void report_notes(const RunOptions *options, const TensorFile *in, const TensorRun *run) {
  if (in->note) fprintf(stderr, "note: %s: %s\n", options->tensors, in->note);
  if (run->of_gradients_count) {
    fprintf(stderr, "note: %s: tensors of gradients are left alone (%u, such as '%s'): --grad computes%s them\n",
            options->tensors, run->of_gradients_count, run->of_gradients, options->check ? " and checks" : "");
  }
  for (uint32_t k = 0; k < run->note_count; k++)
    fprintf(stderr, "note: %s: '%s' is no part of the model, ignored\n", options->tensors, run->note[k]);
}

static simba_status open_weights(RunOptions *options, Compiler *compiler, TensorFile **out_file, simba_error *error) {
  Model *model;
  const char *report;
  simba_status status = compiler_model(compiler, false, &model, error);
  if (status == SIMBA_OK) status = weights_open(&options->weights, out_file, error);
  if (status != SIMBA_OK) return status;
  status = model_check_weights(model, *out_file, options->common.arena, &report, error);
  report_weights(&options->common, options->weights.path, (*out_file)->note, report);
  return status;
}

static int run_model(RunOptions *options) {
  CommonOptions *common = &options->common;
  Compiler *compiler = NULL;
  TensorFile *in = NULL, *weights = NULL;
  TensorRun *run = NULL;
  bool agrees = true;
  simba_error error = {0};
  simba_status status = compiler_open(common->model_path, &common->compiler, &compiler, &error);
  if (status == SIMBA_OK) status = tensor_file_open(options->tensors, &in, &error);
  if (status == SIMBA_OK && options->weights.path) status = open_weights(options, compiler, &weights, &error);
  options->run.weights = weights;
  if (status == SIMBA_OK) status = tensor_run(compiler, in, &options->run, &run, &error);
  report_diagnostics(common, compiler);
  if (status == SIMBA_OK && !common->quiet) report_notes(options, in, run);
  if (status == SIMBA_OK && options->out) {
    status = tensor_run_write(run, options->out, &error);
    if (status == SIMBA_OK && !common->quiet) {
      fprintf(stderr, "%u tensors of batch %lld in %s\n", run->count, (long long)run->batch, options->out);
    }
  }
  if (status == SIMBA_OK && options->check) status = check_run(options, run, &agrees, &error);
  report_compilation(common, compiler);
  int code = report_failure(status, &error);
  tensor_file_close(in);
  tensor_file_close(weights);
  compiler_close(compiler);
  return code == EXIT_DONE && !agrees ? EXIT_WRONG_INPUT : code;
}

int command_run(int argc, char **argv) {
  static const struct argp_child children[] = {{&common_argp, 0, 0, 10}, {&weights_argp, 0, 0, 5}, {0}};
  static const struct argp parser = {
      .options = run_options,
      .parser = parse_run,
      .args_doc = "MODEL",
      .doc =
          "Run a model on the tensors of a file, with gradients if wanted.\v"
          "Example:\n"
          "  simbac run examples/parity/mamba.simba --set d_model=24 --set L=37 --grad \\\n"
          "      --tensors tests/parity/mamba_block.safetensors --check tests/parity/mamba_block.safetensors\n",
      .children = children};
  RunOptions options = {.tolerance = -1};
  common_begin(&options.common);
  argp_parse(&parser, argc, argv, 0, NULL, &options);
  int code = run_model(&options);
  common_end(&options.common);
  return code;
}
