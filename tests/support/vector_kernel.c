#include "vector_kernel.h"

#include "codegen/object.h"

#include <string.h>

static void emit_array_loop(Session *session, VectorKernelEmit *emit) {
  LLVMTypeRef parameters[] = {session->pointer, session->pointer, session->i64};
  LLVMTypeRef type = LLVMFunctionType(session->void_type, parameters, 3, false);
  LLVMValueRef function = LLVMAddFunction(session->module, "vector_kernel", type);
  Emitter e;
  emitter_begin_plain(&e, session, function);
  Loop loop;
  loop_begin(&e, &loop, emit_i64(&e, 0), LLVMGetParam(function, 2), session->lanes);
  LLVMValueRef x = emit_load_vector(&e, emit_element(&e, LLVMGetParam(function, 0), loop.index), NULL);
  emit_store_vector(&e, emit(&e, x), emit_element(&e, LLVMGetParam(function, 1), loop.index), NULL);
  loop_end(&e, &loop);
  LLVMBuildRetVoid(e.builder);
}

void vector_kernel_create(VectorKernelEmit *emit, const char *cpu, int lanes, VectorKernel *out) {
  Arena *arena = arena_create();
  Target target;
  const char *message = NULL;
  if (!target_find(NULL, NULL, arena, &target, &message)) guard_bug("%s", message);
  const char *triple = target.triple;
  if (cpu && !target_find(triple, strcmp(cpu, "baseline") ? cpu : NULL, arena, &target, &message))
    guard_bug("%s", message);
  Session session;
  session_begin(&session, &target, lanes, arena);
  session_begin_module(&session, "vector_math");
  emit_array_loop(&session, emit);
  CodegenTimes times = {0};
  object_verify(&session);
  object_optimise(&session);
  LLVMMemoryBufferRef object = object_encode(&session, session.machine, LLVMObjectFile, &times);
  session_check(LLVMOrcCreateLLJIT(&out->jit, NULL), "creating the JIT");
  session_check(LLVMOrcLLJITAddObjectFile(out->jit, LLVMOrcLLJITGetMainJITDylib(out->jit), object), "loading");
  LLVMOrcExecutorAddress address = 0;
  session_check(LLVMOrcLLJITLookup(out->jit, &address, "vector_kernel"), "finding the kernel");
  out->run = (VectorKernelFunction *)(uintptr_t)address;
  session_end(&session);
  arena_destroy(arena);
}

void vector_kernel_destroy(VectorKernel *kernel) { session_check(LLVMOrcDisposeLLJIT(kernel->jit), "ending the JIT"); }
