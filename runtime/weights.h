/* Weights from a file: of simbac or anyone's safetensors, or of PyTorch (torch_file.h), told apart by their content;
 * renamed by a name map (name_map.h) where one is given; compared with what a model has.
 *
 *   TensorFile *file;  WeightsMatch match;
 *   weights_open(&source, &file, error);                          names are those of the model now
 *   weights_match(file, tensors, count, &match, error);
 *   weights_check(file, &match, error);                           SIMBA_DATA_ERROR unless all fit
 *   weights_read(file, tensors, &match, error);                   those that fit into tensors[].value
 *   weights_match_free(&match);  tensor_file_close(file); */
#ifndef SIMBA_WEIGHTS_H
#define SIMBA_WEIGHTS_H

#include "checkpoint.h"

/* file->note says what is to be known: which dict, what was left alone, what was taken off the names. Where all names
 * of a PyTorch file begin with "module." (DataParallel) or "_orig_mod." (torch.compile), that is taken off first. */
simba_status weights_open(const simba_weights_source *source, TensorFile **out_file, simba_error *error);
/* The same from memory, which is copied; source->path is for messages. */
simba_status weights_parse(const simba_weights_source *source, const void *bytes, size_t size, TensorFile **out_file,
                           simba_error *error);

typedef enum WeightFit { WEIGHT_FITS, WEIGHT_MISSING, WEIGHT_MISSHAPEN } WeightFit;

typedef struct WeightsMatch {
  size_t count; /* of the model's tensors */
  WeightFit *fit;
  const Tensor **found; /* NULL where missing */
  size_t missing, misshapen;
  size_t extra;  /* the file's that the model does not have. Whole numbers (counters of batch norm) and second names of
                  * a tensor that the model has are none: they are notes of the file */
  char *report;  /* "" or a line for each of them, with the nearest name of the other side; no more than 20 of a kind */
  char *summary; /* "1 missing: 'a'; 2 not the model's: 'b', 'c'", "" where all fit */
} WeightsMatch;

simba_status weights_match(TensorFile *file, const CheckpointTensor *tensors, size_t count, WeightsMatch *out_match,
                           simba_error *error);
simba_status weights_check(const TensorFile *file, const WeightsMatch *match, simba_error *error);
/* All or nothing: SIMBA_DATA_ERROR where whole numbers are not exact as f32. */
simba_status weights_read(const TensorFile *file, const CheckpointTensor *tensors, const WeightsMatch *match,
                          simba_error *error);
void weights_match_free(WeightsMatch *match); /* what weights_match filled in, or zeros */

#endif
