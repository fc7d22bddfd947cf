/* Golden text: what a test printed against a file beside its input; SIMBA_UPDATE=1 in the environment rewrites the file
 * instead, for a look at the difference. */
#ifndef SIMBAC_TESTS_GOLDEN_TEXT_H
#define SIMBAC_TESTS_GOLDEN_TEXT_H

#include "ir/arena.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file's bytes in `arena`, NUL-terminated; NULL where there is none. */
static inline char *golden_read(Arena *arena, const char *path, size_t *out_length) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  char *text = ARENA_ARRAY(arena, char, (size_t)size + 1);
  *out_length = fread(text, 1, (size_t)size, file);
  fclose(file);
  return text;
}

static inline bool golden_update(void) {
  const char *update = getenv("SIMBA_UPDATE");
  return update && strcmp(update, "1") == 0;
}

static inline void golden_check(Arena *arena, const char *path, const char *text, size_t length) {
  size_t expected_length = 0;
  const char *expected = golden_read(arena, path, &expected_length);
  bool same = expected && expected_length == length && memcmp(expected, text, length) == 0;
  if (same) return;
  if (golden_update()) {
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file && fwrite(text, 1, length, file) == length && fclose(file) == 0, "cannot write %s", path);
    return;
  }
  const char *wanted = expected ? expected : "(no such file)";
  size_t line = 0; /* the start of the first line that differs */
  for (size_t i = 0; wanted[i] && wanted[i] == text[i]; i++)
    if (wanted[i] == '\n') line = i + 1;
  ck_abort_msg("%s differs (SIMBA_UPDATE=1 rewrites it)\n--- expected\n%.1500s\n--- got\n%.1500s", path, wanted + line,
               text + line);
}

#endif
