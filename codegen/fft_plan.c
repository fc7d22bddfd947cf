#include "fft_plan.h"

#include "codelet.h"

/* Cycles of an instruction where many overlap, on cores with two arithmetic units for vectors. Measured: values that do
 * not fit in the registers are stored and loaded about four times, so that 16 registers want radices up to 8. */
enum { SPARE_REGISTERS = 4 };
static const double CYCLES_ARITHMETIC = 0.5, CYCLES_LOAD = 0.4, CYCLES_STORE = 0.6, CYCLES_LOOP = 6;
/* Of the four loads, two broadcasts and four multiply-adds for a term of two frequencies of a dense matrix. */
static const double CYCLES_DENSE_TERM = 3.2;

typedef struct Search {
  const Target *target;
  double codelet[CODELET_LARGEST + 1]; /* cost by radix, twiddles included */
  int64_t radix[FFT_MAX_LEVELS];
  int count;
  FftPlan best;
} Search;

static double codelet_cost(int radix, const Target *target) {
  int spilled = 2 * radix + SPARE_REGISTERS - target->registers;
  double arithmetic = codelet_operations(radix, target->has_fma) + 4 * (radix - 1);
  double loads = 4 * radix, stores = 2 * radix;
  if (spilled > 0) {
    loads += 4 * spilled;
    stores += 4 * spilled;
  }
  return CYCLES_LOOP + CYCLES_ARITHMETIC * arithmetic + CYCLES_LOAD * loads + CYCLES_STORE * stores;
}

static double dense_cost(int64_t prime) {
  double half = (double)(prime - 1) / 2;
  return CYCLES_LOOP + half * half * CYCLES_DENSE_TERM +
         (double)prime * (10 * CYCLES_ARITHMETIC + 6 * CYCLES_LOAD + 6 * CYCLES_STORE);
}

static double level_cost(const Search *search, int64_t length, int64_t radix) {
  double each = radix <= CODELET_LARGEST ? search->codelet[radix] : dense_cost(radix);
  return (double)(length / radix) * each;
}

static int64_t smallest_factor(int64_t value) {
  for (int64_t factor = 2; factor * factor <= value; factor++)
    if (value % factor == 0) return factor;
  return value;
}

/* The first and the last level touch rows of the arguments that lie far apart, often by powers of two: few at a time, or
 * they push each other out of the cache's sets before both halves of a line are used. So the smallest radix comes first,
 * the next one last. */
static void order_levels(FftPlan *plan) {
  int count = plan->level_count;
  for (int k = 0; k < count; k++) {
    for (int next = k + 1; next < count; next++) {
      if (plan->radix[next] >= plan->radix[k]) continue;
      int64_t smaller = plan->radix[next];
      plan->radix[next] = plan->radix[k];
      plan->radix[k] = smaller;
    }
  }
  if (count < 3) return;
  int64_t second = plan->radix[1];
  for (int k = 1; k + 1 < count; k++) plan->radix[k] = plan->radix[k + 1];
  plan->radix[count - 1] = second;
}

/* All ways to write `rest` as radices that do not grow. */
static void search_levels(Search *search, int64_t length, int64_t rest, int64_t most, double cost) {
  if (cost >= search->best.cost) return;
  if (rest == 1) {
    if (search->count == 0) search->radix[search->count++] = 1; /* the transform of one value */
    search->best.cost = cost;
    search->best.level_count = search->count;
    for (int k = 0; k < search->count; k++) search->best.radix[k] = search->radix[k];
    return;
  }
  if (search->count == FFT_MAX_LEVELS) return;
  for (int64_t radix = most < CODELET_LARGEST ? most : CODELET_LARGEST; radix >= 2; radix--) {
    if (rest % radix != 0) continue;
    search->radix[search->count++] = radix;
    search_levels(search, length, rest / radix, radix, cost + level_cost(search, length, radix));
    search->count--;
  }
}

