#include "family.h"

#include "contract.h"
#include "map.h"
#include "scan.h"
#include "spectral.h"

const Family *family_of(const Kernel *kernel) {
  static const Family MAP = {map_work, map_emit};
  static const Family CONTRACT = {contract_work, contract_emit};
  static const Family SCAN = {scan_work, scan_emit};
  static const Family SPECTRAL = {spectral_work, spectral_emit};
  switch (kernel->family) {
    case LOWER_MAP:
      return &MAP;
    case LOWER_CONTRACT:
      return &CONTRACT;
    case LOWER_SCAN:
      return &SCAN;
    case LOWER_SPECTRAL:
      return &SPECTRAL;
    default:
      guard_bug("no emitter for kernels of family %d", (int)kernel->family);
  }
}
