/* Shared by parser.c (files, definitions, statements) and parser_expression.c (expressions, types, paths). */
#ifndef SIMBAC_FRONTEND_PARSER_INTERNAL_H
#define SIMBAC_FRONTEND_PARSER_INTERNAL_H

#include "parser.h"

typedef struct Parser {
  Arena *arena;
  Diagnostics *diagnostics;
  const char *text;
  uint32_t source;
  Tokens tokens;
  uint32_t at;
  uint32_t brackets; /* open ( and [: in them a line's end means nothing */
  uint32_t depth;    /* of nesting, at most PARSER_MAX_DEPTH */
  bool failed;       /* a mistake in this statement was reported */
  bool end_reported; /* something is missing at the end of the file: said once */
  bool paths_wait;   /* `@` belongs to the statement, not to a call: initial values */
  bool texts;        /* a quoted text is an expression: in the recipe and in settings */
} Parser;

const Token *parser_peek(const Parser *parser);
TokenKind parser_kind(const Parser *parser);
TokenKind parser_kind_ahead(const Parser *parser, uint32_t ahead);
Span parser_span(const Parser *parser); /* of the next token */
/* From the start of `first` to the end of the last token taken. */
Span parser_span_from(const Parser *parser, Span first);
void parser_take(Parser *parser);
bool parser_accept(Parser *parser, TokenKind kind);
void parser_fail(Parser *parser, const char *expected);
/* Like accept, for ( and [, which count; a missing closing one is reported. */
void parser_open(Parser *parser);
bool parser_close(Parser *parser, TokenKind kind);
/* False (and reported) where nesting is too deep. Every true needs one parser_leave. */
bool parser_enter(Parser *parser);
void parser_leave(Parser *parser);
/* Outside brackets an expression ends with its line. */
bool parser_line_ended(const Parser *parser);
bool parser_at_word(const Parser *parser, const char *word);

/* `what`: of what thing the name is, for the message. */
Name parser_name(Parser *parser, const char *what);
Expression *parser_expression(Parser *parser);
/* The next token, a quoted text, without its quotes. */
const char *parser_text(Parser *parser);
/* After the opening bracket, up to and with the closing one. */
Argument *parser_arguments(Parser *parser, uint32_t *out_count);
TypeSyntax parser_type(Parser *parser);
/* After `@`. */
Path parser_path(Parser *parser);

#endif
