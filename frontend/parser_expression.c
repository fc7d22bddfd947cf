/* Expressions, types and paths.
 *
 *   argument   = expression [ "->" expression | "=" expression ]
 *   expression = or; or = and { "or" and }; and = not { "and" not }; not = [ "not" ] comparison
 *   comparison = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum ]
 *   sum = product { ("+" | "-") product }; product = unary { ("*" | "/") unary }
 *   unary = "-" unary | power; power = primary [ "^" unary ]
 *   primary = number | "true" | "false" | name [ "(" arguments ")" [ "@" path ] ]
 *           | "(" expression { "," expression } ")" | "[" expression { "," expression } "]"
 *           | quoted text, in the recipe and in settings */
#include "parser_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ITEMS = 4096 };

static Expression *new_expression(Parser *parser, ExpressionKind kind, Span span) {
  Expression *expression = ARENA_NEW(parser->arena, Expression);
  expression->kind = kind;
  expression->span = span;
  expression->depth = 1;
  return expression;
}

/* The depth of a tree over `a` and `b`; long chains like a + a + a make deep trees too. */
static void set_depth(Parser *parser, Expression *expression, const Expression *a, const Expression *b) {
  uint32_t depth = a ? a->depth : 0;
  if (b && b->depth > depth) depth = b->depth;
  expression->depth = depth + 1;
  if (expression->depth > PARSER_MAX_DEPTH && !parser->failed) {
    parser->failed = true;
    diagnostic_error(parser->diagnostics, DIAG_TOO_DEEP, expression->span, PARSER_MAX_DEPTH);
    diagnostic_hint(parser->diagnostics, "give parts of the expression names with 'let'");
  }
}

static Expression *new_binary(Parser *parser, TokenKind kind, Span operator_span, Expression *left, Expression *right) {
  Expression *expression = new_expression(parser, EXPRESSION_BINARY, parser_span_from(parser, left->span));
  expression->operator_kind = kind;
  expression->operator_span = operator_span;
  expression->left = left;
  expression->right = right;
  set_depth(parser, expression, left, right);
  return expression;
}

static Expression *new_unary(Parser *parser, TokenKind kind, Span operator_span, Expression *operand) {
  Expression *expression = new_expression(parser, EXPRESSION_UNARY, parser_span_from(parser, operator_span));
  expression->operator_kind = kind;
  expression->operator_span = operator_span;
  expression->left = operand;
  set_depth(parser, expression, operand, NULL);
  return expression;
}

static Expression *parse_number(Parser *parser) {
  const Token *token = parser_peek(parser);
  Expression *expression = new_expression(parser, EXPRESSION_NUMBER, parser_span(parser));
  const char *digits = arena_text(parser->arena, parser->text + token->start, token->length);
  expression->real = strtod(digits, NULL);
  if (token->kind == TOKEN_INTEGER) {
    errno = 0;
    expression->integer = strtoll(digits, NULL, 10);
    expression->is_integer = true;
    if (errno == ERANGE) diagnostic_error(parser->diagnostics, DIAG_NUMBER_RANGE, expression->span, digits);
  } else if (expression->real > 1e300) {
    diagnostic_error(parser->diagnostics, DIAG_NUMBER_RANGE, expression->span, digits);
  }
  parser_take(parser);
  return expression;
}

static Expression *parse_call(Parser *parser, Name name) {
  Expression *expression = new_expression(parser, EXPRESSION_CALL, name.span);
  expression->name = name;
  expression->argument = parser_arguments(parser, &expression->count);
  bool path_is_ours = parser->brackets > 0 || !parser->paths_wait;
  if (path_is_ours && !parser_line_ended(parser) && parser_accept(parser, TOKEN_AT))
    expression->path = parser_path(parser);
  expression->span = parser_span_from(parser, name.span);
  for (uint32_t i = 0; i < expression->count; i++) {
    uint32_t depth = expression->depth;
    set_depth(parser, expression, expression->argument[i].left, expression->argument[i].value);
    if (expression->depth < depth) expression->depth = depth;
  }
  return expression;
}

/* After `(` or `[`: a tuple, a list, or for a bracket with one item the item itself. */
static Expression *parse_items(Parser *parser, TokenKind close, Span first) {
  Expression **item = NULL;
  size_t capacity = 0;
  uint32_t count = 0, depth = 0;
  while (!parser->failed && parser_kind(parser) != close) {
    Expression *next = parser_expression(parser);
    if (!next) return NULL;
    item = arena_grow(parser->arena, item, count, &capacity, sizeof(void *));
    item[count++] = next;
    if (next->depth > depth) depth = next->depth;
    if (!parser_accept(parser, TOKEN_COMMA)) break;
  }
  if (parser->failed || !parser_close(parser, close)) return NULL;
  if (close == TOKEN_RIGHT_PAREN && count == 1) return item[0];
  if (close == TOKEN_RIGHT_PAREN && count == 0) {
    parser_fail(parser, "an expression between '(' and ')'");
    return NULL;
  }
  Expression *expression = new_expression(parser, close == TOKEN_RIGHT_PAREN ? EXPRESSION_TUPLE : EXPRESSION_LIST,
                                          parser_span_from(parser, first));
  expression->item = item;
  expression->count = count;
  expression->depth = depth + 1;
  return expression;
}

