#include "fingerprint.h"
#include "handle.h"
#include "plain_locale.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Making and unmaking ---- */

simba_status simba_trainer_defaults(simba_model *model, simba_training *out_training) {
  if (!model || !out_training) return SIMBA_INVALID_ARGUMENT;
  const Recipe *recipe = &model->model->recipe;
  simba_training training = {
      .size = out_training->size,
      .beta1 = recipe->beta1,
      .beta2 = recipe->beta2,
      .epsilon = recipe->epsilon,
      .weight_decay = recipe->weight_decay,
      .decay = recipe->decay_matrices ? SIMBA_DECAY_MATRICES : SIMBA_DECAY_ALL,
      .clip = recipe->clip,
      .seed = (uint64_t)recipe->seed,
      .schedule = {SIMBA_COSINE, recipe->lr, recipe->lr_min, recipe->warmup_lr, recipe->warmup, (double)recipe->epochs},
  };
  size_t size = out_training->size && out_training->size < sizeof training ? out_training->size : sizeof training;
  memcpy(out_training, &training, size);
  return SIMBA_OK;
}

/* ---- Groups of parameters ---- */

/* Calls `apply` for each parameter that a glob matches, in the order of the globs. */
static simba_status match_globs(const WeightBlock *block, const RecipeGlobs *globs, OptimizerTensor *tensors,
                                void (*apply)(OptimizerTensor *tensor, double factor), const char *purpose,
                                simba_error *error) {
  for (uint32_t g = 0; g < globs->count; g++) {
    bool matched = false;
    for (uint32_t k = 0; k < block->count; k++) {
      if (fnmatch(globs->glob[g], block->info[k].path, 0) != 0) continue;
      matched = true;
      apply(&tensors[k], globs->factor ? globs->factor[g] : 0);
    }
    if (!matched)
      return error_set(error, SIMBA_INVALID_ARGUMENT, "no parameter matches '%s' %s", globs->glob[g], purpose);
  }
  return SIMBA_OK;
}

static void freeze(OptimizerTensor *tensor, double factor) {
  (void)factor;
  tensor->frozen = true;
}

/* A rate of 0 freezes. */
static void set_factor(OptimizerTensor *tensor, double factor) {
  tensor->rate = factor;
  tensor->frozen |= factor == 0;
}

/* The parameters as the optimizer sees them; the caller frees them. */
static simba_status group_parameters(const simba_model *model, const TrainerGroups *groups,
                                     OptimizerTensor **out_tensors, simba_error *error) {
  const WeightBlock *block = &model->parameters;
  const Recipe *recipe = &model->model->recipe;
  OptimizerTensor *tensors = memory_allocate(block->count + 1, sizeof *tensors);
  if (!tensors) return error_set_memory(error, "the optimizer");
  for (uint32_t k = 0; k < block->count; k++) {
    tensors[k] = (OptimizerTensor){.name = block->info[k].path,
                                   .offset = block->offset[k],
                                   .count = block->info[k].count,
                                   .rank = block->info[k].shape.rank};
  }
  static const TrainerGroups none;
  if (!groups) groups = &none;
  simba_status status = match_globs(block, &recipe->rates, tensors, set_factor, "to have a rate", error);
  if (status == SIMBA_OK) status = match_globs(block, &groups->rates, tensors, set_factor, "to have a rate", error);
  if (status == SIMBA_OK) status = match_globs(block, &recipe->freeze, tensors, freeze, "to be frozen", error);
  if (status == SIMBA_OK) status = match_globs(block, &groups->freeze, tensors, freeze, "to be frozen", error);
  bool any = block->count == 0;
  for (uint32_t k = 0; k < block->count; k++) any |= !tensors[k].frozen;
  if (status == SIMBA_OK && !any)
    status = error_set(error, SIMBA_INVALID_ARGUMENT, "all parameters are frozen: there is nothing to train");
  if (status == SIMBA_OK)
    *out_tensors = tensors;
  else
    free(tensors);
  return status;
}

