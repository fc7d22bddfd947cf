/* CSV of pixels and a label: a row an image, with or without a header. All cells are read as numbers first; then the
 * column of labels, the size and the range of pixels are found from the training file, and hold for the others. */
#include <csv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image_set_internal.h"
#include "number.h"

enum { CHUNK_BYTES = 65536, EXCERPT_SIZE = 40, WHITE = 255 };

/* A file that is being read. Rows and columns count from 1. */
typedef struct Table {
  const char *path;
  simba_error *error;
  simba_status status; /* the first failure; what comes after it is passed over */
  int64_t row, column; /* of the cell that comes next */
  int64_t columns;     /* of the first row */
  int64_t rows;        /* of numbers */
  int64_t first_row;   /* of numbers: 2 behind a header */
  int64_t empty_row;   /* an empty row that is fine if nothing follows; 0: none */
  int64_t words;       /* cells of the first row that are no numbers */
  int64_t word_column; /* the first of them */
  char word[EXCERPT_SIZE];
  int64_t label_column; /* by the header; 0: it names none */
  int last_end;         /* the character that ended a row right before; -1: something else came since */
  float *values;        /* [rows, columns] */
  size_t count, capacity, limit;
} Table;

static simba_status fail(Table *table, int64_t row, int64_t column, const char *found) {
  table->status = error_set(table->error, SIMBA_DATA_ERROR, "%s:%lld:%lld: %s", table->path, (long long)row,
                            (long long)column, found);
  return table->status;
}

/* What a cell holds, for a message: its beginning, without what would upset a terminal. */
static void excerpt(const char *text, size_t length, char out[EXCERPT_SIZE]) {
  size_t kept = length < EXCERPT_SIZE - 4 ? length : EXCERPT_SIZE - 4;
  while (kept < length && kept > 0 && ((unsigned char)text[kept] & 0xC0) == 0x80) kept--;
  for (size_t i = 0; i < kept; i++) out[i] = (unsigned char)text[i] < 32 || text[i] == 127 ? '?' : text[i];
  snprintf(out + kept, EXCERPT_SIZE - kept, "%s", kept < length ? "..." : "");
}

static simba_status fail_cell(Table *table, int64_t row, int64_t column, const char *text) {
  char found[160];
  if (*text == 0)
    snprintf(found, sizeof found, "an empty cell: expected a number");
  else
    snprintf(found, sizeof found, "found '%s': expected a number%s", text,
             table->columns <= 1 && strpbrk(text, ";\t ") ? " (cells must be separated by commas)" : "");
  return fail(table, row, column, found);
}

/* ---- Cells ---- */

/* Most cells are whole numbers of a few digits. */
static bool parse_cell(const char *text, size_t length, double *out) {
  if (length == 0 || length > 4) return number_parse(text, length, out) && isfinite(*out);
  int value = 0;
  for (size_t i = 0; i < length; i++) {
    if (text[i] < '0' || text[i] > '9') return number_parse(text, length, out) && isfinite(*out);
    value = 10 * value + (text[i] - '0');
  }
  *out = value;
  return true;
}

static bool is_label_name(const char *text) {
  static const char *const NAMES[] = {"label", "labels", "class", "target", "digit", "y"};
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
    if (strcasecmp(text, NAMES[i]) == 0) return true;
  return false;
}

/* In the first row, which may be a header. */
static void read_word(Table *table, const char *text, size_t length) {
  if (is_label_name(text)) table->label_column = table->column;
  if (table->words++ > 0) return;
  table->word_column = table->column;
  excerpt(text, length, table->word);
}

static void add_value(Table *table, double value) {
  if (table->count == table->capacity) {
    size_t capacity = table->capacity ? 2 * table->capacity : 4096;
    float *larger = NULL;
    if (table->count > table->limit / sizeof *larger) {
      table->status = error_set(table->error, SIMBA_DATA_ERROR, "%s: takes more than %zu bytes, the limit", table->path,
                                table->limit);
      return;
    }
    larger = realloc(table->values, capacity * sizeof *larger);
    if (!larger) {
      table->status = error_set_memory(table->error, table->path);
      return;
    }
    table->values = larger;
    table->capacity = capacity;
  }
  table->values[table->count++] = (float)value;
}

