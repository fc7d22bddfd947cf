/* One image on its way into a model: the evaluation's transform against torchvision's (golden/augment/torchvision.txt),
 * each random step by what must hold of many draws. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/image_augment.h"
#include "runtime/image_operations.h"
#include "runtime/image_random.h"
#include "tests/pattern_image.h"
#include "tests/suite_run.h"

enum { DRAWS = 2000 };

/* Four standard deviations of how often something of that probability happens. */
static int tolerance(double probability) { return (int)ceil(4 * sqrt(DRAWS * probability * (1 - probability))); }

static ImageWorkspace *workspace_for(const ImageAugmentation *augmentation) {
  ImageWorkspace *workspace = NULL;
  simba_error error = {0};
  ck_assert_msg(!image_workspace_create(augmentation, &workspace, &error), "%s", error.message);
  return workspace;
}

static ImagePlacement augment(const ImageAugmentation *augmentation, const Image *source, int64_t sample,
                              ImageWorkspace *workspace, float *out) {
  ImageKey key = {.seed = 7, .epoch = 3, .sample = (uint64_t)sample};
  ImagePlacement placement;
  simba_error error = {0};
  ck_assert_msg(!image_augment(augmentation, source, sample < 0 ? NULL : &key, workspace, out, &placement, &error),
                "%s", error.message);
  return placement;
}

START_TEST(evaluation_as_torchvision_does) {
  FILE *file = fopen(TESTS_FOLDER "/golden/augment/torchvision.txt", "r");
  ck_assert_ptr_nonnull(file);
  char line[16384], filter[16];
  int side, channels, at, cases = 0;
  float fraction;
  while (fgets(line, sizeof line, file)) {
    if (sscanf(line, "centre %d %f %15s %d%n", &side, &fraction, filter, &channels, &at) != 4) continue;
    ImageAugmentation a;
    image_augmentation_defaults(channels, side, side, &a);
    a.centre_fraction = fraction;
    a.filter = strcmp(filter, "bicubic") ? FILTER_BILINEAR : FILTER_BICUBIC;
    memcpy(a.mean, (float[]){0.485F, 0.456F, 0.406F}, sizeof a.mean);
    memcpy(a.deviation, (float[]){0.229F, 0.224F, 0.225F}, sizeof a.deviation);
    Image image = pattern_image(13, 11, channels);
    ImageWorkspace *workspace = workspace_for(&a);
    float out[3 * 13 * 13];
    augment(&a, &image, -1, workspace, out);
    char *next = line + at;
    for (int i = 0; i < channels * side * side; i++) ck_assert_float_eq_tol(out[i], strtof(next, &next), 2e-6F);
    image_workspace_destroy(workspace);
    image_clear(&image);
    cases++;
  }
  fclose(file);
  ck_assert_int_eq(cases, 8);
}
END_TEST

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Kolmogorov and Smirnov's distance of numbers from the uniform distribution on 0 .. 1; sorts them. */
static double distance_from_uniform(double *values, int count) {
  qsort(values, (size_t)count, sizeof *values, compare);
  double distance = 0;
  for (int i = 0; i < count; i++) {
    distance = fmax(distance, fmax((i + 1.0) / count - values[i], values[i] - (double)i / count));
  }
  return distance;
}

/* Inside the image, area and logarithm of the ratio uniform where every rectangle fits. */
START_TEST(random_resized_crops) {
  ImageAugmentation a;
  image_augmentation_defaults(1, 4, 4, &a);
  a.crop = CROP_RANDOM_RESIZED;
  a.crop_area[0] = 0.1F;
  a.crop_area[1] = 0.5F;
  a.crop_ratio[0] = 0.75F;
  a.crop_ratio[1] = 4.0F / 3;
  Image image = pattern_image(120, 125, 1);
  ImageWorkspace *workspace = workspace_for(&a);
  static double area[DRAWS], ratio[DRAWS], top[DRAWS];
  for (int i = 0; i < DRAWS; i++) {
    float out[16];
    ImagePlacement p = augment(&a, &image, i, workspace, out);
    ck_assert(p.top >= 0 && p.left >= 0 && p.bottom <= 1 + 1e-9 && p.right <= 1 + 1e-9 && !p.flipped);
    double height = p.bottom - p.top, width = p.right - p.left;
    area[i] = (height * width - 0.1) / 0.4;
    ratio[i] = (log(width * 125 / (height * 120)) - log(0.75)) / (2 * log(4.0 / 3));
    top[i] = p.top / (1 - height);
  }
  double limit = 1.9 / sqrt(DRAWS) + 0.02; /* once in a thousand, and for whole pixels */
  ck_assert_double_lt(distance_from_uniform(area, DRAWS), limit);
  ck_assert_double_lt(distance_from_uniform(ratio, DRAWS), limit);
  ck_assert_double_lt(distance_from_uniform(top, DRAWS), limit);
  image_workspace_destroy(workspace);
  image_clear(&image);
}
END_TEST

