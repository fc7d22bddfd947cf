#include "family.h"

#include "contract.h"
#include "library.h"
#include "map.h"
#include "scan.h"
#include "spectral.h"

const Family *family_of(const Kernel *kernel, const Target *target, int lanes) {
  static const Family MAP = {map_work, map_emit, NULL, false};
  static const Family CONTRACT = {contract_work, contract_emit, NULL, false};
  static const Family SCAN = {scan_work, scan_emit, NULL, false};
  static const Family SPECTRAL = {spectral_work, spectral_emit, spectral_describe, false};
  static const Family LIBRARY_GEMM = {library_gemm_work, library_gemm_emit, NULL, true};
  static const Family LIBRARY_DFT = {library_dft_work, library_dft_emit, NULL, true};
  switch (kernel->family) {
    case LOWER_MAP:
      return &MAP;
    case LOWER_CONTRACT:
      return target->has_libraries && library_gemm_fits(kernel, target, lanes) ? &LIBRARY_GEMM : &CONTRACT;
    case LOWER_SCAN:
      return &SCAN;
    case LOWER_SPECTRAL:
      return target->has_libraries ? &LIBRARY_DFT : &SPECTRAL;
    default:
      guard_bug("no emitter for kernels of family %d", (int)kernel->family);
  }
}
