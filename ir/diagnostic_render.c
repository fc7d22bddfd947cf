/* The three ways to show diagnostics: to people, to programs (one JSON object a line), to tests. */
#include "diagnostic_internal.h"

#include <string.h>

enum { WINDOW = 100, WINDOW_BEFORE = 40, TAB = 4 };

static const char *const severity_name[SEVERITY_COUNT] = {"error", "warning"};

typedef struct Palette {
  const char *error, *warning, *note, *hint, *mark, *strong, *off;
} Palette;

static const Palette plain = {"", "", "", "", "", "", ""};
static const Palette coloured = {"\033[1;31m", "\033[1;35m", "\033[1;36m", "\033[1;32m",
                                 "\033[1;32m", "\033[1m",    "\033[0m"};

/* Bytes of the UTF-8 character at `text`, 0 where there is none. */
static size_t character_length(const char *text, size_t available) {
  const unsigned char *byte = (const unsigned char *)text;
  size_t length = byte[0] < 0x80   ? 1
                  : byte[0] < 0xc2 ? 0
                  : byte[0] < 0xe0 ? 2
                  : byte[0] < 0xf0 ? 3
                  : byte[0] < 0xf5 ? 4
                                   : 0;
  if (length > available) return 0;
  for (size_t k = 1; k < length; k++) {
    if ((byte[k] & 0xc0) != 0x80) return 0;
  }
  if (length == 3 && ((byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xed && byte[1] >= 0xa0))) return 0;
  if (length == 4 && ((byte[0] == 0xf0 && byte[1] < 0x90) || (byte[0] == 0xf4 && byte[1] >= 0x90))) return 0;
  return length;
}

/* One character of a source line as it is shown: `width` columns. */
typedef struct Cell {
  const char *bytes;
  size_t length, width;
} Cell;

/* The cell at `line`, which starts at `column`; returns how many bytes of the line it stands for. */
static size_t cell_at(const char *line, size_t available, size_t column, Cell *out) {
  size_t length = character_length(line, available);
  if (*line == '\t') {
    *out = (Cell){"    ", TAB - column % TAB, TAB - column % TAB};
    return 1;
  }
  if (length == 0 || (unsigned char)*line < 0x20 || *line == 0x7f) {
    *out = (Cell){"?", 1, 1};
    return 1;
  }
  *out = (Cell){line, length, 1};
  return length;
}

/* A line and a span of it, in columns as shown. */
typedef struct LineView {
  const char *text;
  size_t length, width, start, end;
} LineView;

static LineView view_line(const SourceText *text, Span span, uint32_t line, uint32_t column) {
  LineView view = {.text = text->source.text + text->line_start[line - 1]};
  size_t rest = text->source.length - text->line_start[line - 1];
  const char *newline = memchr(view.text, '\n', rest);
  view.length = newline ? (size_t)(newline - view.text) : rest;
  while (view.length && view.text[view.length - 1] == '\r') view.length--;
  size_t first = column - 1, last = first + span.length;
  bool started = false, ended = false;
  for (size_t k = 0; k < view.length;) {
    if (!started && k >= first) view.start = view.width, started = true;
    if (!ended && k >= last) view.end = view.width, ended = true;
    Cell cell;
    k += cell_at(view.text + k, view.length - k, view.width, &cell);
    view.width += cell.width;
  }
  if (!started) view.start = view.width;
  if (!ended) view.end = view.width;
  if (view.end <= view.start) view.end = view.start + 1;
  return view;
}

static void put_spaces(Text *out, size_t count) {
  for (size_t k = 0; k < count; k++) text_puts(out, " ");
}

/* The source line and the mark below it; of a long line, a window around the span's start. */
static void render_line(const SourceText *text, Span span, uint32_t line, uint32_t column, const Palette *palette,
                        Text *out) {
  LineView view = view_line(text, span, line, column);
  size_t from = view.width > WINDOW && view.start > WINDOW - WINDOW_BEFORE ? view.start - WINDOW_BEFORE : 0;
  size_t to = view.width - from > WINDOW ? from + WINDOW : view.width;
  text_print(out, "%5u | %s", line, from ? "..." : "");
  size_t at = 0;
  for (size_t k = 0; k < view.length && at < to;) {
    Cell cell;
    k += cell_at(view.text + k, view.length - k, at, &cell);
    if (at >= from) text_add(out, cell.bytes, cell.length);
    at += cell.width;
    if (at > from && at - cell.width < from) put_spaces(out, at - from); /* a tab that the window cuts */
  }
  text_print(out, "%s\n      | ", to < view.width ? "..." : "");
  put_spaces(out, (from ? 3 : 0) + view.start - from);
  text_print(out, "%s^", palette->mark);
  for (size_t k = view.start + 1; k < view.end && k < from + WINDOW; k++) text_puts(out, "~");
  text_print(out, "%s\n", palette->off);
}

/* A message may quote bytes of the input: none of them may control the terminal. */
static void put_message(Text *out, const char *message) {
  size_t rest = strlen(message);
  while (rest) {
    Cell cell;
    size_t taken = cell_at(message, rest, 0, &cell);
    text_add(out, cell.bytes, cell.length);
    message += taken;
    rest -= taken;
  }
}

