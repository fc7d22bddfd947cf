/* Files, definitions and statements.
 *
 *   file       = { import | block | model | recipe }
 *   import     = "import" string
 *   block      = "block" name "(" formals ")" "->" results "{" body "}"
 *   model      = "model" name "(" formals ")" "{" body "}"
 *   formal     = name ":" type | name ":" "axis" | name "->" name | name [ "=" expression ] [ "in" "[" names "]" ]
 *   results    = type | "(" type { "," type } ")"
 *   statement  = "dim" name "=" expression | "let" names [ ":" type ] "=" expression | ...   (see parse_statement)
 *   recipe     = "recipe" "{" { name ( arguments | expression ) } "}" */
#include "parser.h"

#include "parser_internal.h"

#include <string.h>

const Token *parser_peek(const Parser *parser) { return &parser->tokens.token[parser->at]; }
TokenKind parser_kind(const Parser *parser) { return parser_peek(parser)->kind; }

TokenKind parser_kind_ahead(const Parser *parser, uint32_t ahead) {
  uint32_t at = parser->at + ahead;
  return at < parser->tokens.count ? parser->tokens.token[at].kind : TOKEN_END;
}

Span parser_span(const Parser *parser) {
  const Token *token = parser_peek(parser);
  return (Span){parser->source, token->start, token->length};
}

Span parser_span_from(const Parser *parser, Span first) {
  if (parser->at == 0) return first;
  const Token *last = &parser->tokens.token[parser->at - 1];
  uint32_t end = last->start + last->length;
  return (Span){parser->source, first.start, end > first.start ? end - first.start : first.length};
}

void parser_take(Parser *parser) {
  if (parser_kind(parser) != TOKEN_END) parser->at++;
}

bool parser_accept(Parser *parser, TokenKind kind) {
  if (parser_kind(parser) != kind) return false;
  parser_take(parser);
  return true;
}

void parser_fail(Parser *parser, const char *expected) {
  if (parser->failed) return;
  parser->failed = true;
  const Token *token = parser_peek(parser);
  if (token->kind == TOKEN_END && parser->end_reported) return;
  parser->end_reported = token->kind == TOKEN_END;
  const char *found = token_kind_text(token->kind);
  if (token->kind == TOKEN_NAME || token->kind == TOKEN_INTEGER || token->kind == TOKEN_REAL)
    found = arena_format(parser->arena, "'%.*s'", (int)token->length, parser->text + token->start);
  diagnostic_error(parser->diagnostics, DIAG_EXPECTED, parser_span(parser), expected, found);
}

/* Reports where the next token is another one; `what` says more than the kind, or NULL. */
static bool expect(Parser *parser, TokenKind kind, const char *what) {
  if (parser->failed) return false;
  if (parser_accept(parser, kind)) return true;
  parser_fail(parser, what ? what : token_kind_text(kind));
  return false;
}

void parser_open(Parser *parser) {
  parser_take(parser);
  parser->brackets++;
}

bool parser_close(Parser *parser, TokenKind kind) {
  if (!expect(parser, kind, NULL)) return false;
  parser->brackets--;
  return true;
}

bool parser_enter(Parser *parser) {
  if (parser->depth >= PARSER_MAX_DEPTH) {
    if (!parser->failed) diagnostic_error(parser->diagnostics, DIAG_TOO_DEEP, parser_span(parser), PARSER_MAX_DEPTH);
    parser->failed = true;
    return false;
  }
  parser->depth++;
  return true;
}

void parser_leave(Parser *parser) { parser->depth--; }

bool parser_line_ended(const Parser *parser) { return parser->brackets == 0 && parser_peek(parser)->first_of_line; }

static bool token_is(const Parser *parser, const Token *token, const char *word) {
  return token->length == strlen(word) && !memcmp(parser->text + token->start, word, token->length);
}

bool parser_at_word(const Parser *parser, const char *word) { return token_is(parser, parser_peek(parser), word); }

