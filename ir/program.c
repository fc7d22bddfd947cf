#include "program.h"

int64_t linear_value(const Linear *linear, const int64_t *symbols) {
  int64_t value = linear->constant;
  for (int s = 0; s < SYMBOL_MAX; s++) {
    if (linear->per_symbol[s] != 0) value += linear->per_symbol[s] * symbols[s];
  }
  return value;
}

const LaunchGroup *program_group(const Program *program, uint32_t launch) {
  for (uint32_t g = 0; g < program->group_count; g++) {
    const LaunchGroup *group = &program->group[g];
    if (launch >= group->first && launch - group->first < group->count) return group;
  }
  return NULL;
}

Linear program_offset(const Program *program, BufferId id) {
  const Buffer *buffer = &program->buffer[id];
  if (buffer->kind == BUFFER_LOCAL) return (Linear){.constant = buffer->offset.factor};
  const Linear *bytes = buffer->kind == BUFFER_ARENA ? &program->arena_bytes : &program->prepared_bytes;
  Linear offset = {0};
  int32_t region = buffer->offset.symbol; /* regions before it: the constant one, then those of smaller symbols */
  if (region != SYMBOL_NONE) {
    offset.constant = bytes->constant;
    for (int32_t s = 1; s < region; s++) offset.per_symbol[s - 1] = bytes->per_symbol[s - 1];
    offset.per_symbol[region - 1] = buffer->offset.factor;
  } else {
    offset.constant = buffer->offset.factor;
  }
  return offset;
}

static void print_linear(Text *out, const Linear *linear, const char *const *names) {
  text_print(out, "%lld", (long long)linear->constant);
  for (int s = 0; s < SYMBOL_MAX; s++) {
    if (linear->per_symbol[s] == 0) continue;
    text_puts(out, " + ");
    text_dim(out, dim_symbol(linear->per_symbol[s], s + 1), names);
  }
}

static const char *binding_name(const Program *program, const Buffer *buffer) {
  switch (buffer->kind) {
    case BUFFER_INPUT:
      return program->input[buffer->index].name;
    case BUFFER_OUTPUT:
      return program->output[buffer->index].name;
    case BUFFER_PARAMETER:
      return program->parameter[buffer->index].name;
    case BUFFER_STATE:
      return program->state[buffer->index].name;
    default:
      return "";
  }
}

static void print_buffer(const Program *program, BufferId id, Text *out) {
  static const char *const kind_name[] = {
      [BUFFER_INPUT] = "input", [BUFFER_OUTPUT] = "output",     [BUFFER_PARAMETER] = "parameter",
      [BUFFER_STATE] = "state", [BUFFER_PREPARED] = "prepared", [BUFFER_ARENA] = "arena",
      [BUFFER_LOCAL] = "local"};
  const Buffer *buffer = &program->buffer[id];
  const char *const *names = program->graph->symbol;
  text_print(out, "b%u: %s %s [", id, kind_name[buffer->kind], binding_name(program, buffer));
  text_dim(out, buffer->count, names);
  text_puts(out, "]");
  bool alive = buffer->kind == BUFFER_ARENA || buffer->kind == BUFFER_LOCAL;
  if (alive || buffer->kind == BUFFER_PREPARED) {
    Linear offset = program_offset(program, id);
    text_puts(out, " at ");
    print_linear(out, &offset, names);
  }
  if (alive) text_print(out, " alive %u..%u", buffer->first, buffer->last);
  if (buffer->node != NODE_NONE) text_print(out, " holds %%%u", buffer->node);
  text_puts(out, "\n");
}

static void print_launch(const Launch *launch, uint32_t number, const Program *program, Text *out) {
  text_print(out, "%s%u: k%u(", launch->advance ? "    " : "  ", number, launch->kernel);
  for (uint32_t a = 0; a < program->kernel[launch->kernel]->argument_count; a++) {
    text_print(out, "%sb%u", a > 0 ? ", " : "", launch->argument[a]);
    if (launch->advance && launch->advance[a] != 0) text_print(out, " + %lld*image", (long long)launch->advance[a]);
  }
  text_print(out, ") for %%%u %s\n", launch->node, op_info(graph_op(program->graph, launch->node))->name);
}

static void print_run(const Program *program, Text *out) {
  uint32_t group = 0;
  for (uint32_t k = 0; k < program->launch_count; k++) {
    const LaunchGroup *next = group < program->group_count ? &program->group[group] : NULL;
    if (next && next->first == k) {
      text_print(out, "  for each image, %lld bytes of scratch\n", (long long)next->local_bytes);
      group++;
    }
    print_launch(&program->launch[k], k, program, out);
  }
}

void program_print(const Program *program, Text *out) {
  const char *const *names = program->graph->symbol;
  text_print(out, "program %s\narena ", program->graph->name);
  print_linear(out, &program->arena_bytes, names);
  text_puts(out, " bytes, prepared ");
  print_linear(out, &program->prepared_bytes, names);
  text_puts(out, " bytes\n");
  for (BufferId b = 0; b < program->buffer_count; b++) print_buffer(program, b, out);
  text_puts(out, "prepare\n");
  for (uint32_t k = 0; k < program->prepare_count; k++) print_launch(&program->prepare[k], k, program, out);
  text_puts(out, "run\n");
  print_run(program, out);
  for (uint32_t k = 0; k < program->kernel_count; k++) {
    text_print(out, "kernel k%u: ", k);
    kernel_print(program->kernel[k], names, out);
  }
}
