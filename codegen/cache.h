/* Objects by content, in a folder of the user's: what a module is before optimisation (its bitcode, the target, the
 * pipeline, LLVM's version) names the object that was made of it. Files are written whole or not at all and carry a
 * checksum, so several processes may share a folder, and a file that is damaged is as good as none. The cache only
 * saves time: where the folder cannot be read or written, everything is compiled. */
#ifndef SIMBAC_CODEGEN_CACHE_H
#define SIMBAC_CODEGEN_CACHE_H

#include "codegen.h"
#include "session.h"

enum { CACHE_HASH_BYTES = 32 };

typedef struct CacheKey {
  char text[2 * CACHE_HASH_BYTES + 1];
} CacheKey;

/* The key of the session's module as it stands. */
CacheKey cache_key(Session *session, const char *pipeline);
/* The object, in `arena`; false where there is none. */
bool cache_find(const char *folder, const CacheKey *key, Arena *arena, CodegenBlob *out);
void cache_store(const char *folder, const CacheKey *key, CodegenBlob object, Arena *arena);

#endif
