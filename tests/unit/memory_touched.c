/* The memory plan is what a run touches: the arena, the prepared block and a worker's scratch begin as a pattern, and
 * after a run the last byte of the plan has changed and nothing behind it has. Two runs with complementary patterns
 * tell every byte that was written. And a training run makes the process grow by what was planned. */
#include "frontend/driver/compiler.h"
#include "frontend/driver/handle.h"
#include "passes/lower.h"
#include "tests/program_code.h"
#include "tests/suite_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MARGIN = 1 << 16, SETTINGS = 6 };

/* A model of the folder `examples`, with settings up to the first without a name. */
typedef struct Case {
  const char *path;
  bool gradients;
  simba_setting setting[SETTINGS];
} Case;

#define FORECASTER "/../examples/forecaster.simba"
#define ODD_SIZES \
  {"lookback", "37"}, {"horizon", "5"}, {"channels", "3"}, { "d_model", "20" }

static const Case cases[] = {
    {FORECASTER, false, {{"embed", "patch"}}},
    {FORECASTER, true, {{"embed", "patch"}}},
    {FORECASTER, true, {{"embed", "time"}, {"depth", "1"}}},
    {FORECASTER, true, {{"embed", "inverted"}, {"mixer", "mlp"}}},
    {FORECASTER, false, {{"embed", "time"}, ODD_SIZES}},
    {FORECASTER, true, {{"embed", "time"}, ODD_SIZES}},
    {FORECASTER, true, {{"embed", "inverted"}, ODD_SIZES}},
    {"/../examples/parity/mamba.simba", false, {{"norm", "true"}}},
    {"/../examples/parity/mamba.simba", false, {{"L", "1"}, {"d_model", "7"}}},
    {"/../examples/parity/einfft.simba", false, {{NULL, NULL}}},
    {"/../examples/parity/einfft.simba", false, {{"N", "37"}, {"C", "12"}}},
};
enum { CASES = sizeof cases / sizeof *cases };

/* Memory that is all pattern, aligned as a call wants it, with a margin behind. */
typedef struct Block {
  unsigned char *memory;
  size_t planned, touched; /* touched: bytes up to the last one that some run wrote */
} Block;

static Block block_create(Arena *arena, int64_t planned) {
  Block block = {.memory = arena_allocate(arena, (size_t)planned + MARGIN + 64), .planned = (size_t)planned};
  block.memory += (64 - (uintptr_t)block.memory % 64) % 64;
  return block;
}

static void block_fill(Block *block, unsigned char pattern) { memset(block->memory, pattern, block->planned + MARGIN); }

static void block_look(Block *block, unsigned char pattern) {
  size_t end = block->planned + MARGIN;
  while (end > block->touched && block->memory[end - 1] == pattern) end--;
  block->touched = end;
}

/* The static sizes of a case as a program. */
static const Program *build_program(const Case *from, Compiler **out_compiler) {
  char path[512];
  snprintf(path, sizeof path, "%s%s", TESTS_FOLDER, from->path);
  CompilerOptions options = {.setting = from->setting};
  while (options.setting_count < SETTINGS && from->setting[options.setting_count].name) options.setting_count++;
  const DifferentiateSpec parameters = {.parameters = true, .zeros = true};
  StepRequest request = {.values = !from->gradients,
                         .training = from->gradients,
                         .loss = from->gradients,
                         .metrics = from->gradients,
                         .differentiate = from->gradients ? &parameters : NULL};
  const Graph *graph;
  const Program *program;
  simba_error error = {0};
  simba_status status = compiler_open(path, &options, out_compiler, &error);
  if (status == SIMBA_OK) status = compiler_graph(*out_compiler, &request, &graph, &error);
  if (status == SIMBA_OK) status = compiler_program(*out_compiler, graph, &program, &error);
  ck_assert_msg(status == SIMBA_OK, "%s: %s", from->path, error.message);
  return program;
}

typedef struct Touched {
  Block arena, prepared, scratch;
} Touched;

static void run_with_pattern(const Code *code, int64_t batch, unsigned char pattern, Touched *touched, Arena *arena) {
  const Program *program = code->program;
  int64_t symbols[SYMBOL_MAX] = {batch};
  float **output = ARENA_ARRAY(arena, float *, program->output_count + 1);
  for (uint32_t k = 0; k < program->output_count; k++)
    output[k] = code_block((size_t)shape_value_count(&program->output[k].shape, symbols) * sizeof(float), arena);
  block_fill(&touched->arena, pattern);
  block_fill(&touched->prepared, pattern);
  block_fill(&touched->scratch, pattern);
  simba_call call = {
      .input = (const float *const *)code_leaves(program->input, program->input_count, symbols, arena),
      .output = output,
      .parameter = (const float *const *)code_leaves(program->parameter, program->parameter_count, symbols, arena),
      .state = (const float *const *)code_leaves(program->state, program->state_count, symbols, arena),
      .prepared = touched->prepared.memory,
      .arena = touched->arena.memory,
      .scratch = (char *)touched->scratch.memory};
  call.symbol[0] = batch;
  ck_assert_int_eq(code->prepare(&call), 0);
  ck_assert_int_eq(code->run(&call), 0);
  block_look(&touched->arena, pattern);
  block_look(&touched->prepared, pattern);
  block_look(&touched->scratch, pattern);
}

