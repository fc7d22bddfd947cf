/* The memory plan, with the reason for every offset that is expected. */
#include "passes/memory_plan.h"
#include "tests/random_values.h"
#include "tests/suite_run.h"

#include <check.h>
#include <stdlib.h>

static Arena *arena;

static void begin(void) { arena = arena_create(); }
static void end(void) { arena_destroy(arena); }

static Lifetime alive(Dim count, uint32_t first, uint32_t last) {
  return (Lifetime){.count = count, .first = first, .last = last};
}

START_TEST(reuse) {
  Lifetime lifetimes[] = {
      alive(dim_constant(64), 0, 1), /* 256 bytes at 0: the largest come first, in order */
      alive(dim_constant(64), 1, 2), /* at 256: alive with the one before in launch 1 */
      alive(dim_constant(64), 2, 3), /* at 0: the first is dead */
      alive(dim_constant(16), 3, 3), /* at 256: the smallest gap behind what is alive */
      alive(dim_constant(1), 0, 3),  /* at 512: alive with all; nothing follows, so the plan ends with its 4 bytes */
  };
  Linear bytes = memory_plan(lifetimes, 5, arena);
  static const int64_t expected[] = {0, 256, 0, 256, 512};
  for (int k = 0; k < 5; k++) ck_assert_int_eq(lifetimes[k].offset.factor, expected[k]);
  ck_assert_int_eq(bytes.constant, 516);
}
END_TEST

START_TEST(best_fit) {
  Lifetime lifetimes[] = {
      alive(dim_constant(160), 0, 0), /* 640 at 0 */
      alive(dim_constant(144), 0, 2), /* 576 at 640: behind it */
      alive(dim_constant(96), 0, 0),  /* 384 at 1216 */
      alive(dim_constant(80), 0, 2),  /* 320 at 1600 */
      alive(dim_constant(64), 1, 2),  /* 256 at 1216: gaps of 640 and 384 hold it, the smaller one is taken */
  };
  Linear bytes = memory_plan(lifetimes, 5, arena);
  static const int64_t expected[] = {0, 640, 1216, 1600, 1216};
  for (int k = 0; k < 5; k++) ck_assert_int_eq(lifetimes[k].offset.factor, expected[k]);
  ck_assert_int_eq(bytes.constant, 1920);
}
END_TEST

START_TEST(regions) {
  Lifetime lifetimes[] = {
      alive(dim_constant(16), 0, 1),  /* 64 at 0 of the constant region */
      alive(dim_symbol(10, 1), 0, 1), /* 64 a unit (40 rounded up) at 0 of the first symbol's */
      alive(dim_symbol(16, 2), 0, 1), /* 64 a unit at 0 of the second symbol's */
      alive(dim_symbol(32, 1), 1, 1), /* 128 a unit at 0 of the first symbol's: larger, so placed before the other */
  };
  Linear bytes = memory_plan(lifetimes, 4, arena);
  ck_assert_int_eq(lifetimes[1].offset.factor, 128); /* behind the larger one */
  ck_assert_int_eq(lifetimes[3].offset.factor, 0);
  ck_assert_int_eq(lifetimes[3].offset.symbol, 1);
  ck_assert_int_eq(lifetimes[2].offset.symbol, 2);
  ck_assert_int_eq(bytes.constant, 64);
  ck_assert_int_eq(bytes.per_symbol[0], 192);
  ck_assert_int_eq(bytes.per_symbol[1], 64);
}
END_TEST

/* What does not grow with the batch lies where a batch of 1 leaves room for it. */
START_TEST(constant_in_a_gap) {
  Lifetime lifetimes[] = {
      alive(dim_symbol(64, 1), 0, 1), /* 256 a unit at 0 */
      alive(dim_symbol(64, 1), 1, 2), /* 256 a unit behind it */
      alive(dim_constant(64), 2, 3),  /* 256 at 0 of the same region: the first one is dead */
      alive(dim_constant(16), 1, 3),  /* 64 that are alive with both: in the constant region */
  };
  Linear bytes = memory_plan(lifetimes, 4, arena);
  ck_assert(dim_equal(lifetimes[2].offset, dim_symbol(0, 1)));
  ck_assert(dim_equal(lifetimes[3].offset, dim_constant(0)));
  ck_assert_int_eq(bytes.constant, 64);
  ck_assert_int_eq(bytes.per_symbol[0], 512);
}
END_TEST

/* Largest first would need 5 units of 64 bytes: the third one would lie behind the first two. */
START_TEST(best_of_orders) {
  Lifetime lifetimes[] = {
      alive(dim_constant(32), 0, 1), /* 128 */
      alive(dim_constant(32), 2, 3), /* 128 */
      alive(dim_constant(16), 0, 3), /* 64, alive with all */
      alive(dim_constant(48), 4, 5), /* 192 */
      alive(dim_constant(16), 3, 4), /* 64 */
  };
  Linear bytes = memory_plan(lifetimes, 5, arena);
  ck_assert_int_eq(bytes.constant, 256); /* what is alive in launches 3 and 4 */
}
END_TEST

/* Buffers of whole pages do not all start at one page offset. */
START_TEST(stagger) {
  Lifetime lifetimes[] = {
      alive(dim_constant(1024), 0, 0), /* 4096 at 0, laid out as 4160 */
      alive(dim_constant(1024), 0, 0), /* at 4160: page offset 64 */
      alive(dim_constant(1024), 0, 0), /* at 8320: page offset 128 */
  };
  memory_plan(lifetimes, 3, arena);
  for (int k = 0; k < 3; k++) ck_assert_int_eq(lifetimes[k].offset.factor % 4096, 64 * k);
}
END_TEST

START_TEST(nothing_overlaps) {
  enum { COUNT = 60, LAUNCHES = 20 };
  Random random = {(uint64_t)_i + 1};
  Lifetime lifetimes[COUNT];
  for (int k = 0; k < COUNT; k++) {
    uint32_t first = random_below(&random, LAUNCHES), length = random_below(&random, 5);
    lifetimes[k] = alive(dim_constant(1 + random_below(&random, 3000)), first, first + length);
  }
  Linear bytes = memory_plan(lifetimes, COUNT, arena);
  for (int a = 0; a < COUNT; a++) {
    int64_t end_of_a = lifetimes[a].offset.factor + 4 * lifetimes[a].count.factor;
    ck_assert_int_eq(lifetimes[a].offset.factor % 64, 0);
    ck_assert_int_le(end_of_a, bytes.constant);
    for (int b = 0; b < COUNT; b++) {
      if (a == b || lifetimes[a].first > lifetimes[b].last || lifetimes[b].first > lifetimes[a].last) continue;
      int64_t end_of_b = lifetimes[b].offset.factor + 4 * lifetimes[b].count.factor;
      ck_assert(end_of_a <= lifetimes[b].offset.factor || end_of_b <= lifetimes[a].offset.factor);
    }
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("memory_plan");
  TCase *plans = tcase_create("plans");
  tcase_add_checked_fixture(plans, begin, end);
  tcase_add_test(plans, reuse);
  tcase_add_test(plans, best_fit);
  tcase_add_test(plans, regions);
  tcase_add_test(plans, constant_in_a_gap);
  tcase_add_test(plans, best_of_orders);
  tcase_add_test(plans, stagger);
  tcase_add_loop_test(plans, nothing_overlaps, 0, 20);
  suite_add_tcase(suite, plans);
  return suite_run(suite);
}
