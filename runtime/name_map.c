#include "name_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "tensor_file_internal.h"

enum { MAX_PARTS = 64, MAX_RULES = 10000, NO_CAPTURE = -1 };

/* A piece of a pattern or of what it becomes. */
typedef enum PartKind { PART_TEXT, PART_STAR, PART_DOUBLE_STAR, PART_NAMED } PartKind;

typedef struct Part {
  PartKind kind;
  const char *text; /* of the line: what stands there, or the name within the braces */
  int length;
  int capture; /* in a template: the pattern's part that it repeats */
} Part;

typedef struct Parts {
  Part part[MAX_PARTS];
  int count;
} Parts;

typedef struct Rule {
  Parts pattern, template;
  bool drop;
  int line;
  size_t used; /* how many names it has fitted */
} Rule;

struct NameMap {
  char *path, *text;
  bool built_in;
  Rule *rule;
  size_t count, capacity;
};

static const struct {
  const char *name, *text;
} BUILT_IN[] = {
    {"mamba-ssm",
     "# mamba_ssm: MambaLMHeadModel\n"
     "backbone.embedding.weight      ->  embedding.weight\n"
     "backbone.layers.{i}.norm.*     ->  layers.{i}.norm.*\n"
     "backbone.layers.{i}.mixer.**   ->  layers.{i}.mixer.**\n"
     "backbone.norm_f.*              ->  norm_f.*\n"},
    {"huggingface",
     "# Hugging Face transformers: MambaForCausalLM, and MambaModel, whose names have no backbone\n"
     "backbone.embeddings.weight     ->  embedding.weight\n"
     "embeddings.weight              ->  embedding.weight\n"
     "backbone.layers.{i}.norm.*     ->  layers.{i}.norm.*\n"
     "backbone.layers.{i}.mixer.**   ->  layers.{i}.mixer.**\n"
     "backbone.norm_f.*              ->  norm_f.*\n"},
};
enum { BUILT_IN_COUNT = sizeof BUILT_IN / sizeof *BUILT_IN };

/* ---- Reading ---- */

typedef struct Parser {
  NameMap *map;
  int line;
  const char *start, *at, *end; /* of the line, without what follows '#' and spaces at its end */
  simba_error *error;
} Parser;

static simba_status fail(const Parser *parser, const char *at, const char *found) {
  return error_set(parser->error, SIMBA_DATA_ERROR, "%s:%d:%d: %s", parser->map->path, parser->line,
                   (int)(at - parser->start) + 1, found);
}

static void skip_spaces(Parser *parser) {
  while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\t')) parser->at++;
}

static bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* "{name}" */
static simba_status read_named(Parser *parser, Part *out_part) {
  const char *begin = parser->at++;
  const char *name = parser->at;
  while (parser->at < parser->end && is_name(*parser->at)) parser->at++;
  if (parser->at == name || parser->at == parser->end || *parser->at != '}')
    return fail(parser, begin, "expected {name}, of letters, digits and '_'");
  *out_part = (Part){.kind = PART_NAMED, .text = name, .length = (int)(parser->at - name)};
  parser->at++;
  return SIMBA_OK;
}

static simba_status read_part(Parser *parser, Part *out_part) {
  const char *begin = parser->at;
  if (*begin == '{') return read_named(parser, out_part);
  if (*begin == '*') {
    bool is_double = parser->end - begin > 1 && begin[1] == '*';
    parser->at += is_double ? 2 : 1;
    *out_part = (Part){.kind = is_double ? PART_DOUBLE_STAR : PART_STAR, .text = begin, .length = is_double ? 2 : 1};
    return SIMBA_OK;
  }
  while (parser->at < parser->end && !strchr(" \t*{}", *parser->at)) parser->at++;
  if (parser->at == begin) return fail(parser, begin, "a '}' without its '{'");
  *out_part = (Part){.kind = PART_TEXT, .text = begin, .length = (int)(parser->at - begin)};
  return SIMBA_OK;
}

/* Up to a space or the line's end. */
static simba_status read_parts(Parser *parser, const char *what, Parts *out_parts) {
  skip_spaces(parser);
  const char *begin = parser->at;
  while (parser->at < parser->end && *parser->at != ' ' && *parser->at != '\t') {
    if (out_parts->count == MAX_PARTS) return fail(parser, begin, "a pattern of more than 64 parts");
    simba_status status = read_part(parser, &out_parts->part[out_parts->count++]);
    if (status) return status;
  }
  if (out_parts->count) return SIMBA_OK;
  char found[80];
  snprintf(found, sizeof found, "expected %s", what);
  return fail(parser, begin, found);
}

