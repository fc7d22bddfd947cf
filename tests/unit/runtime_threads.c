/* The thread pool: every item once, results independent of the number of threads, hooks, sleeping and waking. Run under
 * ThreadSanitizer as well. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/threads.h"
#include "tests/suite_run.h"

enum { ITEMS = 1000 };

static ThreadPool *create(int32_t threads) {
  ThreadPool *pool = NULL;
  simba_error error = {0};
  ck_assert_msg(thread_pool_create(threads, &pool, &error) == SIMBA_OK, "%s", error.message);
  return pool;
}

static void launch(ThreadPool *pool, simba_kernel *kernel, void *argument, char *scratch, size_t scratch_bytes,
                   int64_t items) {
  void *arguments[] = {argument};
  simba_executor *executor = thread_pool_executor(pool);
  executor->run(executor, kernel, NULL, arguments, scratch, scratch_bytes, items, 7);
}

static void count_items(const simba_call *call, void *const *arguments, void *scratch, int64_t begin, int64_t end) {
  (void)call, (void)scratch;
  int *count = arguments[0];
  for (int64_t i = begin; i < end; i++) count[i]++;
}

START_TEST(every_item_runs_once) {
  static const int64_t SIZES[] = {0, 1, 2, 3, 7, 64, ITEMS};
  for (int32_t threads = 1; threads <= 40; threads += threads < 5 ? 1 : 35) {
    ThreadPool *pool = create(threads);
    ck_assert_int_eq(thread_pool_executor(pool)->workers, threads);
    for (size_t k = 0; k < sizeof SIZES / sizeof *SIZES; k++) {
      int count[ITEMS] = {0};
      launch(pool, count_items, count, NULL, 0, SIZES[k]);
      for (int64_t i = 0; i < ITEMS; i++) ck_assert_int_eq(count[i], i < SIZES[k]);
    }
    thread_pool_destroy(pool);
  }
}
END_TEST

/* Each launch reads what the one before wrote, in items of another thread's share. */
static void shift_items(const simba_call *call, void *const *arguments, void *scratch, int64_t begin, int64_t end) {
  (void)call, (void)scratch;
  int64_t **pair = arguments[0];
  for (int64_t i = begin; i < end; i++) pair[1][i] = pair[0][ITEMS - 1 - i] + i;
}

START_TEST(launches_see_each_others_writes) {
  int64_t sums[3] = {0};
  for (int32_t threads = 1; threads <= 3; threads++) {
    ThreadPool *pool = create(threads);
    int64_t a[ITEMS] = {0}, b[ITEMS] = {0}, *pair[2] = {a, b};
    for (int round = 0; round < 2000; round++) {
      launch(pool, shift_items, pair, NULL, 0, ITEMS);
      int64_t *other = pair[0];
      pair[0] = pair[1];
      pair[1] = other;
    }
    for (int i = 0; i < ITEMS; i++) sums[threads - 1] += pair[0][i] * (i + 1);
    thread_pool_destroy(pool);
  }
  ck_assert_int_ne(sums[0], 0);
  ck_assert_int_eq(sums[1], sums[0]);
  ck_assert_int_eq(sums[2], sums[0]);
}
END_TEST

/* A worker's scratch: whether somebody uses it, how many items did. */
typedef struct Desk {
  _Alignas(64) atomic_int taken;
  int items;
} Desk;

static void use_scratch(const simba_call *call, void *const *arguments, void *scratch, int64_t begin, int64_t end) {
  (void)call;
  Desk *desk = scratch;
  int *done = arguments[0];
  bool free_before = atomic_exchange(&desk->taken, 1) == 0;
  nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  for (int64_t i = begin; i < end; i++) done[i] += free_before;
  desk->items += (int)(end - begin);
  atomic_store(&desk->taken, 0);
}

