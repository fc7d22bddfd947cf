/* What is in the file: a zip file of entries, or pickles with storages behind them. */
#include "torch_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torch_internal.h"
#include "zip_entries.h"

#define STORAGE(name, tensor_type) \
  { "torch", name, .role = TORCH_STORAGE, .type = tensor_type }

/* All that may be named. What is of role TORCH_OTHER turns up beside weights in checkpoints: counters, options, states
 * of random number generators. */
const PickleGlobal TORCH_GLOBALS[] = {
    {"collections", "OrderedDict", .makes_dict = true},
    {"collections", "defaultdict", .makes_dict = true},
    {"builtins", "dict", .makes_dict = true},
    {"torch._utils", "_rebuild_tensor_v2", .role = TORCH_TENSOR},
    {"torch._utils", "_rebuild_tensor", .role = TORCH_TENSOR},
    {"torch._utils", "_rebuild_parameter", .role = TORCH_PARAMETER},
    STORAGE("FloatStorage", TENSOR_F32),
    STORAGE("DoubleStorage", TENSOR_F64),
    STORAGE("HalfStorage", TENSOR_F16),
    STORAGE("BFloat16Storage", TENSOR_BF16),
    STORAGE("LongStorage", TENSOR_I64),
    STORAGE("IntStorage", TENSOR_I32),
    STORAGE("ShortStorage", TENSOR_I16),
    STORAGE("CharStorage", TENSOR_I8),
    STORAGE("ByteStorage", TENSOR_U8),
    STORAGE("BoolStorage", TENSOR_BOOL),
    STORAGE("ComplexFloatStorage", TORCH_NO_TYPE),
    STORAGE("ComplexDoubleStorage", TORCH_NO_TYPE),
    {"torch", "Size"},
    {"torch", "device"},
    {"torch", "float32"},
    {"torch", "float64"},
    {"torch", "float16"},
    {"torch", "bfloat16"},
    {"torch", "int64"},
    {"torch", "int32"},
    {"torch", "int16"},
    {"torch", "int8"},
    {"torch", "uint8"},
    {"torch", "bool"},
    {"torch.torch_version", "TorchVersion"},
    {"argparse", "Namespace"},
    {"collections", "Counter"},
    {"builtins", "set"},
    {"builtins", "list"},
    {"builtins", "int"},
    {"__builtin__", "set"},
    {"_codecs", "encode"},
    {"pathlib", "PosixPath"},
    {"numpy", "dtype"},
    {"numpy", "ndarray"},
    {"numpy.core.multiarray", "scalar"},
    {"numpy.core.multiarray", "_reconstruct"},
    {"numpy._core.multiarray", "scalar"},
    {"numpy._core.multiarray", "_reconstruct"},
};
const size_t TORCH_GLOBAL_COUNT = sizeof TORCH_GLOBALS / sizeof *TORCH_GLOBALS;

simba_status torch_fail(const TorchReader *reader, const PickleValue *value, const char *found) {
  if (reader->describing)
    return error_set(reader->error, SIMBA_DATA_ERROR, "%s: tensor '%.200s' (%s byte %u): %s", reader->file->path,
                     reader->describing, reader->entry, value->offset, found);
  return error_set(reader->error, SIMBA_DATA_ERROR, "%s: %s byte %u: %s", reader->file->path, reader->entry,
                   value->offset, found);
}

static simba_status fail_file(const TorchReader *reader, const char *found) {
  return error_set(reader->error, SIMBA_DATA_ERROR, "%s: %s", reader->file->path, found);
}

/* ---- Storages ---- */

static int compare_storages(const void *a, const void *b) {
  const TorchStorage *left = a, *right = b;
  size_t length = left->key_length < right->key_length ? left->key_length : right->key_length;
  int order = length ? memcmp(left->key, right->key, length) : 0;
  if (order != 0) return order;
  return left->key_length < right->key_length ? -1 : left->key_length > right->key_length;
}

TorchStorage *torch_find_storage(const TorchReader *reader, const char *key, size_t length) {
  const TorchStorage wanted = {.key = key, .key_length = length};
  if (!reader->storage_count) return NULL;
  return bsearch(&wanted, reader->storage, reader->storage_count, sizeof wanted, compare_storages);
}

static void sort_storages(TorchReader *reader) {
  if (reader->storage_count) qsort(reader->storage, reader->storage_count, sizeof *reader->storage, compare_storages);
}

static simba_status parse_pickle(TorchReader *reader, const char *entry, const char *bytes, size_t size, size_t begin,
                                 Pickle **out_pickle) {
  const PickleSource source = {.path = reader->file->path,
                               .entry = entry,
                               .bytes = bytes,
                               .size = size,
                               .begin = begin,
                               .global = TORCH_GLOBALS,
                               .global_count = TORCH_GLOBAL_COUNT};
  return pickle_parse(&source, out_pickle, reader->error);
}

/* ---- Zip files ---- */

