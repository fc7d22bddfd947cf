#include "elaborator.h"

#include <math.h>
#include <string.h>

typedef enum KeyKind {
  KEY_INTEGER,
  KEY_COUNT,
  KEY_REAL,
  KEY_FRACTION,
  KEY_INPUT,
  KEY_TARGET,
  KEY_PARAMETER,
  KEY_WORD
} KeyKind;

typedef struct KeyField {
  size_t offset;
  KeyKind kind;
  const char *words; /* with blanks between */
} KeyField;

#define KIND_INTEGER KEY_INTEGER, NULL
#define KIND_COUNT KEY_COUNT, NULL
#define KIND_REAL KEY_REAL, NULL
#define KIND_FRACTION KEY_FRACTION, NULL
#define KIND_INPUT KEY_INPUT, NULL
#define KIND_TARGET KEY_TARGET, NULL
#define KIND_PARAMETER KEY_PARAMETER, NULL
#define KIND_WORD(words) KEY_WORD, words

static const KeyField key_fields[] = {
#define RECIPE(field, section, choice, key, type, initial, doc) {offsetof(Recipe, field), KIND_##type},
#include "recipe.def"
#undef RECIPE
};

const RecipeKey recipe_keys[] = {
#define RECIPE(field, section, choice, key, type, initial, doc) {(section), (choice), (key), #type, #initial, (doc)},
#include "recipe.def"
#undef RECIPE
};

const uint32_t recipe_key_count = sizeof recipe_keys / sizeof *recipe_keys;

static const Recipe recipe_initial = {
#define RECIPE(field, section, choice, key, type, initial, doc) .field = (initial),
#include "recipe.def"
#undef RECIPE
};

static const char *key_name(const RecipeKey *key) { return key->key[0] ? key->key : key->section; }

static void report_value(Elaborator *elaborator, const RecipeKey *key, const Expression *value, const char *expected) {
  REPORT(elaborator, DIAG_RECIPE_VALUE, value->span,
         arena_format(elaborator->arena, "'%s' of the recipe", key_name(key)), expected,
         elaborator_expression_text(elaborator, value));
}

/* Number of the word in the list, or -1. */
static int find_word(const char *words, const char *word) {
  size_t length = strlen(word);
  int number = 0;
  for (const char *at = words; *at; number++) {
    size_t span = strcspn(at, " ");
    if (span == length && !memcmp(at, word, length)) return number;
    at += span;
    at += strspn(at, " ");
  }
  return -1;
}

/* The file name of what the model declares under this name. */
static const char *find_declared(const Model *model, KeyKind kind, const char *name) {
  if (kind == KEY_PARAMETER) {
    for (uint32_t i = 0; i < model->setting_count; i++)
      if (!strcmp(model->setting[i].name, name)) return model->setting[i].name;
    return NULL;
  }
  const ModelTensor *tensor = kind == KEY_INPUT ? model->input : model->target;
  uint32_t count = kind == KEY_INPUT ? model->input_count : model->target_count;
  for (uint32_t i = 0; i < count; i++)
    if (!strcmp(tensor[i].declared, name)) return tensor[i].name;
  return NULL;
}

static void set_name(Elaborator *elaborator, const RecipeKey *key, KeyKind kind, const Expression *value,
                     const char **out) {
  static const char *const expected[] = {[KEY_INPUT] = "an input of the model",
                                         [KEY_TARGET] = "a target of the model",
                                         [KEY_PARAMETER] = "a static parameter of the model"};
  const char *found = value->kind == EXPRESSION_NAME ? find_declared(elaborator->model, kind, value->name.text) : NULL;
  if (found)
    *out = found;
  else
    report_value(elaborator, key, value, expected[kind]);
}

static void set_integer(Elaborator *elaborator, const RecipeKey *key, const Expression *value, int64_t least,
                        int64_t *out) {
  int64_t number;
  if (!expression_integer(elaborator, value, arena_format(elaborator->arena, "'%s'", key_name(key)), &number)) return;
  if (number >= least)
    *out = number;
  else
    report_value(elaborator, key, value, least ? "1 or more" : "0 or more");
}

static void set_key(Elaborator *elaborator, uint32_t row, const Expression *value) {
  const KeyField *field = &key_fields[row];
  const RecipeKey *key = &recipe_keys[row];
  char *place = (char *)&elaborator->model->recipe + field->offset;
  double number;
  switch (field->kind) {
    case KEY_INTEGER:
      set_integer(elaborator, key, value, 0, (int64_t *)(void *)place);
      break;
    case KEY_COUNT:
      set_integer(elaborator, key, value, 1, (int64_t *)(void *)place);
      break;
    case KEY_REAL:
    case KEY_FRACTION:
      if (!expression_number(elaborator, value, arena_format(elaborator->arena, "'%s'", key_name(key)), &number)) break;
      if (number >= 0 && number < (field->kind == KEY_FRACTION ? 1 : INFINITY))
        *(double *)(void *)place = number;
      else
        report_value(elaborator, key, value, field->kind == KEY_FRACTION ? "0 or more and below 1" : "0 or more");
      break;
    case KEY_INPUT:
    case KEY_TARGET:
    case KEY_PARAMETER:
      set_name(elaborator, key, field->kind, value, (const char **)(void *)place);
      break;
    case KEY_WORD: {
      int word = value->kind == EXPRESSION_NAME ? find_word(field->words, value->name.text) : -1;
      if (word >= 0)
        *(int *)(void *)place = word;
      else
        report_value(elaborator, key, value, arena_format(elaborator->arena, "one of: %s", field->words));
      break;
    }
  }
}