/* Where no rectangle fits: the largest centred one of a ratio within the limits. */
START_TEST(crop_fallback) {
  ImageAugmentation a;
  image_augmentation_defaults(1, 4, 4, &a);
  a.crop = CROP_RANDOM_RESIZED;
  a.crop_area[0] = a.crop_area[1] = 1;
  a.crop_ratio[0] = a.crop_ratio[1] = 1;
  ImageWorkspace *workspace = workspace_for(&a);
  float out[16];
  Image tall = pattern_image(20, 10, 1), wide = pattern_image(10, 40, 1);
  ImagePlacement p = augment(&a, &tall, 0, workspace, out);
  ck_assert_double_eq_tol(p.top, 0.25, 1e-12);
  ck_assert_double_eq_tol(p.bottom, 0.75, 1e-12);
  ck_assert_double_eq_tol(p.right - p.left, 1, 1e-12);
  p = augment(&a, &wide, 0, workspace, out);
  ck_assert_double_eq_tol(p.left, 15.0 / 40, 1e-12);
  ck_assert_double_eq_tol(p.right, 25.0 / 40, 1e-12);
  image_workspace_destroy(workspace);
  image_clear(&tall);
  image_clear(&wide);
}
END_TEST

/* Half of the images are mirrored, the others are as they were; nothing else about them depends on it. */
START_TEST(flips) {
  enum { SIDE = 8, SIZE = 3 * SIDE * SIDE };
  ImageAugmentation a;
  image_augmentation_defaults(3, SIDE, SIDE, &a);
  a.crop = CROP_RANDOM_RESIZED;
  Image image = pattern_image(20, 30, 3);
  ImageWorkspace *workspace = workspace_for(&a);
  int flipped = 0;
  for (int i = 0; i < DRAWS; i++) {
    float plain[SIZE], out[SIZE];
    a.flip = 0;
    augment(&a, &image, i, workspace, plain);
    a.flip = 0.5F;
    bool turned = augment(&a, &image, i, workspace, out).flipped;
    flipped += turned;
    for (int k = 0; k < SIZE; k++) {
      ck_assert_float_eq(out[k], plain[turned ? k - k % SIDE + SIDE - 1 - k % SIDE : k]);
    }
  }
  ck_assert_int_le(abs(flipped - DRAWS / 2), tolerance(0.5));
  image_workspace_destroy(workspace);
  image_clear(&image);
}
END_TEST

/* All shifts, equally often, and black where the image does not reach. */
START_TEST(padded_crops) {
  enum { SIDE = 6, PAD = 2, SHIFTS = 2 * PAD + 1 };
  ImageAugmentation a;
  image_augmentation_defaults(1, SIDE, SIDE, &a);
  a.crop = CROP_PADDED;
  a.pad = PAD;
  Image image = pattern_image(SIDE, SIDE, 1);
  ImageWorkspace *workspace = workspace_for(&a);
  int seen[SHIFTS][SHIFTS] = {0};
  for (int i = 0; i < DRAWS; i++) {
    float out[SIDE * SIDE];
    ImagePlacement p = augment(&a, &image, i, workspace, out);
    int down = (int)lrint(p.top * SIDE), right = (int)lrint(p.left * SIDE);
    ck_assert(abs(down) <= PAD && abs(right) <= PAD);
    seen[down + PAD][right + PAD]++;
    for (int k = 0; k < SIDE * SIDE; k++) {
      int y = k / SIDE + down, x = k % SIDE + right;
      bool inside = y >= 0 && y < SIDE && x >= 0 && x < SIDE;
      ck_assert_float_eq(out[k], inside ? (float)image.pixels[y * SIDE + x] / 255 : 0);
    }
  }
  for (int k = 0; k < SHIFTS * SHIFTS; k++) {
    ck_assert_int_le(abs(seen[k / SHIFTS][k % SHIFTS] - DRAWS / (SHIFTS * SHIFTS)), tolerance(1.0 / (SHIFTS * SHIFTS)));
  }
  image_workspace_destroy(workspace);
  image_clear(&image);
}
END_TEST

