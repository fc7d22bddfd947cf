/* Any bytes as metrics.jsonl: refused with the line, or every line can be visited and written again as it was read. */
#include <string.h>

#include "runtime/metrics.h"
#include "tests/fuzz/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void visit(void *context, const MetricLine *line) {
  (void)context;
  if (line->count < 0 || line->count > METRICS_MAX_VALUES || !line->split) abort();
  for (int32_t i = 0; i < line->count; i++)
    if (!line->value[i].name) abort();
  if (metrics_append("/dev/null", line, NULL) != SIMBA_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char path[32];
  int descriptor = memory_file(bytes, size, path);
  simba_error error = {0};
  simba_status status = metrics_read(path, visit, NULL, &error);
  if (status != SIMBA_OK && (status != SIMBA_DATA_ERROR || strncmp(error.message, path, strlen(path)) != 0)) abort();
  close(descriptor);
  return 0;
}
