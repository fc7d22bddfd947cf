/* The boundary: every function here is a guard, nothing unwinds beyond it. */
#include "codegen.h"

#include "compile.h"
#include "export.h"
#include "family.h"
#include "jit.h"
#include "object.h"
#include "peak.h"

__attribute__((visibility("default"))) CodegenApiFunction simbac_codegen_api;

/* The status and message of a guard that something unwound to. Its message is copied in a guard too: memory may be
 * short. */
static CodegenStatus guard_status(const Guard *guard, Arena *arena, const char **out_message) {
  *out_message = "out of memory";
  Guard copying;
  if (guard->kind == GUARD_OUT_OF_MEMORY || !guard_enter(&copying)) return CODEGEN_OUT_OF_MEMORY;
  *out_message = arena_format(arena, "%s", guard->message);
  guard_leave(&copying);
  return CODEGEN_BUG;
}

static CodegenStatus compile(const Program *program, const char *prefix, const CodegenOptions *options, Arena *arena,
                             CodegenObjects *out_objects, const char **out_message) {
  Guard guard;
  if (!guard_enter(&guard)) return guard_status(&guard, arena, out_message);
  Target target;
  bool known = compile_target(options, arena, &target, out_message);
  if (known) compile_program(program, prefix, options, &target, arena, out_objects);
  guard_leave(&guard);
  return known ? CODEGEN_OK : CODEGEN_USER_ERROR;
}

static CodegenStatus text(const Program *program, const char *prefix, const CodegenOptions *options, CodegenText kind,
                          Text *out, const char **out_message) {
  Guard guard;
  if (!guard_enter(&guard)) return guard_status(&guard, out->arena, out_message);
  Target target;
  bool known = compile_target(options, out->arena, &target, out_message);
  if (known) compile_text(program, prefix, options, &target, kind, out);
  guard_leave(&guard);
  return known ? CODEGEN_OK : CODEGEN_USER_ERROR;
}

static CodegenStatus load(const CodegenObjects *objects, const char *prefix, Arena *arena, CodegenImage **out_image,
                          simba_entry **out_prepare, simba_entry **out_run, const char **out_message) {
  Guard guard;
  if (!guard_enter(&guard)) return guard_status(&guard, arena, out_message);
  *out_image = jit_load(objects, prefix, arena, out_prepare, out_run);
  guard_leave(&guard);
  return CODEGEN_OK;
}

static CodegenStatus export_model(const Program *program, const CodegenExport *export_spec,
                                  const CodegenOptions *options, Arena *arena, CodegenObjects *out_objects,
                                  const char **out_header, const char **out_message) {
  Guard guard;
  if (!guard_enter(&guard)) return guard_status(&guard, arena, out_message);
  Target target;
  if (options->library_kernels) *out_message = "an exported library has simbac's kernels only, none of other libraries";
  bool exported = !options->library_kernels && compile_target(options, arena, &target, out_message) &&
                  export_program(program, export_spec, options, &target, arena, out_objects, out_header, out_message);
  guard_leave(&guard);
  return exported ? CODEGEN_OK : CODEGEN_USER_ERROR;
}

static CodegenStatus peaks(const char *prefix, const CodegenOptions *options, Arena *arena, CodegenObjects *out_objects,
                           int64_t out_work[PEAK_COUNT], const char **out_message) {
  Guard guard;
  if (!guard_enter(&guard)) return guard_status(&guard, arena, out_message);
  Target target;
  bool known = compile_target(options, arena, &target, out_message);
  if (known) peak_compile(prefix, options, &target, arena, out_objects, out_work);
  guard_leave(&guard);
  return known ? CODEGEN_OK : CODEGEN_USER_ERROR;
}

static void describe_kernel(const Kernel *kernel, const CodegenOptions *options, Text *out) {
  Guard guard;
  if (!guard_enter(&guard)) return;
  Target target;
  const char *message;
  if (compile_target(options, out->arena, &target, &message)) {
    int lanes = options->lanes ? options->lanes : target.lanes;
    const Family *family = family_of(kernel, &target, lanes);
    if (family->describe) family->describe(kernel, &target, lanes, out);
  }
  guard_leave(&guard);
}

const CodegenApi *simbac_codegen_api(void) {
  static const CodegenApi API = {.version = SIMBA_ABI_VERSION,
                                 .compile = compile,
                                 .text = text,
                                 .load = load,
                                 .unload = jit_unload,
                                 .export_model = export_model,
                                 .peaks = peaks,
                                 .describe_kernel = describe_kernel,
                                 .describe_host = target_describe_host};
  return &API;
}
