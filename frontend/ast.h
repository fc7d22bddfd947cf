/* The syntax tree of a .simba file: what the parser makes and the elaborator reads. Nothing in it is checked beyond the
 * grammar (docs/language.md). Lives in one arena with the source's tokens; names are NUL-terminated copies. */
#ifndef SIMBAC_FRONTEND_AST_H
#define SIMBAC_FRONTEND_AST_H

#include "lexer.h"

typedef struct Expression Expression;
typedef struct Statement Statement;

typedef struct Name {
  const char *text; /* NULL: absent */
  Span span;
} Name;

/* `@ blocks[i].norm`: one part a component; `blocks[i]` is the parts "blocks" and [i]. */
typedef struct PathPart {
  Name name;         /* text NULL where `index` is given */
  Expression *index; /* static expression */
} PathPart;

typedef struct Path {
  PathPart *part; /* NULL: no path was written */
  uint32_t count;
  Span span;
} Path;

typedef enum ExpressionKind {
  EXPRESSION_NUMBER,  /* real; integer where is_integer */
  EXPRESSION_BOOLEAN, /* truth */
  EXPRESSION_NAME,    /* name */
  EXPRESSION_UNARY,   /* operator_kind (MINUS, NOT), left */
  EXPRESSION_BINARY,  /* operator_kind, left, right; ARROW: `M -> E` */
  EXPRESSION_CALL,    /* name(argument...) @ path */
  EXPRESSION_TUPLE,   /* (item, item, ...) */
  EXPRESSION_LIST,    /* [item, item, ...] */
  EXPRESSION_TEXT     /* "text", in the recipe alone: name.text without its quotes */
} ExpressionKind;

/* `value`, `name = value`, or for reshape `K * d = C`. */
typedef struct Argument {
  Expression *left; /* NULL where there is no `=` */
  Expression *value;
} Argument;

struct Expression {
  ExpressionKind kind;
  uint32_t depth; /* 1 for a leaf; bounded, so recursion over a tree is */
  Span span;
  Name name;
  TokenKind operator_kind;
  Span operator_span;
  Expression *left, *right;
  Expression **item;
  Argument *argument;
  uint32_t count; /* of items or arguments */
  Path path;
  double real;
  int64_t integer;
  bool is_integer, truth;
};

typedef enum TypeKind {
  TYPE_ANY,     /* [..]: real for a param, state, input or target; a block's argument may be either */
  TYPE_REAL,    /* f32[..] */
  TYPE_COMPLEX, /* complex[..] */
  TYPE_PARTS    /* parts[..]: a complex argument is seen as its real and imaginary part, each treated alike */
} TypeKind;

/* One axis of a type: `...`, `T`, `2*E`, `e = d`. */
typedef struct AxisSyntax {
  bool rest;         /* `...` */
  Name name;         /* of `e = d` */
  Expression *value; /* what follows `=`, or all of it */
  Span span;
} AxisSyntax;

typedef struct TypeSyntax {
  TypeKind kind;
  AxisSyntax *axis;
  uint32_t count;
  Span span; /* length 0: no type was written */
} TypeSyntax;

typedef enum FormalKind {
  FORMAL_TENSOR, /* x: [B, T, M] */
  FORMAL_AXIS,   /* over: axis */
  FORMAL_ARROW,  /* I -> O: an axis of the arguments and the extent that takes its place */
  FORMAL_STATIC  /* depth = 2, embed = patch in [time, patch], hidden */
} FormalKind;

typedef struct Formal {
  FormalKind kind;
  Name name, to; /* to: the O of `I -> O` */
  TypeSyntax type;
  Expression *initial; /* static: the default, NULL where an argument is required */
  Name *allowed;       /* static: `in [..]` */
  uint32_t allowed_count;
  Span span;
} Formal;

typedef enum StatementKind {
  STATEMENT_DIM,       /* dim name = value */
  STATEMENT_LET,       /* let name: type = value, let (name, ..) = value */
  STATEMENT_PARAM,     /* param name: type = value @ path */
  STATEMENT_STATE,     /* state name: type = value @ path */
  STATEMENT_UPDATE,    /* update name = value: the state's new value */
  STATEMENT_INPUT,     /* input name: type @ path */
  STATEMENT_TARGET,    /* target name: type @ path */
  STATEMENT_OUTPUT,    /* output name: type @ path = value */
  STATEMENT_LOSS,      /* loss name = value */
  STATEMENT_METRIC,    /* metric name = value */
  STATEMENT_FOR,       /* for name in from..to { body } */
  STATEMENT_IF,        /* if value { body } else { other } */
  STATEMENT_REQUIRE,   /* require value, "message" */
  STATEMENT_EXPRESSION /* value: what the block gives back */
} StatementKind;

typedef struct Body {
  Statement *statement;
  uint32_t count;
} Body;

struct Statement {
  StatementKind kind;
  Span span;
  Name *name; /* let: `count` of them; others: one */
  uint32_t count;
  bool tuple; /* let (..): also with one name */
  TypeSyntax type;
  Expression *value; /* param, state: NULL where no initial value was written */
  Expression *from, *to;
  Path path;
  const char *message; /* require: without its quotes */
  Body body, other;
};

typedef enum DefinitionKind { DEFINITION_BLOCK, DEFINITION_MODEL } DefinitionKind;

enum { DEFINITION_MAX_FORMALS = 64 };

typedef struct Definition {
  DefinitionKind kind;
  Name name;
  Formal *formal;
  uint32_t formal_count;
  TypeSyntax *result; /* what a block gives back; more than one: a tuple */
  uint32_t result_count;
  Body body;
  Span span; /* of the heading */
  bool library;
} Definition;

/* `batch 32`, `optimizer adamw(lr = 1e-3)`, `early_stopping(patience = 3)`. */
typedef struct RecipeItem {
  Name section;
  Expression *value; /* a call carries a kind and arguments; NULL where arguments follow the section's name */
  Argument *argument;
  uint32_t argument_count;
  Span span;
} RecipeItem;

typedef struct RecipeSyntax {
  RecipeItem *item;
  uint32_t count;
  Span span; /* length 0: the file has no recipe */
} RecipeSyntax;

typedef struct Import {
  Name path; /* without its quotes */
} Import;

typedef struct SyntaxFile {
  uint32_t source;
  Definition *definition;
  uint32_t definition_count;
  Import *import;
  uint32_t import_count;
  RecipeSyntax recipe;
} SyntaxFile;

/* ast_print.c */
void ast_print(const SyntaxFile *file, Text *out);
void ast_dot(const SyntaxFile *file, Text *out);
/* The expression in canonical form, the label of an axis that is declared by it: "2*E", "T-1", "(A+B)*C". */
void ast_print_expression(const Expression *expression, Text *out);
void ast_print_type(const TypeSyntax *type, Text *out);

#endif
