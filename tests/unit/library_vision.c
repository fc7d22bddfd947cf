/* What the vision models are made of beside what the reference files cover: convolution of images and batch
 * normalisation by hand, losses and metrics of classifiers, the box of mix-token, initial values, rates of drop path. */
#include "tests/library_model.h"
#include "tests/suite_run.h"

#include <math.h>

START_TEST(convolution_at_every_second_element) {
  Model *model = build(
      "model m() { input x: [B, C = 1, H = 3, W = 3] "
      "output y = conv2d(x, C -> 1, rows = H, columns = W, width = 3, stride = 2) @ c }",
      false);
  const double *x = LIST(1, 2, 3, 4, 5, 6, 7, 8, 9), *ones = LIST(1, 1, 1, 1, 1, 1, 1, 1, 1);
  Value y = output(model->graph, run(model->graph, 1, DATA(x, ones, LIST(0.5))), "y");
  ck_assert_int_eq(y.shape.rank, 4);
  CHECK_VALUES(y, 12.5, 16.5, 24.5, 28.5);
}
END_TEST

static Value new_state(const Graph *graph, const Value *values, const char *name) {
  const Output *found = graph_find_output(graph, OUTPUT_STATE, name);
  ck_assert_msg(found != NULL, "no new %s", name);
  return values[found->node];
}

/* Three numbers 1, 2, 6: mean 3, biased variance 14/3, unbiased 7. One number has neither spread. */
START_TEST(batch_normalisation_remembers) {
  Model *model = build(
      "model m() { input x: [B, H = 1, W = 1, M = 1] "
      "output y = batch_norm2d(x, rows = H, columns = W, epsilon = 0) }",
      true);
  Value *values = run(model->graph, 3, DATA(LIST(1, 2, 6), LIST(2), LIST(1), LIST(5), LIST(4)));
  double s = 2 / sqrt(14.0 / 3);
  CHECK_VALUES(output(model->graph, values, "y"), 1 - 2 * s, 1 - s, 1 + 3 * s);
  CHECK_VALUES(new_state(model->graph, values, "running_mean"), 0.9 * 5 + 0.1 * 3);
  CHECK_VALUES(new_state(model->graph, values, "running_var"), 0.9 * 4 + 0.1 * 7);
  values = run(model->graph, 1, DATA(LIST(6), LIST(2), LIST(1), LIST(5), LIST(4)));
  CHECK_VALUES(new_state(model->graph, values, "running_var"), 0.9 * 4);
}
END_TEST

START_TEST(cross_entropy_of_distributions) {
  Model *model = build(
      "model m() { input x: [B, K = 2] input labels: [B, K] "
      "output y = cross_entropy(x, labels) output p = log_softmax(x, over = K) }",
      false);
  Value *values = run(model->graph, 2, DATA(LIST(1000, 1000 + log(3), 0, 0), LIST(0.25, 0.75, 1, 0)));
  CHECK_VALUES(output(model->graph, values, "p"), -log(4), log(0.75), -log(2), -log(2));
  CHECK_VALUES(output(model->graph, values, "y"), (0.25 * log(4) - 0.75 * log(0.75) + log(2)) / 2);
}
END_TEST

/* Right; second best; as good as another, so second; the third of a smoothed label. */
START_TEST(accuracy_of_the_best) {
  Model *model = build(
      "model m() { input x: [B, K = 3] input labels: [B, K] output one = top_accuracy(x, labels) "
      "output two = top_accuracy(x, labels, k = 2) output three = top_accuracy(x, labels, k = 3) }",
      false);
  const double *x = LIST(1, 5, 2, 3, 1, 2, 4, 4, 0, 0, 1, 2);
  const double *labels = LIST(0, 1, 0, 0, 0, 1, 1, 0, 0, 0.8, 0.1, 0.1);
  Value *values = run(model->graph, 4, DATA(x, labels));
  CHECK_VALUES(output(model->graph, values, "one"), 0.25);
  CHECK_VALUES(output(model->graph, values, "two"), 0.75);
  CHECK_VALUES(output(model->graph, values, "three"), 1);
  values = run(model->graph, 1, DATA(LIST(NAN, NAN, NAN), LIST(0, 1, 0)));
  CHECK_VALUES(output(model->graph, values, "two"), 0);
}
END_TEST

/* A quarter of each of two images is the other one; each has two tokens. */
START_TEST(loss_of_token_labelling) {
  Model *model = build(
      "model m() { input x: [B, K = 2] input t: [B, P = 2, K] input labels: [B, K] "
      "input of_tokens: [B, P, K] output y = token_label_loss(x, t, 0.75, labels, of_tokens) }",
      false);
  const double third = log(3);
  const double *x = LIST(third, 0, 0, 0), *t = LIST(0, 0, third, 0, 0, third, 0, 0);
  const double *labels = LIST(1, 0, 0, 1), *of_tokens = LIST(1, 0, 1, 0, 1, 0, 0.5, 0.5);
  double image = -(0.75 * log(0.75) + 0.25 * log(0.25)) / 2 + log(2) / 2;
  double tokens = (log(2) - log(0.75) - log(0.25) + log(2)) / 4;
  CHECK_VALUES(output(model->graph, run(model->graph, 2, DATA(x, t, labels, of_tokens)), "y"), image + 0.5 * tokens);
}
END_TEST

