/* Numbers as text, exactly and in any locale: a program that embeds the runtime may have set one with decimal commas.
 */
#ifndef SIMBA_NUMBER_H
#define SIMBA_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NUMBER_TEXT_SIZE = 32 };

/* Decimal notation, [+-]digits[.digits][e[+-]digits], correctly rounded; true where all of the `length` characters are
 * one number (text[length] must be 0). A number too large for a double gives an infinity. */
bool number_parse(const char *text, size_t length, double *out);
/* Digits enough to read back the same bits; "nan", "inf" and "-inf" too, which number_parse_any takes. */
void number_text(double value, char out[NUMBER_TEXT_SIZE]);
bool number_parse_any(const char *text, double *out);
/* Whole numbers in decimal; false where `text` is anything else or does not fit. */
bool number_parse_signed(const char *text, int64_t *out);
bool number_parse_unsigned(const char *text, uint64_t *out);

#endif
