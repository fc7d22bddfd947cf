#include "chart.h"

#include "picture.h"

#include <math.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TICKS = 7, MAX_LEGEND_ROW = 4 };

typedef struct Box {
  double left, top, right, bottom;
} Box;

typedef struct Range {
  double low, high;
} Range;

static const double colours[][3] = {
    {0.12, 0.29, 0.49}, /* deep blue */
    {0.85, 0.46, 0.10}, /* orange */
    {0.80, 0.16, 0.26}, /* red */
    {0.45, 0.45, 0.45}, /* grey */
    {0.13, 0.55, 0.30}, /* green */
    {0.49, 0.25, 0.60}, /* violet */
    {0.10, 0.60, 0.70}, /* turquoise */
    {0.60, 0.45, 0.05}, /* brown */
    {0.85, 0.40, 0.65}, /* pink */
    {0.55, 0.65, 0.15}, /* olive */
};

static void set_colour(cairo_t *cairo, int colour) {
  size_t index = (size_t)colour < sizeof colours / sizeof *colours ? (size_t)colour : 3;
  cairo_set_source_rgb(cairo, colours[index][0], colours[index][1], colours[index][2]);
}

static Range range_of(const Chart *chart, bool vertical) {
  Range range = {INFINITY, -INFINITY};
  for (size_t k = 0; k < chart->line_count; k++) {
    const ChartLine *line = &chart->line[k];
    for (size_t i = 0; i < line->count; i++) {
      double value = vertical ? line->y[i] : line->x[i];
      if (!isfinite(value)) continue;
      range.low = fmin(range.low, value);
      range.high = fmax(range.high, value);
    }
  }
  if (range.low > range.high) return (Range){0, 1};
  double width = range.high - range.low;
  if (width == 0) width = fmax(fabs(range.low), 1) * 0.1;
  double margin = vertical || range.high == range.low ? 0.06 * width : 0;
  return (Range){range.low - margin, range.high + margin};
}

/* 1, 2 or 5 times a power of ten, so that at most MAX_TICKS fit. */
static double tick_step(Range range) {
  double rough = (range.high - range.low) / MAX_TICKS, power = pow(10, floor(log10(rough)));
  for (int k = 0; k < 4; k++) {
    static const double factors[] = {1, 2, 5, 10};
    if (factors[k] * power >= rough) return factors[k] * power;
  }
  return 10 * power;
}

static double place(double value, Range range, double from, double to) {
  return from + (value - range.low) / (range.high - range.low) * (to - from);
}

/* The ticks of a range: the first, and how many. Counted, since of large numbers the next one may not differ. */
static int tick_count(Range range, double step, double *out_first) {
  *out_first = ceil(range.low / step);
  double count = floor(range.high / step) - *out_first + 1;
  return count >= 1 && count <= 2 * MAX_TICKS ? (int)count : 0;
}

static void draw_axes(cairo_t *cairo, const Chart *chart, Box box, Range across, Range up) {
  char text[32];
  cairo_set_font_size(cairo, 11);
  cairo_set_line_width(cairo, 1);
  double first, step = tick_step(up);
  int count = tick_count(up, step, &first);
  for (int k = 0; k < count; k++) {
    double value = (first + k) * step, y = floor(place(value, up, box.bottom, box.top)) + 0.5;
    cairo_set_source_rgb(cairo, 0.90, 0.90, 0.90);
    cairo_move_to(cairo, box.left, y);
    cairo_line_to(cairo, box.right, y);
    cairo_stroke(cairo);
    cairo_set_source_rgb(cairo, 0.25, 0.25, 0.25);
    snprintf(text, sizeof text, "%.6g", value + 0.0); /* + 0.0: no "-0" */
    picture_text(cairo, box.left - 6, y + 4, 1, text);
  }
  step = tick_step(across);
  count = tick_count(across, step, &first);
  for (int k = 0; k < count; k++) {
    double value = (first + k) * step, x = floor(place(value, across, box.left, box.right)) + 0.5;
    cairo_set_source_rgb(cairo, 0.25, 0.25, 0.25);
    cairo_move_to(cairo, x, box.bottom);
    cairo_line_to(cairo, x, box.bottom + 4);
    cairo_stroke(cairo);
    snprintf(text, sizeof text, "%.6g", value + 0.0);
    picture_text(cairo, x, box.bottom + 16, 0.5, text);
  }
  cairo_move_to(cairo, box.left + 0.5, box.top);
  cairo_line_to(cairo, box.left + 0.5, box.bottom + 0.5);
  cairo_line_to(cairo, box.right, box.bottom + 0.5);
  cairo_stroke(cairo);
  if (chart->x_label) picture_text(cairo, (box.left + box.right) / 2, box.bottom + 32, 0.5, chart->x_label);
  if (chart->y_label) picture_text(cairo, box.left, box.top - 8, 0, chart->y_label);
}

static void draw_points(cairo_t *cairo, const ChartLine *line, Box box, Range across, Range up) {
  set_colour(cairo, line->colour);
  for (size_t i = 0; i < line->count; i++) {
    if (!isfinite(line->x[i]) || !isfinite(line->y[i])) continue;
    double x = place(line->x[i], across, box.left, box.right), y = place(line->y[i], up, box.bottom, box.top);
    cairo_new_sub_path(cairo);
    cairo_arc(cairo, x, y, 1.8, 0, 2 * acos(-1));
    cairo_fill(cairo);
  }
}

