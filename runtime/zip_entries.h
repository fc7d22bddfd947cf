/* The entries of a zip file in memory that are stored as they are, where nothing is copied and nothing unpacked. What
 * is compressed or encrypted is refused, so no file grows in reading; so are entries that share bytes. */
#ifndef SIMBA_ZIP_ENTRIES_H
#define SIMBA_ZIP_ENTRIES_H

#include "status.h"

typedef struct ZipEntry {
  const char *name;  /* ends in 0 */
  const char *bytes; /* in the file's */
  size_t size;
  uint32_t checksum;
} ZipEntry;

typedef struct ZipEntries {
  size_t count;
  ZipEntry *entry; /* in the order of their names, which are unique */
  char *names;
} ZipEntries;

/* `path` is for messages, and `bytes` must live as long as the entries. */
simba_status zip_entries_open(const char *path, const char *bytes, size_t size, ZipEntries *out_entries,
                              simba_error *error);
void zip_entries_close(ZipEntries *entries); /* what zip_entries_open filled in, or zeros */
/* NULL where there is none. */
const ZipEntry *zip_entries_find(const ZipEntries *entries, const char *name);
/* Compares the entry's bytes with its checksum. */
simba_status zip_entry_check(const char *path, const ZipEntry *entry, simba_error *error);

#endif
