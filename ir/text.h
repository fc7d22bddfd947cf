/* A growing text: printers write into it, callers write it out. Lives in an arena. */
#ifndef SIMBAC_IR_TEXT_H
#define SIMBAC_IR_TEXT_H

#include "arena.h"

#include <stdbool.h>

typedef struct Text {
  Arena *arena;
  char *data; /* NUL-terminated; never NULL after text_begin */
  size_t length, capacity;
} Text;

Text text_begin(Arena *arena);
void text_add(Text *text, const char *bytes, size_t length);
void text_puts(Text *text, const char *string);
void text_print(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The shortest decimal form that reads back to the same double ("1", "0.02", "1e-05", "inf", "-inf", "nan"). */
void text_real(Text *text, double value);

/* Edit distance for "did you mean" hints; transpositions count one. */
size_t text_distance(const char *a, const char *b);
/* The candidate nearest to `name`, or NULL where none is near enough to be worth a hint. */
const char *text_nearest(const char *name, const char *const *candidates, size_t count);

#endif
