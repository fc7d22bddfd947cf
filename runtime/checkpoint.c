#include "checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

enum { FORMAT_VERSION = 1, KEY_SIZE = 32 };

/* ---- Counters as metadata ---- */

typedef enum FieldType {
  FIELD_COUNT,
  FIELD_EPOCH,
  FIELD_UNSIGNED,
  FIELD_REAL,
  FIELD_FLAG,
  FIELD_COUNT_32,
  FIELD_KIND
} FieldType;

typedef struct Field {
  const char *key;
  FieldType type;
  size_t offset; /* in Progress */
} Field;

static const Field FIELDS[] = {
    {"step", FIELD_COUNT, offsetof(Progress, step)},
    {"epoch", FIELD_COUNT, offsetof(Progress, epoch)},
    {"step_in_epoch", FIELD_COUNT, offsetof(Progress, step_in_epoch)},
    {"seed", FIELD_UNSIGNED, offsetof(Progress, seed)},
    {"schedule.kind", FIELD_KIND, offsetof(Progress, schedule.kind)},
    {"schedule.rate", FIELD_REAL, offsetof(Progress, schedule.rate)},
    {"schedule.minimum", FIELD_REAL, offsetof(Progress, schedule.minimum)},
    {"schedule.warmup_rate", FIELD_REAL, offsetof(Progress, schedule.warmup_rate)},
    {"schedule.warmup", FIELD_REAL, offsetof(Progress, schedule.warmup)},
    {"schedule.total", FIELD_REAL, offsetof(Progress, schedule.total)},
    {"rate", FIELD_REAL, offsetof(Progress, rate)},
    {"best", FIELD_REAL, offsetof(Progress, best)},
    {"best_epoch", FIELD_EPOCH, offsetof(Progress, best_epoch)},
    {"epochs_since", FIELD_COUNT, offsetof(Progress, epochs_since)},
    {"stopped", FIELD_FLAG, offsetof(Progress, stopped)},
    {"loss_sum", FIELD_REAL, offsetof(Progress, loss_sum)},
    {"metric_count", FIELD_COUNT_32, offsetof(Progress, metric_count)},
    {"sample_count", FIELD_COUNT, offsetof(Progress, sample_count)},
};
enum { FIELDS_COUNT = sizeof FIELDS / sizeof *FIELDS, METADATA_MAX = FIELDS_COUNT + CHECKPOINT_MAX_METRICS + 2 };

typedef struct MetadataText {
  TensorMetadata entry[METADATA_MAX];
  char value[METADATA_MAX][NUMBER_TEXT_SIZE], key[CHECKPOINT_MAX_METRICS][KEY_SIZE];
  size_t count;
} MetadataText;

static void field_text(const Field *field, const Progress *progress, char out[NUMBER_TEXT_SIZE]) {
  const void *at = (const char *)progress + field->offset;
  switch (field->type) {
    case FIELD_COUNT:
    case FIELD_EPOCH:
      snprintf(out, NUMBER_TEXT_SIZE, "%" PRId64, *(const int64_t *)at);
      break;
    case FIELD_UNSIGNED:
      snprintf(out, NUMBER_TEXT_SIZE, "%" PRIu64, *(const uint64_t *)at);
      break;
    case FIELD_REAL:
      number_text(*(const double *)at, out);
      break;
    case FIELD_FLAG:
      snprintf(out, NUMBER_TEXT_SIZE, "%d", *(const bool *)at);
      break;
    case FIELD_COUNT_32:
      snprintf(out, NUMBER_TEXT_SIZE, "%" PRId32, *(const int32_t *)at);
      break;
    case FIELD_KIND:
      snprintf(out, NUMBER_TEXT_SIZE, "%d", (int)*(const simba_schedule_kind *)at);
      break;
  }
}

static bool field_read(const Field *field, const char *text, Progress *progress) {
  void *at = (char *)progress + field->offset;
  int64_t whole;
  switch (field->type) {
    case FIELD_UNSIGNED:
      return number_parse_unsigned(text, at);
    case FIELD_REAL:
      return number_parse_any(text, at);
    default:
      break;
  }
  if (!number_parse_signed(text, &whole)) return false;
  switch (field->type) {
    case FIELD_FLAG:
      *(bool *)at = whole != 0;
      return whole == 0 || whole == 1;
    case FIELD_COUNT_32:
      *(int32_t *)at = (int32_t)whole;
      return whole >= 0 && whole <= CHECKPOINT_MAX_METRICS;
    case FIELD_KIND:
      *(simba_schedule_kind *)at = (simba_schedule_kind)whole;
      return whole == SIMBA_CONSTANT || whole == SIMBA_COSINE;
    default: /* an epoch is -1 where there is none */
      *(int64_t *)at = whole;
      return whole >= (field->type == FIELD_EPOCH ? -1 : 0);
  }
}

static void metric_key(int32_t index, char out[KEY_SIZE]) { snprintf(out, KEY_SIZE, "metric_sum.%d", (int)index); }

