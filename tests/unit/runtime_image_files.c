/* JPEG and PNG in every form, folders of them, and label maps: what comes out, and every mistake with its message. */
#include <math.h>
#include <pthread.h>

#include "runtime/image_decode.h"
#include "runtime/file.h"
#include "tests/image_files.h"
#include "tests/suite_run.h"
#include "tests/temporary_folder.h"

enum { MAX_PIXELS = 1 << 20, HEIGHT = 5, WIDTH = 7, COUNT = HEIGHT * WIDTH };

static simba_status decode(const char *path, int64_t max_pixels, Image *image, simba_error *error) {
  char *bytes;
  size_t size;
  ck_assert_int_eq(file_read(path, &bytes, &size, error), SIMBA_OK);
  simba_status status = image_decode(path, bytes, size, max_pixels, image, error);
  Image header = {0};
  simba_error other = {0};
  if (!status) {
    ck_assert_int_eq(image_decode_header(path, bytes, size, max_pixels, &header, &other), SIMBA_OK);
    ck_assert(header.height == image->height && header.width == image->width && header.channels == image->channels);
    ck_assert_ptr_null(header.pixels);
  }
  free(bytes);
  return status;
}

static void decode_well(const char *path, Image *image) {
  simba_error error = {0};
  ck_assert_msg(decode(path, MAX_PIXELS, image, &error) == SIMBA_OK, "%s", error.message);
  ck_assert(image->height == HEIGHT && image->width == WIDTH);
}

/* ---- PNG ---- */

static const png_color PALETTE[4] = {{1, 2, 3}, {40, 50, 60}, {255, 0, 128}, {7, 8, 9}};

static const struct PngCase {
  PngForm form;
  int channels, samples; /* of the result; of a pixel in the file */
} PNG_CASES[] = {
    {{PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_NONE, NULL, 0}, 1, 1},
    {{PNG_COLOR_TYPE_GRAY, 16, PNG_INTERLACE_NONE, NULL, 0}, 1, 1},
    {{PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_ADAM7, NULL, 0}, 1, 1},
    {{PNG_COLOR_TYPE_GRAY_ALPHA, 8, PNG_INTERLACE_NONE, NULL, 0}, 1, 2},
    {{PNG_COLOR_TYPE_RGB, 8, PNG_INTERLACE_NONE, NULL, 0}, 3, 3},
    {{PNG_COLOR_TYPE_RGB, 16, PNG_INTERLACE_ADAM7, NULL, 0}, 3, 3},
    {{PNG_COLOR_TYPE_RGB_ALPHA, 8, PNG_INTERLACE_ADAM7, NULL, 0}, 3, 4},
    {{PNG_COLOR_TYPE_RGB_ALPHA, 16, PNG_INTERLACE_NONE, NULL, 0}, 3, 4},
    {{PNG_COLOR_TYPE_PALETTE, 8, PNG_INTERLACE_NONE, PALETTE, 4}, 3, 1},
};

/* Samples of 8 or 16 bits; the last one of a pixel with transparency is dropped. */
START_TEST(png_forms) {
  const struct PngCase *form = &PNG_CASES[_i];
  bool palette = form->form.colour_type == PNG_COLOR_TYPE_PALETTE;
  int bytes = form->form.depth / 8;
  uint8_t rows[COUNT * 4 * 2];
  for (int i = 0; i < COUNT * form->samples; i++) {
    int value = palette ? i % 4 : (i * 73) % 256;
    rows[i * bytes] = (uint8_t)value;
    if (bytes == 2) rows[i * bytes + 1] = (uint8_t)((i * 31) % 256);
  }
  char path[128];
  write_png(in_folder("a.png", path), HEIGHT, WIDTH, form->form, rows);
  Image image = {0};
  decode_well(path, &image);
  ck_assert_int_eq(image.channels, form->channels);
  for (int i = 0; i < COUNT; i++)
    for (int c = 0; c < form->channels; c++) {
      const uint8_t *from = rows + (i * form->samples + c) * bytes;
      int expected = from[0];
      if (bytes == 2) expected = (int)lround((from[0] * 256 + from[1]) / 257.0);
      if (palette) expected = (&PALETTE[rows[i]].red)[c];
      ck_assert_int_eq(image.pixels[form->channels * i + c], expected);
    }
  image_clear(&image);
}
END_TEST

