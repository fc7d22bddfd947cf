/* Tensors: what the pickle says of them, checked; their elements in order. */
#include "torch_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zip_entries.h"

/* ---- What the pickle says ---- */

static const PickleValue *value_of(const TorchReader *reader, PickleId id) { return pickle_value(reader->pickle, id); }

/* The role of what a call would call; TORCH_OTHER for all else. */
static int role_of(const TorchReader *reader, const PickleValue *value) {
  return value->kind == PICKLE_CALL ? value_of(reader, value->item[0])->global->role : TORCH_OTHER;
}

/* A parameter is a tensor in a wrapper, which is looked through once. */
static const PickleValue *unwrap(const TorchReader *reader, PickleId id) {
  const PickleValue *value = value_of(reader, id);
  if (role_of(reader, value) != TORCH_PARAMETER) return value;
  const PickleValue *arguments = value_of(reader, value->item[1]);
  return arguments->count ? value_of(reader, arguments->item[0]) : value;
}

bool torch_is_tensor(const TorchReader *reader, PickleId id) {
  int role = role_of(reader, value_of(reader, id));
  return role == TORCH_TENSOR || role == TORCH_PARAMETER;
}

/* ('storage', type, key, location, elements): finds it and checks its bytes. The format before 1.6 has a sixth, which
 * must be None: no view of another storage. */
static simba_status read_storage(const TorchReader *reader, const PickleValue *value, TorchTensor *out_tensor,
                                 int64_t *out_elements) {
  if (value->kind != PICKLE_PERSISTENT) return torch_fail(reader, value, "a tensor without a storage");
  const PickleValue *id = value_of(reader, value->item[0]);
  if (id->kind != PICKLE_TUPLE || id->count < 5 || !pickle_is_text(value_of(reader, id->item[0]), "storage"))
    return torch_fail(reader, value, "a persistent id that is no storage's");
  const PickleValue *type = value_of(reader, id->item[1]), *key = value_of(reader, id->item[2]),
                    *elements = value_of(reader, id->item[4]);
  if (type->kind != PICKLE_GLOBAL || type->global->role != TORCH_STORAGE || key->kind != PICKLE_TEXT ||
      elements->kind != PICKLE_INTEGER || elements->integer < 0)
    return torch_fail(reader, value, "a storage's type, key or size is not one");
  if (id->count > 5 && value_of(reader, id->item[5])->kind != PICKLE_NONE)
    return torch_fail(reader, value, "a view of another storage: save it again with PyTorch 1.6 or later");
  if (type->global->type == TORCH_NO_TYPE)
    return torch_fail(reader, value, "complex numbers: save torch.view_as_real(...) of them");
  out_tensor->type = (TensorType)type->global->type;
  TorchStorage *storage = torch_find_storage(reader, key->text, key->count);
  if (!storage) return torch_fail(reader, value, "its storage is not in the file");
  uint64_t bytes;
  if (__builtin_mul_overflow((uint64_t)elements->integer, tensor_type_size(out_tensor->type), &bytes) ||
      bytes > storage->size)
    return torch_fail(reader, value, "its storage has fewer bytes than it should have");
  simba_status status = storage->entry ? zip_entry_check(reader->file->path, storage->entry, reader->error) : SIMBA_OK;
  storage->entry = NULL; /* once */
  out_tensor->bytes = storage->bytes;
  *out_elements = elements->integer;
  return status;
}

/* A tuple of whole numbers that are not negative, as many as `count` has or at most SIMBA_MAX_RANK. */
static simba_status read_extents(const TorchReader *reader, const PickleValue *tuple, int64_t out[SIMBA_MAX_RANK],
                                 int32_t *out_count) {
  if (tuple->kind != PICKLE_TUPLE && tuple->kind != PICKLE_LIST)
    return torch_fail(reader, tuple, "a tensor's shape is no tuple");
  if (tuple->count > SIMBA_MAX_RANK) return torch_fail(reader, tuple, "a tensor of more than 8 axes");
  for (uint32_t i = 0; i < tuple->count; i++) {
    const PickleValue *item = value_of(reader, tuple->item[i]);
    if (item->kind != PICKLE_INTEGER || item->integer < 0)
      return torch_fail(reader, item, "an extent, a stride or an offset that is no whole number or less than 0");
    out[i] = item->integer;
  }
  *out_count = (int32_t)tuple->count;
  return SIMBA_OK;
}

/* Elements, whether they lie in order, and whether the last is within the storage. */
static simba_status check_extents(const TorchReader *reader, const PickleValue *value, TorchTensor *tensor,
                                  int64_t elements) {
  tensor->count = 1;
  for (int32_t i = 0; i < tensor->rank; i++)
    if (tensor->shape[i] == 0) tensor->count = 0;
  tensor->in_order = true;
  if (tensor->count == 0) return SIMBA_OK;
  int64_t last = tensor->offset, span;
  bool over = false;
  for (int32_t i = tensor->rank - 1; i >= 0; i--) {
    if (tensor->shape[i] > 1 && tensor->stride[i] != tensor->count) tensor->in_order = false;
    over |= __builtin_mul_overflow(tensor->shape[i] - 1, tensor->stride[i], &span);
    over |= __builtin_add_overflow(last, span, &last);
    over |= __builtin_mul_overflow(tensor->count, tensor->shape[i], &tensor->count);
  }
  if (over || last >= elements) return torch_fail(reader, value, "a tensor reaches beyond its storage");
  if (tensor->count > elements)
    return torch_fail(reader, value, "a tensor has more elements than its storage: save a copy, tensor.contiguous()");
  return SIMBA_OK;
}