static void draw_line(cairo_t *cairo, const ChartLine *line, Box box, Range across, Range up) {
  static const double dashes[] = {5, 4};
  if (line->points) {
    draw_points(cairo, line, box, across, up);
    return;
  }
  set_colour(cairo, line->colour);
  cairo_set_line_width(cairo, 1.8);
  cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
  cairo_set_dash(cairo, dashes, line->dashed ? 2 : 0, 0);
  bool down = false;
  size_t run = 0;
  for (size_t i = 0; i < line->count; i++) {
    if (!isfinite(line->x[i]) || !isfinite(line->y[i])) {
      down = false;
      continue;
    }
    double x = place(line->x[i], across, box.left, box.right), y = place(line->y[i], up, box.bottom, box.top);
    run = down ? run + 1 : 1;
    if (down)
      cairo_line_to(cairo, x, y);
    else
      cairo_move_to(cairo, x, y);
    down = true;
  }
  cairo_stroke(cairo);
  cairo_set_dash(cairo, dashes, 0, 0);
  if (run == 1 && line->count == 1) { /* a single point would be invisible */
    cairo_arc(cairo, place(line->x[0], across, box.left, box.right), place(line->y[0], up, box.bottom, box.top), 3, 0,
              2 * acos(-1));
    cairo_fill(cairo);
  }
}

/* A label that ends at x, its colour before it. Returns where they begin. */
static double draw_label(cairo_t *cairo, const ChartLine *line, double x, double y) {
  x -= picture_text_width(cairo, line->label);
  cairo_set_source_rgb(cairo, 0.25, 0.25, 0.25);
  picture_text(cairo, x, y, 0, line->label);
  x -= 22;
  set_colour(cairo, line->colour);
  cairo_set_line_width(cairo, 2);
  cairo_move_to(cairo, line->points ? x + 13 : x, y - 4);
  cairo_line_to(cairo, x + 17, y - 4);
  cairo_stroke(cairo);
  return x;
}

/* Few labels stand in a row above the box, many one below the other in its upper right corner. */
static void draw_legend(cairo_t *cairo, const Chart *chart, Box box) {
  double x = box.right, y = box.top - 8;
  size_t labels = 0;
  cairo_set_font_size(cairo, 11);
  for (size_t k = 0; k < chart->line_count; k++) labels += chart->line[k].label != NULL;
  if (labels <= MAX_LEGEND_ROW) {
    for (size_t k = chart->line_count; k-- > 0;)
      if (chart->line[k].label) x = draw_label(cairo, &chart->line[k], x, y) - 14;
    return;
  }
  for (size_t k = 0; k < chart->line_count; k++)
    if (chart->line[k].label) draw_label(cairo, &chart->line[k], box.right - 8, y += 15);
}

/* A vertical line at x, its label on the side where there is more room. */
static void draw_mark(cairo_t *cairo, const Chart *chart, Box box, double x) {
  set_colour(cairo, 3);
  cairo_set_line_width(cairo, 1);
  cairo_move_to(cairo, x, box.top);
  cairo_line_to(cairo, x, box.bottom);
  cairo_stroke(cairo);
  bool left = 2 * x > box.left + box.right;
  cairo_set_font_size(cairo, 11);
  if (chart->mark_label) picture_text(cairo, left ? x - 5 : x + 5, box.top + 10, left ? 1 : 0, chart->mark_label);
}

/* Widens one of the ranges so that a unit is as long on both. */
static void make_square(Box box, Range *across, Range *up) {
  double width = box.right - box.left, height = box.bottom - box.top;
  double unit = fmax((across->high - across->low) / width, (up->high - up->low) / height);
  double more_across = (unit * width - (across->high - across->low)) / 2;
  double more_up = (unit * height - (up->high - up->low)) / 2;
  *across = (Range){across->low - more_across, across->high + more_across};
  *up = (Range){up->low - more_up, up->high + more_up};
}

static void draw_chart(cairo_t *cairo, const Chart *chart, Box frame) {
  Box box = {frame.left + 58, frame.top + 46, frame.right - 18, frame.bottom - 44};
  Range across = range_of(chart, false), up = range_of(chart, true);
  if (chart->square) make_square(box, &across, &up);
  cairo_select_font_face(cairo, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
  cairo_set_font_size(cairo, 13);
  cairo_set_source_rgb(cairo, 0.1, 0.1, 0.1);
  if (chart->title) picture_text(cairo, box.left, frame.top + 20, 0, chart->title);
  cairo_select_font_face(cairo, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  draw_axes(cairo, chart, box, across, up);
  if (isfinite(chart->mark_x) && chart->mark_x >= across.low && chart->mark_x <= across.high) {
    draw_mark(cairo, chart, box, place(chart->mark_x, across, box.left, box.right));
  }
  for (size_t k = 0; k < chart->line_count; k++) draw_line(cairo, &chart->line[k], box, across, up);
  draw_legend(cairo, chart, box);
}

typedef struct Charts {
  const Chart *chart;
  size_t count, columns;
  double width, height;
} Charts;

static void draw_charts(cairo_t *cairo, void *context) {
  const Charts *charts = context;
  for (size_t k = 0; k < charts->count; k++) {
    size_t column = k % charts->columns, row = k / charts->columns;
    double left = charts->width * (double)column, top = charts->height * (double)row;
    draw_chart(cairo, &charts->chart[k], (Box){left, top, left + charts->width, top + charts->height});
  }
}

simba_status chart_write(const Chart *charts, size_t count, size_t columns, double width, double height,
                         const char *path, simba_error *error) {
  Charts all = {charts, count, columns, width, height};
  size_t rows = (count + columns - 1) / columns;
  return picture_write(width * (double)(count < columns ? count : columns), height * (double)rows, draw_charts, &all,
                       path, error);
}
