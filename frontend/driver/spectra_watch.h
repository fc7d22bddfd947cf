/* The spectra of a training run (spectra.h) on the validation split of its data. */
#ifndef SIMBAC_DRIVER_SPECTRA_WATCH_H
#define SIMBAC_DRIVER_SPECTRA_WATCH_H

#include "spectra.h"
#include "task.h"

typedef struct SpectraWatch {
  const char *matrices; /* a glob, NULL: all; to be set before the first call, the rest 0 */
  Spectra *spectra;     /* made by the first call */
  int64_t batch;
  size_t inputs;
  float **input; /* a batch */
} SpectraWatch;

/* For on_epoch of training_run.h; always the same samples, evenly spread over the split. */
simba_status spectra_watch(SpectraWatch *watch, Task *task, const char *folder, int64_t epochs, int64_t step,
                           simba_error *error);
void spectra_watch_end(SpectraWatch *watch);

#endif
