/* Ahead-of-time export: one relocatable object that C calls, and its header. The public functions are thin: they check
 * their arguments, fill in a simba_call on the stack and call the <prefix>_run that the JIT would call. For a model M
 * the object defines these and nothing else global:
 *
 *   int64_t M_arena_bytes(int64_t batch);
 *   int64_t M_arena_bytes_threads(int64_t batch, int32_t workers);
 *   int32_t M_infer(int64_t batch, [const M_weights *weights,] inputs..., outputs..., void *arena);
 *   int32_t M_infer_threads(the same, simba_executor *executor);
 *   const simba_exported_tensor *M_inputs(int32_t *out_count);   and M_outputs, M_parameters, M_states
 *   const char *M_version(void); const char *M_source_hash(void); int32_t M_abi_version(void);
 *
 * With weights these are read-only data of the object: those that `run` reads, and the prepared block. Without, the
 * caller keeps them, and two functions more make the block:
 *
 *   int64_t M_prepared_bytes(void);
 *   int32_t M_prepare(const M_weights *weights, void *arena);
 *
 * No function allocates, keeps state or prints. Sizes follow the batch in the emitted code. */
#ifndef SIMBAC_CODEGEN_EXPORT_H
#define SIMBAC_CODEGEN_EXPORT_H

#include "codegen.h"
#include "target.h"

/* Results of the public functions; also in the generated header. */
enum { EXPORT_OK = 0, EXPORT_NULL = -1, EXPORT_MISALIGNED = -2, EXPORT_BATCH = -3, EXPORT_EXECUTOR = -4 };
enum { EXPORT_ALIGNMENT = 64 };

/* False and a message for the user where the program cannot be exported. Bugs unwind. */
bool export_program(const Program *program, const CodegenExport *spec, const CodegenOptions *options,
                    const Target *target, Arena *arena, CodegenObjects *out_objects, const char **out_header,
                    const char **out_message);

/* The text of the C header. */
const char *export_header(const Program *program, const CodegenExport *spec, Arena *arena);
/* The largest batch for which no size overflows. */
int64_t export_largest_batch(const Program *program);

#endif
