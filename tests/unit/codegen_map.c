/* MAP kernels as machine code against kernel_evaluate: every op, broadcasts, strides, guards, reductions of awkward
 * lengths, at every vector width, with items divided in any way. */
#include "tests/kernel_bench.h"
#include "tests/suite_run.h"

#include <stdlib.h>

enum { LENGTH = 37, RANDOM_KERNELS = 60, WIDTHS = 3, MAX_ELEMENTS = 1 << 16 };

static const float ULP = 0x1p-23f;

/* One machine, three widths: LLVM makes several registers of a vector that is wider than the machine's. */
static CodegenOptions width_options(int width) { return (CodegenOptions){.lanes = 4 << width, .verify = true}; }

static void run_and_check(KernelBench *bench, int width) {
  CodegenOptions options = width_options(width);
  bench_reset(bench, NAN);
  bench_run(bench, &options, 2);
  bench_check(bench);
}

/* --- ops ------------------------------------------------------------------------------------------------------ */

static void add_op_kernel(KernelBench *bench, OpCode op, double low, double high, float tolerance) {
  Kernel *kernel = kernel_begin(bench->arena, LOWER_MAP);
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_constant(LENGTH));
  uint32_t operand[3] = {0}, count = op_info(op)->operands_min;
  int64_t counts[4];
  for (uint32_t k = 0; k <= count; k++) counts[k] = LENGTH;
  for (uint32_t k = 0; k < count; k++) {
    Access access = kernel_add_slot(kernel, true);
    access.stride[0] = dim_constant(1);
    operand[k] = kernel_add_load(kernel, access);
  }
  uint32_t value = kernel_add_op(kernel, op, operand[0], operand[1], operand[2]);
  Access result = kernel_add_slot(kernel, false);
  result.stride[0] = dim_constant(1);
  kernel_add_store(kernel, value, result);
  bench_add(bench, kernel, counts, low, high, tolerance);
}

static bool is_positive_only(OpCode op) { return op == OP_LOG || op == OP_SQRT || op == OP_RSQRT; }

START_TEST(every_elementwise_op) {
  Arena *arena = arena_create();
  KernelBench *bench = bench_create(arena);
  for (int op = OP_NONE + 1; op < OP_COUNT; op++)
    if (op_is_elementwise((OpCode)op))
      add_op_kernel(bench, (OpCode)op, is_positive_only((OpCode)op) ? 0.01 : -4, 4, 4 * ULP);
  run_and_check(bench, _i);
  arena_destroy(arena);
}
END_TEST

/* Comparisons of equal values, and a select that is not on a comparison. */
START_TEST(comparisons_and_select) {
  Arena *arena = arena_create();
  KernelBench *bench = bench_create(arena);
  Kernel *kernel = kernel_begin(arena, LOWER_MAP);
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_constant(LENGTH));
  Access a = kernel_add_slot(kernel, true);
  a.stride[0] = dim_constant(1);
  uint32_t x = kernel_add_load(kernel, a), zero = kernel_add_constant(kernel, 0), one = kernel_add_constant(kernel, 1);
  uint32_t clipped = kernel_add_op(kernel, OP_MAXIMUM, x, zero, 0);
  uint32_t value[] = {kernel_add_op(kernel, OP_EQUAL, clipped, zero, 0),
                      kernel_add_op(kernel, OP_LESS_EQUAL, clipped, zero, 0),
                      kernel_add_op(kernel, OP_LESS, clipped, zero, 0),
                      kernel_add_op(kernel, OP_SELECT, clipped, one, x), kernel_add_op(kernel, OP_SIGN, clipped, 0, 0)};
  uint32_t chosen = kernel_add_op(kernel, OP_SELECT, value[1], x, one);
  for (int k = 0; k < 6; k++) {
    Access result = kernel_add_slot(kernel, false);
    result.stride[0] = dim_constant(1);
    kernel_add_store(kernel, k < 5 ? value[k] : chosen, result);
  }
  int64_t counts[] = {LENGTH, LENGTH, LENGTH, LENGTH, LENGTH, LENGTH, LENGTH};
  bench_add(bench, kernel, counts, -1, 1, 0);
  run_and_check(bench, _i);
  arena_destroy(arena);
}
END_TEST

