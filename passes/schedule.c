#include "schedule.h"

#include "ir/guard.h"

#include <string.h>

enum { REGIONS = SYMBOL_MAX + 1, ROUNDS = 4 };

/* Steps by value: those of value v are step[first[v]] to step[first[v + 1] - 1]. */
typedef struct StepList {
  uint32_t *first, *step;
} StepList;

typedef struct Schedule {
  const ScheduleInput *in;
  int64_t *size;          /* by value; 0 for residents */
  uint32_t *writers;      /* by value: steps that write it and have not run */
  uint32_t *readers;      /* by value: steps that read it and have not run */
  bool *allocated, *done; /* by value; by step */
  StepList reading, writing;
  uint32_t *order;          /* steps */
  uint32_t *place;          /* by step: where it is in the order */
  uint32_t *first, *last;   /* by value: positions in the order */
  int64_t *alive[REGIONS];  /* by position: bytes */
  int64_t *before[REGIONS]; /* by position: most bytes alive anywhere before it */
  int64_t *behind[REGIONS]; /* by position: most bytes alive there or anywhere behind it */
  int64_t *change[REGIONS]; /* by position: bytes that come alive there, less those that died before */
  bool used[REGIONS];
  struct {                  /* a move that is looked at */
    uint32_t number;        /* of the move */
    uint32_t *seen;         /* by value: the last move that it took part in */
    uint32_t *first, *last; /* by value */
    ValueId *value;         /* those that take part */
    uint32_t value_count;
  } trial;
} Schedule;

static const Step *step_of(const Schedule *s, uint32_t number) { return &s->in->step[number]; }

typedef struct Range {
  uint32_t begin, end;
} Range;

/* Those of a step's arguments that it writes, or that it reads. */
static Range argument_range(const Step *step, bool written) {
  const Kernel *kernel = step->kernel;
  return written ? (Range){kernel->read_count, kernel->argument_count} : (Range){0, kernel->read_count};
}

/* ---- Lists of steps that could run ---- */

static void count_uses(Schedule *s) {
  memset(s->writers, 0, (s->in->value_count + 1) * sizeof *s->writers);
  memset(s->readers, 0, (s->in->value_count + 1) * sizeof *s->readers);
  memset(s->allocated, 0, (s->in->value_count + 1) * sizeof *s->allocated);
  memset(s->done, 0, s->in->step_count * sizeof *s->done);
  for (uint32_t k = 0; k < s->in->step_count; k++) {
    const Step *step = step_of(s, k);
    for (uint32_t a = 0; a < step->kernel->argument_count; a++) {
      uint32_t *uses = a < step->kernel->read_count ? s->readers : s->writers;
      uses[step->argument[a]]++;
    }
  }
}

static bool is_ready(const Schedule *s, const Step *step) {
  for (uint32_t a = 0; a < step->kernel->read_count; a++) {
    if (s->writers[step->argument[a]] > 0) return false;
  }
  return true;
}

/* Bytes that running the step would free, less those it would take. */
static int64_t gain(const Schedule *s, uint32_t number) {
  const Step *step = step_of(s, number);
  int64_t bytes = 0;
  for (uint32_t a = 0; a < step->kernel->argument_count; a++) {
    ValueId value = step->argument[a];
    if (a < step->kernel->read_count) {
      if (s->readers[value] == 1) bytes += s->size[value];
    } else if (!s->allocated[value]) {
      bytes -= s->size[value];
    }
  }
  return bytes;
}

static int64_t earliness(const Schedule *s, uint32_t number) { return -(int64_t)s->in->rank[number]; }

static void run(Schedule *s, uint32_t number) {
  const Step *step = step_of(s, number);
  s->done[number] = true;
  for (uint32_t a = 0; a < step->kernel->argument_count; a++) {
    ValueId value = step->argument[a];
    if (a < step->kernel->read_count) {
      s->readers[value]--;
    } else {
      s->writers[value]--;
      s->allocated[value] = true;
    }
  }
}

