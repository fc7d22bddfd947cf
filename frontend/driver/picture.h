/* Pictures as PNG or SVG files, drawn with cairo on white. */
#ifndef SIMBAC_DRIVER_PICTURE_H
#define SIMBAC_DRIVER_PICTURE_H

#include "runtime/status.h"

#include <cairo.h>

typedef void PictureDraw(cairo_t *cairo, void *context);

/* Writes as runtime/file.h does to `path`: SVG where it ends in ".svg", PNG elsewhere. */
simba_status picture_write(double width, double height, PictureDraw *draw, void *context, const char *path,
                           simba_error *error);

/* Text with its anchor at a fraction of its width: 0 left, 0.5 centre, 1 right. Of a text that is no UTF-8 the bytes
 * that are none become '?'; long ones are cut. */
void picture_text(cairo_t *cairo, double x, double y, double anchor, const char *text);
double picture_text_width(cairo_t *cairo, const char *text);

#endif
