#include "export.h"

#include "emit.h"
#include "entry.h"
#include "object.h"

#include <string.h>

typedef struct Export {
  Emitter e;
  const Program *program;
  const CodegenExport *spec;
  size_t scratch_bytes;
  bool embedded; /* weights are data of the object */
  LLVMValueRef run, prepare;
  LLVMTypeRef weights; /* M_weights: parameters, states, prepared block */
  LLVMTypeRef info;    /* simba_exported_tensor */
} Export;

enum { WEIGHTS_PARAMETER, WEIGHTS_STATE, WEIGHTS_PREPARED };

/* --- data ------------------------------------------------------------------------------------------------------ */

static LLVMValueRef add_data(Export *x, const char *name, LLVMValueRef value, unsigned alignment) {
  LLVMValueRef global = LLVMAddGlobal(x->e.session->module, LLVMTypeOf(value), name);
  LLVMSetInitializer(global, value);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetGlobalConstant(global, true);
  LLVMSetAlignment(global, alignment);
  return global;
}

static LLVMValueRef add_bytes(Export *x, const char *name, const void *bytes, size_t size) {
  return add_data(x, name, LLVMConstStringInContext2(x->e.session->context, bytes, size, true), EXPORT_ALIGNMENT);
}

static LLVMValueRef add_text(Export *x, const char *text) {
  LLVMValueRef value = LLVMConstStringInContext2(x->e.session->context, text, strlen(text), false);
  return add_data(x, "text", value, 1);
}

static bool is_read(const Program *program, BufferKind kind, uint32_t index) {
  for (uint32_t k = 0; k < program->launch_count; k++) {
    const Launch *launch = &program->launch[k];
    for (uint32_t a = 0; a < program->kernel[launch->kernel]->argument_count; a++) {
      const Buffer *buffer = &program->buffer[launch->argument[a]];
      if (buffer->kind == kind && buffer->index == index) return true;
    }
  }
  return false;
}

/* The table that a call holds, of the parameters or states that `run` reads; the others stay NULL. */
static LLVMValueRef add_tensors(Export *x, const char *name, BufferKind kind, const Binding *binding, uint32_t count,
                                const float *const *data) {
  Session *s = x->e.session;
  LLVMValueRef *pointer = ARENA_ARRAY(s->arena, LLVMValueRef, count + 1);
  for (uint32_t k = 0; k < count; k++) {
    pointer[k] = LLVMConstNull(s->pointer);
    if (!is_read(x->program, kind, k)) continue;
    Dim elements;
    if (!shape_count(&binding[k].shape, &elements) || !dim_is_constant(elements) || !data || !data[k])
      guard_bug("%s %s has no data to embed", name, binding[k].name);
    pointer[k] = add_bytes(x, name, data[k], (size_t)elements.factor * sizeof(float));
  }
  return add_data(x, name, LLVMConstArray2(s->pointer, pointer, count), EXPORT_ALIGNMENT);
}

/* --- functions ------------------------------------------------------------------------------------------------- */

static LLVMValueRef begin_function(Export *x, const char *suffix, LLVMTypeRef result, LLVMTypeRef *parameters,
                                   unsigned count) {
  Session *s = x->e.session;
  LLVMTypeRef type = LLVMFunctionType(result, parameters, count, false);
  LLVMValueRef function = LLVMAddFunction(s->module, arena_format(s->arena, "%s_%s", x->spec->model, suffix), type);
  emitter_begin_plain(&x->e, s, function);
  return function;
}

static LLVMBasicBlockRef add_block(Export *x, const char *name) {
  return LLVMAppendBasicBlockInContext(x->e.session->context, x->e.function, name);
}

/* if (condition) return result; */
static void emit_refusal(Export *x, LLVMValueRef condition, LLVMValueRef result) {
  LLVMBasicBlockRef refuse = add_block(x, "refuse"), proceed = add_block(x, "proceed");
  LLVMBuildCondBr(x->e.builder, condition, refuse, proceed);
  LLVMPositionBuilderAtEnd(x->e.builder, refuse);
  LLVMBuildRet(x->e.builder, result);
  LLVMPositionBuilderAtEnd(x->e.builder, proceed);
}