typedef struct Hole {
  int top, left, height, width;
} Hole;

/* The rectangle of values that are not 1; its height is 0 where there is none. Fails where they fill no rectangle. */
static Hole find_hole(const float *out, int height, int width) {
  int top = height, bottom = -1, left = width, right = -1, count = 0;
  for (int k = 0; k < height * width; k++) {
    if (out[k] == 1) continue;
    int y = k / width, x = k % width;
    top = y < top ? y : top;
    bottom = y > bottom ? y : bottom;
    left = x < left ? x : left;
    right = x > right ? x : right;
    count++;
  }
  if (!count) return (Hole){0};
  ck_assert_int_eq(count, (bottom - top + 1) * (right - left + 1));
  return (Hole){top, left, bottom - top + 1, right - left + 1};
}

static Image white_image(int32_t side, int32_t channels) {
  Image image = pattern_image(side, side, channels);
  memset(image.pixels, 255, (size_t)(side * side * channels));
  return image;
}

/* A square of the side, cut at the edges, around any pixel. */
START_TEST(cutouts) {
  enum { SIDE = 12, CUT = 5 };
  ImageAugmentation a;
  image_augmentation_defaults(1, SIDE, SIDE, &a);
  a.cutout = CUT;
  Image image = white_image(SIDE, 1);
  ImageWorkspace *workspace = workspace_for(&a);
  int whole = 0;
  for (int i = 0; i < DRAWS; i++) {
    float out[SIDE * SIDE];
    augment(&a, &image, i, workspace, out);
    Hole hole = find_hole(out, SIDE, SIDE);
    ck_assert(hole.height > CUT / 2 && hole.height <= CUT && hole.width > CUT / 2 && hole.width <= CUT);
    ck_assert(hole.height == CUT || hole.top == 0 || hole.top + hole.height == SIDE);
    whole += hole.height == CUT && hole.width == CUT;
  }
  double expected = (8.0 / 12) * (8.0 / 12); /* no edge within reach */
  ck_assert_double_lt(fabs(whole - DRAWS * expected), tolerance(expected));
  image_workspace_destroy(workspace);
  image_clear(&image);
}
END_TEST

/* As often as asked, shares and ratios within their limits and uniform where all fit. */
START_TEST(erased_area) {
  enum { SIDE = 100 };
  ImageAugmentation a;
  image_augmentation_defaults(1, SIDE, SIDE, &a);
  a.erase = 0.25F;
  a.erase_area[1] = 0.2F; /* with ratios up to 10 / 3, sides up to 0.82 */
  Image image = white_image(SIDE, 1);
  ImageWorkspace *workspace = workspace_for(&a);
  static double area[DRAWS], ratio[DRAWS];
  int erased = 0;
  for (int i = 0; i < DRAWS; i++) {
    static float out[SIDE * SIDE];
    augment(&a, &image, i, workspace, out);
    Hole hole = find_hole(out, SIDE, SIDE);
    if (!hole.height) continue;
    ck_assert_float_eq(out[hole.top * SIDE + hole.left], 0);
    area[erased] = (hole.height * hole.width / (double)(SIDE * SIDE) - 0.02) / 0.18;
    ratio[erased] = (log((double)hole.height / hole.width) - log(0.3)) / (log(10.0 / 3) - log(0.3));
    erased++;
  }
  ck_assert_int_le(abs(erased - DRAWS / 4), tolerance(0.25));
  double limit = 1.9 / sqrt(erased) + 0.02; /* whole pixels: 14 of them at the least */
  ck_assert_double_lt(distance_from_uniform(area, erased), limit);
  ck_assert_double_lt(distance_from_uniform(ratio, erased), limit);
  image_workspace_destroy(workspace);
  image_clear(&image);
}
END_TEST

