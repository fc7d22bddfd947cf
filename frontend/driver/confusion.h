/* How often images of one class were taken for another. */
#ifndef SIMBAC_DRIVER_CONFUSION_H
#define SIMBAC_DRIVER_CONFUSION_H

#include "runtime/status.h"

#include <stdint.h>

typedef struct Confusion {
  int32_t classes;
  const char *const *name; /* [classes] */
  int64_t *count;          /* [classes, classes]: of class row, taken for class column */
} Confusion;

int64_t confusion_images(const Confusion *confusion, int32_t label); /* of a class */
/* Share of a class's images that were told right; NAN for a class without images. */
double confusion_recall(const Confusion *confusion, int32_t label);
/* Draws the matrix, rows scaled to shares, as PNG or SVG. */
simba_status confusion_draw(const Confusion *confusion, const char *title, const char *path, simba_error *error);

#endif
