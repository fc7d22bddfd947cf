#include "threads.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
  SPINS = 2000, /* pauses before a waiting thread sleeps: some 20 us, longer than the gaps between launches */
  MAX_THREADS = 1024,
  PORTIONS = 4,           /* that a share is taken in, so that whoever is done can take what another has not begun */
  THREADS_A_PROCESSOR = 2 /* more only wait for each other; they are asked for by tests, and by mistake */
};

typedef struct Worker {
  struct ThreadPool *pool;
  int32_t index;
  pthread_t thread;
  int64_t preemptions; /* of its thread, at the end of its last share under a hook */
} Worker;

/* The items of a worker that nobody has begun: from `next`, which whoever takes some raises, perhaps beyond `end`. */
typedef struct Share {
  _Alignas(64) atomic_llong next;
  int64_t end;
} Share;

/* `launch` is raised once for every job; workers wait for it to change. `pending` counts workers that are not done
 * with the job; the caller waits for 0. Both sides spin first. Who sleeps announces it before looking once more, and
 * who changes a counter looks for sleepers after it: with sequentially consistent accesses one of the two sees the
 * other. What is written while others spin is on cache lines of its own. */
struct ThreadPool {        /* NOLINT(clang-analyzer-optin.performance.Padding): on purpose */
  simba_executor executor; /* first: run() finds the pool through it */
  _Alignas(64) atomic_uint launch;
  _Alignas(64) atomic_int pending;
  _Alignas(64) atomic_int sleeping; /* workers that sleep */
  atomic_bool caller_sleeping;
  bool quit;
  int32_t started; /* threads that run beside the caller */
  int32_t threads; /* that are wanted, the caller included; fewer than workers where processors are few */
  int32_t spins;   /* SPINS; 0 where threads share processors: who spins there keeps another from its work */
  /* The job; written before `launch` is raised. */
  simba_kernel *kernel;
  const simba_call *call;
  void *const *arguments;
  char *scratch;
  size_t scratch_bytes;
  int64_t portion; /* items that are taken at a time */
  Share *share;    /* [workers] */
  Worker *worker;  /* [threads]; 0 is the caller and has no thread */
  LaunchHook *hook;
  void *hook_context;
  pthread_mutex_t mutex; /* for sleeping only */
  pthread_cond_t wake, done;
};

static inline void spin_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void cut_shares(ThreadPool *pool, int64_t items) {
  int64_t workers = pool->executor.workers, least = items / workers, rest = items % workers, begin = 0;
  for (int64_t k = 0; k < workers; k++) {
    atomic_store_explicit(&pool->share[k].next, begin, memory_order_relaxed);
    begin = pool->share[k].end = begin + least + (k < rest);
  }
  pool->portion = least / PORTIONS > 1 ? least / PORTIONS : 1;
}

/* What is left of a share, by thread `index`. */
static void run_share(ThreadPool *pool, Share *share, int32_t index) {
  char *scratch = pool->scratch ? pool->scratch + (size_t)index * pool->scratch_bytes : NULL;
  while (atomic_load_explicit(&share->next, memory_order_relaxed) < share->end) {
    int64_t begin = atomic_fetch_add_explicit(&share->next, pool->portion, memory_order_relaxed);
    if (begin >= share->end) return;
    int64_t left = share->end - begin;
    pool->kernel(pool->call, pool->arguments, scratch, begin, begin + (left < pool->portion ? left : pool->portion));
  }
}

static int64_t thread_preemptions(void) {
#ifdef RUSAGE_THREAD
  struct rusage usage;
  if (getrusage(RUSAGE_THREAD, &usage) == 0) return usage.ru_nivcsw;
#endif
  return 0;
}

/* The shares of a thread, then what others have left. */
static void worker_run(ThreadPool *pool, int32_t index) {
  int32_t workers = pool->executor.workers;
  for (int32_t k = index; k < workers; k += pool->threads) run_share(pool, &pool->share[k], index);
  for (int32_t k = 1; k < workers; k++) run_share(pool, &pool->share[(index + k) % workers], index);
  if (pool->hook) pool->worker[index].preemptions = thread_preemptions();
}

static void wait_for_launch(ThreadPool *pool, unsigned seen) {
  for (int32_t i = 0; i < pool->spins; i++) {
    if (atomic_load_explicit(&pool->launch, memory_order_acquire) != seen) return;
    spin_pause();
  }
  pthread_mutex_lock(&pool->mutex);
  atomic_fetch_add(&pool->sleeping, 1);
  while (atomic_load(&pool->launch) == seen) pthread_cond_wait(&pool->wake, &pool->mutex);
  atomic_fetch_sub(&pool->sleeping, 1);
  pthread_mutex_unlock(&pool->mutex);
}

static void wait_for_workers(ThreadPool *pool) {
  for (int32_t i = 0; i < pool->spins; i++) {
    if (!atomic_load_explicit(&pool->pending, memory_order_acquire)) return;
    spin_pause();
  }
  pthread_mutex_lock(&pool->mutex);
  atomic_store(&pool->caller_sleeping, true);
  while (atomic_load(&pool->pending)) pthread_cond_wait(&pool->done, &pool->mutex);
  atomic_store(&pool->caller_sleeping, false);
  pthread_mutex_unlock(&pool->mutex);
}

