/* Windows of a series: one input [B, lookback, channels], one target [B, horizon, channels]. */
#include "chart.h"
#include "data_source.h"
#include "example_series.h"
#include "fingerprint.h"
#include "runtime/random.h"
#include "runtime/series.h"
#include "standardisation.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct SeriesSource {
  DataSource base;
  Series *series;
  uint32_t output; /* of the model: what is drawn as the forecast */
  int64_t lookback, horizon, channels;
} SeriesSource;

typedef struct SeriesStream {
  DataStream base;
  int64_t *order; /* the windows of this epoch */
  int64_t done;   /* batches */
  float *x, *y;
  const float *input[1], *target[1];
} SeriesStream;

static SeriesSource *source_of(DataSource *data) { return (SeriesSource *)data; }
static const Series *series_of(const DataSource *data) { return ((const SeriesSource *)data)->series; }

/* ---- Opening ---- */

static simba_status load_series(const char *path, Series **out_series, simba_error *error) {
  if (path) return series_load(path, out_series, error);
  const EmbeddedText *example = &example_series[0];
  return series_parse(example->name, example->text, strlen(example->text), out_series, error);
}

static simba_status open_series(const DataRequest *request, DataSource **out_data, simba_error *error) {
  if (request->label_maps)
    return error_set(error, SIMBA_INVALID_ARGUMENT, "label maps are for images, and the recipe's data is a series");
  SeriesSource *source = memory_allocate_aligned(1, sizeof *source);
  if (!source) return error_set_memory(error, "a series");
  simba_status status = load_series(request->path, &source->series, error);
  if (status != SIMBA_OK) {
    free(source);
    return status;
  }
  source->base = (DataSource){&series_kind, source->series->path};
  *out_data = &source->base;
  return SIMBA_OK;
}

static void close_series(DataSource *data) {
  series_destroy(source_of(data)->series);
  free(data);
}

static uint32_t follow_series(const DataSource *data, const Recipe *recipe, Arena *arena,
                              simba_setting out_settings[DATA_MAX_FOLLOWED]) {
  if (!recipe->data_channels) return 0;
  const char *channels = arena_format(arena, "%lld", (long long)series_of(data)->channels);
  out_settings[0] = (simba_setting){recipe->data_channels, channels};
  return 1;
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

/* The output that has the target's shape is what is drawn as the forecast. */
static simba_status bind_series(DataSource *data, const char *model_path, const Model *model, simba_error *error) {
  SeriesSource *source = source_of(data);
  int32_t input = data_find_tensor(model->input, model->input_count, model->recipe.data_input);
  int32_t target = data_find_tensor(model->target, model->target_count, model->recipe.data_target);
  if (input < 0 || target < 0 || model->input_count != 1 || model->target_count != 1) {
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "%s: a forecaster has one input and one target, named in recipe data series(...)", model_path);
  }
  source->channels = source->series->channels;
  simba_status status =
      window_shape(model_path, &model->input[0], "lookback", source->channels, &source->lookback, error);
  if (status == SIMBA_OK)
    status = window_shape(model_path, &model->target[0], "horizon", source->channels, &source->horizon, error);
  if (status != SIMBA_OK) return status;
  uint32_t index = 0;
  bool found = false;
  for (uint32_t k = 0; k < model->graph->output_count && !found; k++) {
    const Output *output = &model->graph->output[k];
    if (output->kind != OUTPUT_VALUE) continue;
    found = shape_equal(graph_shape(model->graph, output->node), &model->target[0].shape);
    if (found) source->output = index;
    index++;
  }
  if (found) return series_prepare(source->series, source->lookback, source->horizon, error);
  return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: no output has the shape of the target '%s'", model_path,
                   model->target[0].name);
}

static int64_t count_windows(const DataSource *data, DataSplit split) {
  return series_window_count(series_of(data), split);
}

/* ---- Batches ---- */

static void close_windows(DataStream *base) {
  SeriesStream *stream = (SeriesStream *)base;
  free(stream->order);
  free(stream->x);
  free(stream->y);
  free(stream);
}

