/* What a Diagnostics holds; shared by its collector and its renderers. */
#ifndef SIMBAC_IR_DIAGNOSTIC_INTERNAL_H
#define SIMBAC_IR_DIAGNOSTIC_INTERNAL_H

#include "diagnostic.h"

enum { MOST_KEPT = 20 }; /* of errors, and of warnings */

typedef enum Severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_COUNT } Severity;

typedef struct CodeInfo {
  const char *code, *format;
} CodeInfo;

/* A note with its place, or a hint. */
typedef struct Remark {
  struct Remark *next;
  bool hint;
  Span span;
  const char *message;
} Remark;

typedef struct Diagnostic {
  struct Diagnostic *next;
  Severity severity;
  DiagnosticCode code;
  Span span;
  const char *message;
  Remark *first_remark, **last_remark;
} Diagnostic;

typedef struct SourceText {
  Source source;
  uint32_t line_count;
  uint32_t *line_start;
} SourceText;

struct Diagnostics {
  Arena *arena;
  uint32_t source_count;
  size_t source_capacity;
  SourceText *source; /* source s is source[s - 1] */
  Diagnostic *first, *last;
  Diagnostic *newest;             /* NULL where the newest was not kept */
  uint32_t count[SEVERITY_COUNT]; /* reported, kept or not */
};

const CodeInfo *diagnostic_code_info(DiagnosticCode code);
const SourceText *diagnostics_source_text(const Diagnostics *diagnostics, uint32_t source); /* NULL for 0 */

#endif