/* --- random kernels ------------------------------------------------------------------------------------------- */

static Dim random_extent(KernelBench *bench, uint32_t axis) {
  static const int64_t EXTENTS[] = {2, 3, 5, 7, 8, 15, 16, 17, 33};
  if (axis == 0 && random_below(&bench->random, 3) == 0) return dim_symbol(1 + random_below(&bench->random, 2), 1);
  return dim_constant(EXTENTS[random_below(&bench->random, sizeof EXTENTS / sizeof *EXTENTS)]);
}

/* A dense array over `axes` in a random order of axes, some of them backwards; returns its element count. Only axes
 * with constant extents may lie within others. */
static int64_t lay_out(KernelBench *bench, const Kernel *kernel, AxisMask axes, bool shuffle, Access *access) {
  uint32_t order[KERNEL_MAX_AXES], count = 0;
  for (uint32_t k = 0; k < kernel->axis_count; k++)
    if (axes >> k & 1) order[count++] = k;
  for (uint32_t k = count; shuffle && k > 2; k--) {
    uint32_t with = 1 + random_below(&bench->random, k - 1), other = order[k - 1];
    order[k - 1] = order[with];
    order[with] = other;
  }
  if (shuffle && count > 1 && dim_is_constant(kernel->axis[order[0]].extent) && random_below(&bench->random, 2)) {
    uint32_t first = order[0];
    order[0] = order[count - 1];
    order[count - 1] = first;
  }
  int64_t size = 1;
  for (uint32_t k = count; k-- > 0;) {
    Dim extent = kernel->axis[order[k]].extent;
    bool backwards = shuffle && dim_is_constant(extent) && random_below(&bench->random, 4) == 0;
    access->stride[order[k]] = dim_constant(backwards ? -size : size);
    if (backwards) access->offset.constant += size * (extent.factor - 1);
    size *= dim_value(extent, bench->symbols);
  }
  return size;
}

/* Reads element index[axis] + shift, 0 outside of the array: padding. */
static void guard_axis(KernelBench *bench, const Kernel *kernel, uint32_t axis, Access *access) {
  int64_t shift = (int64_t)random_below(&bench->random, 7) - 3;
  IndexGuard *guard = &access->guard[access->guard_count++];
  *guard = (IndexGuard){.constant = shift, .extent = kernel->axis[axis].extent};
  guard->coefficient[axis] = 1;
  if (!random_below(&bench->random, 3)) { /* extent - 1 - index + shift */
    if (!dim_is_constant(guard->extent)) return;
    guard->coefficient[axis] = -1;
    guard->constant += guard->extent.factor - 1;
    access->offset.constant += access->stride[axis].factor * (guard->extent.factor - 1);
    access->stride[axis].factor *= -1;
  }
  access->offset.constant += guard->coefficient[axis] * shift * access->stride[axis].factor;
}

static uint32_t random_load(KernelBench *bench, Kernel *kernel, AxisMask all, int64_t *out_count) {
  Access access = kernel_add_slot(kernel, true);
  AxisMask axes = all & (random_next(&bench->random) | random_next(&bench->random));
  *out_count = lay_out(bench, kernel, axes, true, &access);
  for (uint32_t k = 0; k < kernel->axis_count; k++)
    if ((axes >> k & 1) && random_below(&bench->random, 5) == 0 && access.guard_count < 2)
      guard_axis(bench, kernel, k, &access);
  return kernel_add_load(kernel, access);
}

