#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "series_internal.h"

static void drop_warnings(Series *series, size_t kept) {
  while (series->warning_count > kept) free(series->warning[--series->warning_count]);
}

void series_destroy(Series *series) {
  if (!series) return;
  drop_warnings(series, 0);
  for (int64_t i = 0; i < series->channels; i++) free(series->channel[i]);
  free(series->channel);
  free(series->warning);
  free(series->mean);
  free(series->deviation);
  free(series->values);
  free(series->scaled);
  free(series->path);
  free(series);
}

simba_status series_warn(Series *series, simba_error *error, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  size_t size = strlen(series->path) + strlen(text) + 3;
  char **larger = realloc(series->warning, (series->warning_count + 1) * sizeof *larger);
  if (larger) series->warning = larger;
  char *warning = larger ? memory_allocate(size, 1) : NULL;
  if (!warning) return error_set_memory(error, series->path);
  snprintf(warning, size, "%s: %s", series->path, text);
  series->warning[series->warning_count++] = warning;
  return SIMBA_OK;
}

/* ---- Splits ---- */

/* Rows in an hour of the ETT series that the file's name stands for; 0 for any other series. */
static int64_t transformer_rate(const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  size_t length = strcspn(name, ".");
  if (length != 5 || strncmp(name, "ETT", 3) != 0 || (name[4] != '1' && name[4] != '2')) return 0;
  return name[3] == 'h' ? 1 : name[3] == 'm' ? 4 : 0;
}

/* Where each split ends, counted in rows. */
static simba_status split_ends(Series *series, int64_t ends[SPLIT_COUNT], simba_error *error) {
  int64_t rate = transformer_rate(series->path), month = rate * 24 * 30;
  if (rate == 0) {
    series->protocol = "70/10/20";
    ends[SPLIT_TRAIN] = (int64_t)((double)series->rows * 0.7);
    ends[SPLIT_TEST] = series->rows;
    ends[SPLIT_VALIDATION] = series->rows - (int64_t)((double)series->rows * 0.2);
    return SIMBA_OK;
  }
  series->protocol = rate == 1 ? "ETTh" : "ETTm";
  ends[SPLIT_TRAIN] = 12 * month;
  ends[SPLIT_VALIDATION] = 16 * month;
  ends[SPLIT_TEST] = 20 * month;
  if (series->rows >= ends[SPLIT_TEST]) return SIMBA_OK;
  return error_set(
      error, SIMBA_DATA_ERROR,
      "%s: too few rows: %lld, but the published splits of %s need %lld (another file name gives 70/10/20)",
      series->path, (long long)series->rows, series->protocol, (long long)ends[SPLIT_TEST]);
}

static simba_status set_splits(Series *series, simba_error *error) {
  int64_t ends[SPLIT_COUNT], start = 0;
  simba_status status = split_ends(series, ends, error);
  if (status) return status;
  for (int split = 0; split < SPLIT_COUNT; split++) {
    int64_t context = split == SPLIT_TRAIN ? 0 : series->lookback;
    int64_t needed = series->lookback + series->horizon - context, own = ends[split] - start;
    if (own < needed) /* else the split before it has rows enough to look back into */
      return error_set(
          error, SIMBA_DATA_ERROR,
          "%s: too few rows: %lld in all, %lld for %s, where one window of look-back %lld and horizon %lld "
          "needs %lld",
          series->path, (long long)series->rows, (long long)own, data_split_name((SeriesSplit)split),
          (long long)series->lookback, (long long)series->horizon, (long long)needed);
    series->begin[split] = start - context;
    series->end[split] = start = ends[split];
  }
  return SIMBA_OK;
}

/* ---- Standardisation ---- */

static simba_status fail_size(const Series *series, int64_t channel, simba_error *error) {
  return error_set(error, SIMBA_DATA_ERROR, "%s: the values of channel '%.200s' are too large to standardise",
                   series->path, series->channel[channel]);
}

/* Neumaier's sum: what each addition rounds off is summed beside. A plain sum of thousands of equal values is so far
 * off that they would not pass for equal. */
