/* Objects of a program, by several threads: one a kernel and one for the entry points, so that a change of the model
 * compiles the kernels that it changes, and programs share those that they have in common. A kernel's object depends on
 * the kernel, prefix and target alone. */
#ifndef SIMBAC_CODEGEN_COMPILE_H
#define SIMBAC_CODEGEN_COMPILE_H

#include "codegen.h"
#include "target.h"

/* False and a message for the user where options name an unknown target, an impossible width or
 * libraries that cannot be loaded. */
bool compile_target(const CodegenOptions *options, Arena *arena, Target *out, const char **out_message);
/* Bugs unwind. */
void compile_program(const Program *program, const char *prefix, const CodegenOptions *options, const Target *target,
                     Arena *arena, CodegenObjects *out);
void compile_text(const Program *program, const char *prefix, const CodegenOptions *options, const Target *target,
                  CodegenText kind, Text *out);

#endif
