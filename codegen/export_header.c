/* The header of an exported library: plain C that C++ takes too, each function with what it wants and gives. */
#include "export.h"

#include <ctype.h>
#include <string.h>

enum { ALLOCATION_LIMIT_BITS = 60 };

int64_t export_largest_batch(const Program *program) {
  int64_t most = 1;
  for (int s = 0; s < SYMBOL_MAX; s++)
    if (program->arena_bytes.per_symbol[s] > most) most = program->arena_bytes.per_symbol[s];
  for (uint32_t k = 0; k < program->buffer_count; k++) {
    const Buffer *buffer = &program->buffer[k];
    if (!dim_is_constant(buffer->count) && buffer->count.factor > most) most = buffer->count.factor;
  }
  return ((int64_t)1 << ALLOCATION_LIMIT_BITS) / most;
}

/* --- names of arguments ---------------------------------------------------------------------------------------- */

static bool is_reserved(const char *name) {
  static const char *const RESERVED[] = {
      "batch",    "weights",   "arena",    "executor", "alignas",  "alignof",   "and",      "asm",      "auto",
      "bool",     "break",     "case",     "catch",    "char",     "class",     "const",    "continue", "default",
      "delete",   "do",        "double",   "else",     "enum",     "export",    "extern",   "false",    "float",
      "for",      "friend",    "goto",     "if",       "inline",   "int",       "int32_t",  "int64_t",  "long",
      "mutable",  "namespace", "new",      "not",      "nullptr",  "operator",  "or",       "private",  "protected",
      "public",   "register",  "requires", "restrict", "return",   "short",     "signed",   "sizeof",   "static",
      "struct",   "switch",    "template", "this",     "throw",    "true",      "try",      "typedef",  "typeid",
      "typename", "union",     "unsigned", "using",    "virtual",  "void",      "volatile", "while",    "xor",
      "concept",  "compl",     "bitand",   "bitor",    "decltype", "constexpr", "noexcept", "wchar_t"};
  for (size_t k = 0; k < sizeof RESERVED / sizeof *RESERVED; k++)
    if (!strcmp(RESERVED[k], name)) return true;
  return false;
}

/* C names of the inputs, then of the outputs: their own where that is an identifier nobody else has. */
static const char **argument_names(const Program *program, Arena *arena) {
  uint32_t count = program->input_count + program->output_count;
  const char **names = ARENA_ARRAY(arena, const char *, count + 1);
  for (uint32_t k = 0; k < count; k++) {
    bool is_input = k < program->input_count;
    const char *own = is_input ? program->input[k].name : program->output[k - program->input_count].name;
    char *name = arena_format(arena, "%s%s", isalpha((unsigned char)own[0]) ? "" : is_input ? "in_" : "out_", own);
    for (char *c = name; *c; c++)
      if (!isalnum((unsigned char)*c)) *c = '_';
    bool taken = is_reserved(name);
    for (uint32_t before = 0; before < k; before++) taken |= !strcmp(names[before], name);
    names[k] = taken ? arena_format(arena, "%s_%s_%u", name, is_input ? "in" : "out", k) : name;
  }
  return names;
}

/* --- text ------------------------------------------------------------------------------------------------------ */

static const char GUARDED_TYPES[] =
    "#ifndef SIMBA_EXPORTED_TENSOR\n"
    "#define SIMBA_EXPORTED_TENSOR\n"
    "/* A tensor of a compiled model: dense, row-major, float. */\n"
    "typedef struct simba_exported_tensor {\n"
    "  const char *name;\n"
    "  int32_t rank, reserved;\n"
    "  int64_t extent[8]; /* the first `rank`; -k where the extent is k * batch */\n"
    "} simba_exported_tensor;\n"
    "#endif\n"
    "\n"
    "#ifndef SIMBA_ABI_H\n"
    "#define SIMBA_ABI_H\n"
    "/* How a call is spread over threads: `run` calls `kernel(call, arguments, scratch + w * scratch_bytes, begin, "
    "end)`\n"
    " * on workers w = 0 .. workers - 1 for ranges that together are 0 .. items - 1, and returns when all are done. "
    "The\n"
    " * results do not depend on the ranges. A worker runs one kernel at a time. */\n"
    "struct simba_call;\n"
    "typedef void simba_kernel(const struct simba_call *call, void *const *arguments, void *scratch, int64_t begin,\n"
    "                          int64_t end);\n"
    "typedef struct simba_executor {\n"
    "  int32_t workers;  /* at least 1 */\n"
    "  int32_t reserved; /* 0 */\n"
    "  void (*run)(struct simba_executor *self, simba_kernel *kernel, const struct simba_call *call,\n"
    "              void *const *arguments, char *scratch, size_t scratch_bytes, int64_t items, int32_t launch);\n"
    "} simba_executor;\n"
    "#endif\n\n";

