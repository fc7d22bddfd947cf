/* The syntax tree as indented text, one node a line, and as DOT. Both walk the tree once through one visitor, so they
 * show the same nodes. */
#include "ast.h"

#include <string.h>

/* Binding strength, as in the grammar. */
static int strength(const Expression *expression) {
  if (expression->kind == EXPRESSION_UNARY) return expression->operator_kind == TOKEN_NOT ? 2 : 6;
  if (expression->kind != EXPRESSION_BINARY) return 8;
  switch (expression->operator_kind) {
    case TOKEN_ARROW:
      return -1;
    case TOKEN_OR:
      return 0;
    case TOKEN_AND:
      return 1;
    case TOKEN_PLUS:
    case TOKEN_MINUS:
      return 4;
    case TOKEN_STAR:
    case TOKEN_SLASH:
      return 5;
    case TOKEN_CARET:
      return 7;
    default:
      return 3;
  }
}

static void print_operand(const Expression *operand, int needed, Text *out) {
  bool bracket = strength(operand) < needed;
  if (bracket) text_puts(out, "(");
  ast_print_expression(operand, out);
  if (bracket) text_puts(out, ")");
}

static void print_operator(TokenKind kind, Text *out) {
  const char *quoted = token_kind_text(kind);
  bool word = kind == TOKEN_AND || kind == TOKEN_OR || kind == TOKEN_ARROW;
  if (word) text_puts(out, " ");
  text_add(out, quoted + 1, strlen(quoted) - 2);
  if (word) text_puts(out, " ");
}

static void print_path(const Path *path, Text *out) {
  if (!path->part) return;
  text_puts(out, " @ ");
  for (uint32_t i = 0; i < path->count; i++) {
    if (path->part[i].index) {
      text_puts(out, "[");
      ast_print_expression(path->part[i].index, out);
      text_puts(out, "]");
    } else {
      text_print(out, "%s%s", i ? "." : "", path->part[i].name.text);
    }
  }
}

static void print_arguments(const Argument *argument, uint32_t count, Text *out) {
  text_puts(out, "(");
  for (uint32_t i = 0; i < count; i++) {
    if (i) text_puts(out, ", ");
    if (argument[i].left) {
      ast_print_expression(argument[i].left, out);
      text_puts(out, " = ");
    }
    ast_print_expression(argument[i].value, out);
  }
  text_puts(out, ")");
}

static void print_items(const Expression *expression, const char *open, const char *close, Text *out) {
  text_puts(out, open);
  for (uint32_t i = 0; i < expression->count; i++) {
    if (i) text_puts(out, ", ");
    ast_print_expression(expression->item[i], out);
  }
  text_puts(out, close);
}

void ast_print_expression(const Expression *expression, Text *out) {
  int own = strength(expression);
  switch (expression->kind) {
    case EXPRESSION_NUMBER:
      if (expression->is_integer)
        text_print(out, "%lld", (long long)expression->integer);
      else
        text_real(out, expression->real);
      break;
    case EXPRESSION_BOOLEAN:
      text_puts(out, expression->truth ? "true" : "false");
      break;
    case EXPRESSION_NAME:
      text_puts(out, expression->name.text);
      break;
    case EXPRESSION_UNARY:
      text_puts(out, expression->operator_kind == TOKEN_NOT ? "not " : "-");
      print_operand(expression->left, own, out);
      break;
    case EXPRESSION_BINARY: {
      /* Sums and products group to the left, powers to the right. */
      bool right_first = expression->operator_kind == TOKEN_CARET;
      print_operand(expression->left, right_first ? own + 1 : own, out);
      print_operator(expression->operator_kind, out);
      print_operand(expression->right, right_first ? 6 : own + 1, out);
      break;
    }
    case EXPRESSION_CALL:
      text_puts(out, expression->name.text);
      print_arguments(expression->argument, expression->count, out);
      print_path(&expression->path, out);
      break;
    case EXPRESSION_TUPLE:
      print_items(expression, "(", ")", out);
      break;
    case EXPRESSION_LIST:
      print_items(expression, "[", "]", out);
      break;
    case EXPRESSION_TEXT:
      text_print(out, "\"%s\"", expression->name.text);
      break;
  }
}

