#include "cache_folder.h"

#include <stdlib.h>

/* The base directory specification has relative paths ignored. */
static const char *absolute_path(const char *variable) {
  const char *value = getenv(variable);
  return value && value[0] == '/' ? value : NULL;
}

const char *cache_folder_default(Arena *arena) {
  const char *cache = absolute_path("XDG_CACHE_HOME"), *home = absolute_path("HOME");
  if (cache) return arena_format(arena, "%s/simbac", cache);
  return home ? arena_format(arena, "%s/.cache/simbac", home) : NULL;
}
