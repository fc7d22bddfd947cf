/* Tokens of the text form of graphs. Private to read.c. */
#ifndef SIMBAC_IR_IR_LEXER_H
#define SIMBAC_IR_IR_LEXER_H

#include "diagnostic.h"

typedef enum IrTokenKind {
  IR_TOKEN_END,
  IR_TOKEN_NAME,   /* graph, contract, B, inf, nan */
  IR_TOKEN_NODE,   /* %12, %x; the text lacks the % */
  IR_TOKEN_NUMBER, /* 12, -0.5, 1e-05, -inf */
  IR_TOKEN_TEXT,   /* "..."; the text is what was quoted */
  IR_TOKEN_MARK,   /* one of = ( ) { } [ ] , : * */
  IR_TOKEN_BAD     /* anything else */
} IrTokenKind;

typedef struct IrToken {
  IrTokenKind kind;
  const char *text; /* NUL-terminated, in the lexer's arena */
  Span span;
  bool starts_line;
} IrToken;

typedef struct IrLexer {
  const Source *source;
  uint32_t number; /* of the source */
  Arena *arena;
  size_t at;
} IrLexer;

IrToken ir_lexer_next(IrLexer *lexer);

#endif
