/* Models against values computed by hand, through the evaluator; parameter paths, initial values, settings, recipes. */
#include "frontend/frontend.h"
#include "ir/evaluate.h"
#include "tests/suite_run.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static Arena *arena;
static Diagnostics *diagnostics;

static void setup(void) {
  arena = arena_create();
  diagnostics = diagnostics_create(arena);
}

static void teardown(void) { arena_destroy(arena); }

static Model *build_with(const char *text, const FrontendOptions *options) {
  FrontendFile *file = frontend_parse(arena, diagnostics, "test.simba", text, strlen(text));
  Model *model = file ? frontend_elaborate(file, arena, diagnostics, options) : NULL;
  Text report = text_begin(arena);
  diagnostics_render(diagnostics, DIAGNOSTIC_HUMAN, false, &report);
  ck_assert_msg(model != NULL, "%.3000s", report.data);
  return model;
}

static Model *build(const char *text) { return build_with(text, &(FrontendOptions){0}); }

/* The output's values; leaves get `data` in the order of their nodes. The first symbol has the value 1. */
static Value run(const Graph *graph, const double *const *data, OutputKind kind, const char *output) {
  EvaluateInput input[32];
  uint32_t count = 0;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    OpCode op = graph_op(graph, id);
    if (op != OP_INPUT && op != OP_PARAMETER && op != OP_STATE) continue;
    input[count] = (EvaluateInput){id, data[count]};
    count++;
  }
  Value *values = ARENA_ARRAY(arena, Value, graph->node_count + 1);
  graph_evaluate(graph, (int64_t[]){1, 1, 1, 1}, 7, 0, input, count, false, arena, values);
  const Output *found = graph_find_output(graph, kind, output);
  ck_assert_msg(found != NULL, "no output %s", output);
  return values[found->node];
}

static void check_values(Value value, const double *expected, int64_t count) {
  ck_assert_int_eq(value_count(&value), count);
  for (int64_t i = 0; i < count; i++) ck_assert_double_eq_tol(value.data[i], expected[i], 1e-12);
}

#define LIST(...) ((const double[]){__VA_ARGS__})
#define DATA(...) ((const double *const[]){__VA_ARGS__})
#define CHECK_VALUES(value, ...) check_values(value, LIST(__VA_ARGS__), sizeof(LIST(__VA_ARGS__)) / sizeof(double))

START_TEST(products_sum_over_named_axes) {
  Model *model =
      build("model m() { dim I = 3 dim O = 2 input x: [B, I] param w: [O, I] output y = dot(x, w, over = I) }");
  CHECK_VALUES(run(model->graph, DATA(LIST(1, 2, 3), LIST(1, 0, -1, 2, 2, 2)), OUTPUT_VALUE, "y"), -2, 12);
}
END_TEST

START_TEST(shared_axes_of_products_stay_side_by_side) {
  Model *model =
      build("model m() { dim K = 2 dim d = 2 input x: [K, d] input w: [K, d] output y = dot(x, w, over = d) }");
  CHECK_VALUES(run(model->graph, DATA(LIST(1, 2, 3, 4), LIST(5, 6, 7, 8)), OUTPUT_VALUE, "y"), 17, 53);
}
END_TEST

START_TEST(axes_align_by_name) {
  /* [T, V] + [V, T]: transposed, not added place by place. */
  Model *model =
      build("model m() { dim T = 2 dim V = 2 input a: [T, V] input b: [V, T] output y: [V, T] = a + 10 * b }");
  CHECK_VALUES(run(model->graph, DATA(LIST(1, 2, 3, 4), LIST(1, 2, 3, 4)), OUTPUT_VALUE, "y"), 11, 23, 32, 44);
}
END_TEST

START_TEST(layer_norm_of_one_row) {
  Model *model = build("model m() { input x: [B, M = 4] output y = layer_norm(x, epsilon = 0) @ n }");
  ck_assert_str_eq(model->parameter[0].path, "n.weight");
  const double s = 2 / sqrt(5);
  CHECK_VALUES(run(model->graph, DATA(LIST(1, 2, 3, 4), LIST(1, 1, 1, 2), LIST(0, 0, 5, 0)), OUTPUT_VALUE, "y"),
               -1.5 * s, -0.5 * s, 5 + 0.5 * s, 3 * s);
}
END_TEST

