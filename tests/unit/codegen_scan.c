/* SCAN kernels as machine code against kernel_evaluate: the selective scan forward and backward over awkward shapes,
 * both directions, late recurrences, initial and last states, every vector width; and against themselves: the same bits
 * however the items are divided, and one token at a time. */
#include "tests/kernel_bench.h"
#include "tests/suite_run.h"

#include <stdlib.h>

enum { WIDTHS = 3 };

static const float TOLERANCE = 2e-5f;

static CodegenOptions width_options(int width) { return (CodegenOptions){.lanes = 4 << width, .verify = true}; }

typedef struct ScanShape {
  Dim batch;                       /* factor 1: no such axis */
  int64_t channels, steps, states; /* states 1: no such axis */
  bool reverse, late, initial;
  bool transposed; /* parameters [D][N]: the lanes are strided */
} ScanShape;

static const ScanShape SHAPES[] = {
    {{1, 0}, 16, 5, 4, false, false, false, false},  {{2, 0}, 17, 7, 16, false, false, true, false},
    {{3, 0}, 1, 3, 3, true, false, true, false},     {{1, 1}, 33, 1, 64, false, true, false, false},
    {{1, 0}, 31, 13, 1, false, false, true, true},   {{2, 0}, 48, 4, 70, true, true, true, true},
    {{1, 1}, 15, 11, 5, false, true, true, true},    {{2, 0}, 5, 2, 2, true, false, false, true},
    {{1, 0}, 64, 9, 13, false, false, true, true},   {{2, 0}, 20, 6, 8, true, true, false, false},
    {{1, 0}, 3, 17, 1, true, true, true, false},     {{7, 0}, 16, 3, 9, false, false, false, true},
    {{1, 0}, 19, 3, 256, false, false, true, false},
};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof *SHAPES };

/* A kernel under construction: which loop axis is what (-1: there is none), and the sizes of its slots. */
typedef struct Builder {
  KernelBench *bench;
  Kernel *kernel;
  ScanShape shape;
  int batch, lane, time, state;
  int64_t count[KERNEL_ROOM];
} Builder;

enum { HAS_BATCH = 1, HAS_LANE = 2, HAS_TIME = 4, HAS_STATE = 8, ALL = 15 };

static Builder begin(KernelBench *bench, ScanShape shape) {
  Builder b = {.bench = bench, .kernel = kernel_begin(bench->arena, LOWER_SCAN), .shape = shape};
  int axis = 0;
  b.batch = b.state = -1;
  if (!dim_equal(shape.batch, dim_constant(1))) {
    kernel_add_axis(b.kernel, AXIS_PARALLEL, shape.batch);
    b.batch = axis++;
  }
  kernel_add_axis(b.kernel, AXIS_LANE, dim_constant(shape.channels));
  b.lane = axis++;
  kernel_add_axis(b.kernel, AXIS_TIME, dim_constant(shape.steps));
  b.time = axis++;
  if (shape.states > 1) {
    kernel_add_axis(b.kernel, AXIS_STATE, dim_constant(shape.states));
    b.state = axis;
  }
  return b;
}

/* A dense array [B, T, N, D] of the axes that it has; `state_last`: [B, T, D, N]. */
static Access array(Builder *b, int has, bool state_last, bool read) {
  Access access = kernel_add_slot(b->kernel, read);
  int order[2][4] = {{b->batch, b->time, b->state, b->lane}, {b->batch, b->time, b->lane, b->state}};
  int flag[2][4] = {{HAS_BATCH, HAS_TIME, HAS_STATE, HAS_LANE}, {HAS_BATCH, HAS_TIME, HAS_LANE, HAS_STATE}};
  int64_t size = 1;
  for (int k = 4; k-- > 0;) {
    int axis = order[state_last][k];
    if (axis < 0 || !(has & flag[state_last][k])) continue;
    access.stride[axis] = dim_constant(size);
    size *= dim_value(b->kernel->axis[axis].extent, b->bench->symbols);
  }
  b->count[access.slot] = size;
  return access;
}

