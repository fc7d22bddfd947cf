#include "spectra_watch.h"

#include <stdlib.h>
#include <string.h>

static simba_status begin(SpectraWatch *watch, Forecast *forecast, const char *folder, simba_error *error) {
  simba_status status = spectra_create(forecast->model, folder, watch->matrices, &watch->spectra, error);
  if (status != SIMBA_OK) return status;
  int64_t windows = series_window_count(forecast->series, SPLIT_VALIDATION), order[SPECTRA_MAX_BATCH];
  watch->batch = spectra_batch(watch->spectra) < windows ? spectra_batch(watch->spectra) : windows;
  for (int64_t k = 0; k < watch->batch; k++) order[k] = k * windows / watch->batch;
  size_t x_size = (size_t)(watch->batch * forecast->lookback * forecast->channels);
  size_t y_size = (size_t)(watch->batch * forecast->horizon * forecast->channels);
  watch->x = memory_allocate_aligned(x_size + 16, sizeof *watch->x);
  watch->y = memory_allocate_aligned(y_size + 16, sizeof *watch->y);
  if (!watch->x || !watch->y) return error_set_memory(error, "spectra");
  series_gather(forecast->series, SPLIT_VALIDATION, order, watch->batch, watch->x, watch->y);
  return SIMBA_OK;
}

simba_status spectra_watch(SpectraWatch *watch, Forecast *forecast, const char *folder, int64_t epochs, int64_t step,
                           simba_error *error) {
  simba_status status = watch->spectra ? SIMBA_OK : begin(watch, forecast, folder, error);
  const float *inputs[] = {watch->x};
  return status == SIMBA_OK ? spectra_observe(watch->spectra, epochs, step, watch->batch, inputs, error) : status;
}

void spectra_watch_end(SpectraWatch *watch) {
  spectra_destroy(watch->spectra);
  free(watch->x);
  free(watch->y);
  *watch = (SpectraWatch){0};
}
