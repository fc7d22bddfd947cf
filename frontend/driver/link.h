/* From an exported object to a library, by the C compiler and archiver of the machine (LLVM's linker has no C
 * interface). What they say when they fail is part of the message. */
#ifndef SIMBAC_DRIVER_LINK_H
#define SIMBAC_DRIVER_LINK_H

#include "ir/arena.h"

#include <stdbool.h>

/* A shared library that needs libc and libm at most. `compiler` NULL: $CC, or cc. False and a message where it failed:
 * what was there before stays. */
bool export_link_shared(const char *object_path, const char *library_path, const char *compiler, Arena *arena,
                        const char **out_message);
/* A static library, made anew. `archiver` NULL: $AR, or ar. */
bool export_archive(const char *object_path, const char *library_path, const char *archiver, Arena *arena,
                    const char **out_message);

#endif
