#include "session.h"

#include "runtime/abi.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Target.h>
#include <pthread.h>
#include <string.h>

static const char *const INTRINSIC_NAMES[] = {
#define INTRINSIC(id, name) name,
    SESSION_INTRINSICS(INTRINSIC)
#undef INTRINSIC
};

/* Begins the message of what was raised within LLVM. */
static const char WITHIN_LLVM[] = "LLVM: ";

static void fatal_error(const char *reason) { guard_bug("%s%s", WITHIN_LLVM, reason); }

static void initialise_once(void) {
  LLVMInstallFatalErrorHandler(fatal_error);
#define INITIALISE(name)              \
  LLVMInitialize##name##TargetInfo(); \
  LLVMInitialize##name##Target();     \
  LLVMInitialize##name##TargetMC();   \
  LLVMInitialize##name##AsmPrinter();
  INITIALISE(X86)
  INITIALISE(AArch64)
  INITIALISE(WebAssembly)
  INITIALISE(RISCV)
#undef INITIALISE
}

void session_initialise(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, initialise_once);
}

void session_check(LLVMErrorRef error, const char *what) {
  if (!error) return;
  char *text = LLVMGetErrorMessage(error);
  char message[512];
  size_t length = strlen(text);
  if (length >= sizeof message) length = sizeof message - 1;
  memcpy(message, text, length);
  message[length] = '\0';
  LLVMDisposeErrorMessage(text);
  guard_bug("%s: %s", what, message);
}

/* Remarks and warnings come this way too; only errors are bugs of ours. */
static void take_diagnostic(LLVMDiagnosticInfoRef info, void *unused) {
  (void)unused;
  if (LLVMGetDiagInfoSeverity(info) != LLVMDSError) return;
  char *text = LLVMGetDiagInfoDescription(info);
  char message[512];
  strncpy(message, text, sizeof message - 1);
  message[sizeof message - 1] = '\0';
  LLVMDisposeMessage(text);
  guard_bug("%s%s", WITHIN_LLVM, message);
}

static LLVMTargetMachineRef create_machine(const Target *target, LLVMCodeGenOptLevel level) {
  LLVMTargetRef description = NULL;
  char *message = NULL;
  if (LLVMGetTargetFromTriple(target->triple, &description, &message)) {
    LLVMDisposeMessage(message);
    guard_bug("LLVM has no target for %s", target->triple);
  }
  LLVMTargetMachineOptionsRef options = LLVMCreateTargetMachineOptions();
  LLVMTargetMachineOptionsSetCPU(options, target->cpu);
  LLVMTargetMachineOptionsSetFeatures(options, target->features);
  LLVMTargetMachineOptionsSetCodeGenOptLevel(options, level);
  LLVMTargetMachineOptionsSetRelocMode(options, LLVMRelocPIC);
  if (target->architecture == ARCH_RISCV64) LLVMTargetMachineOptionsSetABI(options, "lp64d");
  LLVMTargetMachineRef machine = LLVMCreateTargetMachineWithOptions(description, target->triple, options);
  LLVMDisposeTargetMachineOptions(options);
  ASSERT(machine);
  return machine;
}

enum { CALL_FIELDS = 11 };

/* Types of runtime/abi.h. Structs are read by field number, so their order here is the order there. */
static void create_abi_types(Session *s) {
  LLVMTypeRef p = s->pointer, l = s->i64;
  LLVMTypeRef fields[CALL_FIELDS] = {LLVMArrayType2(l, SIMBA_SYMBOLS), l, l, p, p, p, p, p, p, p, p};
  s->call_struct = LLVMStructTypeInContext(s->context, fields, CALL_FIELDS, false);
  LLVMTypeRef kernel[] = {p, p, p, l, l};
  s->kernel_type = LLVMFunctionType(s->void_type, kernel, 5, false);
  LLVMTypeRef entry[] = {p};
  s->entry_type = LLVMFunctionType(s->i32, entry, 1, false);
  LLVMTypeRef size = LLVMPointerSize(s->layout) == 4 ? s->i32 : l;
  LLVMTypeRef run[] = {p, p, p, p, p, size, l, s->i32};
  s->run_type = LLVMFunctionType(s->void_type, run, 8, false);
}

