#include "profile.h"

#include "tensor_run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { LEAST_STEPS = 5, LEAST_SAMPLES = 3, MOST_STEPS = 1000, WARMING_STEPS = 2, PATIENCE = 4, TURNS = 16 };

/* A launch, or the update, in each step. */
typedef struct Slot {
  const Launch *launch;     /* NULL: the update */
  const LaunchGroup *group; /* whose launches it stands for, NULL: none */
  uint32_t owner;           /* the slot that its time counts for: a group's first launch for all of them */
  double seconds;           /* of the current step */
  bool disturbed;
  uint32_t count, disturbed_count;
  double *sample, *disturbed_sample; /* [MOST_STEPS] */
} Slot;

typedef struct Recorder {
  simba_model *model;
  simba_trainer *trainer; /* for training */
  Execution *gradients;   /* for gradients */
  Execution *execution;   /* the model's, the trainer's, or the one above */
  bool prepares;          /* in each step */
  int64_t batch;
  uint32_t first; /* slot of the first launch of what runs */
  uint32_t slot_count, prepare_slots;
  Slot *slot; /* launches that prepare, where a step does; launches of `run`; the update */
  int64_t preemptions;
  Slot step;
  uint32_t steps, disturbed;
  double seconds; /* of all turns */
} Recorder;

const char *profile_entry_name(ProfileEntry entry) {
  static const char *const names[PROFILE_ENTRIES] = {"infer", "train", "gradients"};
  return names[entry];
}

/* ---- A step ---- */

static Slot *update_slot(Recorder *recorder) { return &recorder->slot[recorder->slot_count - 1]; }

static void record_launch(void *context, const simba_call *call, void *const *arguments, int32_t launch, int64_t items,
                          int64_t nanoseconds) {
  (void)call, (void)arguments, (void)items;
  Recorder *recorder = context;
  uint32_t at = recorder->first + (uint32_t)launch;
  if (at >= recorder->slot_count) at = recorder->slot_count - 1; /* launches of the update have numbers of their own */
  at = recorder->slot[at].owner;
  Slot *slot = &recorder->slot[at];
  int64_t preemptions = thread_pool_preemptions(recorder->model->pool);
  slot->seconds += 1e-9 * (double)nanoseconds;
  slot->disturbed |= preemptions != recorder->preemptions;
  recorder->preemptions = preemptions;
}

static simba_status run_update(Recorder *recorder, simba_error *error) {
  simba_trainer *trainer = recorder->trainer;
  recorder->first = recorder->slot_count - 1;
  double start = clock_seconds();
  simba_status status =
      optimizer_step(trainer->optimizer, trainer->model->parameters.values, trainer->gradients, trainer->rate,
                     thread_pool_executor(trainer->model->pool), &trainer->gradient_norm, error);
  update_slot(recorder)->seconds = clock_seconds() - start;
  if (status == SIMBA_NOT_FINITE)
    error_prefix(error, status, "on these inputs nothing can be trained (--tensors gives others): ");
  return status;
}

static simba_status run_step(Recorder *recorder, simba_error *error) {
  simba_status status = SIMBA_OK;
  recorder->first = 0;
  if (recorder->prepares) status = execution_prepare(recorder->execution, error);
  recorder->first = recorder->prepare_slots;
  if (status == SIMBA_OK) status = execution_run(recorder->execution, recorder->batch, 0, recorder->steps, error);
  return status == SIMBA_OK && recorder->trainer ? run_update(recorder, error) : status;
}

/* ---- Samples ---- */

static void keep_sample(Slot *slot) {
  if (slot->disturbed)
    slot->disturbed_sample[slot->disturbed_count++] = slot->seconds;
  else
    slot->sample[slot->count++] = slot->seconds;
}

static void keep_samples(Recorder *recorder, double seconds) {
  recorder->step.seconds = seconds;
  recorder->step.disturbed = false;
  for (uint32_t k = 0; k < recorder->slot_count; k++) {
    keep_sample(&recorder->slot[k]);
    recorder->step.disturbed |= recorder->slot[k].disturbed;
  }
  keep_sample(&recorder->step);
  recorder->disturbed += recorder->step.disturbed;
  recorder->steps++;
}

static void begin_step(Recorder *recorder) {
  for (uint32_t k = 0; k < recorder->slot_count; k++) {
    recorder->slot[k].seconds = 0;
    recorder->slot[k].disturbed = false;
  }
}

