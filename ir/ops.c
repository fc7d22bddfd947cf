#include "ops.h"

#include "guard.h"

#include <stddef.h>
#include <string.h>

#define A0                   \
  0, {                       \
    { NULL, ATTRIBUTE_NONE } \
  }
#define A1(n1, k1)          \
  1, {                      \
    { #n1, ATTRIBUTE_##k1 } \
  }
#define A2(n1, k1, n2, k2)                         \
  2, {                                             \
    {#n1, ATTRIBUTE_##k1}, { #n2, ATTRIBUTE_##k2 } \
  }
#define A3(n1, k1, n2, k2, n3, k3)                                        \
  3, {                                                                    \
    {#n1, ATTRIBUTE_##k1}, {#n2, ATTRIBUTE_##k2}, { #n3, ATTRIBUTE_##k3 } \
  }
#define A4(n1, k1, n2, k2, n3, k3, n4, k4)                                                       \
  4, {                                                                                           \
    {#n1, ATTRIBUTE_##k1}, {#n2, ATTRIBUTE_##k2}, {#n3, ATTRIBUTE_##k3}, { #n4, ATTRIBUTE_##k4 } \
  }

#define A5(n1, k1, n2, k2, n3, k3, n4, k4, n5, k5)                                                \
  5, {                                                                                            \
    {#n1, ATTRIBUTE_##k1}, {#n2, ATTRIBUTE_##k2}, {#n3, ATTRIBUTE_##k3}, {#n4, ATTRIBUTE_##k4}, { \
#n5, ATTRIBUTE_##k5                                                                         \
    }                                                                                             \
  }

static const OpInfo info[OP_COUNT] = {
#define OP(code, name, least, most, attributes, shape, gradient, cost, lowering, evaluate, doc) \
  [OP_##code] = {name, doc, LOWER_##lowering, least, most, attributes},
#include "ops.def"
#undef OP
};

const OpInfo *op_info(OpCode op) {
  ASSERT(op > OP_NONE && op < OP_COUNT);
  return &info[op];
}

OpCode op_by_name(const char *name) {
  for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
    if (strcmp(info[op].name, name) == 0) return (OpCode)op;
  }
  return OP_NONE;
}

static const char *const lowering_names[] = {
    [LOWER_LEAF] = "leaf", [LOWER_VIEW] = "view",         [LOWER_MAP] = "map",  [LOWER_CONTRACT] = "contract",
    [LOWER_SCAN] = "scan", [LOWER_SPECTRAL] = "spectral", [LOWER_HOST] = "host"};

const char *lowering_name(LoweringKind kind) {
  ASSERT(kind >= LOWER_LEAF && kind <= LOWER_HOST);
  return lowering_names[kind];
}

void ops_describe(Text *out) {
  static const char *const kind_name[] = {[ATTRIBUTE_INTEGER] = "integer",
                                          [ATTRIBUTE_REAL] = "number",
                                          [ATTRIBUTE_TEXT] = "text",
                                          [ATTRIBUTE_INTEGERS] = "integers",
                                          [ATTRIBUTE_DIMS] = "extents"};
  text_puts(out, "| op | operands | attributes | becomes | meaning |\n|---|---|---|---|---|\n");
  for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
    const OpInfo *row = &info[op];
    text_print(out, "| `%s` | %u", row->name, row->operands_min);
    if (row->operands_max == OPERANDS_ANY) {
      text_puts(out, " or more");
    } else if (row->operands_max != row->operands_min) {
      text_print(out, " to %u", row->operands_max);
    }
    text_puts(out, " | ");
    for (uint8_t k = 0; k < row->attribute_count; k++) {
      text_print(out, "%s`%s`: %s", k ? ", " : "", row->attribute[k].name, kind_name[row->attribute[k].kind]);
    }
    text_print(out, " | %s | ", lowering_name(row->lowering));
    for (const char *c = row->doc; *c; c++) text_print(out, *c == '|' ? "\\%c" : "%c", *c);
    text_puts(out, " |\n");
  }
}
