/* What `simbac bench` says: a table for people, an object for programs. */
#ifndef SIMBAC_CLI_BENCH_REPORT_H
#define SIMBAC_CLI_BENCH_REPORT_H

#include "frontend/driver/machine.h"
#include "frontend/driver/profile.h"

typedef struct BenchReport {
  const char *model;
  ProfileEntry entry;
  const Profile *own;
  const Profile *library; /* the same program with products and transforms by libraries; NULL: not asked for */
  MachineSpeed speed;
} BenchReport;

void bench_report_text(const BenchReport *report, Text *out);
/* One line of JSON, in seconds, bytes and operations; times with 0 samples are of disturbed ones. */
simba_status bench_report_json(const BenchReport *report, Text *out, simba_error *error);

#endif
