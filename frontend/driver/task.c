#include "task.h"

#include <stdlib.h>
#include <string.h>

static bool has_setting(const CompilerOptions *options, const char *name) {
  for (uint32_t k = 0; k < options->setting_count; k++) {
    if (!strcmp(options->setting[k].name, name)) return true;
  }
  return false;
}

/* Those of the data's settings that are not set and differ from what the model was elaborated with, behind those that
 * are. */
static bool follow_data(const TaskOptions *options, const Task *task, CompilerOptions *out_options) {
  const Model *model = task->compiler->infer;
  Arena *arena = task->compiler->arena;
  simba_setting followed[DATA_MAX_FOLLOWED];
  uint32_t count = task->data->kind->follow(task->data, &model->recipe, arena, followed);
  *out_options = options->compiler;
  simba_setting *settings = ARENA_ARRAY(arena, simba_setting, options->compiler.setting_count + count + 1);
  if (options->compiler.setting_count)
    memcpy(settings, options->compiler.setting, options->compiler.setting_count * sizeof *settings);
  for (uint32_t k = 0; k < count; k++) {
    if (has_setting(&options->compiler, followed[k].name)) continue;
    for (uint32_t i = 0; i < model->setting_count; i++) {
      const ModelSetting *setting = &model->setting[i];
      if (strcmp(setting->name, followed[k].name) != 0 || !strcmp(setting->text, followed[k].value)) continue;
      settings[out_options->setting_count++] = followed[k];
    }
  }
  out_options->setting = settings;
  return out_options->setting_count > options->compiler.setting_count;
}

/* Compiles once to read the recipe, and again where the data has another number of channels than the default. */
static simba_status open_both(const TaskOptions *options, Task *task, simba_error *error) {
  simba_status status = compiler_open(options->model_path, &options->compiler, &task->compiler, error);
  if (status != SIMBA_OK) return status;
  const Recipe *recipe = &task->compiler->infer->recipe;
  if (!recipe->data_input || !recipe->data_target) {
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "%s: the recipe does not say which input and target hold the data; add to it: "
                     "data series(input = x, target = target), or data images(input = x, target = labels)",
                     options->model_path);
  }
  const DataRequest request = {options->data_path, options->label_maps, recipe};
  status = data_open(&request, &task->data, error);
  CompilerOptions with;
  if (status != SIMBA_OK || !follow_data(options, task, &with)) return status;
  Compiler *first = task->compiler;
  task->compiler = NULL;
  status = compiler_open(options->model_path, &with, &task->compiler, error);
  compiler_close(first);
  return status;
}

simba_status task_open(const TaskOptions *options, Task *out_task, simba_error *error) {
  *out_task = (Task){0};
  simba_status status = open_both(options, out_task, error);
  if (status != SIMBA_OK) return status;
  Compiler *compiler = out_task->compiler;
  status = out_task->data->kind->bind(out_task->data, options->model_path, compiler->infer, error);
  if (status != SIMBA_OK) return status;
  out_task->seed = options->seed_given ? options->seed : (uint64_t)compiler->infer->recipe.seed;
  simba_options model_options = {.size = sizeof model_options,
                                 .threads = options->compiler.threads,
                                 .training = options->training,
                                 .seed = out_task->seed};
  status = model_create(compiler, &model_options, &out_task->model, error);
  if (status != SIMBA_OK) out_task->compiler = NULL; /* model_create took it */
  return status;
}

void task_close(Task *task) {
  data_close(task->data);
  if (task->model)
    simba_model_destroy(task->model);
  else
    compiler_close(task->compiler);
  *task = (Task){0};
}

simba_status task_score(Task *task, simba_trainer *trainer, DataSplit split, int64_t batch, DataProgress *progress,
                        void *context, SplitScore *out_score, simba_error *error) {
  int64_t total = task->data->kind->count(task->data, split), done = 0;
  if (total == 0) {
    return error_set(error, SIMBA_DATA_ERROR, "%s: there are no %s in the %s split", task->data->path,
                     task->data->kind->samples, data_split_name(split));
  }
  const StreamOptions options = {.split = split, .batch = batch < total ? batch : total};
  DataStream *stream;
  simba_status status = data_stream_open(task->data, &options, &stream, error);
  if (status != SIMBA_OK) return status;
  SplitScore score = {.metric_count = trainer->metric_count, .samples = total};
  data_stream_start(stream, 0, 0);
  while (status == SIMBA_OK && done < total) {
    float loss, metrics[MODEL_MAX_METRICS];
    DataBatch taken;
    status = data_stream_next(stream, &taken, error);
    if (status != SIMBA_OK) break;
    status = simba_trainer_evaluate(trainer, taken.count, taken.inputs, taken.targets, &loss, metrics);
    if (status != SIMBA_OK) {
      error_set(error, status, "%s", simba_trainer_message(trainer));
      break;
    }
    score.loss += (double)loss * (double)taken.count;
    for (uint32_t m = 0; m < score.metric_count; m++) score.metric[m] += (double)metrics[m] * (double)taken.count;
    done += taken.count;
    if (progress && !progress(context, done, total)) status = error_set(error, SIMBA_INTERRUPTED, "interrupted");
  }
  data_stream_close(stream);
  score.loss /= (double)total;
  for (uint32_t m = 0; m < score.metric_count; m++) score.metric[m] /= (double)total;
  if (status == SIMBA_OK) *out_score = score;
  return status;
}

const char *model_metric_name(const simba_model *model, uint32_t k) {
  const Graph *graph = model->model->graph;
  for (uint32_t i = 0; i < graph->output_count; i++) {
    if (graph->output[i].kind == OUTPUT_METRIC && k-- == 0) return graph->output[i].name;
  }
  return NULL;
}
