/* AdamW (arXiv 1711.05101, algorithm 2) over flat blocks of parameters, gradients and moments.
 *
 *   t += 1;  p *= 1 - lr wd;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *   p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + epsilon)
 *
 * Elements are f32; what depends on t, lr and the betas is computed in double and rounded once. All four blocks have
 * one layout: tensor k is elements [offset, offset + count) of each. Work is divided into blocks of OPTIMIZER_BLOCK
 * elements of one tensor; sums go block by block in order, so the bits do not depend on the number of threads. */
#ifndef SIMBA_OPTIMIZER_H
#define SIMBA_OPTIMIZER_H

#include "abi.h"
#include "status.h"

enum { OPTIMIZER_BLOCK = 4096 };

typedef struct OptimizerTensor {
  const char *name; /* lives as long as the optimizer */
  int64_t offset, count;
  int32_t rank; /* for SIMBA_DECAY_MATRICES */
  bool frozen;  /* neither updated nor part of the gradient norm */
  double rate;  /* its factor of the learning rate, as parameter groups have it; 0: 1 */
} OptimizerTensor;

typedef struct OptimizerSettings {
  double beta1, beta2, epsilon, weight_decay;
  simba_decay decay;
  double clip; /* largest global gradient norm, 0: none */
} OptimizerSettings;

typedef struct Optimizer Optimizer;

/* `size` is the number of elements of the flat blocks; tensors are copied, they may leave gaps but not overlap.
 * Moments begin at zero. */
simba_status optimizer_create(const OptimizerTensor *tensors, size_t tensor_count, int64_t size,
                              const OptimizerSettings *settings, Optimizer **out_optimizer, simba_error *error);
void optimizer_destroy(Optimizer *optimizer);

/* sqrt(sum of g^2) over all tensors that are not frozen; NaN or infinite where a gradient is. executor may be NULL. */
double optimizer_gradient_norm(Optimizer *optimizer, const float *gradients, simba_executor *executor);

/* One update at learning rate `rate`; where the norm exceeds settings.clip, gradients count times clip / (norm + 1e-6).
 * A norm that is not finite changes nothing and gives SIMBA_NOT_FINITE with the first bad tensor's name.
 * `out_norm` (before clipping) may be NULL. */
simba_status optimizer_step(Optimizer *optimizer, float *parameters, const float *gradients, double rate,
                            simba_executor *executor, double *out_norm, simba_error *error);

/* State, for checkpoints: moments of `size` elements, and the number of updates done. */
float *optimizer_first_moment(Optimizer *optimizer);
float *optimizer_second_moment(Optimizer *optimizer);
int64_t optimizer_steps(const Optimizer *optimizer);
void optimizer_set_steps(Optimizer *optimizer, int64_t steps);

#endif
