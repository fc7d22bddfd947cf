/* How fast this machine is, measured by code that does nothing else (codegen/peak.h): the roofs that kernels are
 * compared with. */
#ifndef SIMBAC_DRIVER_MACHINE_H
#define SIMBAC_DRIVER_MACHINE_H

#include "codegen/codegen.h"
#include "ir/cost.h"
#include "runtime/threads.h"

enum { MACHINE_SIZES = 7 };

/* Of all threads of a pool together, a second. */
typedef struct MachineSpeed {
  double flops, elementary;
  int64_t size[MACHINE_SIZES];     /* of working sets, in bytes, ascending: from cache to memory */
  double bandwidth[MACHINE_SIZES]; /* bytes read from one of that size */
} MachineSpeed;

/* Takes half a second, and a quarter of a GB. */
simba_status machine_measure(const CodegenApi *api, const CodegenOptions *options, ThreadPool *pool,
                             MachineSpeed *out_speed, simba_error *error);
/* The least time that what `cost` counts can take: its arithmetic at full speed, or its bytes at the speed of a cache
 * that holds them all, whichever is longer. */
double machine_seconds(const MachineSpeed *speed, const Cost *cost);

#endif
