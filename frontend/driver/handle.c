#include "handle.h"
#include "plain_locale.h"

#include "ir/evaluate.h"

#include <stdlib.h>
#include <string.h>

/* ---- Weights ---- */

static simba_status block_create(const ModelParameter *info, uint32_t count, WeightBlock *out_block,
                                 simba_error *error) {
  enum { LINE = 16 }; /* every tensor begins on a cache line */
  WeightBlock block = {.info = info, .count = count};
  block.offset = memory_allocate(count + 1, sizeof *block.offset);
  if (!block.offset) return error_set_memory(error, "weights");
  for (uint32_t k = 0; k < count; k++) {
    block.offset[k] = block.size;
    block.size += (info[k].count + LINE - 1) / LINE * LINE;
  }
  block.values = memory_allocate_aligned((size_t)block.size + LINE, sizeof *block.values);
  *out_block = block;
  return block.values ? SIMBA_OK : error_set_memory(error, "weights");
}

static void block_destroy(WeightBlock *block) {
  free(block->offset);
  free(block->values);
}

static void block_fill(WeightBlock *block, const Graph *initial, const Value *values) {
  for (uint32_t k = 0; k < block->count; k++) {
    const Output *output = graph_find_output(initial, OUTPUT_VALUE, block->info[k].path);
    ASSERT(output && value_count(&values[output->node]) == block->info[k].count);
    float *to = block->values + block->offset[k];
    for (int64_t i = 0; i < block->info[k].count; i++) to[i] = (float)values[output->node].data[i];
  }
}

simba_status model_initialise(simba_model *model, uint64_t seed, simba_error *error) {
  Guard guard;
  Arena *volatile arena = NULL;
  if (!guard_enter(&guard)) {
    arena_destroy(arena);
    if (guard.kind == GUARD_OUT_OF_MEMORY) return error_set_memory(error, "initial values");
    return error_set(error, SIMBA_BUG, "%s", guard.message);
  }
  arena = arena_create();
  const Graph *initial = model->model->initial;
  int64_t symbols[SYMBOL_MAX] = {1};
  Value *values = ARENA_ARRAY(arena, Value, initial->node_count + 1);
  graph_evaluate(initial, symbols, seed, 0, NULL, 0, false, arena, values);
  block_fill(&model->parameters, initial, values);
  block_fill(&model->states, initial, values);
  model->prepared = false;
  guard_leave(&guard);
  arena_destroy(arena);
  return SIMBA_OK;
}

/* ---- Making and unmaking ---- */

/* Points a program's parameter and state tables into the model's blocks. */
static void bind_block(const WeightBlock *block, const Binding *bindings, uint32_t count, const float **table) {
  for (uint32_t k = 0; k < count; k++) {
    for (uint32_t p = 0; p < block->count; p++) {
      if (!strcmp(block->info[p].path, bindings[k].name)) table[k] = block->values + block->offset[p];
    }
    ASSERT(table[k]);
  }
}

static simba_status compile_request(Compiler *compiler, const StepRequest *request, CompiledStep **out_step,
                                    simba_error *error) {
  const Graph *graph;
  const Program *program;
  simba_status status = compiler_graph(compiler, request, &graph, error);
  if (status == SIMBA_OK) status = compiler_program(compiler, graph, &program, error);
  return status == SIMBA_OK ? compiler_step(compiler, program, out_step, error) : status;
}

simba_status model_bind_step(simba_model *model, const StepRequest *request, CompiledStep **step,
                             Execution **out_execution, simba_error *error) {
  simba_status status = *step ? SIMBA_OK : compile_request(model->compiler, request, step, error);
  if (status == SIMBA_OK) status = execution_create(*step, model->pool, out_execution, error);
  if (status != SIMBA_OK) return status;
  const Program *program = (*step)->program;
  bind_block(&model->parameters, program->parameter, program->parameter_count, (*out_execution)->parameter);
  bind_block(&model->states, program->state, program->state_count, (*out_execution)->state);
  return SIMBA_OK;
}

