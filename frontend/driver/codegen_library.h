/* The code generator, loaded on demand: LLVM costs 0.15 s that `simbac check` does not pay. */
#ifndef SIMBAC_DRIVER_CODEGEN_LIBRARY_H
#define SIMBAC_DRIVER_CODEGEN_LIBRARY_H

#include "codegen/codegen.h"
#include "runtime/status.h"

/* The library lies beside this code (the executable or libsimbac.so) or in ../lib of it; SIMBAC_CODEGEN names another
 * one. Stays loaded. */
simba_status codegen_library(const CodegenApi **out_api, simba_error *error);
/* A path beside the executable ("simbac-render"); false where it does not fit. */
bool executable_neighbour(const char *name, char *out_path, size_t size);

#endif
