/* The end of every unit test's main(). */
#ifndef SIMBAC_TESTS_SUITE_RUN_H
#define SIMBAC_TESTS_SUITE_RUN_H

#include <check.h>
#include <stdlib.h>

/* Runs the suite, frees it, and returns what main() does. */
static inline int suite_run(Suite *suite) {
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
