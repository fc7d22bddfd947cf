#include "split.h"

const char *data_split_name(DataSplit split) {
  static const char *const names[] = {"train", "val", "test"};
  return names[split];
}
