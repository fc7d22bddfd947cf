/* Files that may be gzipped. */
#ifndef SIMBA_GZIP_H
#define SIMBA_GZIP_H

#include "status.h"

bool gzip_is(const void *bytes, size_t size);
/* Expands all members. `path` is for messages; SIMBA_DATA_ERROR for data that are cut or corrupt, with the byte, and for
 * more than `limit` bytes. The result ends in a 0 byte that out_size does not count; free() it. */
simba_status gzip_expand(const char *path, const void *bytes, size_t size, size_t limit, char **out_bytes,
                         size_t *out_size, simba_error *error);
/* Reads a file as file_read does, and expands it if it is gzipped. */
simba_status gzip_file_read(const char *path, size_t limit, char **out_bytes, size_t *out_size, bool *out_gzipped,
                            simba_error *error);

#endif
