/* Entry points, objects, loading and targets: whole programs over every kind of buffer. */
#include "tests/kernel_bench.h"
#include "tests/suite_run.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROW = 19, IMAGES = 50 };

/* A kernel y = x * a + b over [B, ROW] or [ROW], a and b of `ROW` elements. */
static Kernel *affine_kernel(Arena *arena, bool batch) {
  Kernel *kernel = kernel_begin(arena, LOWER_MAP);
  if (batch) kernel_add_axis(kernel, AXIS_PARALLEL, dim_symbol(1, 1));
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_constant(ROW));
  uint32_t last = kernel->axis_count - 1, operand[3];
  for (int k = 0; k < 3; k++) {
    Access access = kernel_add_slot(kernel, true);
    access.stride[last] = dim_constant(1);
    if (batch && k == 0) access.stride[0] = dim_constant(ROW);
    operand[k] = kernel_add_load(kernel, access);
  }
  uint32_t product = kernel_add_op(kernel, OP_MULTIPLY, operand[0], operand[1], 0);
  Access result = kernel_add_slot(kernel, false);
  result.stride[last] = dim_constant(1);
  if (batch) result.stride[0] = dim_constant(ROW);
  kernel_add_store(kernel, kernel_add_op(kernel, OP_ADD, product, operand[2], 0), result);
  ck_assert_ptr_null(kernel_verify(kernel, arena));
  return kernel;
}

enum { INPUT, PARAMETER, STATE, PREPARED, FIXED, GROWING, OUTPUT, BUFFERS };

/* prepare: PREPARED = PARAMETER * PARAMETER + PARAMETER. run: FIXED = STATE * PREPARED + STATE,
 * GROWING = INPUT * FIXED + PREPARED, OUTPUT = GROWING * FIXED + STATE. */
static Program *whole_program(Arena *arena) {
  Program *program = ARENA_NEW(arena, Program);
  program->arena = arena;
  program->kernel_count = 2;
  program->kernel = ARENA_ARRAY(arena, Kernel *, 2);
  program->kernel[0] = affine_kernel(arena, false);
  program->kernel[1] = affine_kernel(arena, true);
  program->buffer_count = BUFFERS;
  program->buffer = ARENA_ARRAY(arena, Buffer, BUFFERS);
  Dim row = dim_constant(ROW), rows = dim_symbol(ROW, 1);
  program->buffer[INPUT] = (Buffer){.kind = BUFFER_INPUT, .count = rows};
  program->buffer[PARAMETER] = (Buffer){.kind = BUFFER_PARAMETER, .index = 1, .count = row};
  program->buffer[STATE] = (Buffer){.kind = BUFFER_STATE, .count = row};
  program->buffer[PREPARED] = (Buffer){.kind = BUFFER_PREPARED, .count = row, .offset = dim_constant(64)};
  program->buffer[FIXED] = (Buffer){.kind = BUFFER_ARENA, .count = row, .offset = dim_constant(128)};
  program->buffer[GROWING] = (Buffer){.kind = BUFFER_ARENA, .count = rows, .offset = dim_symbol(0, 1)};
  program->buffer[OUTPUT] = (Buffer){.kind = BUFFER_OUTPUT, .count = rows};
  static BufferId prepare[] = {PARAMETER, PARAMETER, PARAMETER, PREPARED}, first[] = {STATE, PREPARED, STATE, FIXED};
  static BufferId second[] = {INPUT, FIXED, PREPARED, GROWING}, third[] = {GROWING, FIXED, STATE, OUTPUT};
  program->prepare_count = 1;
  program->prepare = ARENA_ARRAY(arena, Launch, 1);
  program->prepare[0] = (Launch){.kernel = 0, .argument = prepare};
  program->launch_count = 3;
  program->launch = ARENA_ARRAY(arena, Launch, 3);
  program->launch[0] = (Launch){.kernel = 0, .argument = first};
  program->launch[1] = (Launch){.kernel = 1, .argument = second};
  program->launch[2] = (Launch){.kernel = 1, .argument = third};
  program->arena_bytes = (Linear){256, {128}};
  program->prepared_bytes = (Linear){192, {0}};
  return program;
}

static CodegenObjects compile_or_fail(const Program *program, const CodegenOptions *options, Arena *arena) {
  CodegenObjects objects;
  const char *message = "";
  if (codegen_library()->compile(program, "net", options, arena, &objects, &message) != CODEGEN_OK)
    ck_abort_msg("%s", message);
  return objects;
}

