/* Kernels that call OpenBLAS and FFTW against ours and against the reference evaluator: products of every orientation,
 * transforms of every form and many lengths, with epilogues, for several numbers of threads. */
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "tests/program_code.h"
#include "tests/suite_run.h"

#include <stdlib.h>

enum { BATCH = 3, MOST_THREADS = 2, DIMENSIONS = 6 };

/* Sums of at most 1000 products of values below 1, relative to the largest or 1. */
static const double TOLERANCE = 2e-5;

static Arena *arena;

static double difference(const Value *value, const float *found) {
  double largest = 1, worst = 0;
  for (int64_t i = 0; i < value_count(value); i++) {
    double here = fabs(value->data[i] - (double)found[i]);
    if (isnan(here)) return INFINITY;
    largest = fmax(largest, fabs(value->data[i]));
    worst = fmax(worst, here);
  }
  return worst / largest;
}

static void check_values(const Graph *graph, const Value *expected, float *const *found, const char *what) {
  for (uint32_t k = 0; k < graph->output_count; k++) {
    double error = difference(&expected[graph->output[k].node], found[k]);
    ck_assert_msg(error <= TOLERANCE, "%s kernels: output %u is off by %g", what, k, error);
  }
}

static void check_same_bits(const Code *code, const int64_t *symbols, float *const *a, float *const *b) {
  for (uint32_t k = 0; k < code->program->output_count; k++) {
    size_t size = (size_t)shape_value_count(&code->program->output[k].shape, symbols) * sizeof(float);
    ck_assert_msg(memcmp(a[k], b[k], size) == 0, "output %u depends on the run", k);
  }
}

/* Both kinds of kernels have the evaluator's values; library kernels the same bits in every run. Returns how many
 * kernels call a library, and how many do not though they could be asked to. */
static void check_graph(const Graph *graph, int lanes, uint32_t *out_library, uint32_t *out_fallback) {
  const Program *program =
      program_build(pipeline_run(graph, arena, &(PipelineOptions){.verify = true}, NULL), arena, NULL);
  CodegenOptions own = {.lanes = lanes, .verify = true}, library = own;
  library.library_kernels = true;
  Code ours = code_create(program, &own, arena), theirs = code_create(program, &library, arena);
  ck_assert_uint_eq(ours.objects.times.library + ours.objects.times.fallback, 0);
  for (int64_t batch = 1; batch <= BATCH; batch += BATCH - 1) {
    int64_t symbols[SYMBOL_MAX] = {batch};
    const Value *expected = reference_values(graph, symbols, arena);
    check_values(graph, expected, code_run(&ours, symbols, 1, arena), "our");
    float **first = code_run(&theirs, symbols, 1, arena);
    check_values(graph, expected, first, "library");
    for (int32_t threads = 1; threads <= MOST_THREADS; threads++)
      check_same_bits(&theirs, symbols, first, code_run(&theirs, symbols, threads, arena));
  }
  *out_library = theirs.objects.times.library;
  *out_fallback = theirs.objects.times.fallback;
  code_destroy(&ours);
  code_destroy(&theirs);
}

static void setup(void) { arena = arena_create(); }
static void teardown(void) { arena_destroy(arena); }

/* Extents up to the first 0; -1 is the batch. */
static NodeId input(Graph *graph, const char *name, const int64_t *extents) {
  Shape shape = {0};
  for (; extents[shape.rank]; shape.rank++)
    shape.dim[shape.rank] = extents[shape.rank] < 0 ? dim_symbol(1, 1) : dim_constant(extents[shape.rank]);
  return graph_leaf(graph, OP_INPUT, name, &shape);
}

static Graph *begin_graph(void) {
  Graph *graph = graph_create(arena, "net");
  graph_symbol(graph, "B");
  return graph;
}

static NodeId with_epilogue(Graph *graph, NodeId x) {
  return graph_binary(graph, OP_ADD, graph_unary(graph, OP_TANH, x), x);
}

/* --- products ------------------------------------------------------------------------------------------------- */