/* Entries lie in one folder, whatever it is called: its name with the '/', from the one data.pkl. */
static simba_status find_folder(const TorchReader *reader, const ZipEntries *zip, char out_folder[TORCH_MAX_NAME]) {
  static const char name[] = "data.pkl";
  const ZipEntry *found = NULL;
  for (size_t i = 0; i < zip->count; i++) {
    const char *slash = strchr(zip->entry[i].name, '/');
    if (strcmp(slash ? slash + 1 : zip->entry[i].name, name) != 0) continue;
    if (found) return fail_file(reader, "a zip file with more than one data.pkl, which torch.save does not write");
    found = &zip->entry[i];
  }
  if (!found) return fail_file(reader, "a zip file without data.pkl: torch.save did not write it");
  size_t length = strlen(found->name) - strlen(name);
  if (length >= TORCH_MAX_NAME) return fail_file(reader, "the name of the folder in the zip file is too long");
  memcpy(out_folder, found->name, length);
  out_folder[length] = 0;
  return SIMBA_OK;
}

static simba_status check_byte_order(const TorchReader *reader, const ZipEntries *zip, const char *folder) {
  char name[TORCH_MAX_NAME + 16];
  snprintf(name, sizeof name, "%sbyteorder", folder);
  const ZipEntry *entry = zip_entries_find(zip, name);
  if (!entry || (entry->size == 6 && memcmp(entry->bytes, "little", 6) == 0)) return SIMBA_OK;
  return fail_file(reader, "its numbers are not little-endian (entry byteorder): load and save it on such a machine");
}

/* Entries <folder>data/<key>. */
static simba_status list_storages(TorchReader *reader, const ZipEntries *zip, const char *folder) {
  char prefix[TORCH_MAX_NAME + 16];
  size_t length = (size_t)snprintf(prefix, sizeof prefix, "%sdata/", folder);
  reader->storage = memory_allocate(zip->count, sizeof *reader->storage);
  if (!reader->storage) return error_set_memory(reader->error, reader->file->path);
  for (size_t i = 0; i < zip->count; i++) {
    const ZipEntry *entry = &zip->entry[i];
    if (strncmp(entry->name, prefix, length) != 0) continue;
    reader->storage[reader->storage_count++] = (TorchStorage){.key = entry->name + length,
                                                              .key_length = strlen(entry->name + length),
                                                              .bytes = entry->bytes,
                                                              .size = entry->size,
                                                              .entry = entry};
  }
  sort_storages(reader);
  return SIMBA_OK;
}

static simba_status read_zip(TorchReader *reader, const ZipEntries *zip) {
  char folder[TORCH_MAX_NAME], name[TORCH_MAX_NAME + 16];
  simba_status status = find_folder(reader, zip, folder);
  if (!status) status = check_byte_order(reader, zip, folder);
  if (!status) status = list_storages(reader, zip, folder);
  if (status) return status;
  snprintf(name, sizeof name, "%sdata.pkl", folder);
  const ZipEntry *entry = zip_entries_find(zip, name);
  status = zip_entry_check(reader->file->path, entry, reader->error);
  reader->entry = entry->name;
  if (!status) status = parse_pickle(reader, entry->name, entry->bytes, entry->size, 0, &reader->pickle);
  if (!status) status = torch_describe(reader);
  return status ? status : torch_materialise(reader);
}

static simba_status read_zip_file(TorchReader *reader, const char *bytes) {
  ZipEntries zip;
  simba_status status = zip_entries_open(reader->file->path, bytes, reader->size, &zip, reader->error);
  if (status) return status;
  status = read_zip(reader, &zip);
  zip_entries_close(&zip);
  return status;
}

/* ---- The format before PyTorch 1.6: five pickles, then the storages, each behind its number of elements ---- */

