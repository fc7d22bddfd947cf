/* CONTRACT kernels as machine code against kernel_evaluate: every awkward size, axes that merge and that
 * do not, symbolic rows and terms, views, windows, epilogues, every vector width; and against themselves: the same bits
 * however the items are divided, and the same values at every width. */
#include "tests/kernel_bench.h"
#include "tests/suite_run.h"

#include <ctype.h>
#include <stdlib.h>

enum { WIDTHS = 3, MOST = 11 }; /* the largest batch that is run */

typedef enum Epilogue { PLAIN, BIASED, RICH } Epilogue;

/* A kernel: a letter an axis, B a symbol. An array lists its axes, outermost first; a capital runs backwards, and + has
 * every other element of the axis before it. */
typedef struct Product {
  const char *parallel, *reduced;
  Dim extent[8]; /* of the parallel, then the reduced axes */
  const char *left, *right, *result;
  Epilogue epilogue;
} Product;

#define B1 \
  { 1, 1 }
#define N(extent) \
  { extent, 0 }

static const Product PRODUCTS[] = {
    /* rows and batches that merge, and that do not */
    {"abmn", "k", {N(2), N(3), N(7), N(17), N(5)}, "abmk", "abkn", "abmn", BIASED},
    {"abmn", "k", {N(2), N(3), N(7), N(17), N(5)}, "abmk", "bakn", "abmn", RICH},
    {"btn", "k", {B1, N(9), N(33), N(20)}, "btk", "kn", "btn", PLAIN},
    {"btn", "k", {B1, N(9), N(33), N(20)}, "tbk", "kn", "btn", RICH},
    {"btn", "k", {B1, N(100), N(36), N(20)}, "btk", "kn", "btn", BIASED},
    {"tbn", "k", {N(3), B1, N(16), N(6)}, "tbk", "kn", "btn", PLAIN},
    {"lmn", "k", {N(4), N(31), N(15), N(7)}, "lmk", "kn", "lmn", RICH},
    {"lmn", "k", {N(3), N(60), N(15), N(7)}, "lmk", "kn", "lmn", PLAIN},
    {"bmn", "k", {B1, N(6), N(40), N(9)}, "bmk", "bkn", "bmn", BIASED},
    {"bn", "k", {B1, N(40), N(9)}, "bk", "bkn", "bn", RICH},
    /* columns and terms of several axes */
    {"muv", "k", {N(15), N(3), N(11), N(6)}, "mk", "kuv", "muv", BIASED},
    {"muv", "k", {N(15), N(3), N(11), N(6)}, "mk", "vku", "muv", PLAIN},
    {"muv", "k", {N(15), N(3), N(11), N(6)}, "mk", "kuv", "umv", RICH},
    {"mn", "xy", {N(16), N(32), N(5), N(7)}, "mxy", "xyn", "mn", PLAIN},
    {"mn", "xy", {N(16), N(32), N(5), N(7)}, "myx", "xyn", "mn", RICH},
    {"mn", "xyz", {N(6), N(19), N(2), N(7), N(3)}, "mxyz", "yxzn", "mn", BIASED},
    {"bmn", "xy", {N(3), N(31), N(48), N(5), N(7)}, "xbmy", "bxyn", "mbn", BIASED},
    /* long sums, cut and not */
    {"mn", "k", {N(9), N(20), N(1500)}, "mk", "kn", "mn", PLAIN},
    {"mn", "k", {N(33), N(70), N(1030)}, "mk", "kn", "mn", BIASED},
    {"mn", "xy", {N(5), N(18), N(40), N(30)}, "myx", "xyn", "mn", PLAIN},
    {"mn", "bt", {N(33), N(40), B1, N(100)}, "btm", "btn", "mn", PLAIN},
    {"mn", "bt", {N(17), N(100), B1, N(100)}, "btm", "btn", "mn", RICH},
    {"mn", "bt", {N(7), N(33), B1, N(60)}, "tbm", "btn", "nm", BIASED},
    {"mn", "xyz", {N(33), N(40), N(5), N(14), N(30)}, "xzym", "xyzn", "mn", PLAIN},
    {"mn", "bxy", {N(20), N(33), B1, N(7), N(9)}, "bxym", "byxn", "mn", RICH},
    {"mn", "xb", {N(20), N(33), N(70), B1}, "bxm", "xbn", "mn", BIASED},
    {"mn", "b", {N(193), N(130), B1}, "bm", "bn", "mn", PLAIN}, /* blocks of many tiles */
    /* a packed left operand, shared by panels; the last ones are fewer, narrower, lower */
    {"mn", "b", {N(300), N(330), {90, 1}}, "bm", "bn", "mn", RICH},
    {"mn", "k", {N(257), N(34), N(1030)}, "km", "nk", "nm", PLAIN},
    {"mn", "k", {N(300), N(40), N(70)}, "km", "kn", "mn", RICH},
    {"mn", "k", {N(45), N(75), N(709)}, "mk", "kn", "mn", BIASED},
    {"mn", "b", {N(61), N(43), {30, 1}}, "mb", "bn", "mn", PLAIN},
    /* a narrow last panel with taller tiles */
    {"mn", "k", {N(196), N(148), N(5)}, "mk", "kn", "mn", BIASED},
    {"bmn", "k", {B1, N(203), N(20), N(5)}, "bmk", "kn", "bmn", RICH},
    {"mn", "k", {N(299), N(42), N(37)}, "km", "kn", "mn", PLAIN},
    {"n", "b", {N(33), B1}, "b", "bn", "n", BIASED},
    {"mn", "b", {N(31), N(5), {7, 1}}, "mb", "nb", "mn", RICH},
    /* symbolic columns */
    {"mn", "k", {N(7), {3, 1}, N(12)}, "mk", "kn", "mn", BIASED},
    {"mn", "k", {N(32), {3, 1}, N(12)}, "mk", "nk", "nm", RICH},
    /* transposed */
    {"mn", "k", {N(33), N(17), N(31)}, "km", "kn", "mn", PLAIN},
    {"mn", "k", {N(33), N(17), N(31)}, "mk", "nk", "mn", BIASED},
    {"mn", "k", {N(5), N(17), N(31)}, "mk", "nk", "mn", RICH},
    {"mn", "k", {N(33), N(17), N(31)}, "km", "nk", "nm", RICH},
    {"mn", "k", {N(33), N(100), N(31)}, "mk", "kn", "nm", PLAIN},
    /* strided and backwards */
    {"mn", "k", {N(17), N(33), N(15)}, "m+k", "k+n", "mn", PLAIN},
    {"mn", "k", {N(17), N(33), N(15)}, "mk+", "kn+", "mn", BIASED},
    {"mn", "k", {N(17), N(33), N(15)}, "mk", "kn", "mn+", RICH},
    {"mn", "k", {N(17), N(33), N(15)}, "Mk", "Kn", "mn", RICH},
    {"mn", "k", {N(17), N(33), N(15)}, "mK", "kN", "Mn", BIASED},
    {"mn", "k", {N(17), N(33), N(15)}, "M+K+", "N+K+", "mN", PLAIN},
    {"bmn", "k", {B1, N(6), N(18), N(4)}, "Bm+k", "bkn", "bmn", RICH},
    /* no terms; no columns; vectors along what both factors have; an axis that neither has */
    {"mn", "", {N(7), N(33)}, "m", "n", "mn", RICH},
    {"bmn", "", {B1, N(6), N(20)}, "bm", "bn", "bmn", BIASED},
    {"bn", "", {N(5), N(16)}, "b", "bn", "bn", PLAIN},
    {"n", "k", {N(1), N(37)}, "k", "kn", "n", PLAIN},
    {"n", "", {N(1)}, "", "n", "n", RICH},
    {"cmn", "k", {N(20), N(3), N(2), N(4)}, "mkc", "knc", "mnc", RICH},
    {"cbn", "k", {N(34), B1, N(2), N(4)}, "bkc", "knc", "bnc", BIASED},
    {"mnz", "k", {N(6), N(5), N(18), N(7)}, "mk", "kn", "mnz", BIASED},
};
enum { PRODUCT_COUNT = sizeof PRODUCTS / sizeof *PRODUCTS };

