#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Reading ---- */

static simba_status read_stream(FILE *stream, const char *path, char **out_bytes, size_t *out_size,
                                simba_error *error) {
  struct stat status;
  if (fstat(fileno(stream), &status)) return error_set_system(error, path, "read", errno);
  if (S_ISDIR(status.st_mode)) return error_set_system(error, path, "read", EISDIR);
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) /* may have no end, as /dev/zero */
    return error_set(error, SIMBA_IO_ERROR, "%s: cannot read: a device, not a file", path);
  /* The size is a first guess only: pipes have none, and a file may grow while it is read. */
  size_t capacity = S_ISREG(status.st_mode) && status.st_size > 0 ? (size_t)status.st_size + 2 : 65536, size = 0;
  char *bytes = memory_allocate(capacity, 1);
  if (!bytes) return error_set(error, SIMBA_OUT_OF_MEMORY, "%s: out of memory for %zu bytes", path, capacity);
  for (size_t got; (got = fread(bytes + size, 1, capacity - 1 - size, stream)) > 0;) {
    size += got;
    if (size + 1 < capacity) continue;
    char *larger = capacity < PTRDIFF_MAX / 2 ? realloc(bytes, capacity * 2) : NULL;
    if (!larger) {
      free(bytes);
      return error_set(error, SIMBA_OUT_OF_MEMORY, "%s: out of memory for %zu bytes", path, capacity * 2);
    }
    bytes = larger;
    capacity *= 2;
  }
  if (ferror(stream)) {
    int failure = errno;
    free(bytes);
    return error_set_system(error, path, "read", failure);
  }
  bytes[size] = 0;
  *out_bytes = bytes;
  *out_size = size;
  return SIMBA_OK;
}

simba_status file_read(const char *path, char **out_bytes, size_t *out_size, simba_error *error) {
  FILE *stream = fopen(path, "rbe");
  if (!stream) return error_set_system(error, path, "open", errno);
  simba_status status = read_stream(stream, path, out_bytes, out_size, error);
  fclose(stream);
  return status;
}

/* ---- Atomic writing ---- */

struct AtomicFile {
  int descriptor;
  char *path;      /* as it was given, for messages */
  char *target;    /* what is replaced: `path`, or what it links to */
  char *temporary; /* NULL where `path` is written as it is */
  bool holding;    /* signals wait */
  sigset_t before; /* and these did before */
};

static void hold_signals(AtomicFile *file) {
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGHUP);
  sigaddset(&ending, SIGINT);
  sigaddset(&ending, SIGTERM);
  file->holding = pthread_sigmask(SIG_BLOCK, &ending, &file->before) == 0;
}

static void atomic_file_free(AtomicFile *file) {
  if (file->descriptor >= 0) close(file->descriptor);
  if (file->holding) pthread_sigmask(SIG_SETMASK, &file->before, NULL);
  free(file->path);
  free(file->target);
  free(file->temporary);
  free(file);
}

static bool same_file(const struct stat *a, const struct stat *b) {
  return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* A file system that knows no locks is no reason to refuse work. 0, or an errno. */
static int lock_descriptor(int descriptor) {
  return flock(descriptor, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK ? EBUSY : 0;
}

/* Between our open and our lock another writer may have renamed the file we opened to its final name: then we hold a
 * published file and must try again. 0, or an errno. */
static int open_locked(const char *path, int *out_descriptor) {
  for (;;) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor < 0) return errno;
    struct stat ours, there;
    int failure = lock_descriptor(descriptor);
    bool published = !failure && (fstat(descriptor, &ours) || stat(path, &there) || !same_file(&ours, &there));
    if (!failure && !published && ftruncate(descriptor, 0)) {
      failure = errno;
      unlink(path);
    }
    if (!failure && !published) {
      *out_descriptor = descriptor;
      return 0;
    }
    close(descriptor);
    if (failure) return failure;
  }
}

/* Whether `path` must be written as it is, because a rename over it would do harm: over a device or a pipe it would put
 * a file in its place, and what the process or its parent writes to their standard output or error afterwards would be
 * lost behind the new file. A descriptor of our own is duplicated, so that its position is shared. */
static bool is_special(const char *path, int *out_own) {
  struct stat there, own;
  *out_own = -1;
  if (stat(path, &there)) return false;
  for (int descriptor = STDOUT_FILENO; descriptor <= STDERR_FILENO && *out_own < 0; descriptor++)
    if (fstat(descriptor, &own) == 0 && same_file(&there, &own)) *out_own = descriptor;
  return *out_own >= 0 || !S_ISREG(there.st_mode);
}

static int open_special(const char *path, int own, int *out_descriptor) {
  *out_descriptor = own >= 0 ? fcntl(own, F_DUPFD_CLOEXEC, 0) : open(path, O_WRONLY | O_CLOEXEC);
  return *out_descriptor < 0 ? errno : 0;
}

/* The names to replace and to write to. A link stays, and what it leads to is replaced; one that leads nowhere is
 * replaced itself. */
