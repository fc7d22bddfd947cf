/* Any bytes as a safetensors file: refused with a message, or every tensor can be read, as f32 and f64 alike. */
#include <stdlib.h>
#include <string.h>

#include "runtime/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_tensor(const TensorFile *file, const Tensor *tensor) {
  float *values = malloc((size_t)tensor->count * sizeof *values + 1);
  double *wide = malloc((size_t)tensor->count * sizeof *wide + 1);
  simba_error error;
  simba_status status = values ? tensor_read_f32(file, tensor, values, &error) : SIMBA_OK;
  if (status != SIMBA_OK && tensor_type_is_real(tensor->type)) abort();
  if (wide && tensor_read_f64(file, tensor, wide, &error) == SIMBA_OK && tensor->type == TENSOR_F32 && values)
    for (int64_t i = 0; i < tensor->count; i++)
      if (wide[i] == wide[i] && wide[i] != (double)values[i]) abort();
  char shape[64];
  tensor_shape_text(tensor->rank, tensor->shape, shape, sizeof shape);
  if (tensor_file_find(file, tensor->name) != tensor) abort(); /* names are unique */
  free(values);
  free(wide);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  TensorFile *file = NULL;
  simba_error error = {0};
  if (tensor_file_parse("f", bytes, size, &file, &error)) {
    if (file || error.message[0] == 0) abort();
    return 0;
  }
  for (size_t i = 0; i < file->count; i++) read_tensor(file, &file->tensor[i]);
  for (size_t i = 0; i < file->metadata_count; i++)
    if (tensor_file_metadata(file, file->metadata[i].key) == NULL) abort();
  tensor_file_close(file);
  return 0;
}
