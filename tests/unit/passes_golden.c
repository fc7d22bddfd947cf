/* Text pairs for passes: tests/golden/passes/<pass>/<name>.ir is read, the pass runs, and the printed result is
 * compared with <name>.expected.ir beside it, which SIMBA_UPDATE=1 rewrites. Outputs that both have must compute the
 * same. A pass joins by having a folder of its name. Every rule of simplify has a pair of its name. Where there is a
 * <name>.explain as well, it is what the pass says with --explain. */
#include "passes/simplify.h"
#include "tests/random_graph.h"
#include "tests/suite_run.h"

#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAIR_LIMIT = 512, PATH_LIMIT = 512 };

static const char *const FOLDER = TESTS_FOLDER "/golden/passes";

typedef struct Pair {
  char input[PATH_LIMIT], expected[PATH_LIMIT], explained[PATH_LIMIT];
  const PassInfo *pass;
} Pair;

/* Found once, before the tests run. */
static Pair pairs[PAIR_LIMIT];
static int pair_count;

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcmp(text + length - tail, end) == 0;
}

static void find_pairs_of(const PassInfo *pass) {
  char folder[PATH_LIMIT];
  snprintf(folder, sizeof folder, "%s/%s", FOLDER, pass->name);
  DIR *directory = opendir(folder);
  if (!directory) return;
  for (const struct dirent *entry; (entry = readdir(directory)) && pair_count < PAIR_LIMIT;) {
    if (!ends_with(entry->d_name, ".ir") || ends_with(entry->d_name, ".expected.ir")) continue;
    Pair *pair = &pairs[pair_count++];
    int stem = (int)(strlen(entry->d_name) - strlen(".ir"));
    int length = snprintf(pair->input, sizeof pair->input, "%.300s/%.100s", folder, entry->d_name);
    snprintf(pair->expected, sizeof pair->expected, "%.300s/%.*s.expected.ir", folder, stem, entry->d_name);
    length += snprintf(pair->explained, sizeof pair->explained, "%.300s/%.*s.explain", folder, stem, entry->d_name);
    if (length < 0) abort();
    pair->pass = pass;
  }
  closedir(directory);
}

static void find_pairs(void) {
  for (uint32_t k = 0; k < pipeline_length(); k++) {
    bool seen = false;
    for (uint32_t j = 0; j < k; j++) seen = seen || strcmp(pipeline_pass(j)->name, pipeline_pass(k)->name) == 0;
    if (!seen) find_pairs_of(pipeline_pass(k));
  }
}

static char *read_text(Arena *arena, const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  Text text = text_begin(arena);
  char block[4096];
  for (size_t count; (count = fread(block, 1, sizeof block, file)) > 0;) text_add(&text, block, count);
  fclose(file);
  return text.data;
}

static Graph *read_graph(Arena *arena, const char *path) {
  const char *text = read_text(arena, path);
  ck_assert_msg(text != NULL, "%s cannot be read", path);
  Diagnostics *diagnostics = diagnostics_create(arena);
  uint32_t source = diagnostics_add_source(diagnostics, path, text, strlen(text));
  Graph *graph = graph_read(arena, diagnostics, source);
  Text report = text_begin(arena);
  diagnostics_render(diagnostics, DIAGNOSTIC_HUMAN, false, &report);
  ck_assert_msg(graph != NULL, "%s", report.data);
  return graph;
}

static void check_same(const Graph *before, const Graph *after, Arena *arena, const char *what) {
  const Value *old = random_graph_evaluate(before, arena), *new = random_graph_evaluate(after, arena);
  for (uint32_t k = 0; k < before->output_count; k++) {
    const Output *a = &before->output[k], *b = graph_find_output(after, a->kind, a->name);
    ck_assert_msg(b != NULL, "%s: output %s is gone", what, a->name);
    for (int64_t i = 0; i < value_count(&old[a->node]); i++) {
      double x = old[a->node].data[i], y = new[b->node].data[i];
      ck_assert_msg(fabs(x - y) <= 1e-12 * (1 + fabs(x)), "%s: output %s[%d] was %.17g and became %.17g", what, a->name,
                    (int)i, x, y);
    }
  }
}