/* Always the ready step that scores most. */
static void list_steps(Schedule *s, int64_t (*score)(const Schedule *s, uint32_t number), uint32_t *order) {
  count_uses(s);
  for (uint32_t at = 0; at < s->in->step_count; at++) {
    uint32_t best = s->in->step_count;
    int64_t best_score = 0;
    for (uint32_t k = 0; k < s->in->step_count; k++) {
      if (s->done[k] || !is_ready(s, step_of(s, k))) continue;
      int64_t here = score(s, k);
      if (best < s->in->step_count && here <= best_score) continue;
      best = k;
      best_score = here;
    }
    if (best == s->in->step_count) guard_bug("schedule: kernels wait for each other");
    run(s, best);
    order[at] = best;
  }
}

/* ---- What an order costs ---- */

typedef struct Load {
  int64_t peak, sum; /* most bytes alive at once, by region; bytes alive summed over all steps */
} Load;

static bool is_better(Load a, Load b) { return a.peak != b.peak ? a.peak < b.peak : a.sum < b.sum; }

static void find_lifetimes(Schedule *s, const uint32_t *order) {
  for (ValueId v = 1; v <= s->in->value_count; v++) s->first[v] = UINT32_MAX;
  for (uint32_t at = 0; at < s->in->step_count; at++) {
    const Step *step = step_of(s, order[at]);
    for (uint32_t a = 0; a < step->kernel->argument_count; a++) {
      ValueId value = step->argument[a];
      if (s->first[value] == UINT32_MAX) s->first[value] = at;
      s->last[value] = at;
    }
  }
}

static void find_most(Schedule *s, int r) {
  uint32_t count = s->in->step_count;
  int64_t most = 0;
  for (uint32_t at = 0; at < count; at++) {
    s->before[r][at] = most;
    if (s->alive[r][at] > most) most = s->alive[r][at];
  }
  s->before[r][count] = most;
  most = 0;
  for (uint32_t at = count; at-- > 0;) {
    if (s->alive[r][at] > most) most = s->alive[r][at];
    s->behind[r][at] = most;
  }
}

static void set_order(Schedule *s, uint32_t *order) {
  uint32_t count = s->in->step_count;
  s->order = order;
  for (uint32_t at = 0; at < count; at++) s->place[order[at]] = at;
  find_lifetimes(s, order);
  for (int r = 0; r < REGIONS; r++) {
    if (s->used[r]) memset(s->change[r], 0, (count + 1) * sizeof *s->change[r]);
  }
  for (ValueId v = 1; v <= s->in->value_count; v++) {
    if (s->size[v] == 0 || s->first[v] == UINT32_MAX) continue;
    int64_t *change = s->change[s->in->value[v].count.symbol];
    change[s->first[v]] += s->size[v];
    change[s->last[v] + 1] -= s->size[v];
  }
  for (int r = 0; r < REGIONS; r++) {
    if (!s->used[r]) continue;
    int64_t alive = 0;
    for (uint32_t at = 0; at < count; at++) s->alive[r][at] = alive += s->change[r][at];
    find_most(s, r);
  }
}

static Load load_of(const Schedule *s) {
  Load load = {0};
  for (int r = 0; r < REGIONS; r++) {
    if (!s->used[r]) continue;
    load.peak += s->before[r][s->in->step_count];
    for (uint32_t at = 0; at < s->in->step_count; at++) load.sum += s->alive[r][at];
  }
  return load;
}

/* ---- Better places for single steps ---- */

/* The place of the step at `at` right before the first one that waits for it, or right behind the last one that it
 * waits for. */
static uint32_t furthest(const Schedule *s, uint32_t at, bool late) {
  const Step *step = step_of(s, s->order[at]);
  const StepList *list = late ? &s->reading : &s->writing;
  Range range = argument_range(step, late);
  uint32_t to = late ? s->in->step_count - 1 : 0;
  for (uint32_t a = range.begin; a < range.end; a++) {
    ValueId value = step->argument[a];
    for (uint32_t k = list->first[value]; k < list->first[value + 1]; k++) {
      uint32_t place = s->place[list->step[k]];
      if (late && place > at && place - 1 < to) to = place - 1;
      if (!late && place < at && place + 1 > to) to = place + 1;
    }
  }
  return to;
}