/* The first pickle, a number of 80 bits that marks the format. */
static const char LEGACY_MAGIC[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
enum { LEGACY_MAGIC_SIZE = sizeof LEGACY_MAGIC - 1 };

static const PickleValue *dict_entry(const Pickle *pickle, const PickleValue *dict, const char *key) {
  if (dict->kind != PICKLE_DICT) return NULL;
  for (uint32_t i = 0; i + 1 < dict->count; i += 2)
    if (pickle_is_text(pickle_value(pickle, dict->item[i]), key)) return pickle_value(pickle, dict->item[i + 1]);
  return NULL;
}

static simba_status check_system(const TorchReader *reader, const Pickle *system) {
  const PickleValue *little = dict_entry(system, pickle_value(system, system->root), "little_endian");
  if (little && little->kind == PICKLE_BOOLEAN && little->integer) return SIMBA_OK;
  return fail_file(reader, "its numbers are not little-endian: load and save it on such a machine");
}

/* The keys as storages without bytes, in order. */
static simba_status list_keys(TorchReader *reader, const Pickle *keys) {
  const PickleValue *list = pickle_value(keys, keys->root);
  if (list->kind != PICKLE_LIST) return fail_file(reader, "its storages are not listed");
  reader->storage = memory_allocate(list->count, sizeof *reader->storage);
  if (!reader->storage) return error_set_memory(reader->error, reader->file->path);
  for (uint32_t i = 0; i < list->count; i++) {
    const PickleValue *key = pickle_value(keys, list->item[i]);
    if (key->kind != PICKLE_TEXT) return fail_file(reader, "a storage's key is no text");
    reader->storage[reader->storage_count++] = (TorchStorage){.key = key->text, .key_length = key->count};
  }
  sort_storages(reader);
  return SIMBA_OK;
}

/* The size of a storage's elements is said where a tensor names it, ('storage', type, key, ...); until the bytes are
 * placed it stands as the storage's size. */
static void find_element_sizes(TorchReader *reader) {
  const Pickle *pickle = reader->pickle;
  for (uint32_t i = 0; i < pickle->count; i++) {
    if (pickle->value[i].kind != PICKLE_PERSISTENT) continue;
    const PickleValue *id = pickle_value(pickle, pickle->value[i].item[0]);
    if (id->kind != PICKLE_TUPLE || id->count < 3) continue;
    const PickleValue *type = pickle_value(pickle, id->item[1]), *key = pickle_value(pickle, id->item[2]);
    TorchStorage *storage = key->kind == PICKLE_TEXT ? torch_find_storage(reader, key->text, key->count) : NULL;
    bool known = type->kind == PICKLE_GLOBAL && type->global->role == TORCH_STORAGE && type->global->type >= 0;
    if (storage && known) storage->size = tensor_type_size((TensorType)type->global->type);
  }
}

/* One behind another from `at`, in the order of the list of keys, each behind its number of elements. */
static simba_status place_storages(TorchReader *reader, const Pickle *keys, const char *bytes, size_t at) {
  simba_status status = list_keys(reader, keys);
  if (status) return status;
  find_element_sizes(reader);
  const PickleValue *list = pickle_value(keys, keys->root);
  for (uint32_t i = 0; i < list->count; i++) {
    const PickleValue *key = pickle_value(keys, list->item[i]);
    TorchStorage *storage = torch_find_storage(reader, key->text, key->count);
    uint64_t count, size;
    if (storage->bytes) return fail_file(reader, "a storage is listed twice");
    if (!storage->size) return fail_file(reader, "a storage of a type that is not read, or that no tensor names");
    if (reader->size - at < sizeof count) return fail_file(reader, "truncated: ends before its last storage");
    memcpy(&count, bytes + at, sizeof count);
    at += sizeof count;
    if (__builtin_mul_overflow(count, storage->size, &size) || size > reader->size - at)
      return fail_file(reader, "truncated: ends within a storage");
    storage->bytes = bytes + at;
    storage->size = size;
    at += size;
  }
  return SIMBA_OK;
}

static simba_status read_legacy_file(TorchReader *reader, const char *bytes) {
  enum { VERSION, SYSTEM, OBJECT, KEYS, COUNT };
  size_t pickles = reader->size < PICKLE_MAX_BYTES ? reader->size : PICKLE_MAX_BYTES, at = LEGACY_MAGIC_SIZE;
  Pickle *part[COUNT] = {0};
  simba_status status = SIMBA_OK;
  reader->entry = "pickle,";
  for (int k = 0; k < COUNT && !status; k++) {
    status = parse_pickle(reader, reader->entry, bytes, pickles, at, &part[k]);
    if (!status) at = part[k]->end;
  }
  if (!status) status = check_system(reader, part[SYSTEM]);
  reader->pickle = part[OBJECT];
  if (!status) status = place_storages(reader, part[KEYS], bytes, at);
  if (!status) status = torch_describe(reader);
  if (!status) status = torch_materialise(reader);
  part[OBJECT] = NULL; /* the reader's now */
  for (int k = 0; k < COUNT; k++) pickle_free(part[k]);
  return status;
}

/* ---- All of it ---- */

static bool begins_with(const char *bytes, size_t size, const char *magic, size_t length) {
  return size >= length && memcmp(bytes, magic, length) == 0;
}

static bool is_legacy(const char *bytes, size_t size) {
  return begins_with(bytes, size, LEGACY_MAGIC, LEGACY_MAGIC_SIZE);
}

bool torch_file_recognise(const char *bytes, size_t size) {
  return begins_with(bytes, size, "PK\3\4", 4) || begins_with(bytes, size, "PK\5\6", 4) || is_legacy(bytes, size);
}

simba_status torch_file_read(TensorFile *file, size_t size, const char *key, simba_error *error) {
  const char *bytes = file->memory[MEMORY_BYTES];
  TorchReader reader = {.file = file, .size = size, .key = key, .error = error};
  simba_status status = is_legacy(bytes, size) ? read_legacy_file(&reader, bytes) : read_zip_file(&reader, bytes);
  pickle_free(reader.pickle);
  free(reader.storage);
  free(reader.tensor);
  free(reader.names);
  return status ? status : tensor_file_check_names(file, error);
}
