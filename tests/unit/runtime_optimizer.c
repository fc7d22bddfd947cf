/* AdamW against formulas in double, its groupings, clipping and determinism; the schedule against golden values; Philox
 * against published vectors; shuffles. */
#include <check.h>
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/optimizer.h"
#include "runtime/random.h"
#include "runtime/safetensors.h"
#include "runtime/threads.h"
#include "tests/support/denormal_mode.h"
#include "tests/suite_run.h"

enum { STEPS = 20 };

static const OptimizerSettings SETTINGS = {
    .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.05, .decay = SIMBA_DECAY_ALL};

static TensorFile *golden(const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/parity/%s", TESTS_FOLDER, name);
  TensorFile *file = NULL;
  simba_error error = {0};
  ck_assert_msg(tensor_file_open(path, &file, &error) == SIMBA_OK, "%s", error.message);
  return file;
}

static Optimizer *create(const OptimizerTensor *tensors, size_t count, int64_t size,
                         const OptimizerSettings *settings) {
  Optimizer *optimizer = NULL;
  simba_error error = {0};
  ck_assert_msg(optimizer_create(tensors, count, size, settings, &optimizer, &error) == SIMBA_OK, "%s", error.message);
  return optimizer;
}

/* Parameters of a golden model laid one behind the other, and as gradients a fixed function of parameter and step. */
typedef struct Problem {
  TensorFile *file;
  OptimizerTensor tensor[128];
  size_t count;
  int64_t size;
  float *parameters, *gradients;
} Problem;

static Problem problem_create(const char *name) {
  Problem problem = {.file = golden(name)};
  for (size_t i = 0; i < problem.file->count; i++) {
    const Tensor *tensor = &problem.file->tensor[i];
    if (strncmp(tensor->name, "param.", 6) != 0) continue;
    problem.tensor[problem.count++] = (OptimizerTensor){
        .name = tensor->name + 6, .offset = problem.size, .count = tensor->count, .rank = tensor->rank};
    problem.size += (tensor->count + 15) / 16 * 16;
  }
  problem.parameters = calloc((size_t)problem.size, sizeof(float));
  problem.gradients = calloc((size_t)problem.size, sizeof(float));
  for (size_t i = 0; i < problem.count; i++) {
    char full[256];
    snprintf(full, sizeof full, "param.%s", problem.tensor[i].name);
    const Tensor *tensor = tensor_file_find(problem.file, full);
    ck_assert_int_eq(tensor_read_f32(problem.file, tensor, problem.parameters + problem.tensor[i].offset, NULL), 0);
  }
  return problem;
}

static void problem_destroy(Problem *problem) {
  tensor_file_close(problem->file);
  free(problem->parameters);
  free(problem->gradients);
}

static float gradient_at(int64_t index, int step) { return 0.01f * (float)sin(0.37 * (double)index + step) + 0.003f; }

static void problem_gradients(Problem *problem, int step) {
  for (size_t i = 0; i < problem->count; i++)
    for (int64_t k = 0; k < problem->tensor[i].count; k++)
      problem->gradients[problem->tensor[i].offset + k] = gradient_at(problem->tensor[i].offset + k, step);
}

/* One element through STEPS updates in double, as golden/README states the formulas. */
static double reference(double p, int64_t index, bool decay, double rate) {
  double m = 0, v = 0;
  for (int t = 1; t <= STEPS; t++) {
    double g = (double)gradient_at(index, t - 1);
    if (decay) p *= 1 - rate * 0.05;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    p -= rate * (m / (1 - pow(0.9, t))) / (sqrt(v / (1 - pow(0.999, t))) + 1e-8);
  }
  return p;
}