static simba_status model_build(simba_model *model, const simba_options *options, simba_error *error) {
  simba_status status = thread_pool_create(options->threads, &model->pool, error);
  const Model *from = model->model;
  if (status == SIMBA_OK) status = block_create(from->parameter, from->parameter_count, &model->parameters, error);
  if (status == SIMBA_OK) status = block_create(from->state, from->state_count, &model->states, error);
  if (status == SIMBA_OK) status = model_initialise(model, options->seed, error);
  return status;
}

simba_status model_create(Compiler *compiler, const simba_options *options, simba_model **out_model,
                          simba_error *error) {
  simba_model *model = memory_allocate(1, sizeof *model);
  if (!model) {
    compiler_close(compiler);
    return error_set_memory(error, "a model");
  }
  memset(model, 0, sizeof *model);
  model->compiler = compiler;
  model->model = compiler->infer;
  model->training = options->training;
  model->seed = options->seed;
  simba_status status = model_build(model, options, error);
  if (status != SIMBA_OK)
    simba_model_destroy(model);
  else
    *out_model = model;
  return status;
}

static void discard_outputs(simba_model *model) {
  if (!model->discard) return;
  for (uint32_t k = 0; k < model->infer_step->program->output_count; k++) free(model->discard[k]);
  free(model->discard);
  model->discard = NULL;
}

void simba_model_destroy(simba_model *model) {
  if (!model) return;
  discard_outputs(model);
  execution_destroy(model->infer);
  thread_pool_destroy(model->pool);
  block_destroy(&model->parameters);
  block_destroy(&model->states);
  compiler_close(model->compiler);
  free(model->weights_report);
  free(model->weights_note);
  free(model);
}

static simba_options options_of(const simba_options *given) {
  simba_options options = {0};
  if (given) memcpy(&options, given, given->size && given->size < sizeof options ? given->size : sizeof options);
  return options;
}

static simba_status render_diagnostics(Compiler *compiler, const char **out_text, simba_error *error) {
  Guard guard;
  if (!guard_enter(&guard)) return compiler_unwound(&guard, error);
  Text text = text_begin(compiler->arena);
  diagnostics_render(compiler->diagnostics, DIAGNOSTIC_HUMAN, false, &text);
  *out_text = text.data;
  guard_leave(&guard);
  return SIMBA_OK;
}

/* `locale`: what the host's function is called outside of. */
static simba_status finish_compile(simba_status status, Compiler *compiler, const simba_options *options,
                                   PlainLocale *locale, simba_model **out_model, simba_error *error) {
  if (compiler && (options->on_diagnostics || status == SIMBA_MODEL_ERROR)) {
    const char *text = "";
    simba_status rendered = render_diagnostics(compiler, &text, error);
    if (rendered != SIMBA_OK)
      status = rendered;
    else if (status == SIMBA_MODEL_ERROR)
      error_set(error, status, "%s", text);
    if (options->on_diagnostics && text[0]) {
      plain_locale_leave(locale);
      options->on_diagnostics(options->context, text);
      *locale = plain_locale_enter();
    }
  }
  if (status == SIMBA_OK) return model_create(compiler, options, out_model, error);
  compiler_close(compiler);
  return status;
}

static CompilerOptions compiler_options(const simba_options *options) {
  return (CompilerOptions){.setting = options->settings,
                           .setting_count = (uint32_t)options->setting_count,
                           .threads = options->threads,
                           .cache_folder = options->cache_folder,
                           .memory_budget = (int64_t)options->memory_budget,
                           .batch = options->memory_batch};
}

simba_status simba_model_compile_file(const char *path, const simba_options *given, simba_model **out_model,
                                      simba_error *out_error) {
  if (!path || !out_model) return error_set(out_error, SIMBA_INVALID_ARGUMENT, "path and out_model must be given");
  PLAIN_LOCALE(locale);
  simba_options options = options_of(given);
  CompilerOptions compile = compiler_options(&options);
  Compiler *compiler = NULL;
  simba_status status = compiler_open(path, &compile, &compiler, out_error);
  return finish_compile(status, compiler, &options, &locale, out_model, out_error);
}

