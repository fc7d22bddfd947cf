/* Operations on images against what Pillow makes of the same image (golden/augment/pillow.txt, by pillow.py beside it),
 * and what must hold for any image. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/image_operations.h"
#include "runtime/image_resize.h"
#include "tests/pattern_image.h"
#include "tests/suite_run.h"

enum { HEIGHT = 13, WIDTH = 11 };

static const uint8_t FILL[3] = {124, 116, 104};

static Image make_image(int32_t channels) { return pattern_image(HEIGHT, WIDTH, channels); }

static size_t image_bytes(const Image *image) {
  return (size_t)image->height * (size_t)image->width * (size_t)image->channels;
}

/* RESIZES of pillow.py: a box {top, left, height, width}, and the size to. */
static const struct ResizeCase {
  ImageBox box;
  int32_t height, width;
} RESIZES[] = {{{0, 0, 13, 11}, 7, 5},  {{0, 0, 13, 11}, 20, 17}, {{3, 2, 9, 7}, 5, 6}, {{3, 2, 9, 7}, 16, 16},
               {{0, 0, 13, 11}, 13, 6}, {{0, 0, 13, 11}, 4, 11},  {{0, 0, 2, 11}, 3, 3}};

static void resize(const Image *source, int number, ImageFilter filter, Image *out) {
  const struct ResizeCase *it = &RESIZES[number - 1];
  ResizeBuffers buffers = {0};
  ck_assert_int_eq(image_resize(source, it->box, it->height, it->width, (ImageBox){0, 0, it->height, it->width}, filter,
                                &buffers, out, NULL),
                   SIMBA_OK);
  resize_buffers_clear(&buffers);
}

typedef void InPlace(Image *image);
typedef void WithFactor(Image *image, float factor);
typedef void WithNumber(Image *image, int32_t number);

static const struct Operation {
  const char *name;
  InPlace *in_place;
  WithFactor *with_factor;
  WithNumber *with_number;
} OPERATIONS[] = {
    {"flip", image_flip, NULL, NULL},
    {"autocontrast", image_autocontrast, NULL, NULL},
    {"equalize", image_equalize, NULL, NULL},
    {"invert", image_invert, NULL, NULL},
    {"posterize", NULL, NULL, image_posterize},
    {"solarize", NULL, NULL, image_solarize},
    {"solarize_add", NULL, NULL, image_solarize_add},
    {"color", NULL, image_color, NULL},
    {"contrast", NULL, image_contrast, NULL},
    {"brightness", NULL, image_brightness, NULL},
};

/* Operations that write to another image; false where it is none of them. */
static bool apply_between(const char *name, double value, ImageFilter filter, const Image *image, Image *out) {
  double m[6] = {1, 0, 0, 0, 1, 0};
  if (!strcmp(name, "resize")) {
    resize(image, (int)value, filter, out);
    return true;
  }
  ck_assert_int_eq(image_reserve(out, HEIGHT, WIDTH, image->channels, NULL), SIMBA_OK);
  if (!strcmp(name, "sharpness")) {
    image_sharpness(image, (float)value, out);
    return true;
  }
  if (!strcmp(name, "rotate"))
    rotation_matrix(value, HEIGHT, WIDTH, m);
  else if (!strcmp(name, "shear_x"))
    m[1] = value;
  else if (!strcmp(name, "shear_y"))
    m[3] = value;
  else if (!strcmp(name, "translate_x"))
    m[2] = value;
  else if (!strcmp(name, "translate_y"))
    m[5] = value;
  else
    return false;
  image_affine(image, m, filter, FILL, out);
  return true;
}

/* The operation of a line of pillow.txt; the image becomes the result. */
static void apply(const char *name, double value, ImageFilter filter, Image *image) {
  Image out = {0};
  if (apply_between(name, value, filter, image, &out)) {
    image_clear(image);
    *image = out;
    return;
  }
  image_clear(&out);
  for (size_t i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++) {
    const struct Operation *operation = &OPERATIONS[i];
    if (strcmp(operation->name, name) != 0) continue;
    if (operation->in_place) operation->in_place(image);
    if (operation->with_factor) operation->with_factor(image, (float)value);
    if (operation->with_number) operation->with_number(image, (int32_t)value);
    return;
  }
  ck_abort_msg("pillow.txt: unknown operation '%s'", name);
}

START_TEST(as_pillow_does) {
  FILE *file = fopen(TESTS_FOLDER "/golden/augment/pillow.txt", "r");
  ck_assert_ptr_nonnull(file);
  char name[32], filter[16], hex[4096];
  int channels, height, width, cases = 0;
  double value;
  while (fscanf(file, "%31s %d %lf %15s %d %d %4095s", name, &channels, &value, filter, &height, &width, hex) == 7) {
    Image image = make_image(channels);
    apply(name, value, strcmp(filter, "bicubic") ? FILTER_BILINEAR : FILTER_BICUBIC, &image);
    ck_assert_int_eq(image.height, height);
    ck_assert_int_eq(image.width, width);
    ck_assert_uint_eq(strlen(hex), 2 * image_bytes(&image));
    for (size_t i = 0; i < image_bytes(&image); i++) {
      unsigned expected;
      ck_assert_int_eq(sscanf(hex + 2 * i, "%2x", &expected), 1);
      ck_assert_msg(image.pixels[i] == expected, "%s %g, %s, %d channels: byte %zu is %u, not %u", name, value, filter,
                    channels, i, (unsigned)image.pixels[i], expected);
    }
    image_clear(&image);
    cases++;
  }
  fclose(file);
  ck_assert_int_ge(cases, 80);
}
END_TEST