static void check_against_formulas(const char *name, simba_decay decay) {
  Problem problem = problem_create(name);
  OptimizerSettings settings = SETTINGS;
  settings.decay = decay;
  ck_assert_uint_gt(problem.count, 40);
  float *start = malloc((size_t)problem.size * sizeof *start);
  memcpy(start, problem.parameters, (size_t)problem.size * sizeof *start);
  Optimizer *optimizer = create(problem.tensor, problem.count, problem.size, &settings);
  for (int step = 0; step < STEPS; step++) {
    problem_gradients(&problem, step);
    ck_assert_int_eq(optimizer_step(optimizer, problem.parameters, problem.gradients, 1e-3, NULL, NULL, NULL), 0);
  }
  ck_assert_int_eq(optimizer_steps(optimizer), STEPS);
  for (size_t i = 0; i < problem.count; i++) {
    const OptimizerTensor *tensor = &problem.tensor[i];
    size_t length = strlen(tensor->name);
    bool bias = length > 5 && strcmp(tensor->name + length - 5, ".bias") == 0;
    bool decayed = decay == SIMBA_DECAY_ALL || (tensor->rank > 1 && !bias);
    for (int64_t k = tensor->offset; k < tensor->offset + tensor->count; k++) {
      double expected = reference((double)start[k], k, decayed, 1e-3);
      ck_assert_msg(fabs((double)problem.parameters[k] - expected) <= 2e-6 * (1 + fabs(expected)), "%s[%ld]: %g, %g",
                    tensor->name, (long)(k - tensor->offset), (double)problem.parameters[k], expected);
    }
  }
  optimizer_destroy(optimizer);
  free(start);
  problem_destroy(&problem);
}

START_TEST(adamw_decays_all) { check_against_formulas("adamw_all.safetensors", SIMBA_DECAY_ALL); }
END_TEST
START_TEST(adamw_decays_matrices) { check_against_formulas("adamw_timm.safetensors", SIMBA_DECAY_MATRICES); }
END_TEST

/* The first golden step's gradients are in the files; after it every element has moved by the rate in the gradient's
 * direction, after its decay. */
START_TEST(first_golden_step) {
  Problem problem = problem_create("adamw_timm.safetensors");
  OptimizerSettings settings = SETTINGS;
  settings.decay = SIMBA_DECAY_MATRICES;
  float *start = malloc((size_t)problem.size * sizeof *start);
  memcpy(start, problem.parameters, (size_t)problem.size * sizeof *start);
  for (size_t i = 0; i < problem.count; i++) {
    char full[256];
    snprintf(full, sizeof full, "gparam_step0.%s", problem.tensor[i].name);
    const Tensor *tensor = tensor_file_find(problem.file, full);
    ck_assert_ptr_nonnull(tensor);
    ck_assert_int_eq(tensor_read_f32(problem.file, tensor, problem.gradients + problem.tensor[i].offset, NULL), 0);
  }
  Optimizer *optimizer = create(problem.tensor, problem.count, problem.size, &settings);
  ck_assert_int_eq(optimizer_step(optimizer, problem.parameters, problem.gradients, 1e-3, NULL, NULL, NULL), 0);
  for (size_t i = 0; i < problem.count; i++) {
    const OptimizerTensor *tensor = &problem.tensor[i];
    bool decayed = tensor->rank > 1 && !strstr(tensor->name, ".bias");
    for (int64_t k = tensor->offset; k < tensor->offset + tensor->count; k++) {
      double g = (double)problem.gradients[k], keep = decayed ? 1 - 5e-5 : 1;
      double expected = (double)start[k] * keep - 1e-3 * g / (fabs(g) + 1e-8);
      ck_assert_double_le(fabs((double)problem.parameters[k] - expected), 3e-7 * (1 + fabs(expected)));
    }
  }
  optimizer_destroy(optimizer);
  free(start);
  problem_destroy(&problem);
}
END_TEST

