#include "status.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

uint32_t simba_interface_version(void) { return SIMBA_INTERFACE_VERSION; }

const char *simba_status_name(simba_status status) {
  switch (status) {
    case SIMBA_OK:
      return "ok";
    case SIMBA_INVALID_ARGUMENT:
      return "invalid argument";
    case SIMBA_MODEL_ERROR:
      return "model error";
    case SIMBA_DATA_ERROR:
      return "data error";
    case SIMBA_IO_ERROR:
      return "input or output failed";
    case SIMBA_OUT_OF_MEMORY:
      return "out of memory";
    case SIMBA_INTERRUPTED:
      return "interrupted";
    case SIMBA_NOT_FINITE:
      return "not a finite number";
    case SIMBA_BUG:
      return "internal error";
  }
  return "unknown status";
}

/* `length` is what the text needed; what did not fit ends in "..." without splitting a UTF-8 character. */
static void message_cut(char *message, size_t length) {
  if (length < SIMBA_MESSAGE_SIZE) return;
  size_t end = SIMBA_MESSAGE_SIZE - sizeof "...";
  while (end > 0 && ((unsigned char)message[end] & 0xC0) == 0x80) end--;
  memcpy(message + end, "...", sizeof "...");
}

simba_status error_set(simba_error *error, simba_status status, const char *format, ...) {
  if (!error) return status;
  error->status = status;
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  message_cut(error->message, length < 0 ? 0 : (size_t)length);
  return status;
}

simba_status error_set_system(simba_error *error, const char *path, const char *action, int error_number) {
  char reason[128];
  snprintf(reason, sizeof reason, "%s",
           strerrordesc_np(error_number) ? strerrordesc_np(error_number) : "unknown error");
  return error_set(error, error_number == ENOMEM ? SIMBA_OUT_OF_MEMORY : SIMBA_IO_ERROR, "%s: cannot %s: %s", path,
                   action, reason);
}

simba_status error_prefix(simba_error *error, simba_status status, const char *format, ...) {
  if (!error) return status;
  char message[SIMBA_MESSAGE_SIZE];
  memcpy(message, error->message, sizeof message);
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  if (length < 0) length = 0;
  size_t used = (size_t)length < sizeof error->message ? (size_t)length : sizeof error->message - 1;
  int rest = snprintf(error->message + used, sizeof error->message - used, "%s", message);
  message_cut(error->message, (size_t)length + (rest < 0 ? 0 : (size_t)rest));
  return status;
}

void error_clear(simba_error *error) {
  if (!error) return;
  error->status = SIMBA_OK;
  error->message[0] = 0;
}

void *memory_allocate(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX) return NULL;
  return malloc(bytes ? bytes : 1);
}

/* Kernels take a line or two from each row of a tensor, a page from the next row's: with large pages the processor finds
 * those addresses. A refusal by the kernel changes nothing but speed. */
void *memory_allocate_aligned(size_t count, size_t size) {
  const size_t line = 64, large_page = (size_t)2 << 20;
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - large_page) return NULL;
  bytes = bytes ? (bytes + line - 1) & ~(line - 1) : line;
  void *block = NULL;
  if (posix_memalign(&block, bytes < large_page ? line : large_page, bytes)) return NULL;
  if (bytes >= large_page) madvise(block, bytes & ~(large_page - 1), MADV_HUGEPAGE);
  memset(block, 0, bytes);
  return block;
}

char *text_copy(const char *text) {
  if (!text) return NULL;
  size_t size = strlen(text) + 1;
  char *copy = malloc(size);
  if (copy) memcpy(copy, text, size);
  return copy;
}

size_t text_character(const char *text) {
  static const unsigned char leading[] = {0x00, 0xC0, 0xE0, 0xF0}, mask[] = {0x80, 0xE0, 0xF0, 0xF8};
  static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
  const unsigned char *bytes = (const unsigned char *)text;
  for (size_t extra = 0; extra < 4; extra++) {
    if ((bytes[0] & mask[extra]) != leading[extra]) continue;
    uint32_t code = bytes[0] & (unsigned char)~mask[extra];
    for (size_t k = 1; k <= extra; k++) {
      if ((bytes[k] & 0xC0) != 0x80) return 0;
      code = code << 6 | (bytes[k] & 0x3Fu);
    }
    bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    return code < least[extra] || code > 0x10FFFF || surrogate ? 0 : extra + 1;
  }
  return 0;
}

bool text_is_utf8(const char *text) {
  size_t bytes;
  while (*text && (bytes = text_character(text)) > 0) text += bytes;
  return *text == 0;
}

void text_make_printable(char *text) {
  while (*text) {
    size_t bytes = text_character(text);
    unsigned char first = (unsigned char)text[0], second = (unsigned char)text[1];
    bool control = first < 0x20 || first == 0x7F || (first == 0xC2 && second < 0xA0); /* C0, DEL, C1 */
    control |= bytes == 0;
    if (bytes == 0) bytes = 1;
    if (control) memset(text, '?', bytes);
    text += bytes;
  }
}

static int compare_texts(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void texts_sort(const char **texts, size_t count) { qsort(texts, count, sizeof *texts, compare_texts); }

int32_t processor_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set)) return 1;
  int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}
