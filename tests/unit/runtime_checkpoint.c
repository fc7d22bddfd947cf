/* Checkpoints: exact round trips, all-or-nothing loading, kill -9 at any moment; metrics.jsonl; estimates. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/checkpoint.h"
#include "runtime/file.h"
#include "runtime/metrics.h"
#include "tests/temporary_folder.h"
#include "tests/suite_run.h"

enum { WEIGHTS = 6, STATES = 3 };

typedef struct Run {
  float weight[WEIGHTS], first[WEIGHTS], second[WEIGHTS], best[WEIGHTS], average[WEIGHTS], state[STATES],
      best_state[STATES];
  CheckpointTensor tensor[2];
  Progress progress;
} Run;

static Run *run_create(float base) {
  Run *run = calloc(1, sizeof *run);
  for (int i = 0; i < WEIGHTS; i++) {
    run->weight[i] = base + (float)i;
    run->first[i] = base * 0.1f;
    run->second[i] = base * 1e-40f;
    run->best[i] = base - 1;
    run->average[i] = base + 0.5f;
  }
  for (int i = 0; i < STATES; i++) {
    run->state[i] = base * 3;
    run->best_state[i] = base * 4;
  }
  run->tensor[0] =
      (CheckpointTensor){"w", 2, {2, 3}, true, run->weight, run->first, run->second, run->best, run->average};
  run->tensor[1] = (CheckpointTensor){"running", 1, {3}, false, run->state, NULL, NULL, run->best_state};
  run->progress = (Progress){.step = 1234567890123,
                             .epoch = 3,
                             .step_in_epoch = 17,
                             .seed = UINT64_MAX,
                             .schedule = {SIMBA_COSINE, 1e-3, 1e-5, 1e-6, 5, 310},
                             .rate = 0.7e-3,
                             .best = 0.1,
                             .best_epoch = 2,
                             .epochs_since = 1,
                             .stopped = true,
                             .loss_sum = 1.0 / 3,
                             .metric_count = 2,
                             .metric_sum = {DBL_MIN, -INFINITY},
                             .sample_count = 544};
  return run;
}

static simba_status save(const char *path, const Run *run) {
  return checkpoint_save(path, "model a", run->tensor, 2, &run->progress, NULL);
}

static void check_equal(const Run *a, const Run *b) {
  ck_assert_mem_eq(a->weight, b->weight, sizeof a->weight);
  ck_assert_mem_eq(a->first, b->first, sizeof a->first);
  ck_assert_mem_eq(a->second, b->second, sizeof a->second);
  ck_assert_mem_eq(a->best, b->best, sizeof a->best);
  ck_assert_mem_eq(a->average, b->average, sizeof a->average);
  ck_assert_mem_eq(a->state, b->state, sizeof a->state);
  ck_assert_mem_eq(a->best_state, b->best_state, sizeof a->best_state);
  ck_assert_int_eq(a->progress.step, b->progress.step);
  ck_assert_int_eq(a->progress.epoch, b->progress.epoch);
  ck_assert_int_eq(a->progress.step_in_epoch, b->progress.step_in_epoch);
  ck_assert_uint_eq(a->progress.seed, b->progress.seed);
  ck_assert_int_eq(a->progress.schedule.kind, b->progress.schedule.kind);
  ck_assert_double_eq(a->progress.schedule.rate, b->progress.schedule.rate);
  ck_assert_double_eq(a->progress.schedule.minimum, b->progress.schedule.minimum);
  ck_assert_double_eq(a->progress.schedule.warmup_rate, b->progress.schedule.warmup_rate);
  ck_assert_double_eq(a->progress.schedule.warmup, b->progress.schedule.warmup);
  ck_assert_double_eq(a->progress.schedule.total, b->progress.schedule.total);
  ck_assert_double_eq(a->progress.rate, b->progress.rate);
  ck_assert_double_eq(a->progress.best, b->progress.best);
  ck_assert_int_eq(a->progress.best_epoch, b->progress.best_epoch);
  ck_assert_int_eq(a->progress.epochs_since, b->progress.epochs_since);
  ck_assert_int_eq(a->progress.stopped, b->progress.stopped);
  ck_assert_double_eq(a->progress.loss_sum, b->progress.loss_sum);
  ck_assert_int_eq(a->progress.metric_count, b->progress.metric_count);
  ck_assert_double_eq(a->progress.metric_sum[0], b->progress.metric_sum[0]);
  ck_assert_double_eq(a->progress.metric_sum[1], b->progress.metric_sum[1]);
  ck_assert_int_eq(a->progress.sample_count, b->progress.sample_count);
}

START_TEST(round_trip) {
  char path[128];
  simba_error error = {0};
  Run *saved = run_create(1), *loaded = run_create(50);
  loaded->progress = (Progress){0};
  ck_assert_int_eq(save(in_folder("round", path), saved), SIMBA_OK);
  ck_assert_msg(checkpoint_load(path, "model a", loaded->tensor, 2, &loaded->progress, &error) == SIMBA_OK, "%s",
                error.message);
  check_equal(loaded, saved);
  Progress progress;
  ck_assert_int_eq(checkpoint_load_progress(path, &progress, NULL), SIMBA_OK);
  ck_assert_int_eq(progress.step, saved->progress.step);
  free(saved);
  free(loaded);
}
END_TEST

START_TEST(without_a_best_epoch) {
  char path[128];
  Run *saved = run_create(1), *loaded = run_create(50);
  saved->progress.best_epoch = -1;
  ck_assert_int_eq(save(in_folder("first", path), saved), SIMBA_OK);
  ck_assert_int_eq(checkpoint_load(path, "model a", loaded->tensor, 2, &loaded->progress, NULL), SIMBA_OK);
  ck_assert_int_eq(loaded->progress.best_epoch, -1);
  ck_assert_float_eq(loaded->weight[0], 1);
  ck_assert_float_eq(loaded->best[0], 49); /* not in the file: untouched */
  free(saved);
  free(loaded);
}
END_TEST

