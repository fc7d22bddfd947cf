/* Speed of products of the model's shapes on this machine, from graph to machine code: y = x w with the batch a symbol,
 * w a parameter (packed beforehand), and the weight's gradient, whose terms are the rows.
 *
 *   contract_bench [SECONDS]      of runs for each figure; 0.3 if not given */
#include "program_bench.h"

typedef struct Size {
  int64_t batch, tokens, columns, terms; /* rows: batch * tokens */
} Size;

static const Size SIZES[] = {
    {1, 512, 512, 512},  {1, 1024, 1024, 1024}, {1, 2048, 2048, 2048}, {8, 196, 1280, 320},
    {1, 196, 1280, 320}, {32, 96, 1280, 320},   {8, 196, 148, 640},    {1, 196, 148, 640},
    {8, 196, 640, 20},   {1, 196, 640, 20},     {8, 196, 320, 640},    {1, 196, 320, 640},
    {32, 96, 512, 128},  {32, 96, 256, 64},     {1, 3136, 64, 128},    {8, 196, 160, 160},
};

static void bench_size(const Size *size, const char *kind, double seconds) {
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "product");
  int32_t symbol = graph_symbol(graph, "B");
  bool gradient = strcmp(kind, "gradient") == 0;
  Dim batch = dim_symbol(1, symbol), tokens = dim_constant(size->tokens), columns = dim_constant(size->columns);
  Dim terms = dim_constant(size->terms);
  Shape x_shape = {3, {batch, tokens, terms}}, y_shape = {3, {batch, tokens, columns}}, w_shape = {2, {terms, columns}};
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &x_shape);
  NodeId other =
      gradient ? graph_leaf(graph, OP_INPUT, "dy", &y_shape) : graph_leaf(graph, OP_PARAMETER, "w", &w_shape);
  NodeId result = graph_contract(graph, x, other, gradient ? "bte,btf->ef" : "bte,ef->btf");
  graph_add_output(graph, OUTPUT_VALUE, "result", result, NODE_NONE);
  int64_t symbols[SYMBOL_MAX] = {size->batch};
  ProgramBench bench = program_bench_create(graph, NULL, symbols, arena);
  double operations = 2e-9 * (double)(size->batch * size->tokens) * (double)size->columns * (double)size->terms;
  printf("%-8s %5lld x %4lld x %4lld ", kind, (long long)(size->batch * size->tokens), (long long)size->columns,
         (long long)size->terms);
  for (int32_t threads = 1; threads <= BENCH_THREADS; threads++)
    printf(" %7.1f", operations / program_bench_time(&bench, threads, seconds));
  printf("\n");
  program_bench_destroy(&bench);
  arena_destroy(arena);
}

int main(int argument_count, char **arguments) {
  double seconds = argument_count > 1 ? atof(arguments[1]) : 0.3;
  bench_print_machine();
  printf("GFLOP/s\n%-8s  rows x cols x terms  1 thread  2 threads\n", "");
  for (size_t k = 0; k < sizeof SIZES / sizeof *SIZES; k++) bench_size(&SIZES[k], "product", seconds);
  for (size_t k = 0; k < sizeof SIZES / sizeof *SIZES; k++) bench_size(&SIZES[k], "gradient", seconds);
  return 0;
}
