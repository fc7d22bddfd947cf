/* The C interface inside a program that has set a locale with a decimal comma: the same bits, files and messages as in
 * the "C" locale. The locale is made by localedef in a folder of its own, where none is installed. */
#include "runtime/simba.h"
#include "tests/suite_run.h"

#include <check.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 3, WIDTH = 4 };

static const char MODEL[] =
    "model scaled(rate = 0.5, width = 4) {\n"
    "  require rate < 0.75, \"too much\"\n"
    "  input x: f32[B, V = width]\n"
    "  target t: f32[B, V]\n"
    "  param w: [V] = 0.375 + uniform(0.25, 1.5e-1)\n"
    "  output y: [B, V] = (x - 0.125) * w * rate\n"
    "  loss mse = mean((y - t) ^ 2)\n"
    "}\n"
    "recipe { optimizer adamw(lr = 2.5e-1, weight_decay = 0.0625) }\n";

static char folder[] = "locale-XXXXXX";

/* False (and said) where there is no such locale. */
static bool set_comma(void) {
  char command[256];
  if (!setlocale(LC_ALL, "de_DE.UTF-8")) {
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>/dev/null", folder);
    if (system(command) != 0 || setenv("LOCPATH", folder, 1) != 0 || !setlocale(LC_ALL, "de_DE.UTF-8")) {
      puts("skipped: the locale de_DE.UTF-8 is not installed and localedef cannot make it");
      return false;
    }
  }
  char number[16];
  snprintf(number, sizeof number, "%.1f", 0.5);
  ck_assert_str_eq(number, "0,5");
  return true;
}

typedef struct Result {
  float y[BATCH * WIDTH], trained[WIDTH], loss;
  char weights[4096], message[SIMBA_MESSAGE_SIZE], heard[16];
  size_t weight_bytes;
} Result;

static void read_file(const char *path, Result *result) {
  FILE *file = fopen(path, "rb");
  ck_assert_ptr_nonnull(file);
  result->weight_bytes = fread(result->weights, 1, sizeof result->weights, file);
  fclose(file);
}

/* The host's own locale holds in what it is called back by. */
static void hear(void *context, const char *text) {
  Result *result = context;
  (void)text;
  snprintf(result->heard, sizeof result->heard, "%.1f", 0.5);
}

static simba_model *compile(const char *rate, Result *result, simba_error *error) {
  const simba_setting setting = {"rate", rate};
  simba_options options = {.size = sizeof options,
                           .settings = &setting,
                           .setting_count = 1,
                           .threads = 1,
                           .training = true,
                           .seed = 7,
                           .on_diagnostics = hear,
                           .context = result};
  simba_model *model = NULL;
  simba_model_compile_text(MODEL, sizeof MODEL - 1, "scaled.simba", &options, &model, error);
  return model;
}

static void use_all(Result *result) {
  char path[64];
  snprintf(path, sizeof path, "%s/weights.safetensors", folder);
  simba_error error = {0};
  ck_assert_ptr_null(compile("0.875", result, &error));
  memcpy(result->message, error.message, sizeof result->message);
  simba_model *model = compile("0.6875", result, &error);
  ck_assert_msg(model != NULL, "%s", error.message);
  float x[BATCH * WIDTH], t[BATCH * WIDTH] = {0};
  for (int i = 0; i < BATCH * WIDTH; i++) x[i] = (float)i * 0.3F;
  const float *inputs[] = {x}, *targets[] = {t};
  float *outputs[] = {result->y};
  ck_assert_msg(simba_model_infer(model, BATCH, inputs, outputs) == SIMBA_OK, "%s", simba_model_message(model));
  simba_trainer *trainer;
  ck_assert_msg(simba_trainer_create(model, NULL, &trainer, &error) == SIMBA_OK, "%s", error.message);
  ck_assert(simba_trainer_step(trainer, BATCH, inputs, targets, &result->loss, NULL) == SIMBA_OK);
  ck_assert_msg(simba_trainer_save(trainer, path) == SIMBA_OK, "%s", simba_trainer_message(trainer));
  ck_assert_msg(simba_trainer_load(trainer, path) == SIMBA_OK, "%s", simba_trainer_message(trainer));
  ck_assert(simba_trainer_step(trainer, BATCH, inputs, targets, &result->loss, NULL) == SIMBA_OK);
  simba_trainer_destroy(trainer);
  ck_assert_msg(simba_model_save_weights(model, path) == SIMBA_OK, "%s", simba_model_message(model));
  ck_assert_msg(simba_model_load_weights(model, path) == SIMBA_OK, "%s", simba_model_message(model));
  ck_assert(simba_model_get(model, SIMBA_PARAMETER, 0, result->trained, WIDTH) == SIMBA_OK);
  read_file(path, result);
  simba_model_destroy(model);
  remove(path);
}

START_TEST(a_decimal_comma_changes_nothing) {
  static Result plain, comma;
  use_all(&plain);
  ck_assert(strstr(plain.message, "0.875") != NULL);
  if (!set_comma()) return;
  use_all(&comma);
  ck_assert_str_eq(localeconv()->decimal_point, ",");
  ck_assert_str_eq(plain.heard, "0.5");
  ck_assert_str_eq(comma.heard, "0,5");
  ck_assert_str_eq(comma.message, plain.message);
  ck_assert_mem_eq(comma.y, plain.y, sizeof plain.y);
  ck_assert_mem_eq(comma.trained, plain.trained, sizeof plain.trained);
  ck_assert_mem_eq(&comma.loss, &plain.loss, sizeof plain.loss);
  ck_assert_uint_eq(comma.weight_bytes, plain.weight_bytes);
  ck_assert_mem_eq(comma.weights, plain.weights, plain.weight_bytes);
}
END_TEST

static void make_folder(void) { ck_assert_ptr_nonnull(mkdtemp(folder)); }

static void remove_folder(void) {
  char command[64];
  snprintf(command, sizeof command, "rm -r %s", folder);
  ck_assert_int_eq(system(command), 0);
}

int main(void) {
  Suite *suite = suite_create("driver_locale");
  TCase *tests = tcase_create("locale");
  tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
  tcase_add_test(tests, a_decimal_comma_changes_nothing);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
