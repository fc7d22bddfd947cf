#include "fft.h"

#include "fft_table.h"

#include "ir/guard.h"

/* --- memory ----------------------------------------------------------------------------------------------------- */

LLVMValueRef fft_load(const Fft *fft, LLVMValueRef pointer, LLVMValueRef offset) {
  pointer = emit_element(fft->e, pointer, offset);
  return fft->vector ? emit_load_vector(fft->e, pointer, NULL) : emit_load_scalar(fft->e, pointer);
}

void fft_store(const Fft *fft, LLVMValueRef value, LLVMValueRef pointer, LLVMValueRef offset) {
  pointer = emit_element(fft->e, pointer, offset);
  if (fft->vector)
    emit_store_vector(fft->e, emit_splat(fft->e, value), pointer, NULL);
  else
    emit_store_scalar(fft->e, value, pointer);
}

/* Rows first + i * step of one unit. */
typedef struct Strip {
  LLVMValueRef part[2]; /* of row `first` */
  LLVMValueRef step;    /* in f32 */
} Strip;

static Strip strip_of(const Fft *fft, const Rows *rows, LLVMValueRef first, LLVMValueRef unit, int64_t step) {
  Emitter *e = fft->e;
  LLVMValueRef offset = emit_add_i64(e, emit_multiply_i64(e, first, rows->row), emit_multiply_i64(e, unit, rows->unit));
  return (Strip){{emit_element(e, rows->part[0], offset), emit_element(e, rows->part[1], offset)},
                 emit_multiply_i64(e, rows->row, emit_i64(e, step))};
}

static LLVMValueRef strip_offset(const Fft *fft, const Strip *strip, LLVMValueRef i) {
  return emit_multiply_i64(fft->e, i, strip->step);
}

static Complex load_row(const Fft *fft, const Strip *strip, LLVMValueRef i) {
  LLVMValueRef offset = strip_offset(fft, strip, i);
  return (Complex){fft_load(fft, strip->part[0], offset), fft_load(fft, strip->part[1], offset)};
}

static void store_row(const Fft *fft, const Strip *strip, LLVMValueRef i, Complex value) {
  LLVMValueRef offset = strip_offset(fft, strip, i);
  fft_store(fft, value.re, strip->part[0], offset);
  fft_store(fft, value.im, strip->part[1], offset);
}

/* Pair number `i` (i64) of a table, the same for all lanes. */
static Complex load_pair(const Fft *fft, LLVMValueRef table, LLVMValueRef i) {
  Emitter *e = fft->e;
  LLVMValueRef at = emit_element(e, table, emit_multiply_i64(e, i, emit_i64(e, 2)));
  Complex pair = {emit_load_scalar(e, at), emit_load_scalar(e, emit_element(e, at, emit_i64(e, 1)))};
  if (fft->vector) pair = (Complex){emit_splat(e, pair.re), emit_splat(e, pair.im)};
  return pair;
}

static LLVMValueRef constant(const Fft *fft, double value) {
  return fft->vector ? emit_f32_vector(fft->e, value) : emit_f32(fft->e, value);
}

static Complex scaled(const Fft *fft, Complex x, LLVMValueRef factor) {
  LLVMBuilderRef builder = fft->e->builder;
  return (Complex){LLVMBuildFMul(builder, x.re, factor, ""), LLVMBuildFMul(builder, x.im, factor, "")};
}

/* --- one transform of a level -------------------------------------------------------------------------------------- */

/* Where it reads and writes, and what its results are multiplied by. */
typedef struct Butterfly {
  const Fft *fft;
  int64_t radix;
  Strip from, to;
  LLVMValueRef twiddle; /* pairs of results 1, 2, ..., from result 0 where `scales`; NULL: none */
  bool scales;          /* the pair of result 0 is (factor, 0) */
  LLVMValueRef factor;  /* of all results; NULL: none */
  LLVMValueRef dense;   /* table of a dense matrix */
} Butterfly;

/* Result k, i64; `zero`: k is 0. */
static void finish(const Butterfly *b, LLVMValueRef k, bool zero, Complex value) {
  const Fft *fft = b->fft;
  if (b->twiddle && zero) {
    if (b->scales) value = scaled(fft, value, load_pair(fft, b->twiddle, k).re);
  } else if (b->twiddle) {
    LLVMValueRef at = b->scales ? k : LLVMBuildSub(fft->e->builder, k, emit_i64(fft->e, 1), "");
    value = codelet_multiply(fft->e, value, load_pair(fft, b->twiddle, at));
  }
  if (b->factor) value = scaled(fft, value, b->factor);
  store_row(fft, &b->to, k, value);
}