/* A hash of all bits after some steps. */
static uint64_t run_with_threads(int32_t threads) {
  ThreadPool *pool = NULL;
  ck_assert_int_eq(thread_pool_create(threads, &pool, NULL), SIMBA_OK);
  Problem problem = problem_create("adamw_all.safetensors");
  OptimizerSettings settings = SETTINGS;
  settings.clip = 0.1;
  Optimizer *optimizer = create(problem.tensor, problem.count, problem.size, &settings);
  uint64_t hash = 14695981039346656037u;
  for (int step = 0; step < 5; step++) {
    double norm;
    problem_gradients(&problem, step);
    ck_assert_int_eq(
        optimizer_step(optimizer, problem.parameters, problem.gradients, 1e-3, thread_pool_executor(pool), &norm, NULL),
        SIMBA_OK);
    ck_assert_double_gt(norm, settings.clip);
    hash = (hash ^ (uint64_t)(norm * 1e15)) * 1099511628211u;
  }
  const unsigned char *bytes = (const unsigned char *)problem.parameters;
  for (size_t i = 0; i < (size_t)problem.size * sizeof(float); i++) hash = (hash ^ bytes[i]) * 1099511628211u;
  optimizer_destroy(optimizer);
  problem_destroy(&problem);
  thread_pool_destroy(pool);
  return hash;
}

START_TEST(same_bits_for_any_number_of_threads) {
  uint64_t expected = run_with_threads(1);
  ck_assert_uint_eq(run_with_threads(2), expected);
  ck_assert_uint_eq(run_with_threads(3), expected);
}
END_TEST

START_TEST(norm_and_clipping) {
  enum { SIZE = 10007 };
  static float parameters[SIZE], clipped[SIZE], gradients[SIZE];
  const OptimizerTensor tensor = {.name = "w", .count = SIZE, .rank = 1};
  OptimizerSettings settings = SETTINGS;
  Optimizer *plain = create(&tensor, 1, SIZE, &settings);
  settings.clip = 0.5;
  Optimizer *clipping = create(&tensor, 1, SIZE, &settings);
  double squares = 0, norm;
  for (int i = 0; i < SIZE; i++) {
    gradients[i] = gradient_at(i, 3);
    squares += (double)gradients[i] * (double)gradients[i];
  }
  ck_assert_double_eq_tol(optimizer_gradient_norm(plain, gradients, NULL), sqrt(squares), 1e-12);
  ck_assert_int_eq(optimizer_step(clipping, clipped, gradients, 1e-3, NULL, &norm, NULL), SIMBA_OK);
  ck_assert_double_eq_tol(norm, sqrt(squares), 1e-12);
  double scale = 0.5 / (sqrt(squares) + 1e-6);
  for (int i = 0; i < SIZE; i++) {
    double g = scale * (double)gradients[i], moved = -1e-3 * g / (fabs(g) + 1e-8);
    ck_assert_double_eq_tol(optimizer_first_moment(clipping)[i], 0.1 * g, 1e-7 * fabs(g));
    ck_assert_double_eq_tol((double)clipped[i], moved, 1e-6 * fabs(moved));
    gradients[i] *= 0.5f;
  }
  norm = optimizer_gradient_norm(plain, gradients, NULL); /* a limit that is just kept: nothing is clipped */
  optimizer_destroy(clipping);
  settings.clip = norm;
  clipping = create(&tensor, 1, SIZE, &settings);
  ck_assert_int_eq(optimizer_step(clipping, clipped, gradients, 1e-3, NULL, NULL, NULL), SIMBA_OK);
  ck_assert_int_eq(optimizer_step(plain, parameters, gradients, 1e-3, NULL, NULL, NULL), SIMBA_OK);
  ck_assert_mem_eq(optimizer_first_moment(clipping), optimizer_first_moment(plain), sizeof gradients);
  for (int i = 0; i < SIZE; i++)
    ck_assert_double_eq_tol(optimizer_first_moment(plain)[i], 0.1 * (double)gradients[i],
                            1e-7 * fabs((double)gradients[i]));
  optimizer_destroy(plain);
  optimizer_destroy(clipping);
}
END_TEST

