/* The last steps: values become buffers, kernels that are equal become one, launches get an order and the arena a plan.
 */
#include "batch_fusion.h"
#include "lower_internal.h"
#include "memory_plan.h"
#include "pipeline.h"
#include "schedule.h"

#include "ir/guard.h"

#include <string.h>

typedef struct Build {
  Program *program;
  const Graph *graph;
  const Clusters *clusters;
  Lowered *lowered;
  Arena *arena, *scratch;
  BufferId *buffer_of;                      /* by value */
  bool *prepared;                           /* by step: it depends on parameters alone */
  Kernel **prepare_kernel, **launch_kernel; /* by launch, before equal ones become one */
} Build;

static void add_binding(Build *build, NodeId id, Binding **bindings, uint32_t *count, BufferKind kind) {
  const Node *node = graph_node(build->graph, id);
  Buffer *buffer = &build->program->buffer[build->buffer_of[build->lowered->of_node[id]]];
  buffer->kind = kind;
  buffer->index = *count;
  (*bindings)[(*count)++] = (Binding){.name = node_text(node, LEAF_NAME), .shape = node->shape};
}

/* Leaves are bound in the order in which they stand in the graph. */
static void bind_leaves(Build *build) {
  Program *program = build->program;
  uint32_t most = build->graph->node_count + 1;
  program->input = ARENA_ARRAY(build->arena, Binding, most);
  program->parameter = ARENA_ARRAY(build->arena, Binding, most);
  program->state = ARENA_ARRAY(build->arena, Binding, most);
  for (NodeId id = 1; id <= build->graph->node_count; id++) {
    switch (graph_op(build->graph, id)) {
      case OP_INPUT:
        add_binding(build, id, &program->input, &program->input_count, BUFFER_INPUT);
        break;
      case OP_PARAMETER:
        add_binding(build, id, &program->parameter, &program->parameter_count, BUFFER_PARAMETER);
        break;
      case OP_STATE:
        add_binding(build, id, &program->state, &program->state_count, BUFFER_STATE);
        break;
      default:
        break;
    }
  }
}

static void bind_outputs(Build *build) {
  Program *program = build->program;
  const Graph *graph = build->graph;
  program->output = ARENA_ARRAY(build->arena, Binding, graph->output_count + 1);
  for (uint32_t k = 0; k < graph->output_count; k++) {
    const Output *output = &graph->output[k];
    program->output[k] = (Binding){output->name, *graph_shape(graph, output->node), output->kind};
    NodeId base = output->node;
    while (build->clusters->of[base] == 0 && graph_op(graph, base) == OP_RESHAPE) base = graph_operand(graph, base, 0);
    Buffer *buffer = &program->buffer[build->buffer_of[build->lowered->of_node[base]]];
    ASSERT(buffer->kind == BUFFER_ARENA);
    buffer->kind = BUFFER_OUTPUT;
    buffer->index = k;
  }
  program->output_count = graph->output_count;
}

static void make_buffers(Build *build) {
  const Lowered *lowered = build->lowered;
  Program *program = build->program;
  program->buffer = ARENA_ARRAY(build->arena, Buffer, lowered->value_count + 1);
  build->buffer_of = ARENA_ARRAY(build->scratch, BufferId, lowered->value_count + 1);
  for (ValueId v = 1; v <= lowered->value_count; v++) {
    const LoweredValue *value = &lowered->value[v];
    build->buffer_of[v] = program->buffer_count;
    program->buffer[program->buffer_count++] =
        (Buffer){.kind = BUFFER_ARENA, .count = value->count, .node = value->node};
  }
}

static bool depends_on_run(const Kernel *kernel) {
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    const Expr *expr = &kernel->expr[e];
    if (expr->kind == EXPR_RANDOM || (expr->kind == EXPR_EXTENT && !dim_is_constant(expr->dim))) return true;
  }
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    if (!dim_is_constant(kernel->axis[k].extent)) return true;
  }
  return false;
}

/* Steps that read only parameters and what such steps wrote, and write no output. A value with several
 * writers is prepared if all of them are; to a fixed point, since steps stand in no order yet. */
