#include "forecast_data.h"

#include "chart.h"
#include "example_series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Opening ---- */

static bool has_setting(const CompilerOptions *options, const char *name) {
  for (uint32_t k = 0; k < options->setting_count; k++) {
    if (!strcmp(options->setting[k].name, name)) return true;
  }
  return false;
}

/* Compiles once to read the recipe, and again where the data has another number of channels than the default. */
static simba_status open_model(const ForecastOptions *options, Forecast *forecast, simba_error *error) {
  simba_status status = compiler_open(options->model_path, &options->compiler, &forecast->compiler, error);
  if (status != SIMBA_OK) return status;
  const Recipe *recipe = &forecast->compiler->infer->recipe;
  if (!recipe->data_input || !recipe->data_target) {
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "%s: the recipe does not say which input and target hold the series; add to it: "
                     "data series(input = x, target = target)",
                     options->model_path);
  }
  if (!recipe->data_channels || has_setting(&options->compiler, recipe->data_channels)) return SIMBA_OK;
  CompilerOptions with = options->compiler;
  simba_setting *settings = ARENA_ARRAY(forecast->compiler->arena, simba_setting, with.setting_count + 1);
  if (with.setting_count) memcpy(settings, with.setting, with.setting_count * sizeof *settings);
  settings[with.setting_count++] = (simba_setting){
      recipe->data_channels, arena_format(forecast->compiler->arena, "%lld", (long long)forecast->series->channels)};
  with.setting = settings;
  Compiler *first = forecast->compiler;
  forecast->compiler = NULL;
  status = compiler_open(options->model_path, &with, &forecast->compiler, error);
  compiler_close(first);
  return status;
}

static int32_t find_tensor(const ModelTensor *tensors, uint32_t count, const char *name) {
  for (uint32_t k = 0; k < count; k++) {
    if (!strcmp(tensors[k].declared, name) || !strcmp(tensors[k].name, name)) return (int32_t)k;
  }
  return -1;
}

static simba_status window_shape(const char *path, const ModelTensor *tensor, const char *meaning, int64_t channels,
                                 int64_t *out_length, simba_error *error) {
  const Shape *shape = &tensor->shape;
  bool fits = shape->rank == 3 && !dim_is_constant(shape->dim[0]) && dim_is_constant(shape->dim[1]) &&
              dim_is_constant(shape->dim[2]);
  if (!fits) {
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "%s: '%s' must be [batch, %s, channels] to hold windows of a series", path, tensor->name, meaning);
  }
  if (shape->dim[2].factor != channels) {
    return error_set(error, SIMBA_DATA_ERROR, "%s: '%s' has %lld channels, but the data has %lld", path, tensor->name,
                     (long long)shape->dim[2].factor, (long long)channels);
  }
  *out_length = shape->dim[1].factor;
  return SIMBA_OK;
}

/* The output that has the target's shape: what is drawn as the forecast. */
static simba_status find_windows(const ForecastOptions *options, Forecast *forecast, simba_error *error) {
  const Model *model = forecast->compiler->infer;
  const Recipe *recipe = &model->recipe;
  int32_t input = find_tensor(model->input, model->input_count, recipe->data_input);
  int32_t target = find_tensor(model->target, model->target_count, recipe->data_target);
  if (input < 0 || target < 0 || model->input_count != 1 || model->target_count != 1) {
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "%s: a forecaster has one input and one target, named in recipe data series(...)",
                     options->model_path);
  }
  forecast->input = (uint32_t)input;
  forecast->target = (uint32_t)target;
  forecast->channels = forecast->series->channels;
  simba_status status = window_shape(options->model_path, &model->input[input], "lookback", forecast->channels,
                                     &forecast->lookback, error);
  if (status == SIMBA_OK) {
    status = window_shape(options->model_path, &model->target[target], "horizon", forecast->channels,
                          &forecast->horizon, error);
  }
  if (status != SIMBA_OK) return status;
  uint32_t index = 0;
  bool found = false;
  for (uint32_t k = 0; k < model->graph->output_count && !found; k++) {
    const Output *output = &model->graph->output[k];
    if (output->kind != OUTPUT_VALUE) continue;
    found = shape_equal(graph_shape(model->graph, output->node), &model->target[target].shape);
    if (found) forecast->output = index;
    index++;
  }
  if (found) return SIMBA_OK;
  return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: no output has the shape of the target '%s'", options->model_path,
                   model->target[target].name);
}