/* libcsv: a cell. NULL for an empty one. */
static void on_cell(void *data, size_t length, void *context) {
  Table *table = context;
  const char *text = data ? data : "";
  if (table->status) return;
  table->last_end = -1;
  double value = 0;
  bool number = parse_cell(text, length, &value);
  if (table->empty_row) {
    fail(table, table->empty_row, 1, "empty row");
  } else if (table->row == 1) {
    if (!number) read_word(table, text, length);
    add_value(table, value);
  } else if (table->column > table->columns) {
    char found[120];
    snprintf(found, sizeof found, "row of another length: more cells than the first row, which has %lld",
             (long long)table->columns);
    fail(table, table->row, table->column, found);
  } else if (!number) {
    char cell[EXCERPT_SIZE];
    excerpt(text, length, cell);
    fail_cell(table, table->row, table->column, cell);
  } else {
    add_value(table, value);
  }
  table->column++;
}

/* ---- Rows ---- */

/* A header names its column of labels, or has more words than numbers; otherwise its words are mistakes. */
static void end_first_row(Table *table) {
  table->columns = table->column - 1;
  if (table->words == 0) {
    table->rows = table->first_row = 1;
  } else if (table->label_column > 1 && table->label_column < table->columns) {
    fail(table, 1, table->label_column, "the column of labels must be the first or the last one");
  } else if (table->label_column || 2 * table->words > table->columns) {
    table->first_row = 2;
    table->count = 0;
  } else {
    fail_cell(table, 1, table->word_column, table->word);
  }
}

/* libcsv: the end of a row. `end` is the character that ended it, or -1 at the end of the file. */
static void on_row(int end, void *context) {
  Table *table = context;
  if (table->status) return;
  bool second_half = end == '\n' && table->last_end == '\r'; /* of CRLF */
  table->last_end = second_half ? -1 : end;
  if (second_half) return;
  if (table->column == 1) {
    if (!table->empty_row) table->empty_row = table->row;
  } else if (table->row == 1) {
    end_first_row(table);
  } else if (table->column <= table->columns) {
    char found[120];
    snprintf(found, sizeof found, "row of another length: %lld cells, but the first row has %lld",
             (long long)table->column - 1, (long long)table->columns);
    fail(table, table->row, table->column, found);
  } else {
    table->rows++;
  }
  table->row++;
  table->column = 1;
}

static simba_status read_table(Table *table, const ImageFile *file) {
  const char *text = file->bytes;
  size_t size = file->size;
  if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
    text += 3;
    size -= 3;
  }
  struct csv_parser csv;
  if (csv_init(&csv, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL | CSV_EMPTY_IS_NULL | CSV_REPALL_NL))
    return error_set_memory(table->error, table->path);
  bool complete = true;
  for (size_t at = 0; complete && at < size && !table->status; at += CHUNK_BYTES) {
    size_t part = size - at < CHUNK_BYTES ? size - at : CHUNK_BYTES;
    complete = csv_parse(&csv, text + at, part, on_cell, on_row, table) == part;
  }
  if (complete && !table->status) complete = csv_fini(&csv, on_cell, on_row, table) == 0;
  if (!complete && !table->status) {
    if (csv_error(&csv) == CSV_ENOMEM)
      table->status = error_set_memory(table->error, table->path);
    else
      fail(table, table->row, table->column, "a quotation mark that does not enclose the whole cell");
  }
  csv_free(&csv);
  if (!table->status && table->columns == 0)
    fail(table, 1, 1, "the file is empty: expected rows of pixels and a label");
  if (!table->status && table->rows == 0) fail(table, 2, 1, "no rows below the header");
  if (!table->status && table->columns < 2)
    fail(table, table->first_row, 1, "one cell: expected pixels and a label, separated by commas");
  return table->status;
}

/* ---- What the columns are ---- */

