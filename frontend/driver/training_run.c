#include "training_run.h"

#include "chart.h"
#include "fingerprint.h"
#include "runtime/file.h"
#include "runtime/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double CHECKPOINT_SECONDS = 30;
enum { LOSS_LINES_PER_EPOCH = 40, FINGERPRINT_SIZE = 200 };

typedef struct Run {
  const TrainingOptions *options;
  Task *task;
  simba_trainer *trainer;
  const Recipe *recipe;
  Progress progress;
  DataStream *stream;
  int64_t epochs, steps_per_epoch, batch;
  int32_t accuracy;    /* the metric that the best epoch is chosen by; -1: the loss */
  int64_t first_step;  /* of this process */
  double start, saved; /* clock */
  float *best_parameters, *best_states;
  float *average; /* of the parameters; NULL where the recipe has none */
  CheckpointTensor *tensors, *tensors_with_best;
  size_t tensor_count;
  char *checkpoint_path, *weights_path, *metrics_path, *picture_path;
  char fingerprint[FINGERPRINT_SIZE];
  int lock; /* of the folder: two runs in one would mix their files; -1 before it is held */
} Run;

/* ---- What a run is ---- */

/* Everything that decides the numbers: the model's graphs (dropout is only in that of training), settings, recipe,
 * data, seed. */
static void make_fingerprint(Run *run) {
  const Model *model = run->task->model->model;
  Compiler *compiler = run->task->compiler;
  const uint64_t of_graphs[] = {fingerprint_model(compiler, model), fingerprint_model(compiler, compiler->train)};
  uint64_t of_model = fingerprint_bytes(FINGERPRINT_START, of_graphs, sizeof of_graphs);
  uint64_t of_data = run->task->data->kind->fingerprint(run->task->data);
  const TrainerGroups *groups = &run->options->groups;
  uint64_t of_freeze = FINGERPRINT_START, of_rates = FINGERPRINT_START;
  for (uint32_t k = 0; k < groups->freeze.count; k++) of_freeze = fingerprint_text(of_freeze, groups->freeze.glob[k]);
  for (uint32_t k = 0; k < groups->rates.count; k++) {
    of_rates = fingerprint_text(of_rates, groups->rates.glob[k]);
    of_rates = fingerprint_bytes(of_rates, &groups->rates.factor[k], sizeof(double));
  }
  Recipe recipe = *run->recipe;
  recipe.epochs = recipe.seed = 0; /* those of the run have names of their own */
  Text text = text_begin(compiler->arena);
  recipe_print(&recipe, &text);
  snprintf(run->fingerprint, sizeof run->fingerprint,
           "model %016llx data %016llx recipe %016llx epochs %lld freeze %016llx rates %016llx seed %llu",
           (unsigned long long)of_model, (unsigned long long)of_data,
           (unsigned long long)fingerprint_text(FINGERPRINT_START, text.data), (long long)run->epochs,
           (unsigned long long)of_freeze, (unsigned long long)of_rates, (unsigned long long)run->task->seed);
}

