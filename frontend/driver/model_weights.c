#include "model_weights.h"

#include <string.h>

static void add_tensors(const ModelParameter *info, uint32_t count, CheckpointTensor *out_tensors) {
  for (uint32_t k = 0; k < count; k++) {
    out_tensors[k] = (CheckpointTensor){.name = info[k].path, .rank = info[k].shape.rank};
    for (int32_t d = 0; d < info[k].shape.rank; d++) out_tensors[k].shape[d] = info[k].shape.dim[d].factor;
  }
}

simba_status model_check_weights(const Model *model, TensorFile *file, Arena *arena, const char **out_report,
                                 simba_error *error) {
  size_t count = (size_t)model->parameter_count + model->state_count;
  CheckpointTensor *tensors = ARENA_ARRAY(arena, CheckpointTensor, count + 1);
  add_tensors(model->parameter, model->parameter_count, tensors);
  add_tensors(model->state, model->state_count, tensors + model->parameter_count);
  WeightsMatch match;
  *out_report = "";
  simba_status status = weights_match(file, tensors, count, &match, error);
  if (status != SIMBA_OK) return status;
  *out_report = arena_text(arena, match.report, strlen(match.report));
  status = weights_check(file, &match, error);
  weights_match_free(&match);
  return status;
}
