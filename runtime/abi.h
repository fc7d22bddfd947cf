/* What emitted code and its caller agree on: the layout of a call and of a kernel. Emitted code reads these structs by
 * offset (codegen/entry.c), so their order is part of the ABI. No function here allocates, prints or keeps state. */
#ifndef SIMBA_ABI_H
#define SIMBA_ABI_H

#include <stddef.h>
#include <stdint.h>

enum { SIMBA_ABI_VERSION = 1, SIMBA_SYMBOLS = 4 };

struct simba_call;

/* Items begin .. end - 1 of a kernel's work. Items are independent of each other and of how they are divided, so any
 * division over any number of threads gives the same bits. `scratch` is the worker's own, 64-byte aligned. Sets
 * flush-to-zero for its own duration and restores the caller's mode. */
typedef void simba_kernel(const struct simba_call *call, void *const *arguments, void *scratch, int64_t begin,
                          int64_t end);

/* Whoever runs a kernel's items on several threads. Returns when all are done. */
typedef struct simba_executor {
  int32_t workers;
  /* Not 0: launches that could run image by image on one worker each are given one by one, to see what each does. The
   * bits are the same. */
  int32_t stepwise;
  /* Worker w's scratch begins at scratch + w * scratch_bytes. `launch` numbers the launches of an entry point from 0; a
   * group of them has the number of its first one. */
  void (*run)(struct simba_executor *self, simba_kernel *kernel, const struct simba_call *call, void *const *arguments,
              char *scratch, size_t scratch_bytes, int64_t items, int32_t launch);
} simba_executor;

typedef struct simba_call {
  int64_t
      symbol[SIMBA_SYMBOLS]; /* values of the dynamic dimensions: symbol[0] is the batch; the last is the number of the
                                  * image, where kernels do one image's work: entry points set it */
  uint64_t seed, step;       /* of random numbers */
  const float *const *input;
  float *const *output;
  const float *const *parameter;
  const float *const *state;
  void *prepared;           /* what `prepare` made of the parameters; 64-byte aligned */
  void *arena;              /* 64-byte aligned */
  char *scratch;            /* workers * scratch bytes; 64-byte aligned */
  simba_executor *executor; /* NULL: everything on the calling thread */
} simba_call;

/* <name>_prepare and <name>_run. 0 is success. */
typedef int32_t simba_entry(const simba_call *call);

#endif
