/* The spectra of a training run (spectra.h) on the validation split of its data. */
#ifndef SIMBAC_DRIVER_SPECTRA_WATCH_H
#define SIMBAC_DRIVER_SPECTRA_WATCH_H

#include "forecast_data.h"
#include "spectra.h"

typedef struct SpectraWatch {
  const char *matrices; /* a glob, NULL: all; to be set before the first call, the rest 0 */
  Spectra *spectra;     /* made by the first call */
  int64_t batch;
  float *x, *y;
} SpectraWatch;

/* For on_epoch of training_run.h; always the same windows, evenly spread over the split. */
simba_status spectra_watch(SpectraWatch *watch, Forecast *forecast, const char *folder, int64_t epochs, int64_t step,
                           simba_error *error);
void spectra_watch_end(SpectraWatch *watch);

#endif
