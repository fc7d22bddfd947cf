/* Text to tokens: one pass over a source, all tokens in one array that ends with TOKEN_END.
 *
 * Comments run from '#' to the end of the line. A token knows whether it is the first of its line, since outside
 * brackets an expression ends with its line. A byte that begins no token is reported and skipped. */
#ifndef SIMBAC_FRONTEND_LEXER_H
#define SIMBAC_FRONTEND_LEXER_H

#include "ir/diagnostic.h"

typedef enum TokenKind {
#define TOKEN(name, text) TOKEN_##name,
#include "tokens.def"
  TOKEN_KIND_COUNT
} TokenKind;

typedef struct Token {
  TokenKind kind;
  bool first_of_line;
  uint32_t start, length; /* bytes of the source */
} Token;

typedef struct Tokens {
  const Token *token;
  uint32_t count; /* TOKEN_END included */
} Tokens;

Tokens lexer_run(Arena *arena, Diagnostics *diagnostics, uint32_t source);

/* How a message calls a kind: "a name", "')'". */
const char *token_kind_text(TokenKind kind);

#endif