static const struct {
  const char *labels;
  int64_t left[DIMENSIONS], right[DIMENSIONS];
  bool fits;
} PRODUCTS[] = {
    {"bte,ef->btf", {-1, 37, 24}, {24, 50}, true},               /* both factors as they are */
    {"bte,fe->btf", {-1, 37, 24}, {50, 24}, true},               /* right transposed */
    {"tib,tj->bij", {41, 29, -1}, {41, 33}, false},              /* left is dense along no axis of the product */
    {"tib,tj->bij", {41, 19, -1}, {41, 33}, true},               /* and is copied where its rows are short */
    {"ti,tj->ij", {130, 70}, {130, 33}, true},                   /* left transposed */
    {"ti,jt->ij", {130, 70}, {33, 130}, true},                   /* both */
    {"bti,btj->ij", {-1, 21, 70}, {-1, 21, 33}, true},           /* a sum whose length is known when running */
    {"bhtd,bhsd->bhts", {-1, 2, 17, 16}, {-1, 2, 23, 16}, true}, /* batched */
    {"btki,kio->btko", {-1, 5, 4, 16}, {4, 16, 12}, true},       /* batch axis between those of the rows */
    {"bij,jif->bf", {-1, 5, 70}, {70, 5, 40}, true},             /* two sums that are no single one, j within i */
    {"cbtki,cokid->obtkd", {2, -1, 5, 4, 16}, {2, 2, 4, 16, 12}, true}, /* blocks of complex values */
    {"bij,fji->bf", {-1, 5, 7}, {40, 7, 5}, true}, /* the other way round: one factor is packed first */
    {"ij,jk->ik", {200, 300}, {300, 1100}, true},  /* several items each way */
    {"be,bef->bf", {-1, 48}, {-1, 48, 100}, true}, /* batched, one row each */
};
enum { PRODUCT_COUNT = sizeof PRODUCTS / sizeof *PRODUCTS };

START_TEST(products) {
  Graph *graph = begin_graph();
  NodeId left = input(graph, "left", PRODUCTS[_i].left), right = input(graph, "right", PRODUCTS[_i].right);
  NodeId product = graph_contract(graph, left, right, PRODUCTS[_i].labels);
  graph_add_output(graph, OUTPUT_VALUE, "plain", product, NODE_NONE);
  uint32_t library, fallback;
  check_graph(graph, 4 << _i % 3, &library, &fallback);
  ck_assert_msg(library == PRODUCTS[_i].fits && fallback == !PRODUCTS[_i].fits, "%u of libraries, %u not", library,
                fallback);
}
END_TEST

START_TEST(products_with_epilogues) {
  Graph *graph = begin_graph();
  NodeId left = input(graph, "left", PRODUCTS[_i].left), right = input(graph, "right", PRODUCTS[_i].right);
  NodeId product = graph_contract(graph, left, right, PRODUCTS[_i].labels);
  graph_add_output(graph, OUTPUT_VALUE, "product", product, NODE_NONE);
  graph_add_output(graph, OUTPUT_VALUE, "result", with_epilogue(graph, product), NODE_NONE);
  uint32_t library, fallback;
  check_graph(graph, 4 << _i % 3, &library, &fallback);
  ck_assert_uint_eq(library, PRODUCTS[_i].fits);
}
END_TEST

/* Rows that overlap and elements outside of the data are nothing for sgemm. */
START_TEST(windows_fall_back) {
  Graph *graph = begin_graph();
  NodeId x = input(graph, "x", (int64_t[]){-1, 40, 0}), w = input(graph, "w", (int64_t[]){5, 20, 0});
  NodeId windows = graph_window(graph, graph_pad(graph, x, 1, 4, 0), 1, 5, 1);
  NodeId product = graph_contract(graph, windows, w, "btk,kf->btf");
  graph_add_output(graph, OUTPUT_VALUE, "result", product, NODE_NONE);
  uint32_t library, fallback;
  check_graph(graph, 0, &library, &fallback);
  ck_assert_uint_eq(library, 0);
  ck_assert_uint_eq(fallback, 1);
}
END_TEST

/* --- transforms ----------------------------------------------------------------------------------------------- */

static const int64_t LENGTHS[] = {1, 2, 7, 37, 49, 96, 196};
enum { LENGTH_COUNT = sizeof LENGTHS / sizeof *LENGTHS, FORMS = DFT_FORM_COUNT, N = -2 };