static bool same_name(const Part *a, const Part *b) {
  return a->kind == PART_NAMED && b->kind == PART_NAMED && a->length == b->length &&
         memcmp(a->text, b->text, (size_t)a->length) == 0;
}

static simba_status check_pattern(const Parser *parser, const Parts *pattern) {
  for (int i = 0; i < pattern->count; i++) {
    const Part *part = &pattern->part[i];
    for (int k = 0; k < i; k++)
      if (same_name(part, &pattern->part[k])) return fail(parser, part->text, "this name is in the pattern already");
  }
  return SIMBA_OK;
}

/* The n-th star of a template is the pattern's n-th. */
static simba_status bind_template(const Parser *parser, Rule *rule) {
  int star = 0;
  for (int i = 0; i < rule->template.count; i++) {
    Part *part = &rule->template.part[i];
    part->capture = NO_CAPTURE;
    if (part->kind == PART_TEXT) continue;
    bool is_star = part->kind != PART_NAMED;
    int seen = 0;
    for (int k = 0; k < rule->pattern.count && part->capture == NO_CAPTURE; k++) {
      const Part *from = &rule->pattern.part[k];
      bool from_star = from->kind == PART_STAR || from->kind == PART_DOUBLE_STAR;
      if (is_star ? from_star && seen++ == star : same_name(part, from)) part->capture = k;
    }
    if (part->capture == NO_CAPTURE)
      return fail(parser, part->text, is_star ? "the pattern has no '*' for this one" : "the pattern has no such name");
    star += is_star;
  }
  return SIMBA_OK;
}

static simba_status add_rule(Parser *parser, Rule **out_rule) {
  NameMap *map = parser->map;
  if (map->count == MAX_RULES) return fail(parser, parser->at, "a map of more than 10000 lines");
  if (map->count == map->capacity) {
    size_t capacity = 2 * map->capacity + 8;
    Rule *larger = realloc(map->rule, capacity * sizeof *larger);
    if (!larger) return error_set_memory(parser->error, map->path);
    map->rule = larger;
    map->capacity = capacity;
  }
  *out_rule = &map->rule[map->count++];
  **out_rule = (Rule){.line = parser->line};
  return SIMBA_OK;
}

static simba_status read_rule(Parser *parser) {
  skip_spaces(parser);
  if (parser->at == parser->end) return SIMBA_OK;
  Rule *rule = NULL;
  simba_status status = add_rule(parser, &rule);
  if (status) return status;
  size_t left = (size_t)(parser->end - parser->at);
  rule->drop = left > 4 && memcmp(parser->at, "drop", 4) == 0 && (parser->at[4] == ' ' || parser->at[4] == '\t');
  if (rule->drop) parser->at += 4;
  status = read_parts(parser, "a pattern", &rule->pattern);
  if (!status) status = check_pattern(parser, &rule->pattern);
  if (status) return status;
  skip_spaces(parser);
  if (!rule->drop) {
    if (parser->end - parser->at < 2 || memcmp(parser->at, "->", 2) != 0)
      return fail(parser, parser->at, "expected 'PATTERN -> NAME' or 'drop PATTERN'");
    parser->at += 2;
    status = read_parts(parser, "a name behind '->'", &rule->template);
    if (!status) status = bind_template(parser, rule);
    if (status) return status;
    skip_spaces(parser);
  }
  return parser->at == parser->end ? SIMBA_OK : fail(parser, parser->at, "the line should end here");
}

static simba_status read_lines(NameMap *map, size_t size, simba_error *error) {
  Parser parser = {.map = map, .error = error};
  const char *at = map->text, *end = map->text + size;
  while (at < end) {
    const char *line_end = memchr(at, '\n', (size_t)(end - at));
    if (!line_end) line_end = end;
    const char *comment = memchr(at, '#', (size_t)(line_end - at));
    parser.line++;
    parser.start = parser.at = at;
    parser.end = comment ? comment : line_end;
    while (parser.end > at && strchr(" \t\r", parser.end[-1]) && parser.end[-1]) parser.end--;
    if (memchr(at, 0, (size_t)(line_end - at))) return fail(&parser, at, "the line has a zero byte: not a map");
    simba_status status = read_rule(&parser);
    if (status) return status;
    at = line_end + (line_end < end);
  }
  return map->count ? SIMBA_OK : error_set(error, SIMBA_DATA_ERROR, "%s: a map without a line", map->path);
}

