/* The C interface of runtime/simba.h, as a host program uses it: golden AdamW runs, inference, files, mistakes. */
#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/driver/handle.h"
#include "runtime/safetensors.h"
#include "runtime/simba.h"
#include "tests/suite_run.h"

enum { STEPS = 20, BATCHES = 4 };

static const char MODEL[] = TESTS_FOLDER "/../examples/forecaster.simba";
static const simba_setting SETTINGS[] = {{"lookback", "96"}, {"horizon", "24"}, {"channels", "7"}, {"d_model", "32"},
                                         {"depth", "2"},     {"d_state", "16"}, {"embed", "time"}, {"dropout", "0"}};

static simba_model *compile(bool training, int threads) {
  simba_options options = {.size = sizeof options,
                           .settings = SETTINGS,
                           .setting_count = sizeof SETTINGS / sizeof *SETTINGS,
                           .training = training,
                           .threads = threads,
                           .seed = 5};
  simba_model *model = NULL;
  simba_error error = {0};
  simba_status status = simba_model_compile_file(MODEL, &options, &model, &error);
  ck_assert_msg(status == SIMBA_OK, "%s", error.message);
  return model;
}

static TensorFile *open_golden(const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s/parity/%s.safetensors", TESTS_FOLDER, name);
  TensorFile *file;
  simba_error error = {0};
  ck_assert_msg(tensor_file_open(path, &file, &error) == SIMBA_OK, "%s", error.message);
  return file;
}

static float *read_tensor(const TensorFile *file, const char *name, int64_t *out_count) {
  const Tensor *tensor = tensor_file_find(file, name);
  ck_assert_msg(tensor != NULL, "no tensor %s", name);
  float *values = malloc((size_t)tensor->count * sizeof *values);
  ck_assert_int_eq(tensor_read_f32(file, tensor, values, NULL), SIMBA_OK);
  if (out_count) *out_count = tensor->count;
  return values;
}

static void set_parameters(simba_model *model, const TensorFile *file) {
  for (size_t k = 0; k < simba_model_count(model, SIMBA_PARAMETER); k++) {
    simba_tensor_info info;
    ck_assert_int_eq(simba_model_tensor(model, SIMBA_PARAMETER, k, &info), SIMBA_OK);
    char name[256];
    snprintf(name, sizeof name, "param.%s", info.name);
    int64_t count;
    float *values = read_tensor(file, name, &count);
    ck_assert_int_eq(simba_model_set(model, SIMBA_PARAMETER, k, values, (size_t)count), SIMBA_OK);
    free(values);
  }
}

/* Mean |difference| of all parameters from the golden ones after the last step, relative to how far they moved. */
static double parameter_error(simba_model *model, const TensorFile *file) {
  double difference = 0, moved = 0;
  for (size_t k = 0; k < simba_model_count(model, SIMBA_PARAMETER); k++) {
    simba_tensor_info info;
    simba_model_tensor(model, SIMBA_PARAMETER, k, &info);
    char start_name[256], final_name[256];
    snprintf(start_name, sizeof start_name, "param.%s", info.name);
    snprintf(final_name, sizeof final_name, "param_final.%s", info.name);
    int64_t count;
    float *start = read_tensor(file, start_name, &count), *final = read_tensor(file, final_name, NULL);
    float *values = malloc((size_t)count * sizeof *values);
    ck_assert_int_eq(simba_model_get(model, SIMBA_PARAMETER, k, values, (size_t)count), SIMBA_OK);
    for (int64_t i = 0; i < count; i++) {
      difference += fabs((double)values[i] - (double) final[i]);
      moved += fabs((double) final[i] - (double)start[i]);
    }
    free(start);
    free(final);
    free(values);
  }
  return difference / moved;
}