void session_begin(Session *session, const Target *target, int lanes, Arena *arena) {
  *session = (Session){.arena = arena, .target = *target, .lanes = lanes ? lanes : target->lanes};
  session_initialise();
  Session *s = session;
  s->machine = create_machine(target, LLVMCodeGenLevelDefault);
  s->entry_machine = create_machine(target, LLVMCodeGenLevelNone);
  s->layout = LLVMCreateTargetDataLayout(s->machine);
  s->context = LLVMContextCreate();
  LLVMContextSetDiagnosticHandler(s->context, take_diagnostic, NULL);
  s->builder = LLVMCreateBuilderInContext(s->context);
  s->void_type = LLVMVoidTypeInContext(s->context);
  s->i1 = LLVMInt1TypeInContext(s->context);
  s->i8 = LLVMInt8TypeInContext(s->context);
  s->i32 = LLVMInt32TypeInContext(s->context);
  s->i64 = LLVMInt64TypeInContext(s->context);
  s->f32 = LLVMFloatTypeInContext(s->context);
  s->pointer = LLVMPointerTypeInContext(s->context, 0);
  unsigned w = (unsigned)s->lanes;
  s->f32_vector = LLVMVectorType(s->f32, w);
  s->i1_vector = LLVMVectorType(s->i1, w);
  s->i32_vector = LLVMVectorType(s->i32, w);
  s->i64_vector = LLVMVectorType(s->i64, w);
  s->pointer_vector = LLVMVectorType(s->pointer, w);
  create_abi_types(s);
  for (int k = 0; k < INTRINSIC_COUNT; k++)
    s->intrinsic[k] = LLVMLookupIntrinsicID(INTRINSIC_NAMES[k], strlen(INTRINSIC_NAMES[k]));
}

static void dispose_module(Session *session) {
  if (session->module) LLVMDisposeModule(session->module);
  session->module = NULL;
}

void session_end(Session *session) {
  dispose_module(session);
  if (session->builder) LLVMDisposeBuilder(session->builder);
  if (session->layout) LLVMDisposeTargetData(session->layout);
  if (session->machine) LLVMDisposeTargetMachine(session->machine);
  if (session->entry_machine) LLVMDisposeTargetMachine(session->entry_machine);
  if (session->context) LLVMContextDispose(session->context);
  *session = (Session){0};
}

void session_discard(Session *session, const Guard *guard) {
  bool lost = guard->kind != GUARD_OK && !strncmp(guard->message, WITHIN_LLVM, sizeof WITHIN_LLVM - 1);
  if (!lost) session_end(session);
}

void session_begin_module(Session *session, const char *name) {
  dispose_module(session);
  session->module = LLVMModuleCreateWithNameInContext(name, session->context);
  LLVMSetTarget(session->module, session->target.triple);
  LLVMSetModuleDataLayout(session->module, session->layout);
}

LLVMValueRef session_intrinsic(Session *session, IntrinsicId id, LLVMTypeRef *overloads, size_t count) {
  ASSERT(session->intrinsic[id]);
  return LLVMGetIntrinsicDeclaration(session->module, session->intrinsic[id], overloads, count);
}

LLVMTypeRef session_intrinsic_type(Session *session, IntrinsicId id, LLVMTypeRef *overloads, size_t count) {
  return LLVMIntrinsicGetType(session->context, session->intrinsic[id], overloads, count);
}

void session_attribute(Session *session, LLVMValueRef function, LLVMAttributeIndex index, const char *name,
                       uint64_t value) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  ASSERT(kind);
  LLVMAddAttributeAtIndex(function, index, LLVMCreateEnumAttribute(session->context, kind, value));
}

void session_text_attribute(Session *session, LLVMValueRef function, const char *name, const char *value) {
  LLVMAddAttributeAtIndex(
      function, LLVMAttributeFunctionIndex,
      LLVMCreateStringAttribute(session->context, name, (unsigned)strlen(name), value, (unsigned)strlen(value)));
}