/* A kernel under construction. */
typedef struct Builder {
  KernelBench *bench;
  Kernel *kernel;
  char letters[KERNEL_MAX_AXES + 1];
  int64_t count[KERNEL_ROOM]; /* elements, by slot */
} Builder;

static Builder begin(KernelBench *bench, LoweringKind family, const char *parallel, const char *reduced,
                     const Dim *extent) {
  Builder b = {.bench = bench, .kernel = kernel_begin(bench->arena, family)};
  size_t count = strlen(parallel);
  memcpy(b.letters, parallel, count);
  memcpy(b.letters + count, reduced, strlen(reduced));
  for (size_t k = 0; b.letters[k]; k++) kernel_add_axis(b.kernel, k < count ? AXIS_PARALLEL : AXIS_REDUCED, extent[k]);
  return b;
}

static int axis_of(const Builder *b, char letter) {
  const char *found = strchr(b->letters, tolower((unsigned char)letter));
  ck_assert_ptr_nonnull(found);
  return (int)(found - b->letters);
}

static void add_dim(Linear *linear, Dim dim, int64_t times) {
  if (dim_is_constant(dim))
    linear->constant += times * dim.factor;
  else
    linear->per_symbol[dim.symbol - 1] += times * dim.factor;
}

static Dim product_of(Dim a, Dim b) {
  Dim product;
  ck_assert(dim_multiply(a, b, &product));
  return product;
}

