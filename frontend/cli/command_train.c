#include "weights_options.h"

#include "frontend/driver/spectra_watch.h"
#include "frontend/driver/training_run.h"
#include "runtime/metrics.h"
#include "runtime/number.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
  KEY_DATA = 0x100,
  KEY_LABEL_MAPS,
  KEY_OUT,
  KEY_RESUME,
  KEY_EPOCHS,
  KEY_SEED,
  KEY_INIT,
  KEY_NEW_HEAD,
  KEY_FREEZE,
  KEY_RATE,
  KEY_WATCH
};
enum { MAX_GLOBS = 64 };

typedef struct GlobList {
  const char *glob[MAX_GLOBS];
  double factor[MAX_GLOBS];
  uint32_t count;
} GlobList;

typedef struct TrainOptions {
  CommonOptions common;
  TrainingOptions run;
  GlobList freeze, rates, fresh;
  bool watch; /* --watch-spectra */
  SpectraWatch spectra;
  const simba_model *model; /* once it is compiled */
  const char *samples;      /* "images", then too */
  bool terminal;
  double drawn; /* when the bar was last drawn */
} TrainOptions;

static volatile sig_atomic_t stop_asked, run_begun;

/* What has begun is stopped at the next step and saved; before that there is nothing to save and nothing to wait for.
 */
static void ask_to_stop(int signal) {
  static const char message[] = "interrupted while compiling; nothing was changed\n";
  (void)signal;
  if (!run_begun) {
    ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
    (void)ignored;
    _exit(EXIT_STOPPED);
  }
  stop_asked = 1;
}

static const struct argp_option train_options[] = {
    {"data", KEY_DATA, "FILE|FOLDER", 0,
     "A series: CSV with a header, one column a channel, a date column is skipped (default: the built-in "
     "seattle-hourly.csv). Images: IDX, CIFAR, CSV or a folder for each class (default: fashion-mnist, of Debian)",
     1},
    {"label-maps", KEY_LABEL_MAPS, "FOLDER", 0, "Dense label maps of the training images, for token labelling", 1},
    {"out", KEY_OUT, "DIR", 0, "Where checkpoint, best weights, metrics and pictures go", 1},
    {"resume", KEY_RESUME, 0, 0, "Continue the run in DIR; the bits are those of a run that was never interrupted", 1},
    {"epochs", KEY_EPOCHS, "N", 0, "In place of the recipe's", 1},
    {"seed", KEY_SEED, "N", 0, "Of initial weights, order and dropout, in place of the recipe's", 1},
    {"init", KEY_INIT, WEIGHTS_ARGUMENT, 0, "Begin a new run with these weights", 1},
    {"new-head", KEY_NEW_HEAD, "GLOB", 0,
     "With --init: these parameters begin anew, whatever the file has; may be repeated", 1},
    {"freeze", KEY_FREEZE, "GLOB", 0, "Do not train parameters whose path matches; may be repeated", 1},
    {"rate", KEY_RATE, "GLOB=FACTOR", 0,
     "Train these parameters at so many times the learning rate; may be repeated, the last that matches counts", 1},
    {"watch-spectra", KEY_WATCH, "GLOB", OPTION_ARG_OPTIONAL,
     "Log the decays of scans and the eigenvalues of square matrices (those whose path matches) each epoch, in "
     "DIR/spectra.jsonl and spectra.png",
     1},
    {0},
};

static void add_glob(GlobList *list, const char *option, const char *glob, double factor, struct argp_state *state) {
  if (list->count == MAX_GLOBS) argp_error(state, "at most %d %s", MAX_GLOBS, option);
  list->glob[list->count] = glob;
  list->factor[list->count++] = factor;
}

static void add_rate(GlobList *list, char *argument, struct argp_state *state) {
  char *equals = strrchr(argument, '=');
  double factor;
  if (!equals || equals == argument || !number_parse(equals + 1, strlen(equals + 1), &factor) || !(factor >= 0) ||
      !isfinite(factor)) {
    argp_error(state, "--rate takes GLOB=FACTOR with a factor of 0 or more, not '%s'", argument);
    return;
  }
  *equals = '\0';
  add_glob(list, "--rate", argument, factor, state);
}

static RecipeGlobs globs_of(const GlobList *list) { return (RecipeGlobs){list->count, list->glob, list->factor}; }

/* Two options of which one would be ignored. */
static void check_train(const TrainOptions *options, struct argp_state *state) {
  const TrainingOptions *run = &options->run;
  if (run->resume && run->initial.path) {
    argp_error(state,
               "--resume goes on with the weights of the run in %s; to begin with those of --init, leave it out "
               "and give another --out",
               run->folder);
  }
  if (options->fresh.count && !run->initial.path)
    argp_error(state, "--new-head says what --init does not load; there is no --init");
  if (run->epochs && common_sets(&options->common, "recipe.epochs"))
    argp_error(state, "--epochs and --set recipe.epochs are the same: give one of them");
  if (run->task.seed_given && common_sets(&options->common, "recipe.seed"))
    argp_error(state, "--seed and --set recipe.seed are the same: give one of them");
}

