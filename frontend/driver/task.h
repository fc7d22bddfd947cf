/* A model and the data that it learns from, as `train` and `eval` open them. */
#ifndef SIMBAC_DRIVER_TASK_H
#define SIMBAC_DRIVER_TASK_H

#include "data_source.h"

typedef struct TaskOptions {
  const char *model_path;
  const char *data_path;  /* NULL: the default of the recipe's kind of data */
  const char *label_maps; /* a folder of dense label maps; NULL: none */
  CompilerOptions compiler;
  bool training;
  uint64_t seed;
  bool seed_given; /* else the recipe's */
} TaskOptions;

typedef struct Task {
  DataSource *data;
  Compiler *compiler; /* owned by `model` once that exists */
  simba_model *model;
  uint64_t seed;
} Task;

/* Compiles the model, reads the data that its recipe asks for; compiles again where the data has other channels or
 * classes than the model's defaults (unless they are set); checks that the two fit. What was made so far is in
 * `out_task` on failure too: its compiler has the diagnostics. */
simba_status task_open(const TaskOptions *options, Task *out_task, simba_error *error);
void task_close(Task *task);

typedef struct SplitScore {
  double loss;
  double metric[MODEL_MAX_METRICS];
  uint32_t metric_count;
  int64_t samples;
} SplitScore;

/* Mean loss and metrics over all samples of a split, none dropped, in batches of `batch`. `progress` (may be NULL) is
 * called after each batch; false stops with SIMBA_INTERRUPTED. */
simba_status task_score(Task *task, simba_trainer *trainer, DataSplit split, int64_t batch, DataProgress *progress,
                        void *context, SplitScore *out_score, simba_error *error);
/* Name of metric k of a score, NULL where there is none. */
const char *model_metric_name(const simba_model *model, uint32_t k);

#endif
