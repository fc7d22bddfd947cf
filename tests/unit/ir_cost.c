/* What kernels cost, counted by hand. */
#include "ir/cost.h"
#include "tests/kernel_bench.h"
#include "tests/suite_run.h"

enum { ROWS = 6, COLUMNS = 10, INNER = 7 };

static const int64_t SYMBOLS[SYMBOL_MAX] = {3, 3, 3, 3};

static void check_cost(const Kernel *kernel, Cost expected) {
  Cost cost = kernel_cost(kernel, SYMBOLS);
  ck_assert_double_eq(cost.adds, expected.adds);
  ck_assert_double_eq(cost.multiplies, expected.multiplies);
  ck_assert_double_eq(cost.transcendentals, expected.transcendentals);
  ck_assert_double_eq(cost.bytes_read, expected.bytes_read);
  ck_assert_double_eq(cost.bytes_written, expected.bytes_written);
}

/* y[B, r] = exp(x[B, r]) * (sum over c of x2[r, c]): the sum does not depend on B, so it counts once a row. */
START_TEST(map_kernels) {
  Arena *arena = arena_create();
  Kernel *kernel = kernel_begin(arena, LOWER_MAP);
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_symbol(2, 1));
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_constant(ROWS));
  kernel_add_axis(kernel, AXIS_REDUCED, dim_constant(COLUMNS));
  Access x = kernel_add_slot(kernel, true), table = kernel_add_slot(kernel, true), y = kernel_add_slot(kernel, false);
  x.stride[0] = y.stride[0] = dim_constant(ROWS);
  x.stride[1] = y.stride[1] = dim_constant(1);
  table.stride[1] = dim_constant(COLUMNS);
  table.stride[2] = dim_constant(1);
  uint32_t power = kernel_add_op(kernel, OP_EXP, kernel_add_load(kernel, x), 0, 0);
  uint32_t sum = kernel_add_reduction(kernel, REDUCE_SUM, kernel_add_load(kernel, table), 1 << 2);
  kernel_add_store(kernel, kernel_add_op(kernel, OP_MULTIPLY, power, sum, 0), y);
  check_cost(kernel, (Cost){.adds = ROWS * COLUMNS,
                            .multiplies = 6 * ROWS,
                            .transcendentals = 6 * ROWS,
                            .bytes_read = 4 * (6 * ROWS + ROWS * COLUMNS),
                            .bytes_written = 4 * 6 * ROWS});
  arena_destroy(arena);
}
END_TEST

/* y[r, c] = sum over k of a[r, k] b[k, c], plus 1. */
START_TEST(contract_kernels) {
  Arena *arena = arena_create();
  Kernel *kernel = kernel_begin(arena, LOWER_CONTRACT);
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_constant(ROWS));
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_constant(COLUMNS));
  kernel_add_axis(kernel, AXIS_REDUCED, dim_constant(INNER));
  Access a = kernel_add_slot(kernel, true), b = kernel_add_slot(kernel, true), y = kernel_add_slot(kernel, false);
  a.stride[0] = dim_constant(INNER);
  a.stride[2] = b.stride[1] = y.stride[1] = dim_constant(1);
  b.stride[2] = y.stride[0] = dim_constant(COLUMNS);
  kernel->left = kernel_add_load(kernel, a);
  kernel->right = kernel_add_load(kernel, b);
  uint32_t product = kernel_add_expr(kernel, (Expr){.kind = EXPR_PRODUCT, .axes = 3});
  uint32_t one = kernel_add_constant(kernel, 1);
  kernel_add_store(kernel, kernel_add_op(kernel, OP_ADD, product, one, 0), y);
  check_cost(kernel, (Cost){.adds = ROWS * COLUMNS * INNER + ROWS * COLUMNS,
                            .multiplies = ROWS * COLUMNS * INNER,
                            .bytes_read = 4 * (ROWS * INNER + INNER * COLUMNS),
                            .bytes_written = 4 * ROWS * COLUMNS});
  arena_destroy(arena);
}
END_TEST