/* Less than 8 bits: 1 and 4 bits of grey are spread over 0 to 255. */
START_TEST(png_few_bits) {
  char path[128];
  Image image = {0};
  uint8_t rows[HEIGHT * 4];
  for (int i = 0; i < HEIGHT * 4; i++) rows[i] = (uint8_t)(i * 37);
  write_png(in_folder("one.png", path), HEIGHT, WIDTH, (PngForm){PNG_COLOR_TYPE_GRAY, 1, 0, NULL, 0}, rows);
  decode_well(path, &image);
  for (int i = 0; i < COUNT; i++) ck_assert_int_eq(image.pixels[i], 255 * (rows[i / WIDTH] >> (7 - i % WIDTH) & 1));
  write_png(in_folder("four.png", path), HEIGHT, WIDTH, (PngForm){PNG_COLOR_TYPE_GRAY, 4, 0, NULL, 0}, rows);
  decode_well(path, &image);
  for (int i = 0; i < COUNT; i++) {
    int x = i % WIDTH, pair = rows[i / WIDTH * 4 + x / 2];
    ck_assert_int_eq(image.pixels[i], 17 * (x % 2 ? pair & 15 : pair >> 4));
  }
  image_clear(&image);
}
END_TEST

/* ---- JPEG ---- */

enum { LARGE = 64 };

/* Smooth, so that little is lost: [LARGE, LARGE, samples] */
static void make_samples(int samples, uint8_t *out) {
  for (int y = 0; y < LARGE; y++)
    for (int x = 0; x < LARGE; x++)
      for (int c = 0; c < samples; c++)
        out[(y * LARGE + x) * samples + c] = (uint8_t)(128 + 100 * sin((x * (c + 1) + 2 * y) / 40.0));
}

static void check_near(const Image *image, int channels, const uint8_t *expected, int bound) {
  ck_assert(image->height == LARGE && image->width == LARGE && image->channels == channels);
  for (int i = 0; i < LARGE * LARGE * channels; i++) ck_assert_int_le(abs(image->pixels[i] - expected[i]), bound);
}

START_TEST(jpeg_forms) {
  char path[128];
  Image image = {0};
  simba_error error = {0};
  static uint8_t samples[LARGE * LARGE * 4], colours[LARGE * LARGE * 3];
  in_folder("a.jpg", path);
  for (int progressive = 0; progressive < 2; progressive++) {
    make_samples(1, samples);
    write_jpeg(path, LARGE, LARGE, JCS_GRAYSCALE, progressive, samples);
    ck_assert_int_eq(decode(path, MAX_PIXELS, &image, &error), SIMBA_OK);
    check_near(&image, 1, samples, 3);
    make_samples(3, samples);
    write_jpeg(path, LARGE, LARGE, JCS_RGB, progressive, samples);
    ck_assert_int_eq(decode(path, MAX_PIXELS, &image, &error), SIMBA_OK);
    check_near(&image, 3, samples, 12);
  }
  make_samples(4, samples); /* with Adobe's mark, so inverted: 255 is no ink */
  write_jpeg(path, LARGE, LARGE, JCS_CMYK, false, samples);
  ck_assert_int_eq(decode(path, MAX_PIXELS, &image, &error), SIMBA_OK);
  for (int i = 0; i < LARGE * LARGE; i++)
    for (int c = 0; c < 3; c++) colours[3 * i + c] = (uint8_t)((samples[4 * i + c] * samples[4 * i + 3] + 127) / 255);
  check_near(&image, 3, colours, 6);
  image_clear(&image);
}
END_TEST

/* ---- Bad files ---- */

static size_t file_size(const char *path) {
  struct stat status;
  ck_assert_int_eq(stat(path, &status), 0);
  return (size_t)status.st_size;
}

static void expect_corrupt(const char *path, const char *expected) {
  Image image = {0};
  simba_error error = {0};
  ck_assert_int_eq(decode(path, MAX_PIXELS, &image, &error), SIMBA_DATA_ERROR);
  ck_assert_msg(strncmp(error.message, path, strlen(path)) == 0 && strstr(error.message, expected), "%s",
                error.message);
  image_clear(&image);
}

/* Wherever a file is cut, it is said to be. */
START_TEST(cut_files) {
  char path[128], original[128];
  uint8_t samples[LARGE * LARGE * 3];
  make_samples(3, samples);
  for (int kind = 0; kind < 3; kind++) {
    in_folder(kind == 2 ? "a.png" : "a.jpg", original);
    in_folder("cut", path);
    if (kind == 2)
      write_png(original, LARGE, LARGE, (PngForm){PNG_COLOR_TYPE_RGB, 8, 0, NULL, 0}, samples);
    else
      write_jpeg(original, LARGE, LARGE, JCS_RGB, kind == 1, samples);
    size_t size = file_size(original);
    for (size_t kept = 8; kept<size; kept += kept + 30> size ? 1 : 29) {
      char *bytes, expected[120];
      size_t read;
      ck_assert_int_eq(file_read(original, &bytes, &read, NULL), SIMBA_OK);
      write_bytes(path, bytes, kept);
      free(bytes);
      snprintf(expected, sizeof expected, "byte %zu of %zu: %s: the file ends in the midst of the image: it is cut off",
               kept, kept, kind == 2 ? "PNG" : "JPEG");
      expect_corrupt(path, expected);
    }
  }
}
END_TEST

