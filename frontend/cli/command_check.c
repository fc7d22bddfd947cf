#include "options.h"

#include "stage_report.h"

#include <stdio.h>
#include <string.h>

static error_t parse_check(int key, char *argument, struct argp_state *state) {
  CommonOptions *common = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = common;
      return 0;
    case ARGP_KEY_ARG:
      return common_positional(common, argument, state);
    case ARGP_KEY_END:
      if (!common->model_path) argp_error(state, "which model file?");
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

static void print_tensors(Text *text, const char *kind, const ModelTensor *tensors, uint32_t count,
                          const Graph *graph) {
  for (uint32_t k = 0; k < count; k++) {
    text_print(text, "  %-9s %-28s ", kind, tensors[k].name);
    text_shape(text, &tensors[k].shape, graph->symbol);
    text_puts(text, "\n");
  }
}

static void print_outputs(Text *text, const Graph *graph) {
  static const char *const kinds[] = {"output", "loss", "metric"};
  for (uint32_t k = 0; k < graph->output_count; k++) {
    const Output *output = &graph->output[k];
    if (output->kind > OUTPUT_METRIC) continue;
    text_print(text, "  %-9s %-28s ", kinds[output->kind], output->name);
    text_shape(text, graph_shape(graph, output->node), graph->symbol);
    text_puts(text, "\n");
  }
}

static void print_parameters(Text *text, const char *kind, const ModelParameter *parameters, uint32_t count,
                             const Graph *graph) {
  for (uint32_t k = 0; k < count; k++) {
    text_print(text, "  %-9s %-44s ", kind, parameters[k].path);
    text_shape(text, &parameters[k].shape, graph->symbol);
    text_puts(text, "\n");
  }
}

static void print_settings(Text *text, const Model *model) {
  for (uint32_t k = 0; k < model->setting_count; k++) {
    const ModelSetting *setting = &model->setting[k];
    text_print(text, "  %-9s %-28s %s", "set", setting->name, setting->text);
    for (uint32_t a = 0; a < setting->allowed_count; a++) {
      text_print(text, "%s%s", a ? ", " : " in [", setting->allowed[a]);
    }
    text_puts(text, setting->allowed_count ? "]\n" : "\n");
  }
}

/* In the largest of the units, each `step` times the one before, that leaves 1 or more. */
static double in_unit(double amount, double step, const char *const units[3], const char **out_unit) {
  int unit = 0;
  for (; unit < 2 && amount >= step; unit++) amount /= step;
  *out_unit = units[unit];
  return amount;
}

static void print_model(Text *text, const CommonOptions *common, const Model *model) {
  int64_t parameters = 0, states = 0;
  for (uint32_t k = 0; k < model->parameter_count; k++) parameters += model->parameter[k].count;
  for (uint32_t k = 0; k < model->state_count; k++) states += model->state[k].count;
  text_print(text, "%s: %s is sound\n", common->model_path, model->name);
  print_settings(text, model);
  print_tensors(text, "input", model->input, model->input_count, model->graph);
  print_tensors(text, "target", model->target, model->target_count, model->graph);
  print_outputs(text, model->graph);
  static const char *const bytes[] = {"KB", "MB", "GB"};
  const char *unit;
  double amount = in_unit((double)parameters * 4 / 1024, 1024, bytes, &unit);
  text_print(text, "  %u parameters, %lld numbers (%.1f %s)\n", model->parameter_count, (long long)parameters, amount,
             unit);
  if (model->state_count) text_print(text, "  %u states, %lld numbers\n", model->state_count, (long long)states);
  if (common->verbose) {
    print_parameters(text, "param", model->parameter, model->parameter_count, model->graph);
    print_parameters(text, "state", model->state, model->state_count, model->graph);
  }
  report_stages(model, common->arena, text);
}

static int check_model(CommonOptions *common) {
  Compiler *compiler = NULL;
  Model *trained;
  simba_error error = {0};
  simba_status status = compiler_open(common->model_path, &common->compiler, &compiler, &error);
  if (status == SIMBA_OK) status = compiler_model(compiler, true, &trained, &error);
  report_diagnostics(common, compiler);
  if (status == SIMBA_OK && !common->quiet) {
    Text text = text_begin(common->arena);
    print_model(&text, common, compiler->infer);
    fputs(text.data, stdout);
  }
  report_compilation(common, compiler);
  int code = report_failure(status, &error);
  compiler_close(compiler);
  return code;
}

int command_check(int argc, char **argv) {
  static const struct argp_child children[] = {{&common_argp, 0, 0, 10}, {0}};
  static const struct argp parser = {
      .parser = parse_check,
      .args_doc = "MODEL",
      .doc =
          "Check a model: types, shapes, parameters, cost. MODEL may be IR text (*.ir).\v"
          "Example:\n"
          "  simbac check examples/forecaster.simba --set d_model=256 -v\n",
      .children = children};
  CommonOptions common;
  common_begin(&common);
  argp_parse(&parser, argc, argv, 0, NULL, &common);
  int code = check_model(&common);
  common_end(&common);
  return code;
}