static void emit_straight(const Butterfly *b) {
  Complex x[CODELET_LARGEST];
  for (int64_t n = 0; n < b->radix; n++) x[n] = load_row(b->fft, &b->from, emit_i64(b->fft->e, n));
  codelet_emit(b->fft->e, (int)b->radix, x);
  for (int64_t k = 0; k < b->radix; k++) finish(b, emit_i64(b->fft->e, k), k == 0, x[k]);
}

/* --- dense matrices of large primes -------------------------------------------------------------------------------- */

/* Terms: x[0], then for n from 1 to half the sum and the difference of x[n] and x[radix - n]; four values each. */
static LLVMValueRef term_offset(const Fft *fft, LLVMValueRef n, int which) {
  int64_t lanes = fft->vector ? fft->e->lanes : 1;
  LLVMValueRef at = emit_multiply_i64(fft->e, n, emit_i64(fft->e, 4 * lanes));
  return emit_add_i64(fft->e, at, emit_i64(fft->e, which * lanes));
}

static LLVMValueRef load_term(const Fft *fft, LLVMValueRef n, int which) {
  return fft_load(fft, fft->terms, term_offset(fft, n, which));
}

static void store_term(const Fft *fft, LLVMValueRef n, int which, LLVMValueRef value) {
  fft_store(fft, value, fft->terms, term_offset(fft, n, which));
}

/* Fills in the terms; result 0 is the sum of them. */
static void emit_terms(const Butterfly *b) {
  const Fft *fft = b->fft;
  Emitter *e = fft->e;
  LLVMValueRef zero = emit_i64(e, 0), one = emit_i64(e, 1), radix = emit_i64(e, b->radix);
  Complex first = load_row(fft, &b->from, zero);
  store_term(fft, zero, 0, first.re);
  store_term(fft, zero, 1, first.im);
  Loop loop;
  loop_begin(e, &loop, one, emit_i64(e, (b->radix + 1) / 2), 1);
  Complex sum = {loop_carry(e, &loop, first.re), loop_carry(e, &loop, first.im)};
  Complex low = load_row(fft, &b->from, loop.index);
  Complex high = load_row(fft, &b->from, LLVMBuildSub(e->builder, radix, loop.index, ""));
  Complex both = {LLVMBuildFAdd(e->builder, low.re, high.re, ""), LLVMBuildFAdd(e->builder, low.im, high.im, "")};
  store_term(fft, loop.index, 0, both.re);
  store_term(fft, loop.index, 1, both.im);
  store_term(fft, loop.index, 2, LLVMBuildFSub(e->builder, low.re, high.re, ""));
  store_term(fft, loop.index, 3, LLVMBuildFSub(e->builder, low.im, high.im, ""));
  loop.next[0] = LLVMBuildFAdd(e->builder, sum.re, both.re, "");
  loop.next[1] = LLVMBuildFAdd(e->builder, sum.im, both.im, "");
  loop_end(e, &loop);
  finish(b, zero, true, (Complex){loop.carried[0], loop.carried[1]});
}

enum { DENSE_TOGETHER = 2 };

/* Results k .. k + count - 1 and their mirror images. */
static void emit_dense_results(const Butterfly *b, LLVMValueRef first, int count) {
  const Fft *fft = b->fft;
  Emitter *e = fft->e;
  int64_t half = (b->radix - 1) / 2;
  LLVMValueRef zero = emit_i64(e, 0), one = emit_i64(e, 1);
  Complex start = {load_term(fft, zero, 0), load_term(fft, zero, 1)};
  Loop loop;
  loop_begin(e, &loop, one, emit_i64(e, half + 1), 1);
  for (int k = 0; k < count; k++) {
    loop_carry(e, &loop, start.re);
    loop_carry(e, &loop, start.im);
    loop_carry(e, &loop, constant(fft, 0));
    loop_carry(e, &loop, constant(fft, 0));
  }
  LLVMValueRef term[4];
  for (int which = 0; which < 4; which++) term[which] = load_term(fft, loop.index, which);
  for (int k = 0; k < count; k++) {
    LLVMValueRef row = LLVMBuildAdd(e->builder, first, emit_i64(e, k - 1), "");
    LLVMValueRef at = emit_add_i64(e, emit_multiply_i64(e, row, emit_i64(e, half)), loop.index);
    Complex pair = load_pair(fft, b->dense, LLVMBuildSub(e->builder, at, one, ""));
    for (int which = 0; which < 4; which++) {
      LLVMValueRef *sum = &loop.next[4 * k + which];
      *sum = emit_fma(e, term[which], which < 2 ? pair.re : pair.im, *sum);
    }
  }
  loop_end(e, &loop);
  for (int k = 0; k < count; k++) {
    LLVMValueRef *sum = &loop.carried[4 * k]; /* a, then b: a -+ i b */
    LLVMValueRef at = LLVMBuildAdd(e->builder, first, emit_i64(e, k), "");
    finish(b, at, false,
           (Complex){LLVMBuildFAdd(e->builder, sum[0], sum[3], ""), LLVMBuildFSub(e->builder, sum[1], sum[2], "")});
    finish(b, LLVMBuildSub(e->builder, emit_i64(e, b->radix), at, ""), false,
           (Complex){LLVMBuildFSub(e->builder, sum[0], sum[3], ""), LLVMBuildFAdd(e->builder, sum[1], sum[2], "")});
  }
}

