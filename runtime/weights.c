#include "weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "name_map.h"
#include "tensor_file_internal.h"
#include "torch_file.h"

/* ---- Reading ---- */

static bool ends_in(const char *path, const char *end) {
  size_t length = strlen(path), tail = strlen(end);
  return length >= tail && strcmp(path + length - tail, end) == 0;
}

/* Wrappers of a whole model prefix all of its names; counters may stand beside it. */
static simba_status take_off_prefix(TensorFile *file, const char *prefix, simba_error *error) {
  size_t length = strlen(prefix), with = 0;
  for (size_t i = 0; i < file->count; i++) {
    bool has = strncmp(file->tensor[i].name, prefix, length) == 0 && file->tensor[i].name[length];
    if (!has && tensor_type_is_real(file->tensor[i].type)) return SIMBA_OK;
    with += has;
  }
  if (!with) return SIMBA_OK;
  for (size_t i = 0; i < file->count; i++)
    if (strncmp(file->tensor[i].name, prefix, length) == 0) file->tensor[i].name += length;
  simba_status status = tensor_file_add_note(file, error, "'%s' was taken off the names", prefix);
  return status ? status : tensor_file_check_names(file, error);
}

static simba_status read_content(TensorFile *file, size_t size, const simba_weights_source *source,
                                 simba_error *error) {
  static const char *const prefixes[] = {"module.", "_orig_mod."};
  const char *bytes = file->memory[MEMORY_BYTES];
  simba_status status;
  if (torch_file_recognise(bytes, size)) {
    status = torch_file_read(file, size, source->key, error);
    for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes && !status; k++)
      status = take_off_prefix(file, prefixes[k], error);
    return status;
  }
  if (ends_in(file->path, ".pth") || ends_in(file->path, ".pt"))
    return error_set(error, SIMBA_DATA_ERROR,
                     "%s: not what torch.save writes: neither a zip file nor pickles behind PyTorch's magic number",
                     file->path);
  if (source->key)
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: not a PyTorch file: there is nothing that '%s' could choose",
                     file->path, source->key);
  return tensor_file_read_header(file, size, error);
}

/* Takes over `bytes`. */
static simba_status parse_weights(const simba_weights_source *source, char *bytes, size_t size, TensorFile **out_file,
                                  simba_error *error) {
  TensorFile *file;
  simba_status status = tensor_file_create(source->path, bytes, &file, error);
  if (status) return status;
  NameMap *map = NULL;
  if (source->map) status = name_map_open(source->map, &map, error);
  if (!status) status = read_content(file, size, source, error);
  if (!status && map) status = name_map_apply_file(map, file, error);
  name_map_free(map);
  if (status)
    tensor_file_close(file);
  else
    *out_file = file;
  return status;
}

simba_status weights_open(const simba_weights_source *source, TensorFile **out_file, simba_error *error) {
  char *bytes;
  size_t size;
  simba_status status = file_read(source->path, &bytes, &size, error);
  return status ? status : parse_weights(source, bytes, size, out_file, error);
}

simba_status weights_parse(const simba_weights_source *source, const void *bytes, size_t size, TensorFile **out_file,
                           simba_error *error) {
  char *copy = memory_allocate(size, 1);
  if (!copy) return error_set_memory(error, source->path);
  if (size) memcpy(copy, bytes, size);
  return parse_weights(source, copy, size, out_file, error);
}

/* Whole numbers that are not exact as f32 are found before anything is written. */
static simba_status check_whole_numbers(const TensorFile *file, const WeightsMatch *match, simba_error *error) {
  simba_status status = SIMBA_OK;
  for (size_t i = 0; i < match->count && !status; i++) {
    const Tensor *tensor = match->found[i];
    if (match->fit[i] != WEIGHT_FITS || tensor_type_is_real(tensor->type)) continue;
    float *values = memory_allocate((size_t)tensor->count, sizeof *values);
    status = values ? tensor_read_f32(file, tensor, values, error) : error_set_memory(error, file->path);
    free(values);
  }
  return status;
}

simba_status weights_read(const TensorFile *file, const CheckpointTensor *tensors, const WeightsMatch *match,
                          simba_error *error) {
  simba_status status = check_whole_numbers(file, match, error);
  for (size_t i = 0; i < match->count && !status; i++)
    if (match->fit[i] == WEIGHT_FITS) status = tensor_read_f32(file, match->found[i], tensors[i].value, error);
  return status;
}
