/* Speed of products of the model's shapes on this machine, from graph to machine code: y = x w with the batch a symbol,
 * w a parameter, the weight's gradient, whose terms are the rows, and the input's; convolutions of
 * the vision models' shapes. A figure is GFLOP/s and, behind it, its share in percent of what this machine multiplies
 * and adds at most, measured in the same run. "~" marks figures that no undisturbed run gave.
 *
 *   contract_bench [SECONDS [KIND [COLUMNS]]]    of runs for each figure, 0.3 if not given; rows of one kind only */
#include "program_bench.h"

typedef struct Size {
  int64_t batch, tokens, columns, terms; /* rows: batch * tokens */
} Size;

static const Size SIZES[] = {
    {1, 512, 512, 512},  {1, 1024, 1024, 1024}, {1, 2048, 2048, 2048}, {8, 196, 1280, 320}, {1, 196, 1280, 320},
    {32, 96, 1280, 320}, {8, 196, 148, 640},    {1, 196, 148, 640},    {8, 196, 640, 20},   {1, 196, 640, 20},
    {8, 196, 320, 640},  {1, 196, 320, 640},    {32, 96, 512, 128},    {32, 96, 256, 64},   {1, 3136, 64, 128},
    {8, 196, 160, 160},  {8, 3136, 256, 64},    {8, 3136, 132, 128},   {8, 784, 512, 128},
};

typedef struct Bench {
  PeakBench peak;
  double peak_flops[BENCH_THREADS + 1]; /* the most that has been seen, by the number of threads */
  double seconds;
  const char *kind; /* NULL: all */
  int64_t columns;  /* 0: any */
} Bench;

/* Times a graph whose only symbol is `batch`, and prints the figures behind the row's name. */
static void bench_graph(Bench *bench, Graph *graph, int64_t batch, double operations) {
  int64_t symbols[SYMBOL_MAX] = {batch};
  ProgramBench program = program_bench_create(graph, NULL, symbols, graph->arena);
  for (int32_t threads = 1; threads <= BENCH_THREADS; threads++) {
    BenchTimes times = program_bench_time(&program, &bench->peak, threads, bench->seconds);
    double rate = operations / times.least, *peak = &bench->peak_flops[threads];
    if (times.peak_flops > *peak) *peak = times.peak_flops;
    printf("  %7.1f %3.0f%%%s", 1e-9 * rate, 100 * rate / *peak, times.disturbed ? "~" : " ");
  }
  printf("\n");
  fflush(stdout);
  program_bench_destroy(&program);
}

static bool is_wanted(const Bench *bench, const char *kind, int64_t columns) {
  return (!bench->kind || strcmp(bench->kind, kind) == 0) && (!bench->columns || bench->columns == columns);
}

/* --- products ------------------------------------------------------------------------------------------------ */

static Dim extent_of(const Size *size, char letter) {
  switch (letter) {
    case 'b':
      return dim_symbol(1, 1);
    case 't':
      return dim_constant(size->tokens);
    case 'f':
      return dim_constant(size->columns);
    default:
      return dim_constant(size->terms);
  }
}

static NodeId leaf(Graph *graph, const Size *size, OpCode op, const char *name, const char *letters) {
  Shape shape = {0};
  for (; *letters; letters++) shape.dim[shape.rank++] = extent_of(size, *letters);
  return graph_leaf(graph, op, name, &shape);
}

