#include "object.h"

#include "entry.h"
#include "family.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <time.h>

/* Our vectors, tiles and order of operations are explicit already. What is left to do is what emitters do not bother
 * with: address arithmetic, loop invariants, dead code. A tenth of the time of default<O3>, for smaller code. */
const char OBJECT_PIPELINE[] =
    "function(early-cse,loop-mssa(loop-rotate,licm),instcombine<no-verify-fixpoint>,simplifycfg)";

double object_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

ModuleSpec object_whole(const Program *program, const char *prefix, Arena *arena) {
  uint32_t *kernels = ARENA_ARRAY(arena, uint32_t, program->kernel_count + 1);
  for (uint32_t k = 0; k < program->kernel_count; k++) kernels[k] = k;
  return (ModuleSpec){.program = program,
                      .prefix = prefix,
                      .kernel_name = entry_names_by_number(program, prefix, arena),
                      .kernel_count = program->kernel_count,
                      .kernel = kernels,
                      .entry = true};
}

void object_verify(Session *session) {
  char *message = NULL;
  if (LLVMVerifyModule(session->module, LLVMReturnStatusAction, &message)) {
    const char *copy = arena_format(session->arena, "%.800s", message);
    LLVMDisposeMessage(message);
    guard_bug("the emitted module is malformed: %s", copy);
  }
  LLVMDisposeMessage(message);
}

static void run_passes(Session *session, const char *passes) {
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMErrorRef error = LLVMRunPasses(session->module, passes, session->machine, options);
  LLVMDisposePassBuilderOptions(options);
  session_check(error, "optimising");
}

void object_optimise(Session *session) { run_passes(session, OBJECT_PIPELINE); }
void object_prune(Session *session) { run_passes(session, "globaldce"); }

void object_emit(Session *session, const ModuleSpec *spec, bool verify, CodegenTimes *times) {
  double start = object_clock();
  session_begin_module(session, spec->prefix);
  for (uint32_t k = 0; k < spec->kernel_count; k++) {
    uint32_t number = spec->kernel[k];
    const Kernel *kernel = spec->program->kernel[number];
    const Family *family = family_of(kernel, &session->target, session->lanes);
    family->emit(session, kernel, spec->kernel_name[number]);
    bool product = kernel->family == LOWER_CONTRACT || kernel->family == LOWER_SPECTRAL;
    times->library += family->library;
    times->fallback += session->target.has_libraries && product && !family->library;
  }
  if (spec->entry) entry_emit(session, spec->program, spec->prefix, spec->kernel_name);
  if (verify) object_verify(session);
  times->emit += object_clock() - start;
  times->kernels += spec->kernel_count;
}

void object_build(Session *session, const ModuleSpec *spec, bool verify, CodegenTimes *times) {
  object_emit(session, spec, verify, times);
  double start = object_clock();
  object_optimise(session);
  times->optimise += object_clock() - start;
}

LLVMMemoryBufferRef object_encode(Session *session, LLVMTargetMachineRef machine, LLVMCodeGenFileType type,
                                  CodegenTimes *times) {
  double start = object_clock();
  LLVMMemoryBufferRef buffer = NULL;
  char *message = NULL;
  if (LLVMTargetMachineEmitToMemoryBuffer(machine, session->module, type, &message, &buffer)) {
    const char *copy = arena_format(session->arena, "%.800s", message);
    LLVMDisposeMessage(message);
    guard_bug("encoding: %s", copy);
  }
  times->encode += object_clock() - start;
  return buffer;
}

CodegenBlob object_bytes(Session *session, LLVMTargetMachineRef machine, Arena *arena, CodegenTimes *times) {
  LLVMMemoryBufferRef buffer = object_encode(session, machine, LLVMObjectFile, times);
  size_t size = LLVMGetBufferSize(buffer);
  CodegenBlob object = {arena_copy(arena, LLVMGetBufferStart(buffer), size), size};
  LLVMDisposeMemoryBuffer(buffer);
  return object;
}