static bool set_names(AtomicFile *file) {
  struct stat status;
  bool link = lstat(file->path, &status) == 0 && S_ISLNK(status.st_mode);
  if (link) file->target = realpath(file->path, NULL);
  if (!file->target) file->target = text_copy(file->path);
  if (!file->target) return false;
  size_t length = strlen(file->target);
  file->temporary = memory_allocate(length + sizeof ".tmp", 1);
  if (!file->temporary) return false;
  memcpy(file->temporary, file->target, length);
  memcpy(file->temporary + length, ".tmp", sizeof ".tmp");
  return true;
}

simba_status atomic_file_open(const char *path, AtomicFile **out_file, simba_error *error) {
  struct stat there;
  if (stat(path, &there) == 0 && S_ISDIR(there.st_mode)) return error_set_system(error, path, "write", EISDIR);
  AtomicFile *file = calloc(1, sizeof *file);
  if (!file) return error_set_memory(error, path);
  int own;
  bool special = is_special(path, &own);
  file->descriptor = -1;
  file->path = text_copy(path);
  if (!file->path || (!special && !set_names(file))) {
    atomic_file_free(file);
    return error_set_memory(error, path);
  }
  if (!special) hold_signals(file);
  int failure = special ? open_special(path, own, &file->descriptor) : open_locked(file->temporary, &file->descriptor);
  if (failure) {
    atomic_file_free(file);
    if (failure == EBUSY)
      error_set(error, SIMBA_IO_ERROR, "%s: another process is writing this file", path);
    else
      error_set_system(error, path, "write", failure);
    return failure == ENOMEM ? SIMBA_OUT_OF_MEMORY : SIMBA_IO_ERROR;
  }
  *out_file = file;
  return SIMBA_OK;
}

simba_status atomic_file_write(AtomicFile *file, const void *bytes, size_t size, simba_error *error) {
  const char *at = bytes;
  while (size > 0) {
    ssize_t written = write(file->descriptor, at, size < (1u << 30) ? size : (1u << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return error_set_system(error, file->path, "write", written < 0 ? errno : EIO);
    at += written;
    size -= (size_t)written;
  }
  return SIMBA_OK;
}

/* The rename itself must survive a crash, so the folder's entry is synced too. 0, or an errno. */
static int sync_folder(const char *path) {
  char *folder = text_copy(path);
  if (!folder) return ENOMEM;
  char *slash = strrchr(folder, '/');
  if (slash == folder) slash++;
  if (slash) *slash = 0;
  int descriptor = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(folder);
  if (descriptor < 0) return errno;
  int failure = fsync(descriptor) && errno != EINVAL ? errno : 0; /* EINVAL: a file system that cannot sync folders */
  close(descriptor);
  return failure;
}

simba_status atomic_file_commit(AtomicFile *file, simba_error *error) {
  if (!file->temporary) {
    atomic_file_free(file);
    return SIMBA_OK;
  }
  int failure = 0;
  if (fsync(file->descriptor) && errno != EINVAL) failure = errno;
  if (!failure && rename(file->temporary, file->target)) failure = errno;
  if (failure) {
    error_set_system(error, file->path, "write", failure);
    atomic_file_abandon(file);
    return failure == ENOMEM ? SIMBA_OUT_OF_MEMORY : SIMBA_IO_ERROR;
  }
  failure = sync_folder(file->target);
  simba_status status = failure ? error_set_system(error, file->path, "sync the folder of", failure) : SIMBA_OK;
  atomic_file_free(file);
  return status;
}

void atomic_file_abandon(AtomicFile *file) {
  if (!file) return;
  if (file->temporary) unlink(file->temporary);
  atomic_file_free(file);
}

simba_status file_write(const char *path, const void *bytes, size_t size, simba_error *error) {
  AtomicFile *file;
  simba_status status = atomic_file_open(path, &file, error);
  if (status) return status;
  status = atomic_file_write(file, bytes, size, error);
  if (status) {
    atomic_file_abandon(file);
    return status;
  }
  return atomic_file_commit(file, error);
}

simba_status folder_create(const char *path, simba_error *error) {
  char *part = text_copy(path);
  if (!part) return error_set_memory(error, path);
  int failure = 0;
  for (char *at = part + 1; !failure && *part; at++) {
    if (*at && *at != '/') continue;
    char separator = *at;
    *at = 0;
    if (mkdir(part, 0777) && errno != EEXIST) failure = errno;
    *at = separator;
    if (!separator) break;
  }
  free(part);
  struct stat status;
  if (!failure && stat(path, &status)) failure = errno;
  if (!failure && !S_ISDIR(status.st_mode)) failure = ENOTDIR;
  return failure ? error_set_system(error, path, "create the folder", failure) : SIMBA_OK;
}

simba_status folder_lock(const char *path, int *out_lock, simba_error *error) {
  int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return error_set_system(error, path, "open the folder", errno);
  if (lock_descriptor(descriptor)) {
    close(descriptor);
    return error_set(error, SIMBA_IO_ERROR, "%s: another process is working in this folder", path);
  }
  *out_lock = descriptor;
  return SIMBA_OK;
}

void folder_unlock(int lock) {
  if (lock >= 0) close(lock);
}