START_TEST(workers_have_scratch_of_their_own) {
  ThreadPool *pool = create(4);
  Desk desk[4] = {0};
  int done[ITEMS] = {0}, items = 0;
  launch(pool, use_scratch, done, (char *)desk, sizeof *desk, ITEMS);
  for (int i = 0; i < ITEMS; i++) ck_assert_int_eq(done[i], 1);
  for (int w = 0; w < 4; w++) items += desk[w].items;
  ck_assert_int_eq(items, ITEMS);
  thread_pool_destroy(pool);
}
END_TEST

/* The first item is not done before all others are, which its own share holds too. */
static void wait_for_others(const simba_call *call, void *const *arguments, void *scratch, int64_t begin, int64_t end) {
  (void)call, (void)scratch;
  atomic_int *done = arguments[0];
  for (int tries = 0; begin == 0 && tries < 20000 && atomic_load(done) < 7; tries++)
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  if (begin > 0 || atomic_load(done) == 7) atomic_fetch_add(done, (int)(end - begin));
}

START_TEST(what_a_slow_worker_has_left_is_taken) {
  ThreadPool *pool = create(2);
  atomic_int done = 0;
  launch(pool, wait_for_others, &done, NULL, 0, 8);
  ck_assert_int_eq(atomic_load(&done), 8);
  thread_pool_destroy(pool);
}
END_TEST

START_TEST(sleeping_workers_wake) {
  ThreadPool *pool = create(3);
  for (int round = 0; round < 5; round++) {
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); /* longer than they spin */
    int count[ITEMS] = {0};
    launch(pool, count_items, count, NULL, 0, ITEMS);
    for (int i = 0; i < ITEMS; i++) ck_assert_int_eq(count[i], 1);
  }
  thread_pool_destroy(pool);
}
END_TEST

static void slow_last_share(const simba_call *call, void *const *arguments, void *scratch, int64_t begin, int64_t end) {
  if (begin > 0) nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
  count_items(call, arguments, scratch, begin, end);
}

START_TEST(caller_sleeps_until_workers_are_done) {
  ThreadPool *pool = create(2);
  for (int round = 0; round < 5; round++) {
    int count[ITEMS] = {0};
    launch(pool, slow_last_share, count, NULL, 0, ITEMS);
    for (int i = 0; i < ITEMS; i++) ck_assert_int_eq(count[i], 1);
  }
  thread_pool_destroy(pool);
}
END_TEST

typedef struct Seen {
  int calls;
  int32_t launch;
  int64_t items, nanoseconds;
  int first_count;
} Seen;

static void remember(void *context, const simba_call *call, void *const *arguments, int32_t number, int64_t items,
                     int64_t nanoseconds) {
  (void)call;
  Seen *seen = context;
  *seen = (Seen){seen->calls + 1, number, items, nanoseconds, ((int *)arguments[0])[0]};
}

START_TEST(hook_runs_after_each_launch) {
  ThreadPool *pool = create(2);
  int count[ITEMS] = {0};
  Seen seen = {0};
  thread_pool_set_hook(pool, remember, &seen);
  launch(pool, count_items, count, NULL, 0, ITEMS);
  ck_assert_int_eq(seen.calls, 1);
  ck_assert_int_eq(seen.launch, 7);
  ck_assert_int_eq(seen.items, ITEMS);
  ck_assert_int_ge(seen.nanoseconds, 0);
  ck_assert_int_eq(seen.first_count, 1); /* the items were done */
  thread_pool_set_hook(pool, NULL, NULL);
  launch(pool, count_items, count, NULL, 0, ITEMS);
  ck_assert_int_eq(seen.calls, 1);
  thread_pool_destroy(pool);
}
END_TEST

typedef struct Counts {
  const ThreadPool *pool;
  int64_t last;
} Counts;

static void count_preemptions(void *context, const simba_call *call, void *const *arguments, int32_t number,
                              int64_t items, int64_t nanoseconds) {
  (void)call, (void)arguments, (void)number, (void)items, (void)nanoseconds;
  Counts *counts = context;
  int64_t now = thread_pool_preemptions(counts->pool);
  ck_assert_int_ge(now, counts->last);
  counts->last = now;
}

