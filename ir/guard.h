/* How our own bugs and exhausted memory leave the compiler: they unwind to the innermost guard as a status and never
 * abort the host process. User mistakes do not come this way: they are diagnostics (diagnostic.h).
 *
 *   Guard guard;
 *   if (guard_enter(&guard)) { ... compile ...; guard_leave(&guard); }
 *   else report(guard.kind, guard.message);
 *
 * A guard belongs to one thread. What was allocated since guard_enter outside an arena is leaked by an unwind, so
 * compile work allocates from arenas that the guard's owner destroys. Locals changed after guard_enter and read after
 * an unwind must be volatile. Without a guard, a bug is printed to stderr and the process ends with exit code 70. */
#ifndef SIMBAC_IR_GUARD_H
#define SIMBAC_IR_GUARD_H

#include <setjmp.h>
#include <stdbool.h>

typedef enum GuardKind { GUARD_OK, GUARD_BUG, GUARD_OUT_OF_MEMORY } GuardKind;

typedef struct Guard {
  jmp_buf target;
  struct Guard *outer;
  GuardKind kind;
  char message[1024];
} Guard;

/* True on entry, false when something unwound here (the guard has then been left). */
#define guard_enter(guard) (guard_push(guard), setjmp((guard)->target) == 0)
void guard_push(Guard *guard);
void guard_leave(Guard *guard);

/* After clean-up: what unwound to this guard, if anything did, goes on to the one outside of it. */
void guard_pass_on(const Guard *guard);

_Noreturn void guard_bug(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void guard_out_of_memory(void);

#define ASSERT(condition) \
  ((condition) ? (void)0 : guard_bug("%s:%d: %s: assertion '%s' failed", __FILE__, __LINE__, __func__, #condition))

#endif
