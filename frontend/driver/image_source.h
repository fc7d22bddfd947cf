/* Images with classes as a model learns from them: one input [B, C, H, W], a target [B, K] with a distribution over the
 * classes and, where the model has one, a target [B, P, K] with one for each of the tokens of a grid.
 * image_source.c has the data, image_examine.c what `eval` shows of a classifier. */
#ifndef SIMBAC_DRIVER_IMAGE_SOURCE_H
#define SIMBAC_DRIVER_IMAGE_SOURCE_H

#include "data_source.h"
#include "runtime/image_batches.h"

typedef struct ImageSource {
  DataSource base;
  ImageSet *set;
  bool label_maps;
  BatchOptions options; /* of training batches, but for split, batch and seed */
  uint32_t labels;      /* index of the target */
  int32_t tokens;       /* index of that of the tokens; -1: none */
  uint32_t output;      /* the model's logits [B, K]; its number of values where there are none */
} ImageSource;

typedef struct ImageStream {
  DataStream base;
  ImageBatches *batches;
  ImageBatch batch; /* the last one */
  const float *input[1], *target[2];
} ImageStream;

simba_status image_source_examine(DataSource *data, simba_model *model, const Examination *examination, Text *out_lines,
                                  struct cJSON *object, simba_error *error);

#endif