void ast_print_type(const TypeSyntax *type, Text *out) {
  static const char *const prefix[] = {"", "f32", "complex", "parts"};
  text_puts(out, prefix[type->kind]);
  text_puts(out, "[");
  for (uint32_t i = 0; i < type->count; i++) {
    const AxisSyntax *axis = &type->axis[i];
    if (i) text_puts(out, ", ");
    if (axis->rest) text_puts(out, "...");
    if (axis->name.text) text_print(out, "%s = ", axis->name.text);
    if (axis->value) ast_print_expression(axis->value, out);
  }
  text_puts(out, "]");
}

/* A node of the picture: its text, and the number of the node above it. */
typedef struct Printer {
  Text *out;
  bool dot;
  int depth, next;
} Printer;

/* Quoted for DOT, in lines of about LABEL_WIDTH characters, flush left: a long heading would make its column as wide.
 */
static void print_dot_label(Text *out, const Text *label) {
  enum { LABEL_WIDTH = 48 };
  size_t width = 0;
  for (size_t i = 0; i < label->length; i++, width++) {
    if (label->data[i] == ' ' && width >= LABEL_WIDTH) {
      text_puts(out, "\\l  ");
      width = 2;
      continue;
    }
    if (label->data[i] == '"' || label->data[i] == '\\') text_puts(out, "\\");
    text_add(out, &label->data[i], 1);
  }
  text_puts(out, "\\l");
}

static int begin_node(Printer *printer, int parent, const Text *label) {
  int node = printer->next++;
  if (!printer->dot) {
    for (int i = 0; i < printer->depth; i++) text_puts(printer->out, "  ");
    text_add(printer->out, label->data, label->length);
    text_puts(printer->out, "\n");
    return node;
  }
  text_print(printer->out, "  n%d [label=\"", node);
  print_dot_label(printer->out, label);
  text_puts(printer->out, "\"];\n");
  if (parent >= 0) text_print(printer->out, "  n%d -> n%d;\n", parent, node);
  return node;
}

static void print_body(Printer *printer, int parent, const Body *body);

static void print_statement_head(const Statement *statement, Text *label) {
  static const char *const words[] = {"dim ",    "let ",  "param ",  "state ", "update ", "input ",   "target ",
                                      "output ", "loss ", "metric ", "for ",   "if ",     "require ", ""};
  text_puts(label, words[statement->kind]);
  if (statement->tuple) text_puts(label, "(");
  for (uint32_t i = 0; i < statement->count; i++) text_print(label, "%s%s", i ? ", " : "", statement->name[i].text);
  if (statement->tuple) text_puts(label, ")");
  if (statement->type.span.length) {
    text_puts(label, ": ");
    ast_print_type(&statement->type, label);
  }
  print_path(&statement->path, label);
  if (statement->kind == STATEMENT_FOR) {
    text_puts(label, " in ");
    ast_print_expression(statement->from, label);
    text_puts(label, "..");
    ast_print_expression(statement->to, label);
  } else if (statement->value) {
    if (statement->count) text_puts(label, " = ");
    ast_print_expression(statement->value, label);
  }
  if (statement->kind == STATEMENT_REQUIRE) text_print(label, ", \"%s\"", statement->message);
}

static void print_statement(Printer *printer, int parent, const Statement *statement) {
  Text label = text_begin(printer->out->arena);
  print_statement_head(statement, &label);
  int node = begin_node(printer, parent, &label);
  printer->depth++;
  print_body(printer, node, &statement->body);
  printer->depth--;
  if (statement->other.count == 0) return;
  Text other = text_begin(printer->out->arena);
  text_puts(&other, "else");
  int branch = begin_node(printer, node, &other);
  printer->depth++;
  print_body(printer, branch, &statement->other);
  printer->depth--;
}

