/* Any bytes as a PyTorch file (first byte even), or as the pickle of one whose zip file is sound (odd): refused with a
 * message, or every tensor can be read. */
#include <stdlib.h>
#include <string.h>

#include "runtime/weights.h"
#include "tests/zip_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_tensor(const TensorFile *file, const Tensor *tensor) {
  int64_t count = 1;
  for (int32_t k = 0; k < tensor->rank; k++) count *= tensor->shape[k];
  if (count != tensor->count || tensor_file_find(file, tensor->name) != tensor) abort();
  float *values = malloc((size_t)tensor->count * sizeof *values + 1);
  simba_error error;
  simba_status status = tensor_read_f32(file, tensor, values, &error);
  if (status != SIMBA_OK && tensor_type_is_real(tensor->type)) abort();
  free(values);
}

static void parse(const char *key, const void *bytes, size_t size) {
  const simba_weights_source source = {.size = sizeof source, .path = "f.pth", .key = key};
  TensorFile *file = NULL;
  simba_error error = {0};
  if (weights_parse(&source, bytes, size, &file, &error)) {
    if (file || error.message[0] == 0) abort();
    return;
  }
  for (size_t i = 0; i < file->count; i++) read_tensor(file, &file->tensor[i]);
  tensor_file_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const float storage[16] = {1, 2, 3};
  if (size < 1) return 0;
  const char *key = bytes[0] & 2 ? "model" : bytes[0] & 4 ? "." : NULL;
  if (bytes[0] & 1) {
    ZipBytes zip = {0};
    zip_add(&zip, "a/data.pkl", bytes + 1, size - 1);
    zip_add(&zip, "a/data/0", storage, sizeof storage);
    zip_add(&zip, "a/data/1", storage, sizeof storage / 2);
    Bytes file = zip_end(&zip);
    parse(key, file.data, file.size);
    free(file.data);
  } else {
    parse(key, bytes + 1, size - 1);
  }
  return 0;
}
