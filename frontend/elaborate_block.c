/* A call of a block: arguments are evaluated in the caller's scope, axes are renamed to the block's names, the body
 * runs in a scope of its own, and the axes of what it gives back get the caller's names. */
#include "elaborator.h"

#include <string.h>

const Definition *find_block(const Elaborator *elaborator, const char *name) {
  const FrontendFile *file = elaborator->file;
  bool library = elaborator->scope->definition->library;
  for (uint32_t f = library ? file->library_first : 0; f < file->count; f++) {
    const SyntaxFile *syntax = &file->file[f];
    for (uint32_t i = 0; i < syntax->definition_count; i++) {
      const Definition *definition = &syntax->definition[i];
      if (definition->kind == DEFINITION_BLOCK && !strcmp(definition->name.text, name)) return definition;
    }
  }
  return NULL;
}

typedef struct BoundArgument {
  const Expression *expression; /* NULL: not given */
  const NamedTensor *tensor;    /* tensor, in the caller's names */
  const AxisLabel *outer;       /* axis, arrow: in the caller's scope */
  const AxisLabel *outer_to;    /* arrow */
  StaticValue fixed;            /* static; arrow: the new extent */
  Span span;
} BoundArgument;

static bool report_recursion(Elaborator *elaborator, const Expression *call, const Definition *block) {
  Text cycle = text_begin(elaborator->arena);
  text_puts(&cycle, block->name.text);
  const Scope *scope = elaborator->scope;
  for (; scope->definition != block; scope = scope->caller) {
    Text longer = text_begin(elaborator->arena);
    text_print(&longer, "%s -> %s", scope->definition->name.text, cycle.data);
    cycle = longer;
  }
  REPORT_WITH(elaborator,
              diagnostic_note(elaborator->diagnostics, block->name.span, "the calls are %s -> %s", block->name.text,
                              cycle.data),
              DIAG_RECURSION, call->name.span, block->name.text);
  return false;
}

static bool may_call(Elaborator *elaborator, const Expression *call, const Definition *block) {
  for (const Scope *scope = elaborator->scope; scope; scope = scope->caller)
    if (scope->definition == block) return report_recursion(elaborator, call, block);
  if (elaborator->call_depth >= MAX_CALL_DEPTH)
    elaborator_stop(elaborator, call->span, "blocks call each other too deeply");
  if (++elaborator->instances > MAX_INSTANCES)
    elaborator_stop(elaborator, call->span, "the model makes more than 20000 calls");
  return !elaborator->stopped;
}

static bool evaluate_arrow(Elaborator *elaborator, const Formal *formal, const Expression *expression,
                           BoundArgument *out) {
  if (expression->kind != EXPRESSION_BINARY || expression->operator_kind != TOKEN_ARROW) {
    REPORT(elaborator, DIAG_EXPECTED_VALUE, expression->span,
           arena_format(elaborator->arena, "an axis and its new extent, %s -> %s", formal->name.text, formal->to.text),
           elaborator_expression_text(elaborator, expression));
    return false;
  }
  Dim extent;
  out->outer = expression_label(elaborator, expression->left);
  out->outer_to = expression_label(elaborator, expression->right);
  if (!expression_extent(elaborator, expression->right, "the new extent", &extent)) return false;
  out->fixed = static_extent(extent);
  if (extent.factor >= 1) return true;
  REPORT(elaborator, DIAG_RANGE, expression->right->span, "the new extent", "at least 1",
         elaborator_dim_text(elaborator, extent));
  return false;
}

static bool evaluate_argument(Elaborator *elaborator, const Formal *formal, const Expression *expression,
                              BoundArgument *out) {
  out->expression = expression;
  out->span = expression->span;
  switch (formal->kind) {
    case FORMAL_TENSOR: {
      Value value = expression_value(elaborator, expression);
      out->tensor = value_as_tensor(elaborator, &value);
      return out->tensor != NULL;
    }
    case FORMAL_AXIS:
      out->outer = expression_label(elaborator, expression);
      return true;
    case FORMAL_ARROW:
      return evaluate_arrow(elaborator, formal, expression, out);
    case FORMAL_STATIC:
      return expression_for_formal(elaborator, formal, expression, &out->fixed);
  }
  return false;
}

