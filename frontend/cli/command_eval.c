#include "weights_options.h"

#include "frontend/driver/forecast_data.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_WEIGHTS = 0x100, KEY_DATA, KEY_SPLIT, KEY_JSON, KEY_BATCH, KEY_PICTURE };

typedef struct EvalOptions {
  CommonOptions common;
  ForecastOptions forecast;
  simba_weights_source weights;
  const char *picture;
  SeriesSplit split;
  int64_t batch;
  bool json, terminal;
} EvalOptions;

static const struct argp_option eval_options[] = {
    {"weights", KEY_WEIGHTS, WEIGHTS_ARGUMENT, 0, "Trained weights", 1},
    {"data", KEY_DATA, "SERIES.csv", 0, "The series they were trained on (default: the built-in seattle-hourly.csv)",
     1},
    {"split", KEY_SPLIT, "test|val|train", 0, "Which windows (default test)", 1},
    {"batch", KEY_BATCH, "N", 0, "Windows at a time (default 256); results differ by rounding only", 1},
    {"picture", KEY_PICTURE, "FILE.png|FILE.svg", 0, "Draw forecasts beside the truth", 1},
    {"json", KEY_JSON, 0, 0, "One JSON object on standard output", 1},
    {0},
};

static bool is_picture_name(const char *path) {
  const char *end = strrchr(path, '.');
  return end && (!strcmp(end, ".png") || !strcmp(end, ".svg"));
}

