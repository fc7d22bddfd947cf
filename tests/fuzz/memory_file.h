/* Bytes as a file that has a path but is on no disk. */
#ifndef SIMBAC_TESTS_MEMORY_FILE_H
#define SIMBAC_TESTS_MEMORY_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Closing the descriptor removes the file. */
static inline int memory_file(const uint8_t *bytes, size_t size, char out_path[32]) {
  int descriptor = memfd_create("fuzz", MFD_CLOEXEC);
  if (descriptor < 0 || write(descriptor, bytes, size) != (ssize_t)size) abort();
  snprintf(out_path, 32, "/proc/self/fd/%d", descriptor);
  return descriptor;
}

#endif
