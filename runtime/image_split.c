/* Which images are for what. What the files do not tell apart is drawn: images are shuffled, ordered by class, and
 * taken at even distances, so that each class gives its share to within one image. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image_set_internal.h"
#include "random.h"

/* Epochs of shuffles that no training reaches. */
enum { DRAW_VALIDATION = 0x7FFFFFF0, DRAW_TEST = 0x7FFFFFF1 };

/* Memory of a draw among `count` images. */
typedef struct Draw {
  int64_t *shuffled, *by_class; /* positions in the list that is drawn from */
  int64_t *start;               /* [classes + 1] */
  bool *taken;
} Draw;

static void draw_free(Draw *draw) {
  free(draw->shuffled);
  free(draw->by_class);
  free(draw->start);
  free(draw->taken);
}

static bool draw_allocate(Draw *draw, int64_t count, int32_t classes) {
  draw->shuffled = memory_allocate((size_t)count, sizeof *draw->shuffled);
  draw->by_class = memory_allocate((size_t)count, sizeof *draw->by_class);
  draw->start = calloc((size_t)classes + 1, sizeof *draw->start);
  draw->taken = calloc(count ? (size_t)count : 1, sizeof *draw->taken);
  return draw->shuffled && draw->by_class && draw->start && draw->taken;
}

/* A stable counting sort of the shuffled positions. */
static void order_by_class(const ImageSet *set, const int64_t *list, int64_t count, Draw *draw) {
  for (int64_t i = 0; i < count; i++) draw->start[set->label[list[i]] + 1]++;
  for (int32_t k = 0; k < set->class_count; k++) draw->start[k + 1] += draw->start[k];
  for (int64_t i = 0; i < count; i++) {
    int64_t position = draw->shuffled[i];
    draw->by_class[draw->start[set->label[list[position]]]++] = position;
  }
}

/* Moves round(share * count) images of `from` to `to`, which has none; both stay in the order of the set. */
static simba_status draw_split(ImageSet *set, DataSplit from, DataSplit to, double share, uint64_t epoch,
                               simba_error *error) {
  int64_t *list = set->order[from], count = set->split_count[from], wanted = llround(share * (double)count);
  if (wanted == 0) return SIMBA_OK;
  Draw draw = {0};
  free(set->order[to]);
  set->order[to] = memory_allocate((size_t)wanted, sizeof *set->order[to]);
  if (!set->order[to] || !draw_allocate(&draw, count, set->class_count)) {
    draw_free(&draw);
    return error_set_memory(error, set->path);
  }
  random_shuffle(set->options.seed, epoch, count, draw.shuffled);
  order_by_class(set, list, count, &draw);
  for (int64_t k = 0, sum = 0; k < count; k++) {
    sum += wanted; /* of `count` such sums, `wanted` pass a multiple of count */
    if (sum < count) continue;
    sum -= count;
    draw.taken[draw.by_class[k]] = true;
  }
  int64_t kept = 0, moved = 0;
  for (int64_t i = 0; i < count; i++) {
    if (draw.taken[i])
      set->order[to][moved++] = list[i];
    else
      list[kept++] = list[i];
  }
  set->split_count[from] = kept;
  set->split_count[to] = moved;
  draw_free(&draw);
  return SIMBA_OK;
}

simba_status image_set_split(ImageSet *set, simba_error *error) {
  for (size_t p = 0; p < set->part_count; p++) set->split_count[set->part[p].split] += set->part[p].count;
  for (int split = 0; split < SPLIT_COUNT; split++) {
    set->order[split] = memory_allocate((size_t)set->split_count[split], sizeof *set->order[split]);
    if (!set->order[split]) return error_set_memory(error, set->path);
    int64_t at = 0;
    for (size_t p = 0; p < set->part_count; p++)
      for (int64_t i = 0; i < set->part[p].count && (int)set->part[p].split == split; i++)
        set->order[split][at++] = set->part[p].begin + i;
  }
  bool has_validation = set->split_count[SPLIT_VALIDATION] > 0, has_test = set->split_count[SPLIT_TEST] > 0;
  simba_status status = SIMBA_OK;
  if (!has_validation && !has_test)
    status = draw_split(set, SPLIT_TRAIN, SPLIT_TEST, set->options.test, DRAW_TEST, error);
  if (!status && !has_validation)
    status = draw_split(set, SPLIT_TRAIN, SPLIT_VALIDATION, set->options.validation, DRAW_VALIDATION, error);
  return status;
}
