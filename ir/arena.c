#include "arena.h"

#include "guard.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 16, FIRST_CHUNK = 1 << 14, LARGEST_CHUNK = 1 << 22 };

typedef struct Chunk {
  struct Chunk *next;
  size_t size, used;
  _Alignas(ALIGNMENT) unsigned char bytes[];
} Chunk;

struct Arena {
  Chunk *chunk;
  size_t next_size, total;
};

Arena *arena_create(void) {
  Arena *arena = calloc(1, sizeof *arena);
  if (!arena) guard_out_of_memory();
  arena->next_size = FIRST_CHUNK;
  return arena;
}

void arena_destroy(Arena *arena) {
  if (!arena) return;
  for (Chunk *chunk = arena->chunk, *next; chunk; chunk = next) {
    next = chunk->next;
    free(chunk);
  }
  free(arena);
}

static void arena_add_chunk(Arena *arena, size_t bytes) {
  size_t size = arena->next_size > bytes ? arena->next_size : bytes;
  Chunk *chunk = calloc(1, sizeof *chunk + size);
  if (!chunk) guard_out_of_memory();
  chunk->size = size;
  chunk->next = arena->chunk;
  arena->chunk = chunk;
  if (arena->next_size < LARGEST_CHUNK) arena->next_size *= 2;
}

void *arena_allocate(Arena *arena, size_t bytes) {
  if (bytes > SIZE_MAX / 2) guard_out_of_memory();
  size_t size = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  if (size == 0) size = ALIGNMENT;
  if (!arena->chunk || arena->chunk->size - arena->chunk->used < size) arena_add_chunk(arena, size);
  void *memory = arena->chunk->bytes + arena->chunk->used;
  arena->chunk->used += size;
  arena->total += size;
  return memory;
}

void *arena_copy(Arena *arena, const void *data, size_t bytes) {
  void *memory = arena_allocate(arena, bytes);
  if (bytes) memcpy(memory, data, bytes);
  return memory;
}

char *arena_text(Arena *arena, const char *text, size_t length) {
  char *copy = arena_allocate(arena, length + 1);
  if (length) memcpy(copy, text, length);
  return copy;
}

char *arena_vformat(Arena *arena, const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (length < 0) guard_bug("arena_vformat: bad format '%s'", format);
  char *text = arena_allocate(arena, (size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  return text;
}

char *arena_format(Arena *arena, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text = arena_vformat(arena, format, arguments);
  va_end(arguments);
  return text;
}

size_t arena_used(const Arena *arena) { return arena->total; }

void *arena_grow(Arena *arena, void *items, size_t count, size_t *capacity, size_t size) {
  if (count < *capacity) return items;
  size_t larger = *capacity ? *capacity * 2 : 8;
  void *grown = arena_allocate(arena, larger * size);
  if (count) memcpy(grown, items, count * size);
  *capacity = larger;
  return grown;
}