START_TEST(whole_parts) {
  Model *model = build("model m() { input x: f32 output y = whole_part(x, 4) }", false);
  static const double at[] = {0, 0.99, 1, 3.5, 4}, expected[] = {0, 0, 1, 3, 4};
  for (int i = 0; i < 5; i++)
    check_values(output(model->graph, run(model->graph, 1, DATA(&at[i])), "y"), &expected[i], 1);
}
END_TEST

static uint32_t next_random(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(*state >> 32);
}

/* The published code's box on a map of ROWS by COLUMNS, with other random numbers. */
enum { ROWS = 7, COLUMNS = 5 };
static void published_box(uint64_t *state, int box[4]) {
  double side = sqrt(1 - next_random(state) * 0x1p-32);
  int high = (int)(ROWS * side) / 2, wide = (int)(COLUMNS * side) / 2;
  int row = (int)(next_random(state) % ROWS), column = (int)(next_random(state) % COLUMNS);
  box[0] = row > high ? row - high : 0;
  box[1] = row + high < ROWS ? row + high : ROWS;
  box[2] = column > wide ? column - wide : 0;
  box[3] = column + wide < COLUMNS ? column + wide : COLUMNS;
}

/* Boxes lie on the map, and their edges and areas are on average what those of the published code are. */
START_TEST(boxes_of_mix_token) {
  enum { DRAWS = 4000, PUBLISHED = 400000 };
  Model *model = build(
      "model m() { input x: f32 let (r0, r1, c0, c1) = random_box(7, 5) "
      "output r0 = r0 output r1 = r1 output c0 = c0 output c1 = c1 }",
      true);
  static const char *const names[] = {"r0", "r1", "c0", "c1"};
  double sum[5] = {0}, square[5] = {0}, published[5] = {0};
  uint64_t state = 1;
  for (int i = 0; i < PUBLISHED; i++) {
    int box[4];
    published_box(&state, box);
    for (int k = 0; k < 4; k++) published[k] += (double)box[k] / PUBLISHED;
    published[4] += (double)((box[1] - box[0]) * (box[3] - box[2])) / PUBLISHED;
  }
  for (int i = 0; i < DRAWS; i++) {
    Value *values = run_step(model->graph, 1, (uint64_t)i, DATA(LIST(0)));
    double box[5];
    for (int k = 0; k < 4; k++) {
      box[k] = output(model->graph, values, names[k]).data[0];
      ck_assert(box[k] == floor(box[k]) && box[k] >= 0 && box[k] <= (k < 2 ? ROWS : COLUMNS));
    }
    ck_assert(box[0] <= box[1] && box[2] <= box[3]);
    box[4] = (box[1] - box[0]) * (box[3] - box[2]);
    for (int k = 0; k < 5; k++) {
      sum[k] += box[k] / DRAWS;
      square[k] += box[k] * box[k] / DRAWS;
    }
  }
  for (int k = 0; k < 5; k++)
    ck_assert_double_le(fabs(sum[k] - published[k]), 5 * sqrt((square[k] - sum[k] * sum[k]) / DRAWS));
}
END_TEST

START_TEST(boxes_are_of_the_other_image) {
  Model *model = build(
      "model m() { input x: [B, H = 2, W = 3, M = 1] "
      "output cells = swap_box(x, 0, 1, 1, 3) output scaled = swap_box(x, 0, 1, 1, 2, scale = 2) }",
      false);
  const double *x = LIST(1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60);
  Value *values = run(model->graph, 2, DATA(x));
  CHECK_VALUES(output(model->graph, values, "cells"), 1, 20, 30, 4, 5, 6, 10, 2, 3, 40, 50, 60);
  CHECK_VALUES(output(model->graph, values, "scaled"), 1, 2, 30, 4, 5, 60, 10, 20, 3, 40, 50, 6);
}
END_TEST

static const char classifier[] =
    "model m() { input x: [B, C = 3, H = 64, W = 40] "
    "let (whole, parts, own) = simba_vision(x, 10, hidden = 16, width1 = 16, width2 = 16, width3 = 24, width4 = 32, "
    "depth1 = 1, depth2 = 1, depth3 = 2, depth4 = 1, mixer = mlp, mix = random, drop_path = 0.4) "
    "output whole = whole output parts = parts output own = own }";

