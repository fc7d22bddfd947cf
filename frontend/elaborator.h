/* Shared by the files of the elaborator, which runs a model once, statically, and builds its graph:
 *
 *   elaborate.c            a model: settings, then its body
 *   elaborate_settings.c   static parameters and --set
 *   elaborate_statement.c  statements; elaborate_store.c: params, states, inputs, outputs
 *   elaborate_block.c      calls of blocks: axes bound to formals and back
 *   elaborate_type.c       types against values
 *   expression.c  expressions: names, operators, calls
 *   static_value.c         numbers, booleans and words known while compiling
 *   named_tensor.c         tensors with named axes: alignment, layout; complex_tensor.c: complex products
 *   builtin*.c             the functions of builtins.def
 *   recipe.c               the recipe against recipe.def
 *   scope.c                names, axis labels, reports
 *
 * A value that could not be had is VALUE_POISON: it was reported once and nothing more is said about it. */
#ifndef SIMBAC_FRONTEND_ELABORATOR_H
#define SIMBAC_FRONTEND_ELABORATOR_H

#include "ast.h"
#include "frontend.h"

/* An axis's name. Labels are compared by address: each scope has its own, so a block cannot confuse its axes with those
 * that `...` hides from it. */
typedef struct AxisLabel {
  const char *text; /* "T", "2*E" */
  const struct Scope *owner;
  struct AxisLabel *next; /* of its scope */
} AxisLabel;

typedef struct Axis {
  const AxisLabel *label;
  Dim extent;
} Axis;

/* A node seen through named axes. A complex one's node has a leading axis of 2 that is not among them. */
typedef struct NamedTensor {
  NodeId node;
  bool complex;
  int32_t rank;
  Axis axis[SHAPE_MAX_RANK];
} NamedTensor;

typedef struct StaticValue {
  StaticKind kind;
  Dim integer;
  double real;
  bool truth;
  const char *word;
  const Formal *words; /* word: the parameter whose list it is from */
  bool uneven;         /* real: a quotient of the whole numbers below that is not whole */
  int64_t numerator, denominator;
  Span origin; /* of the argument, setting or default that gave it to a parameter, through bare names; length 0: none */
} StaticValue;

typedef enum ValueKind { VALUE_POISON, VALUE_NOTHING, VALUE_STATIC, VALUE_TENSOR, VALUE_TUPLE } ValueKind;

typedef struct Value {
  ValueKind kind;
  Span span;
  StaticValue fixed;         /* static */
  const NamedTensor *tensor; /* tensor */
  const struct Value *item;  /* tuple */
  uint32_t count;
} Value;

typedef struct TensorName {
  const char *name;
  Value value;
  Span span;
  NodeId state; /* a state's leaf */
  bool updated;
} TensorName;

typedef struct StaticName {
  const char *name;
  StaticValue value;
  Span span;
  bool poison;
} StaticName;

/* An axis of a block's argument: its label inside and outside. */
typedef struct AxisBinding {
  const AxisLabel *inner, *outer;
} AxisBinding;

/* One run of a block or model. */
typedef struct Scope {
  struct Scope *caller; /* NULL for the model */
  const Definition *definition;
  const char *prefix; /* of parameter paths: "" or "blocks.0" */
  Span call;
  bool tensors_hidden; /* while a static expression or an initial value is evaluated */
  bool unmet;          /* a requirement was not met: the run ends, without a value */
  bool shows_parts;    /* a complex argument is seen as its parts, and so is the result */
  uint32_t draws;
  TensorName *tensor;
  StaticName *fixed;
  AxisLabel *label; /* the newest; a list */
  AxisBinding *binding;
  size_t tensor_count, tensor_capacity, fixed_count, fixed_capacity, binding_count, binding_capacity;
} Scope;

/* The param whose initial value is being evaluated: draws take its shape and a stream of its own. */
typedef struct InitialContext {
  const char *path;
  NamedTensor shape; /* node unused */
  uint32_t draws;
} InitialContext;

enum {
  MAX_CALL_DEPTH = 48,
  MAX_EVALUATION_DEPTH = 800,
  MAX_INSTANCES = 20000,
  MAX_STEPS = 1000000,
  /* What is looked up one by one: */
  MAX_NAMES = 4096, /* of tensors, and of static values, in one run of a block */
  MAX_STORED = 20000,
  MAX_REPORTS = 1000,
  MAX_NODES = 1000000,
  MAX_TRANSFORM = 16384, /* an initial value takes the square of it: seconds */
  MAX_LOOP = 10000
};

