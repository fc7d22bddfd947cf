/* Code that does nothing but what it is measured by: how fast a machine multiplies, computes elementary functions and
 * reads memory at most. What kernels are compared with comes from here and not from a table of machines. */
#ifndef SIMBAC_CODEGEN_PEAK_H
#define SIMBAC_CODEGEN_PEAK_H

#include "codegen.h"
#include "target.h"

/* An object with <prefix>_run and <prefix>_prepare, as CodegenApi.peaks describes them. Bugs unwind. */
void peak_compile(const char *prefix, const CodegenOptions *options, const Target *target, Arena *arena,
                  CodegenObjects *out_objects, int64_t out_work[PEAK_COUNT]);

#endif