static LLVMValueRef either(Export *x, LLVMValueRef a, LLVMValueRef b) {
  return a ? LLVMBuildOr(x->e.builder, a, b, "") : b;
}

static void refuse_null(Export *x, const LLVMValueRef *pointers, uint32_t count) {
  LLVMValueRef any = NULL;
  for (uint32_t k = 0; k < count; k++) any = either(x, any, LLVMBuildIsNull(x->e.builder, pointers[k], ""));
  if (any) emit_refusal(x, any, emit_i32(&x->e, EXPORT_NULL));
}

static void refuse_misaligned(Export *x, LLVMValueRef pointer) {
  LLVMValueRef address = LLVMBuildPtrToInt(x->e.builder, pointer, x->e.session->i64, "");
  LLVMValueRef low = LLVMBuildAnd(x->e.builder, address, emit_i64(&x->e, EXPORT_ALIGNMENT - 1), "");
  LLVMValueRef misaligned = LLVMBuildICmp(x->e.builder, LLVMIntNE, low, emit_i64(&x->e, 0), "");
  emit_refusal(x, misaligned, emit_i32(&x->e, EXPORT_MISALIGNED));
}

static void refuse_batch(Export *x, LLVMValueRef batch, LLVMValueRef result) {
  LLVMValueRef small = LLVMBuildICmp(x->e.builder, LLVMIntSLT, batch, emit_i64(&x->e, 1), "");
  LLVMValueRef largest = emit_i64(&x->e, export_largest_batch(x->program));
  LLVMValueRef large = LLVMBuildICmp(x->e.builder, LLVMIntSGT, batch, largest, "");
  emit_refusal(x, either(x, small, large), result);
}

static LLVMValueRef load_field(Export *x, LLVMTypeRef structure, LLVMValueRef pointer, unsigned field) {
  LLVMValueRef place = LLVMBuildStructGEP2(x->e.builder, structure, pointer, field, "");
  return LLVMBuildLoad2(x->e.builder, LLVMStructGetTypeAtIndex(structure, field), place, "");
}

static void store_field(Export *x, LLVMValueRef call, unsigned field, LLVMValueRef value) {
  LLVMBuildStore(x->e.builder, value, LLVMBuildStructGEP2(x->e.builder, x->e.session->call_struct, call, field, ""));
}

/* Bytes of the arena proper for the batch, up to where scratch begins behind it. */
static LLVMValueRef emit_arena_size(Export *x, LLVMValueRef batch) {
  for (int s = 0; s < SYMBOL_MAX; s++) x->e.symbol[s] = batch;
  LLVMValueRef bytes = emit_linear(&x->e, &x->program->arena_bytes);
  bytes = LLVMBuildAdd(x->e.builder, bytes, emit_i64(&x->e, EXPORT_ALIGNMENT - 1), "");
  return LLVMBuildAnd(x->e.builder, bytes, emit_i64(&x->e, -EXPORT_ALIGNMENT), "");
}