/* The first row of the section, or recipe_key_count. */
static uint32_t find_section(const char *section) {
  uint32_t row = 0;
  while (row < recipe_key_count && strcmp(recipe_keys[row].section, section) != 0) row++;
  return row;
}

static void report_key(Elaborator *elaborator, Name name, const char *where, const char *section) {
  const char **candidate = ARENA_ARRAY(elaborator->arena, const char *, recipe_key_count);
  size_t count = 0;
  for (uint32_t row = 0; row < recipe_key_count; row++) {
    if (!section)
      candidate[count++] = recipe_keys[row].section;
    else if (!strcmp(recipe_keys[row].section, section))
      candidate[count++] = recipe_keys[row].key;
  }
  const char *nearest = text_nearest(name.text, candidate, count);
  REPORT_WITH(elaborator, nearest ? diagnostic_hint(elaborator->diagnostics, "did you mean '%s'?", nearest) : (void)0,
              DIAG_RECIPE_KEY, name.span, where, name.text);
}

static void set_arguments(Elaborator *elaborator, const char *section, const Argument *argument, uint32_t count) {
  const char *where = arena_format(elaborator->arena, "'%s' of the recipe", section);
  for (uint32_t i = 0; i < count; i++) {
    const Expression *left = argument[i].left;
    if (!left || left->kind != EXPRESSION_NAME) {
      REPORT(elaborator, DIAG_EXPECTED_VALUE, argument[i].value->span, "a key and its value, such as lr = 1e-3",
             elaborator_expression_text(elaborator, argument[i].value));
      continue;
    }
    uint32_t row = 0;
    for (; row < recipe_key_count; row++)
      if (!strcmp(recipe_keys[row].section, section) && !strcmp(recipe_keys[row].key, left->name.text)) break;
    for (uint32_t k = 0; k < i; k++) {
      if (!argument[k].left || argument[k].left->kind != EXPRESSION_NAME ||
          strcmp(argument[k].left->name.text, left->name.text) != 0)
        continue;
      REPORT(elaborator, DIAG_ARGUMENT_TWICE, left->span, section, left->name.text);
    }
    if (row < recipe_key_count)
      set_key(elaborator, row, argument[i].value);
    else
      report_key(elaborator, left->name, where, section);
  }
}

static void set_section(Elaborator *elaborator, const RecipeItem *item) {
  uint32_t row = find_section(item->section.text);
  if (row == recipe_key_count) {
    report_key(elaborator, item->section, "the recipe", NULL);
    return;
  }
  const RecipeKey *key = &recipe_keys[row];
  const Expression *value = item->value;
  if (key->choice[0]) {
    bool named = value && (value->kind == EXPRESSION_NAME || value->kind == EXPRESSION_CALL) &&
                 !strcmp(value->name.text, key->choice);
    if (!named) {
      REPORT(elaborator, DIAG_RECIPE_VALUE, value ? value->span : item->span,
             arena_format(elaborator->arena, "'%s' of the recipe", key->section),
             arena_format(elaborator->arena, "%s(...)", key->choice),
             value ? elaborator_expression_text(elaborator, value) : "its arguments alone");
      return;
    }
    if (value->kind == EXPRESSION_CALL) set_arguments(elaborator, key->section, value->argument, value->count);
  } else if (key->key[0]) {
    if (!value)
      set_arguments(elaborator, key->section, item->argument, item->argument_count);
    else
      report_value(elaborator, key, value,
                   arena_format(elaborator->arena, "written %s(%s = ...)", key->section, key->key));
  } else if (value) {
    set_key(elaborator, row, value);
  } else if (item->argument_count == 1 && !item->argument[0].left) {
    set_key(elaborator, row, item->argument[0].value);
  } else {
    REPORT(elaborator, DIAG_RECIPE_VALUE, item->span,
           arena_format(elaborator->arena, "'%s' of the recipe", key->section), "a value", "arguments");
  }
}

void elaborate_recipe(Elaborator *elaborator, const RecipeSyntax *syntax) {
  elaborator->model->recipe = recipe_initial;
  elaborator->model->recipe.present = syntax->span.length != 0;
  for (uint32_t i = 0; i < syntax->count && !elaborator->stopped; i++) {
    for (uint32_t k = 0; k < i; k++) {
      if (strcmp(syntax->item[k].section.text, syntax->item[i].section.text) != 0) continue;
      REPORT_WITH(elaborator, diagnostic_note(elaborator->diagnostics, syntax->item[k].span, "the first one is here"),
                  DIAG_ARGUMENT_TWICE, syntax->item[i].section.span, "recipe", syntax->item[i].section.text);
      break;
    }
    set_section(elaborator, &syntax->item[i]);
  }
  for (uint32_t row = 0; row < recipe_key_count; row++) {
    const char *name = arena_format(elaborator->arena, "recipe.%s", key_name(&recipe_keys[row]));
    const Setting *setting = find_setting(elaborator, name);
    if (setting) set_key(elaborator, row, setting->value);
  }
}