/* "pixel" noise is standard normal; "rand" has one number a channel. */
START_TEST(erased_fill) {
  enum { SIDE = 32, PLANE = SIDE * SIDE };
  ImageAugmentation a;
  image_augmentation_defaults(3, SIDE, SIDE, &a);
  a.erase = 1;
  Image image = white_image(SIDE, 3);
  ImageWorkspace *workspace = workspace_for(&a);
  double sum = 0, squares = 0, count = 0, colours = 0;
  for (int i = 0; i < 100; i++) {
    float noise[3 * PLANE], colour[3 * PLANE];
    a.erase_fill = ERASE_NOISE;
    augment(&a, &image, i, workspace, noise);
    a.erase_fill = ERASE_COLOUR;
    augment(&a, &image, i, workspace, colour);
    for (int c = 0; c < 3; c++) {
      Hole hole = find_hole(colour + c * PLANE, SIDE, SIDE), same = find_hole(noise + c * PLANE, SIDE, SIDE);
      ck_assert(!memcmp(&hole, &same, sizeof hole));
      float first = colour[c * PLANE + hole.top * SIDE + hole.left];
      for (int k = 0; k < PLANE; k++) {
        float value = noise[c * PLANE + k];
        ck_assert(colour[c * PLANE + k] == 1 || colour[c * PLANE + k] == first);
        if (value == 1) continue;
        sum += (double)value;
        squares += (double)value * (double)value;
        count++;
      }
      colours += (double)first;
    }
  }
  ck_assert_double_lt(fabs(sum / count), 4 / sqrt(count));
  ck_assert_double_lt(fabs(squares / count - 1), 4 * sqrt(2 / count));
  ck_assert_double_lt(fabs(colours / 300), 4 / sqrt(300));
  image_workspace_destroy(workspace);
  image_clear(&image);
}
END_TEST

/* ---- RandAugment ---- */

enum { OPERATIONS = 15, OUTCOMES = 24, SIDE = 16, SIZE = 3 * SIDE * SIDE };

/* What an operation of timm's increasing set does at magnitude 9, in its two directions if it has them; the outcome's
 * operation is in `operation`. */
static void outcomes_at_nine(const Image *source, Image out[OUTCOMES], int operation[OUTCOMES]) {
  const uint8_t black[3] = {0};
  for (int i = 0; i < OUTCOMES; i++) {
    out[i] = pattern_image(SIDE, SIDE, 3);
    memcpy(out[i].pixels, source->pixels, SIZE);
  }
  int next = 0;
  image_autocontrast(&out[next]), operation[next++] = 0;
  image_equalize(&out[next]), operation[next++] = 1;
  image_invert(&out[next]), operation[next++] = 2;
  image_posterize(&out[next], 1), operation[next++] = 3;     /* 4 - int(3.6) */
  image_solarize(&out[next], 26), operation[next++] = 4;     /* 256 - int(230.4) */
  image_solarize_add(&out[next], 99), operation[next++] = 5; /* int(99.0) */
  for (int sign = -1; sign <= 1; sign += 2) {
    float factor = sign < 0 ? 0.19F : 1.81F;
    double turn[6], m[4][6] = {{1, sign * 0.27, 0, 0, 1, 0},
                               {1, 0, 0, sign * 0.27, 1, 0},
                               {1, 0, sign * 0.405 * SIDE, 0, 1, 0},
                               {1, 0, 0, 0, 1, sign * 0.405 * SIDE}};
    image_color(&out[next], factor), operation[next++] = 6;
    image_contrast(&out[next], factor), operation[next++] = 7;
    image_brightness(&out[next], factor), operation[next++] = 8;
    image_sharpness(source, factor, &out[next]), operation[next++] = 9;
    rotation_matrix(sign * 27, SIDE, SIDE, turn);
    image_affine(source, turn, FILTER_BILINEAR, black, &out[next]), operation[next++] = 10;
    for (int k = 0; k < 4; k++) {
      image_affine(source, m[k], FILTER_BILINEAR, black, &out[next]), operation[next++] = 11 + k;
    }
  }
  ck_assert_int_eq(next, OUTCOMES);
}

/* The outcome whose pixels the input has, within a level: factors are rounded in other ways. -1: none. */
static int outcome_of(const float *input, const Image *outcomes) {
  for (int o = 0; o < OUTCOMES; o++) {
    bool same = true;
    for (int k = 0; k < SIZE && same; k++) {
      int level = outcomes[o].pixels[k % (SIDE * SIDE) * 3 + k / (SIDE * SIDE)];
      same = fabsf(input[k] * 255 - (float)level) < 1.01F;
    }
    if (same) return o;
  }
  return -1;
}

