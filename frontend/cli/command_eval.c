#include "weights_options.h"

#include "frontend/driver/task.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_WEIGHTS = 0x100, KEY_DATA, KEY_SPLIT, KEY_JSON, KEY_BATCH, KEY_PICTURE, KEY_MISTAKES };

typedef struct EvalOptions {
  CommonOptions common;
  TaskOptions task;
  simba_weights_source weights;
  const char *picture, *mistakes;
  DataSplit split;
  int64_t batch;
  bool json, terminal;
  const char *samples; /* "images" */
} EvalOptions;

static const struct argp_option eval_options[] = {
    {"weights", KEY_WEIGHTS, WEIGHTS_ARGUMENT, 0, "Trained weights", 1},
    {"data", KEY_DATA, "FILE|FOLDER", 0, "The series or images they were trained on (default: as that of train)", 1},
    {"split", KEY_SPLIT, "test|val|train", 0, "Which part of it (default test)", 1},
    {"batch", KEY_BATCH, "N", 0, "Windows or images at a time (default 256); results differ by rounding only", 1},
    {"picture", KEY_PICTURE, "FILE.png|FILE.svg", 0, "Draw forecasts beside the truth, or the confusion matrix", 1},
    {"mistakes", KEY_MISTAKES, "FILE.png", 0, "Draw the images that were surest taken for another class", 1},
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
      options->task.data_path = argument;
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
    case KEY_MISTAKES:
      options->mistakes = argument;
      return 0;
    case KEY_JSON:
      options->json = true;
      return 0;
    case KEY_SPLIT:
      for (int split = 0; split < SPLIT_COUNT; split++) {
        if (strcmp(argument, data_split_name((DataSplit)split)) != 0) continue;
        options->split = (DataSplit)split;
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
  if (options->terminal)
    fprintf(stderr, "\r\033[K%lld of %lld %s", (long long)done, (long long)total, options->samples);
  return true;
}

static const char *loss_name(const Model *model) {
  for (uint32_t k = 0; k < model->graph->output_count; k++) {
    if (model->graph->output[k].kind == OUTPUT_LOSS) return model->graph->output[k].name;
  }
  return "loss";
}

static void print_text(const EvalOptions *options, const Task *task, const SplitScore *score) {
  printf("%s, %lld %s of %s\n", data_split_name(options->split), (long long)score->samples, options->samples,
         task->data->path);
  printf("  %-10s %.6f\n", loss_name(task->model->model), score->loss);
  for (uint32_t m = 0; m < score->metric_count; m++) {
    printf("  %-10s %.6f\n", model_metric_name(task->model, m), score->metric[m]);
  }
}

static cJSON *json_of(const EvalOptions *options, const Task *task, const SplitScore *score) {
  cJSON *object = cJSON_CreateObject();
  cJSON_AddStringToObject(object, "model", task->model->model->name);
  char *path = arena_format(options->common.arena, "%s", task->data->path); /* JSON is UTF-8, a path any bytes */
  text_make_printable(path);
  cJSON_AddStringToObject(object, "data", path);
  cJSON_AddStringToObject(object, "split", data_split_name(options->split));
  cJSON_AddNumberToObject(object, options->samples, (double)score->samples);
  cJSON_AddNumberToObject(object, loss_name(task->model->model), score->loss);
  for (uint32_t m = 0; m < score->metric_count; m++)
    cJSON_AddNumberToObject(object, model_metric_name(task->model, m), score->metric[m]);
  return object;
}

/* Scores, then what the data shows of them; printed once all is well. */
static simba_status show_scores(EvalOptions *options, Task *task, const SplitScore *score, simba_error *error) {
  Text lines = text_begin(options->common.arena);
  cJSON *object = options->json ? json_of(options, task, score) : NULL;
  const Examination examination = {options->split,    options->batch, options->picture,
                                   options->mistakes, show_progress,  options};
  simba_status status = task->data->kind->examine(task->data, task->model, &examination, &lines, object, error);
  if (options->terminal) fputs("\r\033[K", stderr);
  char *text = object && status == SIMBA_OK ? cJSON_PrintUnformatted(object) : NULL;
  cJSON_Delete(object);
  if (status != SIMBA_OK) return status;
  if (options->json && !text) return error_set_memory(error, "the result");
  if (!options->json) print_text(options, task, score);
  printf("%s%s", options->json ? text : lines.data, options->json ? "\n" : "");
  cJSON_free(text);
  if (options->common.quiet) return SIMBA_OK;
  Text remarks = text_begin(options->common.arena);
  task->data->kind->remark(task->data, &remarks);
  fputs(remarks.data, stderr);
  if (options->picture) fprintf(stderr, "picture in %s\n", options->picture);
  if (options->mistakes) fprintf(stderr, "mistakes in %s\n", options->mistakes);
  return SIMBA_OK;
}

static simba_status evaluate(EvalOptions *options, Task *task, simba_error *error) {
  simba_status status = simba_model_load_weights_from(task->model, &options->weights);
  report_model_weights(&options->common, options->weights.path, task->model);
  if (status != SIMBA_OK) return error_set(error, status, "%s", simba_model_message(task->model));
  simba_trainer *trainer = NULL;
  SplitScore score;
  options->samples = task->data->kind->samples;
  status = trainer_create_for_evaluation(task->model, &trainer, error);
  if (status == SIMBA_OK)
    status = task_score(task, trainer, options->split, options->batch, show_progress, options, &score, error);
  simba_trainer_destroy(trainer);
  if (options->terminal) fputs("\r\033[K", stderr);
  if (status == SIMBA_OK && !isfinite(score.loss))
    return error_set(error, SIMBA_NOT_FINITE,
                     "the loss over the %s split is not finite: %s or the data hold numbers "
                     "that are none, or too large",
                     data_split_name(options->split), options->weights.path);
  return status == SIMBA_OK ? show_scores(options, task, &score, error) : status;
}

static int eval_model(EvalOptions *options) {
  options->task.model_path = options->common.model_path;
  options->task.compiler = options->common.compiler;
  options->terminal = isatty(STDERR_FILENO) && !options->common.quiet;
  Task task;
  simba_error error = {0};
  simba_status status = task_open(&options->task, &task, &error);
  if (task.compiler) report_diagnostics(&options->common, task.compiler);
  if (status == SIMBA_OK) status = evaluate(options, &task, &error);
  if (task.compiler) report_compilation(&options->common, task.compiler);
  int code = report_failure(status, &error);
  task_close(&task);
  return code;
}

int command_eval(int argc, char **argv) {
  static const struct argp_child children[] = {{&common_argp, 0, 0, 10}, {&weights_argp, 0, 0, 5}, {0}};
  static const struct argp parser = {
      .options = eval_options,
      .parser = parse_eval,
      .args_doc = "MODEL",
      .doc =
          "Loss and metrics of trained weights over all windows or images of a split.\v"
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
