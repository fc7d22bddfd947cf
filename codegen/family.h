/* Which emitter a kernel belongs to. A family is two functions: what its grid of work items is, and its code. */
#ifndef SIMBAC_CODEGEN_FAMILY_H
#define SIMBAC_CODEGEN_FAMILY_H

#include "emit.h"

typedef struct Family {
  /* Pure: the same kernel, target and lanes always give the same grid. */
  KernelWork (*work)(const Kernel *kernel, const Target *target, int lanes);
  /* Emits the function `name` of type simba_kernel into the session's module. */
  void (*emit)(Session *session, const Kernel *kernel, const char *name);
  /* A line without its end on what was chosen for this kernel and what else there was; NULL: nothing to choose. Pure. */
  void (*describe)(const Kernel *kernel, const Target *target, int lanes, Text *out);
  bool library; /* its code calls OpenBLAS or FFTW */
} Family;

/* With target->has_libraries, products that fit and transforms have emitters that call them. */
const Family *family_of(const Kernel *kernel, const Target *target, int lanes);

#endif
