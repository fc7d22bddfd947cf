/* Speed of the selective scan on this machine, from graph to machine code, in nanoseconds per element of its full space
 * (batch x tokens x channels x states), which no buffer holds: forward, and forward with all gradients.
 *
 *   scan_bench [SECONDS [BATCH TOKENS CHANNELS STATES]]
 *
 * SECONDS of runs for each figure, 1 if not given. Small sizes give runs that fit between the interruptions of a busy
 * machine. */
#include "program_bench.h"

typedef struct Size {
  int64_t batch, tokens, channels, states;
} Size;

static const Size SIZES[] = {{8, 196, 640, 64}, {32, 96, 256, 16}};

static Dim extent_of(const Size *size, char letter) {
  switch (letter) {
    case 'b':
      return dim_symbol(1, 1);
    case 't':
      return dim_constant(size->tokens);
    case 'd':
      return dim_constant(size->channels);
    default:
      return dim_constant(size->states);
  }
}

static Shape shape_of(const Size *size, const char *letters) {
  Shape shape = {0};
  for (; *letters; letters++) shape.dim[shape.rank++] = extent_of(size, *letters);
  return shape;
}

static NodeId leaf(Graph *graph, const Size *size, OpCode op, const char *name, const char *letters) {
  Shape shape = shape_of(size, letters);
  return graph_leaf(graph, op, name, &shape);
}

/* x with axes `from` as a tensor with axes `to`. */
static NodeId spread(Graph *graph, const Size *size, NodeId x, const char *from, const char *to) {
  int64_t axes[SHAPE_MAX_RANK] = {0};
  for (int k = 0; from[k]; k++) axes[k] = strchr(to, from[k]) - to;
  Shape shape = shape_of(size, to);
  return graph_broadcast(graph, x, &shape, axes);
}

static NodeId multiply(Graph *graph, NodeId a, NodeId b) { return graph_binary(graph, OP_MULTIPLY, a, b); }

/* h[t] = exp(dt a) h[t - 1] + dt b u, y = (sum over states of h c + d u) silu(z), and sum of y squared as the loss. */
static Graph *selective_scan(const Size *size, bool loss, Arena *arena) {
  Graph *graph = graph_create(arena, "scan");
  graph_symbol(graph, "B");
  NodeId dt = graph_unary(graph, OP_SOFTPLUS, leaf(graph, size, OP_INPUT, "dt", "btd"));
  NodeId u = leaf(graph, size, OP_INPUT, "u", "btd"), z = leaf(graph, size, OP_INPUT, "z", "btd");
  NodeId b = leaf(graph, size, OP_INPUT, "b", "btn"), c = leaf(graph, size, OP_INPUT, "c", "btn");
  NodeId a_log = leaf(graph, size, OP_PARAMETER, "a_log", "dn"), d = leaf(graph, size, OP_PARAMETER, "d", "d");
  NodeId a = graph_unary(graph, OP_NEGATE, graph_unary(graph, OP_EXP, a_log));
  NodeId wide_dt = spread(graph, size, dt, "btd", "btdn");
  NodeId decay = graph_unary(graph, OP_EXP, multiply(graph, wide_dt, spread(graph, size, a, "dn", "btdn")));
  NodeId step = multiply(graph, wide_dt, spread(graph, size, b, "btn", "btdn"));
  NodeId input = multiply(graph, step, spread(graph, size, u, "btd", "btdn"));
  NodeId h = graph_scan(graph, decay, input, NODE_NONE, 1, false, false);
  NodeId y = graph_contract(graph, h, c, "btdn,btn->btd");
  y = graph_binary(graph, OP_ADD, y, multiply(graph, spread(graph, size, d, "d", "btd"), u));
  y = multiply(graph, y, multiply(graph, z, graph_unary(graph, OP_SIGMOID, z)));
  const int64_t all[] = {0, 1, 2};
  if (loss) {
    NodeId sum = graph_reduce(graph, OP_REDUCE_SUM, multiply(graph, y, y), all, 3);
    graph_add_output(graph, OUTPUT_LOSS, "loss", sum, NODE_NONE);
  } else {
    graph_add_output(graph, OUTPUT_VALUE, "y", y, NODE_NONE);
  }
  return graph;
}

static void bench_size(const Size *size, bool gradients, double seconds) {
  const DifferentiateSpec spec = {.parameters = true, .inputs = true};
  Arena *arena = arena_create();
  int64_t symbols[SYMBOL_MAX] = {size->batch};
  ProgramBench bench =
      program_bench_create(selective_scan(size, gradients, arena), gradients ? &spec : NULL, symbols, arena);
  double elements = (double)(size->batch * size->tokens) * (double)(size->channels * size->states);
  printf("%-20s B=%-2lld L=%-3lld D=%-3lld N=%-2lld", gradients ? "forward and backward" : "forward",
         (long long)size->batch, (long long)size->tokens, (long long)size->channels, (long long)size->states);
  for (int32_t threads = 1; threads <= BENCH_THREADS; threads++)
    printf("  %8.4f", 1e9 * program_bench_time(&bench, NULL, threads, seconds).least / elements);
  printf("\n");
  program_bench_destroy(&bench);
  arena_destroy(arena);
}

int main(int argument_count, char **arguments) {
  double seconds = argument_count > 1 ? atof(arguments[1]) : 1;
  bench_print_machine();
  printf("ns per element%35s  1 thread  2 threads\n", "");
  if (argument_count == 6) {
    Size size = {atoll(arguments[2]), atoll(arguments[3]), atoll(arguments[4]), atoll(arguments[5])};
    for (int k = 0; k < 2; k++) bench_size(&size, k == 1, seconds);
    return 0;
  }
  for (size_t k = 0; k < 2 * sizeof SIZES / sizeof *SIZES; k++) bench_size(&SIZES[k / 2], k % 2, seconds);
  return 0;
}
