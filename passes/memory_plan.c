#include "memory_plan.h"

#include <stdlib.h>

enum { ALIGNMENT = 64, PAGE = 4096 };

static int64_t align_up(int64_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

int64_t memory_laid_out(Dim count) {
  int64_t bytes = align_up(count.factor * (int64_t)sizeof(float));
  return bytes > 0 && bytes % PAGE == 0 ? bytes + ALIGNMENT : bytes;
}

typedef struct Item {
  Lifetime *lifetime;
  int64_t bytes, offset; /* laid out; of the trial that is running */
  uint32_t length;       /* launches that it is alive in */
} Item;

/* The order in which buffers are placed decides how well they fit, and no order is the best for all. */
typedef int Compare(const void *a, const void *b);

static int compare_place(const Item *a, const Item *b) { return a->lifetime < b->lifetime ? -1 : 1; }

static int larger_first(const void *a, const void *b) {
  const Item *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
  return compare_place(x, y);
}

static int longer_first(const void *a, const void *b) {
  const Item *x = a, *y = b;
  if (x->length != y->length) return x->length > y->length ? -1 : 1;
  return larger_first(a, b);
}

static int area_first(const void *a, const void *b) {
  const Item *x = a, *y = b;
  double left = (double)x->bytes * x->length, right = (double)y->bytes * y->length;
  if (left < right || left > right) return left > right ? -1 : 1;
  return larger_first(a, b);
}

static int earlier_first(const void *a, const void *b) {
  const Item *x = a, *y = b;
  if (x->lifetime->first != y->lifetime->first) return x->lifetime->first < y->lifetime->first ? -1 : 1;
  return larger_first(a, b);
}

static Compare *const orders[] = {larger_first, area_first, longer_first, earlier_first};
enum { ORDERS = sizeof orders / sizeof *orders };

static bool together(const Lifetime *a, const Lifetime *b) { return a->first <= b->last && b->first <= a->last; }

/* Where the last byte of an item ends. */
static int64_t end_of(const Item *item) { return item->offset + item->lifetime->count.factor * (int64_t)sizeof(float); }

/* Items that have their offsets, by offset. */
typedef struct Placed {
  const Item **item;
  uint32_t count;
} Placed;

/* Start of the smallest gap of at least `bytes` between those that are alive with `lifetime`, or the end of them all. */
static int64_t best_gap(const Placed *placed, const Lifetime *lifetime, int64_t bytes) {
  int64_t best = -1, best_size = 0, at = 0;
  for (uint32_t k = 0; k < placed->count; k++) {
    const Item *other = placed->item[k];
    if (!together(other->lifetime, lifetime)) continue;
    int64_t gap = other->offset - at;
    if (gap >= bytes && (best < 0 || gap < best_size)) {
      best = at;
      best_size = gap;
    }
    if (other->offset + other->bytes > at) at = other->offset + other->bytes;
  }
  return best >= 0 ? best : at;
}

static void insert(Placed *placed, const Item *item) {
  uint32_t k = placed->count++;
  for (; k > 0 && placed->item[k - 1]->offset > item->offset; k--) placed->item[k] = placed->item[k - 1];
  placed->item[k] = item;
}

typedef struct Region {
  Item *item;
  uint32_t count;
  int64_t peak; /* where the last byte of the last item ends */
} Region;

static int64_t place_all(Region *region, Compare *order, const Item **room) {
  int64_t peak = 0;
  Placed placed = {.item = room};
  qsort(region->item, region->count, sizeof *region->item, order);
  for (uint32_t k = 0; k < region->count; k++) {
    Item *item = &region->item[k];
    item->offset = best_gap(&placed, item->lifetime, item->bytes);
    insert(&placed, item);
    if (end_of(item) > peak) peak = end_of(item);
  }
  return peak;
}

/* In the order that gives the smallest peak, the first of equals. */
static void plan_region(Region *region, const Item **room) {
  int best = 0;
  for (int k = 0; k < ORDERS; k++) {
    int64_t peak = place_all(region, orders[k], room);
    if (k > 0 && peak >= region->peak) continue;
    region->peak = peak;
    best = k;
  }
  place_all(region, orders[best], room);
}

/* A buffer of constant size fits a gap in the region of the batch whose size is that for each unit, since a batch is at
 * least 1. Those that find one leave the constant region. */
static void fill_gaps(Region *constant, Region *growing, const Item **room) {
  Placed placed = {.item = room};
  uint32_t kept = 0;
  for (uint32_t k = 0; k < growing->count; k++) insert(&placed, &growing->item[k]);
  qsort(constant->item, constant->count, sizeof *constant->item, larger_first);
  for (uint32_t k = 0; k < constant->count; k++) {
    Item item = constant->item[k];
    item.offset = best_gap(&placed, item.lifetime, item.bytes);
    if (end_of(&item) <= growing->peak) {
      growing->item[growing->count] = item;
      insert(&placed, &growing->item[growing->count++]);
    } else {
      constant->item[kept++] = item;
    }
  }
  constant->count = kept;
}

static Region region_create(Lifetime *lifetimes, uint32_t count, int32_t symbol, Arena *scratch) {
  Region region = {.item = ARENA_ARRAY(scratch, Item, count + 1)};
  for (uint32_t k = 0; k < count; k++) {
    Lifetime *lifetime = &lifetimes[k];
    if (lifetime->count.symbol != symbol) continue;
    region.item[region.count++] = (Item){.lifetime = lifetime,
                                         .bytes = memory_laid_out(lifetime->count),
                                         .length = lifetime->last - lifetime->first + 1};
  }
  return region;
}

static void write_offsets(const Region *region, int32_t symbol) {
  for (uint32_t k = 0; k < region->count; k++) region->item[k].lifetime->offset = (Dim){region->item[k].offset, symbol};
}

Linear memory_plan(Lifetime *lifetimes, uint32_t count, Arena *scratch) {
  const Item **room = ARENA_ARRAY(scratch, const Item *, count + 1);
  Region constant = region_create(lifetimes, count, SYMBOL_NONE, scratch);
  Linear bytes = {0};
  int64_t *last = &bytes.constant; /* the region that nothing lies behind: it ends with its last buffer */
  for (int32_t s = 1; s <= SYMBOL_MAX; s++) {
    Region growing = region_create(lifetimes, count, s, scratch);
    if (growing.count == 0) continue;
    plan_region(&growing, room);
    if (s == SYMBOL_BATCH) fill_gaps(&constant, &growing, room);
    write_offsets(&growing, s);
    if (last != &bytes.constant) *last = align_up(*last);
    last = &bytes.per_symbol[s - 1];
    *last = growing.peak;
  }
  plan_region(&constant, room);
  write_offsets(&constant, SYMBOL_NONE);
  bytes.constant = last == &bytes.constant ? constant.peak : align_up(constant.peak);
  return bytes;
}
