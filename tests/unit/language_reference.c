/* docs/language.md: its lists are those of the compiler's tables (SIMBA_UPDATE=1 rewrites them), every text marked as a
 * whole file compiles, every function, library block and statement is shown in one of them, and the mistakes of the
 * example of errors are rendered as it says. */
#include "frontend/frontend.h"
#include "frontend/library_text.h"
#include "tests/golden_text.h"
#include "tests/suite_run.h"

#include <ctype.h>

enum { PARAMETER_LIMIT = 6 };

static const char reference_path[] = TESTS_FOLDER "/../docs/language.md";

typedef struct Function {
  const char *name, *usage, *doc;
  const char *parameter[PARAMETER_LIMIT]; /* ", x: VALUE" or "[over: AXES]" */
} Function;

#define REQUIRED(name, kind) #name ": " #kind
#define OPTIONAL(name, kind) "[" #name ": " #kind "]"
#define BUILTIN_UNARY(name, op, static_function, doc) {#name, NULL, doc, {REQUIRED(x, VALUE)}},
#define BUILTIN(name, function, doc, ...) {#name, NULL, doc, {__VA_ARGS__}},
#define BUILTIN_FREE(name, function, usage, doc) {#name, usage, doc, {NULL}},
static const Function functions[] = {
#include "frontend/builtins.def"
};
enum { FUNCTION_COUNT = sizeof functions / sizeof *functions };

static void describe_functions(Text *out) {
  for (int i = 0; i < FUNCTION_COUNT; i++) {
    const Function *function = &functions[i];
    Text usage = text_begin(out->arena);
    text_print(&usage, "%s(", function->name);
    for (int k = 0; k < PARAMETER_LIMIT && function->parameter[k]; k++)
      text_print(&usage, "%s%s", k ? ", " : "", function->parameter[k]);
    text_puts(&usage, ")");
    /* Kinds are the words in capitals. */
    for (char *byte = usage.data; *byte; byte++)
      if (isupper((unsigned char)byte[0]) && byte > usage.data && !isalnum((unsigned char)byte[-1]))
        for (char *letter = byte; isupper((unsigned char)*letter); letter++) *letter = (char)tolower(*letter);
    text_print(out, "- `%s`: %s\n", function->usage ? function->usage : usage.data, function->doc);
  }
}

/* Each file's comments at the margin and the headings of its blocks, as they stand there. */
static void describe_library(Text *out) {
  for (const EmbeddedText *file = library_texts; file->name; file++) {
    text_print(out, "%s`%s`\n\n```simba\n", file == library_texts ? "" : "\n", file->name);
    bool heading = false, parted = true;
    for (const char *line = file->text, *next; *line; line = next) {
      size_t length = strcspn(line, "\n");
      next = line + length + (line[length] != '\0');
      bool first = !strncmp(line, "block ", 6);
      heading = heading || first;
      if (!heading && length == 0 && !parted) {
        text_puts(out, "\n");
        parted = true;
      }
      if (!heading && line[0] != '#') continue;
      bool last = heading && line[length - 1] == '{';
      text_print(out, "%.*s\n", (int)(last ? length - 2 : length), line);
      parted = false;
      heading = heading && !last;
    }
    while (out->length && out->data[out->length - 1] == '\n') out->data[--out->length] = '\0';
    text_puts(out, "\n```\n");
  }
}

static const char *recipe_words(Arena *arena, const char *type) {
  Text words = text_begin(arena);
  for (const char *byte = type + strlen("WORD(\""); *byte != '"'; byte++)
    text_print(&words, *byte == ' ' ? "` or `" : "%c", *byte);
  return arena_format(arena, "`%s`", words.data);
}

/* The word with that number. */
static const char *recipe_word(Arena *arena, const char *type, int number) {
  const char *at = type + strlen("WORD(\"");
  for (; number > 0; number--) at = strchr(at, ' ') + 1;
  return arena_text(arena, at, strcspn(at, " \""));
}

