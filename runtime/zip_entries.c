#include "zip_entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <minizip/unzip.h>
#include <zlib.h>

enum { MAX_ENTRIES = 1 << 20, MAX_NAME = 1023 };

/* ---- A file in memory, as minizip reads one ---- */

typedef struct MemoryFile {
  const char *bytes;
  size_t size, at;
} MemoryFile;

static voidpf memory_open(voidpf opaque, const void *name, int mode) {
  (void)name;
  (void)mode;
  return opaque;
}

static uLong memory_read(voidpf opaque, voidpf stream, void *out, uLong size) {
  (void)opaque;
  MemoryFile *file = stream;
  if (size > file->size - file->at) size = file->size - file->at;
  if (size) memcpy(out, file->bytes + file->at, size);
  file->at += size;
  return size;
}

static ZPOS64_T memory_tell(voidpf opaque, voidpf stream) {
  (void)opaque;
  return ((MemoryFile *)stream)->at;
}

static long memory_seek(voidpf opaque, voidpf stream, ZPOS64_T offset, int origin) {
  (void)opaque;
  MemoryFile *file = stream;
  size_t from = origin == ZLIB_FILEFUNC_SEEK_SET ? 0 : origin == ZLIB_FILEFUNC_SEEK_CUR ? file->at : file->size;
  if (offset > file->size - from) return -1;
  file->at = from + offset;
  return 0;
}

static int memory_close(voidpf opaque, voidpf stream) {
  (void)opaque;
  (void)stream;
  return 0;
}

/* Asked after a read that gave too little: the end of the file is a mistake of it. */
static int memory_error(voidpf opaque, voidpf stream) {
  (void)opaque;
  (void)stream;
  return 1;
}

/* ---- Entries ---- */

typedef struct Reader {
  const char *path, *bytes;
  size_t size, names_size, names_capacity;
  uint64_t total; /* of the entries' sizes */
  unzFile zip;
  ZipEntries *entries;
  simba_error *error;
} Reader;

static simba_status fail(const Reader *reader, const char *name, const char *found) {
  return error_set(reader->error, SIMBA_DATA_ERROR, "%s: entry '%.200s': %s", reader->path, name, found);
}

static simba_status fail_damaged(const Reader *reader, const char *found) {
  return error_set(reader->error, SIMBA_DATA_ERROR, "%s: damaged or truncated zip file: %s", reader->path, found);
}

/* The entry's name is its offset in `names`, which may still move. */
static simba_status add_name(Reader *reader, const char *name, size_t *out_offset) {
  size_t length = strlen(name) + 1;
  if (length > reader->names_capacity - reader->names_size) {
    size_t capacity = 2 * reader->names_capacity + length;
    char *larger = realloc(reader->entries->names, capacity);
    if (!larger) return error_set_memory(reader->error, reader->path);
    reader->entries->names = larger;
    reader->names_capacity = capacity;
  }
  memcpy(reader->entries->names + reader->names_size, name, length);
  *out_offset = reader->names_size;
  reader->names_size += length;
  return SIMBA_OK;
}

static simba_status check_entry(Reader *reader, const unz_file_info64 *info, const char *name) {
  const unsigned ENCRYPTED = 1;
  if (info->size_filename > MAX_NAME) return fail(reader, name, "its name has more than 1023 bytes");
  if (strlen(name) != info->size_filename) return fail(reader, name, "its name holds a zero byte");
  if (info->flag & ENCRYPTED) return fail(reader, name, "is encrypted");
  if (info->compression_method != 0 || info->compressed_size != info->uncompressed_size)
    return fail(reader, name, "is compressed: weights are stored as they are");
  if (info->uncompressed_size > reader->size) return fail(reader, name, "its size is more than the file's");
  reader->total += info->uncompressed_size; /* at most MAX_ENTRIES times the file's size */
  if (reader->total > reader->size)
    return fail(reader, name, "entries share bytes: together they have more than the file");
  return SIMBA_OK;
}

