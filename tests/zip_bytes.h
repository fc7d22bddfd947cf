/* Zip files as bytes, whole or wrong on purpose, without a library that would refuse. */
#ifndef SIMBAC_TESTS_ZIP_BYTES_H
#define SIMBAC_TESTS_ZIP_BYTES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct Bytes {
  unsigned char *data;
  size_t size, capacity;
} Bytes;

static inline void bytes_add(Bytes *bytes, const void *data, size_t size) {
  if (size > bytes->capacity - bytes->size) {
    bytes->capacity = 2 * bytes->capacity + size;
    bytes->data = realloc(bytes->data, bytes->capacity);
    if (!bytes->data) abort();
  }
  if (size) memcpy(bytes->data + bytes->size, data, size);
  bytes->size += size;
}

/* Little-endian, as this machine is. */
static inline void bytes_add_number(Bytes *bytes, uint64_t value, size_t size) { bytes_add(bytes, &value, size); }

static inline uint32_t zip_checksum(const void *data, size_t size) {
  uint32_t sum = UINT32_MAX;
  for (size_t i = 0; i < size; i++) {
    sum ^= ((const unsigned char *)data)[i];
    for (int bit = 0; bit < 8; bit++) sum = sum >> 1 ^ (sum & 1 ? 0xEDB88320 : 0);
  }
  return ~sum;
}

typedef struct ZipBytes {
  Bytes file, directory;
  unsigned count;
} ZipBytes;

/* What the directory says of an entry. */
typedef struct ZipClaim {
  uint32_t checksum, stored, unpacked, offset;
  uint16_t flags, method;
} ZipClaim;

static inline void zip_add_fields(Bytes *to, const ZipClaim *claim, size_t name_length) {
  bytes_add_number(to, 20, 2); /* version */
  bytes_add_number(to, claim->flags, 2);
  bytes_add_number(to, claim->method, 2);
  bytes_add_number(to, 0, 4); /* time */
  bytes_add_number(to, claim->checksum, 4);
  bytes_add_number(to, claim->stored, 4);
  bytes_add_number(to, claim->unpacked, 4);
  bytes_add_number(to, name_length, 2);
  bytes_add_number(to, 0, 2); /* extra field */
}

static inline void zip_claim_entry(ZipBytes *zip, const char *name, const ZipClaim *claim) {
  size_t length = strlen(name);
  bytes_add(&zip->directory, "PK\1\2\24\0", 6);
  zip_add_fields(&zip->directory, claim, length);
  static const char none[10] = {0}; /* comment, disk, attributes */
  bytes_add(&zip->directory, none, sizeof none);
  bytes_add_number(&zip->directory, claim->offset, 4);
  bytes_add(&zip->directory, name, length);
  zip->count++;
}

/* Gives back what is right to say of it; the directory does not have it yet. */
static inline ZipClaim zip_add_data(ZipBytes *zip, const char *name, const void *data, size_t size) {
  ZipClaim claim = {.checksum = zip_checksum(data, size),
                    .stored = (uint32_t)size,
                    .unpacked = (uint32_t)size,
                    .offset = (uint32_t)zip->file.size};
  bytes_add(&zip->file, "PK\3\4", 4);
  zip_add_fields(&zip->file, &claim, strlen(name));
  bytes_add(&zip->file, name, strlen(name));
  bytes_add(&zip->file, data, size);
  return claim;
}

static inline void zip_add(ZipBytes *zip, const char *name, const void *data, size_t size) {
  ZipClaim claim = zip_add_data(zip, name, data, size);
  zip_claim_entry(zip, name, &claim);
}

/* The file's bytes; the caller frees .data. */
static inline Bytes zip_end(ZipBytes *zip) {
  size_t directory = zip->file.size;
  bytes_add(&zip->file, zip->directory.data, zip->directory.size);
  bytes_add(&zip->file, "PK\5\6\0\0\0\0", 8);
  bytes_add_number(&zip->file, zip->count, 2);
  bytes_add_number(&zip->file, zip->count, 2);
  bytes_add_number(&zip->file, zip->directory.size, 4);
  bytes_add_number(&zip->file, directory, 4);
  bytes_add_number(&zip->file, 0, 2);
  free(zip->directory.data);
  return zip->file;
}

#endif