Name parser_name(Parser *parser, const char *what) {
  const Token *token = parser_peek(parser);
  Name name = {.span = parser_span(parser)};
  if (!expect(parser, TOKEN_NAME, what)) return name;
  name.text = arena_text(parser->arena, parser->text + token->start, token->length);
  return name;
}

/* The words that begin a statement, known by a name that follows. */
static const struct {
  const char *word;
  StatementKind kind;
} statement_words[] = {
    {"dim", STATEMENT_DIM},       {"param", STATEMENT_PARAM}, {"state", STATEMENT_STATE},
    {"update", STATEMENT_UPDATE}, {"input", STATEMENT_INPUT}, {"target", STATEMENT_TARGET},
    {"output", STATEMENT_OUTPUT}, {"loss", STATEMENT_LOSS},   {"metric", STATEMENT_METRIC},
};

static bool find_statement_word(const Parser *parser, StatementKind *out) {
  if (parser_kind(parser) != TOKEN_NAME || parser_kind_ahead(parser, 1) != TOKEN_NAME) return false;
  if (parser->tokens.token[parser->at + 1].first_of_line) return false;
  for (size_t i = 0; i < sizeof statement_words / sizeof *statement_words; i++) {
    if (parser_at_word(parser, statement_words[i].word)) {
      *out = statement_words[i].kind;
      return true;
    }
  }
  return false;
}

/* `did you mean` for a word that begins something, where one of the candidates is near. */
static const char *nearest_word(const Parser *parser, const char *const *candidates, size_t count) {
  const Token *token = parser_peek(parser);
  if (token->kind != TOKEN_NAME) return NULL;
  return text_nearest(arena_text(parser->arena, parser->text + token->start, token->length), candidates, count);
}

static void hint_word(Parser *parser, const char *nearest) {
  if (nearest) diagnostic_hint(parser->diagnostics, "did you mean '%s'?", nearest);
}

/* Two names side by side are no expression, so the first one may be a statement's word with a slip of the pen. */
static const char *nearest_statement_word(const Parser *parser) {
  enum { WORDS = sizeof statement_words / sizeof *statement_words };
  const char *candidates[WORDS + 4] = {"let", "for", "if", "require"};
  for (size_t i = 0; i < WORDS; i++) candidates[4 + i] = statement_words[i].word;
  if (parser_kind_ahead(parser, 1) != TOKEN_NAME || parser->tokens.token[parser->at + 1].first_of_line) return NULL;
  return nearest_word(parser, candidates, WORDS + 4);
}

static const char *const definition_words[] = {"block", "model", "recipe", "import"};

static bool at_definition(const Parser *parser) {
  if (parser_kind(parser) != TOKEN_NAME || !parser_peek(parser)->first_of_line) return false;
  TokenKind next = parser_kind_ahead(parser, 1);
  if (next != TOKEN_NAME && next != TOKEN_LEFT_BRACE && next != TOKEN_STRING) return false;
  for (size_t i = 0; i < sizeof definition_words / sizeof *definition_words; i++)
    if (parser_at_word(parser, definition_words[i])) return true;
  return false;
}

/* After a mistake: on to the next statement of this body, to its closing brace, or to the next definition. */
static void recover_in_body(Parser *parser) {
  uint32_t braces = 0;
  parser->brackets = 0;
  parser->paths_wait = false;
  for (; parser_kind(parser) != TOKEN_END; parser_take(parser)) {
    TokenKind kind = parser_kind(parser);
    StatementKind ignored;
    if (at_definition(parser)) return;
    if (kind == TOKEN_LEFT_BRACE)
      braces++;
    else if (kind == TOKEN_RIGHT_BRACE && braces-- == 0)
      break;
    bool starts = kind == TOKEN_LET || kind == TOKEN_FOR || kind == TOKEN_IF || kind == TOKEN_REQUIRE ||
                  find_statement_word(parser, &ignored);
    if (braces == 0 && starts && parser_peek(parser)->first_of_line) break;
  }
  parser->failed = false;
}

