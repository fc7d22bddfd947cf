/* Batches of images: the same bits from any number of workers and after any start, what an epoch goes through, what
 * labels say, and what happens when an image cannot be had. */
#include <check.h>
#include <dirent.h>
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/file.h"
#include "runtime/image_batches.h"
#include "runtime/safetensors.h"
#include "tests/suite_run.h"
#include "tests/temporary_folder.h"

enum { IMAGES = 37, CLASSES = 5, HEIGHT = 8, WIDTH = 6, PLANE = HEIGHT * WIDTH, BATCH = 8 };

static void put_u32(uint8_t *out, uint32_t value) {
  for (int i = 0; i < 4; i++) out[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* IDX files of 37 grey images of 8x6: image i is of class i % 5 and has level 6 i, or a pattern around it. */
static void write_images(bool pattern) {
  uint8_t images[16 + IMAGES * PLANE] = {0}, labels[8 + IMAGES] = {0};
  const uint32_t image_header[] = {0x803, IMAGES, HEIGHT, WIDTH}, label_header[] = {0x801, IMAGES};
  for (int i = 0; i < 4; i++) put_u32(images + 4 * i, image_header[i]);
  for (int i = 0; i < 2; i++) put_u32(labels + 4 * i, label_header[i]);
  for (int i = 0; i < IMAGES; i++) {
    labels[8 + i] = (uint8_t)(i % CLASSES);
    for (int k = 0; k < PLANE; k++) images[16 + i * PLANE + k] = (uint8_t)(6 * i + (pattern ? k * 37 % 23 : 0));
  }
  char path[128];
  ck_assert_int_eq(file_write(in_folder("train-images-idx3-ubyte", path), images, sizeof images, NULL), SIMBA_OK);
  ck_assert_int_eq(file_write(in_folder("train-labels-idx1-ubyte", path), labels, sizeof labels, NULL), SIMBA_OK);
}

static void images_ready(void) {
  enter_folder();
  write_images(true);
}

static ImageSet *open_set(const char *path, const char *label_maps, bool skip) {
  ImageSetOptions options = image_set_defaults();
  options.validation = options.test = 0;
  options.label_maps = label_maps;
  options.skip_corrupt = skip;
  ImageSet *set = NULL;
  simba_error error = {0};
  ck_assert_msg(!image_set_open(path, &options, &set, &error), "%s", error.message);
  return set;
}

static BatchOptions options_for(bool training) {
  BatchOptions options;
  batch_options_defaults(1, HEIGHT, WIDTH, CLASSES, &options);
  options.batch = BATCH;
  options.training = training;
  options.seed = 11;
  return options;
}

static ImageBatches *open_batches(const ImageSet *set, const BatchOptions *options) {
  ImageBatches *batches = NULL;
  simba_error error = {0};
  ck_assert_msg(!image_batches_open(set, options, &batches, &error), "%s", error.message);
  return batches;
}

static ImageBatch next_batch(ImageBatches *batches) {
  ImageBatch batch;
  simba_error error = {0};
  ck_assert_msg(!image_batches_next(batches, &batch, &error), "%s", error.message);
  return batch;
}

/* FNV-1a */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
  return hash;
}

/* All bits of a batch but for its number. */
static uint64_t hash_batch(const ImageBatch *batch, const BatchOptions *options) {
  size_t count = (size_t)batch->count, tokens = (size_t)options->token_rows * (size_t)options->token_columns;
  uint64_t hash = hash_bytes(0xcbf29ce484222325, batch->images, count * PLANE * sizeof(float));
  hash = hash_bytes(hash, batch->labels, count * CLASSES * sizeof(float));
  if (tokens) hash = hash_bytes(hash, batch->token_labels, count * tokens * CLASSES * sizeof(float));
  hash = hash_bytes(hash, batch->samples, count * sizeof(int64_t));
  return hash_bytes(hash, batch->classes, count * sizeof(int32_t));
}

/* Everything on. */
static BatchOptions everything(void) {
  BatchOptions options = options_for(true);
  options.smoothing = 0.1F;
  options.mixup = 0.8F;
  options.cutmix = 1;
  options.repeats = 3;
  options.token_rows = 2;
  options.token_columns = 3;
  ImageAugmentation *a = &options.augmentation;
  a->crop = CROP_RANDOM_RESIZED;
  a->filter = FILTER_RANDOM;
  a->flip = 0.5F;
  a->operations = 2;
  a->cutout = 2;
  a->erase = 0.5F;
  a->erase_fill = ERASE_NOISE;
  return options;
}

enum { EPOCH_BATCHES = 5 };

START_TEST(same_bits_for_any_workers) {
  ImageSet *set = open_set(temporary_folder, NULL, false);
  uint64_t expected[2][EPOCH_BATCHES] = {0};
  static const int32_t WORKERS[] = {0, 1, 2, 5};
  for (size_t w = 0; w < sizeof WORKERS / sizeof *WORKERS; w++) {
    BatchOptions options = everything();
    options.workers = WORKERS[w];
    options.memory = w == 2 ? 1 : 0;                       /* the smallest ring: two batches */
    fesetround(WORKERS[w] % 2 ? FE_UPWARD : FE_TONEAREST); /* of the caller, who makes batches too */
    ImageBatches *batches = open_batches(set, &options);
    ck_assert_int_eq(image_batches_count(batches), EPOCH_BATCHES);
    ck_assert_int_eq(image_batches_images(batches), IMAGES);
    for (int epoch = 0; epoch < 2; epoch++) {
      image_batches_start_epoch(batches, epoch, 0);
      for (int b = 0; b < EPOCH_BATCHES; b++) {
        ImageBatch batch = next_batch(batches);
        ck_assert_int_eq(batch.number, b);
        ck_assert_int_eq(batch.count, b < 4 ? BATCH : IMAGES - 4 * BATCH);
        uint64_t hash = hash_batch(&batch, &options);
        if (w == 0) expected[epoch][b] = hash;
        ck_assert_uint_eq(hash, expected[epoch][b]);
      }
      ck_assert_int_eq(next_batch(batches).count, 0);
      ck_assert_int_eq(next_batch(batches).count, 0);
    }
    ck_assert_double_ge(image_batches_waited(batches), 0);
    for (int b = 0; b < EPOCH_BATCHES; b++) ck_assert_uint_ne(expected[0][b], expected[1][b]);
    /* In the middle of an epoch, before another has ended. */
    for (int first = EPOCH_BATCHES; first >= 0; first--) {
      image_batches_start_epoch(batches, 1, first);
      ImageBatch batch = next_batch(batches);
      if (first == EPOCH_BATCHES)
        ck_assert_int_eq(batch.count, 0);
      else
        ck_assert_uint_eq(hash_batch(&batch, &options), expected[1][first]);
    }
    image_batches_close(batches);
  }
  fesetround(FE_TONEAREST);
  image_set_close(set);
}
END_TEST

/* Training: each image once, in an order of the epoch. Evaluation: in their own, as they are, one hot. */
START_TEST(epochs) {
  ImageSet *set = open_set(temporary_folder, NULL, false);
  for (int training = 0; training < 2; training++) {
    BatchOptions options = options_for(training);
    options.smoothing = options.mixup = training ? 0 : 0.1F; /* not of evaluation */
    options.repeats = training ? 1 : 3;
    ImageBatches *batches = open_batches(set, &options);
    ck_assert_int_eq(next_batch(batches).count, 0); /* none was started */
    int64_t order[2][IMAGES];
    for (int epoch = 0; epoch < 2; epoch++) {
      int seen[IMAGES] = {0}, position = 0;
      image_batches_start_epoch(batches, epoch, 0);
      for (ImageBatch batch; (batch = next_batch(batches)).count;) {
        for (int64_t i = 0; i < batch.count; i++) {
          int64_t sample = batch.samples[i];
          order[epoch][position++] = sample;
          seen[sample]++;
          ck_assert_int_eq(batch.classes[i], sample % CLASSES);
          ck_assert_float_eq(batch.images[i * PLANE], (float)(6 * sample) / 255);
          for (int k = 0; k < CLASSES; k++) {
            ck_assert_float_eq(batch.labels[i * CLASSES + k], k == sample % CLASSES);
          }
        }
      }
      ck_assert_int_eq(position, IMAGES);
      for (int i = 0; i < IMAGES; i++) ck_assert_int_eq(seen[i], 1);
    }
    ck_assert_int_eq(memcmp(order[0], order[1], sizeof order[0]) != 0, training);
    for (int i = 0; i < IMAGES && !training; i++) ck_assert_int_eq(order[0][i], i);
    image_batches_close(batches);
  }
  image_set_close(set);
}
END_TEST

START_TEST(last_batch_dropped) {
  ImageSet *set = open_set(temporary_folder, NULL, false);
  BatchOptions options = options_for(true);
  options.drop_last = true;
  ImageBatches *batches = open_batches(set, &options);
  ck_assert_int_eq(image_batches_count(batches), 4);
  ck_assert_int_eq(image_batches_images(batches), 4 * BATCH);
  image_batches_start_epoch(batches, 0, 3);
  ck_assert_int_eq(next_batch(batches).count, BATCH);
  ck_assert_int_eq(next_batch(batches).count, 0);
  image_batches_close(batches);
  image_set_close(set);
}
END_TEST

/* Each image three times in a row, differently; a third of the images an epoch. */
START_TEST(repeats) {
  ImageSet *set = open_set(temporary_folder, NULL, false);
  BatchOptions options = options_for(true);
  options.repeats = 3;
  options.batch = IMAGES;
  options.augmentation.crop = CROP_RANDOM_RESIZED;
  ImageBatches *batches = open_batches(set, &options);
  image_batches_start_epoch(batches, 0, 0);
  ImageBatch batch = next_batch(batches);
  ck_assert_int_eq(batch.count, IMAGES);
  int times[IMAGES] = {0}, different = 0;
  for (int i = 0; i < IMAGES; i++) {
    times[batch.samples[i]]++;
    if (i % 3 == 0) continue;
    ck_assert_int_eq(batch.samples[i], batch.samples[i - 1]);
    ck_assert(memcmp(batch.images + i * PLANE, batch.images + (i - 1) * PLANE, PLANE * sizeof(float)) != 0);
  }
  for (int i = 0; i < IMAGES; i++) different += times[i] > 0;
  ck_assert_int_eq(different, (IMAGES + 2) / 3);
  image_batches_close(batches);
  image_set_close(set);
}
END_TEST

/* ---- Labels ---- */

START_TEST(smoothing) {
  ImageSet *set = open_set(temporary_folder, NULL, false);
  BatchOptions options = options_for(true);
  options.smoothing = 0.1F;
  ImageBatches *batches = open_batches(set, &options);
  image_batches_start_epoch(batches, 0, 0);
  ImageBatch batch = next_batch(batches);
  for (int i = 0; i < BATCH * CLASSES; i++) {
    ck_assert_float_eq_tol(batch.labels[i], i % CLASSES == batch.classes[i / CLASSES] ? 0.92F : 0.02F, 1e-6F);
  }
  image_batches_close(batches);
  image_set_close(set);
}
END_TEST

/* Of images of one level each, what a pixel is made of is what the label is made of. */
static void check_mixed(const ImageBatch *batch, bool box, int64_t i, double *out_own) {
  int64_t other = batch->count - 1 - i;
  float level = (float)(6 * batch->samples[i]) / 255, other_level = (float)(6 * batch->samples[other]) / 255, sum = 0;
  double share = 0;
  for (int k = 0; k < PLANE; k++) {
    float value = batch->images[i * PLANE + k];
    if (box) ck_assert(value == level || value == other_level);
    share += ((double)value - (double)other_level) / ((double)level - (double)other_level) / PLANE;
  }
  float expected[CLASSES] = {0};
  expected[batch->classes[i]] += (float)share;
  expected[batch->classes[other]] += (float)(1 - share);
  for (int k = 0; k < CLASSES; k++) {
    ck_assert_float_eq_tol(batch->labels[i * CLASSES + k], expected[k], 1e-5F);
    sum += batch->labels[i * CLASSES + k];
  }
  ck_assert_float_eq_tol(sum, 1, 1e-6F);
  *out_own = share;
}

START_TEST(mixed_labels) {
  write_images(false);
  ImageSet *set = open_set(temporary_folder, NULL, false);
  for (int kind = 0; kind < 3; kind++) {
    BatchOptions options = options_for(true);
    options.mixup = kind != 1 ? 0.8F : 0;
    options.cutmix = kind != 0 ? 1 : 0;
    options.mix_probability = kind == 2 ? 0.5F : 1;
    ImageBatches *batches = open_batches(set, &options);
    double sum = 0, first = 0;
    int count = 0, whole = 0;
    for (int epoch = 0; epoch < 60; epoch++) {
      image_batches_start_epoch(batches, epoch, 0);
      for (ImageBatch batch; (batch = next_batch(batches)).count;) {
        for (int64_t i = 0; i < batch.count; i++) {
          if (i == batch.count - 1 - i) continue;
          double own;
          check_mixed(&batch, kind == 1, i, &own);
          if (i) ck_assert_double_eq_tol(own, first, 1e-4); /* one lambda a batch */
          first = own;
        }
        sum += first;
        whole += fabs(first - 1) < 1e-4;
        count++;
      }
    }
    if (kind == 0) ck_assert_double_lt(fabs(sum / count - 0.5), 0.08);
    if (kind == 2) ck_assert(whole > count / 3 && whole < 3 * count / 4); /* and a box may be empty */
    image_batches_close(batches);
  }
  image_set_close(set);
}
END_TEST

/* Without label maps each token has its image's label; with CutMix, the shares of its area. */
START_TEST(token_labels_without_maps) {
  write_images(false);
  ImageSet *set = open_set(temporary_folder, NULL, false);
  BatchOptions options = options_for(true);
  options.cutmix = 1;
  options.token_rows = 4;
  options.token_columns = 2; /* tokens of 2x3 pixels */
  ImageBatches *batches = open_batches(set, &options);
  for (int epoch = 0; epoch < 10; epoch++) {
    image_batches_start_epoch(batches, epoch, 0);
    for (ImageBatch batch; (batch = next_batch(batches)).count;) {
      for (int64_t i = 0; i < batch.count * 8; i++) {
        int64_t image = i / 8, other = batch.count - 1 - image, token = i % 8;
        float expected[CLASSES] = {0}, level = (float)(6 * batch.samples[image]) / 255;
        for (int k = 0; k < 6; k++) {
          int64_t pixel = (token / 2 * 2 + k / 3) * WIDTH + token % 2 * 3 + k % 3;
          bool own = batch.images[image * PLANE + pixel] == level;
          expected[batch.classes[own ? image : other]] += 1.0F / 6;
        }
        for (int k = 0; k < CLASSES; k++)
          ck_assert_float_eq_tol(batch.token_labels[i * CLASSES + k], expected[k], 1e-5F);
      }
    }
  }
  image_batches_close(batches);
  image_set_close(set);
}
END_TEST

/* A map whose left half is class 0, its right half class 1; above the middle with twice the scores, which changes no
 * probability. */
static const char *write_maps(char folder[128]) {
  enum { SIDE = 4, COUNT = SIDE * SIDE };
  float scores[CLASSES * COUNT] = {0};
  for (int k = 0; k < COUNT; k++) scores[(k % SIDE >= SIDE / 2) * COUNT + k] = k < COUNT / 2 ? 2 : 1;
  Tensor tensor = {.name = "labels", .rank = 3, .shape = {CLASSES, SIDE, SIDE}, .bytes = scores};
  ck_assert_int_eq(folder_create(in_folder("maps", folder), NULL), SIMBA_OK);
  for (int i = 0; i < IMAGES; i++) {
    char path[192];
    snprintf(path, sizeof path, "%s/%d.safetensors", folder, i);
    ck_assert_int_eq(tensor_file_write(path, &tensor, 1, NULL, 0, NULL), SIMBA_OK);
  }
  return folder;
}

START_TEST(token_labels_from_maps) {
  char folder[128];
  ImageSet *set = open_set(temporary_folder, write_maps(folder), false);
  BatchOptions options = options_for(true);
  options.batch = IMAGES;
  options.token_rows = options.token_columns = 4;
  options.augmentation.flip = 0.5F;
  ImageBatches *batches = open_batches(set, &options);
  image_batches_start_epoch(batches, 0, 0);
  ImageBatch batch = next_batch(batches);
  int flipped = 0;
  for (int64_t i = 0; i < IMAGES; i++) {
    bool turned = batch.images[i * PLANE] != (float)(6 * batch.samples[i]) / 255;
    flipped += turned;
    for (int64_t p = 0; p < 16; p++) {
      const float *token = batch.token_labels + (i * 16 + p) * CLASSES;
      int expected = (p % 4 >= 2) != turned;
      for (int k = 0; k < CLASSES; k++) ck_assert_float_eq_tol(token[k], k == expected, 1e-6F);
    }
  }
  ck_assert(flipped > 5 && flipped < IMAGES - 5);
  image_batches_close(batches);
  options.token_scores = TOKEN_LOGITS;
  options.smoothing = 0.2F;
  batches = open_batches(set, &options);
  image_batches_start_epoch(batches, 0, 0);
  batch = next_batch(batches);
  float total = expf(2) + CLASSES - 1, sum = 0;
  for (int k = 0; k < CLASSES; k++) sum += batch.token_labels[k];
  ck_assert_float_eq_tol(sum, 1, 1e-6F);
  ck_assert_float_eq_tol(batch.token_labels[2], 0.8F / total + 0.04F, 1e-6F);
  image_batches_close(batches);
  image_set_close(set);
}
END_TEST

/* ---- What goes wrong ---- */

/* Folders cat and dog with a PNG each of 12 x 12, and one that is cut short. */
static void write_class_folders(void) {
  float pixels[3 * 144];
  for (int k = 0; k < 3 * 144; k++) pixels[k] = (float)(k % 97) / 97;
  ImageAugmentation a;
  image_augmentation_defaults(3, 12, 12, &a);
  ImageBatch batch = {.count = 1, .images = pixels};
  char path[128], *bytes;
  size_t size;
  const char *const folders[] = {"pets", "pets/cat", "pets/dog"};
  for (int i = 0; i < 3; i++) ck_assert_int_eq(folder_create(in_folder(folders[i], path), NULL), SIMBA_OK);
  const char *const files[] = {"pets/cat/1.png", "pets/cat/2.png", "pets/cat/3.png", "pets/dog/1.png",
                               "pets/dog/2.png"};
  for (int i = 0; i < 5; i++)
    ck_assert_int_eq(image_batch_sheet(&batch, &a, 1, in_folder(files[i], path), NULL), SIMBA_OK);
  ck_assert_int_eq(file_read(in_folder("pets/cat/3.png", path), &bytes, &size, NULL), SIMBA_OK);
  ck_assert_int_eq(file_write(path, bytes, size / 2, NULL), SIMBA_OK);
  free(bytes);
}

START_TEST(corrupt_image_stops) {
  write_class_folders();
  char path[128];
  ImageSet *set = open_set(in_folder("pets", path), NULL, false);
  for (int32_t workers = 0; workers < 3; workers++) {
    BatchOptions options;
    batch_options_defaults(3, 8, 8, 2, &options);
    options.workers = workers;
    ImageBatches *batches = open_batches(set, &options);
    for (int round = 0; round < 3; round++) {
      simba_error error;
      ImageBatch batch;
      image_batches_start_epoch(batches, 0, 0);
      ck_assert_int_eq(next_batch(batches).count, 1);
      ck_assert_int_eq(next_batch(batches).count, 1);
      for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(image_batches_next(batches, &batch, &error), SIMBA_DATA_ERROR);
        ck_assert_ptr_nonnull(strstr(error.message, "pets/cat/3.png"));
        ck_assert_int_eq(batch.count, 0);
      }
    }
    image_batches_start_epoch(batches, 0, 3); /* behind it all is well */
    ck_assert_int_eq(next_batch(batches).classes[0], 1);
    image_batches_close(batches);
  }
  image_set_close(set);
}
END_TEST

