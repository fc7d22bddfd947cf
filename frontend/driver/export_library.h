/* `simbac compile`: a model as a shared library, an archive or an object, with its C header. */
#ifndef SIMBAC_DRIVER_EXPORT_LIBRARY_H
#define SIMBAC_DRIVER_EXPORT_LIBRARY_H

#include "handle.h"

typedef struct ExportOptions {
  const char *output;           /* .so, .a or .o */
  simba_weights_source weights; /* path NULL: the caller of the library gives them */
  const char *triple, *cpu;
} ExportOptions;

typedef struct ExportResult {
  char header_path[4096]; /* beside the output, named after it without "lib": libx.so has x.h */
  char triple[64], cpu[64];
  int64_t object_bytes, weight_bytes, arena_bytes; /* arena: batch 1, one thread */
} ExportResult;

/* Output and header are written atomically, or not at all. */
simba_status export_library(simba_model *model, const ExportOptions *options, ExportResult *out_result,
                            simba_error *error);

#endif
