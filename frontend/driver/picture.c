#include "picture.h"

#include "runtime/file.h"

#include <cairo-svg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWABLE_BYTES = 256 };

/* Cairo draws nothing more once it was given a text that is not UTF-8, and names of columns and files may be in any
 * encoding: what is no character becomes '?'. */
static void make_drawable(const char *text, char out[DRAWABLE_BYTES]) {
  size_t length = 0;
  while (*text) {
    size_t bytes = text_character(text), step = bytes ? bytes : 1;
    if (length + step >= DRAWABLE_BYTES) break;
    if (bytes)
      memcpy(out + length, text, step);
    else
      out[length] = '?';
    length += step;
    text += step;
  }
  out[length] = '\0';
}

double picture_text_width(cairo_t *cairo, const char *text) {
  char drawable[DRAWABLE_BYTES];
  cairo_text_extents_t extents;
  make_drawable(text, drawable);
  cairo_text_extents(cairo, drawable, &extents);
  return extents.x_advance;
}

/* Text with its anchor at a fraction of its width: 0 left, 0.5 centre, 1 right. */
void picture_text(cairo_t *cairo, double x, double y, double anchor, const char *text) {
  char drawable[DRAWABLE_BYTES];
  make_drawable(text, drawable);
  cairo_move_to(cairo, x - anchor * picture_text_width(cairo, text), y);
  cairo_show_text(cairo, drawable);
}

static cairo_status_t write_bytes(void *closure, const unsigned char *data, unsigned length) {
  return fwrite(data, 1, length, closure) == length ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static cairo_status_t draw_to(FILE *file, bool svg, double width, double height, PictureDraw *draw, void *context) {
  cairo_surface_t *surface = svg ? cairo_svg_surface_create_for_stream(write_bytes, file, width, height)
                                 : cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
  cairo_t *cairo = cairo_create(surface);
  cairo_set_source_rgb(cairo, 1, 1, 1);
  cairo_paint(cairo);
  draw(cairo, context);
  cairo_status_t status = cairo_status(cairo);
  cairo_destroy(cairo);
  if (status == CAIRO_STATUS_SUCCESS && !svg) status = cairo_surface_write_to_png_stream(surface, write_bytes, file);
  cairo_surface_finish(surface);
  if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface);
  cairo_surface_destroy(surface);
  return status;
}

simba_status picture_write(double width, double height, PictureDraw *draw, void *context, const char *path,
                           simba_error *error) {
  char *bytes = NULL;
  size_t size = 0, length = strlen(path);
  bool svg = length > 4 && !strcmp(path + length - 4, ".svg");
  cairo_status_t drawn = CAIRO_STATUS_NO_MEMORY;
  FILE *memory = open_memstream(&bytes, &size);
  if (memory) drawn = draw_to(memory, svg, width, height, draw, context);
  if (memory && fclose(memory) != 0) drawn = CAIRO_STATUS_NO_MEMORY;
  simba_status status = drawn == CAIRO_STATUS_SUCCESS ? file_write(path, bytes, size, error)
                                                      : error_set(error, SIMBA_IO_ERROR, "cannot draw %s: %s", path,
                                                                  cairo_status_to_string(drawn));
  free(bytes);
  return status;
}