/* Mean within five deviations of 0 and the deviation itself within five of what it should be. */
static void check_spread(const Value *values, const Graph *initial, const char *name, double deviation) {
  Value value = output(initial, values, name);
  int64_t count = value_count(&value);
  double sum = 0, square = 0;
  for (int64_t i = 0; i < count; i++) {
    sum += value.data[i] / (double)count;
    square += value.data[i] * value.data[i] / (double)count;
  }
  ck_assert_msg(fabs(sum) <= 5 * deviation / sqrt((double)count), "%s has mean %g", name, sum);
  ck_assert_msg(fabs(sqrt(square) - deviation) <= 5 * deviation / sqrt(2 * (double)count), "%s has deviation %g", name,
                sqrt(square));
}

static void check_all(const Value *values, const Graph *initial, const char *name, double expected) {
  Value value = output(initial, values, name);
  for (int64_t i = 0; i < value_count(&value); i++)
    ck_assert_msg(value.data[i] == expected, "%s is %g", name, value.data[i]);
}

START_TEST(published_initial_values) {
  const Graph *initial = build(classifier, false)->initial;
  Value *values = run(initial, 1, NULL);
  check_spread(values, initial, "block1.0.attn.mamba.in_proj.weight", 0.02);
  check_spread(values, initial, "block4.0.attn.mamba.x_proj.weight", 0.02);
  check_spread(values, initial, "block3.1.attn.mamba.dt_proj.weight", 0.02);
  check_spread(values, initial, "block2.0.mlp.fc2.weight", 0.02);
  check_spread(values, initial, "post_network.0.mlp.fc1.weight", 0.02);
  check_spread(values, initial, "aux_head.weight", 0.02);
  check_spread(values, initial, "patch_embed1.conv.0.weight", sqrt(2.0 / (49 * 16)));
  check_spread(values, initial, "patch_embed4.proj.weight", sqrt(2.0 / (9 * 32)));
  check_spread(values, initial, "block3.0.mlp.dwconv.dwconv.weight", sqrt(2.0 / 9));
  check_spread(values, initial, "block1.0.attn.mamba.conv1d.weight", 0.5 / sqrt(3)); /* uniform in +-1/2 */
  static const char *const zeros[] = {
      "block1.0.attn.mamba.dt_proj.bias", "block1.0.mlp.fc1.bias",           "head.bias",
      "patch_embed1.proj.bias",           "block3.0.mlp.dwconv.dwconv.bias", "patch_embed1.conv.1.running_mean"};
  for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) check_all(values, initial, zeros[i], 0);
  check_all(values, initial, "patch_embed1.conv.1.running_var", 1);
  check_all(values, initial, "norm4.weight", 1);
}
END_TEST

static bool has_constant(const Graph *graph, double value) {
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op == OP_CONSTANT && fabs(node_real(node, CONSTANT_VALUE) - value) < 1e-15) return true;
  }
  return false;
}

START_TEST(drop_path_grows_with_depth) {
  const Graph *train = build(classifier, true)->graph;
  for (int i = 1; i <= 4; i++) ck_assert_msg(has_constant(train, 0.1 * i), "no rate %g", 0.1 * i);
  uint32_t draws = 0, masks = 0;
  for (NodeId id = 1; id <= train->node_count; id++) {
    if (graph_op(train, id) != OP_RANDOM_UNIFORM) continue;
    draws += graph_shape(train, id)->rank == 0;
    masks += graph_shape(train, id)->rank == 1;
  }
  ck_assert_uint_eq(draws, 3); /* the box's area, row and column */
  ck_assert_uint_eq(masks, 8); /* two branches of all five blocks but the first, whose rate is 0 */
}
END_TEST

START_TEST(nothing_is_mixed_outside_training) {
  const Model *model = build(classifier, false);
  for (NodeId id = 1; id <= model->graph->node_count; id++) ck_assert(graph_op(model->graph, id) != OP_REVERSE);
  const Output *own = graph_find_output(model->graph, OUTPUT_VALUE, "own");
  ck_assert_int_eq(graph_op(model->graph, own->node), OP_CONSTANT);
  ck_assert(node_real(graph_node(model->graph, own->node), CONSTANT_VALUE) == 1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("library_vision");
  TCase *tests = tcase_create("vision");
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, convolution_at_every_second_element);
  tcase_add_test(tests, batch_normalisation_remembers);
  tcase_add_test(tests, cross_entropy_of_distributions);
  tcase_add_test(tests, accuracy_of_the_best);
  tcase_add_test(tests, loss_of_token_labelling);
  tcase_add_test(tests, whole_parts);
  tcase_add_test(tests, boxes_of_mix_token);
  tcase_add_test(tests, boxes_are_of_the_other_image);
  tcase_add_test(tests, published_initial_values);
  tcase_add_test(tests, drop_path_grows_with_depth);
  tcase_add_test(tests, nothing_is_mixed_outside_training);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