/* All arguments in the caller's scope. Goes on after a mistake, to report more of them. */
static bool evaluate_arguments(Elaborator *elaborator, const Expression *call, const Definition *block,
                               BoundArgument *bound) {
  const char *name[DEFINITION_MAX_FORMALS];
  int *index = ARENA_ARRAY(elaborator->arena, int, call->count + 1);
  for (uint32_t i = 0; i < block->formal_count; i++) name[i] = block->formal[i].name.text;
  if (!bind_arguments(elaborator, call, name, block->formal_count, index)) return false;
  bool sound = true;
  for (uint32_t i = 0; i < call->count; i++) {
    const Formal *formal = &block->formal[index[i]];
    sound = evaluate_argument(elaborator, formal, call->argument[i].value, &bound[index[i]]) && sound;
  }
  for (uint32_t i = 0; i < block->formal_count; i++) {
    const Formal *formal = &block->formal[i];
    if (bound[i].expression || formal->initial) continue;
    REPORT_WITH(elaborator, diagnostic_note(elaborator->diagnostics, formal->span, "it is declared here"),
                DIAG_MISSING_ARGUMENT, call->span, block->name.text, formal->name.text);
    sound = false;
  }
  return sound;
}

/* The axis parameters: their names replace the caller's in every argument. */
static bool bind_axis_formals(Elaborator *elaborator, const Definition *block, const BoundArgument *bound,
                              NamedTensor *argument) {
  Scope *scope = elaborator->scope;
  for (uint32_t i = 0; i < block->formal_count; i++) {
    const Formal *formal = &block->formal[i];
    if (formal->kind != FORMAL_AXIS && formal->kind != FORMAL_ARROW) continue;
    const AxisLabel *inner = scope_label(elaborator, scope, formal->name.text);
    const NamedTensor *first = NULL;
    Dim extent = {0};
    for (uint32_t k = 0; k < block->formal_count; k++) {
      if (block->formal[k].kind != FORMAL_TENSOR) continue;
      if (!first) first = bound[k].tensor;
      int32_t place = tensor_find_axis(&argument[k], bound[i].outer);
      if (place < 0) continue;
      argument[k].axis[place].label = inner;
      extent = argument[k].axis[place].extent;
    }
    if (extent.factor == 0) {
      if (first) tensor_need_axis(elaborator, first, bound[i].outer, bound[i].span);
      return false;
    }
    scope_bind_static(elaborator, scope, formal->name, static_extent(extent));
    scope_bind_axis(elaborator, scope, inner, bound[i].outer);
    if (formal->kind != FORMAL_ARROW) continue;
    scope_bind_static(elaborator, scope, formal->to, bound[i].fixed);
    scope_bind_axis(elaborator, scope, scope_label(elaborator, scope, formal->to.text), bound[i].outer_to);
  }
  return true;
}

/* In the block's scope: axis parameters, then static values that were given, tensors, and the defaults, which may use
 * all of these. */
static bool bind_formals(Elaborator *elaborator, const Definition *block, const BoundArgument *bound) {
  Scope *scope = elaborator->scope;
  NamedTensor argument[DEFINITION_MAX_FORMALS];
  for (uint32_t i = 0; i < block->formal_count; i++)
    if (bound[i].tensor) argument[i] = *bound[i].tensor;
  if (!bind_axis_formals(elaborator, block, bound, argument)) return false;
  for (uint32_t i = 0; i < block->formal_count; i++)
    if (block->formal[i].kind == FORMAL_STATIC && bound[i].expression)
      scope_bind_formal(elaborator, scope, &block->formal[i], bound[i].fixed, bound[i].span);
  for (uint32_t i = 0; i < block->formal_count; i++) {
    const Formal *formal = &block->formal[i];
    if (formal->kind != FORMAL_TENSOR) continue;
    NamedTensor tensor;
    if (!type_bind_argument(elaborator, formal, &argument[i], bound[i].span, &tensor)) return false;
    scope_bind_tensor(elaborator, scope, formal->name, value_tensor(elaborator, formal->span, &tensor));
  }
  for (uint32_t i = 0; i < block->formal_count; i++) {
    const Formal *formal = &block->formal[i];
    if (formal->kind != FORMAL_STATIC || bound[i].expression) continue;
    StaticValue value;
    if (!expression_for_formal(elaborator, formal, formal->initial, &value)) return false;
    scope_bind_formal(elaborator, scope, formal, value, formal->initial->span);
  }
  return true;
}

static const AxisLabel *label_outside(Elaborator *elaborator, const Scope *scope, const AxisLabel *label) {
  const AxisLabel *outer = scope_outer_label(scope, label);
  if (outer) return outer;
  return label->owner == scope ? scope_label(elaborator, scope->caller, label->text) : label;
}

