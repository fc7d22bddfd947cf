/* One LLVM context with everything that is looked up once: types, intrinsic and attribute ids, the target machine. A
 * session belongs to one thread and holds one module at a time. LLVM's ways to fail (NULL, messages) become guard_bug
 * here, so emitters do not check results. Never use LLVM's global-context functions. */
#ifndef SIMBAC_CODEGEN_SESSION_H
#define SIMBAC_CODEGEN_SESSION_H

#include "target.h"

#include "ir/guard.h"

#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/TargetMachine.h>
#include <stddef.h>

/* Intrinsics that emitters call: INTRINSIC(ENUM, name). */
#define SESSION_INTRINSICS(INTRINSIC)                     \
  INTRINSIC(FMA, "llvm.fma")                              \
  INTRINSIC(FABS, "llvm.fabs")                            \
  INTRINSIC(SQRT, "llvm.sqrt")                            \
  INTRINSIC(RINT, "llvm.rint")                            \
  INTRINSIC(ROUNDEVEN, "llvm.roundeven")                  \
  INTRINSIC(FLOOR, "llvm.floor")                          \
  INTRINSIC(COPYSIGN, "llvm.copysign")                    \
  INTRINSIC(MAXNUM, "llvm.maxnum")                        \
  INTRINSIC(MINNUM, "llvm.minnum")                        \
  INTRINSIC(SMAX, "llvm.smax")                            \
  INTRINSIC(SMIN, "llvm.smin")                            \
  INTRINSIC(MASKED_LOAD, "llvm.masked.load")              \
  INTRINSIC(MASKED_STORE, "llvm.masked.store")            \
  INTRINSIC(GATHER, "llvm.masked.gather")                 \
  INTRINSIC(SCATTER, "llvm.masked.scatter")               \
  INTRINSIC(MEMCPY, "llvm.memcpy")                        \
  INTRINSIC(MEMSET, "llvm.memset")                        \
  INTRINSIC(PREFETCH, "llvm.prefetch")                    \
  INTRINSIC(STMXCSR, "llvm.x86.sse.stmxcsr")              \
  INTRINSIC(LDMXCSR, "llvm.x86.sse.ldmxcsr")              \
  INTRINSIC(SCALEF, "llvm.x86.avx512.mask.scalef.ps.512") \
  INTRINSIC(GET_FPCR, "llvm.aarch64.get.fpcr")            \
  INTRINSIC(SET_FPCR, "llvm.aarch64.set.fpcr")

typedef enum IntrinsicId {
#define INTRINSIC(id, name) INTRINSIC_##id,
  SESSION_INTRINSICS(INTRINSIC)
#undef INTRINSIC
      INTRINSIC_COUNT
} IntrinsicId;

typedef struct Session {
  Arena *arena; /* lives as long as the session */
  Target target;
  int lanes; /* W: of the target, or forced by the options */
  LLVMContextRef context;
  LLVMModuleRef module; /* NULL between session_begin_module and its end */
  LLVMBuilderRef builder;
  LLVMTargetMachineRef machine;
  LLVMTargetMachineRef entry_machine; /* for long code that runs in no time: translates as it stands */
  LLVMTargetDataRef layout;
  LLVMTypeRef void_type, i1, i8, i32, i64, f32, pointer;
  LLVMTypeRef f32_vector, i1_vector, i32_vector, i64_vector, pointer_vector; /* of W lanes */
  LLVMTypeRef kernel_type, entry_type, run_type; /* simba_kernel, simba_entry, simba_executor.run */
  LLVMTypeRef call_struct;                       /* simba_call */
  unsigned intrinsic[INTRINSIC_COUNT];
} Session;

/* `lanes` 0 is the target's. */
void session_begin(Session *session, const Target *target, int lanes, Arena *arena);
void session_end(Session *session);
/* Ends a session after work in `guard`, whether it was finished or unwound. What was unwound from within LLVM is beyond
 * saving and is left behind. A session that was never begun (all zero) is allowed. */
void session_discard(Session *session, const Guard *guard);
/* A new empty module with triple and layout set; the old one is disposed of. */
void session_begin_module(Session *session, const char *name);
/* Declared for the given overload types (what LLVM's mangled name lists: see the language reference). */
LLVMValueRef session_intrinsic(Session *session, IntrinsicId id, LLVMTypeRef *overloads, size_t count);
LLVMTypeRef session_intrinsic_type(Session *session, IntrinsicId id, LLVMTypeRef *overloads, size_t count);
/* An error becomes guard_bug("<what>: <message>"); success is nothing. */
void session_check(LLVMErrorRef error, const char *what);
/* Adds an enum attribute (value 0 where it takes none) or a string one to a function or its parameter `index`. */
void session_attribute(Session *session, LLVMValueRef function, LLVMAttributeIndex index, const char *name,
                       uint64_t value);
void session_text_attribute(Session *session, LLVMValueRef function, const char *name, const char *value);

/* LLVM's targets are registered and its fatal-error handler installed, once for the process. The handler unwinds to the
 * innermost guard of its thread: what LLVM owned is lost, the process lives. */
void session_initialise(void);

#endif
