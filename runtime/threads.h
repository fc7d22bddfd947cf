/* A pool of threads that runs the items of a kernel: the simba_executor of abi.h.
 *
 * A pool of n is the calling thread (worker 0) and n - 1 threads of its own. Worker w takes the w-th of n contiguous
 * shares of the items, in portions, and then portions of other shares that nobody has begun: the same items fall to the
 * same thread launch after launch, unless some are slower or a thread is held up. Results must not depend on that
 * (abi.h). A launch forks and
 * joins in about a microsecond: waiting threads spin for some microseconds, then sleep, so an idle pool costs nothing.
 * Where n is more than the processors they sleep at once, and there are at most two threads a processor, which run the
 * shares of several workers each.
 * One caller at a time; a kernel must not launch on the pool that runs it. Workers leave the floating-point mode alone
 * (kernels set and restore theirs) and take no signals. */
#ifndef SIMBA_THREADS_H
#define SIMBA_THREADS_H

#include "abi.h"
#include "status.h"

typedef struct ThreadPool ThreadPool;

/* threads = 0: one for each processor this process may use. */
simba_status thread_pool_create(int32_t threads, ThreadPool **out_pool, simba_error *error);
/* Joins the threads. Takes NULL. */
void thread_pool_destroy(ThreadPool *pool);
/* Lives as long as the pool; executor->workers is the number that was asked for. */
simba_executor *thread_pool_executor(ThreadPool *pool);

/* Called on the calling thread after each launch, when all items are done: for profiles and for the search for the
 * first tensor that is not finite. `nanoseconds` is the launch's wall time. Without a hook no clock is read. */
typedef void LaunchHook(void *context, const simba_call *call, void *const *arguments, int32_t launch, int64_t items,
                        int64_t nanoseconds);
/* NULL: none. */
void thread_pool_set_hook(ThreadPool *pool, LaunchHook *hook, void *context);
/* How often the system took the processor away from one of the pool's threads, the caller among them, up to the end of
 * the last launch; to be called in a hook, without which it is not counted. A launch between two equal numbers was not
 * disturbed. Always 0 where the system does not tell. */
int64_t thread_pool_preemptions(const ThreadPool *pool);

#endif
