/* Reading. Writing is in safetensors_write.c. */
#include "safetensors.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "file.h"
#include "tensor_file_internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are read and written without swapping bytes");

enum { LENGTH_BYTES = 8, MAX_HEADER_BYTES = 100000000 };

_Static_assert(MEMORY_COUNT == sizeof((TensorFile *)0)->memory / sizeof(void *), "a place for all that a file owns");

struct TypeInfo {
  const char *name;
  size_t size;
};

static const struct TypeInfo TYPE_INFO[TENSOR_TYPE_COUNT] = {
    [TENSOR_F32] = {"F32", 4}, [TENSOR_F64] = {"F64", 8},   [TENSOR_F16] = {"F16", 2}, [TENSOR_BF16] = {"BF16", 2},
    [TENSOR_I64] = {"I64", 8}, [TENSOR_I32] = {"I32", 4},   [TENSOR_I16] = {"I16", 2}, [TENSOR_I8] = {"I8", 1},
    [TENSOR_U8] = {"U8", 1},   [TENSOR_BOOL] = {"BOOL", 1},
};

const char *tensor_type_name(TensorType type) { return TYPE_INFO[type].name; }
size_t tensor_type_size(TensorType type) { return TYPE_INFO[type].size; }
bool tensor_type_is_real(TensorType type) { return type < TENSOR_I64; }

/* A file that is being read: the JSON tree and where each tensor's bytes lie. */
typedef struct Extent {
  uint64_t begin, end;
  Tensor tensor;
} Extent;

typedef struct Reader {
  TensorFile *file;
  cJSON *json;
  Extent *extent; /* [tensors] */
  uint64_t data_size;
  const char *data;
  simba_error *error;
} Reader;

static simba_status fail(const Reader *reader, const char *name, const char *found) {
  return error_set(reader->error, SIMBA_DATA_ERROR, "%s: tensor '%.200s': %s", reader->file->path, name, found);
}

/* ---- One entry of the header ---- */

/* A JSON number is a double: whole numbers are exact up to 2^53, more no file holds. */
static bool json_whole(const cJSON *item, uint64_t *out) {
  if (!cJSON_IsNumber(item)) return false;
  double value = item->valuedouble;
  if (!(value >= 0 && value <= 9007199254740992.0) || value != floor(value)) return false;
  *out = (uint64_t)value;
  return true;
}

/* JSON allows an object to name a member twice, and readers differ in which one they take: we take none. out_name: NULL
 * where all are different. */
static simba_status find_twice(const Reader *reader, const cJSON *object, const char **out_name) {
  *out_name = NULL;
  size_t count = (size_t)cJSON_GetArraySize(object), i = 0;
  const char **names = memory_allocate(count, sizeof *names);
  if (!names) return error_set_memory(reader->error, reader->file->path);
  const cJSON *item;
  cJSON_ArrayForEach(item, object) names[i++] = item->string;
  texts_sort(names, count);
  for (i = 1; i < count && !*out_name; i++)
    if (strcmp(names[i - 1], names[i]) == 0) *out_name = names[i];
  free(names);
  return SIMBA_OK;
}

static simba_status check_members(const Reader *reader, const cJSON *entry) {
  const char *twice;
  simba_status status = find_twice(reader, entry, &twice);
  if (status || !twice) return status;
  char found[128];
  snprintf(found, sizeof found, "its header entry has '%.40s' twice", twice);
  return fail(reader, entry->string, found);
}

static simba_status read_type(const Reader *reader, const cJSON *entry, Tensor *tensor) {
  const cJSON *type = cJSON_GetObjectItemCaseSensitive(entry, "dtype");
  if (!cJSON_IsString(type)) return fail(reader, tensor->name, "has no dtype: expected a string");
  for (int i = 0; i < TENSOR_TYPE_COUNT; i++) {
    if (strcmp(type->valuestring, TYPE_INFO[i].name) != 0) continue;
    tensor->type = (TensorType)i;
    return SIMBA_OK;
  }
  char found[160];
  snprintf(found, sizeof found, "unknown dtype '%.40s': expected F32, F64, F16, BF16, I64, I32, I16, I8, U8 or BOOL",
           type->valuestring);
  return fail(reader, tensor->name, found);
}