static char *path_in(const char *folder, const char *name) {
  char *path = NULL;
  return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* Memory for the running average, which checkpoints then hold too. */
static bool allocate_average(Run *run) {
  if (run->recipe->average == 0) return true;
  const WeightBlock *parameters = &run->task->model->parameters;
  run->average = memory_allocate_aligned((size_t)parameters->size + 16, sizeof(float));
  for (uint32_t k = 0; run->average && k < parameters->count; k++) {
    run->tensors[k].average = run->tensors_with_best[k].average = run->average + parameters->offset[k];
  }
  return run->average != NULL;
}

static simba_status allocate_run(Run *run, simba_error *error) {
  simba_model *model = run->task->model;
  const char *folder = run->options->folder;
  run->checkpoint_path = path_in(folder, "checkpoint.safetensors");
  run->weights_path = path_in(folder, "weights.safetensors");
  run->metrics_path = path_in(folder, "metrics.jsonl");
  run->picture_path = path_in(folder, "loss.png");
  run->best_parameters = memory_allocate_aligned((size_t)model->parameters.size + 16, sizeof(float));
  run->best_states = memory_allocate_aligned((size_t)model->states.size + 16, sizeof(float));
  run->tensors = model_checkpoint_tensors(model, run->trainer, NULL, NULL, &run->tensor_count);
  run->tensors_with_best =
      model_checkpoint_tensors(model, run->trainer, run->best_parameters, run->best_states, &run->tensor_count);
  bool all = run->checkpoint_path && run->weights_path && run->metrics_path && run->picture_path &&
             run->best_parameters && run->best_states && run->tensors && run->tensors_with_best &&
             allocate_average(run);
  return all ? SIMBA_OK : error_set_memory(error, "training");
}

static void release_run(Run *run) {
  folder_unlock(run->lock);
  simba_trainer_destroy(run->trainer);
  data_stream_close(run->stream);
  free(run->best_parameters);
  free(run->best_states);
  free(run->average);
  free(run->tensors);
  free(run->tensors_with_best);
  free(run->checkpoint_path);
  free(run->weights_path);
  free(run->metrics_path);
  free(run->picture_path);
}

/* ---- Files ---- */

static simba_status save_checkpoint(Run *run, simba_error *error) {
  bool best = run->progress.best_epoch >= 0;
  run->saved = clock_seconds();
  simba_status status = metrics_sync(run->metrics_path, error);
  if (status != SIMBA_OK) return status;
  return checkpoint_save(run->checkpoint_path, run->fingerprint, best ? run->tensors_with_best : run->tensors,
                         run->tensor_count, &run->progress, error);
}

static simba_status write_best_weights(Run *run, simba_error *error) {
  TensorMetadata metadata[DATA_MAX_METADATA];
  const Task *task = run->task;
  uint32_t count = task->data->kind->metadata(task->data, task->compiler->arena, metadata);
  return checkpoint_write_weights(run->weights_path, run->tensors_with_best, run->tensor_count, true, metadata, count,
                                  error);
}

/* ---- Beginning ---- */

static simba_status resume_run(Run *run, simba_error *error) {
  Progress peek;
  simba_status status = checkpoint_load_progress(run->checkpoint_path, &peek, error);
  if (status != SIMBA_OK) return status;
  CheckpointTensor *tensors = peek.best_epoch >= 0 ? run->tensors_with_best : run->tensors;
  status = checkpoint_load(run->checkpoint_path, run->fingerprint, tensors, run->tensor_count, &run->progress, error);
  if (status != SIMBA_OK) return status;
  optimizer_set_steps(run->trainer->optimizer, run->progress.step);
  run->task->model->prepared = false;
  if (run->progress.best_epoch >= 0) status = write_best_weights(run, error);
  if (status == SIMBA_OK) status = metrics_cut(run->metrics_path, run->progress.step, run->progress.epoch, error);
  return status;
}

static simba_status load_initial_weights(Run *run, simba_error *error) {
  if (!run->options->initial.path || run->options->resume) return SIMBA_OK;
  const FreshTensors fresh = {.always = run->options->fresh, .misfits = run->recipe->head};
  return model_load_weights(run->task->model, &run->options->initial, &fresh, error);
}

/* The folder is made last, so that a run that cannot begin leaves none. */
static simba_status begin_run(Run *run, simba_error *error) {
  simba_status status = load_initial_weights(run, error);
  if (status == SIMBA_OK && !run->options->resume) status = folder_create(run->options->folder, error);
  if (status == SIMBA_OK) status = folder_lock(run->options->folder, &run->lock, error);
  if (status != SIMBA_OK) return status;
  if (run->options->resume) return resume_run(run, error);
  if (access(run->checkpoint_path, F_OK) == 0) {
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "%s holds a run already: --resume continues it, another --out begins a new one",
                     run->options->folder);
  }
  run->progress =
      (Progress){.seed = run->task->seed, .schedule = run->trainer->schedule, .best = INFINITY, .best_epoch = -1};
  if (run->average) {
    const WeightBlock *parameters = &run->task->model->parameters;
    memcpy(run->average, parameters->values, (size_t)parameters->size * sizeof(float));
  }
  status = metrics_cut(run->metrics_path, -1, 0, error); /* what an older run may have left */
  return status == SIMBA_OK ? save_checkpoint(run, error) : status;
}

/* ---- Running ---- */

static TrainingEvent event_of(const Run *run, int kind) {
  TrainingEvent event = {.step = run->progress.step,
                         .steps = run->epochs * run->steps_per_epoch,
                         .first_step = run->first_step,
                         .epoch = run->progress.epoch,
                         .epochs = run->epochs,
                         .seconds = clock_seconds() - run->start,
                         .rate = run->trainer->rate,
                         .batch = run->batch};
  event.kind = kind;
  if (run->progress.sample_count) event.loss = run->progress.loss_sum / (double)run->progress.sample_count;
  return event;
}

static void tell(const Run *run, const TrainingEvent *event) {
  if (run->options->on_event) run->options->on_event(run->options->context, event);
}

static simba_status let_look(const Run *run, simba_error *error) {
  if (!run->options->on_epoch) return SIMBA_OK;
  return run->options->on_epoch(run->options->context, run->task, run->progress.epoch, run->progress.step, error);
}