const char *parser_text(Parser *parser) {
  const Token *token = parser_peek(parser);
  return arena_text(parser->arena, parser->text + token->start + 1, token->length - 2);
}

static Expression *parse_text(Parser *parser) {
  Expression *expression = new_expression(parser, EXPRESSION_TEXT, parser_span(parser));
  expression->name = (Name){.text = parser_text(parser), .span = expression->span};
  parser_take(parser);
  return expression;
}

static Expression *parse_primary(Parser *parser) {
  Span span = parser_span(parser);
  switch (parser_kind(parser)) {
    case TOKEN_STRING:
      if (parser->texts) return parse_text(parser);
      break;
    case TOKEN_INTEGER:
    case TOKEN_REAL:
      return parse_number(parser);
    case TOKEN_TRUE:
    case TOKEN_FALSE: {
      Expression *expression = new_expression(parser, EXPRESSION_BOOLEAN, span);
      expression->truth = parser_kind(parser) == TOKEN_TRUE;
      parser_take(parser);
      return expression;
    }
    case TOKEN_NAME: {
      Name name = parser_name(parser, NULL);
      if (parser_kind(parser) == TOKEN_LEFT_PAREN && !parser_line_ended(parser)) return parse_call(parser, name);
      Expression *expression = new_expression(parser, EXPRESSION_NAME, span);
      expression->name = name;
      return expression;
    }
    case TOKEN_LEFT_PAREN:
      parser_open(parser);
      return parse_items(parser, TOKEN_RIGHT_PAREN, span);
    case TOKEN_LEFT_BRACKET:
      parser_open(parser);
      return parse_items(parser, TOKEN_RIGHT_BRACKET, span);
    default:
      break;
  }
  parser_fail(parser, "an expression");
  return NULL;
}

static Expression *parse_unary(Parser *parser);

static Expression *parse_power(Parser *parser) {
  Expression *left = parse_primary(parser);
  if (!left || parser_line_ended(parser) || parser_kind(parser) != TOKEN_CARET) return left;
  if (!parser_enter(parser)) return NULL;
  Span operator_span = parser_span(parser);
  parser_take(parser);
  Expression *right = parse_unary(parser);
  parser_leave(parser);
  return right ? new_binary(parser, TOKEN_CARET, operator_span, left, right) : NULL;
}

static Expression *parse_unary(Parser *parser) {
  if (parser_kind(parser) != TOKEN_MINUS) return parse_power(parser);
  if (!parser_enter(parser)) return NULL;
  Span operator_span = parser_span(parser);
  parser_take(parser);
  Expression *operand = parse_unary(parser);
  parser_leave(parser);
  return operand ? new_unary(parser, TOKEN_MINUS, operator_span, operand) : NULL;
}

/* Binary operators by level, loosest first. `not` and the unary minus stand between. */
enum { LEVEL_OR, LEVEL_AND, LEVEL_COMPARISON, LEVEL_SUM, LEVEL_PRODUCT, LEVEL_UNARY };

static int operator_level(TokenKind kind) {
  switch (kind) {
    case TOKEN_OR:
      return LEVEL_OR;
    case TOKEN_AND:
      return LEVEL_AND;
    case TOKEN_EQUAL:
    case TOKEN_NOT_EQUAL:
    case TOKEN_LESS:
    case TOKEN_LESS_EQUAL:
    case TOKEN_GREATER:
    case TOKEN_GREATER_EQUAL:
      return LEVEL_COMPARISON;
    case TOKEN_PLUS:
    case TOKEN_MINUS:
      return LEVEL_SUM;
    case TOKEN_STAR:
    case TOKEN_SLASH:
      return LEVEL_PRODUCT;
    default:
      return -1;
  }
}

static Expression *parse_level(Parser *parser, int level) {
  if (level == LEVEL_UNARY) return parse_unary(parser);
  if (level == LEVEL_COMPARISON && parser_kind(parser) == TOKEN_NOT) {
    if (!parser_enter(parser)) return NULL;
    Span operator_span = parser_span(parser);
    parser_take(parser);
    Expression *operand = parse_level(parser, LEVEL_COMPARISON);
    parser_leave(parser);
    return operand ? new_unary(parser, TOKEN_NOT, operator_span, operand) : NULL;
  }
  Expression *left = parse_level(parser, level + 1);
  while (left && !parser->failed && !parser_line_ended(parser) && operator_level(parser_kind(parser)) == level) {
    TokenKind kind = parser_kind(parser);
    Span operator_span = parser_span(parser);
    parser_take(parser);
    Expression *right = parse_level(parser, level + 1);
    left = right ? new_binary(parser, kind, operator_span, left, right) : NULL;
    if (level == LEVEL_COMPARISON) break;
  }
  return left;
}

Expression *parser_expression(Parser *parser) {
  if (!parser_enter(parser)) return NULL;
  Expression *expression = parse_level(parser, LEVEL_OR);
  parser_leave(parser);
  return parser->failed ? NULL : expression;
}

