/* The models of examples/parity and examples/mixers against the reference files of tests/parity: compiled by the front end, differentiated,
 * evaluated in float64. Outputs, loss and every gradient agree to the rounding of the files (f32), so the language, the
 * library and reverse mode are right before any code is generated. */
#include "frontend/frontend.h"
#include "ir/evaluate.h"
#include "passes/differentiate.h"
#include "runtime/safetensors.h"
#include "tests/suite_run.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SETTING_LIMIT = 36, OUTPUT_LIMIT = 8 };
static const double TOLERANCE = 2e-7; /* of the largest number of the tensor */

typedef struct Case {
  const char *model, *file;
  const char *setting[SETTING_LIMIT]; /* NAME, VALUE, ... */
  bool training;
} Case;

#define BACKBONE                                                                                                       \
  "hidden", "4", "width1", "8", "width2", "8", "width3", "16", "width4", "16", "depth1", "1", "depth2", "1", "depth3", \
      "2", "depth4", "1", "ratio1", "2", "ratio2", "2", "ratio3", "2", "ratio4", "2"

static const Case cases[] = {
    {"selective_scan", "selective_scan_n16", {"D", "24", "N", "16", "L", "37"}},
    {"selective_scan", "selective_scan_n64", {"D", "24", "N", "64", "L", "37"}},
    {"selective_scan", "selective_scan_plain", {"D", "24", "N", "16", "L", "37", "plain", "true"}},
    {"activations", "activations", {"n", "500"}},
    {"mamba", "mamba_block", {"d_model", "24", "d_state", "16", "L", "37"}},
    {"mamba", "mamba_block_n64", {"d_model", "32", "d_state", "64", "L", "49"}},
    {"mamba", "mamba_block_l1", {"d_model", "24", "d_state", "64", "L", "1"}},
    {"mamba", "mamba_block_l3", {"d_model", "16", "d_state", "16", "L", "3"}},
    {"mamba", "mamba_layer", {"d_model", "24", "d_state", "16", "L", "20", "norm", "true"}},
    {"einfft", "einfft_n49_c64", {"N", "49", "C", "64"}},
    {"einfft", "einfft_n96_c32", {"N", "96", "C", "32"}},
    {"einfft", "einfft_n1_c64", {"N", "1", "C", "64"}},
    {"einfft", "einfft_n37_c32", {"N", "37", "C", "32"}},
    {"einfft", "einfft_n49_c64_large", {"N", "49", "C", "64"}},
    {"einfft", "einfft_n16_c48_large", {"N", "16", "C", "48"}},
    {"einfft", "einfft_n2_c16_large", {"N", "2", "C", "16"}},
    {"mlp", "mlp", {"dim", "24", "hidden", "96", "L", "10"}},
    {"conv_mlp", "pvt2ffn", {"H", "5", "W", "7", "dim", "16", "hidden", "64"}},
    {"pvt2ffn", "pvt2ffn", {"H", "5", "W", "7", "dim", "16", "hidden", "64"}},
    {"block", "block_einfft", {"H", "4", "W", "5", "dim", "32"}},
    {"block", "block_mlp", {"H", "4", "W", "5", "dim", "32", "mixer", "mlp"}},
    {"class_block", "class_block_einfft", {"L", "10", "dim", "32"}},
    {"class_block", "class_block_mlp", {"L", "10", "dim", "32", "mixer", "mlp"}},
    {"stem", "stem_eval", {"H", "30", "W", "28", "hidden", "8", "width", "16"}},
    {"stem", "stem_train", {"H", "30", "W", "28", "hidden", "8", "width", "16"}, .training = true},
    {"downsample", "downsample", {"H", "9", "W", "6", "channels", "16", "width", "24"}},
    {"vision", "vision_einfft", {"mixer", "einfft"}},
    {"vision", "vision_einfft_token_label", {"mixer", "einfft", "token_label", "true"}},
    {"vision", "vision_mlp", {"mixer", "mlp"}},
    {"vision", "vision_mlp_token_label", {"mixer", "mlp", "token_label", "true"}},
    {"vision",
     "vision_train_mixtoken",
     {"token_label", "true", "width1", "8", "width2", "8", "width3", "16", "width4", "16", "top", "0", "bottom", "1",
      "left", "1", "right", "2"},
     .training = true},
    {"../backbone", "backbone_einfft", {BACKBONE, "height", "40", "width", "72", "d_state", "16"}},
    {"../backbone", "backbone_mlp", {BACKBONE, "height", "36", "width", "50", "d_state", "8", "mixer", "mlp"}},
    {"../mixers/tokens", "mixer_block_mlp", {"kind", "block_mlp", "T", "11", "C", "12", "blocks", "3", "ratio", "2"}},
    {"../mixers/tokens", "mixer_monarch", {"kind", "monarch", "T", "11", "C", "12", "blocks", "3", "ratio", "2"}},
    {"../mixers/tokens", "mixer_depthwise", {"kind", "depthwise", "T", "11", "C", "12", "width", "4"}},
    {"../mixers/tokens", "mixer_conv_mlp", {"kind", "conv_mlp", "T", "11", "C", "12", "ratio", "2"}},
    {"../mixers/tokens", "mixer_gfnet_t11", {"kind", "gfnet", "T", "11", "C", "8"}},
    {"../mixers/tokens", "mixer_gfnet_t12", {"kind", "gfnet", "T", "12", "C", "8"}},
    {"../mixers/tokens", "mixer_afno_t1", {"kind", "afno", "T", "1", "C", "8", "blocks", "2"}},
    {"../mixers/tokens", "mixer_afno_t2", {"kind", "afno", "T", "2", "C", "8", "blocks", "2"}},
    {"../mixers/tokens", "mixer_afno_t11", {"kind", "afno", "T", "11", "C", "8", "blocks", "2"}},
    {"../mixers/tokens", "mixer_afno_t12", {"kind", "afno", "T", "12", "C", "8", "blocks", "2"}},
    {"../mixers/tokens", "mixer_fremlp_t1", {"kind", "fremlp", "T", "1", "C", "8"}},
    {"../mixers/tokens", "mixer_fremlp_t2", {"kind", "fremlp", "T", "2", "C", "8"}},
    {"../mixers/tokens", "mixer_fremlp_t11", {"kind", "fremlp", "T", "11", "C", "8"}},
    {"../mixers/tokens", "mixer_fremlp_t12", {"kind", "fremlp", "T", "12", "C", "8"}},
    {"../mixers/images", "mixer_gfnet_5x7", {"kind", "gfnet", "H", "5", "W", "7", "C", "8"}},
    {"../mixers/images", "mixer_gfnet_6x4", {"kind", "gfnet", "H", "6", "W", "4", "C", "8"}},
    {"../mixers/images", "mixer_afno_5x7", {"kind", "afno", "H", "5", "W", "7", "C", "8", "blocks", "2"}},
    {"../mixers/images", "mixer_afno_6x4", {"kind", "afno", "H", "6", "W", "4", "C", "8", "blocks", "2"}},
    {"../mixers/images", "mixer_depthwise_5x7", {"kind", "depthwise", "H", "5", "W", "7", "C", "6"}},
    {"../mixers/images", "mixer_conv_mlp_5x4", {"kind", "conv_mlp", "H", "5", "W", "4", "C", "6", "ratio", "2"}},
    {"forecaster", "forecaster_time", {"depth", "2"}},
    {"forecaster", "forecaster_time_norevin", {"depth", "2", "revin", "false"}},
    {"forecaster", "forecaster_inverted", {"depth", "2", "embed", "inverted", "affine", "true"}},
    {"forecaster", "forecaster_patch", {"depth", "1", "embed", "patch"}},
};
enum { CASE_COUNT = sizeof cases / sizeof *cases };

