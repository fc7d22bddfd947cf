/* weights.safetensors, declared in checkpoint.h: the model's own names, nothing missing and nothing besides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint.h"

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

/* Names for a message: all are counted, as many are shown as fit. */
typedef struct NameList {
  size_t count, used;
  char text[600];
} NameList;

static void name_add(NameList *list, const char *name) {
  list->count++;
  size_t room = sizeof list->text - list->used;
  int length = snprintf(list->text + list->used, room, "%s'%s'", list->count > 1 ? ", " : "", name);
  if (length >= 0 && (size_t)length + sizeof ", ..." <= room) {
    list->used += (size_t)length;
  } else { /* this one does not fit, and later ones are not tried */
    snprintf(list->text + list->used, room, "%s", list->used ? ", ..." : "...");
    list->used = sizeof list->text;
  }
}

static simba_status check_names(const TensorFile *file, const CheckpointTensor *tensors, size_t count,
                                simba_error *error) {
  NameList missing = {0}, extra = {0};
  for (size_t i = 0; i < count; i++)
    if (!tensor_file_find(file, tensors[i].name)) name_add(&missing, tensors[i].name);
  for (size_t i = 0; i < file->count; i++) {
    bool known = false;
    for (size_t k = 0; k < count && !known; k++) known = strcmp(tensors[k].name, file->tensor[i].name) == 0;
    if (!known) name_add(&extra, file->tensor[i].name);
  }
  if (missing.count && extra.count)
    return error_set(error, SIMBA_DATA_ERROR, "%s: %zu missing: %s; %zu not the model's: %s", file->path, missing.count,
                     missing.text, extra.count, extra.text);
  if (missing.count)
    return error_set(error, SIMBA_DATA_ERROR, "%s: %zu missing: %s", file->path, missing.count, missing.text);
  if (extra.count)
    return error_set(error, SIMBA_DATA_ERROR, "%s: %zu not the model's: %s", file->path, extra.count, extra.text);
  return SIMBA_OK;
}

/* Shape and type of every tensor, before any is copied. */
static simba_status check_shapes(const TensorFile *file, const CheckpointTensor *tensors, size_t count,
                                 simba_error *error) {
  for (size_t i = 0; i < count; i++) {
    const Tensor *found = tensor_file_find(file, tensors[i].name);
    if (found->type != TENSOR_I64 && tensor_shape_equal(found->rank, found->shape, tensors[i].rank, tensors[i].shape))
      continue;
    char shape[200], expected[200];
    tensor_shape_text(found->rank, found->shape, shape, sizeof shape);
    tensor_shape_text(tensors[i].rank, tensors[i].shape, expected, sizeof expected);
    return error_set(error, SIMBA_DATA_ERROR, "%s: tensor '%.200s' is %s %s: expected F32 %s", file->path, found->name,
                     tensor_type_name(found->type), shape, expected);
  }
  return SIMBA_OK;
}

simba_status checkpoint_read_weights(const char *path, const CheckpointTensor *tensors, size_t count,
                                     simba_error *error) {
  TensorFile *file;
  simba_status status = tensor_file_open(path, &file, error);
  if (status) return status;
  status = check_names(file, tensors, count, error);
  if (!status) status = check_shapes(file, tensors, count, error);
  for (size_t i = 0; i < count && !status; i++)
    status = tensor_read_f32(file, tensor_file_find(file, tensors[i].name), tensors[i].value, error);
  tensor_file_close(file);
  return status;
}
