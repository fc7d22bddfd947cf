#include "memory_plan.h"

#include <stdlib.h>

enum { ALIGNMENT = 64, PAGE = 4096 };

static int64_t align_up(int64_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

/* Bytes laid out: of the whole where the count is constant, else for each unit of the symbol. */
static int64_t laid_out_bytes(Dim count) {
  int64_t bytes = align_up(count.factor * (int64_t)sizeof(float));
  return bytes > 0 && bytes % PAGE == 0 ? bytes + ALIGNMENT : bytes;
}

typedef struct Order {
  int64_t bytes;
  uint32_t index;
} Order;

static int compare_order(const void *a, const void *b) {
  const Order *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

typedef struct Interval {
  int64_t start, end;
} Interval;

static int compare_interval(const void *a, const void *b) {
  const Interval *x = a, *y = b;
  if (x->start != y->start) return x->start < y->start ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

/* Start of the smallest gap of at least `bytes` between occupied intervals (sorted), or the end of them all. */
static int64_t best_gap(const Interval *occupied, uint32_t count, int64_t bytes) {
  int64_t best = -1, best_size = 0, at = 0;
  for (uint32_t k = 0; k < count; k++) {
    int64_t gap = occupied[k].start - at;
    if (gap >= bytes && (best < 0 || gap < best_size)) {
      best = at;
      best_size = gap;
    }
    if (occupied[k].end > at) at = occupied[k].end;
  }
  return best >= 0 ? best : at;
}

/* Places the buffers of a region; where the last byte of the last one ends. */
static int64_t plan_region(Lifetime *lifetimes, uint32_t count, int32_t symbol, Arena *scratch) {
  Order *order = ARENA_ARRAY(scratch, Order, count + 1);
  uint32_t members = 0;
  for (uint32_t k = 0; k < count; k++) {
    if (lifetimes[k].count.symbol == symbol) order[members++] = (Order){laid_out_bytes(lifetimes[k].count), k};
  }
  qsort(order, members, sizeof *order, compare_order);
  Interval *occupied = ARENA_ARRAY(scratch, Interval, members + 1);
  int64_t peak = 0;
  for (uint32_t k = 0; k < members; k++) {
    Lifetime *placed = &lifetimes[order[k].index];
    uint32_t overlapping = 0;
    for (uint32_t other = 0; other < k; other++) {
      const Lifetime *earlier = &lifetimes[order[other].index];
      if (earlier->first > placed->last || earlier->last < placed->first) continue;
      occupied[overlapping++] = (Interval){earlier->offset.factor, earlier->offset.factor + order[other].bytes};
    }
    qsort(occupied, overlapping, sizeof *occupied, compare_interval);
    placed->offset = (Dim){best_gap(occupied, overlapping, order[k].bytes), symbol};
    int64_t end = placed->offset.factor + placed->count.factor * (int64_t)sizeof(float);
    if (end > peak) peak = end;
  }
  return peak;
}

Linear memory_plan(Lifetime *lifetimes, uint32_t count, Arena *scratch) {
  Linear bytes = {.constant = plan_region(lifetimes, count, SYMBOL_NONE, scratch)};
  int64_t *behind = &bytes.constant; /* the region that nothing lies behind yet */
  for (int32_t s = 1; s <= SYMBOL_MAX; s++) {
    int64_t peak = plan_region(lifetimes, count, s, scratch);
    if (peak == 0) continue;
    *behind = align_up(*behind);
    behind = &bytes.per_symbol[s - 1];
    *behind = peak;
  }
  return bytes;
}
