/* A kernel cut down to one image of the batch: the same work without the loop over images.
 *
 * The loop of extent factor * B goes through `factor` elements of each image. Image b is done by the image kernel with
 * every argument moved by b times its advance. In a buffer, images lie in spans of `advance` elements, B of them side by
 * side, and perhaps several such rows (the parts of a complex tensor [2, B, ...]). Random numbers are counted over the
 * whole batch: by SYMBOL_IMAGE. */
#ifndef SIMBAC_PASSES_IMAGE_KERNEL_H
#define SIMBAC_PASSES_IMAGE_KERNEL_H

#include "ir/kernel.h"

typedef struct ImageSlice {
  uint32_t axis; /* the kernel's loop over images */
  int64_t factor;
  int64_t *advance; /* by slot: elements from image to image; 0: all images use the same */
} ImageSlice;

/* False, with the reason, where the kernel's work does not fall into images: it sums over the batch, has no loop over
 * it, or depends on the number of the image in another way than by addresses. */
bool image_slice_find(const Kernel *kernel, Arena *arena, ImageSlice *out_slice, const char **out_why);
/* Does image b, for every b, touch nothing of `slot` but span b? */
bool image_slice_is_apart(const Kernel *kernel, const ImageSlice *slice, uint32_t slot);
/* The image kernel. Slots that are `local` hold one image alone. */
Kernel *image_kernel(const Kernel *kernel, const ImageSlice *slice, const bool *local, Arena *arena);

#endif