static double sum_channel(const double *values, int64_t rows, int64_t channels) {
  double sum = 0, lost = 0;
  for (int64_t t = 0; t < rows; t++) {
    double value = values[t * channels], next = sum + value;
    lost += fabs(sum) >= fabs(value) ? (sum - next) + value : (value - next) + sum;
    sum = next;
  }
  return sum + lost;
}

/* Of one channel over its training rows. */
static void fit_channel(const Series *series, int64_t channel, double *out_mean, double *out_deviation) {
  const int64_t rows = series->end[SPLIT_TRAIN], channels = series->channels;
  const double *values = series->values + channel;
  double mean = sum_channel(values, rows, channels) / (double)rows, squares = 0;
  for (int64_t t = 0; t < rows; t++) {
    double difference = values[t * channels] - mean;
    squares += difference * difference;
  }
  *out_mean = mean;
  *out_deviation = sqrt(squares / (double)rows);
}

static simba_status standardise(Series *series, simba_error *error) {
  const int64_t channels = series->channels;
  for (int64_t c = 0; c < channels; c++) {
    double mean, deviation;
    fit_channel(series, c, &mean, &deviation);
    if (!isfinite(mean) || !isfinite(deviation)) return fail_size(series, c, error);
    if (deviation <= 10 * DBL_EPSILON * fabs(mean)) { /* what rounding leaves of 0 */
      deviation = 1;
      simba_status status =
          series_warn(series, error, "channel '%.200s' is constant in the training rows", series->channel[c]);
      if (status) return status;
    }
    series->mean[c] = mean;
    series->deviation[c] = deviation;
    for (int64_t t = 0; t < series->rows; t++) {
      float scaled = (float)((series->values[t * channels + c] - mean) / deviation);
      if (!isfinite(scaled)) return fail_size(series, c, error);
      series->scaled[t * channels + c] = scaled;
    }
  }
  return SIMBA_OK;
}

simba_status series_prepare(Series *series, int64_t lookback, int64_t horizon, simba_error *error) {
  if (lookback < 1 || horizon < 1 || lookback > INT32_MAX || horizon > INT32_MAX)
    return error_set(error, SIMBA_INVALID_ARGUMENT, "look-back %lld and horizon %lld: expected 1 or more",
                     (long long)lookback, (long long)horizon);
  drop_warnings(series, series->load_warning_count);
  series->lookback = lookback;
  series->horizon = horizon;
  simba_status status = set_splits(series, error);
  if (status) return status;
  if (!series->scaled) {
    series->mean = memory_allocate((size_t)series->channels, sizeof *series->mean);
    series->deviation = memory_allocate((size_t)series->channels, sizeof *series->deviation);
    series->scaled = memory_allocate((size_t)(series->rows * series->channels), sizeof *series->scaled);
    if (!series->mean || !series->deviation || !series->scaled) return error_set_memory(error, series->path);
  }
  return standardise(series, error);
}

/* ---- Windows ---- */

int64_t series_window_count(const Series *series, SeriesSplit split) {
  return series->end[split] - series->begin[split] - series->lookback - series->horizon + 1;
}

void series_gather(const Series *series, SeriesSplit split, const int64_t *windows, int64_t count, float *out_x,
                   float *out_y) {
  const int64_t x_size = series->lookback * series->channels, y_size = series->horizon * series->channels;
  for (int64_t i = 0; i < count; i++) {
    const float *start = series->scaled + (series->begin[split] + windows[i]) * series->channels;
    if (out_x) memcpy(out_x + i * x_size, start, (size_t)x_size * sizeof *start);
    if (out_y) memcpy(out_y + i * y_size, start + x_size, (size_t)y_size * sizeof *start);
  }
}

SeriesBaseline series_repeat_last(const Series *series, SeriesSplit split) {
  const int64_t channels = series->channels, windows = series_window_count(series, split);
  double squares = 0, sum = 0;
  for (int64_t i = 0; i < windows; i++) {
    const float *next = series->scaled + (series->begin[split] + i + series->lookback) * channels;
    const float *last = next - channels;
    for (int64_t k = 0; k < series->horizon * channels; k++) {
      double difference = (double)last[k % channels] - (double)next[k];
      squares += difference * difference;
      sum += fabs(difference);
    }
  }
  double count = (double)windows * (double)(series->horizon * channels);
  return (SeriesBaseline){.mse = squares / count, .mae = sum / count, .windows = windows};
}
