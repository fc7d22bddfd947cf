/* Launches that run image by image (ir/program.h, LaunchGroup): consecutive launches each of which does for an image what
 * no other image has to do with, and the values that only they need.
 *
 * A launch joins those before it where its work falls into images (image_kernel.h), where all that it reads of what they
 * write is of the same image, and where the weights that they use and the values that they keep of an image stay within
 * what a cache holds. A run of launches becomes a group if it has at least two and some value of an image is needed by
 * them alone. */
#ifndef SIMBAC_PASSES_BATCH_FUSION_H
#define SIMBAC_PASSES_BATCH_FUSION_H

#include "ir/program.h"

/* Needs launches, buffers and their kinds; launch k runs kernels[k]. Puts image kernels and advances in the place of what
 * joins, fills in the program's groups, and makes local what is. `explain` may be NULL. */
void batch_fusion(Program *program, Kernel **kernels, Arena *scratch, Text *explain);

#endif