/* Two loads one step apart touch one element more than one of them does; a load backwards touches the same ones. */
START_TEST(overlapping_accesses) {
  Arena *arena = arena_create();
  Kernel *kernel = kernel_begin(arena, LOWER_MAP);
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_constant(ROWS));
  Access x = kernel_add_slot(kernel, true), y = kernel_add_slot(kernel, false), later, back;
  x.stride[0] = y.stride[0] = dim_constant(1);
  later = back = x;
  later.offset.constant = 1;
  back.offset.constant = ROWS - 1;
  back.stride[0] = dim_constant(-1);
  uint32_t sum = kernel_add_op(kernel, OP_ADD, kernel_add_load(kernel, x), kernel_add_load(kernel, later), 0);
  sum = kernel_add_op(kernel, OP_ADD, sum, kernel_add_load(kernel, back), 0);
  kernel_add_store(kernel, sum, y);
  check_cost(kernel, (Cost){.adds = 2 * ROWS, .bytes_read = 4 * (ROWS + 1), .bytes_written = 4 * ROWS});
  arena_destroy(arena);
}
END_TEST

/* h[t] = a[e, n] h[t - 1] + x[t, e]; y[t, e] = sum over n; z[t, tile] = sum over n and the lanes of a tile. */
START_TEST(scan_kernels) {
  enum { LANES = 20, TIME = 5, STATES = 4, TILES = 2 };
  Arena *arena = arena_create();
  Kernel *kernel = kernel_begin(arena, LOWER_SCAN);
  kernel_add_axis(kernel, AXIS_LANE, dim_constant(LANES));
  kernel_add_axis(kernel, AXIS_TIME, dim_constant(TIME));
  kernel_add_axis(kernel, AXIS_STATE, dim_constant(STATES));
  Access a = kernel_add_slot(kernel, true), x = kernel_add_slot(kernel, true);
  Access y = kernel_add_slot(kernel, false), z = kernel_add_slot(kernel, false);
  a.stride[0] = dim_constant(STATES);
  a.stride[2] = x.stride[0] = y.stride[0] = z.stride[1] = dim_constant(1);
  x.stride[1] = y.stride[1] = dim_constant(LANES);
  uint32_t decay = kernel_add_load(kernel, a), input = kernel_add_load(kernel, x);
  kernel->recurrence[kernel->recurrence_count++] = (Recurrence){decay, input, EXPR_NO_INITIAL, false, false};
  uint32_t state = kernel_add_expr(kernel, (Expr){.kind = EXPR_STATE, .axes = 7});
  kernel_add_store(kernel, kernel_add_reduction(kernel, REDUCE_SUM, state, 1 << 2), y);
  kernel_add_store(kernel, kernel_add_reduction(kernel, REDUCE_SUM, state, 1 << 2 | 1), z);
  kernel->store[1].tile_stride = dim_constant(TIME);
  double cells = LANES * TIME * STATES;
  check_cost(kernel, (Cost){.adds = 3 * cells,
                            .multiplies = cells,
                            .bytes_read = 4 * (LANES * STATES + TIME * LANES),
                            .bytes_written = 4 * (TIME * LANES + TILES * TIME)});
  arena_destroy(arena);
}
END_TEST

START_TEST(elements_of_ops) {
  ck_assert_double_eq(op_element_cost(OP_ADD).adds, 1);
  ck_assert_double_eq(op_element_cost(OP_DIVIDE).multiplies, 1);
  ck_assert_double_eq(op_element_cost(OP_SIGMOID).transcendentals, 1);
  ck_assert_double_eq(op_element_cost(OP_COPY).adds, 0);
  ck_assert_double_eq(op_element_cost(OP_ADD).bytes_read + op_element_cost(OP_ADD).bytes_written, 0);
  ck_assert_double_gt(op_element_cost(OP_RANDOM_UNIFORM).adds, 1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ir_cost");
  TCase *cases = tcase_create("kernels");
  tcase_add_test(cases, map_kernels);
  tcase_add_test(cases, contract_kernels);
  tcase_add_test(cases, overlapping_accesses);
  tcase_add_test(cases, scan_kernels);
  tcase_add_test(cases, elements_of_ops);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