static simba_status read_entry(Reader *reader, ZipEntry *entry, size_t *out_name) {
  char name[MAX_NAME + 1] = "";
  unz_file_info64 info;
  if (unzGetCurrentFileInfo64(reader->zip, &info, name, sizeof name, NULL, 0, NULL, 0) != UNZ_OK)
    return fail_damaged(reader, "its directory cannot be read");
  name[MAX_NAME] = 0;
  simba_status status = check_entry(reader, &info, name);
  if (!status) status = add_name(reader, name, out_name);
  if (status) return status;
  if (unzOpenCurrentFile(reader->zip) != UNZ_OK) return fail(reader, name, "its header is damaged");
  ZPOS64_T begin = unzGetCurrentFileZStreamPos64(reader->zip);
  unzCloseCurrentFile(reader->zip);
  if (begin > reader->size || info.uncompressed_size > reader->size - begin)
    return fail(reader, name, "lies outside of the file");
  *entry = (ZipEntry){.bytes = reader->bytes + begin, .size = info.uncompressed_size, .checksum = (uint32_t)info.crc};
  return SIMBA_OK;
}

static int compare_entries(const void *a, const void *b) {
  return strcmp(((const ZipEntry *)a)->name, ((const ZipEntry *)b)->name);
}

static simba_status check_unique(const Reader *reader) {
  ZipEntries *entries = reader->entries;
  qsort(entries->entry, entries->count, sizeof *entries->entry, compare_entries);
  for (size_t i = 1; i < entries->count; i++)
    if (strcmp(entries->entry[i - 1].name, entries->entry[i].name) == 0)
      return fail(reader, entries->entry[i].name, "is in the file twice");
  return SIMBA_OK;
}

static simba_status read_entries(Reader *reader) {
  unz_global_info64 info;
  if (unzGetGlobalInfo64(reader->zip, &info) != UNZ_OK) return fail_damaged(reader, "its directory cannot be read");
  const size_t DIRECTORY_ENTRY = 46; /* bytes at least */
  if (info.number_entry > MAX_ENTRIES || info.number_entry > reader->size / DIRECTORY_ENTRY)
    return fail_damaged(reader, "its directory has more entries than the file has room for");
  ZipEntries *entries = reader->entries;
  size_t *name = memory_allocate(info.number_entry, sizeof *name);
  entries->entry = memory_allocate(info.number_entry, sizeof *entries->entry);
  simba_status status = name && entries->entry ? SIMBA_OK : error_set_memory(reader->error, reader->path);
  for (size_t i = 0; !status && i < info.number_entry; i++) {
    if ((i ? unzGoToNextFile(reader->zip) : unzGoToFirstFile(reader->zip)) != UNZ_OK)
      status = fail_damaged(reader, "its directory cannot be read");
    else
      status = read_entry(reader, &entries->entry[i], &name[i]);
    if (!status) entries->count++;
  }
  for (size_t i = 0; !status && i < entries->count; i++) entries->entry[i].name = entries->names + name[i];
  free(name);
  return status ? status : check_unique(reader);
}

simba_status zip_entries_open(const char *path, const char *bytes, size_t size, ZipEntries *out_entries,
                              simba_error *error) {
  *out_entries = (ZipEntries){0};
  MemoryFile file = {.bytes = bytes, .size = size};
  zlib_filefunc64_def functions = {.zopen64_file = memory_open,
                                   .zread_file = memory_read,
                                   .ztell64_file = memory_tell,
                                   .zseek64_file = memory_seek,
                                   .zclose_file = memory_close,
                                   .zerror_file = memory_error,
                                   .opaque = &file};
  Reader reader = {.path = path, .bytes = bytes, .size = size, .entries = out_entries, .error = error};
  reader.zip = unzOpen2_64(path, &functions);
  if (!reader.zip) return fail_damaged(&reader, "it has no directory at its end");
  simba_status status = read_entries(&reader);
  unzClose(reader.zip);
  if (status) zip_entries_close(out_entries);
  return status;
}

void zip_entries_close(ZipEntries *entries) {
  free(entries->entry);
  free(entries->names);
  *entries = (ZipEntries){0};
}

const ZipEntry *zip_entries_find(const ZipEntries *entries, const char *name) {
  const ZipEntry key = {.name = name};
  return entries->count ? bsearch(&key, entries->entry, entries->count, sizeof key, compare_entries) : NULL;
}

simba_status zip_entry_check(const char *path, const ZipEntry *entry, simba_error *error) {
  if (crc32_z(0, (const Bytef *)entry->bytes, entry->size) == entry->checksum) return SIMBA_OK;
  return error_set(error, SIMBA_DATA_ERROR, "%s: entry '%.200s' is damaged: its checksum is another one", path,
                   entry->name);
}