static simba_status describe(const TorchReader *reader, PickleId id, TorchTensor *out_tensor) {
  const PickleValue *value = unwrap(reader, id);
  if (role_of(reader, value) != TORCH_TENSOR) return torch_fail(reader, value, "a parameter that is no tensor");
  const PickleValue *arguments = value_of(reader, value->item[1]);
  if (arguments->count < 4) return torch_fail(reader, value, "a tensor with too few arguments");
  const PickleValue *offset = value_of(reader, arguments->item[1]);
  if (offset->kind != PICKLE_INTEGER || offset->integer < 0)
    return torch_fail(reader, value, "a tensor's offset is no whole number or less than 0");
  out_tensor->offset = offset->integer;
  int64_t elements = 0;
  int32_t strides = 0;
  simba_status status = read_storage(reader, value_of(reader, arguments->item[0]), out_tensor, &elements);
  if (!status)
    status = read_extents(reader, value_of(reader, arguments->item[2]), out_tensor->shape, &out_tensor->rank);
  if (!status) status = read_extents(reader, value_of(reader, arguments->item[3]), out_tensor->stride, &strides);
  if (!status && strides != out_tensor->rank)
    status = torch_fail(reader, value, "a tensor's strides are not its axes'");
  return status ? status : check_extents(reader, value, out_tensor, elements);
}

static simba_status add_name(TorchReader *reader, const char *name, size_t *out_offset) {
  size_t length = strlen(name) + 1;
  if (length > reader->names_capacity - reader->names_size) {
    size_t capacity = 2 * reader->names_capacity + length;
    char *larger = realloc(reader->names, capacity);
    if (!larger) return error_set_memory(reader->error, reader->file->path);
    reader->names = larger;
    reader->names_capacity = capacity;
  }
  memcpy(reader->names + reader->names_size, name, length);
  *out_offset = reader->names_size;
  reader->names_size += length;
  return SIMBA_OK;
}

simba_status torch_add_tensor(TorchReader *reader, PickleId id, const char *name) {
  TorchTensor tensor = {0};
  reader->describing = name;
  simba_status status = describe(reader, id, &tensor);
  if (!status && reader->tensor_count == TORCH_MAX_TENSORS)
    status = torch_fail(reader, value_of(reader, id), "more than 262144 tensors");
  reader->describing = NULL;
  if (status) return status;
  if (reader->tensor_count == reader->tensor_capacity) {
    size_t capacity = 2 * reader->tensor_capacity + 64;
    TorchTensor *larger = realloc(reader->tensor, capacity * sizeof *larger);
    if (!larger) return error_set_memory(reader->error, reader->file->path);
    reader->tensor = larger;
    reader->tensor_capacity = capacity;
  }
  status = add_name(reader, name, &tensor.name);
  if (!status) reader->tensor[reader->tensor_count++] = tensor;
  return status;
}

/* ---- Elements ---- */

/* The elements in C order, those of the last axis in the inner loop. */
static void gather(const TorchTensor *tensor, char *out) {
  size_t size = tensor_type_size(tensor->type);
  int64_t index[SIMBA_MAX_RANK] = {0}, at = tensor->offset;
  for (int64_t i = 0; i < tensor->count; i++) {
    memcpy(out + (size_t)i * size, tensor->bytes + (size_t)at * size, size);
    for (int32_t axis = tensor->rank - 1; axis >= 0; axis--) {
      at += tensor->stride[axis];
      if (++index[axis] < tensor->shape[axis]) break;
      at -= tensor->stride[axis] * tensor->shape[axis];
      index[axis] = 0;
    }
  }
}

/* Bytes of all copies, each begun at a multiple of 8. Tensors may share a storage, so a small file could ask for many
 * copies of it. */
static simba_status copied_bytes(const TorchReader *reader, size_t *out_bytes) {
  const size_t MOST_COPIES = 8;
  size_t total = 0;
  for (size_t i = 0; i < reader->tensor_count; i++) {
    const TorchTensor *tensor = &reader->tensor[i];
    if (tensor->in_order) continue;
    total += ((size_t)tensor->count * tensor_type_size(tensor->type) + 7) & ~(size_t)7;
    if (total / MOST_COPIES > reader->size)
      return error_set(reader->error, SIMBA_DATA_ERROR,
                       "%s: its transposed tensors have more than %zu times the bytes of the file", reader->file->path,
                       MOST_COPIES);
  }
  *out_bytes = total;
  return SIMBA_OK;
}

simba_status torch_materialise(TorchReader *reader) {
  TensorFile *file = reader->file;
  size_t copies = 0;
  simba_status status = copied_bytes(reader, &copies);
  if (status) return status;
  file->tensor = memory_allocate(reader->tensor_count, sizeof *file->tensor);
  char *copy = file->memory[MEMORY_COPIES] = memory_allocate(copies, 1);
  if (!file->tensor || !copy) return error_set_memory(reader->error, file->path);
  file->memory[MEMORY_NAMES] = reader->names;
  reader->names = NULL; /* the file's now */
  for (size_t i = 0; i < reader->tensor_count; i++) {
    const TorchTensor *from = &reader->tensor[i];
    size_t size = tensor_type_size(from->type);
    Tensor *tensor = &file->tensor[file->count++];
    *tensor = (Tensor){.type = from->type, .rank = from->rank, .count = from->count};
    tensor->name = (const char *)file->memory[MEMORY_NAMES] + from->name;
    memcpy(tensor->shape, from->shape, sizeof tensor->shape);
    tensor->bytes = from->bytes;
    if (from->in_order) {
      if (from->count) tensor->bytes = from->bytes + (size_t)from->offset * size;
      continue;
    }
    gather(from, copy);
    tensor->bytes = copy;
    copy += ((size_t)from->count * size + 7) & ~(size_t)7;
  }
  return SIMBA_OK;
}