typedef struct CountingExecutor {
  simba_executor base;
  int32_t launches, wrong;
} CountingExecutor;

static void count_launch(simba_executor *self, simba_kernel *kernel, const simba_call *call, void *const *arguments,
                         char *scratch, size_t scratch_bytes, int64_t items, int32_t launch) {
  CountingExecutor *executor = (CountingExecutor *)self;
  (void)scratch_bytes;
  if (launch != executor->launches || scratch != call->scratch) executor->wrong++;
  executor->launches++;
  for (int64_t item = items; item-- > 0;) kernel(call, arguments, scratch, item, item + 1);
}

typedef struct Memory {
  float input[4 * ROW], output[4 * ROW], parameter[ROW], state[ROW];
  _Alignas(64) char prepared[192], arena[1024], scratch[64];
} Memory;

static void run_program(simba_entry *prepare, simba_entry *run, Memory *memory, int64_t batch, bool executed) {
  CountingExecutor executor = {.base = {.workers = 1, .run = count_launch}};
  const float *input[] = {memory->input}, *parameter[] = {NULL, memory->parameter}, *state[] = {memory->state};
  float *output[] = {memory->output};
  simba_call call = {.symbol = {batch},
                     .input = input,
                     .output = output,
                     .parameter = parameter,
                     .state = state,
                     .prepared = memory->prepared,
                     .arena = memory->arena,
                     .scratch = memory->scratch,
                     .executor = executed ? &executor.base : NULL};
  ck_assert_int_eq(prepare(&call), 0);
  if (executed) ck_assert_int_eq(executor.launches, 1);
  executor.launches = 0;
  ck_assert_int_eq(run(&call), 0);
  if (executed) ck_assert_int_eq(executor.launches, 3);
  ck_assert_int_eq(executor.wrong, 0);
}

static void fill(float *values, int count, int seed) {
  for (int k = 0; k < count; k++) values[k] = (float)((k * 7 + seed) % 13) * 0.125f;
}

static Memory *new_memory(void) {
  Memory *memory = aligned_alloc(64, (sizeof(Memory) + 63) / 64 * 64);
  ck_assert_ptr_nonnull(memory);
  memset(memory, 0, sizeof *memory);
  fill(memory->input, 4 * ROW, 1);
  fill(memory->parameter, ROW, 2);
  fill(memory->state, ROW, 3);
  return memory;
}

static void check_program(const Memory *memory, int64_t batch) {
  for (int64_t k = 0; k < batch * ROW; k++) {
    int64_t c = k % ROW;
    double parameter = (double)memory->parameter[c], state = (double)memory->state[c];
    double prepared = parameter * parameter + parameter, fixed = state * prepared + state;
    double expected = ((double)memory->input[k] * fixed + prepared) * fixed + state;
    ck_assert_double_eq_tol((double)memory->output[k], expected, 1e-5 * (1 + fabs(expected)));
  }
  for (int64_t k = batch * ROW; k < 4 * ROW; k++) ck_assert(memory->output[k] == 0);
}

START_TEST(all_kinds_of_buffers) {
  Arena *arena = arena_create();
  CodegenOptions options = {.threads = 1 + _i};
  CodegenObjects objects = compile_or_fail(whole_program(arena), &options, arena);
  ck_assert_uint_eq(objects.count, 3); /* the entry points, and one a kernel, however many threads there are */
  ck_assert_uint_eq(objects.times.kernels, 2);
  CodegenImage *image;
  simba_entry *prepare, *run;
  const char *message = "";
  if (codegen_library()->load(&objects, "net", arena, &image, &prepare, &run, &message)) ck_abort_msg("%s", message);
  for (int64_t batch = 1; batch <= 3; batch++) {
    for (int executed = 0; executed < 2; executed++) {
      Memory *memory = new_memory();
      run_program(prepare, run, memory, batch, executed);
      check_program(memory, batch);
      free(memory);
    }
  }
  codegen_library()->unload(image);
  arena_destroy(arena);
}
END_TEST

