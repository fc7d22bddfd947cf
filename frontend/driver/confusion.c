#include "confusion.h"

#include "picture.h"

#include <math.h>
#include <stdio.h>

/* In pixels. Counts and names are written while they are legible. */
enum { MOST_NAMES = 40, LEFT = 130, TOP = 48, RIGHT = 90, BOTTOM = 96, LEAST_SIDE = 480, LARGE_CELL = 42 };

typedef struct Matrix {
  const Confusion *confusion;
  const char *title;
  double cell;
} Matrix;

int64_t confusion_images(const Confusion *confusion, int32_t label) {
  int64_t sum = 0;
  for (int32_t k = 0; k < confusion->classes; k++) sum += confusion->count[(int64_t)label * confusion->classes + k];
  return sum;
}

double confusion_recall(const Confusion *confusion, int32_t label) {
  int64_t images = confusion_images(confusion, label);
  int64_t right = confusion->count[(int64_t)label * confusion->classes + label];
  return images ? (double)right / (double)images : (double)NAN;
}

static void draw_cell(cairo_t *cairo, const Matrix *matrix, int32_t row, int32_t column) {
  const Confusion *confusion = matrix->confusion;
  int64_t count = confusion->count[(int64_t)row * confusion->classes + column];
  int64_t images = confusion_images(confusion, row);
  double share = images ? (double)count / (double)images : 0, shade = sqrt(share); /* few mistakes are visible too */
  double x = LEFT + matrix->cell * column, y = TOP + matrix->cell * row;
  if (row == column)
    cairo_set_source_rgb(cairo, 1 - 0.88 * shade, 1 - 0.71 * shade, 1 - 0.51 * shade);
  else
    cairo_set_source_rgb(cairo, 1 - 0.2 * shade, 1 - 0.84 * shade, 1 - 0.74 * shade);
  cairo_rectangle(cairo, x, y, matrix->cell, matrix->cell);
  cairo_fill(cairo);
  if (matrix->cell < LARGE_CELL || count == 0) return;
  char text[32];
  snprintf(text, sizeof text, "%lld", (long long)count);
  double ink = shade > 0.6 ? 1 : 0.1;
  cairo_set_source_rgb(cairo, ink, ink, ink);
  picture_text(cairo, x + matrix->cell / 2, y + matrix->cell / 2 + 4, 0.5, text);
}

static void draw_names(cairo_t *cairo, const Matrix *matrix) {
  const Confusion *confusion = matrix->confusion;
  cairo_set_source_rgb(cairo, 0.1, 0.1, 0.1);
  for (int32_t k = 0; k < confusion->classes; k++) {
    double middle = matrix->cell * (k + 0.5);
    char recall[32];
    snprintf(recall, sizeof recall, "%.1f %%", 100 * confusion_recall(confusion, k));
    picture_text(cairo, LEFT - 8, TOP + middle + 4, 1, confusion->name[k]);
    if (confusion_images(confusion, k))
      picture_text(cairo, LEFT + matrix->cell * confusion->classes + 8, TOP + middle + 4, 0, recall);
    cairo_save(cairo);
    cairo_translate(cairo, LEFT + middle + 4, TOP + matrix->cell * confusion->classes + 8);
    cairo_rotate(cairo, -1.0);
    picture_text(cairo, 0, 0, 1, confusion->name[k]);
    cairo_restore(cairo);
  }
}

static void draw_matrix(cairo_t *cairo, void *context) {
  const Matrix *matrix = context;
  int32_t classes = matrix->confusion->classes;
  cairo_select_font_face(cairo, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
  cairo_set_font_size(cairo, 13);
  cairo_set_source_rgb(cairo, 0.1, 0.1, 0.1);
  picture_text(cairo, 16, 22, 0, matrix->title);
  cairo_select_font_face(cairo, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(cairo, 11);
  picture_text(cairo, LEFT, TOP - 8, 0, "rows: the class; columns: what it was taken for; right: the share told right");
  for (int32_t row = 0; row < classes; row++)
    for (int32_t column = 0; column < classes; column++) draw_cell(cairo, matrix, row, column);
  cairo_set_source_rgb(cairo, 0.45, 0.45, 0.45);
  cairo_set_line_width(cairo, 1);
  cairo_rectangle(cairo, LEFT, TOP, matrix->cell * classes, matrix->cell * classes);
  cairo_stroke(cairo);
  if (classes <= MOST_NAMES) draw_names(cairo, matrix);
}

simba_status confusion_draw(const Confusion *confusion, const char *title, const char *path, simba_error *error) {
  double side = fmax(LEAST_SIDE, confusion->classes); /* a pixel a class, at least */
  Matrix matrix = {confusion, title, side / confusion->classes};
  return picture_write(LEFT + side + RIGHT, TOP + side + BOTTOM, draw_matrix, &matrix, path, error);
}
