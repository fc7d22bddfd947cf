#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "file.h"
#include "safetensors.h"

static int64_t element_count(const Tensor *tensor) {
  int64_t count = 1;
  for (int32_t i = 0; i < tensor->rank; i++) count *= tensor->shape[i];
  return count;
}

static size_t byte_count(const Tensor *tensor) {
  return (size_t)element_count(tensor) * tensor_type_size(tensor->type);
}

static bool add_tensor(cJSON *header, const Tensor *tensor, size_t begin) {
  cJSON *entry = cJSON_AddObjectToObject(header, tensor->name);
  if (!entry || !cJSON_AddStringToObject(entry, "dtype", tensor_type_name(tensor->type))) return false;
  cJSON *shape = cJSON_AddArrayToObject(entry, "shape");
  for (int32_t i = 0; i < tensor->rank; i++)
    if (!cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)tensor->shape[i]))) return false;
  cJSON *offsets = cJSON_AddArrayToObject(entry, "data_offsets");
  return shape && cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)begin)) &&
         cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)(begin + byte_count(tensor))));
}

/* NULL where memory is exhausted. cJSON escapes what must be. */
static char *header_text(const Tensor *tensors, size_t count, const TensorMetadata *metadata, size_t metadata_count) {
  cJSON *header = cJSON_CreateObject();
  bool complete = header != NULL;
  if (complete && metadata_count) {
    cJSON *object = cJSON_AddObjectToObject(header, "__metadata__");
    for (size_t i = 0; complete && i < metadata_count; i++)
      complete = cJSON_AddStringToObject(object, metadata[i].key, metadata[i].value) != NULL;
  }
  size_t offset = 0;
  for (size_t i = 0; complete && i < count; i++) {
    complete = add_tensor(header, &tensors[i], offset);
    offset += byte_count(&tensors[i]);
  }
  char *text = complete ? cJSON_PrintUnformatted(header) : NULL;
  cJSON_Delete(header);
  return text;
}

static simba_status write_parts(AtomicFile *file, const char *header, const Tensor *tensors, size_t count,
                                simba_error *error) {
  /* Padded with spaces so that the tensors' bytes begin at a multiple of 8. */
  uint64_t length = strlen(header), padded = (length + 7) & ~UINT64_C(7);
  simba_status status = atomic_file_write(file, &padded, sizeof padded, error);
  if (!status) status = atomic_file_write(file, header, length, error);
  if (!status) status = atomic_file_write(file, "       ", padded - length, error);
  for (size_t i = 0; i < count && !status; i++)
    status = atomic_file_write(file, tensors[i].bytes, byte_count(&tensors[i]), error);
  return status;
}

simba_status tensor_file_write(const char *path, const Tensor *tensors, size_t count, const TensorMetadata *metadata,
                               size_t metadata_count, simba_error *error) {
  for (size_t i = 0; i < count; i++)
    if (!text_is_utf8(tensors[i].name)) /* others could not read the file */
      return error_set(error, SIMBA_DATA_ERROR, "%s: the name of tensor %zu is not UTF-8", path, i);
  char *header = header_text(tensors, count, metadata, metadata_count);
  if (!header) return error_set_memory(error, path);
  AtomicFile *file;
  simba_status status = atomic_file_open(path, &file, error);
  if (!status) {
    status = write_parts(file, header, tensors, count, error);
    if (status)
      atomic_file_abandon(file);
    else
      status = atomic_file_commit(file, error);
  }
  cJSON_free(header);
  return status;
}