START_TEST(bad_gradients_change_nothing) {
  float parameters[4] = {1, 2, 3, 4}, gradients[4] = {1, 1, NAN, 1};
  OptimizerTensor tensors[] = {{.name = "a", .count = 2, .rank = 1}, {.name = "b", .offset = 2, .count = 2, .rank = 1}};
  Optimizer *optimizer = create(tensors, 2, 4, &SETTINGS);
  simba_error error;
  ck_assert_int_eq(optimizer_step(optimizer, parameters, gradients, 1e-3, NULL, NULL, &error), SIMBA_NOT_FINITE);
  ck_assert_str_eq(error.message, "the gradient of 'b' is not finite");
  ck_assert_int_eq(optimizer_steps(optimizer), 0);
  for (int i = 0; i < 4; i++) ck_assert_float_eq(parameters[i], (float)(i + 1));
  optimizer_destroy(optimizer);
  tensors[1].frozen = true; /* then it does not matter */
  optimizer = create(tensors, 2, 4, &SETTINGS);
  ck_assert_int_eq(optimizer_step(optimizer, parameters, gradients, 1e-3, NULL, NULL, &error), SIMBA_OK);
  ck_assert_float_lt(parameters[0], 1);
  ck_assert_float_eq(parameters[2], 3);
  optimizer_destroy(optimizer);
  /* The one before it is frozen and no number either: neither named nor moved. */
  gradients[0] = INFINITY;
  tensors[0].frozen = true;
  tensors[1].frozen = false;
  optimizer = create(tensors, 2, 4, &SETTINGS);
  ck_assert_int_eq(optimizer_step(optimizer, parameters, gradients, 1e-3, NULL, NULL, &error), SIMBA_NOT_FINITE);
  ck_assert_str_eq(error.message, "the gradient of 'b' is not finite");
  gradients[2] = 1;
  float before = parameters[0];
  ck_assert_int_eq(optimizer_step(optimizer, parameters, gradients, 1e-3, NULL, NULL, &error), SIMBA_OK);
  ck_assert_float_eq(parameters[0], before);
  ck_assert_float_lt(parameters[2], 3);
  optimizer_destroy(optimizer);
}
END_TEST

/* Without a gradient yet there is nothing to divide: neither by the smallest epsilon nor in the first step. */
START_TEST(nothing_learned_moves_nothing) {
  float parameters[2] = {1, -2}, gradients[2] = {0, 1e-30f}; /* whose square is 0 in f32 */
  const OptimizerTensor tensor = {.name = "w", .count = 2, .rank = 1};
  OptimizerSettings settings = SETTINGS;
  settings.weight_decay = 0;
  settings.epsilon = (double)FLT_MIN;
  Optimizer *optimizer = create(&tensor, 1, 2, &settings);
  ck_assert_int_eq(optimizer_step(optimizer, parameters, gradients, 0, NULL, NULL, NULL), SIMBA_OK);
  ck_assert_float_eq(parameters[0], 1);
  ck_assert_float_eq(parameters[1], -2);
  optimizer_destroy(optimizer);
}
END_TEST

/* Gradients about as large as epsilon: where it stands in the formula shows in every digit. */
START_TEST(epsilon_is_added_to_the_root) {
  float parameters[3] = {0}, gradients[3] = {1e-4f, -1e-6f, 1e-8f};
  const OptimizerTensor tensor = {.name = "w", .count = 3, .rank = 1};
  OptimizerSettings settings = SETTINGS;
  settings.epsilon = 1e-6;
  Optimizer *optimizer = create(&tensor, 1, 3, &settings);
  ck_assert_int_eq(optimizer_step(optimizer, parameters, gradients, 1e-3, NULL, NULL, NULL), SIMBA_OK);
  for (int i = 0; i < 3; i++) {
    double g = (double)gradients[i], expected = -1e-3 * g / (fabs(g) + 1e-6);
    ck_assert_double_eq_tol((double)parameters[i], expected, 1e-6 * fabs(expected));
  }
  optimizer_destroy(optimizer);
}
END_TEST

/* What is decayed among matrices goes by the whole last word of the name. */
START_TEST(biases_are_known_by_name) {
  static const struct {
    const char *name;
    int32_t rank;
    bool decayed;
  } CASES[] = {{"bias", 2, false}, {"a.bias", 2, false}, {"a.abias", 2, true}, {"bias.w", 2, true}, {"w", 1, false}};
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    float parameter = 1, gradient = 0;
    const OptimizerTensor tensor = {.name = CASES[i].name, .count = 1, .rank = CASES[i].rank};
    OptimizerSettings settings = SETTINGS;
    settings.decay = SIMBA_DECAY_MATRICES;
    Optimizer *optimizer = create(&tensor, 1, 1, &settings);
    ck_assert_int_eq(optimizer_step(optimizer, &parameter, &gradient, 1, NULL, NULL, NULL), SIMBA_OK);
    ck_assert_float_eq(parameter, CASES[i].decayed ? 0.95f : 1);
    optimizer_destroy(optimizer);
  }
}
END_TEST