static Body parse_body(Parser *parser);

static void parse_typed(Parser *parser, Statement *statement) {
  if (parser_accept(parser, TOKEN_COLON)) statement->type = parser_type(parser);
  if (!parser->failed && !parser_line_ended(parser) && parser_accept(parser, TOKEN_AT))
    statement->path = parser_path(parser);
}

static void parse_let(Parser *parser, Statement *statement) {
  size_t capacity = 0;
  parser_take(parser);
  statement->tuple = parser_kind(parser) == TOKEN_LEFT_PAREN;
  if (statement->tuple) parser_open(parser);
  do {
    statement->name = arena_grow(parser->arena, statement->name, statement->count, &capacity, sizeof(Name));
    statement->name[statement->count++] = parser_name(parser, "a name to bind");
  } while (statement->tuple && !parser->failed && parser_accept(parser, TOKEN_COMMA));
  if (statement->tuple && !parser->failed)
    parser_close(parser, TOKEN_RIGHT_PAREN);
  else if (parser_accept(parser, TOKEN_COLON))
    statement->type = parser_type(parser);
  if (expect(parser, TOKEN_ASSIGN, NULL)) statement->value = parser_expression(parser);
}

static void parse_for(Parser *parser, Statement *statement) {
  parser_take(parser);
  statement->name = ARENA_NEW(parser->arena, Name);
  statement->count = 1;
  statement->name[0] = parser_name(parser, "the name of the loop's index");
  if (!expect(parser, TOKEN_IN, NULL)) return;
  statement->from = parser_expression(parser);
  if (!statement->from || !expect(parser, TOKEN_RANGE, NULL)) return;
  statement->to = parser_expression(parser);
  if (statement->to) statement->body = parse_body(parser);
}

static void parse_if(Parser *parser, Statement *statement) {
  parser_take(parser);
  statement->value = parser_expression(parser);
  if (statement->value) statement->body = parse_body(parser);
  if (parser->failed || !parser_accept(parser, TOKEN_ELSE)) return;
  if (parser_kind(parser) != TOKEN_IF) {
    statement->other = parse_body(parser);
    return;
  }
  Statement *nested = ARENA_NEW(parser->arena, Statement);
  nested->kind = STATEMENT_IF;
  nested->span = parser_span(parser);
  if (!parser_enter(parser)) return;
  parse_if(parser, nested);
  parser_leave(parser);
  nested->span = parser_span_from(parser, nested->span);
  statement->other = (Body){.statement = nested, .count = 1};
}

/* A quoted text, without its quotes; NULL where there is none (reported). */
static const char *parse_quoted(Parser *parser, const char *what) {
  const char *text = parser_kind(parser) == TOKEN_STRING ? parser_text(parser) : NULL;
  return expect(parser, TOKEN_STRING, what) ? text : NULL;
}

static void parse_require(Parser *parser, Statement *statement) {
  parser_take(parser);
  statement->value = parser_expression(parser);
  if (!statement->value || !expect(parser, TOKEN_COMMA, "',' and what is required, in quotes")) return;
  statement->message = parse_quoted(parser, "what is required, in quotes");
}

/* word name [: type] [@ path] [= value [@ path]] */
static void parse_declaration(Parser *parser, Statement *statement) {
  parser_take(parser);
  statement->name = ARENA_NEW(parser->arena, Name);
  statement->count = 1;
  statement->name[0] = parser_name(parser, NULL);
  StatementKind kind = statement->kind;
  bool stored = kind == STATEMENT_PARAM || kind == STATEMENT_STATE;
  bool given = kind == STATEMENT_INPUT || kind == STATEMENT_TARGET;
  if (stored || given || kind == STATEMENT_OUTPUT) parse_typed(parser, statement);
  if ((stored || given) && !parser->failed && statement->type.span.length == 0) parser_fail(parser, "':' and a type");
  if (given || (stored && parser_kind(parser) != TOKEN_ASSIGN)) return;
  if (!expect(parser, TOKEN_ASSIGN, NULL)) return;
  parser->paths_wait = stored;
  statement->value = parser_expression(parser);
  parser->paths_wait = false;
  if (stored && statement->value && !parser_line_ended(parser) && parser_accept(parser, TOKEN_AT))
    statement->path = parser_path(parser);
}