static void bench_size(Bench *bench, const Size *size, const char *kind) {
  if (!is_wanted(bench, kind, size->columns)) return;
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "product");
  graph_symbol(graph, "B");
  NodeId result;
  if (strcmp(kind, "product") == 0) {
    NodeId x = leaf(graph, size, OP_INPUT, "x", "bte");
    result = graph_contract(graph, x, leaf(graph, size, OP_PARAMETER, "w", "ef"), "bte,ef->btf");
  } else if (strcmp(kind, "gradient") == 0) {
    NodeId x = leaf(graph, size, OP_INPUT, "x", "bte");
    result = graph_contract(graph, x, leaf(graph, size, OP_INPUT, "dy", "btf"), "bte,btf->ef");
  } else {
    NodeId dy = leaf(graph, size, OP_INPUT, "dy", "btf");
    result = graph_contract(graph, dy, leaf(graph, size, OP_PARAMETER, "w", "ef"), "btf,ef->bte");
  }
  graph_add_output(graph, OUTPUT_VALUE, "result", result, NODE_NONE);
  double rows = (double)(size->batch * size->tokens), columns = (double)size->columns, terms = (double)size->terms;
  printf("%-8s %5.0f x %4.0f x %4.0f ", kind, rows, columns, terms);
  bench_graph(bench, graph, size->batch, 2 * rows * columns * terms);
  arena_destroy(arena);
}

static void bench_products(Bench *bench) {
  static const char *const kinds[] = {"product", "gradient", "input"};
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    for (size_t size = 0; size < sizeof SIZES / sizeof *SIZES; size++) bench_size(bench, &SIZES[size], kinds[k]);
}

/* --- convolutions -------------------------------------------------------------------------------------------- */

/* Of images [batch, height, width, in] with zeros around them, or of sequences where the height is 1; `groups` of as many
 * channels are convolved apart, and with as many groups as channels there is a filter for each. */
typedef struct Convolution {
  int64_t batch, height, width, in, out, size, stride, groups;
} Convolution;

static const Convolution CONVOLUTIONS[] = {
    {1, 56, 56, 64, 64, 3, 1, 1},     {1, 56, 56, 64, 128, 3, 2, 1},    {1, 224, 224, 3, 32, 7, 2, 1},
    {1, 28, 28, 128, 128, 3, 1, 4},   {1, 28, 28, 128, 128, 3, 1, 128}, {1, 56, 56, 64, 64, 3, 1, 64},
    {32, 1, 96, 128, 128, 4, 1, 128}, {8, 1, 196, 640, 640, 4, 1, 640}, {32, 1, 96, 64, 64, 3, 1, 1},
    {8, 112, 112, 32, 32, 3, 1, 1},   {8, 112, 112, 32, 64, 3, 2, 1},   {8, 28, 28, 128, 320, 3, 2, 1},
    {8, 14, 14, 320, 448, 3, 2, 1},   {1, 14, 14, 320, 448, 3, 2, 1},   {8, 224, 224, 3, 32, 7, 2, 1},
};

/* [.., extent, ..] -> [.., windows, size, ..] */
static NodeId windows_along(Graph *graph, NodeId x, int64_t axis, const Convolution *c) {
  int64_t low = (c->size - 1) / 2;
  return graph_window(graph, graph_pad(graph, x, axis, low, c->size - 1 - low), axis, c->size, c->stride);
}

static NodeId parameter(Graph *graph, int32_t rank, const int64_t *extents) {
  Shape shape = {.rank = rank};
  for (int32_t k = 0; k < rank; k++) shape.dim[k] = dim_constant(extents[k]);
  return graph_leaf(graph, OP_PARAMETER, "weight", &shape);
}

static NodeId depthwise(Graph *graph, const Convolution *c, NodeId windows) {
  bool image = c->height > 1;
  const int64_t filter[] = {c->in, c->size, c->size}, axes[] = {2, 3}, image_axes[] = {2, 4, 5};
  const int64_t last[] = {1, 0}, image_last[] = {1, 2, 0}, sums[] = {2}, image_sums[] = {2, 4};
  NodeId weight = parameter(graph, image ? 3 : 2, filter);
  weight = graph_permute(graph, weight, image ? image_last : last); /* the channels */
  NodeId wide = graph_broadcast(graph, weight, graph_shape(graph, windows), image ? image_axes : axes);
  NodeId product = graph_binary(graph, OP_MULTIPLY, windows, wide);
  return graph_reduce(graph, OP_REDUCE_SUM, product, image ? image_sums : sums, image ? 2 : 1);
}

