/* Weights of a file beside a model's parameters and states, before there is a handle: what `convert --model` and
 * `run --weights` say of them. */
#ifndef SIMBAC_DRIVER_MODEL_WEIGHTS_H
#define SIMBAC_DRIVER_MODEL_WEIGHTS_H

#include "frontend/frontend.h"
#include "runtime/weights.h"

/* SIMBA_DATA_ERROR where they are not the model's, all of them and nothing besides: the message names some,
 * *out_report, in the arena and "" where all fit, has a line for each (weights.h). */
simba_status model_check_weights(const Model *model, TensorFile *file, Arena *arena, const char **out_report,
                                 simba_error *error);

#endif
