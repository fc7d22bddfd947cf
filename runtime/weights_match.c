/* A file's tensors beside a model's: what is missing, what is there besides, what has another shape. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor_file_internal.h"
#include "weights.h"

enum { MAX_LINES = 20 };

typedef struct Matcher {
  TensorFile *file;
  const CheckpointTensor *tensor;
  size_t count;
  const Tensor **by_name; /* the file's, in the order of their names */
  bool *used, *extra;     /* of the file's tensors */
  WeightsMatch *match;
  FILE *text; /* of the report */
  simba_error *error;
} Matcher;

/* ---- Finding ---- */

static int compare_names(const void *a, const void *b) {
  return strcmp((*(const Tensor *const *)a)->name, (*(const Tensor *const *)b)->name);
}

static const Tensor *find(const Matcher *matcher, const char *name) {
  const Tensor key = {.name = name}, *wanted = &key;
  if (!matcher->file->count) return NULL;
  const Tensor **found =
      bsearch(&wanted, matcher->by_name, matcher->file->count, sizeof *matcher->by_name, compare_names);
  return found ? *found : NULL;
}

static void match_tensors(Matcher *matcher) {
  WeightsMatch *match = matcher->match;
  for (size_t i = 0; i < matcher->count; i++) {
    const CheckpointTensor *tensor = &matcher->tensor[i];
    const Tensor *found = match->found[i] = find(matcher, tensor->name);
    match->fit[i] = !found                                                                       ? WEIGHT_MISSING
                    : tensor_shape_equal(found->rank, found->shape, tensor->rank, tensor->shape) ? WEIGHT_FITS
                                                                                                 : WEIGHT_MISSHAPEN;
    match->missing += match->fit[i] == WEIGHT_MISSING;
    match->misshapen += match->fit[i] == WEIGHT_MISSHAPEN;
    if (found) matcher->used[found - matcher->file->tensor] = true;
  }
}

static bool same_elements(const Tensor *a, const Tensor *b) {
  return a->bytes == b->bytes && a->count == b->count && a->count > 0 && a->type == b->type &&
         tensor_shape_equal(a->rank, a->shape, b->rank, b->shape);
}

/* Embedding and head of a language model are often one tensor with two names. */
static bool is_second_name(const Matcher *matcher, const Tensor *tensor) {
  for (size_t i = 0; i < matcher->count; i++)
    if (matcher->match->found[i] && same_elements(matcher->match->found[i], tensor)) return true;
  return false;
}

static simba_status note_names(Matcher *matcher, size_t count, const Tensor *first, const char *what) {
  if (!count) return SIMBA_OK;
  return tensor_file_add_note(matcher->file, matcher->error, "%zu tensor%s left alone, %s, such as '%.100s'", count,
                              count == 1 ? "" : "s", what, first->name);
}

static simba_status find_extra(Matcher *matcher) {
  size_t counters = 0, names = 0, converted = 0;
  const Tensor *counter = NULL, *name = NULL, *whole = NULL;
  for (size_t i = 0; i < matcher->file->count; i++) {
    const Tensor *tensor = &matcher->file->tensor[i];
    bool real = tensor_type_is_real(tensor->type);
    if (matcher->used[i]) {
      if (!real && !converted++) whole = tensor;
    } else if (!real) {
      if (!counters++) counter = tensor;
    } else if (is_second_name(matcher, tensor)) {
      if (!names++) name = tensor;
    } else {
      matcher->extra[i] = true;
      matcher->match->extra++;
    }
  }
  simba_status status = note_names(matcher, counters, counter, "of whole numbers that the model does not have");
  if (!status) status = note_names(matcher, names, name, "second names of tensors that the model has");
  if (status || !converted) return status;
  return tensor_file_add_note(matcher->file, matcher->error,
                              "%zu tensor%s of whole numbers converted, such as '%.100s'", converted,
                              converted == 1 ? "" : "s", whole->name);
}

/* ---- Nearest names ---- */

/* Paths that mean the same differ at one place, most often at their beginning: what they have in common at both ends
 * counts, and a shape that fits. 0: too little. */