/* Whether the labels can be in this column: whole numbers from 0 to K - 1, each of them there, K at least 2. */
static simba_status could_be_labels(const Table *table, int64_t column, bool *out_could) {
  float largest = 0;
  *out_could = true;
  for (int64_t row = 0; row < table->rows && *out_could; row++) {
    float value = table->values[row * table->columns + column];
    *out_could = value >= 0 && value < CLASS_LIMIT && value == floorf(value);
    if (value > largest) largest = value;
  }
  *out_could = *out_could && largest >= 1 && largest < (float)table->rows;
  if (!*out_could) return SIMBA_OK;
  size_t classes = (size_t)largest + 1, seen = 0;
  bool *has = calloc(classes, sizeof *has);
  if (!has) return error_set_memory(table->error, table->path);
  for (int64_t row = 0; row < table->rows; row++) {
    size_t value = (size_t)table->values[row * table->columns + column];
    seen += !has[value];
    has[value] = true;
  }
  free(has);
  *out_could = seen == classes;
  return SIMBA_OK;
}

static simba_status find_label_column(ImageSet *set, Table *table) {
  if (set->options.label == LABEL_ANYWHERE && table->label_column)
    set->options.label = table->label_column == 1 ? LABEL_FIRST : LABEL_LAST;
  if (set->options.label != LABEL_ANYWHERE) return SIMBA_OK;
  bool first, last;
  simba_status status = could_be_labels(table, 0, &first);
  if (!status) status = could_be_labels(table, table->columns - 1, &last);
  if (status) return status;
  if (first != last) {
    set->options.label = first ? LABEL_FIRST : LABEL_LAST;
    return SIMBA_OK;
  }
  return fail(table, table->first_row, 1,
              first ? "the labels may be in the first column or in the last: a header that names one of them 'label' "
                      "says which"
                    : "no column of labels: neither the first nor the last one has whole numbers from 0 up to the "
                      "number of classes, all of them: a header that names one of them 'label' says which");
}

static simba_status find_size(ImageSet *set, Table *table) {
  int64_t pixels = table->columns - 1, height = set->options.height, width = set->options.width;
  if (height > 0 && width > 0) {
    if (height * width == pixels) return SIMBA_OK;
  } else {
    height = width = (int64_t)sqrt((double)pixels);
    if (height * width == pixels) {
      set->options.height = set->options.width = (int32_t)height;
      return SIMBA_OK;
    }
  }
  char found[160];
  if (set->options.height > 0 && set->options.width > 0)
    snprintf(found, sizeof found, "%lld pixels and a label: images of %dx%d have %lld", (long long)pixels,
             set->options.height, set->options.width, (long long)(height * width));
  else
    snprintf(found, sizeof found, "%lld pixels and a label: no square image, so its height and width must be given",
             (long long)pixels);
  return fail(table, table->first_row, table->columns, found);
}

static int64_t label_column(const ImageSet *set, const Table *table) {
  return set->options.label == LABEL_FIRST ? 0 : table->columns - 1;
}

static void find_maximum(ImageSet *set, const Table *table) {
  static const double RANGES[] = {1, 16, WHITE};
  int64_t skipped = label_column(set, table);
  float largest = 0;
  for (int64_t row = 0; row < table->rows; row++)
    for (int64_t column = 0; column < table->columns; column++) {
      float value = table->values[row * table->columns + column];
      if (column != skipped && value > largest) largest = value;
    }
  for (size_t i = 0; i < sizeof RANGES / sizeof *RANGES && !(set->options.maximum > 0); i++)
    if (largest <= RANGES[i] || RANGES[i] == WHITE) set->options.maximum = RANGES[i];
}

/* ---- Images ---- */