static simba_status open_windows(DataSource *data, const StreamOptions *options, DataStream **out_stream,
                                 simba_error *error) {
  const SeriesSource *source = source_of(data);
  SeriesStream *stream = memory_allocate_aligned(1, sizeof *stream);
  if (!stream) return error_set_memory(error, "batches of windows");
  int64_t windows = count_windows(data, options->split);
  stream->base = (DataStream){data, *options, (windows + options->batch - 1) / options->batch, windows};
  size_t rows = (size_t)(options->batch * source->channels);
  stream->order = memory_allocate((size_t)windows, sizeof *stream->order);
  stream->x = memory_allocate_aligned(rows * (size_t)source->lookback + 16, sizeof *stream->x);
  stream->y = memory_allocate_aligned(rows * (size_t)source->horizon + 16, sizeof *stream->y);
  if (!stream->order || !stream->x || !stream->y) {
    close_windows(&stream->base);
    return error_set_memory(error, "batches of windows");
  }
  stream->input[0] = stream->x;
  stream->target[0] = stream->y;
  *out_stream = &stream->base;
  return SIMBA_OK;
}

static void start_windows(DataStream *base, int64_t epoch, int64_t first_batch) {
  SeriesStream *stream = (SeriesStream *)base;
  if (base->options.training)
    random_shuffle(base->options.seed, (uint64_t)epoch, base->samples, stream->order);
  else
    for (int64_t k = 0; k < base->samples; k++) stream->order[k] = k;
  stream->done = first_batch;
}

static simba_status next_windows(DataStream *base, DataBatch *out_batch, simba_error *error) {
  (void)error;
  SeriesStream *stream = (SeriesStream *)base;
  int64_t begin = stream->done * base->options.batch, left = base->samples - begin;
  int64_t count = left < 0 ? 0 : left < base->options.batch ? left : base->options.batch;
  series_gather(series_of(base->data), base->options.split, stream->order + (count ? begin : 0), count, stream->x,
                stream->y);
  stream->done++;
  *out_batch = (DataBatch){count, stream->input, stream->target};
  return SIMBA_OK;
}

static simba_status gather_windows(DataSource *data, DataSplit split, const int64_t *windows, int64_t count,
                                   float *const *out_inputs, simba_error *error) {
  (void)error;
  series_gather(series_of(data), split, windows, count, out_inputs[0], NULL);
  return SIMBA_OK;
}

/* ---- What there is ---- */

static uint64_t fingerprint_series(DataSource *data) {
  const Series *series = series_of(data);
  return fingerprint_bytes(FINGERPRINT_START, series->values,
                           (size_t)(series->rows * series->channels) * sizeof *series->values);
}

static uint32_t series_metadata(const DataSource *data, Arena *arena, TensorMetadata out_metadata[DATA_MAX_METADATA]) {
  standardisation_metadata(series_of(data), arena, out_metadata);
  return STANDARDISATION_KEYS;
}