/* One --set, parsed. */
typedef struct Setting {
  Name name;
  const Expression *value;
  bool used;
} Setting;

typedef struct Elaborator {
  Arena *arena;
  Diagnostics *diagnostics;
  const FrontendFile *file;
  const FrontendOptions *options;
  Model *model;
  Setting *setting; /* options->setting_count of them */
  Graph *graph;     /* that nodes go to: the model's, or that of initial values */
  Scope *scope;
  InitialContext *initial; /* NULL outside initial values */
  AxisLabel *part_label;   /* the axis of 2 where `parts[..]` shows it */
  uint32_t call_depth, evaluation_depth, instances, steps;
  bool stopped; /* a limit was reported */
  size_t parameter_capacity, state_capacity, input_capacity, target_capacity, setting_capacity;
  const char **call; /* by node of the model's graph: Model.call */
  size_t call_count, call_capacity;
  uint32_t *stream;
  size_t stream_count, stream_capacity;
  Span *reported; /* places of errors: each once */
  DiagnosticCode *reported_code;
  size_t reported_count, reported_capacity, reported_code_capacity;
} Elaborator;

struct FrontendFile {
  SyntaxFile *file; /* the file itself, then its imports, then the library */
  uint32_t count, library_first;
};

/* Reports unless this code was already reported here; then notes through which calls the place was reached. Notes of
 * the caller's own are added between the two by REPORT_WITH. Formats take at least one argument. */
#define REPORT(elaborator, code, span, ...) REPORT_WITH(elaborator, (void)0, code, span, __VA_ARGS__)
#define REPORT_WITH(elaborator, notes, code, span, ...)                         \
  do {                                                                          \
    if (elaborator_report_once((elaborator), (code), (span))) {                 \
      diagnostic_error((elaborator)->diagnostics, (code), (span), __VA_ARGS__); \
      notes;                                                                    \
      elaborator_note_calls(elaborator);                                        \
    }                                                                           \
  } while (0)

/* scope.c */
bool elaborator_report_once(Elaborator *elaborator, DiagnosticCode code, Span span);
void elaborator_note_calls(Elaborator *elaborator);
/* Counts a step of the run, which has a bound; false where the run has stopped. */
bool elaborator_step(Elaborator *elaborator, Span span);
/* Reports a limit and stops the run. */
void elaborator_stop(Elaborator *elaborator, Span span, const char *message);
const AxisLabel *scope_label(Elaborator *elaborator, Scope *scope, const char *text);
TensorName *scope_find_tensor(const Scope *scope, const char *name);
StaticName *scope_find_static(const Scope *scope, const char *name);
void scope_bind_tensor(Elaborator *elaborator, Scope *scope, Name name, Value value);
/* Reports a second definition. */
void scope_bind_static(Elaborator *elaborator, Scope *scope, Name name, StaticValue value);
/* A parameter, which gets its value at `origin` unless that was a parameter's name itself. */
void scope_bind_formal(Elaborator *elaborator, Scope *scope, const Formal *formal, StaticValue value, Span origin);
void scope_bind_poison(Elaborator *elaborator, Scope *scope, Name name);
void scope_bind_axis(Elaborator *elaborator, Scope *scope, const AxisLabel *inner, const AxisLabel *outer);
/* What the axis is called outside, where it came in with an argument; else NULL. */
const AxisLabel *scope_outer_label(const Scope *scope, const AxisLabel *inner);
void elaborator_unknown_name(Elaborator *elaborator, Name name);
const char *join_path(Arena *arena, const char *prefix, const char *path);
/* A number for a random stream: by name, so that it does not change when other draws come or go. */
int64_t elaborator_stream(Elaborator *elaborator, const char *name);
const char *elaborator_axes_text(Elaborator *elaborator, const NamedTensor *tensor);
const char *elaborator_dim_text(Elaborator *elaborator, Dim dim);
const char *elaborator_expression_text(Elaborator *elaborator, const Expression *expression);