static void check_refused(const char *path, const char *fingerprint, CheckpointTensor *tensors, size_t count,
                          const char *message) {
  Run *untouched = run_create(50), *run = run_create(50);
  simba_error error = {0};
  for (size_t i = 0; i < count; i++) { /* the caller's shapes, this run's memory */
    tensors[i].value = i ? run->state : run->weight;
    tensors[i].first_moment = tensors[i].parameter ? run->first : NULL;
    tensors[i].second_moment = tensors[i].parameter ? run->second : NULL;
    tensors[i].best = i ? run->best_state : run->best;
    tensors[i].average = i ? NULL : run->average;
  }
  ck_assert_int_eq(checkpoint_load(path, fingerprint, tensors, count, &run->progress, &error), SIMBA_DATA_ERROR);
  char expected[512];
  snprintf(expected, sizeof expected, "%s: %s", path, message);
  ck_assert_str_eq(error.message, expected);
  check_equal(run, untouched);
  free(run);
  free(untouched);
}

START_TEST(refused_as_a_whole) {
  char path[128];
  Run *saved = run_create(1), *shape = run_create(1);
  ck_assert_int_eq(save(in_folder("refused", path), saved), SIMBA_OK);
  check_refused(path, "model b", saved->tensor, 2,
                "a checkpoint of another run (what differs: model): resume it as it was begun, or begin a new run in "
                "another folder");
  check_refused(path, "model a seed 3", saved->tensor, 2,
                "a checkpoint of another run (what differs: seed): resume it as it was begun, or begin a new run in "
                "another folder");
  check_refused(path, "", saved->tensor, 2,
                "a checkpoint of another run (what differs: model): resume it as it was begun, or begin a new run in "
                "another folder");
  check_refused(path, "model a", saved->tensor, 1, "tensor 'buf.running' is not one of this model");
  shape->tensor[1].shape[0] = 2;
  check_refused(path, "model a", shape->tensor, 2, "tensor 'buf.running' is F32 [3]: expected F32 [2]");
  shape->tensor[1].name = "walking";
  check_refused(path, "model a", shape->tensor, 2, "tensor 'buf.walking' is missing: expected F32 [2]");
  Run *weights = run_create(1);
  ck_assert_int_eq(checkpoint_write_weights(path, weights->tensor, 2, false, NULL, 0, NULL), SIMBA_OK);
  free(weights);
  check_refused(path, "model a", saved->tensor, 2, "not a checkpoint: no such entry in __metadata__");
  free(saved);
  free(shape);
}
END_TEST