static const char *recipe_type(Arena *arena, const char *type) {
  static const char *const names[][2] = {{"INTEGER", "whole, 0 or more"},
                                         {"COUNT", "whole, 1 or more"},
                                         {"REAL", "0 or more"},
                                         {"FRACTION", "0 or more, below 1"},
                                         {"INPUT", "an input"},
                                         {"TARGET", "a target"},
                                         {"PARAMETER", "a static parameter"},
                                         {"SHARE", "0 to 1"},
                                         {"NUMBERS", "a number, or (red, green, blue)"},
                                         {"GLOBS", "patterns in quotes"},
                                         {"RATES", "patterns in quotes, each with a number"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(type, names[i][0])) return names[i][1];
  return recipe_words(arena, type);
}

/* "series images" -> "series/images" */
static const char *recipe_choice(Arena *arena, const char *choice) {
  char *text = arena_text(arena, choice, strlen(choice));
  for (char *c = text; *c; c++)
    if (*c == ' ') *c = '/';
  return text;
}

static void describe_recipe(Text *out) {
  text_puts(out, "| written | `--set` | takes | default | |\n|---|---|---|---|---|\n");
  for (uint32_t i = 0; i < recipe_key_count; i++) {
    const RecipeKey *key = &recipe_keys[i];
    const char *initial = key->initial;
    if (!strcmp(initial, "NULL")) initial = "none";
    if (!strncmp(key->type, "WORD", 4)) initial = recipe_word(out->arena, key->type, atoi(initial));
    text_print(out, "| `%s", key->section);
    if (key->choice[0]) text_print(out, " %s", recipe_choice(out->arena, key->choice));
    text_print(out, key->key[0] ? "(%s = ...)` " : " ...` ", key->key);
    text_print(out, "| `recipe.%s` | %s | %s | %s |\n", key->key[0] ? key->key : key->section,
               recipe_type(out->arena, key->type), initial, key->doc);
  }
}

/* Writes up to and with the mark `begin`, then what `describe` says; gives back the place of the mark `end`. */
static const char *describe_between(Text *out, const char *at, const char *begin, const char *end,
                                    void (*describe)(Text *out)) {
  const char *from = strstr(at, begin), *to = strstr(at, end);
  ck_assert_msg(from && to && from < to, "no marks %s", begin);
  text_add(out, at, (size_t)(from - at) + strlen(begin));
  describe(out);
  return to;
}

static void report_mistakes(Arena *arena, const char *text, Text *out) {
  Diagnostics *diagnostics = diagnostics_create(arena);
  FrontendFile *file = frontend_parse(arena, diagnostics, "example.simba", text, strlen(text));
  Model *model = file ? frontend_elaborate(file, arena, diagnostics, &(FrontendOptions){0}) : NULL;
  ck_assert_msg(!model, "the example of errors has none");
  diagnostics_render(diagnostics, DIAGNOSTIC_HUMAN, false, out);
}

START_TEST(lists_and_messages_are_fresh) {
  static const char wrong[] = "\n```simba error\n", shown[] = "\n```text\n";
  Arena *arena = arena_create();
  size_t length = 0;
  const char *at = golden_read(arena, reference_path, &length);
  ck_assert_msg(at != NULL, "no %s", reference_path);
  Text fresh = text_begin(arena);
  at = describe_between(&fresh, at, "<!-- functions: generated from frontend/builtins.def -->\n",
                        "<!-- functions: end -->\n", describe_functions);
  at = describe_between(&fresh, at, "<!-- library: generated from frontend/library -->\n", "<!-- library: end -->\n",
                        describe_library);
  at = describe_between(&fresh, at, "<!-- recipe: generated from frontend/recipe.def -->\n", "<!-- recipe: end -->\n",
                        describe_recipe);
  const char *from = strstr(at, wrong), *to = from ? strstr(from, shown) : NULL;
  ck_assert(from && to);
  text_add(&fresh, at, (size_t)(to - at) + strlen(shown));
  from += strlen(wrong);
  report_mistakes(arena, arena_text(arena, from, (size_t)(strstr(from, "\n```") - from) + 1), &fresh);
  text_puts(&fresh, strstr(to + strlen(shown) - 1, "\n```") + 1);
  golden_check(arena, reference_path, fresh.data, fresh.length);
  arena_destroy(arena);
}
END_TEST

static const char *next_model(Arena *arena, const char **at) {
  const char *model = strstr(*at, "\nmodel ");
  if (!model) return NULL;
  model += strlen("\nmodel ");
  *at = model;
  return arena_text(arena, model, strcspn(model, "( "));
}

/* All of its models, for training and not. */
static void check_file(const char *text, size_t length, int number) {
  Arena *arena = arena_create();
  Diagnostics *diagnostics = diagnostics_create(arena);
  const char *at = arena_format(arena, "\n%.*s", (int)length, text), *name = NULL;
  FrontendFile *file = frontend_parse(arena, diagnostics, arena_format(arena, "file %d", number), text, length);
  int models = 0;
  while (file && (name = next_model(arena, &at))) {
    for (int training = 0; training < 2; training++)
      frontend_elaborate(file, arena, diagnostics, &(FrontendOptions){.model = name, .training = training});
    models++;
  }
  Text report = text_begin(arena);
  diagnostics_render(diagnostics, DIAGNOSTIC_HUMAN, false, &report);
  ck_assert_msg(report.length == 0, "%.4000s", report.data);
  ck_assert_msg(models > 0, "file %d has no model", number);
  arena_destroy(arena);
}

static const char file_fence[] = "\n```simba file\n";

START_TEST(whole_files_compile) {
  Arena *arena = arena_create();
  size_t length = 0;
  const char *at = golden_read(arena, reference_path, &length);
  ck_assert_msg(at != NULL, "no %s", reference_path);
  int number = 0;
  while ((at = strstr(at, file_fence))) {
    at += strlen(file_fence);
    const char *end = strstr(at, "\n```");
    ck_assert_ptr_nonnull(end);
    check_file(at, (size_t)(end - at) + 1, ++number);
    at = end;
  }
  ck_assert_int_gt(number, 8);
  arena_destroy(arena);
}
END_TEST

/* The whole files' text, comments left out. */
static const char *shown_text(Arena *arena) {
  size_t length = 0;
  const char *at = golden_read(arena, reference_path, &length);
  Text text = text_begin(arena);
  while (at && (at = strstr(at, file_fence))) {
    at += strlen(file_fence);
    for (const char *end = strstr(at, "\n```"); at < end;) {
      size_t line = strcspn(at, "\n");
      text_add(&text, at, strcspn(at, "#\n"));
      text_puts(&text, "\n");
      at += line + 1;
      if (at > end) break;
    }
    at--;
  }
  return text.data;
}

static bool is_shown(const char *text, const char *word, char after) {
  size_t length = strlen(word);
  for (const char *at = text; (at = strstr(at, word)); at += length) {
    bool begins = at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '_');
    if (begins && at[length] == after) return true;
  }
  return false;
}