/* A tensor with a factor moves and decays as one whose learning rate is that much larger; the others as ever. */
START_TEST(rates_of_tensors) {
  enum { N = 5000 };
  static float grouped[2 * N], apart[2 * N], gradients[2 * N];
  for (int i = 0; i < 2 * N; i++) {
    grouped[i] = apart[i] = 0.5f + 0.001f * (float)(i * 37 % 1000);
    gradients[i] = 0.001f * (float)(i * 91 % 1000) - 0.5f;
  }
  const OptimizerTensor both[] = {{.name = "a", .count = N, .rank = 2, .rate = 0.25},
                                  {.name = "b", .offset = N, .count = N, .rank = 2}};
  const OptimizerTensor one = {.name = "a", .count = N, .rank = 2};
  Optimizer *optimizer = create(both, 2, 2 * N, &SETTINGS), *first = create(&one, 1, N, &SETTINGS),
            *second = create(&one, 1, N, &SETTINGS);
  for (int step = 0; step < 3; step++) {
    ck_assert_int_eq(optimizer_step(optimizer, grouped, gradients, 1e-2, NULL, NULL, NULL), SIMBA_OK);
    ck_assert_int_eq(optimizer_step(first, apart, gradients, 2.5e-3, NULL, NULL, NULL), SIMBA_OK);
    ck_assert_int_eq(optimizer_step(second, apart + N, gradients + N, 1e-2, NULL, NULL, NULL), SIMBA_OK);
  }
  ck_assert_mem_eq(grouped, apart, sizeof apart);
  optimizer_destroy(optimizer);
  optimizer_destroy(first);
  optimizer_destroy(second);
}
END_TEST

/* The bits are those of flush-to-zero and of rounding to nearest whatever mode the caller is in, and it stays in it. */
START_TEST(mode_of_the_caller) {
  float moment[2], parameter[2];
  uint64_t usual = denormal_mode();
  for (int i = 0; i < 2; i++) {
    float gradient = 3e-20f; /* its square is subnormal */
    const OptimizerTensor tensor = {.name = "w", .count = 1, .rank = 1};
    Optimizer *optimizer = create(&tensor, 1, 1, &SETTINGS);
    parameter[i] = 1;
    if (i) fesetround(FE_UPWARD);
    uint64_t mode = denormal_mode();
    ck_assert_int_eq(optimizer_step(optimizer, &parameter[i], &gradient, 1e-3, NULL, NULL, NULL), SIMBA_OK);
    ck_assert_uint_eq(denormal_mode() & ~UINT64_C(0x3F), mode & ~UINT64_C(0x3F)); /* but for the flags of x86 */
    fesetround(FE_TONEAREST);
    moment[i] = optimizer_first_moment(optimizer)[0];
    ck_assert_float_eq(optimizer_second_moment(optimizer)[0], 0);
    optimizer_destroy(optimizer);
  }
  ck_assert_uint_eq(denormal_mode() & ~UINT64_C(0x3F), usual & ~UINT64_C(0x3F));
  ck_assert_mem_eq(&moment[0], &moment[1], sizeof *moment);
  ck_assert_mem_eq(&parameter[0], &parameter[1], sizeof *parameter);
}
END_TEST