static void render_place(const Diagnostics *diagnostics, Span span, const Palette *palette, const char *colour,
                         const char *label, const char *message, Text *out) {
  const SourceText *text = diagnostics_source_text(diagnostics, span.source);
  uint32_t line, column;
  diagnostics_place(diagnostics, span, &line, &column);
  if (text) text_print(out, "%s%s:%u:%u:%s ", palette->strong, text->source.name, line, column, palette->off);
  text_print(out, "%s%s:%s ", colour, label, palette->off);
  put_message(out, message);
  text_puts(out, "\n");
  if (text) render_line(text, span, line, column, palette, out);
}

static void render_human(const Diagnostics *diagnostics, const Diagnostic *diagnostic, const Palette *palette,
                         Text *out) {
  const char *colour = diagnostic->severity == SEVERITY_ERROR ? palette->error : palette->warning;
  const char *label = arena_format(out->arena, "%s[%s]", severity_name[diagnostic->severity],
                                   diagnostic_code_info(diagnostic->code)->code);
  render_place(diagnostics, diagnostic->span, palette, colour, label, diagnostic->message, out);
  for (const Remark *remark = diagnostic->first_remark; remark; remark = remark->next) {
    render_place(diagnostics, remark->span, palette, remark->hint ? palette->hint : palette->note,
                 remark->hint ? "hint" : "note", remark->message, out);
  }
}

static void put_json(Text *out, const char *text) {
  size_t length = strlen(text);
  text_puts(out, "\"");
  for (size_t k = 0; k < length;) {
    size_t bytes = character_length(text + k, length - k);
    unsigned char c = (unsigned char)text[k];
    if (bytes == 0) {
      text_puts(out, "\\ufffd");
      bytes = 1;
    } else if (c == '"' || c == '\\') {
      text_print(out, "\\%c", c);
    } else if (c == '\n') {
      text_puts(out, "\\n");
    } else if (c == '\t') {
      text_puts(out, "\\t");
    } else if (c < 0x20 || c == 0x7f) {
      text_print(out, "\\u%04x", (unsigned)c);
    } else {
      text_add(out, text + k, bytes);
    }
    k += bytes;
  }
  text_puts(out, "\"");
}

static void put_json_message(const Diagnostics *diagnostics, const char *message, Span span, Text *out) {
  text_puts(out, "\"message\":");
  put_json(out, message);
  const Source *source = diagnostics_source(diagnostics, span.source);
  if (!source) return;
  uint32_t line, column;
  diagnostics_place(diagnostics, span, &line, &column);
  text_puts(out, ",\"file\":");
  put_json(out, source->name);
  text_print(out, ",\"line\":%u,\"column\":%u,\"length\":%u", line, column, span.length);
}

static void render_json(const Diagnostics *diagnostics, const Diagnostic *diagnostic, Text *out) {
  text_print(out, "{\"severity\":\"%s\",\"code\":\"%s\",", severity_name[diagnostic->severity],
             diagnostic_code_info(diagnostic->code)->code);
  put_json_message(diagnostics, diagnostic->message, diagnostic->span, out);
  for (int hint = 0; hint < 2; hint++) {
    text_print(out, ",\"%s\":[", hint ? "hints" : "notes");
    const char *separator = "";
    for (const Remark *remark = diagnostic->first_remark; remark; remark = remark->next) {
      if (remark->hint != hint) continue;
      text_puts(out, separator);
      separator = ",";
      if (hint) {
        put_json(out, remark->message);
      } else {
        text_puts(out, "{");
        put_json_message(diagnostics, remark->message, remark->span, out);
        text_puts(out, "}");
      }
    }
    text_puts(out, "]");
  }
  text_puts(out, "}\n");
}

static void render_test(const Diagnostics *diagnostics, const Diagnostic *diagnostic, Text *out) {
  uint32_t line, column;
  diagnostics_place(diagnostics, diagnostic->span, &line, &column);
  text_print(out, "%u:%u %s %s\n", line, column, diagnostic_code_info(diagnostic->code)->code, diagnostic->message);
  for (const Remark *remark = diagnostic->first_remark; remark; remark = remark->next) {
    if (remark->hint) {
      text_print(out, "  hint: %s\n", remark->message);
    } else {
      diagnostics_place(diagnostics, remark->span, &line, &column);
      text_print(out, "  %u:%u note: %s\n", line, column, remark->message);
    }
  }
}

void diagnostics_render(const Diagnostics *diagnostics, DiagnosticStyle style, bool colour, Text *out) {
  const Palette *palette = colour ? &coloured : &plain;
  for (const Diagnostic *diagnostic = diagnostics->first; diagnostic; diagnostic = diagnostic->next) {
    switch (style) {
      case DIAGNOSTIC_HUMAN:
        render_human(diagnostics, diagnostic, palette, out);
        break;
      case DIAGNOSTIC_JSON:
        render_json(diagnostics, diagnostic, out);
        break;
      case DIAGNOSTIC_TEST:
        render_test(diagnostics, diagnostic, out);
        break;
    }
  }
  for (Severity severity = SEVERITY_ERROR; severity < SEVERITY_COUNT; severity++) {
    if (diagnostics->count[severity] <= MOST_KEPT) continue;
    uint32_t more = diagnostics->count[severity] - MOST_KEPT;
    if (style == DIAGNOSTIC_JSON) {
      text_print(out, "{\"severity\":\"%s\",\"more\":%u}\n", severity_name[severity], more);
    } else {
      text_print(out, "and %u more %s%s\n", more, severity_name[severity], more == 1 ? "" : "s");
    }
  }
}