/* Counters that would lead a run out of its bounds, put into a file of the same length. */
static const struct BadCounter {
  const char *text, *instead, *message;
} BAD_COUNTERS[] = {
    {"\"step_in_epoch\":\"17\"", "\"step_in_epoch\":\"-1\"", "checkpoint with a bad 'step_in_epoch': '-1'"},
    {"\"step\":\"1234", "\"step\":\"-234", "checkpoint with a bad 'step': '-234567890123'"},
    {"\"step\":\"1234", "\"step\":\"1e34", "checkpoint with a bad 'step': '1e34567890123'"},
    {"\"seed\":\"1844", "\"seed\":\"9944", "checkpoint with a bad 'seed': '99446744073709551615'"},
    {"\"metric_count\":\"2\"", "\"metric_count\":\"3\"", "checkpoint without 'metric_sum.2'"},
    {"\"schedule.kind\":\"1\"", "\"schedule.kind\":\"7\"", "checkpoint with a bad 'schedule.kind': '7'"},
    {"\"stopped\":\"1\"", "\"stopped\":\"2\"", "checkpoint with a bad 'stopped': '2'"},
    {"\"epochs_since\"", "\"epochs_sunk!\"", "checkpoint without 'epochs_since'"},
    {"\"checkpoint\":\"1\"", "\"checkpoint\":\"2\"", "checkpoint of format 2: expected 1"},
};

START_TEST(bad_counters) {
  const struct BadCounter *bad = &BAD_COUNTERS[_i];
  char path[128], *bytes;
  size_t size;
  Run *saved = run_create(1);
  ck_assert_int_eq(save(in_folder("counters", path), saved), SIMBA_OK);
  ck_assert_int_eq(file_read(path, &bytes, &size, NULL), SIMBA_OK);
  char *at = memmem(bytes, size, bad->text, strlen(bad->text));
  ck_assert_ptr_nonnull(at);
  memcpy(at, bad->instead, strlen(bad->instead));
  ck_assert_int_eq(file_write(path, bytes, size, NULL), SIMBA_OK);
  check_refused(path, "model a", saved->tensor, 2, bad->message);
  free(bytes);
  free(saved);
}
END_TEST

START_TEST(weights_files) {
  char path[128];
  float weight[WEIGHTS], state[STATES];
  Run *run = run_create(1);
  for (int best = 0; best < 2; best++) {
    TensorFile *file = NULL;
    ck_assert_int_eq(checkpoint_write_weights(in_folder("weights", path), run->tensor, 2, best, NULL, 0, NULL),
                     SIMBA_OK);
    ck_assert_int_eq(tensor_file_open(path, &file, NULL), SIMBA_OK);
    ck_assert_uint_eq(file->count, 2);
    ck_assert_int_eq(tensor_file_read(file, "w", 2, (int64_t[]){2, 3}, weight, NULL), SIMBA_OK);
    ck_assert_int_eq(tensor_file_read(file, "running", 1, (int64_t[]){3}, state, NULL), SIMBA_OK);
    ck_assert_mem_eq(weight, best ? run->best : run->weight, sizeof weight);
    ck_assert_mem_eq(state, best ? run->best_state : run->state, sizeof state);
    tensor_file_close(file);
  }
  free(run);
}
END_TEST

