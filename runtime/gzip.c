#include "gzip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "file.h"

enum { MEMBER_MAGIC_BYTES = 2, LARGEST_STEP = 1 << 30 };

bool gzip_is(const void *bytes, size_t size) {
  return size >= MEMBER_MAGIC_BYTES && memcmp(bytes, "\x1F\x8B", MEMBER_MAGIC_BYTES) == 0;
}

typedef struct Expansion {
  z_stream stream;
  const char *path;
  size_t size, limit; /* of the input; of the output */
  size_t left;        /* input that the stream was not yet given */
  char *bytes;
  size_t used, capacity;
  simba_error *error;
} Expansion;

static simba_status fail(const Expansion *expansion, const char *found) {
  size_t at = expansion->size - expansion->left - expansion->stream.avail_in;
  return error_set(expansion->error, SIMBA_DATA_ERROR, "%s: byte %zu: %s", expansion->path, at, found);
}

/* Room for at least one byte and the 0 behind it; one byte more than the limit may come, to know that it does. */
static simba_status grow(Expansion *expansion) {
  if (expansion->used > expansion->limit)
    return error_set(expansion->error, SIMBA_DATA_ERROR, "%s: expands to more than %zu bytes, the limit",
                     expansion->path, expansion->limit);
  if (expansion->used + 1 < expansion->capacity) return SIMBA_OK;
  size_t capacity = expansion->capacity > expansion->limit / 2 ? expansion->limit + 2 : expansion->capacity * 2;
  char *larger = realloc(expansion->bytes, capacity);
  if (!larger) return error_set_memory(expansion->error, expansion->path);
  expansion->bytes = larger;
  expansion->capacity = capacity;
  return SIMBA_OK;
}

/* The input lies in one piece, but zlib counts it in 32 bits. */
static void refill(Expansion *expansion) {
  z_stream *stream = &expansion->stream;
  size_t more = LARGEST_STEP - stream->avail_in;
  if (more > expansion->left) more = expansion->left;
  stream->avail_in += (uInt)more;
  expansion->left -= more;
}

/* One call of inflate. out_code: what it returned. */
static simba_status expand_step(Expansion *expansion, int *out_code) {
  simba_status status = grow(expansion);
  if (status) return status;
  z_stream *stream = &expansion->stream;
  refill(expansion);
  size_t room = expansion->capacity - 1 - expansion->used;
  uInt given = room < LARGEST_STEP ? (uInt)room : LARGEST_STEP;
  stream->next_out = (Bytef *)expansion->bytes + expansion->used;
  stream->avail_out = given;
  *out_code = inflate(stream, Z_NO_FLUSH);
  expansion->used += given - stream->avail_out;
  if (*out_code == Z_OK || *out_code == Z_STREAM_END) return SIMBA_OK;
  if (*out_code == Z_MEM_ERROR) return error_set_memory(expansion->error, expansion->path);
  if (*out_code == Z_BUF_ERROR && stream->avail_in == 0)
    return fail(expansion, "the file ends in the midst of its gzip data: it is cut off");
  char found[160];
  snprintf(found, sizeof found, "corrupt gzip data: %s", stream->msg ? stream->msg : "no valid stream");
  return fail(expansion, found);
}

static simba_status expand_members(Expansion *expansion) {
  for (;;) {
    int code;
    simba_status status = expand_step(expansion, &code);
    if (status) return status;
    if (code != Z_STREAM_END) continue;
    refill(expansion);
    if (expansion->used > expansion->limit) return grow(expansion);
    /* Another member may follow; anything else behind the last one is padding, as gzip(1) has it. */
    if (!gzip_is(expansion->stream.next_in, expansion->stream.avail_in)) return SIMBA_OK;
    if (inflateReset(&expansion->stream) != Z_OK) return fail(expansion, "corrupt gzip data");
  }
}

/* How much to expect: the last member's length modulo 2^32 stands at the end. It is believed no further than deflate can
 * go, which expands a byte to at most 1032. */
static size_t first_capacity(const uint8_t *bytes, size_t size, size_t limit) {
  const size_t trailer = 4, largest_ratio = 1032, least = 4096;
  size_t expected = 0;
  for (size_t i = 0; i < trailer && size >= trailer; i++) expected |= (size_t)bytes[size - trailer + i] << (8 * i);
  if (expected / largest_ratio > size) expected = 0;
  if (expected > limit) expected = limit;
  return (expected < least ? least : expected) + 2;
}

simba_status gzip_expand(const char *path, const void *bytes, size_t size, size_t limit, char **out_bytes,
                         size_t *out_size, simba_error *error) {
  Expansion expansion = {.path = path, .size = size, .left = size, .limit = limit, .error = error};
  if (limit > PTRDIFF_MAX / 2) expansion.limit = PTRDIFF_MAX / 2;
  expansion.stream.next_in = (Bytef *)bytes; /* zlib writes nothing there */
  expansion.capacity = first_capacity(bytes, size, expansion.limit);
  expansion.bytes = memory_allocate(expansion.capacity, 1);
  if (!expansion.bytes) return error_set_memory(error, path);
  const int gzip_only = 16; /* added to the window's bits */
  if (inflateInit2(&expansion.stream, MAX_WBITS + gzip_only) != Z_OK) {
    free(expansion.bytes);
    return error_set_memory(error, path);
  }
  simba_status status = expand_members(&expansion);
  inflateEnd(&expansion.stream);
  if (status) {
    free(expansion.bytes);
    return status;
  }
  expansion.bytes[expansion.used] = 0;
  *out_bytes = expansion.bytes;
  *out_size = expansion.used;
  return SIMBA_OK;
}

simba_status gzip_file_read(const char *path, size_t limit, char **out_bytes, size_t *out_size, bool *out_gzipped,
                            simba_error *error) {
  char *bytes;
  size_t size;
  simba_status status = file_read(path, &bytes, &size, error);
  if (status) return status;
  *out_gzipped = gzip_is(bytes, size);
  if (!*out_gzipped) {
    *out_bytes = bytes;
    *out_size = size;
    return SIMBA_OK;
  }
  status = gzip_expand(path, bytes, size, limit, out_bytes, out_size, error);
  free(bytes);
  return status;
}