/* Images live side by side and are dropped in another order than they came in. */
START_TEST(many_images) {
  Arena *arena = arena_create();
  CodegenOptions options = {.threads = 2};
  CodegenObjects objects = compile_or_fail(whole_program(arena), &options, arena);
  CodegenImage *image[IMAGES];
  simba_entry *prepare[IMAGES], *run[IMAGES];
  const char *message = "";
  for (int k = 0; k < IMAGES; k++)
    if (codegen_library()->load(&objects, "net", arena, &image[k], &prepare[k], &run[k], &message))
      ck_abort_msg("%s", message);
  Memory *memory = new_memory();
  for (int k = 0; k < IMAGES; k += 2) codegen_library()->unload(image[k]);
  for (int k = 1; k < IMAGES; k += 2) {
    memset(memory->output, 0, sizeof memory->output);
    run_program(prepare[k], run[k], memory, 2, false);
    check_program(memory, 2);
    codegen_library()->unload(image[k]);
  }
  free(memory);
  arena_destroy(arena);
}
END_TEST

/* Names that a linker would export from an object: global and neither hidden nor internal. */
static void collect_exported(const CodegenBlob *object, Text *out) {
  const char *start = object->bytes;
  const Elf64_Ehdr *header = object->bytes;
  const Elf64_Shdr *section = (const Elf64_Shdr *)(const void *)(start + header->e_shoff);
  for (int s = 0; s < header->e_shnum; s++) {
    if (section[s].sh_type != SHT_SYMTAB) continue;
    const Elf64_Sym *symbol = (const Elf64_Sym *)(const void *)(start + section[s].sh_offset);
    for (size_t k = 1; k < section[s].sh_size / sizeof *symbol; k++)
      if (symbol[k].st_shndx != SHN_UNDEF && ELF64_ST_BIND(symbol[k].st_info) == STB_GLOBAL &&
          ELF64_ST_VISIBILITY(symbol[k].st_other) == STV_DEFAULT)
        text_print(out, "%s ", start + section[section[s].sh_link].sh_offset + symbol[k].st_name);
  }
}

START_TEST(only_the_entry_points_are_exported) {
  Arena *arena = arena_create();
  CodegenOptions options = {.triple = "x86_64-linux-gnu", .threads = 2};
  CodegenObjects objects = compile_or_fail(whole_program(arena), &options, arena);
  Text exported = text_begin(arena);
  for (uint32_t k = 0; k < objects.count; k++) collect_exported(&objects.object[k], &exported);
  ck_assert_str_eq(exported.data, "net_prepare net_run ");
  arena_destroy(arena);
}
END_TEST

START_TEST(a_missing_symbol_is_named) {
  Arena *arena = arena_create();
  CodegenOptions options = {.threads = 2};
  CodegenObjects objects = compile_or_fail(whole_program(arena), &options, arena);
  CodegenImage *image;
  simba_entry *prepare, *run;
  const char *message = "";
  objects.count = 1;
  ck_assert_int_eq(codegen_library()->load(&objects, "net", arena, &image, &prepare, &run, &message), CODEGEN_BUG);
  ck_assert_ptr_nonnull(strstr(message, "net_kernel_"));
  arena_destroy(arena);
}
END_TEST

static const struct {
  CodegenOptions options;
  const char *message;
} MISTAKES[] = {
    {{.triple = "x86_64-linux-gnuu"}, "unknown target 'x86_64-linux-gnuu': did you mean 'x86_64-linux-gnu'?"},
    {{.triple = "x86_64-linux-gnu", .cpu = "znver6"}, "unknown CPU 'znver6' for x86_64-linux-gnu: did you mean 'znver"},
    {{.triple = "wasm32", .cpu = "native"}, "unknown CPU 'native' for wasm32"},
    {{.triple = "x86_64-linux-gnu", .library_kernels = true}, "OpenBLAS and FFTW serve code for this machine only"},
    {{.lanes = 5}, "a vector of 5 f32: 4, 8 and 16 are possible"},
};

START_TEST(mistakes_in_options) {
  Arena *arena = arena_create();
  CodegenObjects objects;
  const char *message = "";
  CodegenStatus status =
      codegen_library()->compile(whole_program(arena), "net", &MISTAKES[_i].options, arena, &objects, &message);
  ck_assert_int_eq(status, CODEGEN_USER_ERROR);
  ck_assert_msg(!strncmp(message, MISTAKES[_i].message, strlen(MISTAKES[_i].message)), "%s", message);
  arena_destroy(arena);
}
END_TEST