static simba_status load_series(const char *path, Series **out_series, simba_error *error) {
  if (path) return series_load(path, out_series, error);
  const EmbeddedText *example = &example_series[0];
  return series_parse(example->name, example->text, strlen(example->text), out_series, error);
}

simba_status forecast_open(const ForecastOptions *options, Forecast *out_forecast, simba_error *error) {
  *out_forecast = (Forecast){0};
  simba_status status = load_series(options->data_path, &out_forecast->series, error);
  if (status == SIMBA_OK) status = open_model(options, out_forecast, error);
  if (status == SIMBA_OK) status = find_windows(options, out_forecast, error);
  if (status == SIMBA_OK) {
    status = series_prepare(out_forecast->series, out_forecast->lookback, out_forecast->horizon, error);
  }
  if (status != SIMBA_OK) return status;
  Compiler *compiler = out_forecast->compiler;
  out_forecast->seed = options->seed_given ? options->seed : (uint64_t)compiler->infer->recipe.seed;
  simba_options model_options = {.size = sizeof model_options,
                                 .threads = options->compiler.threads,
                                 .training = options->training,
                                 .seed = out_forecast->seed};
  status = model_create(compiler, &model_options, &out_forecast->model, error);
  if (status != SIMBA_OK) out_forecast->compiler = NULL; /* model_create took it */
  return status;
}

void forecast_close(Forecast *forecast) {
  if (forecast->model)
    simba_model_destroy(forecast->model);
  else
    compiler_close(forecast->compiler);
  series_destroy(forecast->series);
  *forecast = (Forecast){0};
}

/* ---- Scores ---- */

simba_status forecast_score(Forecast *forecast, simba_trainer *trainer, SeriesSplit split, int64_t batch,
                            ForecastProgress *progress, void *context, SplitScore *out_score, simba_error *error) {
  int64_t total = series_window_count(forecast->series, split);
  if (batch > total) batch = total;
  size_t x_size = (size_t)(batch * forecast->lookback * forecast->channels);
  size_t y_size = (size_t)(batch * forecast->horizon * forecast->channels);
  float *x = memory_allocate_aligned(x_size + y_size + 16, sizeof *x);
  int64_t *windows = memory_allocate((size_t)batch, sizeof *windows);
  simba_status status = x && windows ? SIMBA_OK : error_set_memory(error, "a batch");
  SplitScore score = {.metric_count = trainer->metric_count, .windows = total};
  float metrics[MODEL_MAX_METRICS];
  for (int64_t done = 0; status == SIMBA_OK && done < total;) {
    int64_t count = total - done < batch ? total - done : batch;
    for (int64_t k = 0; k < count; k++) windows[k] = done + k;
    series_gather(forecast->series, split, windows, count, x, x + x_size);
    const float *inputs[] = {x}, *targets[] = {x + x_size};
    float loss;
    status = simba_trainer_evaluate(trainer, count, inputs, targets, &loss, metrics);
    if (status != SIMBA_OK) {
      error_set(error, status, "%s", simba_trainer_message(trainer));
      break;
    }
    score.loss += (double)loss * (double)count;
    for (uint32_t m = 0; m < score.metric_count; m++) score.metric[m] += (double)metrics[m] * (double)count;
    done += count;
    if (progress && !progress(context, done, total)) status = error_set(error, SIMBA_INTERRUPTED, "interrupted");
  }
  free(x);
  free(windows);
  score.loss /= (double)total;
  for (uint32_t m = 0; m < score.metric_count; m++) score.metric[m] /= (double)total;
  if (status == SIMBA_OK) *out_score = score;
  return status;
}

/* ---- The picture ---- */

enum { PICTURE_CHANNELS = 4, PICTURE_COLUMNS = 2 };

typedef struct Picture {
  double *time, *truth, *predicted; /* [lookback + horizon] of one channel */
  char title[128];
  ChartLine line[2];
} Picture;