static uint32_t load(Builder *b, int has, bool state_last) {
  return kernel_add_load(b->kernel, array(b, has, state_last, true));
}

static void store(Builder *b, uint32_t expr, int has) {
  kernel_add_store(b->kernel, expr, array(b, has, false, false));
}

static void store_last(Builder *b, uint32_t expr) {
  store(b, expr, HAS_BATCH | HAS_LANE | HAS_STATE);
  b->kernel->store[b->kernel->store_count - 1].when = STORE_LAST;
}

static uint32_t op(Builder *b, OpCode code, uint32_t x, uint32_t y) { return kernel_add_op(b->kernel, code, x, y, 0); }
static uint32_t times(Builder *b, uint32_t x, uint32_t y) { return op(b, OP_MULTIPLY, x, y); }

static AxisMask mask(const Builder *b, int has) {
  AxisMask axes = 0;
  int axis[] = {b->batch, b->lane, b->time, b->state};
  for (int k = 0; k < 4; k++)
    if (has >> k & 1 && axis[k] >= 0) axes |= 1u << axis[k];
  return axes;
}

static uint32_t add_recurrence(Builder *b, Recurrence recurrence) {
  b->kernel->recurrence[b->kernel->recurrence_count] = recurrence;
  return b->kernel->recurrence_count++;
}

static uint32_t read_state(Builder *b, ExprKind kind, uint32_t which) {
  const Recurrence *r = &b->kernel->recurrence[which];
  AxisMask axes = b->kernel->expr[r->decay].axes | b->kernel->expr[r->input].axes | mask(b, HAS_TIME);
  if (r->initial != EXPR_NO_INITIAL) axes |= b->kernel->expr[r->initial].axes;
  return kernel_add_expr(b->kernel, (Expr){.kind = kind, .which = which, .axes = axes});
}

/* The sum over STATE, or the value itself where there is one state. */
static uint32_t sum_states(Builder *b, uint32_t expr) {
  return b->state < 0 ? expr : kernel_add_reduction(b->kernel, REDUCE_SUM, expr, mask(b, HAS_STATE));
}

/* A sum over lanes (and more) is stored tile by tile: [tiles][the axes that are left]. */
static void store_lane_sum(Builder *b, uint32_t expr, int over) {
  uint32_t sum = kernel_add_reduction(b->kernel, REDUCE_SUM, expr, mask(b, over | HAS_LANE));
  Access access = array(b, ALL & ~(over | HAS_LANE), false, false);
  int64_t one = b->count[access.slot];
  b->count[access.slot] = one * ((b->shape.channels + SCAN_TILE - 1) / SCAN_TILE);
  kernel_add_store(b->kernel, sum, access);
  b->kernel->store[b->kernel->store_count - 1].tile_stride = dim_constant(one);
}

static void finish(Builder *b) { bench_add(b->bench, b->kernel, b->count, -1, 1, TOLERANCE); }

/* What forward and backward share. */
typedef struct Selective {
  uint32_t a, dt, u, b, c, initial, decay, step, input;
} Selective;

static Selective selective(Builder *b) {
  Selective s = {.initial = EXPR_NO_INITIAL};
  const int token = HAS_BATCH | HAS_LANE | HAS_TIME, group = HAS_BATCH | HAS_TIME | HAS_STATE;
  uint32_t a = load(b, HAS_LANE | HAS_STATE, b->shape.transposed);
  s.dt = op(b, OP_SOFTPLUS, load(b, token, false), 0);
  s.u = load(b, token, false);
  s.b = load(b, group, false);
  s.c = load(b, group, false);
  if (b->shape.initial) s.initial = load(b, HAS_BATCH | HAS_LANE | HAS_STATE, b->shape.transposed);
  s.a = op(b, OP_NEGATE, op(b, OP_EXP, a, 0), 0);
  s.decay = op(b, OP_EXP, times(b, s.dt, s.a), 0);
  s.step = times(b, s.dt, s.u);
  s.input = times(b, s.step, s.b);
  return s;
}

