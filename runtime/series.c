/* Reading CSV. Splits, standardisation and windows are in series_windows.c. */
#include "series.h"

#include <csv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "number.h"
#include "series_internal.h"

enum { CHUNK_BYTES = 65536, EXCERPT_SIZE = 48 };

/* A file that is being read. Rows and columns count from 1 as people see them; row 1 is the header. */
typedef struct Parser {
  Series *series;
  simba_error *error;
  simba_status status; /* the first failure; what comes after it is passed over */
  int64_t row, column; /* of the cell that comes next */
  int64_t columns;     /* of the header */
  int64_t empty_row;   /* an empty row that is fine if nothing follows; 0: none */
  size_t name_capacity, value_count, value_capacity;
  int last_end; /* the character that ended a row right before; -1: something else came since */
} Parser;

static void fail_memory(Parser *parser) { parser->status = error_set_memory(parser->error, parser->series->path); }

static void fail(Parser *parser, int64_t row, int64_t column, const char *found) {
  parser->status = error_set(parser->error, SIMBA_DATA_ERROR, "%s:%lld:%lld: %s", parser->series->path, (long long)row,
                             (long long)column, found);
}

/* What a cell holds, for a message: its beginning, without what would upset a terminal. */
static void excerpt(const char *text, size_t length, char out[EXCERPT_SIZE]) {
  size_t kept = length < EXCERPT_SIZE - 4 ? length : EXCERPT_SIZE - 4;
  while (kept < length && kept > 0 && ((unsigned char)text[kept] & 0xC0) == 0x80) kept--;
  for (size_t i = 0; i < kept; i++) out[i] = (unsigned char)text[i] < 32 || text[i] == 127 ? '?' : text[i];
  snprintf(out + kept, EXCERPT_SIZE - kept, "%s", kept < length ? "..." : "");
}

/* ---- Header and date column ---- */

static bool equal_ignoring_case(const char *text, const char *word) { return strcasecmp(text, word) == 0; }

static bool is_date_name(const char *name) {
  static const char *const NAMES[] = {"date", "time", "datetime", "timestamp"};
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
    if (equal_ignoring_case(name, NAMES[i])) return true;
  return false;
}

/* Three numbers joined by '-', '/' or '.', alone or before a space or 'T': 2016-07-01 00:00:00, 31/12/2010. */
static bool is_date(const char *text) {
  char separator = 0;
  for (int part = 0; part < 3; part++) {
    size_t digits = strspn(text, "0123456789");
    if (digits < 1 || digits > 4) return false;
    text += digits;
    if (part == 2) break;
    if (!*text || !strchr("-/.", *text) || (separator && *text != separator)) return false;
    separator = *text++;
  }
  return *text == 0 || *text == ' ' || *text == 'T';
}

static void read_name(Parser *parser, const char *text, size_t length) {
  Series *series = parser->series;
  if ((size_t)series->channels == parser->name_capacity) {
    size_t capacity = parser->name_capacity ? 2 * parser->name_capacity : 16;
    char **larger = realloc(series->channel, capacity * sizeof *larger);
    if (!larger) {
      fail_memory(parser);
      return;
    }
    series->channel = larger;
    parser->name_capacity = capacity;
  }
  if (memchr(text, 0, length)) {
    fail(parser, parser->row, parser->column, "a zero byte in a channel's name");
    return;
  }
  char numbered[40];
  snprintf(numbered, sizeof numbered, "column %lld", (long long)parser->column);
  char *name = text_copy(length ? text : numbered);
  if (!name)
    fail_memory(parser);
  else
    series->channel[series->channels++] = name;
}

static void end_header(Parser *parser) {
  const Series *series = parser->series;
  parser->columns = series->channels;
  bool values = series->channels > 0; /* a row of values: numbers, perhaps behind a date */
  double value;
  for (int64_t i = 0; i < series->channels; i++)
    values = values && (number_parse(series->channel[i], strlen(series->channel[i]), &value) ||
                        (i == 0 && is_date(series->channel[i])));
  if (values) {
    char found[200], text[EXCERPT_SIZE];
    excerpt(series->channel[0], strlen(series->channel[0]), text);
    snprintf(found, sizeof found, "found '%s' in the header: the first row must hold the channels' names", text);
    fail(parser, 1, 1, found);
  }
}

