/* Images a second that one thread augments, by kind of set and of augmentation, decoding not among it.
 *
 *   augment_bench [SECONDS]
 *
 * SECONDS of processor time for each figure, 1 if not given; the best of ten parts of it counts. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/image_augment.h"

enum { SOURCES = 16, PARTS = 10 };

typedef struct Workload {
  const char *name;
  int32_t channels, side;      /* of the input */
  int32_t least_side, largest; /* of the sources */
  ImageCrop crop;
  ImageFilter filter;
  bool training;
  float flip, erase;
  EraseFill fill;
  int32_t operations;
} Workload;

static const Workload WORKLOADS[] = {
    {"28x28 grey, evaluation", 1, 28, 28, 28, CROP_WHOLE, FILTER_BILINEAR, false, 0, 0, ERASE_CONSTANT, 0},
    {"28x28 grey, padded crop, flip, erasing", 1, 28, 28, 28, CROP_PADDED, FILTER_BILINEAR, true, 0.5F, 0.25F,
     ERASE_CONSTANT, 0},
    {"28x28 grey, padded crop, flip, noise", 1, 28, 28, 28, CROP_PADDED, FILTER_BILINEAR, true, 0.5F, 0.25F,
     ERASE_NOISE, 0},
    {"28x28 grey, the same and RandAugment", 1, 28, 28, 28, CROP_PADDED, FILTER_BILINEAR, true, 0.5F, 0.25F,
     ERASE_NOISE, 2},
    {"224x224 colour, evaluation, bicubic", 3, 224, 256, 500, CROP_WHOLE, FILTER_BICUBIC, false, 0, 0, ERASE_CONSTANT,
     0},
    {"224x224 colour, random crop, flip, bilinear", 3, 224, 256, 500, CROP_RANDOM_RESIZED, FILTER_BILINEAR, true, 0.5F,
     0, ERASE_CONSTANT, 0},
    {"224x224 colour, random crop, flip, bicubic", 3, 224, 256, 500, CROP_RANDOM_RESIZED, FILTER_BICUBIC, true, 0.5F, 0,
     ERASE_CONSTANT, 0},
    {"224x224 colour, the paper's: and RandAugment, noise", 3, 224, 256, 500, CROP_RANDOM_RESIZED, FILTER_BICUBIC, true,
     0.5F, 0.25F, ERASE_NOISE, 2},
};

/* Of this thread: a busy machine does not count. */
static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Smooth with some grain, as photographs are. */
static bool make_sources(const Workload *workload, Image sources[SOURCES]) {
  for (int32_t i = 0; i < SOURCES; i++) {
    int32_t range = workload->largest - workload->least_side + 1;
    int32_t height = workload->least_side + i * 37 % range, width = workload->least_side + i * 91 % range;
    if (image_reserve(&sources[i], height, width, workload->channels, NULL)) return false;
    uint32_t grain = 1;
    for (int32_t k = 0; k < height * width * workload->channels; k++) {
      grain = grain * 1664525 + 1013904223;
      sources[i].pixels[k] = (uint8_t)(100 + k / width % 60 + k % width % 50 + (int32_t)(grain >> 29));
    }
  }
  return true;
}

/* Images a second; 0 where something fails. */
static double measure(const ImageAugmentation *augmentation, const Workload *workload, const Image *sources,
                      double seconds) {
  ImageWorkspace *workspace = NULL;
  size_t size = (size_t)workload->channels * (size_t)workload->side * (size_t)workload->side;
  float *input = memory_allocate_aligned(size, sizeof *input);
  double best = 0;
  if (!input || image_workspace_create(augmentation, &workspace, NULL)) goto done;
  uint64_t sample = 0;
  for (int part = 0; part < PARTS; part++) {
    double begin = seconds_now(), now = begin;
    int64_t count = 0;
    for (; now < begin + seconds / PARTS; now = seconds_now()) {
      for (int32_t i = 0; i < SOURCES; i++, sample++, count++) {
        ImageKey key = {.seed = 1, .sample = sample};
        if (image_augment(augmentation, &sources[i], workload->training ? &key : NULL, workspace, input, NULL, NULL)) {
          goto done;
        }
      }
    }
    double rate = (double)count / (now - begin);
    best = rate > best ? rate : best;
  }
done:
  image_workspace_destroy(workspace);
  free(input);
  return best;
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 1;
  for (size_t w = 0; w < sizeof WORKLOADS / sizeof *WORKLOADS; w++) {
    const Workload *workload = &WORKLOADS[w];
    Image sources[SOURCES] = {0};
    ImageAugmentation a;
    image_augmentation_defaults(workload->channels, workload->side, workload->side, &a);
    a.crop = workload->crop;
    a.pad = 2;
    a.filter = workload->filter;
    a.flip = workload->flip;
    a.erase = workload->erase;
    a.erase_fill = workload->fill;
    a.operations = workload->operations;
    a.centre_fraction = workload->side == 224 ? 0.875F : 1;
    double rate = make_sources(workload, sources) ? measure(&a, workload, sources, seconds) : 0;
    printf("%-52s %9.0f images/s  %8.1f us\n", workload->name, rate, 1e6 / rate);
    for (int32_t i = 0; i < SOURCES; i++) image_clear(&sources[i]);
  }
  return EXIT_SUCCESS;
}