static void emit_dense(const Butterfly *b) {
  Emitter *e = b->fft->e;
  int64_t half = (b->radix - 1) / 2, together = half / DENSE_TOGETHER * DENSE_TOGETHER;
  emit_terms(b);
  Loop loop;
  loop_begin(e, &loop, emit_i64(e, 1), emit_i64(e, together + 1), DENSE_TOGETHER);
  emit_dense_results(b, loop.index, DENSE_TOGETHER);
  loop_end(e, &loop);
  for (int64_t k = together + 1; k <= half; k++) emit_dense_results(b, emit_i64(e, k), 1);
}

/* --- levels --------------------------------------------------------------------------------------------------------- */

static int64_t radices_between(const FftPlan *plan, int first, int end) {
  int64_t product = 1;
  for (int l = first; l < end; l++) product *= plan->radix[l];
  return product;
}

/* The first of several levels multiplies by the factor on its way; a chirp has it in its table. */
static bool twiddles_scale(const Fft *fft, int level) {
  return level == 0 && fft->plan->level_count > 1 && fft->factor != 1 && !fft->plan->chirp;
}

void fft_add_tables(Fft *fft) {
  const FftPlan *plan = fft->plan;
  Session *s = fft->e->session;
  for (int l = 0; l < plan->level_count; l++) {
    int64_t below = radices_between(plan, l + 1, plan->level_count);
    bool scales = twiddles_scale(fft, l);
    if (l + 1 < plan->level_count)
      fft->twiddle[l] = fft_table_twiddles(s, plan->radix[l], below, scales ? 0 : 1, scales ? fft->factor : 1);
    if (plan->radix[l] > CODELET_LARGEST) fft->dense[l] = fft_table_dense(s, plan->radix[l]);
  }
  if (!plan->chirp) return;
  fft->chirp = fft_table_chirp(s, plan->extent);
  fft->convolved = fft_table_convolution(s, plan, fft->factor);
}

/* One level in progress. */
typedef struct Level {
  const Fft *fft;
  int number;
  const Rows *from, *to;
  int64_t above, below; /* products of the radices before and after */
} Level;

static void emit_unit(const Level *level, LLVMValueRef from_row, LLVMValueRef to_row, LLVMValueRef twiddle,
                      LLVMValueRef unit) {
  const Fft *fft = level->fft;
  int64_t radix = fft->plan->radix[level->number];
  bool last = level->below == 1;
  Butterfly b = {.fft = fft,
                 .radix = radix,
                 .from = strip_of(fft, level->from, from_row, unit, level->below),
                 .to = strip_of(fft, level->to, to_row, unit, last ? level->above : level->below),
                 .twiddle = twiddle,
                 .scales = twiddles_scale(fft, level->number),
                 .dense = fft->dense[level->number]};
  if (fft->plan->level_count == 1 && fft->factor != 1 && !fft->plan->chirp) b.factor = constant(fft, fft->factor);
  if (radix <= CODELET_LARGEST)
    emit_straight(&b);
  else
    emit_dense(&b);
}

static void emit_units(const Level *level, LLVMValueRef from_row, LLVMValueRef to_row, LLVMValueRef twiddle) {
  Emitter *e = level->fft->e;
  LLVMValueRef zero = emit_i64(e, 0);
  if (level->fft->units == 1) {
    emit_unit(level, from_row, to_row, twiddle, zero);
    return;
  }
  Loop loop;
  loop_begin(e, &loop, zero, emit_i64(e, level->fft->units), 1);
  emit_unit(level, from_row, to_row, twiddle, loop.index);
  loop_end(e, &loop);
}

/* Transforms of rows that lie `below` apart, each with its twiddles. */
static void emit_inner_level(const Level *level) {
  const Fft *fft = level->fft;
  Emitter *e = fft->e;
  int64_t radix = fft->plan->radix[level->number];
  int64_t pairs = twiddles_scale(fft, level->number) ? radix : radix - 1;
  Loop block, strip;
  loop_begin(e, &block, emit_i64(e, 0), emit_i64(e, level->above), 1);
  loop_begin(e, &strip, emit_i64(e, 0), emit_i64(e, level->below), 1);
  LLVMValueRef row = emit_add_i64(e, emit_multiply_i64(e, block.index, emit_i64(e, radix * level->below)), strip.index);
  LLVMValueRef at = emit_multiply_i64(e, strip.index, emit_i64(e, 2 * pairs));
  emit_units(level, row, row, emit_element(e, fft->twiddle[level->number], at));
  loop_end(e, &strip);
  loop_end(e, &block);
}