static void check_adamw(const char *name, simba_decay decay) {
  TensorFile *file = open_golden(name);
  simba_model *model = compile(true, 2);
  set_parameters(model, file);
  simba_training training = {.size = sizeof training};
  ck_assert_int_eq(simba_trainer_defaults(model, &training), SIMBA_OK);
  training.weight_decay = 0.05;
  training.decay = decay;
  training.clip = 0;
  simba_trainer *trainer;
  simba_error error = {0};
  ck_assert_msg(simba_trainer_create(model, &training, &trainer, &error) == SIMBA_OK, "%s", error.message);
  ck_assert_int_eq(simba_trainer_set_rate(trainer, 1e-3), SIMBA_OK);
  int64_t x_count, y_count;
  float *x = read_tensor(file, "in.x", &x_count), *y = read_tensor(file, "in.target", &y_count);
  float *golden = read_tensor(file, "out.loss@f64", NULL);
  for (int step = 0; step < STEPS; step++) {
    const float *inputs[] = {x + x_count / BATCHES * (step % BATCHES)};
    const float *targets[] = {y + y_count / BATCHES * (step % BATCHES)};
    float loss;
    simba_status status = simba_trainer_step(trainer, 2, inputs, targets, &loss, NULL);
    ck_assert_msg(status == SIMBA_OK, "%s", simba_trainer_message(trainer));
    ck_assert_msg(fabs((double)loss / (double)golden[step] - 1) <= 1e-5, "%s: loss %d is %.9g, expected %.9g", name,
                  step, (double)loss, (double)golden[step]);
  }
  ck_assert_int_eq(simba_trainer_steps(trainer), STEPS);
  double error_mean = parameter_error(model, file);
  ck_assert_msg(error_mean <= 2e-4, "%s: parameters are off by %.2e of their movement", name, error_mean);
  simba_trainer_destroy(trainer);
  simba_model_destroy(model);
  tensor_file_close(file);
  free(x);
  free(y);
  free(golden);
}

START_TEST(adamw_decays_all) { check_adamw("adamw_all", SIMBA_DECAY_ALL); }
END_TEST

START_TEST(adamw_decays_matrices) { check_adamw("adamw_timm", SIMBA_DECAY_MATRICES); }
END_TEST

/* One step on a fixed batch; the losses of `count` steps. */
static void run_steps(simba_trainer *trainer, const float *x, const float *y, int count, float *losses) {
  const float *inputs[] = {x}, *targets[] = {y};
  for (int step = 0; step < count; step++) {
    simba_status status = simba_trainer_step(trainer, 3, inputs, targets, &losses[step], NULL);
    ck_assert_msg(status == SIMBA_OK, "%s", simba_trainer_message(trainer));
  }
}

