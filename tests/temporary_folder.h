/* A folder of a test's own below the one it runs in: a fixture's two ends, and paths in it. */
#ifndef SIMBAC_TESTS_TEMPORARY_FOLDER_H
#define SIMBAC_TESTS_TEMPORARY_FOLDER_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char temporary_folder[32];

static inline void enter_folder(void) {
  strcpy(temporary_folder, "test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(temporary_folder));
}

static inline void leave_folder(void) {
  char command[64];
  snprintf(command, sizeof command, "rm -r %s", temporary_folder);
  ck_assert_int_eq(system(command), 0);
}

/* Returns `out`. */
static inline const char *in_folder(const char *name, char out[128]) {
  snprintf(out, 128, "%s/%s", temporary_folder, name);
  return out;
}

#endif