static error_t parse_train(int key, char *argument, struct argp_state *state) {
  TrainOptions *options = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = &options->common;
      state->child_inputs[1] = &options->run.initial;
      return 0;
    case KEY_DATA:
      options->run.task.data_path = argument;
      return 0;
    case KEY_OUT:
      options->run.folder = argument;
      return 0;
    case KEY_RESUME:
      options->run.resume = true;
      return 0;
    case KEY_EPOCHS:
      options->run.epochs = option_integer("--epochs", argument, 1, 1000000, state);
      return 0;
    case KEY_SEED:
      options->run.task.seed = (uint64_t)option_integer("--seed", argument, 0, INT64_MAX, state);
      options->run.task.seed_given = true;
      return 0;
    case KEY_INIT:
      options->run.initial.path = argument;
      return 0;
    case KEY_LABEL_MAPS:
      options->run.task.label_maps = argument;
      return 0;
    case KEY_NEW_HEAD:
      add_glob(&options->fresh, "--new-head", argument, 1, state);
      return 0;
    case KEY_FREEZE:
      add_glob(&options->freeze, "--freeze", argument, 1, state);
      return 0;
    case KEY_RATE:
      add_rate(&options->rates, argument, state);
      return 0;
    case KEY_WATCH:
      options->watch = true;
      options->spectra.matrices = argument;
      return 0;
    case ARGP_KEY_ARG:
      return common_positional(&options->common, argument, state);
    case ARGP_KEY_END:
      if (!options->common.model_path) argp_error(state, "which model file?");
      if (!options->run.folder) argp_error(state, "--out says where results go");
      check_train(options, state);
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

/* ---- Showing ---- */

static void show_compiled(void *context, const Task *task) {
  TrainOptions *options = context;
  options->model = task->model;
  report_diagnostics(&options->common, task->compiler);
  report_compilation(&options->common, task->compiler);
  if (options->common.quiet) return;
  double compile = 0;
  for (uint32_t k = 0; k < task->compiler->phase_count; k++) compile += task->compiler->phase[k].seconds;
  const Model *model = task->model->model;
  Text text = text_begin(options->common.arena);
  task->data->kind->describe(task->data, &text);
  fputs(text.data, stderr);
  options->samples = task->data->kind->samples;
  int64_t parameters = 0;
  for (uint32_t k = 0; k < model->parameter_count; k++) parameters += model->parameter[k].count;
  fprintf(stderr, "%s: %lld parameters, compiled in %.2f s\n", model->name, (long long)parameters, compile);
}

static int terminal_width(void) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 80;
}

static void draw_bar(TrainOptions *options, const TrainingEvent *event) {
  double now = clock_seconds();
  if (event->kind == TRAINING_STEP && now - options->drawn < 0.1) return;
  options->drawn = now;
  Estimate estimate = progress_estimate(event->first_step, event->step, event->steps, event->seconds);
  char left[32], tail[160];
  duration_text(estimate.seconds_left, left, sizeof left);
  snprintf(tail, sizeof tail, " %lld/%lld  loss %.4f  lr %.1e  %.0f %s/s  %s left", (long long)event->step,
           (long long)event->steps, event->loss, event->rate, estimate.rate * (double)event->batch, options->samples,
           left);
  char head[40];
  snprintf(head, sizeof head, "epoch %lld/%lld ", (long long)event->epoch + 1, (long long)event->epochs);
  int room = terminal_width() - 1 - (int)strlen(head) - (int)strlen(tail) - 2;
  if (room > 40) room = 40;
  fprintf(stderr, "\r\033[K%s", head);
  if (room >= 5) {
    int done = (int)((double)room * (double)event->step / (double)event->steps);
    fputc('[', stderr);
    for (int k = 0; k < room; k++) fputc(k < done ? '#' : '.', stderr);
    fputc(']', stderr);
  }
  fprintf(stderr, "%s%s", tail, event->kind == TRAINING_VALIDATING ? "  validating" : "");
  fflush(stderr);
}