/* Types: a checkpoint is F32 to the bit; weights may be any real type, or whole numbers that are exact as F32. */
START_TEST(types_of_tensors) {
  char path[128], expected[256];
  simba_error error;
  const double wide[2] = {0.1, -3};
  int64_t whole[2] = {5, 33554433};
  const Tensor tensors[] = {{.name = "w", .type = TENSOR_F64, .rank = 1, .shape = {2}, .bytes = wide},
                            {.name = "w", .type = TENSOR_I64, .rank = 1, .shape = {2}, .bytes = whole}};
  float value[2] = {7, 7};
  const CheckpointTensor expecting = {.name = "w", .rank = 1, .shape = {2}, .value = value};
  ck_assert_int_eq(tensor_file_write(in_folder("whole", path), &tensors[1], 1, NULL, 0, NULL), SIMBA_OK);
  ck_assert_int_eq(checkpoint_read_weights(path, &expecting, 1, &error), SIMBA_DATA_ERROR);
  snprintf(expected, sizeof expected, "%s: tensor 'w' of type I64: 33554433 is not exact as a number of 24 bits", path);
  ck_assert_str_eq(error.message, expected);
  ck_assert_float_eq(value[0], 7);
  whole[1] = -4;
  ck_assert_int_eq(tensor_file_write(path, &tensors[1], 1, NULL, 0, NULL), SIMBA_OK);
  ck_assert_int_eq(checkpoint_read_weights(path, &expecting, 1, &error), SIMBA_OK);
  ck_assert(value[0] == 5 && value[1] == -4);
  ck_assert_int_eq(tensor_file_write(path, &tensors[0], 1, NULL, 0, NULL), SIMBA_OK);
  ck_assert_int_eq(checkpoint_read_weights(path, &expecting, 1, &error), SIMBA_OK);
  ck_assert_float_eq(value[0], 0.1f);

  /* Two F16 in the place of one F32: name, shape and bytes fit. */
  Run *saved = run_create(1);
  char *bytes;
  size_t size;
  static const char WAS[] = "\"buf.running\":{\"dtype\":\"F32\",\"shape\":[1]";
  static const char IS[] = "\"buf.running\":{\"dtype\":\"F16\",\"shape\":[2]";
  saved->tensor[1].shape[0] = 1;
  saved->tensor[1].best = NULL;
  ck_assert_int_eq(save(in_folder("types", path), saved), SIMBA_OK);
  ck_assert_int_eq(file_read(path, &bytes, &size, NULL), SIMBA_OK);
  char *at = memmem(bytes, size, WAS, sizeof WAS - 1);
  ck_assert_ptr_nonnull(at);
  memcpy(at, IS, sizeof IS - 1);
  ck_assert_int_eq(file_write(path, bytes, size, NULL), SIMBA_OK);
  saved->tensor[1].shape[0] = 2;
  check_refused(path, "model a", saved->tensor, 2, "tensor 'buf.running' is F16 [2]: expected F32 [2]");
  free(bytes);
  free(saved);
}
END_TEST

START_TEST(weights_of_another_model) {
  char path[128], expected[512];
  simba_error error;
  Run *saved = run_create(1), *run = run_create(50), *untouched = run_create(50);
  ck_assert_int_eq(checkpoint_write_weights(in_folder("other", path), saved->tensor, 2, false, NULL, 0, NULL),
                   SIMBA_OK);
  run->tensor[0].name = "v";
  ck_assert_int_eq(checkpoint_read_weights(path, run->tensor, 2, &error), SIMBA_DATA_ERROR);
  snprintf(expected, sizeof expected, "%s: 1 missing: 'v'; 1 not the model's: 'w'", path);
  ck_assert_str_eq(error.message, expected);
  ck_assert_int_eq(checkpoint_read_weights(path, run->tensor, 0, &error), SIMBA_DATA_ERROR);
  snprintf(expected, sizeof expected, "%s: 2 not the model's: 'w', 'running'", path);
  ck_assert_str_eq(error.message, expected);
  run->tensor[0].name = "w";
  run->tensor[1].shape[0] = 2;
  ck_assert_int_eq(checkpoint_read_weights(path, run->tensor, 2, &error), SIMBA_DATA_ERROR);
  snprintf(expected, sizeof expected, "%s: 1 of another shape: 'running' is [3], the model's is [2]", path);
  ck_assert_str_eq(error.message, expected);
  check_equal(run, untouched);
  run->tensor[1].shape[0] = 3;
  ck_assert_int_eq(checkpoint_read_weights(path, run->tensor, 2, &error), SIMBA_OK);
  ck_assert_mem_eq(run->weight, saved->weight, sizeof run->weight);
  ck_assert_mem_eq(run->state, saved->state, sizeof run->state);
  free(saved);
  free(run);
  free(untouched);
}
END_TEST

