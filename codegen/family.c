#include "family.h"

#include "map.h"

const Family *family_of(const Kernel *kernel) {
  static const Family MAP = {map_work, map_emit};
  switch (kernel->family) {
    case LOWER_MAP:
      return &MAP;
    default:
      guard_bug("no emitter for kernels of family %d", (int)kernel->family);
  }
}