/* With one operation an image is one of 24; all 15 come equally often, either direction as often as the other. */
START_TEST(random_operations) {
  ImageAugmentation a;
  image_augmentation_defaults(3, SIDE, SIDE, &a);
  a.operations = 1;
  a.operation_probability = 1;
  a.magnitude_deviation = 0;
  Image image = pattern_image(SIDE, SIDE, 3), outcomes[OUTCOMES];
  for (int i = 0; i < SIZE; i++) image.pixels[i] -= 30; /* some below the solarising threshold */
  int operation[OUTCOMES], seen[OUTCOMES] = {0}, times[OPERATIONS] = {0};
  outcomes_at_nine(&image, outcomes, operation);
  ImageWorkspace *workspace = workspace_for(&a);
  for (int i = 0; i < DRAWS; i++) {
    float out[SIZE];
    augment(&a, &image, i, workspace, out);
    int outcome = outcome_of(out, outcomes);
    ck_assert_msg(outcome >= 0, "image %d is none of the outcomes", i);
    seen[outcome]++;
    times[operation[outcome]]++;
  }
  for (int k = 0; k < OPERATIONS; k++)
    ck_assert_int_le(abs(times[k] - DRAWS / OPERATIONS), tolerance(1.0 / OPERATIONS));
  for (int k = 6; k < 15; k++) ck_assert_int_le(abs(seen[k] - seen[k + 9]), tolerance(1.0 / OPERATIONS));
  image_workspace_destroy(workspace);
  for (int k = 0; k < OUTCOMES; k++) image_clear(&outcomes[k]);
  image_clear(&image);
}
END_TEST

/* Each operation is skipped with the probability left: of two, a quarter of the images stay as they are. */
START_TEST(operations_skipped) {
  ImageAugmentation a;
  image_augmentation_defaults(3, SIDE, SIDE, &a);
  Image image = pattern_image(SIDE, SIDE, 3);
  ImageWorkspace *workspace = workspace_for(&a);
  float plain[SIZE], out[SIZE];
  augment(&a, &image, 0, workspace, plain);
  a.operations = 2;
  int same = 0;
  for (int i = 0; i < DRAWS; i++) {
    augment(&a, &image, i, workspace, out);
    same += !memcmp(plain, out, sizeof out);
  }
  ck_assert_int_le(abs(same - DRAWS / 4), tolerance(0.25));
  a.operation_probability = 0;
  augment(&a, &image, 0, workspace, out);
  ck_assert(!memcmp(plain, out, sizeof out));
  image_workspace_destroy(workspace);
  image_clear(&image);
}
END_TEST

/* The magnitude's deviation spreads the brightness factor around 1 +- 0.81, cut at 1.9 and 0.1. */
START_TEST(magnitudes_vary) {
  ImageAugmentation a;
  image_augmentation_defaults(1, SIDE, SIDE, &a);
  a.operations = 1;
  a.operation_probability = 1;
  Image image = pattern_image(SIDE, SIDE, 1);
  memset(image.pixels, 100, SIDE * SIDE);
  ImageWorkspace *workspace = workspace_for(&a);
  bool seen[256] = {0};
  for (int i = 0; i < DRAWS; i++) {
    float out[SIDE * SIDE];
    augment(&a, &image, i, workspace, out);
    seen[(int)lrintf(out[0] * 255)] = true;
  }
  int different = 0;
  for (int level = 165; level <= 190; level++) different += seen[level];
  ck_assert_int_gt(different, 12);
  for (int level = 211; level < 256; level++) ck_assert(!seen[level]); /* 210: solarize_add of 110 */
  image_workspace_destroy(workspace);
  image_clear(&image);
}
END_TEST

/* ---- Draws ---- */

START_TEST(beta_moments) {
  static const double ALPHAS[] = {0.1, 0.2, 0.8, 1, 4};
  for (size_t k = 0; k < sizeof ALPHAS / sizeof *ALPHAS; k++) {
    double sum = 0, squares = 0, variance = 0.25 / (2 * ALPHAS[k] + 1);
    for (int i = 0; i < 10 * DRAWS; i++) {
      ImageDraws draws = image_draws(&(ImageKey){.seed = 1, .sample = (uint64_t)i}, DRAW_MIX);
      double value = draw_beta(&draws, ALPHAS[k]);
      ck_assert(value >= 0 && value <= 1);
      sum += value;
      squares += (value - 0.5) * (value - 0.5);
    }
    ck_assert_double_lt(fabs(sum / (10 * DRAWS) - 0.5), 4 * sqrt(variance / (10 * DRAWS)));
    ck_assert_double_lt(fabs(squares / (10 * DRAWS) / variance - 1), 0.05);
  }
}
END_TEST

