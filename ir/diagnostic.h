/* What we tell people about their input: a collection of diagnostics with places, notes and hints.
 *
 * A diagnostic has a stable code (a row of diagnostic.def), one primary place, any number of notes ("this axis has 96
 * here") and hints ("did you mean 'linear'?"). They are collected, not printed; `diagnostics_render` writes them. At
 * most 20 errors are kept; how many more there were is counted and said. Analysis goes on after an error with a
 * poisoned value, and nothing is reported about a value that is already poisoned. */
#ifndef SIMBAC_IR_DIAGNOSTIC_H
#define SIMBAC_IR_DIAGNOSTIC_H

#include "arena.h"
#include "text.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct Source {
  const char *name; /* as the user gave it, or "<library>/mamba.simba" */
  const char *text; /* NUL-terminated */
  size_t length;
} Source;

/* `length` bytes from `start` of a source; source 0 is "no place". */
typedef struct Span {
  uint32_t source, start, length;
} Span;

#define SPAN_NONE ((Span){0, 0, 0})

typedef enum DiagnosticCode {
#define DIAGNOSTIC(code, name, format) name,
#include "diagnostic.def"
#undef DIAGNOSTIC
  DIAGNOSTIC_CODE_COUNT
} DiagnosticCode;

typedef enum DiagnosticStyle {
  DIAGNOSTIC_HUMAN, /* file:line:col, source line, caret, notes, hints */
  DIAGNOSTIC_JSON,  /* one object a line */
  DIAGNOSTIC_TEST   /* "line:col E0207 message", one a line, notes and hints indented */
} DiagnosticStyle;

typedef struct Diagnostics Diagnostics;

Diagnostics *diagnostics_create(Arena *arena);

/* Registers a source (text is copied) and returns its number, from 1. */
uint32_t diagnostics_add_source(Diagnostics *diagnostics, const char *name, const char *text, size_t length);
uint32_t diagnostics_source_count(const Diagnostics *diagnostics);
const Source *diagnostics_source(const Diagnostics *diagnostics, uint32_t source); /* NULL for 0 */

/* One-based line and column (in bytes) of the span's start. */
void diagnostics_place(const Diagnostics *diagnostics, Span span, uint32_t *out_line, uint32_t *out_column);

/* The arguments after `span` are those of the code's format in diagnostic.def. */
void diagnostic_error(Diagnostics *diagnostics, DiagnosticCode code, Span span, ...);
void diagnostic_warning(Diagnostics *diagnostics, DiagnosticCode code, Span span, ...);
/* To the newest diagnostic: another place, or advice. */
void diagnostic_note(Diagnostics *diagnostics, Span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void diagnostic_hint(Diagnostics *diagnostics, const char *format, ...) __attribute__((format(printf, 2, 3)));

uint32_t diagnostics_error_count(const Diagnostics *diagnostics);
uint32_t diagnostics_warning_count(const Diagnostics *diagnostics);
/* Colour only in the human style. Clears nothing. */
void diagnostics_render(const Diagnostics *diagnostics, DiagnosticStyle style, bool colour, Text *out);

#endif
