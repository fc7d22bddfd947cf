/* `simbac run`: a model on the tensors of a file. IN holds in.<input or target>, param.<path>, buf.<path> (state) and,
 * for gradients, cotangents lw.<output>; a file of weights may give parameters and states in its place. OUT gets
 * out.<output>, buf_after.<path>, loss, gin.<input>, gparam.<path>. */
#ifndef SIMBAC_DRIVER_TENSOR_RUN_H
#define SIMBAC_DRIVER_TENSOR_RUN_H

#include "compiler.h"
#include "runtime/safetensors.h"

typedef struct TensorRunOptions {
  bool gradients, training;
  uint64_t seed;             /* of dropout masks, where training */
  const TensorFile *weights; /* parameters and states under their own names; NULL: IN has them */
} TensorRunOptions;

typedef struct TensorResult {
  const char *name; /* with its prefix: "out.y" */
  int32_t rank;
  int64_t shape[SIMBA_MAX_RANK];
  int64_t count;
  float *data;
} TensorResult;

typedef struct TensorRun {
  int64_t batch;
  TensorResult *result; /* in the order of the program's outputs */
  uint32_t count;
  const char **note; /* names of IN that are no part of the model */
  uint32_t note_count;
  const char *of_gradients; /* where none were asked for: the first tensor of IN that belongs to them */
  uint32_t of_gradients_count;
} TensorRun;

/* A program's inputs from in.<name> (cotangents, which `model` does not have, from their own names), in the program's
 * order, in the compiler's arena, and the batch that they have (0: none depends on it). */
simba_status tensor_run_inputs(Compiler *compiler, const Program *program, const Graph *model, const TensorFile *in,
                               const float **out_data, int64_t *out_batch, simba_error *error);
/* Compiles what the file asks for and runs it once. The result lives as long as the compiler. */
simba_status tensor_run(Compiler *compiler, const TensorFile *in, const TensorRunOptions *options, TensorRun **out_run,
                        simba_error *error);
simba_status tensor_run_write(const TensorRun *run, const char *path, simba_error *error);

/* Compares with every out, buf_after, gin, gparam and loss of `golden`: one line a tensor, max |difference| /
 * max |reference|. True where each is produced and within its tolerance; a negative tolerance takes for each kind 20
 * times the float32 error that the file's metadata states, and not under 1e-5. Gradients are compared only if the run
 * has gradients. */
simba_status tensor_run_check(const TensorRun *run, const TensorFile *golden, bool gradients, double tolerance,
                              Text *out_report, bool *out_agrees, simba_error *error);

#endif
