/* The code generator as its users have it: a library loaded on demand. */
#ifndef SIMBAC_TESTS_CODEGEN_LIBRARY_H
#define SIMBAC_TESTS_CODEGEN_LIBRARY_H

#include "codegen/codegen.h"

#include <check.h>
#include <dlfcn.h>
#include <string.h>

static inline const CodegenApi *codegen_library(void) {
  static const CodegenApi *api;
  if (api) return api;
  void *library = dlopen(CODEGEN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!library) ck_abort_msg("%s", dlerror());
  void *symbol = dlsym(library, "simbac_codegen_api");
  ck_assert_ptr_nonnull(symbol);
  CodegenApiFunction *function;
  memcpy(&function, &symbol, sizeof symbol);
  return api = function();
}

#endif
