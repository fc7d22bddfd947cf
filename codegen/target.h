/* The machines we generate code for. LLVM itself only warns on stderr about a CPU it does not know, so triples and CPU
 * names are checked against our own table before LLVM sees them. A row also holds what the emitters tile by: these are
 * facts of a CPU level, never measured on the user's machine, so that equal options give equal bits. */
#ifndef SIMBAC_CODEGEN_TARGET_H
#define SIMBAC_CODEGEN_TARGET_H

#include "ir/arena.h"
#include "ir/text.h"

#include <stdbool.h>

typedef enum Architecture { ARCH_X86_64, ARCH_AARCH64, ARCH_WASM32, ARCH_RISCV64 } Architecture;

typedef struct Target {
  Architecture architecture;
  const char *triple, *cpu, *features; /* as LLVM takes them; features are added to the CPU's own */
  int lanes;                           /* f32 in a vector register: 16, 8 or 4 */
  int registers;                       /* vector registers */
  bool has_fma;
  bool has_scalef;       /* AVX-512 vscalefps */
  bool has_libraries;    /* OpenBLAS and FFTW are loaded in this process, and code may call them */
  bool has_masked_store; /* at the price of a store: AVX-512; AVX has a slow one, others none */
} Target;

/* Fills in `out` for a triple and CPU (NULL: this machine's, then the triple's baseline; "native" is this machine's
 * CPU). False, and a message for the user with the nearest name, where we do not know one of them. */
bool target_find(const char *triple, const char *cpu, Arena *arena, Target *out, const char **out_message);
/* This machine's triple and CPU, and the CPU names for each architecture. */
void target_describe_host(Text *out);

#endif
