/* Launches that run image by image: the programs of small graphs as golden text (tests/golden/programs/<name>.ir beside
 * <name>.program, found by scanning), and machine code that gives the bits of the whole batch for any number of threads. */
#include "frontend/driver/compiler.h"
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "tests/golden_graph.h"
#include "tests/program_code.h"
#include "tests/random_graph.h"
#include "tests/suite_run.h"

#include <dirent.h>

enum { PROGRAMS_MAX = 64, PATH_MAX_BYTES = 512, GRAPHS = 24, STEPS = 20 };

static const char *const FOLDER = TESTS_FOLDER "/golden/programs";

static Arena *arena;

static void begin(void) { arena = arena_create(); }
static void end(void) { arena_destroy(arena); }

/* ---- Golden programs ---- */

static char names[PROGRAMS_MAX][64];
static int name_count;

static void find_names(void) {
  DIR *directory = opendir(FOLDER);
  if (!directory) abort();
  for (const struct dirent *entry; (entry = readdir(directory)) && name_count < PROGRAMS_MAX;) {
    size_t length = strlen(entry->d_name);
    if (length < 4 || length >= sizeof names[0] || strcmp(entry->d_name + length - 3, ".ir") != 0) continue;
    memcpy(names[name_count], entry->d_name, length - 3);
    name_count++;
  }
  closedir(directory);
}

static const Program *golden_program(const char *name, Graph **out_graph, Text *explain) {
  char path[PATH_MAX_BYTES];
  snprintf(path, sizeof path, "%s/%s.ir", FOLDER, name);
  *out_graph = golden_graph(arena, path);
  return program_build(*out_graph, arena, &(LowerOptions){.explain = explain});
}

START_TEST(programs_are_golden) {
  begin();
  Graph *graph;
  Text text = text_begin(arena);
  program_print(golden_program(names[_i], &graph, &text), &text);
  char path[PATH_MAX_BYTES];
  snprintf(path, sizeof path, "%s/%s.program", FOLDER, names[_i]);
  golden_check(arena, path, text.data, text.length);
  end();
}
END_TEST

START_TEST(programs_compute) {
  begin();
  Graph *graph;
  const Program *program = golden_program(names[_i], &graph, NULL);
  for (int64_t batch = 1; batch <= 4; batch++) {
    double error = program_error(graph, program, (int64_t[SYMBOL_MAX]){batch}, arena);
    ck_assert_msg(error <= program_tolerance(), "%s, batch %lld: error %g", names[_i], (long long)batch, error);
  }
  end();
}
END_TEST

/* ---- Bits ---- */

static const Program *build(const Graph *graph, bool fused) {
  static const char *const skip[] = {"batch-fusion"};
  PipelineOptions options = {.verify = true, .skip = skip, .skip_count = fused ? 0 : 1};
  return program_build(pipeline_run(graph, arena, &options, NULL), arena, NULL);
}

static void check_bits(const Program *program, float **expected, float **found, const int64_t *symbols,
                       const char *what) {
  for (uint32_t k = 0; k < program->output_count; k++) {
    size_t bytes = (size_t)shape_value_count(&program->output[k].shape, symbols) * sizeof(float);
    ck_assert_msg(memcmp(expected[k], found[k], bytes) == 0, "%s: output %s has other bits", what,
                  program->output[k].name);
  }
}

/* Against the whole batch on one thread: alone, and on threads that divide the batch or leave some over. */
static void check_program(const Program *whole, const Program *fused, const char *name) {
  static const int32_t threads[] = {0, 1, 2, 3, 8};
  static const int64_t batches[] = {1, 2, 3, 8};
  Code plain = code_create(whole, &(CodegenOptions){0}, arena), code = code_create(fused, &(CodegenOptions){0}, arena);
  for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
    int64_t symbols[SYMBOL_MAX] = {batches[b]};
    float **expected = code_run(&plain, symbols, 0, arena);
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
      const char *what = arena_format(arena, "%s, batch %lld, %d threads", name, (long long)batches[b], threads[t]);
      check_bits(whole, expected, code_run(&code, symbols, threads[t], arena), symbols, what);
    }
  }
  code_destroy(&plain);
  code_destroy(&code);
}

START_TEST(golden_programs_keep_bits) {
  begin();
  Graph *graph;
  const Program *fused = golden_program(names[_i], &graph, NULL);
  graph->batch_fused = false;
  check_program(program_build(graph, arena, NULL), fused, names[_i]);
  end();
}
END_TEST

START_TEST(random_graphs_keep_bits) {
  begin();
  Random random = {(uint64_t)_i + 1};
  const Graph *graph = random_graph(&random, arena, STEPS);
  const Program *fused = build(graph, true);
  if (fused->group_count > 0) check_program(build(graph, false), fused, arena_format(arena, "graph %d", _i));
  end();
}
END_TEST

/* Enough random graphs have a group: the test above sees something. */
START_TEST(random_graphs_have_groups) {
  begin();
  uint32_t grouped = 0;
  for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
    Random random = {seed};
    grouped += build(random_graph(&random, arena, STEPS), true)->group_count > 0;
  }
  ck_assert_uint_ge(grouped, GRAPHS / 8);
  end();
}
END_TEST

/* ---- Models ---- */

/* EinFFT with its transforms is one group; all between its input and its output is scratch. */
START_TEST(einfft_is_one_group) {
  begin();
  Compiler *compiler;
  CompilerOptions options = {0};
  const Graph *graph;
  const Program *program;
  simba_error error = {0};
  simba_status status = compiler_open(TESTS_FOLDER "/../examples/parity/einfft.simba", &options, &compiler, &error);
  if (status == SIMBA_OK) status = compiler_graph(compiler, &(StepRequest){.values = true}, &graph, &error);
  if (status == SIMBA_OK) status = compiler_program(compiler, graph, &program, &error);
  ck_assert_msg(status == SIMBA_OK, "%s", error.message);
  ck_assert_uint_eq(program->group_count, 1);
  ck_assert_uint_eq(program->group[0].count, program->launch_count);
  ck_assert_int_eq(linear_value(&program->arena_bytes, (int64_t[SYMBOL_MAX]){32}), 0);
  compiler_close(compiler);
  end();
}
END_TEST

int main(void) {
  codegen_library(); /* loaded once, before the tests fork */
  find_names();
  Suite *suite = suite_create("batch_fusion");
  TCase *programs = tcase_create("programs");
  tcase_set_timeout(programs, 120);
  tcase_add_loop_test(programs, programs_are_golden, 0, name_count);
  tcase_add_loop_test(programs, programs_compute, 0, name_count);
  tcase_add_loop_test(programs, golden_programs_keep_bits, 0, name_count);
  tcase_add_loop_test(programs, random_graphs_keep_bits, 0, GRAPHS);
  tcase_add_test(programs, random_graphs_have_groups);
  tcase_add_test(programs, einfft_is_one_group);
  suite_add_tcase(suite, programs);
  return suite_run(suite);
}
