/* Prints a forecast with the exported library of examples/forecaster.simba.
 *
 *   simbac compile examples/forecaster.simba --set channels=3 --weights run/weights.safetensors -o libforecaster.so
 *   cc examples/forecast.c -I. -L. -lforecaster -lm -o forecast
 *   ./forecast examples/data/seattle-hourly.csv
 *
 * The model works on standardised values: the header has each channel's mean and deviation from its training. The
 * look-back window is the last rows of the file. */
#include "forecaster.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHANNELS = 64, MAX_LINE = 4096 };

typedef struct Series {
  char header[MAX_LINE], *name[MAX_CHANNELS];
  int channels, date; /* date: 1 where the first column is one */
  long rows, capacity;
  double *value;
} Series;

/* Row 1 is the header; 0: the whole file. */
static void fail(const char *file, long row, const char *what) {
  if (row)
    fprintf(stderr, "forecast: %s:%ld: %s\n", file, row, what);
  else
    fprintf(stderr, "forecast: %s: %s\n", file, what);
  exit(1);
}

static int is_date(const char *name) {
  static const char *const NAMES[] = {"date", "time", "datetime", "timestamp"};
  for (size_t k = 0; k < sizeof NAMES / sizeof *NAMES; k++) {
    if (!strcmp(name, NAMES[k])) return 1;
  }
  return 0;
}

static void read_header(Series *series, const char *file, FILE *in) {
  if (!fgets(series->header, sizeof series->header, in)) fail(file, 1, "the file is empty");
  char *text = series->header;
  if (!strncmp(text, "\xef\xbb\xbf", 3)) text += 3; /* a byte-order mark */
  for (char *cell = strtok(text, ",\r\n"); cell; cell = strtok(NULL, ",\r\n")) {
    if (series->channels == 0 && !series->date && is_date(cell)) {
      series->date = 1;
    } else if (series->channels == MAX_CHANNELS) {
      fail(file, 1, "too many columns");
    } else {
      series->name[series->channels++] = cell;
    }
  }
}

static void read_row(Series *series, const char *file, char *line) {
  if (series->rows == series->capacity) {
    series->capacity = series->capacity ? 2 * series->capacity : 1024;
    series->value = realloc(series->value, (size_t)(series->capacity * series->channels) * sizeof *series->value);
    if (!series->value) fail(file, series->rows + 2, "out of memory");
  }
  char *cell = line, *end;
  if (series->date) cell = strchr(line, ',') ? strchr(line, ',') + 1 : line;
  for (int c = 0; c < series->channels; c++, cell = end + 1) {
    double value = strtod(cell, &end);
    int last = c + 1 == series->channels;
    if (end == cell || !isfinite(value) || (last ? *end && !strchr("\r\n", *end) : *end != ',')) {
      fail(file, series->rows + 2, "a cell is missing or no number");
    }
    series->value[series->rows * series->channels + c] = value;
  }
  series->rows++;
}

static void read_series(Series *series, const char *file) {
  char line[MAX_LINE];
  FILE *in = fopen(file, "r");
  if (!in) fail(file, 0, "cannot be read");
  read_header(series, file, in);
  while (fgets(line, sizeof line, in)) {
    if (strlen(line) + 1 == sizeof line) fail(file, series->rows + 2, "the row is too long");
    if (line[strspn(line, "\r\n")]) read_row(series, file, line);
  }
  fclose(in);
}

static void print_forecast(const Series *series, const float *y, long horizon) {
  printf("%6s", "step");
  for (int c = 0; c < series->channels; c++) printf(" %14.14s", series->name[c]);
  for (long t = 0; t < horizon; t++) {
    printf("\n%6ld", t + 1);
    for (int c = 0; c < series->channels; c++) {
      printf(" %14.4f", forecaster_mean[c] + forecaster_deviation[c] * (double)y[t * series->channels + c]);
    }
  }
  putchar('\n');
}

int main(int argc, char **argv) {
  const char *file = argc > 1 ? argv[1] : "examples/data/seattle-hourly.csv";
  Series series = {0};
  read_series(&series, file);

  /* x is [batch, look-back, channels], y [batch, horizon, channels]. */
  long lookback = forecaster_inputs(NULL)[0].extent[1], channels = forecaster_inputs(NULL)[0].extent[2];
  long horizon = forecaster_outputs(NULL)[0].extent[1];
  if (series.channels != channels) fail(file, 1, "not as many channels as the model was compiled for");
  if (series.rows < lookback) fail(file, series.rows + 1, "not as many rows as the model looks back");

  float *x = malloc((size_t)(lookback * channels) * sizeof *x), *y = malloc((size_t)(horizon * channels) * sizeof *y);
  void *arena = aligned_alloc(64, (size_t)(forecaster_arena_bytes(1) + 63) / 64 * 64);
  if (!x || !y || !arena) fail(file, 0, "out of memory");
  for (long t = 0; t < lookback; t++) {
    for (int c = 0; c < channels; c++) {
      double value = series.value[(series.rows - lookback + t) * channels + c];
      x[t * channels + c] = (float)((value - forecaster_mean[c]) / forecaster_deviation[c]);
    }
  }
  int code = forecaster_infer(1, x, y, arena);
  if (code != FORECASTER_OK) {
    fprintf(stderr, "forecast: the model answered %d\n", code);
    return 1;
  }
  print_forecast(&series, y, horizon);
  free(x);
  free(y);
  free(arena);
  free(series.value);
  return 0;
}
