/* What stands behind simba_model and simba_trainer (runtime/simba.h): a compiler, weights in flat blocks, compiled
 * steps bound to memory. The commands use these structs beside the public functions. */
#ifndef SIMBAC_DRIVER_HANDLE_H
#define SIMBAC_DRIVER_HANDLE_H

#include "compiler.h"
#include "runtime/checkpoint.h"
#include "runtime/optimizer.h"
#include "runtime/simba.h"

/* Parameters or states in one flat block: entry k is elements [offset[k], offset[k] + info[k].count). */
typedef struct WeightBlock {
  const ModelParameter *info;
  uint32_t count;
  int64_t *offset, size;
  float *values;
} WeightBlock;

struct simba_model {
  Compiler *compiler;
  Model *model; /* elaborated for inference */
  ThreadPool *pool;
  bool training;
  uint64_t seed;
  WeightBlock parameters, states;
  CompiledStep *infer_step, *train_step, *evaluate_step; /* compiled at first need; trainers share them */
  uint64_t train_frozen;                                 /* fingerprint of what train_step has no gradients of */
  Execution *infer;
  float **discard; /* where an output that is not wanted goes */
  int64_t discard_batch;
  bool prepared;                       /* infer's prepared block fits the weights */
  char *weights_report, *weights_note; /* of the last file of weights; NULL: "" */
  simba_error error;
};

struct simba_trainer {
  simba_model *model;
  Execution *train, *evaluate;
  Optimizer *optimizer;
  float *gradients;  /* as model->parameters.values */
  float *new_states; /* as model->states.values */
  float *scalars;    /* loss, then metrics, of the training step; then those of evaluation */
  uint32_t metric_count;
  double rate, gradient_norm;
  uint64_t seed;
  simba_schedule schedule;
  simba_error error;
};

/* Which parameters and states keep their initial values when a file is loaded: all that match `always`, and those that
 * match `misfits` where the file has none of that name and shape. */
typedef struct FreshTensors {
  RecipeGlobs always, misfits;
} FreshTensors;

/* As simba_model_compile_*, from a compiler that is open; takes it over, also on failure. */
simba_status model_create(Compiler *compiler, const simba_options *options, simba_model **out_model,
                          simba_error *error);
/* Compiles what is asked for, unless `*step` (a field of the model) has been already, and binds its parameters and
 * states to the model's blocks. */
simba_status model_bind_step(simba_model *model, const StepRequest *request, CompiledStep **step,
                             Execution **out_execution, simba_error *error);
/* Inputs or targets in the model's order into a program's table, which knows only those that it needs. */
simba_status model_bind_inputs(const ModelTensor *tensors, uint32_t count, const float *const *data,
                               const Execution *execution, simba_error *error);
/* The inference step, compiled at first need. */
simba_status model_compile_inference(simba_model *model, simba_error *error);
/* New initial values of all parameters and states from the seed. */
simba_status model_initialise(simba_model *model, uint64_t seed, simba_error *error);
/* The tensors of a checkpoint of this model; `trainer` adds moments, `best_*` (NULL: none) the best weights. */
CheckpointTensor *model_checkpoint_tensors(simba_model *model, simba_trainer *trainer, float *best_parameters,
                                           float *best_states, size_t *out_count);
/* simba_model_load_weights_from, but for what begins anew (NULL: nothing): named in the model's note. */
simba_status model_load_weights(simba_model *model, const simba_weights_source *source, const FreshTensors *fresh,
                                simba_error *error);
/* What that does with a file that is open: all of its tensors into parameters and states, or none; the model's report
 * and note are the file's then. */
simba_status model_load_tensors(simba_model *model, TensorFile *file, const FreshTensors *fresh, simba_error *error);
/* What is not trained, and at which factor of the learning rate the rest is, by globs of paths; of the rates the last
 * that matches counts. What the model's recipe says comes first. A glob that matches no parameter is
 * SIMBA_INVALID_ARGUMENT. States go on following the data, also those of frozen layers. */
typedef struct TrainerGroups {
  RecipeGlobs freeze, rates;
} TrainerGroups;

/* simba_trainer_create with groups besides those of the recipe (NULL: none). Gradients of frozen parameters are not
 * computed. */
simba_status trainer_create(simba_model *model, const simba_training *training, const TrainerGroups *groups,
                            simba_trainer **out_trainer, simba_error *error);
/* Can only evaluate: nothing is compiled for training. */
simba_status trainer_create_for_evaluation(simba_model *model, simba_trainer **out_trainer, simba_error *error);
/* The first launch of the training step on this batch whose result is not finite, as "conv1d at model.simba:12:5
 * (...)". */
simba_status trainer_find_bad_tensor(simba_trainer *trainer, int64_t batch, const float *const *inputs,
                                     const float *const *targets, char *out_text, size_t size);

#endif
