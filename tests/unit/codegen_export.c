/* An exported model as its user has it: object and header on disk, linked into a shared and a static library, called
 * from C, and the same bits as the JIT gives. */
#include "frontend/driver/link.h"
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "tests/codegen_library.h"
#include "tests/random_values.h"
#include "tests/suite_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { IN = 12, OUT = 8, BATCH = 37, ALIGNMENT = 64 };

typedef struct Net {
  Arena *arena;
  char folder[64];
  const Program *program;
  simba_entry *prepare, *run;
  CodegenImage *image;
  size_t scratch_bytes;
  float **parameter;
  void *prepared;
} Net;

static void *aligned_block(Arena *arena, int64_t bytes) {
  char *memory = arena_allocate(arena, (size_t)bytes + ALIGNMENT);
  return memory + (ALIGNMENT - (uintptr_t)memory % ALIGNMENT) % ALIGNMENT;
}

static float *random_floats(Arena *arena, uint64_t seed, int64_t count) {
  Random random = {seed};
  const double *values = random_values(&random, arena, count, -1, 1);
  float *data = ARENA_ARRAY(arena, float, count + 1);
  for (int64_t k = 0; k < count; k++) data[k] = (float)values[k];
  return data;
}

/* hidden = tanh(x W + b) * softplus(exp(scale)), total = sum of hidden. exp(scale) is prepared. */
static const Program *make_program(Arena *arena) {
  Graph *graph = graph_create(arena, "net");
  Dim batch = dim_symbol(1, graph_symbol(graph, "B"));
  Shape in = {2, {batch, dim_constant(IN)}}, weights = {2, {dim_constant(IN), dim_constant(OUT)}};
  Shape row = {1, {dim_constant(OUT)}}, out = {2, {batch, dim_constant(OUT)}};
  const int64_t last[] = {1};
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &in), w = graph_leaf(graph, OP_PARAMETER, "layer.weight", &weights);
  NodeId b = graph_leaf(graph, OP_PARAMETER, "layer.bias", &row), s = graph_leaf(graph, OP_PARAMETER, "scale", &row);
  NodeId sum =
      graph_binary(graph, OP_ADD, graph_contract(graph, x, w, "bi,io->bo"), graph_broadcast(graph, b, &out, last));
  NodeId scale = graph_unary(graph, OP_SOFTPLUS, graph_unary(graph, OP_EXP, s));
  NodeId hidden =
      graph_binary(graph, OP_MULTIPLY, graph_unary(graph, OP_TANH, sum), graph_broadcast(graph, scale, &out, last));
  graph_add_output(graph, OUTPUT_VALUE, "hidden", hidden, NODE_NONE);
  graph_add_output(graph, OUTPUT_VALUE, "total", graph_reduce(graph, OP_REDUCE_SUM, hidden, last, 1), NODE_NONE);
  PipelineOptions options = {.verify = true};
  return program_build(pipeline_run(graph, arena, &options, NULL), arena, NULL);
}

static void load_code(Net *net) {
  const CodegenApi *api = codegen_library();
  CodegenOptions options = {.verify = true};
  CodegenObjects objects;
  const char *message = "";
  if (api->compile(net->program, "net", &options, net->arena, &objects, &message)) ck_abort_msg("%s", message);
  if (api->load(&objects, "net", net->arena, &net->image, &net->prepare, &net->run, &message))
    ck_abort_msg("%s", message);
  net->scratch_bytes = objects.scratch_bytes;
}

static void prepare_weights(Net *net) {
  const Program *p = net->program;
  const int64_t one[SYMBOL_MAX] = {1, 1, 1, 1};
  net->parameter = ARENA_ARRAY(net->arena, float *, p->parameter_count + 1);
  for (uint32_t k = 0; k < p->parameter_count; k++)
    net->parameter[k] = random_floats(net->arena, 11 + k, shape_value_count(&p->parameter[k].shape, one));
  net->prepared = aligned_block(net->arena, linear_value(&p->prepared_bytes, one));
  simba_call call = {.symbol = {1, 1, 1, 1},
                     .parameter = (const float *const *)net->parameter,
                     .prepared = net->prepared,
                     .arena = aligned_block(net->arena, linear_value(&p->arena_bytes, one)),
                     .scratch = aligned_block(net->arena, (int64_t)net->scratch_bytes)};
  ck_assert_int_eq(net->prepare(&call), 0);
}

