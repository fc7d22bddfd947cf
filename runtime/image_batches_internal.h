/* Between image_batches.c, which has the threads, and image_batch_make.c, which has what they do. */
#ifndef SIMBA_IMAGE_BATCHES_INTERNAL_H
#define SIMBA_IMAGE_BATCHES_INTERNAL_H

#include <stdatomic.h>

#include "image_batches.h"
#include "label_map.h"

/* A batch and its memory. */
typedef struct BatchSlot {
  int64_t number, count;
  float *images, *labels, *token_labels; /* token_labels: NULL for none */
  int64_t *samples;
  int32_t *classes;
  bool ready;
  simba_status status;
  simba_error error;
} BatchSlot;

/* What every batch of an epoch is made from. */
typedef struct BatchPlan {
  const ImageSet *set;
  const BatchOptions *options;
  bool label_maps;      /* token labels come from the set's maps */
  const int64_t *order; /* [images of the split] */
  int64_t epoch, images;
  atomic_bool cancelled; /* batches under way are not wanted any more */
} BatchPlan;

/* What a thread needs to make batches. */
typedef struct BatchMaker {
  ImageWorkspace *workspace;
  Image image;
  LabelMap map;
} BatchMaker;

size_t batch_slot_bytes(const BatchOptions *options);
simba_status batch_slot_create(const BatchOptions *options, BatchSlot *out_slot, simba_error *error);
void batch_slot_clear(BatchSlot *slot);
simba_status batch_maker_create(const BatchOptions *options, BatchMaker *out_maker, simba_error *error);
void batch_maker_clear(BatchMaker *maker);
/* Makes batch `number` of the plan in the slot, and leaves there whether that went well. */
void batch_make(const BatchPlan *plan, BatchMaker *maker, int64_t number, BatchSlot *slot);

#endif
