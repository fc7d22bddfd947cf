/* Which of a file's dicts holds the weights, and the names of what is in it. */
#include "torch_internal.h"

#include <stdio.h>
#include <string.h>

static const PickleValue *value_of(const TorchReader *reader, PickleId id) { return pickle_value(reader->pickle, id); }

static bool is_container(const PickleValue *value) {
  return value->kind == PICKLE_DICT || value->kind == PICKLE_LIST || value->kind == PICKLE_TUPLE;
}

static simba_status fail_bounds(const TorchReader *reader, const PickleValue *value) {
  return torch_fail(reader, value, "dicts and lists within one another beyond all bounds");
}

/* Tensors in a value and in all that it holds. A pickle may hold itself, so depth and steps are bounded. */
static simba_status count_tensors(const TorchReader *reader, PickleId id, int depth, uint32_t *visits,
                                  size_t *out_count) {
  const PickleValue *value = value_of(reader, id);
  if (torch_is_tensor(reader, id)) ++*out_count;
  if (!is_container(value)) return SIMBA_OK;
  if (depth == TORCH_MAX_DEPTH) return fail_bounds(reader, value);
  uint32_t step = value->kind == PICKLE_DICT ? 2 : 1;
  simba_status status = SIMBA_OK;
  for (uint32_t i = step - 1; i < value->count && !status; i += step) {
    if (++*visits > TORCH_MAX_VISITS) return fail_bounds(reader, value);
    status = count_tensors(reader, value->item[i], depth + 1, visits, out_count);
  }
  return status;
}

/* ---- Choosing ---- */

typedef struct Candidates {
  PickleId known, only; /* the value of the first well-known key; of the only one */
  const char *known_key;
  size_t direct, dicts; /* tensors, and dicts that hold some */
  char shown[800];      /* "'model' (150 tensors), 'optimizer' (300 tensors)" */
} Candidates;

static void show_candidate(Candidates *candidates, const PickleValue *key, size_t tensors) {
  size_t used = strlen(candidates->shown), room = sizeof candidates->shown - used;
  char name[PICKLE_PRINTABLE_SIZE];
  pickle_printable(key->text, key->count, name);
  if (room > PICKLE_PRINTABLE_SIZE + 50)
    snprintf(candidates->shown + used, room, "%s'%s' (%zu tensor%s)", used ? ", " : "", name, tensors,
             tensors == 1 ? "" : "s");
}

static simba_status find_candidates(const TorchReader *reader, const PickleValue *dict, Candidates *out) {
  static const char *const known[] = {"state_dict", "model_state_dict", "model", "module", "net", "weights"};
  const size_t COUNT = sizeof known / sizeof *known;
  size_t best = COUNT;
  uint32_t visits = 0;
  *out = (Candidates){0};
  for (uint32_t i = 0; i + 1 < dict->count; i += 2) {
    const PickleValue *key = value_of(reader, dict->item[i]);
    size_t tensors = 0;
    simba_status status = count_tensors(reader, dict->item[i + 1], 0, &visits, &tensors);
    if (status) return status;
    if (torch_is_tensor(reader, dict->item[i + 1]))
      out->direct++;
    else if (tensors && key->kind == PICKLE_TEXT) {
      out->dicts++;
      out->only = dict->item[i + 1];
      show_candidate(out, key, tensors);
      for (size_t k = 0; k < best; k++) {
        if (!pickle_is_text(key, known[k])) continue;
        best = k;
        out->known = dict->item[i + 1];
        out->known_key = known[k];
      }
    }
  }
  return SIMBA_OK;
}

/* By the rule in torch_file.h. What is left alone is noted. */
static simba_status choose(TorchReader *reader, PickleId root, PickleId *out_weights) {
  const PickleValue *dict = value_of(reader, root);
  Candidates candidates;
  simba_status status = find_candidates(reader, dict, &candidates);
  if (status) return status;
  *out_weights = root;
  if (!candidates.dicts) return SIMBA_OK;
  if (candidates.known_key) {
    *out_weights = candidates.known;
    if (candidates.dicts == 1 && !candidates.direct) return SIMBA_OK;
    return tensor_file_add_note(reader->file, reader->error, "the weights are those of '%s'; the file has %s",
                                candidates.known_key, candidates.shown);
  }
  if (candidates.dicts == 1 && !candidates.direct) {
    *out_weights = candidates.only;
    return SIMBA_OK;
  }
  return error_set(reader->error, SIMBA_INVALID_ARGUMENT,
                   "%s: which dict holds the weights? A key chooses: %s, or '.' for all of the file",
                   reader->file->path, candidates.shown);
}

static simba_status fail_key(const TorchReader *reader, const PickleValue *dict) {
  char shown[600] = "";
  size_t used = 0;
  for (uint32_t i = 0;
       dict->kind == PICKLE_DICT && i + 1 < dict->count && used < sizeof shown - PICKLE_PRINTABLE_SIZE - 5; i += 2) {
    const PickleValue *key = value_of(reader, dict->item[i]);
    if (key->kind != PICKLE_TEXT) continue;
    char name[PICKLE_PRINTABLE_SIZE];
    pickle_printable(key->text, key->count, name);
    used += (size_t)snprintf(shown + used, sizeof shown - used, "%s'%s'", used ? ", " : "", name);
  }
  return error_set(reader->error, SIMBA_INVALID_ARGUMENT, "%s: there is no '%s' in the file; there is: %s",
                   reader->file->path, reader->key, shown);
}