/* Row k1 r2 r3 + k2 r3 + k3 goes to k1 + k2 r1 + k3 r1 r2: loops over all digits but the last. */
static void emit_last_level(const Level *level, int digit, LLVMValueRef from_row, LLVMValueRef to_row) {
  const FftPlan *plan = level->fft->plan;
  Emitter *e = level->fft->e;
  if (digit == level->number) {
    emit_units(level, from_row, to_row, NULL);
    return;
  }
  Loop loop;
  loop_begin(e, &loop, emit_i64(e, 0), emit_i64(e, plan->radix[digit]), 1);
  LLVMValueRef from = emit_i64(e, radices_between(plan, digit + 1, plan->level_count));
  LLVMValueRef to = emit_i64(e, radices_between(plan, 0, digit));
  emit_last_level(level, digit + 1, emit_add_i64(e, from_row, emit_multiply_i64(e, loop.index, from)),
                  emit_add_i64(e, to_row, emit_multiply_i64(e, loop.index, to)));
  loop_end(e, &loop);
}

static void emit_levels(const Fft *fft, const Rows *from, const Rows *to) {
  const FftPlan *plan = fft->plan;
  LLVMValueRef zero = emit_i64(fft->e, 0);
  for (int l = 0; l < plan->level_count; l++) {
    bool last = l + 1 == plan->level_count;
    Level level = {.fft = fft,
                   .number = l,
                   .from = l ? &fft->work : from,
                   .to = last ? to : &fft->work,
                   .above = radices_between(plan, 0, l),
                   .below = radices_between(plan, l + 1, plan->level_count)};
    if (last)
      emit_last_level(&level, 0, zero, zero);
    else
      emit_inner_level(&level);
  }
}

/* --- chirps --------------------------------------------------------------------------------------------------------- */

typedef Complex RowChange(const Fft *fft, Complex value, LLVMValueRef table, LLVMValueRef row);

/* Rows begin .. end - 1 of every unit changed in place. */
static void change_rows(const Fft *fft, const Rows *rows, LLVMValueRef begin, LLVMValueRef end, RowChange *change,
                        LLVMValueRef table) {
  Emitter *e = fft->e;
  Loop row, unit;
  loop_begin(e, &row, begin, end, 1);
  loop_begin(e, &unit, emit_i64(e, 0), emit_i64(e, fft->units), 1);
  Strip strip = strip_of(fft, rows, row.index, unit.index, 1);
  LLVMValueRef zero = emit_i64(e, 0);
  store_row(fft, &strip, zero, change(fft, load_row(fft, &strip, zero), table, row.index));
  loop_end(e, &unit);
  loop_end(e, &row);
}

static Complex change_multiply(const Fft *fft, Complex value, LLVMValueRef table, LLVMValueRef row) {
  return codelet_multiply(fft->e, value, load_pair(fft, table, row));
}

static Complex change_multiply_swap(const Fft *fft, Complex value, LLVMValueRef table, LLVMValueRef row) {
  Complex product = change_multiply(fft, value, table, row);
  return (Complex){product.im, product.re};
}

static Complex change_clear(const Fft *fft, Complex value, LLVMValueRef table, LLVMValueRef row) {
  (void)value, (void)table, (void)row;
  return (Complex){constant(fft, 0), constant(fft, 0)};
}

/* X[k] = w[k] sum of (x[n] w[n]) conj(w[k - n]) with the chirp w[n] = exp(-pi i n n / N). Exchanging the parts before and
 * after makes a transform go backwards, and after the second one it makes the product with the conjugate of w one with w:
 * so twice the same levels, and the same product with another table. */
static void emit_chirp(const Fft *fft, const Rows *rows) {
  Emitter *e = fft->e;
  LLVMValueRef zero = emit_i64(e, 0), extent = emit_i64(e, fft->plan->extent), length = emit_i64(e, fft->plan->length);
  change_rows(fft, rows, zero, extent, change_multiply, fft->chirp);
  change_rows(fft, rows, extent, length, change_clear, NULL);
  Loop pass;
  loop_begin(e, &pass, zero, emit_i64(e, 2), 1);
  emit_levels(fft, rows, rows);
  LLVMValueRef at = emit_multiply_i64(e, pass.index, emit_i64(e, 2 * fft->plan->length));
  change_rows(fft, rows, zero, length, change_multiply_swap, emit_element(e, fft->convolved, at));
  loop_end(e, &pass);
}

void fft_emit(Fft *fft, const Rows *from, const Rows *to) {
  if (fft->plan->chirp)
    emit_chirp(fft, from);
  else
    emit_levels(fft, from, to);
}
