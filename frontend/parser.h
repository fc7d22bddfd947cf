/* Tokens to syntax tree, by recursive descent. After a mistake it goes on at the next statement or definition, so that
 * one run reports several. Nesting is bounded (PARSER_MAX_DEPTH), so no text exhausts the stack. */
#ifndef SIMBAC_FRONTEND_PARSER_H
#define SIMBAC_FRONTEND_PARSER_H

#include "ast.h"

enum { PARSER_MAX_DEPTH = 200 };

/* The source's tree; complete only where no error was reported. Never NULL. */
SyntaxFile *parser_run(Arena *arena, Diagnostics *diagnostics, uint32_t source);
/* A source that is one `name = expression`, as a --set gives it; false where it is not (reported). */
bool parser_run_setting(Arena *arena, Diagnostics *diagnostics, uint32_t source, Name *out_name,
                        Expression **out_value);

#endif