static error_t parse_eval(int key, char *argument, struct argp_state *state) {
  EvalOptions *options = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = &options->common;
      state->child_inputs[1] = &options->weights;
      return 0;
    case KEY_WEIGHTS:
      options->weights.path = argument;
      return 0;
    case KEY_DATA:
      options->forecast.data_path = argument;
      return 0;
    case KEY_BATCH:
      options->batch = option_integer("--batch", argument, 1, 1 << 20, state);
      return 0;
    case KEY_PICTURE:
      if (!is_picture_name(argument)) {
        argp_error(state, "--picture takes FILE.png or FILE.svg, not '%s'", argument);
      }
      options->picture = argument;
      return 0;
    case KEY_JSON:
      options->json = true;
      return 0;
    case KEY_SPLIT:
      for (int split = 0; split < SPLIT_COUNT; split++) {
        if (strcmp(argument, series_split_name((SeriesSplit)split)) != 0) continue;
        options->split = (SeriesSplit)split;
        return 0;
      }
      argp_error(state, "--split is test, val or train, not '%s'", argument);
      return 0;
    case ARGP_KEY_ARG:
      return common_positional(&options->common, argument, state);
    case ARGP_KEY_END:
      if (!options->common.model_path) argp_error(state, "which model file?");
      if (!options->weights.path) argp_error(state, "--weights says which weights");
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

static bool show_progress(void *context, int64_t done, int64_t total) {
  const EvalOptions *options = context;
  if (options->terminal) fprintf(stderr, "\r\033[K%lld of %lld windows", (long long)done, (long long)total);
  return true;
}

static const char *metric_name(const simba_model *model, uint32_t index) {
  simba_tensor_info info;
  return simba_model_tensor((simba_model *)model, SIMBA_METRIC, index, &info) == SIMBA_OK ? info.name : "?";
}

static const char *loss_name(const Model *model) {
  for (uint32_t k = 0; k < model->graph->output_count; k++) {
    if (model->graph->output[k].kind == OUTPUT_LOSS) return model->graph->output[k].name;
  }
  return "loss";
}

static void print_text(const EvalOptions *options, const Forecast *forecast, const SplitScore *score) {
  SeriesBaseline last = series_repeat_last(forecast->series, options->split);
  printf("%s, %lld windows of %s\n", series_split_name(options->split), (long long)score->windows,
         forecast->series->path);
  printf("  %-10s %.6f\n", loss_name(forecast->model->model), score->loss);
  for (uint32_t m = 0; m < score->metric_count; m++) {
    printf("  %-10s %.6f\n", metric_name(forecast->model, m), score->metric[m]);
  }
  printf("  repeating the last value: mse %.6f, mae %.6f\n", last.mse, last.mae);
}

static simba_status print_json(const EvalOptions *options, const Forecast *forecast, const SplitScore *score,
                               simba_error *error) {
  cJSON *object = cJSON_CreateObject();
  SeriesBaseline last = series_repeat_last(forecast->series, options->split);
  cJSON_AddStringToObject(object, "model", forecast->model->model->name);
  cJSON_AddStringToObject(object, "data", forecast->series->path);
  cJSON_AddStringToObject(object, "split", series_split_name(options->split));
  cJSON_AddNumberToObject(object, "windows", (double)score->windows);
  cJSON_AddNumberToObject(object, loss_name(forecast->model->model), score->loss);
  for (uint32_t m = 0; m < score->metric_count; m++) {
    cJSON_AddNumberToObject(object, metric_name(forecast->model, m), score->metric[m]);
  }
  cJSON_AddNumberToObject(object, "repeat_last_mse", last.mse);
  cJSON_AddNumberToObject(object, "repeat_last_mae", last.mae);
  char *text = cJSON_PrintUnformatted(object);
  cJSON_Delete(object);
  if (!text) return error_set_memory(error, "the result");
  puts(text);
  cJSON_free(text);
  return SIMBA_OK;
}

static simba_status evaluate(EvalOptions *options, Forecast *forecast, simba_error *error) {
  simba_status status = simba_model_load_weights_from(forecast->model, &options->weights);
  report_model_weights(&options->common, options->weights.path, forecast->model);
  if (status != SIMBA_OK) return error_set(error, status, "%s", simba_model_message(forecast->model));
  simba_trainer *trainer = NULL;
  SplitScore score;
  status = trainer_create_for_evaluation(forecast->model, &trainer, error);
  if (status == SIMBA_OK) {
    status = forecast_score(forecast, trainer, options->split, options->batch, show_progress, options, &score, error);
  }
  simba_trainer_destroy(trainer);
  if (options->terminal) fputs("\r\033[K", stderr);
  if (status == SIMBA_OK && options->json)
    status = print_json(options, forecast, &score, error);
  else if (status == SIMBA_OK)
    print_text(options, forecast, &score);
  if (status == SIMBA_OK && options->picture)
    status = forecast_picture(forecast, options->split, options->picture, error);
  if (status == SIMBA_OK && options->picture && !options->common.quiet) {
    fprintf(stderr, "forecasts beside the truth in %s\n", options->picture);
  }
  return status;
}

static int eval_model(EvalOptions *options) {
  options->forecast.model_path = options->common.model_path;
  options->forecast.compiler = options->common.compiler;
  options->terminal = isatty(STDERR_FILENO) && !options->common.quiet;
  Forecast forecast;
  simba_error error = {0};
  simba_status status = forecast_open(&options->forecast, &forecast, &error);
  if (forecast.compiler) report_diagnostics(&options->common, forecast.compiler);
  if (status == SIMBA_OK) status = evaluate(options, &forecast, &error);
  if (forecast.compiler) report_compilation(&options->common, forecast.compiler);
  int code = report_failure(status, &error);
  forecast_close(&forecast);
  return code;
}

int command_eval(int argc, char **argv) {
  static const struct argp_child children[] = {{&common_argp, 0, 0, 10}, {&weights_argp, 0, 0, 5}, {0}};
  static const struct argp parser = {
      .options = eval_options,
      .parser = parse_eval,
      .args_doc = "MODEL",
      .doc =
          "Loss and metrics of trained weights over all windows of a split.\v"
          "Example:\n"
          "  simbac eval examples/forecaster.simba --weights run/weights.safetensors \\\n"
          "      --data examples/data/seattle-hourly.csv --picture forecast.png\n",
      .children = children};
  EvalOptions options = {.split = SPLIT_TEST, .batch = 256};
  common_begin(&options.common);
  argp_parse(&parser, argc, argv, 0, NULL, &options);
  int code = eval_model(&options);
  common_end(&options.common);
  return code;
}
