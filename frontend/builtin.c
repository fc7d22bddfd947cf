#include "builtin.h"

#include <math.h>
#include <string.h>

static double static_rsqrt(double x) { return 1 / sqrt(x); }
static double static_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double static_softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double static_sign(double x) { return (x > 0) - (x < 0); }

static BuiltinFunction builtin_unary;

#define REQUIRED(name, kind) \
  { #name, PARAMETER_##kind, false }
#define OPTIONAL(name, kind) \
  { #name, PARAMETER_##kind, true }
static const Builtin builtins[] = {
#define BUILTIN_UNARY(name, code, function, doc) \
  {#name, doc, NULL, builtin_unary, OP_##code, function, {REQUIRED(x, VALUE)}},
#define BUILTIN(name, function, doc, ...) {#name, doc, NULL, builtin_##function, OP_NONE, NULL, {__VA_ARGS__}},
#define BUILTIN_FREE(name, function, usage, doc) {#name, doc, usage, builtin_##function, OP_NONE, NULL, {{0}}},
#include "builtins.def"
};
#undef REQUIRED
#undef OPTIONAL

enum { BUILTIN_COUNT = sizeof builtins / sizeof *builtins };

const Builtin *find_builtin(const char *name) {
  for (size_t i = 0; i < BUILTIN_COUNT; i++)
    if (!strcmp(builtins[i].name, name)) return &builtins[i];
  return NULL;
}

void elaborator_unknown_function(Elaborator *elaborator, Name name) {
  const FrontendFile *file = elaborator->file;
  size_t count = BUILTIN_COUNT;
  for (uint32_t f = 0; f < file->count; f++) count += file->file[f].definition_count;
  const char **candidate = ARENA_ARRAY(elaborator->arena, const char *, count);
  count = 0;
  for (size_t i = 0; i < BUILTIN_COUNT; i++) candidate[count++] = builtins[i].name;
  for (uint32_t f = 0; f < file->count; f++) {
    for (uint32_t i = 0; i < file->file[f].definition_count; i++) {
      const Definition *definition = &file->file[f].definition[i];
      if (definition->kind == DEFINITION_BLOCK) candidate[count++] = definition->name.text;
    }
  }
  const char *nearest = text_nearest(name.text, candidate, count);
  REPORT_WITH(elaborator, nearest ? diagnostic_hint(elaborator->diagnostics, "did you mean '%s'?", nearest) : (void)0,
              DIAG_UNKNOWN_FUNCTION, name.span, name.text);
}

static int find_keyword(Elaborator *elaborator, const Expression *call, const Expression *left,
                        const char *const *names, uint32_t name_count) {
  const char *name = elaborator_expression_text(elaborator, left);
  for (uint32_t i = 0; i < name_count; i++)
    if (left->kind == EXPRESSION_NAME && !strcmp(names[i], name)) return (int)i;
  const char *nearest = text_nearest(name, names, name_count);
  Text text = text_begin(elaborator->arena);
  for (uint32_t i = 0; i < name_count; i++) text_print(&text, "%s%s", i ? ", " : "", names[i]);
  REPORT_WITH(elaborator,
              nearest ? diagnostic_hint(elaborator->diagnostics, "did you mean '%s'?", nearest)
                      : diagnostic_hint(elaborator->diagnostics, "its parameters are %s", text.data),
              DIAG_UNKNOWN_ARGUMENT, left->span, call->name.text, name);
  return -1;
}

bool bind_arguments(Elaborator *elaborator, const Expression *call, const char *const *names, uint32_t name_count,
                    int *out_index) {
  uint32_t positional = 0;
  bool sound = true;
  for (uint32_t i = 0; i < call->count; i++) {
    const Argument *argument = &call->argument[i];
    if (argument->left) {
      out_index[i] = find_keyword(elaborator, call, argument->left, names, name_count);
    } else if (positional < name_count) {
      out_index[i] = (int)positional++;
    } else {
      out_index[i] = -1;
      REPORT(elaborator, DIAG_EXTRA_ARGUMENT, argument->value->span, call->name.text, name_count);
    }
    sound = sound && out_index[i] >= 0;
    for (uint32_t k = 0; k < i; k++) {
      if (out_index[i] < 0 || out_index[k] != out_index[i]) continue;
      REPORT_WITH(elaborator,
                  diagnostic_note(elaborator->diagnostics, call->argument[k].value->span, "the first value is here"),
                  DIAG_ARGUMENT_TWICE, argument->value->span, call->name.text, names[out_index[i]]);
      sound = false;
    }
  }
  return sound;
}

static bool evaluate_axes(Elaborator *elaborator, const Expression *expression, BuiltinArgument *out) {
  bool list = expression->kind == EXPRESSION_LIST;
  uint32_t count = list ? expression->count : 1;
  if (count > SHAPE_MAX_RANK || count == 0) {
    REPORT(elaborator, DIAG_RANGE, expression->span, "the number of axes", "1 to 8",
           arena_format(elaborator->arena, "%u", count));
    return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    const Expression *axis = list ? expression->item[i] : expression;
    out->axis[i] = expression_label(elaborator, axis);
    for (uint32_t k = 0; k < i; k++) {
      if (out->axis[k] != out->axis[i]) continue;
      REPORT(elaborator, DIAG_AXIS_TWICE, axis->span, out->axis[i]->text);
      return false;
    }
  }
  out->axis_count = count;
  return true;
}

static bool evaluate_norm(Elaborator *elaborator, const Expression *expression, FourierNorm *out) {
  Name allowed[] = {{.text = "backward"}, {.text = "ortho"}, {.text = "forward"}};
  Formal formal = {.kind = FORMAL_STATIC, .name = {.text = "norm"}, .allowed = allowed, .allowed_count = 3};
  StaticValue value;
  if (!expression_for_formal(elaborator, &formal, expression, &value)) return false;
  for (int i = 0; i < 3; i++)
    if (!strcmp(value.word, allowed[i].text)) *out = (FourierNorm)i;
  return true;
}

static bool evaluate_tensor(Elaborator *elaborator, const BuiltinCall *call, ParameterKind kind, BuiltinArgument *out) {
  out->value = expression_value(elaborator, out->expression);
  if (kind == PARAMETER_VALUE && out->value.kind == VALUE_STATIC && out->value.fixed.kind <= STATIC_REAL) return true;
  out->tensor = value_as_tensor(elaborator, &out->value);
  if (!out->tensor) return false;
  if (kind != PARAMETER_REAL || !out->tensor->complex) return true;
  REPORT(elaborator, DIAG_COMPLEX, out->span, call->builtin->name);
  return false;
}

static bool evaluate_parameter(Elaborator *elaborator, BuiltinCall *call, const BuiltinParameter *parameter,
                               BuiltinArgument *out) {
  const Expression *expression = out->expression;
  const char *what = arena_format(elaborator->arena, "'%s' of %s", parameter->name, call->builtin->name);
  switch (parameter->kind) {
    case PARAMETER_VALUE:
    case PARAMETER_TENSOR:
    case PARAMETER_REAL:
      return evaluate_tensor(elaborator, call, parameter->kind, out);
    case PARAMETER_AXIS:
      if (expression->kind == EXPRESSION_LIST) {
        REPORT(elaborator, DIAG_EXPECTED_VALUE, expression->span, "one axis", "a list");
        return false;
      }
      return evaluate_axes(elaborator, expression, out);
    case PARAMETER_AXES:
      return evaluate_axes(elaborator, expression, out);
    case PARAMETER_EXTENT:
      if (!expression_extent(elaborator, expression, what, &out->extent)) return false;
      out->axis[0] = expression_label(elaborator, expression);
      if (out->extent.factor >= 1) return true;
      REPORT(elaborator, DIAG_RANGE, expression->span, what, "at least 1",
             elaborator_dim_text(elaborator, out->extent));
      return false;
    case PARAMETER_INTEGER:
      return expression_integer(elaborator, expression, what, &out->integer);
    case PARAMETER_NUMBER:
      return expression_number(elaborator, expression, what, &out->number);
    case PARAMETER_TRUTH:
      return expression_truth(elaborator, expression, what, &out->truth);
    case PARAMETER_NORM:
      return evaluate_norm(elaborator, expression, &out->norm);
    case PARAMETER_SYNTAX:
    case PARAMETER_NONE:
      break;
  }
  return true;
}

static bool evaluate_parameters(Elaborator *elaborator, BuiltinCall *call) {
  const Builtin *builtin = call->builtin;
  const char *names[BUILTIN_MAX_PARAMETERS];
  uint32_t count = 0;
  for (; count < BUILTIN_MAX_PARAMETERS && builtin->parameter[count].name; count++)
    names[count] = builtin->parameter[count].name;
  int *index = ARENA_ARRAY(elaborator->arena, int, call->expression->count + 1);
  if (!bind_arguments(elaborator, call->expression, names, count, index)) return false;
  bool sound = true;
  for (uint32_t i = 0; i < call->expression->count; i++) {
    BuiltinArgument *argument = &call->argument[index[i]];
    argument->expression = call->expression->argument[i].value;
    argument->span = argument->expression->span;
    sound = evaluate_parameter(elaborator, call, &builtin->parameter[index[i]], argument) && sound;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (call->argument[i].expression || builtin->parameter[i].optional) continue;
    REPORT(elaborator, DIAG_MISSING_ARGUMENT, call->span, builtin->name, names[i]);
    sound = false;
  }
  return sound;
}

Value call_builtin(Elaborator *elaborator, const Expression *expression, const Builtin *builtin) {
  BuiltinCall call = {.builtin = builtin, .expression = expression, .span = expression->span};
  if (expression->path.part) {
    REPORT(elaborator, DIAG_MISPLACED, expression->path.span, "a path",
           "a call that makes parameters, which a built-in function does not");
    return value_poison(expression->span);
  }
  if (!builtin->usage && !evaluate_parameters(elaborator, &call)) return value_poison(expression->span);
  return builtin->function(elaborator, &call);
}

static Value builtin_unary(Elaborator *elaborator, const BuiltinCall *call) {
  const BuiltinArgument *x = &call->argument[0];
  double number;
  if (!x->tensor && static_number(&x->value.fixed, &number)) {
    double result = call->builtin->static_function(number);
    if (isfinite(result)) return value_static(call->span, static_real(result));
    REPORT(elaborator, DIAG_STATIC_RANGE, call->span, elaborator_expression_text(elaborator, call->expression),
           "is no finite number");
    return value_poison(call->span);
  }
  const NamedTensor *tensor = value_as_tensor(elaborator, &x->value);
  if (!tensor) return value_poison(call->span);
  if (tensor->complex) {
    REPORT(elaborator, DIAG_COMPLEX, x->span, call->builtin->name);
    return value_poison(call->span);
  }
  NamedTensor result = tensor_unary(elaborator, call->span, call->builtin->op, tensor);
  return value_tensor(elaborator, call->span, &result);
}

bool builtin_axes(Elaborator *elaborator, const NamedTensor *x, const BuiltinArgument *over, int64_t *out_axes,
                  uint32_t *out_count) {
  bool wanted[SHAPE_MAX_RANK] = {false};
  *out_count = 0;
  for (uint32_t i = 0; i < over->axis_count; i++) {
    int32_t place = tensor_need_axis(elaborator, x, over->axis[i], over->span);
    if (place < 0) return false;
    wanted[place] = true;
  }
  for (int32_t i = 0; i < x->rank; i++)
    if (!over->expression || wanted[i]) out_axes[(*out_count)++] = i;
  return true;
}

uint32_t flatten_chain(const Expression *expression, TokenKind kind, const Expression **out, uint32_t limit) {
  uint32_t count = 1;
  const Expression *first = expression;
  for (; first->kind == EXPRESSION_BINARY && first->operator_kind == kind; first = first->left) count++;
  if (count > limit) return count;
  for (uint32_t i = count; i-- > 1; expression = expression->left) out[i] = expression->right;
  out[0] = first;
  return count;
}