typedef struct Run {
  Arena *arena;
  TensorFile *file;
  Graph *graph; /* with gradients */
  Value *value;
  const char *cotangent[OUTPUT_LIMIT];
  uint32_t cotangent_count;
} Run;

static Model *build(Arena *arena, const Case *which) {
  Diagnostics *diagnostics = diagnostics_create(arena);
  FrontendSetting setting[SETTING_LIMIT];
  FrontendOptions options = {.setting = setting, .training = which->training};
  for (int i = 0; i < SETTING_LIMIT && which->setting[i]; i += 2)
    setting[options.setting_count++] = (FrontendSetting){which->setting[i], which->setting[i + 1]};
  const char *path = arena_format(arena, "%s/../examples/parity/%s.simba", TESTS_FOLDER, which->model);
  FrontendFile *file = frontend_parse_file(arena, diagnostics, path);
  Model *model = file ? frontend_elaborate(file, arena, diagnostics, &options) : NULL;
  Text report = text_begin(arena);
  diagnostics_render(diagnostics, DIAGNOSTIC_HUMAN, false, &report);
  ck_assert_msg(model != NULL, "%.3000s", report.data);
  return model;
}

/* The file's tensor with exactly the model's shape; symbols that are still 0 are taken from it. */
static double *read_leaf(const Run *run, const char *name, const Shape *shape, int64_t *symbols) {
  simba_error error = {0};
  const Tensor *tensor = tensor_file_find(run->file, name);
  ck_assert_msg(tensor != NULL, "the file has no %s", name);
  ck_assert_msg(tensor->rank == shape->rank, "%s has rank %d, not %d", name, tensor->rank, shape->rank);
  for (int32_t k = 0; k < shape->rank; k++) {
    Dim dim = shape->dim[k];
    if (!dim_is_constant(dim) && symbols[0] == 0) symbols[0] = tensor->shape[k] / dim.factor;
    ck_assert_msg(tensor->shape[k] == dim_value(dim, symbols), "%s has another shape along axis %d", name, k);
  }
  double *data = ARENA_ARRAY(run->arena, double, tensor->count + 1);
  ck_assert_msg(tensor_read_f64(run->file, tensor, data, &error) == SIMBA_OK, "%s", error.message);
  return data;
}

