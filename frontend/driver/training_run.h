/* `simbac train`: epochs over the training data, validation, checkpoints, early stopping, pictures. All that the next step
 * depends on is in DIR/checkpoint.safetensors, so a run that is stopped or killed at any moment goes on with the same
 * bits.
 *
 *   DIR/checkpoint.safetensors  written before step 1, every half minute, after each epoch, when interrupted
 *   DIR/weights.safetensors     the weights that were best on the validation split
 *   DIR/metrics.jsonl           training losses and scores of each epoch
 *   DIR/loss.png                both as curves */
#ifndef SIMBAC_DRIVER_TRAINING_RUN_H
#define SIMBAC_DRIVER_TRAINING_RUN_H

#include "task.h"

#include <signal.h>

typedef struct TrainingEvent {
  enum {
    TRAINING_BEGINNING, /* all is compiled; from here on the run's files are written, and only `stop` ends it well */
    TRAINING_STARTED,
    TRAINING_STEP,
    TRAINING_VALIDATING,
    TRAINING_EPOCH,
    TRAINING_STOPPED_EARLY
  } kind;
  int64_t step, steps; /* of the whole run */
  int64_t first_step;  /* where this process began */
  int64_t epoch, epochs;
  double seconds; /* in this process */
  double loss;    /* mean of this epoch's steps so far; epoch: of all its steps */
  double rate;
  int64_t batch;                /* samples in a step */
  const SplitScore *validation; /* epoch */
  bool best;                    /* epoch: the best so far */
} TrainingEvent;

typedef struct TrainingOptions {
  TaskOptions task; /* training set by training_run */
  const char *folder;
  bool resume;
  int64_t epochs;               /* 0: the recipe's */
  simba_weights_source initial; /* path NULL: by the model's initial values */
  TrainerGroups groups;
  RecipeGlobs fresh; /* what of `initial` is not loaded; what the recipe calls the head is not where it does not fit */
  const volatile sig_atomic_t *stop; /* set by a signal */
  void (*on_event)(void *context, const TrainingEvent *event);
  void (*on_compiled)(void *context, const Task *task); /* before the first step */
  /* Before the first step and after each epoch, ahead of the checkpoint; `epochs` are done. Only looks. */
  simba_status (*on_epoch)(void *context, Task *task, int64_t epochs, int64_t step, simba_error *error);
  void *context;
} TrainingOptions;

typedef struct TrainingResult {
  int64_t epochs, best_epoch, steps;
  bool by_accuracy;
  double best; /* on validation: loss, or accuracy */
  double seconds;
  char picture[512];
} TrainingResult;

/* On return `out_task` is open (also on failure: its compiler has the diagnostics) and holds the best weights on
 * success; the caller closes it. SIMBA_INTERRUPTED: everything is saved. */
simba_status training_run(const TrainingOptions *options, Task *out_task, TrainingResult *out_result,
                          simba_error *error);

#endif