simba_status name_map_parse(const char *path, const char *text, size_t size, NameMap **out_map, simba_error *error) {
  NameMap *map = calloc(1, sizeof *map);
  if (!map) return error_set_memory(error, path);
  map->path = text_copy(path);
  map->text = memory_allocate(size, 1);
  if (map->text && size) memcpy(map->text, text, size);
  simba_status status = map->path && map->text ? read_lines(map, size, error) : error_set_memory(error, path);
  if (status)
    name_map_free(map);
  else
    *out_map = map;
  return status;
}

simba_status name_map_open(const char *name, NameMap **out_map, simba_error *error) {
  for (int i = 0; i < BUILT_IN_COUNT; i++) {
    if (strcmp(name, BUILT_IN[i].name) != 0) continue;
    simba_status status = name_map_parse(name, BUILT_IN[i].text, strlen(BUILT_IN[i].text), out_map, error);
    if (!status) (*out_map)->built_in = true;
    return status;
  }
  char *text;
  size_t size;
  simba_status status = file_read(name, &text, &size, error);
  if (status == SIMBA_IO_ERROR && !strchr(name, '.') && !strchr(name, '/'))
    return error_set(error, SIMBA_INVALID_ARGUMENT, "there is no name map '%s': those built in are %s and %s", name,
                     BUILT_IN[0].name, BUILT_IN[1].name);
  if (status) return status;
  status = name_map_parse(name, text, size, out_map, error);
  free(text);
  return status;
}

void name_map_free(NameMap *map) {
  if (!map) return;
  free(map->path);
  free(map->text);
  free(map->rule);
  free(map);
}

/* ---- Applying ---- */

/* fits[p][i]: parts p.. can stand for all of the name from character i on. */
typedef bool Fits[MAX_PARTS + 1][NAME_MAX_LENGTH + 1];

static bool may_hold(const Part *part, char c) { return part->kind == PART_DOUBLE_STAR || c != '.'; }

static bool text_fits(const Part *part, const char *name, int length, int at) {
  return length - at >= part->length && memcmp(name + at, part->text, (size_t)part->length) == 0;
}

static void find_fits(const Parts *pattern, const char *name, int length, Fits fits) {
  for (int i = 0; i <= length; i++) fits[pattern->count][i] = i == length;
  for (int p = pattern->count - 1; p >= 0; p--) {
    const Part *part = &pattern->part[p];
    fits[p][length] = false; /* every part needs a character */
    for (int i = length - 1; i >= 0; i--) {
      if (part->kind == PART_TEXT)
        fits[p][i] = text_fits(part, name, length, i) && fits[p + 1][i + part->length];
      else
        fits[p][i] = may_hold(part, name[i]) && (fits[p + 1][i + 1] || fits[p][i + 1]);
    }
  }
}

/* begin[p]: where part p begins, begin[count] the end; each part as short as the rest allows. False: no fit. */
static bool match(const Parts *pattern, const char *name, int length, int begin[MAX_PARTS + 1]) {
  const Part *first = &pattern->part[0];
  if (first->kind == PART_TEXT && !text_fits(first, name, length, 0)) return false;
  Fits fits;
  find_fits(pattern, name, length, fits);
  if (!fits[0][0]) return false;
  int at = 0;
  for (int p = 0; p < pattern->count; p++) {
    begin[p] = at;
    if (pattern->part[p].kind == PART_TEXT) {
      at += pattern->part[p].length;
    } else {
      do at++;
      while (!fits[p + 1][at]);
    }
  }
  begin[pattern->count] = at;
  return true;
}

static simba_status fill_in(const NameMap *map, const Rule *rule, const char *name, const int begin[MAX_PARTS + 1],
                            char buffer[NAME_MAX_LENGTH + 1], simba_error *error) {
  size_t used = 0;
  for (int i = 0; i < rule->template.count; i++) {
    const Part *part = &rule->template.part[i];
    const char *text = part->kind == PART_TEXT ? part->text : name + begin[part->capture];
    size_t length = (size_t)(part->kind == PART_TEXT ? part->length : begin[part->capture + 1] - begin[part->capture]);
    if (used + length > NAME_MAX_LENGTH)
      return error_set(error, SIMBA_DATA_ERROR, "%s:%d: makes a name of more than 1000 characters of '%.100s'",
                       map->path, rule->line, name);
    memcpy(buffer + used, text, length);
    used += length;
  }
  buffer[used] = 0;
  return SIMBA_OK;
}