START_TEST(complex_products) {
  Model *model = build(
      "model m() { dim d = 2 dim e = 1 input x: complex[d] param w: complex[d, e] "
      "output y = dot(x, w, over = d) output z = x * x output q = x / x output n: complex[d] = conj(x) }");
  /* (1+2i)(5+6i) + (3+4i)(7+8i) = -18+68i */
  const double *const *data = DATA(LIST(1, 3, 2, 4), LIST(5, 7, 6, 8));
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "y"), -18, 68);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "z"), -3, -7, 4, 24);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "q"), 1, 1, 0, 0);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "n"), 1, 3, -2, -4);
}
END_TEST

START_TEST(a_real_number_joins_the_real_part) {
  Model *model = build("model m() { input x: complex[d = 1] output y = 1 + x output z = x * 2 output r = relu(x) }");
  const double *const *data = DATA(LIST(-2, 3));
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "y"), -1, 3);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "z"), -4, 6);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "r"), 0, 3);
}
END_TEST

START_TEST(parts_stay_parts_within_a_block_that_shows_them) {
  Model *model = build(
      "block outer(x: parts[...]) -> parts[...] { relu(x) * x } "
      "model m() { input x: complex[d = 1] output y: complex[d] = outer(x) output z = outer(imag(x)) }");
  const double *const *data = DATA(LIST(-2, 3));
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "y"), 0, 9);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "z"), 9);
}
END_TEST

START_TEST(scans) {
  Model *model = build(
      "model m() { input x: [T = 4] input a: [T] input s: [] "
      "output f = scan(a, x, over = T, initial = s) output b = scan(0.5, x, over = T, reverse = true) "
      "output d = delay(x, over = T, initial = s) }");
  const double *const *data = DATA(LIST(1, 2, 3, 4), LIST(1, 0, 2, -1), LIST(10));
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "f"), 11, 2, 7, -3);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "b"), 3.25, 4.5, 5, 4);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "d"), 10, 1, 2, 3);
}
END_TEST

START_TEST(reshapes) {
  Model *model = build(
      "model m() { dim N = 4 dim P = 2 dim Q = 2 input x: [N] let (a, b, c) = split(x, 1 + P + (N - 3)) "
      "output middle = b output last = c output joined = concat(slice(x, over = N, start = 3, size = 1), x, over = N) "
      "output square: [Q, P] = reshape(x, N = P*Q) output merged = reshape(reshape(x, N = P*Q), Q*P = F) "
      "output windows = window(x, over = N, size = P, stride = 2) output turned = flip(x, over = N) "
      "output edges = edge_pad(x, over = N, low = 1, high = 2) output zeros = pad(x, over = N, low = 1) }");
  const double *const *data = DATA(LIST(1, 2, 3, 4));
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "middle"), 2, 3);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "last"), 4);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "joined"), 4, 1, 2, 3, 4);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "square"), 1, 3, 2, 4);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "merged"), 1, 3, 2, 4);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "windows"), 1, 2, 3, 4);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "turned"), 4, 3, 2, 1);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "edges"), 1, 1, 2, 3, 4, 4, 4);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "zeros"), 0, 1, 2, 3, 4);
}
END_TEST

START_TEST(reductions_and_choices) {
  Model *model = build(
      "model m() { input x: [B, T = 4] output total = sum(x) output mean = mean(x, over = T) output var = var(x) "
      "output top = max(x, over = [B, T]) output low = min(x) output hot = 1 * (x == 3) output cube = x ^ 3 "
      "output inverse = x ^ -1 output where = where(x > 2, x, 0 - x) }");
  const double *const *data = DATA(LIST(1, 2, 3, 4));
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "total"), 10);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "mean"), 2.5);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "var"), 1.25);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "top"), 4);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "low"), 1);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "hot"), 0, 0, 1, 0);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "cube"), 1, 8, 27, 64);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "inverse"), 1, 0.5, 1. / 3, 0.25);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "where"), -1, -2, 3, 4);
}
END_TEST

