/* The shape column of the op table: whether operands and attributes fit an op, and the shape of its result. Private to
 * ir/: everybody else goes through graph_add. */
#ifndef SIMBAC_IR_SHAPE_RULES_H
#define SIMBAC_IR_SHAPE_RULES_H

#include "graph.h"

typedef struct RuleContext {
  OpCode op;
  uint32_t operand_count;
  const Shape *operand[GRAPH_MAX_OPERANDS];
  const Attribute *attribute; /* as many as the op has */
  const char *const *symbol;  /* names, for messages */
  int32_t symbol_count;
  Arena *arena; /* for messages */
} RuleContext;

/* NULL and the shape where the rules hold, else what is wrong. Operand shapes are trusted, attributes are not. */
const char *shape_rule_apply(const RuleContext *context, Shape *out_shape);

#endif