static void emit_arena_bytes(Export *x) {
  Session *s = x->e.session;
  LLVMTypeRef parameters[] = {s->i64, s->i32};
  LLVMValueRef threads = begin_function(x, "arena_bytes_threads", s->i64, parameters, 2);
  LLVMValueRef batch = LLVMGetParam(threads, 0), workers = LLVMGetParam(threads, 1);
  refuse_batch(x, batch, emit_i64(&x->e, EXPORT_BATCH));
  LLVMValueRef few = LLVMBuildICmp(x->e.builder, LLVMIntSLT, workers, emit_i32(&x->e, 1), "");
  emit_refusal(x, few, emit_i64(&x->e, EXPORT_EXECUTOR));
  LLVMValueRef scratch = LLVMBuildMul(x->e.builder, LLVMBuildSExt(x->e.builder, workers, s->i64, ""),
                                      emit_i64(&x->e, (int64_t)x->scratch_bytes), "");
  LLVMValueRef bytes = LLVMBuildAdd(x->e.builder, emit_arena_size(x, batch), scratch, "");
  /* Never 0, so that whoever allocates it gets a pointer. */
  LLVMBuildRet(x->e.builder, LLVMBuildAdd(x->e.builder, bytes, emit_i64(&x->e, EXPORT_ALIGNMENT), ""));

  LLVMValueRef alone = begin_function(x, "arena_bytes", s->i64, parameters, 1);
  LLVMValueRef arguments[] = {LLVMGetParam(alone, 0), emit_i32(&x->e, 1)};
  LLVMTypeRef type = LLVMFunctionType(s->i64, parameters, 2, false);
  LLVMBuildRet(x->e.builder, LLVMBuildCall2(x->e.builder, type, threads, arguments, 2, ""));
}

/* A simba_call on the stack; tables are filled in by the caller. */
static LLVMValueRef emit_call(Export *x, LLVMValueRef batch, LLVMValueRef arena, LLVMValueRef executor) {
  Session *s = x->e.session;
  LLVMValueRef call = emit_alloca(&x->e, s->call_struct, 1, EXPORT_ALIGNMENT);
  LLVMBuildStore(x->e.builder, LLVMConstNull(s->call_struct), call);
  LLVMValueRef first = LLVMBuildStructGEP2(x->e.builder, s->call_struct, call, CALL_SYMBOL, "");
  for (int32_t k = 0; k < SIMBA_SYMBOLS; k++) {
    LLVMValueRef index = emit_i64(&x->e, k);
    LLVMBuildStore(x->e.builder, batch, LLVMBuildGEP2(x->e.builder, s->i64, first, &index, 1, ""));
  }
  LLVMValueRef size = emit_arena_size(x, batch);
  store_field(x, call, CALL_ARENA, arena);
  store_field(x, call, CALL_SCRATCH, LLVMBuildGEP2(x->e.builder, s->i8, arena, &size, 1, ""));
  store_field(x, call, CALL_EXECUTOR, executor);
  return call;
}

/* Parameters `first` and following of the function, as a table of pointers. */
static LLVMValueRef emit_table(Export *x, unsigned first, uint32_t count) {
  Session *s = x->e.session;
  LLVMValueRef table = emit_alloca(&x->e, s->pointer, count + 1, sizeof(void *));
  for (uint32_t k = 0; k < count; k++) {
    LLVMValueRef index = emit_i64(&x->e, k);
    LLVMValueRef slot = LLVMBuildGEP2(x->e.builder, s->pointer, table, &index, 1, "");
    LLVMBuildStore(x->e.builder, LLVMGetParam(x->e.function, first + k), slot);
  }
  return table;
}

/* Parameters, states and prepared block of the caller go into the call. */
static void take_weights(Export *x, LLVMValueRef call, LLVMValueRef weights) {
  static const unsigned FIELD[] = {CALL_PARAMETER, CALL_STATE, CALL_PREPARED};
  for (unsigned k = WEIGHTS_PARAMETER; k <= WEIGHTS_PREPARED; k++)
    store_field(x, call, FIELD[k], load_field(x, x->weights, weights, k));
}

/* NULL where the program needs it, or a prepared block that is not aligned. */
static void refuse_weights(Export *x, LLVMValueRef weights) {
  LLVMValueRef needed[3];
  uint32_t count = 0;
  if (x->program->parameter_count) needed[count++] = load_field(x, x->weights, weights, WEIGHTS_PARAMETER);
  if (x->program->state_count) needed[count++] = load_field(x, x->weights, weights, WEIGHTS_STATE);
  LLVMValueRef prepared = load_field(x, x->weights, weights, WEIGHTS_PREPARED);
  needed[count++] = prepared;
  refuse_null(x, needed, count);
  refuse_misaligned(x, prepared);
}