static Search search_begin(const Target *target) {
  Search search = {.target = target};
  for (int radix = 2; radix <= CODELET_LARGEST; radix++) search.codelet[radix] = codelet_cost(radix, target);
  return search;
}

/* Primes without a codelet are a level of their own each. */
static void plan_levels(Search *search, int64_t length) {
  search->count = 0;
  search->best = (FftPlan){.extent = length, .length = length, .cost = 1e300};
  double cost = 0;
  int64_t rest = length, smooth = 1;
  while (rest > 1) {
    int64_t prime = smallest_factor(rest);
    rest /= prime;
    if (prime < CODELET_LARGEST) {
      smooth *= prime;
    } else {
      search->radix[search->count++] = prime;
      cost += level_cost(search, length, prime);
    }
  }
  search_levels(search, length, smooth, CODELET_LARGEST, cost);
  order_levels(&search->best);
}

static bool is_smooth(int64_t value) {
  for (int64_t prime = 2; prime <= 7; prime++)
    while (value % prime == 0) value /= prime;
  return value == 1;
}

/* The convolution of N values with 2 N - 1 factors needs a cycle of at least as many rows; a longer one may be cheaper. */
static void plan_chirp(Search *search, int64_t extent) {
  FftPlan best = {.cost = 1e300};
  for (int64_t length = 2 * extent - 1; length <= 2 * extent + extent / 4 + 4; length++) {
    if (!is_smooth(length)) continue;
    plan_levels(search, length);
    FftPlan plan = search->best;
    plan.cost = 2 * plan.cost + (double)(3 * length) * (4 * CYCLES_ARITHMETIC + 4 * CYCLES_LOAD + 2 * CYCLES_STORE);
    if (plan.cost < best.cost) best = plan;
  }
  best.extent = extent;
  best.chirp = true;
  search->best = best;
}

int64_t fft_plan_terms(const FftPlan *plan) {
  int64_t largest = 0;
  for (int l = 0; l < plan->level_count; l++)
    if (plan->radix[l] > CODELET_LARGEST && plan->radix[l] > largest) largest = plan->radix[l];
  return largest ? 2 * (largest + 1) : 0;
}

enum { MOST_CHOICES = 2 };

/* Levels alone, and for lengths with large primes a chirp; cheapest first. How many. */
static int plan_choices(int64_t extent, const Target *target, FftPlan plan[MOST_CHOICES]) {
  Search search = search_begin(target);
  plan_levels(&search, extent);
  plan[0] = search.best;
  if (fft_plan_terms(&plan[0]) == 0) return 1;
  plan_chirp(&search, extent);
  plan[1] = search.best;
  if (plan[1].cost < plan[0].cost) {
    plan[1] = plan[0];
    plan[0] = search.best;
  }
  return 2;
}

void fft_plan(int64_t extent, const Target *target, FftPlan *out) {
  FftPlan plan[MOST_CHOICES];
  plan_choices(extent, target, plan);
  *out = plan[0];
}

static void print_plan(const FftPlan *plan, Text *out) {
  if (plan->chirp) text_print(out, "chirp of %lld, ", (long long)plan->length);
  for (int k = 0; k < plan->level_count; k++) {
    const char *dense = plan->radix[k] > CODELET_LARGEST ? "dense " : "";
    text_print(out, "%s%s%lld", k ? " x " : "", dense, (long long)plan->radix[k]);
  }
  text_print(out, ": %.0f", plan->cost);
}

void fft_plan_explain(int64_t extent, const Target *target, Text *out) {
  FftPlan plan[MOST_CHOICES];
  int count = plan_choices(extent, target, plan);
  print_plan(&plan[0], out);
  text_puts(out, " cycles");
  for (int k = 1; k < count; k++) {
    text_puts(out, "; ");
    print_plan(&plan[k], out);
  }
  /* Four multiply-adds for each pair of a row and a column. */
  double product = 4 * CYCLES_ARITHMETIC * (double)extent * (double)extent;
  text_print(out, "; product with a matrix: %.0f", product);
}
