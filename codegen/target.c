#include "target.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>
#include <string.h>

typedef struct CpuRow {
  const char *name, *features;
  Architecture architecture;
  int lanes, registers;
  bool has_fma, has_scalef;
} CpuRow;

/* The first row of an architecture is its baseline. */
static const CpuRow CPUS[] = {
    {"x86-64", "", ARCH_X86_64, 4, 16, false, false},
    {"x86-64-v2", "", ARCH_X86_64, 4, 16, false, false},
    {"x86-64-v3", "", ARCH_X86_64, 8, 16, true, false},
    {"x86-64-v4", "", ARCH_X86_64, 16, 32, true, true},
    {"haswell", "", ARCH_X86_64, 8, 16, true, false},
    {"broadwell", "", ARCH_X86_64, 8, 16, true, false},
    {"skylake", "", ARCH_X86_64, 8, 16, true, false},
    {"alderlake", "", ARCH_X86_64, 8, 16, true, false},
    {"skylake-avx512", "", ARCH_X86_64, 16, 32, true, true},
    {"cascadelake", "", ARCH_X86_64, 16, 32, true, true},
    {"icelake-client", "", ARCH_X86_64, 16, 32, true, true},
    {"icelake-server", "", ARCH_X86_64, 16, 32, true, true},
    {"sapphirerapids", "", ARCH_X86_64, 16, 32, true, true},
    {"graniterapids", "", ARCH_X86_64, 16, 32, true, true},
    {"znver1", "", ARCH_X86_64, 8, 16, true, false},
    {"znver2", "", ARCH_X86_64, 8, 16, true, false},
    {"znver3", "", ARCH_X86_64, 8, 16, true, false},
    {"znver4", "", ARCH_X86_64, 16, 32, true, true},
    {"znver5", "", ARCH_X86_64, 16, 32, true, true},
    {"generic", "", ARCH_AARCH64, 4, 32, true, false},
    {"cortex-a72", "", ARCH_AARCH64, 4, 32, true, false},
    {"cortex-a76", "", ARCH_AARCH64, 4, 32, true, false},
    {"neoverse-n1", "", ARCH_AARCH64, 4, 32, true, false},
    {"neoverse-n2", "", ARCH_AARCH64, 4, 32, true, false},
    {"neoverse-v1", "", ARCH_AARCH64, 4, 32, true, false},
    {"neoverse-v2", "", ARCH_AARCH64, 4, 32, true, false},
    {"apple-m1", "", ARCH_AARCH64, 4, 32, true, false},
    {"apple-m2", "", ARCH_AARCH64, 4, 32, true, false},
    {"apple-m3", "", ARCH_AARCH64, 4, 32, true, false},
    {"apple-m4", "", ARCH_AARCH64, 4, 32, true, false},
    /* llvm.fma is a call per lane on WebAssembly, so it counts as a target without. */
    {"generic", "+simd128,+bulk-memory,+nontrapping-fptoint,+sign-ext", ARCH_WASM32, 4, 16, false, false},
    {"generic-rv64", "+m,+a,+f,+d,+c,+v", ARCH_RISCV64, 4, 32, true, false},
};
enum { CPU_COUNT = sizeof CPUS / sizeof *CPUS };

typedef struct TripleRow {
  const char *name;
  Architecture architecture;
} TripleRow;

static const TripleRow TRIPLES[] = {
    {"x86_64-pc-linux-gnu", ARCH_X86_64},
    {"x86_64-unknown-linux-gnu", ARCH_X86_64},
    {"x86_64-linux-gnu", ARCH_X86_64},
    {"x86_64-unknown-linux-musl", ARCH_X86_64},
    {"aarch64-unknown-linux-gnu", ARCH_AARCH64},
    {"aarch64-linux-gnu", ARCH_AARCH64},
    {"aarch64-unknown-linux-musl", ARCH_AARCH64},
    {"arm64-apple-macosx", ARCH_AARCH64},
    {"wasm32-unknown-unknown", ARCH_WASM32},
    {"wasm32", ARCH_WASM32},
    {"riscv64-unknown-linux-gnu", ARCH_RISCV64},
    {"riscv64-linux-gnu", ARCH_RISCV64},
};
enum { TRIPLE_COUNT = sizeof TRIPLES / sizeof *TRIPLES };

static const TripleRow *find_triple(const char *name) {
  for (size_t k = 0; k < TRIPLE_COUNT; k++)
    if (!strcmp(TRIPLES[k].name, name)) return &TRIPLES[k];
  return NULL;
}

static const CpuRow *find_cpu(Architecture architecture, const char *name) {
  for (size_t k = 0; k < CPU_COUNT; k++)
    if (CPUS[k].architecture == architecture && !strcmp(CPUS[k].name, name)) return &CPUS[k];
  return NULL;
}

static const CpuRow *baseline(Architecture architecture) {
  const CpuRow *row = CPUS;
  while (row->architecture != architecture) row++;
  return row;
}

