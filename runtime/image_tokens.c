#include "image_tokens.h"

#include <math.h>
#include <string.h>

/* Where a sample falls between two rows (or columns) of the map, and how much of the second it takes. */
typedef struct Between {
  int32_t low, high;
  float share;
} Between;

/* One direction of a ROI: bins of equal size, each with samples at equal distances. */
typedef struct Direction {
  double begin, bin;
  int32_t samples, size;
} Direction;

/* From .. to, in shares of `size` places whose centres are at halves; at least one place long. */
static Direction direction_of(double from, double to, int32_t size, int32_t bins) {
  double length = fmax((to - from) * size, 1);
  return (Direction){from * size - 0.5, length / bins, (int32_t)ceil(length / bins), size};
}

/* False for a sample beyond the map by more than a place. */
static bool sample_between(const Direction *direction, int32_t bin, int32_t sample, Between *out_between) {
  double at = direction->begin + (bin + (sample + 0.5) / direction->samples) * direction->bin;
  if (at < -1 || at > direction->size) return false;
  at = fmax(at, 0);
  int32_t low = (int32_t)at, last = direction->size - 1;
  *out_between = low >= last ? (Between){last, last, 0} : (Between){low, low + 1, (float)(at - low)};
  return true;
}

/* Adds `weight` of the map's scores at a place. */
static void add_place(const LabelMap *map, int32_t y, int32_t x, float weight, float *token) {
  size_t plane = (size_t)map->height * (size_t)map->width, at = (size_t)y * (size_t)map->width + (size_t)x;
  for (int32_t k = 0; k < map->count; k++, at += plane) {
    token[map->dense ? k : map->classes[at]] += weight * map->scores[at];
  }
}

static void add_sample(const LabelMap *map, const Between *y, const Between *x, float weight, float *token) {
  add_place(map, y->low, x->low, weight * (1 - y->share) * (1 - x->share), token);
  add_place(map, y->low, x->high, weight * (1 - y->share) * x->share, token);
  add_place(map, y->high, x->low, weight * y->share * (1 - x->share), token);
  add_place(map, y->high, x->high, weight * y->share * x->share, token);
}

static void average_bin(const LabelMap *map, const Direction *down, const Direction *right, int32_t row, int32_t column,
                        float *token) {
  float weight = 1 / ((float)down->samples * (float)right->samples);
  for (int32_t i = 0; i < down->samples; i++) {
    for (int32_t j = 0; j < right->samples; j++) {
      Between y, x;
      if (sample_between(down, row, i, &y) && sample_between(right, column, j, &x)) {
        add_sample(map, &y, &x, weight, token);
      }
    }
  }
}

static void one_hot(int32_t classes, int32_t label, float *token) {
  memset(token, 0, (size_t)classes * sizeof *token);
  token[label] = 1;
}

/* Scores to a distribution; false where they are none. */
static bool distribution(TokenScores scores, int32_t classes, int32_t label, float *token) {
  float sum = 0, largest = token[0];
  for (int32_t k = 0; k < classes; k++) {
    largest = fmaxf(largest, token[k]);
    if (scores == TOKEN_PROBABILITIES && token[k] < 0) return false;
  }
  for (int32_t k = 0; k < classes; k++) {
    if (scores == TOKEN_LOGITS) token[k] = expf(token[k] - largest);
    sum += token[k];
  }
  if (!(sum > 0)) {
    one_hot(classes, label, token);
    return true;
  }
  for (int32_t k = 0; k < classes; k++) token[k] /= sum;
  return true;
}

static void smooth(float smoothing, int32_t classes, float *token) {
  float off = smoothing / (float)classes;
  for (int32_t k = 0; k < classes; k++) token[k] = token[k] * (1 - smoothing) + off;
}

simba_status token_labels(const LabelMap *map, const ImagePlacement *placement, const BatchOptions *options,
                          int32_t label, float *out_tokens, simba_error *error) {
  int32_t rows = options->token_rows, columns = options->token_columns, classes = options->classes;
  Direction down = direction_of(placement->top, placement->bottom, map->height, rows);
  Direction right = direction_of(placement->left, placement->right, map->width, columns);
  memset(out_tokens, 0, (size_t)rows * (size_t)columns * (size_t)classes * sizeof *out_tokens);
  for (int32_t p = 0; p < rows * columns; p++) {
    float *token = out_tokens + (size_t)p * (size_t)classes;
    int32_t column = placement->flipped ? columns - 1 - p % columns : p % columns;
    average_bin(map, &down, &right, p / columns, column, token);
    if (!distribution(options->token_scores, classes, label, token)) {
      return error_set(error, SIMBA_DATA_ERROR,
                       "the label map has a negative score, which is no probability: if these "
                       "are logits, say so");
    }
    smooth(options->smoothing, classes, token);
  }
  return SIMBA_OK;
}

void token_labels_uniform(const BatchOptions *options, int32_t label, float *out_tokens) {
  size_t classes = (size_t)options->classes, count = (size_t)options->token_rows * (size_t)options->token_columns;
  for (size_t p = 0; p < count; p++) {
    float *token = out_tokens + p * classes;
    one_hot(options->classes, label, token);
    smooth(options->smoothing, options->classes, token);
  }
}