static Access array(Builder *b, const char *layout, bool read) {
  Access access = kernel_add_slot(b->kernel, read);
  Dim size = dim_constant(1);
  for (size_t k = strlen(layout); k-- > 0;) {
    bool every_other = layout[k] == '+';
    if (every_other) k--;
    int axis = axis_of(b, layout[k]);
    Dim step = every_other ? product_of(size, dim_constant(2)) : size;
    Dim whole = product_of(step, b->kernel->axis[axis].extent);
    if (every_other) add_dim(&access.offset, size, 1);
    access.stride[axis] = step;
    if (isupper((unsigned char)layout[k])) {
      access.stride[axis].factor *= -1;
      add_dim(&access.offset, whole, 1);
      add_dim(&access.offset, step, -1);
    }
    size = whole;
  }
  b->count[access.slot] = dim_value(size, b->bench->symbols);
  return access;
}

static uint32_t load(Builder *b, const char *layout) { return kernel_add_load(b->kernel, array(b, layout, true)); }
static uint32_t op(Builder *b, OpCode code, uint32_t x, uint32_t y) { return kernel_add_op(b->kernel, code, x, y, 0); }

/* What is made of the sums: `parallel` are the axes, `result` is how they are stored. */
static void finish(Builder *b, const char *parallel, const char *result, Epilogue epilogue) {
  size_t rank = strlen(parallel);
  char backwards[KERNEL_MAX_AXES + 1] = {0};
  for (size_t k = 0; k < rank; k++) backwards[k] = parallel[rank - 1 - k];
  const char *column = parallel + rank - 1;
  char first[2] = {*parallel};
  AxisMask axes = kernel_axes(b->kernel, AXIS_PARALLEL);
  uint32_t bias = epilogue == PLAIN ? 0 : load(b, column);
  uint32_t scale = epilogue == RICH ? load(b, first) : 0, residual = epilogue == RICH ? load(b, parallel) : 0;
  uint32_t turned = epilogue == RICH ? load(b, backwards) : 0, everywhere = epilogue == RICH ? load(b, "") : 0;
  uint32_t sum = kernel_add_expr(b->kernel, (Expr){.kind = EXPR_PRODUCT, .axes = axes});
  uint32_t value = sum;
  if (epilogue == BIASED) value = op(b, OP_MAXIMUM, op(b, OP_ADD, sum, bias), kernel_add_constant(b->kernel, -0.25));
  if (epilogue == RICH) {
    uint32_t gate = op(b, OP_SIGMOID, op(b, OP_MULTIPLY, sum, kernel_add_constant(b->kernel, 0.125)), 0);
    uint32_t scaled = op(b, OP_ADD, op(b, OP_MULTIPLY, gate, scale), op(b, OP_MULTIPLY, bias, turned));
    value = op(b, OP_ADD, scaled, op(b, OP_MULTIPLY, residual, everywhere));
  }
  kernel_add_store(b->kernel, value, array(b, result, false));
  if (epilogue == RICH) {
    kernel_add_store(b->kernel, sum, array(b, backwards, false));
    kernel_add_store(b->kernel, op(b, OP_EXP, op(b, OP_NEGATE, bias, 0), 0), array(b, parallel, false));
  }
  double terms = 1;
  for (uint32_t k = 0; k < b->kernel->axis_count; k++)
    if (b->kernel->axis[k].role == AXIS_REDUCED)
      terms *= (double)dim_value(b->kernel->axis[k].extent, b->bench->symbols);
  bench_add(b->bench, b->kernel, b->count, -1, 1, (float)(1e-6 * (4 + sqrt(terms))));
}

static void add_product(KernelBench *bench, const Product *product) {
  Builder b = begin(bench, LOWER_CONTRACT, product->parallel, product->reduced, product->extent);
  b.kernel->left = load(&b, product->left);
  b.kernel->right = load(&b, product->right);
  finish(&b, product->parallel, product->result, product->epilogue);
}

static CodegenOptions width_options(int width) { return (CodegenOptions){.lanes = 4 << width, .verify = true}; }

