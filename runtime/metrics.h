/* metrics.jsonl: one JSON object a line, {"step":12,"epoch":0,"split":"train","loss":0.41,...}. Lines are appended with
 * one write each and not synced one by one, which would cost more than a step may: metrics_sync comes before each
 * checkpoint, so that a power failure takes no line that a run which resumes does not write again. That run cuts the
 * file back to the checkpoint's step. Also estimates of how long a run takes, as pure functions. */
#ifndef SIMBA_METRICS_H
#define SIMBA_METRICS_H

#include "status.h"

enum { METRICS_MAX_VALUES = 24 };

typedef struct MetricValue {
  const char *name;
  double value; /* NaN and infinities are written as null, which JSON has instead */
} MetricValue;

typedef struct MetricLine {
  int64_t step, epoch;
  const char *split; /* "train", "val", "test" */
  int32_t count;
  MetricValue value[METRICS_MAX_VALUES];
} MetricLine;

simba_status metrics_append(const char *path, const MetricLine *line, simba_error *error);
/* Lines that were appended outlive a power failure. A missing file is fine. */
simba_status metrics_sync(const char *path, simba_error *error);
/* Keeps the lines whose step is at most `step`, and of those of validation the ones of the first `epochs` epochs: a run
 * that was killed between a line and its checkpoint writes that line again. A last line that was torn goes too. A missing
 * file is fine. Atomic. */
simba_status metrics_cut(const char *path, int64_t step, int64_t epochs, simba_error *error);
/* Calls `visit` for every line, in order; the line lives during the call. SIMBA_DATA_ERROR "file:line: ..." */
simba_status metrics_read(const char *path, void (*visit)(void *context, const MetricLine *line), void *context,
                          simba_error *error);

typedef struct Estimate {
  double rate;         /* units a second, 0 where unknown */
  double seconds_left; /* negative where unknown */
} Estimate;

/* `done` of `total` units took `seconds`, of which the first `skipped` units came from an earlier run. */
Estimate progress_estimate(int64_t skipped, int64_t done, int64_t total, double seconds);
/* "3 s", "2 min 05 s", "1 h 03 min"; "?" where negative. */
void duration_text(double seconds, char *out, size_t size);

#endif