static simba_status read_shape(const Reader *reader, const cJSON *entry, Tensor *tensor) {
  const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape"), *item;
  if (!cJSON_IsArray(shape)) return fail(reader, tensor->name, "has no shape: expected an array");
  int64_t count = 1;
  bool overflow = false, empty = false;
  cJSON_ArrayForEach(item, shape) {
    uint64_t extent;
    if (!json_whole(item, &extent)) return fail(reader, tensor->name, "a size in its shape is not a whole number");
    if (tensor->rank == SIMBA_MAX_RANK) return fail(reader, tensor->name, "has more than 8 axes");
    tensor->shape[tensor->rank++] = (int64_t)extent;
    if (extent == 0)
      empty = true;
    else
      overflow |= __builtin_mul_overflow(count, (int64_t)extent, &count);
  }
  tensor->count = empty ? 0 : count;
  if (!empty && (overflow || count > INT64_MAX / 8))
    return fail(reader, tensor->name, "its shape has more elements than a file can hold");
  return SIMBA_OK;
}

static simba_status read_offsets(const Reader *reader, const cJSON *entry, Extent *extent) {
  const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
  const char *name = extent->tensor.name;
  if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
      !json_whole(cJSON_GetArrayItem(offsets, 0), &extent->begin) ||
      !json_whole(cJSON_GetArrayItem(offsets, 1), &extent->end))
    return fail(reader, name, "has no data_offsets: expected two whole numbers");
  char found[200], shape[120];
  if (extent->begin > extent->end || extent->end > reader->data_size) {
    snprintf(found, sizeof found,
             "data_offsets [%" PRIu64 ", %" PRIu64 "] lie outside of the %" PRIu64 " bytes that the file holds",
             extent->begin, extent->end, reader->data_size);
    return fail(reader, name, found);
  }
  uint64_t expected = (uint64_t)extent->tensor.count * tensor_type_size(extent->tensor.type);
  if (extent->end - extent->begin == expected) return SIMBA_OK;
  tensor_shape_text(extent->tensor.rank, extent->tensor.shape, shape, sizeof shape);
  snprintf(found, sizeof found, "%" PRIu64 " bytes of data, but %s %s takes %" PRIu64, extent->end - extent->begin,
           tensor_type_name(extent->tensor.type), shape, expected);
  return fail(reader, name, found);
}

static simba_status read_entry(const Reader *reader, const cJSON *entry, Extent *extent) {
  extent->tensor.name = entry->string;
  if (!cJSON_IsObject(entry)) return fail(reader, entry->string, "its header entry is not an object");
  simba_status status = check_members(reader, entry);
  if (!status) status = read_type(reader, entry, &extent->tensor);
  if (!status) status = read_shape(reader, entry, &extent->tensor);
  if (!status) status = read_offsets(reader, entry, extent);
  if (!status) extent->tensor.bytes = reader->data + extent->begin;
  return status;
}

static simba_status read_metadata(const Reader *reader, const cJSON *metadata) {
  TensorFile *file = reader->file;
  if (!cJSON_IsObject(metadata))
    return error_set(reader->error, SIMBA_DATA_ERROR, "%s: __metadata__ is not an object", file->path);
  const char *twice;
  simba_status status = find_twice(reader, metadata, &twice);
  if (status) return status;
  if (twice)
    return error_set(reader->error, SIMBA_DATA_ERROR, "%s: __metadata__ has '%.200s' twice", file->path, twice);
  file->metadata = memory_allocate((size_t)cJSON_GetArraySize(metadata), sizeof *file->metadata);
  if (!file->metadata) return error_set_memory(reader->error, file->path);
  const cJSON *item;
  cJSON_ArrayForEach(item, metadata) {
    if (!cJSON_IsString(item))
      return error_set(reader->error, SIMBA_DATA_ERROR, "%s: __metadata__ '%.200s' is not a string", file->path,
                       item->string);
    file->metadata[file->metadata_count++] = (TensorMetadata){item->string, item->valuestring};
  }
  return SIMBA_OK;
}

/* ---- The header as a whole ---- */

static int compare_extents(const void *a, const void *b) {
  const Extent *left = a, *right = b;
  if (left->begin != right->begin) return left->begin < right->begin ? -1 : 1;
  if (left->end != right->end) return left->end < right->end ? -1 : 1;
  return strcmp(left->tensor.name, right->tensor.name);
}