static bool stop_asked(const Run *run) { return run->options->stop && *run->options->stop; }

static simba_status stopped(Run *run, simba_error *error) {
  simba_status status = save_checkpoint(run, error);
  if (status != SIMBA_OK) return status;
  return error_set(error, SIMBA_INTERRUPTED, "interrupted at step %lld; everything is saved in %s",
                   (long long)run->progress.step, run->checkpoint_path);
}

static double rate_at(const Run *run) {
  double epoch = (double)run->progress.epoch;
  bool each_epoch = run->recipe->schedule_each == 1;
  double within = (double)run->progress.step_in_epoch / (double)run->steps_per_epoch;
  return simba_schedule_rate(&run->trainer->schedule, each_epoch ? epoch : epoch + within);
}

static simba_status log_step(Run *run, float loss, simba_error *error) {
  int64_t every = run->steps_per_epoch / LOSS_LINES_PER_EPOCH;
  if (every > 1 && run->progress.step % every) return SIMBA_OK;
  MetricLine line = {.step = run->progress.step, .epoch = run->progress.epoch, .split = "train", .count = 2};
  line.value[0] = (MetricValue){"loss", loss};
  line.value[1] = (MetricValue){"lr", run->trainer->rate};
  return metrics_append(run->metrics_path, &line, error);
}

/* average += (1 - d) (parameters - average). The decay d begins low, so that the start is soon forgotten. */
static void update_average(Run *run) {
  if (!run->average) return;
  const WeightBlock *parameters = &run->task->model->parameters;
  double step = (double)run->progress.step;
  float share = (float)(1 - fmin(run->recipe->average, (1 + step) / (10 + step)));
  for (int64_t i = 0; i < parameters->size; i++) run->average[i] += share * (parameters->values[i] - run->average[i]);
}

/* Puts the average in the place of the parameters, or back. */
static void exchange_average(Run *run) {
  simba_model *model = run->task->model;
  for (int64_t i = 0; run->average && i < model->parameters.size; i++) {
    float value = model->parameters.values[i];
    model->parameters.values[i] = run->average[i];
    run->average[i] = value;
  }
  model->prepared = false;
}

static simba_status train_step(Run *run, simba_error *error) {
  Progress *progress = &run->progress;
  DataBatch batch;
  float loss;
  simba_status status = data_stream_next(run->stream, &batch, error);
  if (status != SIMBA_OK) return status;
  int64_t count = batch.count;
  status = simba_trainer_set_rate(run->trainer, rate_at(run));
  if (status == SIMBA_OK) status = simba_trainer_step(run->trainer, count, batch.inputs, batch.targets, &loss, NULL);
  if (status != SIMBA_OK) return error_set(error, status, "%s", simba_trainer_message(run->trainer));
  progress->step++;
  progress->step_in_epoch++;
  update_average(run);
  progress->loss_sum += (double)loss * (double)count;
  progress->sample_count += count;
  status = log_step(run, loss, error);
  TrainingEvent event = event_of(run, TRAINING_STEP);
  tell(run, &event);
  return status;
}

static bool validation_progress(void *context, int64_t done, int64_t total) {
  const Run *run = context;
  (void)done;
  (void)total;
  return !stop_asked(run);
}

static simba_status log_epoch(Run *run, const SplitScore *score, double training_loss, simba_error *error) {
  const Model *model = run->task->model->model;
  MetricLine line = {.step = run->progress.step, .epoch = run->progress.epoch, .split = "val"};
  line.value[line.count++] = (MetricValue){"loss", score->loss};
  uint32_t metric = 0;
  for (uint32_t k = 0; k < model->graph->output_count && metric < score->metric_count; k++) {
    if (model->graph->output[k].kind != OUTPUT_METRIC || line.count >= METRICS_MAX_VALUES - 1) continue;
    line.value[line.count++] = (MetricValue){model->graph->output[k].name, score->metric[metric++]};
  }
  line.value[line.count++] = (MetricValue){"train_loss", training_loss};
  return metrics_append(run->metrics_path, &line, error);
}

static void keep_best(Run *run) {
  const simba_model *model = run->task->model;
  const float *parameters = run->average ? run->average : model->parameters.values;
  memcpy(run->best_parameters, parameters, (size_t)model->parameters.size * sizeof(float));
  memcpy(run->best_states, model->states.values, (size_t)model->states.size * sizeof(float));
}

/* Validates, keeps the best, moves to the next epoch. An interruption inside validation leaves the epoch's end undone:
 * it is done again on resume. */