/* A busy machine disturbs most samples: then we go on for some times as long as was asked for. */
static bool is_enough(const Recorder *recorder, double wanted) {
  if (recorder->steps >= MOST_STEPS) return true;
  if (recorder->steps < LEAST_STEPS || recorder->seconds < wanted) return false;
  for (uint32_t k = 0; k < recorder->slot_count; k++)
    if (recorder->slot[k].count < LEAST_SAMPLES) return recorder->seconds >= PATIENCE * wanted;
  return true;
}

static simba_status record_turn(Recorder *recorder, double seconds, simba_error *error) {
  simba_status status = SIMBA_OK;
  double begin = clock_seconds(), now = begin;
  do {
    begin_step(recorder);
    double start = clock_seconds();
    status = run_step(recorder, error);
    now = clock_seconds();
    if (status == SIMBA_OK) keep_samples(recorder, now - start);
  } while (status == SIMBA_OK && now - begin < seconds && recorder->steps < MOST_STEPS);
  recorder->seconds += now - begin;
  return status;
}

/* Turns are so short that whatever else the machine does falls on everybody. The first step after somebody else's turn
 * finds other data in the caches, so it does not count. */
static simba_status record_by_turns(Recorder *recorders, uint32_t count, double wanted, simba_error *error) {
  simba_status status = SIMBA_OK;
  for (uint32_t k = 0; k < count * WARMING_STEPS && status == SIMBA_OK; k++)
    status = run_step(&recorders[k % count], error);
  for (bool more = true; more && status == SIMBA_OK;) {
    more = false;
    for (uint32_t k = 0; k < count && status == SIMBA_OK; k++) {
      if (is_enough(&recorders[k], wanted)) continue;
      more = true;
      if (count > 1) status = run_step(&recorders[k], error);
      if (status == SIMBA_OK) status = record_turn(&recorders[k], wanted / TURNS, error);
    }
  }
  return status;
}

static int compare_seconds(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return left < right ? -1 : left > right;
}

static Timing timing_of(const Slot *slot) {
  double *sample = slot->count ? slot->sample : slot->disturbed_sample;
  uint32_t count = slot->count ? slot->count : slot->disturbed_count;
  qsort(sample, count, sizeof *sample, compare_seconds);
  return (Timing){sample[0], sample[count / 2], slot->count};
}

/* ---- Setting up ---- */

static uint64_t mix(uint64_t x) {
  x = (x ^ x >> 31) * 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
  return x ^ x >> 32;
}

static void random_inputs(const Recorder *recorder, Arena *arena) {
  const Program *program = recorder->execution->step->program;
  for (uint32_t k = 0; k < program->input_count; k++) {
    int64_t count = binding_count(&program->input[k], recorder->batch);
    float *values = ARENA_ARRAY(arena, float, count + 16);
    for (int64_t i = 0; i < count; i++)
      values[i] = (float)(mix(((uint64_t)k + 1) << 40 | (uint64_t)i) >> 40) * 0x1p-23f - 1;
    recorder->execution->input[k] = values;
  }
}

static simba_status bind_inputs(Recorder *recorder, const ProfileOptions *options, simba_error *error) {
  Compiler *compiler = recorder->model->compiler;
  Execution *execution = recorder->execution;
  recorder->batch = options->batch ? options->batch : recorder->model->model->recipe.batch;
  if (!recorder->batch) recorder->batch = 1; /* a graph has no recipe */
  if (!options->data) {
    random_inputs(recorder, compiler->arena);
    return SIMBA_OK;
  }
  int64_t batch = 0;
  simba_status status = tensor_run_inputs(compiler, execution->step->program, recorder->model->model->graph,
                                          options->data, execution->input, &batch, error);
  if (status != SIMBA_OK || !batch) return status;
  if (options->batch && options->batch != batch)
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: the batch is %lld, not %lld", options->data->path,
                     (long long)batch, (long long)options->batch);
  recorder->batch = batch;
  return SIMBA_OK;
}

/* Those of a trainer are bound already. */
static void bind_outputs(const Recorder *recorder, Arena *arena) {
  const Program *program = recorder->execution->step->program;
  for (uint32_t k = 0; k < program->output_count && !recorder->trainer; k++)
    recorder->execution->output[k] =
        ARENA_ARRAY(arena, float, binding_count(&program->output[k], recorder->batch) + 16);
}