typedef struct Header {
  Text text;
  const Program *program;
  const char *model;
  char *upper;
  const char **name; /* of arguments */
  bool embedded;
} Header;

static void add_shape(Header *h, const Shape *shape) {
  static const char *const BATCH[SYMBOL_MAX] = {"batch", "batch", "batch", "batch"};
  text_shape(&h->text, shape, BATCH);
}

static void add_opening(Header *h, const CodegenExport *spec) {
  Text *t = &h->text;
  text_print(
      t,
      "/* %s: a model compiled by simbac%s%s. Every tensor is a dense row-major array of float, aligned as float\n"
      " * is, that belongs to the caller. No function here allocates, prints or keeps state; calls with arenas of "
      "their\n"
      " * own may run at once. */\n",
      h->model, spec->version ? " " : "", spec->version ? spec->version : "");
  text_print(t, "#ifndef %s_EXPORT_H\n#define %s_EXPORT_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n", h->upper,
             h->upper);
  text_puts(t, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
  text_puts(t, GUARDED_TYPES);
  text_print(t,
             "/* Results: 0 is success. */\n"
             "enum {\n"
             "  %s_OK = %d,\n"
             "  %s_NULL_POINTER = %d,\n"
             "  %s_MISALIGNED = %d, /* the arena or the prepared block is not at a multiple of %d */\n"
             "  %s_BAD_BATCH = %d,  /* below 1, or too large for any memory */\n"
             "  %s_BAD_EXECUTOR = %d /* no workers, or made for another version of this interface */\n"
             "};\n\n",
             h->upper, EXPORT_OK, h->upper, EXPORT_NULL, h->upper, EXPORT_MISALIGNED, EXPORT_ALIGNMENT, h->upper,
             EXPORT_BATCH, h->upper, EXPORT_EXECUTOR);
}

static void add_sizes(Header *h) {
  text_print(
      &h->text,
      "/* Bytes of the memory that one call needs, on the calling thread alone or on `workers` threads; it must\n"
      " * begin at a multiple of %d. Negative: one of the results above. */\n"
      "int64_t %s_arena_bytes(int64_t batch);\n"
      "int64_t %s_arena_bytes_threads(int64_t batch, int32_t workers);\n\n",
      EXPORT_ALIGNMENT, h->model, h->model);
}

static void add_weights(Header *h) {
  text_print(
      &h->text,
      "/* The weights: one pointer each in the order of %s_parameters and %s_states, and a block of\n"
      " * %s_prepared_bytes() at a multiple of %d, which %s_prepare fills in from them: once, and again when they\n"
      " * change. `arena` is one of batch 1. All three must stay for as long as calls are made. */\n"
      "typedef struct %s_weights {\n"
      "  const float *const *parameter;\n"
      "  const float *const *state;\n"
      "  void *prepared;\n"
      "} %s_weights;\n"
      "int64_t %s_prepared_bytes(void);\n"
      "int32_t %s_prepare(const %s_weights *weights, void *arena);\n\n",
      h->model, h->model, h->model, EXPORT_ALIGNMENT, h->model, h->model, h->model, h->model, h->model, h->model);
}

static void add_argument_notes(Header *h) {
  const Program *p = h->program;
  for (uint32_t k = 0; k < p->input_count; k++) {
    text_print(&h->text, " *   %s: input '%s' ", h->name[k], p->input[k].name);
    add_shape(h, &p->input[k].shape);
    text_puts(&h->text, "\n");
  }
  for (uint32_t k = 0; k < p->output_count; k++) {
    text_print(&h->text, " *   %s: output '%s' ", h->name[p->input_count + k], p->output[k].name);
    add_shape(h, &p->output[k].shape);
    text_puts(&h->text, ", written\n");
  }
}

/* One parameter of a prototype, in a new line where this one would be too long. */
static void add_parameter(Header *h, size_t *line, const char *type, const char *name, const char *after) {
  enum { LINE = 110, INDENT = 4 };
  size_t length = strlen(type) + strlen(name) + strlen(after);
  if (*line + length > LINE) {
    text_print(&h->text, "\n%*s", INDENT, "");
    *line = INDENT;
  }
  text_print(&h->text, "%s%s%s%s", *line > INDENT ? " " : "", type, name, after);
  *line += length + 1;
}

static void add_prototype(Header *h, const char *suffix, bool threads) {
  const Program *p = h->program;
  size_t before = h->text.length;
  text_print(&h->text, "int32_t %s_%s(int64_t batch,", h->model, suffix);
  size_t line = h->text.length - before;
  if (!h->embedded) add_parameter(h, &line, "const ", h->model, "_weights *weights,");
  for (uint32_t k = 0; k < p->input_count; k++) add_parameter(h, &line, "const float *", h->name[k], ",");
  for (uint32_t k = 0; k < p->output_count; k++) add_parameter(h, &line, "float *", h->name[p->input_count + k], ",");
  add_parameter(h, &line, "void *", "arena", threads ? "," : ");");
  if (threads) add_parameter(h, &line, "simba_executor *", "executor", ");");
  text_puts(&h->text, "\n");
}

static void add_inference(Header *h) {
  text_print(&h->text,
             "/* Runs the model on `batch` samples.\n"
             "%s",
             h->embedded ? "" : " *   weights: prepared ones\n");
  add_argument_notes(h);
  text_print(&h->text,
             " *   arena: %s_arena_bytes(batch) bytes at a multiple of %d; what it holds does not matter\n"
             " *   executor: who runs the work on several threads, with an arena of %s_arena_bytes_threads(batch,\n"
             " *     executor->workers); NULL: the calling thread. The results are the same bits. */\n",
             h->model, EXPORT_ALIGNMENT, h->model);
  add_prototype(h, "infer", false);
  add_prototype(h, "infer_threads", true);
}

static void add_facts(Header *h) {
  static const char *const TABLES[] = {"inputs", "outputs", "parameters", "states"};
  text_puts(&h->text, "\n/* Names and shapes; `out_count` may be NULL. */\n");
  for (int k = 0; k < 4; k++)
    text_print(&h->text, "const simba_exported_tensor *%s_%s(int32_t *out_count);\n", h->model, TABLES[k]);
  text_print(&h->text,
             "\n/* Of the compiler; of the model's source; of this interface. */\n"
             "const char *%s_version(void);\n"
             "const char *%s_source_hash(void);\n"
             "int32_t %s_abi_version(void);\n",
             h->model, h->model, h->model);
}

static void add_numbers(Header *h, const char *name, const double *values, int64_t count) {
  text_print(&h->text, "static const double %s_%s[%lld] = {", h->model, name, (long long)count);
  for (int64_t k = 0; k < count; k++) {
    text_puts(&h->text, k == 0 ? "" : k % 4 ? ", " : ",\n    ");
    text_real(&h->text, values[k]);
  }
  text_puts(&h->text, "};\n");
}

static void add_standardisation(Header *h, const CodegenExport *spec) {
  if (spec->channels == 0) return;
  text_print(&h->text,
             "/* The weights were trained on a series that was standardised channel by channel: what goes in is\n"
             " * (value - mean) / deviation, and mean + deviation * y is a forecast in the units of the series. */\n");
  add_numbers(h, "mean", spec->mean, spec->channels);
  add_numbers(h, "deviation", spec->deviation, spec->channels);
  text_puts(&h->text, "\n");
}

const char *export_header(const Program *program, const CodegenExport *spec, Arena *arena) {
  Header h = {.text = text_begin(arena),
              .program = program,
              .model = spec->model,
              .upper = arena_format(arena, "%s", spec->model),
              .name = argument_names(program, arena),
              .embedded = spec->parameter != NULL};
  for (char *c = h.upper; *c; c++) *c = (char)toupper((unsigned char)*c);
  add_opening(&h, spec);
  add_sizes(&h);
  if (!h.embedded) add_weights(&h);
  add_standardisation(&h, spec);
  add_inference(&h);
  add_facts(&h);
  text_puts(&h.text, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
  return h.text.data;
}
