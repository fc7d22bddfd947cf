/* Whole files, read at once and written atomically. A file being written is <path>.tmp, locked; commit syncs it,
 * renames it over <path> and syncs the folder, so that at any moment <path> is the old file or the new one, complete.
 * Where <path> is a device, a pipe, or the process's own standard output or error it is written as it is; a symbolic
 * link stays, and what it leads to is replaced.
 * A folder is refused before anything is written. Errors name the file and the system's reason; the temporary file is
 * removed. While there is one, signals that end a process (SIGHUP, SIGINT, SIGTERM) wait in the thread that opened it,
 * so that Ctrl-C leaves none behind: that thread closes its files, the last one first. */
#ifndef SIMBA_FILE_H
#define SIMBA_FILE_H

#include "status.h"

/* The content followed by a 0 byte that out_size does not count; free() it. SIMBA_IO_ERROR also for folders and
 * devices. */
simba_status file_read(const char *path, char **out_bytes, size_t *out_size, simba_error *error);

typedef struct AtomicFile AtomicFile;

simba_status atomic_file_open(const char *path, AtomicFile **out_file, simba_error *error);
/* After a failed write only atomic_file_abandon may follow. */
simba_status atomic_file_write(AtomicFile *file, const void *bytes, size_t size, simba_error *error);
/* Frees the handle, whether it succeeds or not. */
simba_status atomic_file_commit(AtomicFile *file, simba_error *error);
/* Removes the temporary file and frees the handle. Takes NULL. */
void atomic_file_abandon(AtomicFile *file);
/* All in one. */
simba_status file_write(const char *path, const void *bytes, size_t size, simba_error *error);
/* Creates the folder and those above it; one that exists is fine. */
simba_status folder_create(const char *path, simba_error *error);
/* Holds the folder for this process until folder_unlock, which takes -1 for none. SIMBA_IO_ERROR where another process
 * holds it. The system releases it when the process ends, however it ends. */
simba_status folder_lock(const char *path, int *out_lock, simba_error *error);
void folder_unlock(int lock);

#endif
