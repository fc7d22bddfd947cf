/* A forecaster and its series: which input is the look-back window, which target the horizon, and how many channels. */
#ifndef SIMBAC_DRIVER_FORECAST_DATA_H
#define SIMBAC_DRIVER_FORECAST_DATA_H

#include "handle.h"
#include "runtime/series.h"

typedef struct ForecastOptions {
  const char *model_path;
  const char *data_path; /* NULL: the series that is built in */
  CompilerOptions compiler;
  bool training;
  uint64_t seed;
  bool seed_given; /* else the recipe's */
} ForecastOptions;

typedef struct Forecast {
  Series *series;
  Compiler *compiler; /* owned by `model` once that exists */
  simba_model *model;
  uint64_t seed;
  uint32_t input, target, output; /* indices in the model */
  int64_t lookback, horizon, channels;
} Forecast;

/* Reads the data, compiles the model with as many channels as the data has (unless set), checks that its windows fit.
 * What was made so far is in `out_forecast` on failure too: its compiler has the diagnostics. */
simba_status forecast_open(const ForecastOptions *options, Forecast *out_forecast, simba_error *error);
void forecast_close(Forecast *forecast);

typedef struct SplitScore {
  double loss;
  double metric[MODEL_MAX_METRICS];
  uint32_t metric_count;
  int64_t windows;
} SplitScore;

/* Mean loss and metrics over all windows of a split, none dropped, in batches of `batch`. `progress` (may be NULL) is
 * called after each batch; false stops with SIMBA_INTERRUPTED. */
typedef bool ForecastProgress(void *context, int64_t done, int64_t total);
simba_status forecast_score(Forecast *forecast, simba_trainer *trainer, SeriesSplit split, int64_t batch,
                            ForecastProgress *progress, void *context, SplitScore *out_score, simba_error *error);
/* A picture of forecasts beside the truth for some windows of a split, in the series' own units. */
simba_status forecast_picture(Forecast *forecast, SeriesSplit split, const char *path, simba_error *error);

#endif