static void spoil(const char *path, long at) {
  FILE *stream = fopen(path, "r+b");
  ck_assert_ptr_nonnull(stream);
  ck_assert_int_eq(fseek(stream, at, SEEK_SET), 0);
  int byte = fgetc(stream);
  ck_assert_int_eq(fseek(stream, at, SEEK_SET), 0);
  ck_assert_int_eq(fputc(byte ^ 0x55, stream), byte ^ 0x55);
  ck_assert_int_eq(fclose(stream), 0);
}

START_TEST(corrupt_files) {
  char path[128];
  uint8_t pixels[COUNT] = {0};
  write_grey_png(in_folder("a.png", path), HEIGHT, WIDTH, pixels);
  spoil(path, 45); /* of the pixels' chunk: its check sum shows it */
  expect_corrupt(path, ": PNG: ");
  write_grey_png(path, HEIGHT, WIDTH, pixels);
  spoil(path, 20); /* of the header */
  expect_corrupt(path, ": PNG: ");
  static const char SCAN[] = "\xFF\xD8\xFF\xDA\0\x08\1\1\0\0\x3F\0"; /* no frame before the scan */
  write_bytes(path, SCAN, sizeof SCAN);
  expect_corrupt(path, ": JPEG: ");
  write_text(path, "GIF89a and so on");
  expect_corrupt(path, ": the file begins as no image does that is read here: expected a JPEG or PNG image");
  write_text(path, "");
  expect_corrupt(path, ": the file is empty: expected a JPEG or PNG image");
  Image image = {0};
  simba_error error = {0};
  write_grey_png(path, HEIGHT, WIDTH, pixels);
  ck_assert_int_eq(decode(path, COUNT - 1, &image, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message + strlen(path), ": the image has 5x7 pixels: expected 1 to 34 in all");
  ck_assert_ptr_null(image.pixels);
}
END_TEST

/* The scan of the lowest frequency more often than any encoder would write it. */
START_TEST(too_many_scans) {
  char path[128], *bytes;
  uint8_t samples[LARGE * LARGE];
  size_t size, scan = 0;
  make_samples(1, samples);
  write_jpeg(in_folder("a.jpg", path), LARGE, LARGE, JCS_GRAYSCALE, true, samples);
  ck_assert_int_eq(file_read(path, &bytes, &size, NULL), SIMBA_OK);
  while (memcmp(bytes + scan, "\xFF\xDA", 2) != 0) scan++; /* the first scan */
  const size_t shift = 9;                                  /* from its marker to Ah and Al, the bits it leaves out */
  bytes[scan + shift] = 0;                                 /* none: so it may come again */
  size_t end = scan + 2;
  while (bytes[end] != '\xFF' || bytes[end + 1] == 0) end++;
  FILE *stream = fopen(path, "wb");
  ck_assert(stream && fwrite(bytes, 1, end, stream) == end);
  for (int i = 0; i < 200; i++) ck_assert_uint_eq(fwrite(bytes + scan, 1, end - scan, stream), end - scan);
  ck_assert(fwrite("\xFF\xD9", 1, 2, stream) == 2 && fclose(stream) == 0);
  free(bytes);
  expect_corrupt(path, ": JPEG: more than 100 scans");
}
END_TEST

START_TEST(channels) {
  simba_error error = {0};
  Image image = {0};
  ck_assert_int_eq(image_reserve(&image, 1, 3, 3, &error), SIMBA_OK);
  static const uint8_t COLOURS[] = {255, 255, 255, 255, 0, 0, 10, 20, 30}, GREY[] = {255, 76, 18};
  memcpy(image.pixels, COLOURS, sizeof COLOURS);
  ck_assert_int_eq(image_convert_channels(&image, 3, &error), SIMBA_OK);
  ck_assert_mem_eq(image.pixels, COLOURS, sizeof COLOURS);
  ck_assert_int_eq(image_convert_channels(&image, 1, &error), SIMBA_OK);
  ck_assert_mem_eq(image.pixels, GREY, sizeof GREY);
  ck_assert_int_eq(image_convert_channels(&image, 3, &error), SIMBA_OK);
  for (int i = 0; i < 9; i++) ck_assert_int_eq(image.pixels[i], GREY[i / 3]);
  image_clear(&image);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_image_files");
  TCase *tests = tcase_create("files");
  tcase_add_checked_fixture(tests, enter_folder, leave_folder);
  tcase_add_loop_test(tests, png_forms, 0, sizeof PNG_CASES / sizeof *PNG_CASES);
  tcase_add_test(tests, png_few_bits);
  tcase_add_test(tests, jpeg_forms);
  tcase_add_test(tests, cut_files);
  tcase_add_test(tests, corrupt_files);
  tcase_add_test(tests, too_many_scans);
  tcase_add_test(tests, channels);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
