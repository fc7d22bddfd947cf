/* From a Program to object bytes, and from object bytes to callable code or to files. The only header of this folder
 * that others see. The folder is a shared library of its own, loaded on demand (LLVM costs 0.15 s):
 *
 *   const CodegenApi *api = ((CodegenApiFunction *)dlsym(library, "simbac_codegen_api"))();
 *
 * One path: JIT and export share everything down to the object bytes. Our bugs, exhausted memory and LLVM's fatal
 * handler come back as a CodegenStatus and a message, they do not unwind across this boundary. */
#ifndef SIMBAC_CODEGEN_CODEGEN_H
#define SIMBAC_CODEGEN_CODEGEN_H

#include "ir/program.h"
#include "runtime/abi.h"

typedef enum CodegenStatus { CODEGEN_OK, CODEGEN_USER_ERROR, CODEGEN_BUG, CODEGEN_OUT_OF_MEMORY } CodegenStatus;

typedef struct CodegenOptions {
  const char *triple;       /* NULL: this machine's */
  const char *cpu;          /* NULL: this machine's for its own triple, else the triple's baseline */
  int lanes;                /* 4, 8 or 16 f32 in a vector whatever the CPU has; 0: the CPU's */
  bool library_kernels;     /* products by OpenBLAS, transforms by FFTW; JIT only */
  bool verify;              /* run LLVM's verifier on every module even in release builds */
  int threads;              /* for compiling; 0: as many as there are processors */
  const char *cache_folder; /* objects by content (codegen/cache.h); NULL: none */
} CodegenOptions;

typedef struct CodegenBlob {
  const void *bytes;
  size_t size;
} CodegenBlob;

typedef struct CodegenTimes {
  double emit, optimise, encode, load; /* seconds, summed over threads */
  uint32_t kernels, cached;   /* objects that the cache had; there is one a kernel, and one for the entry points */
  uint32_t library, fallback; /* with library_kernels: products and transforms that call one, and that do not fit one */
} CodegenTimes;

/* Objects of a program: one or several relocatable objects that together define <prefix>_prepare and <prefix>_run
 * (simba_entry) and nothing else global. */
typedef struct CodegenObjects {
  uint32_t count;
  CodegenBlob *object;
  size_t scratch_bytes; /* a worker's scratch, over all kernels; a multiple of 64 */
  const char *triple, *cpu;
  const char *cache_problem; /* why the cache was not used; NULL: it was, or none was asked for */
  CodegenTimes times;
} CodegenObjects;

typedef struct CodegenImage CodegenImage; /* loaded code */

/* A block of bytes that an export carries as read-only data under a symbol of its own (weights, the prepared block). */
typedef struct CodegenData {
  const char *symbol;
  const void *bytes;
  size_t size;
} CodegenData;

typedef enum CodegenText { CODEGEN_LLVM, CODEGEN_ASSEMBLY } CodegenText;

/* What `compile` adds to a program's code so that C can call it: see codegen/export.h for the functions it defines. */
typedef struct CodegenExport {
  const char *model; /* prefix of all public symbols */
  const char *version, *source_hash;
  const float *const *parameter; /* the weights to embed, one pointer a parameter; NULL: the caller gives them */
  const float *const *state;
  const void *prepared; /* what `prepare` made of them; NULL without weights */
  int64_t channels;     /* of the series that the weights were trained on, for the header; 0: none is known */
  const double *mean, *deviation;
} CodegenExport;

/* What a machine's speed is measured by. */
typedef enum CodegenPeak {
  PEAK_MULTIPLY_ADD, /* additions and multiplications in vector registers, fused where the CPU can */
  PEAK_ELEMENTARY,   /* elementary functions in vector registers */
  PEAK_READ,         /* bytes of memory */
  PEAK_COUNT
} CodegenPeak;

typedef struct CodegenApi {
  int version; /* SIMBA_ABI_VERSION */
  CodegenStatus (*compile)(const Program *program, const char *prefix, const CodegenOptions *options, Arena *arena,
                           CodegenObjects *out_objects, const char **out_message);
  /* Text of the code that `compile` would encode: LLVM IR after optimisation, or assembly. */
  CodegenStatus (*text)(const Program *program, const char *prefix, const CodegenOptions *options, CodegenText kind,
                        Text *out, const char **out_message);
  /* Loads objects into this process. The image outlives `objects`. */
  CodegenStatus (*load)(const CodegenObjects *objects, const char *prefix, Arena *arena, CodegenImage **out_image,
                        simba_entry **out_prepare, simba_entry **out_run, const char **out_message);
  void (*unload)(CodegenImage *image);
  /* One relocatable object with the public functions of an export, and the text of its C header. */
  CodegenStatus (*export_model)(const Program *program, const CodegenExport *export_spec, const CodegenOptions *options,
                                Arena *arena, CodegenObjects *out_objects, const char **out_header,
                                const char **out_message);
  /* Code whose <prefix>_run does call->step rounds of what call->seed, a CodegenPeak, says, out_work[] of it a round,
   * on the thread that calls it. PEAK_READ reads its rounds from call->arena, one behind the other, and all that
   * call->symbol[0] times. A vector goes to call->scratch. */
  CodegenStatus (*peaks)(const char *prefix, const CodegenOptions *options, Arena *arena, CodegenObjects *out_objects,
                         int64_t out_work[PEAK_COUNT], const char **out_message);
  /* A line on how the kernel will be computed, and at which estimated cost what else, or nothing where there is no choice.
   */
  void (*describe_kernel)(const Kernel *kernel, const CodegenOptions *options, Text *out);
  /* What this machine is: triple, cpu, vector lanes; and the CPU names we accept for a triple. */
  void (*describe_host)(Text *out);
} CodegenApi;

typedef const CodegenApi *CodegenApiFunction(void);

#endif