START_TEST(everything_is_shown) {
  static const char *const words[] = {"block",  "model", "dim",    "let",      "param", "state",
                                      "update", "input", "target", "output",   "loss",  "metric",
                                      "for",    "if",    "recipe", "training", "not",   "require"};
  Arena *arena = arena_create();
  const char *text = shown_text(arena);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    ck_assert_msg(is_shown(text, words[i], ' '), "no file shows '%s'", words[i]);
  for (int i = 0; i < FUNCTION_COUNT; i++)
    ck_assert_msg(is_shown(text, functions[i].name, '('), "no file calls '%s'", functions[i].name);
  for (const EmbeddedText *file = library_texts; file->name; file++) {
    const char *at = arena_format(arena, "\n%s", file->text);
    while ((at = strstr(at, "\nblock "))) {
      at += strlen("\nblock ");
      const char *name = arena_text(arena, at, strcspn(at, "("));
      ck_assert_msg(is_shown(text, name, '('), "no file calls '%s'", name);
    }
  }
  for (uint32_t i = 0; i < recipe_key_count; i++) {
    const char *key = recipe_keys[i].key[0] ? recipe_keys[i].key : recipe_keys[i].section;
    ck_assert_msg(is_shown(text, key, ' ') || is_shown(text, key, '('), "no file sets '%s'", key);
  }
  arena_destroy(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("language_reference");
  TCase *tests = tcase_create("reference");
  tcase_add_test(tests, lists_and_messages_are_fresh);
  tcase_add_test(tests, whole_files_compile);
  tcase_add_test(tests, everything_is_shown);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
