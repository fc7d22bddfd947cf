#include "elaborator.h"

#include <math.h>
#include <string.h>

typedef enum KeyKind {
  KEY_INTEGER,
  KEY_COUNT,
  KEY_REAL,
  KEY_FRACTION,
  KEY_SHARE,
  KEY_INPUT,
  KEY_TARGET,
  KEY_PARAMETER,
  KEY_WORD,
  KEY_NUMBERS,
  KEY_GLOBS,
  KEY_RATES
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
#define KIND_SHARE KEY_SHARE, NULL
#define KIND_NUMBERS KEY_NUMBERS, NULL
#define KIND_GLOBS KEY_GLOBS, NULL
#define KIND_RATES KEY_RATES, NULL
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

/* A default as the field has it. */
#define PLAIN(value) (value)
#define INITIAL_INTEGER PLAIN
#define INITIAL_COUNT PLAIN
#define INITIAL_REAL PLAIN
#define INITIAL_FRACTION PLAIN
#define INITIAL_SHARE PLAIN
#define INITIAL_INPUT PLAIN
#define INITIAL_TARGET PLAIN
#define INITIAL_PARAMETER PLAIN
#define INITIAL_WORD(words) PLAIN
#define INITIAL_NUMBERS(number)     \
  {                                 \
    .count = 1, .value = { number } \
  }
#define INITIAL_GLOBS(none) \
  { .glob = (none) }
#define INITIAL_RATES INITIAL_GLOBS

static const Recipe recipe_initial = {
#define RECIPE(field, section, choice, key, type, initial, doc) .field = INITIAL_##type(initial),
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

static void set_real(Elaborator *elaborator, const RecipeKey *key, KeyKind kind, const Expression *value, double *out) {
  double number;
  if (!expression_number(elaborator, value, arena_format(elaborator->arena, "'%s'", key_name(key)), &number)) return;
  bool fits = kind == KEY_FRACTION ? number < 1 : kind == KEY_SHARE ? number <= 1 : number < INFINITY;
  if (number >= 0 && fits)
    *out = number;
  else
    report_value(elaborator, key, value,
                 kind == KEY_FRACTION ? "0 or more and below 1"
                 : kind == KEY_SHARE  ? "0 to 1"
                                      : "0 or more");
}

/* One number, or a tuple of three. */
static void set_numbers(Elaborator *elaborator, const RecipeKey *key, const Expression *value, RecipeNumbers *out) {
  bool tuple = value->kind == EXPRESSION_TUPLE;
  RecipeNumbers numbers = {.count = tuple ? value->count : 1};
  if (numbers.count != 1 && numbers.count != 3) {
    report_value(elaborator, key, value, "a number, or three: (red, green, blue)");
    return;
  }
  for (uint32_t k = 0; k < numbers.count; k++) {
    numbers.value[k] = -1;
    set_real(elaborator, key, KEY_REAL, tuple ? value->item[k] : value, &numbers.value[k]);
    if (numbers.value[k] < 0) return;
  }
  *out = numbers;
}

/* "a"; "a", "b"; "a" = 0.1, "b" = 2. */
static void set_globs(Elaborator *elaborator, uint32_t row, const Argument *argument, uint32_t count) {
  const RecipeKey *key = &recipe_keys[row];
  bool rates = key_fields[row].kind == KEY_RATES;
  const char **globs = ARENA_ARRAY(elaborator->arena, const char *, count + 1);
  double *factors = ARENA_ARRAY(elaborator->arena, double, count + 1);
  for (uint32_t k = 0; k < count; k++) {
    const Expression *glob = rates ? argument[k].left : argument[k].value;
    if (!glob || glob->kind != EXPRESSION_TEXT || (!rates && argument[k].left)) {
      report_value(elaborator, key, argument[k].value,
                   rates ? "patterns in quotes and factors, such as \"head.*\" = 10"
                         : "patterns in quotes, such as \"blocks.*\"");
      return;
    }
    globs[k] = glob->name.text;
    if (rates) set_real(elaborator, key, KEY_REAL, argument[k].value, &factors[k]);
  }
  RecipeGlobs *out = (RecipeGlobs *)(void *)((char *)&elaborator->model->recipe + key_fields[row].offset);
  *out = (RecipeGlobs){count, globs, factors};
}

static void set_word(Elaborator *elaborator, uint32_t row, const Expression *value, int *out) {
  const char *words = key_fields[row].words;
  bool named = value->kind == EXPRESSION_NAME || value->kind == EXPRESSION_CALL;
  int word = named ? find_word(words, value->name.text) : -1;
  if (word >= 0)
    *out = word;
  else
    report_value(elaborator, &recipe_keys[row], value, arena_format(elaborator->arena, "one of: %s", words));
}

static void set_key(Elaborator *elaborator, uint32_t row, const Expression *value) {
  const KeyField *field = &key_fields[row];
  const RecipeKey *key = &recipe_keys[row];
  char *place = (char *)&elaborator->model->recipe + field->offset;
  switch (field->kind) {
    case KEY_INTEGER:
      set_integer(elaborator, key, value, 0, (int64_t *)(void *)place);
      break;
    case KEY_COUNT:
      set_integer(elaborator, key, value, 1, (int64_t *)(void *)place);
      break;
    case KEY_REAL:
    case KEY_FRACTION:
    case KEY_SHARE:
      set_real(elaborator, key, field->kind, value, (double *)(void *)place);
      break;
    case KEY_INPUT:
    case KEY_TARGET:
    case KEY_PARAMETER:
      set_name(elaborator, key, field->kind, value, (const char **)(void *)place);
      break;
    case KEY_WORD:
      if (value->kind == EXPRESSION_NAME)
        set_word(elaborator, row, value, (int *)(void *)place);
      else
        report_value(elaborator, key, value, arena_format(elaborator->arena, "one of: %s", field->words));
      break;
    case KEY_NUMBERS:
      set_numbers(elaborator, key, value, (RecipeNumbers *)(void *)place);
      break;
    case KEY_GLOBS:
    case KEY_RATES:
      set_globs(elaborator, row, &(Argument){.value = (Expression *)value}, 1);
      break;
  }
}

/* The first row of the section, or recipe_key_count. */
static uint32_t find_section(const char *section) {
  uint32_t row = 0;
  while (row < recipe_key_count && strcmp(recipe_keys[row].section, section) != 0) row++;
  return row;
}

/* Whether a row's key may stand behind the choice that was taken: "" for a section without. */
static bool has_choice(const RecipeKey *key, const char *choice) {
  return choice[0] ? find_word(key->choice, choice) >= 0 : !key->choice[0];
}

static void report_key(Elaborator *elaborator, Name name, const char *where, const char *section, const char *choice) {
  const char **candidate = ARENA_ARRAY(elaborator->arena, const char *, recipe_key_count);
  size_t count = 0;
  for (uint32_t row = 0; row < recipe_key_count; row++) {
    if (!section)
      candidate[count++] = recipe_keys[row].section;
    else if (!strcmp(recipe_keys[row].section, section) && has_choice(&recipe_keys[row], choice))
      candidate[count++] = recipe_keys[row].key;
  }
  const char *nearest = text_nearest(name.text, candidate, count);
  REPORT_WITH(elaborator, nearest ? diagnostic_hint(elaborator->diagnostics, "did you mean '%s'?", nearest) : (void)0,
              DIAG_RECIPE_KEY, name.span, where, name.text);
}

static void set_arguments(Elaborator *elaborator, const char *section, const char *choice, const Argument *argument,
                          uint32_t count) {
  const char *where = arena_format(elaborator->arena, "'%s%s%s' of the recipe", section, choice[0] ? " " : "", choice);
  for (uint32_t i = 0; i < count; i++) {
    const Expression *left = argument[i].left;
    if (!left || left->kind != EXPRESSION_NAME) {
      REPORT(elaborator, DIAG_EXPECTED_VALUE, argument[i].value->span, "a key and its value, such as lr = 1e-3",
             elaborator_expression_text(elaborator, argument[i].value));
      continue;
    }
    uint32_t row = 0;
    for (; row < recipe_key_count; row++)
      if (!strcmp(recipe_keys[row].section, section) && has_choice(&recipe_keys[row], choice) &&
          recipe_keys[row].key[0] && !strcmp(recipe_keys[row].key, left->name.text))
        break;
    for (uint32_t k = 0; k < i; k++) {
      if (!argument[k].left || argument[k].left->kind != EXPRESSION_NAME ||
          strcmp(argument[k].left->name.text, left->name.text) != 0)
        continue;
      REPORT(elaborator, DIAG_ARGUMENT_TWICE, left->span, section, left->name.text);
    }
    if (row < recipe_key_count)
      set_key(elaborator, row, argument[i].value);
    else
      report_key(elaborator, left->name, where, section, choice);
  }
}

/* `optimizer adamw(...)`, `data images(...)`: the word, then its arguments. */
static void set_choice(Elaborator *elaborator, uint32_t row, const RecipeItem *item) {
  const RecipeKey *key = &recipe_keys[row];
  const Expression *value = item->value;
  bool several = !key->choice[0]; /* the row is of the word itself */
  const char *words = several ? key_fields[row].words : key->choice;
  bool named = value && (value->kind == EXPRESSION_NAME || value->kind == EXPRESSION_CALL) &&
               find_word(words, value->name.text) >= 0;
  if (!named) {
    const char *first = arena_text(elaborator->arena, words, strcspn(words, " "));
    const char *other = words[strlen(first)] ? words + strlen(first) + 1 : NULL;
    REPORT(elaborator, DIAG_RECIPE_VALUE, value ? value->span : item->span,
           arena_format(elaborator->arena, "'%s' of the recipe", key->section),
           other ? arena_format(elaborator->arena, "%s(...) or %s(...)", first, other)
                 : arena_format(elaborator->arena, "%s(...)", first),
           value ? elaborator_expression_text(elaborator, value) : "its arguments alone");
    return;
  }
  if (several)
    set_word(elaborator, row, value, (int *)(void *)((char *)&elaborator->model->recipe + key_fields[row].offset));
  if (value->kind == EXPRESSION_CALL)
    set_arguments(elaborator, key->section, value->name.text, value->argument, value->count);
}

static void set_section(Elaborator *elaborator, const RecipeItem *item) {
  uint32_t row = find_section(item->section.text);
  if (row == recipe_key_count) {
    report_key(elaborator, item->section, "the recipe", NULL, "");
    return;
  }
  const RecipeKey *key = &recipe_keys[row];
  const Expression *value = item->value;
  bool globs = key_fields[row].kind == KEY_GLOBS || key_fields[row].kind == KEY_RATES;
  bool several = row + 1 < recipe_key_count && !strcmp(recipe_keys[row + 1].section, key->section) && !key->key[0];
  if (key->choice[0] || several) {
    set_choice(elaborator, row, item);
  } else if (key->key[0]) {
    if (!value)
      set_arguments(elaborator, key->section, "", item->argument, item->argument_count);
    else
      report_value(elaborator, key, value,
                   arena_format(elaborator->arena, "written %s(%s = ...)", key->section, key->key));
  } else if (value) {
    set_key(elaborator, row, value);
  } else if (globs && item->argument_count > 0) {
    set_globs(elaborator, row, item->argument, item->argument_count);
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

/* ---- Printing ---- */

static void print_value(const KeyField *field, const char *place, Text *out) {
  const RecipeNumbers *numbers = (const RecipeNumbers *)(const void *)place;
  const RecipeGlobs *globs = (const RecipeGlobs *)(const void *)place;
  const char *name;
  switch (field->kind) {
    case KEY_INTEGER:
    case KEY_COUNT:
      text_print(out, " %lld", (long long)*(const int64_t *)(const void *)place);
      break;
    case KEY_REAL:
    case KEY_FRACTION:
    case KEY_SHARE:
      text_puts(out, " ");
      text_real(out, *(const double *)(const void *)place);
      break;
    case KEY_INPUT:
    case KEY_TARGET:
    case KEY_PARAMETER:
      name = *(const char *const *)(const void *)place;
      text_print(out, " %s", name ? name : "none");
      break;
    case KEY_WORD:
      text_print(out, " %d", *(const int *)(const void *)place);
      break;
    case KEY_NUMBERS:
      for (uint32_t k = 0; k < numbers->count; k++) {
        text_puts(out, " ");
        text_real(out, numbers->value[k]);
      }
      break;
    case KEY_GLOBS:
    case KEY_RATES:
      for (uint32_t k = 0; k < globs->count; k++) {
        text_print(out, " \"%s\" ", globs->glob[k]);
        if (field->kind == KEY_RATES) text_real(out, globs->factor[k]);
      }
      break;
  }
}

void recipe_print(const Recipe *recipe, Text *out) {
  for (uint32_t row = 0; row < recipe_key_count; row++) {
    text_puts(out, key_name(&recipe_keys[row]));
    print_value(&key_fields[row], (const char *)recipe + key_fields[row].offset, out);
    text_puts(out, "\n");
  }
}