/* static_value.c */
StaticValue static_integer(int64_t value);
StaticValue static_extent(Dim value);
StaticValue static_real(double value);
StaticValue static_truth(bool value);
/* The number, where it is one that is known now. */
bool static_number(const StaticValue *value, double *out);
/* A whole number, also where it came as 8.0. */
bool static_whole(const StaticValue *value, Dim *out);
const char *static_text(Elaborator *elaborator, const StaticValue *value);
const char *value_kind_text(Elaborator *elaborator, const Value *value);
Value static_binary(Elaborator *elaborator, const Expression *expression, const Value *a, const Value *b);
Value static_unary(Elaborator *elaborator, const Expression *expression, const Value *a);

/* expression.c */
Value value_poison(Span span);
Value value_static(Span span, StaticValue fixed);
Value value_tensor(Elaborator *elaborator, Span span, const NamedTensor *tensor);
Value expression_value(Elaborator *elaborator, const Expression *expression);
/* A static value for a parameter: a bare word where its list has it. */
bool expression_for_formal(Elaborator *elaborator, const Formal *formal, const Expression *expression,
                           StaticValue *out);
/* Of static names only; false where it is not static or of another kind. `what` names the place: "the width". */
bool expression_extent(Elaborator *elaborator, const Expression *expression, const char *what, Dim *out);
bool expression_integer(Elaborator *elaborator, const Expression *expression, const char *what, int64_t *out);
bool expression_number(Elaborator *elaborator, const Expression *expression, const char *what, double *out);
bool expression_truth(Elaborator *elaborator, const Expression *expression, const char *what, bool *out);
/* The label that an expression names in the current scope. */
const AxisLabel *expression_label(Elaborator *elaborator, const Expression *expression);
const char *expression_path(Elaborator *elaborator, const Path *path); /* NULL: reported */
/* The value as a tensor (numbers become scalars); NULL where it is none (reported) or poison. */
const NamedTensor *value_as_tensor(Elaborator *elaborator, const Value *value);

/* named_tensor.c: nodes of the current graph. NODE_NONE operands give NODE_NONE; a shape rule that does not hold is
 * reported at `span`. */
NodeId emit(Elaborator *elaborator, Span span, OpCode op, const NodeId *operands, uint32_t count,
            const Attribute *attributes);
NodeId emit_unary(Elaborator *elaborator, Span span, OpCode op, NodeId x);
NodeId emit_binary(Elaborator *elaborator, Span span, OpCode op, NodeId a, NodeId b);
NodeId emit_reshape(Elaborator *elaborator, Span span, NodeId x, const Shape *shape);
NodeId emit_slice(Elaborator *elaborator, Span span, NodeId x, int64_t axis, int64_t start, int64_t size);
NodeId emit_concat(Elaborator *elaborator, Span span, const NodeId *parts, uint32_t count, int64_t axis);
NodeId emit_pad(Elaborator *elaborator, Span span, NodeId x, int64_t axis, int64_t low, int64_t high);
NodeId emit_constant_like(Elaborator *elaborator, Span span, double value, const Shape *shape);

Shape tensor_shape(const NamedTensor *tensor);
int32_t tensor_find_axis(const NamedTensor *tensor, const AxisLabel *label); /* -1 where it has none */
/* The axis's place, or -1 and a report. */
int32_t tensor_need_axis(Elaborator *elaborator, const NamedTensor *tensor, const AxisLabel *label, Span span);
/* Likewise, and its extent is known while compiling. */
int32_t tensor_need_constant_axis(Elaborator *elaborator, const NamedTensor *tensor, const AxisLabel *label, Span span);
void tensor_remove_axis(NamedTensor *tensor, int32_t axis);
NamedTensor tensor_scalar(Elaborator *elaborator, Span span, double value);
/* All axes of a and b: those of the one with more axes first. False and a report where extents differ. */
bool tensor_union(Elaborator *elaborator, Span span, const NamedTensor *a, Span a_span, const NamedTensor *b,
                  Span b_span, NamedTensor *out);
/* x laid out as `target` (axes, complex): permuted and repeated; a real x is repeated over a complex target's parts. */
NodeId tensor_spread(Elaborator *elaborator, Span span, const NamedTensor *x, const NamedTensor *target);
/* x with its axes in the order of `order`. */
NamedTensor tensor_permute(Elaborator *elaborator, Span span, const NamedTensor *x, const NamedTensor *order);
NamedTensor tensor_unary(Elaborator *elaborator, Span span, OpCode op, const NamedTensor *x);
/* Elementwise on aligned operands, complex ones part by part. Node NODE_NONE where it failed. */
NamedTensor tensor_binary(Elaborator *elaborator, Span span, OpCode op, const NamedTensor *a, Span a_span,
                          const NamedTensor *b, Span b_span);
