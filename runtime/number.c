#include "number.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t digits(const char *text) { return strspn(text, "0123456789"); }

bool number_parse(const char *text, size_t length, double *out) {
  const char *at = text + (*text == '+' || *text == '-');
  size_t whole = digits(at), fraction = 0;
  at += whole;
  if (*at == '.') {
    fraction = digits(at + 1);
    at += 1 + fraction;
  }
  if (whole + fraction == 0) return false;
  if (*at == 'e' || *at == 'E') {
    at += 1 + (at[1] == '+' || at[1] == '-');
    size_t exponent = digits(at);
    if (exponent == 0) return false;
    at += exponent;
  }
  if (at != text + length) return false;
  locale_t plain = newlocale(LC_ALL_MASK, "C", NULL); /* "C" is built in: nothing is loaded or allocated */
  if (!plain) return false;
  *out = strtod_l(text, NULL, plain);
  freelocale(plain);
  return true;
}

void number_text(double value, char out[NUMBER_TEXT_SIZE]) {
  if (!isfinite(value)) {
    snprintf(out, NUMBER_TEXT_SIZE, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
  } else {
    snprintf(out, NUMBER_TEXT_SIZE, "%.17g", value);
    /* Whatever the locale puts between the digits, it is all that is not of this set. */
    size_t before = strspn(out, "+-0123456789e"), after = before + strcspn(out + before, "+-0123456789e");
    if (after > before) {
      out[before] = '.';
      memmove(out + before + 1, out + after, strlen(out + after) + 1);
    }
  }
}

bool number_parse_any(const char *text, double *out) {
  if (strcmp(text, "nan") == 0) return *out = NAN, true;
  if (strcmp(text, "inf") == 0) return *out = INFINITY, true;
  if (strcmp(text, "-inf") == 0) return *out = -INFINITY, true;
  return number_parse(text, strlen(text), out);
}

bool number_parse_unsigned(const char *text, uint64_t *out) {
  size_t length = digits(text);
  if (length == 0 || text[length]) return false;
  errno = 0;
  *out = strtoumax(text, NULL, 10);
  return errno == 0;
}

bool number_parse_signed(const char *text, int64_t *out) {
  size_t length = digits(text + (*text == '-'));
  if (length == 0 || text[length + (*text == '-')]) return false;
  errno = 0;
  *out = strtoimax(text, NULL, 10);
  return errno == 0;
}