static void add_forward(KernelBench *bench, ScanShape shape) {
  Builder b = begin(bench, shape);
  Selective s = selective(&b);
  uint32_t skip = load(&b, HAS_LANE, false), gate = load(&b, HAS_BATCH | HAS_LANE | HAS_TIME, false);
  uint32_t r = add_recurrence(&b, (Recurrence){s.decay, s.input, s.initial, shape.reverse, shape.late});
  uint32_t h = read_state(&b, EXPR_STATE, r);
  uint32_t y = op(&b, OP_ADD, sum_states(&b, times(&b, h, s.c)), times(&b, skip, s.u));
  store(&b, times(&b, y, op(&b, OP_SIGMOID, gate, 0)), HAS_BATCH | HAS_LANE | HAS_TIME);
  store_last(&b, h);
  finish(&b);
}

/* Everything that the gradient of a selective scan asks for. */
static void add_backward(KernelBench *bench, ScanShape shape) {
  Builder b = begin(bench, shape);
  Selective s = selective(&b);
  const int token = HAS_BATCH | HAS_LANE | HAS_TIME;
  uint32_t dy = load(&b, token, false);
  uint32_t forward = add_recurrence(&b, (Recurrence){s.decay, s.input, s.initial, shape.reverse, false});
  uint32_t h = read_state(&b, EXPR_STATE, forward), before = read_state(&b, EXPR_PREVIOUS, forward);
  uint32_t seed = times(&b, dy, s.c);
  uint32_t backward = add_recurrence(&b, (Recurrence){s.decay, seed, EXPR_NO_INITIAL, !shape.reverse, true});
  uint32_t g = read_state(&b, EXPR_STATE, backward);
  uint32_t through = times(&b, times(&b, g, before), s.decay);
  store(&b, sum_states(&b, times(&b, g, s.b)), token);
  store(&b, sum_states(&b, times(&b, through, s.a)), token);
  uint32_t da = kernel_add_reduction(b.kernel, REDUCE_SUM, times(&b, through, s.dt), mask(&b, HAS_TIME));
  store(&b, da, HAS_BATCH | HAS_LANE | HAS_STATE);
  store_lane_sum(&b, times(&b, g, s.step), 0);
  store_lane_sum(&b, times(&b, h, dy), 0);
  store_last(&b, g);
  finish(&b);
}

static void run_and_check(KernelBench *bench, int width) {
  CodegenOptions options = width_options(width);
  bench_reset(bench, NAN);
  bench_run(bench, &options, 3);
  bench_check(bench);
}

START_TEST(forward_shapes) {
  Arena *arena = arena_create();
  KernelBench *bench = bench_create(arena);
  for (int k = 0; k < SHAPE_COUNT; k++) add_forward(bench, SHAPES[k]);
  run_and_check(bench, _i);
  arena_destroy(arena);
}
END_TEST

START_TEST(backward_shapes) {
  Arena *arena = arena_create();
  KernelBench *bench = bench_create(arena);
  for (int k = 0; k < SHAPE_COUNT; k++) add_backward(bench, SHAPES[k]);
  run_and_check(bench, _i);
  arena_destroy(arena);
}
END_TEST

/* A scan that stands alone: loads and stores over all axes, nothing to sum; and its previous states. */
START_TEST(plain_scan) {
  Arena *arena = arena_create();
  KernelBench *bench = bench_create(arena);
  for (int k = 0; k < SHAPE_COUNT; k++) {
    Builder b = begin(bench, SHAPES[k]);
    uint32_t decay = load(&b, ALL, SHAPES[k].transposed), input = load(&b, ALL, false), initial = EXPR_NO_INITIAL;
    if (SHAPES[k].initial) initial = load(&b, HAS_BATCH | HAS_LANE | HAS_STATE, false);
    uint32_t r = add_recurrence(&b, (Recurrence){decay, input, initial, SHAPES[k].reverse, SHAPES[k].late});
    store(&b, read_state(&b, EXPR_STATE, r), ALL);
    store(&b, read_state(&b, EXPR_PREVIOUS, r), ALL);
    store_last(&b, read_state(&b, EXPR_PREVIOUS, r));
    finish(&b);
  }
  run_and_check(bench, _i);
  arena_destroy(arena);
}
END_TEST