/* For 20 ms, without ever giving the processor up. */
static void use_processor(const simba_call *call, void *const *arguments, void *scratch, int64_t begin, int64_t end) {
  (void)call, (void)arguments, (void)scratch, (void)begin, (void)end;
  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  do clock_gettime(CLOCK_MONOTONIC, &now);
  while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 20);
}

/* Two threads that never sleep on one processor are preempted, sooner or later. */
START_TEST(preemptions_are_counted) {
  cpu_set_t before, one;
  ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int k = 0; k < CPU_SETSIZE && !CPU_COUNT(&one); k++)
    if (CPU_ISSET(k, &before)) CPU_SET(k, &one);
  ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
  ThreadPool *pool = create(2);
  Counts counts = {pool, 0};
  thread_pool_set_hook(pool, count_preemptions, &counts);
  for (int round = 0; round < 500 && counts.last == 0; round++) launch(pool, use_processor, NULL, NULL, 0, 2);
  ck_assert_int_gt(counts.last, 0);
  thread_pool_destroy(pool);
  ck_assert_int_eq(sched_setaffinity(0, sizeof before, &before), 0);
}
END_TEST

typedef struct Masks {
  atomic_int begun; /* no item ends before both have begun: they are on two threads */
  bool caller[2], blocked[2];
  pthread_t main;
} Masks;

static void read_mask(const simba_call *call, void *const *arguments, void *scratch, int64_t begin, int64_t end) {
  (void)call, (void)scratch, (void)end;
  Masks *masks = arguments[0];
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  masks->blocked[begin] = sigismember(&mask, SIGINT);
  masks->caller[begin] = pthread_equal(pthread_self(), masks->main);
  atomic_fetch_add(&masks->begun, 1);
  while (atomic_load(&masks->begun) < 2) sched_yield();
}

START_TEST(signals_go_to_the_caller) {
  ThreadPool *pool = create(2);
  Masks masks = {.main = pthread_self()};
  launch(pool, read_mask, &masks, NULL, 0, 2);
  ck_assert(masks.caller[0] != masks.caller[1]);
  for (int k = 0; k < 2; k++) ck_assert(masks.blocked[k] != masks.caller[k]);
  thread_pool_destroy(pool);
}
END_TEST

START_TEST(wrong_numbers_of_threads) {
  ThreadPool *pool = NULL;
  simba_error error;
  ck_assert_int_eq(thread_pool_create(-1, &pool, &error), SIMBA_INVALID_ARGUMENT);
  ck_assert_str_eq(error.message, "-1 threads: expected 1 to 1024, or 0 for one a processor");
  ck_assert_int_eq(thread_pool_create(100000, &pool, NULL), SIMBA_INVALID_ARGUMENT);
  ck_assert_ptr_null(pool);
  pool = create(0);
  ck_assert_int_eq(thread_pool_executor(pool)->workers, processor_count());
  thread_pool_destroy(pool);
  thread_pool_destroy(NULL);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_threads");
  TCase *cases = tcase_create("pool");
  tcase_set_timeout(cases, 60);
  tcase_add_test(cases, every_item_runs_once);
  tcase_add_test(cases, launches_see_each_others_writes);
  tcase_add_test(cases, workers_have_scratch_of_their_own);
  tcase_add_test(cases, what_a_slow_worker_has_left_is_taken);
  tcase_add_test(cases, sleeping_workers_wake);
  tcase_add_test(cases, caller_sleeps_until_workers_are_done);
  tcase_add_test(cases, hook_runs_after_each_launch);
  tcase_add_test(cases, preemptions_are_counted);
  tcase_add_test(cases, signals_go_to_the_caller);
  tcase_add_test(cases, wrong_numbers_of_threads);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
