/* The roofs of this machine, and what they say of a cost. */
#include "frontend/driver/codegen_library.h"
#include "frontend/driver/machine.h"
#include "tests/suite_run.h"

/* 1 KB of cache at 8 bytes a second, memory at 2. */
static MachineSpeed slow_machine(void) {
  MachineSpeed speed = {.flops = 10, .elementary = 5};
  for (int k = 0; k < MACHINE_SIZES; k++) {
    speed.size[k] = 1024 << k;
    speed.bandwidth[k] = k == 0 ? 8 : 2;
  }
  return speed;
}

START_TEST(the_longer_of_arithmetic_and_memory) {
  MachineSpeed speed = slow_machine();
  ck_assert_double_eq(machine_seconds(&speed, &(Cost){0}), 0);
  ck_assert_double_eq(machine_seconds(&speed, &(Cost){.adds = 20, .multiplies = 10, .transcendentals = 5}), 4);
  ck_assert_double_eq(machine_seconds(&speed, &(Cost){.adds = 20, .bytes_read = 512, .bytes_written = 256}), 96);
  ck_assert_double_eq(machine_seconds(&speed, &(Cost){.adds = 2000, .bytes_read = 512, .bytes_written = 256}), 200);
}
END_TEST

START_TEST(what_fits_no_cache_comes_from_memory) {
  MachineSpeed speed = slow_machine();
  ck_assert_double_eq(machine_seconds(&speed, &(Cost){.bytes_read = 1024}), 128);
  ck_assert_double_eq(machine_seconds(&speed, &(Cost){.bytes_written = 1026}), 513);
  ck_assert_double_eq(machine_seconds(&speed, &(Cost){.bytes_read = 1e9}), 5e8);
}
END_TEST

START_TEST(a_machine_is_measured) {
  const CodegenApi *api;
  simba_error error = {0};
  ck_assert_msg(codegen_library(&api, &error) == SIMBA_OK, "%s", error.message);
  for (int32_t threads = 1; threads <= 3; threads += 2) {
    ThreadPool *pool = NULL;
    ck_assert_int_eq(thread_pool_create(threads, &pool, &error), SIMBA_OK);
    MachineSpeed speed = {0};
    CodegenOptions options = {0};
    ck_assert_msg(machine_measure(api, &options, pool, &speed, &error) == SIMBA_OK, "%s", error.message);
    ck_assert_double_gt(speed.flops, speed.elementary);
    ck_assert_double_gt(speed.elementary, 1e6);
    for (int k = 0; k < MACHINE_SIZES; k++) {
      ck_assert_double_gt(speed.bandwidth[k], 1e6);
      if (k > 0) ck_assert_int_gt(speed.size[k], speed.size[k - 1]);
    }
    thread_pool_destroy(pool);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("driver_machine");
  TCase *cases = tcase_create("machine");
  tcase_set_timeout(cases, 300);
  tcase_add_test(cases, the_longer_of_arithmetic_and_memory);
  tcase_add_test(cases, what_fits_no_cache_comes_from_memory);
  tcase_add_test(cases, a_machine_is_measured);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
