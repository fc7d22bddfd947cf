/* Images a second that one thread augments, by kind of set and of augmentation, decoding not among it.
 *
 *   augment_bench [SECONDS [PATH [SIDE [STEP]]]]
 *
 * SECONDS of processor time for each figure, 1 if not given; the best of ten parts of it counts. With a PATH, instead:
 * batches of 64 images of that set by worker threads, decoding among it, as inputs of SIDE x SIDE (224), and how long
 * whoever takes them waits where a step keeps two threads busy for STEP milliseconds (0: takes them at once). */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/image_batches.h"
#include "runtime/threads.h"

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

static double seconds_of(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Of this thread: a busy machine does not count. */
static double seconds_now(void) { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }

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

/* A kernel that keeps a processor busy: an item is a millisecond of it. */
static void spin(const simba_call *call, void *const *arguments, void *scratch, int64_t begin, int64_t end) {
  (void)call, (void)arguments, (void)scratch;
  double until = seconds_now() + 1e-3 * (double)(end - begin);
  while (seconds_now() < until) continue;
}

/* One epoch, or five seconds of it. */
static simba_status take_batches(ImageBatches *batches, simba_executor *executor, int64_t step, simba_error *error) {
  double begin = seconds_of(CLOCK_MONOTONIC), now = begin, stepped = 0;
  int64_t images = 0;
  ImageBatch batch = {0};
  simba_status status = SIMBA_OK;
  image_batches_start_epoch(batches, 0, 0);
  while (now < begin + 5 && !(status = image_batches_next(batches, &batch, error)) && batch.count) {
    images += batch.count;
    double before = seconds_of(CLOCK_MONOTONIC);
    if (step) executor->run(executor, spin, NULL, NULL, NULL, 0, 2 * step, 0);
    now = seconds_of(CLOCK_MONOTONIC);
    stepped += now - before;
  }
  printf("%9.0f images/s, %5.1f %% of the time waiting, steps of %.1f ms\n", (double)images / (now - begin),
         100 * image_batches_waited(batches) / (now - begin), 1e3 * stepped / ((double)images / 64));
  return status;
}

static simba_status measure_batches(const char *path, int32_t side, int64_t step, simba_error *error) {
  ImageSet *set = NULL;
  ThreadPool *pool = NULL;
  ImageSetOptions set_options = image_set_defaults();
  simba_status status = image_set_open(path, &set_options, &set, error);
  if (!status) status = thread_pool_create(2, &pool, error);
  for (int32_t workers = 0; workers <= 2 && !status; workers++) {
    BatchOptions options;
    ImageBatches *batches = NULL;
    batch_options_defaults(image_set_channels(set), side, side, image_set_class_count(set), &options);
    options.batch = 64;
    options.workers = workers;
    options.training = true;
    options.augmentation.crop = side > 64 ? CROP_RANDOM_RESIZED : CROP_PADDED;
    options.augmentation.pad = 2;
    options.augmentation.flip = 0.5F;
    options.augmentation.erase = 0.25F;
    printf("%d workers  ", workers);
    status = image_batches_open(set, &options, &batches, error);
    if (!status) status = take_batches(batches, thread_pool_executor(pool), step, error);
    image_batches_close(batches);
  }
  thread_pool_destroy(pool);
  image_set_close(set);
  return status;
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 1;
  if (argc > 2) {
    simba_error error = {0};
    int32_t side = argc > 3 ? atoi(argv[3]) : 224;
    if (!measure_batches(argv[2], side, argc > 4 ? atoi(argv[4]) : 0, &error)) return EXIT_SUCCESS;
    fprintf(stderr, "%s\n", error.message);
    return EXIT_FAILURE;
  }
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