START_TEST(transforms_invert_each_other) {
  static const char *const norms[] = {"backward", "ortho", "forward"};
  for (int i = 0; i < 3; i++) {
    const char *text =
        "model m() { input x: [T = 2, V = 3] output y = real(ifft(fft(x, over = [T, V], norm = %s), over = [V, T], "
        "norm = %s)) "
        "output z = fft(x, over = T, norm = %s) }";
    Model *model = build(arena_format(arena, text, norms[i], norms[i], norms[i]));
    const double *const *data = DATA(LIST(1, 2, 3, 4, 5, 7));
    CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "y"), 1, 2, 3, 4, 5, 7);
    double s = i == 0 ? 1 : i == 1 ? sqrt(0.5) : 0.5;
    CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "z"), 5 * s, 7 * s, 10 * s, -3 * s, -3 * s, -4 * s, 0, 0, 0, 0,
                 0, 0);
  }
}
END_TEST

START_TEST(half_spectra_come_back) {
  static const char *const norms[] = {"backward", "ortho", "forward"};
  static const char text[] =
      "model m() { input x: [T = 4, V = 3] "
      "output y = irfft(rfft(x, over = [T, V], norm = %s), over = [T, V], size = V, norm = %s) "
      "output z = irfft(rfft(x, over = [V, T], norm = %s), over = [V, T], size = T, norm = %s) "
      "output h = rfft(x, over = T, norm = %s) }";
  for (int i = 0; i < 3; i++) {
    Model *model = build(arena_format(arena, text, norms[i], norms[i], norms[i], norms[i], norms[i]));
    const double *const *data = DATA(LIST(1, 9, 1, 2, 8, 1, 3, 7, 1, 4, 6, 1));
    CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "y"), 1, 9, 1, 2, 8, 1, 3, 7, 1, 4, 6, 1);
    CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "z"), 1, 9, 1, 2, 8, 1, 3, 7, 1, 4, 6, 1);
    double s = i == 0 ? 1 : i == 1 ? 0.5 : 0.25;
    CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "h"), 10 * s, 30 * s, 4 * s, -2 * s, 2 * s, 0, -2 * s, 2 * s, 0,
                 0, 0, 0, 2 * s, -2 * s, 0, 0, 0, 0);
  }
}
END_TEST

/* Of any spectrum, as numpy.fft.irfft has it: the middle counts twice, imaginary parts at 0 and N/2 do not count. */
START_TEST(half_spectra_of_no_real_signal) {
  Model *model = build(
      "model m() { dim F = 3 input c: complex[F] output even = irfft(c, over = F, size = 4) "
      "output odd = irfft(c, over = F, size = 5) output real = irfft(index(F), over = F, size = 4) "
      "output one = irfft(slice(c, over = F, start = 0, size = 1), over = F, size = 1) }");
  const double *const *data = DATA(LIST(1, 2, 3, 5, 7, 11));
  double odd[5];
  for (int n = 0; n < 5; n++) {
    double angle = 8 * atan(1) * n / 5;
    odd[n] = (1 + 2 * (2 * cos(angle) - 7 * sin(angle)) + 2 * (3 * cos(2 * angle) - 11 * sin(2 * angle))) / 5;
  }
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "even"), 2, -4, 0, 3);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "odd"), odd[0], odd[1], odd[2], odd[3], odd[4]);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "real"), 1, -0.5, 0, -0.5);
  CHECK_VALUES(run(model->graph, data, OUTPUT_VALUE, "one"), 1);
}
END_TEST

START_TEST(blocks_hide_their_axes) {
  /* The caller's O goes through `...` of a block that has an O of its own. */
  Model *model = build(
      "block f(x: [..., C], C -> O) -> [..., O] { let w = 1 + index(O) dot(x, expand(w, C), over = C) } "
      "model m() { dim O = 2 dim C = 2 input x: [O, C] output y = f(x, C -> 3) }");
  CHECK_VALUES(run(model->graph, DATA(LIST(1, 2, 3, 4)), OUTPUT_VALUE, "y"), 3, 6, 9, 7, 14, 21);
}
END_TEST

START_TEST(arrows_replace_in_place) {
  Model *model = build(
      "block f(x: [..., I], I -> O) -> [..., O] { param w: [O, I] dot(x, w, over = I) } "
      "model m() { input x: [T = 2, C = 2] output y = f(x, T -> 1) }");
  ck_assert_int_eq(graph_shape(model->graph, model->graph->output[0].node)->dim[0].factor, 1);
  CHECK_VALUES(run(model->graph, DATA(LIST(1, 2, 3, 4), LIST(10, 1)), OUTPUT_VALUE, "y"), 13, 24);
}
END_TEST