static void embed_weights(Export *x, LLVMValueRef call) {
  const Program *p = x->program;
  const CodegenExport *spec = x->spec;
  store_field(x, call, CALL_PARAMETER,
              add_tensors(x, "parameter", BUFFER_PARAMETER, p->parameter, p->parameter_count, spec->parameter));
  store_field(x, call, CALL_STATE, add_tensors(x, "state", BUFFER_STATE, p->state, p->state_count, spec->state));
  int64_t bytes = p->prepared_bytes.constant;
  if (!bytes) return;
  ASSERT(spec->prepared);
  store_field(x, call, CALL_PREPARED, add_bytes(x, "prepared", spec->prepared, (size_t)bytes));
}

static LLVMValueRef call_entry(Export *x, LLVMValueRef entry, LLVMValueRef call) {
  return LLVMBuildCall2(x->e.builder, x->e.session->entry_type, entry, &call, 1, "");
}

/* An executor of another version, or without workers. NULL is none. */
static void refuse_executor(Export *x, LLVMValueRef executor) {
  Session *s = x->e.session;
  LLVMTypeRef fields[] = {s->i32, s->i32, s->pointer};
  LLVMTypeRef type = LLVMStructTypeInContext(s->context, fields, 3, false);
  LLVMValueRef values[] = {emit_i32(&x->e, 1), emit_i32(&x->e, 0), LLVMConstNull(s->pointer)};
  LLVMValueRef sound = add_data(x, "no_executor", LLVMConstStructInContext(s->context, values, 3, false), 8);
  LLVMValueRef none = LLVMBuildIsNull(x->e.builder, executor, "");
  LLVMValueRef read = LLVMBuildSelect(x->e.builder, none, sound, executor, "");
  LLVMValueRef workers = load_field(x, type, read, EXECUTOR_WORKERS);
  LLVMValueRef reserved = load_field(x, type, read, EXECUTOR_STEPWISE);
  LLVMValueRef few = LLVMBuildICmp(x->e.builder, LLVMIntSLT, workers, emit_i32(&x->e, 1), "");
  LLVMValueRef strange = LLVMBuildICmp(x->e.builder, LLVMIntNE, reserved, emit_i32(&x->e, 0), "");
  emit_refusal(x, either(x, few, strange), emit_i32(&x->e, EXPORT_EXECUTOR));
}

/* batch, [weights,] inputs, outputs, arena, executor */
static void emit_infer(Export *x) {
  Session *s = x->e.session;
  const Program *p = x->program;
  unsigned inputs = x->embedded ? 1 : 2, arena = inputs + p->input_count + p->output_count, count = arena + 2;
  LLVMTypeRef *types = ARENA_ARRAY(s->arena, LLVMTypeRef, count);
  for (unsigned k = 0; k < count; k++) types[k] = k ? s->pointer : s->i64;
  LLVMValueRef function = begin_function(x, "infer_threads", s->i32, types, count);
  LLVMValueRef *argument = ARENA_ARRAY(s->arena, LLVMValueRef, count);
  LLVMGetParams(function, argument);
  refuse_batch(x, argument[0], emit_i32(&x->e, EXPORT_BATCH));
  refuse_null(x, argument + 1, arena);
  refuse_misaligned(x, argument[arena]);
  if (!x->embedded) refuse_weights(x, argument[1]);
  refuse_executor(x, argument[arena + 1]);
  LLVMValueRef call = emit_call(x, argument[0], argument[arena], argument[arena + 1]);
  store_field(x, call, CALL_INPUT, emit_table(x, inputs, p->input_count));
  store_field(x, call, CALL_OUTPUT, emit_table(x, inputs + p->input_count, p->output_count));
  if (x->embedded)
    embed_weights(x, call);
  else
    take_weights(x, call, argument[1]);
  LLVMBuildRet(x->e.builder, call_entry(x, x->run, call));

  LLVMValueRef alone = begin_function(x, "infer", s->i32, types, count - 1);
  LLVMGetParams(alone, argument);
  argument[count - 1] = LLVMConstNull(s->pointer);
  LLVMTypeRef type = LLVMFunctionType(s->i32, types, count, false);
  LLVMBuildRet(x->e.builder, LLVMBuildCall2(x->e.builder, type, function, argument, count, ""));
}

