#include "optimizer.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "float_mode.h"

/* Part of one tensor: the unit of parallel work and of summation. */
typedef struct Block {
  int64_t begin, count;
  double rate; /* factor of the learning rate */
  bool decay;
} Block;

struct Optimizer {
  OptimizerSettings settings;
  int64_t size, steps;
  size_t tensor_count;
  OptimizerTensor *tensor;
  size_t block_count;
  Block *block;    /* of tensors that are not frozen */
  double *partial; /* [block_count]: sums of squares */
  float *first, *second;
};

static bool is_bias(const char *name) {
  size_t length = strlen(name);
  return strcmp(name, "bias") == 0 || (length >= 5 && strcmp(name + length - 5, ".bias") == 0);
}

static bool is_decayed(const OptimizerTensor *tensor, simba_decay decay) {
  return decay == SIMBA_DECAY_ALL || (tensor->rank > 1 && !is_bias(tensor->name));
}

static size_t block_count(const OptimizerTensor *tensor) {
  return tensor->frozen ? 0 : (size_t)(tensor->count / OPTIMIZER_BLOCK + (tensor->count % OPTIMIZER_BLOCK != 0));
}

static void fill_blocks(Optimizer *optimizer) {
  Block *block = optimizer->block;
  for (size_t i = 0; i < optimizer->tensor_count; i++) {
    const OptimizerTensor *tensor = &optimizer->tensor[i];
    if (tensor->frozen) continue;
    for (int64_t at = 0; at < tensor->count; at += OPTIMIZER_BLOCK) {
      int64_t rest = tensor->count - at;
      *block++ = (Block){.begin = tensor->offset + at,
                         .count = rest < OPTIMIZER_BLOCK ? rest : OPTIMIZER_BLOCK,
                         .rate = tensor->rate == 0 ? 1 : tensor->rate,
                         .decay = is_decayed(tensor, optimizer->settings.decay)};
    }
  }
}

static simba_status check_settings(const OptimizerSettings *settings, simba_error *error) {
  if (!(settings->beta1 >= 0 && settings->beta1 < 1 && settings->beta2 >= 0 && settings->beta2 < 1))
    return error_set(error, SIMBA_INVALID_ARGUMENT, "AdamW: betas %g and %g: expected 0 <= beta < 1", settings->beta1,
                     settings->beta2);
  /* Elements are f32 without subnormals: anything smaller would be 0, and 0 / 0 where nothing has been learned yet. */
  if (!(settings->epsilon >= FLT_MIN && settings->epsilon <= FLT_MAX))
    return error_set(error, SIMBA_INVALID_ARGUMENT, "AdamW: epsilon %g: expected 1.2e-38 to 3.4e38", settings->epsilon);
  if (!(settings->weight_decay >= 0 && isfinite(settings->weight_decay)))
    return error_set(error, SIMBA_INVALID_ARGUMENT, "AdamW: weight decay %g: expected 0 or more",
                     settings->weight_decay);
  if (!(settings->clip >= 0))
    return error_set(error, SIMBA_INVALID_ARGUMENT, "AdamW: clip %g: expected 0 or more", settings->clip);
  return SIMBA_OK;
}