/* Hundreds of missing names: counted, and as many shown as fit. */
START_TEST(many_missing_names) {
  enum { COUNT = 300 };
  static char names[COUNT][24];
  static CheckpointTensor tensors[COUNT];
  char path[128];
  simba_error error;
  for (int i = 0; i < COUNT; i++) {
    snprintf(names[i], sizeof names[i], "blocks.%d.weight", i);
    tensors[i] = (CheckpointTensor){.name = names[i], .parameter = true};
  }
  ck_assert_int_eq(tensor_file_write(in_folder("nothing", path), NULL, 0, NULL, 0, NULL), SIMBA_OK);
  ck_assert_int_eq(checkpoint_read_weights(path, tensors, COUNT, &error), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(strstr(error.message, ": 300 missing: 'blocks.0.weight', 'blocks.1.weight', "));
  ck_assert_str_eq(error.message + strlen(error.message) - 6, "', ...");
}
END_TEST

/* A child saves one checkpoint after the other and is killed at some moment: what is there always loads, belongs to
 * one step as a whole, and is never older than what the child had reported as saved. */
static void save_forever(const char *path, int report) {
  Run *run = run_create(0);
  for (int64_t step = 1;; step++) {
    for (int i = 0; i < WEIGHTS; i++) run->weight[i] = run->first[i] = run->best[i] = (float)step;
    run->progress.step = step;
    if (save(path, run) != SIMBA_OK) _exit(1);
    if (write(report, &step, sizeof step) != (ssize_t)sizeof step) _exit(1);
  }
}

START_TEST(killed_at_any_moment) {
  char path[128];
  in_folder("killed", path);
  Run *run = run_create(0);
  run->progress.step = 0;
  ck_assert_int_eq(save(path, run), SIMBA_OK);
  for (int round = 0; round < 40; round++) {
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) save_forever(path, ends[1]);
    close(ends[1]);
    int64_t reported = 0, step;
    ck_assert_int_eq(read(ends[0], &reported, sizeof reported), (ssize_t)sizeof reported);
    nanosleep(&(struct timespec){.tv_nsec = 317000 * (round % 20)}, NULL);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    while (read(ends[0], &step, sizeof step) == (ssize_t)sizeof step) reported = step;
    close(ends[0]);
    simba_error error = {0};
    ck_assert_msg(checkpoint_load(path, "model a", run->tensor, 2, &run->progress, &error) == SIMBA_OK, "%s",
                  error.message);
    ck_assert_int_ge(run->progress.step, reported);
    for (int i = 0; i < WEIGHTS; i++) {
      ck_assert_float_eq(run->weight[i], (float)run->progress.step);
      ck_assert_float_eq(run->best[i], (float)run->progress.step);
    }
  }
  free(run);
}
END_TEST

static void count_line(void *context, const MetricLine *line) {
  int64_t *seen = context;
  seen[0]++;
  seen[1] += line->step;
  ck_assert_str_eq(line->split, line->step % 2 ? "train" : "val");
  ck_assert_int_eq(line->count, 2);
  ck_assert_str_eq(line->value[0].name, "loss");
  ck_assert_double_eq(line->value[0].value, 1.0 / (double)line->step);
  ck_assert(isnan(line->value[1].value));
}

