/* Golden text for the language, found by scanning.
 *
 * - tests/golden/errors/<name>.simba: every line that is wrong ends with "#! E0207: part of the message", as often as
 * it is reported; nothing else may be reported. With <name>.err beside it, the full rendering is compared too (and
 * marks may be left out).
 * - tests/golden/lower/<name>.simba against <name>.ir: the model's graph, then that of its initial values.
 * - tests/golden/ast/<name>.simba against <name>.ast and <name>.dot: the syntax tree.
 *
 * A file may begin with lines "#! set NAME=VALUE", "#! model NAME", "#! training". SIMBA_UPDATE=1 rewrites what is
 * beside. */
#include "frontend/frontend.h"
#include "tests/golden_text.h"
#include "tests/suite_run.h"

#include <dirent.h>

enum { CASE_LIMIT = 256, SETTING_LIMIT = 8 };

typedef struct Case {
  char path[512]; /* without its ending */
} Case;

typedef struct Run {
  Arena *arena;
  Diagnostics *diagnostics;
  const char *text;
  FrontendSetting setting[SETTING_LIMIT];
  FrontendOptions options;
} Run;

static Case error_cases[CASE_LIMIT], lower_cases[CASE_LIMIT], ast_cases[CASE_LIMIT];
static int error_count, lower_count, ast_count;

static int compare_cases(const void *a, const void *b) {
  return strcmp(((const Case *)a)->path, ((const Case *)b)->path);
}

static int find_cases(const char *folder, Case *out) {
  int count = 0;
  char path[256];
  snprintf(path, sizeof path, "%s/golden/%s", TESTS_FOLDER, folder);
  DIR *directory = opendir(path);
  if (!directory) return 0;
  for (const struct dirent *entry; (entry = readdir(directory)) && count < CASE_LIMIT;) {
    size_t length = strlen(entry->d_name);
    if (length < 7 || strcmp(entry->d_name + length - 6, ".simba") != 0) continue;
    snprintf(out[count++].path, sizeof out->path, "%s/%.*s", path, (int)(length - 6), entry->d_name);
  }
  closedir(directory);
  qsort(out, (size_t)count, sizeof *out, compare_cases);
  return count;
}

static Run begin(const char *path) {
  Run run = {.arena = arena_create()};
  size_t length;
  run.diagnostics = diagnostics_create(run.arena);
  run.text = golden_read(run.arena, arena_format(run.arena, "%s.simba", path), &length);
  ck_assert_ptr_nonnull(run.text);
  for (const char *line = run.text; !strncmp(line, "#! ", 3); line = strchr(line, '\n') + 1) {
    size_t rest = strcspn(line, "\n");
    char *directive = arena_text(run.arena, line + 3, rest - 3), *equals = strchr(directive, '=');
    if (!strcmp(directive, "training")) run.options.training = true;
    if (!strncmp(directive, "model ", 6)) run.options.model = directive + 6;
    if (strncmp(directive, "set ", 4) != 0 || !equals) continue;
    *equals = '\0';
    ck_assert_uint_lt(run.options.setting_count, SETTING_LIMIT);
    run.setting[run.options.setting_count++] = (FrontendSetting){directive + 4, equals + 1};
  }
  return run;
}

static Model *elaborate(Run *run, const char *path, FrontendFile **out_file) {
  run->options.setting = run->setting;
  const char *name = arena_format(run->arena, "%s.simba", strrchr(path, '/') + 1);
  *out_file = frontend_parse(run->arena, run->diagnostics, name, run->text, strlen(run->text));
  return *out_file ? frontend_elaborate(*out_file, run->arena, run->diagnostics, &run->options) : NULL;
}

static void check_beside(Run *run, const char *path, const char *ending, const Text *text) {
  golden_check(run->arena, arena_format(run->arena, "%s.%s", path, ending), text->data, text->length);
}

/* The diagnostic at the start of `report` ("line:column code message") is asked for on its line: the mark is consumed.
 */
static bool take_mark(char *text, const char *report) {
  unsigned line, column;
  char code[16], message[1024];
  if (sscanf(report, "%u:%u %15s %1023[^\n]", &line, &column, code, message) != 4) return false;
  for (unsigned k = 1; k < line; k++) {
    text = strchr(text, '\n');
    if (!text++) return false;
  }
  char *end = text + strcspn(text, "\n");
  for (char *mark = strstr(text, "#!"); mark && mark < end; mark = strstr(mark + 2, "#!")) {
    char *next = strstr(mark + 2, "#!");
    char *stop = next && next < end ? next : end, expected[1024], mark_code[16];
    int length = (int)(stop - mark);
    const char *part = memchr(mark, ':', (size_t)length);
    if (!part || sscanf(mark, "#! %15[^:]", mark_code) != 1 || strcmp(mark_code, code) != 0) continue;
    snprintf(expected, sizeof expected, "%.*s", (int)(stop - part - 2), part + 2);
    for (size_t k = strlen(expected); k && expected[k - 1] == ' ';) expected[--k] = '\0';
    if (!strstr(message, expected)) continue;
    mark[1] = '#';
    return true;
  }
  return false;
}

