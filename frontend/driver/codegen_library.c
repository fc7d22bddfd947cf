#include "codegen_library.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool join_folder(const char *file, const char *name, char *out_path, size_t size) {
  const char *slash = strrchr(file, '/');
  if (!slash) return false;
  int written = snprintf(out_path, size, "%.*s/%s", (int)(slash - file), file, name);
  return written > 0 && (size_t)written < size;
}

bool executable_neighbour(const char *name, char *out_path, size_t size) {
  char self[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length <= 0) return false;
  self[length] = '\0';
  return join_folder(self, name, out_path, size);
}

/* The folder of the file that holds this code: libsimbac.so where a host program has loaded it. */
static bool library_neighbour(const char *name, char *out_path, size_t size) {
  Dl_info info;
  void *here;
  *(simba_status(**)(const CodegenApi **, simba_error *)) & here = codegen_library;
  return dladdr(here, &info) && info.dli_fname && join_folder(info.dli_fname, name, out_path, size);
}

static void *open_library(char *tried, size_t size) {
  static const char *const places[] = {"libsimbac_codegen.so", "../lib/libsimbac_codegen.so"};
  const char *named = getenv("SIMBAC_CODEGEN");
  if (named) {
    snprintf(tried, size, "%s", named);
    return dlopen(named, RTLD_NOW | RTLD_LOCAL);
  }
  for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
    bool found = library_neighbour(places[k], tried, size) && access(tried, R_OK) == 0;
    if (!found) found = executable_neighbour(places[k], tried, size) && access(tried, R_OK) == 0;
    if (found) return dlopen(tried, RTLD_NOW | RTLD_LOCAL);
  }
  snprintf(tried, size, "libsimbac_codegen.so"); /* on the loader's own path */
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