simba_status optimizer_create(const OptimizerTensor *tensors, size_t tensor_count, int64_t size,
                              const OptimizerSettings *settings, Optimizer **out_optimizer, simba_error *error) {
  simba_status status = check_settings(settings, error);
  if (status) return status;
  size_t blocks = 0;
  for (size_t i = 0; i < tensor_count; i++) {
    const OptimizerTensor *tensor = &tensors[i];
    if (tensor->offset < 0 || tensor->count < 0 || tensor->offset > size || tensor->count > size - tensor->offset)
      return error_set(error, SIMBA_INVALID_ARGUMENT, "tensor '%s' lies outside of the %lld parameters", tensor->name,
                       (long long)size);
    if (!(tensor->rate >= 0 && isfinite(tensor->rate)))
      return error_set(error, SIMBA_INVALID_ARGUMENT, "tensor '%s' has a factor of %g of the rate: expected 0 or more",
                       tensor->name, tensor->rate);
    blocks += block_count(tensor);
  }
  Optimizer *optimizer = calloc(1, sizeof *optimizer);
  if (!optimizer) return error_set_memory(error, "the optimizer");
  optimizer->settings = *settings;
  optimizer->size = size;
  optimizer->tensor_count = tensor_count;
  optimizer->block_count = blocks;
  optimizer->tensor = memory_allocate(tensor_count, sizeof *tensors);
  optimizer->block = memory_allocate(blocks, sizeof *optimizer->block);
  optimizer->partial = memory_allocate(blocks, sizeof *optimizer->partial);
  optimizer->first = memory_allocate_aligned((size_t)size, sizeof *optimizer->first);
  optimizer->second = memory_allocate_aligned((size_t)size, sizeof *optimizer->second);
  if (!optimizer->tensor || !optimizer->block || !optimizer->partial || !optimizer->first || !optimizer->second) {
    optimizer_destroy(optimizer);
    return error_set_memory(error, "the optimizer");
  }
  if (tensor_count) memcpy(optimizer->tensor, tensors, tensor_count * sizeof *tensors);
  fill_blocks(optimizer);
  *out_optimizer = optimizer;
  return SIMBA_OK;
}

void optimizer_destroy(Optimizer *optimizer) {
  if (!optimizer) return;
  free(optimizer->tensor);
  free(optimizer->block);
  free(optimizer->partial);
  free(optimizer->first);
  free(optimizer->second);
  free(optimizer);
}

static void run_blocks(simba_executor *executor, simba_kernel *kernel, void *argument, size_t items) {
  void *arguments[] = {argument};
  if (executor)
    executor->run(executor, kernel, NULL, arguments, NULL, 0, (int64_t)items, -1);
  else
    kernel(NULL, arguments, NULL, 0, (int64_t)items);
}

/* ---- Gradient norm ---- */

enum { NORM_LANES = 8 };