/* In the order of their bytes, no two tensors may share one. Bytes that belong to none are noted. */
static simba_status check_layout(const Reader *reader) {
  TensorFile *file = reader->file;
  qsort(reader->extent, file->count, sizeof *reader->extent, compare_extents);
  uint64_t end = 0, unused = 0;
  for (size_t i = 0; i < file->count; i++) {
    const Extent *extent = &reader->extent[i];
    if (extent->begin < end) {
      char found[320];
      snprintf(found, sizeof found, "its bytes overlap those of tensor '%.200s'", reader->extent[i - 1].tensor.name);
      return fail(reader, extent->tensor.name, found);
    }
    unused += extent->begin - end;
    end = extent->end;
  }
  unused += reader->data_size - end;
  if (unused == 0) return SIMBA_OK;
  char note[100];
  snprintf(note, sizeof note, "%" PRIu64 " bytes belong to no tensor", unused);
  file->note = file->memory[MEMORY_NOTE] = text_copy(note);
  return file->note ? SIMBA_OK : error_set_memory(reader->error, file->path);
}

static simba_status read_header(Reader *reader) {
  TensorFile *file = reader->file;
  if (!cJSON_IsObject(reader->json))
    return error_set(reader->error, SIMBA_DATA_ERROR, "%s: the header is not a JSON object", file->path);
  const char *twice;
  simba_status status = find_twice(reader, reader->json, &twice);
  if (status) return status;
  if (twice) return fail(reader, twice, "its name appears twice in the header");
  size_t entries = (size_t)cJSON_GetArraySize(reader->json);
  reader->extent = calloc(entries ? entries : 1, sizeof *reader->extent);
  file->tensor = memory_allocate(entries, sizeof *file->tensor);
  if (!reader->extent || !file->tensor) return error_set_memory(reader->error, file->path);
  const cJSON *entry;
  cJSON_ArrayForEach(entry, reader->json) {
    if (strcmp(entry->string, "__metadata__") == 0)
      status = read_metadata(reader, entry);
    else
      status = read_entry(reader, entry, &reader->extent[file->count++]);
    if (status) return status;
  }
  status = check_layout(reader);
  for (size_t i = 0; i < file->count; i++) file->tensor[i] = reader->extent[i].tensor;
  return status;
}

/* A zero byte, plain or as \u0000, would end a name early: two names could pass for one. */
static bool has_zero(const char *header, size_t length) {
  if (memchr(header, 0, length)) return true;
  for (size_t i = 0; i + 1 < length; i++) {
    if (header[i] != '\\') continue;
    if (length - i >= 6 && memcmp(header + i, "\\u0000", 6) == 0) return true;
    i++; /* what is escaped, perhaps a backslash */
  }
  return false;
}

/* The names in a TensorFile are those of the JSON tree, which lives as long as it does. */
simba_status tensor_file_read_header(TensorFile *file, size_t size, simba_error *error) {
  const char *bytes = file->memory[MEMORY_BYTES];
  if (size < LENGTH_BYTES)
    return error_set(error, SIMBA_DATA_ERROR, "%s: %zu bytes: a safetensors file begins with 8 bytes of header length",
                     file->path, size);
  uint64_t length;
  memcpy(&length, bytes, sizeof length);
  if (length > MAX_HEADER_BYTES)
    return error_set(error, SIMBA_DATA_ERROR, "%s: header length %" PRIu64 ": not a safetensors file (at most %d)",
                     file->path, length, MAX_HEADER_BYTES);
  if (length > size - LENGTH_BYTES)
    return error_set(error, SIMBA_DATA_ERROR, "%s: truncated: header of %" PRIu64 " bytes, but the file has %zu",
                     file->path, length, size);
  const char *header = bytes + LENGTH_BYTES, *end = NULL;
  if (has_zero(header, length))
    return error_set(error, SIMBA_DATA_ERROR, "%s: the header contains a zero byte", file->path);
  Reader reader = {.file = file, .error = error};
  reader.json = cJSON_ParseWithLengthOpts(header, length, &end, false);
  if (!reader.json)
    return error_set(error, SIMBA_DATA_ERROR, "%s: the header is not valid JSON at byte %zu", file->path,
                     end ? (size_t)(end - bytes) : (size_t)LENGTH_BYTES);
  file->memory[MEMORY_JSON] = reader.json;
  for (; end < header + length; end++)
    if (!strchr(" \t\r\n", *end))
      return error_set(error, SIMBA_DATA_ERROR, "%s: the header goes on after its JSON object at byte %zu", file->path,
                       (size_t)(end - bytes));
  reader.data = header + length;
  reader.data_size = size - LENGTH_BYTES - length;
  simba_status status = read_header(&reader);
  free(reader.extent);
  return status;
}

/* ---- Files ---- */

