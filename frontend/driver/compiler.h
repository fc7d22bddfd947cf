/* The compiler as a library: one model file on its way to code. Every command and the C interface go through it.
 *
 *   Compiler *compiler;
 *   compiler_open(path, &options, &compiler, &error);   read, parse, check, lower to IR (no LLVM); IR text of *.ir too
 *   compiler_graph(compiler, &request, &graph, &error); the IR after the passes (no LLVM)
 *   compiler_step(compiler, graph, &step, &error);      fused, planned, compiled, loaded
 *   compiler_close(compiler);
 *
 * User mistakes are in compiler->diagnostics and give SIMBA_MODEL_ERROR with an empty message; our bugs give SIMBA_BUG;
 * nothing unwinds to the caller. Everything made lives as long as the compiler. */
#ifndef SIMBAC_DRIVER_COMPILER_H
#define SIMBAC_DRIVER_COMPILER_H

#include "execution.h"
#include "frontend/frontend.h"
#include "ir/guard.h"
#include "passes/pipeline.h"
#include "runtime/simba.h"

typedef struct CompilerOptions {
  const simba_setting *setting;
  uint32_t setting_count;
  const char *model_name;                /* NULL: the last model of the file */
  int32_t threads;                       /* 0: one a processor */
  const char *const *only, *const *skip; /* passes */
  uint32_t only_count, skip_count;
  bool verify, explain, library_kernels;
  int64_t memory_budget;    /* bytes that an arena may have; 0: any */
  int64_t batch;            /* the batch that the budget is for; 0: the one of the request, else the recipe's */
  const char *cache_folder; /* compiled objects by content; NULL: none */
  PassDump *dump;           /* after each pass */
  void *dump_user;
} CompilerOptions;

typedef struct Phase {
  const char *name;
  double seconds;
} Phase;

enum { COMPILER_MAX_PHASES = 64 };

typedef struct Compiler {
  Arena *arena;
  Diagnostics *diagnostics;
  CompilerOptions options;
  const char *path;
  FrontendFile *file;        /* NULL: the model was read as a graph */
  Model *infer, *train;      /* the model elaborated with training = false and true; the latter at first need */
  Text explain;              /* why passes did not apply */
  const char *cache_problem; /* why compiled objects are not cached though a folder was given; NULL: they are */
  int64_t batch;             /* that the last graph was made for; 0: a typical one */
  bool rematerialised;       /* it went through the pass that keeps to the memory budget */
  uint32_t phase_count;
  Phase phase[COMPILER_MAX_PHASES];
  CompiledStep *step[8]; /* to unload */
  uint32_t step_count;
} Compiler;

/* What is to be compiled out of a model. */
typedef struct StepRequest {
  const Graph *graph; /* made from the model's, which it stands for; NULL: the model's own */
  bool training;      /* the static `training`, new states */
  bool values, loss, metrics;
  bool whole;                             /* all outputs, gradients that the graph has included */
  const DifferentiateSpec *differentiate; /* NULL: no gradients */
  int64_t batch;                          /* that it will run with; 0: not known */
} StepRequest;

/* Derivatives of all outputs of a model's graph, weighed by inputs `lw.<output>`, with respect to all parameters and
 * inputs; in `arena`. */
DifferentiateSpec compiler_all_gradients(const Graph *graph, Arena *arena);

simba_status compiler_open(const char *path, const CompilerOptions *options, Compiler **out_compiler,
                           simba_error *error);
/* The same from memory. */
simba_status compiler_open_text(const char *name, const char *text, size_t length, const CompilerOptions *options,
                                Compiler **out_compiler, simba_error *error);
void compiler_close(Compiler *compiler); /* takes NULL; unloads its steps */

/* Elaborates for training at first need. */
simba_status compiler_model(Compiler *compiler, bool training, Model **out_model, simba_error *error);
/* The model's graph with only the outputs asked for, through the passes. */
simba_status compiler_graph(Compiler *compiler, const StepRequest *request, const Graph **out_graph,
                            simba_error *error);
/* SIMBA_INVALID_ARGUMENT where the arena is larger than its budget; the message says how large it has to be. */
simba_status compiler_program(Compiler *compiler, const Graph *graph, const Program **out_program, simba_error *error);
simba_status compiler_step(Compiler *compiler, const Program *program, CompiledStep **out_step, simba_error *error);
CodegenOptions compiler_codegen_options(const Compiler *compiler);
/* A line on how a kernel is computed and what else it could have been, "" where there was no choice. */
const char *compiler_kernel_choice(const Compiler *compiler, const CodegenApi *api, const Kernel *kernel);

/* A code generator's answer as a status; `message` is NULL or says why. */
simba_status codegen_status(CodegenStatus result, const char *message, simba_error *error);
/* What unwound to a guard, as a status. */
simba_status compiler_unwound(const Guard *guard, simba_error *error);
/* The syntax tree of a file, text or DOT, without checking what it means. */
simba_status syntax_dump(const char *path, Arena *arena, Diagnostics *diagnostics, bool dot, Text *out,
                         simba_error *error);

/* A node as people know it: "%12 contract[B, 96, 256], computed at model.simba:7:3", in the compiler's arena. */
const char *compiler_node_label(const Compiler *compiler, const Graph *graph, NodeId node);
/* Seconds on a monotonic clock. */
double clock_seconds(void);
void compiler_add_phase(Compiler *compiler, const char *name, double seconds);

#endif
