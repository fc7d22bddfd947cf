#include "entry.h"

#include "emit.h"
#include "family.h"

#include <inttypes.h>

enum { SCRATCH_ALIGNMENT = 64 };

typedef struct Entry {
  Emitter e;
  const Program *program;
  const char *prefix;
  const char *const *kernel_name;
  LLVMValueRef table[CALL_ARENA + 1]; /* pointer of each field of the call, NULL: not loaded */
  LLVMValueRef scratch;               /* of the worker; of all workers, in an entry point */
  LLVMValueRef image_call;            /* a copy of the call that says which image is at work */
  LLVMValueRef arguments;             /* [most arguments x pointer] on the stack, used again by every launch */
  LLVMValueRef launch;                /* the helper below */
} Entry;

static KernelWork kernel_work(const Program *program, uint32_t kernel, const Target *target, int lanes) {
  return family_of(program->kernel[kernel], target, lanes)->work(program->kernel[kernel], target, lanes);
}

static size_t launch_scratch_bytes(const Program *program, const Launch *launch, const Target *target, int lanes) {
  return kernel_work(program, launch->kernel, target, lanes).scratch_bytes;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

size_t entry_scratch_bytes(const Program *program, const Target *target, int lanes) {
  size_t most = 0;
  for (uint32_t k = 0; k < program->prepare_count; k++)
    most = larger(most, launch_scratch_bytes(program, &program->prepare[k], target, lanes));
  for (uint32_t k = 0; k < program->launch_count; k++) {
    const LaunchGroup *group = program_group(program, k);
    size_t local = group ? (size_t)group->local_bytes : 0;
    most = larger(most, local + launch_scratch_bytes(program, &program->launch[k], target, lanes));
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

/* void launch(call, kernel, arguments, items, number, scratch): all items, by the executor or here. */
static LLVMTypeRef launch_type(Session *s) {
  LLVMTypeRef parameters[] = {s->pointer, s->pointer, s->pointer, s->i64, s->i32, s->pointer};
  return LLVMFunctionType(s->void_type, parameters, 6, false);
}

static LLVMTypeRef executor_type(Session *s) {
  LLVMTypeRef fields[] = {s->i32, s->i32, s->pointer};
  return LLVMStructTypeInContext(s->context, fields, 3, false);
}

static void emit_executor_call(Emitter *e, LLVMValueRef executor, size_t scratch_bytes) {
  Session *s = e->session;
  LLVMValueRef slot = LLVMBuildStructGEP2(e->builder, executor_type(s), executor, EXECUTOR_RUN, "");
  LLVMValueRef run = LLVMBuildLoad2(e->builder, s->pointer, slot, "run");
  LLVMTypeRef size = LLVMPointerSize(s->layout) == 4 ? s->i32 : s->i64;
  LLVMValueRef arguments[] = {executor,
                              LLVMGetParam(e->function, 1),
                              e->call,
                              LLVMGetParam(e->function, 2),
                              LLVMGetParam(e->function, 5),
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
  LLVMValueRef scratch = LLVMGetParam(function, 5);
  LLVMValueRef items = LLVMGetParam(function, 3), zero = emit_i64(&e, 0);
  LLVMValueRef some = LLVMBuildICmp(e.builder, LLVMIntSGT, items, zero, "");
  LLVMValueRef alone = LLVMBuildIsNull(e.builder, executor, "");
  Branch here, there;
  branch_begin(&e, &here, LLVMBuildAnd(e.builder, some, alone, ""));
  LLVMValueRef arguments[] = {e.call, LLVMGetParam(function, 2), scratch, zero, items};
  LLVMBuildCall2(e.builder, s->kernel_type, LLVMGetParam(function, 1), arguments, 5, "");
  branch_end(&e, &here);
  branch_begin(&e, &there, LLVMBuildAnd(e.builder, some, LLVMBuildNot(e.builder, alone, ""), ""));
  emit_executor_call(&e, executor, scratch_bytes);
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

static LLVMValueRef emit_bytes_behind(Emitter *e, LLVMValueRef pointer, int64_t bytes) {
  LLVMValueRef offset = emit_i64(e, bytes);
  return bytes ? LLVMBuildGEP2(e->builder, e->session->i8, pointer, &offset, 1, "") : pointer;
}

static LLVMValueRef buffer_address(Entry *entry, BufferId id) {
  Emitter *e = &entry->e;
  const Buffer *buffer = &entry->program->buffer[id];
  if (buffer->kind == BUFFER_LOCAL) return emit_bytes_behind(e, entry->scratch, buffer->offset.factor);
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

/* Fills the array of arguments; `image`: the number of the image, for launches of a group. */
static void emit_arguments(Entry *entry, const Launch *launch, LLVMValueRef image) {
  Emitter *e = &entry->e;
  for (uint32_t k = 0; k < entry->program->kernel[launch->kernel]->argument_count; k++) {
    LLVMValueRef index = emit_i64(e, k), address = buffer_address(entry, launch->argument[k]);
    if (image && launch->advance[k])
      address = emit_element(e, address, emit_multiply_i64(e, image, emit_i64(e, launch->advance[k])));
    LLVMValueRef slot = LLVMBuildGEP2(e->builder, e->session->pointer, entry->arguments, &index, 1, "");
    LLVMBuildStore(e->builder, address, slot);
  }
}

static LLVMValueRef emit_launch_items(Entry *entry, const Launch *launch) {
  const Session *s = entry->e.session;
  KernelWork work = kernel_work(entry->program, launch->kernel, &s->target, s->lanes);
  return emit_item_count(&entry->e, &work);
}

static LLVMValueRef launch_function(Entry *entry, const Launch *launch) {
  return kernel_function(entry->e.session, entry->kernel_name[launch->kernel]);
}

static void emit_launch_call(Entry *entry, LLVMValueRef call, LLVMValueRef function, LLVMValueRef items,
                             LLVMValueRef scratch, uint32_t number) {
  Emitter *e = &entry->e;
  LLVMValueRef arguments[] = {call, function, entry->arguments, items, emit_i32(e, (int32_t)number), scratch};
  LLVMBuildCall2(e->builder, launch_type(e->session), entry->launch, arguments, 6, "");
}

static void emit_launch(Entry *entry, const Launch *launch, LLVMValueRef image, LLVMValueRef scratch, uint32_t number) {
  emit_arguments(entry, launch, image);
  LLVMValueRef call = image ? entry->image_call : entry->e.call;
  emit_launch_call(entry, call, launch_function(entry, launch), emit_launch_items(entry, launch), scratch, number);
}

static uint32_t most_arguments(const Program *program) {
  uint32_t most = 1;
  for (uint32_t k = 0; k < program->kernel_count; k++)
    if (program->kernel[k]->argument_count > most) most = program->kernel[k]->argument_count;
  return most;
}

static void begin_function(Entry *entry, LLVMValueRef function) {
  Emitter *e = &entry->e;
  Session *s = e->session;
  emitter_begin_plain(e, s, function);
  emitter_load_call(e, LLVMGetParam(function, 0));
  for (unsigned field = CALL_INPUT; field <= CALL_ARENA; field++)
    entry->table[field] = emit_call_field(e, field, s->pointer, "table");
  entry->arguments = emit_alloca(e, s->pointer, most_arguments(entry->program) + 1, 16);
}

/* --- groups ---------------------------------------------------------------------------------------------------- */

static void copy_call(Entry *entry) {
  Emitter *e = &entry->e;
  LLVMTypeRef type = e->session->call_struct;
  entry->image_call = emit_alloca(e, type, 1, 16);
  LLVMBuildStore(e->builder, LLVMBuildLoad2(e->builder, type, e->call, ""), entry->image_call);
}

static void emit_image_number(Entry *entry, LLVMValueRef image) {
  Emitter *e = &entry->e;
  Session *s = e->session;
  LLVMValueRef symbols = LLVMBuildStructGEP2(e->builder, s->call_struct, entry->image_call, CALL_SYMBOL, "");
  LLVMValueRef index = emit_i64(e, SYMBOL_IMAGE - 1);
  LLVMBuildStore(e->builder, image, LLVMBuildGEP2(e->builder, s->i64, symbols, &index, 1, ""));
}

/* A function of a kernel's type whose items are images. */
static LLVMValueRef emit_group(const Entry *outer, const LaunchGroup *group) {
  Entry entry = *outer;
  Emitter *e = &entry.e;
  Session *s = e->session;
  LLVMValueRef function = LLVMAddFunction(s->module, "group", s->kernel_type);
  LLVMSetLinkage(function, LLVMInternalLinkage);
  begin_function(&entry, function);
  entry.scratch = LLVMGetParam(function, 2);
  LLVMValueRef scratch = emit_bytes_behind(e, entry.scratch, group->local_bytes);
  copy_call(&entry);
  Loop images;
  loop_begin(e, &images, LLVMGetParam(function, 3), LLVMGetParam(function, 4), 1);
  emit_image_number(&entry, images.index);
  for (uint32_t k = group->first; k < group->first + group->count; k++) {
    const Launch *launch = &entry.program->launch[k];
    emit_arguments(&entry, launch, images.index);
    LLVMValueRef items = emit_launch_items(&entry, launch);
    LLVMValueRef arguments[] = {entry.image_call, entry.arguments, scratch, emit_i64(e, 0), items};
    LLVMBuildCall2(e->builder, s->kernel_type, launch_function(&entry, launch), arguments, 5, "");
  }
  loop_end(e, &images);
  LLVMBuildRetVoid(e->builder);
  return function;
}

static LLVMValueRef load_executor_field(Emitter *e, LLVMValueRef executor, unsigned field) {
  Session *s = e->session;
  LLVMValueRef slot = LLVMBuildStructGEP2(e->builder, executor_type(s), executor, field, "");
  return LLVMBuildSExt(e->builder, LLVMBuildLoad2(e->builder, s->i32, slot, ""), s->i64, "");
}

/* How many images run as a group: as many as every worker has the same number of. The bits of an image are the same
 * either way. */
static LLVMValueRef emit_whole_images(Emitter *e, LLVMValueRef images) {
  Session *s = e->session;
  LLVMValueRef alone[] = {emit_i32(e, 1), emit_i32(e, 0), LLVMConstNull(s->pointer)};
  LLVMValueRef none = LLVMAddGlobal(s->module, executor_type(s), "alone");
  LLVMSetInitializer(none, LLVMConstStructInContext(s->context, alone, 3, false));
  LLVMSetLinkage(none, LLVMPrivateLinkage);
  LLVMSetGlobalConstant(none, true);
  LLVMValueRef given = emit_call_field(e, CALL_EXECUTOR, s->pointer, "executor");
  LLVMValueRef executor = LLVMBuildSelect(e->builder, LLVMBuildIsNull(e->builder, given, ""), none, given, "");
  LLVMValueRef workers = load_executor_field(e, executor, EXECUTOR_WORKERS);
  LLVMValueRef whole = LLVMBuildSub(e->builder, images, LLVMBuildSRem(e->builder, images, workers, ""), "");
  LLVMValueRef stepwise = LLVMBuildIsNotNull(e->builder, load_executor_field(e, executor, EXECUTOR_STEPWISE), "");
  return LLVMBuildSelect(e->builder, stepwise, emit_i64(e, 0), whole, "");
}

/* Images that are left over run one by one, the items of each launch on all workers. */
static void emit_group_launch(Entry *entry, const LaunchGroup *group, LLVMValueRef function) {
  Emitter *e = &entry->e;
  LLVMValueRef images = e->symbol[SYMBOL_BATCH - 1], whole = emit_whole_images(e, images);
  emit_launch_call(entry, e->call, function, whole, entry->scratch, group->first);
  LLVMValueRef scratch = emit_bytes_behind(e, entry->scratch, group->local_bytes);
  Loop rest;
  loop_begin(e, &rest, whole, images, 1);
  emit_image_number(entry, rest.index);
  for (uint32_t k = group->first; k < group->first + group->count; k++)
    emit_launch(entry, &entry->program->launch[k], rest.index, scratch, k);
  loop_end(e, &rest);
}

/* --- entry points ---------------------------------------------------------------------------------------------- */

static void begin_entry_point(Entry *entry, const char *suffix) {
  Session *s = entry->e.session;
  const char *name = arena_format(s->arena, "%s_%s", entry->prefix, suffix);
  begin_function(entry, LLVMAddFunction(s->module, name, s->entry_type));
  entry->scratch = emit_call_field(&entry->e, CALL_SCRATCH, s->pointer, "scratch");
}

static void emit_prepare(Entry *entry) {
  begin_entry_point(entry, "prepare");
  for (uint32_t k = 0; k < entry->program->prepare_count; k++)
    emit_launch(entry, &entry->program->prepare[k], NULL, entry->scratch, k);
  LLVMBuildRet(entry->e.builder, emit_i32(&entry->e, 0));
}

static void emit_run(Entry *entry) {
  const Program *program = entry->program;
  LLVMValueRef *group = ARENA_ARRAY(entry->e.session->arena, LLVMValueRef, program->group_count + 1);
  for (uint32_t g = 0; g < program->group_count; g++) group[g] = emit_group(entry, &program->group[g]);
  begin_entry_point(entry, "run");
  if (program->group_count > 0) copy_call(entry);
  uint32_t at = 0;
  for (uint32_t g = 0; g <= program->group_count; g++) {
    uint32_t next = g < program->group_count ? program->group[g].first : program->launch_count;
    for (; at < next; at++) emit_launch(entry, &program->launch[at], NULL, entry->scratch, at);
    if (g == program->group_count) break;
    emit_group_launch(entry, &program->group[g], group[g]);
    at += program->group[g].count;
  }
  LLVMBuildRet(entry->e.builder, emit_i32(&entry->e, 0));
}

void entry_emit(Session *session, const Program *program, const char *prefix, const char *const *kernel_name) {
  size_t scratch_bytes = entry_scratch_bytes(program, &session->target, session->lanes);
  Entry entry = {.e = {.session = session},
                 .program = program,
                 .prefix = prefix,
                 .kernel_name = kernel_name,
                 .launch = emit_launch_helper(session, scratch_bytes)};
  emit_prepare(&entry);
  emit_run(&entry);
}
