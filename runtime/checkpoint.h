/* DIR/checkpoint.safetensors: everything that the next step of a training run depends on, in one file that is written
 * atomically, so that a run killed at any moment continues with the bits of one that was never stopped.
 *
 * Tensors: param.<name>, buf.<name> (states), adamw.m.<name>, adamw.v.<name>, average.<name> where
 * weights are averaged, and where there is a best epoch best.param.<name> and best.buf.<name>. Metadata: the counters
 * below, numbers as text that reads back exactly. */
#ifndef SIMBA_CHECKPOINT_H
#define SIMBA_CHECKPOINT_H

#include "safetensors.h"

enum { CHECKPOINT_MAX_METRICS = 16 };

/* A run's counters. `step` counts updates from 0; of epoch `epoch` (from 0), `step_in_epoch` are done. */
typedef struct Progress {
  int64_t step, epoch, step_in_epoch;
  uint64_t seed; /* key of shuffles, dropout and initial values */
  simba_schedule schedule;
  double rate;          /* of the next step, where the caller moves it */
  double best;          /* best value of the validation loss so far */
  int64_t best_epoch;   /* -1: none yet */
  int64_t epochs_since; /* the best one; for early stopping */
  bool stopped;         /* early */
  /* Sums over the steps done in this epoch. */
  double loss_sum;
  int32_t metric_count;
  double metric_sum[CHECKPOINT_MAX_METRICS];
  int64_t sample_count;
} Progress;

/* A parameter (m, v set; best and average may be NULL) or a state (m and v NULL). Pointers are the caller's: read when
 * saving, written when loading. */
typedef struct CheckpointTensor {
  const char *name;
  int32_t rank;
  int64_t shape[SIMBA_MAX_RANK];
  bool parameter;
  float *value, *first_moment, *second_moment, *best, *average;
} CheckpointTensor;

/* `fingerprint` says what the run is, as "name value name value ..." (model, data, recipe); loading with another one is
 * SIMBA_DATA_ERROR, with a message that has the names of what differs. */
simba_status checkpoint_save(const char *path, const char *fingerprint, const CheckpointTensor *tensors, size_t count,
                             const Progress *progress, simba_error *error);
/* All or nothing: on an error neither tensors nor progress have changed. */
simba_status checkpoint_load(const char *path, const char *fingerprint, const CheckpointTensor *tensors, size_t count,
                             Progress *out_progress, simba_error *error);
/* Loads counters only: what `resume` shows and needs before there are tensors. */
simba_status checkpoint_load_progress(const char *path, Progress *out_progress, simba_error *error);
/* weights.safetensors: parameters and states under their own names, the best ones if `best`, and metadata. */
simba_status checkpoint_write_weights(const char *path, const CheckpointTensor *tensors, size_t count, bool best,
                                      const TensorMetadata *metadata, size_t metadata_count, simba_error *error);
/* Reads such a file into `value`. All or nothing; SIMBA_DATA_ERROR lists the names that are missing, those that are not
 * the model's, and those of another shape. weights.h has the parts of it. */
simba_status checkpoint_read_weights(const char *path, const CheckpointTensor *tensors, size_t count,
                                     simba_error *error);

#endif