static void describe_series(const DataSource *data, Text *out) {
  const Series *series = series_of(data);
  for (size_t k = 0; k < series->warning_count; k++) text_print(out, "warning: %s\n", series->warning[k]);
  text_print(out, "%s: %lld rows of %lld channels; %lld / %lld / %lld windows to train, validate, test (%s)\n",
             series->path, (long long)series->rows, (long long)series->channels,
             (long long)series_window_count(series, SPLIT_TRAIN),
             (long long)series_window_count(series, SPLIT_VALIDATION),
             (long long)series_window_count(series, SPLIT_TEST), series->protocol);
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

static void picture_fill(Picture *picture, const SeriesSource *source, int64_t channel, const float *x, const float *y,
                         const float *predicted) {
  const Series *series = source->series;
  int64_t lookback = source->lookback, horizon = source->horizon, channels = source->channels;
  double mean = series->mean[channel], deviation = series->deviation[channel];
  for (int64_t t = 0; t < lookback + horizon; t++) {
    bool past = t < lookback;
    float truth = past ? x[t * channels + channel] : y[(t - lookback) * channels + channel];
    picture->time[t] = (double)(t + 1 - lookback); /* 0: the last row that is known */
    picture->truth[t] = mean + deviation * (double)truth;
    picture->predicted[t] =
        past ? (double)NAN : mean + deviation * (double)predicted[(t - lookback) * channels + channel];
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

static simba_status draw_forecast(const SeriesSource *source, simba_model *model, DataSplit split, const char *path,
                                  simba_error *error) {
  int64_t windows = series_window_count(source->series, split), window = windows / 2;
  size_t x_size = (size_t)(source->lookback * source->channels);
  size_t y_size = (size_t)(source->horizon * source->channels);
  size_t count = source->channels < PICTURE_CHANNELS ? (size_t)source->channels : PICTURE_CHANNELS;
  Picture pictures[PICTURE_CHANNELS] = {0};
  float *x = memory_allocate_aligned(x_size + 2 * y_size + 16, sizeof *x);
  float **outputs = memory_allocate_aligned(simba_model_count(model, SIMBA_OUTPUT) + 1, sizeof *outputs);
  bool allocated = x && outputs;
  for (size_t k = 0; k < count; k++) {
    allocated &= picture_allocate(&pictures[k], (size_t)(source->lookback + source->horizon));
  }
  simba_status status = allocated ? SIMBA_OK : error_set_memory(error, "a picture");
  if (status == SIMBA_OK) {
    const float *inputs[] = {x};
    series_gather(source->series, split, &window, 1, x, x + x_size);
    outputs[source->output] = x + x_size + y_size;
    status = simba_model_infer(model, 1, inputs, outputs);
    if (status != SIMBA_OK) error_set(error, status, "%s", simba_model_message(model));
  }
  if (status == SIMBA_OK) {
    for (size_t k = 0; k < count; k++) {
      int64_t channel = (int64_t)k * source->channels / (int64_t)count;
      picture_fill(&pictures[k], source, channel, x, x + x_size, x + x_size + y_size);
    }
    char x_label[96];
    snprintf(x_label, sizeof x_label, "steps from now (window %lld of %lld of the %s split)", (long long)window + 1,
             (long long)windows, data_split_name(split));
    status = draw_pictures(pictures, count, x_label, path, error);
  }
  for (size_t k = 0; k < count; k++) free(pictures[k].time);
  free(outputs);
  free(x);
  return status;
}

static simba_status examine_series(DataSource *data, simba_model *model, const Examination *examination,
                                   Text *out_lines, cJSON *object, simba_error *error) {
  SeriesBaseline last = series_repeat_last(series_of(data), examination->split);
  if (object) {
    cJSON_AddNumberToObject(object, "repeat_last_mse", last.mse);
    cJSON_AddNumberToObject(object, "repeat_last_mae", last.mae);
  }
  text_print(out_lines, "  repeating the last value: mse %.6f, mae %.6f\n", last.mse, last.mae);
  if (examination->mistakes)
    return error_set(error, SIMBA_INVALID_ARGUMENT, "mistakes are those of classifiers: a forecaster has none to show");
  if (!examination->picture) return SIMBA_OK;
  return draw_forecast(source_of(data), model, examination->split, examination->picture, error);
}

/* A series is read as a whole or not at all. */
static void remark_series(const DataSource *data, Text *out) {
  (void)data;
  (void)out;
}

const DataKind series_kind = {.samples = "windows",
                              .open = open_series,
                              .close = close_series,
                              .follow = follow_series,
                              .bind = bind_series,
                              .count = count_windows,
                              .open_stream = open_windows,
                              .start = start_windows,
                              .next = next_windows,
                              .close_stream = close_windows,
                              .gather = gather_windows,
                              .fingerprint = fingerprint_series,
                              .metadata = series_metadata,
                              .describe = describe_series,
                              .remark = remark_series,
                              .examine = examine_series};