simba_status simba_model_compile_text(const char *text, size_t length, const char *name, const simba_options *given,
                                      simba_model **out_model, simba_error *out_error) {
  if (!text || !name || !out_model) {
    return error_set(out_error, SIMBA_INVALID_ARGUMENT, "text, name and out_model must be given");
  }
  PLAIN_LOCALE(locale);
  simba_options options = options_of(given);
  CompilerOptions compile = compiler_options(&options);
  Compiler *compiler = NULL;
  simba_status status = compiler_open_text(name, text, length, &compile, &compiler, out_error);
  return finish_compile(status, compiler, &options, &locale, out_model, out_error);
}

const char *simba_model_message(const simba_model *model) { return model->error.message; }
const char *simba_model_name(const simba_model *model) { return model->model->name; }

/* ---- Inference ---- */

static simba_status reserve_discard(simba_model *model, int64_t batch, simba_error *error) {
  const Program *program = model->infer_step->program;
  if (model->discard && batch <= model->discard_batch) return SIMBA_OK;
  discard_outputs(model);
  model->discard = memory_allocate(program->output_count + 1, sizeof *model->discard);
  if (!model->discard) return error_set_memory(error, "outputs");
  memset(model->discard, 0, (program->output_count + 1) * sizeof *model->discard);
  bool allocated = true;
  for (uint32_t k = 0; k < program->output_count && allocated; k++) {
    model->discard[k] = memory_allocate((size_t)binding_count(&program->output[k], batch) + 16, sizeof(float));
    allocated = model->discard[k] != NULL;
  }
  if (!allocated) {
    discard_outputs(model);
    return error_set_memory(error, "outputs");
  }
  model->discard_batch = batch;
  return SIMBA_OK;
}

simba_status model_compile_inference(simba_model *model, simba_error *error) {
  static const StepRequest request = {.values = true};
  if (model->infer) return SIMBA_OK;
  return model_bind_step(model, &request, &model->infer_step, &model->infer, error);
}

simba_status model_bind_inputs(const ModelTensor *tensors, uint32_t count, const float *const *data,
                               const Execution *execution, simba_error *error) {
  const Program *program = execution->step->program;
  for (uint32_t k = 0; k < count; k++) {
    int32_t at = binding_find(program->input, program->input_count, tensors[k].name);
    if (at < 0) continue;
    if (!data || !data[k]) return error_set(error, SIMBA_INVALID_ARGUMENT, "'%s' is NULL", tensors[k].name);
    execution->input[at] = data[k];
  }
  return SIMBA_OK;
}

static simba_status infer(simba_model *model, int64_t batch, const float *const *inputs, float *const *outputs,
                          simba_error *error) {
  simba_status status = execution_check_batch(batch, error);
  if (status == SIMBA_OK) status = model_compile_inference(model, error);
  if (status != SIMBA_OK) return status;
  Execution *execution = model->infer;
  status = model_bind_inputs(model->model->input, model->model->input_count, inputs, execution, error);
  bool all = true;
  for (uint32_t k = 0; k < model->infer_step->program->output_count; k++) all &= outputs && outputs[k];
  if (status == SIMBA_OK && !all) status = reserve_discard(model, batch, error);
  if (status != SIMBA_OK) return status;
  for (uint32_t k = 0; k < model->infer_step->program->output_count; k++) {
    execution->output[k] = outputs && outputs[k] ? outputs[k] : model->discard[k];
  }
  if (!model->prepared) {
    status = execution_prepare(execution, error);
    if (status != SIMBA_OK) return status;
    model->prepared = true;
  }
  return execution_run(execution, batch, 0, 0, error);
}

simba_status simba_model_infer(simba_model *model, int64_t batch, const float *const *inputs, float *const *outputs) {
  PLAIN_LOCALE(locale); /* the first call compiles */
  error_clear(&model->error);
  return infer(model, batch, inputs, outputs, &model->error);
}
