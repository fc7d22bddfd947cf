/* Runs a program in float64 with the kernel interpreter, launch by launch, through the offsets of its memory plan, so
 * that a wrong plan shows: the arena begins as NaN. Compares what comes out with the reference evaluator. */
#ifndef SIMBAC_TESTS_PROGRAM_RUN_H
#define SIMBAC_TESTS_PROGRAM_RUN_H

#include "ir/evaluate.h"
#include "ir/program.h"
#include "tests/random_values.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { PROGRAM_SEED = 7, PROGRAM_STEP = 3 };

typedef struct ProgramRun {
  const Program *program;
  const int64_t *symbols;
  double **input, **parameter, **state, **output;
  double *arena, *prepared, *local;
} ProgramRun;

/* Data that depends on the leaf's name alone. */
static inline double *leaf_data(const char *name, const Shape *shape, const int64_t *symbols, Arena *arena) {
  Random random = {1};
  for (const char *c = name; *c; c++) random.state = random.state * 31 + (unsigned char)*c;
  return random_values(&random, arena, shape_value_count(shape, symbols), -1, 1);
}

static inline double **bindings_data(const Binding *bindings, uint32_t count, const int64_t *symbols, Arena *arena) {
  double **data = ARENA_ARRAY(arena, double *, count + 1);
  for (uint32_t k = 0; k < count; k++) data[k] = leaf_data(bindings[k].name, &bindings[k].shape, symbols, arena);
  return data;
}

static inline double *nan_block(const Linear *bytes, const int64_t *symbols, Arena *arena) {
  int64_t count = linear_value(bytes, symbols) / 4;
  double *block = ARENA_ARRAY(arena, double, count + 1);
  for (int64_t k = 0; k < count; k++) block[k] = NAN;
  return block;
}

static inline double *buffer_address(const ProgramRun *run, BufferId id) {
  const Buffer *buffer = &run->program->buffer[id];
  switch (buffer->kind) {
    case BUFFER_INPUT:
      return run->input[buffer->index];
    case BUFFER_OUTPUT:
      return run->output[buffer->index];
    case BUFFER_PARAMETER:
      return run->parameter[buffer->index];
    case BUFFER_STATE:
      return run->state[buffer->index];
    default:
      break;
  }
  Linear offset = program_offset(run->program, id);
  int64_t bytes = linear_value(&offset, run->symbols);
  ck_assert_int_eq(bytes % 64, 0);
  if (buffer->kind == BUFFER_LOCAL) return run->local + bytes / 4;
  const Linear *total = buffer->kind == BUFFER_ARENA ? &run->program->arena_bytes : &run->program->prepared_bytes;
  ck_assert_int_le(bytes + 4 * dim_value(buffer->count, run->symbols), linear_value(total, run->symbols));
  return (buffer->kind == BUFFER_ARENA ? run->arena : run->prepared) + bytes / 4;
}

/* `image`: which one, for launches of a group. */
static inline void run_launch(const ProgramRun *run, const Launch *launch, int64_t image, Arena *arena) {
  const Kernel *kernel = run->program->kernel[launch->kernel];
  const char *message = kernel_verify(kernel, arena);
  ck_assert_msg(message == NULL, "kernel k%u: %s", launch->kernel, message);
  double **arguments = ARENA_ARRAY(arena, double *, kernel->argument_count + 1);
  for (uint32_t a = 0; a < kernel->argument_count; a++) {
    arguments[a] = buffer_address(run, launch->argument[a]);
    if (launch->advance) arguments[a] += image * launch->advance[a];
  }
  int64_t symbols[SYMBOL_MAX];
  memcpy(symbols, run->symbols, sizeof symbols);
  symbols[SYMBOL_IMAGE - 1] = image;
  kernel_evaluate(kernel, symbols, PROGRAM_SEED, PROGRAM_STEP, arguments);
}