static uint32_t random_body(KernelBench *bench, Kernel *kernel, uint32_t first) {
  static const OpCode OPS[] = {OP_ADD, OP_SUBTRACT, OP_MULTIPLY, OP_MAXIMUM, OP_SIGMOID, OP_TANH, OP_NEGATE, OP_LESS};
  uint32_t value = first;
  for (int k = 0; k < 6; k++) {
    uint32_t other = random_below(&bench->random, kernel->expr_count);
    value = kernel_add_op(kernel, OPS[random_below(&bench->random, sizeof OPS / sizeof *OPS)], value, other, 0);
  }
  return value;
}

static void add_random_kernel(KernelBench *bench) {
  Kernel *kernel = kernel_begin(bench->arena, LOWER_MAP);
  uint32_t parallel = random_below(&bench->random, 4), reduced = random_below(&bench->random, 3);
  for (uint32_t k = 0; k < parallel; k++) kernel_add_axis(kernel, AXIS_PARALLEL, random_extent(bench, k));
  for (uint32_t k = 0; k < reduced; k++) kernel_add_axis(kernel, AXIS_REDUCED, random_extent(bench, parallel ? 1 : k));
  AxisMask all = ((AxisMask)1 << kernel->axis_count) - 1, over = kernel_axes(kernel, AXIS_REDUCED);
  int64_t counts[8] = {0};
  uint32_t value = 0;
  for (int k = 0; k < 3; k++) value = random_load(bench, kernel, all, &counts[k]);
  kernel_add_constant(kernel, 0.375);
  value = random_body(bench, kernel, value);
  uint32_t full = value;
  if (reduced) {
    value = kernel_add_reduction(kernel, REDUCE_SUM, value, over);
    uint32_t most = kernel_add_reduction(kernel, REDUCE_MAX, full, over);
    uint32_t scaled = kernel_add_op(kernel, OP_MULTIPLY, value, kernel_add_constant(kernel, 0.01), 0);
    full = kernel_add_op(kernel, OP_SUBTRACT, full, kernel_add_op(kernel, OP_ADD, scaled, most, 0), 0);
    uint32_t product = kernel_add_op(kernel, OP_MULTIPLY, full, full, 0);
    value = kernel_add_reduction(kernel, REDUCE_SUM, product, over);
  }
  uint32_t slot = 3;
  if (random_below(&bench->random, 2) || !reduced) {
    Access access = kernel_add_slot(kernel, false);
    counts[slot++] = lay_out(bench, kernel, all, true, &access);
    kernel_add_store(kernel, full, access);
  }
  if (reduced) {
    Access access = kernel_add_slot(kernel, false);
    counts[slot++] = lay_out(bench, kernel, all & ~over, false, &access);
    kernel_add_store(kernel, value, access);
  }
  for (uint32_t k = 0; k < slot; k++)
    if (counts[k] > MAX_ELEMENTS) return;
  bench_add(bench, kernel, counts, -1, 1, 2e-5f);
}

static KernelBench *random_bench(Arena *arena, uint64_t seed, int kernels) {
  KernelBench *bench = bench_create(arena);
  bench->random.state = seed;
  for (int k = 0; k < kernels; k++) add_random_kernel(bench);
  return bench;
}

START_TEST(random_kernels) {
  Arena *arena = arena_create();
  run_and_check(random_bench(arena, 1 + (uint64_t)_i, RANDOM_KERNELS), _i);
  arena_destroy(arena);
}
END_TEST

START_TEST(items_divided_in_any_way) {
  static const int64_t PARTS[] = {1, 2, 8};
  Arena *arena = arena_create();
  KernelBench *bench = random_bench(arena, 7, RANDOM_KERNELS / 2);
  CodegenOptions options = width_options(_i);
  size_t count;
  bench_load(bench, &options);
  bench_reset(bench, NAN);
  bench_execute(bench, 0);
  float *expected = bench_outputs(bench, &count);
  for (size_t k = 0; k < sizeof PARTS / sizeof *PARTS; k++) {
    bench_reset(bench, -1);
    bench_execute(bench, PARTS[k]);
    ck_assert_mem_eq(bench_outputs(bench, &count), expected, count * sizeof(float));
  }
  bench_unload(bench);
  arena_destroy(arena);
}
END_TEST