START_TEST(paths_of_parameters) {
  Model *model = build(
      "block layer(x: [B, M]) -> [B, M] { x + linear(layer_norm(x) @ norm, M -> M, bias = false) } "
      "model m(depth = 2) { input x: [B, M = 2] let t = x for i in 0..depth { let t = layer(t) @ blocks[i].sub } "
      "param D: [M] = 1 state seen: complex[M] output y @ out.y = t * D }");
  static const char *const paths[] = {"blocks.0.sub.norm.weight",
                                      "blocks.0.sub.norm.bias",
                                      "blocks.0.sub.weight",
                                      "blocks.1.sub.norm.weight",
                                      "blocks.1.sub.norm.bias",
                                      "blocks.1.sub.weight",
                                      "D"};
  ck_assert_uint_eq(model->parameter_count, 7);
  for (uint32_t i = 0; i < 7; i++) ck_assert_str_eq(model->parameter[i].path, paths[i]);
  ck_assert_int_eq(model->parameter[2].count, 4);
  ck_assert_uint_eq(model->state_count, 1);
  ck_assert(model->state[0].complex);
  ck_assert_int_eq(model->state[0].count, 4);
  ck_assert_ptr_nonnull(graph_find_output(model->graph, OUTPUT_VALUE, "out.y"));
  ck_assert_uint_eq(model->initial->output_count, 8);
}
END_TEST

START_TEST(initial_values) {
  Model *model = build("model m() { input x: [B, T = 2, M = 40] output y = mamba(x, d_state = 3) }");
  Value a = run(model->initial, NULL, OUTPUT_VALUE, "A_log");
  for (int64_t i = 0; i < value_count(&a); i++) ck_assert_double_eq_tol(a.data[i], log(1 + (double)(i % 3)), 1e-12);
  Value weight = run(model->initial, NULL, OUTPUT_VALUE, "in_proj.weight");
  double bound = 1 / sqrt(40), least = 1, most = -1, sum = 0;
  for (int64_t i = 0; i < value_count(&weight); i++) {
    least = fmin(least, weight.data[i]);
    most = fmax(most, weight.data[i]);
    sum += weight.data[i];
  }
  ck_assert(least >= -bound && least < -0.9 * bound && most <= bound && most > 0.9 * bound);
  ck_assert_double_le(fabs(sum / (double)value_count(&weight)), 0.1 * bound);
  Value bias = run(model->initial, NULL, OUTPUT_VALUE, "dt_proj.bias");
  for (int64_t i = 0; i < value_count(&bias); i++) {
    double dt = log1p(exp(bias.data[i]));
    ck_assert(dt >= 1e-3 * (1 - 1e-9) && dt <= 0.1 * (1 + 1e-9));
  }
}
END_TEST

START_TEST(draws_do_not_depend_on_other_parameters) {
  Model *one = build("model m() { input x: [] param w: [T = 5] = normal(0.1) output y = x }");
  Model *two =
      build("model m() { input x: [] param v: [T = 5] = uniform(0, 1) param w: [T] = normal(0.1) output y = x }");
  Value first = run(one->initial, NULL, OUTPUT_VALUE, "w"), second = run(two->initial, NULL, OUTPUT_VALUE, "w");
  check_values(second, first.data, 5);
  Value other = run(two->initial, NULL, OUTPUT_VALUE, "v");
  ck_assert_double_ne(other.data[0], other.data[1]);
}
END_TEST

START_TEST(training_changes_the_graph) {
  const char *text =
      "model m() { input x: [B, M = 2] state s: [M] = 3 if training { update s = mean(x, over = B) } output y = x - s "
      "}";
  Model *infer = build(text), *train = build_with(text, &(FrontendOptions){.training = true});
  ck_assert_ptr_null(graph_find_output(infer->graph, OUTPUT_STATE, "s"));
  CHECK_VALUES(run(train->graph, DATA(LIST(4, 6), LIST(1, 2)), OUTPUT_STATE, "s"), 4, 6);
  CHECK_VALUES(run(infer->graph, DATA(LIST(4, 6), LIST(1, 2)), OUTPUT_VALUE, "y"), 3, 4);
}
END_TEST

