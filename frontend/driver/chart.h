/* Line charts as PNG or SVG files: loss curves, forecasts beside the truth, points of a plane. */
#ifndef SIMBAC_DRIVER_CHART_H
#define SIMBAC_DRIVER_CHART_H

#include "runtime/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct ChartLine {
  const char *label; /* in the legend; NULL: not listed */
  const double *x, *y;
  size_t count;
  int colour; /* 0: truth and training, 1: validation, 2: forecast, 3: marks; 4 and more: others to tell apart */
  bool dashed;
  bool points; /* dots, not joined */
} ChartLine;

typedef struct Chart {
  const char *title, *x_label, *y_label;
  const ChartLine *line;
  size_t line_count;
  double mark_x;          /* a vertical line here; NAN: none */
  const char *mark_label; /* beside that line; NULL: none */
  bool square;            /* a unit is as long across as it is up */
} Chart;

/* Draws the charts in rows of `columns`, each `width` x `height` pixels, and writes them as runtime/file.h does to
 * `path`, as SVG where it ends in ".svg" and PNG elsewhere. Points that are not finite interrupt a line. */
simba_status chart_write(const Chart *charts, size_t count, size_t columns, double width, double height,
                         const char *path, simba_error *error);

#endif