static simba_status create_optimizer(simba_trainer *trainer, const simba_training *training,
                                     const OptimizerTensor *tensors, simba_error *error) {
  const WeightBlock *block = &trainer->model->parameters;
  OptimizerSettings settings = {training->beta1,        training->beta2, training->epsilon,
                                training->weight_decay, training->decay, training->clip};
  return optimizer_create(tensors, block->count, block->size, &settings, &trainer->optimizer, error);
}

/* Where the training step writes: gradients and states into flat blocks laid out as the weights, scalars in order. */
static void bind_training_outputs(simba_trainer *trainer) {
  const Program *program = trainer->train->step->program;
  const WeightBlock *parameters = &trainer->model->parameters, *states = &trainer->model->states;
  uint32_t metric = 0;
  for (uint32_t k = 0; k < program->output_count; k++) {
    const Binding *binding = &program->output[k];
    float **to = &trainer->train->output[k];
    if (binding->kind == OUTPUT_LOSS) *to = &trainer->scalars[0];
    if (binding->kind == OUTPUT_METRIC) *to = &trainer->scalars[1 + metric++];
    for (uint32_t p = 0; binding->kind == OUTPUT_GRADIENT && p < parameters->count; p++) {
      if (!strcmp(parameters->info[p].path, binding->name)) *to = trainer->gradients + parameters->offset[p];
    }
    for (uint32_t p = 0; binding->kind == OUTPUT_STATE && p < states->count; p++) {
      if (!strcmp(states->info[p].path, binding->name)) *to = trainer->new_states + states->offset[p];
    }
  }
}

static void bind_evaluation_outputs(simba_trainer *trainer) {
  const Program *program = trainer->evaluate->step->program;
  float *scalars = trainer->scalars + 1 + trainer->metric_count;
  uint32_t metric = 0;
  for (uint32_t k = 0; k < program->output_count; k++) {
    bool loss = program->output[k].kind == OUTPUT_LOSS;
    trainer->evaluate->output[k] = loss ? &scalars[0] : &scalars[1 + metric++];
  }
}

static uint32_t count_metrics(const Program *program) {
  uint32_t count = 0;
  for (uint32_t k = 0; k < program->output_count; k++) count += program->output[k].kind == OUTPUT_METRIC;
  return count;
}

static bool has_loss(const Graph *graph) {
  for (uint32_t k = 0; k < graph->output_count; k++) {
    if (graph->output[k].kind == OUTPUT_LOSS) return true;
  }
  return false;
}

static simba_status check_loss(const simba_trainer *trainer, simba_error *error) {
  const Model *model = trainer->model->model;
  if (has_loss(model->graph)) return SIMBA_OK;
  return error_set(error, SIMBA_INVALID_ARGUMENT, "the model '%s' has no loss", model->name);
}

/* What a trainer needs to evaluate: the loss in inference mode. */
static simba_status build_evaluation(simba_trainer *trainer, simba_error *error) {
  static const StepRequest request = {.loss = true, .metrics = true};
  simba_model *model = trainer->model;
  simba_status status = model_bind_step(model, &request, &model->evaluate_step, &trainer->evaluate, error);
  if (status != SIMBA_OK) return status;
  trainer->metric_count = count_metrics(trainer->evaluate->step->program);
  trainer->scalars = memory_allocate_aligned(2 * ((size_t)trainer->metric_count + 1), sizeof(float));
  if (!trainer->scalars) return error_set_memory(error, "metrics");
  bind_evaluation_outputs(trainer);
  return SIMBA_OK;
}