START_TEST(errors_are_reported) {
  const char *path = error_cases[_i].path;
  Run run = begin(path);
  FrontendFile *file;
  Model *model = elaborate(&run, path, &file);
  ck_assert_msg(!model, "%s has no error", path);
  Text human = text_begin(run.arena), test = text_begin(run.arena);
  diagnostics_render(run.diagnostics, DIAGNOSTIC_HUMAN, false, &human);
  diagnostics_render(run.diagnostics, DIAGNOSTIC_TEST, false, &test);
  FILE *rendered = fopen(arena_format(run.arena, "%s.err", path), "rb");
  if (rendered) {
    fclose(rendered);
    check_beside(&run, path, "err", &human);
  }
  char *whole = arena_text(run.arena, run.text, strlen(run.text));
  for (char *line = whole; !strncmp(line, "#! ", 3); line = strchr(line, '\n') + 1) line[1] = '#';
  bool marks = strstr(whole, "#!") != NULL;
  ck_assert_msg(marks || rendered, "%s expects nothing", path);
  for (char *line = test.data; marks && *line; line = strchr(line, '\n') + 1) {
    if (line[0] == ' ') continue;
    ck_assert_msg(take_mark(whole, line), "%s: not expected: %.300s\nof\n%.2000s", path, line, human.data);
  }
  char *left = marks ? strstr(whole, "#!") : NULL;
  ck_assert_msg(!left, "%s: not reported: %.60s\nbut\n%.2000s", path, left ? left : "", human.data);
  arena_destroy(run.arena);
}
END_TEST

/* Every message about a model file has a case. */
START_TEST(every_code_has_a_case) {
  static const char *const codes[] = {
#define DIAGNOSTIC(code, name, format) code,
#include "ir/diagnostic.def"
#undef DIAGNOSTIC
  };
  Arena *arena = arena_create();
  Text all = text_begin(arena);
  for (int i = 0; i < error_count; i++) {
    size_t length;
    text_puts(&all, golden_read(arena, arena_format(arena, "%s.simba", error_cases[i].path), &length));
    const char *rendered = golden_read(arena, arena_format(arena, "%s.err", error_cases[i].path), &length);
    if (rendered) text_puts(&all, rendered);
  }
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    bool ours = codes[i][0] == 'E' && codes[i][1] == '0' && codes[i][2] >= '1' && codes[i][2] <= '3';
    ck_assert_msg(!ours || strstr(all.data, codes[i]), "%s has no case in tests/golden/errors", codes[i]);
  }
  arena_destroy(arena);
}
END_TEST

static void need_model(Run *run, const Model *model) {
  Text human = text_begin(run->arena);
  diagnostics_render(run->diagnostics, DIAGNOSTIC_HUMAN, false, &human);
  ck_assert_msg(model != NULL, "%s", human.data);
}

static void check_sound(Run *run, const Graph *graph) {
  const char *message = NULL;
  ck_assert_msg(graph_verify(graph, run->arena, &message), "%s", message);
}

START_TEST(models_are_lowered) {
  const char *path = lower_cases[_i].path;
  Run run = begin(path);
  FrontendFile *file;
  Model *model = elaborate(&run, path, &file);
  need_model(&run, model);
  check_sound(&run, model->graph);
  check_sound(&run, model->initial);
  Text text = text_begin(run.arena);
  graph_print(model->graph, &text);
  graph_print(model->initial, &text);
  check_beside(&run, path, "ir", &text);
  arena_destroy(run.arena);
}
END_TEST

START_TEST(syntax_trees_are_printed) {
  const char *path = ast_cases[_i].path;
  Run run = begin(path);
  FrontendFile *file = frontend_parse(run.arena, run.diagnostics, path, run.text, strlen(run.text));
  Text report = text_begin(run.arena), tree = text_begin(run.arena), dot = text_begin(run.arena);
  diagnostics_render(run.diagnostics, DIAGNOSTIC_HUMAN, false, &report);
  ck_assert_msg(file != NULL, "%s", report.data);
  frontend_print_ast(file, false, &tree);
  frontend_print_ast(file, true, &dot);
  check_beside(&run, path, "ast", &tree);
  check_beside(&run, path, "dot", &dot);
  arena_destroy(run.arena);
}
END_TEST

int main(void) {
  error_count = find_cases("errors", error_cases);
  lower_count = find_cases("lower", lower_cases);
  ast_count = find_cases("ast", ast_cases);
  Suite *suite = suite_create("frontend_golden");
  TCase *tests = tcase_create("golden");
  tcase_add_loop_test(tests, errors_are_reported, 0, error_count);
  tcase_add_test(tests, every_code_has_a_case);
  tcase_add_loop_test(tests, models_are_lowered, 0, lower_count);
  tcase_add_loop_test(tests, syntax_trees_are_printed, 0, ast_count);
  suite_add_tcase(suite, tests);
  return suite_run(suite) || error_count == 0 || lower_count == 0 || ast_count == 0;
}
