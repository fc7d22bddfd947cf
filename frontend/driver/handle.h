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
  Execution *infer;
  float **discard; /* where an output that is not wanted goes */
  int64_t discard_batch;
  bool prepared; /* infer's prepared block fits the weights */
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
/* What simba_model_load_weights_from does with a file that is open: all of its tensors into parameters and states, or
 * none; the model's report and note are the file's then. */
simba_status model_load_tensors(simba_model *model, TensorFile *file, simba_error *error);
/* simba_trainer_create with frozen parameters: those whose path matches one of the globs. A glob that matches nothing
 * is SIMBA_INVALID_ARGUMENT. */
simba_status trainer_create(simba_model *model, const simba_training *training, const char *const *freeze,
                            size_t freeze_count, simba_trainer **out_trainer, simba_error *error);
/* Can only evaluate: nothing is compiled for training. */
simba_status trainer_create_for_evaluation(simba_model *model, simba_trainer **out_trainer, simba_error *error);
/* The first launch of the training step on this batch whose result is not finite, as "conv1d at model.simba:12:5
 * (...)". */
simba_status trainer_find_bad_tensor(simba_trainer *trainer, int64_t batch, const float *const *inputs,
                                     const float *const *targets, char *out_text, size_t size);

#endif