static simba_status create_inference(Recorder *recorder, simba_error *error) {
  simba_status status = model_compile_inference(recorder->model, error);
  recorder->execution = recorder->model->infer;
  return status;
}

static simba_status create_gradients(Recorder *recorder, simba_error *error) {
  simba_model *model = recorder->model;
  DifferentiateSpec spec = compiler_all_gradients(model->model->graph, model->compiler->arena);
  StepRequest request = {.training = true, .values = true, .differentiate = &spec};
  CompiledStep *step = NULL;
  simba_status status = model_bind_step(model, &request, &step, &recorder->gradients, error);
  recorder->execution = recorder->gradients;
  return status;
}

static simba_status create_training(Recorder *recorder, simba_error *error) {
  simba_model *model = recorder->model;
  simba_training settings = {.size = sizeof settings};
  simba_status status = simba_trainer_defaults(model, &settings);
  if (status == SIMBA_OK) status = trainer_create(model, &settings, NULL, &recorder->trainer, error);
  if (status == SIMBA_OK) recorder->execution = recorder->trainer->train;
  return status;
}

static void create_samples(Slot *slot, Arena *arena) {
  slot->sample = ARENA_ARRAY(arena, double, MOST_STEPS);
  slot->disturbed_sample = ARENA_ARRAY(arena, double, MOST_STEPS);
}

static void create_slots(Recorder *recorder, Arena *arena) {
  const Program *program = recorder->execution->step->program;
  recorder->prepare_slots = recorder->prepares ? program->prepare_count : 0;
  recorder->slot_count = recorder->prepare_slots + program->launch_count + 1;
  recorder->slot = ARENA_ARRAY(arena, Slot, recorder->slot_count);
  for (uint32_t k = 0; k < recorder->slot_count; k++) {
    Slot *slot = &recorder->slot[k];
    create_samples(slot, arena);
    slot->owner = k;
    if (k < recorder->prepare_slots) slot->launch = &program->prepare[k];
    if (k < recorder->prepare_slots || k + 1 == recorder->slot_count) continue;
    uint32_t number = k - recorder->prepare_slots;
    slot->launch = &program->launch[number];
    slot->group = program_group(program, number);
    if (slot->group) slot->owner = recorder->prepare_slots + slot->group->first;
  }
  create_samples(&recorder->step, arena);
}

/* ---- The result ---- */

static void add_time(Timing *sum, Timing time, bool first) {
  uint32_t count = first || time.count < sum->count ? time.count : sum->count;
  *sum = (Timing){sum->least + time.least, sum->median + time.median, count};
}

static int compare_kernels(const void *a, const void *b) {
  const KernelProfile *left = a, *right = b;
  if (left->time.median != right->time.median) return left->time.median > right->time.median ? -1 : 1;
  return left->number < right->number ? -1 : 1;
}

static void add_cost(Cost *sum, Cost cost, double times) {
  sum->adds += times * cost.adds;
  sum->multiplies += times * cost.multiplies;
  sum->transcendentals += times * cost.transcendentals;
  sum->bytes_read += times * cost.bytes_read;
  sum->bytes_written += times * cost.bytes_written;
}

static const char *launch_choices(const Recorder *recorder, const Program *program, const Launch *launch,
                                  uint32_t count, Arena *arena) {
  Text lines = text_begin(arena);
  for (uint32_t k = 0; k < count; k++) {
    const Kernel *kernel = program->kernel[launch[k].kernel];
    const char *choice = compiler_kernel_choice(recorder->model->compiler, recorder->execution->step->api, kernel);
    if (choice[0] && !strstr(lines.data, choice)) text_print(&lines, "%s\n", choice);
  }
  return lines.data;
}

/* A row for all launches of a kernel over the batch, and one for each group. */
static void begin_row(const Recorder *recorder, const Program *program, const Slot *slot, KernelProfile *row,
                      Arena *arena) {
  int64_t symbols[SYMBOL_MAX] = {recorder->batch};
  const LaunchGroup *group = slot->group;
  const Launch *launch = slot->launch;
  *row = (KernelProfile){.family = lowering_name(program->kernel[launch->kernel]->family), .launches = 1};
  row->label = compiler_node_label(recorder->model->compiler, program->graph, launch->node);
  row->choice = launch_choices(recorder, program, launch, group ? group->count : 1, arena);
  if (!group) {
    add_cost(&row->cost, kernel_cost(program->kernel[launch->kernel], symbols), 1);
    return;
  }
  row->family = "group";
  row->launches = group->count;
  row->label = arena_format(arena, "%s, and %u more launches", row->label, group->count - 1);
  for (uint32_t k = group->first; k < group->first + group->count; k++)
    add_cost(&row->cost, kernel_cost(program->kernel[program->launch[k].kernel], symbols), (double)recorder->batch);
}

