/* require CONDITION, "message": what a block or model asks of its static values. Where it does not hold, the message is
 * reported at the part of `a and b` that is false, with the values of its names, with the places where parameters among
 * them got theirs, and with the calls that led here; the run of the block or model ends. */
#include "elaborator.h"

#include <string.h>

typedef struct Names {
  const StaticName **name;
  size_t count, capacity;
} Names;

static void add_name(Elaborator *elaborator, const char *text, Names *names) {
  const StaticName *fixed = scope_find_static(elaborator->scope, text);
  if (!fixed) return;
  for (size_t i = 0; i < names->count; i++)
    if (names->name[i] == fixed) return;
  names->name = arena_grow(elaborator->arena, names->name, names->count, &names->capacity, sizeof *names->name);
  names->name[names->count++] = fixed;
}

/* The static names of the condition, in the order of the text. */
static void find_names(Elaborator *elaborator, const Expression *expression, Names *names) {
  if (expression->kind == EXPRESSION_NAME) {
    add_name(elaborator, expression->name.text, names);
  } else if (expression->kind == EXPRESSION_CALL) {
    for (uint32_t i = 0; i < expression->count; i++) find_names(elaborator, expression->argument[i].value, names);
  } else {
    if (expression->left) find_names(elaborator, expression->left, names);
    if (expression->right) find_names(elaborator, expression->right, names);
  }
}

static const char *values_text(Elaborator *elaborator, const Names *names) {
  Text text = text_begin(elaborator->arena);
  for (size_t i = 0; i < names->count; i++)
    text_print(&text, "%s%s = %s", i ? ", " : " (", names->name[i]->name,
               static_text(elaborator, &names->name[i]->value));
  if (names->count) text_puts(&text, ")");
  return text.data;
}

static void note_origins(Elaborator *elaborator, const Names *names) {
  for (size_t i = 0; i < names->count; i++) {
    const StaticValue *value = &names->name[i]->value;
    if (value->origin.length == 0) continue;
    diagnostic_note(elaborator->diagnostics, value->origin, "'%s' gets its %s here", names->name[i]->name,
                    static_text(elaborator, value));
  }
}

/* Of a condition that is false. */
static const Expression *false_part(Elaborator *elaborator, const Expression *expression) {
  while (expression->kind == EXPRESSION_BINARY && expression->operator_kind == TOKEN_AND) {
    bool left;
    if (!expression_truth(elaborator, expression->left, "the condition of 'require'", &left)) break;
    expression = left ? expression->right : expression->left;
  }
  return expression;
}

void check_requirement(Elaborator *elaborator, const Statement *statement) {
  bool met;
  if (!expression_truth(elaborator, statement->value, "the condition of 'require'", &met) || met) return;
  Names names = {0};
  const Expression *part = false_part(elaborator, statement->value);
  find_names(elaborator, part, &names);
  elaborator->scope->unmet = true;
  REPORT_WITH(elaborator, note_origins(elaborator, &names), DIAG_REQUIREMENT, part->span, statement->message,
              values_text(elaborator, &names));
}
