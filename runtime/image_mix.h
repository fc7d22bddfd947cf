/* Mixing the images of a batch with each other, and the labels that result: mixup (Zhang et al., "mixup: beyond
 * empirical risk minimization", 2017) and CutMix (Yun et al., "CutMix: regularization strategy to train strong
 * classifiers with localizable features", 2019) as timm has them in its batch mode: image i is mixed with image
 * count - 1 - i, all by one lambda. The middle one of an odd count stays. */
#ifndef SIMBA_IMAGE_MIX_H
#define SIMBA_IMAGE_MIX_H

#include "image_batches.h"
#include "image_random.h"
#include "image_resize.h"

typedef enum MixKind { MIX_NONE, MIX_BLEND, MIX_BOX } MixKind;

typedef struct BatchMix {
  MixKind kind;
  double lambda; /* the share of an image's own label; 1 for MIX_NONE */
  ImageBox box;  /* of MIX_BOX: what comes from the other image, 1 - lambda of the area */
} BatchMix;

/* What happens to a batch; `key` has its number as the sample. */
BatchMix batch_mix_draw(const BatchOptions *options, const ImageKey *key);
/* images: [count, C, H, W] */
void batch_mix_images(const BatchMix *mix, const ImageAugmentation *size, int64_t count, float *images);
/* tokens: [count, rows x columns, K]; a box gives each token the share of its area. */
void batch_mix_tokens(const BatchMix *mix, const BatchOptions *options, int64_t count, float *tokens);
/* labels: [count, K], smoothed; `classes` [count]. */
void batch_labels(const BatchMix *mix, float smoothing, const int32_t *classes, int64_t count, int32_t class_count,
                  float *out_labels);

#endif