static const char *leaf_file_name(Arena *arena, const Node *node) {
  const char *name = node_text(node, LEAF_NAME);
  if (node->op == OP_PARAMETER) return arena_format(arena, "param.%s", name);
  if (node->op == OP_STATE) return arena_format(arena, "buf.%s", name);
  return strncmp(name, "lw.", 3) == 0 ? name : arena_format(arena, "in.%s", name);
}

/* Cotangents are those outputs that the file has weights for. */
static void differentiate(Run *run, const Model *model) {
  for (uint32_t i = 0; i < model->graph->output_count; i++) {
    const Output *output = &model->graph->output[i];
    if (output->kind != OUTPUT_VALUE) continue;
    if (!tensor_file_find(run->file, arena_format(run->arena, "lw.%s", output->name))) continue;
    ck_assert_uint_lt(run->cotangent_count, OUTPUT_LIMIT);
    run->cotangent[run->cotangent_count++] = output->name;
  }
  ck_assert_uint_gt(run->cotangent_count, 0);
  run->graph = graph_differentiate(model->graph, run->arena,
                                   &(DifferentiateSpec){.cotangent = run->cotangent,
                                                        .cotangent_count = run->cotangent_count,
                                                        .parameters = true,
                                                        .inputs = true,
                                                        .zeros = true});
}

static void evaluate(Run *run, const Model *model) {
  const Graph *graph = run->graph;
  EvaluateInput *input = ARENA_ARRAY(run->arena, EvaluateInput, graph->node_count + 1);
  uint32_t count = 0;
  int64_t symbols[SYMBOL_MAX] = {0};
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op != OP_INPUT && node->op != OP_PARAMETER && node->op != OP_STATE) continue;
    bool target = false;
    for (uint32_t i = 0; i < model->target_count; i++)
      target = target || !strcmp(model->target[i].name, node_text(node, LEAF_NAME));
    if (target) continue;
    input[count++] = (EvaluateInput){id, read_leaf(run, leaf_file_name(run->arena, node), &node->shape, symbols)};
  }
  run->value = ARENA_ARRAY(run->arena, Value, graph->node_count + 1);
  graph_evaluate(graph, symbols, 0, 0, input, count, false, run->arena, run->value);
}

static void compare(const Run *run, const Tensor *tensor, OutputKind kind, OpCode leaf_op, const char *name) {
  simba_error error = {0};
  const Output *output = NULL;
  for (uint32_t i = 0; i < run->graph->output_count; i++) {
    const Output *other = &run->graph->output[i];
    bool leaf = kind != OUTPUT_GRADIENT || graph_node(run->graph, other->leaf)->op == leaf_op;
    if (other->kind == kind && leaf && !strcmp(other->name, name)) output = other;
  }
  ck_assert_msg(output != NULL, "the model has no %s", tensor->name);
  const Value *value = &run->value[output->node];
  int64_t shape[SHAPE_MAX_RANK];
  for (int32_t k = 0; k < value->shape.rank; k++) shape[k] = value->shape.dim[k].factor;
  ck_assert_msg(tensor_shape_equal(value->shape.rank, shape, tensor->rank, tensor->shape), "%s has another shape",
                tensor->name);
  double *expected = ARENA_ARRAY(run->arena, double, tensor->count + 1), largest = 0, difference = 0;
  ck_assert_msg(tensor_read_f64(run->file, tensor, expected, &error) == SIMBA_OK, "%s", error.message);
  for (int64_t i = 0; i < tensor->count; i++) {
    ck_assert_msg(isfinite(value->data[i]), "%s[%lld] is %g", tensor->name, (long long)i, value->data[i]);
    largest = fmax(largest, fabs(expected[i]));
    difference = fmax(difference, fabs(expected[i] - value->data[i]));
  }
  ck_assert_msg(difference <= TOLERANCE * largest, "%s differs by %g of %g", tensor->name, difference, largest);
}

