/* How the runtime reports failure: a function returns a simba_status and fills the simba_error its caller owns, which
 * may be NULL. `return error_set(error, SIMBA_DATA_ERROR, "%s: ...", path);` is the whole idiom. Nothing here
 * allocates. */
#ifndef SIMBA_STATUS_H
#define SIMBA_STATUS_H

#include "simba.h"

/* Writes the message, cut with "..." where it is too long, and returns `status`. */
simba_status error_set(simba_error *error, simba_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* SIMBA_IO_ERROR "<path>: cannot <action>: <text of error_number>". */
simba_status error_set_system(simba_error *error, const char *path, const char *action, int error_number);
/* SIMBA_OUT_OF_MEMORY "out of memory for <purpose>". */
static inline simba_status error_set_memory(simba_error *error, const char *purpose) {
  error_set(error, SIMBA_OUT_OF_MEMORY, "out of memory for %s", purpose);
  return SIMBA_OUT_OF_MEMORY;
}
/* Puts text before the message of an error that is set: where we were. Returns its status. */
simba_status error_prefix(simba_error *error, simba_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void error_clear(simba_error *error);

/* NULL where memory is exhausted or count * size overflows; count * size of 0 gives a pointer to free. */
void *memory_allocate(size_t count, size_t size);
/* The same, zeroed and at a multiple of 64 bytes; free() it. */
void *memory_allocate_aligned(size_t count, size_t size);
/* NULL for NULL and where memory is exhausted. */
char *text_copy(const char *text);
/* For names that files bring along, before they reach a terminal or a file of text: control characters and bytes that
 * are not UTF-8 become '?'. In place. */
void text_make_printable(char *text);
/* Bytes of the UTF-8 character at `text`, 0 where there is none. */
size_t text_character(const char *text);
bool text_is_utf8(const char *text);
/* Sorts by bytes: equal ones are neighbours then. */
void texts_sort(const char **texts, size_t count);
/* Number of threads worth starting: the processors that this process may run on. */
int32_t processor_count(void);

#endif