static void print_body(Printer *printer, int parent, const Body *body) {
  for (uint32_t i = 0; i < body->count; i++) print_statement(printer, parent, &body->statement[i]);
}

static void print_formal(const Formal *formal, Text *label) {
  text_puts(label, formal->name.text);
  switch (formal->kind) {
    case FORMAL_TENSOR:
      text_puts(label, ": ");
      ast_print_type(&formal->type, label);
      break;
    case FORMAL_AXIS:
      text_puts(label, ": axis");
      break;
    case FORMAL_ARROW:
      text_print(label, " -> %s", formal->to.text);
      break;
    case FORMAL_STATIC:
      if (formal->initial) {
        text_puts(label, " = ");
        ast_print_expression(formal->initial, label);
      }
      for (uint32_t i = 0; i < formal->allowed_count; i++)
        text_print(label, "%s%s", i ? ", " : " in [", formal->allowed[i].text);
      if (formal->allowed_count) text_puts(label, "]");
      break;
  }
}

static void print_definition(Printer *printer, int parent, const Definition *definition) {
  Text label = text_begin(printer->out->arena);
  text_print(&label, "%s %s(", definition->kind == DEFINITION_MODEL ? "model" : "block", definition->name.text);
  for (uint32_t i = 0; i < definition->formal_count; i++) {
    if (i) text_puts(&label, ", ");
    print_formal(&definition->formal[i], &label);
  }
  text_puts(&label, ")");
  for (uint32_t i = 0; i < definition->result_count; i++) {
    text_puts(&label, i ? ", " : definition->result_count > 1 ? " -> (" : " -> ");
    ast_print_type(&definition->result[i], &label);
  }
  if (definition->result_count > 1) text_puts(&label, ")");
  int node = begin_node(printer, parent, &label);
  printer->depth++;
  print_body(printer, node, &definition->body);
  printer->depth--;
}

static void print_recipe(Printer *printer, int parent, const RecipeSyntax *recipe) {
  Text head = text_begin(printer->out->arena);
  text_puts(&head, "recipe");
  int node = begin_node(printer, parent, &head);
  printer->depth++;
  for (uint32_t i = 0; i < recipe->count; i++) {
    Text label = text_begin(printer->out->arena);
    const RecipeItem *item = &recipe->item[i];
    text_puts(&label, item->section.text);
    if (item->value) {
      text_puts(&label, " ");
      ast_print_expression(item->value, &label);
    } else {
      print_arguments(item->argument, item->argument_count, &label);
    }
    begin_node(printer, node, &label);
  }
  printer->depth--;
}

static void print_file(const SyntaxFile *file, Text *out, bool dot) {
  Printer printer = {.out = out, .dot = dot};
  int root = -1;
  if (dot) {
    /* From left to right, so that statements stand below each other as in the file. */
    text_puts(out, "digraph ast {\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n");
    Text label = text_begin(out->arena);
    text_puts(&label, "file");
    root = begin_node(&printer, -1, &label);
  }
  for (uint32_t i = 0; i < file->import_count; i++) {
    Text label = text_begin(out->arena);
    text_print(&label, "import \"%s\"", file->import[i].path.text);
    begin_node(&printer, root, &label);
  }
  for (uint32_t i = 0; i < file->definition_count; i++) print_definition(&printer, root, &file->definition[i]);
  if (file->recipe.span.length) print_recipe(&printer, root, &file->recipe);
  if (dot) text_puts(out, "}\n");
}

void ast_print(const SyntaxFile *file, Text *out) { print_file(file, out, false); }
void ast_dot(const SyntaxFile *file, Text *out) { print_file(file, out, true); }