/* Weights are [group, out, in, size, size] or [group, out, in, size], as checkpoints have them. */
static NodeId grouped(Graph *graph, const Convolution *c, NodeId windows) {
  bool image = c->height > 1;
  const int64_t filter[] = {c->groups, c->out / c->groups, c->in / c->groups, c->size, c->size};
  Shape shape = *graph_shape(graph, windows);
  shape.dim[shape.rank - 1] = dim_constant(c->groups);
  shape.dim[shape.rank++] = dim_constant(c->in / c->groups);
  NodeId split = graph_reshape(graph, windows, &shape);
  NodeId weight = parameter(graph, image ? 5 : 4, filter);
  return graph_contract(graph, split, weight, image ? "bhpwqgi,goipq->bhwgo" : "btpgi,goip->btgo");
}

/* The gradient of a filter, whose terms are the places of the windows; of images and one group. */
static NodeId filter_gradient(Graph *graph, const Convolution *c, NodeId windows) {
  const Shape *w = graph_shape(graph, windows);
  Shape shape = {4, {w->dim[0], w->dim[1], w->dim[3], dim_constant(c->out)}};
  return graph_contract(graph, windows, graph_leaf(graph, OP_INPUT, "dy", &shape), "bhpwqi,bhwo->oipq");
}

static void bench_convolution(Bench *bench, const Convolution *c, const char *kind) {
  bool gradient = strcmp(kind, "filter") == 0;
  if (!is_wanted(bench, kind, c->in) || (gradient && (c->height == 1 || c->groups > 1))) return;
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "convolution");
  graph_symbol(graph, "B");
  bool image = c->height > 1;
  Dim batch = dim_symbol(1, 1), height = dim_constant(c->height), width = dim_constant(c->width);
  Dim in = dim_constant(c->in);
  Shape images = {4, {batch, height, width, in}}, sequences = {3, {batch, width, in}};
  NodeId x = graph_leaf(graph, OP_INPUT, "x", image ? &images : &sequences);
  NodeId windows = windows_along(graph, x, 1, c);
  if (image) windows = windows_along(graph, windows, 3, c);
  NodeId y = gradient             ? filter_gradient(graph, c, windows)
             : c->groups == c->in ? depthwise(graph, c, windows)
                                  : grouped(graph, c, windows);
  graph_add_output(graph, OUTPUT_VALUE, "y", y, NODE_NONE);
  int64_t area = image ? c->size * c->size : c->size, across = (c->width + c->stride - 1) / c->stride;
  int64_t down = image ? (c->height + c->stride - 1) / c->stride : 1;
  printf("%-6s %3lld x %3lld, %3lld to %3lld by %lld / %lld, %3lld groups ", kind, (long long)c->height,
         (long long)c->width, (long long)c->in, (long long)c->out, (long long)c->size, (long long)c->stride,
         (long long)c->groups);
  bench_graph(bench, graph, c->batch,
              2.0 * (double)(c->batch * down * across) * (double)(c->out * area * c->in / c->groups));
  arena_destroy(arena);
}

static void bench_convolutions(Bench *bench) {
  static const char *const kinds[] = {"conv", "filter"};
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    for (size_t c = 0; c < sizeof CONVOLUTIONS / sizeof *CONVOLUTIONS; c++)
      bench_convolution(bench, &CONVOLUTIONS[c], kinds[k]);
}

int main(int argument_count, char **arguments) {
  Bench bench = {.seconds = argument_count > 1 ? atof(arguments[1]) : 0.3,
                 .kind = argument_count > 2 ? arguments[2] : NULL,
                 .columns = argument_count > 3 ? atoll(arguments[3]) : 0};
  Arena *arena = arena_create();
  peak_bench_create(arena, &bench.peak);
  bench_print_machine();
  printf("GFLOP/s and share of the peak\n%-8s  rows x cols x terms   1 thread        2 threads\n", "");
  bench_products(&bench);
  bench_convolutions(&bench);
  printf("peak: %.1f, %.1f\n", 1e-9 * bench.peak_flops[1], 1e-9 * bench.peak_flops[2]);
  arena_destroy(arena);
  return 0;
}
