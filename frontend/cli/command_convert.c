#include "weights_options.h"

#include "frontend/driver/model_weights.h"

#include <stdio.h>

enum { KEY_MODEL = 0x100, KEY_LIST };

typedef struct ConvertOptions {
  CommonOptions common; /* its model_path: what --model says */
  simba_weights_source source;
  const char *out;
  bool list;
} ConvertOptions;

static const struct argp_option convert_options[] = {
    {"output", 'o', "OUT.safetensors", 0, "What to write; each tensor keeps its type", 1},
    {"model", KEY_MODEL, "MODEL", 0, "Compare with this model's parameters and states; write nothing unless all fit",
     1},
    {"set", 's', "NAME=VALUE", 0, "Set a static parameter of that model; may be repeated", 1},
    {"list", KEY_LIST, 0, 0, "Print name, type and shape of each tensor", 1},
    {"quiet", 'q', 0, 0, "Say nothing but results and errors", 10},
    {0},
};

static error_t parse_convert(int key, char *argument, struct argp_state *state) {
  ConvertOptions *options = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = &options->source;
      return 0;
    case 'o':
      options->out = argument;
      return 0;
    case 's':
      common_setting(&options->common, argument, state);
      return 0;
    case 'q':
      options->common.quiet = true;
      return 0;
    case KEY_MODEL:
      options->common.model_path = argument;
      return 0;
    case KEY_LIST:
      options->list = true;
      return 0;
    case ARGP_KEY_ARG:
      if (options->source.path) argp_error(state, "one file of weights, please: '%s' is a second one", argument);
      options->source.path = argument;
      return 0;
    case ARGP_KEY_END:
      if (!options->source.path) argp_error(state, "which file of weights?");
      if (!options->out && !options->list && !options->common.model_path)
        argp_error(state, "-o says what to write, --list shows what is there, --model compares it with a model");
      if (options->common.compiler.setting_count && !options->common.model_path)
        argp_error(state, "--set is for the model that --model names");
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

static void list_tensors(const TensorFile *file) {
  for (size_t i = 0; i < file->count; i++) {
    const Tensor *tensor = &file->tensor[i];
    char shape[200];
    tensor_shape_text(tensor->rank, tensor->shape, shape, sizeof shape);
    printf("%-56s %-4s %s\n", tensor->name, tensor_type_name(tensor->type), shape);
  }
}

static simba_status compare(ConvertOptions *options, TensorFile *file, simba_error *error) {
  CommonOptions *common = &options->common;
  Compiler *compiler = NULL;
  Model *model;
  const char *report = "";
  simba_status status = compiler_open(common->model_path, &common->compiler, &compiler, error);
  if (status == SIMBA_OK) status = compiler_model(compiler, false, &model, error);
  report_diagnostics(common, compiler);
  if (status == SIMBA_OK) status = model_check_weights(model, file, common->arena, &report, error);
  report_weights(common, options->source.path, NULL, report);
  if (status == SIMBA_OK && !common->quiet)
    fprintf(stderr, "%s: all %u parameters and states of '%s' are there\n", options->source.path,
            model->parameter_count + model->state_count, model->name);
  compiler_close(compiler);
  return status;
}

static int convert(ConvertOptions *options) {
  const CommonOptions *common = &options->common;
  TensorFile *file = NULL;
  simba_error error = {0};
  simba_status status = weights_open(&options->source, &file, &error);
  if (status == SIMBA_OK && options->list) list_tensors(file);
  if (status == SIMBA_OK && common->model_path) status = compare(options, file, &error);
  if (file) report_weights(common, options->source.path, file->note, NULL);
  if (status == SIMBA_OK && options->out) {
    status = tensor_file_write(options->out, file->tensor, file->count, file->metadata, file->metadata_count, &error);
    if (status == SIMBA_OK && !common->quiet)
      fprintf(stderr, "%zu tensor%s in %s\n", file->count, file->count == 1 ? "" : "s", options->out);
  }
  int code = report_failure(status, &error);
  tensor_file_close(file);
  return code;
}

int command_convert(int argc, char **argv) {
  static const struct argp_child children[] = {{&weights_argp, 0, 0, 5}, {0}};
  static const struct argp parser = {
      .options = convert_options,
      .parser = parse_convert,
      .args_doc = "IN",
      .doc =
          "Read weights, of PyTorch (.pth, .pt) or safetensors, rename them, compare them with a model, and write them "
          "as "
          "safetensors. A PyTorch file is only read: nothing in it is ever run.\v"
          "Example:\n"
          "  simbac convert mamba-130m.pth --map mamba-ssm --list\n"
          "  simbac convert checkpoint.pth --key model_ema --model model.simba -o weights.safetensors\n",
      .children = children};
  ConvertOptions options = {0};
  common_begin(&options.common);
  argp_parse(&parser, argc, argv, 0, NULL, &options);
  int code = convert(&options);
  common_end(&options.common);
  return code;
}