simba_status tensor_file_create(const char *path, char *bytes, TensorFile **out_file, simba_error *error) {
  TensorFile *file = calloc(1, sizeof *file);
  if (!file) {
    free(bytes);
    return error_set_memory(error, path);
  }
  file->memory[MEMORY_BYTES] = bytes;
  file->path = file->memory[MEMORY_PATH] = text_copy(path);
  if (!file->path) {
    tensor_file_close(file);
    return error_set_memory(error, path);
  }
  *out_file = file;
  return SIMBA_OK;
}

/* Takes over `bytes`. */
static simba_status parse_bytes(const char *path, char *bytes, size_t size, TensorFile **out_file, simba_error *error) {
  TensorFile *file;
  simba_status status = tensor_file_create(path, bytes, &file, error);
  if (status) return status;
  status = tensor_file_read_header(file, size, error);
  if (status)
    tensor_file_close(file);
  else
    *out_file = file;
  return status;
}

simba_status tensor_file_open(const char *path, TensorFile **out_file, simba_error *error) {
  char *bytes;
  size_t size;
  simba_status status = file_read(path, &bytes, &size, error);
  return status ? status : parse_bytes(path, bytes, size, out_file, error);
}

simba_status tensor_file_parse(const char *path, const void *bytes, size_t size, TensorFile **out_file,
                               simba_error *error) {
  char *copy = memory_allocate(size, 1);
  if (!copy) return error_set_memory(error, path);
  if (size) memcpy(copy, bytes, size);
  return parse_bytes(path, copy, size, out_file, error);
}

void tensor_file_close(TensorFile *file) {
  if (!file) return;
  cJSON_Delete(file->memory[MEMORY_JSON]);
  file->memory[MEMORY_JSON] = NULL;
  for (int i = 0; i < MEMORY_COUNT; i++) free(file->memory[i]);
  free(file->metadata);
  free(file->tensor);
  free(file);
}

simba_status tensor_file_check_names(const TensorFile *file, simba_error *error) {
  const char **names = memory_allocate(file->count, sizeof *names), *twice = NULL;
  if (!names) return error_set_memory(error, file->path);
  for (size_t i = 0; i < file->count; i++) names[i] = file->tensor[i].name;
  texts_sort(names, file->count);
  for (size_t i = 1; i < file->count && !twice; i++)
    if (strcmp(names[i - 1], names[i]) == 0) twice = names[i];
  free(names);
  if (!twice) return SIMBA_OK;
  return error_set(error, SIMBA_DATA_ERROR, "%s: two tensors have the name '%.200s'", file->path, twice);
}

simba_status tensor_file_add_note(TensorFile *file, simba_error *error, const char *format, ...) {
  char *note = NULL, *both = NULL;
  va_list arguments;
  va_start(arguments, format);
  bool made = vasprintf(&note, format, arguments) >= 0;
  va_end(arguments);
  if (!made) return error_set_memory(error, file->path);
  if (file->note) {
    made = asprintf(&both, "%s; %s", file->note, note) >= 0;
    free(note);
    if (!made) return error_set_memory(error, file->path);
    note = both;
  }
  free(file->memory[MEMORY_NOTE]);
  file->note = file->memory[MEMORY_NOTE] = note;
  return SIMBA_OK;
}

/* ---- Using what was read ---- */

const Tensor *tensor_file_find(const TensorFile *file, const char *name) {
  for (size_t i = 0; i < file->count; i++)
    if (strcmp(file->tensor[i].name, name) == 0) return &file->tensor[i];
  return NULL;
}

const char *tensor_file_metadata(const TensorFile *file, const char *key) {
  for (size_t i = 0; i < file->metadata_count; i++)
    if (strcmp(file->metadata[i].key, key) == 0) return file->metadata[i].value;
  return NULL;
}

bool tensor_shape_equal(int32_t rank_a, const int64_t *shape_a, int32_t rank_b, const int64_t *shape_b) {
  if (rank_a == 1 && shape_a[0] == 1) rank_a = 0;
  if (rank_b == 1 && shape_b[0] == 1) rank_b = 0;
  if (rank_a != rank_b) return false;
  for (int32_t i = 0; i < rank_a; i++)
    if (shape_a[i] != shape_b[i]) return false;
  return true;
}

void tensor_shape_text(int32_t rank, const int64_t *shape, char *out, size_t size) {
  size_t used = 0;
  for (int32_t i = 0; i < rank && used < size; i++)
    used += (size_t)snprintf(out + used, size - used, "%s%" PRId64, i ? ", " : "[", shape[i]);
  if (used < size) snprintf(out + used, size - used, rank ? "]" : "[]");
}

