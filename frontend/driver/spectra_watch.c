#include "spectra_watch.h"

#include <stdlib.h>
#include <string.h>

static simba_status begin(SpectraWatch *watch, Task *task, const char *folder, simba_error *error) {
  simba_model *model = task->model;
  simba_status status = spectra_create(model, folder, watch->matrices, &watch->spectra, error);
  if (status != SIMBA_OK) return status;
  int64_t samples = task->data->kind->count(task->data, SPLIT_VALIDATION), order[SPECTRA_MAX_BATCH];
  watch->batch = spectra_batch(watch->spectra) < samples ? spectra_batch(watch->spectra) : samples;
  for (int64_t k = 0; k < watch->batch; k++) order[k] = k * samples / watch->batch;
  size_t inputs = simba_model_count(model, SIMBA_INPUT);
  watch->input = memory_allocate_aligned(inputs + 1, sizeof *watch->input);
  if (!watch->input) return error_set_memory(error, "spectra");
  watch->inputs = inputs;
  for (size_t k = 0; k < inputs; k++) {
    size_t elements = simba_model_elements(model, SIMBA_INPUT, k, watch->batch);
    watch->input[k] = memory_allocate_aligned(elements + 16, sizeof(float));
    if (!watch->input[k]) return error_set_memory(error, "spectra");
  }
  return task->data->kind->gather(task->data, SPLIT_VALIDATION, order, watch->batch, watch->input, error);
}

simba_status spectra_watch(SpectraWatch *watch, Task *task, const char *folder, int64_t epochs, int64_t step,
                           simba_error *error) {
  simba_status status = watch->spectra ? SIMBA_OK : begin(watch, task, folder, error);
  if (status != SIMBA_OK) return status;
  return spectra_observe(watch->spectra, epochs, step, watch->batch, (const float *const *)watch->input, error);
}

void spectra_watch_end(SpectraWatch *watch) {
  spectra_destroy(watch->spectra);
  for (size_t k = 0; k < watch->inputs; k++) free(watch->input[k]);
  free(watch->input);
  *watch = (SpectraWatch){0};
}