/* Images in falling order, each with scratch that begins as NaN: they are independent. */
static inline void run_group(ProgramRun *run, const LaunchGroup *group, Arena *arena) {
  for (int64_t image = run->symbols[SYMBOL_BATCH - 1]; image-- > 0;) {
    run->local = nan_block(&(Linear){.constant = group->local_bytes}, run->symbols, arena);
    for (uint32_t k = 0; k < group->count; k++) run_launch(run, &run->program->launch[group->first + k], image, arena);
  }
}

static inline void run_launches(ProgramRun *run, Arena *arena) {
  const Program *program = run->program;
  for (uint32_t k = 0; k < program->prepare_count; k++) run_launch(run, &program->prepare[k], 0, arena);
  for (uint32_t k = 0; k < program->launch_count;) {
    const LaunchGroup *group = program_group(program, k);
    if (group)
      run_group(run, group, arena);
    else
      run_launch(run, &program->launch[k], 0, arena);
    k += group ? group->count : 1;
  }
}

/* Values of the outputs, in order. */
static inline double **program_run(const Program *program, const int64_t *symbols, Arena *arena) {
  ProgramRun run = {.program = program, .symbols = symbols};
  run.input = bindings_data(program->input, program->input_count, symbols, arena);
  run.parameter = bindings_data(program->parameter, program->parameter_count, symbols, arena);
  run.state = bindings_data(program->state, program->state_count, symbols, arena);
  run.output = ARENA_ARRAY(arena, double *, program->output_count + 1);
  for (uint32_t k = 0; k < program->output_count; k++) {
    int64_t count = shape_value_count(&program->output[k].shape, symbols);
    run.output[k] = ARENA_ARRAY(arena, double, count + 1);
    for (int64_t i = 0; i < count; i++) run.output[k][i] = NAN;
  }
  run.arena = nan_block(&program->arena_bytes, symbols, arena);
  run.prepared = nan_block(&program->prepared_bytes, symbols, arena);
  run_launches(&run, arena);
  return run.output;
}

static inline Value *reference_values(const Graph *graph, const int64_t *symbols, Arena *arena) {
  EvaluateInput *inputs = ARENA_ARRAY(arena, EvaluateInput, graph->node_count + 1);
  uint32_t count = 0;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op != OP_INPUT && node->op != OP_PARAMETER && node->op != OP_STATE) continue;
    inputs[count++] = (EvaluateInput){id, leaf_data(node_text(node, LEAF_NAME), &node->shape, symbols, arena)};
  }
  Value *values = ARENA_ARRAY(arena, Value, graph->node_count + 1);
  graph_evaluate(graph, symbols, PROGRAM_SEED, PROGRAM_STEP, inputs, count, false, arena, values);
  return values;
}

/* Both are f64. */
static inline double program_tolerance(void) { return 1e-9; }

/* Largest difference between the program's outputs and the evaluator's, relative to the largest value of the output or
 * 1. The program is of a graph with the same outputs as `graph`. */
static inline double program_error(const Graph *graph, const Program *program, const int64_t *symbols, Arena *arena) {
  const Value *expected = reference_values(graph, symbols, arena);
  double **found = program_run(program, symbols, arena);
  double worst = 0;
  ck_assert_uint_eq(graph->output_count, program->output_count);
  for (uint32_t k = 0; k < graph->output_count; k++) {
    const Value *value = &expected[graph->output[k].node];
    int64_t count = value_count(value);
    double largest = 1, difference = 0;
    for (int64_t i = 0; i < count; i++) {
      largest = fmax(largest, fabs(value->data[i]));
      double here = fabs(value->data[i] - found[k][i]);
      if (value->data[i] != found[k][i] && !(here <= difference)) difference = here; /* NaN counts */
      if (isnan(here) && !isnan(value->data[i])) return INFINITY;
    }
    worst = fmax(worst, difference / largest);
  }
  return worst;
}

#endif
