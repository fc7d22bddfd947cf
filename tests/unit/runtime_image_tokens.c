/* Labels of tokens against torchvision's roi_align of the same map (golden/augment/torchvision.txt, by torchvision.py
 * beside it), for dense maps and for lists of the best classes. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/image_tokens.h"
#include "tests/suite_run.h"

enum { CLASSES = 2, HEIGHT = 5, WIDTH = 7, PLACES = HEIGHT * WIDTH, MAX_TOKENS = 16 };

/* label_map() of torchvision.py: dense, or as a list that has the second class first. */
typedef struct MapMemory {
  float scores[CLASSES * PLACES];
  int32_t classes[CLASSES * PLACES];
  LabelMap map;
} MapMemory;

static void make_map(MapMemory *memory, bool dense) {
  memory->map = (LabelMap){.count = CLASSES,
                           .height = HEIGHT,
                           .width = WIDTH,
                           .dense = dense,
                           .scores = memory->scores,
                           .classes = memory->classes};
  for (int c = 0; c < CLASSES; c++) {
    int entry = dense ? c : 1 - c;
    for (int k = 0; k < PLACES; k++) {
      memory->scores[entry * PLACES + k] = (float)((c * 5 + k / WIDTH * 7 + k % WIDTH * 3) % 11) / 4;
      memory->classes[entry * PLACES + k] = c;
    }
  }
}

static BatchOptions options_for(int32_t rows, int32_t columns, TokenScores scores) {
  BatchOptions options;
  batch_options_defaults(1, 8, 8, CLASSES, &options);
  options.token_rows = rows;
  options.token_columns = columns;
  options.token_scores = scores;
  return options;
}

/* What becomes of the averages a and b of a token: the share of class 0. */
static float share(TokenScores scores, float a, float b) {
  if (scores == TOKEN_LOGITS) return 1 / (1 + expf(b - a));
  return a + b > 0 ? a / (a + b) : 0; /* nothing is known: the image's label, 1 */
}

static void check_tokens(const ImagePlacement *placement, int rows, int columns, const float *averages) {
  int count = rows * columns;
  for (int k = 0; k < 8; k++) {
    bool dense = k & 1, flipped = k & 2;
    TokenScores scores = k & 4 ? TOKEN_LOGITS : TOKEN_PROBABILITIES;
    MapMemory memory;
    make_map(&memory, dense);
    BatchOptions options = options_for(rows, columns, scores);
    ImagePlacement turned = *placement;
    turned.flipped = flipped;
    float tokens[MAX_TOKENS * CLASSES];
    ck_assert_int_eq(token_labels(&memory.map, &turned, &options, 1, tokens, NULL), SIMBA_OK);
    for (int p = 0; p < count; p++) {
      int q = flipped ? p / columns * columns + columns - 1 - p % columns : p;
      float expected = share(scores, averages[q], averages[count + q]);
      ck_assert_float_eq_tol(tokens[p * CLASSES], expected, 2e-5F);
      ck_assert_float_eq_tol(tokens[p * CLASSES + 1], 1 - expected, 2e-5F);
    }
  }
}

START_TEST(as_roi_align_does) {
  FILE *file = fopen(TESTS_FOLDER "/golden/augment/torchvision.txt", "r");
  ck_assert_ptr_nonnull(file);
  char line[16384];
  ImagePlacement p = {0};
  int rows, columns, at, cases = 0;
  while (fgets(line, sizeof line, file)) {
    if (sscanf(line, "roi %lf %lf %lf %lf %d %d%n", &p.top, &p.bottom, &p.left, &p.right, &rows, &columns, &at) != 6) {
      continue;
    }
    float averages[MAX_TOKENS * CLASSES];
    char *next = line + at;
    for (int i = 0; i < CLASSES * rows * columns; i++) averages[i] = strtof(next, &next);
    check_tokens(&p, rows, columns, averages);
    cases++;
  }
  fclose(file);
  ck_assert_int_eq(cases, 12);
}
END_TEST

START_TEST(negative_probabilities) {
  MapMemory memory;
  make_map(&memory, true);
  memory.scores[3] = -20;
  BatchOptions options = options_for(2, 2, TOKEN_PROBABILITIES);
  ImagePlacement whole = {0, 1, 0, 1, false};
  float tokens[4 * CLASSES];
  simba_error error;
  ck_assert_int_eq(token_labels(&memory.map, &whole, &options, 1, tokens, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message,
                   "the label map has a negative score, which is no probability: if these are logits, say so");
  options.token_scores = TOKEN_LOGITS;
  ck_assert_int_eq(token_labels(&memory.map, &whole, &options, 1, tokens, &error), SIMBA_OK);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_image_tokens");
  TCase *tests = tcase_create("tokens");
  tcase_add_test(tests, as_roi_align_does);
  tcase_add_test(tests, negative_probabilities);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
