#include "options.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const Command commands[] = {
    {"check", command_check, "types, shapes, parameters and cost of a model"},
    {"train", command_train, "train a model on series or images, just-in-time compiled"},
    {"eval", command_eval, "loss and metrics of trained weights on a split of the data"},
    {"run", command_run, "run a model on tensors from a file, with gradients if wanted"},
    {"compile", command_compile, "export a model as a shared library, archive or object with a C header"},
    {"bench", command_bench, "how long each kernel of a model takes, beside what the machine can do"},
    {"convert", command_convert,
     "weights of PyTorch or safetensors renamed, compared with a model, written as safetensors"},
    {"dump", command_dump, "show what the compiler makes of a model at any stage"},
    {"chart", command_chart, "draw the lines of a table"},
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_help(FILE *file) {
  fputs("simbac: a compiler for SiMBA neural networks\n\nusage: simbac COMMAND MODEL [OPTION...]\n\n", file);
  for (size_t k = 0; k < COMMAND_COUNT; k++) fprintf(file, "  %-9s %s\n", commands[k].name, commands[k].summary);
  fputs(
      "\n  simbac COMMAND --help  what a command takes, with an example\n"
      "  simbac --version\n\n"
      "Exit codes: 0 done, 1 the input is wrong, 2 usage, 3 the run failed, 70 a bug in simbac, 130 interrupted.\n",
      file);
}

static int unknown_command(const char *name) {
  const char *names[COMMAND_COUNT];
  for (size_t k = 0; k < COMMAND_COUNT; k++) names[k] = commands[k].name;
  const char *nearest = text_nearest(name, names, COMMAND_COUNT);
  fprintf(stderr, "simbac: there is no command '%s'", name);
  if (nearest) fprintf(stderr, "; did you mean '%s'?", nearest);
  fputs("\nsimbac --help lists them\n", stderr);
  return EXIT_USAGE;
}

int main(int argc, char **argv) {
  argp_err_exit_status = EXIT_USAGE;
  signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error of write(), reported with its name */
  if (argc < 2) {
    print_help(stderr);
    return EXIT_USAGE;
  }
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
    print_help(stdout);
    return EXIT_DONE;
  }
  if (!strcmp(argv[1], "--version")) {
    puts("simbac " SIMBAC_VERSION);
    return EXIT_DONE;
  }
  for (size_t k = 0; k < COMMAND_COUNT; k++) {
    if (strcmp(argv[1], commands[k].name) != 0) continue;
    char title[32];
    snprintf(title, sizeof title, "simbac %s", commands[k].name);
    argv[1] = title;
    int code = commands[k].run(argc - 1, argv + 1);
    bool lost = ferror(stdout) != 0; /* of an earlier write, which fflush does not tell of */
    if ((fflush(stdout) != 0 || lost) && code == EXIT_DONE) {
      perror("simbac: writing to standard output");
      code = EXIT_RUN_FAILED;
    }
    return code;
  }
  return unknown_command(argv[1]);
}