simba_status name_map_apply(NameMap *map, const char *name, char buffer[NAME_MAX_LENGTH + 1], const char **out_name,
                            simba_error *error) {
  size_t length = strlen(name);
  *out_name = name;
  if (length > NAME_MAX_LENGTH)
    return error_set(error, SIMBA_DATA_ERROR, "%s: '%.100s...' has more than 1000 characters", map->path, name);
  for (size_t i = 0; i < map->count; i++) {
    Rule *rule = &map->rule[i];
    int begin[MAX_PARTS + 1];
    if (!match(&rule->pattern, name, (int)length, begin)) continue;
    rule->used++;
    *out_name = rule->drop ? NULL : buffer;
    return rule->drop ? SIMBA_OK : fill_in(map, rule, name, begin, buffer, error);
  }
  return SIMBA_OK;
}

/* ---- A file's names ---- */

static simba_status note_unused(const NameMap *map, TensorFile *file, simba_error *error) {
  size_t unused = 0;
  int line = 0;
  for (size_t i = 0; i < map->count; i++) {
    if (map->rule[i].used) continue;
    if (!unused++) line = map->rule[i].line;
  }
  if (!unused || map->built_in) return SIMBA_OK;
  if (unused == 1) return tensor_file_add_note(file, error, "%s:%d fits no tensor", map->path, line);
  return tensor_file_add_note(file, error, "%s:%d and %zu more lines fit no tensor", map->path, line, unused - 1);
}

/* Offsets of the new names in one block; those of dropped tensors are SIZE_MAX. */
static simba_status map_names(NameMap *map, const TensorFile *file, size_t *offset, char **out_block,
                              simba_error *error) {
  char *block = NULL, buffer[NAME_MAX_LENGTH + 1];
  size_t used = 0, capacity = 0;
  simba_status status = SIMBA_OK;
  for (size_t i = 0; i < file->count && !status; i++) {
    const char *name;
    status = name_map_apply(map, file->tensor[i].name, buffer, &name, error);
    offset[i] = SIZE_MAX;
    if (status || !name) continue;
    size_t size = strlen(name) + 1;
    if (size > capacity - used) {
      char *larger = realloc(block, capacity = 2 * capacity + size);
      if (!larger) {
        status = error_set_memory(error, file->path);
        break;
      }
      block = larger;
    }
    memcpy(block + used, name, size);
    offset[i] = used;
    used += size;
  }
  *out_block = block;
  return status;
}

/* "two tensors get the name" with both of the file's own names. */
static simba_status check_collisions(const NameMap *map, const TensorFile *file, const size_t *offset,
                                     const char *block, simba_error *error) {
  const char **names = memory_allocate(file->count, sizeof *names), *twice = NULL;
  if (!names) return error_set_memory(error, file->path);
  size_t count = 0;
  for (size_t i = 0; i < file->count; i++)
    if (offset[i] != SIZE_MAX) names[count++] = block + offset[i];
  texts_sort(names, count);
  for (size_t i = 1; i < count && !twice; i++)
    if (strcmp(names[i - 1], names[i]) == 0) twice = names[i];
  free(names);
  if (!twice) return SIMBA_OK;
  const char *from[2] = {"", ""};
  int found = 0;
  for (size_t i = 0; i < file->count && found < 2; i++)
    if (offset[i] != SIZE_MAX && strcmp(block + offset[i], twice) == 0) from[found++] = file->tensor[i].name;
  return error_set(error, SIMBA_DATA_ERROR, "%s: by %s both '%.200s' and '%.200s' get the name '%.200s'", file->path,
                   map->path, from[0], from[1], twice);
}

simba_status name_map_apply_file(NameMap *map, TensorFile *file, simba_error *error) {
  size_t *offset = memory_allocate(file->count, sizeof *offset);
  char *block = NULL;
  if (!offset) return error_set_memory(error, file->path);
  simba_status status = map_names(map, file, offset, &block, error);
  if (!status) status = check_collisions(map, file, offset, block, error);
  if (!status) status = note_unused(map, file, error);
  if (status) {
    free(block);
  } else {
    size_t kept = 0;
    for (size_t i = 0; i < file->count; i++) {
      if (offset[i] == SIZE_MAX) continue;
      file->tensor[kept] = file->tensor[i];
      file->tensor[kept++].name = block + offset[i];
    }
    file->count = kept;
    free(file->memory[MEMORY_MAPPED]);
    file->memory[MEMORY_MAPPED] = block;
  }
  free(offset);
  return status;
}