static size_t likeness(const char *a, const char *b, bool same_shape) {
  size_t length_a = strlen(a), length_b = strlen(b), shorter = length_a < length_b ? length_a : length_b;
  size_t head = 0, tail = 0;
  while (head < shorter && a[head] == b[head]) head++;
  while (tail < shorter - head && a[length_a - 1 - tail] == b[length_b - 1 - tail]) tail++;
  if (2 * (head + tail) < shorter) return 0;
  return 2 * (head + tail) + (same_shape ? shorter : 0);
}

static const Tensor *nearest_extra(const Matcher *matcher, const CheckpointTensor *tensor) {
  const Tensor *nearest = NULL;
  size_t best = 0;
  for (size_t i = 0; i < matcher->file->count; i++) {
    const Tensor *other = &matcher->file->tensor[i];
    if (!matcher->extra[i]) continue;
    size_t like =
        likeness(tensor->name, other->name, tensor_shape_equal(tensor->rank, tensor->shape, other->rank, other->shape));
    if (like > best) {
      best = like;
      nearest = other;
    }
  }
  return nearest;
}

static const char *nearest_missing(const Matcher *matcher, const Tensor *tensor) {
  const char *nearest = NULL;
  size_t best = 0;
  for (size_t i = 0; i < matcher->count; i++) {
    const CheckpointTensor *other = &matcher->tensor[i];
    if (matcher->match->fit[i] != WEIGHT_MISSING) continue;
    size_t like =
        likeness(tensor->name, other->name, tensor_shape_equal(tensor->rank, tensor->shape, other->rank, other->shape));
    if (like > best) {
      best = like;
      nearest = other->name;
    }
  }
  return nearest;
}

/* ---- Reporting ---- */

static void end_kind(const Matcher *matcher, const char *kind, size_t count) {
  if (count > MAX_LINES) fprintf(matcher->text, "  %-10s and %zu more\n", kind, count - MAX_LINES);
}

static void report_missing(const Matcher *matcher) {
  size_t lines = 0;
  for (size_t i = 0; i < matcher->count && lines < MAX_LINES; i++) {
    const CheckpointTensor *tensor = &matcher->tensor[i];
    if (matcher->match->fit[i] != WEIGHT_MISSING) continue;
    char shape[200];
    tensor_shape_text(tensor->rank, tensor->shape, shape, sizeof shape);
    const Tensor *near = nearest_extra(matcher, tensor);
    fprintf(matcher->text, "  %-10s %s %s%s%.200s%s\n", "missing", tensor->name, shape,
            near ? "; is it the file's '" : "", near ? near->name : "", near ? "'?" : "");
    lines++;
  }
  end_kind(matcher, "missing", matcher->match->missing);
}

static void report_extra(const Matcher *matcher) {
  size_t lines = 0;
  for (size_t i = 0; i < matcher->file->count && lines < MAX_LINES; i++) {
    const Tensor *tensor = &matcher->file->tensor[i];
    if (!matcher->extra[i]) continue;
    char shape[200];
    tensor_shape_text(tensor->rank, tensor->shape, shape, sizeof shape);
    const char *near = nearest_missing(matcher, tensor);
    fprintf(matcher->text, "  %-10s %.200s %s%s%s%s\n", "extra", tensor->name, shape,
            near ? "; is it the model's '" : "", near ? near : "", near ? "'?" : "");
    lines++;
  }
  end_kind(matcher, "extra", matcher->match->extra);
}

static void report_misshapen(const Matcher *matcher) {
  size_t lines = 0;
  for (size_t i = 0; i < matcher->count && lines < MAX_LINES; i++) {
    const CheckpointTensor *tensor = &matcher->tensor[i];
    if (matcher->match->fit[i] != WEIGHT_MISSHAPEN) continue;
    char shape[200], expected[200];
    const Tensor *found = matcher->match->found[i];
    tensor_shape_text(found->rank, found->shape, shape, sizeof shape);
    tensor_shape_text(tensor->rank, tensor->shape, expected, sizeof expected);
    fprintf(matcher->text, "  %-10s %s is %s in the file, %s in the model\n", "shape", tensor->name, shape, expected);
    lines++;
  }
  end_kind(matcher, "shape", matcher->match->misshapen);
}

/* Names for a message: all are counted, as many are shown as fit. */
typedef struct NameList {
  size_t count, used;
  char text[200];
} NameList;