START_TEST(settings_have_the_kind_of_their_default) {
  const char *text =
      "model m(n = 2, rate = 0.5, flag = false, kind = a in [a, b], twice = 2 * n) { input x: [twice] "
      "if flag and kind == b { output y = rate * x } else { output y = x } }";
  FrontendSetting set[] = {{"n", "3"}, {"rate", "2"}, {"flag", "true"}, {"kind", "b"}, {"n", "1"}};
  Model *model = build_with(text, &(FrontendOptions){.setting = set, .setting_count = 5});
  ck_assert_uint_eq(model->setting_count, 5);
  ck_assert_str_eq(model->setting[0].text, "1");
  ck_assert_str_eq(model->setting[0].initial, "2");
  ck_assert(model->setting[0].set && !model->setting[4].set);
  ck_assert_int_eq(model->setting[1].kind, STATIC_REAL);
  ck_assert_str_eq(model->setting[3].text, "b");
  ck_assert_uint_eq(model->setting[3].allowed_count, 2);
  CHECK_VALUES(run(model->graph, DATA(LIST(1, 2)), OUTPUT_VALUE, "y"), 2, 4);
}
END_TEST

START_TEST(recipes) {
  const char *text =
      "model m(T = 4, channels = 3) { input x: [B, T] @ file.x target t: [B, T] output y = x loss l = mean((y - t) ^ "
      "2) } "
      "recipe { data series(input = x, target = t, channels = channels) optimizer adamw(lr = 1 / T, decay = matrices) "
      "batch 2 * T early_stopping(patience = 3) }";
  FrontendSetting set[] = {{"recipe.lr", "0.5"}, {"recipe.seed", "9"}, {"T", "8"}};
  const Recipe *recipe = &build(text)->recipe;
  ck_assert(recipe->present);
  ck_assert_str_eq(recipe->data_input, "file.x");
  ck_assert_str_eq(recipe->data_channels, "channels");
  ck_assert_double_eq(recipe->lr, 0.25);
  ck_assert_double_eq(recipe->beta2, 0.999);
  ck_assert_int_eq(recipe->decay_matrices, 1);
  ck_assert_int_eq(recipe->batch, 8);
  ck_assert_int_eq(recipe->patience, 3);
  recipe = &build_with(text, &(FrontendOptions){.setting = set, .setting_count = 3})->recipe;
  ck_assert_double_eq(recipe->lr, 0.5);
  ck_assert_int_eq(recipe->seed, 9);
  ck_assert_int_eq(recipe->batch, 16);
}
END_TEST

START_TEST(recipes_for_images) {
  const char *text =
      "model m(n = 4, k = 3) { input x: [B, C = 3, H = n, W = n] target t: [B, K = k] let f: [B, F] = reshape(x, C*H*W "
      "= F) "
      "output y = linear(f, F -> K) @ head loss l = mean((y - t) ^ 2) } "
      "recipe { data images(input = x, target = t, classes = k, fit = resize, validation = 1 / k) "
      "normalise(mean = (0.1, 0.2, 0.3), deviation = 0.5) augment(crop = padded, flip = 1) mix(cutmix = 1) repeats 2 "
      "best accuracy head \"head.*\" freeze(\"a\", \"b.*\") rates(\"head.*\" = 10, \"b\" = 1 / 2) }";
  FrontendSetting set[] = {{"recipe.mean", "0.25"}, {"recipe.freeze", "\"c\""}, {"recipe.crop", "whole"}};
  const Recipe *recipe = &build(text)->recipe;
  ck_assert_int_eq(recipe->data, DATA_IMAGES);
  ck_assert_str_eq(recipe->data_classes, "k");
  ck_assert_int_eq(recipe->fit, 1);
  ck_assert_double_eq_tol(recipe->validation, 1.0 / 3, 1e-15);
  ck_assert_uint_eq(recipe->mean.count, 3);
  ck_assert_double_eq(recipe->mean.value[2], 0.3);
  ck_assert_uint_eq(recipe->deviation.count, 1);
  ck_assert_int_eq(recipe->crop, 3);
  ck_assert_double_eq(recipe->cutmix, 1);
  ck_assert_double_eq(recipe->switch_probability, 0.5);
  ck_assert_int_eq(recipe->repeats, 2);
  ck_assert_int_eq(recipe->best, 1);
  ck_assert_str_eq(recipe->head.glob[0], "head.*");
  ck_assert_uint_eq(recipe->freeze.count, 2);
  ck_assert_str_eq(recipe->freeze.glob[1], "b.*");
  ck_assert_double_eq(recipe->rates.factor[0], 10);
  ck_assert_double_eq(recipe->rates.factor[1], 0.5);
  Text first = text_begin(arena), second = text_begin(arena);
  recipe_print(recipe, &first);
  recipe = &build_with(text, &(FrontendOptions){.setting = set, .setting_count = 3})->recipe;
  ck_assert_double_eq(recipe->mean.value[0], 0.25);
  ck_assert_uint_eq(recipe->freeze.count, 1);
  ck_assert_str_eq(recipe->freeze.glob[0], "c");
  ck_assert_int_eq(recipe->crop, 0);
  recipe_print(recipe, &second);
  ck_assert_str_ne(first.data, second.data);
}
END_TEST