static void parse_statement(Parser *parser, Statement *statement) {
  *statement = (Statement){.span = parser_span(parser)};
  TokenKind kind = parser_kind(parser);
  if (kind == TOKEN_LET) {
    statement->kind = STATEMENT_LET;
    parse_let(parser, statement);
  } else if (kind == TOKEN_FOR) {
    statement->kind = STATEMENT_FOR;
    parse_for(parser, statement);
  } else if (kind == TOKEN_IF) {
    statement->kind = STATEMENT_IF;
    parse_if(parser, statement);
  } else if (kind == TOKEN_REQUIRE) {
    statement->kind = STATEMENT_REQUIRE;
    parse_require(parser, statement);
  } else if (find_statement_word(parser, &statement->kind)) {
    parse_declaration(parser, statement);
  } else {
    statement->kind = STATEMENT_EXPRESSION;
    bool continued = kind >= TOKEN_ARROW && kind <= TOKEN_CARET && kind != TOKEN_MINUS;
    if (continued) {
      parser_fail(parser, "a statement");
      diagnostic_hint(parser->diagnostics, "an expression goes on in the next line after an operator or within ( )");
      return;
    }
    const char *nearest = nearest_statement_word(parser);
    if (nearest) {
      parser_fail(parser, "a statement");
      hint_word(parser, nearest);
      return;
    }
    statement->value = parser_expression(parser);
  }
  statement->span = parser_span_from(parser, statement->span);
}

static Body parse_body(Parser *parser) {
  Body body = {0};
  size_t capacity = 0;
  if (!expect(parser, TOKEN_LEFT_BRACE, NULL) || !parser_enter(parser)) return body;
  while (parser_kind(parser) != TOKEN_RIGHT_BRACE && parser_kind(parser) != TOKEN_END) {
    if (at_definition(parser)) break;
    Statement statement;
    uint32_t before = parser->at;
    parse_statement(parser, &statement);
    if (parser->failed) {
      recover_in_body(parser);
      if (parser->failed) break;
    }
    body.statement = arena_grow(parser->arena, body.statement, body.count, &capacity, sizeof(Statement));
    body.statement[body.count++] = statement;
    if (parser->at == before) parser_take(parser);
  }
  parser_leave(parser);
  expect(parser, TOKEN_RIGHT_BRACE, "a statement or '}'");
  return body;
}

static void parse_allowed(Parser *parser, Formal *formal) {
  size_t capacity = 0;
  if (parser_kind(parser) != TOKEN_LEFT_BRACKET) {
    parser_fail(parser, "the list of allowed values, such as [time, patch]");
    return;
  }
  parser_open(parser);
  do {
    formal->allowed = arena_grow(parser->arena, formal->allowed, formal->allowed_count, &capacity, sizeof(Name));
    formal->allowed[formal->allowed_count++] = parser_name(parser, "a word");
  } while (!parser->failed && parser_accept(parser, TOKEN_COMMA));
  if (!parser->failed) parser_close(parser, TOKEN_RIGHT_BRACKET);
}

