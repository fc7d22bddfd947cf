/* Any bytes as a checkpoint: refused with a message and nothing changed, or its counters are within their bounds and
 * its tensors are those that were asked for. */
#include <string.h>

#include "runtime/checkpoint.h"
#include "tests/fuzz/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_progress(const Progress *progress) {
  bool counted = progress->step >= 0 && progress->epoch >= 0 && progress->step_in_epoch >= 0 &&
                 progress->best_epoch >= -1 && progress->epochs_since >= 0 && progress->sample_count >= 0;
  bool bounded = progress->metric_count >= 0 && progress->metric_count <= CHECKPOINT_MAX_METRICS;
  if (!counted || !bounded) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char path[32];
  int descriptor = memory_file(bytes, size, path);
  float value[2] = {1, 2}, first[2] = {3, 4}, second[2] = {5, 6}, best[2] = {7, 8};
  const CheckpointTensor tensor = {"w", 1, {2}, true, value, first, second, best, NULL};
  Progress progress = {.step = -7};
  simba_error error = {0};
  simba_status status = checkpoint_load(path, "model a", &tensor, 1, &progress, &error);
  if (status == SIMBA_OK)
    check_progress(&progress);
  else if (progress.step != -7 || value[0] != 1 || second[1] != 6 || best[1] != 8 || error.message[0] == 0)
    abort();
  if (checkpoint_load_progress(path, &progress, &error) == SIMBA_OK)
    check_progress(&progress);
  else if (status == SIMBA_OK)
    abort();
  close(descriptor);
  return 0;
}