/* Another set of frozen parameters is another step. */
static simba_status compile_training(simba_trainer *trainer, const OptimizerTensor *tensors, simba_error *error) {
  simba_model *model = trainer->model;
  const char **frozen = memory_allocate(model->parameters.count + 1, sizeof *frozen);
  if (!frozen) return error_set_memory(error, "the training step");
  DifferentiateSpec spec = {.parameters = true, .zeros = true, .frozen = frozen};
  uint64_t fingerprint = FINGERPRINT_START;
  for (uint32_t k = 0; k < model->parameters.count; k++) {
    if (!tensors[k].frozen) continue;
    fingerprint = fingerprint_text(fingerprint, tensors[k].name);
    frozen[spec.frozen_count++] = tensors[k].name;
  }
  if (model->train_step && model->train_frozen != fingerprint) model->train_step = NULL;
  model->train_frozen = fingerprint;
  const StepRequest request = {.training = true, .loss = true, .metrics = true, .differentiate = &spec};
  simba_status status = model_bind_step(model, &request, &model->train_step, &trainer->train, error);
  free(frozen);
  return status;
}

static simba_status build_training(simba_trainer *trainer, const simba_training *training,
                                   const OptimizerTensor *tensors, simba_error *error) {
  simba_model *model = trainer->model;
  simba_status status = create_optimizer(trainer, training, tensors, error);
  if (status != SIMBA_OK) return status;
  trainer->gradients = memory_allocate_aligned((size_t)model->parameters.size + 16, sizeof(float));
  trainer->new_states = memory_allocate_aligned((size_t)model->states.size + 16, sizeof(float));
  if (!trainer->gradients || !trainer->new_states) return error_set_memory(error, "gradients");
  memcpy(trainer->new_states, model->states.values, (size_t)model->states.size * sizeof(float));
  bind_training_outputs(trainer);
  return SIMBA_OK;
}

static simba_trainer *trainer_allocate(simba_model *model) {
  simba_trainer *trainer = memory_allocate(1, sizeof *trainer);
  if (!trainer) return NULL;
  memset(trainer, 0, sizeof *trainer);
  trainer->model = model;
  return trainer;
}

simba_status trainer_create_for_evaluation(simba_model *model, simba_trainer **out_trainer, simba_error *error) {
  simba_trainer *trainer = trainer_allocate(model);
  if (!trainer) return error_set_memory(error, "an evaluation");
  simba_status status = check_loss(trainer, error);
  if (status == SIMBA_OK) status = build_evaluation(trainer, error);
  if (status != SIMBA_OK)
    simba_trainer_destroy(trainer);
  else
    *out_trainer = trainer;
  return status;
}

simba_status trainer_create(simba_model *model, const simba_training *training, const TrainerGroups *groups,
                            simba_trainer **out_trainer, simba_error *error) {
  if (!model->training) {
    return error_set(error, SIMBA_INVALID_ARGUMENT, "the model was compiled without options.training");
  }
  simba_trainer *trainer = trainer_allocate(model);
  if (!trainer) return error_set_memory(error, "a trainer");
  trainer->seed = training->seed;
  trainer->schedule = training->schedule;
  trainer->rate = simba_schedule_rate(&training->schedule, 0);
  OptimizerTensor *tensors = NULL;
  simba_status status = check_loss(trainer, error);
  if (status == SIMBA_OK) status = group_parameters(model, groups, &tensors, error);
  /* First, since it needs the most memory: a budget that does for it does for the evaluation. */
  if (status == SIMBA_OK) status = compile_training(trainer, tensors, error);
  if (status == SIMBA_OK) status = build_evaluation(trainer, error);
  if (status == SIMBA_OK) status = build_training(trainer, training, tensors, error);
  free(tensors);
  if (status != SIMBA_OK)
    simba_trainer_destroy(trainer);
  else
    *out_trainer = trainer;
  return status;
}

simba_status simba_trainer_create(simba_model *model, const simba_training *given, simba_trainer **out_trainer,
                                  simba_error *out_error) {
  if (!model || !out_trainer) {
    return error_set(out_error, SIMBA_INVALID_ARGUMENT, "model and out_trainer must be given");
  }
  PLAIN_LOCALE(locale);
  simba_training training = {.size = sizeof training};
  simba_trainer_defaults(model, &training);
  if (given) memcpy(&training, given, given->size && given->size < sizeof training ? given->size : sizeof training);
  return trainer_create(model, &training, NULL, out_trainer, out_error);
}