START_TEST(a_saved_trainer_goes_on_with_the_same_bits) {
  char folder[] = "/tmp/simbac-test-XXXXXX", path[64];
  ck_assert(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/trainer.safetensors", folder);
  simba_model *model = compile(true, 1);
  size_t x_count = simba_model_elements(model, SIMBA_INPUT, 0, 3),
         y_count = simba_model_elements(model, SIMBA_TARGET, 0, 3);
  ck_assert_uint_eq(x_count, 3 * 96 * 7);
  float *x = malloc(x_count * sizeof *x), *y = malloc(y_count * sizeof *y), losses[6], again[3];
  for (size_t i = 0; i < x_count; i++) x[i] = sinf((float)i * 0.37f);
  for (size_t i = 0; i < y_count; i++) y[i] = cosf((float)i * 0.21f);
  simba_trainer *trainer;
  ck_assert_int_eq(simba_trainer_create(model, NULL, &trainer, NULL), SIMBA_OK);
  run_steps(trainer, x, y, 3, losses);
  ck_assert_int_eq(simba_trainer_save(trainer, path), SIMBA_OK);
  run_steps(trainer, x, y, 3, losses + 3);
  ck_assert(losses[5] < losses[0]);
  ck_assert_int_eq(simba_trainer_load(trainer, path), SIMBA_OK);
  ck_assert_int_eq(simba_trainer_steps(trainer), 3);
  run_steps(trainer, x, y, 3, again);
  ck_assert_mem_eq(again, losses + 3, sizeof again);
  simba_trainer_destroy(trainer);
  simba_model_destroy(model);
  unlink(path);
  rmdir(folder);
  free(x);
  free(y);
}
END_TEST

START_TEST(trainers_come_and_go) {
  static const char text[] =
      "model m() {\n  input x: [B, T = 4]\n  target y: [B, T]\n  output z = linear(x, T -> T) @ l\n"
      "  loss mse = mean((z - y) ^ 2)\n}\n";
  static const float zeros[4] = {0};
  const float *batch[] = {zeros};
  simba_options options = {.size = sizeof options, .training = true, .threads = 1};
  simba_model *model;
  ck_assert_int_eq(simba_model_compile_text(text, strlen(text), "m.simba", &options, &model, NULL), SIMBA_OK);
  for (int k = 0; k < 12; k++) {
    simba_trainer *trainer;
    ck_assert_int_eq(simba_trainer_create(model, NULL, &trainer, NULL), SIMBA_OK);
    ck_assert_int_eq(simba_trainer_step(trainer, 1, batch, batch, NULL, NULL), SIMBA_OK);
    simba_trainer_destroy(trainer);
  }
  ck_assert_int_eq(simba_model_infer(model, 1, batch, NULL), SIMBA_OK);
  simba_model_destroy(model);
}
END_TEST

/* After memory that the system refused, a model does what it did. */
START_TEST(refused_memory_loses_nothing) {
  static const char text[] =
      "model m() {\n  dim U = 1048576\n  input x: [B, T = 4]\n  param w: [U] = 1\n  output y: [B, T] = 2 * x\n"
      "  output z: [B, T, U] = x * w\n}\n";
  static const float ones[4] = {1, 1, 1, 1};
  const float *input[] = {ones};
  simba_options options = {.size = sizeof options, .threads = 1};
  simba_model *model;
  ck_assert_int_eq(simba_model_compile_text(text, strlen(text), "m.simba", &options, &model, NULL), SIMBA_OK);
  ck_assert_int_eq(simba_model_infer(model, 1, input, NULL), SIMBA_OK);
  for (int k = 0; k < 2; k++) {
    float found[4] = {0}, *outputs[] = {found, NULL};
    ck_assert_int_eq(simba_model_infer(model, INT32_MAX, input, NULL), SIMBA_OUT_OF_MEMORY);
    ck_assert_msg(simba_model_infer(model, 1, input, outputs) == SIMBA_OK, "%s", simba_model_message(model));
    ck_assert_float_eq(found[3], 2);
  }
  simba_model_destroy(model);
}
END_TEST

/* A budget that is too small is refused with the one that would do, for the batch that it is for. */
START_TEST(memory_budget_is_kept_to) {
  simba_options options = {.size = sizeof options,
                           .settings = SETTINGS,
                           .setting_count = sizeof SETTINGS / sizeof *SETTINGS,
                           .training = true,
                           .threads = 1,
                           .memory_budget = 1024};
  long long kilobytes = 0;
  for (int64_t batch = 1; batch <= 2; batch++) {
    simba_model *model;
    simba_trainer *trainer;
    simba_error error = {0};
    options.memory_batch = batch;
    ck_assert_int_eq(simba_model_compile_file(MODEL, &options, &model, NULL), SIMBA_OK);
    ck_assert_int_eq(simba_trainer_create(model, NULL, &trainer, &error), SIMBA_INVALID_ARGUMENT);
    simba_model_destroy(model);
    long long before = kilobytes;
    const char *size = strstr(error.message, "intermediate values take ");
    ck_assert_msg(size && sscanf(size, "intermediate values take %lld KB", &kilobytes) == 1, "%s", error.message);
    ck_assert_int_gt(kilobytes, before);
  }
  options.memory_budget = (uint64_t)kilobytes * 1024;
  simba_model *model;
  simba_trainer *trainer;
  simba_error error = {0};
  ck_assert_int_eq(simba_model_compile_file(MODEL, &options, &model, NULL), SIMBA_OK);
  ck_assert_msg(simba_trainer_create(model, NULL, &trainer, &error) == SIMBA_OK, "%s", error.message);
  ck_assert_int_le(execution_arena_bytes(trainer->train->step, 2), kilobytes * 1024);
  simba_trainer_destroy(trainer);
  simba_model_destroy(model);
}
END_TEST

START_TEST(inference_agrees_between_threads_and_batches) {
  simba_model *one = compile(false, 1), *two = compile(false, 2);
  size_t x_count = simba_model_elements(one, SIMBA_INPUT, 0, 5),
         y_count = simba_model_elements(one, SIMBA_OUTPUT, 0, 5);
  float *x = malloc(x_count * sizeof *x), *a = malloc(y_count * sizeof *a), *b = malloc(y_count * sizeof *b);
  for (size_t i = 0; i < x_count; i++) x[i] = sinf((float)i * 0.11f);
  const float *inputs[] = {x};
  float *outputs_a[] = {a}, *outputs_b[] = {b};
  ck_assert_int_eq(simba_model_infer(one, 5, inputs, outputs_a), SIMBA_OK);
  ck_assert_int_eq(simba_model_infer(two, 5, inputs, outputs_b), SIMBA_OK);
  ck_assert_mem_eq(a, b, y_count * sizeof *a);
  for (size_t i = 0; i < y_count; i++) ck_assert(isfinite(a[i]));
  memset(b, 0, y_count * sizeof *b);
  ck_assert_int_eq(simba_model_infer(two, 2, inputs, outputs_b), SIMBA_OK);
  ck_assert_mem_eq(a, b, y_count / 5 * 2 * sizeof *a);
  simba_model_destroy(one);
  simba_model_destroy(two);
  free(x);
  free(a);
  free(b);
}
END_TEST

static int count_files(const char *folder) {
  DIR *directory = opendir(folder);
  ck_assert(directory != NULL);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(directory));) count += entry->d_name[0] != '.';
  closedir(directory);
  return count;
}