static void parse_formal(Parser *parser, Formal *formal) {
  *formal = (Formal){.kind = FORMAL_STATIC, .span = parser_span(parser)};
  formal->name = parser_name(parser, "a parameter's name");
  if (parser->failed) return;
  if (parser_accept(parser, TOKEN_ARROW)) {
    formal->kind = FORMAL_ARROW;
    formal->to = parser_name(parser, "the name of the new axis");
  } else if (parser_accept(parser, TOKEN_COLON)) {
    if (parser_at_word(parser, "axis")) {
      formal->kind = FORMAL_AXIS;
      parser_take(parser);
    } else {
      formal->kind = FORMAL_TENSOR;
      formal->type = parser_type(parser);
    }
  } else {
    if (parser_accept(parser, TOKEN_ASSIGN)) formal->initial = parser_expression(parser);
    if (!parser->failed && parser_accept(parser, TOKEN_IN)) parse_allowed(parser, formal);
  }
  formal->span = parser_span_from(parser, formal->span);
}

static void parse_formals(Parser *parser, Definition *definition) {
  size_t capacity = 0;
  if (parser_kind(parser) != TOKEN_LEFT_PAREN) {
    parser_fail(parser, "'(' and the parameters");
    return;
  }
  parser_open(parser);
  while (!parser->failed && parser_kind(parser) != TOKEN_RIGHT_PAREN) {
    if (definition->formal_count == DEFINITION_MAX_FORMALS) {
      parser_fail(parser, "at most 64 parameters");
      return;
    }
    definition->formal =
        arena_grow(parser->arena, definition->formal, definition->formal_count, &capacity, sizeof(Formal));
    parse_formal(parser, &definition->formal[definition->formal_count++]);
    if (!parser_accept(parser, TOKEN_COMMA)) break;
  }
  if (!parser->failed) parser_close(parser, TOKEN_RIGHT_PAREN);
}

static void parse_results(Parser *parser, Definition *definition) {
  size_t capacity = 0;
  if (!expect(parser, TOKEN_ARROW, "'->' and what the block gives back, such as -> [B, T, M]")) return;
  bool several = parser_kind(parser) == TOKEN_LEFT_PAREN;
  if (several) parser_open(parser);
  do {
    definition->result =
        arena_grow(parser->arena, definition->result, definition->result_count, &capacity, sizeof(TypeSyntax));
    definition->result[definition->result_count++] = parser_type(parser);
  } while (several && !parser->failed && parser_accept(parser, TOKEN_COMMA));
  if (several && !parser->failed) parser_close(parser, TOKEN_RIGHT_PAREN);
}

static void parse_definition(Parser *parser, SyntaxFile *file, size_t *capacity) {
  Definition definition = {.span = parser_span(parser)};
  definition.kind = parser_at_word(parser, "model") ? DEFINITION_MODEL : DEFINITION_BLOCK;
  parser_take(parser);
  definition.name = parser_name(parser, NULL);
  if (!parser->failed) parse_formals(parser, &definition);
  if (!parser->failed && definition.kind == DEFINITION_BLOCK) parse_results(parser, &definition);
  definition.span = parser_span_from(parser, definition.span);
  if (!parser->failed) definition.body = parse_body(parser);
  file->definition = arena_grow(parser->arena, file->definition, file->definition_count, capacity, sizeof(Definition));
  file->definition[file->definition_count++] = definition;
}

static void parse_recipe_item(Parser *parser, RecipeItem *item) {
  *item = (RecipeItem){.span = parser_span(parser)};
  item->section = parser_name(parser, "a line of the recipe, such as 'batch 32'");
  if (parser->failed) return;
  if (parser_kind(parser) == TOKEN_LEFT_PAREN)
    item->argument = parser_arguments(parser, &item->argument_count);
  else
    item->value = parser_expression(parser);
  item->span = parser_span_from(parser, item->span);
}

