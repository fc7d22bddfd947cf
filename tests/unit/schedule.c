/* Orders of steps: what is alive at once is what matters, whatever order the steps are given in. */
#include "passes/schedule.h"
#include "tests/suite_run.h"

#include <check.h>
#include <string.h>

enum { MOST_STEPS = 16, MOST_VALUES = 16 };

static Arena *arena;

static void begin(void) { arena = arena_create(); }
static void end(void) { arena_destroy(arena); }

typedef struct Plan {
  Step step[MOST_STEPS];
  NodeId rank[MOST_STEPS];
  uint32_t step_count;
  LoweredValue value[MOST_VALUES];
  bool resident[MOST_VALUES];
  uint32_t value_count;
} Plan;

static ValueId add_value(Plan *plan, int64_t count) {
  plan->value[++plan->value_count].count = dim_constant(count);
  return plan->value_count;
}

/* A step that reads up to two values (0: none) and writes one. */
static void add_step(Plan *plan, ValueId a, ValueId b, ValueId result) {
  Step *step = &plan->step[plan->step_count];
  step->kernel = ARENA_NEW(arena, Kernel);
  step->argument = ARENA_ARRAY(arena, ValueId, 3);
  uint32_t count = 0;
  if (a) step->argument[count++] = a;
  if (b) step->argument[count++] = b;
  step->kernel->read_count = count;
  step->argument[count++] = result;
  step->kernel->argument_count = count;
  plan->rank[plan->step_count] = plan->step_count + 1;
  plan->step_count++;
}

static void check_order(const Plan *plan, const uint32_t *expected) {
  ScheduleInput input = {plan->step, plan->step_count, plan->value, plan->value_count, plan->resident, plan->rank, 1};
  const uint32_t *order = schedule_steps(&input, arena);
  for (uint32_t k = 0; k < plan->step_count; k++) ck_assert_uint_eq(order[k], expected[k]);
}

/* A large value that is needed at the end is made at the end, though nothing keeps it from being made first. */
START_TEST(late_where_it_takes) {
  Plan plan = {0};
  ValueId large = add_value(&plan, 100), a = add_value(&plan, 10), b = add_value(&plan, 10), y = add_value(&plan, 1);
  plan.resident[y] = true;
  add_step(&plan, 0, 0, large);
  add_step(&plan, 0, 0, a);
  add_step(&plan, a, 0, b);
  add_step(&plan, large, b, y);
  check_order(&plan, (uint32_t[]){1, 2, 0, 3});
}
END_TEST

/* What shrinks a large value runs as soon as it can. */
START_TEST(early_where_it_frees) {
  Plan plan = {0};
  ValueId large = add_value(&plan, 100), sum = add_value(&plan, 1), a = add_value(&plan, 50), b = add_value(&plan, 50);
  ValueId y = add_value(&plan, 1);
  plan.resident[y] = true;
  add_step(&plan, 0, 0, large);
  add_step(&plan, 0, 0, a);
  add_step(&plan, a, 0, b);
  add_step(&plan, large, 0, sum);
  add_step(&plan, sum, b, y);
  ScheduleInput input = {plan.step, plan.step_count, plan.value, plan.value_count, plan.resident, plan.rank, 1};
  const uint32_t *order = schedule_steps(&input, arena);
  uint32_t place[MOST_STEPS];
  for (uint32_t k = 0; k < plan.step_count; k++) place[order[k]] = k;
  ck_assert_uint_eq(place[3], place[0] + 1);
}
END_TEST

/* However the steps are numbered. */
START_TEST(producers_come_first) {
  Plan plan = {0};
  ValueId a = add_value(&plan, 1), b = add_value(&plan, 1), y = add_value(&plan, 1);
  plan.resident[y] = true;
  add_step(&plan, b, 0, y);
  add_step(&plan, a, 0, b);
  add_step(&plan, 0, 0, a);
  check_order(&plan, (uint32_t[]){2, 1, 0});
}
END_TEST

int main(void) {
  Suite *suite = suite_create("schedule");
  TCase *orders = tcase_create("orders");
  tcase_add_checked_fixture(orders, begin, end);
  tcase_add_test(orders, late_where_it_takes);
  tcase_add_test(orders, early_where_it_frees);
  tcase_add_test(orders, producers_come_first);
  suite_add_tcase(suite, orders);
  return suite_run(suite);
}
