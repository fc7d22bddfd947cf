#include "jit.h"

#include "session.h"

#include "runtime/library_kernels.h"

#include <elf.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <stdlib.h>
#include <string.h>

struct CodegenImage {
  LLVMOrcLLJITRef jit;
};

/* Functions that code may call. The JIT finds those without an address in the process. */
typedef struct Callable {
  const char *name;
  void (*address)(void);
} Callable;

static const Callable CALLABLES[] = {
#define CALLABLE(name) {#name, NULL},
#define LIBRARY(name) {#name, (void (*)(void))(name)},
#include "runtime/abi.def"
#undef LIBRARY
#undef CALLABLE
};
enum { CALLABLE_COUNT = sizeof CALLABLES / sizeof *CALLABLES };

/* --- symbols of an object ------------------------------------------------------------------------------------- */

typedef struct SymbolTable {
  const Elf64_Sym *symbol;
  size_t count;
  const char *names;
} SymbolTable;

static SymbolTable symbol_table(const CodegenBlob *object) {
  const Elf64_Ehdr *header = object->bytes;
  ASSERT(object->size > sizeof *header && !memcmp(header->e_ident, ELFMAG, SELFMAG));
  const char *start = object->bytes;
  const Elf64_Shdr *section = (const Elf64_Shdr *)(start + header->e_shoff);
  for (int k = 0; k < header->e_shnum; k++) {
    if (section[k].sh_type != SHT_SYMTAB) continue;
    return (SymbolTable){(const Elf64_Sym *)(start + section[k].sh_offset), section[k].sh_size / sizeof(Elf64_Sym),
                         start + section[section[k].sh_link].sh_offset};
  }
  return (SymbolTable){0};
}

static bool is_defined(const CodegenObjects *objects, const char *name) {
  for (uint32_t o = 0; o < objects->count; o++) {
    SymbolTable table = symbol_table(&objects->object[o]);
    for (size_t k = 1; k < table.count; k++)
      if (table.symbol[k].st_shndx != SHN_UNDEF && !strcmp(table.names + table.symbol[k].st_name, name)) return true;
  }
  return false;
}

static bool is_callable(const char *name) {
  for (size_t k = 0; k < CALLABLE_COUNT; k++)
    if (!strcmp(CALLABLES[k].name, name)) return true;
  /* The linker makes it where code addresses data through a table. */
  return !strcmp(name, "_GLOBAL_OFFSET_TABLE_");
}

/* The JIT linker fails every symbol of an object at once where one is missing, so we look first. */
static void check_symbols(const CodegenObjects *objects) {
  for (uint32_t o = 0; o < objects->count; o++) {
    SymbolTable table = symbol_table(&objects->object[o]);
    for (size_t k = 1; k < table.count; k++) {
      const char *name = table.names + table.symbol[k].st_name;
      if (table.symbol[k].st_shndx != SHN_UNDEF || is_callable(name) || is_defined(objects, name)) continue;
      guard_bug("generated code calls '%s', which is not one of the functions it may call", name);
    }
  }
}

/* --- loading -------------------------------------------------------------------------------------------------- */

/* The session would print what the failing call returns as well. */
static void report_nothing(void *context, LLVMErrorRef error) {
  (void)context;
  LLVMConsumeError(error);
}

static void check_or_unload(CodegenImage *image, LLVMErrorRef error, const char *what) {
  if (!error) return;
  jit_unload(image);
  session_check(error, what);
}

static simba_entry *find_entry(CodegenImage *image, const char *prefix, const char *suffix, Arena *arena) {
  LLVMOrcExecutorAddress address = 0;
  const char *name = arena_format(arena, "%s_%s", prefix, suffix);
  check_or_unload(image, LLVMOrcLLJITLookup(image->jit, &address, name), "loading");
  return (simba_entry *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
}

static void add_object(CodegenImage *image, const CodegenBlob *object) {
  LLVMMemoryBufferRef copy = LLVMCreateMemoryBufferWithMemoryRangeCopy(object->bytes, object->size, "object");
  LLVMOrcJITDylibRef library = LLVMOrcLLJITGetMainJITDylib(image->jit);
  check_or_unload(image, LLVMOrcLLJITAddObjectFile(image->jit, library, copy), "loading");
}

/* They are hidden symbols of this library, which no search of the process would find. */
static void define_callables(CodegenImage *image) {
  LLVMOrcCSymbolMapPair pair[CALLABLE_COUNT];
  size_t count = 0;
  for (size_t k = 0; k < CALLABLE_COUNT; k++) {
    if (!CALLABLES[k].address) continue;
    LLVMJITEvaluatedSymbol symbol = {(LLVMOrcExecutorAddress)(uintptr_t)CALLABLES[k].address,
                                     {LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0}};
    pair[count++] = (LLVMOrcCSymbolMapPair){LLVMOrcLLJITMangleAndIntern(image->jit, CALLABLES[k].name), symbol};
  }
  LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(pair, count);
  LLVMErrorRef error = LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(image->jit), unit);
  if (error) LLVMOrcDisposeMaterializationUnit(unit);
  check_or_unload(image, error, "defining the functions of libraries");
}

CodegenImage *jit_load(const CodegenObjects *objects, const char *prefix, Arena *arena, simba_entry **out_prepare,
                       simba_entry **out_run) {
  session_initialise();
  check_symbols(objects);
  CodegenImage *image = ARENA_NEW(arena, CodegenImage);
  session_check(LLVMOrcCreateLLJIT(&image->jit, NULL), "creating the JIT");
  LLVMOrcExecutionSessionSetErrorReporter(LLVMOrcLLJITGetExecutionSession(image->jit), report_nothing, NULL);
  define_callables(image);
  for (uint32_t k = 0; k < objects->count; k++) add_object(image, &objects->object[k]);
  *out_prepare = find_entry(image, prefix, "prepare", arena);
  *out_run = find_entry(image, prefix, "run", arena);
  return image;
}

void jit_unload(CodegenImage *image) {
  if (!image || !image->jit) return;
  LLVMConsumeError(LLVMOrcDisposeLLJIT(image->jit));
  image->jit = NULL;
}