static float float_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static float float_from_half(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3FF;
  if (exponent == 31) return float_from_bits(sign | 0x7F800000 | fraction << 13);
  if (exponent) return float_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
  float magnitude = (float)fraction * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

static double element(const Tensor *tensor, int64_t index) {
  const char *at = (const char *)tensor->bytes + (size_t)index * tensor_type_size(tensor->type);
  uint16_t half;
  float single;
  double value = 0;
  switch (tensor->type) {
    case TENSOR_F64:
      memcpy(&value, at, sizeof value);
      break;
    case TENSOR_F32:
      memcpy(&single, at, sizeof single);
      return single;
    case TENSOR_F16:
      memcpy(&half, at, sizeof half);
      return float_from_half(half);
    case TENSOR_BF16:
      memcpy(&half, at, sizeof half);
      return float_from_bits((uint32_t)half << 16);
    default:
      break;
  }
  return value;
}

static int64_t whole_element(const Tensor *tensor, int64_t index) {
  const char *at = (const char *)tensor->bytes + (size_t)index * tensor_type_size(tensor->type);
  int64_t value = 0;
  int32_t half;
  int16_t quarter;
  switch (tensor->type) {
    case TENSOR_I64:
      memcpy(&value, at, sizeof value);
      break;
    case TENSOR_I32:
      memcpy(&half, at, sizeof half);
      return half;
    case TENSOR_I16:
      memcpy(&quarter, at, sizeof quarter);
      return quarter;
    case TENSOR_I8:
      return *(const signed char *)at;
    case TENSOR_U8:
      return *(const unsigned char *)at;
    case TENSOR_BOOL:
      return *at != 0;
    default:
      break;
  }
  return value;
}

/* Within +-2^`bits` every whole number is exact. */
static simba_status check_exact(const TensorFile *file, const Tensor *tensor, int64_t value, int bits,
                                simba_error *error) {
  int64_t most = INT64_C(1) << bits;
  if (value >= -most && value <= most) return SIMBA_OK;
  return error_set(error, SIMBA_DATA_ERROR,
                   "%s: tensor '%.200s' of type %s: %" PRId64 " is not exact as a number of %d bits", file->path,
                   tensor->name, tensor_type_name(tensor->type), value, bits);
}

simba_status tensor_read_f32(const TensorFile *file, const Tensor *tensor, float *out, simba_error *error) {
  if (tensor->type == TENSOR_F32) { /* bit for bit, NaN payloads included */
    if (tensor->count) memcpy(out, tensor->bytes, (size_t)tensor->count * sizeof *out);
    return SIMBA_OK;
  }
  bool real = tensor_type_is_real(tensor->type);
  simba_status status = SIMBA_OK;
  for (int64_t i = 0; i < tensor->count && !status; i++) {
    if (!real) status = check_exact(file, tensor, whole_element(tensor, i), FLT_MANT_DIG, error);
    if (!status) out[i] = real ? (float)element(tensor, i) : (float)whole_element(tensor, i);
  }
  return status;
}

simba_status tensor_read_f64(const TensorFile *file, const Tensor *tensor, double *out, simba_error *error) {
  bool real = tensor_type_is_real(tensor->type);
  simba_status status = SIMBA_OK;
  for (int64_t i = 0; i < tensor->count && !status; i++) {
    if (!real) status = check_exact(file, tensor, whole_element(tensor, i), DBL_MANT_DIG, error);
    if (!status) out[i] = real ? element(tensor, i) : (double)whole_element(tensor, i);
  }
  return status;
}

simba_status tensor_file_read(const TensorFile *file, const char *name, int32_t rank, const int64_t *shape, float *out,
                              simba_error *error) {
  const Tensor *tensor = tensor_file_find(file, name);
  char expected[200], found[200];
  tensor_shape_text(rank, shape, expected, sizeof expected);
  if (!tensor)
    return error_set(error, SIMBA_DATA_ERROR, "%s: tensor '%.200s' is missing: expected shape %s", file->path, name,
                     expected);
  if (!tensor_shape_equal(tensor->rank, tensor->shape, rank, shape)) {
    tensor_shape_text(tensor->rank, tensor->shape, found, sizeof found);
    return error_set(error, SIMBA_DATA_ERROR, "%s: tensor '%.200s' has shape %s: expected %s", file->path, name, found,
                     expected);
  }
  return tensor_read_f32(file, tensor, out, error);
}