/* The same kernels dealt out over other numbers of modules. */
START_TEST(threads_do_not_change_code) {
  Arena *arena = arena_create();
  KernelBench *bench = random_bench(arena, 9, RANDOM_KERNELS / 4);
  CodegenOptions options = width_options(_i);
  size_t count;
  options.threads = 1;
  bench_run(bench, &options, 1);
  float *expected = bench_outputs(bench, &count);
  options.threads = 3;
  bench_reset(bench, -1);
  bench_run(bench, &options, 1);
  ck_assert_mem_eq(bench_outputs(bench, &count), expected, count * sizeof(float));
  arena_destroy(arena);
}
END_TEST

/* Rows that several work items share, and sums that several column groups of an item share. */
START_TEST(long_rows) {
  static const int64_t LENGTHS[] = {1023, 1024, 1025, 2049, 5000};
  Arena *arena = arena_create();
  KernelBench *bench = bench_create(arena);
  bench->symbols[0] = 1031;
  for (size_t k = 0; k < 4 * (sizeof LENGTHS / sizeof *LENGTHS); k++) {
    bool dynamic = k & 1, sum = k & 2;
    Dim length = dynamic ? dim_symbol((int64_t)k / 4 + 1, 1) : dim_constant(LENGTHS[k / 4]);
    int64_t extent = dim_value(length, bench->symbols);
    Kernel *kernel = kernel_begin(arena, LOWER_MAP);
    kernel_add_axis(kernel, AXIS_PARALLEL, dim_constant(3));
    kernel_add_axis(kernel, AXIS_PARALLEL, length);
    if (sum) kernel_add_axis(kernel, AXIS_REDUCED, dim_constant(5));
    Access x = kernel_add_slot(kernel, true), row = kernel_add_slot(kernel, true), y = kernel_add_slot(kernel, false);
    x.stride[1] = row.stride[1] = y.stride[1] = dim_constant(1);
    x.stride[0] = y.stride[0] = length;
    if (sum) x.stride[2] = dim_symbol(length.factor * 3, length.symbol);
    uint32_t a = kernel_add_load(kernel, x), b = kernel_add_load(kernel, row);
    uint32_t value = kernel_add_op(kernel, OP_ADD, a, b, 0);
    kernel_add_store(kernel, sum ? kernel_add_reduction(kernel, REDUCE_SUM, value, 4) : value, y);
    int64_t counts[] = {3 * extent * (sum ? 5 : 1), extent, 3 * extent};
    bench_add(bench, kernel, counts, -1, 1, 8 * ULP);
  }
  run_and_check(bench, _i);
  arena_destroy(arena);
}
END_TEST