static void summarise_kernels(Recorder *recorder, Profile *profile, Arena *arena) {
  const Program *program = profile->program;
  uint32_t most = program->kernel_count + program->group_count;
  KernelProfile *rows = ARENA_ARRAY(arena, KernelProfile, most + 1);
  for (uint32_t k = 0; k + 1 < recorder->slot_count; k++) {
    const Slot *slot = &recorder->slot[k];
    if (slot->owner != k) continue;
    uint32_t number =
        slot->group ? program->kernel_count + (uint32_t)(slot->group - program->group) : slot->launch->kernel;
    KernelProfile *row = &rows[number];
    if (row->calls == 0) begin_row(recorder, program, slot, row, arena);
    row->number = number;
    add_time(&row->time, timing_of(slot), row->calls == 0);
    row->calls++;
  }
  for (uint32_t k = 0; k < most; k++)
    if (rows[k].calls) rows[profile->kernel_count++] = rows[k];
  qsort(rows, profile->kernel_count, sizeof *rows, compare_kernels);
  profile->kernel = rows;
}

static Profile *summarise(Recorder *recorder) {
  Arena *arena = recorder->model->compiler->arena;
  const CompiledStep *step = recorder->execution->step;
  int64_t none[SYMBOL_MAX] = {0};
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  Profile *profile = ARENA_NEW(arena, Profile);
  *profile = (Profile){.program = step->program,
                       .batch = recorder->batch,
                       .threads = thread_pool_executor(recorder->model->pool)->workers,
                       .step = timing_of(&recorder->step),
                       .update = timing_of(update_slot(recorder)),
                       .steps = recorder->steps,
                       .disturbed = recorder->disturbed,
                       .arena_bytes = execution_arena_bytes(step, recorder->batch),
                       .prepared_bytes = linear_value(&step->program->prepared_bytes, none),
                       .scratch_bytes = (int64_t)step->scratch_bytes,
                       .resident_bytes = (int64_t)usage.ru_maxrss * 1024};
  summarise_kernels(recorder, profile, arena);
  return profile;
}

static simba_status open_recorder(Recorder *recorder, const ProfileOptions *options, simba_error *error) {
  static simba_status (*const create[PROFILE_ENTRIES])(Recorder *, simba_error *) = {create_inference, create_training,
                                                                                     create_gradients};
  simba_model *model = recorder->model;
  recorder->prepares = options->entry != PROFILE_INFER;
  simba_status status = create[options->entry](recorder, error);
  if (status == SIMBA_OK) status = bind_inputs(recorder, options, error);
  if (status == SIMBA_OK) {
    bind_outputs(recorder, model->compiler->arena);
    create_slots(recorder, model->compiler->arena);
    status = execution_reserve(recorder->execution, recorder->batch, error);
  }
  if (status == SIMBA_OK) status = execution_prepare(recorder->execution, error);
  if (status == SIMBA_OK) thread_pool_set_hook(model->pool, record_launch, recorder);
  return status;
}

static void close_recorder(Recorder *recorder) {
  thread_pool_set_hook(recorder->model->pool, NULL, NULL);
  simba_trainer_destroy(recorder->trainer);
  execution_destroy(recorder->gradients);
}

simba_status profile_run(simba_model *const *models, uint32_t count, const ProfileOptions *options,
                         Profile **out_profiles, simba_error *error) {
  Recorder *recorders = ARENA_ARRAY(models[0]->compiler->arena, Recorder, count);
  simba_status status = SIMBA_OK;
  for (uint32_t k = 0; k < count; k++) recorders[k] = (Recorder){.model = models[k]};
  for (uint32_t k = 0; k < count && status == SIMBA_OK; k++) status = open_recorder(&recorders[k], options, error);
  if (status == SIMBA_OK) status = record_by_turns(recorders, count, options->seconds, error);
  for (uint32_t k = 0; k < count; k++) {
    if (status == SIMBA_OK) out_profiles[k] = summarise(&recorders[k]);
    close_recorder(&recorders[k]);
  }
  return status;
}
