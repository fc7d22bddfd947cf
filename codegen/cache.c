#include "cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/blake3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct Cache {
  int folder;
  atomic_bool stored;
};

/* A file is this header and the object. */
typedef struct CacheHeader {
  char magic[8];
  uint64_t size;
  uint8_t hash[CACHE_HASH_BYTES];
} CacheHeader;

static const char MAGIC[8] = {'s', 'i', 'm', 'b', 'a', 'o', 'b', '2'};
static const char SUFFIX[] = ".o", UNFINISHED[] = "unfinished-";
enum { MOST_OBJECT_BYTES = 1 << 30, MOST_NAME = 160, UNFINISHED_SECONDS = 3600 };

/* --- the folder ----------------------------------------------------------------------------------------------- */

static void create_folders(char *path) {
  for (char *at = path; *at; at++) {
    if (*at != '/' || at == path) continue;
    *at = '\0';
    mkdir(path, 0700);
    *at = '/';
  }
  mkdir(path, 0700);
}

/* Who can write to the folder can have us run anything. */
static const char *why_refused(int folder) {
  struct stat status;
  if (fstat(folder, &status)) return strerror(errno);
  if (status.st_uid != geteuid()) return "the folder belongs to another user";
  return status.st_mode & (S_IWGRP | S_IWOTH) ? "other users may write to the folder" : NULL;
}

Cache *cache_open(const char *folder, Arena *arena, const char **out_problem) {
  Cache *cache = ARENA_NEW(arena, Cache);
  char *path = arena_text(arena, folder, strlen(folder));
  create_folders(path);
  cache->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const char *reason = cache->folder < 0 ? strerror(errno) : why_refused(cache->folder);
  if (!reason) return cache;
  if (cache->folder >= 0) close(cache->folder);
  *out_problem = arena_format(arena, "%s: %s", folder, reason);
  return NULL;
}

/* --- old entries ---------------------------------------------------------------------------------------------- */

typedef struct Entry {
  char name[MOST_NAME];
  struct timespec used;
  off_t size;
} Entry;

typedef struct Listing {
  Entry *entry;
  size_t count, capacity;
} Listing;

static int compare_ages(const void *a, const void *b) {
  const struct timespec *left = &((const Entry *)a)->used, *right = &((const Entry *)b)->used;
  if (left->tv_sec != right->tv_sec) return left->tv_sec < right->tv_sec ? -1 : 1;
  return left->tv_nsec < right->tv_nsec ? -1 : left->tv_nsec > right->tv_nsec;
}

/* Whether it is a key and SUFFIX, so that files which others put there stay. */
static bool is_entry_name(const char *name) {
  size_t digits = strspn(name, "0123456789abcdef");
  return digits == 2 * (size_t)CACHE_HASH_BYTES && !strcmp(name + digits, SUFFIX);
}

/* UNFINISHED, the thread that writes it, and the entry that it becomes. */
static bool is_unfinished_name(const char *name) {
  size_t prefix = strlen(UNFINISHED);
  if (strncmp(name, UNFINISHED, prefix) != 0) return false;
  const char *entry = name + prefix + strspn(name + prefix, "0123456789");
  return *entry == '-' && is_entry_name(entry + 1);
}

static bool add_entry(Listing *listing, const char *name, const struct stat *status) {
  if (listing->count == listing->capacity) {
    size_t capacity = 2 * listing->capacity + 64;
    Entry *entry = realloc(listing->entry, capacity * sizeof *entry);
    if (!entry) return false;
    listing->entry = entry;
    listing->capacity = capacity;
  }
  Entry *entry = &listing->entry[listing->count++];
  snprintf(entry->name, sizeof entry->name, "%.*s", MOST_NAME - 1, name);
  entry->used = status->st_mtim;
  entry->size = status->st_size;
  return true;
}

/* Our files in the folder; what a process that was killed left unfinished goes at once. */
static void list_entries(int folder, DIR *directory, Listing *listing) {
  time_t now = time(NULL);
  for (struct dirent *at; (at = readdir(directory));) {
    struct stat status;
    bool entry = is_entry_name(at->d_name);
    if (!entry && !is_unfinished_name(at->d_name)) continue;
    if (fstatat(folder, at->d_name, &status, AT_SYMLINK_NOFOLLOW)) continue;
    if (entry && !add_entry(listing, at->d_name, &status)) return;
    if (!entry && now - status.st_mtim.tv_sec > UNFINISHED_SECONDS) unlinkat(folder, at->d_name, 0);
  }
}

