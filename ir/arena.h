/* Chunked bump allocator: everything the compiler builds lives in an arena and is released with it at once.
 *
 * Ownership: one arena per session (sources, syntax trees, diagnostics), one per Graph, one per Program, one scratch
 * arena per pass. No pointer from a longer-lived arena into a shorter-lived one. Memory comes zeroed.
 * Running out of memory does not return: it unwinds to the enclosing guard (guard.h) as GUARD_OUT_OF_MEMORY. */
#ifndef SIMBAC_IR_ARENA_H
#define SIMBAC_IR_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct Arena Arena;

Arena *arena_create(void);
void arena_destroy(Arena *arena); /* NULL is allowed */

void *arena_allocate(Arena *arena, size_t bytes); /* 16-byte aligned, zeroed, never NULL */
void *arena_copy(Arena *arena, const void *data, size_t bytes);
char *arena_text(Arena *arena, const char *text, size_t length); /* NUL-terminated copy */
char *arena_format(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vformat(Arena *arena, const char *format, va_list arguments);
size_t arena_used(const Arena *arena);

#define ARENA_NEW(arena, Type) ((Type *)arena_allocate((arena), sizeof(Type)))
#define ARENA_ARRAY(arena, Type, count) ((Type *)arena_allocate((arena), sizeof(Type) * (size_t)(count)))

/* Growth of an arena-held array: `items` has `*capacity` slots of `size` bytes, of which `count` are in use; returns an
 * array with room for at least one more (the old one is abandoned to the arena). */
void *arena_grow(Arena *arena, void *items, size_t count, size_t *capacity, size_t size);

#endif