/* Both directions at once, each summed over the states, then joined; a second recurrence on the sums of the first. */
START_TEST(joined_scans) {
  Arena *arena = arena_create();
  KernelBench *bench = bench_create(arena);
  for (int k = 0; k < SHAPE_COUNT; k++) {
    const int token = HAS_BATCH | HAS_LANE | HAS_TIME;
    Builder b = begin(bench, SHAPES[k]);
    Selective s = selective(&b);
    uint32_t there = add_recurrence(&b, (Recurrence){s.decay, s.input, s.initial, SHAPES[k].reverse, SHAPES[k].late});
    uint32_t y = sum_states(&b, times(&b, read_state(&b, EXPR_STATE, there), s.c));
    uint32_t squashed = op(&b, OP_TANH, y, 0);
    uint32_t second = add_recurrence(
        &b, (Recurrence){s.decay, times(&b, squashed, s.b), EXPR_NO_INITIAL, SHAPES[k].reverse, SHAPES[k].late});
    uint32_t z = sum_states(&b, times(&b, read_state(&b, EXPR_STATE, second), read_state(&b, EXPR_PREVIOUS, there)));
    uint32_t back = add_recurrence(&b, (Recurrence){s.decay, s.input, s.initial, !SHAPES[k].reverse, SHAPES[k].late});
    uint32_t w = sum_states(&b, times(&b, read_state(&b, EXPR_STATE, back), s.c));
    store(&b, op(&b, OP_ADD, op(&b, OP_ADD, y, z), w), token);
    store(&b, s.a, HAS_LANE | HAS_STATE);
    store_lane_sum(&b, times(&b, w, y), HAS_TIME | HAS_STATE);
    store_lane_sum(&b, times(&b, read_state(&b, EXPR_STATE, there), s.u), HAS_STATE);
    store_lane_sum(&b, times(&b, read_state(&b, EXPR_STATE, back), s.u), HAS_TIME);
    uint32_t top = kernel_add_reduction(b.kernel, REDUCE_MAX, y, mask(&b, HAS_TIME));
    store(&b, top, HAS_BATCH | HAS_LANE | (b.state < 0 ? HAS_STATE : 0));
    finish(&b);
  }
  run_and_check(bench, _i);
  arena_destroy(arena);
}
END_TEST

/* More sums over the states than there are registers for: h, h decay, h decay^2, ... */
START_TEST(many_sums) {
  enum { SUMS = 17 };
  Arena *arena = arena_create();
  KernelBench *bench = bench_create(arena);
  Builder b = begin(bench, (ScanShape){{1, 1}, 21, 3, 9, false, false, false, false});
  uint32_t decay = load(&b, ALL, false), input = load(&b, ALL, false);
  uint32_t r = add_recurrence(&b, (Recurrence){decay, input, EXPR_NO_INITIAL, false, false});
  uint32_t term = read_state(&b, EXPR_STATE, r), total = sum_states(&b, term);
  for (int k = 1; k < SUMS; k++) {
    term = times(&b, term, decay);
    total = op(&b, OP_ADD, total, sum_states(&b, term));
  }
  store(&b, total, HAS_BATCH | HAS_LANE | HAS_TIME);
  finish(&b);
  run_and_check(bench, _i);
  arena_destroy(arena);
}
END_TEST

