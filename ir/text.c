#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Text text_begin(Arena *arena) {
  Text text = {.arena = arena, .capacity = 256};
  text.data = arena_allocate(arena, text.capacity);
  return text;
}

void text_add(Text *text, const char *bytes, size_t length) {
  if (text->length + length + 1 > text->capacity) {
    while (text->length + length + 1 > text->capacity) text->capacity *= 2;
    char *grown = arena_allocate(text->arena, text->capacity);
    memcpy(grown, text->data, text->length);
    text->data = grown;
  }
  memcpy(text->data + text->length, bytes, length);
  text->length += length;
  text->data[text->length] = '\0';
}

void text_puts(Text *text, const char *string) { text_add(text, string, strlen(string)); }

void text_print(Text *text, const char *format, ...) {
  char small[512];
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int length = vsnprintf(small, sizeof small, format, arguments);
  va_end(arguments);
  if (length >= 0 && (size_t)length < sizeof small) {
    text_add(text, small, (size_t)length);
  } else {
    text_puts(text, arena_vformat(text->arena, format, again));
  }
  va_end(again);
}

void text_real(Text *text, double value) {
  if (isnan(value)) {
    text_puts(text, "nan");
    return;
  }
  char digits[40];
  for (int precision = 1; precision <= 17; precision++) {
    snprintf(digits, sizeof digits, "%.*g", precision, value);
    if (isinf(value) || strtod(digits, NULL) == value) break;
  }
  text_puts(text, digits);
}

enum { LONGEST_NAME = 63 };

size_t text_distance(const char *a, const char *b) {
  size_t rows = strlen(a), columns = strlen(b);
  if (rows > LONGEST_NAME || columns > LONGEST_NAME) return rows > columns ? rows : columns;
  size_t table[LONGEST_NAME + 1][LONGEST_NAME + 1];
  for (size_t i = 0; i <= rows; i++) table[i][0] = i;
  for (size_t j = 0; j <= columns; j++) table[0][j] = j;
  for (size_t i = 1; i <= rows; i++) {
    for (size_t j = 1; j <= columns; j++) {
      size_t best = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
      if (table[i - 1][j] + 1 < best) best = table[i - 1][j] + 1;
      if (table[i][j - 1] + 1 < best) best = table[i][j - 1] + 1;
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped && table[i - 2][j - 2] + 1 < best) best = table[i - 2][j - 2] + 1;
      table[i][j] = best;
    }
  }
  return table[rows][columns];
}

const char *text_nearest(const char *name, const char *const *candidates, size_t count) {
  size_t limit = strlen(name) / 3 + 1, best = limit + 1;
  const char *nearest = NULL;
  for (size_t i = 0; i < count; i++) {
    size_t distance = text_distance(name, candidates[i]);
    if (distance < best) {
      best = distance;
      nearest = candidates[i];
    }
  }
  return nearest;
}
