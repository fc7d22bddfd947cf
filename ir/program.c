#include "program.h"

int64_t linear_value(const Linear *linear, const int64_t *symbols) {
  int64_t value = linear->constant;
  for (int s = 0; s < SYMBOL_MAX; s++) {
    if (linear->per_symbol[s] != 0) value += linear->per_symbol[s] * symbols[s];
  }
  return value;
}

Linear program_offset(const Program *program, BufferId id) {
  const Buffer *buffer = &program->buffer[id];
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
      [BUFFER_STATE] = "state", [BUFFER_CONSTANT] = "constant", [BUFFER_PREPARED] = "prepared",
      [BUFFER_ARENA] = "arena"};
  const Buffer *buffer = &program->buffer[id];
  const char *const *names = program->graph->symbol;
  text_print(out, "b%u: %s %s [", id, kind_name[buffer->kind], binding_name(program, buffer));
  text_dim(out, buffer->count, names);
  text_puts(out, "]");
  if (buffer->kind == BUFFER_ARENA || buffer->kind == BUFFER_PREPARED) {
    Linear offset = program_offset(program, id);
    text_puts(out, " at ");
    print_linear(out, &offset, names);
  }
  if (buffer->kind == BUFFER_ARENA) text_print(out, " alive %u..%u", buffer->first, buffer->last);
  if (buffer->node != NODE_NONE) text_print(out, " holds %%%u", buffer->node);
  text_puts(out, "\n");
}

static void print_launches(const Launch *launches, uint32_t count, const Program *program, Text *out) {
  for (uint32_t k = 0; k < count; k++) {
    const Launch *launch = &launches[k];
    text_print(out, "  %u: k%u(", k, launch->kernel);
    uint32_t arguments = program->kernel[launch->kernel]->argument_count;
    for (uint32_t a = 0; a < arguments; a++) text_print(out, "%sb%u", a > 0 ? ", " : "", launch->argument[a]);
    text_print(out, ") for %%%u %s\n", launch->node, op_info(graph_op(program->graph, launch->node))->name);
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
  print_launches(program->prepare, program->prepare_count, program, out);
  text_puts(out, "run\n");
  print_launches(program->launch, program->launch_count, program, out);
  for (uint32_t k = 0; k < program->kernel_count; k++) {
    text_print(out, "kernel k%u: ", k);
    kernel_print(program->kernel[k], names, out);
  }
}
