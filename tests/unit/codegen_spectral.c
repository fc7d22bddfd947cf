/* Transforms as machine code: for every length from 1 to 512 and some long ones, agreement with the definition in f64 and
 * with FFTW, inverse, linearity, Parseval's equation and the shift rule, for all forms and every vector width. Lanes are
 * signals that depend on one another: the third a sum of multiples of the first two, the fourth the first delayed.
 *
 * Compiling takes the time, so most lengths above 64 have one kernel, complex and forwards, which also goes backwards with
 * real and imaginary parts exchanged; the others have the inverse and a pair of forms with a real side too. */
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "runtime/library_kernels.h"
#include "tests/program_code.h"
#include "tests/suite_run.h"

#include <stdlib.h>

enum { ALL = 64, SHORT = 512, TOGETHER = 16, PROGRAMS = SHORT / TOGETHER + 4, MOST_LANES = 21 };
enum { LANE_X, LANE_Y, LANE_SUM, LANE_DELAYED, LANE_NAMED };

static const int64_t LONG[] = {784, 997, 3136, 4096};
static const double PI = 3.14159265358979323846;
/* Of a whole result, relative to its norm: some roundings of 6e-8 a level. Properties compare two results. */
static const double TOLERANCE = 1e-6, SUM_A = 0.75, SUM_B = -1.5;

static Arena *arena;

static void begin(void) { arena = arena_create(); }
static void end(void) { arena_destroy(arena); }

/* --- one length ------------------------------------------------------------------------------------------------ */

typedef struct Length {
  int64_t extent, lanes;
  bool all;                                            /* has all kernels */
  int64_t to_spectrum, to_real;                        /* forms */
  bool inverse;                                        /* direction of those */
  float *complex, *real, *spectrum;                    /* inputs: [2, N, lanes], [N, lanes], [2, rows, lanes] */
  const float *forward, *back, *of_real, *of_spectrum; /* results */
  double *cosine, *sine;
} Length;

static int result_count(const Length *length) { return length->all ? 4 : 1; }
static int64_t spectrum_rows(const Length *length) { return dft_rows_in(length->to_real, length->extent); }

static Length length_of(int64_t extent) {
  bool half = extent % 4 >= 2;
  Length length = {.extent = extent,
                   .all = extent <= ALL || extent % 8 == 5 || extent > SHORT,
                   .lanes = extent % 3 == 0   ? MOST_LANES
                            : extent % 3 == 1 ? 16
                                              : LANE_NAMED,
                   .to_spectrum = half ? DFT_REAL_TO_HALF : DFT_REAL_TO_COMPLEX,
                   .to_real = half ? DFT_HALF_TO_REAL : DFT_COMPLEX_TO_REAL,
                   .inverse = extent % 8 >= 4};
  length.cosine = ARENA_ARRAY(arena, double, extent);
  length.sine = ARENA_ARRAY(arena, double, extent);
  for (int64_t k = 0; k < extent; k++) {
    length.cosine[k] = cos(2 * PI * (double)k / (double)extent);
    length.sine[k] = sin(2 * PI * (double)k / (double)extent);
  }
  return length;
}