static void metadata_fill(MetadataText *metadata, const char *fingerprint, const Progress *progress) {
  metadata->count = 0;
  for (size_t i = 0; i < FIELDS_COUNT; i++) {
    char *value = metadata->value[metadata->count];
    field_text(&FIELDS[i], progress, value);
    metadata->entry[metadata->count++] = (TensorMetadata){FIELDS[i].key, value};
  }
  for (int32_t i = 0; i < progress->metric_count; i++) {
    char *value = metadata->value[metadata->count];
    metric_key(i, metadata->key[i]);
    number_text(progress->metric_sum[i], value);
    metadata->entry[metadata->count++] = (TensorMetadata){metadata->key[i], value};
  }
  char *version = metadata->value[metadata->count];
  snprintf(version, NUMBER_TEXT_SIZE, "%d", FORMAT_VERSION);
  metadata->entry[metadata->count++] = (TensorMetadata){"checkpoint", version};
  metadata->entry[metadata->count++] = (TensorMetadata){"fingerprint", fingerprint};
}

static simba_status field_fail(const TensorFile *file, const char *key, const char *text, simba_error *error) {
  if (!text) return error_set(error, SIMBA_DATA_ERROR, "%s: checkpoint without '%s'", file->path, key);
  return error_set(error, SIMBA_DATA_ERROR, "%s: checkpoint with a bad '%s': '%.40s'", file->path, key, text);
}

static simba_status progress_read(const TensorFile *file, Progress *out_progress, simba_error *error) {
  int64_t version;
  const char *text = tensor_file_metadata(file, "checkpoint");
  if (!text)
    return error_set(error, SIMBA_DATA_ERROR, "%s: not a checkpoint: no such entry in __metadata__", file->path);
  if (!number_parse_signed(text, &version) || version != FORMAT_VERSION)
    return error_set(error, SIMBA_DATA_ERROR, "%s: checkpoint of format %.40s: expected %d", file->path, text,
                     FORMAT_VERSION);
  Progress progress = {0};
  for (size_t i = 0; i < FIELDS_COUNT; i++) {
    text = tensor_file_metadata(file, FIELDS[i].key);
    if (!text || !field_read(&FIELDS[i], text, &progress)) return field_fail(file, FIELDS[i].key, text, error);
  }
  for (int32_t i = 0; i < progress.metric_count; i++) {
    char key[KEY_SIZE];
    metric_key(i, key);
    text = tensor_file_metadata(file, key);
    if (!text || !number_parse_any(text, &progress.metric_sum[i])) return field_fail(file, key, text, error);
  }
  *out_progress = progress;
  return SIMBA_OK;
}

/* ---- Tensors ---- */

/* A tensor of the file and the caller's memory that it stands for. */
typedef struct Slot {
  char *name;
  const CheckpointTensor *tensor;
  float *data;
} Slot;

typedef struct SlotList {
  Slot *slot;
  size_t count;
} SlotList;

static void slots_free(SlotList *list) {
  for (size_t i = 0; i < list->count; i++) free(list->slot[i].name);
  free(list->slot);
}

static bool slot_add(SlotList *list, const char *prefix, const CheckpointTensor *tensor, float *data) {
  if (!data) return true;
  size_t size = strlen(prefix) + strlen(tensor->name) + 1;
  char *name = memory_allocate(size, 1);
  if (!name) return false;
  snprintf(name, size, "%s%s", prefix, tensor->name);
  list->slot[list->count++] = (Slot){name, tensor, data};
  return true;
}

static bool slots_fill(SlotList *list, const CheckpointTensor *tensors, size_t count, bool best) {
  *list = (SlotList){.slot = memory_allocate(count, 5 * sizeof *list->slot)};
  if (!list->slot) return false;
  for (size_t i = 0; i < count; i++) {
    const CheckpointTensor *tensor = &tensors[i];
    bool added = slot_add(list, tensor->parameter ? "param." : "buf.", tensor, tensor->value) &&
                 slot_add(list, "adamw.m.", tensor, tensor->first_moment) &&
                 slot_add(list, "adamw.v.", tensor, tensor->second_moment) &&
                 slot_add(list, "average.", tensor, tensor->average) &&
                 (!best || slot_add(list, tensor->parameter ? "best.param." : "best.buf.", tensor, tensor->best));
    if (!added) return false;
  }
  return true;
}

static Tensor as_tensor(const CheckpointTensor *tensor, const char *name, const float *data) {
  Tensor result = {.name = name, .type = TENSOR_F32, .rank = tensor->rank, .bytes = data};
  memcpy(result.shape, tensor->shape, sizeof result.shape);
  return result;
}

simba_status checkpoint_save(const char *path, const char *fingerprint, const CheckpointTensor *tensors, size_t count,
                             const Progress *progress, simba_error *error) {
  if (progress->metric_count < 0 || progress->metric_count > CHECKPOINT_MAX_METRICS)
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: %d metrics: at most %d", path, (int)progress->metric_count,
                     CHECKPOINT_MAX_METRICS);
  SlotList list = {0};
  MetadataText *metadata = memory_allocate(1, sizeof *metadata);
  bool complete = metadata && slots_fill(&list, tensors, count, progress->best_epoch >= 0);
  Tensor *out = complete ? memory_allocate(list.count, sizeof *out) : NULL;
  simba_status status = out ? SIMBA_OK : error_set_memory(error, path);
  if (!status) {
    for (size_t i = 0; i < list.count; i++)
      out[i] = as_tensor(list.slot[i].tensor, list.slot[i].name, list.slot[i].data);
    metadata_fill(metadata, fingerprint, progress);
    status = tensor_file_write(path, out, list.count, metadata->entry, metadata->count, error);
  }
  free(out);
  free(metadata);
  slots_free(&list);
  return status;
}

