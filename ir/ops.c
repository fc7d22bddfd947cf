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

static const OpInfo info[OP_COUNT] = {
#define OP(code, name, least, most, attributes, shape, gradient, cost, lowering, evaluate, doc) \
  [OP_##code] = {name, doc, least, most, attributes, LOWER_##lowering},
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