void simba_trainer_destroy(simba_trainer *trainer) {
  if (!trainer) return;
  execution_destroy(trainer->train);
  execution_destroy(trainer->evaluate);
  optimizer_destroy(trainer->optimizer);
  free(trainer->gradients);
  free(trainer->new_states);
  free(trainer->scalars);
  free(trainer);
}

const char *simba_trainer_message(const simba_trainer *trainer) { return trainer->error.message; }

simba_status simba_trainer_set_rate(simba_trainer *trainer, double rate) {
  error_clear(&trainer->error);
  if (!(rate >= 0) || !isfinite(rate)) {
    return error_set(&trainer->error, SIMBA_INVALID_ARGUMENT, "a learning rate must be finite and not negative");
  }
  trainer->rate = rate;
  return SIMBA_OK;
}

double simba_trainer_rate(const simba_trainer *trainer) { return trainer->rate; }
int64_t simba_trainer_steps(const simba_trainer *trainer) { return optimizer_steps(trainer->optimizer); }

/* ---- Steps ---- */

static simba_status bind_batch(simba_trainer *trainer, Execution *execution, int64_t batch, const float *const *inputs,
                               const float *const *targets, simba_error *error) {
  const Model *model = trainer->model->model;
  simba_status status = execution_check_batch(batch, error);
  if (status == SIMBA_OK) status = model_bind_inputs(model->input, model->input_count, inputs, execution, error);
  if (status == SIMBA_OK) status = model_bind_inputs(model->target, model->target_count, targets, execution, error);
  return status;
}

/* The scalars of a step: scalars[0] is the loss, metrics follow. */
static void deliver_scalars(const simba_trainer *trainer, const float *scalars, float *out_loss, float *out_metrics) {
  if (out_loss) *out_loss = scalars[0];
  if (out_metrics) memcpy(out_metrics, scalars + 1, trainer->metric_count * sizeof *out_metrics);
}

static simba_status run_prepared(Execution *execution, int64_t batch, uint64_t seed, uint64_t step,
                                 simba_error *error) {
  simba_status status = execution_prepare(execution, error);
  if (status != SIMBA_OK) return status;
  return execution_run(execution, batch, seed, step, error);
}

static simba_status not_finite(simba_trainer *trainer, int64_t batch, const float *const *inputs,
                               const float *const *targets, simba_error *error) {
  char place[512];
  simba_status status = trainer_find_bad_tensor(trainer, batch, inputs, targets, place, sizeof place);
  if (status != SIMBA_OK) return status;
  return error_set(error, SIMBA_NOT_FINITE, "step %lld: the loss is not finite; the first bad tensor is %s",
                   (long long)simba_trainer_steps(trainer) + 1, place);
}

simba_status simba_trainer_step(simba_trainer *trainer, int64_t batch, const float *const *inputs,
                                const float *const *targets, float *out_loss, float *out_metrics) {
  simba_error *error = &trainer->error;
  error_clear(error);
  simba_status status = bind_batch(trainer, trainer->train, batch, inputs, targets, error);
  uint64_t step = (uint64_t)simba_trainer_steps(trainer);
  if (status == SIMBA_OK) status = run_prepared(trainer->train, batch, trainer->seed, step, error);
  if (status != SIMBA_OK) return status;
  if (!isfinite(trainer->scalars[0])) return not_finite(trainer, batch, inputs, targets, error);
  simba_model *model = trainer->model;
  status = optimizer_step(trainer->optimizer, model->parameters.values, trainer->gradients, trainer->rate,
                          thread_pool_executor(model->pool), &trainer->gradient_norm, error);
  if (status != SIMBA_OK) return status;
  memcpy(model->states.values, trainer->new_states, (size_t)model->states.size * sizeof(float));
  model->prepared = false;
  deliver_scalars(trainer, trainer->scalars, out_loss, out_metrics);
  return SIMBA_OK;
}