static bool find_key(const TorchReader *reader, const PickleValue *dict, const char *key, size_t length,
                     PickleId *out_value) {
  for (uint32_t i = 0; dict->kind == PICKLE_DICT && i + 1 < dict->count; i += 2) {
    const PickleValue *found = value_of(reader, dict->item[i]);
    if (found->kind != PICKLE_TEXT || found->count != length || memcmp(found->text, key, length) != 0) continue;
    *out_value = dict->item[i + 1];
    return true;
  }
  return false;
}

/* "model", or "ema.model" where no key is that as a whole. */
static simba_status follow_key(const TorchReader *reader, PickleId root, PickleId *out_weights) {
  const char *rest = reader->key;
  *out_weights = root;
  if (strcmp(rest, ".") == 0) return SIMBA_OK;
  for (;;) {
    const PickleValue *dict = value_of(reader, *out_weights);
    if (find_key(reader, dict, rest, strlen(rest), out_weights)) return SIMBA_OK;
    size_t length = strcspn(rest, ".");
    if (!rest[length] || !find_key(reader, dict, rest, length, out_weights)) return fail_key(reader, dict);
    rest += length + 1;
  }
}

/* ---- Names ---- */

typedef struct Walk {
  TorchReader *reader;
  char name[TORCH_MAX_NAME + 1];
  uint32_t visits;
  size_t others; /* values that are no tensors */
  char other[64];
} Walk;

/* Appends a key's text or number; SIMBA_OK with *out_length the name's new length. */
static simba_status append_key(Walk *walk, const PickleValue *container, uint32_t index, size_t length,
                               size_t *out_length) {
  const TorchReader *reader = walk->reader;
  const PickleValue *key = container->kind == PICKLE_DICT ? value_of(reader, container->item[index - 1]) : NULL;
  char number[24];
  const char *text = number;
  size_t size;
  if (key && key->kind == PICKLE_TEXT) {
    text = key->text;
    size = key->count;
  } else if (!key || key->kind == PICKLE_INTEGER) {
    size = (size_t)snprintf(number, sizeof number, "%lld", key ? (long long)key->integer : (long long)index);
  } else {
    return torch_fail(reader, key, "a key that is no text");
  }
  if (length + 1 + size > TORCH_MAX_NAME) return torch_fail(reader, container, "a name of more than 1000 characters");
  for (size_t i = 0; i < size; i++)
    if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
      return torch_fail(reader, container, "a name with a control character");
  if (length) walk->name[length++] = '.';
  memcpy(walk->name + length, text, size);
  *out_length = length + size;
  walk->name[*out_length] = 0;
  if (!text_is_utf8(walk->name + length)) return torch_fail(reader, container, "a name that is not UTF-8");
  return SIMBA_OK;
}

static simba_status walk_value(Walk *walk, PickleId id, size_t length, int depth) {
  TorchReader *reader = walk->reader;
  const PickleValue *value = value_of(reader, id);
  walk->name[length] = 0;
  if (torch_is_tensor(reader, id)) return torch_add_tensor(reader, id, walk->name);
  if (!is_container(value)) {
    if (!walk->others++) snprintf(walk->other, sizeof walk->other, "%.60s", walk->name);
    return SIMBA_OK;
  }
  if (depth == TORCH_MAX_DEPTH) return fail_bounds(reader, value);
  uint32_t step = value->kind == PICKLE_DICT ? 2 : 1;
  for (uint32_t i = step - 1; i < value->count; i += step) {
    if (++walk->visits > TORCH_MAX_VISITS) return fail_bounds(reader, value);
    size_t longer = 0;
    simba_status status = append_key(walk, value, i, length, &longer);
    if (!status) status = walk_value(walk, value->item[i], longer, depth + 1);
    if (status) return status;
  }
  return SIMBA_OK;
}

simba_status torch_describe(TorchReader *reader) {
  PickleId root = reader->pickle->root, weights;
  const PickleValue *dict = value_of(reader, root);
  if (dict->kind != PICKLE_DICT) {
    char found[120];
    snprintf(found, sizeof found, "the file holds %s: save model.state_dict()",
             torch_is_tensor(reader, root) ? "a single tensor" : pickle_kind_name(dict->kind));
    return torch_fail(reader, dict, found);
  }
  simba_status status = reader->key ? follow_key(reader, root, &weights) : choose(reader, root, &weights);
  if (status) return status;
  Walk walk = {.reader = reader};
  status = walk_value(&walk, weights, 0, 0);
  if (status) return status;
  if (!reader->tensor_count)
    return error_set(reader->error, SIMBA_DATA_ERROR, "%s: holds no tensors", reader->file->path);
  if (!walk.others) return SIMBA_OK;
  return tensor_file_add_note(reader->file, reader->error, "%zu value%s beside the tensors left alone, such as '%s'",
                              walk.others, walk.others == 1 ? "" : "s", walk.other);
}