/* What a file is told that has one column whose cells hold what separates cells in other files. */
static const char *separator_hint(const Parser *parser, const char *cell) {
  return parser->columns == 1 && strpbrk(cell, ";\t| ") ? " (cells must be separated by commas)" : "";
}

/* Decided at the first cell below the header. */
static void decide_date(Parser *parser, const char *cell) {
  Series *series = parser->series;
  const char *hint = separator_hint(parser, series->channel[0]);
  series->date_skipped = is_date_name(series->channel[0]) || is_date(cell);
  if (!series->date_skipped) return;
  free(series->channel[0]);
  series->channels--;
  memmove(series->channel, series->channel + 1, (size_t)series->channels * sizeof *series->channel);
  if (series->channels > 0) return;
  char found[120];
  snprintf(found, sizeof found, "only a date column: expected at least one channel%s", hint);
  fail(parser, 1, 1, found);
}

/* ---- Cells ---- */

static bool is_missing_word(const char *text) {
  static const char *const WORDS[] = {"nan", "na", "n/a", "null", "none", "-", "?"};
  for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
    if (equal_ignoring_case(text, WORDS[i])) return true;
  return false;
}

static const char *cell_hint(const Parser *parser, const char *cell) {
  if (*separator_hint(parser, cell)) return separator_hint(parser, cell);
  if (is_date(cell)) return " (dates stand in the first column)";
  return strchr(cell, ',') ? " (a decimal point is a '.')" : "";
}

static void fail_cell(Parser *parser, const char *text, size_t length) {
  char found[400], cell[EXCERPT_SIZE], name[EXCERPT_SIZE];
  const char *channel = parser->series->channel[parser->column - 1 - parser->series->date_skipped];
  excerpt(text, length, cell);
  excerpt(channel, strlen(channel), name);
  if (length == 0)
    snprintf(found, sizeof found, "missing value in channel '%s': fill it in or leave its row out", name);
  else if (is_missing_word(text))
    snprintf(found, sizeof found, "missing value '%s' in channel '%s': fill it in or leave its row out", cell, name);
  else
    snprintf(found, sizeof found, "found '%s' in channel '%s': expected a finite number%s", cell, name,
             cell_hint(parser, text));
  fail(parser, parser->row, parser->column, found);
}

static void read_value(Parser *parser, const char *text, size_t length) {
  double value;
  if (!number_parse(text, length, &value) || !isfinite(value)) {
    fail_cell(parser, text, length);
    return;
  }
  if (parser->value_count == parser->value_capacity) {
    size_t capacity = parser->value_capacity ? 2 * parser->value_capacity : 4096;
    double *larger =
        capacity < PTRDIFF_MAX / sizeof *larger ? realloc(parser->series->values, capacity * sizeof *larger) : NULL;
    if (!larger) {
      fail_memory(parser);
      return;
    }
    parser->series->values = larger;
    parser->value_capacity = capacity;
  }
  parser->series->values[parser->value_count++] = value;
}

/* libcsv: a cell. NULL for an empty one. */
static void on_cell(void *data, size_t length, void *context) {
  Parser *parser = context;
  const char *text = data ? data : "";
  if (parser->status) return;
  parser->last_end = -1;
  if (parser->empty_row) {
    fail(parser, parser->empty_row, 1, "empty row");
    return;
  }
  if (parser->row == 1) {
    read_name(parser, text, length);
  } else if (parser->column > parser->columns) {
    char found[120];
    snprintf(found, sizeof found, "ragged row: more cells than the header, which has %lld", (long long)parser->columns);
    fail(parser, parser->row, parser->column, found);
  } else {
    if (parser->row == 2 && parser->column == 1) decide_date(parser, text);
    if (!parser->status && !(parser->column == 1 && parser->series->date_skipped)) read_value(parser, text, length);
  }
  parser->column++;
}

