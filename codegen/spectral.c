#include "spectral.h"

#include "contract.h"

/* The transform is a product with a table of sines and cosines: its rows are the results, its terms the samples, and
 * the lanes lie along whatever axis of the data is contiguous and not transformed. */

KernelWork spectral_work(const Kernel *kernel, const Target *target, int lanes) {
  return contract_work(kernel, target, lanes);
}

void spectral_emit(Session *session, const Kernel *kernel, const char *name) { contract_emit(session, kernel, name); }
