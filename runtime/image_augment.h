/* One image on its way into a model: cropped, resized, changed at random, normalised.
 *
 * Training, in this order: crop (random resized, or padded), flip, RandAugment on pixels u8 [H, W, C]; then
 * (x / 255 - mean) / deviation, straight into the batch's f32 [C, H, W]; then CutOut and random erasing. Evaluation:
 * resize so that the part `centre_fraction` of the shorter side fits the input, centre crop, normalise. Meanings are
 * those of timm and torchvision, which the comments name; bits are those of Pillow where an operation is Pillow's.
 *
 * Everything random is a function of an ImageKey by Philox: whoever makes the image, whenever, gets the same one. Each
 * operation draws from a stream of its own, so that to turn one off leaves the others as they were.
 * Nothing here is shared: threads need a workspace each, which grows to the largest image seen and stays. */
#ifndef SIMBA_IMAGE_AUGMENT_H
#define SIMBA_IMAGE_AUGMENT_H

#include "image_set.h"

typedef enum ImageFilter { FILTER_BILINEAR, FILTER_BICUBIC, FILTER_RANDOM /* either, drawn anew */ } ImageFilter;
typedef enum ImageCrop {
  CROP_WHOLE,          /* the whole image, resized to the input */
  CROP_CENTRE,         /* as in evaluation */
  CROP_RANDOM_RESIZED, /* torchvision's RandomResizedCrop */
  CROP_PADDED          /* the whole, resized if it must be, shifted by up to `pad` pixels: RandomCrop(size, pad) */
} ImageCrop;
typedef enum EraseFill {
  ERASE_CONSTANT, /* the mean colour: 0 after normalisation (timm "const") */
  ERASE_COLOUR,   /* one normal number a channel (timm "rand") */
  ERASE_NOISE     /* a normal number a pixel and channel (timm "pixel") */
} EraseFill;

typedef struct ImageAugmentation {
  /* The model's input: f32 [channels, height, width]. */
  int32_t channels, height, width;
  float mean[3], deviation[3]; /* of pixels / 255, a channel */
  ImageFilter filter;    /* of resizing, and of operations that move pixels; evaluation: FILTER_RANDOM is bicubic */
  float centre_fraction; /* timm's crop_pct; 1 keeps the shorter side whole */
  /* Training only. */
  ImageCrop crop;
  float crop_area[2];  /* of CROP_RANDOM_RESIZED: least and largest share of the image */
  float crop_ratio[2]; /* least and largest width / height */
  int32_t pad;         /* of CROP_PADDED, at each side, in pixels of the input, filled with 0 */
  float flip;          /* probability of left for right */
  int32_t operations;  /* of RandAugment on an image, from timm's increasing set; 0: none */
  float operation_probability;
  float magnitude, magnitude_deviation; /* 0 .. 10, and of the normal number around it */
  int32_t cutout;                       /* side of CutOut's square in pixels, filled with the mean; 0: none */
  float erase;                          /* probability of random erasing */
  float erase_area[2], erase_ratio[2];  /* shares of the input; height / width */
  EraseFill erase_fill;
} ImageAugmentation;

/* Which image: what is random about it is a function of this and the seed. */
typedef struct ImageKey {
  uint64_t seed;
  uint32_t epoch, repeat; /* repeat below 256: which of repeated augmentation */
  uint64_t sample;        /* index in the data set, below 2^32 */
} ImageKey;

/* What part of the source the input shows, in shares of its height and width: left .. right of it lie in the input
 * from left to right, or from right to left where flipped. May reach over the edges where the crop was padded.
 * RandAugment's moves are not in it: label maps do not follow those (nor do they in LV-ViT's recipe). */
typedef struct ImagePlacement {
  double top, bottom, left, right;
  bool flipped;
} ImagePlacement;

typedef struct ImageWorkspace ImageWorkspace;

/* Whole image, bilinear, mean 0, deviation 1, centre fraction 1, nothing random; ranges and probabilities of what is
 * off are those of the published recipe (area 0.08 .. 1, ratio 3/4 .. 4/3, erase area 0.02 .. 1/3, ratio 0.3 .. 10/3,
 * magnitude 9 +- 0.5, operation probability 0.5), so that one setting turns an operation on. */
void image_augmentation_defaults(int32_t channels, int32_t height, int32_t width, ImageAugmentation *out_augmentation);
/* SIMBA_INVALID_ARGUMENT where a setting is out of its range; the message names it. */
simba_status image_augmentation_check(const ImageAugmentation *augmentation, simba_error *error);

simba_status image_workspace_create(const ImageAugmentation *augmentation, ImageWorkspace **out_workspace,
                                    simba_error *error);
/* Takes NULL. */
void image_workspace_destroy(ImageWorkspace *workspace);

/* The input for a model: f32 [channels, height, width]. `key` NULL: evaluation. out_placement may be NULL.
 * SIMBA_DATA_ERROR where the source has other channels than the model wants, or a side above 65,535; the message does
 * not name the file. */
simba_status image_augment(const ImageAugmentation *augmentation, const Image *source, const ImageKey *key,
                           ImageWorkspace *workspace, float *out_input, ImagePlacement *out_placement,
                           simba_error *error);

#endif
