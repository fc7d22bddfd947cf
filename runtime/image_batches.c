#include "image_batches.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "image_batches_internal.h"
#include "random.h"

enum {
  MAX_WORKERS = 64,
  AUTOMATIC_WORKERS = 8, /* at most */
  MAX_SLOTS = 8,         /* beside one a worker: enough for batches that take longer than others */
  WORKER_NICE = 10       /* more than the caller has */
};

static const size_t DEFAULT_MEMORY = (size_t)256 << 20;

typedef struct DataWorker {
  struct ImageBatches *batches;
  BatchMaker maker;
  pthread_t thread;
} DataWorker;

/* Batch b is made in slot b % slots. Batches `taken` .. `claimed` - 1 are under way or ready, `released` .. `taken` - 1
 * are with the caller: at most one. A worker claims a batch where its slot is not among those. */
struct ImageBatches {
  BatchOptions options;
  BatchPlan plan; /* changes only while no batch is under way */
  int64_t *order; /* [images of the split] */
  BatchSlot *slot;
  DataWorker *worker; /* [worker_count] */
  BatchMaker own;     /* the caller's */
  int32_t slot_count, worker_count, started;
  double waited;
  pthread_mutex_t mutex; /* of all that follows, and of the slots' `ready` */
  pthread_cond_t wake, done;
  int64_t claimed, taken, released, end;
  int32_t under_way;
  bool quit;
  simba_status status; /* of the epoch: sticks */
  simba_error error;
};

/* ---- Workers ---- */

static bool batch_wanted(const ImageBatches *batches) {
  return batches->claimed < batches->end && batches->claimed - batches->released < batches->slot_count;
}

/* Claims a batch that is wanted and makes it, with the mutex released meanwhile. */
static void make_next(ImageBatches *batches, BatchMaker *maker) {
  int64_t number = batches->claimed++;
  BatchSlot *slot = &batches->slot[number % batches->slot_count];
  batches->under_way++;
  pthread_mutex_unlock(&batches->mutex);
  batch_make(&batches->plan, maker, number, slot);
  pthread_mutex_lock(&batches->mutex);
  slot->ready = true;
  batches->under_way--;
  pthread_cond_signal(&batches->done);
}

static void *worker_main(void *argument) {
  DataWorker *worker = argument;
  ImageBatches *batches = worker->batches;
  id_t thread = (id_t)gettid(); /* on Linux each thread has a priority */
  setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + WORKER_NICE);
  pthread_mutex_lock(&batches->mutex);
  while (!batches->quit) {
    if (batch_wanted(batches))
      make_next(batches, &worker->maker);
    else
      pthread_cond_wait(&batches->wake, &batches->mutex);
  }
  pthread_mutex_unlock(&batches->mutex);
  return NULL;
}

/* Workers inherit a mask that blocks every signal: Ctrl-C is the caller's. */
static simba_status start_workers(ImageBatches *batches, simba_error *error) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failure = 0;
  for (int32_t i = 0; i < batches->worker_count && !failure; i++) {
    failure = pthread_create(&batches->worker[i].thread, NULL, worker_main, &batches->worker[i]);
    if (!failure) batches->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failure ? error_set_system(error, "image batches", "start a thread", failure) : SIMBA_OK;
}

/* Nobody begins another batch; those under way are given up. With the mutex held. */
static void stop_epoch(ImageBatches *batches) {
  batches->end = batches->claimed;
  atomic_store(&batches->plan.cancelled, true);
  while (batches->under_way) pthread_cond_wait(&batches->done, &batches->mutex);
}

/* ---- Opening and closing ---- */

void batch_options_defaults(int32_t channels, int32_t height, int32_t width, int32_t classes,
                            BatchOptions *out_options) {
  *out_options = (BatchOptions){.batch = 1,
                                .classes = classes,
                                .mix_probability = 1,
                                .switch_probability = 0.5F,
                                .repeats = 1,
                                .workers = BATCH_WORKERS_AUTOMATIC};
  image_augmentation_defaults(channels, height, width, &out_options->augmentation);
}

static bool is_share(float value) { return value >= 0 && value <= 1; }