simba_status simba_trainer_evaluate(simba_trainer *trainer, int64_t batch, const float *const *inputs,
                                    const float *const *targets, float *out_loss, float *out_metrics) {
  simba_error *error = &trainer->error;
  error_clear(error);
  simba_status status = bind_batch(trainer, trainer->evaluate, batch, inputs, targets, error);
  if (status == SIMBA_OK) status = run_prepared(trainer->evaluate, batch, 0, 0, error);
  if (status != SIMBA_OK) return status;
  deliver_scalars(trainer, trainer->scalars + 1 + trainer->metric_count, out_loss, out_metrics);
  return SIMBA_OK;
}

/* ---- The first bad tensor ---- */

typedef struct Search {
  const simba_trainer *trainer;
  bool found;
  char *text;
  size_t size;
} Search;

static bool all_finite(const float *values, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    if (!isfinite(values[i])) return false;
  }
  return true;
}

/* What a launch wrote of a buffer. In a group that is one image: a span in each row of B images. */
static bool written_finite(const Buffer *buffer, const float *values, int64_t advance, const int64_t *symbols) {
  int64_t count = dim_value(buffer->count, symbols);
  if (advance == 0) return all_finite(values, count);
  int64_t row = advance * symbols[SYMBOL_BATCH - 1];
  for (int64_t at = 0; at < count; at += row) {
    if (!all_finite(values + at, advance)) return false;
  }
  return true;
}

static void search_launch(void *context, const simba_call *call, void *const *arguments, int32_t launch, int64_t items,
                          int64_t nanoseconds) {
  Search *search = context;
  const Program *program = search->trainer->train->step->program;
  (void)items;
  (void)nanoseconds;
  if (search->found || (uint32_t)launch >= program->launch_count) return;
  const Launch *at = &program->launch[launch];
  const Kernel *kernel = program->kernel[at->kernel];
  for (uint32_t slot = kernel->read_count; slot < kernel->argument_count; slot++) {
    const Buffer *buffer = &program->buffer[at->argument[slot]];
    if (written_finite(buffer, arguments[slot], at->advance ? at->advance[slot] : 0, call->symbol)) continue;
    search->found = true;
    const Compiler *compiler = search->trainer->model->compiler;
    NodeId node = buffer->node ? buffer->node : at->node;
    snprintf(search->text, search->size, "%s", compiler_node_label(compiler, program->graph, node));
    return;
  }
}

static bool bad_input(const simba_trainer *trainer, int64_t batch, char *text, size_t size) {
  const Program *program = trainer->train->step->program;
  for (uint32_t k = 0; k < program->input_count; k++) {
    if (all_finite(trainer->train->input[k], binding_count(&program->input[k], batch))) continue;
    snprintf(text, size, "the input '%s'", program->input[k].name);
    return true;
  }
  for (uint32_t k = 0; k < program->parameter_count; k++) {
    if (all_finite(trainer->train->parameter[k], binding_count(&program->parameter[k], batch))) continue;
    snprintf(text, size, "the parameter '%s'", program->parameter[k].name);
    return true;
  }
  return false;
}

simba_status trainer_find_bad_tensor(simba_trainer *trainer, int64_t batch, const float *const *inputs,
                                     const float *const *targets, char *out_text, size_t size) {
  simba_error *error = &trainer->error;
  Search search = {.trainer = trainer, .text = out_text, .size = size};
  snprintf(out_text, size, "the loss itself");
  simba_status status = bind_batch(trainer, trainer->train, batch, inputs, targets, error);
  if (status != SIMBA_OK || bad_input(trainer, batch, out_text, size)) return status;
  uint64_t step = (uint64_t)simba_trainer_steps(trainer);
  status = execution_prepare(trainer->train, error);
  if (status != SIMBA_OK) return status;
  execution_clear(trainer->train, batch); /* what later launches write must not look bad before */
  simba_executor *executor = thread_pool_executor(trainer->model->pool);
  executor->stepwise = 1;
  thread_pool_set_hook(trainer->model->pool, search_launch, &search);
  status = execution_run(trainer->train, batch, trainer->seed, step, error);
  thread_pool_set_hook(trainer->model->pool, NULL, NULL);
  executor->stepwise = 0;
  return status;
}
