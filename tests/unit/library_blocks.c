/* Blocks of the standard library that no reference file covers, against values computed by hand or by another way, and
 * the forecaster of examples/ in all of its forms. */
#include "tests/library_model.h"
#include "tests/suite_run.h"

#include <check.h>
#include <complex.h>
#include <math.h>
#include <stdio.h>

static const double PI = 3.14159265358979323846;

START_TEST(softmax_along_any_axis) {
  Model *model = build(
      "model m() { input x: [T = 2, V = 2] output rows = softmax(x, over = V) output columns = softmax(x, over = T) }",
      false);
  const double e = exp(1), *x = LIST(1000, 1001, 1000, 1000);
  Value *values = run(model->graph, 1, DATA(x));
  CHECK_VALUES(output(model->graph, values, "rows"), 1 / (1 + e), e / (1 + e), 0.5, 0.5);
  CHECK_VALUES(output(model->graph, values, "columns"), 0.5, e / (1 + e), 0.5, 1 / (1 + e));
}
END_TEST

START_TEST(rms_norm_of_one_row) {
  Model *model = build("model m() { input x: [M = 4] output y = rms_norm(x, epsilon = 0) @ n }", false);
  ck_assert_str_eq(model->parameter[0].path, "n.weight");
  ck_assert_int_eq(model->parameter_count, 1);
  const double r = sqrt(7.5);
  CHECK_VALUES(output(model->graph, run(model->graph, 1, DATA(LIST(1, 2, 3, 4), LIST(1, 1, 1, 2))), "y"), 1 / r, 2 / r,
               3 / r, 8 / r);
}
END_TEST

START_TEST(convolutions_with_all_channels) {
  /* x [T, I]: channel 0 is 1 2 3 4, channel 1 is 0 1 0 -1. weight [O = 1, I, 3]. */
  const double *x = LIST(1, 0, 2, 1, 3, 0, 4, -1), *weight = LIST(1, 10, 100, 1, 2, 3), *bias = LIST(0.5);
  Model *model = build(
      "model m() { input x: [T = 4, I = 2] output y = conv1d(x, I -> 1, over = T, width = 3) @ c "
      "output causal = conv1d(x, I -> 1, over = T, width = 3, causal = true, bias = false) @ d "
      "output strided = conv1d(x, I -> 1, over = T, width = 3, stride = 2, bias = false) @ e }",
      false);
  Value *values = run(model->graph, 1, DATA(x, weight, bias, weight, weight));
  ck_assert_str_eq(model->parameter[0].path, "c.weight");
  ck_assert_int_eq(model->parameter[0].shape.rank, 3);
  CHECK_VALUES(output(model->graph, values, "y"), 213.5, 323.5, 432.5 - 2, 43.5 - 2);
  CHECK_VALUES(output(model->graph, values, "causal"), 100, 213, 323, 430);
  CHECK_VALUES(output(model->graph, values, "strided"), 213, 430);
}
END_TEST

START_TEST(convolutions_channel_by_channel) {
  const double *x = LIST(1, 0, 2, 1, 3, 0, 4, -1), *weight = LIST(1, 10, 1, 2), *bias = LIST(0.5, 0);
  Model *model = build(
      "model m() { input x: [T = 4, C = 2] output y = depthwise_conv1d(x, over = T, width = 2) @ c "
      "output causal = depthwise_conv1d(x, over = T, width = 2, causal = true, bias = false) @ d }",
      false);
  Value *values = run(model->graph, 1, DATA(x, weight, bias, weight));
  /* An even width has its one element more behind: the window of t is t, t + 1. */
  CHECK_VALUES(output(model->graph, values, "y"), 21.5, 2, 32.5, 1, 43.5, -2, 4.5, -1);
  CHECK_VALUES(output(model->graph, values, "causal"), 10, 0, 21, 2, 32, 1, 43, -2);
}
END_TEST