static void find_prepared(Build *build) {
  const Lowered *lowered = build->lowered;
  Program *program = build->program;
  build->prepared = ARENA_ARRAY(build->scratch, bool, lowered->step_count + 1);
  memset(build->prepared, true, lowered->step_count);
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t s = 0; s < lowered->step_count; s++) {
      const Step *step = &lowered->step[s];
      if (!build->prepared[s]) {
        for (uint32_t a = step->kernel->read_count; a < step->kernel->argument_count; a++) {
          Buffer *written = &program->buffer[build->buffer_of[step->argument[a]]];
          changed |= written->kind == BUFFER_PREPARED;
          if (written->kind == BUFFER_PREPARED) written->kind = BUFFER_ARENA;
        }
        continue;
      }
      bool fits = !depends_on_run(step->kernel);
      for (uint32_t a = 0; a < step->kernel->argument_count; a++) {
        BufferKind kind = program->buffer[build->buffer_of[step->argument[a]]].kind;
        bool fixed = kind == BUFFER_PARAMETER || kind == BUFFER_PREPARED;
        fits &= a < step->kernel->read_count ? fixed : kind == BUFFER_PREPARED;
      }
      build->prepared[s] = fits;
      changed |= !fits;
    }
  }
}

/* Everything in the arena is taken to be prepared until a step proves otherwise. */
static void suppose_prepared(Build *build) {
  for (BufferId b = 0; b < build->program->buffer_count; b++) {
    if (build->program->buffer[b].kind == BUFFER_ARENA) build->program->buffer[b].kind = BUFFER_PREPARED;
  }
}

static void intern_kernels(Build *build, Launch *launches, Kernel **kernels, uint32_t count, uint64_t *hashes) {
  Program *program = build->program;
  for (uint32_t at = 0; at < count; at++) {
    uint64_t hash = kernel_hash(kernels[at]);
    uint32_t k = 0;
    while (k < program->kernel_count && !(hashes[k] == hash && kernel_equal(program->kernel[k], kernels[at]))) k++;
    launches[at].kernel = k;
    if (k < program->kernel_count) continue;
    hashes[k] = hash;
    program->kernel[program->kernel_count++] = kernels[at];
  }
}

static void make_kernels(Build *build) {
  Program *program = build->program;
  uint32_t most = program->prepare_count + program->launch_count + 1;
  uint64_t *hashes = ARENA_ARRAY(build->scratch, uint64_t, most);
  program->kernel = ARENA_ARRAY(build->arena, Kernel *, most);
  intern_kernels(build, program->prepare, build->prepare_kernel, program->prepare_count, hashes);
  intern_kernels(build, program->launch, build->launch_kernel, program->launch_count, hashes);
}

/* By step: the last node that it computes, so that a producer ranks before its readers wherever the graph says so. */
static NodeId *graph_order(const Build *build, const Lowered *lowered) {
  const Clusters *clusters = build->clusters;
  NodeId *rank = ARENA_ARRAY(build->scratch, NodeId, lowered->step_count + 1);
  for (uint32_t s = 0; s < lowered->step_count; s++) {
    uint32_t cluster = clusters->of[lowered->step[s].node];
    rank[s] = clusters->member[clusters->member_first[cluster + 1] - 1];
  }
  return rank;
}

static void make_launches(Build *build, int64_t extent) {
  const Lowered *lowered = build->lowered;
  Program *program = build->program;
  bool *resident = ARENA_ARRAY(build->scratch, bool, lowered->value_count + 1);
  for (ValueId v = 1; v <= lowered->value_count; v++) {
    resident[v] = program->buffer[build->buffer_of[v]].kind != BUFFER_ARENA;
  }
  ScheduleInput input = {lowered->step, lowered->step_count,         lowered->value, lowered->value_count,
                         resident,      graph_order(build, lowered), extent};
  uint32_t *order = schedule_steps(&input, build->scratch);
  build->prepare_kernel = ARENA_ARRAY(build->scratch, Kernel *, lowered->step_count + 1);
  build->launch_kernel = ARENA_ARRAY(build->scratch, Kernel *, lowered->step_count + 1);
  program->prepare = ARENA_ARRAY(build->arena, Launch, lowered->step_count + 1);
  program->launch = ARENA_ARRAY(build->arena, Launch, lowered->step_count + 1);
  for (uint32_t at = 0; at < lowered->step_count; at++) {
    const Step *step = &lowered->step[order[at]];
    Launch launch = {.node = step->node};
    launch.argument = ARENA_ARRAY(build->arena, BufferId, step->kernel->argument_count + 1);
    for (uint32_t a = 0; a < step->kernel->argument_count; a++) {
      launch.argument[a] = build->buffer_of[step->argument[a]];
    }
    if (build->prepared[order[at]]) {
      build->prepare_kernel[program->prepare_count] = step->kernel;
      program->prepare[program->prepare_count++] = launch;
    } else {
      build->launch_kernel[program->launch_count] = step->kernel;
      program->launch[program->launch_count++] = launch;
    }
  }
}