/* What was given may go once the model is compiled, and a second model takes its code from the cache: the same bits. */
START_TEST(compiled_code_comes_from_the_cache) {
  static const char text[] = "model m(n = 4) {\n  input x: [B, n]\n  output y = linear(x, n -> 2)\n}\n";
  char folder[] = "/tmp/simbac-test-XXXXXX";
  ck_assert(mkdtemp(folder) != NULL);
  float x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, y[2][4] = {{0}};
  const float *inputs[] = {x};
  int files[2];
  for (int round = 0; round < 2; round++) {
    char name[] = "n", value[] = "6", cache[64];
    snprintf(cache, sizeof cache, "%s", folder);
    simba_setting setting = {name, value};
    simba_options options = {
        .size = sizeof options, .settings = &setting, .setting_count = 1, .seed = 3, .cache_folder = cache};
    simba_model *model = NULL;
    ck_assert_int_eq(simba_model_compile_text(text, strlen(text), "m.simba", &options, &model, NULL), SIMBA_OK);
    memset(name, '?', sizeof name - 1);
    memset(value, '?', sizeof value - 1);
    memset(cache, '?', sizeof cache - 1);
    float *outputs[] = {y[round]};
    ck_assert_msg(simba_model_infer(model, 2, inputs, outputs) == SIMBA_OK, "%s", simba_model_message(model));
    simba_model_destroy(model);
    files[round] = count_files(folder);
  }
  ck_assert_int_gt(files[0], 0);
  ck_assert_int_eq(files[0], files[1]);
  ck_assert_mem_eq(y[0], y[1], sizeof y[0]);
  char command[96];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(mistakes_are_statuses_with_messages) {
  simba_model *model = NULL;
  simba_error error = {0};
  ck_assert_int_eq(simba_model_compile_file("/nonexistent/model.simba", NULL, &model, &error), SIMBA_IO_ERROR);
  ck_assert(strstr(error.message, "/nonexistent/model.simba") != NULL);
  static const char text[] = "model m(n = 4) {\n  input x: [B, n]\n  output y = linaer(x, n -> 2)\n}\n";
  ck_assert_int_eq(simba_model_compile_text(text, strlen(text), "m.simba", NULL, &model, &error), SIMBA_MODEL_ERROR);
  ck_assert_msg(strstr(error.message, "m.simba:3:14") && strstr(error.message, "linear"), "%s", error.message);
  model = compile(false, 1);
  size_t index;
  ck_assert_int_eq(simba_model_find(model, SIMBA_PARAMETER, "embed.wieght", &index), SIMBA_INVALID_ARGUMENT);
  ck_assert(strstr(simba_model_message(model), "embed.weight") != NULL);
  const float *inputs[] = {NULL};
  ck_assert_int_eq(simba_model_infer(model, 1, inputs, NULL), SIMBA_INVALID_ARGUMENT);
  ck_assert_int_eq(simba_model_infer(model, 0, inputs, NULL), SIMBA_INVALID_ARGUMENT);
  ck_assert_int_eq(simba_model_infer(model, INT64_C(1) << 60, inputs, NULL), SIMBA_INVALID_ARGUMENT);
  ck_assert(strstr(simba_model_message(model), "1 to 2147483647") != NULL);
  ck_assert_int_eq(simba_model_load_weights(model, "/nonexistent"), SIMBA_IO_ERROR);
  simba_trainer *trainer;
  ck_assert_int_eq(simba_trainer_create(model, NULL, &trainer, &error), SIMBA_INVALID_ARGUMENT);
  ck_assert(strstr(error.message, "training") != NULL);
  simba_model_destroy(model);
}
END_TEST

/* A concatenation is written part by part: what its later parts hold of the step before, which was bad all over, must
 * not be taken for what a launch wrote. */
START_TEST(the_first_bad_tensor_is_found) {
  static const char text[] =
      "model m(T = 4, M = 8) {\n"
      "  input x: [B, T, M]\n"
      "  param w: [M, N = 8] = normal(0.1)\n"
      "  param v: [N, K = 8] = normal(0.1)\n"
      "  param u: [K, J = 8] = normal(0.1)\n"
      "  let a = dot(x, w, over = M)\n"
      "  let b = log(dot(tanh(a), v, over = N) - 9)\n"
      "  let b = dot(b, u, over = K)\n"
      "  let c = concat(a, reshape(b, J = N), over = T)\n"
      "  output y = c\n"
      "  loss all = mean(dot(c, v, over = N) ^ 2)\n"
      "}\n";
  simba_options options = {.size = sizeof options, .training = true, .threads = 2};
  simba_model *model = NULL;
  simba_error error = {0};
  simba_status status = simba_model_compile_text(text, strlen(text), "m.simba", &options, &model, &error);
  ck_assert_msg(status == SIMBA_OK, "%s", error.message);
  simba_trainer *trainer;
  ck_assert_int_eq(simba_trainer_create(model, NULL, &trainer, &error), SIMBA_OK);
  float x[3 * 4 * 8] = {0};
  const float *inputs[] = {x};
  for (int step = 0; step < 2; step++) {
    ck_assert_int_eq(simba_trainer_step(trainer, 3, inputs, NULL, NULL, NULL), SIMBA_NOT_FINITE);
    ck_assert_msg(strstr(simba_trainer_message(trainer), "m.simba:7:") != NULL, "%s", simba_trainer_message(trainer));
  }
  simba_trainer_destroy(trainer);
  simba_model_destroy(model);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("driver_interface");
  TCase *cases = tcase_create("interface");
  tcase_set_timeout(cases, 0);
  tcase_add_test(cases, adamw_decays_all);
  tcase_add_test(cases, adamw_decays_matrices);
  tcase_add_test(cases, trainers_come_and_go);
  tcase_add_test(cases, a_saved_trainer_goes_on_with_the_same_bits);
  tcase_add_test(cases, memory_budget_is_kept_to);
  tcase_add_test(cases, refused_memory_loses_nothing);
  tcase_add_test(cases, inference_agrees_between_threads_and_batches);
  tcase_add_test(cases, compiled_code_comes_from_the_cache);
  tcase_add_test(cases, the_first_bad_tensor_is_found);
  tcase_add_test(cases, mistakes_are_statuses_with_messages);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