static simba_status end_epoch(Run *run, simba_error *error) {
  Progress *progress = &run->progress;
  SplitScore score;
  TrainingEvent validating = event_of(run, TRAINING_VALIDATING);
  tell(run, &validating);
  exchange_average(run);
  simba_status status =
      task_score(run->task, run->trainer, SPLIT_VALIDATION, run->batch, validation_progress, run, &score, error);
  exchange_average(run);
  if (status == SIMBA_INTERRUPTED) return stopped(run, error);
  if (status != SIMBA_OK) return status;
  if (!isfinite(score.loss)) {
    return error_set(error, SIMBA_NOT_FINITE,
                     "epoch %lld: the loss over the validation %s is not finite; the training loss was %g",
                     (long long)progress->epoch + 1, run->task->data->kind->samples, validating.loss);
  }
  TrainingEvent event = event_of(run, TRAINING_EPOCH);
  event.validation = &score;
  double value = run->accuracy >= 0 ? -score.metric[run->accuracy] : score.loss;
  event.best = value < progress->best;
  status = log_epoch(run, &score, event.loss, error);
  if (status != SIMBA_OK) return status;
  if (event.best) {
    progress->best = value;
    progress->best_epoch = progress->epoch;
    keep_best(run);
  }
  progress->epochs_since = event.best ? 0 : progress->epochs_since + 1;
  progress->stopped = run->recipe->patience > 0 && progress->epochs_since >= run->recipe->patience;
  progress->epoch++;
  progress->step_in_epoch = progress->sample_count = 0;
  progress->loss_sum = 0;
  status = let_look(run, error);
  if (status == SIMBA_OK) status = save_checkpoint(run, error);
  if (status == SIMBA_OK && event.best) status = write_best_weights(run, error);
  tell(run, &event);
  if (status == SIMBA_OK && progress->stopped) {
    TrainingEvent early = event_of(run, TRAINING_STOPPED_EARLY);
    tell(run, &early);
  }
  return status;
}

static simba_status run_epochs(Run *run, simba_error *error) {
  Progress *progress = &run->progress;
  while (progress->epoch < run->epochs && !progress->stopped) {
    data_stream_start(run->stream, progress->epoch, progress->step_in_epoch);
    while (progress->step_in_epoch < run->steps_per_epoch) {
      if (stop_asked(run)) return stopped(run, error);
      simba_status status = train_step(run, error);
      if (status == SIMBA_OK && clock_seconds() - run->saved > CHECKPOINT_SECONDS) status = save_checkpoint(run, error);
      if (status != SIMBA_OK) return status;
    }
    if (stop_asked(run)) return stopped(run, error);
    simba_status status = end_epoch(run, error);
    if (status != SIMBA_OK) return status;
  }
  return SIMBA_OK;
}

/* ---- The picture ---- */

typedef struct Curves {
  double *x[2], *y[2]; /* training, validation */
  size_t count[2], capacity[2];
  double steps_per_epoch;
  bool failed;
} Curves;

static void add_point(void *context, const MetricLine *line) {
  Curves *curves = context;
  int k = !strcmp(line->split, "val");
  if (curves->failed || line->count < 1 || strcmp(line->value[0].name, "loss") != 0) return;
  if (curves->count[k] == curves->capacity[k]) {
    size_t capacity = curves->capacity[k] ? 2 * curves->capacity[k] : 256;
    double *x = realloc(curves->x[k], capacity * sizeof *x), *y = realloc(curves->y[k], capacity * sizeof *y);
    if (x) curves->x[k] = x;
    if (y) curves->y[k] = y;
    curves->failed = !x || !y;
    if (curves->failed) return;
    curves->capacity[k] = capacity;
  }
  curves->x[k][curves->count[k]] = (double)line->step / curves->steps_per_epoch;
  curves->y[k][curves->count[k]++] = line->value[0].value;
}

static simba_status draw_curves(Run *run, simba_error *error) {
  Curves curves = {.steps_per_epoch = (double)run->steps_per_epoch};
  simba_status status = metrics_read(run->metrics_path, add_point, &curves, error);
  if (status == SIMBA_OK && curves.failed) status = error_set_memory(error, "the loss curve");
  if (status == SIMBA_OK) {
    char title[160];
    snprintf(title, sizeof title, "%s on %s", run->task->model->model->name, run->task->data->path);
    ChartLine lines[] = {{"training", curves.x[0], curves.y[0], curves.count[0], 0, false},
                         {"validation", curves.x[1], curves.y[1], curves.count[1], 1, false}};
    int64_t best = run->progress.best_epoch;
    Chart chart = {title, "epoch", "loss", lines, 2, best >= 0 ? (double)(best + 1) : (double)NAN, "best"};
    status = chart_write(&chart, 1, 1, 900, 420, run->picture_path, error);
  }
  for (int k = 0; k < 2; k++) {
    free(curves.x[k]);
    free(curves.y[k]);
  }
  return status;
}