static bool picture_allocate(Picture *picture, size_t length) {
  picture->time = memory_allocate(3 * length, sizeof(double));
  picture->truth = picture->time ? picture->time + length : NULL;
  picture->predicted = picture->time ? picture->time + 2 * length : NULL;
  return picture->time != NULL;
}

static void picture_fill(Picture *picture, const Forecast *forecast, int64_t channel, const float *x, const float *y,
                         const float *forecast_y) {
  const Series *series = forecast->series;
  int64_t lookback = forecast->lookback, horizon = forecast->horizon, channels = forecast->channels;
  double mean = series->mean[channel], deviation = series->deviation[channel];
  for (int64_t t = 0; t < lookback + horizon; t++) {
    bool past = t < lookback;
    float truth = past ? x[t * channels + channel] : y[(t - lookback) * channels + channel];
    picture->time[t] = (double)(t + 1 - lookback); /* 0: the last row that is known */
    picture->truth[t] = mean + deviation * (double)truth;
    picture->predicted[t] =
        past ? (double)NAN : mean + deviation * (double)forecast_y[(t - lookback) * channels + channel];
  }
  size_t title = (size_t)snprintf(picture->title, sizeof picture->title, "%.80s", series->channel[channel]);
  if (channels > PICTURE_CHANNELS) {
    snprintf(picture->title + title, sizeof picture->title - title, " (channel %lld of %lld)", (long long)channel + 1,
             (long long)channels);
  }
  size_t length = (size_t)(lookback + horizon);
  picture->line[0] = (ChartLine){"truth", picture->time, picture->truth, length, 0, false};
  picture->line[1] = (ChartLine){"forecast", picture->time, picture->predicted, length, 2, false};
}

static simba_status draw_pictures(Picture *pictures, size_t count, const char *x_label, const char *path,
                                  simba_error *error) {
  Chart charts[PICTURE_CHANNELS];
  for (size_t k = 0; k < count; k++) {
    charts[k] = (Chart){pictures[k].title, x_label, "in the units of the file", pictures[k].line, 2, 0, NULL};
  }
  return chart_write(charts, count, PICTURE_COLUMNS, 640, 300, path, error);
}

simba_status forecast_picture(Forecast *forecast, SeriesSplit split, const char *path, simba_error *error) {
  int64_t windows = series_window_count(forecast->series, split), window = windows / 2;
  size_t x_size = (size_t)(forecast->lookback * forecast->channels);
  size_t y_size = (size_t)(forecast->horizon * forecast->channels);
  size_t count = forecast->channels < PICTURE_CHANNELS ? (size_t)forecast->channels : PICTURE_CHANNELS;
  Picture pictures[PICTURE_CHANNELS] = {0};
  float *x = memory_allocate_aligned(x_size + 2 * y_size + 16, sizeof *x);
  float **outputs = memory_allocate_aligned(simba_model_count(forecast->model, SIMBA_OUTPUT) + 1, sizeof *outputs);
  bool allocated = x && outputs;
  for (size_t k = 0; k < count; k++) {
    allocated &= picture_allocate(&pictures[k], (size_t)(forecast->lookback + forecast->horizon));
  }
  simba_status status = allocated ? SIMBA_OK : error_set_memory(error, "a picture");
  if (status == SIMBA_OK) {
    const float *inputs[] = {x};
    series_gather(forecast->series, split, &window, 1, x, x + x_size);
    outputs[forecast->output] = x + x_size + y_size;
    status = simba_model_infer(forecast->model, 1, inputs, outputs);
    if (status != SIMBA_OK) error_set(error, status, "%s", simba_model_message(forecast->model));
  }
  if (status == SIMBA_OK) {
    for (size_t k = 0; k < count; k++) {
      int64_t channel = (int64_t)k * forecast->channels / (int64_t)count;
      picture_fill(&pictures[k], forecast, channel, x, x + x_size, x + x_size + y_size);
    }
    char x_label[96];
    snprintf(x_label, sizeof x_label, "steps from now (window %lld of %lld of the %s split)", (long long)window + 1,
             (long long)windows, series_split_name(split));
    status = draw_pictures(pictures, count, x_label, path, error);
  }
  for (size_t k = 0; k < count; k++) free(pictures[k].time);
  free(outputs);
  free(x);
  return status;
}
