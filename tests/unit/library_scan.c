/* Scans of the library that come in pieces, and what long ones take of memory. */
#include "frontend/frontend.h"
#include "passes/autodiff.h"
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "runtime/simba.h"
#include "tests/program_code.h"
#include "tests/suite_run.h"

#include <stdio.h>

static const int64_t MEGABYTE = 1 << 20;

/* --- a sequence that comes in pieces ------------------------------------------------------------------------- */

enum { STEPS = 11, WIDTH = 12, INNER = 2 * WIDTH, STATES = 5, WINDOW = 3, BATCH = 2 };

static const char CARRIED[] =
    "model carried(T = 11) {\n  input x: f32[B, T, M = 12]\n  input window: f32[B, W = 3, E = 24]\n"
    "  input state: f32[B, E, N = 5]\n  let (y, window, state) = mamba_carried(x, window, state) @ mamba\n"
    "  output y: [B, T, M] = y\n  output window_after: [B, W, E] = window\n  output state_after: [B, E, N] = "
    "state\n}\n";

static simba_model *compile(const char *steps, int threads) {
  const simba_setting setting = {"T", steps};
  simba_options options = {
      .size = sizeof options, .settings = &setting, .setting_count = 1, .threads = threads, .seed = 3};
  simba_model *model = NULL;
  simba_error error = {0};
  simba_status status =
      simba_model_compile_text(CARRIED, sizeof CARRIED - 1, "carried.simba", &options, &model, &error);
  ck_assert_msg(status == SIMBA_OK, "%s", error.message);
  return model;
}

typedef struct Carried {
  float window[BATCH * WINDOW * INNER], state[BATCH * INNER * STATES];
} Carried;

static void run_piece(simba_model *model, const float *x, float *y, Carried *carried) {
  Carried after;
  const float *input[] = {x, carried->window, carried->state};
  float *output[] = {y, after.window, after.state};
  ck_assert_int_eq(simba_model_infer(model, BATCH, input, output), SIMBA_OK);
  *carried = after;
}

/* One token at a time has the bits of the whole, for any number of threads. */
START_TEST(steps_are_the_whole) {
  float x[BATCH * STEPS * WIDTH], whole[BATCH * STEPS * WIDTH], y[BATCH * WIDTH], piece[BATCH * WIDTH];
  Random random = {5};
  for (size_t k = 0; k < sizeof x / sizeof *x; k++) x[k] = (float)random_between(&random, -1, 1);
  Carried all = {{0}, {0}}, one = {{0}, {0}};
  simba_model *model = compile("11", 1), *single = compile("1", _i);
  run_piece(model, x, whole, &all);
  for (int t = 0; t < STEPS; t++) {
    for (int b = 0; b < BATCH; b++) memcpy(piece + b * WIDTH, x + (b * STEPS + t) * WIDTH, WIDTH * sizeof(float));
    run_piece(single, piece, y, &one);
    for (int b = 0; b < BATCH; b++)
      ck_assert_mem_eq(y + b * WIDTH, whole + (b * STEPS + t) * WIDTH, WIDTH * sizeof(float));
  }
  ck_assert_mem_eq(&one, &all, sizeof all);
  simba_model_destroy(model);
  simba_model_destroy(single);
}
END_TEST

/* --- graphs -------------------------------------------------------------------------------------------------- */

static const Graph *gradients_of(const char *text, bool differentiate, Arena *arena) {
  Diagnostics *diagnostics = diagnostics_create(arena);
  FrontendFile *file = frontend_parse(arena, diagnostics, "test.simba", text, strlen(text));
  Model *model = file ? frontend_elaborate(file, arena, diagnostics, &(FrontendOptions){.training = true}) : NULL;
  Text report = text_begin(arena);
  diagnostics_render(diagnostics, DIAGNOSTIC_HUMAN, false, &report);
  ck_assert_msg(model != NULL, "%.3000s", report.data);
  const char *output[] = {"y"};
  const DifferentiateSpec spec = {.cotangent = output, .cotangent_count = 1, .parameters = true, .inputs = true};
  return differentiate ? graph_differentiate(model->graph, arena, &spec) : model->graph;
}

static const Program *build(const Graph *graph, Arena *arena) {
  PipelineOptions options = {.verify = true};
  return program_build(pipeline_run(graph, arena, &options, NULL), arena, NULL);
}

#define SELECTIVE(scan)                                                                                         \
  "model m(T = 12, E = 20, N = 3) {\n dim K = 3\n dim S = 4\n input dt: f32[B, T, E]\n input u: f32[B, T, E]\n" \
  " input b: f32[B, T, N]\n param A: [E, N]\n let dt = reshape(softplus(dt), T = K*S)\n"                        \
  " let u = reshape(u, T = K*S)\n let b = reshape(b, T = K*S)\n let decay = exp(-dt * exp(A))\n"                \
  " let input = dt * b * u\n let h = " scan "\n output y: [B, T, E] = sum(h ^ 2, over = N)\n}\n"

