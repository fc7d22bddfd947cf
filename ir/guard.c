#include "guard.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local Guard *innermost;

void guard_push(Guard *guard) {
  guard->outer = innermost;
  guard->kind = GUARD_OK;
  guard->message[0] = '\0';
  innermost = guard;
}

void guard_leave(Guard *guard) { innermost = guard->outer; }

static _Noreturn void unwind(GuardKind kind, const char *format, va_list arguments) {
  Guard *guard = innermost;
  if (!guard) {
    fputs(kind == GUARD_BUG ? "simbac: internal error: " : "simbac: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(kind == GUARD_BUG ? 70 : 3);
  }
  vsnprintf(guard->message, sizeof guard->message, format, arguments);
  guard->kind = kind;
  innermost = guard->outer;
  longjmp(guard->target, 1);
}

void guard_bug(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  unwind(GUARD_BUG, format, arguments);
}

static _Noreturn void unwind_plain(GuardKind kind, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  unwind(kind, format, arguments);
}

void guard_out_of_memory(void) { unwind_plain(GUARD_OUT_OF_MEMORY, "out of memory"); }

void guard_pass_on(const Guard *guard) {
  if (guard->kind == GUARD_OUT_OF_MEMORY) guard_out_of_memory();
  if (guard->kind == GUARD_BUG) guard_bug("%s", guard->message);
}
