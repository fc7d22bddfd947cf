#include <stdlib.h>

#include "float_mode.h"
#include "image_batches_internal.h"
#include "image_mix.h"
#include "image_tokens.h"

typedef struct SlotSize {
  size_t images, labels, tokens; /* elements */
} SlotSize;

static SlotSize slot_size(const BatchOptions *options) {
  const ImageAugmentation *a = &options->augmentation;
  size_t batch = (size_t)options->batch, classes = (size_t)options->classes;
  return (SlotSize){batch * (size_t)a->channels * (size_t)a->height * (size_t)a->width, batch * classes,
                    batch * (size_t)options->token_rows * (size_t)options->token_columns * classes};
}

size_t batch_slot_bytes(const BatchOptions *options) {
  SlotSize size = slot_size(options);
  return (size.images + size.labels + size.tokens) * sizeof(float) +
         (size_t)options->batch * (sizeof(int64_t) + sizeof(int32_t));
}

simba_status batch_slot_create(const BatchOptions *options, BatchSlot *out_slot, simba_error *error) {
  SlotSize size = slot_size(options);
  BatchSlot slot = {
      .images = memory_allocate_aligned(size.images, sizeof(float)),
      .labels = memory_allocate_aligned(size.labels, sizeof(float)),
      .token_labels = size.tokens ? memory_allocate_aligned(size.tokens, sizeof(float)) : NULL,
      .samples = memory_allocate((size_t)options->batch, sizeof(int64_t)),
      .classes = memory_allocate((size_t)options->batch, sizeof(int32_t)),
  };
  *out_slot = slot;
  if (slot.images && slot.labels && slot.samples && slot.classes && (slot.token_labels || !size.tokens)) {
    return SIMBA_OK;
  }
  batch_slot_clear(out_slot);
  return error_set_memory(error, "batches of images");
}

void batch_slot_clear(BatchSlot *slot) {
  free(slot->images);
  free(slot->labels);
  free(slot->token_labels);
  free(slot->samples);
  free(slot->classes);
  *slot = (BatchSlot){0};
}

simba_status batch_maker_create(const BatchOptions *options, BatchMaker *out_maker, simba_error *error) {
  *out_maker = (BatchMaker){0};
  return image_workspace_create(&options->augmentation, &out_maker->workspace, error);
}

void batch_maker_clear(BatchMaker *maker) {
  image_workspace_destroy(maker->workspace);
  image_clear(&maker->image);
  label_map_clear(&maker->map);
  *maker = (BatchMaker){0};
}

/* "<where the image is>: " goes before a message that does not name it. */
static simba_status at_image(const BatchPlan *plan, const BatchMaker *maker, simba_status status, simba_error *error) {
  char source[SIMBA_MESSAGE_SIZE / 2];
  image_set_source(plan->set, plan->options->split, maker->image.index, source, sizeof source);
  return error_prefix(error, status, "%s: ", source);
}

/* Image j of the slot; `sample` is its number in the split. */
static simba_status make_image(const BatchPlan *plan, BatchMaker *maker, const ImageKey *key, int64_t sample,
                               BatchSlot *slot, int64_t j) {
  const BatchOptions *options = plan->options;
  const ImageAugmentation *a = &options->augmentation;
  simba_error *error = &slot->error;
  simba_status status = image_set_read(plan->set, options->split, sample, &maker->image, error);
  if (status) return status;
  int32_t label = maker->image.label;
  if (label < 0 || label >= options->classes) {
    status = error_set(error, SIMBA_DATA_ERROR, "the label is %d, but there are %d classes", label, options->classes);
    return at_image(plan, maker, status, error);
  }
  slot->samples[j] = maker->image.index;
  slot->classes[j] = label;
  ImagePlacement placement;
  size_t input = (size_t)a->channels * (size_t)a->height * (size_t)a->width;
  status = image_augment(a, &maker->image, key, maker->workspace, slot->images + (size_t)j * input, &placement, error);
  if (status) return at_image(plan, maker, status, error);
  if (!slot->token_labels) return SIMBA_OK;
  size_t tokens = (size_t)options->token_rows * (size_t)options->token_columns * (size_t)options->classes;
  float *token_label = slot->token_labels + (size_t)j * tokens;
  if (!plan->label_maps) {
    token_labels_uniform(options, label, token_label);
    return SIMBA_OK;
  }
  status = image_set_label_map(plan->set, maker->image.index, &maker->map, error);
  if (status) return status;
  status = token_labels(&maker->map, &placement, options, label, token_label, error);
  return status ? at_image(plan, maker, status, error) : SIMBA_OK;
}

static simba_status make_images(const BatchPlan *plan, BatchMaker *maker, BatchSlot *slot) {
  const BatchOptions *options = plan->options;
  int64_t repeats = options->repeats > 1 ? options->repeats : 1;
  for (int64_t j = 0; j < slot->count; j++) {
    if (atomic_load_explicit(&plan->cancelled, memory_order_relaxed)) return SIMBA_INTERRUPTED;
    int64_t position = slot->number * options->batch + j, sample = plan->order[position / repeats];
    ImageKey key = {options->seed, (uint32_t)plan->epoch, (uint32_t)(position % repeats), (uint64_t)sample};
    simba_status status = make_image(plan, maker, options->training ? &key : NULL, sample, slot, j);
    if (status) return status;
  }
  return SIMBA_OK;
}

static void finish_batch(const BatchPlan *plan, BatchSlot *slot) {
  const BatchOptions *options = plan->options;
  ImageKey key = {options->seed, (uint32_t)plan->epoch, 0, (uint64_t)slot->number};
  BatchMix mix = batch_mix_draw(options, &key);
  batch_mix_images(&mix, &options->augmentation, slot->count, slot->images);
  if (slot->token_labels) batch_mix_tokens(&mix, options, slot->count, slot->token_labels);
  batch_labels(&mix, options->smoothing, slot->classes, slot->count, options->classes, slot->labels);
}

void batch_make(const BatchPlan *plan, BatchMaker *maker, int64_t number, BatchSlot *slot) {
  const BatchOptions *options = plan->options;
  int64_t begin = number * options->batch, left = plan->images - begin;
  slot->number = number;
  slot->count = left < options->batch ? left : options->batch;
  uint64_t mode = float_mode_flush(); /* the caller makes batches too, in whatever mode it is */
  slot->status = make_images(plan, maker, slot);
  if (!slot->status) finish_batch(plan, slot);
  float_mode_restore(mode);
}