/* Everything that the file gives: out.*, gin.*, gparam.*, buf_after.*, loss. Gives back how many tensors that were. */
static uint32_t compare_all(const Run *run) {
  uint32_t compared = 0;
  for (size_t i = 0; i < run->file->count; i++) {
    const Tensor *tensor = &run->file->tensor[i];
    if (!strncmp(tensor->name, "out.", 4))
      compare(run, tensor, OUTPUT_VALUE, OP_INPUT, tensor->name + 4);
    else if (!strncmp(tensor->name, "gin.", 4))
      compare(run, tensor, OUTPUT_GRADIENT, OP_INPUT, tensor->name + 4);
    else if (!strncmp(tensor->name, "buf_after.", 10))
      compare(run, tensor, OUTPUT_STATE, OP_STATE, tensor->name + 10);
    else if (!strncmp(tensor->name, "gparam.", 7))
      compare(run, tensor, OUTPUT_GRADIENT, OP_PARAMETER, tensor->name + 7);
    else if (!strcmp(tensor->name, "loss"))
      compare(run, tensor, OUTPUT_LOSS, OP_INPUT, tensor->name);
    else
      continue;
    compared++;
  }
  return compared;
}

START_TEST(reference_files_agree) {
  const Case *which = &cases[_i];
  Run run = {.arena = arena_create()};
  simba_error error = {0};
  const char *path = arena_format(run.arena, "%s/parity/%s.safetensors", TESTS_FOLDER, which->file);
  ck_assert_msg(tensor_file_open(path, &run.file, &error) == SIMBA_OK, "%s", error.message);
  Model *model = build(run.arena, which);
  differentiate(&run, model);
  evaluate(&run, model);
  /* The loss, an output and an input's gradient at least, and a gradient of every parameter. */
  ck_assert_uint_ge(compare_all(&run), 3 + model->parameter_count);
  tensor_file_close(run.file);
  arena_destroy(run.arena);
}
END_TEST

/* Sizes that no reference file has. */
static const Case other_sizes[] = {
    {"selective_scan", NULL, {"D", "5", "N", "3", "L", "9"}},
    {"activations", NULL, {"n", "7"}},
    {"mamba", NULL, {"d_model", "10", "d_state", "5", "d_conv", "3", "expand", "3", "L", "8"}},
    {"einfft", NULL, {"N", "11", "C", "15", "blocks", "3"}},
    {"mlp", NULL, {"dim", "6", "hidden", "9", "L", "2"}},
    {"conv_mlp", NULL, {"H", "2", "W", "3", "dim", "4", "hidden", "6"}},
    {"stem", NULL, {"H", "17", "W", "40", "channels", "1", "hidden", "3", "width", "5"}},
    {"downsample", NULL, {"H", "1", "W", "8", "channels", "2", "width", "3"}},
    {"block", NULL, {"H", "3", "W", "5", "dim", "8", "mixer", "gfnet"}},
    {"block", NULL, {"H", "1", "W", "1", "dim", "8", "mixer", "afno"}},
    {"class_block", NULL, {"L", "1", "dim", "8", "mixer", "monarch"}},
    {"vision", NULL, {"height", "33", "width", "70", "token_label", "true", "depth3", "3", "drop_path", "0.2"}, true},
    {"vision", NULL, {"height", "28", "width", "28", "channels", "1", "mixer", "depthwise", "depth1", "0"}},
    {"forecaster", NULL, {"lookback", "40", "horizon", "5", "channels", "2", "d_model", "12", "embed", "patch"}},
};
enum { OTHER_COUNT = sizeof other_sizes / sizeof *other_sizes };

START_TEST(other_sizes_compile) {
  Arena *arena = arena_create();
  Model *model = build(arena, &other_sizes[_i]);
  const char *message = NULL;
  ck_assert_msg(graph_verify(model->graph, arena, &message), "%s", message);
  arena_destroy(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("library_parity");
  TCase *tests = tcase_create("parity");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, reference_files_agree, 0, CASE_COUNT);
  tcase_add_loop_test(tests, other_sizes_compile, 0, OTHER_COUNT);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