static bool fits(const Tensor *found, const CheckpointTensor *expected) {
  return found->type == TENSOR_F32 && tensor_shape_equal(found->rank, found->shape, expected->rank, expected->shape);
}

static simba_status fail_fit(const TensorFile *file, const Slot *slot, const Tensor *found, simba_error *error) {
  char expected[200], shape[200];
  tensor_shape_text(slot->tensor->rank, slot->tensor->shape, expected, sizeof expected);
  if (!found)
    return error_set(error, SIMBA_DATA_ERROR, "%s: tensor '%.200s' is missing: expected F32 %s", file->path, slot->name,
                     expected);
  tensor_shape_text(found->rank, found->shape, shape, sizeof shape);
  return error_set(error, SIMBA_DATA_ERROR, "%s: tensor '%.200s' is %s %s: expected F32 %s", file->path, slot->name,
                   tensor_type_name(found->type), shape, expected);
}

/* Checks everything first, then copies: all or nothing. */
static simba_status tensors_read(const TensorFile *file, const SlotList *list, simba_error *error) {
  for (size_t i = 0; i < list->count; i++) {
    const Tensor *found = tensor_file_find(file, list->slot[i].name);
    if (!found || !fits(found, list->slot[i].tensor)) return fail_fit(file, &list->slot[i], found, error);
  }
  for (size_t i = 0; i < file->count && list->count != file->count; i++) {
    bool known = false;
    for (size_t k = 0; k < list->count && !known; k++) known = strcmp(file->tensor[i].name, list->slot[k].name) == 0;
    if (!known)
      return error_set(error, SIMBA_DATA_ERROR, "%s: tensor '%.200s' is not one of this model", file->path,
                       file->tensor[i].name);
  }
  for (size_t i = 0; i < list->count; i++) {
    simba_status status = tensor_read_f32(file, tensor_file_find(file, list->slot[i].name), list->slot[i].data, error);
    if (status) return status;
  }
  return SIMBA_OK;
}

/* The word at `text`, which is moved behind it and the space that follows. */
static const char *next_word(const char **text, size_t *out_length) {
  const char *word = *text;
  *out_length = strcspn(word, " ");
  *text = word + *out_length + (word[*out_length] == ' ');
  return word;
}

/* The names whose values differ, or that only one of the two has: names and values stand at the same places. */
static void list_differences(const char *found, const char *expected, char *out, size_t size) {
  size_t used = 0;
  out[0] = 0;
  while ((*expected || *found) && used < size) {
    size_t name_length, value_length, there_length, found_length;
    const char *name = next_word(&expected, &name_length), *value = next_word(&expected, &value_length);
    const char *there = next_word(&found, &there_length), *held = next_word(&found, &found_length);
    if (found_length == value_length && memcmp(value, held, value_length) == 0) continue;
    if (name_length == 0) name = there, name_length = there_length;
    used += (size_t)snprintf(out + used, size - used, "%s%.*s", used ? ", " : "", (int)name_length, name);
  }
}

static simba_status check_fingerprint(const TensorFile *file, const char *expected, simba_error *error) {
  const char *found = tensor_file_metadata(file, "fingerprint");
  if (found && strcmp(found, expected) == 0) return SIMBA_OK;
  char differences[200];
  list_differences(found ? found : "", expected, differences, sizeof differences);
  return error_set(
      error, SIMBA_DATA_ERROR,
      "%s: a checkpoint of another run (what differs: %s): resume it as it was begun, or begin a new run in "
      "another folder",
      file->path, differences);
}

simba_status checkpoint_load(const char *path, const char *fingerprint, const CheckpointTensor *tensors, size_t count,
                             Progress *out_progress, simba_error *error) {
  TensorFile *file;
  Progress progress;
  SlotList list = {0};
  simba_status status = tensor_file_open(path, &file, error);
  if (status) return status;
  status = progress_read(file, &progress, error);
  if (!status) status = check_fingerprint(file, fingerprint, error);
  if (!status && !slots_fill(&list, tensors, count, progress.best_epoch >= 0)) status = error_set_memory(error, path);
  if (!status) status = tensors_read(file, &list, error);
  if (!status) *out_progress = progress;
  slots_free(&list);
  tensor_file_close(file);
  return status;
}

simba_status checkpoint_load_progress(const char *path, Progress *out_progress, simba_error *error) {
  TensorFile *file;
  simba_status status = tensor_file_open(path, &file, error);
  if (status) return status;
  status = progress_read(file, out_progress, error);
  tensor_file_close(file);
  return status;
}