START_TEST(corrupt_image_skipped) {
  write_class_folders();
  char path[128];
  ImageSet *set = open_set(in_folder("pets", path), NULL, true);
  BatchOptions options;
  batch_options_defaults(3, 8, 8, 2, &options);
  options.batch = 5;
  options.workers = 2;
  ImageBatches *batches = open_batches(set, &options);
  image_batches_start_epoch(batches, 0, 0);
  ImageBatch batch = next_batch(batches);
  static const int64_t SAMPLES[] = {0, 1, 3, 3, 4};
  for (int i = 0; i < 5; i++) ck_assert_int_eq(batch.samples[i], SAMPLES[i]);
  for (int i = 0; i < 5; i++) ck_assert_int_eq(batch.classes[i], SAMPLES[i] > 2);
  ck_assert_int_eq(image_set_skipped_count(set), 1);
  image_batches_close(batches);
  image_set_close(set);
}
END_TEST

START_TEST(mistakes) {
  ImageSet *set = open_set(temporary_folder, NULL, false);
  BatchOptions options = options_for(false);
  options.classes = 4;
  ImageBatches *batches = open_batches(set, &options);
  image_batches_start_epoch(batches, 0, 0);
  ImageBatch batch;
  simba_error error;
  ck_assert_int_eq(image_batches_next(batches, &batch, &error), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(strstr(error.message, "image 4"));
  ck_assert_ptr_nonnull(strstr(error.message, "the label is 4, but there are 4 classes"));
  image_batches_close(batches);
  options = options_for(true);
  options.augmentation.channels = 3;
  batches = open_batches(set, &options);
  image_batches_start_epoch(batches, 0, 0);
  ck_assert_int_eq(image_batches_next(batches, &batch, &error), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(strstr(error.message, "the image has 1 channel, the model takes 3"));
  image_batches_close(batches);
  options = options_for(true);
  options.smoothing = 1;
  ck_assert_int_eq(image_batches_open(set, &options, &batches, &error), SIMBA_INVALID_ARGUMENT);
  ck_assert_str_eq(error.message, "label smoothing (0 to below 1) is out of range");
  options = options_for(true);
  options.batch = IMAGES + 1;
  options.drop_last = true;
  ck_assert_int_eq(image_batches_open(set, &options, &batches, &error), SIMBA_DATA_ERROR);
  image_set_close(set);
}
END_TEST

/* Threads of this process whose priority is that far below its own. */
static int count_nicer(int by) {
  int count = 0, own = getpriority(PRIO_PROCESS, 0);
  DIR *tasks = opendir("/proc/self/task");
  ck_assert_ptr_nonnull(tasks);
  for (struct dirent *task; (task = readdir(tasks));) {
    if (task->d_name[0] == '.') continue;
    count += getpriority(PRIO_PROCESS, (id_t)atoi(task->d_name)) == (own + by > 19 ? 19 : own + by);
  }
  closedir(tasks);
  return count;
}

/* Kernels come first. */
START_TEST(workers_are_nicer) {
  if (getpriority(PRIO_PROCESS, 0) == 19) return; /* nobody can be nicer */
  ImageSet *set = open_set(temporary_folder, NULL, false);
  BatchOptions options = options_for(true);
  options.workers = 3;
  ImageBatches *batches = open_batches(set, &options);
  for (int tries = 0; count_nicer(10) < 3 && tries < 5000; tries++) usleep(1000);
  ck_assert_int_eq(count_nicer(10), 3);
  image_batches_close(batches);
  image_set_close(set);
}
END_TEST

/* Closed, or started anew, at any moment. */
START_TEST(closed_at_any_time) {
  ImageSet *set = open_set(temporary_folder, NULL, false);
  image_batches_close(NULL);
  for (int32_t workers = 0; workers < 4; workers++) {
    for (int taken = -1; taken < EPOCH_BATCHES + 2; taken++) {
      BatchOptions options = everything();
      options.workers = workers;
      ImageBatches *batches = open_batches(set, &options);
      if (taken >= 0) image_batches_start_epoch(batches, 0, 0);
      for (int b = 0; b < taken; b++) next_batch(batches);
      if (taken % 2) image_batches_start_epoch(batches, 1, 0);
      image_batches_close(batches);
    }
  }
  image_set_close(set);
}
END_TEST

START_TEST(sheet) {
  ImageSet *set = open_set(temporary_folder, NULL, false);
  BatchOptions options = options_for(false);
  options.augmentation.mean[0] = 0.3F;
  options.augmentation.deviation[0] = 0.2F;
  ImageBatches *batches = open_batches(set, &options);
  image_batches_start_epoch(batches, 0, 0);
  ImageBatch batch = next_batch(batches);
  char path[128], folder[128];
  const char *const folders[] = {"sheets/a", "sheets/b"}, *const files[] = {"sheets/a/1.png", "sheets/b/1.png"};
  ck_assert_int_eq(folder_create(in_folder("sheets", folder), NULL), SIMBA_OK);
  for (int i = 0; i < 2; i++) { /* a set has two classes at least */
    ck_assert_int_eq(folder_create(in_folder(folders[i], path), NULL), SIMBA_OK);
    in_folder(files[i], path);
    ck_assert_int_eq(image_batch_sheet(&batch, &options.augmentation, 3, path, NULL), SIMBA_OK);
  }
  image_batches_close(batches);
  image_set_close(set);
  set = open_set(in_folder("sheets", folder), NULL, false);
  Image image = {0};
  ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, 0, &image, NULL), SIMBA_OK);
  ck_assert_int_eq(image.height, 2 + 3 * (HEIGHT * 16 + 2)); /* 6 pixels become 96 */
  ck_assert_int_eq(image.width, 2 + 3 * (WIDTH * 16 + 2));
  for (int i = 0; i < BATCH; i++) { /* the first pixel of each has its level again */
    int y = 2 + i / 3 * (HEIGHT * 16 + 2), x = 2 + i % 3 * (WIDTH * 16 + 2);
    ck_assert_int_eq(image.pixels[y * image.width + x], 6 * i);
    ck_assert_int_eq(image.pixels[(y - 1) * image.width + x], 255);
  }
  image_clear(&image);
  image_set_close(set);
}
END_TEST