/* A group's launches run for one image while others run for another, so what is not local lives from the beginning of
 * the group to its end. */
static void find_lifetimes(Build *build) {
  Program *program = build->program;
  for (BufferId b = 0; b < program->buffer_count; b++) {
    if (program->buffer[b].kind != BUFFER_LOCAL) program->buffer[b].first = UINT32_MAX;
  }
  for (uint32_t at = 0; at < program->launch_count; at++) {
    const Launch *launch = &program->launch[at];
    const LaunchGroup *group = program_group(program, at);
    uint32_t first = group ? group->first : at, last = group ? group->first + group->count - 1 : at;
    for (uint32_t a = 0; a < program->kernel[launch->kernel]->argument_count; a++) {
      Buffer *buffer = &program->buffer[launch->argument[a]];
      if (buffer->kind == BUFFER_LOCAL) continue;
      if (buffer->first == UINT32_MAX) buffer->first = first;
      buffer->last = last;
    }
  }
}

/* Offsets of all buffers of a kind; prepared ones live as long as the weights. */
static Linear place_buffers(Build *build, BufferKind kind) {
  Program *program = build->program;
  Lifetime *lifetimes = ARENA_ARRAY(build->scratch, Lifetime, program->buffer_count + 1);
  uint32_t count = 0;
  for (BufferId b = 0; b < program->buffer_count; b++) {
    const Buffer *buffer = &program->buffer[b];
    bool always = kind == BUFFER_PREPARED;
    if (buffer->kind != kind) continue;
    lifetimes[count++] = (Lifetime){buffer->count, always ? 0 : buffer->first, always ? 0 : buffer->last, {0}};
  }
  Linear bytes = memory_plan(lifetimes, count, build->scratch);
  count = 0;
  for (BufferId b = 0; b < program->buffer_count; b++) {
    if (program->buffer[b].kind == kind) program->buffer[b].offset = lifetimes[count++].offset;
  }
  return bytes;
}

Program *program_of(const Clusters *clusters, Lowered *lowered, Arena *arena, const LowerOptions *options) {
  Arena *scratch = arena_create();
  Program *program = ARENA_NEW(arena, Program);
  program->arena = arena;
  program->graph = clusters->graph;
  Build build = {.program = program,
                 .graph = program->graph,
                 .clusters = clusters,
                 .lowered = lowered,
                 .arena = arena,
                 .scratch = scratch};
  make_buffers(&build);
  bind_leaves(&build);
  bind_outputs(&build);
  suppose_prepared(&build);
  find_prepared(&build);
  make_launches(&build, options->batch > 0 ? options->batch : PASS_TYPICAL_BATCH);
  if (program->graph->batch_fused) batch_fusion(program, build.launch_kernel, scratch, options->explain);
  make_kernels(&build);
  find_lifetimes(&build);
  program->arena_bytes = place_buffers(&build, BUFFER_ARENA);
  program->prepared_bytes = place_buffers(&build, BUFFER_PREPARED);
  arena_destroy(scratch);
  return program;
}

Program *program_build(const Graph *graph, Arena *arena, const LowerOptions *options) {
  static const LowerOptions nothing;
  if (options == NULL) options = &nothing;
  Arena *scratch = arena_create();
  Clusters *clusters = clusters_create(graph, scratch);
  Lowered *lowered = lower_all(clusters, arena, options->explain);
  Program *program = program_of(clusters, lowered, arena, options);
  arena_destroy(scratch);
  return program;
}