static void launch_job(ThreadPool *pool) {
  atomic_store(&pool->pending, pool->started);
  atomic_fetch_add(&pool->launch, 1);
  if (atomic_load(&pool->sleeping) == 0) return;
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
}

static void report_done(ThreadPool *pool) {
  if (atomic_fetch_sub(&pool->pending, 1) != 1 || !atomic_load(&pool->caller_sleeping)) return;
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_signal(&pool->done);
  pthread_mutex_unlock(&pool->mutex);
}

static void *worker_main(void *argument) {
  Worker *worker = argument;
  ThreadPool *pool = worker->pool;
  for (unsigned seen = 0;; seen++) { /* a launch begins only when the one before is done, so none is missed */
    wait_for_launch(pool, seen);
    if (pool->quit) return NULL;
    worker_run(pool, worker->index);
    report_done(pool);
  }
}

static int64_t clock_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void pool_run(simba_executor *self, simba_kernel *kernel, const simba_call *call, void *const *arguments,
                     char *scratch, size_t scratch_bytes, int64_t items, int32_t launch) {
  ThreadPool *pool = (ThreadPool *)self;
  int64_t begin = pool->hook ? clock_nanoseconds() : 0;
  if (items == 1 || self->workers == 1) {
    if (items > 0) kernel(call, arguments, scratch, 0, items);
  } else if (items > 0) {
    pool->kernel = kernel;
    pool->call = call;
    pool->arguments = arguments;
    pool->scratch = scratch;
    pool->scratch_bytes = scratch_bytes;
    cut_shares(pool, items);
    launch_job(pool);
    worker_run(pool, 0);
    wait_for_workers(pool);
  }
  if (!pool->hook) return;
  int64_t nanoseconds = clock_nanoseconds() - begin;
  pool->worker[0].preemptions = thread_preemptions(); /* the wait included */
  pool->hook(pool->hook_context, call, arguments, launch, items, nanoseconds);
}

/* Workers inherit a mask that blocks every signal: Ctrl-C is the caller's. */
static int start_workers(ThreadPool *pool) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failure = 0;
  for (int32_t i = 1; i < pool->threads && !failure; i++) {
    pool->worker[i] = (Worker){.pool = pool, .index = i};
    failure = pthread_create(&pool->worker[i].thread, NULL, worker_main, &pool->worker[i]);
    if (!failure) pool->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failure;
}

simba_status thread_pool_create(int32_t threads, ThreadPool **out_pool, simba_error *error) {
  if (threads < 0 || threads > MAX_THREADS)
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%d threads: expected 1 to %d, or 0 for one a processor", threads,
                     MAX_THREADS);
  if (threads == 0) threads = processor_count();
  ThreadPool *pool = memory_allocate_aligned(1, sizeof *pool);
  if (!pool) return error_set_memory(error, "a thread pool");
  int32_t processors = processor_count();
  bool few = threads > processors * THREADS_A_PROCESSOR;
  pool->threads = few ? processors * THREADS_A_PROCESSOR : threads;
  pool->spins = threads > processors ? 0 : SPINS;
  pool->worker = memory_allocate_aligned((size_t)pool->threads, sizeof *pool->worker); /* zeroed */
  pool->share = memory_allocate_aligned((size_t)threads, sizeof *pool->share);
  if (!pool->worker || !pool->share) {
    free(pool->worker);
    free(pool->share);
    free(pool);
    return error_set_memory(error, "a thread pool");
  }
  pool->executor = (simba_executor){.workers = threads, .run = pool_run};
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->done, NULL);
  int failure = start_workers(pool);
  if (failure) {
    thread_pool_destroy(pool);
    return error_set(error, failure == EAGAIN ? SIMBA_OUT_OF_MEMORY : SIMBA_IO_ERROR, "cannot start %d threads: %s",
                     threads, strerrordesc_np(failure));
  }
  *out_pool = pool;
  return SIMBA_OK;
}

void thread_pool_destroy(ThreadPool *pool) {
  if (!pool) return;
  pool->quit = true;
  launch_job(pool);
  for (int32_t i = 1; i <= pool->started; i++) pthread_join(pool->worker[i].thread, NULL);
  pthread_cond_destroy(&pool->done);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
  free(pool->worker);
  free(pool->share);
  free(pool);
}

simba_executor *thread_pool_executor(ThreadPool *pool) { return &pool->executor; }

void thread_pool_set_hook(ThreadPool *pool, LaunchHook *hook, void *context) {
  pool->hook = hook;
  pool->hook_context = context;
}

int64_t thread_pool_preemptions(const ThreadPool *pool) {
  int64_t sum = 0;
  for (int32_t i = 0; i < pool->threads; i++) sum += pool->worker[i].preemptions;
  return sum;
}