/* Shapes without the complex axis, and the axes transformed; N is the length. */
static const struct {
  int64_t extents[DIMENSIONS];
  uint32_t axis_count;
  int64_t axis[2];
} LAYOUTS[] = {
    {{-1, N, 21}, 1, {1}}, {{-1, 3, N}, 1, {2}},       {{N}, 1, {0}},
    {{N, 2, -1}, 1, {0}},  {{-1, 4, N, 3}, 2, {1, 2}}, {{N, 70}, 1, {0}},
};
enum { LAYOUT_COUNT = sizeof LAYOUTS / sizeof *LAYOUTS };

static NodeId add_transform(Graph *graph, int layout, int form, bool inverse, int64_t length) {
  int64_t extents[DIMENSIONS + 1] = {0}, rank = 0;
  if (dft_parts_in(form) == 2) extents[rank++] = 2;
  int64_t first = rank, last = LAYOUTS[layout].axis[LAYOUTS[layout].axis_count - 1], extent = 0;
  for (int k = 0; LAYOUTS[layout].extents[k]; k++, rank++)
    extents[rank] = LAYOUTS[layout].extents[k] == N ? length : LAYOUTS[layout].extents[k];
  if (form == DFT_HALF_TO_REAL) {
    extent = extents[first + last];
    extents[first + last] = extent / 2 + 1;
  }
  NodeId x = input(graph, arena_format(arena, "x%d_%d_%d", layout, form, inverse), extents);
  double scale = inverse ? -0.3 : 1 / sqrt((double)length); /* a sign of its own must not pass for the direction's */
  return graph_dft(graph, x, LAYOUTS[layout].axis, LAYOUTS[layout].axis_count, inverse, form, scale, extent);
}

START_TEST(transforms) {
  Graph *graph = begin_graph();
  int layout = _i % LAYOUT_COUNT;
  int64_t length = LENGTHS[_i / LAYOUT_COUNT];
  for (int form = 0; form < FORMS; form++) {
    for (int inverse = 0; inverse < 2; inverse++) {
      NodeId x = add_transform(graph, layout, form, inverse, length);
      const char *name = arena_format(arena, "y%d_%d", form, inverse);
      graph_add_output(graph, OUTPUT_VALUE, name, inverse == form % 2 ? x : with_epilogue(graph, x), NODE_NONE);
    }
  }
  uint32_t library, fallback;
  check_graph(graph, 4 << _i % 3, &library, &fallback);
  ck_assert_uint_gt(library, 0);
  ck_assert_uint_eq(fallback, 0);
}
END_TEST

/* --- limits --------------------------------------------------------------------------------------------------- */

START_TEST(exports_are_refused) {
  Graph *graph = begin_graph();
  NodeId product = graph_contract(graph, input(graph, "left", PRODUCTS[0].left),
                                  input(graph, "right", PRODUCTS[0].right), PRODUCTS[0].labels);
  graph_add_output(graph, OUTPUT_VALUE, "result", product, NODE_NONE);
  const Program *program = program_build(graph, arena, NULL);
  CodegenOptions options = {.library_kernels = true};
  CodegenExport export_spec = {.model = "net", .version = "1", .source_hash = "0"};
  CodegenObjects objects;
  const char *header, *message = "";
  CodegenStatus status =
      codegen_library()->export_model(program, &export_spec, &options, arena, &objects, &header, &message);
  ck_assert_int_eq(status, CODEGEN_USER_ERROR);
  ck_assert_ptr_nonnull(strstr(message, "simbac's kernels only"));
}
END_TEST

int main(void) {
  codegen_library(); /* loaded once, before the tests fork */
  Suite *suite = suite_create("codegen_library");
  TCase *kernels = tcase_create("kernels");
  tcase_set_timeout(kernels, 300);
  tcase_add_checked_fixture(kernels, setup, teardown);
  tcase_add_loop_test(kernels, products, 0, PRODUCT_COUNT);
  tcase_add_loop_test(kernels, products_with_epilogues, 0, PRODUCT_COUNT);
  tcase_add_test(kernels, windows_fall_back);
  tcase_add_loop_test(kernels, transforms, 0, LENGTH_COUNT * LAYOUT_COUNT);
  tcase_add_test(kernels, exports_are_refused);
  suite_add_tcase(suite, kernels);
  return suite_run(suite);
}