static void remove_old_entries(int folder) {
  int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = copy < 0 ? NULL : fdopendir(copy);
  if (!directory) {
    if (copy >= 0) close(copy);
    return;
  }
  Listing listing = {0};
  list_entries(folder, directory, &listing);
  closedir(directory);
  off_t total = 0, least = CACHE_MOST_BYTES / 4 * (off_t)3;
  for (size_t k = 0; k < listing.count; k++) total += listing.entry[k].size;
  if (total > CACHE_MOST_BYTES) {
    qsort(listing.entry, listing.count, sizeof *listing.entry, compare_ages);
    for (size_t k = 0; k < listing.count && total > least; k++) {
      total -= listing.entry[k].size;
      unlinkat(folder, listing.entry[k].name, 0);
    }
  }
  free(listing.entry);
}

void cache_close(Cache *cache) {
  if (!cache) return;
  if (atomic_load(&cache->stored)) remove_old_entries(cache->folder);
  close(cache->folder);
}

/* --- keys ----------------------------------------------------------------------------------------------------- */

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
  add_text(&hasher, SIMBAC_VERSION);
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

/* --- entries -------------------------------------------------------------------------------------------------- */

/* The checksum is over the key too: an entry under another one's name is as good as damaged. */
static CacheHeader make_header(const CacheKey *key, CodegenBlob object) {
  CacheHeader header = {.size = object.size};
  memcpy(header.magic, MAGIC, sizeof MAGIC);
  llvm_blake3_hasher hasher;
  llvm_blake3_hasher_init(&hasher);
  add_text(&hasher, key->text);
  llvm_blake3_hasher_update(&hasher, object.bytes, object.size);
  llvm_blake3_hasher_finalize(&hasher, header.hash, sizeof header.hash);
  return header;
}

static bool read_whole(int file, void *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t got = read(file, (char *)bytes + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += (size_t)got;
  }
  return true;
}

/* A file of ours that nobody else may write to: others may have filled the folder while they could. */
static bool is_own_file(const struct stat *status) {
  return S_ISREG(status->st_mode) && status->st_uid == geteuid() && !(status->st_mode & (S_IWGRP | S_IWOTH));
}

static bool read_entry(int file, const CacheKey *key, Arena *arena, CodegenBlob *out) {
  CacheHeader header;
  struct stat status;
  if (fstat(file, &status) || !is_own_file(&status)) return false;
  if (!read_whole(file, &header, sizeof header) || memcmp(header.magic, MAGIC, sizeof MAGIC) != 0) return false;
  if (header.size > MOST_OBJECT_BYTES || (uint64_t)status.st_size != sizeof header + header.size) return false;
  void *bytes = arena_allocate(arena, header.size);
  if (!read_whole(file, bytes, header.size)) return false;
  *out = (CodegenBlob){bytes, header.size};
  CacheHeader expected = make_header(key, *out);
  return !memcmp(header.hash, expected.hash, sizeof header.hash);
}

static void entry_name(const CacheKey *key, char out_name[MOST_NAME]) {
  snprintf(out_name, MOST_NAME, "%s%s", key->text, SUFFIX);
}

bool cache_find(const Cache *cache, const CacheKey *key, Arena *arena, CodegenBlob *out) {
  char name[MOST_NAME];
  entry_name(key, name);
  int file = openat(cache->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return false;
  bool found = read_entry(file, key, arena, out);
  if (found) futimens(file, NULL);
  close(file);
  return found;
}

static bool write_whole(int file, const void *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t put = write(file, (const char *)bytes + done, size - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    done += (size_t)put;
  }
  return true;
}

/* A reader sees all of an entry or none of it. */
void cache_store(Cache *cache, const CacheKey *key, CodegenBlob object) {
  char name[MOST_NAME], unfinished[MOST_NAME];
  entry_name(key, name);
  snprintf(unfinished, sizeof unfinished, "%s%d-%s%s", UNFINISHED, (int)gettid(), key->text, SUFFIX);
  int file = openat(cache->folder, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return;
  CacheHeader header = make_header(key, object);
  bool written = write_whole(file, &header, sizeof header) && write_whole(file, object.bytes, object.size);
  written &= close(file) == 0;
  if (!written || renameat(cache->folder, unfinished, cache->folder, name) != 0)
    unlinkat(cache->folder, unfinished, 0);
  else
    atomic_store(&cache->stored, true);
}
