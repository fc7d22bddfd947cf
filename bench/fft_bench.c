/* Speed of Fourier transforms along the tokens of [B, N, C] on this machine beside FFTW's planned strided ones (MEASURE),
 * a run of ours and one of FFTW's in turn: complex to complex, and real to half the spectrum.
 *
 *   fft_bench [SECONDS]      of runs for each line; 0.3 if not given */
#include "program_bench.h"

#include "ir/ops.h"

#include <fftw3.h>

typedef struct Size {
  int64_t batch, length, channels;
} Size;

static const Size SIZES[] = {{1, 49, 448},  {8, 49, 448},  {1, 96, 128},  {32, 96, 128}, {1, 196, 320},
                             {8, 196, 320}, {1, 784, 128}, {1, 3136, 64}, {1, 97, 128},  {1, 997, 64}};

static ProgramBench ours_create(const Size *size, int64_t form, Arena *arena) {
  Graph *graph = graph_create(arena, "transform");
  int32_t symbol = graph_symbol(graph, "B");
  bool complex = form == DFT_COMPLEX;
  Shape shape = {.rank = 3, .dim = {dim_symbol(1, symbol), dim_constant(size->length), dim_constant(size->channels)}};
  Shape complex_shape = {.rank = 4, .dim = {dim_constant(2), shape.dim[0], shape.dim[1], shape.dim[2]}};
  NodeId x = graph_leaf(graph, OP_INPUT, "x", complex ? &complex_shape : &shape);
  NodeId result = graph_dft(graph, x, (int64_t[]){1}, 1, false, form, 1, 0);
  graph_add_output(graph, OUTPUT_VALUE, "result", result, NODE_NONE);
  return program_bench_create(graph, NULL, (int64_t[SYMBOL_MAX]){size->batch}, arena);
}

typedef struct Peer {
  fftwf_plan plan;
  int64_t batch, in_step, out_step; /* f32 from image to image */
  float *in, *out;
  bool complex;
} Peer;

/* Plans one image's channels, which FFTW knows best; images are run one by one. */
static Peer peer_create(const Size *size, int64_t form) {
  bool complex = form == DFT_COMPLEX;
  int length = (int)size->length, channels = (int)size->channels;
  int64_t rows_out = complex ? size->length : size->length / 2 + 1;
  Peer peer = {.batch = size->batch,
               .in_step = size->length * size->channels * (complex ? 2 : 1),
               .out_step = rows_out * size->channels * 2,
               .complex = complex};
  peer.in = fftwf_alloc_real((size_t)(peer.in_step * size->batch));
  peer.out = fftwf_alloc_real((size_t)(peer.out_step * size->batch));
  fftwf_complex *out = (fftwf_complex *)peer.out;
  peer.plan = complex ? fftwf_plan_many_dft(1, &length, channels, (fftwf_complex *)peer.in, NULL, channels, 1, out,
                                            NULL, channels, 1, FFTW_FORWARD, FFTW_MEASURE)
                      : fftwf_plan_many_dft_r2c(1, &length, channels, peer.in, NULL, channels, 1, out, NULL, channels,
                                                1, FFTW_MEASURE);
  for (int64_t k = 0; k < peer.in_step * size->batch; k++) peer.in[k] = (float)(k % 17) - 8;
  return peer;
}

static void peer_run(const Peer *peer) {
  for (int64_t b = 0; b < peer->batch; b++) {
    float *in = peer->in + b * peer->in_step, *out = peer->out + b * peer->out_step;
    if (peer->complex)
      fftwf_execute_dft(peer->plan, (fftwf_complex *)in, (fftwf_complex *)out);
    else
      fftwf_execute_dft_r2c(peer->plan, in, (fftwf_complex *)out);
  }
}

static void bench_size(const Size *size, int64_t form, double seconds) {
  Arena *arena = arena_create();
  ProgramBench ours = ours_create(size, form, arena);
  Peer peer = peer_create(size, form);
  double least[2] = {1e9, 1e9}, begin = bench_seconds();
  for (int run = 0; run < 20 || bench_seconds() - begin < seconds; run++) {
    double start = bench_seconds();
    if (ours.run(&ours.call)) bench_fail("run", "failed");
    double middle = bench_seconds();
    peer_run(&peer);
    double end = bench_seconds();
    if (middle - start < least[0]) least[0] = middle - start;
    if (end - middle < least[1]) least[1] = end - middle;
  }
  double scale = 1e9 / (double)(size->batch * size->channels);
  printf("%5lld %5lld %4lld  %-7s %9.1f %9.1f %7.2f\n", (long long)size->length, (long long)size->channels,
         (long long)size->batch, form == DFT_COMPLEX ? "complex" : "real", scale * least[0], scale * least[1],
         least[1] / least[0]);
  fftwf_destroy_plan(peer.plan);
  fftwf_free(peer.in);
  fftwf_free(peer.out);
  program_bench_destroy(&ours);
  arena_destroy(arena);
}

int main(int argument_count, char **arguments) {
  double seconds = argument_count > 1 ? atof(arguments[1]) : 0.3;
  bench_print_machine();
  printf("ns a channel, 1 thread\n    N     C    B  kind         ours      FFTW   ratio\n");
  for (size_t k = 0; k < sizeof SIZES / sizeof *SIZES; k++) {
    bench_size(&SIZES[k], DFT_COMPLEX, seconds);
    bench_size(&SIZES[k], DFT_REAL_TO_HALF, seconds);
  }
  return 0;
}