/* libcsv: the end of a row. `end` is the character that ended it, or -1 at the end of the file. */
static void on_row(int end, void *context) {
  Parser *parser = context;
  if (parser->status) return;
  bool second_half = end == '\n' && parser->last_end == '\r'; /* of CRLF */
  parser->last_end = second_half ? -1 : end;
  if (second_half) return;
  if (parser->column == 1) {
    if (!parser->empty_row) parser->empty_row = parser->row;
  } else if (parser->row == 1) {
    end_header(parser);
  } else if (parser->column <= parser->columns) {
    char found[120];
    snprintf(found, sizeof found, "ragged row: %lld cells, but the header has %lld", (long long)parser->column - 1,
             (long long)parser->columns);
    fail(parser, parser->row, parser->column, found);
  }
  if (parser->column > 1 && parser->row > 1) parser->series->rows++;
  parser->row++;
  parser->column = 1;
}

/* ---- Whole files ---- */

static void parse_text(Parser *parser, const char *text, size_t size) {
  struct csv_parser csv;
  if (csv_init(&csv, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL | CSV_EMPTY_IS_NULL | CSV_REPALL_NL)) {
    fail_memory(parser);
    return;
  }
  bool complete = true;
  for (size_t at = 0; complete && at < size && !parser->status; at += CHUNK_BYTES) {
    size_t part = size - at < CHUNK_BYTES ? size - at : CHUNK_BYTES;
    complete = csv_parse(&csv, text + at, part, on_cell, on_row, parser) == part;
  }
  if (complete && !parser->status) complete = csv_fini(&csv, on_cell, on_row, parser) == 0;
  if (!complete && !parser->status) {
    if (csv_error(&csv) == CSV_ENOMEM)
      fail_memory(parser);
    else
      fail(parser, parser->row, parser->column, "a quotation mark that does not enclose the whole cell");
  }
  csv_free(&csv);
}

/* One warning a name, in the order of names: a header may have very many. */
static void check_names(Parser *parser) {
  Series *series = parser->series;
  size_t count = (size_t)series->channels;
  const char **names = memory_allocate(count, sizeof *names);
  if (!names) {
    fail_memory(parser);
    return;
  }
  for (size_t i = 0; i < count; i++) names[i] = series->channel[i];
  texts_sort(names, count);
  for (size_t i = 1; i < count && !parser->status; i++) {
    if (strcmp(names[i - 1], names[i]) != 0 || (i > 1 && strcmp(names[i - 2], names[i]) == 0)) continue;
    char name[EXCERPT_SIZE];
    excerpt(names[i], strlen(names[i]), name);
    parser->status = series_warn(series, parser->error, "two channels are called '%s'", name);
  }
  free(names);
}

static void parse_file(Parser *parser, const char *text, size_t size) {
  static const char MARK[] = "\xEF\xBB\xBF";
  if (size >= 2 && (memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0)) {
    fail(parser, 1, 1, "the file is UTF-16: expected UTF-8");
    return;
  }
  if (size >= 3 && memcmp(text, MARK, 3) == 0) {
    text += 3;
    size -= 3;
  }
  parse_text(parser, text, size);
  if (parser->status) return;
  if (parser->columns == 0)
    fail(parser, 1, 1, "the file is empty: expected a header row");
  else if (parser->series->rows == 0)
    fail(parser, 2, 1, "no rows below the header");
  else
    check_names(parser);
}

simba_status series_parse(const char *path, const void *bytes, size_t size, Series **out_series, simba_error *error) {
  Series *series = calloc(1, sizeof *series);
  if (!series) return error_set_memory(error, path);
  series->path = text_copy(path);
  if (!series->path) {
    series_destroy(series);
    return error_set_memory(error, path);
  }
  Parser parser = {.series = series, .error = error, .row = 1, .column = 1, .last_end = -1};
  parse_file(&parser, bytes, size);
  if (parser.status) {
    series_destroy(series);
    return parser.status;
  }
  series->load_warning_count = series->warning_count;
  *out_series = series;
  return SIMBA_OK;
}

simba_status series_load(const char *path, Series **out_series, simba_error *error) {
  char *bytes;
  size_t size;
  simba_status status = file_read(path, &bytes, &size, error);
  if (status) return status;
  status = series_parse(path, bytes, size, out_series, error);
  free(bytes);
  return status;
}