/* ---- All together ---- */

/* The metric that the best epoch is chosen by. */
static simba_status find_accuracy(Run *run, simba_error *error) {
  run->accuracy = -1;
  if (run->recipe->best == 0) return SIMBA_OK;
  const char *name;
  for (uint32_t k = 0; (name = model_metric_name(run->task->model, k)); k++)
    if (!strcmp(name, "accuracy")) run->accuracy = (int32_t)k;
  if (run->accuracy >= 0) return SIMBA_OK;
  return error_set(error, SIMBA_INVALID_ARGUMENT,
                   "the recipe keeps the epoch with the best accuracy, but the model '%s' has no metric of that name",
                   run->task->model->model->name);
}

static simba_status open_stream(Run *run, simba_error *error) {
  DataSource *data = run->task->data;
  int64_t samples = data->kind->count(data, SPLIT_TRAIN);
  if (samples == 0 || data->kind->count(data, SPLIT_VALIDATION) == 0)
    return error_set(error, SIMBA_DATA_ERROR, "%s: there are no %s to %s", data->path, data->kind->samples,
                     samples ? "validate with" : "train on");
  run->batch = run->recipe->batch < samples ? run->recipe->batch : samples;
  const StreamOptions options = {.split = SPLIT_TRAIN, .training = true, .batch = run->batch, .seed = run->task->seed};
  simba_status status = data_stream_open(data, &options, &run->stream, error);
  if (status == SIMBA_OK) run->steps_per_epoch = run->stream->batches;
  return status;
}

static simba_status prepare_run(Run *run, simba_error *error) {
  const TrainingOptions *options = run->options;
  Task *task = run->task;
  run->recipe = &task->model->model->recipe;
  run->epochs = options->epochs ? options->epochs : run->recipe->epochs;
  simba_training training = {.size = sizeof training};
  simba_trainer_defaults(task->model, &training);
  training.seed = task->seed;
  training.schedule.total = (double)run->epochs;
  simba_status status = find_accuracy(run, error);
  if (status == SIMBA_OK) status = open_stream(run, error);
  if (status == SIMBA_OK) status = trainer_create(task->model, &training, &options->groups, &run->trainer, error);
  if (status == SIMBA_OK) status = allocate_run(run, error);
  if (status == SIMBA_OK) make_fingerprint(run);
  return status;
}

static simba_status run_all(Run *run, TrainingResult *result, simba_error *error) {
  TrainingEvent beginning = event_of(run, TRAINING_BEGINNING);
  tell(run, &beginning);
  simba_status status = begin_run(run, error);
  if (status != SIMBA_OK) return status;
  if (run->options->on_compiled) run->options->on_compiled(run->options->context, run->task);
  run->first_step = run->progress.step;
  run->start = clock_seconds();
  TrainingEvent event = event_of(run, TRAINING_STARTED);
  tell(run, &event);
  if (run->progress.step_in_epoch == 0) status = let_look(run, error);
  if (status == SIMBA_OK) status = run_epochs(run, error);
  result->epochs = run->progress.epoch;
  result->best_epoch = run->progress.best_epoch;
  result->by_accuracy = run->accuracy >= 0;
  result->best = run->accuracy >= 0 ? -run->progress.best : run->progress.best;
  result->steps = run->progress.step;
  result->seconds = clock_seconds() - run->start;
  if (status != SIMBA_OK) return status;
  simba_model *model = run->task->model;
  memcpy(model->parameters.values, run->best_parameters, (size_t)model->parameters.size * sizeof(float));
  memcpy(model->states.values, run->best_states, (size_t)model->states.size * sizeof(float));
  model->prepared = false;
  snprintf(result->picture, sizeof result->picture, "%s", run->picture_path);
  return draw_curves(run, error);
}

simba_status training_run(const TrainingOptions *options, Task *out_task, TrainingResult *out_result,
                          simba_error *error) {
  TaskOptions task_options = options->task;
  task_options.training = true;
  *out_result = (TrainingResult){.best_epoch = -1};
  simba_status status = task_open(&task_options, out_task, error);
  if (status != SIMBA_OK) return status;
  Run run = {.options = options, .task = out_task, .lock = -1};
  status = prepare_run(&run, error);
  if (status == SIMBA_OK) status = run_all(&run, out_result, error);
  release_run(&run);
  return status;
}