/* y[i, j] = x[j, i] + z[i, j]: blocks, and what they leave at either end. */
START_TEST(transpositions) {
  static const int64_t EXTENTS[][2] = {{8, 8}, {16, 16}, {33, 17}, {17, 40}, {15, 64}, {64, 3}, {100, 31}};
  Arena *arena = arena_create();
  KernelBench *bench = bench_create(arena);
  for (size_t k = 0; k <= sizeof EXTENTS / sizeof *EXTENTS; k++) {
    bool dynamic = k == sizeof EXTENTS / sizeof *EXTENTS;
    bench->symbols[0] = 61;
    Dim rows = dynamic ? dim_symbol(1, 1) : dim_constant(EXTENTS[k][0]);
    int64_t columns = dynamic ? 37 : EXTENTS[k][1];
    Kernel *kernel = kernel_begin(arena, LOWER_MAP);
    kernel_add_axis(kernel, AXIS_PARALLEL, rows);
    kernel_add_axis(kernel, AXIS_PARALLEL, dim_constant(columns));
    Access x = kernel_add_slot(kernel, true), z = kernel_add_slot(kernel, true), y = kernel_add_slot(kernel, false);
    x.stride[0] = z.stride[1] = y.stride[1] = dim_constant(1);
    x.stride[1] = rows;
    z.stride[0] = y.stride[0] = dim_constant(columns);
    uint32_t a = kernel_add_load(kernel, x), b = kernel_add_load(kernel, z);
    kernel_add_store(kernel, kernel_add_op(kernel, OP_ADD, a, b, 0), y);
    int64_t count = dim_value(rows, bench->symbols) * columns, counts[] = {count, count, count};
    bench_add(bench, kernel, counts, -1, 1, ULP);
  }
  run_and_check(bench, _i);
  arena_destroy(arena);
}
END_TEST

/* --- reductions ----------------------------------------------------------------------------------------------- */

/* [rows, length] to [rows] (`inner`) or [length, rows] to [rows]: sum, maximum and sum of squares. */
static void add_reduction_kernel(KernelBench *bench, int64_t rows, Dim length, bool inner) {
  Kernel *kernel = kernel_begin(bench->arena, LOWER_MAP);
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_constant(rows));
  kernel_add_axis(kernel, AXIS_REDUCED, length);
  int64_t extent = dim_value(length, bench->symbols);
  Access access = kernel_add_slot(kernel, true);
  access.stride[0] = inner ? length : dim_constant(1);
  access.stride[1] = dim_constant(inner ? 1 : rows);
  uint32_t x = kernel_add_load(kernel, access);
  uint32_t results[] = {kernel_add_reduction(kernel, REDUCE_SUM, x, 2), kernel_add_reduction(kernel, REDUCE_MAX, x, 2),
                        kernel_add_reduction(kernel, REDUCE_SUM, kernel_add_op(kernel, OP_MULTIPLY, x, x, 0), 2),
                        kernel_add_reduction(kernel, REDUCE_SUM, kernel_add_constant(kernel, 0.5), 2)};
  for (int k = 0; k < 4; k++) {
    Access result = kernel_add_slot(kernel, false);
    result.stride[0] = dim_constant(1);
    kernel_add_store(kernel, results[k], result);
  }
  int64_t counts[] = {rows * extent, rows, rows, rows, rows};
  bench_add(bench, kernel, counts, -1, 1, ULP * (float)(8 + extent / 4));
}

START_TEST(reductions_of_awkward_lengths) {
  static const int64_t LENGTHS[] = {2, 3, 7, 13, 15, 16, 17, 31, 61, 64, 127, 1000};
  static const int64_t BATCHES[] = {1, 5, 16, 61};
  for (size_t b = 0; b < sizeof BATCHES / sizeof *BATCHES; b++) {
    Arena *arena = arena_create();
    KernelBench *bench = bench_create(arena);
    bench->symbols[0] = BATCHES[b];
    for (int inner = 0; inner < 2; inner++) {
      for (size_t k = 0; b == 0 && k < sizeof LENGTHS / sizeof *LENGTHS; k++)
        add_reduction_kernel(bench, 1 + 9 * (int64_t)k, dim_constant(LENGTHS[k]), inner);
      add_reduction_kernel(bench, 19, dim_symbol(1, 1), inner);
      add_reduction_kernel(bench, 3, dim_symbol(7, 1), inner);
    }
    run_and_check(bench, _i);
    arena_destroy(arena);
  }
}
END_TEST