START_TEST(wrong_settings) {
  Optimizer *optimizer = NULL;
  simba_error error;
  OptimizerSettings settings = SETTINGS;
  settings.beta1 = 1;
  ck_assert_int_eq(optimizer_create(NULL, 0, 0, &settings, &optimizer, &error), SIMBA_INVALID_ARGUMENT);
  ck_assert_str_eq(error.message, "AdamW: betas 1 and 0.999: expected 0 <= beta < 1");
  settings = SETTINGS;
  settings.epsilon = 1e-40; /* would be flushed to 0 */
  ck_assert_int_eq(optimizer_create(NULL, 0, 0, &settings, &optimizer, &error), SIMBA_INVALID_ARGUMENT);
  ck_assert_str_eq(error.message, "AdamW: epsilon 1e-40: expected 1.2e-38 to 3.4e38");
  settings.epsilon = NAN;
  ck_assert_int_eq(optimizer_create(NULL, 0, 0, &settings, &optimizer, &error), SIMBA_INVALID_ARGUMENT);
  settings = SETTINGS;
  settings.weight_decay = -1;
  ck_assert_int_eq(optimizer_create(NULL, 0, 0, &settings, &optimizer, &error), SIMBA_INVALID_ARGUMENT);
  settings = SETTINGS;
  settings.clip = NAN;
  ck_assert_int_eq(optimizer_create(NULL, 0, 0, &settings, &optimizer, &error), SIMBA_INVALID_ARGUMENT);
  OptimizerTensor tensor = {.name = "w", .offset = 2, .count = 3, .rank = 1};
  ck_assert_int_eq(optimizer_create(&tensor, 1, 4, &SETTINGS, &optimizer, &error), SIMBA_INVALID_ARGUMENT);
  ck_assert_str_eq(error.message, "tensor 'w' lies outside of the 4 parameters");
}
END_TEST

START_TEST(cosine_schedule_is_exact) {
  TensorFile *file = golden("cosine_schedule.safetensors");
  const Tensor *single = tensor_file_find(file, "out.lr"), *twice = tensor_file_find(file, "out.lr@f64");
  float rates[340];
  double exact[340];
  ck_assert_int_eq(single->count, 340);
  ck_assert_int_eq(tensor_read_f32(file, single, rates, NULL), SIMBA_OK);
  ck_assert_int_eq(tensor_read_f64(file, twice, exact, NULL), SIMBA_OK);
  const simba_schedule schedule = {
      .kind = SIMBA_COSINE, .rate = 1e-3, .minimum = 1e-5, .warmup_rate = 1e-6, .warmup = 5, .total = 310};
  for (int t = 0; t < 340; t++) {
    double rate = simba_schedule_rate(&schedule, t);
    ck_assert_msg((float)rate == rates[t], "t = %d: %.9g, expected %.9g", t, rate, (double)rates[t]);
    ck_assert_double_eq_tol(rate, exact[t], 1e-18);
  }
  tensor_file_close(file);
  const simba_schedule constant = {.kind = SIMBA_CONSTANT, .rate = 2e-3, .warmup_rate = 1e-3, .warmup = 2};
  ck_assert_double_eq(simba_schedule_rate(&constant, 1), 1.5e-3);
  ck_assert_double_eq(simba_schedule_rate(&constant, 1000), 2e-3);
}
END_TEST

/* Known answers of Random123's kat_vectors for philox4x32-10. */
START_TEST(philox_vectors) {
  uint32_t words[4];
  random_bits(0, 0, 0, words);
  ck_assert_uint_eq(words[0], 0x6627e8d5);
  ck_assert_uint_eq(words[1], 0xe169c58d);
  ck_assert_uint_eq(words[2], 0xbc57ac4c);
  ck_assert_uint_eq(words[3], 0x9b00dbd8);
  random_bits(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88, words);
  ck_assert_uint_eq(words[0], 0xd16cfe09);
  ck_assert_uint_eq(words[1], 0x94fdcceb);
  ck_assert_uint_eq(words[2], 0x5001e420);
  ck_assert_uint_eq(words[3], 0x24126ea1);
}
END_TEST

/* By another implementation of Philox and of the draws: a run that is resumed by a later version goes on in this order.
 */