static void add_length(Graph *graph, const Length *length) {
  Dim n = dim_constant(length->extent), lanes = dim_constant(length->lanes), rows = dim_constant(spectrum_rows(length));
  long long number = (long long)length->extent;
  NodeId x = graph_leaf(graph, OP_INPUT, arena_format(arena, "complex%lld", number), &(Shape){3, {{2, 0}, n, lanes}});
  int64_t axis = 0, samples = length->to_real == DFT_HALF_TO_REAL ? length->extent : 0;
  NodeId forward = graph_dft(graph, x, &axis, 1, false, DFT_COMPLEX, 1, 0);
  graph_add_output(graph, OUTPUT_VALUE, arena_format(arena, "%lld", number), forward, NODE_NONE);
  if (!length->all) return;
  NodeId r = graph_leaf(graph, OP_INPUT, arena_format(arena, "real%lld", number), &(Shape){2, {n, lanes}});
  NodeId s =
      graph_leaf(graph, OP_INPUT, arena_format(arena, "spectrum%lld", number), &(Shape){3, {{2, 0}, rows, lanes}});
  NodeId result[] = {graph_dft(graph, forward, &axis, 1, true, DFT_COMPLEX, 1 / (double)length->extent, 0),
                     graph_dft(graph, r, &axis, 1, length->inverse, length->to_spectrum, 0.5, 0),
                     graph_dft(graph, s, &axis, 1, length->inverse, length->to_real, 0.5, samples)};
  for (int k = 0; k < 3; k++)
    graph_add_output(graph, OUTPUT_VALUE, arena_format(arena, "%lld_%d", number, k), result[k], NODE_NONE);
}

/* Signals of rows [part][n]; the delayed one in a circle. */
static float *make_signals(const Length *length, int parts, int64_t rows, uint64_t seed) {
  Random random = {seed};
  int64_t lanes = length->lanes;
  float *x = ARENA_ARRAY(arena, float, parts *rows *lanes);
  for (int64_t k = 0; k < parts * rows * lanes; k++) x[k] = (float)random_between(&random, -1, 1);
  for (int64_t row = 0; row < parts * rows; row++) {
    float *at = x + row * lanes;
    int64_t part = row / rows, n = row % rows;
    at[LANE_SUM] = (float)(SUM_A * (double)at[LANE_X] + SUM_B * (double)at[LANE_Y]);
    x[(part * rows + (n + 1) % rows) * lanes + LANE_DELAYED] = at[LANE_X];
  }
  return x;
}

/* --- checks ------------------------------------------------------------------------------------------------------ */

static double turn(const Length *length, int64_t k, int64_t n, bool inverse, double *out_sine) {
  int64_t at = k * n % length->extent;
  *out_sine = inverse ? length->sine[at] : -length->sine[at];
  return length->cosine[at];
}

/* One lane of a transform by its definition, against what was found: norm of the difference over norm. */
static double error_of(const Length *length, int64_t form, bool inverse, double scale, const float *x,
                       const float *found, int64_t lane) {
  int64_t rows_in = dft_rows_in(form, length->extent), rows_out = dft_rows_out(form, length->extent);
  int64_t lanes = length->lanes;
  double error = 0, norm = 1e-30;
  for (int64_t k = 0; k < rows_out; k++) {
    double re = 0, im = 0;
    for (int64_t n = 0; n < rows_in; n++) {
      double sine, cosine = turn(length, k, n, inverse, &sine), a = (double)x[n * lanes + lane];
      double b = dft_parts_in(form) == 2 ? (double)x[(rows_in + n) * lanes + lane] : 0;
      re += a * cosine - b * sine;
      im += a * sine + b * cosine;
    }
    double difference[2] = {(double)found[k * lanes + lane] - scale * re, 0};
    if (dft_parts_out(form) == 2)
      difference[1] = (double)found[(rows_out + k) * lanes + lane] - scale * im;
    else
      im = 0;
    error += difference[0] * difference[0] + difference[1] * difference[1];
    norm += scale * scale * (re * re + im * im);
  }
  return sqrt(error / norm);
}

/* Norm of a lane of a complex result. */
static double norm_of(const Length *length, const float *x, int64_t lane) {
  double sum = 0;
  for (int64_t row = 0; row < 2 * length->extent; row++) sum += pow((double)x[row * length->lanes + lane], 2);
  return sqrt(sum);
}

static double linearity_error(const Length *length) {
  double error = 0;
  for (int64_t row = 0; row < 2 * length->extent; row++) {
    const float *at = length->forward + row * length->lanes;
    error += pow(SUM_A * (double)at[LANE_X] + SUM_B * (double)at[LANE_Y] - (double)at[LANE_SUM], 2);
  }
  return sqrt(error) / norm_of(length, length->forward, LANE_SUM);
}