/* A kernel that does not keep kernel.h's promises is our bug and comes back as one, from any thread. */
START_TEST(bugs_come_back_as_a_status) {
  Arena *arena = arena_create();
  Program *program = whole_program(arena);
  program->kernel[1]->expr[3].kind = EXPR_PRODUCT;
  CodegenOptions options = {.threads = 2};
  CodegenObjects objects;
  const char *message = "";
  ck_assert_int_eq(codegen_library()->compile(program, "net", &options, arena, &objects, &message), CODEGEN_BUG);
  ck_assert_ptr_nonnull(strstr(message, "expression 3"));
  arena_destroy(arena);
}
END_TEST

static const CodegenOptions TARGETS[] = {
    {.triple = "x86_64-linux-gnu"},
    {.triple = "x86_64-linux-gnu", .cpu = "x86-64-v3"},
    {.triple = "x86_64-linux-gnu", .cpu = "x86-64-v4"},
    {.triple = "x86_64-linux-gnu", .cpu = "znver5"},
    {.triple = "aarch64-linux-gnu"},
    {.triple = "aarch64-linux-gnu", .cpu = "neoverse-v1"},
    {.triple = "arm64-apple-macosx", .cpu = "apple-m1"},
    {.triple = "wasm32"},
    {.triple = "riscv64-linux-gnu"},
};

START_TEST(every_target_is_encoded) {
  Arena *arena = arena_create();
  CodegenOptions options = TARGETS[_i];
  options.verify = true;
  CodegenObjects objects = compile_or_fail(whole_program(arena), &options, arena);
  ck_assert_str_eq(objects.triple, options.triple);
  for (uint32_t k = 0; k < objects.count; k++) ck_assert_uint_gt(objects.object[k].size, 100);
  arena_destroy(arena);
}
END_TEST

START_TEST(text_of_the_code) {
  Arena *arena = arena_create();
  CodegenOptions options = {.triple = "x86_64-linux-gnu", .cpu = "x86-64-v4"};
  Program *program = whole_program(arena);
  const char *message = "";
  Text llvm = text_begin(arena), assembly = text_begin(arena);
  ck_assert_int_eq(codegen_library()->text(program, "net", &options, CODEGEN_LLVM, &llvm, &message), CODEGEN_OK);
  ck_assert_ptr_nonnull(strstr(llvm.data, "define hidden void @net_kernel_0("));
  ck_assert_ptr_nonnull(strstr(llvm.data, "<16 x float>"));
  ck_assert_int_eq(codegen_library()->text(program, "net", &options, CODEGEN_ASSEMBLY, &assembly, &message),
                   CODEGEN_OK);
  ck_assert_ptr_nonnull(strstr(assembly.data, "net_run:"));
  ck_assert_ptr_nonnull(strstr(assembly.data, "%zmm"));
  ck_assert_ptr_nonnull(strstr(assembly.data, "{%k")); /* a row ends in a masked store */
  arena_destroy(arena);
}
END_TEST

START_TEST(the_host_is_described) {
  Arena *arena = arena_create();
  Text text = text_begin(arena);
  codegen_library()->describe_host(&text);
  ck_assert_msg(!strncmp(text.data, "host: ", 6), "%s", text.data);
  ck_assert_ptr_nonnull(strstr(text.data, "\nx86_64: x86-64 x86-64-v2"));
  arena_destroy(arena);
}
END_TEST

int main(void) {
  codegen_library(); /* loaded once, before the tests fork */
  Suite *suite = suite_create("codegen_entry");
  TCase *cases = tcase_create("entry");
  tcase_set_timeout(cases, 300);
  tcase_add_loop_test(cases, all_kinds_of_buffers, 0, 2);
  tcase_add_test(cases, many_images);
  tcase_add_test(cases, only_the_entry_points_are_exported);
  tcase_add_test(cases, a_missing_symbol_is_named);
  tcase_add_loop_test(cases, mistakes_in_options, 0, (int)(sizeof MISTAKES / sizeof *MISTAKES));
  tcase_add_test(cases, bugs_come_back_as_a_status);
  tcase_add_loop_test(cases, every_target_is_encoded, 0, (int)(sizeof TARGETS / sizeof *TARGETS));
  tcase_add_test(cases, text_of_the_code);
  tcase_add_test(cases, the_host_is_described);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
