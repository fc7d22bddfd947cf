/* How a function of builtins.def is given its arguments. builtin.c checks and evaluates them by the table; the
 * functions are in builtin_math.c, builtin_axes.c and builtin_sequence.c. */
#ifndef SIMBAC_FRONTEND_BUILTIN_H
#define SIMBAC_FRONTEND_BUILTIN_H

#include "elaborator.h"

enum { BUILTIN_MAX_PARAMETERS = 5 };

typedef enum ParameterKind {
  PARAMETER_NONE,
  PARAMETER_VALUE,
  PARAMETER_TENSOR,
  PARAMETER_REAL,
  PARAMETER_AXIS,
  PARAMETER_AXES,
  PARAMETER_EXTENT,
  PARAMETER_INTEGER,
  PARAMETER_NUMBER,
  PARAMETER_TRUTH,
  PARAMETER_NORM,
  PARAMETER_SYNTAX
} ParameterKind;

typedef enum FourierNorm { NORM_BACKWARD, NORM_ORTHO, NORM_FORWARD } FourierNorm;

typedef struct BuiltinArgument {
  const Expression *expression; /* NULL: not given */
  Span span;
  Value value;
  const NamedTensor *tensor;
  const AxisLabel *axis[SHAPE_MAX_RANK]; /* axis, axes; extent: the new axis's name */
  uint32_t axis_count;
  Dim extent;
  int64_t integer;
  double number;
  bool truth;
  FourierNorm norm;
} BuiltinArgument;

typedef struct BuiltinCall {
  const Builtin *builtin;
  const Expression *expression;
  Span span;
  BuiltinArgument argument[BUILTIN_MAX_PARAMETERS];
} BuiltinCall;

typedef Value BuiltinFunction(Elaborator *elaborator, const BuiltinCall *call);

typedef struct BuiltinParameter {
  const char *name;
  ParameterKind kind;
  bool optional;
} BuiltinParameter;

struct Builtin {
  const char *name, *doc;
  const char *usage; /* arguments of its own form; else NULL */
  BuiltinFunction *function;
  OpCode op; /* unary */
  double (*static_function)(double);
  BuiltinParameter parameter[BUILTIN_MAX_PARAMETERS];
};

/* Sorts out `over`: places in x, ascending; all axes where it is not given. False and a report. */
bool builtin_axes(Elaborator *elaborator, const NamedTensor *x, const BuiltinArgument *over, int64_t *out_axes,
                  uint32_t *out_count);
/* Whether x has no axis of that name yet. False and a report. */
bool builtin_axis_is_new(Elaborator *elaborator, const NamedTensor *x, const AxisLabel *label, Span span);
/* The operands of a chain of one operator: a + b + c. Their number; where it is above `limit`, none is written. */
uint32_t flatten_chain(const Expression *expression, TokenKind kind, const Expression **out, uint32_t limit);

#define BUILTIN_UNARY(name, op, static_function, doc)
#define BUILTIN(name, function, ...) BuiltinFunction builtin_##function;
#define BUILTIN_FREE(name, function, usage, doc) BuiltinFunction builtin_##function;
#include "builtins.def"

#endif