/* Mean, then variance, then the normalised row, over rows of an awkward length, and a softmax beside it. */
START_TEST(chained_reductions) {
  Arena *arena = arena_create();
  KernelBench *bench = bench_create(arena);
  static const int64_t LENGTHS[] = {7, 96, 320};
  for (int n = 0; n < 3; n++) {
    int64_t length = LENGTHS[n];
    Kernel *kernel = kernel_begin(arena, LOWER_MAP);
    kernel_add_axis(kernel, AXIS_PARALLEL, dim_symbol(3, 1));
    kernel_add_axis(kernel, AXIS_REDUCED, dim_constant(length));
    Access access = kernel_add_slot(kernel, true);
    access.stride[0] = dim_constant(length);
    access.stride[1] = dim_constant(1);
    uint32_t x = kernel_add_load(kernel, access);
    uint32_t scale = kernel_add_constant(kernel, 1.0 / (double)length);
    uint32_t mean = kernel_add_op(kernel, OP_MULTIPLY, kernel_add_reduction(kernel, REDUCE_SUM, x, 2), scale, 0);
    uint32_t centred = kernel_add_op(kernel, OP_SUBTRACT, x, mean, 0);
    uint32_t square = kernel_add_op(kernel, OP_MULTIPLY, centred, centred, 0);
    uint32_t variance =
        kernel_add_op(kernel, OP_MULTIPLY, kernel_add_reduction(kernel, REDUCE_SUM, square, 2), scale, 0);
    uint32_t shifted = kernel_add_op(kernel, OP_ADD, variance, kernel_add_constant(kernel, 1e-5), 0);
    uint32_t norm = kernel_add_op(kernel, OP_MULTIPLY, centred, kernel_add_op(kernel, OP_RSQRT, shifted, 0, 0), 0);
    uint32_t most = kernel_add_reduction(kernel, REDUCE_MAX, norm, 2);
    uint32_t power = kernel_add_op(kernel, OP_EXP, kernel_add_op(kernel, OP_SUBTRACT, norm, most, 0), 0, 0);
    uint32_t total = kernel_add_reduction(kernel, REDUCE_SUM, power, 2);
    uint32_t outputs[] = {norm, kernel_add_op(kernel, OP_DIVIDE, power, total, 0)};
    for (int k = 0; k < 2; k++) {
      Access result = kernel_add_slot(kernel, false);
      result.stride[0] = dim_constant(length);
      result.stride[1] = dim_constant(1);
      kernel_add_store(kernel, outputs[k], result);
    }
    int64_t count = length * 3 * bench->symbols[0], counts[] = {count, count, count};
    bench_add(bench, kernel, counts, -2, 3, 2e-6f);
  }
  run_and_check(bench, _i);
  arena_destroy(arena);
}
END_TEST

/* --- numbers that are made --------------------------------------------------------------------------------------- */

START_TEST(random_numbers_and_indices) {
  Arena *arena = arena_create();
  KernelBench *bench = bench_create(arena);
  Kernel *kernel = kernel_begin(arena, LOWER_MAP);
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_symbol(1, 1));
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_constant(LENGTH));
  Access dense = {.stride = {dim_constant(LENGTH), dim_constant(1)}};
  /* A counter beyond 32 bits, whose low word wraps within a row. */
  Access counter = dense;
  counter.offset.constant = (INT64_C(7) << 32) - LENGTH - 11;
  IndexGuard index = {.constant = -3, .coefficient = {10, 2}};
  uint32_t values[] = {kernel_add_expr(kernel, (Expr){.kind = EXPR_RANDOM, .stream = 5, .access = counter, .axes = 3}),
                       kernel_add_expr(kernel, (Expr){.kind = EXPR_INDEX, .index = index, .axes = 3}),
                       kernel_add_expr(kernel, (Expr){.kind = EXPR_EXTENT, .dim = dim_symbol(6, 1)})};
  for (int k = 0; k < 3; k++) {
    dense.slot = kernel_add_slot(kernel, false).slot;
    kernel_add_store(kernel, values[k], dense);
  }
  int64_t count = LENGTH * bench->symbols[0], counts[] = {count, count, count};
  bench_add(bench, kernel, counts, 0, 1, 0);
  run_and_check(bench, _i);
  for (int64_t k = 0; k < count; k++) {
    uint32_t word = random_word(bench->seed, bench->step, 5, (uint64_t)(counter.offset.constant + k), 0);
    ck_assert(bench->data[0][k] == (float)random_unit(word));
  }
  arena_destroy(arena);
}
END_TEST

