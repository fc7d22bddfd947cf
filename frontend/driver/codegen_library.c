#include "codegen_library.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool executable_neighbour(const char *name, char *out_path, size_t size) {
  char self[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length <= 0) return false;
  self[length] = '\0';
  char *slash = strrchr(self, '/');
  if (!slash) return false;
  *slash = '\0';
  int written = snprintf(out_path, size, "%s/%s", self, name);
  return written > 0 && (size_t)written < size;
}

static void *open_library(char *tried, size_t size) {
  static const char *const places[] = {"libsimbac_codegen.so", "../lib/libsimbac_codegen.so",
                                       "../lib/simbac/libsimbac_codegen.so"};
  const char *named = getenv("SIMBAC_CODEGEN");
  if (named) {
    snprintf(tried, size, "%s", named);
    return dlopen(named, RTLD_NOW | RTLD_LOCAL);
  }
  for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
    if (!executable_neighbour(places[k], tried, size) || access(tried, R_OK) != 0) continue;
    return dlopen(tried, RTLD_NOW | RTLD_LOCAL);
  }
  /* A host program that links libsimbac may have it on its library path. */
  snprintf(tried, size, "libsimbac_codegen.so");
  return dlopen(tried, RTLD_NOW | RTLD_LOCAL);
}

simba_status codegen_library(const CodegenApi **out_api, simba_error *error) {
  char tried[PATH_MAX];
  void *library = open_library(tried, sizeof tried); /* dlopen counts references and returns the same library */
  if (!library) {
    const char *why = dlerror();
    return error_set(error, SIMBA_IO_ERROR, "the code generator does not load: %s", why ? why : tried);
  }
  CodegenApiFunction *function;
  *(void **)&function = dlsym(library, "simbac_codegen_api");
  const CodegenApi *api = function ? function() : NULL;
  if (!api || api->version != SIMBA_ABI_VERSION) {
    return error_set(error, SIMBA_IO_ERROR, "%s is of another version of simbac", tried);
  }
  *out_api = api;
  return SIMBA_OK;
}