/* Delaying by one sample turns frequency k by -2 pi k / N. */
static double shift_error(const Length *length) {
  double error = 0;
  for (int64_t k = 0; k < length->extent; k++) {
    const float *re = length->forward + k * length->lanes, *im = re + length->extent * length->lanes;
    double a = (double)re[LANE_X], b = (double)im[LANE_X], sine, cosine = turn(length, k, 1, false, &sine);
    error += pow(a * cosine - b * sine - (double)re[LANE_DELAYED], 2);
    error += pow(a * sine + b * cosine - (double)im[LANE_DELAYED], 2);
  }
  return sqrt(error) / norm_of(length, length->forward, LANE_X);
}

static double parseval_error(const Length *length) {
  double worst = 0, root = sqrt((double)length->extent);
  for (int64_t lane = 0; lane < length->lanes; lane++) {
    double before = root * norm_of(length, length->complex, lane), after = norm_of(length, length->forward, lane);
    worst = fmax(worst, fabs(after / before - 1));
  }
  return worst;
}

/* `back`: by the inverse, or by the forward transform with parts exchanged and not scaled. */
static double inverse_error(const Length *length) {
  double error = 0, norm = 1e-30, scale = length->all ? 1 : 1 / (double)length->extent;
  int64_t part = length->extent * length->lanes;
  for (int64_t k = 0; k < 2 * part; k++) {
    int64_t from = length->all ? k : (k + part) % (2 * part);
    error += pow(scale * (double)length->back[from] - (double)length->complex[k], 2);
    norm += pow((double)length->complex[k], 2);
  }
  return sqrt(error / norm);
}

static double fftw_error(const Length *length) {
  size_t bytes = (size_t)(2 * length->extent * length->lanes) * sizeof(float);
  float *source = code_block(bytes, arena), *result = code_block(bytes, arena);
  memcpy(source, length->complex, bytes);
  ck_assert_int_eq(library_fft_plan(LIBRARY_DFT_COMPLEX, length->extent, length->lanes, NULL), SIMBA_OK);
  simba_library_dft(LIBRARY_DFT_COMPLEX, false, length->extent, length->lanes, source, result);
  double error = 0, norm = 1e-30;
  for (int64_t k = 0; k < 2 * length->extent * length->lanes; k++) {
    error += pow((double)length->forward[k] - (double)result[k], 2);
    norm += pow((double)result[k], 2);
  }
  return sqrt(error / norm);
}

static void check(const Length *length, const char *what, double error) {
  ck_assert_msg(error <= TOLERANCE, "length %lld: %s is off by %g", (long long)length->extent, what, error);
}

static void check_length(const Length *length) {
  check(length, "the definition", error_of(length, DFT_COMPLEX, false, 1, length->complex, length->forward, LANE_X));
  check(length, "FFTW", fftw_error(length));
  check(length, "the inverse", inverse_error(length));
  check(length, "linearity", linearity_error(length));
  check(length, "Parseval's equation", parseval_error(length));
  check(length, "the shift", shift_error(length));
  if (!length->all) return;
  int64_t last = length->lanes - 1;
  check(length, "the transform of a real signal",
        error_of(length, length->to_spectrum, length->inverse, 0.5, length->real, length->of_real, last));
  check(length, "the transform to a real signal",
        error_of(length, length->to_real, length->inverse, 0.5, length->spectrum, length->of_spectrum, last));
}

/* --- programs ---------------------------------------------------------------------------------------------------- */

static void run(const Code *code, const float **input, float **output) {
  simba_call call = {.input = input,
                     .output = output,
                     .arena = code_block((size_t)code->program->arena_bytes.constant, arena),
                     .scratch = code_block(code->objects.scratch_bytes, arena)};
  ck_assert_int_eq(code->prepare(&call), 0);
  ck_assert_int_eq(code->run(&call), 0);
}

