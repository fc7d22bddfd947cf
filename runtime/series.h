/* Multivariate time series from CSV, and the windows that forecasters learn from.
 *
 * The file has a header row, one column a channel, numbers only. A first column that is named date, time, datetime or
 * timestamp, or whose first cell is a date, is skipped. Everything else that is not a finite number is an error
 * "file:row:column: what was found", row 1 being the header. Line ends LF or CRLF; a byte-order mark is skipped.
 *
 * The published protocol: ETTh1, ETTh2, ETTm1 and ETTm2, known by the file's name, have fixed borders (12, 4 and 4
 * months); any other series of n rows has int(0.7 n) rows for training, int(0.2 n) for the test, the rest between them
 * for validation. Validation and test windows may look back into the rows before their split. Channels are standardised
 * by mean and population deviation of the training rows. Windows have stride 1 and none is dropped. */
#ifndef SIMBA_SERIES_H
#define SIMBA_SERIES_H

#include "split.h"
#include "status.h"

typedef DataSplit SeriesSplit;

typedef struct Series {
  char *path;
  int64_t rows, channels;
  char **channel; /* names, from the header */
  bool date_skipped;
  const char *protocol;                         /* "ETTh", "ETTm" or "70/10/20" */
  int64_t lookback, horizon;                    /* L, H; after series_prepare */
  int64_t begin[SPLIT_COUNT], end[SPLIT_COUNT]; /* rows of a split, context included */
  double *mean, *deviation;                     /* [channels], of the training rows */
  double *values;                               /* [rows, channels], as read */
  float *scaled;                                /* [rows, channels], standardised */
  char **warning;                               /* for the user: an unusual thing that was dealt with */
  size_t warning_count;
  size_t load_warning_count; /* the first ones, which do not depend on the windows */
} Series;

/* Reads the file. SIMBA_IO_ERROR or SIMBA_DATA_ERROR with the place. */
simba_status series_load(const char *path, Series **out_series, simba_error *error);
/* The same from memory; `path` is for messages and the protocol. */
simba_status series_parse(const char *path, const void *bytes, size_t size, Series **out_series, simba_error *error);
void series_destroy(Series *series);
/* Sets the splits for windows of lookback + horizon rows and standardises. SIMBA_DATA_ERROR where a split has not rows
 * enough for one window. May be called again with other lengths. */
simba_status series_prepare(Series *series, int64_t lookback, int64_t horizon, simba_error *error);

/* Windows of a split: rows - L - H + 1. */
int64_t series_window_count(const Series *series, SeriesSplit split);
/* Gathers windows: x[count, L, channels], y[count, H, channels]; either may be NULL. */
void series_gather(const Series *series, SeriesSplit split, const int64_t *windows, int64_t count, float *out_x,
                   float *out_y);

typedef struct SeriesBaseline {
  double mse, mae;
  int64_t windows;
} SeriesBaseline;

/* Error of repeating the last seen value, over all windows of a split, on standardised values: a check of the loader
 * against published figures, and what a forecaster must beat. */
SeriesBaseline series_repeat_last(const Series *series, SeriesSplit split);

#endif