/* The values that steps from `low` to `high` read or write, and where they come alive and die once the step at `from` is
 * at `to`. All other values are alive where they were, and these too outside of the range. */
static void find_trial(Schedule *s, uint32_t from, uint32_t to, uint32_t low, uint32_t high) {
  s->trial.number++;
  s->trial.value_count = 0;
  for (uint32_t at = low; at <= high; at++) {
    uint32_t source = at == to ? from : from < to ? at + 1 : at - 1;
    const Step *step = step_of(s, s->order[source]);
    for (uint32_t a = 0; a < step->kernel->argument_count; a++) {
      ValueId value = step->argument[a];
      if (s->size[value] == 0) continue;
      if (s->trial.seen[value] != s->trial.number) {
        s->trial.seen[value] = s->trial.number;
        s->trial.first[value] = s->first[value] < low ? low : at;
        s->trial.value[s->trial.value_count++] = value;
      }
      s->trial.last[value] = s->last[value] > high ? high : at;
    }
  }
}

/* What the order would cost with the step at `from` moved to `to`, given what it costs now. */
static Load load_moved(Schedule *s, Load load, uint32_t from, uint32_t to) {
  uint32_t low = from < to ? from : to, high = from < to ? to : from;
  find_trial(s, from, to, low, high);
  for (int r = 0; r < REGIONS; r++) {
    if (s->used[r]) memset(&s->change[r][low], 0, (high - low + 2) * sizeof *s->change[r]);
  }
  for (uint32_t k = 0; k < s->trial.value_count; k++) {
    ValueId v = s->trial.value[k];
    int64_t *change = s->change[s->in->value[v].count.symbol];
    change[s->first[v] < low ? low : s->first[v]] -= s->size[v];
    change[(s->last[v] > high ? high : s->last[v]) + 1] += s->size[v];
    change[s->trial.first[v]] += s->size[v];
    change[s->trial.last[v] + 1] -= s->size[v];
  }
  load.peak = 0;
  for (int r = 0; r < REGIONS; r++) {
    if (!s->used[r]) continue;
    int64_t peak = s->before[r][low], change = 0;
    if (high + 1 < s->in->step_count && s->behind[r][high + 1] > peak) peak = s->behind[r][high + 1];
    for (uint32_t at = low; at <= high; at++) {
      change += s->change[r][at];
      load.sum += change;
      if (s->alive[r][at] + change > peak) peak = s->alive[r][at] + change;
    }
    load.peak += peak;
  }
  return load;
}

/* The move that load_moved has just looked at. */
static void move_step(Schedule *s, uint32_t from, uint32_t to) {
  uint32_t *order = s->order, step = order[from];
  uint32_t low = from < to ? from : to, high = from < to ? to : from;
  if (from < to) memmove(&order[from], &order[from + 1], (to - from) * sizeof *order);
  if (from > to) memmove(&order[to + 1], &order[to], (from - to) * sizeof *order);
  order[to] = step;
  for (uint32_t at = low; at <= high; at++) s->place[order[at]] = at;
  for (uint32_t k = 0; k < s->trial.value_count; k++) {
    ValueId v = s->trial.value[k];
    if (s->first[v] >= low) s->first[v] = s->trial.first[v];
    if (s->last[v] <= high) s->last[v] = s->trial.last[v];
  }
  for (int r = 0; r < REGIONS; r++) {
    if (!s->used[r]) continue;
    int64_t change = 0;
    for (uint32_t at = low; at <= high; at++) s->alive[r][at] += change += s->change[r][at];
    find_most(s, r);
  }
}

