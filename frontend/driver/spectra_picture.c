#include "chart.h"
#include "runtime/file.h"
#include "spectra.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 4, WIDTH = 440, HEIGHT = 330, CIRCLE_POINTS = 121 };
enum { LOWEST = 1, LOWER_QUARTILE, MEDIAN, UPPER_QUARTILE, HIGHEST, SHOWN = 5 }; /* quantiles of spectra.h */
static const double CIRCLE_FROM = 0.5; /* eigenvalues that reach so far are shown in the whole unit circle */

/* Points of a plane. */
typedef struct Points {
  double *x, *y;
  size_t count;
} Points;

/* A scan or the matrices of a parameter over the epochs. */
typedef struct Item {
  const char *name;
  double *epoch, *decay[SPECTRA_QUANTILES], *a[SPECTRA_QUANTILES];
  size_t epochs, capacity;
  bool scan, has_a;
  Points first, last;
} Item;

typedef struct History {
  Arena *arena;
  Item *item;
  size_t count, capacity, lines;
  Chart *chart;
  size_t charts;
} History;

/* ---- Reading ---- */

static Item *find_item(History *history, const char *name) {
  for (size_t k = 0; k < history->count; k++)
    if (!strcmp(history->item[k].name, name)) return &history->item[k];
  if (history->count == history->capacity) {
    history->item =
        arena_grow(history->arena, history->item, history->count, &history->capacity, sizeof *history->item);
  }
  Item *item = &history->item[history->count++];
  *item = (Item){.name = arena_text(history->arena, name, strlen(name)), .capacity = history->lines};
  item->epoch = ARENA_ARRAY(history->arena, double, item->capacity);
  for (int q = 0; q < SPECTRA_QUANTILES; q++) {
    item->decay[q] = ARENA_ARRAY(history->arena, double, item->capacity);
    item->a[q] = ARENA_ARRAY(history->arena, double, item->capacity);
  }
  return item;
}

static double number_in(const cJSON *array, int index) {
  const cJSON *number = cJSON_GetArrayItem(array, index);
  return cJSON_IsNumber(number) ? number->valuedouble : (double)NAN;
}

static void read_points(History *history, const cJSON *list, Item *item) {
  if (!cJSON_IsArray(list)) return;
  size_t count = (size_t)cJSON_GetArraySize(list), k = 0;
  Points points = {ARENA_ARRAY(history->arena, double, count), ARENA_ARRAY(history->arena, double, count), count};
  const cJSON *pair;
  cJSON_ArrayForEach(pair, list) {
    points.x[k] = number_in(pair, 0);
    points.y[k++] = number_in(pair, 1);
  }
  if (item->epochs == 0) item->first = points;
  item->last = points;
}

static void read_line(History *history, const cJSON *object) {
  const cJSON *scan = cJSON_GetObjectItemCaseSensitive(object, "scan");
  const cJSON *name = scan ? scan : cJSON_GetObjectItemCaseSensitive(object, "matrix");
  const cJSON *epoch = cJSON_GetObjectItemCaseSensitive(object, "epoch");
  if (!cJSON_IsString(name) || !cJSON_IsNumber(epoch)) return;
  Item *item = find_item(history, name->valuestring);
  const cJSON *decay = cJSON_GetObjectItemCaseSensitive(object, "decay");
  const cJSON *a = cJSON_GetObjectItemCaseSensitive(object, "a");
  item->scan = scan != NULL;
  item->has_a = a != NULL;
  read_points(history, cJSON_GetObjectItemCaseSensitive(object, "eigenvalues"), item);
  item->epoch[item->epochs] = epoch->valuedouble;
  for (int q = 0; q < SPECTRA_QUANTILES; q++) {
    item->decay[q][item->epochs] = number_in(decay, q);
    item->a[q][item->epochs] = number_in(a, q);
  }
  item->epochs++;
}

static void read_history(History *history, const char *bytes, size_t size) {
  for (size_t k = 0; k < size; k++) history->lines += bytes[k] == '\n';
  for (const char *line = bytes, *end; (end = memchr(line, '\n', size - (size_t)(line - bytes))); line = end + 1) {
    cJSON *object = cJSON_ParseWithLength(line, (size_t)(end - line));
    if (object) read_line(history, object);
    cJSON_Delete(object);
  }
}

