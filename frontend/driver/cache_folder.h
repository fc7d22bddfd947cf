/* Where the commands keep compiled objects (codegen/cache.h). */
#ifndef SIMBAC_DRIVER_CACHE_FOLDER_H
#define SIMBAC_DRIVER_CACHE_FOLDER_H

#include "ir/arena.h"

/* $XDG_CACHE_HOME/simbac, else $HOME/.cache/simbac; NULL where neither variable is an absolute path. */
const char *cache_folder_default(Arena *arena);

#endif
