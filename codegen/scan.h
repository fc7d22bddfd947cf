/* SCAN kernels: recurrences along TIME, with lanes along the channels and reductions inside. */
#ifndef SIMBAC_CODEGEN_SCAN_H
#define SIMBAC_CODEGEN_SCAN_H

#include "emit.h"

KernelWork scan_work(const Kernel *kernel, const Target *target, int lanes);
void scan_emit(Session *session, const Kernel *kernel, const char *name);

#endif