/* `I -> O` with `...`: O stands where I stood in the first argument. */
static void place_arrows(Elaborator *elaborator, const Definition *block, const BoundArgument *bound, Span span,
                         NamedTensor *result) {
  NamedTensor order = {0};
  bool arrows = false;
  for (uint32_t i = 0; i < block->formal_count && !order.rank; i++)
    if (bound[i].tensor) order = *bound[i].tensor;
  for (uint32_t i = 0; i < block->formal_count; i++) {
    if (block->formal[i].kind != FORMAL_ARROW) continue;
    int32_t place = tensor_find_axis(&order, bound[i].outer);
    if (place < 0) return;
    order.axis[place].label = bound[i].outer_to;
    arrows = true;
  }
  if (!arrows || order.rank != result->rank) return;
  for (int32_t i = 0; i < order.rank; i++) {
    int32_t place = tensor_find_axis(result, order.axis[i].label);
    if (place < 0) return;
    order.axis[i].extent = result->axis[place].extent;
  }
  *result = tensor_permute(elaborator, span, result, &order);
}

/* One result, in the caller's names. Runs in the block's scope. */
static Value give_back(Elaborator *elaborator, const Expression *call, const Definition *block, const TypeSyntax *type,
                       const BoundArgument *bound, const Value *value) {
  Scope *scope = elaborator->scope;
  NamedTensor result;
  const NamedTensor *tensor = value_as_tensor(elaborator, value);
  if (!tensor || !type_match_result(elaborator, type, tensor, value->span, &result)) return value_poison(call->span);
  for (int32_t i = 0; i < result.rank; i++)
    result.axis[i].label = label_outside(elaborator, scope, result.axis[i].label);
  for (int32_t i = 0; i < result.rank; i++) {
    for (int32_t k = 0; k < i; k++) {
      if (result.axis[i].label != result.axis[k].label) continue;
      REPORT(elaborator, DIAG_AXIS_TWICE, call->span, result.axis[i].label->text);
      return value_poison(call->span);
    }
  }
  bool rest = false;
  for (uint32_t i = 0; i < type->count; i++) rest = rest || type->axis[i].rest;
  if (rest) place_arrows(elaborator, block, bound, call->span, &result);
  return value_tensor(elaborator, call->span, &result);
}

static Value give_back_all(Elaborator *elaborator, const Expression *call, const Definition *block,
                           const BoundArgument *bound, const Value *value) {
  if (value->kind == VALUE_POISON) return value_poison(call->span);
  if (value->kind == VALUE_NOTHING) {
    REPORT(elaborator, DIAG_NO_RESULT, block->name.span, block->name.text);
    return value_poison(call->span);
  }
  if (block->result_count == 1) return give_back(elaborator, call, block, &block->result[0], bound, value);
  if (value->kind != VALUE_TUPLE || value->count != block->result_count) {
    REPORT(elaborator, DIAG_EXPECTED_VALUE, value->span,
           arena_format(elaborator->arena, "%u values", block->result_count), value_kind_text(elaborator, value));
    return value_poison(call->span);
  }
  Value *item = ARENA_ARRAY(elaborator->arena, Value, value->count);
  for (uint32_t i = 0; i < value->count; i++)
    item[i] = give_back(elaborator, call, block, &block->result[i], bound, &value->item[i]);
  return (Value){.kind = VALUE_TUPLE, .span = call->span, .item = item, .count = value->count};
}

Value call_block(Elaborator *elaborator, const Expression *call, const Definition *block) {
  BoundArgument *bound = ARENA_ARRAY(elaborator->arena, BoundArgument, block->formal_count + 1);
  if (!may_call(elaborator, call, block) || !evaluate_arguments(elaborator, call, block, bound))
    return value_poison(call->span);
  const char *path = call->path.part ? expression_path(elaborator, &call->path) : "";
  if (!path) return value_poison(call->span);
  Scope *scope = ARENA_NEW(elaborator->arena, Scope), *caller = elaborator->scope;
  *scope = (Scope){.caller = caller,
                   .definition = block,
                   .prefix = join_path(elaborator->arena, caller->prefix, path),
                   .call = call->span};
  elaborator->scope = scope;
  elaborator->call_depth++;
  Value result = value_poison(call->span);
  if (bind_formals(elaborator, block, bound)) {
    Value value = run_body(elaborator, &block->body, true);
    if (!elaborator->stopped) result = give_back_all(elaborator, call, block, bound, &value);
  }
  elaborator->call_depth--;
  elaborator->scope = caller;
  return result;
}