static void show_event(void *context, const TrainingEvent *event) {
  TrainOptions *options = context;
  if (event->kind == TRAINING_BEGINNING) run_begun = 1;
  if (event->kind == TRAINING_STARTED)
    report_model_weights(&options->common, options->run.initial.path, options->model);
  if (options->common.quiet || event->kind == TRAINING_BEGINNING) return;
  if (event->kind == TRAINING_STEP || event->kind == TRAINING_VALIDATING) {
    if (options->terminal) draw_bar(options, event);
    return;
  }
  if (options->terminal) fputs("\r\033[K", stderr);
  if (event->kind == TRAINING_STARTED && event->first_step > 0) {
    fprintf(stderr, "resuming at step %lld of %lld\n", (long long)event->step, (long long)event->steps);
  } else if (event->kind == TRAINING_EPOCH) {
    Estimate estimate = progress_estimate(event->first_step, event->step, event->steps, event->seconds);
    char left[32];
    duration_text(estimate.seconds_left, left, sizeof left);
    fprintf(stderr, "epoch %lld/%lld  train %.4f  validation %.4f", (long long)event->epoch + 1,
            (long long)event->epochs, event->loss, event->validation->loss);
    for (uint32_t k = 0; k < event->validation->metric_count; k++)
      fprintf(stderr, "  %s %.4f", model_metric_name(options->model, k), event->validation->metric[k]);
    fprintf(stderr, "%s  %.1f steps/s  %s left\n", event->best ? " (best)" : "", estimate.rate, left);
  } else if (event->kind == TRAINING_STOPPED_EARLY) {
    fputs("no progress on the validation split: stopped early\n", stderr);
  }
}

static void show_result(const TrainOptions *options, const TrainingResult *result) {
  if (options->common.quiet) return;
  char seconds[32];
  duration_text(result->seconds, seconds, sizeof seconds);
  fprintf(stderr, "done: %lld steps in %s; best epoch %lld, validation %s%.4f\n", (long long)result->steps, seconds,
          (long long)result->best_epoch + 1, result->by_accuracy ? "accuracy " : "", result->best);
  fprintf(stderr, "best weights in %s/weights.safetensors, loss curve in %s\n", options->run.folder, result->picture);
}

static void show_remarks(const TrainOptions *options, const Task *task) {
  if (options->common.quiet || !task->data) return;
  Text text = text_begin(options->common.arena);
  task->data->kind->remark(task->data, &text);
  fputs(text.data, stderr);
}

static simba_status watch_epoch(void *context, Task *task, int64_t epochs, int64_t step, simba_error *error) {
  TrainOptions *options = context;
  return spectra_watch(&options->spectra, task, options->run.folder, epochs, step, error);
}

static void catch_signals(void) {
  struct sigaction action = {.sa_handler = ask_to_stop, .sa_flags = SA_RESETHAND | SA_RESTART};
  sigaction(SIGINT, &action, NULL); /* a second one ends the process at once: files are atomic */
  sigaction(SIGTERM, &action, NULL);
}

static int train_model(TrainOptions *options) {
  TrainingOptions *run = &options->run;
  run->task.model_path = options->common.model_path;
  run->task.compiler = options->common.compiler;
  run->groups = (TrainerGroups){.freeze = globs_of(&options->freeze), .rates = globs_of(&options->rates)};
  run->fresh = globs_of(&options->fresh);
  run->stop = &stop_asked;
  run->on_event = show_event;
  run->on_compiled = show_compiled;
  run->on_epoch = options->watch ? watch_epoch : NULL;
  run->context = options;
  options->terminal = isatty(STDERR_FILENO);
  catch_signals();
  Task task;
  TrainingResult result;
  simba_error error = {0};
  simba_status status = training_run(run, &task, &result, &error);
  if (options->terminal && !options->common.quiet) fputs("\r\033[K", stderr);
  if (status == SIMBA_DATA_ERROR) report_model_weights(&options->common, run->initial.path, task.model);
  show_remarks(options, &task);
  if (status == SIMBA_OK)
    show_result(options, &result);
  else if (status == SIMBA_MODEL_ERROR)
    report_diagnostics(&options->common, task.compiler);
  int code;
  if (status == SIMBA_INTERRUPTED) {
    fprintf(stderr, "%s\nto go on: the same command with --resume\n", error.message);
    code = EXIT_STOPPED;
  } else {
    code = report_failure(status, &error);
    if (status == SIMBA_IO_ERROR && result.steps > 0) {
      fprintf(stderr,
              "what was done up to the last checkpoint is kept in %s; to go on: the same command with --resume\n",
              run->folder);
    }
  }
  spectra_watch_end(&options->spectra);
  task_close(&task);
  return code;
}

int command_train(int argc, char **argv) {
  static const struct argp_child children[] = {{&common_argp, 0, 0, 10}, {&weights_argp, 0, 0, 5}, {0}};
  static const struct argp parser = {
      .options = train_options,
      .parser = parse_train,
      .args_doc = "MODEL",
      .doc =
          "Train a model on a series or on images by its recipe. Ctrl-C saves everything and says how to go on.\v"
          "Example:\n"
          "  simbac train examples/forecaster.simba --data ETTh1.csv --out run\n"
          "  simbac train examples/fashion.simba --data fashion-mnist --out run\n",
      .children = children};
  TrainOptions options = {0};
  common_begin(&options.common);
  argp_parse(&parser, argc, argv, 0, NULL, &options);
  int code = train_model(&options);
  common_end(&options.common);
  return code;
}