static Net *net_create(void) {
  Arena *arena = arena_create();
  Net *net = ARENA_NEW(arena, Net);
  net->arena = arena;
  strcpy(net->folder, "/tmp/simbac-export-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(net->folder));
  net->program = make_program(arena);
  ck_assert_uint_gt(net->program->prepare_count, 0);
  load_code(net);
  prepare_weights(net);
  return net;
}

static void net_destroy(Net *net) {
  codegen_library()->unload(net->image);
  ck_assert_int_eq(system(arena_format(net->arena, "rm -r '%s'", net->folder)), 0);
  arena_destroy(net->arena);
}

static const char *path_of(Net *net, const char *name) { return arena_format(net->arena, "%s/%s", net->folder, name); }

static void write_file(Net *net, const char *name, const void *bytes, size_t size, const char *mode) {
  FILE *file = fopen(path_of(net, name), mode);
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
  ck_assert_int_eq(fclose(file), 0);
}

/* net.o and net.h in the folder. */
static void export_net(Net *net, bool embed, const CodegenOptions *options) {
  CodegenExport spec = {.model = "net", .version = "1.2", .source_hash = "0123abcd"};
  if (embed) {
    spec.parameter = (const float *const *)net->parameter;
    spec.prepared = net->prepared;
  }
  CodegenObjects objects;
  const char *header = NULL, *message = "";
  if (codegen_library()->export_model(net->program, &spec, options, net->arena, &objects, &header, &message))
    ck_abort_msg("%s", message);
  ck_assert_uint_eq(objects.count, 1);
  write_file(net, "net.o", objects.object[0].bytes, objects.object[0].size, "wb");
  write_file(net, "net.h", header, strlen(header), "w");
}

static void run_command(Net *net, const char *command) {
  const char *in_folder = arena_format(net->arena, "cd '%s' && %s", net->folder, command);
  if (system(in_folder) != 0) ck_abort_msg("failed: %s", command);
}

static char *command_output(Net *net, const char *command) {
  FILE *pipe = popen(arena_format(net->arena, "cd '%s' && %s", net->folder, command), "r");
  ck_assert_ptr_nonnull(pipe);
  char *text = arena_allocate(net->arena, 1 << 16);
  size_t length = fread(text, 1, (1 << 16) - 1, pipe);
  text[length] = '\0';
  ck_assert_int_eq(pclose(pipe), 0);
  return text;
}

/* What the JIT gives: hidden, then total. */
static float *expected_outputs(Net *net, const float *x) {
  const int64_t symbols[SYMBOL_MAX] = {BATCH};
  float *result = ARENA_ARRAY(net->arena, float, BATCH *(OUT + 1));
  float *output[] = {result, result + BATCH * OUT};
  simba_call call = {.symbol = {BATCH},
                     .input = &x,
                     .output = output,
                     .parameter = (const float *const *)net->parameter,
                     .prepared = net->prepared,
                     .arena = aligned_block(net->arena, linear_value(&net->program->arena_bytes, symbols)),
                     .scratch = aligned_block(net->arena, (int64_t)net->scratch_bytes)};
  ck_assert_int_eq(net->run(&call), 0);
  return result;
}

static void write_inputs(Net *net, const float *x) {
  const int64_t one[SYMBOL_MAX] = {1, 1, 1, 1};
  write_file(net, "in", x, BATCH * IN * sizeof *x, "wb");
  for (uint32_t k = 0; k < net->program->parameter_count; k++)
    write_file(net, "in", net->parameter[k],
               (size_t)shape_value_count(&net->program->parameter[k].shape, one) * sizeof(float), "ab");
}

/* Compiles the client with the library, runs it, compares. */
static void check_client(Net *net, bool embed, const char *library) {
  float *x = random_floats(net->arena, 5, BATCH * IN);
  write_inputs(net, x);
  run_command(net, arena_format(net->arena,
                                "cc -std=c11 -Wall -Wextra -Wpedantic -Werror %s -I. '%s/support/export_client.c' %s "
                                "-o client -lpthread -Wl,-rpath,.",
                                embed ? "" : "-DEXTERNAL_WEIGHTS", TESTS_FOLDER, library));
  run_command(net, arena_format(net->arena, "./client %d in out", BATCH));
  FILE *file = fopen(path_of(net, "out"), "rb");
  ck_assert_ptr_nonnull(file);
  float found[BATCH * (OUT + 1)];
  ck_assert_uint_eq(fread(found, sizeof *found, BATCH * (OUT + 1), file), BATCH * (OUT + 1));
  fclose(file);
  ck_assert_mem_eq(found, expected_outputs(net, x), sizeof found);
}

/* With embedded weights and without; as a shared library and as a static one. */
START_TEST(same_bits_as_the_jit) {
  bool embed = _i % 2;
  Net *net = net_create();
  CodegenOptions options = {.verify = true};
  export_net(net, embed, &options);
  const char *message = "";
  if (_i < 2) {
    if (!export_link_shared(path_of(net, "net.o"), path_of(net, "libnet.so"), NULL, net->arena, &message))
      ck_abort_msg("%s", message);
    check_client(net, embed, "-L. -lnet");
  } else {
    if (!export_archive(path_of(net, "net.o"), path_of(net, "libnet.a"), NULL, net->arena, &message))
      ck_abort_msg("%s", message);
    check_client(net, embed, "libnet.a");
  }
  net_destroy(net);
}
END_TEST

/* Nothing but the public functions is global, and nothing is wanted but libc and libm. */
START_TEST(symbols_and_libraries) {
  static const char *const PUBLIC =
      "net_abi_version\nnet_arena_bytes\nnet_arena_bytes_threads\nnet_infer\nnet_infer_threads\nnet_inputs\n"
      "net_outputs\nnet_parameters\nnet_source_hash\nnet_states\nnet_version\n";
  Net *net = net_create();
  CodegenOptions options = {.verify = true};
  export_net(net, true, &options);
  ck_assert_str_eq(command_output(net, "nm -g --defined-only net.o | awk '{print $3}' | LC_ALL=C sort"), PUBLIC);
  const char *message = "";
  ck_assert(export_link_shared(path_of(net, "net.o"), path_of(net, "libnet.so"), NULL, net->arena, &message));
  ck_assert_str_eq(command_output(net, "nm -D --defined-only libnet.so | awk '{print $3}' | LC_ALL=C sort"), PUBLIC);
  const char *others = "ldd libnet.so | grep -vE 'linux-vdso|libc\\.so|libm\\.so|ld-linux|statically' | cat";
  ck_assert_str_eq(command_output(net, others), "");
  net_destroy(net);
}
END_TEST

START_TEST(header_is_c_and_cpp) {
  Net *net = net_create();
  CodegenOptions options = {.verify = true};
  export_net(net, _i, &options);
  run_command(net, "cc -x c -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only net.h");
  if (!system("c++ --version >/dev/null 2>&1"))
    run_command(net, "c++ -x c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only net.h");
  net_destroy(net);
}
END_TEST

/* Objects of other machines are made with the same functions. */
START_TEST(other_targets) {
  static const char *const TRIPLES[] = {"aarch64-linux-gnu", "wasm32", "riscv64-linux-gnu", "x86_64-linux-gnu"};
  Net *net = net_create();
  CodegenOptions options = {.verify = true, .triple = TRIPLES[_i]};
  export_net(net, true, &options);
  net_destroy(net);
}
END_TEST

START_TEST(mistakes) {
  Net *net = net_create();
  CodegenOptions options = {.verify = true};
  export_net(net, true, &options);
  const char *object = path_of(net, "net.o"), *library = path_of(net, "libnet.so"), *message = "";
  ck_assert(!export_link_shared(object, library, "no-such-compiler", net->arena, &message));
  ck_assert_ptr_nonnull(strstr(message, "'no-such-compiler', which is not installed"));
  ck_assert(!export_link_shared(path_of(net, "none.o"), library, NULL, net->arena, &message));
  ck_assert_ptr_nonnull(strstr(message, "none.o"));
  ck_assert_int_ne(access(library, F_OK), 0);
  ck_assert(!export_archive(path_of(net, "none.o"), library, NULL, net->arena, &message));
  options.cpu = "zn ver3";
  CodegenExport spec = {.model = "net"};
  CodegenObjects objects;
  const char *header;
  ck_assert_int_eq(
      codegen_library()->export_model(net->program, &spec, &options, net->arena, &objects, &header, &message),
      CODEGEN_USER_ERROR);
  ck_assert_ptr_nonnull(strstr(message, "znver3"));
  net_destroy(net);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("codegen_export");
  TCase *tests = tcase_create("export");
  tcase_set_timeout(tests, 300);
  tcase_add_loop_test(tests, same_bits_as_the_jit, 0, 4);
  tcase_add_test(tests, symbols_and_libraries);
  tcase_add_loop_test(tests, header_is_c_and_cpp, 0, 2);
  tcase_add_loop_test(tests, other_targets, 0, 4);
  tcase_add_test(tests, mistakes);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