/* ---- Drawing ---- */

static Chart *add_chart(History *history, const Item *item, const char *what, const ChartLine *line, size_t lines) {
  Chart *chart = &history->chart[history->charts++];
  *chart = (Chart){.title = arena_format(history->arena, "%s: %s", item->name, what),
                   .line = line,
                   .line_count = lines,
                   .mark_x = (double)NAN};
  return chart;
}

static void add_quantiles(History *history, const Item *item, double *const *quantile, const char *what) {
  static const struct {
    int quantile;
    const char *label;
    int colour;
    bool dashed;
  } shown[SHOWN] = {{LOWEST, "5, 95 %", 3, true},
                    {HIGHEST, NULL, 3, true},
                    {LOWER_QUARTILE, "25, 75 %", 6, false},
                    {UPPER_QUARTILE, NULL, 6, false},
                    {MEDIAN, "median", 0, false}};
  ChartLine *line = ARENA_ARRAY(history->arena, ChartLine, SHOWN);
  for (size_t k = 0; k < SHOWN; k++) {
    line[k] = (ChartLine){.label = shown[k].label,
                          .x = item->epoch,
                          .y = quantile[shown[k].quantile],
                          .count = item->epochs,
                          .colour = shown[k].colour,
                          .dashed = shown[k].dashed};
  }
  add_chart(history, item, what, line, SHOWN)->x_label = "epoch";
}

static bool reaches_circle(const Item *item) {
  const Points *both[] = {&item->first, &item->last};
  for (size_t k = 0; k < 2; k++) {
    for (size_t i = 0; i < both[k]->count; i++)
      if (hypot(both[k]->x[i], both[k]->y[i]) >= CIRCLE_FROM) return true;
  }
  return false;
}

static void add_plane(History *history, const Item *item) {
  ChartLine *line = ARENA_ARRAY(history->arena, ChartLine, 3);
  line[0] = (ChartLine){"first", item->first.x, item->first.y, item->first.count, 3, .points = true};
  line[1] = (ChartLine){"last", item->last.x, item->last.y, item->last.count, 0, .points = true};
  double *x = ARENA_ARRAY(history->arena, double, CIRCLE_POINTS),
         *y = ARENA_ARRAY(history->arena, double, CIRCLE_POINTS);
  for (int k = 0; k < CIRCLE_POINTS; k++) {
    double turn = 2 * acos(-1) * k / (CIRCLE_POINTS - 1);
    x[k] = cos(turn);
    y[k] = sin(turn);
  }
  line[2] = (ChartLine){"unit circle", x, y, CIRCLE_POINTS, 1, .dashed = true};
  add_chart(history, item, "eigenvalues", line, reaches_circle(item) ? 3 : 2)->square = true;
}

static void add_charts(History *history) {
  history->chart = ARENA_ARRAY(history->arena, Chart, 3 * history->count + 1);
  for (size_t k = 0; k < history->count; k++) {
    const Item *item = &history->item[k];
    if (item->scan) add_quantiles(history, item, item->decay, "|decay|");
    if (item->has_a) add_quantiles(history, item, item->a, "A");
    if (item->last.count) add_plane(history, item);
  }
}

static simba_status make_charts(const char *bytes, size_t size, History *history, simba_error *error) {
  Guard guard;
  if (!guard_enter(&guard)) return compiler_unwound(&guard, error);
  history->arena = arena_create();
  read_history(history, bytes, size);
  add_charts(history);
  guard_leave(&guard);
  return SIMBA_OK;
}

simba_status spectra_draw(const char *jsonl, const char *picture, simba_error *error) {
  char *bytes;
  size_t size;
  History history = {0};
  simba_status status = file_read(jsonl, &bytes, &size, error);
  if (status != SIMBA_OK) return status;
  status = make_charts(bytes, size, &history, error);
  if (status == SIMBA_OK && history.charts)
    status = chart_write(history.chart, history.charts, COLUMNS, WIDTH, HEIGHT, picture, error);
  arena_destroy(history.arena);
  free(bytes);
  return status;
}