/* What is asked to change nothing. */
START_TEST(identities) {
  static const struct Identity {
    const char *name;
    double value;
  } IDENTITIES[] = {{"posterize", 8}, {"solarize", 256}, {"solarize_add", 0}, {"color", 1},
                    {"contrast", 1},  {"brightness", 1}, {"sharpness", 1},    {"rotate", 0},
                    {"shear_x", 0},   {"shear_y", 0},    {"translate_x", 0},  {"translate_y", 0}};
  for (int32_t channels = 1; channels <= 3; channels += 2) {
    for (size_t i = 0; i < sizeof IDENTITIES / sizeof *IDENTITIES; i++) {
      for (ImageFilter filter = FILTER_BILINEAR; filter <= FILTER_BICUBIC; filter++) {
        Image before = make_image(channels), after = make_image(channels);
        apply(IDENTITIES[i].name, IDENTITIES[i].value, filter, &after);
        ck_assert_msg(!memcmp(before.pixels, after.pixels, image_bytes(&before)), "%s", IDENTITIES[i].name);
        image_clear(&before);
        image_clear(&after);
      }
    }
  }
}
END_TEST

/* What undoes itself. */
START_TEST(involutions) {
  static const char *const NAMES[] = {"flip", "invert"};
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
    Image before = make_image(3), after = make_image(3);
    apply(NAMES[i], 0, FILTER_BILINEAR, &after);
    ck_assert(memcmp(before.pixels, after.pixels, image_bytes(&before)) != 0);
    apply(NAMES[i], 0, FILTER_BILINEAR, &after);
    ck_assert(!memcmp(before.pixels, after.pixels, image_bytes(&before)));
    image_clear(&before);
    image_clear(&after);
  }
}
END_TEST

START_TEST(full_range) {
  Image image = make_image(1);
  image_autocontrast(&image);
  int low = 255, high = 0;
  for (size_t i = 0; i < image_bytes(&image); i++) {
    low = image.pixels[i] < low ? image.pixels[i] : low;
    high = image.pixels[i] > high ? image.pixels[i] : high;
  }
  ck_assert_int_eq(low, 0);
  ck_assert_int_eq(high, 255);
  image_clear(&image);
}
END_TEST

/* Of a ramp that uses few levels, more of the dark ones, each quarter of the range gets a quarter of the pixels. */
START_TEST(even_histogram) {
  enum { SIDE = 64 };
  Image image = {0};
  ck_assert_int_eq(image_reserve(&image, SIDE, SIDE, 1, NULL), SIMBA_OK);
  for (int i = 0; i < SIDE * SIDE; i++) image.pixels[i] = (uint8_t)(i * i / 131072);
  image_equalize(&image);
  int quarter[4] = {0};
  for (int i = 0; i < SIDE * SIDE; i++) quarter[image.pixels[i] / 64]++;
  for (int q = 0; q < 4; q++) ck_assert_int_le(abs(quarter[q] - SIDE * SIDE / 4), SIDE * SIDE / 32);
  image_clear(&image);
}
END_TEST

/* One level everywhere stays, whatever the histogram's operations make of others. */
START_TEST(one_level) {
  Image image = make_image(3);
  memset(image.pixels, 77, image_bytes(&image));
  image_autocontrast(&image);
  image_equalize(&image);
  for (size_t i = 0; i < image_bytes(&image); i++) ck_assert_int_eq(image.pixels[i], 77);
  image_clear(&image);
}
END_TEST

/* A window of a resize is that part of the whole; an image of one colour keeps it at any size. */
START_TEST(windows) {
  for (ImageFilter filter = FILTER_BILINEAR; filter <= FILTER_BICUBIC; filter++) {
    Image image = make_image(3), whole = {0}, part = {0};
    ResizeBuffers buffers = {0};
    const ImageBox box = {1, 2, 11, 8}, all = {0, 0, 19, 6}, window = {4, 1, 9, 4};
    ck_assert_int_eq(image_resize(&image, box, 19, 6, all, filter, &buffers, &whole, NULL), SIMBA_OK);
    ck_assert_int_eq(image_resize(&image, box, 19, 6, window, filter, &buffers, &part, NULL), SIMBA_OK);
    for (int y = 0; y < window.height; y++) {
      ck_assert(!memcmp(part.pixels + y * 4 * 3, whole.pixels + ((y + 4) * 6 + 1) * 3, 4 * 3));
    }
    memset(image.pixels, 201, image_bytes(&image));
    ck_assert_int_eq(image_resize(&image, box, 19, 6, all, filter, &buffers, &whole, NULL), SIMBA_OK);
    for (size_t i = 0; i < image_bytes(&whole); i++) ck_assert_int_eq(whole.pixels[i], 201);
    resize_buffers_clear(&buffers);
    image_clear(&image);
    image_clear(&whole);
    image_clear(&part);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_augment_operations");
  TCase *tests = tcase_create("operations");
  tcase_add_test(tests, as_pillow_does);
  tcase_add_test(tests, identities);
  tcase_add_test(tests, involutions);
  tcase_add_test(tests, full_range);
  tcase_add_test(tests, even_histogram);
  tcase_add_test(tests, one_level);
  tcase_add_test(tests, windows);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