NamedTensor tensor_select(Elaborator *elaborator, Span span, const NamedTensor *condition, const NamedTensor *a,
                          const NamedTensor *b);
NamedTensor tensor_reduce(Elaborator *elaborator, Span span, OpCode op, const NamedTensor *x, const int64_t *axes,
                          uint32_t count);
/* The number of elements along axes, as a scalar. */
NamedTensor tensor_extent(Elaborator *elaborator, Span span, const NamedTensor *x, const int64_t *axes, uint32_t count);

/* complex_tensor.c */
NamedTensor complex_part(Elaborator *elaborator, Span span, const NamedTensor *x, int64_t part);
NamedTensor complex_join(Elaborator *elaborator, Span span, const NamedTensor *real, const NamedTensor *imaginary);
NamedTensor complex_from_real(Elaborator *elaborator, Span span, const NamedTensor *real);
NamedTensor complex_multiply(Elaborator *elaborator, Span span, const NamedTensor *a, Span a_span, const NamedTensor *b,
                             Span b_span);
NamedTensor complex_divide(Elaborator *elaborator, Span span, const NamedTensor *a, Span a_span, const NamedTensor *b,
                           Span b_span);
NamedTensor complex_conjugate(Elaborator *elaborator, Span span, const NamedTensor *x);
NamedTensor complex_magnitude(Elaborator *elaborator, Span span, const NamedTensor *x);
/* A complex tensor as a real one with `part_label` as its first axis, and back. */
NamedTensor complex_show_parts(Elaborator *elaborator, const NamedTensor *x);
NamedTensor complex_hide_parts(Elaborator *elaborator, Span span, const NamedTensor *x);
NamedTensor tensor_dot(Elaborator *elaborator, Span span, const NamedTensor *a, Span a_span, const NamedTensor *b,
                       Span b_span, const AxisLabel *const *over, uint32_t count);

/* elaborate_type.c */
/* The axes of a param's, state's or (`open`: its first axis may be a new name) input's type. */
bool type_declare(Elaborator *elaborator, const TypeSyntax *type, bool open, NamedTensor *out);
/* The value in the axis order of the type; names that are not known become dimensions. False and a report. */
bool type_match_value(Elaborator *elaborator, const TypeSyntax *type, const char *what, const NamedTensor *value,
                      Span span, NamedTensor *out);
/* Names the argument's axes as the formal says; binds dimensions of elaborator->scope. */
bool type_bind_argument(Elaborator *elaborator, const Formal *formal, const NamedTensor *argument, Span span,
                        NamedTensor *out);
/* The axes of a block's value in the order of its result type. */
bool type_match_result(Elaborator *elaborator, const TypeSyntax *type, const NamedTensor *value, Span span,
                       NamedTensor *out);

/* elaborate_block.c, elaborate_statement.c, elaborate_store.c, elaborate_settings.c, recipe.c, builtin.c */
const Definition *find_block(const Elaborator *elaborator, const char *name);
Value call_block(Elaborator *elaborator, const Expression *call, const Definition *block);
typedef struct Builtin Builtin;
const Builtin *find_builtin(const char *name);
Value call_builtin(Elaborator *elaborator, const Expression *call, const Builtin *builtin);
void elaborator_unknown_function(Elaborator *elaborator, Name name);
/* Binds the position or name of each argument to a parameter: out_index[i] for argument i. */
bool bind_arguments(Elaborator *elaborator, const Expression *call, const char *const *names, uint32_t name_count,
                    int *out_index);
Value run_body(Elaborator *elaborator, const Body *body, bool last);
void declare_stored(Elaborator *elaborator, const Statement *statement);
void declare_given(Elaborator *elaborator, const Statement *statement);
void update_state(Elaborator *elaborator, const Statement *statement);
void declare_output(Elaborator *elaborator, const Statement *statement);
void check_requirement(Elaborator *elaborator, const Statement *statement);
/* Parses the options' settings; false where one is malformed. */
bool parse_settings(Elaborator *elaborator);
Setting *find_setting(Elaborator *elaborator, const char *name);
/* The model's static parameters, by their settings or defaults. */
void elaborate_settings(Elaborator *elaborator, const Definition *model);
/* Reports settings that nothing has asked for. */
void check_settings(Elaborator *elaborator);
void elaborate_recipe(Elaborator *elaborator, const RecipeSyntax *syntax);

#endif