static void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "wb");
  ck_assert_msg(file != NULL, "%s cannot be written", path);
  ck_assert_int_ge(fputs(text, file), 0);
  ck_assert_int_eq(fclose(file), 0);
}

static void check_explained(const Pair *pair, const char *said, Arena *arena) {
  const char *expected = read_text(arena, pair->explained);
  if (expected != NULL && getenv("SIMBA_UPDATE")) {
    write_text(pair->explained, said);
    expected = said;
  }
  ck_assert_msg(expected == NULL || !strcmp(said, expected), "%s: expected\n%s\nbut the pass says\n%s", pair->explained,
                expected, said);
}

/* Pairs show passes as they run last: derivatives, where they are wanted, are of all parameters and inputs. */
START_TEST(pair_is_as_expected) {
  const Pair *pair = &pairs[_i];
  Arena *arena = arena_create();
  Graph *graph = read_graph(arena, pair->input);
  const DifferentiateSpec spec = {.parameters = true, .inputs = true};
  Text explain = text_begin(arena);
  PassContext context = {.arena = arena,
                         .differentiate = &spec,
                         .differentiated = true,
                         .pass = pair->pass->name,
                         .explain = &explain,
                         .memory_budget = 1};
  Graph *after = pair->pass->run(graph, &context);
  const char *message = NULL;
  ck_assert_msg(graph_verify(after, arena, &message), "%s: %s", pair->input, message);
  check_same(graph, after, arena, pair->input);
  Text printed = text_begin(arena);
  graph_print(after, &printed);
  if (getenv("SIMBA_UPDATE")) write_text(pair->expected, printed.data);
  const char *expected = read_text(arena, pair->expected);
  ck_assert_msg(expected != NULL, "%s is missing; SIMBA_UPDATE=1 writes it", pair->expected);
  ck_assert_msg(strcmp(printed.data, expected) == 0, "%s: expected\n%s\nbut the pass made\n%s", pair->input, expected,
                printed.data);
  check_explained(pair, explain.data, arena);
  arena_destroy(arena);
}
END_TEST

START_TEST(every_rule_has_a_pair) {
  static const char *const rules[] = {
#define RULE(op, name, pattern) #name,
#include "passes/simplify_rules.def"
#undef RULE
  };
  for (size_t k = 0; k < sizeof rules / sizeof rules[0]; k++) {
    char end[PATH_LIMIT];
    snprintf(end, sizeof end, "/simplify/%s.ir", rules[k]);
    bool found = false;
    for (int j = 0; j < pair_count; j++) found = found || ends_with(pairs[j].input, end);
    ck_assert_msg(found, "rule %s has no pair", rules[k]);
  }
}
END_TEST

/* docs/passes.md has a section for every pass and a line for every rule. */
START_TEST(document_is_complete) {
  static const char *const rules[][2] = {
#define RULE(op, name, pattern) {#name, pattern},
#include "passes/simplify_rules.def"
#undef RULE
  };
  Arena *arena = arena_create();
  const char *document = read_text(arena, TESTS_FOLDER "/../docs/passes.md");
  ck_assert_ptr_nonnull(document);
  for (uint32_t k = 0; k < pipeline_length(); k++) {
    const char *heading = arena_format(arena, "\n## %s\n", pipeline_pass(k)->name);
    ck_assert_msg(strstr(document, heading) != NULL, "pass %s has no section", pipeline_pass(k)->name);
  }
  for (size_t k = 0; k < sizeof rules / sizeof rules[0]; k++) {
    const char *line = arena_format(arena, "    %-26s %s\n", rules[k][0], rules[k][1]);
    ck_assert_msg(strstr(document, line) != NULL, "the document lacks this line:\n%s", line);
  }
  arena_destroy(arena);
}
END_TEST

int main(void) {
  find_pairs();
  Suite *suite = suite_create("passes_golden");
  TCase *tests = tcase_create("pairs");
  tcase_add_loop_test(tests, pair_is_as_expected, 0, pair_count);
  tcase_add_test(tests, every_rule_has_a_pair);
  tcase_add_test(tests, document_is_complete);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