/* Eight running sums, so that the loop is one vector operation a step in any vector width, then a fixed tree. */
static double sum_of_squares(const float *values, int64_t count) {
  double lane[NORM_LANES] = {0};
  int64_t i = 0;
  for (; i + NORM_LANES <= count; i += NORM_LANES)
    for (int k = 0; k < NORM_LANES; k++) lane[k] += (double)values[i + k] * (double)values[i + k];
  for (int k = 0; i < count; i++, k++) lane[k] += (double)values[i] * (double)values[i];
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

typedef struct NormTask {
  Optimizer *optimizer;
  const float *gradients;
} NormTask;

static void norm_kernel(const simba_call *call, void *const *arguments, void *scratch, int64_t begin, int64_t end) {
  (void)call, (void)scratch;
  const NormTask *task = arguments[0];
  const Optimizer *optimizer = task->optimizer;
  uint64_t mode = float_mode_flush();
  for (int64_t i = begin; i < end; i++) {
    const Block *block = &optimizer->block[i];
    optimizer->partial[i] = sum_of_squares(task->gradients + block->begin, block->count);
  }
  float_mode_restore(mode);
}

/* Not inlined, as task_set is not: no operation may move to where the caller's mode holds. */
static __attribute__((noinline)) double norm_of_blocks(const Optimizer *optimizer) {
  double sum = 0;
  for (size_t i = 0; i < optimizer->block_count; i++) sum += optimizer->partial[i];
  return sqrt(sum);
}

double optimizer_gradient_norm(Optimizer *optimizer, const float *gradients, simba_executor *executor) {
  NormTask task = {optimizer, gradients};
  run_blocks(executor, norm_kernel, &task, optimizer->block_count);
  uint64_t mode = float_mode_flush();
  double norm = norm_of_blocks(optimizer);
  float_mode_restore(mode);
  return norm;
}

/* ---- Update ---- */

typedef struct StepTask {
  const Optimizer *optimizer;
  float *parameters;
  const float *gradients;
  float scale, beta1, rest1, beta2, rest2, root, epsilon;
  double rate, correction;
} StepTask;

/* keep: 1 - lr wd. step: lr / (1 - beta1^t). root: 1 / sqrt(1 - beta2^t). */
static void update_block(const StepTask *task, float keep, float step, int64_t count, float *restrict p,
                         const float *restrict g, float *restrict m, float *restrict v) {
  const float scale = task->scale, beta1 = task->beta1, rest1 = task->rest1, beta2 = task->beta2, rest2 = task->rest2;
  const float root = task->root, epsilon = task->epsilon;
  for (int64_t i = 0; i < count; i++) {
    float gradient = g[i] * scale;
    float first = beta1 * m[i] + rest1 * gradient;
    float second = beta2 * v[i] + rest2 * (gradient * gradient);
    m[i] = first;
    v[i] = second;
    p[i] = p[i] * keep - step * (first / (sqrtf(second) * root + epsilon));
  }
}

static void step_kernel(const simba_call *call, void *const *arguments, void *scratch, int64_t begin, int64_t end) {
  (void)call, (void)scratch;
  const StepTask *task = arguments[0];
  const Optimizer *optimizer = task->optimizer;
  uint64_t mode = float_mode_flush();
  for (int64_t i = begin; i < end; i++) {
    const Block *block = &optimizer->block[i];
    double rate = task->rate * block->rate;
    float keep = block->decay ? (float)(1 - rate * optimizer->settings.weight_decay) : 1.0f;
    update_block(task, keep, (float)(rate / task->correction), block->count, task->parameters + block->begin,
                 task->gradients + block->begin, optimizer->first + block->begin, optimizer->second + block->begin);
  }
  float_mode_restore(mode);
}

/* What is the same for every element, in double, rounded once. */
static __attribute__((noinline)) void task_set(StepTask *task, const OptimizerSettings *settings, double rate,
                                               double time, double norm) {
  task->scale = settings->clip > 0 && norm > settings->clip ? (float)(settings->clip / (norm + 1e-6)) : 1.0f;
  task->rate = rate;
  task->beta1 = (float)settings->beta1;
  task->rest1 = (float)(1 - settings->beta1);
  task->beta2 = (float)settings->beta2;
  task->rest2 = (float)(1 - settings->beta2);
  task->correction = 1 - pow(settings->beta1, time);
  task->root = (float)(1 / sqrt(1 - pow(settings->beta2, time)));
  task->epsilon = (float)settings->epsilon;
}

static const char *first_not_finite(const Optimizer *optimizer, const float *gradients) {
  for (size_t i = 0; i < optimizer->tensor_count; i++) {
    const OptimizerTensor *tensor = &optimizer->tensor[i];
    for (int64_t k = 0; !tensor->frozen && k < tensor->count; k++)
      if (!isfinite(gradients[tensor->offset + k])) return tensor->name;
  }
  return "";
}

simba_status optimizer_step(Optimizer *optimizer, float *parameters, const float *gradients, double rate,
                            simba_executor *executor, double *out_norm, simba_error *error) {
  const OptimizerSettings *settings = &optimizer->settings;
  double norm = optimizer_gradient_norm(optimizer, gradients, executor);
  if (out_norm) *out_norm = norm;
  if (!isfinite(norm))
    return error_set(error, SIMBA_NOT_FINITE, "the gradient of '%s' is not finite",
                     first_not_finite(optimizer, gradients));
  optimizer->steps++;
  StepTask task = {.optimizer = optimizer, .parameters = parameters, .gradients = gradients};
  uint64_t mode = float_mode_flush();
  task_set(&task, settings, rate, (double)optimizer->steps, norm);
  float_mode_restore(mode);
  run_blocks(executor, step_kernel, &task, optimizer->block_count);
  return SIMBA_OK;
}

float *optimizer_first_moment(Optimizer *optimizer) { return optimizer->first; }
float *optimizer_second_moment(Optimizer *optimizer) { return optimizer->second; }
int64_t optimizer_steps(const Optimizer *optimizer) { return optimizer->steps; }
void optimizer_set_steps(Optimizer *optimizer, int64_t steps) { optimizer->steps = steps; }