START_TEST(metrics_file) {
  char path[128], *bytes;
  size_t size;
  simba_error error = {0};
  in_folder("metrics.jsonl", path);
  ck_assert_int_eq(metrics_cut(path, 5, 9, &error), SIMBA_OK); /* none yet */
  ck_assert_int_eq(metrics_sync(path, &error), SIMBA_OK);
  ck_assert_int_eq(metrics_sync("/dev/null", &error), SIMBA_OK);
  for (int64_t step = 1; step <= 10; step++) {
    const MetricLine line = {.step = step,
                             .epoch = step / 4,
                             .split = step % 2 ? "train" : "val",
                             .count = 2,
                             .value = {{"loss", 1.0 / (double)step}, {"norm", NAN}}};
    ck_assert_int_eq(metrics_append(path, &line, &error), SIMBA_OK);
  }
  ck_assert_int_eq(metrics_sync(path, &error), SIMBA_OK);
  ck_assert_int_eq(file_read(path, &bytes, &size, &error), SIMBA_OK);
  ck_assert_ptr_nonnull(strstr(bytes, "{\"step\":2,\"epoch\":0,\"split\":\"val\",\"loss\":0.5,\"norm\":null}\n"));
  ck_assert_int_eq(file_write(path, bytes, size - 5, &error), SIMBA_OK); /* the last line is torn */
  free(bytes);
  int64_t seen[2] = {0, 0};
  ck_assert_int_eq(metrics_read(path, count_line, seen, &error), SIMBA_OK);
  ck_assert_int_eq(seen[0], 9);
  ck_assert_int_eq(metrics_cut(path, 9, 9, &error), SIMBA_OK);
  ck_assert_int_eq(file_read(path, &bytes, &size, &error), SIMBA_OK);
  ck_assert_int_eq(bytes[size - 1], '\n');
  free(bytes);
  ck_assert_int_eq(metrics_cut(path, 6, 9, &error), SIMBA_OK);
  seen[0] = seen[1] = 0;
  ck_assert_int_eq(metrics_read(path, count_line, seen, &error), SIMBA_OK);
  ck_assert_int_eq(seen[0], 6);
  ck_assert_int_eq(seen[1], 21);
  ck_assert_int_eq(metrics_cut(path, 6, 1, &error), SIMBA_OK); /* validation of the second epoch: steps 4 and 6 */
  seen[0] = seen[1] = 0;
  ck_assert_int_eq(metrics_read(path, count_line, seen, &error), SIMBA_OK);
  ck_assert_int_eq(seen[0], 4);
  ck_assert_int_eq(seen[1], 11);
}
END_TEST

