/* The statements of a body, in order. */
#include "elaborator.h"

#include <string.h>

static void run_dim(Elaborator *elaborator, const Statement *statement) {
  Dim extent;
  Name name = statement->name[0];
  const char *what = arena_format(elaborator->arena, "dim '%s'", name.text);
  if (expression_extent(elaborator, statement->value, what, &extent))
    scope_bind_static(elaborator, elaborator->scope, name, static_extent(extent));
  else
    scope_bind_poison(elaborator, elaborator->scope, name);
}

static Value match_let(Elaborator *elaborator, const Statement *statement, Value value) {
  if (statement->type.span.length == 0 || value.kind == VALUE_POISON) return value;
  const char *what = arena_format(elaborator->arena, "'%s'", statement->name[0].text);
  const NamedTensor *tensor = value_as_tensor(elaborator, &value);
  NamedTensor result;
  if (!tensor || !type_match_value(elaborator, &statement->type, what, tensor, value.span, &result))
    return value_poison(value.span);
  return value_tensor(elaborator, value.span, &result);
}

static void run_let(Elaborator *elaborator, const Statement *statement) {
  Scope *scope = elaborator->scope;
  Value value = expression_value(elaborator, statement->value);
  if (!statement->tuple) {
    if (value.kind == VALUE_TUPLE) {
      REPORT(elaborator, DIAG_EXPECTED_VALUE, statement->value->span, "one value", value_kind_text(elaborator, &value));
      value = value_poison(value.span);
    }
    scope_bind_tensor(elaborator, scope, statement->name[0], match_let(elaborator, statement, value));
    return;
  }
  bool fits = value.kind == VALUE_TUPLE && value.count == statement->count;
  if (!fits && value.kind != VALUE_POISON)
    REPORT(elaborator, DIAG_TUPLE, statement->value->span, statement->count, value_kind_text(elaborator, &value));
  for (uint32_t i = 0; i < statement->count; i++)
    scope_bind_tensor(elaborator, scope, statement->name[i], fits ? value.item[i] : value_poison(value.span));
}

static void run_for(Elaborator *elaborator, const Statement *statement) {
  Scope *scope = elaborator->scope;
  int64_t from, to;
  if (!expression_integer(elaborator, statement->from, "the start of the loop", &from)) return;
  if (!expression_integer(elaborator, statement->to, "the end of the loop", &to)) return;
  if (to > from && (uint64_t)to - (uint64_t)from > MAX_LOOP) {
    REPORT(elaborator, DIAG_LIMIT, statement->to->span,
           arena_format(elaborator->arena, "the loop from %lld to %lld has more than %d rounds", (long long)from,
                        (long long)to, MAX_LOOP));
    return;
  }
  size_t fixed_count = scope->fixed_count;
  uint32_t errors = diagnostics_error_count(elaborator->diagnostics);
  for (int64_t i = from; i < to && !scope->unmet && elaborator_step(elaborator, statement->span); i++) {
    scope_bind_static(elaborator, scope, statement->name[0], static_integer(i));
    run_body(elaborator, &statement->body, false);
    scope->fixed_count = fixed_count;
    if (diagnostics_error_count(elaborator->diagnostics) > errors) return;
  }
}

static Value run_if(Elaborator *elaborator, const Statement *statement, bool last) {
  bool truth;
  if (!expression_truth(elaborator, statement->value, "the condition of a static 'if'", &truth))
    return value_poison(statement->span);
  return run_body(elaborator, truth ? &statement->body : &statement->other, last);
}

static Value run_expression(Elaborator *elaborator, const Statement *statement, bool last) {
  Value value = expression_value(elaborator, statement->value);
  if (last || value.kind == VALUE_POISON) return value;
  bool model = elaborator->scope->definition->kind == DEFINITION_MODEL;
  REPORT(elaborator, DIAG_UNUSED_VALUE, statement->span,
         model ? "a model gives its results by 'output', 'loss' and 'metric'"
               : "only the last expression of a block is its result");
  return value_poison(statement->span);
}

static Value run_statement(Elaborator *elaborator, const Statement *statement, bool last) {
  switch (statement->kind) {
    case STATEMENT_DIM:
      run_dim(elaborator, statement);
      break;
    case STATEMENT_LET:
      run_let(elaborator, statement);
      break;
    case STATEMENT_PARAM:
    case STATEMENT_STATE:
      declare_stored(elaborator, statement);
      break;
    case STATEMENT_UPDATE:
      update_state(elaborator, statement);
      break;
    case STATEMENT_INPUT:
    case STATEMENT_TARGET:
      declare_given(elaborator, statement);
      break;
    case STATEMENT_OUTPUT:
    case STATEMENT_LOSS:
    case STATEMENT_METRIC:
      declare_output(elaborator, statement);
      break;
    case STATEMENT_FOR:
      run_for(elaborator, statement);
      break;
    case STATEMENT_REQUIRE:
      check_requirement(elaborator, statement);
      break;
    case STATEMENT_IF:
      return run_if(elaborator, statement, last);
    case STATEMENT_EXPRESSION:
      return run_expression(elaborator, statement, last);
  }
  return (Value){.kind = VALUE_NOTHING, .span = statement->span};
}

Value run_body(Elaborator *elaborator, const Body *body, bool last) {
  Value value = {.kind = VALUE_NOTHING};
  for (uint32_t i = 0; i < body->count; i++) {
    if (!elaborator_step(elaborator, body->statement[i].span)) return value_poison(body->statement[i].span);
    value = run_statement(elaborator, &body->statement[i], last && i + 1 == body->count);
    if (elaborator->scope->unmet) return value_poison(body->statement[i].span);
  }
  return value;
}