static void check_block(const Block *block, const char *what, const Case *from, int64_t batch) {
  ck_assert_msg(block->touched == block->planned, "%s of case %td, batch %lld: %zu bytes planned, %zu touched", what,
                from - cases, (long long)batch, block->planned, block->touched);
}

static void check_batch(const Code *code, int64_t batch, const Case *from) {
  Arena *arena = arena_create();
  int64_t symbols[SYMBOL_MAX] = {batch};
  Touched touched = {.arena = block_create(arena, linear_value(&code->program->arena_bytes, symbols)),
                     .prepared = block_create(arena, linear_value(&code->program->prepared_bytes, symbols)),
                     .scratch = block_create(arena, (int64_t)code->objects.scratch_bytes)};
  run_with_pattern(code, batch, 0x5a, &touched, arena);
  run_with_pattern(code, batch, 0xa5, &touched, arena);
  check_block(&touched.arena, "the arena", from, batch);
  check_block(&touched.prepared, "the prepared block", from, batch);
  /* Tiles of a kernel are planned whole, so that the last ones may not be needed to their ends. */
  size_t planned = touched.scratch.planned, used = touched.scratch.touched;
  ck_assert_uint_le(used, planned);
  ck_assert_uint_ge(used, planned - planned / 16);
  arena_destroy(arena);
}

START_TEST(plan_is_touched) {
  const Case *from = &cases[_i];
  Compiler *compiler = NULL;
  const Program *program = build_program(from, &compiler);
  Arena *arena = arena_create();
  Code code = code_create(program, &(CodegenOptions){.lanes = _i % 2 ? 8 : 0}, arena);
  for (int64_t batch = 1; batch <= 3; batch++) check_batch(&code, batch, from);
  check_batch(&code, 32, from);
  code_destroy(&code);
  arena_destroy(arena);
  compiler_close(compiler);
}
END_TEST

/* Only where no sanitizer or unoptimised allocator keeps books beside us. */
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
enum { ALLOWANCE = 8 << 20, TRAINING_STEPS = 3, BATCH = 64 };

static int64_t resident_bytes(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  long long size, pages = 0;
  ck_assert_ptr_nonnull(file);
  ck_assert_int_eq(fscanf(file, "%lld %lld", &size, &pages), 2);
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

static int64_t planned_bytes(const Execution *execution, int64_t batch) {
  int64_t symbols[SYMBOL_MAX] = {batch};
  const CompiledStep *step = execution->step;
  return linear_value(&step->program->arena_bytes, symbols) + linear_value(&step->program->prepared_bytes, symbols) +
         execution->call.executor->workers * (int64_t)step->scratch_bytes;
}

START_TEST(process_grows_by_the_plan) {
  simba_options options = {.size = sizeof options, .training = true, .threads = 2};
  simba_model *model;
  simba_trainer *trainer;
  simba_error error = {0};
  ck_assert_msg(simba_model_compile_file(TESTS_FOLDER FORECASTER, &options, &model, &error) == SIMBA_OK, "%s",
                error.message);
  ck_assert_msg(simba_trainer_create(model, NULL, &trainer, &error) == SIMBA_OK, "%s", error.message);
  float *input = calloc(simba_model_elements(model, SIMBA_INPUT, 0, BATCH), sizeof *input);
  float *target = calloc(simba_model_elements(model, SIMBA_TARGET, 0, BATCH), sizeof *target);
  const float *inputs[] = {input}, *targets[] = {target};
  int64_t before = resident_bytes(), planned = planned_bytes(trainer->train, BATCH);
  for (int k = 0; k < TRAINING_STEPS; k++) {
    ck_assert_int_eq(simba_trainer_step(trainer, BATCH, inputs, targets, NULL, NULL), SIMBA_OK);
    ck_assert_int_le(resident_bytes() - before, planned + ALLOWANCE);
  }
  ck_assert_int_gt(planned, 4 * ALLOWANCE); /* else this says nothing */
  free(input);
  free(target);
  simba_trainer_destroy(trainer);
  simba_model_destroy(model);
}
END_TEST

static void add_process_test(TCase *plans) { tcase_add_test(plans, process_grows_by_the_plan); }
#else
static void add_process_test(TCase *plans) { (void)plans; }
#endif

int main(void) {
  codegen_library(); /* loaded once, before the tests fork */
  Suite *suite = suite_create("memory_touched");
  TCase *plans = tcase_create("plans");
  tcase_set_timeout(plans, 300);
  tcase_add_loop_test(plans, plan_is_touched, 0, CASES);
  add_process_test(plans);
  suite_add_tcase(suite, plans);
  return suite_run(suite);
}
