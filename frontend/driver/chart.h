/* Line charts as PNG or SVG files: loss curves, forecasts beside the truth. */
#ifndef SIMBAC_DRIVER_CHART_H
#define SIMBAC_DRIVER_CHART_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ChartLine {
  const char *label; /* in the legend; NULL: not listed */
  const double *x, *y;
  size_t count;
  int colour; /* 0: truth and training, 1: validation, 2: forecast, 3: marks */
  bool dashed;
} ChartLine;

typedef struct Chart {
  const char *title, *x_label, *y_label;
  const ChartLine *line;
  size_t line_count;
  double mark_x;          /* a vertical line here; NAN: none */
  const char *mark_label; /* beside that line; NULL: none */
} Chart;

enum { CHART_MESSAGE = 512 };

/* Draws the charts in rows of `columns`, each `width` x `height` pixels, and writes them atomically to `path`, as SVG
 * where it ends in ".svg" and PNG elsewhere. False and a message where the file cannot be written. Points that are not
 * finite interrupt a line. */
bool chart_write(const Chart *charts, size_t count, size_t columns, double width, double height, const char *path,
                 char out_message[CHART_MESSAGE]);

#endif
