/* Weights that PyTorch saved, by the C interface: a language model answers as PyTorch did; what does not fit is reported
 * and changes nothing. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/safetensors.h"
#include "runtime/simba.h"
#include "tests/suite_run.h"

static const char MODEL[] = TESTS_FOLDER "/../examples/mamba_lm.simba";
static const char WEIGHTS[] = TESTS_FOLDER "/torch/mamba_lm.pth";

static simba_model *compile(const char *d_state) {
  const simba_setting settings[] = {{"vocabulary", "12"}, {"d_model", "16"}, {"T", "9"}, {"d_state", d_state}};
  const simba_options options = {.size = sizeof options, .settings = settings, .setting_count = 4, .threads = 1};
  simba_model *model = NULL;
  simba_error error = {0};
  ck_assert_msg(simba_model_compile_file(MODEL, &options, &model, &error) == SIMBA_OK, "%s", error.message);
  return model;
}

static float *read_tensor(const TensorFile *file, const char *name, int64_t *out_count) {
  const Tensor *tensor = tensor_file_find(file, name);
  ck_assert_msg(tensor != NULL, "no tensor %s", name);
  float *values = malloc((size_t)tensor->count * sizeof *values);
  ck_assert_int_eq(tensor_read_f32(file, tensor, values, NULL), SIMBA_OK);
  *out_count = tensor->count;
  return values;
}

START_TEST(published_weights_answer_as_published) {
  simba_model *model = compile("4");
  const simba_weights_source source = {.size = sizeof source, .path = WEIGHTS, .map = "mamba-ssm"};
  ck_assert_msg(simba_model_load_weights_from(model, &source) == SIMBA_OK, "%s", simba_model_message(model));
  ck_assert_str_eq(simba_model_weights_report(model), "");
  ck_assert_ptr_nonnull(strstr(simba_model_weights_note(model), "'lm_head.weight'"));
  TensorFile *golden;
  ck_assert_int_eq(tensor_file_open(TESTS_FOLDER "/torch/mamba_lm.safetensors", &golden, NULL), SIMBA_OK);
  int64_t tokens_count, logits_count;
  float *tokens = read_tensor(golden, "in.tokens", &tokens_count);
  float *expected = read_tensor(golden, "out.logits", &logits_count);
  float *logits = malloc((size_t)logits_count * sizeof *logits);
  ck_assert_msg(simba_model_infer(model, 2, (const float *[]){tokens}, (float *[]){logits}) == SIMBA_OK, "%s",
                simba_model_message(model));
  float largest = 0, worst = 0;
  for (int64_t i = 0; i < logits_count; i++) {
    largest = fmaxf(largest, fabsf(expected[i]));
    worst = fmaxf(worst, fabsf(expected[i] - logits[i]));
  }
  ck_assert_float_gt(largest, 0.1f);
  ck_assert_float_le(worst, 1e-6f * largest);
  free(tokens);
  free(expected);
  free(logits);
  tensor_file_close(golden);
  simba_model_destroy(model);
}
END_TEST

static void check_same(simba_model *a, simba_model *b) {
  for (size_t k = 0; k < simba_model_count(a, SIMBA_PARAMETER); k++) {
    float values[2][2048];
    size_t count = simba_model_elements(a, SIMBA_PARAMETER, k, 1);
    ck_assert_uint_le(count, 2048);
    ck_assert_int_eq(simba_model_get(a, SIMBA_PARAMETER, k, values[0], count), SIMBA_OK);
    ck_assert_int_eq(simba_model_get(b, SIMBA_PARAMETER, k, values[1], count), SIMBA_OK);
    ck_assert_mem_eq(values[0], values[1], count * sizeof(float));
  }
}

START_TEST(what_does_not_fit_changes_nothing) {
  simba_model *model = compile("8"), *untouched = compile("8");
  ck_assert_str_eq(simba_model_weights_report(model), "");
  ck_assert_str_eq(simba_model_weights_note(model), "");
  ck_assert_int_eq(simba_model_load_weights(model, WEIGHTS), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(strstr(simba_model_message(model), "mamba_lm.pth: 22 missing: 'embedding.weight', "));
  ck_assert_ptr_nonnull(strstr(simba_model_weights_report(model), "is it the file's 'backbone.embedding.weight'?\n"));
  simba_weights_source source = {.size = sizeof source, .path = WEIGHTS, .map = "mamba-ssm"};
  ck_assert_int_eq(simba_model_load_weights_from(model, &source), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(
      strstr(simba_model_message(model), "'layers.0.mixer.A_log' is [32, 4], the model's is [32, 8]"));
  source.map = "mamba";
  ck_assert_int_eq(simba_model_load_weights_from(model, &source), SIMBA_INVALID_ARGUMENT);
  source = (simba_weights_source){.size = sizeof source, .path = WEIGHTS, .key = "model"};
  ck_assert_int_eq(simba_model_load_weights_from(model, &source), SIMBA_INVALID_ARGUMENT);
  source = (simba_weights_source){.path = WEIGHTS}; /* a size of 0: nothing is given */
  ck_assert_int_eq(simba_model_load_weights_from(model, &source), SIMBA_INVALID_ARGUMENT);
  ck_assert_int_eq(simba_model_load_weights_from(model, NULL), SIMBA_INVALID_ARGUMENT);
  check_same(model, untouched);
  simba_model_destroy(model);
  simba_model_destroy(untouched);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("driver_weights");
  TCase *cases = tcase_create("weights");
  tcase_add_test(cases, published_weights_answer_as_published);
  tcase_add_test(cases, what_does_not_fit_changes_nothing);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
