#include "entry.h"

#include "emit.h"
#include "family.h"

#include <inttypes.h>

enum { SCRATCH_ALIGNMENT = 64, CONSTANT_ALIGNMENT = 64 };

typedef struct Entry {
  Emitter e;
  const Program *program;
  const char *prefix;
  const char *const *kernel_name;
  LLVMValueRef table[CALL_ARENA + 1]; /* pointer of each field of the call, NULL: not loaded */
  LLVMValueRef arguments;             /* [most arguments x pointer] on the stack, used again by every launch */
  LLVMValueRef launch;                /* the helper below */
  LLVMValueRef *constant;             /* by buffer: its bytes, NULL: not emitted yet */
} Entry;

static KernelWork kernel_work(const Program *program, uint32_t kernel, const Target *target, int lanes) {
  return family_of(program->kernel[kernel], target, lanes)->work(program->kernel[kernel], target, lanes);
}

size_t entry_scratch_bytes(const Program *program, const Target *target, int lanes) {
  size_t most = 0;
  for (uint32_t k = 0; k < program->kernel_count; k++) {
    size_t bytes = kernel_work(program, k, target, lanes).scratch_bytes;
    if (bytes > most) most = bytes;
  }
  return (most + SCRATCH_ALIGNMENT - 1) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT;
}

const char *const *entry_names_by_number(const Program *program, const char *prefix, Arena *arena) {
  const char **name = ARENA_ARRAY(arena, const char *, program->kernel_count + 1);
  for (uint32_t k = 0; k < program->kernel_count; k++) name[k] = arena_format(arena, "%s_kernel_%u", prefix, k);
  return name;
}

/* No two kernels of a program are equal, but their hashes might be: then the later one is numbered. */
const char *const *entry_names_by_content(const Program *program, const char *prefix, Arena *arena) {
  const char **name = ARENA_ARRAY(arena, const char *, program->kernel_count + 1);
  uint64_t *hash = ARENA_ARRAY(arena, uint64_t, program->kernel_count + 1);
  for (uint32_t k = 0; k < program->kernel_count; k++) {
    hash[k] = kernel_hash(program->kernel[k]);
    uint32_t before = 0;
    for (uint32_t j = 0; j < k; j++) before += hash[j] == hash[k];
    name[k] = arena_format(arena, "%s_kernel_%016" PRIx64, prefix, hash[k]);
    if (before) name[k] = arena_format(arena, "%s_%u", name[k], before);
  }
  return name;
}

static LLVMValueRef kernel_function(Session *session, const char *name) {
  LLVMValueRef function = LLVMGetNamedFunction(session->module, name);
  if (function) return function;
  function = LLVMAddFunction(session->module, name, session->kernel_type);
  LLVMSetVisibility(function, LLVMHiddenVisibility);
  return function;
}

/* void launch(call, kernel, arguments, items, number): all items, by the executor or here. */
static LLVMTypeRef launch_type(Session *s) {
  LLVMTypeRef parameters[] = {s->pointer, s->pointer, s->pointer, s->i64, s->i32};
  return LLVMFunctionType(s->void_type, parameters, 5, false);
}

static void emit_executor_call(Emitter *e, LLVMValueRef executor, LLVMValueRef scratch, size_t scratch_bytes) {
  Session *s = e->session;
  LLVMTypeRef fields[] = {s->i32, s->i32, s->pointer};
  LLVMTypeRef type = LLVMStructTypeInContext(s->context, fields, 3, false);
  LLVMValueRef slot = LLVMBuildStructGEP2(e->builder, type, executor, 2, "");
  LLVMValueRef run = LLVMBuildLoad2(e->builder, s->pointer, slot, "run");
  LLVMTypeRef size = LLVMPointerSize(s->layout) == 4 ? s->i32 : s->i64;
  LLVMValueRef arguments[] = {executor,
                              LLVMGetParam(e->function, 1),
                              e->call,
                              LLVMGetParam(e->function, 2),
                              scratch,
                              LLVMConstInt(size, scratch_bytes, false),
                              LLVMGetParam(e->function, 3),
                              LLVMGetParam(e->function, 4)};
  LLVMBuildCall2(e->builder, s->run_type, run, arguments, 8, "");
}

static LLVMValueRef emit_launch_helper(Session *s, size_t scratch_bytes) {
  LLVMValueRef function = LLVMAddFunction(s->module, "launch", launch_type(s));
  LLVMSetLinkage(function, LLVMInternalLinkage);
  session_attribute(s, function, LLVMAttributeFunctionIndex, "noinline", 0);
  Emitter e;
  emitter_begin_plain(&e, s, function);
  e.call = LLVMGetParam(function, 0);
  LLVMValueRef executor = emit_call_field(&e, CALL_EXECUTOR, s->pointer, "executor");
  LLVMValueRef scratch = emit_call_field(&e, CALL_SCRATCH, s->pointer, "scratch");
  LLVMValueRef items = LLVMGetParam(function, 3), zero = emit_i64(&e, 0);
  LLVMValueRef some = LLVMBuildICmp(e.builder, LLVMIntSGT, items, zero, "");
  LLVMValueRef alone = LLVMBuildIsNull(e.builder, executor, "");
  Branch here, there;
  branch_begin(&e, &here, LLVMBuildAnd(e.builder, some, alone, ""));
  LLVMValueRef arguments[] = {e.call, LLVMGetParam(function, 2), scratch, zero, items};
  LLVMBuildCall2(e.builder, s->kernel_type, LLVMGetParam(function, 1), arguments, 5, "");
  branch_end(&e, &here);
  branch_begin(&e, &there, LLVMBuildAnd(e.builder, some, LLVMBuildNot(e.builder, alone, ""), ""));
  emit_executor_call(&e, executor, scratch, scratch_bytes);
  branch_end(&e, &there);
  LLVMBuildRetVoid(e.builder);
  return function;
}

