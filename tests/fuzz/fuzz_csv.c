/* Any bytes as a CSV file: refused with a place, or all values are finite and windows can be gathered. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/series.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void gather_all(const Series *series) {
  int64_t width = series->channels;
  float *x = malloc((size_t)(series->lookback * width) * sizeof *x);
  float *y = malloc((size_t)(series->horizon * width) * sizeof *y);
  for (int s = 0; s < SPLIT_COUNT && x && y; s++)
    for (int64_t i = 0; i < series_window_count(series, (SeriesSplit)s); i++) {
      series_gather(series, (SeriesSplit)s, &i, 1, x, y);
      for (int64_t k = 0; k < series->horizon * width; k++)
        if (!isfinite(y[k])) abort();
    }
  free(x);
  free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  Series *series = NULL;
  simba_error error = {0};
  if (series_parse("f.csv", bytes, size, &series, &error)) {
    if (series || strncmp(error.message, "f.csv:", 6) != 0) abort();
    return 0;
  }
  for (int64_t i = 0; i < series->rows * series->channels; i++)
    if (!isfinite(series->values[i])) abort();
  if (series_prepare(series, 3, 2, &error) == SIMBA_OK) gather_all(series);
  series_destroy(series);
  return 0;
}
