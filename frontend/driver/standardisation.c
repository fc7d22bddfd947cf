#include "standardisation.h"

#include <math.h>
#include <string.h>

#include "ir/text.h"
#include "runtime/number.h"

static const char *const KEYS[STANDARDISATION_KEYS] = {"series.mean", "series.deviation"};

static const char *numbers_text(const double *values, int64_t count, Arena *arena) {
  Text text = text_begin(arena);
  for (int64_t k = 0; k < count; k++) {
    char number[NUMBER_TEXT_SIZE];
    number_text(values[k], number);
    text_print(&text, "%s%s", k ? " " : "", number);
  }
  return text.data;
}

void standardisation_metadata(const Series *series, Arena *arena, TensorMetadata out_metadata[STANDARDISATION_KEYS]) {
  out_metadata[0] = (TensorMetadata){KEYS[0], numbers_text(series->mean, series->channels, arena)};
  out_metadata[1] = (TensorMetadata){KEYS[1], numbers_text(series->deviation, series->channels, arena)};
}

/* Finite numbers parted by single spaces; NULL where the text is anything else. */
static const double *parse_numbers(const char *text, Arena *arena, int64_t *out_count) {
  int64_t count = 1;
  for (const char *c = text; *c; c++) count += *c == ' ';
  double *values = ARENA_ARRAY(arena, double, (size_t)count);
  for (int64_t k = 0; k < count; k++) {
    size_t length = strcspn(text, " ");
    const char *number = arena_text(arena, text, length);
    if (!number_parse(number, length, &values[k]) || !isfinite(values[k])) return NULL;
    text += length + (text[length] == ' ');
  }
  *out_count = count;
  return values;
}

simba_status standardisation_read(const TensorFile *file, Arena *arena, Standardisation *out, simba_error *error) {
  const char *mean = tensor_file_metadata(file, KEYS[0]), *deviation = tensor_file_metadata(file, KEYS[1]);
  *out = (Standardisation){0};
  if (!mean && !deviation) return SIMBA_OK;
  int64_t deviations = 0;
  out->mean = mean ? parse_numbers(mean, arena, &out->channels) : NULL;
  out->deviation = deviation ? parse_numbers(deviation, arena, &deviations) : NULL;
  if (out->mean && out->deviation && deviations == out->channels) return SIMBA_OK;
  return error_set(error, SIMBA_DATA_ERROR, "%s: metadata '%s' and '%s' are not a number for each channel", file->path,
                   KEYS[0], KEYS[1]);
}