static void parse_recipe(Parser *parser, SyntaxFile *file) {
  size_t capacity = 0;
  Span first = parser_span(parser);
  if (file->recipe.span.length) {
    diagnostic_error(parser->diagnostics, DIAG_SECOND_RECIPE, first);
    diagnostic_note(parser->diagnostics, file->recipe.span, "the first one is here");
  }
  file->recipe = (RecipeSyntax){.span = first};
  parser_take(parser);
  if (!expect(parser, TOKEN_LEFT_BRACE, NULL)) return;
  parser->texts = true;
  while (parser_kind(parser) != TOKEN_RIGHT_BRACE && parser_kind(parser) != TOKEN_END && !at_definition(parser)) {
    RecipeItem item;
    parse_recipe_item(parser, &item);
    if (parser->failed) {
      /* On to the next line. */
      parser->failed = false;
      parser->brackets = 0;
      while (parser_kind(parser) != TOKEN_RIGHT_BRACE && parser_kind(parser) != TOKEN_END) {
        parser_take(parser);
        if (parser_peek(parser)->first_of_line) break;
      }
      continue;
    }
    file->recipe.item = arena_grow(parser->arena, file->recipe.item, file->recipe.count, &capacity, sizeof(RecipeItem));
    file->recipe.item[file->recipe.count++] = item;
  }
  parser->texts = false;
  expect(parser, TOKEN_RIGHT_BRACE, NULL);
}

static void parse_import(Parser *parser, SyntaxFile *file, size_t *capacity) {
  parser_take(parser);
  Import import = {.path = {.span = parser_span(parser)}};
  import.path.text = parse_quoted(parser, "a file's name in quotes");
  if (!import.path.text) return;
  file->import = arena_grow(parser->arena, file->import, file->import_count, capacity, sizeof(Import));
  file->import[file->import_count++] = import;
}

static Parser begin(Arena *arena, Diagnostics *diagnostics, uint32_t source) {
  return (Parser){.arena = arena,
                  .diagnostics = diagnostics,
                  .text = diagnostics_source(diagnostics, source)->text,
                  .source = source,
                  .tokens = lexer_run(arena, diagnostics, source)};
}

static void fail_definition(Parser *parser) {
  parser_fail(parser, "'block', 'model', 'recipe' or 'import'");
  hint_word(parser, nearest_word(parser, definition_words, sizeof definition_words / sizeof *definition_words));
}

SyntaxFile *parser_run(Arena *arena, Diagnostics *diagnostics, uint32_t source) {
  Parser parser = begin(arena, diagnostics, source);
  SyntaxFile *file = ARENA_NEW(arena, SyntaxFile);
  size_t definition_capacity = 0, import_capacity = 0;
  file->source = source;
  while (parser_kind(&parser) != TOKEN_END) {
    if (parser_at_word(&parser, "block") || parser_at_word(&parser, "model"))
      parse_definition(&parser, file, &definition_capacity);
    else if (parser_at_word(&parser, "recipe"))
      parse_recipe(&parser, file);
    else if (parser_at_word(&parser, "import"))
      parse_import(&parser, file, &import_capacity);
    else
      fail_definition(&parser);
    if (!parser.failed) continue;
    while (parser_kind(&parser) != TOKEN_END) {
      if (at_definition(&parser)) break;
      parser_take(&parser);
    }
    parser.failed = false;
    parser.brackets = parser.depth = 0;
    parser.paths_wait = false;
  }
  return file;
}

bool parser_run_setting(Arena *arena, Diagnostics *diagnostics, uint32_t source, Name *out_name,
                        Expression **out_value) {
  Parser parser = begin(arena, diagnostics, source);
  Span first = parser_span(&parser);
  *out_name = parser_name(&parser, "NAME=VALUE");
  while (!parser.failed && parser_accept(&parser, TOKEN_DOT)) {
    Name next = parser_name(&parser, NULL);
    if (!parser.failed) out_name->text = arena_format(arena, "%s.%s", out_name->text, next.text);
  }
  out_name->span = parser_span_from(&parser, first);
  if (!expect(&parser, TOKEN_ASSIGN, NULL)) return false;
  parser.texts = true;
  *out_value = parser_expression(&parser);
  if (!parser.failed) expect(&parser, TOKEN_END, "the end of the setting");
  return !parser.failed;
}
