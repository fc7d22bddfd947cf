#include "cache.h"

#include <llvm-c/BitWriter.h>
#include <llvm-c/blake3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file is this header and the object. */
typedef struct CacheHeader {
  char magic[8];
  uint64_t size;
  uint8_t hash[CACHE_HASH_BYTES];
} CacheHeader;

static const char MAGIC[8] = {'s', 'i', 'm', 'b', 'a', 'o', 'b', '1'};
enum { MAX_OBJECT_BYTES = 1 << 30 };

static void add_text(llvm_blake3_hasher *hasher, const char *text) {
  llvm_blake3_hasher_update(hasher, text, strlen(text) + 1);
}

CacheKey cache_key(Session *session, const char *pipeline) {
  unsigned version[3];
  LLVMGetVersion(&version[0], &version[1], &version[2]);
  LLVMMemoryBufferRef bitcode = LLVMWriteBitcodeToMemoryBuffer(session->module);
  llvm_blake3_hasher hasher;
  llvm_blake3_hasher_init(&hasher);
  llvm_blake3_hasher_update(&hasher, version, sizeof version);
  add_text(&hasher, session->target.triple);
  add_text(&hasher, session->target.cpu);
  add_text(&hasher, session->target.features);
  add_text(&hasher, pipeline);
  llvm_blake3_hasher_update(&hasher, LLVMGetBufferStart(bitcode), LLVMGetBufferSize(bitcode));
  LLVMDisposeMemoryBuffer(bitcode);
  uint8_t hash[CACHE_HASH_BYTES];
  llvm_blake3_hasher_finalize(&hasher, hash, sizeof hash);
  CacheKey key;
  for (size_t k = 0; k < CACHE_HASH_BYTES; k++) snprintf(key.text + 2 * k, 3, "%02x", hash[k]);
  return key;
}

static CacheHeader make_header(CodegenBlob object) {
  CacheHeader header = {.size = object.size};
  memcpy(header.magic, MAGIC, sizeof MAGIC);
  llvm_blake3_hasher hasher;
  llvm_blake3_hasher_init(&hasher);
  llvm_blake3_hasher_update(&hasher, object.bytes, object.size);
  llvm_blake3_hasher_finalize(&hasher, header.hash, sizeof header.hash);
  return header;
}

static bool read_object(FILE *file, Arena *arena, CodegenBlob *out) {
  CacheHeader header;
  if (fread(&header, sizeof header, 1, file) != 1 || memcmp(header.magic, MAGIC, sizeof MAGIC) != 0) return false;
  struct stat status;
  if (fstat(fileno(file), &status) || header.size > MAX_OBJECT_BYTES ||
      (uint64_t)status.st_size != sizeof header + header.size)
    return false;
  void *bytes = arena_allocate(arena, header.size);
  if (fread(bytes, 1, header.size, file) != header.size) return false;
  *out = (CodegenBlob){bytes, header.size};
  CacheHeader expected = make_header(*out);
  return !memcmp(header.hash, expected.hash, sizeof header.hash);
}

bool cache_find(const char *folder, const CacheKey *key, Arena *arena, CodegenBlob *out) {
  FILE *file = fopen(arena_format(arena, "%s/%s.o", folder, key->text), "rbe");
  if (!file) return false;
  bool found = read_object(file, arena, out);
  fclose(file);
  return found;
}

static bool write_object(FILE *file, CodegenBlob object) {
  CacheHeader header = make_header(object);
  return fwrite(&header, sizeof header, 1, file) == 1 && fwrite(object.bytes, 1, object.size, file) == object.size &&
         fflush(file) == 0;
}

/* Under a name of its own first, then renamed: a reader sees all of a file. */
void cache_store(const char *folder, const CacheKey *key, CodegenBlob object, Arena *arena) {
  mkdir(folder, 0700);
  char *name = arena_format(arena, "%s/%s.XXXXXX", folder, key->text);
  int descriptor = mkstemp(name);
  if (descriptor < 0) return;
  FILE *file = fdopen(descriptor, "wb");
  bool written = file && write_object(file, object);
  if (file)
    written &= fclose(file) == 0;
  else
    close(descriptor);
  if (!written || rename(name, arena_format(arena, "%s/%s.o", folder, key->text)) != 0) unlink(name);
}
