#include "ir_lexer.h"

#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

/* Skips blanks and comments (# to the end of the line); true where a line began. */
static bool skip_blanks(IrLexer *lexer) {
  const Source *source = lexer->source;
  bool starts_line = lexer->at == 0;
  while (lexer->at < source->length) {
    char c = source->text[lexer->at];
    if (c == '#') {
      const char *newline = memchr(source->text + lexer->at, '\n', source->length - lexer->at);
      lexer->at = newline ? (size_t)(newline - source->text) : source->length;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      starts_line = starts_line || c == '\n';
      lexer->at++;
    } else {
      break;
    }
  }
  return starts_line;
}

static size_t skip_words(const Source *source, size_t at) {
  while (at < source->length && is_word(source->text[at])) at++;
  return at;
}

/* End of the number at `at`: an optional sign, then inf, or digits, point and exponent in any number and order that
 * strtod will judge. */
static size_t skip_number(const Source *source, size_t at) {
  if (source->text[at] == '-') at++;
  while (at < source->length) {
    char c = source->text[at];
    bool sign = (c == '-' || c == '+') && (source->text[at - 1] == 'e' || source->text[at - 1] == 'E');
    if (!is_word(c) && c != '.' && !sign) break;
    at++;
  }
  return at;
}

static int hexadecimal(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/* The text quoted at `at` and where it ends; NULL where it does not end on its line or escapes what it may not. */
static const char *read_text(IrLexer *lexer, size_t at, size_t *out_end) {
  const Source *source = lexer->source;
  Text text = text_begin(lexer->arena);
  for (at++; at < source->length; at++) {
    char c = source->text[at];
    if (c == '"') {
      *out_end = at + 1;
      return text.data;
    }
    if (c == '\n' || c == '\0') break;
    if (c == '\\') {
      char escape = at + 1 < source->length ? source->text[at + 1] : '\0';
      if (escape == '"' || escape == '\\') {
        c = escape;
        at += 1;
      } else if (escape == 'x' && at + 3 < source->length) {
        int high = hexadecimal(source->text[at + 2]), low = hexadecimal(source->text[at + 3]);
        if (high < 0 || low < 0 || high + low == 0) break;
        c = (char)(high * 16 + low);
        at += 3;
      } else {
        break;
      }
    }
    text_add(&text, &c, 1);
  }
  *out_end = at < source->length ? at : source->length;
  return NULL;
}

IrToken ir_lexer_next(IrLexer *lexer) {
  const Source *source = lexer->source;
  IrToken token = {.kind = IR_TOKEN_END, .text = "", .starts_line = skip_blanks(lexer)};
  size_t start = lexer->at, end = start, skip = 0;
  const char *quoted = NULL;
  if (start < source->length) {
    char c = source->text[start], next = start + 1 < source->length ? source->text[start + 1] : '\0';
    if (c == '%' && is_word(next)) {
      token.kind = IR_TOKEN_NODE;
      end = skip_words(source, start + 1);
      skip = 1;
    } else if (is_digit(c) || (c == '-' && (is_word(next) || next == '.'))) {
      token.kind = IR_TOKEN_NUMBER;
      end = skip_number(source, start);
    } else if (is_word(c)) {
      token.kind = IR_TOKEN_NAME;
      end = skip_words(source, start);
    } else if (c == '"') {
      quoted = read_text(lexer, start, &end);
      token.kind = quoted ? IR_TOKEN_TEXT : IR_TOKEN_BAD;
    } else {
      token.kind = c && strchr("=(){}[],:*", c) ? IR_TOKEN_MARK : IR_TOKEN_BAD;
      end = start + 1;
    }
  }
  token.text = quoted ? quoted : arena_text(lexer->arena, source->text + start + skip, end - start - skip);
  token.span = (Span){lexer->number, (uint32_t)start, (uint32_t)(end - start)};
  lexer->at = end;
  return token;
}
