/* What a training run does beside the steps: the running average of weights, the learning rate, groups of parameters, the
 * epoch that is kept. On a linear forecaster of a small series. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "frontend/driver/training_run.h"
#include "runtime/safetensors.h"
#include "tests/suite_run.h"
#include "tests/temporary_folder.h"

static const char MODEL[] =
    "model line(T = 4, channels = 2) {\n"
    "  input x: f32[B, T, V = channels]\n"
    "  target y: f32[B, H = 2, V]\n"
    "  output z: [B, H, V] = linear(linear(x, T -> 3) @ trunk, 3 -> H) @ head\n"
    "  loss mse = mean((z - y) ^ 2)\n"
    "  metric accuracy = mean(abs(z - y))\n" /* of which the largest is kept: the worst epoch */
    "}\n"
    "recipe {\n"
    "  data series(input = x, target = y, channels = channels)\n"
    "  optimizer adamw(lr = 0.01)\n"
    "  schedule cosine(epochs = 2, warmup = 1, warmup_lr = 1e-4, lr_min = 1e-3)\n"
    "  batch 8\n"
    "  average 0.9\n"
    "}\n";

typedef struct Watch {
  const Task *task;
  double *average;
  double worst_rate; /* largest distance of a rate from the formula */
  double score[8];   /* of each epoch: the metric */
  int64_t steps;
} Watch;

static char model_path[128], data_path[128], run_path[128];

static void begin(void) {
  enter_folder();
  FILE *file = fopen(in_folder("model.simba", model_path), "w");
  ck_assert(file && fputs(MODEL, file) >= 0 && fclose(file) == 0);
  file = fopen(in_folder("series.csv", data_path), "w");
  ck_assert_ptr_nonnull(file);
  fputs("a,b\n", file);
  for (int i = 0; i < 120; i++) fprintf(file, "%.6f,%.6f\n", sin(0.3 * i), cos(0.17 * i) + 0.01 * (i * 7 % 5));
  ck_assert_int_eq(fclose(file), 0);
  in_folder("run", run_path);
}

static void watch_compiled(void *context, const Task *task) { ((Watch *)context)->task = task; }

/* average += (1 - min(0.9, (1 + n) / (10 + n))) (parameters - average), from the initial parameters on. */
static void follow_average(Watch *watch) {
  const WeightBlock *parameters = &watch->task->model->parameters;
  double n = (double)watch->steps, share = 1 - fmin(0.9, (1 + n) / (10 + n));
  for (int64_t i = 0; i < parameters->size; i++)
    watch->average[i] += share * ((double)parameters->values[i] - watch->average[i]);
}

static double rate_by_formula(const TrainingEvent *event, int64_t step) {
  double epoch = (double)step * (double)event->epochs / (double)event->steps;
  if (epoch < 1) return 1e-4 + (0.01 - 1e-4) * epoch;
  return 1e-3 + 0.5 * (0.01 - 1e-3) * (1 + cos(acos(-1) * epoch / 2));
}

static void watch_event(void *context, const TrainingEvent *event) {
  Watch *watch = context;
  if (event->kind == TRAINING_STARTED) {
    const WeightBlock *parameters = &watch->task->model->parameters;
    watch->average = calloc((size_t)parameters->size, sizeof *watch->average);
    for (int64_t i = 0; i < parameters->size; i++) watch->average[i] = (double)parameters->values[i];
  }
  if (event->kind == TRAINING_STEP) {
    watch->worst_rate = fmax(watch->worst_rate, fabs(event->rate - rate_by_formula(event, watch->steps)));
    watch->steps++;
    follow_average(watch);
  }
  if (event->kind == TRAINING_EPOCH && event->epoch < 8) watch->score[event->epoch] = event->validation->metric[0];
}

static simba_status train(TrainingOptions *options, Watch *watch, Task *out_task, TrainingResult *out_result) {
  simba_error error = {0};
  options->task.model_path = model_path;
  options->task.data_path = data_path;
  options->folder = run_path;
  options->on_event = watch_event;
  options->on_compiled = watch_compiled;
  options->context = watch;
  simba_status status = training_run(options, out_task, out_result, &error);
  ck_assert_msg(status == SIMBA_OK, "%s", error.message);
  return status;
}

