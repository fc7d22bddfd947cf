/* Objects by content, in a folder of the user's: what a module is before optimisation (its bitcode, the target's
 * triple, CPU and features, the pipeline, the versions of LLVM and simbac) names the object that was made of it.
 *
 * The cache only saves time: whatever cannot be read or written is compiled. Nothing that is loaded from it is taken on
 * trust. The folder and an entry must belong to the user and be writable by nobody else (the folder is created with
 * mode 0700, an entry with 0600); an entry has a checksum, so one that is damaged or cut short is compiled again and
 * replaced. Entries are written under a name of their own and renamed, so several processes may share a folder, and
 * none is synced: one that a power failure cuts short is a damaged one.
 *
 * Entries are marked when they are used. Where the folder has grown beyond CACHE_MOST_BYTES, those that were used
 * longest ago go until three quarters are left. Files that are not named like entries stay. */
#ifndef SIMBAC_CODEGEN_CACHE_H
#define SIMBAC_CODEGEN_CACHE_H

#include "codegen.h"
#include "session.h"

enum { CACHE_HASH_BYTES = 32, CACHE_MOST_BYTES = 128 << 20 };

typedef struct CacheKey {
  char text[2 * CACHE_HASH_BYTES + 1];
} CacheKey;

/* An open folder; any number of threads may use it at once. */
typedef struct Cache Cache;

/* Creates the folder and those above it where they are missing. NULL, and why in `arena`, where it cannot be used. */
Cache *cache_open(const char *folder, Arena *arena, const char **out_problem);
/* Takes NULL. Lets old entries go if some were stored. */
void cache_close(Cache *cache);
/* The key of the session's module as it stands. */
CacheKey cache_key(Session *session, const char *pipeline);
/* The object, in `arena`; false where there is none. */
bool cache_find(const Cache *cache, const CacheKey *key, Arena *arena, CodegenBlob *out);
void cache_store(Cache *cache, const CacheKey *key, CodegenBlob object);

#endif
