/* Files: the user's, what it imports, and the standard library. */
#include "frontend.h"

#include "elaborator.h"
#include "library_text.h"
#include "parser.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_IMPORTS = 256, MAX_DEFINITIONS = 4096 };

static const size_t MAX_FILE_BYTES = (size_t)1 << 26;
static const char too_long[] = "it has more than 64 MB";

/* NULL and *out_reason where it cannot be read. */
static char *read_text(Arena *arena, const char *path, size_t *out_length, const char **out_reason) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    *out_reason = arena_format(arena, "%s", strerror(errno));
    return NULL;
  }
  Text text = text_begin(arena);
  char block[1 << 14];
  size_t got;
  while ((got = fread(block, 1, sizeof block, file)) > 0 && text.length <= MAX_FILE_BYTES) text_add(&text, block, got);
  bool failed = ferror(file) != 0;
  int error = errno;
  fclose(file);
  *out_length = text.length;
  if (!failed && text.length <= MAX_FILE_BYTES) return text.data;
  *out_reason = failed ? arena_format(arena, "%s", strerror(error)) : too_long;
  return NULL;
}

static void add_file(Arena *arena, FrontendFile *file, size_t *capacity, SyntaxFile *syntax) {
  file->file = arena_grow(arena, file->file, file->count, capacity, sizeof *file->file);
  file->file[file->count++] = *syntax;
}

/* `path` as seen from the file `from`. */
static const char *relative_path(Arena *arena, const char *from, const char *path) {
  const char *slash = strrchr(from, '/');
  if (path[0] == '/' || !slash) return path;
  return arena_format(arena, "%.*s%s", (int)(slash - from + 1), from, path);
}

/* Also under two names, such as "a.simba" and "sub/../a.simba". */
static bool same_file(const char *a, const char *b) {
  struct stat left, right;
  if (!strcmp(a, b)) return true;
  return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

static bool is_loaded(const FrontendFile *file, const Diagnostics *diagnostics, const char *name) {
  for (uint32_t i = 0; i < file->count; i++)
    if (same_file(diagnostics_source(diagnostics, file->file[i].source)->name, name)) return true;
  return false;
}

/* Imports of imports too; each file once, so that files may import each other. */
static void load_imports(Arena *arena, Diagnostics *diagnostics, FrontendFile *file, size_t *capacity) {
  for (uint32_t f = 0; f < file->count; f++) {
    const SyntaxFile *syntax = &file->file[f];
    const char *from = diagnostics_source(diagnostics, syntax->source)->name;
    for (uint32_t i = 0; i < syntax->import_count; i++) {
      const Name *path = &syntax->import[i].path;
      const char *name = relative_path(arena, from, path->text), *reason = "too many files are imported";
      size_t length = 0;
      if (is_loaded(file, diagnostics, name)) continue;
      char *text = file->count < MAX_IMPORTS ? read_text(arena, name, &length, &reason) : NULL;
      if (!text) {
        diagnostic_error(diagnostics, DIAG_IMPORT, path->span, name, reason);
        continue;
      }
      add_file(arena, file, capacity,
               parser_run(arena, diagnostics, diagnostics_add_source(diagnostics, name, text, length)));
    }
  }
}

/* The user's files define each name once, and none that is built in. The library's names may be hidden. */
static void check_definitions(Diagnostics *diagnostics, const FrontendFile *file) {
  uint32_t count = 0;
  for (uint32_t f = 0; f < file->library_first; f++) count += file->file[f].definition_count;
  if (count > MAX_DEFINITIONS) { /* each is compared with all others */
    diagnostic_error(diagnostics, DIAG_LIMIT, (Span){file->file[0].source, 0, 0},
                     "the file and its imports have more than 4096 blocks and models");
    return;
  }
  for (uint32_t f = 0; f < file->library_first; f++) {
    for (uint32_t i = 0; i < file->file[f].definition_count; i++) {
      const Definition *definition = &file->file[f].definition[i];
      if (!definition->name.text) continue;
      if (definition->kind == DEFINITION_BLOCK && find_builtin(definition->name.text)) {
        diagnostic_error(diagnostics, DIAG_NAME_TWICE, definition->name.span, definition->name.text);
        diagnostic_hint(diagnostics, "it is a built-in function; choose another name");
      }
      for (uint32_t g = 0; g <= f; g++) {
        for (uint32_t k = 0; k < file->file[g].definition_count && (g < f || k < i); k++) {
          const Definition *other = &file->file[g].definition[k];
          if (!other->name.text || other->kind != definition->kind ||
              strcmp(other->name.text, definition->name.text) != 0)
            continue;
          diagnostic_error(diagnostics, DIAG_NAME_TWICE, definition->name.span, definition->name.text);
          diagnostic_note(diagnostics, other->name.span, "the first one is here");
        }
      }
    }
  }
}

static void load_library(Arena *arena, Diagnostics *diagnostics, FrontendFile *file, size_t *capacity) {
  file->library_first = file->count;
  for (const EmbeddedText *library = library_texts; library->name; library++) {
    const char *name = arena_format(arena, "<library>/%s", library->name);
    SyntaxFile *syntax =
        parser_run(arena, diagnostics, diagnostics_add_source(diagnostics, name, library->text, strlen(library->text)));
    for (uint32_t i = 0; i < syntax->definition_count; i++) syntax->definition[i].library = true;
    add_file(arena, file, capacity, syntax);
  }
}

FrontendFile *frontend_parse(Arena *arena, Diagnostics *diagnostics, const char *name, const char *text,
                             size_t length) {
  uint32_t errors = diagnostics_error_count(diagnostics);
  if (length > MAX_FILE_BYTES) {
    diagnostic_error(diagnostics, DIAG_IMPORT, SPAN_NONE, name, too_long);
    return NULL;
  }
  FrontendFile *file = ARENA_NEW(arena, FrontendFile);
  size_t capacity = 0;
  add_file(arena, file, &capacity,
           parser_run(arena, diagnostics, diagnostics_add_source(diagnostics, name, text, length)));
  load_imports(arena, diagnostics, file, &capacity);
  load_library(arena, diagnostics, file, &capacity);
  check_definitions(diagnostics, file);
  return diagnostics_error_count(diagnostics) == errors ? file : NULL;
}

FrontendFile *frontend_parse_file(Arena *arena, Diagnostics *diagnostics, const char *path) {
  const char *reason = "";
  size_t length = 0;
  char *text = read_text(arena, path, &length, &reason);
  if (text) return frontend_parse(arena, diagnostics, path, text, length);
  diagnostic_error(diagnostics, DIAG_IMPORT, SPAN_NONE, path, reason);
  return NULL;
}

void frontend_print_ast(const FrontendFile *file, bool dot, Text *out) {
  if (dot)
    ast_dot(&file->file[0], out);
  else
    ast_print(&file->file[0], out);
}