static void emit_prepare(Export *x) {
  Session *s = x->e.session;
  int64_t bytes = x->program->prepared_bytes.constant;
  begin_function(x, "prepared_bytes", s->i64, NULL, 0);
  LLVMBuildRet(x->e.builder, emit_i64(&x->e, bytes ? bytes : EXPORT_ALIGNMENT));

  LLVMTypeRef types[] = {s->pointer, s->pointer};
  LLVMValueRef function = begin_function(x, "prepare", s->i32, types, 2);
  LLVMValueRef argument[] = {LLVMGetParam(function, 0), LLVMGetParam(function, 1)};
  refuse_null(x, argument, 2);
  refuse_misaligned(x, argument[1]);
  refuse_weights(x, argument[0]);
  LLVMValueRef call = emit_call(x, emit_i64(&x->e, 1), argument[1], LLVMConstNull(s->pointer));
  take_weights(x, call, argument[0]);
  LLVMBuildRet(x->e.builder, call_entry(x, x->prepare, call));
}

/* --- what the library tells of itself -------------------------------------------------------------------------- */

static LLVMValueRef tensor_info(Export *x, const Binding *binding) {
  Session *s = x->e.session;
  LLVMValueRef extent[SHAPE_MAX_RANK];
  for (int32_t k = 0; k < SHAPE_MAX_RANK; k++) {
    int64_t value = 0;
    if (k < binding->shape.rank) {
      Dim dim = binding->shape.dim[k];
      value = dim_is_constant(dim) ? dim.factor : -dim.factor;
    }
    extent[k] = emit_i64(&x->e, value);
  }
  LLVMValueRef fields[] = {add_text(x, binding->name), emit_i32(&x->e, binding->shape.rank), emit_i32(&x->e, 0),
                           LLVMConstArray2(s->i64, extent, SHAPE_MAX_RANK)};
  return LLVMConstStructInContext(s->context, fields, 4, false);
}

static void emit_tensor_table(Export *x, const char *suffix, const Binding *binding, uint32_t count) {
  Session *s = x->e.session;
  LLVMValueRef function = begin_function(x, suffix, s->pointer, &s->pointer, 1);
  LLVMValueRef *row = ARENA_ARRAY(s->arena, LLVMValueRef, count + 1);
  for (uint32_t k = 0; k < count; k++) row[k] = tensor_info(x, &binding[k]);
  LLVMValueRef table = add_data(x, suffix, LLVMConstArray2(x->info, row, count), sizeof(int64_t));
  Branch wanted;
  LLVMValueRef out_count = LLVMGetParam(function, 0);
  branch_begin(&x->e, &wanted, LLVMBuildIsNotNull(x->e.builder, out_count, ""));
  LLVMBuildStore(x->e.builder, emit_i32(&x->e, (int32_t)count), out_count);
  branch_end(&x->e, &wanted);
  LLVMBuildRet(x->e.builder, table);
}

static void emit_text_function(Export *x, const char *suffix, const char *text) {
  begin_function(x, suffix, x->e.session->pointer, NULL, 0);
  LLVMBuildRet(x->e.builder, add_text(x, text ? text : ""));
}