static KernelBench *begin_bench(Arena *arena) {
  KernelBench *bench = bench_create(arena);
  bench->symbols[0] = MOST;
  return bench;
}

/* At several batches, the largest last: buffers are of its size. */
static void check_batches(KernelBench *bench) {
  static const int64_t BATCHES[] = {1, 4, MOST};
  for (int k = 0; k < 3; k++) {
    bench->symbols[0] = BATCHES[k];
    bench_reset(bench, NAN);
    bench_execute(bench, 0);
    bench_check(bench);
  }
}

/* However the items are divided, the bits are those of what was just run. */
static void check_divisions(KernelBench *bench) {
  static const int64_t PARTS[] = {1, 2, 3, 8};
  size_t count = 0;
  const float *whole = bench_outputs(bench, &count);
  for (int k = 0; k < 4; k++) {
    bench_reset(bench, NAN);
    bench_execute(bench, PARTS[k]);
    ck_assert_mem_eq(whole, bench_outputs(bench, &count), count * sizeof(float));
  }
}

static void check_all(KernelBench *bench) {
  const float *result[WIDTHS];
  size_t count = 0;
  for (int width = 0; width < WIDTHS; width++) {
    CodegenOptions options = width_options(width);
    bench_load(bench, &options);
    check_batches(bench);
    check_divisions(bench);
    result[width] = bench_outputs(bench, &count);
    bench_unload(bench);
  }
  for (int width = 1; width < WIDTHS; width++)
    for (size_t k = 0; k < count; k++) {
      float expected = result[0][k], found = result[width][k];
      if (isnan(expected) && isnan(found)) continue; /* between the elements of a strided result */
      ck_assert(fabsf(found - expected) <= 5e-5f * (1 + fabsf(expected)));
    }
}

/* Every pair of row and column counts at one of the widths, every term count at all of them. */
START_TEST(sizes) {
  static const int64_t SIZES[] = {1, 2, 5, 6, 7, 15, 16, 17, 31, 32, 33, 100, 600};
  enum { TERM_SIZES = sizeof SIZES / sizeof *SIZES, ROW_SIZES = TERM_SIZES - 1 };
  Arena *arena = arena_create();
  KernelBench *bench = begin_bench(arena);
  int turn = 0;
  for (int m = 0; m < ROW_SIZES; m++)
    for (int n = (_i + m) % WIDTHS; n < ROW_SIZES; n += WIDTHS) {
      int64_t terms = SIZES[turn++ % TERM_SIZES];
      Product product = {.parallel = m ? "mn" : "n",
                         .reduced = terms > 1 ? "k" : "",
                         .left = m ? (terms > 1 ? "mk" : "m") : (terms > 1 ? "k" : ""),
                         .right = terms > 1 ? "kn" : "n",
                         .result = m ? "mn" : "n",
                         .epilogue = (Epilogue)(turn % 3)};
      int axis = 0;
      if (m) product.extent[axis++] = dim_constant(SIZES[m]);
      product.extent[axis++] = dim_constant(SIZES[n]);
      product.extent[axis] = dim_constant(terms);
      add_product(bench, &product);
    }
  bench->symbols[0] = 1;
  CodegenOptions options = width_options(_i);
  bench_reset(bench, NAN);
  bench_run(bench, &options, 3);
  bench_check(bench);
  arena_destroy(arena);
}
END_TEST

START_TEST(layouts) {
  Arena *arena = arena_create();
  KernelBench *bench = begin_bench(arena);
  for (int k = 0; k < PRODUCT_COUNT; k++) add_product(bench, &PRODUCTS[k]);
  check_all(bench);
  arena_destroy(arena);
}
END_TEST

/* --- windows -------------------------------------------------------------------------------------------------- */

/* One axis of a padded convolution: result t and tap w read sample step * t + w - padding, or, flipped, t - w +
 * padding, where there is such a sample. */
typedef struct Window {
  int64_t samples, taps, padding, step;
  bool flip;
} Window;

static int64_t window_results(const Window *w) { return (w->samples + 2 * w->padding - w->taps) / w->step + 1; }

static void window_axis(const Builder *b, Access *access, const Window *window, char result, char tap, int64_t stride) {
  int t = axis_of(b, result), w = axis_of(b, tap), sign = window->flip ? -1 : 1;
  IndexGuard *guard = &access->guard[access->guard_count++];
  *guard = (IndexGuard){.constant = -sign * window->padding, .extent = dim_constant(window->samples)};
  guard->coefficient[t] = window->step;
  guard->coefficient[w] = sign;
  access->stride[t] = dim_constant(window->step * stride);
  access->stride[w] = dim_constant(sign * stride);
  access->offset.constant += guard->constant * stride;
}

