/* The code generator as its users have it: a library loaded on demand. */
#ifndef SIMBAC_TESTS_CODEGEN_LIBRARY_H
#define SIMBAC_TESTS_CODEGEN_LIBRARY_H

#include "codegen/codegen.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* May be called before any test runs, so that what tests share is loaded before they fork: no assertions of Check. */
static inline const CodegenApi *codegen_library(void) {
  static const CodegenApi *api;
  if (api) return api;
  void *library = dlopen(CODEGEN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  void *symbol = library ? dlsym(library, "simbac_codegen_api") : NULL;
  if (!symbol) {
    fprintf(stderr, "%s\n", dlerror());
    exit(EXIT_FAILURE);
  }
  CodegenApiFunction *function;
  memcpy(&function, &symbol, sizeof symbol);
  return api = function();
}

#endif
