/* Dense label maps: for each place of a coarse grid over an image, scores of classes, as token labelling learns from
 * (Jiang et al., "All tokens matter: token labeling for training better vision transformers", 2021). A folder holds one
 * safetensors file for each training image, with one tensor `labels` (F32, F16, BF16 or F64), in one of two forms:
 *
 *   [K, H, W]     the score of each of the K classes
 *   [2, k, H, W]  the k best: [0] their scores, [1] their classes, whole numbers from 0 to K - 1, no class twice
 *
 * Scores are what a network gave, before any softmax or after it: they are handed on as they are. The file of an image
 * in a class folder is <class>/<name without .jpg>.safetensors below the folder of maps; that of image i of any other
 * set is <i>.safetensors, counted from 0 in the order of the training file. All maps have one size, that of the first
 * training image. */
#ifndef SIMBA_LABEL_MAP_H
#define SIMBA_LABEL_MAP_H

#include "image_set.h"

typedef struct LabelMap {
  int32_t count, height, width; /* k (or K), H, W */
  bool dense;                   /* score k is that of class k, and `classes` is not set */
  float *scores;                /* [count, H, W] */
  int32_t *classes;             /* [count, H, W] */
  size_t capacity;              /* elements at `scores` and at `classes` */
} LabelMap;

/* H and W of all maps; 0 x 0 where the set was opened without label maps. */
void image_set_label_map_size(const ImageSet *set, int32_t *out_height, int32_t *out_width);
/* Reads the map of training image i; memory is used again, as in image_set_read. SIMBA_DATA_ERROR, naming the file, for
 * one that is missing, has another size or another number of classes, a class out of range, a score that is no finite
 * number. SIMBA_INVALID_ARGUMENT where the set was opened without label maps. Any number of threads at once. */
simba_status image_set_label_map(const ImageSet *set, int64_t i, LabelMap *map, simba_error *error);
void label_map_clear(LabelMap *map);

#endif
