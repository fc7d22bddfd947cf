/* The tables of the language as Markdown: what builtins.def and recipe.def say, for docs/language-tables.md. */
#include "frontend.h"

#include "ir/text.h"

#include <string.h>

typedef struct FunctionRow {
  const char *name, *doc, *usage;
  struct {
    const char *name, *kind;
    bool optional;
  } parameter[6];
} FunctionRow;

#define REQUIRED(name, kind) \
  { #name, #kind, false }
#define OPTIONAL(name, kind) \
  { #name, #kind, true }
static const FunctionRow function_rows[] = {
#define BUILTIN_UNARY(name, op, static_function, doc) {#name, (doc), NULL, {REQUIRED(x, VALUE)}},
#define BUILTIN(name, function, doc, ...) {#name, (doc), NULL, {__VA_ARGS__}},
#define BUILTIN_FREE(name, function, usage, doc) {#name, (doc), (usage), {{0}}},
#include "builtins.def"
};
#undef REQUIRED
#undef OPTIONAL

/* Text within a table's cell: no bar of its own. */
static void put_cell(Text *out, const char *text) {
  for (; *text; text++) text_puts(out, *text == '|' ? "\\|" : (const char[]){*text, '\0'});
}

static void put_function(const FunctionRow *row, Text *out) {
  text_puts(out, "| `");
  if (row->usage) {
    text_puts(out, row->usage);
  } else {
    text_print(out, "%s(", row->name);
    for (size_t i = 0; i < sizeof row->parameter / sizeof *row->parameter && row->parameter[i].name; i++) {
      const char *comma = i ? ", " : "";
      text_print(out, row->parameter[i].optional ? "[%s%s]" : "%s%s", comma, row->parameter[i].name);
    }
    text_puts(out, ")");
  }
  text_puts(out, "` | ");
  const char *separator = "";
  for (size_t i = 0; !row->usage && i < sizeof row->parameter / sizeof *row->parameter && row->parameter[i].name; i++) {
    text_print(out, "%s%s", separator, row->parameter[i].kind);
    separator = ", ";
  }
  text_puts(out, " | ");
  put_cell(out, row->doc);
  text_puts(out, " |\n");
}

static void put_key(const RecipeKey *key, Text *out) {
  text_print(out, "| `%s%s%s` | `%s` | `recipe.%s` | ", key->section, key->choice[0] ? " " : "", key->choice, key->key,
             key->key[0] ? key->key : key->section);
  put_cell(out, key->type);
  text_print(out, " | %s | ", strcmp(key->initial, "NULL") != 0 ? key->initial : "");
  put_cell(out, key->doc);
  text_puts(out, " |\n");
}

void frontend_print_tables(Text *out) {
  text_puts(
      out,
      "# Tables of the language\n\nWritten by a test from `frontend/builtins.def` and `frontend/recipe.def`; the "
      "language itself is in `language.md`.\n\n## Functions\n\n"
      "Arguments are given in this order or by name; those in [ ] may be left out. VALUE is a tensor or a static "
      "value, TENSOR a tensor\n(a number becomes a scalar), REAL a tensor that is not complex, AXIS and AXES name "
      "axes (`T`, `[T, K]`), EXTENT is a static\nwhole number whose text names the new axis, INTEGER, NUMBER and "
      "TRUTH are static, NORM is `backward`, `ortho` or `forward`.\n\n"
      "| function | arguments | what |\n| --- | --- | --- |\n");
  for (size_t i = 0; i < sizeof function_rows / sizeof *function_rows; i++) put_function(&function_rows[i], out);
  text_puts(out,
            "\n## Keys of the recipe\n\nINTEGER is 0 or more, COUNT 1 or more, REAL 0 or more; INPUT, TARGET and "
            "PARAMETER name what the model declares; of WORD the\ndefault is the number of the word.\n\n"
            "| line | key | --set | kind | default | what |\n| --- | --- | --- | --- | --- | --- |\n");
  for (uint32_t i = 0; i < recipe_key_count; i++) put_key(&recipe_keys[i], out);
}
