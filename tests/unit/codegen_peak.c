/* The code that measures a machine: what it computes, and that it computes what it says it does. */
#include "tests/codegen_library.h"
#include "tests/suite_run.h"

#include <math.h>

enum { ROUNDS = 50, MOST_FLOATS = 1 << 16 };

typedef struct Peaks {
  Arena *arena;
  CodegenObjects objects;
  CodegenImage *image;
  simba_entry *prepare, *run;
  int64_t work[PEAK_COUNT];
} Peaks;

static Peaks create(void) {
  Peaks peaks = {.arena = arena_create()};
  const CodegenApi *api = codegen_library();
  CodegenOptions options = {.verify = true};
  const char *message = "";
  if (api->peaks("peak", &options, peaks.arena, &peaks.objects, peaks.work, &message)) ck_abort_msg("%s", message);
  if (api->load(&peaks.objects, "peak", peaks.arena, &peaks.image, &peaks.prepare, &peaks.run, &message))
    ck_abort_msg("%s", message);
  return peaks;
}

static void destroy(Peaks *peaks) {
  codegen_library()->unload(peaks->image);
  arena_destroy(peaks->arena);
}

/* The first lane of what a peak leaves behind. */
static float result(const Peaks *peaks, CodegenPeak peak, int64_t rounds, int64_t times, float *memory) {
  _Alignas(64) float scratch[64] = {0};
  simba_call call = {.symbol = {times}, .seed = (uint64_t)peak, .step = (uint64_t)rounds};
  call.arena = (char *)memory;
  call.scratch = (char *)scratch;
  ck_assert_int_eq(peaks->prepare(&call), 0);
  ck_assert_int_eq(peaks->run(&call), 0);
  return scratch[0];
}

/* Chains of x / 2 + 1 / 2 go to 1, those of 2^-x to 0.6412. */
START_TEST(arithmetic_is_done) {
  Peaks peaks = create();
  float chains = result(&peaks, PEAK_MULTIPLY_ADD, ROUNDS, 1, NULL);
  ck_assert_float_eq_tol(chains, roundf(chains), 1e-4f);
  ck_assert_float_gt(chains, 7);
  ck_assert_float_lt(result(&peaks, PEAK_MULTIPLY_ADD, 0, 1, NULL), chains);
  ck_assert_int_ge(peaks.work[PEAK_MULTIPLY_ADD], 2 * 4 * 4 * (int64_t)chains);
  float elementary = result(&peaks, PEAK_ELEMENTARY, ROUNDS, 1, NULL);
  ck_assert_float_eq_tol(elementary, 8 * 0.6411857f, 1e-4f);
  destroy(&peaks);
}
END_TEST

/* Every float is read once in each of `times`: of ones, each lane sums its share. */
START_TEST(memory_is_read) {
  Peaks peaks = create();
  float *memory = malloc(MOST_FLOATS * sizeof *memory);
  ck_assert_ptr_nonnull(memory);
  for (int k = 0; k < MOST_FLOATS; k++) memory[k] = 1;
  float nothing = result(&peaks, PEAK_READ, 0, 1, memory);
  int64_t floats = peaks.work[PEAK_READ] / (int64_t)sizeof(float), lanes = floats / 8;
  ck_assert_int_le(ROUNDS * floats, MOST_FLOATS);
  float once = result(&peaks, PEAK_READ, ROUNDS, 1, memory) - nothing;
  float thrice = result(&peaks, PEAK_READ, ROUNDS, 3, memory) - nothing;
  ck_assert_float_eq_tol(once, (float)(ROUNDS * floats / lanes), 1e-3f);
  ck_assert_float_eq_tol(thrice, (float)(3 * ROUNDS * floats / lanes), 1e-3f);
  free(memory);
  destroy(&peaks);
}
END_TEST

int main(void) {
  codegen_library(); /* loaded once, before the tests fork */
  Suite *suite = suite_create("codegen_peak");
  TCase *cases = tcase_create("peak");
  tcase_set_timeout(cases, 120);
  tcase_add_test(cases, arithmetic_is_done);
  tcase_add_test(cases, memory_is_read);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