static simba_status check_options(const ImageSet *set, const BatchOptions *options, simba_error *error) {
  const BatchOptions *o = options;
  const char *wrong = NULL;
  int32_t grid = 1 << 10; /* rows and columns at most: their product and those with other sizes stay numbers */
  if (o->batch < 1 || o->batch > 1 << 20) wrong = "the batch";
  if (o->classes < 1 || o->classes > 1 << 20) wrong = "the number of classes";
  if ((int)o->split < 0 || o->split >= SPLIT_COUNT) wrong = "the split";
  if (!(o->smoothing >= 0 && o->smoothing < 1)) wrong = "label smoothing (0 to below 1)";
  if (!(o->mixup >= 0 && o->mixup <= 1e3F)) wrong = "mixup's alpha (0 to 1000)";
  if (!(o->cutmix >= 0 && o->cutmix <= 1e3F)) wrong = "CutMix's alpha (0 to 1000)";
  if (!is_share(o->mix_probability)) wrong = "the probability of mixing (0 to 1)";
  if (!is_share(o->switch_probability)) wrong = "the probability of CutMix (0 to 1)";
  if (o->repeats < 0 || o->repeats > 255) wrong = "the number of repeats (0 to 255)";
  if (o->workers < BATCH_WORKERS_AUTOMATIC || o->workers > MAX_WORKERS) wrong = "the number of workers (0 to 64)";
  if (o->token_rows < 0 || o->token_rows > grid || o->token_columns < 0 || o->token_columns > grid ||
      !o->token_rows != !o->token_columns) {
    wrong = "the grid of tokens";
  }
  if (wrong) return error_set(error, SIMBA_INVALID_ARGUMENT, "%s is out of range", wrong);
  if (o->drop_last && image_set_count(set, o->split) < o->batch) {
    return error_set(error, SIMBA_DATA_ERROR, "%lld images are less than a batch of %d",
                     (long long)image_set_count(set, o->split), o->batch);
  }
  int32_t map_height, map_width;
  image_set_label_map_size(set, &map_height, &map_width);
  if (map_height > 0 && image_set_class_count(set) > o->classes) {
    return error_set(error, SIMBA_DATA_ERROR, "the label maps have %d classes, the model has %d",
                     image_set_class_count(set), o->classes);
  }
  return image_augmentation_check(&o->augmentation, error);
}

static int32_t workers_wanted(const BatchOptions *options) {
  if (options->workers != BATCH_WORKERS_AUTOMATIC) return options->workers;
  int32_t half = processor_count() / 2;
  return half < 1 ? 1 : half > AUTOMATIC_WORKERS ? AUTOMATIC_WORKERS : half;
}

/* As many slots as the memory holds, at least two: one with the caller, one being made. */
static int32_t slots_wanted(const BatchOptions *options, int32_t workers) {
  if (workers == 0) return 1;
  size_t fit = (options->memory ? options->memory : DEFAULT_MEMORY) / batch_slot_bytes(options);
  size_t useful = (size_t)MAX_SLOTS + (size_t)workers;
  return (int32_t)(fit < 2 ? 2 : fit > useful ? useful : fit);
}

static simba_status create_parts(ImageBatches *batches, simba_error *error) {
  const BatchOptions *options = &batches->options;
  int32_t workers = workers_wanted(options), slots = slots_wanted(options, workers);
  int64_t images = image_set_count(batches->plan.set, options->split);
  batches->order = memory_allocate((size_t)images, sizeof *batches->order);
  batches->slot = memory_allocate_aligned((size_t)slots, sizeof *batches->slot);
  batches->worker = memory_allocate_aligned((size_t)workers, sizeof *batches->worker);
  if (!batches->order || !batches->slot || !batches->worker) return error_set_memory(error, "batches of images");
  for (int64_t i = 0; i < images; i++) batches->order[i] = i;
  batches->plan.order = batches->order;
  batches->plan.images = options->drop_last ? images / options->batch * options->batch : images;
  simba_status status = SIMBA_OK;
  for (; batches->slot_count < slots && !status; batches->slot_count++) {
    status = batch_slot_create(options, &batches->slot[batches->slot_count], error);
  }
  for (; batches->worker_count < workers && !status; batches->worker_count++) {
    DataWorker *worker = &batches->worker[batches->worker_count];
    worker->batches = batches;
    status = batch_maker_create(options, &worker->maker, error);
  }
  if (!status) status = batch_maker_create(options, &batches->own, error);
  return status ? status : start_workers(batches, error);
}