/* Whatever differs in a key, the image differs; what does not, does not. */
START_TEST(keys_tell_apart) {
  ImageAugmentation a;
  image_augmentation_defaults(1, 8, 8, &a);
  a.crop = CROP_RANDOM_RESIZED;
  Image image = pattern_image(40, 50, 1);
  ImageWorkspace *workspace = workspace_for(&a);
  const ImageKey keys[] = {{1, 0, 0, 0}, {2, 0, 0, 0}, {1, 1, 0, 0}, {1, 0, 1, 0}, {1, 0, 0, 1}, {1, 0, 0, 0}};
  float out[6][64];
  for (int i = 0; i < 6; i++) {
    ck_assert(!image_augment(&a, &image, &keys[i], workspace, out[i], NULL, NULL));
    for (int j = 0; j < i; j++) ck_assert_int_eq(!memcmp(out[i], out[j], sizeof out[i]), i == 5 && j == 0);
  }
  image_workspace_destroy(workspace);
  image_clear(&image);
}
END_TEST

START_TEST(mistakes) {
  ImageAugmentation a;
  simba_error error;
  image_augmentation_defaults(3, 8, 8, &a);
  ImageWorkspace *workspace = workspace_for(&a);
  Image image = pattern_image(9, 9, 1);
  float out[3 * 64];
  ck_assert_int_eq(image_augment(&a, &image, NULL, workspace, out, NULL, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "the image has 1 channel, the model takes 3");
  image_clear(&image);
  image = pattern_image(1, 65536, 3);
  ck_assert_int_eq(image_augment(&a, &image, NULL, workspace, out, NULL, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "the image has 1x65536 pixels: expected sides of at most 65535");
  image_workspace_destroy(workspace);
  image_clear(&image);
  a.flip = 1.5F;
  ck_assert_int_eq(image_workspace_create(&a, &workspace, &error), SIMBA_INVALID_ARGUMENT);
  ck_assert_str_eq(error.message, "the probability of a flip is 1.5: expected 0 to 1");
  a.flip = NAN;
  ck_assert_int_eq(image_augmentation_check(&a, &error), SIMBA_INVALID_ARGUMENT);
  a.flip = 0;
  a.crop_area[0] = 0.7F;
  a.crop_area[1] = 0.5F;
  ck_assert_int_eq(image_augmentation_check(&a, &error), SIMBA_INVALID_ARGUMENT);
  ck_assert_str_eq(error.message, "the least area of a crop is 0.7: expected 1e-06 to 0.5");
  image_augmentation_defaults(2, 8, 8, &a);
  ck_assert_int_eq(image_augmentation_check(&a, &error), SIMBA_INVALID_ARGUMENT);
  ck_assert_str_eq(error.message, "images have 1 or 3 channels, not 2");
}
END_TEST

/* Sizes that are hard to resize from and to. */
START_TEST(thin_images) {
  static const int32_t SIDES[][2] = {{1, 1}, {1, 3000}, {3000, 1}, {2, 1000}};
  for (size_t i = 0; i < sizeof SIDES / sizeof *SIDES; i++) {
    ImageAugmentation a;
    image_augmentation_defaults(3, 7, 5, &a);
    a.filter = FILTER_RANDOM;
    a.operations = 2;
    a.centre_fraction = 0.9F;
    Image image = pattern_image(SIDES[i][0], SIDES[i][1], 3);
    ImageWorkspace *workspace = workspace_for(&a);
    for (ImageCrop crop = CROP_WHOLE; crop <= CROP_PADDED; crop++) {
      a.crop = crop;
      a.pad = 9; /* more than the input has */
      for (int k = -1; k < 50; k++) {
        float out[3 * 35];
        augment(&a, &image, k, workspace, out);
        for (int j = 0; j < 3 * 35; j++) ck_assert(out[j] >= 0 && out[j] <= 1);
      }
    }
    image_workspace_destroy(workspace);
    image_clear(&image);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_augment");
  TCase *tests = tcase_create("augment");
  tcase_add_test(tests, evaluation_as_torchvision_does);
  tcase_add_test(tests, random_resized_crops);
  tcase_add_test(tests, crop_fallback);
  tcase_add_test(tests, flips);
  tcase_add_test(tests, padded_crops);
  tcase_add_test(tests, cutouts);
  tcase_add_test(tests, erased_area);
  tcase_add_test(tests, erased_fill);
  tcase_add_test(tests, random_operations);
  tcase_add_test(tests, operations_skipped);
  tcase_add_test(tests, magnitudes_vary);
  tcase_add_test(tests, beta_moments);
  tcase_add_test(tests, keys_tell_apart);
  tcase_add_test(tests, mistakes);
  tcase_add_test(tests, thin_images);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