static bool parse_argument(Parser *parser, Argument *out) {
  *out = (Argument){0};
  Span operator_span;
  out->value = parser_expression(parser);
  if (!out->value) return false;
  operator_span = parser_span(parser);
  if (parser_accept(parser, TOKEN_ARROW)) {
    Expression *to = parser_expression(parser);
    if (!to) return false;
    out->value = new_binary(parser, TOKEN_ARROW, operator_span, out->value, to);
  } else if (parser_accept(parser, TOKEN_ASSIGN)) {
    out->left = out->value;
    out->value = parser_expression(parser);
  }
  return out->value && !parser->failed;
}

Argument *parser_arguments(Parser *parser, uint32_t *out_count) {
  Argument *argument = NULL;
  size_t capacity = 0;
  *out_count = 0;
  parser_open(parser);
  while (!parser->failed && parser_kind(parser) != TOKEN_RIGHT_PAREN && *out_count < MAX_ITEMS) {
    argument = arena_grow(parser->arena, argument, *out_count, &capacity, sizeof *argument);
    if (!parse_argument(parser, &argument[*out_count])) break;
    ++*out_count;
    if (!parser_accept(parser, TOKEN_COMMA)) break;
  }
  if (!parser->failed) parser_close(parser, TOKEN_RIGHT_PAREN);
  return argument;
}

static bool parse_axis(Parser *parser, AxisSyntax *out) {
  *out = (AxisSyntax){.span = parser_span(parser)};
  if (parser_accept(parser, TOKEN_ELLIPSIS)) {
    out->rest = true;
    return true;
  }
  if (parser_kind(parser) == TOKEN_NAME && parser_kind_ahead(parser, 1) == TOKEN_ASSIGN) {
    out->name = parser_name(parser, NULL);
    parser_take(parser);
  }
  out->value = parser_expression(parser);
  out->span = parser_span_from(parser, out->span);
  return out->value != NULL;
}

TypeSyntax parser_type(Parser *parser) {
  TypeSyntax type = {.span = parser_span(parser)};
  size_t capacity = 0;
  if (parser_kind(parser) == TOKEN_NAME) {
    if (parser_at_word(parser, "f32"))
      type.kind = TYPE_REAL;
    else if (parser_at_word(parser, "complex"))
      type.kind = TYPE_COMPLEX;
    else if (parser_at_word(parser, "parts"))
      type.kind = TYPE_PARTS;
    else
      parser_fail(parser, "a type such as [B, T, M], f32[B, T] or complex[K, d]");
    parser_take(parser);
    /* A scalar may leave out its brackets. */
    if (parser_kind(parser) != TOKEN_LEFT_BRACKET || parser_peek(parser)->first_of_line) {
      type.span = parser_span_from(parser, type.span);
      return type;
    }
  }
  if (parser->failed || parser_kind(parser) != TOKEN_LEFT_BRACKET) {
    parser_fail(parser, "a type such as [B, T, M], f32[B, T] or complex[K, d]");
    return type;
  }
  parser_open(parser);
  while (!parser->failed && parser_kind(parser) != TOKEN_RIGHT_BRACKET) {
    type.axis = arena_grow(parser->arena, type.axis, type.count, &capacity, sizeof *type.axis);
    if (!parse_axis(parser, &type.axis[type.count])) break;
    type.count++;
    if (!parser_accept(parser, TOKEN_COMMA)) break;
  }
  if (!parser->failed) parser_close(parser, TOKEN_RIGHT_BRACKET);
  type.span = parser_span_from(parser, type.span);
  return type;
}

/* One component: any word or number ("0", and "0.1" which is two of them), then [index]... */
static bool parse_part(Parser *parser, Path *path, size_t *capacity) {
  TokenKind kind = parser_kind(parser);
  bool word = kind == TOKEN_NAME || kind == TOKEN_INTEGER || kind == TOKEN_REAL || kind >= TOKEN_TRUE;
  if (!word) {
    parser_fail(parser, "a name for the path after '@'");
    return false;
  }
  path->part = arena_grow(parser->arena, path->part, path->count, capacity, sizeof *path->part);
  const Token *token = parser_peek(parser);
  path->part[path->count++] =
      (PathPart){.name = {arena_text(parser->arena, parser->text + token->start, token->length), parser_span(parser)}};
  parser_take(parser);
  while (parser_kind(parser) == TOKEN_LEFT_BRACKET && !parser_line_ended(parser)) {
    parser_open(parser);
    Expression *index = parser_expression(parser);
    if (!index || !parser_close(parser, TOKEN_RIGHT_BRACKET)) return false;
    path->part = arena_grow(parser->arena, path->part, path->count, capacity, sizeof *path->part);
    path->part[path->count++] = (PathPart){.index = index};
  }
  return true;
}

Path parser_path(Parser *parser) {
  Path path = {.span = parser_span(parser)};
  size_t capacity = 0;
  do {
    if (!parse_part(parser, &path, &capacity)) break;
  } while (!parser_line_ended(parser) && parser_accept(parser, TOKEN_DOT));
  path.span = parser_span_from(parser, path.span);
  return path;
}
