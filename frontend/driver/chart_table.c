#include "chart_table.h"

#include "compiler.h"
#include "runtime/file.h"
#include "runtime/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMN_LINE, COLUMN_X, COLUMN_Y, COLUMN_PANEL, COLUMN_COUNT, MAX_COLUMNS = 64 };
static const char *const column_names[] = {"line", "x", "y", "panel"};

typedef struct Row {
  const char *panel, *line;
  double x, y;
} Row;

typedef struct Reader {
  const char *path;
  Arena *arena;
  int column[COLUMN_COUNT]; /* where each is; -1: nowhere */
  Row *row;
  size_t count;
  simba_error *error;
} Reader;

/* The cells of a line of text, which is taken apart. */
static int split_cells(char *line, char *out_cells[MAX_COLUMNS]) {
  int count = 0;
  line[strcspn(line, "\r")] = '\0';
  for (char *cell = line; cell && count < MAX_COLUMNS;) {
    out_cells[count++] = cell;
    char *comma = strchr(cell, ',');
    if (comma) *comma = '\0';
    cell = comma ? comma + 1 : NULL;
  }
  return count;
}

static simba_status read_heading(Reader *reader, char *line) {
  char *cells[MAX_COLUMNS];
  int count = split_cells(line, cells);
  for (int k = 0; k < COLUMN_COUNT; k++) {
    reader->column[k] = -1;
    for (int cell = 0; cell < count; cell++)
      if (!strcmp(cells[cell], column_names[k])) reader->column[k] = cell;
    if (reader->column[k] < 0 && k != COLUMN_PANEL)
      return error_set(reader->error, SIMBA_DATA_ERROR, "%s:1: there is no column '%s'", reader->path, column_names[k]);
  }
  return SIMBA_OK;
}

static simba_status read_row(Reader *reader, char *line, size_t number) {
  char *cells[MAX_COLUMNS];
  const int count = split_cells(line, cells), *column = reader->column;
  for (int k = 0; k < COLUMN_COUNT; k++) {
    if (column[k] >= count)
      return error_set(reader->error, SIMBA_DATA_ERROR, "%s:%zu: no cell for '%s'", reader->path, number,
                       column_names[k]);
  }
  Row row = {.panel = column[COLUMN_PANEL] >= 0 ? cells[column[COLUMN_PANEL]] : NULL,
             .line = cells[column[COLUMN_LINE]]};
  const char *x = cells[column[COLUMN_X]], *y = cells[column[COLUMN_Y]];
  if (!number_parse_any(x, &row.x) || (*y && !number_parse_any(y, &row.y)))
    return error_set(reader->error, SIMBA_DATA_ERROR, "%s:%zu: '%s' is not a number", reader->path, number,
                     number_parse_any(x, &row.x) ? y : x);
  if (!*y) row.y = (double)NAN;
  reader->row[reader->count++] = row;
  return SIMBA_OK;
}

static simba_status read_rows(Reader *reader, char *text) {
  size_t lines = 2, number = 1;
  for (const char *c = text; *c; c++) lines += *c == '\n';
  reader->row = ARENA_ARRAY(reader->arena, Row, lines);
  simba_status status = SIMBA_OK;
  for (char *line = text, *next; line && status == SIMBA_OK; line = next, number++) {
    next = strchr(line, '\n');
    if (next) *next++ = '\0';
    if (number == 1)
      status = read_heading(reader, line);
    else if (*line)
      status = read_row(reader, line, number);
  }
  return status;
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

/* The points of the line that row `first` begins. */
static ChartLine line_of(const Reader *reader, size_t first, int colour) {
  const Row *row = reader->row;
  double *x = ARENA_ARRAY(reader->arena, double, reader->count - first);
  double *y = ARENA_ARRAY(reader->arena, double, reader->count - first);
  size_t count = 0;
  for (size_t k = first; k < reader->count; k++) {
    if (!same_text(row[k].panel, row[first].panel) || !same_text(row[k].line, row[first].line)) continue;
    x[count] = row[k].x;
    y[count++] = row[k].y;
  }
  return (ChartLine){.label = row[first].line, .x = x, .y = y, .count = count, .colour = colour};
}

/* Whether row k is the first one of its panel, and of its line. */
static void first_of(const Reader *reader, size_t k, bool *out_panel, bool *out_line) {
  *out_panel = *out_line = true;
  for (size_t before = 0; before < k; before++) {
    if (!same_text(reader->row[before].panel, reader->row[k].panel)) continue;
    *out_panel = false;
    if (same_text(reader->row[before].line, reader->row[k].line)) *out_line = false;
  }
}

static Chart *chart_named(ChartTable *table, const char *panel) {
  for (size_t k = 0; k < table->count; k++)
    if (same_text(table->chart[k].title, panel)) return &table->chart[k];
  return NULL;
}

static void make_charts(const Reader *reader, ChartTable *table) {
  table->chart = ARENA_ARRAY(reader->arena, Chart, reader->count + 1);
  for (size_t k = 0; k < reader->count; k++) {
    bool panel, line;
    first_of(reader, k, &panel, &line);
    if (panel) table->chart[table->count++] = (Chart){.title = reader->row[k].panel, .mark_x = (double)NAN};
    if (!line) continue;
    Chart *chart = chart_named(table, reader->row[k].panel);
    ChartLine *lines = ARENA_ARRAY(reader->arena, ChartLine, chart->line_count + 1);
    if (chart->line_count) memcpy(lines, chart->line, chart->line_count * sizeof *lines);
    lines[chart->line_count] = line_of(reader, k, (int)chart->line_count);
    chart->line = lines;
    chart->line_count++;
  }
}

simba_status chart_table_read(const char *path, Arena *arena, ChartTable *out_table, simba_error *error) {
  char *text;
  size_t size;
  Guard guard;
  *out_table = (ChartTable){0};
  simba_status status = file_read(path, &text, &size, error);
  if (status != SIMBA_OK) return status;
  Reader reader = {.path = path, .arena = arena, .error = error};
  if (!guard_enter(&guard)) {
    free(text);
    return compiler_unwound(&guard, error);
  }
  status = read_rows(&reader, arena_text(arena, text, size));
  if (status == SIMBA_OK) make_charts(&reader, out_table);
  guard_leave(&guard);
  free(text);
  return status;
}