START_TEST(models_by_name) {
  const char *text = "model a() { input x: [] output y = 2 * x } model b() { input x: [] output y = 3 * x }";
  CHECK_VALUES(run(build(text)->graph, DATA(LIST(1)), OUTPUT_VALUE, "y"), 3);
  CHECK_VALUES(run(build_with(text, &(FrontendOptions){.model = "a"})->graph, DATA(LIST(1)), OUTPUT_VALUE, "y"), 2);
  FrontendFile *file = frontend_parse(arena, diagnostics, "t", text, strlen(text));
  ck_assert_ptr_null(frontend_elaborate(file, arena, diagnostics, &(FrontendOptions){.model = "c"}));
}
END_TEST

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  fputs(text, file);
  fclose(file);
}

START_TEST(imports_are_relative_and_loaded_once) {
  char folder[] = "frontend_import_XXXXXX";
  ck_assert_ptr_nonnull(mkdtemp(folder));
  const char *main_path = arena_format(arena, "%s/main.simba", folder),
             *other = arena_format(arena, "%s/other.simba", folder);
  write_file(main_path,
             "import \"other.simba\"\nimport \"./other.simba\"\n"
             "block one(x: [T]) -> [T] { 1 + x }\nmodel m() { input x: [T = 1] output y = relu(x) }\n");
  write_file(other, "import \"main.simba\"\nblock relu(x: [T]) -> [T] { 2 * one(x) }\n");
  FrontendFile *file = frontend_parse_file(arena, diagnostics, main_path);
  ck_assert_ptr_nonnull(file);
  Model *model = frontend_elaborate(file, arena, diagnostics, &(FrontendOptions){0});
  unlink(main_path);
  unlink(other);
  rmdir(folder);
  ck_assert_ptr_nonnull(model);
  CHECK_VALUES(run(model->graph, DATA(LIST(4)), OUTPUT_VALUE, "y"), 10);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("frontend_elaborate");
  TCase *tests = tcase_create("elaborate");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, products_sum_over_named_axes);
  tcase_add_test(tests, shared_axes_of_products_stay_side_by_side);
  tcase_add_test(tests, axes_align_by_name);
  tcase_add_test(tests, layer_norm_of_one_row);
  tcase_add_test(tests, complex_products);
  tcase_add_test(tests, a_real_number_joins_the_real_part);
  tcase_add_test(tests, parts_stay_parts_within_a_block_that_shows_them);
  tcase_add_test(tests, scans);
  tcase_add_test(tests, reshapes);
  tcase_add_test(tests, reductions_and_choices);
  tcase_add_test(tests, transforms_invert_each_other);
  tcase_add_test(tests, half_spectra_come_back);
  tcase_add_test(tests, half_spectra_of_no_real_signal);
  tcase_add_test(tests, blocks_hide_their_axes);
  tcase_add_test(tests, arrows_replace_in_place);
  tcase_add_test(tests, paths_of_parameters);
  tcase_add_test(tests, initial_values);
  tcase_add_test(tests, draws_do_not_depend_on_other_parameters);
  tcase_add_test(tests, training_changes_the_graph);
  tcase_add_test(tests, settings_have_the_kind_of_their_default);
  tcase_add_test(tests, recipes);
  tcase_add_test(tests, recipes_for_images);
  tcase_add_test(tests, models_by_name);
  tcase_add_test(tests, imports_are_relative_and_loaded_once);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