START_TEST(instance_normalisation_comes_back) {
  Model *model = build(
      "model m() { input x: [B, T = 3, V = 2] "
      "let (y, centre, deviation) = instance_normalise(x, over = T, affine = true) "
      "output y = y output back: [B, T, V] = instance_denormalise(y, centre, deviation) }",
      false);
  ck_assert_str_eq(model->parameter[0].path, "revin_weight");
  ck_assert_str_eq(model->parameter[1].path, "revin_bias");
  const double *x = LIST(1, 10, 2, 10, 3, 40), s = sqrt(2.0 / 3 + 1e-5), r = sqrt(200 + 1e-5);
  Value *values = run(model->graph, 1, DATA(x, LIST(2, -0.5), LIST(3, 1)));
  CHECK_VALUES(output(model->graph, values, "y"), 3 - 2 / s, 1 + 5 / r, 3, 1 + 5 / r, 3 + 2 / s, 1 - 10 / r);
  check_values(output(model->graph, values, "back"), x, 6);
}
END_TEST

static const char noise[] =
    "model m(p = 0.25) { input x: [B, M = 50] input c: complex[M] "
    "output elements = dropout(x, p = p) output complex = dropout(c, p = p) output samples = drop_path(x, p = p) }";

START_TEST(noise_is_not_there_outside_training) {
  Model *infer = build(noise, false);
  for (uint32_t i = 0; i < infer->graph->output_count; i++)
    ck_assert_int_eq(graph_op(infer->graph, infer->graph->output[i].node), OP_INPUT);
  FrontendFile *file = frontend_parse(arena, diagnostics, "test.simba", noise, strlen(noise));
  FrontendSetting none = {"p", "0"};
  Model *train = need_model(file, &(FrontendOptions){.setting = &none, .setting_count = 1, .training = true});
  for (uint32_t i = 0; i < train->graph->output_count; i++)
    ck_assert_int_eq(graph_op(train->graph, train->graph->output[i].node), OP_INPUT);
}
END_TEST

/* Every element is 0 or 4/3; gives back how many are 0. */
static int64_t count_dropped(Value value) {
  int64_t dropped = 0;
  for (int64_t i = 0; i < value_count(&value); i++) {
    if (value.data[i] == 0)
      dropped++;
    else
      ck_assert_double_eq_tol(value.data[i], 4.0 / 3, TOLERANCE);
  }
  return dropped;
}

START_TEST(noise_of_training) {
  enum { BATCH = 40, WIDTH = 50 };
  Model *model = build(noise, true);
  double ones[BATCH * WIDTH];
  for (int i = 0; i < BATCH * WIDTH; i++) ones[i] = 1;
  Value *values = run(model->graph, BATCH, DATA(ones, ones));
  /* Binomial with mean 500 and deviation 19.4; five deviations. */
  int64_t dropped = count_dropped(output(model->graph, values, "elements"));
  ck_assert_int_gt(dropped, 500 - 97);
  ck_assert_int_lt(dropped, 500 + 97);
  Value parts = output(model->graph, values, "complex"), samples = output(model->graph, values, "samples");
  int64_t apart = 0, whole = 0;
  ck_assert_int_gt(count_dropped(parts), 0);
  for (int64_t i = 0; i < WIDTH; i++) apart += (parts.data[i] == 0) != (parts.data[WIDTH + i] == 0);
  ck_assert_int_gt(apart, 0);
  ck_assert_int_gt(count_dropped(samples), 0);
  for (int64_t b = 0; b < BATCH; b++) {
    for (int64_t i = 1; i < WIDTH; i++) ck_assert(samples.data[b * WIDTH + i] == samples.data[b * WIDTH]);
    whole += samples.data[b * WIDTH] == 0;
  }
  ck_assert_int_gt(whole, 0);
  ck_assert_int_lt(whole, BATCH / 2);
}
END_TEST

static double shrink(double x) { return x > 0.01 ? x - 0.01 : x < -0.01 ? x + 0.01 : 0; }