/* Of levels 6 i, i = 0 .. 36; and of the first image alone. */
START_TEST(moments) {
  write_images(false);
  ImageSet *set = open_set(temporary_folder, NULL, false);
  float mean[3], deviation[3];
  ck_assert_int_eq(image_set_moments(set, SPLIT_TRAIN, 1, 0, mean, deviation, NULL), SIMBA_OK);
  ck_assert_float_eq_tol(mean[0], 6 * 18.0F / 255, 1e-6F);
  ck_assert_float_eq_tol(deviation[0], 6 * sqrtf((37 * 37 - 1) / 12.0F) / 255, 1e-6F);
  ck_assert_int_eq(image_set_moments(set, SPLIT_TRAIN, 1, 1, mean, deviation, NULL), SIMBA_OK);
  ck_assert_float_eq(mean[0], 0);
  ck_assert_float_eq(deviation[0], 1);
  simba_error error;
  ck_assert_int_eq(image_set_moments(set, SPLIT_TRAIN, 3, 0, mean, deviation, &error), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(strstr(error.message, "image 0"));
  ck_assert_ptr_nonnull(strstr(error.message, "the image has 1 channel, the model takes 3"));
  ck_assert_int_eq(image_set_moments(set, SPLIT_TEST, 1, 0, mean, deviation, &error), SIMBA_DATA_ERROR);
  image_set_close(set);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_batches");
  TCase *tests = tcase_create("batches");
  tcase_add_checked_fixture(tests, images_ready, leave_folder);
  tcase_add_test(tests, same_bits_for_any_workers);
  tcase_add_test(tests, epochs);
  tcase_add_test(tests, last_batch_dropped);
  tcase_add_test(tests, repeats);
  tcase_add_test(tests, smoothing);
  tcase_add_test(tests, mixed_labels);
  tcase_add_test(tests, token_labels_without_maps);
  tcase_add_test(tests, token_labels_from_maps);
  tcase_add_test(tests, corrupt_image_stops);
  tcase_add_test(tests, corrupt_image_skipped);
  tcase_add_test(tests, mistakes);
  tcase_add_test(tests, workers_are_nicer);
  tcase_add_test(tests, closed_at_any_time);
  tcase_add_test(tests, sheet);
  tcase_add_test(tests, moments);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