/* Tries all steps of `order`, which it changes; how good it is then. */
static Load improve(Schedule *s, uint32_t *order) {
  uint32_t count = s->in->step_count;
  set_order(s, order);
  Load load = load_of(s);
  bool changed = true;
  for (int round = 0; round < ROUNDS && changed; round++) {
    changed = false;
    for (uint32_t k = 0; k < 2 * count; k++) {
      uint32_t at = k < count ? count - 1 - k : k - count; /* late from the end, early from the start */
      uint32_t to = furthest(s, at, k < count);
      if (to == at) continue;
      Load moved = load_moved(s, load, at, to);
      if (!is_better(moved, load)) continue;
      move_step(s, at, to);
      load = moved;
      changed = true;
    }
  }
  return load;
}

static void set_sizes(Schedule *s) {
  for (ValueId v = 1; v <= s->in->value_count; v++) {
    Dim count = s->in->value[v].count;
    if (s->in->resident[v]) continue;
    s->size[v] = dim_is_constant(count) ? count.factor : count.factor * s->in->extent;
    s->used[count.symbol] = true;
  }
}

/* The steps that read (or write) each value, in the order of their numbers. */
static StepList list_users(const Schedule *s, bool writing, Arena *arena) {
  const ScheduleInput *in = s->in;
  StepList list = {.first = ARENA_ARRAY(arena, uint32_t, in->value_count + 2)};
  for (uint32_t k = 0; k < in->step_count; k++) {
    Range range = argument_range(step_of(s, k), writing);
    for (uint32_t a = range.begin; a < range.end; a++) list.first[in->step[k].argument[a] + 1]++;
  }
  for (ValueId v = 1; v <= in->value_count + 1; v++) list.first[v] += list.first[v - 1];
  list.step = ARENA_ARRAY(arena, uint32_t, list.first[in->value_count + 1] + 1);
  uint32_t *next = arena_copy(arena, list.first, (in->value_count + 2) * sizeof *next);
  for (uint32_t k = 0; k < in->step_count; k++) {
    Range range = argument_range(step_of(s, k), writing);
    for (uint32_t a = range.begin; a < range.end; a++) list.step[next[in->step[k].argument[a]]++] = k;
  }
  return list;
}

static Schedule *schedule_create(const ScheduleInput *input, Arena *arena) {
  Schedule *s = ARENA_NEW(arena, Schedule);
  uint32_t values = input->value_count + 1, steps = input->step_count + 1;
  s->in = input;
  s->size = ARENA_ARRAY(arena, int64_t, values);
  s->writers = ARENA_ARRAY(arena, uint32_t, values);
  s->readers = ARENA_ARRAY(arena, uint32_t, values);
  s->first = ARENA_ARRAY(arena, uint32_t, values);
  s->last = ARENA_ARRAY(arena, uint32_t, values);
  s->allocated = ARENA_ARRAY(arena, bool, values);
  s->done = ARENA_ARRAY(arena, bool, steps);
  s->place = ARENA_ARRAY(arena, uint32_t, steps);
  s->reading = list_users(s, false, arena);
  s->writing = list_users(s, true, arena);
  s->trial.seen = ARENA_ARRAY(arena, uint32_t, values);
  s->trial.first = ARENA_ARRAY(arena, uint32_t, values);
  s->trial.last = ARENA_ARRAY(arena, uint32_t, values);
  s->trial.value = ARENA_ARRAY(arena, ValueId, values);
  set_sizes(s);
  for (int r = 0; r < REGIONS; r++) {
    if (!s->used[r]) continue;
    int64_t **lists[] = {&s->alive[r], &s->before[r], &s->behind[r], &s->change[r]};
    for (int k = 0; k < 4; k++) *lists[k] = ARENA_ARRAY(arena, int64_t, steps);
  }
  return s;
}

uint32_t *schedule_steps(const ScheduleInput *input, Arena *arena) {
  uint32_t *by_greed = ARENA_ARRAY(arena, uint32_t, input->step_count + 1);
  uint32_t *by_rank = ARENA_ARRAY(arena, uint32_t, input->step_count + 1);
  Schedule *s = schedule_create(input, arena);
  list_steps(s, gain, by_greed);
  list_steps(s, earliness, by_rank);
  Load greed = improve(s, by_greed), rank = improve(s, by_rank);
  return is_better(rank, greed) ? by_rank : by_greed;
}
