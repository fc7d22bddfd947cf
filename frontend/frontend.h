/* The language: a .simba file to a model. No prints, no exits, no LLVM: mistakes go to the Diagnostics, and a model
 * that has any is not returned. docs/language.md is the reference.
 *
 *   Source text -> frontend_parse -> FrontendFile -> frontend_elaborate (settings) -> Model
 *
 * A file is parsed once and elaborated as often as settings or the mode (training) change. The model lives in the
 * arena that was given, its graph included. */
#ifndef SIMBAC_FRONTEND_FRONTEND_H
#define SIMBAC_FRONTEND_FRONTEND_H

#include "ir/diagnostic.h"
#include "ir/graph.h"

typedef struct FrontendFile FrontendFile;

/* Parses the text with the standard library and what it imports (read relative to `name`). NULL where anything was
 * reported as an error. */
FrontendFile *frontend_parse(Arena *arena, Diagnostics *diagnostics, const char *name, const char *text, size_t length);
/* Reads the file first; one that cannot be read is reported. */
FrontendFile *frontend_parse_file(Arena *arena, Diagnostics *diagnostics, const char *path);
/* The syntax tree of the file itself (`simbac dump --stage ast`): indented text or DOT. */
void frontend_print_ast(const FrontendFile *file, bool dot, Text *out);

enum { MODEL_MAX_METRICS = 16 };

typedef struct FrontendSetting {
  const char *name, *value; /* --set NAME=VALUE; NAME may be recipe.KEY */
} FrontendSetting;

typedef struct FrontendOptions {
  const FrontendSetting *setting;
  uint32_t setting_count;
  const char *model; /* NULL: the last model of the file */
  bool training;     /* the static name `training`: dropout and state updates are in the graph */
} FrontendOptions;

typedef enum StaticKind { STATIC_INTEGER, STATIC_REAL, STATIC_BOOLEAN, STATIC_WORD } StaticKind;

/* A static parameter of the model, in the order of declaration. */
typedef struct ModelSetting {
  const char *name;
  StaticKind kind;
  double number;              /* integer, real, boolean (0 or 1) */
  const char *text;           /* the value as --set takes it */
  const char *initial;        /* the default as --set takes it */
  const char *const *allowed; /* words: what is allowed; else NULL */
  uint32_t allowed_count;
  bool set; /* by an option */
} ModelSetting;

/* A param or a state: a leaf of `graph`, and an OUTPUT_VALUE of `initial` that has the same name and shape. */
typedef struct ModelParameter {
  const char *path; /* "blocks.0.attn.mamba.A_log" */
  Shape shape;      /* as stored: a complex one has its leading axis of 2 */
  int64_t count;    /* of elements */
  bool complex;
  NodeId leaf;
  Span span; /* of its declaration */
  Span call; /* in the user's text: the call that made it, or its declaration */
} ModelParameter;

typedef struct ModelTensor {
  const char *name;     /* file name: without "in." */
  const char *declared; /* its name in the text */
  Shape shape;
  NodeId leaf;
  Span span;
} ModelTensor;

typedef struct RecipeNumbers {
  uint32_t count; /* 1 or 3 */
  double value[3];
} RecipeNumbers;

/* Patterns of paths (fnmatch), and for RATES a factor of each. */
typedef struct RecipeGlobs {
  uint32_t count;
  const char *const *glob;
  const double *factor;
} RecipeGlobs;

enum { DATA_SERIES, DATA_IMAGES }; /* words of `data` */

/* Values of recipe.def; keys that the file does not give have their defaults. */
#define RECIPE_TYPE_INTEGER int64_t
#define RECIPE_TYPE_COUNT int64_t
#define RECIPE_TYPE_REAL double
#define RECIPE_TYPE_FRACTION double
#define RECIPE_TYPE_SHARE double
#define RECIPE_TYPE_NUMBERS RecipeNumbers
#define RECIPE_TYPE_GLOBS RecipeGlobs
#define RECIPE_TYPE_RATES RecipeGlobs
#define RECIPE_TYPE_INPUT const char * /* file names; NULL: not given */
#define RECIPE_TYPE_TARGET const char *
#define RECIPE_TYPE_PARAMETER const char *
#define RECIPE_TYPE_WORD(words) int /* number of the word in the list */
typedef struct Recipe {
  bool present; /* the file has a recipe */
#define RECIPE(field, section, choice, key, type, initial, doc) RECIPE_TYPE_##type field;
#include "recipe.def"
#undef RECIPE
} Recipe;

typedef struct Model {
  const char *name;
  Graph *graph;   /* inputs, targets, params, states; outputs, loss, metrics, new states */
  Graph *initial; /* no inputs; an OUTPUT_VALUE for each param and state, named by its path */
  uint32_t parameter_count, state_count, input_count, target_count, setting_count;
  ModelParameter *parameter, *state; /* in the order of declaration */
  ModelTensor *input, *target;
  ModelSetting *setting;
  Recipe recipe;
  const char *const *call; /* of each node of `graph`: the path of the calls that made it first; NULL: not known */
  Span span;               /* of its heading */
} Model;

/* NULL where anything was reported as an error. */
Model *frontend_elaborate(const FrontendFile *file, Arena *arena, Diagnostics *diagnostics,
                          const FrontendOptions *options);

/* The rows of recipe.def, for `check` and the reference. */
typedef struct RecipeKey {
  const char *section, *choice, *key, *type, *initial, *doc;
} RecipeKey;
extern const RecipeKey recipe_keys[];
extern const uint32_t recipe_key_count;
/* All keys and their values, a line each: two recipes with the same text train the same way. */
void recipe_print(const Recipe *recipe, Text *out);

#endif