START_TEST(division_of_items_does_not_show) {
  Arena *arena = arena_create();
  KernelBench *bench = bench_create(arena);
  for (int k = 0; k < SHAPE_COUNT; k++) add_forward(bench, SHAPES[k]), add_backward(bench, SHAPES[k]);
  CodegenOptions options = width_options(_i);
  bench_load(bench, &options);
  bench_reset(bench, NAN);
  bench_execute(bench, 0);
  size_t count = 0;
  const float *whole = bench_outputs(bench, &count);
  for (int64_t parts = 2; parts < 9; parts += 3) {
    bench_reset(bench, NAN);
    bench_execute(bench, parts);
    ck_assert_mem_eq(whole, bench_outputs(bench, &count), count * sizeof(float));
  }
  bench_unload(bench);
  arena_destroy(arena);
}
END_TEST

/* Slots of add_forward, in its order. */
enum { SLOT_A, SLOT_DT, SLOT_U, SLOT_B, SLOT_C, SLOT_INITIAL, SLOT_SKIP, SLOT_GATE, SLOT_Y, SLOT_LAST };

/* A scan over all steps, then the same in pieces of one step, each from the state that the one before has left. */
START_TEST(one_token_at_a_time) {
  enum { CHANNELS = 37, STEPS = 9, STATES = 11 };
  ScanShape shape = {{1, 0}, CHANNELS, STEPS, STATES, false, false, true, false};
  Arena *arena = arena_create();
  KernelBench *whole = bench_create(arena), *single = bench_create(arena);
  CodegenOptions options = width_options(_i);
  add_forward(whole, shape);
  shape.steps = 1;
  add_forward(single, shape);
  bench_run(whole, &options, 0);
  bench_load(single, &options);
  const BufferId *a = whole->program.launch[0].argument, *s = single->program.launch[0].argument;
  const int constant[] = {SLOT_A, SLOT_SKIP, SLOT_INITIAL};
  const int64_t constant_size[] = {CHANNELS * STATES, CHANNELS, CHANNELS * STATES};
  const int streamed[] = {SLOT_DT, SLOT_U, SLOT_GATE, SLOT_B, SLOT_C};
  const int64_t streamed_size[] = {CHANNELS, CHANNELS, CHANNELS, STATES, STATES};
  for (int k = 0; k < 3; k++)
    memcpy(single->data[s[constant[k]]], whole->data[a[constant[k]]], (size_t)constant_size[k] * sizeof(float));
  for (int64_t t = 0; t < STEPS; t++) {
    for (int k = 0; k < 5; k++)
      memcpy(single->data[s[streamed[k]]], whole->data[a[streamed[k]]] + t * streamed_size[k],
             (size_t)streamed_size[k] * sizeof(float));
    bench_execute(single, 0);
    ck_assert_mem_eq(single->data[s[SLOT_Y]], whole->data[a[SLOT_Y]] + t * CHANNELS, CHANNELS * sizeof(float));
    memcpy(single->data[s[SLOT_INITIAL]], single->data[s[SLOT_LAST]], CHANNELS * STATES * sizeof(float));
  }
  ck_assert_mem_eq(single->data[s[SLOT_LAST]], whole->data[a[SLOT_LAST]], CHANNELS * STATES * sizeof(float));
  bench_unload(single);
  arena_destroy(arena);
}
END_TEST

int main(void) {
  codegen_library(); /* loaded once, before the tests fork */
  Suite *suite = suite_create("codegen_scan");
  TCase *test_case = tcase_create("scan");
  tcase_set_timeout(test_case, 600);
  tcase_add_loop_test(test_case, forward_shapes, 0, WIDTHS);
  tcase_add_loop_test(test_case, plain_scan, 0, WIDTHS);
  tcase_add_loop_test(test_case, backward_shapes, 0, WIDTHS);
  tcase_add_loop_test(test_case, joined_scans, 0, WIDTHS);
  tcase_add_loop_test(test_case, many_sums, 0, WIDTHS);
  tcase_add_loop_test(test_case, division_of_items_does_not_show, 0, WIDTHS);
  tcase_add_loop_test(test_case, one_token_at_a_time, 0, WIDTHS);
  suite_add_tcase(suite, test_case);
  return suite_run(suite);
}