static void name_add(NameList *list, const char *name, const char *more) {
  list->count++;
  size_t room = sizeof list->text - list->used;
  int length = snprintf(list->text + list->used, room, "%s'%s'%s", list->count > 1 ? ", " : "", name, more);
  if (length >= 0 && (size_t)length + sizeof ", ..." <= room) {
    list->used += (size_t)length;
  } else { /* this one does not fit, and later ones are not tried */
    snprintf(list->text + list->used, room, "%s", list->used ? ", ..." : "...");
    list->used = sizeof list->text;
  }
}

static simba_status summarise(const Matcher *matcher) {
  NameList missing = {0}, extra = {0}, misshapen = {0};
  for (size_t i = 0; i < matcher->count; i++) {
    const CheckpointTensor *tensor = &matcher->tensor[i];
    if (matcher->match->fit[i] == WEIGHT_MISSING) name_add(&missing, tensor->name, "");
    if (matcher->match->fit[i] != WEIGHT_MISSHAPEN) continue;
    char shape[120], expected[120], more[260];
    const Tensor *found = matcher->match->found[i];
    tensor_shape_text(found->rank, found->shape, shape, sizeof shape);
    tensor_shape_text(tensor->rank, tensor->shape, expected, sizeof expected);
    snprintf(more, sizeof more, " is %s, the model's is %s", shape, expected);
    name_add(&misshapen, tensor->name, more);
  }
  for (size_t i = 0; i < matcher->file->count; i++)
    if (matcher->extra[i]) name_add(&extra, matcher->file->tensor[i].name, "");
  const NameList *lists[] = {&missing, &extra, &misshapen};
  static const char *const titles[] = {"missing", "not the model's", "of another shape"};
  char text[2048] = "";
  size_t used = 0;
  for (int k = 0; k < 3; k++)
    if (lists[k]->count && used < sizeof text)
      used += (size_t)snprintf(text + used, sizeof text - used, "%s%zu %s: %s", used ? "; " : "", lists[k]->count,
                               titles[k], lists[k]->text);
  matcher->match->summary = text_copy(text);
  return matcher->match->summary ? SIMBA_OK : error_set_memory(matcher->error, matcher->file->path);
}

static simba_status report(Matcher *matcher) {
  size_t size;
  matcher->text = open_memstream(&matcher->match->report, &size);
  if (!matcher->text) return error_set_memory(matcher->error, matcher->file->path);
  report_missing(matcher);
  report_extra(matcher);
  report_misshapen(matcher);
  if (fclose(matcher->text)) return error_set_memory(matcher->error, matcher->file->path);
  return summarise(matcher);
}

/* ---- All of it ---- */

simba_status weights_match(TensorFile *file, const CheckpointTensor *tensors, size_t count, WeightsMatch *out_match,
                           simba_error *error) {
  *out_match = (WeightsMatch){.count = count};
  Matcher matcher = {.file = file, .tensor = tensors, .count = count, .match = out_match, .error = error};
  out_match->fit = memory_allocate(count, sizeof *out_match->fit);
  out_match->found = memory_allocate(count, sizeof *out_match->found);
  matcher.by_name = memory_allocate(file->count, sizeof *matcher.by_name);
  matcher.used = calloc(file->count + 1, sizeof *matcher.used);
  matcher.extra = calloc(file->count + 1, sizeof *matcher.extra);
  bool allocated = out_match->fit && out_match->found && matcher.by_name && matcher.used && matcher.extra;
  simba_status status = allocated ? SIMBA_OK : error_set_memory(error, file->path);
  if (!status) {
    for (size_t i = 0; i < file->count; i++) matcher.by_name[i] = &file->tensor[i];
    qsort(matcher.by_name, file->count, sizeof *matcher.by_name, compare_names);
    match_tensors(&matcher);
    status = find_extra(&matcher);
  }
  if (!status) status = report(&matcher);
  free(matcher.by_name);
  free(matcher.used);
  free(matcher.extra);
  if (status) weights_match_free(out_match);
  return status;
}

simba_status weights_check(const TensorFile *file, const WeightsMatch *match, simba_error *error) {
  if (!match->missing && !match->extra && !match->misshapen) return SIMBA_OK;
  return error_set(error, SIMBA_DATA_ERROR, "%s: %s", file->path, match->summary);
}

void weights_match_free(WeightsMatch *match) {
  free(match->fit);
  free(match->found);
  free(match->report);
  free(match->summary);
  *match = (WeightsMatch){0};
}