static const ModelParameter *find(const WeightBlock *block, const char *path, const float **out_values) {
  for (uint32_t k = 0; k < block->count; k++) {
    if (strcmp(block->info[k].path, path) != 0) continue;
    *out_values = block->values + block->offset[k];
    return &block->info[k];
  }
  ck_abort_msg("no parameter %s", path);
}

START_TEST(average_and_rate_by_formula) {
  TrainingOptions options = {.epochs = 1};
  Watch watch = {0};
  Task task;
  TrainingResult result;
  train(&options, &watch, &task, &result);
  ck_assert_int_gt(watch.steps, 5);
  ck_assert_int_eq(watch.steps, result.steps);
  /* One epoch: what is kept is the average at its end. */
  const WeightBlock *parameters = &task.model->parameters;
  for (uint32_t k = 0; k < parameters->count; k++) {
    for (int64_t i = 0; i < parameters->info[k].count; i++) {
      int64_t at = parameters->offset[k] + i;
      ck_assert_double_eq_tol((double)parameters->values[at], watch.average[at], 1e-5);
    }
  }
  task_close(&task);
  free(watch.average);
}
END_TEST

START_TEST(rates_follow_the_schedule) {
  TrainingOptions options = {0};
  Watch watch = {0};
  Task task;
  TrainingResult result;
  train(&options, &watch, &task, &result);
  ck_assert_double_lt(watch.worst_rate, 1e-12);
  task_close(&task);
  free(watch.average);
}
END_TEST

/* What is frozen keeps its bits, also by a rate of 0; a larger rate moves further in the first step. */
START_TEST(groups) {
  static const char *const trunk[] = {"trunk.*"}, *const head[] = {"head.bias"};
  static const double none[] = {0};
  TrainingOptions options = {
      .epochs = 1,
      .groups = {.freeze = {.count = 1, .glob = trunk}, .rates = {.count = 1, .glob = head, .factor = none}}};
  Watch watch = {0};
  Task task, fresh;
  TrainingResult result;
  train(&options, &watch, &task, &result);
  TaskOptions again = options.task;
  simba_error error = {0};
  ck_assert_msg(task_open(&again, &fresh, &error) == SIMBA_OK, "%s", error.message);
  static const char *const kept[] = {"trunk.weight", "trunk.bias", "head.bias"};
  const float *before, *after;
  for (size_t k = 0; k < sizeof kept / sizeof *kept; k++) {
    const ModelParameter *info = find(&task.model->parameters, kept[k], &after);
    find(&fresh.model->parameters, kept[k], &before);
    ck_assert_mem_eq(before, after, (size_t)info->count * sizeof(float));
  }
  find(&task.model->parameters, "head.weight", &after);
  find(&fresh.model->parameters, "head.weight", &before);
  ck_assert_float_ne(*before, *after);
  task_close(&task);
  task_close(&fresh);
  free(watch.average);
}
END_TEST

START_TEST(best_by_accuracy) {
  static const simba_setting setting = {"recipe.best", "accuracy"};
  TrainingOptions options = {.task = {.compiler = {.setting = &setting, .setting_count = 1}}};
  Watch watch = {0};
  Task task;
  TrainingResult result;
  train(&options, &watch, &task, &result);
  ck_assert(result.by_accuracy);
  int64_t largest = watch.score[1] > watch.score[0];
  ck_assert_int_eq(result.best_epoch, largest);
  ck_assert_double_eq(result.best, watch.score[largest]);
  task_close(&task);
  free(watch.average);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("driver_training");
  TCase *cases = tcase_create("training");
  tcase_set_timeout(cases, 120);
  tcase_add_checked_fixture(cases, begin, leave_folder);
  tcase_add_test(cases, average_and_rate_by_formula);
  tcase_add_test(cases, rates_follow_the_schedule);
  tcase_add_test(cases, groups);
  tcase_add_test(cases, best_by_accuracy);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