/* y[b, t, f] = sum over taps and channels of x[b, sample, c] * weight[w, c, f]. */
static void add_convolution(KernelBench *bench, const Window *w, int64_t channels, int64_t filters, Epilogue epilogue) {
  Dim extent[] = {B1, N(window_results(w)), N(filters), N(w->taps), N(channels)};
  Builder b = begin(bench, LOWER_CONTRACT, "btf", "wc", extent);
  Access x = kernel_add_slot(b.kernel, true);
  window_axis(&b, &x, w, 't', 'w', channels);
  x.stride[axis_of(&b, 'b')] = dim_constant(w->samples * channels);
  x.stride[axis_of(&b, 'c')] = dim_constant(1);
  b.count[x.slot] = MOST * w->samples * channels;
  b.kernel->left = kernel_add_load(b.kernel, x);
  b.kernel->right = load(&b, "wcf");
  finish(&b, "btf", "btf", epilogue);
}

/* y[f, b, t] of x[b, c, sample]: the windows are the right factor, along the lanes. */
static void add_turned_convolution(KernelBench *bench, const Window *w, int64_t channels, int64_t filters,
                                   Epilogue epilogue) {
  Dim extent[] = {N(filters), B1, N(window_results(w)), N(w->taps), N(channels)};
  Builder b = begin(bench, LOWER_CONTRACT, "fbt", "wc", extent);
  b.kernel->left = load(&b, "fwc");
  Access x = kernel_add_slot(b.kernel, true);
  window_axis(&b, &x, w, 't', 'w', 1);
  x.stride[axis_of(&b, 'b')] = dim_constant(w->samples * channels);
  x.stride[axis_of(&b, 'c')] = dim_constant(w->samples);
  b.count[x.slot] = MOST * w->samples * channels;
  b.kernel->right = kernel_add_load(b.kernel, x);
  finish(&b, "fbt", "bft", epilogue);
}

/* Two windowed axes: images[b, row, column, c]. */
static void add_image_convolution(KernelBench *bench, const Window *rows, const Window *columns, int64_t channels,
                                  int64_t filters, Epilogue epilogue) {
  Dim extent[] = {B1,         N(window_results(rows)), N(window_results(columns)),
                  N(filters), N(rows->taps),           N(columns->taps),
                  N(channels)};
  Builder b = begin(bench, LOWER_CONTRACT, "bhvf", "ruc", extent);
  Access x = kernel_add_slot(b.kernel, true);
  window_axis(&b, &x, rows, 'h', 'r', columns->samples * channels);
  window_axis(&b, &x, columns, 'v', 'u', channels);
  x.stride[axis_of(&b, 'b')] = dim_constant(rows->samples * columns->samples * channels);
  x.stride[axis_of(&b, 'c')] = dim_constant(1);
  b.count[x.slot] = MOST * rows->samples * columns->samples * channels;
  b.kernel->left = kernel_add_load(b.kernel, x);
  b.kernel->right = load(&b, "rucf");
  finish(&b, "bhvf", "bhvf", epilogue);
}

static void add_windows(KernelBench *bench) {
  static const Window WINDOWS[] = {
      {9, 3, 1, 1, false}, {20, 4, 3, 1, false}, {33, 5, 2, 2, false}, {17, 3, 2, 1, true}, {6, 7, 4, 3, false}};
  enum { WINDOW_COUNT = sizeof WINDOWS / sizeof *WINDOWS };
  for (int k = 0; k < WINDOW_COUNT; k++) {
    add_convolution(bench, &WINDOWS[k], 5, k == 1 ? 3 : 18, (Epilogue)(k % 3));
    add_turned_convolution(bench, &WINDOWS[k], 5, k == 1 ? 3 : 18, (Epilogue)((k + 1) % 3));
  }
  add_image_convolution(bench, &WINDOWS[0], &WINDOWS[4], 3, 17, RICH);
  add_image_convolution(bench, &WINDOWS[3], &WINDOWS[0], 2, 33, BIASED);
}

START_TEST(windows) {
  Arena *arena = arena_create();
  KernelBench *bench = begin_bench(arena);
  add_windows(bench);
  check_all(bench);
  arena_destroy(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("codegen_contract");
  TCase *test_case = tcase_create("contract");
  tcase_set_timeout(test_case, 600);
  tcase_add_loop_test(test_case, sizes, 0, WIDTHS);
  tcase_add_test(test_case, layouts);
  tcase_add_test(test_case, windows);
  suite_add_tcase(suite, test_case);
  return suite_run(suite);
}
