#include "elaborator.h"
#include "parser.h"

#include <string.h>

bool parse_settings(Elaborator *elaborator) {
  const FrontendOptions *options = elaborator->options;
  bool sound = true;
  elaborator->setting = ARENA_ARRAY(elaborator->arena, Setting, options->setting_count);
  for (uint32_t i = 0; i < options->setting_count; i++) {
    const char *text = arena_format(elaborator->arena, "%s=%s", options->setting[i].name, options->setting[i].value);
    uint32_t source = diagnostics_add_source(elaborator->diagnostics, "--set", text, strlen(text));
    Setting *setting = &elaborator->setting[i];
    Expression *value = NULL;
    if (!parser_run_setting(elaborator->arena, elaborator->diagnostics, source, &setting->name, &value)) sound = false;
    setting->value = value;
  }
  return sound;
}

Setting *find_setting(Elaborator *elaborator, const char *name) {
  /* The last one of a name counts. */
  Setting *found = NULL;
  for (uint32_t i = 0; i < elaborator->options->setting_count; i++) {
    Setting *setting = &elaborator->setting[i];
    if (strcmp(setting->name.text, name) != 0) continue;
    setting->used = true;
    found = setting;
  }
  return found;
}

static const char *kind_name(StaticKind kind) {
  static const char *const names[] = {"a whole number", "a number", "true or false", "one of its words"};
  return names[kind];
}

/* A setting has the kind of the default: 2 for a real one is 2.0. */
static bool convert(Elaborator *elaborator, const Formal *formal, StaticKind kind, Span span, StaticValue *value) {
  double number;
  Dim whole;
  if (kind == value->kind) return true;
  if (kind == STATIC_REAL && static_number(value, &number)) {
    *value = static_real(number);
    return true;
  }
  if (kind == STATIC_INTEGER && static_whole(value, &whole)) {
    *value = static_extent(whole);
    return true;
  }
  REPORT_WITH(elaborator, diagnostic_note(elaborator->diagnostics, formal->span, "its default is here"), DIAG_RANGE,
              span, arena_format(elaborator->arena, "'%s'", formal->name.text), kind_name(kind),
              static_text(elaborator, value));
  return false;
}

static void record(Elaborator *elaborator, const Formal *formal, const StaticValue *value, const StaticValue *initial,
                   bool set) {
  Model *model = elaborator->model;
  model->setting = arena_grow(elaborator->arena, model->setting, model->setting_count, &elaborator->setting_capacity,
                              sizeof(ModelSetting));
  ModelSetting *entry = &model->setting[model->setting_count++];
  *entry = (ModelSetting){.name = formal->name.text,
                          .kind = value->kind,
                          .set = set,
                          .text = static_text(elaborator, value),
                          .initial = initial ? static_text(elaborator, initial) : NULL};
  if (value->kind == STATIC_BOOLEAN)
    entry->number = value->truth;
  else
    static_number(value, &entry->number);
  if (!formal->allowed_count) return;
  const char **allowed = ARENA_ARRAY(elaborator->arena, const char *, formal->allowed_count);
  for (uint32_t i = 0; i < formal->allowed_count; i++) allowed[i] = formal->allowed[i].text;
  entry->allowed = allowed;
  entry->allowed_count = formal->allowed_count;
}

static bool elaborate_setting(Elaborator *elaborator, const Definition *model, const Formal *formal) {
  if (formal->kind != FORMAL_STATIC) {
    REPORT(elaborator, DIAG_MISPLACED, formal->span, "a tensor or axis parameter",
           "a block; a model declares inputs in its body");
    return false;
  }
  StaticValue value, initial;
  const Setting *setting = find_setting(elaborator, formal->name.text); /* known, whatever becomes of its default */
  bool has_initial = formal->initial && expression_for_formal(elaborator, formal, formal->initial, &initial);
  if (formal->initial && !has_initial) return false;
  if (setting) {
    if (!expression_for_formal(elaborator, formal, setting->value, &value)) return false;
    if (has_initial && !convert(elaborator, formal, initial.kind, setting->value->span, &value)) return false;
  } else if (has_initial) {
    value = initial;
  } else {
    REPORT_WITH(elaborator, diagnostic_hint(elaborator->diagnostics, "set it: --set %s=VALUE", formal->name.text),
                DIAG_MISSING_ARGUMENT, formal->span, model->name.text, formal->name.text);
    return false;
  }
  record(elaborator, formal, &value, has_initial ? &initial : NULL, setting != NULL);
  scope_bind_formal(elaborator, elaborator->scope, formal, value,
                    setting ? setting->value->span : formal->initial->span);
  return true;
}

void elaborate_settings(Elaborator *elaborator, const Definition *model) {
  for (uint32_t i = 0; i < model->formal_count; i++) {
    if (elaborate_setting(elaborator, model, &model->formal[i])) continue;
    scope_bind_poison(elaborator, elaborator->scope, model->formal[i].name);
  }
}

void check_settings(Elaborator *elaborator) {
  const Model *model = elaborator->model;
  const char **candidate = ARENA_ARRAY(elaborator->arena, const char *, model->setting_count + recipe_key_count);
  size_t count = 0;
  for (uint32_t i = 0; i < model->setting_count; i++) candidate[count++] = model->setting[i].name;
  for (uint32_t i = 0; i < recipe_key_count; i++) {
    const RecipeKey *key = &recipe_keys[i];
    candidate[count++] = arena_format(elaborator->arena, "recipe.%s", key->key[0] ? key->key : key->section);
  }
  for (uint32_t i = 0; i < elaborator->options->setting_count; i++) {
    const Setting *setting = &elaborator->setting[i];
    if (setting->used) continue;
    const char *nearest = text_nearest(setting->name.text, candidate, count);
    REPORT_WITH(elaborator, nearest ? diagnostic_hint(elaborator->diagnostics, "did you mean '%s'?", nearest) : (void)0,
                DIAG_UNKNOWN_SETTING, setting->name.span, model->name, setting->name.text);
  }
}
