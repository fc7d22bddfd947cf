/* Batches of augmented images with soft labels, made ahead by worker threads.
 *
 *   image_batches_open(set, &options, &batches, &error);
 *   for each epoch: image_batches_start_epoch(batches, epoch, first_batch);
 *     while (!(status = image_batches_next(batches, &batch, &error)) && batch.count) ... batch.images ...
 *   image_batches_close(batches);
 *
 * What a batch holds is a function of (set, options, epoch, number of the batch): the same bits for any number of
 * workers, and for a run that goes on in the middle of an epoch (first_batch). Training goes through the split in the
 * order of random_shuffle(seed, epoch); evaluation in its own order, without augmentation, mixing or smoothing.
 *
 * Labels are distributions. Training, as timm has it: on value 1 - s + s / K, off value s / K (smoothing s); mixup and
 * CutMix pair image i of a batch with image count - 1 - i, draw one lambda a batch, and weigh labels by it, CutMix's by
 * the area that was cut in truth. Evaluation: one hot.
 *
 * Workers run at a lower priority than the kernels (nicer by 10): a worker that runs whenever it likes holds up
 * every launch that needs its processor. They get a share of a tenth of it while kernels run, all while the trainer
 * waits, and sleep where the ring is full; and who waits in `next` makes batches too. All memory but what decoding needs
 * is allocated when opened.
 *
 * An image that cannot be read ends the epoch: `next` returns the error of image_set_read after the batches before it.
 * Where the set skips corrupt images it puts another in its place, and the batch says which. Token labels follow the
 * crop and the flip of their image, by ROI alignment (He et al., "Mask R-CNN", 2017); where the set has no label maps,
 * and in evaluation, each token has the label of its image.
 * One caller at a time. May be closed at any time. */
#ifndef SIMBA_IMAGE_BATCHES_H
#define SIMBA_IMAGE_BATCHES_H

#include "image_augment.h"
#include "image_set.h"

/* What the scores of label maps are. */
typedef enum TokenScores {
  TOKEN_PROBABILITIES, /* averaged over a token, then scaled to a sum of 1 */
  TOKEN_LOGITS         /* averaged over a token, then softmax over all K, those not listed being 0: LV-ViT's recipe */
} TokenScores;

typedef struct BatchOptions {
  int32_t batch;   /* images in a batch; the last of an epoch has the rest, or is left out */
  int32_t classes; /* K; a label of the set that is not below it is an error */
  DataSplit split;
  bool training; /* augmentation, shuffled; usually of SPLIT_TRAIN */
  bool drop_last;
  float smoothing;          /* s of label smoothing */
  float mixup, cutmix;      /* alpha of the beta distribution; 0: none */
  float mix_probability;    /* that a batch is mixed at all */
  float switch_probability; /* of CutMix where both are on */
  int32_t repeats;          /* repeated augmentation (DeiT): an epoch has 1 / repeats of the split; 0, 1: none */
  uint64_t seed;
  int32_t workers;                   /* 0: batches are made in `next`; or BATCH_WORKERS_AUTOMATIC */
  size_t memory;                     /* bound on the ring of batches in bytes, at least two batches; 0: 256 MB */
  int32_t token_rows, token_columns; /* P = rows x columns of the token labels' grid; 0: no token labels */
  TokenScores token_scores;
  ImageAugmentation augmentation;
} BatchOptions;

/* Half the processors, at least 1, at most 8: the kernels keep theirs. */
enum { BATCH_WORKERS_AUTOMATIC = -1 };

/* Valid until the next call of `next`, `start_epoch` or `close`. */
typedef struct ImageBatch {
  int64_t number;            /* in its epoch */
  int64_t count;             /* of images; 0: the epoch has ended */
  const float *images;       /* [count, C, H, W] */
  const float *labels;       /* [count, K] */
  const float *token_labels; /* [count, P, K], or NULL */
  const int64_t *samples;    /* [count]: indices in the split */
  const int32_t *classes;    /* [count]: true classes */
} ImageBatch;

typedef struct ImageBatches ImageBatches;

/* mix_probability 1, switch_probability 0.5, workers automatic, all else off; `augmentation` by its own defaults. */
void batch_options_defaults(int32_t channels, int32_t height, int32_t width, int32_t classes,
                            BatchOptions *out_options);
/* `set` stays the caller's, and must outlive the batches. */
simba_status image_batches_open(const ImageSet *set, const BatchOptions *options, ImageBatches **out_batches,
                                simba_error *error);
/* Stops workers in whatever they do, and joins them. Takes NULL. */
void image_batches_close(ImageBatches *batches);

/* Batches of an epoch; images of an epoch, those of a dropped last batch not among them. */
int64_t image_batches_count(const ImageBatches *batches);
int64_t image_batches_images(const ImageBatches *batches);
/* Ends the epoch under way, if any. Evaluation ignores `epoch`. */
void image_batches_start_epoch(ImageBatches *batches, int64_t epoch, int64_t first_batch);
/* The next batch; out_batch->count 0 after the last, or where no epoch was started. After an error: the same error. */
simba_status image_batches_next(ImageBatches *batches, ImageBatch *out_batch, simba_error *error);
/* Seconds that callers of `next` have waited, or made batches in it, since opening: 0 where workers keep up. */
double image_batches_waited(const ImageBatches *batches);

/* Mean and deviation of pixels / 255, a channel, over the images of a split, or `most` of them at even distances (0:
 * all): what normalisation subtracts and divides by. Images have `channels`, as with image_augment. Exact sums, so the
 * same on every machine; a channel of one level has the deviation 1. */
simba_status image_set_moments(const ImageSet *set, DataSplit split, int32_t channels, int64_t most, float out_mean[3],
                               float out_deviation[3], simba_error *error);

/* A contact sheet of the batch as PNG: `columns` images a row, normalisation undone. */
simba_status image_batch_sheet(const ImageBatch *batch, const ImageAugmentation *augmentation, int32_t columns,
                               const char *path, simba_error *error);

#endif