/* A row becomes image i of the set. */
static simba_status take_row(ImageSet *set, Table *table, int64_t row, int64_t i) {
  double maximum = set->options.maximum;
  int64_t skipped = label_column(set, table);
  uint8_t *pixel = set->pixels + i * (table->columns - 1);
  for (int64_t column = 0; column < table->columns; column++) {
    double value = table->values[row * table->columns + column];
    if (column == skipped) {
      if (!(value >= 0 && value < CLASS_LIMIT) || value != floor(value)) {
        char found[120];
        snprintf(found, sizeof found, "label %g: expected a whole number from 0 to %d", value, CLASS_LIMIT - 1);
        return fail(table, table->first_row + row, column + 1, found);
      }
      set->label[i] = (int32_t)value;
      continue;
    }
    if (!(value >= 0 && value <= maximum)) {
      char found[120];
      snprintf(found, sizeof found, "pixel %g: expected a number from 0 to %g", value, maximum);
      return fail(table, table->first_row + row, column + 1, found);
    }
    *pixel++ = (uint8_t)(value * WHITE / maximum + 0.5);
  }
  return SIMBA_OK;
}

/* What the training file leaves open, or whether another file is like it. */
static simba_status settle(ImageSet *set, DataSplit split, Table *table) {
  if (split != SPLIT_TRAIN && table->columns - 1 != (int64_t)set->height * set->width) {
    char found[120];
    snprintf(found, sizeof found, "%lld pixels and a label, but images for training have %lld",
             (long long)table->columns - 1, (long long)set->height * set->width);
    return fail(table, table->first_row, table->columns, found);
  }
  if (split != SPLIT_TRAIN) return SIMBA_OK;
  simba_status status = find_label_column(set, table);
  if (!status) status = find_size(set, table);
  if (!status) find_maximum(set, table);
  return status;
}

static simba_status load(ImageSet *set, DataSplit split, const ImageFile *file, simba_error *error) {
  Table table = {.path = file->path, .error = error, .row = 1, .column = 1, .last_end = -1};
  table.limit = (size_t)set->options.max_bytes;
  simba_status status = read_table(&table, file);
  if (!status) status = settle(set, split, &table);
  const ImagePart *part = NULL;
  const int32_t shape[3] = {set->options.height, set->options.width, 1};
  if (!status) status = image_set_add_part(set, file->path, split, table.rows, shape, &part, error);
  if (!status) {
    set->part[set->part_count - 1].kind = PLACE_ROW;
    set->part[set->part_count - 1].first_row = table.first_row;
  }
  for (int64_t row = 0; row < table.rows && !status; row++) status = take_row(set, &table, row, part->begin + row);
  free(table.values);
  if (!status && split == SPLIT_TRAIN)
    snprintf(set->format, sizeof set->format, "CSV%s, %dx%d pixels from 0 to %g, label %s",
             file->gzipped ? ", gzipped" : "", set->height, set->width, set->options.maximum,
             set->options.label == LABEL_FIRST ? "first" : "last");
  return status;
}

simba_status pixel_csv_load_file(ImageSet *set, const ImageFile *file, simba_error *error) {
  return load(set, SPLIT_TRAIN, file, error);
}

/* ---- Folders ---- */

static const char *find_file(const char *folder, DataSplit split) {
  static const char *const NAMES[SPLIT_COUNT][2] = {
      [SPLIT_TRAIN] = {"train.csv", "train.csv.gz"},
      [SPLIT_VALIDATION] = {"val.csv", "val.csv.gz"},
      [SPLIT_TEST] = {"test.csv", "test.csv.gz"},
  };
  for (int i = 0; i < 2; i++)
    if (path_is_file(folder, NAMES[split][i])) return NAMES[split][i];
  return NULL;
}

bool pixel_csv_is_folder(const char *path) { return find_file(path, SPLIT_TRAIN) != NULL; }

simba_status pixel_csv_load_folder(ImageSet *set, simba_error *error) {
  simba_status status = SIMBA_OK;
  for (int split = 0; split < SPLIT_COUNT && !status; split++) {
    const char *name = find_file(set->path, (DataSplit)split);
    ImageFile file = {0};
    if (!name) continue;
    status = image_file_read(set, set->path, name, &file, error);
    if (!status) status = load(set, (DataSplit)split, &file, error);
    image_file_free(&file);
  }
  return status ? status : image_set_read_class_names(set, "classes.txt", error);
}