/* One channel in each block, so a block's map is one complex number: y[t, k] by the definition. */
START_TEST(einfft_over_tokens_alone) {
  enum { T = 3, K = 2 };
  Model *model =
      build("model m() { input x: [B, T = 3, C = 2] output y: [B, T, C] = einfft(x, blocks = 2, transform = tokens) }",
            false);
  const double *x = LIST(1, -2, 0.5, 3, -1, 0.25);
  const double *w1 = LIST(1, 0.5, -0.3, 2), *b1 = LIST(0.1, 0.2, 0.3, -0.4), *w2 = LIST(0.7, -1, 0.2, 0.6),
               *b2 = LIST(-0.1, 0.05, 0.2, 0.1);
  double expected[T * K];
  for (int k = 0; k < K; k++) {
    double complex spectrum[T];
    for (int f = 0; f < T; f++) {
      double complex sum = 0;
      for (int t = 0; t < T; t++) sum += x[t * K + k] * cexp(-2 * PI * I * f * t / T) / sqrt(T);
      double complex h = sum * (w1[k] + I * w1[K + k]) + b1[k] + I * b1[K + k];
      h = fmax(creal(h), 0) + I * fmax(cimag(h), 0);
      double complex y = h * (w2[k] + I * w2[K + k]) + b2[k] + I * b2[K + k];
      spectrum[f] = shrink(creal(y)) + I * shrink(cimag(y));
    }
    for (int t = 0; t < T; t++) {
      double complex sum = 0;
      for (int f = 0; f < T; f++) sum += spectrum[f] * cexp(2 * PI * I * f * t / T) / sqrt(T);
      expected[t * K + k] = creal(sum);
    }
  }
  check_values(output(model->graph, run(model->graph, 1, DATA(x, w1, b1, w2, b2)), "y"), expected, T * K);
}
END_TEST

static void check_sound(const Graph *graph) {
  const char *message = NULL;
  ck_assert_msg(graph_verify(graph, arena, &message), "%s", message);
}

static int64_t parameter_total(const Model *model) {
  int64_t total = 0;
  for (uint32_t i = 0; i < model->parameter_count; i++) total += model->parameter[i].count;
  return total;
}

START_TEST(the_forecaster_in_all_forms) {
  static const char *const embeds[] = {"time", "inverted", "patch"};
  static const char *const mixers[] = {"einfft",   "einfft_tokens", "mlp",  "block_mlp", "monarch", "depthwise",
                                       "conv_mlp", "gfnet",         "afno", "fremlp",    "none"};
  static const char *const truths[] = {"false", "true"};
  enum { MIXERS = sizeof mixers / sizeof *mixers, FORMS = 3 * MIXERS * 4 };
  const char *path = arena_format(arena, "%s/../examples/forecaster.simba", TESTS_FOLDER);
  FrontendFile *file = frontend_parse_file(arena, diagnostics, path);
  for (int form = 0; form < FORMS; form++) {
    const char *embed = embeds[form % 3], *mixer = mixers[form / 3 % MIXERS];
    const FrontendSetting setting[] = {{"embed", embed},
                                       {"mixer", mixer},
                                       {"revin", truths[form / (3 * MIXERS) % 2]},
                                       {"affine", truths[form / (6 * MIXERS)]},
                                       {"channels", "3"},
                                       {"horizon", "17"},
                                       {"lookback", "50"},
                                       {"d_model", "16"}};
    FrontendOptions options = {.setting = setting, .setting_count = sizeof setting / sizeof *setting};
    Model *infer = need_model(file, &options);
    options.training = true;
    Model *train = need_model(file, &options);
    check_sound(train->graph);
    check_sound(train->initial);
    ck_assert_int_eq(train->input[0].shape.dim[2].factor, 3);
    const Output *y = graph_find_output(train->graph, OUTPUT_VALUE, "y");
    ck_assert_int_eq(graph_shape(train->graph, y->node)->dim[1].factor, 17);
    /* Training draws masks and has the same parameters. */
    ck_assert_uint_gt(train->graph->node_count, infer->graph->node_count);
    ck_assert_int_eq(parameter_total(train), parameter_total(infer));
    ck_assert_ptr_nonnull(graph_find_output(train->graph, OUTPUT_LOSS, "mse"));
    ck_assert_ptr_nonnull(graph_find_output(train->graph, OUTPUT_METRIC, "mae"));
    ck_assert_str_eq(train->recipe.data_channels, "channels");
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("library_blocks");
  TCase *tests = tcase_create("blocks");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, softmax_along_any_axis);
  tcase_add_test(tests, rms_norm_of_one_row);
  tcase_add_test(tests, convolutions_with_all_channels);
  tcase_add_test(tests, convolutions_channel_by_channel);
  tcase_add_test(tests, instance_normalisation_comes_back);
  tcase_add_test(tests, noise_is_not_there_outside_training);
  tcase_add_test(tests, noise_of_training);
  tcase_add_test(tests, einfft_over_tokens_alone);
  tcase_add_test(tests, the_forecaster_in_all_forms);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