/* The table or region that a kind of buffer is found by. */
static unsigned buffer_field(BufferKind kind) {
  switch (kind) {
    case BUFFER_INPUT:
      return CALL_INPUT;
    case BUFFER_OUTPUT:
      return CALL_OUTPUT;
    case BUFFER_PARAMETER:
      return CALL_PARAMETER;
    case BUFFER_STATE:
      return CALL_STATE;
    case BUFFER_PREPARED:
      return CALL_PREPARED;
    case BUFFER_ARENA:
      return CALL_ARENA;
    default:
      guard_bug("a buffer of kind %d is in no table", (int)kind);
  }
}

static LLVMValueRef constant_bytes(Entry *entry, BufferId id) {
  if (entry->constant[id]) return entry->constant[id];
  Session *s = entry->e.session;
  const Buffer *buffer = &entry->program->buffer[id];
  ASSERT(dim_is_constant(buffer->count) && buffer->data);
  size_t size = (size_t)buffer->count.factor * sizeof(float);
  LLVMValueRef bytes = LLVMConstStringInContext2(s->context, (const char *)buffer->data, size, true);
  LLVMValueRef global = LLVMAddGlobal(s->module, LLVMTypeOf(bytes), "constant");
  LLVMSetInitializer(global, bytes);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetGlobalConstant(global, true);
  LLVMSetAlignment(global, CONSTANT_ALIGNMENT);
  return entry->constant[id] = global;
}

static LLVMValueRef buffer_address(Entry *entry, BufferId id) {
  Emitter *e = &entry->e;
  const Buffer *buffer = &entry->program->buffer[id];
  if (buffer->kind == BUFFER_CONSTANT) return constant_bytes(entry, id);
  unsigned field = buffer_field(buffer->kind);
  LLVMValueRef base = entry->table[field];
  if (buffer->kind == BUFFER_PREPARED || buffer->kind == BUFFER_ARENA) {
    Linear offset = program_offset(entry->program, id);
    LLVMValueRef bytes = emit_linear(e, &offset);
    return LLVMBuildGEP2(e->builder, e->session->i8, base, &bytes, 1, "");
  }
  LLVMValueRef index = emit_i64(e, buffer->index);
  LLVMValueRef slot = LLVMBuildGEP2(e->builder, e->session->pointer, base, &index, 1, "");
  return LLVMBuildLoad2(e->builder, e->session->pointer, slot, "");
}

static void emit_launch(Entry *entry, const Launch *launch, uint32_t number) {
  Emitter *e = &entry->e;
  Session *s = e->session;
  const Kernel *kernel = entry->program->kernel[launch->kernel];
  for (uint32_t k = 0; k < kernel->argument_count; k++) {
    LLVMValueRef index = emit_i64(e, k);
    LLVMValueRef slot = LLVMBuildGEP2(e->builder, s->pointer, entry->arguments, &index, 1, "");
    LLVMBuildStore(e->builder, buffer_address(entry, launch->argument[k]), slot);
  }
  KernelWork work = kernel_work(entry->program, launch->kernel, &s->target, s->lanes);
  LLVMValueRef arguments[] = {e->call, kernel_function(s, entry->kernel_name[launch->kernel]), entry->arguments,
                              emit_item_count(e, &work), emit_i32(e, (int32_t)number)};
  LLVMBuildCall2(e->builder, launch_type(s), entry->launch, arguments, 5, "");
}

static uint32_t most_arguments(const Program *program) {
  uint32_t most = 1;
  for (uint32_t k = 0; k < program->kernel_count; k++)
    if (program->kernel[k]->argument_count > most) most = program->kernel[k]->argument_count;
  return most;
}

/* One entry point: `launches` in order, then 0. */
static void emit_entry_point(Entry *entry, const char *suffix, const Launch *launches, uint32_t count) {
  Session *s = entry->e.session;
  const char *name = arena_format(s->arena, "%s_%s", entry->prefix, suffix);
  LLVMValueRef function = LLVMAddFunction(s->module, name, s->entry_type);
  Emitter *e = &entry->e;
  emitter_begin_plain(e, s, function);
  emitter_load_call(e, LLVMGetParam(function, 0));
  for (unsigned field = CALL_INPUT; field <= CALL_ARENA; field++)
    entry->table[field] = emit_call_field(e, field, s->pointer, "table");
  entry->arguments = emit_alloca(e, s->pointer, most_arguments(entry->program) + 1, 16);
  for (uint32_t k = 0; k < count; k++) emit_launch(entry, &launches[k], k);
  LLVMBuildRet(e->builder, emit_i32(e, 0));
}

void entry_emit(Session *session, const Program *program, const char *prefix, const char *const *kernel_name) {
  size_t scratch_bytes = entry_scratch_bytes(program, &session->target, session->lanes);
  Entry entry = {.e = {.session = session},
                 .program = program,
                 .prefix = prefix,
                 .kernel_name = kernel_name,
                 .launch = emit_launch_helper(session, scratch_bytes),
                 .constant = ARENA_ARRAY(session->arena, LLVMValueRef, program->buffer_count + 1)};
  emit_entry_point(&entry, "prepare", program->prepare, program->prepare_count);
  emit_entry_point(&entry, "run", program->launch, program->launch_count);
}