static float *exchange_parts(const Length *length, const float *x) {
  int64_t part = length->extent * length->lanes;
  float *exchanged = ARENA_ARRAY(arena, float, 2 * part);
  memcpy(exchanged, x + part, (size_t)part * sizeof(float));
  memcpy(exchanged + part, x, (size_t)part * sizeof(float));
  return exchanged;
}

static float *result_block(int64_t values) { return code_block((size_t)values * sizeof(float), arena); }

static void make_inputs(Length *length) {
  uint64_t seed = (uint64_t)length->extent;
  length->complex = make_signals(length, 2, length->extent, seed);
  length->real = make_signals(length, 1, length->extent, seed + 1000);
  length->spectrum = make_signals(length, 2, spectrum_rows(length), seed + 2000);
}

/* Appends what add_length made. Again: on the first run's result with its parts exchanged. */
static void bind_length(const Length *length, bool again, const float ***input, float ***output) {
  int64_t samples = length->extent * length->lanes;
  *(*input)++ = again ? exchange_parts(length, length->forward) : length->complex;
  *(*output)++ = result_block(2 * samples);
  if (!length->all) return;
  *(*input)++ = length->real;
  *(*input)++ = length->spectrum;
  *(*output)++ = result_block(2 * samples);
  *(*output)++ = result_block(2 * dft_rows_out(length->to_spectrum, length->extent) * length->lanes);
  *(*output)++ = result_block(samples);
}

static void keep_results(Length *length, bool again, float **output) {
  if (again) {
    if (!length->all) length->back = output[0];
    return;
  }
  length->forward = output[0];
  if (!length->all) return;
  length->back = output[1];
  length->of_real = output[2];
  length->of_spectrum = output[3];
}

static void run_lengths(const Code *code, Length *lengths, int count) {
  for (int k = 0; k < count; k++) make_inputs(&lengths[k]);
  for (int again = 0; again < 2; again++) {
    const float **input = ARENA_ARRAY(arena, const float *, 3 * count), **next_input = input;
    float **output = ARENA_ARRAY(arena, float *, 4 * count), **next_output = output;
    for (int k = 0; k < count; k++) bind_length(&lengths[k], again != 0, &next_input, &next_output);
    run(code, input, output);
    next_output = output;
    for (int k = 0; k < count; k++) {
      keep_results(&lengths[k], again != 0, next_output);
      next_output += result_count(&lengths[k]);
    }
  }
}

static void check_lengths(Length *lengths, int count, int lanes) {
  Graph *graph = graph_create(arena, "transforms");
  for (int k = 0; k < count; k++) add_length(graph, &lengths[k]);
  const Program *program =
      program_build(pipeline_run(graph, arena, &(PipelineOptions){.verify = true}, NULL), arena, NULL);
  ck_assert_uint_eq(program->kernel_count, program->launch_count);
  Code code = code_create(program, &(CodegenOptions){.lanes = lanes, .verify = true}, arena);
  run_lengths(&code, lengths, count);
  for (int k = 0; k < count; k++) check_length(&lengths[k]);
  code_destroy(&code);
}

/* Widths in turn: a long length takes the machine's own. */
START_TEST(every_length) {
  begin();
  Length lengths[TOGETHER];
  bool is_long = _i >= SHORT / TOGETHER;
  int count = is_long ? 1 : TOGETHER;
  for (int k = 0; k < count; k++)
    lengths[k] = length_of(is_long ? LONG[_i - SHORT / TOGETHER] : (int64_t)_i * TOGETHER + k + 1);
  check_lengths(lengths, count, is_long ? 0 : 4 << _i % 3);
  end();
}
END_TEST

int main(void) {
  codegen_library(); /* loaded once, before the tests fork */
  Suite *suite = suite_create("codegen_spectral");
  TCase *transforms = tcase_create("transforms");
  tcase_set_timeout(transforms, 300);
  tcase_add_loop_test(transforms, every_length, 0, PROGRAMS);
  suite_add_tcase(suite, transforms);
  return suite_run(suite);
}