START_TEST(shuffles_are_pinned) {
  static const int64_t FIRST[] = {2, 7, 5, 0, 9, 3, 1, 4, 8, 11, 6, 10};
  static const int64_t SECOND[] = {6, 0, 2, 1, 9, 10, 11, 3, 8, 7, 5, 4};
  int64_t order[12];
  random_shuffle(5, 3, 12, order);
  ck_assert_mem_eq(order, FIRST, sizeof order);
  random_shuffle((UINT64_C(1) << 63) + 9, 70000, 12, order);
  ck_assert_mem_eq(order, SECOND, sizeof order);
}
END_TEST

START_TEST(shuffles_are_permutations) {
  enum { COUNT = 997 };
  int64_t order[COUNT], again[COUNT], other[COUNT], moved = 0;
  random_shuffle(5, 3, COUNT, order);
  random_shuffle(5, 3, COUNT, again);
  random_shuffle(5, 4, COUNT, other);
  ck_assert_mem_eq(order, again, sizeof order);
  ck_assert_mem_ne(order, other, sizeof order);
  bool seen[COUNT] = {false};
  for (int i = 0; i < COUNT; i++) {
    ck_assert_int_ge(order[i], 0);
    ck_assert_int_lt(order[i], COUNT);
    ck_assert(!seen[order[i]]);
    seen[order[i]] = true;
    moved += order[i] != i;
  }
  ck_assert_int_gt(moved, COUNT - 20);
  random_shuffle(1, 1, 1, order);
  ck_assert_int_eq(order[0], 0);
}
END_TEST

/* Each of the 24 orders of 4 comes up about equally often: chi squared with 23 degrees of freedom stays under 64, which
 * chance exceeds once in 100,000 seeds. */
START_TEST(shuffles_are_unbiased) {
  enum { ROUNDS = 24000 };
  int count[256] = {0};
  for (uint64_t epoch = 0; epoch < ROUNDS; epoch++) {
    int64_t order[4];
    random_shuffle(1, epoch, 4, order);
    count[order[0] + 4 * order[1] + 16 * order[2] + 64 * order[3]]++;
  }
  double chi = 0;
  int orders = 0;
  for (int i = 0; i < 256; i++) {
    if (!count[i]) continue;
    orders++;
    chi += (count[i] - ROUNDS / 24.0) * (count[i] - ROUNDS / 24.0) / (ROUNDS / 24.0);
  }
  ck_assert_int_eq(orders, 24);
  ck_assert_double_lt(chi, 64);
}
END_TEST

START_TEST(uniform_and_normal_moments) {
  enum { COUNT = 100000 };
  double uniform = 0, normal = 0, squares = 0;
  for (uint64_t i = 0; i < COUNT; i++) {
    float u = random_uniform(9, 1, i);
    double z = random_normal(9, 2, i);
    ck_assert(u >= 0 && u < 1);
    uniform += (double)u;
    normal += z;
    squares += z * z;
  }
  ck_assert_double_eq_tol(uniform / COUNT, 0.5, 0.005);
  ck_assert_double_eq_tol(normal / COUNT, 0, 0.016);
  ck_assert_double_eq_tol(squares / COUNT, 1, 0.023);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_optimizer");
  TCase *cases = tcase_create("optimizer");
  tcase_set_timeout(cases, 60);
  tcase_add_test(cases, adamw_decays_all);
  tcase_add_test(cases, adamw_decays_matrices);
  tcase_add_test(cases, first_golden_step);
  tcase_add_test(cases, same_bits_for_any_number_of_threads);
  tcase_add_test(cases, norm_and_clipping);
  tcase_add_test(cases, bad_gradients_change_nothing);
  tcase_add_test(cases, nothing_learned_moves_nothing);
  tcase_add_test(cases, epsilon_is_added_to_the_root);
  tcase_add_test(cases, biases_are_known_by_name);
  tcase_add_test(cases, rates_of_tensors);
  tcase_add_test(cases, mode_of_the_caller);
  tcase_add_test(cases, wrong_settings);
  tcase_add_test(cases, cosine_schedule_is_exact);
  tcase_add_test(cases, philox_vectors);
  tcase_add_test(cases, shuffles_are_pinned);
  tcase_add_test(cases, shuffles_are_permutations);
  tcase_add_test(cases, shuffles_are_unbiased);
  tcase_add_test(cases, uniform_and_normal_moments);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
