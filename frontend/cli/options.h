/* The command line: one table row a command, options parsed by argp. Machine-readable output goes to stdout, all else
 * to stderr. Exit codes: 0 done, 1 the input is wrong (diagnosed), 2 usage, 3 the run failed, 70 a bug in simbac,
 * 130 interrupted (state saved). */
#ifndef SIMBAC_CLI_OPTIONS_H
#define SIMBAC_CLI_OPTIONS_H

#include "frontend/driver/compiler.h"

#include <argp.h>

enum {
  EXIT_DONE = 0,
  EXIT_WRONG_INPUT = 1,
  EXIT_USAGE = 2,
  EXIT_RUN_FAILED = 3,
  EXIT_OUR_BUG = 70,
  EXIT_STOPPED = 130
};

typedef struct Command {
  const char *name;
  int (*run)(int argc, char **argv); /* argv[0] is "simbac NAME" */
  const char *summary;
} Command;

int command_check(int argc, char **argv);
int command_train(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_run(int argc, char **argv);
int command_compile(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_dump(int argc, char **argv);
int command_convert(int argc, char **argv);
int command_chart(int argc, char **argv);

/* What every command that reads a model takes. Its argp is a child of the command's own; the command's parser sets
 * state->child_inputs[0] to a CommonOptions on ARGP_KEY_INIT and gives positional arguments to its own table. */
typedef struct CommonOptions {
  Arena *arena; /* of the command */
  const char *model_path;
  CompilerOptions compiler;
  simba_setting *setting; /* compiler's lists while they grow */
  const char **only, **skip;
  size_t setting_capacity, only_capacity, skip_capacity;
  bool quiet, verbose, time, explain, no_cache;
  DiagnosticStyle style;
} CommonOptions;

extern const struct argp common_argp;
void common_begin(CommonOptions *common);
void common_end(CommonOptions *common);
/* The first positional argument; more than one is a usage error. */
error_t common_positional(CommonOptions *common, char *argument, struct argp_state *state);

/* NAME=VALUE of --set, or a usage error. */
void common_setting(CommonOptions *common, const char *text, struct argp_state *state);
/* Whether --set gave it. */
bool common_sets(const CommonOptions *common, const char *name);

/* Positive decimal number within [low, high], or a usage error that names the option. */
int64_t option_integer(const char *option, const char *text, int64_t low, int64_t high, struct argp_state *state);

/* Bytes, with or without KB, MB or GB (of 1024, 1024^2, 1024^3), or a usage error that names the option. */
int64_t option_size(const char *option, const char *text, struct argp_state *state);

/* Prints what went wrong and returns the exit code that stands for it. */
int report_failure(simba_status status, const simba_error *error);
/* Diagnostics of a compiler, if any, to stderr in the style asked for. */
void report_diagnostics(const CommonOptions *common, const Compiler *compiler);
/* On stderr: a note where the cache was asked for and not used; why passes did not apply where --explain was given,
 * "0.42 ms  elaborate" lines where --time was. */
void report_compilation(const CommonOptions *common, const Compiler *compiler);

#endif