START_TEST(nothing_is_done_for_an_empty_batch) {
  Arena *arena = arena_create();
  KernelBench *bench = random_bench(arena, 3, 4);
  Kernel *kernel = kernel_begin(arena, LOWER_MAP);
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_symbol(1, 1));
  Access access = kernel_add_slot(kernel, false);
  access.stride[0] = dim_constant(1);
  kernel_add_store(kernel, kernel_add_constant(kernel, 2), access);
  int64_t counts[] = {1};
  bench_add(bench, kernel, counts, 7, 8, 0);
  CodegenOptions options = width_options(_i);
  float *untouched = bench->data[bench->program.buffer_count - 1], before = *untouched;
  bench->symbols[0] = 0;
  bench_run(bench, &options, 2);
  ck_assert(*untouched == before);
  arena_destroy(arena);
}
END_TEST

#if defined(__x86_64__)
#include <xmmintrin.h>

START_TEST(denormals_are_flushed_and_the_mode_restored) {
  Arena *arena = arena_create();
  KernelBench *bench = bench_create(arena);
  Kernel *kernel = kernel_begin(arena, LOWER_MAP);
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_constant(LENGTH));
  Access in = kernel_add_slot(kernel, true), out = kernel_add_slot(kernel, false);
  in.stride[0] = out.stride[0] = dim_constant(1);
  uint32_t x = kernel_add_load(kernel, in), small = kernel_add_constant(kernel, 1e-30);
  kernel_add_store(kernel, kernel_add_op(kernel, OP_MULTIPLY, x, small, 0), out);
  int64_t counts[] = {LENGTH, LENGTH};
  bench_add(bench, kernel, counts, 1e-11, 2e-11, 0);
  CodegenOptions options = width_options(_i);
  unsigned mode = _mm_getcsr();
  bench_reset(bench, NAN);
  bench_run(bench, &options, 2);
  ck_assert_uint_eq(_mm_getcsr() & ~0x3fu, mode & ~0x3fu);
  for (int k = 0; k < LENGTH; k++) ck_assert(bench->data[1][k] == 0);
  arena_destroy(arena);
}
END_TEST
#endif

int main(void) {
  codegen_library(); /* loaded once, before the tests fork */
  Suite *suite = suite_create("codegen_map");
  TCase *cases = tcase_create("map");
  tcase_set_timeout(cases, 300);
  tcase_add_loop_test(cases, every_elementwise_op, 0, WIDTHS);
  tcase_add_loop_test(cases, comparisons_and_select, 0, WIDTHS);
  tcase_add_loop_test(cases, random_kernels, 0, WIDTHS);
  tcase_add_loop_test(cases, items_divided_in_any_way, 0, WIDTHS);
  tcase_add_loop_test(cases, threads_do_not_change_code, 0, WIDTHS);
  tcase_add_loop_test(cases, reductions_of_awkward_lengths, 0, WIDTHS);
  tcase_add_loop_test(cases, chained_reductions, 0, WIDTHS);
  tcase_add_loop_test(cases, long_rows, 0, WIDTHS);
  tcase_add_loop_test(cases, transpositions, 0, WIDTHS);
  tcase_add_loop_test(cases, random_numbers_and_indices, 0, WIDTHS);
  tcase_add_loop_test(cases, nothing_is_done_for_an_empty_batch, 0, WIDTHS);
#if defined(__x86_64__)
  tcase_add_loop_test(cases, denormals_are_flushed_and_the_mode_restored, 0, WIDTHS);
#endif
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