/* In pieces that run beside one another: the values and gradients of the whole. */
START_TEST(chunks_are_the_whole) {
  static const char chunked[] = SELECTIVE("reshape(chunked_scan(decay, input, pieces = K, over = S), K*S = T)");
  static const char whole[] =
      SELECTIVE("scan(decay = reshape(decay, K*S = T), input = reshape(input, K*S = T), over = T)");
  Arena *arena = arena_create();
  const Graph *graph = gradients_of(chunked, true, arena), *expected = gradients_of(whole, true, arena);
  int64_t symbols[SYMBOL_MAX] = {2};
  const Value *a = reference_values(graph, symbols, arena), *b = reference_values(expected, symbols, arena);
  const Program *program = build(graph, arena);
  ck_assert_double_le(program_error(graph, program, symbols, arena), 1e-9);
  Code code = code_create(program, &(CodegenOptions){.verify = true}, arena);
  float **found = code_run(&code, symbols, 2, arena);
  for (uint32_t k = 0; k < graph->output_count; k++) {
    const Output *output = graph_find_output(expected, graph->output[k].kind, graph->output[k].name);
    const Value *value = &a[graph->output[k].node], *other = &b[output->node];
    double largest = 1;
    for (int64_t i = 0; i < value_count(value); i++) largest = fmax(largest, fabs(other->data[i]));
    for (int64_t i = 0; i < value_count(value); i++) {
      ck_assert_double_le(fabs(value->data[i] - other->data[i]), 1e-12 * largest);
      ck_assert_double_le(fabs((double)found[k][i] - other->data[i]), 1e-6 * largest);
    }
  }
  code_destroy(&code);
  arena_destroy(arena);
}
END_TEST

/* The adjoint of a long complex scan, whose decay depends on time, starts from checkpoints of both parts. */
START_TEST(complex_scans_resume) {
  static const char text[] =
      "model m(T = 601, E = 3, N = 16) {\n input a: complex[B, T, E]\n input u: f32[B, T, E]\n param w: [N]\n"
      " input first: complex[B, E, N]\n"
      " let h = scan(decay = 0.6 * a, input = u * w, over = T, initial = first)\n"
      " output y: [B, T, E] = tanh(sum(real(h) * w - imag(h) ^ 2, over = N))\n}\n";
  Arena *arena = arena_create();
  const Graph *graph = gradients_of(text, true, arena);
  const Program *program = build(graph, arena);
  uint32_t resumed = 0;
  for (NodeId id = 1; id <= program->graph->node_count; id++) resumed += graph_op(program->graph, id) == OP_RESCAN_PART;
  ck_assert_uint_eq(resumed, 2);
  int64_t symbols[SYMBOL_MAX] = {2};
  ck_assert_double_le(program_error(graph, program, symbols, arena), 1e-9);
  const Value *expected = reference_values(graph, symbols, arena);
  Code code = code_create(program, &(CodegenOptions){.verify = true}, arena);
  float **found = code_run(&code, symbols, 2, arena);
  for (uint32_t k = 0; k < graph->output_count; k++) {
    const Value *value = &expected[graph->output[k].node];
    double largest = 1;
    for (int64_t i = 0; i < value_count(value); i++) largest = fmax(largest, fabs(value->data[i]));
    for (int64_t i = 0; i < value_count(value); i++)
      ck_assert_double_le(fabs((double)found[k][i] - value->data[i]), 1e-4 * largest);
  }
  code_destroy(&code);
  arena_destroy(arena);
}
END_TEST

/* A long scan beside its inputs, outputs and gradients: next to nothing forward; backward checkpoints, and sums over
 * the channels by tiles of them. */
START_TEST(long_scans_are_small) {
  static const char text[] =
      "model m(L = 65536, D = 256, N = 16) {\n input u: f32[B, L, D]\n input dt: f32[B, L, D]\n input b: f32[B, L, N]\n"
      " input c: f32[B, L, N]\n input A: f32[D, N]\n"
      " let h = scan(decay = exp(dt * A), input = dt * b * u, over = L)\n output y: [B, L, D] = dot(h, c, over = "
      "N)\n}\n";
  Arena *arena = arena_create();
  const Program *program = build(gradients_of(text, _i, arena), arena);
  CodegenObjects objects;
  const char *message = "";
  CodegenStatus status = codegen_library()->compile(program, "net", &(CodegenOptions){0}, arena, &objects, &message);
  ck_assert_msg(status == CODEGEN_OK, "%s", message);
  int64_t symbols[SYMBOL_MAX] = {1};
  int64_t bytes = linear_value(&program->arena_bytes, symbols) + 2 * (int64_t)objects.scratch_bytes;
  ck_assert_msg(bytes <= (_i ? 80 : 1) * MEGABYTE, "%lld bytes", (long long)bytes);
  arena_destroy(arena);
}
END_TEST

int main(void) {
  codegen_library(); /* loaded once, before the tests fork */
  Suite *suite = suite_create("library_scan");
  TCase *scans = tcase_create("scans");
  tcase_set_timeout(scans, 120);
  tcase_add_loop_test(scans, steps_are_the_whole, 1, 4);
  tcase_add_test(scans, chunks_are_the_whole);
  tcase_add_test(scans, complex_scans_resume);
  tcase_add_loop_test(scans, long_scans_are_small, 0, 2);
  suite_add_tcase(suite, scans);
  return suite_run(suite);
}