static void emit_facts(Export *x) {
  const Program *p = x->program;
  emit_tensor_table(x, "inputs", p->input, p->input_count);
  emit_tensor_table(x, "outputs", p->output, p->output_count);
  emit_tensor_table(x, "parameters", p->parameter, p->parameter_count);
  emit_tensor_table(x, "states", p->state, p->state_count);
  emit_text_function(x, "version", x->spec->version);
  emit_text_function(x, "source_hash", x->spec->source_hash);
  begin_function(x, "abi_version", x->e.session->i32, NULL, 0);
  LLVMBuildRet(x->e.builder, emit_i32(&x->e, SIMBA_ABI_VERSION));
}

/* --- the module ------------------------------------------------------------------------------------------------ */

/* Kernels and entry points, which the objects of a JIT share by name, become invisible. */
static void hide_functions(Session *session) {
  for (LLVMValueRef f = LLVMGetFirstFunction(session->module); f; f = LLVMGetNextFunction(f)) {
    if (LLVMIsDeclaration(f)) continue;
    LLVMSetVisibility(f, LLVMDefaultVisibility);
    LLVMSetLinkage(f, LLVMInternalLinkage);
  }
}

static void build_types(Export *x) {
  Session *s = x->e.session;
  LLVMTypeRef weights[] = {s->pointer, s->pointer, s->pointer};
  x->weights = LLVMStructTypeInContext(s->context, weights, 3, false);
  LLVMTypeRef info[] = {s->pointer, s->i32, s->i32, LLVMArrayType2(s->i64, SHAPE_MAX_RANK)};
  x->info = LLVMStructTypeInContext(s->context, info, 4, false);
}

static void build_module(Session *session, const Program *program, const CodegenExport *spec, size_t scratch_bytes,
                         CodegenTimes *times) {
  const char *prefix = arena_format(session->arena, "%s_program", spec->model);
  ModuleSpec module = object_whole(program, prefix, session->arena);
  object_build(session, &module, true, times);
  hide_functions(session);
  Export x = {.e = {.session = session},
              .program = program,
              .spec = spec,
              .scratch_bytes = scratch_bytes,
              .embedded = spec->parameter != NULL,
              .run = LLVMGetNamedFunction(session->module, arena_format(session->arena, "%s_run", prefix)),
              .prepare = LLVMGetNamedFunction(session->module, arena_format(session->arena, "%s_prepare", prefix))};
  ASSERT(x.run && x.prepare);
  build_types(&x);
  emit_arena_bytes(&x);
  emit_infer(&x);
  if (!x.embedded) emit_prepare(&x);
  emit_facts(&x);
  object_verify(session);
  object_prune(session);
}

static const char *why_not(const Program *program, Arena *arena) {
  const Graph *graph = program->graph;
  if (graph && graph->symbol_count > 1)
    return arena_format(arena,
                        "the sizes '%s' and '%s' are both left open: an exported library takes one, the batch; set the "
                        "other",
                        graph->symbol[0], graph->symbol[1]);
  return NULL;
}

bool export_program(const Program *program, const CodegenExport *spec, const CodegenOptions *options,
                    const Target *target, Arena *arena, CodegenObjects *out_objects, const char **out_header,
                    const char **out_message) {
  *out_message = why_not(program, arena);
  if (*out_message) return false;
  int lanes = options->lanes ? options->lanes : target->lanes;
  *out_objects = (CodegenObjects){.count = 1,
                                  .object = ARENA_ARRAY(arena, CodegenBlob, 1),
                                  .scratch_bytes = entry_scratch_bytes(program, target, lanes),
                                  .triple = target->triple,
                                  .cpu = target->cpu};
  Session *session = ARENA_NEW(arena, Session);
  Guard guard;
  if (guard_enter(&guard)) {
    session_begin(session, target, options->lanes, arena);
    build_module(session, program, spec, out_objects->scratch_bytes, &out_objects->times);
    out_objects->object[0] = object_bytes(session, session->machine, arena, &out_objects->times);
    guard_leave(&guard);
  }
  session_discard(session, &guard);
  guard_pass_on(&guard);
  *out_header = export_header(program, spec, arena);
  return true;
}
