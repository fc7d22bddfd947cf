#include "diagnostic.h"

#include "diagnostic_internal.h"
#include "guard.h"

#include <string.h>

static const CodeInfo code_info[DIAGNOSTIC_CODE_COUNT] = {
#define DIAGNOSTIC(code, name, format) [name] = {code, format},
#include "diagnostic.def"
#undef DIAGNOSTIC
};

const CodeInfo *diagnostic_code_info(DiagnosticCode code) {
  ASSERT(code < DIAGNOSTIC_CODE_COUNT);
  return &code_info[code];
}

Diagnostics *diagnostics_create(Arena *arena) {
  Diagnostics *diagnostics = ARENA_NEW(arena, Diagnostics);
  diagnostics->arena = arena;
  return diagnostics;
}

uint32_t diagnostics_add_source(Diagnostics *diagnostics, const char *name, const char *text, size_t length) {
  if (length > UINT32_MAX - 1) guard_bug("source %s has more than 4 GB", name);
  Arena *arena = diagnostics->arena;
  diagnostics->source = arena_grow(arena, diagnostics->source, diagnostics->source_count, &diagnostics->source_capacity,
                                   sizeof(SourceText));
  SourceText *source = &diagnostics->source[diagnostics->source_count++];
  *source = (SourceText){.source = {.name = arena_text(arena, name, strlen(name)),
                                    .text = arena_text(arena, text, length),
                                    .length = length}};
  uint32_t lines = 1;
  for (size_t k = 0; k < length; k++) lines += text[k] == '\n';
  source->line_start = ARENA_ARRAY(arena, uint32_t, lines);
  source->line_count = 1;
  for (size_t k = 0; k < length; k++) {
    if (text[k] == '\n') source->line_start[source->line_count++] = (uint32_t)k + 1;
  }
  return diagnostics->source_count;
}

uint32_t diagnostics_source_count(const Diagnostics *diagnostics) { return diagnostics->source_count; }

const SourceText *diagnostics_source_text(const Diagnostics *diagnostics, uint32_t source) {
  ASSERT(source <= diagnostics->source_count);
  return source == 0 ? NULL : &diagnostics->source[source - 1];
}

const Source *diagnostics_source(const Diagnostics *diagnostics, uint32_t source) {
  const SourceText *text = diagnostics_source_text(diagnostics, source);
  return text ? &text->source : NULL;
}

void diagnostics_place(const Diagnostics *diagnostics, Span span, uint32_t *out_line, uint32_t *out_column) {
  const SourceText *text = diagnostics_source_text(diagnostics, span.source);
  *out_line = *out_column = 0;
  if (!text) return;
  uint32_t start = span.start < text->source.length ? span.start : (uint32_t)text->source.length;
  uint32_t low = 0, high = text->line_count; /* the line is in low .. high - 1 */
  while (high - low > 1) {
    uint32_t middle = low + (high - low) / 2;
    if (text->line_start[middle] <= start) {
      low = middle;
    } else {
      high = middle;
    }
  }
  *out_line = low + 1;
  *out_column = start - text->line_start[low] + 1;
}

static void report(Diagnostics *diagnostics, Severity severity, DiagnosticCode code, Span span, va_list arguments) {
  ASSERT(span.source <= diagnostics->source_count);
  uint32_t *count = &diagnostics->count[severity];
  diagnostics->newest = NULL;
  if ((*count)++ >= MOST_KEPT) return;
  Diagnostic *diagnostic = ARENA_NEW(diagnostics->arena, Diagnostic);
  diagnostic->severity = severity;
  diagnostic->code = code;
  diagnostic->span = span;
  diagnostic->message = arena_vformat(diagnostics->arena, diagnostic_code_info(code)->format, arguments);
  diagnostic->last_remark = &diagnostic->first_remark;
  *(diagnostics->last ? &diagnostics->last->next : &diagnostics->first) = diagnostic;
  diagnostics->last = diagnostics->newest = diagnostic;
}

void diagnostic_error(Diagnostics *diagnostics, DiagnosticCode code, Span span, ...) {
  va_list arguments;
  va_start(arguments, span);
  report(diagnostics, SEVERITY_ERROR, code, span, arguments);
  va_end(arguments);
}

void diagnostic_warning(Diagnostics *diagnostics, DiagnosticCode code, Span span, ...) {
  va_list arguments;
  va_start(arguments, span);
  report(diagnostics, SEVERITY_WARNING, code, span, arguments);
  va_end(arguments);
}

static void add_remark(Diagnostics *diagnostics, bool hint, Span span, const char *format, va_list arguments) {
  ASSERT(span.source <= diagnostics->source_count);
  Diagnostic *diagnostic = diagnostics->newest;
  if (!diagnostic) return; /* its diagnostic was one too many */
  Remark *remark = ARENA_NEW(diagnostics->arena, Remark);
  *remark = (Remark){.hint = hint, .span = span};
  remark->message = arena_vformat(diagnostics->arena, format, arguments);
  *diagnostic->last_remark = remark;
  diagnostic->last_remark = &remark->next;
}

void diagnostic_note(Diagnostics *diagnostics, Span span, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  add_remark(diagnostics, false, span, format, arguments);
  va_end(arguments);
}

void diagnostic_hint(Diagnostics *diagnostics, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  add_remark(diagnostics, true, SPAN_NONE, format, arguments);
  va_end(arguments);
}

uint32_t diagnostics_error_count(const Diagnostics *diagnostics) { return diagnostics->count[SEVERITY_ERROR]; }

uint32_t diagnostics_warning_count(const Diagnostics *diagnostics) { return diagnostics->count[SEVERITY_WARNING]; }
