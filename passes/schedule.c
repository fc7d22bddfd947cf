#include "schedule.h"

#include "ir/guard.h"

/* What a dynamic extent is taken to be when sizes are weighed against each other. */
enum { TYPICAL_EXTENT = 32 };

typedef struct Schedule {
  const Step *steps;
  uint32_t step_count;
  const bool *resident;
  int64_t *size;     /* by value */
  uint32_t *writers; /* by value: steps that write it and have not run */
  uint32_t *readers; /* by value: steps that read it and have not run */
  bool *allocated;   /* by value */
  bool *done;        /* by step */
} Schedule;

static bool is_ready(const Schedule *schedule, const Step *step) {
  for (uint32_t a = 0; a < step->kernel->read_count; a++) {
    if (schedule->writers[step->argument[a]] > 0) return false;
  }
  return true;
}

/* Bytes that running the step would free, less those it would take. */
static int64_t gain(const Schedule *schedule, const Step *step) {
  int64_t bytes = 0;
  for (uint32_t a = 0; a < step->kernel->argument_count; a++) {
    ValueId value = step->argument[a];
    if (schedule->resident[value]) continue;
    if (a < step->kernel->read_count) {
      if (schedule->readers[value] == 1) bytes += schedule->size[value];
    } else if (!schedule->allocated[value]) {
      bytes -= schedule->size[value];
    }
  }
  return bytes;
}

static void run(Schedule *schedule, uint32_t number) {
  const Step *step = &schedule->steps[number];
  schedule->done[number] = true;
  for (uint32_t a = 0; a < step->kernel->argument_count; a++) {
    ValueId value = step->argument[a];
    if (a < step->kernel->read_count) {
      schedule->readers[value]--;
    } else {
      schedule->writers[value]--;
      schedule->allocated[value] = true;
    }
  }
}

static int64_t typical_size(Dim count) { return dim_is_constant(count) ? count.factor : count.factor * TYPICAL_EXTENT; }

uint32_t *schedule_steps(const Step *steps, uint32_t step_count, const LoweredValue *values, uint32_t value_count,
                         const bool *resident, Arena *arena) {
  Schedule schedule = {.steps = steps, .step_count = step_count, .resident = resident};
  schedule.size = ARENA_ARRAY(arena, int64_t, value_count + 1);
  schedule.writers = ARENA_ARRAY(arena, uint32_t, value_count + 1);
  schedule.readers = ARENA_ARRAY(arena, uint32_t, value_count + 1);
  schedule.allocated = ARENA_ARRAY(arena, bool, value_count + 1);
  schedule.done = ARENA_ARRAY(arena, bool, step_count + 1);
  for (ValueId v = 1; v <= value_count; v++) schedule.size[v] = typical_size(values[v].count);
  for (uint32_t s = 0; s < step_count; s++) {
    for (uint32_t a = 0; a < steps[s].kernel->argument_count; a++) {
      uint32_t *uses = a < steps[s].kernel->read_count ? schedule.readers : schedule.writers;
      uses[steps[s].argument[a]]++;
    }
  }
  uint32_t *order = ARENA_ARRAY(arena, uint32_t, step_count + 1);
  for (uint32_t at = 0; at < step_count; at++) {
    uint32_t best = step_count;
    int64_t best_gain = 0;
    for (uint32_t s = 0; s < step_count; s++) {
      if (schedule.done[s] || !is_ready(&schedule, &steps[s])) continue;
      int64_t here = gain(&schedule, &steps[s]);
      if (best < step_count && here <= best_gain) continue;
      best = s;
      best_gain = here;
    }
    if (best == step_count) guard_bug("schedule: kernels wait for each other");
    run(&schedule, best);
    order[at] = best;
  }
  return order;
}
