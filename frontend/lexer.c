#include "lexer.h"

#include <string.h>

typedef struct Spelling {
  const char *text;
  uint8_t length;
  TokenKind kind;
} Spelling;

static const Spelling punctuation[] = {
#define TOKEN(name, text)
#define PUNCTUATION(name, text) {(text), sizeof(text) - 1, TOKEN_##name},
#define RESERVED(name, text)
#include "tokens.def"
};

static const Spelling reserved[] = {
#define TOKEN(name, text)
#define PUNCTUATION(name, text)
#define RESERVED(name, text) {(text), sizeof(text) - 1, TOKEN_##name},
#include "tokens.def"
};

static const char *const kind_texts[] = {
#define TOKEN(name, text) (text),
#include "tokens.def"
};

typedef struct Lexer {
  Arena *arena;
  Diagnostics *diagnostics;
  const char *text;
  uint32_t source, length, at;
  bool first_of_line;
  Token *token;
  size_t count, capacity;
} Lexer;

const char *token_kind_text(TokenKind kind) { return kind_texts[kind]; }

static void add_token(Lexer *lexer, TokenKind kind, uint32_t start) {
  lexer->token = arena_grow(lexer->arena, lexer->token, lexer->count, &lexer->capacity, sizeof(Token));
  lexer->token[lexer->count++] =
      (Token){.kind = kind, .first_of_line = lexer->first_of_line, .start = start, .length = lexer->at - start};
  lexer->first_of_line = false;
}

/* Byte `ahead` of the place, or NUL behind the end. */
static char peek(const Lexer *lexer, uint32_t ahead) {
  return lexer->length - lexer->at > ahead ? lexer->text[lexer->at + ahead] : '\0';
}

/* Not isalpha: the language does not depend on the locale of the process. */
static bool is_letter(char byte) { return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_'; }
static bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }
static bool is_word(char byte) { return is_letter(byte) || is_digit(byte); }

static void skip_blanks(Lexer *lexer) {
  while (lexer->at < lexer->length) {
    char byte = lexer->text[lexer->at];
    if (byte == '\n') {
      lexer->first_of_line = true;
    } else if (byte == '#') {
      while (lexer->at < lexer->length && lexer->text[lexer->at] != '\n') lexer->at++;
      continue;
    } else if (byte != ' ' && byte != '\t' && byte != '\r') {
      return;
    }
    lexer->at++;
  }
}

static void lex_name(Lexer *lexer) {
  uint32_t start = lexer->at;
  while (is_word(peek(lexer, 0))) lexer->at++;
  TokenKind kind = TOKEN_NAME;
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
    if (reserved[i].length == lexer->at - start && !memcmp(reserved[i].text, lexer->text + start, lexer->at - start))
      kind = reserved[i].kind;
  }
  add_token(lexer, kind, start);
}

/* Statements need no separator, so in `let y = 2x` the x would be a statement of its own. */
static void reject_letters(Lexer *lexer, uint32_t start) {
  if (!is_letter(peek(lexer, 0))) return;
  while (is_word(peek(lexer, 0))) lexer->at++;
  uint32_t length = lexer->at - start;
  diagnostic_error(lexer->diagnostics, DIAG_NUMBER_LETTER, (Span){lexer->source, start, length},
                   arena_text(lexer->arena, lexer->text + start, length));
}

/* Digits, a fraction only where a digit follows the point (so `0..n` is a range and `conv.0.weight` a path), exponent.
 */
static void lex_number(Lexer *lexer) {
  uint32_t start = lexer->at;
  TokenKind kind = TOKEN_INTEGER;
  while (is_digit(peek(lexer, 0))) lexer->at++;
  if (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1))) {
    kind = TOKEN_REAL;
    lexer->at++;
    while (is_digit(peek(lexer, 0))) lexer->at++;
  }
  char exponent = peek(lexer, 0), sign = peek(lexer, 1);
  if (exponent == 'e' || exponent == 'E') {
    uint32_t digits = sign == '+' || sign == '-' ? 2 : 1;
    if (is_digit(peek(lexer, digits))) {
      kind = TOKEN_REAL;
      lexer->at += digits;
      while (is_digit(peek(lexer, 0))) lexer->at++;
    }
  }
  reject_letters(lexer, start);
  add_token(lexer, kind, start);
}

static void lex_string(Lexer *lexer) {
  uint32_t start = lexer->at++;
  while (lexer->at < lexer->length && lexer->text[lexer->at] != '"' && lexer->text[lexer->at] != '\n') lexer->at++;
  if (peek(lexer, 0) == '"') {
    lexer->at++;
    add_token(lexer, TOKEN_STRING, start);
  } else {
    diagnostic_error(lexer->diagnostics, DIAG_OPEN_QUOTE, (Span){lexer->source, start, lexer->at - start});
  }
}

static void report_byte(Lexer *lexer) {
  unsigned char byte = (unsigned char)lexer->text[lexer->at];
  bool printable = byte >= 0x20 && byte < 0x7f;
  const char *shown =
      printable ? arena_format(lexer->arena, "'%c'", byte) : arena_format(lexer->arena, "of code 0x%02x", byte);
  uint32_t start = lexer->at;
  /* A character of several bytes is reported once. */
  do lexer->at++;
  while (byte >= 0x80 && lexer->at < lexer->length && ((unsigned char)lexer->text[lexer->at] & 0xC0) == 0x80);
  diagnostic_error(lexer->diagnostics, DIAG_UNEXPECTED_CHARACTER, (Span){lexer->source, start, lexer->at - start},
                   shown);
}

static void lex_punctuation(Lexer *lexer) {
  for (size_t i = 0; i < sizeof punctuation / sizeof *punctuation; i++) {
    uint32_t length = punctuation[i].length;
    if (lexer->length - lexer->at >= length && !memcmp(punctuation[i].text, lexer->text + lexer->at, length)) {
      uint32_t start = lexer->at;
      lexer->at += length;
      add_token(lexer, punctuation[i].kind, start);
      return;
    }
  }
  report_byte(lexer);
}

Tokens lexer_run(Arena *arena, Diagnostics *diagnostics, uint32_t source) {
  const Source *text = diagnostics_source(diagnostics, source);
  Lexer lexer = {.arena = arena,
                 .diagnostics = diagnostics,
                 .text = text->text,
                 .source = source,
                 .length = text->length < UINT32_MAX ? (uint32_t)text->length : UINT32_MAX,
                 .first_of_line = true};
  if (lexer.length >= 3 && !memcmp(lexer.text, "\xEF\xBB\xBF", 3)) lexer.at = 3; /* byte-order mark */
  for (;;) {
    skip_blanks(&lexer);
    if (lexer.at >= lexer.length) break;
    char byte = lexer.text[lexer.at];
    if (is_letter(byte))
      lex_name(&lexer);
    else if (is_digit(byte))
      lex_number(&lexer);
    else if (byte == '"')
      lex_string(&lexer);
    else
      lex_punctuation(&lexer);
  }
  lexer.first_of_line = true;
  add_token(&lexer, TOKEN_END, lexer.at);
  return (Tokens){.token = lexer.token, .count = (uint32_t)lexer.count};
}