simba_status image_batches_open(const ImageSet *set, const BatchOptions *options, ImageBatches **out_batches,
                                simba_error *error) {
  simba_status status = check_options(set, options, error);
  if (status) return status;
  ImageBatches *batches = memory_allocate_aligned(1, sizeof *batches);
  if (!batches) return error_set_memory(error, "batches of images");
  batches->options = *options;
  if (!options->training) { /* images and labels as they are */
    batches->options.smoothing = batches->options.mixup = batches->options.cutmix = 0;
    batches->options.repeats = 1;
  }
  batches->plan.set = set;
  batches->plan.options = &batches->options;
  int32_t map_height, map_width;
  image_set_label_map_size(set, &map_height, &map_width);
  batches->plan.label_maps = map_height > 0 && options->training && options->split == SPLIT_TRAIN;
  pthread_mutex_init(&batches->mutex, NULL);
  pthread_cond_init(&batches->wake, NULL);
  pthread_cond_init(&batches->done, NULL);
  status = create_parts(batches, error);
  if (status) {
    image_batches_close(batches);
    return status;
  }
  *out_batches = batches;
  return SIMBA_OK;
}

void image_batches_close(ImageBatches *batches) {
  if (!batches) return;
  pthread_mutex_lock(&batches->mutex);
  batches->quit = true;
  stop_epoch(batches);
  pthread_cond_broadcast(&batches->wake);
  pthread_mutex_unlock(&batches->mutex);
  for (int32_t i = 0; i < batches->started; i++) pthread_join(batches->worker[i].thread, NULL);
  for (int32_t i = 0; i < batches->worker_count; i++) batch_maker_clear(&batches->worker[i].maker);
  for (int32_t i = 0; i < batches->slot_count; i++) batch_slot_clear(&batches->slot[i]);
  batch_maker_clear(&batches->own);
  pthread_mutex_destroy(&batches->mutex);
  pthread_cond_destroy(&batches->wake);
  pthread_cond_destroy(&batches->done);
  free(batches->order);
  free(batches->slot);
  free(batches->worker);
  free(batches);
}

/* ---- Epochs ---- */

int64_t image_batches_images(const ImageBatches *batches) { return batches->plan.images; }

int64_t image_batches_count(const ImageBatches *batches) {
  return (batches->plan.images + batches->options.batch - 1) / batches->options.batch;
}

void image_batches_start_epoch(ImageBatches *batches, int64_t epoch, int64_t first_batch) {
  pthread_mutex_lock(&batches->mutex);
  stop_epoch(batches);
  const BatchOptions *options = &batches->options;
  if (options->training) {
    random_shuffle(options->seed, (uint64_t)epoch, image_set_count(batches->plan.set, options->split), batches->order);
  }
  batches->plan.epoch = epoch;
  atomic_store(&batches->plan.cancelled, false);
  for (int32_t i = 0; i < batches->slot_count; i++) batches->slot[i].ready = false;
  batches->end = image_batches_count(batches);
  batches->claimed = batches->taken = batches->released = first_batch;
  batches->status = SIMBA_OK;
  pthread_cond_broadcast(&batches->wake);
  pthread_mutex_unlock(&batches->mutex);
}

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Until the batch in the slot is made; with the mutex held. Who waits works: kernels do nothing meanwhile, and on a busy
 * machine workers of low priority get little. */
static void await_slot(ImageBatches *batches, const BatchSlot *slot) {
  if (slot->ready) return;
  double before = seconds_now();
  while (!slot->ready) {
    if (batch_wanted(batches))
      make_next(batches, &batches->own);
    else
      pthread_cond_wait(&batches->done, &batches->mutex);
  }
  batches->waited += seconds_now() - before;
}

simba_status image_batches_next(ImageBatches *batches, ImageBatch *out_batch, simba_error *error) {
  *out_batch = (ImageBatch){0};
  pthread_mutex_lock(&batches->mutex);
  if (batches->released < batches->taken) { /* what the caller had */
    batches->slot[batches->released % batches->slot_count].ready = false;
    batches->released = batches->taken;
    pthread_cond_signal(&batches->wake);
  }
  if (!batches->status && batches->taken < batches->end) {
    BatchSlot *slot = &batches->slot[batches->taken % batches->slot_count];
    await_slot(batches, slot);
    if (slot->status) {
      batches->status = slot->status;
      batches->error = slot->error;
      stop_epoch(batches);
    } else {
      batches->taken++;
      *out_batch = (ImageBatch){slot->number,       slot->count,   slot->images, slot->labels,
                                slot->token_labels, slot->samples, slot->classes};
    }
  }
  simba_status status = batches->status;
  if (status && error) *error = batches->error;
  pthread_mutex_unlock(&batches->mutex);
  return status;
}

double image_batches_waited(const ImageBatches *batches) { return batches->waited; }