static bool has_feature(const char *features, const char *feature) {
  size_t length = strlen(feature);
  for (const char *at = features; (at = strstr(at, feature)); at += length)
    if ((at == features || at[-1] == ',') && (at[length] == ',' || at[length] == '\0')) return true;
  return false;
}

/* This machine's row. A virtual machine may hide features its CPU is known for, and a CPU may be newer than our table:
 * then the level that the features allow. */
static const CpuRow *native_cpu(Architecture architecture) {
  char *name = LLVMGetHostCPUName();
  char *features = LLVMGetHostCPUFeatures();
  const CpuRow *row = find_cpu(architecture, name);
  if (architecture == ARCH_X86_64) {
    const char *level = has_feature(features, "+avx512f") && has_feature(features, "+avx512vl") &&
                                has_feature(features, "+avx512bw") && has_feature(features, "+avx512dq")
                            ? "x86-64-v4"
                        : has_feature(features, "+avx2") && has_feature(features, "+fma") ? "x86-64-v3"
                                                                                          : "x86-64";
    const CpuRow *allowed = find_cpu(architecture, level);
    if (!row || row->lanes > allowed->lanes) row = allowed;
  } else if (!row) {
    row = baseline(architecture);
  }
  LLVMDisposeMessage(features);
  LLVMDisposeMessage(name);
  return row;
}

static const char *host_triple(Arena *arena) {
  char *triple = LLVMGetDefaultTargetTriple();
  const char *copy = arena_text(arena, triple, strlen(triple));
  LLVMDisposeMessage(triple);
  return copy;
}

static bool host_architecture(Arena *arena, Architecture *out) {
  const TripleRow *row = find_triple(host_triple(arena));
  if (row) *out = row->architecture;
  return row != NULL;
}

static const char *unknown_triple(const char *name, Arena *arena) {
  const char *names[TRIPLE_COUNT];
  for (size_t k = 0; k < TRIPLE_COUNT; k++) names[k] = TRIPLES[k].name;
  const char *nearest = text_nearest(name, names, TRIPLE_COUNT);
  return nearest ? arena_format(arena, "unknown target '%s': did you mean '%s'?", name, nearest)
                 : arena_format(arena,
                                "unknown target '%s': known are x86_64-linux-gnu, aarch64-linux-gnu, "
                                "arm64-apple-macosx, wasm32 and riscv64-linux-gnu",
                                name);
}

static const char *unknown_cpu(Architecture architecture, const char *triple, const char *name, Arena *arena) {
  const char *names[CPU_COUNT];
  Text list = text_begin(arena);
  size_t count = 0;
  for (size_t k = 0; k < CPU_COUNT; k++) {
    if (CPUS[k].architecture != architecture) continue;
    text_print(&list, "%s%s", count ? ", " : "", CPUS[k].name);
    names[count++] = CPUS[k].name;
  }
  const char *nearest = text_nearest(name, names, count);
  return nearest ? arena_format(arena, "unknown CPU '%s' for %s: did you mean '%s'?", name, triple, nearest)
                 : arena_format(arena, "unknown CPU '%s' for %s: known are %s", name, triple, list.data);
}

bool target_find(const char *triple, const char *cpu, Arena *arena, Target *out, const char **out_message) {
  Architecture host = ARCH_X86_64;
  bool host_known = host_architecture(arena, &host);
  bool native = !triple;
  if (native) triple = host_triple(arena);
  const TripleRow *row = find_triple(triple);
  if (!row) {
    *out_message = unknown_triple(triple, arena);
    return false;
  }
  const CpuRow *known = NULL;
  if (cpu && strcmp(cpu, "native") != 0)
    known = find_cpu(row->architecture, cpu);
  else if (!cpu && !native)
    known = baseline(row->architecture);
  else if (host_known && host == row->architecture)
    known = native_cpu(row->architecture);
  if (!known) {
    *out_message = unknown_cpu(row->architecture, triple, cpu, arena);
    return false;
  }
  *out = (Target){.architecture = row->architecture,
                  .triple = row->name,
                  .cpu = known->name,
                  .features = known->features,
                  .lanes = known->lanes,
                  .registers = known->registers,
                  .has_fma = known->has_fma,
                  .has_scalef = known->has_scalef,
                  .has_masked_store = known->has_scalef};
  return true;
}

void target_describe_host(Text *out) {
  static const char *const ARCHITECTURE_NAMES[] = {"x86_64", "aarch64", "wasm32", "riscv64"};
  Target target;
  const char *message = "";
  if (target_find(NULL, NULL, out->arena, &target, &message))
    text_print(out, "host: %s, %s, %d f32 lanes, %d vector registers%s\n", target.triple, target.cpu, target.lanes,
               target.registers, target.has_fma ? ", fma" : "");
  else
    text_print(out, "host: %s\n", message);
  for (int a = ARCH_X86_64; a <= ARCH_RISCV64; a++) {
    text_print(out, "%s:", ARCHITECTURE_NAMES[a]);
    for (size_t k = 0; k < CPU_COUNT; k++)
      if (CPUS[k].architecture == (Architecture)a) text_print(out, " %s", CPUS[k].name);
    text_puts(out, "\n");
  }
}
