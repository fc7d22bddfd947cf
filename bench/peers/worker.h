/* A process that runs workloads when it is told to, so that several of them can be timed by turns. It reads a command a
 * line on standard input and answers each with a line of JSON:
 *
 *   open ID INPUTS OUTPUTS ARGUMENT...   sets up workload ID (0 to 31), runs it once, writes its results as safetensors
 *   run ID SECONDS                       runs it for so long, once at least: {"samples": [[seconds, preemptions], ...]}
 *   close ID
 *
 * A sample during which the system took the processor away from one of the threads has preemptions. worker.py speaks
 * the same. What ends in an error says {"error": "..."}. */
#ifndef SIMBAC_BENCH_WORKER_H
#define SIMBAC_BENCH_WORKER_H

#include "runtime/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { WORKLOAD_MAX = 32, WORKER_TOKENS = 64 };

/* Where a workload's tensors come from and go to, and what is the worker's own business. */
typedef struct WorkloadRequest {
  const TensorFile *inputs;
  const char *outputs;
  char **argument;
  int argument_count;
} WorkloadRequest;

/* A worker defines these three. False: `error` says why. */
typedef struct Workload Workload;
static bool workload_open(const WorkloadRequest *request, Workload **out_workload, simba_error *error);
static bool workload_run(Workload *workload, simba_error *error);
static void workload_close(Workload *workload); /* takes NULL */
/* Members of the answer to `open`, each with a comma before it; may print nothing. */
static void workload_describe(const Workload *workload);

static inline double worker_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static inline long worker_preemptions(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

/* "VmRSS:" or "VmHWM:" in bytes; 0 where the system does not tell. */
static inline long worker_memory(const char *key) {
  char line[256];
  long kilobytes = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file)) {
    if (!strncmp(line, key, strlen(key))) kilobytes = atol(line + strlen(key));
  }
  if (file) fclose(file);
  return kilobytes * 1024;
}

static inline void worker_forget_peak(void) {
  FILE *file = fopen("/proc/self/clear_refs", "w");
  if (file) {
    fputs("5", file);
    fclose(file);
  }
}

static inline void worker_answer_error(const char *message) {
  printf("{\"error\": \"");
  for (; *message; message++) {
    if (*message == '"' || *message == '\\') putchar('\\');
    putchar((unsigned char)*message < ' ' ? ' ' : *message);
  }
  printf("\"}\n");
}

static inline void worker_open(char **token, int count, Workload **out_workload) {
  simba_error error = {0};
  TensorFile *inputs = NULL;
  if (tensor_file_open(token[2], &inputs, &error)) {
    worker_answer_error(error.message);
    return;
  }
  WorkloadRequest request = {inputs, token[3], token + 4, count - 4};
  if (workload_open(&request, out_workload, &error)) {
    printf("{\"opened\": true");
    workload_describe(*out_workload);
    printf("}\n");
  } else {
    worker_answer_error(error.message);
  }
  tensor_file_close(inputs);
}

static inline void worker_run(Workload *workload, double seconds) {
  simba_error error = {0};
  double begin = worker_clock(), now = begin;
  printf("{\"samples\": [");
  for (int run = 0; run == 0 || now - begin < seconds; run++) {
    long preemptions = worker_preemptions();
    double start = worker_clock();
    if (!workload_run(workload, &error)) exit(EXIT_FAILURE);
    now = worker_clock();
    printf("%s[%.9f, %ld]", run ? ", " : "", now - start, worker_preemptions() - preemptions);
  }
  printf("]}\n");
}

static inline int worker_main(void) {
  static Workload *workload[WORKLOAD_MAX];
  char line[4096], *token[WORKER_TOKENS];
  while (fgets(line, sizeof line, stdin)) {
    int count = 0;
    for (char *at = strtok(line, " \n"); at && count < WORKER_TOKENS; at = strtok(NULL, " \n")) token[count++] = at;
    int id = count > 1 ? atoi(token[1]) : -1;
    if (id < 0 || id >= WORKLOAD_MAX) {
      worker_answer_error("which workload?");
    } else if (!strcmp(token[0], "open") && count >= 4 && !workload[id]) {
      worker_open(token, count, &workload[id]);
    } else if (!strcmp(token[0], "run") && count == 3 && workload[id]) {
      worker_run(workload[id], atof(token[2]));
    } else if (!strcmp(token[0], "close")) {
      workload_close(workload[id]);
      workload[id] = NULL;
      printf("{\"closed\": true}\n");
    } else {
      worker_answer_error("what is that?");
    }
    fflush(stdout);
  }
  for (int id = 0; id < WORKLOAD_MAX; id++) workload_close(workload[id]);
  return 0;
}

#endif
