/* weights.safetensors, declared in checkpoint.h: the model's own names, nothing missing and nothing besides. */
#include <stdlib.h>
#include <string.h>

#include "weights.h"

simba_status checkpoint_write_weights(const char *path, const CheckpointTensor *tensors, size_t count, bool best,
                                      const TensorMetadata *metadata, size_t metadata_count, simba_error *error) {
  Tensor *out = memory_allocate(count, sizeof *out);
  if (!out) return error_set_memory(error, path);
  for (size_t i = 0; i < count; i++) {
    const CheckpointTensor *tensor = &tensors[i];
    out[i] = (Tensor){.name = tensor->name, .type = TENSOR_F32, .rank = tensor->rank};
    out[i].bytes = best ? tensor->best : tensor->value;
    memcpy(out[i].shape, tensor->shape, sizeof tensor->shape);
  }
  simba_status status = tensor_file_write(path, out, count, metadata, metadata_count, error);
  free(out);
  return status;
}

simba_status checkpoint_read_weights(const char *path, const CheckpointTensor *tensors, size_t count,
                                     simba_error *error) {
  const simba_weights_source source = {.size = sizeof source, .path = path};
  TensorFile *file;
  WeightsMatch match = {0};
  simba_status status = weights_open(&source, &file, error);
  if (status) return status;
  status = weights_match(file, tensors, count, &match, error);
  if (!status) status = weights_check(file, &match, error);
  if (!status) status = weights_read(file, tensors, &match, error);
  weights_match_free(&match);
  tensor_file_close(file);
  return status;
}