START_TEST(metrics_that_are_none) {
  char path[128], expected[256];
  simba_error error;
  const char *text = "{\"step\":1,\"epoch\":0,\"split\":\"train\"}\n{\"step\":\"two\"}\n";
  ck_assert_int_eq(file_write(in_folder("bad.jsonl", path), text, strlen(text), NULL), SIMBA_OK);
  snprintf(expected, sizeof expected, "%s:2: not a line of metrics", path);
  ck_assert_int_eq(metrics_cut(path, 1, 9, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, expected);
  const MetricLine line = {.split = "val"};
  ck_assert_int_eq(metrics_append("/dev/full", &line, &error), SIMBA_IO_ERROR);
  ck_assert_str_eq(error.message, "/dev/full: cannot write: No space left on device");
}
END_TEST

static void count_values(void *context, const MetricLine *line) { *(int32_t *)context += line->count; }

START_TEST(as_many_metrics_as_fit) {
  char path[128], expected[256], text[1024] = "{\"step\":1,\"epoch\":0,\"split\":\"val\"";
  simba_error error;
  int32_t count = 0;
  MetricLine line = {.split = "val", .count = METRICS_MAX_VALUES};
  for (int i = 0; i < METRICS_MAX_VALUES; i++) line.value[i] = (MetricValue){"m", i};
  ck_assert_int_eq(metrics_append(in_folder("full.jsonl", path), &line, &error), SIMBA_OK);
  ck_assert_int_eq(metrics_read(path, count_values, &count, &error), SIMBA_OK);
  ck_assert_int_eq(count, METRICS_MAX_VALUES);
  line.count++;
  ck_assert_int_eq(metrics_append(path, &line, &error), SIMBA_INVALID_ARGUMENT);
  for (int i = 0; i <= METRICS_MAX_VALUES; i++) strcat(text, ",\"m\":1");
  strcat(text, "}\n");
  ck_assert_int_eq(file_write(in_folder("fuller.jsonl", path), text, strlen(text), NULL), SIMBA_OK);
  ck_assert_int_eq(metrics_read(path, count_values, &count, &error), SIMBA_DATA_ERROR);
  snprintf(expected, sizeof expected, "%s:1: not a line of metrics", path);
  ck_assert_str_eq(error.message, expected);
  Run *run = run_create(1);
  run->progress.metric_count = CHECKPOINT_MAX_METRICS + 1;
  ck_assert_int_eq(save(in_folder("metrics", path), run), SIMBA_INVALID_ARGUMENT);
  free(run);
}
END_TEST

/* A disk that is full in the middle of a line: the part that was written goes again. */
START_TEST(torn_line_is_cut_off) {
  char path[128], *before, *after;
  size_t size;
  simba_error error;
  const MetricLine line = {.step = 1, .split = "train", .count = 1, .value = {{"loss", 0.5}}};
  ck_assert_int_eq(metrics_append(in_folder("torn.jsonl", path), &line, &error), SIMBA_OK);
  ck_assert_int_eq(file_read(path, &before, &size, &error), SIMBA_OK);
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit, none;
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &none), 0);
  limit = none;
  limit.rlim_cur = size + 10;
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  simba_status status = metrics_append(path, &line, &error);
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
  ck_assert_int_eq(status, SIMBA_IO_ERROR);
  ck_assert_int_eq(file_read(path, &after, &size, &error), SIMBA_OK);
  ck_assert_str_eq(after, before);
  free(before);
  free(after);
}
END_TEST

START_TEST(estimates) {
  Estimate estimate = progress_estimate(100, 150, 250, 10);
  ck_assert_double_eq(estimate.rate, 5);
  ck_assert_double_eq(estimate.seconds_left, 20);
  ck_assert_double_lt(progress_estimate(0, 0, 10, 1).seconds_left, 0);
  ck_assert_double_eq(progress_estimate(0, 10, 10, 1).seconds_left, 0);
  static const double SECONDS[] = {-1, 0.2, 59.4, 59.6, 125, 3599.7, 3780, INFINITY};
  static const char *const TEXTS[] = {"?", "0 s", "59 s", "1 min 00 s", "2 min 05 s", "1 h 00 min", "1 h 03 min", "?"};
  char text[32];
  for (size_t i = 0; i < sizeof SECONDS / sizeof *SECONDS; i++) {
    duration_text(SECONDS[i], text, sizeof text);
    ck_assert_str_eq(text, TEXTS[i]);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_checkpoint");
  TCase *cases = tcase_create("checkpoint");
  tcase_set_timeout(cases, 60);
  tcase_add_unchecked_fixture(cases, enter_folder, leave_folder);
  tcase_add_test(cases, round_trip);
  tcase_add_test(cases, without_a_best_epoch);
  tcase_add_test(cases, refused_as_a_whole);
  tcase_add_loop_test(cases, bad_counters, 0, (int)(sizeof BAD_COUNTERS / sizeof *BAD_COUNTERS));
  tcase_add_test(cases, weights_files);
  tcase_add_test(cases, types_of_tensors);
  tcase_add_test(cases, weights_of_another_model);
  tcase_add_test(cases, many_missing_names);
  tcase_add_test(cases, killed_at_any_moment);
  tcase_add_test(cases, metrics_file);
  tcase_add_test(cases, metrics_that_are_none);
  tcase_add_test(cases, as_many_metrics_as_fit);
  tcase_add_test(cases, torn_line_is_cut_off);
  tcase_add_test(cases, estimates);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
