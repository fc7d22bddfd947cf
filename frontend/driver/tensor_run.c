#include "tensor_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A tensor file's names seen by prefix: what is asked for, what is left over. */
typedef struct Reading {
  Compiler *compiler;
  const TensorFile *in;
  const Program *program;
  const Graph *model; /* that the program is of: an input that it does not have is a cotangent */
  bool *used;         /* one for each tensor of the file */
  int64_t batch;
  const char *batch_from; /* the tensor that said so */
} Reading;

static bool has_prefix(const char *name, const char *prefix) { return !strncmp(name, prefix, strlen(prefix)); }

static const Tensor *find_prefixed(const Reading *reading, const TensorFile *file, const char *prefix,
                                   const char *name) {
  const char *full = arena_format(reading->compiler->arena, "%s%s", prefix, name);
  const Tensor *tensor = tensor_file_find(file, full);
  if (tensor && file == reading->in) reading->used[tensor - file->tensor] = true;
  return tensor;
}

/* Matches a tensor's shape with a declared one and learns the batch from it. */
static simba_status match_shape(Reading *reading, const TensorFile *file, const Tensor *tensor, const Binding *binding,
                                simba_error *error) {
  const Shape *shape = &binding->shape;
  Text wanted = text_begin(reading->compiler->arena);
  text_shape(&wanted, shape, reading->program->graph->symbol);
  char found[128];
  tensor_shape_text(tensor->rank, tensor->shape, found, sizeof found);
  bool scalar = shape->rank == 0 && tensor->count == 1;
  bool fits = scalar || tensor->rank == shape->rank;
  for (int32_t k = 0; fits && !scalar && k < shape->rank; k++) {
    Dim dim = shape->dim[k];
    if (dim_is_constant(dim)) {
      fits = tensor->shape[k] == dim.factor;
    } else if (tensor->shape[k] % dim.factor || tensor->shape[k] == 0) {
      fits = false;
    } else {
      int64_t batch = tensor->shape[k] / dim.factor;
      if (reading->batch && batch != reading->batch) {
        return error_set(error, SIMBA_DATA_ERROR, "%s: tensor '%s' has batch %lld, but '%s' has %lld", file->path,
                         tensor->name, (long long)batch, reading->batch_from, (long long)reading->batch);
      }
      reading->batch = batch;
      reading->batch_from = tensor->name;
    }
  }
  if (fits) return SIMBA_OK;
  return error_set(error, SIMBA_DATA_ERROR, "%s: tensor '%s' has shape %s, the model expects %s", file->path,
                   tensor->name, found, wanted.data);
}

static simba_status missing_tensor(const Reading *reading, const TensorFile *file, const char *prefix, const char *name,
                                   simba_error *error) {
  const char **names = ARENA_ARRAY(reading->compiler->arena, const char *, file->count + 1);
  for (size_t k = 0; k < file->count; k++) names[k] = file->tensor[k].name;
  const char *full = arena_format(reading->compiler->arena, "%s%s", prefix, name);
  const char *nearest = text_nearest(full, names, file->count);
  return error_set(error, SIMBA_DATA_ERROR, "%s: there is no tensor '%s', which the model needs%s%s%s", file->path,
                   full, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* One table of bindings from a file: finds, checks and converts each. */
static simba_status read_bindings(Reading *reading, const TensorFile *file, const Binding *bindings, uint32_t count,
                                  const char *prefix, const float **out_data, simba_error *error) {
  for (uint32_t k = 0; k < count; k++) {
    const char *name = bindings[k].name;
    bool cotangent = bindings == reading->program->input && !graph_find_leaf(reading->model, OP_INPUT, name);
    const Tensor *tensor = find_prefixed(reading, file, cotangent ? "" : prefix, name);
    if (!tensor) return missing_tensor(reading, file, cotangent ? "" : prefix, name, error);
    simba_status status = match_shape(reading, file, tensor, &bindings[k], error);
    if (status != SIMBA_OK) return status;
    float *data = ARENA_ARRAY(reading->compiler->arena, float, tensor->count + 16);
    status = tensor_read_f32(file, tensor, data, error);
    if (status != SIMBA_OK) return status;
    out_data[k] = data;
  }
  return SIMBA_OK;
}

simba_status tensor_run_inputs(Compiler *compiler, const Program *program, const Graph *model, const TensorFile *in,
                               const float **out_data, int64_t *out_batch, simba_error *error) {
  Reading reading = {.compiler = compiler, .in = in, .program = program, .model = model};
  reading.used = ARENA_ARRAY(compiler->arena, bool, in->count + 1);
  simba_status status = read_bindings(&reading, in, program->input, program->input_count, "in.", out_data, error);
  *out_batch = reading.batch;
  return status;
}

/* The outputs that have a cotangent in the file. */
static uint32_t find_cotangents(Compiler *compiler, const Model *model, const TensorFile *in, const char ***out_names) {
  const Graph *graph = model->graph;
  const char **names = ARENA_ARRAY(compiler->arena, const char *, graph->output_count + 1);
  uint32_t count = 0;
  for (uint32_t k = 0; k < graph->output_count; k++) {
    const Output *output = &graph->output[k];
    if (output->kind != OUTPUT_VALUE) continue;
    if (tensor_file_find(in, arena_format(compiler->arena, "lw.%s", output->name))) names[count++] = output->name;
  }
  *out_names = names;
  return count;
}

static const char *result_name(Arena *arena, const Program *program, const Graph *graph, uint32_t output) {
  const Binding *binding = &program->output[output];
  switch (binding->kind) {
    case OUTPUT_VALUE:
      return arena_format(arena, "out.%s", binding->name);
    case OUTPUT_LOSS:
      return "loss";
    case OUTPUT_METRIC:
      return arena_format(arena, "metric.%s", binding->name);
    case OUTPUT_STATE:
      return arena_format(arena, "buf_after.%s", binding->name);
    case OUTPUT_GRADIENT: {
      bool input = graph_op(graph, graph->output[output].leaf) == OP_INPUT;
      return arena_format(arena, input ? "gin.%s" : "gparam.%s", binding->name);
    }
  }
  return binding->name;
}

static void make_results(Compiler *compiler, const Program *program, TensorRun *run, float **out_data) {
  Arena *arena = compiler->arena;
  int64_t symbols[SYMBOL_MAX] = {run->batch};
  run->count = program->output_count;
  run->result = ARENA_ARRAY(arena, TensorResult, run->count + 1);
  for (uint32_t k = 0; k < run->count; k++) {
    TensorResult *result = &run->result[k];
    const Shape *shape = &program->output[k].shape;
    result->name = result_name(arena, program, program->graph, k);
    result->rank = shape->rank;
    result->count = 1;
    for (int32_t d = 0; d < shape->rank; d++) {
      result->shape[d] = dim_value(shape->dim[d], symbols);
      result->count *= result->shape[d];
    }
    result->data = out_data[k] = ARENA_ARRAY(arena, float, result->count + 16);
  }
}

static bool is_of_gradients(const char *name) {
  return has_prefix(name, "lw.") || has_prefix(name, "gin.") || has_prefix(name, "gparam.") || !strcmp(name, "loss");
}

static void note_unused(Reading *reading, const TensorRunOptions *options, TensorRun *run) {
  const TensorFile *in = reading->in;
  run->note = ARENA_ARRAY(reading->compiler->arena, const char *, in->count + 1);
  for (size_t k = 0; k < in->count; k++) {
    static const char *const results[] = {"out.", "buf_after.", "gin.", "gparam.", "loss"};
    if (!options->gradients && is_of_gradients(in->tensor[k].name)) {
      if (run->of_gradients_count++ == 0) run->of_gradients = in->tensor[k].name;
      continue;
    }
    bool known = reading->used[k];
    if (options->weights) known |= has_prefix(in->tensor[k].name, "param.") || has_prefix(in->tensor[k].name, "buf.");
    for (size_t r = 0; r < sizeof results / sizeof *results; r++) known |= has_prefix(in->tensor[k].name, results[r]);
    if (!known) run->note[run->note_count++] = in->tensor[k].name;
  }
}

static simba_status run_step(Reading *reading, Execution *execution, const TensorRunOptions *options, TensorRun *run,
                             simba_error *error) {
  const Program *program = reading->program;
  const TensorFile *in = reading->in, *weights = options->weights ? options->weights : in;
  const char *parameter = options->weights ? "" : "param.", *state = options->weights ? "" : "buf.";
  simba_status status =
      read_bindings(reading, in, program->input, program->input_count, "in.", execution->input, error);
  if (status == SIMBA_OK) {
    status = read_bindings(reading, weights, program->parameter, program->parameter_count, parameter,
                           execution->parameter, error);
  }
  if (status == SIMBA_OK) {
    status = read_bindings(reading, weights, program->state, program->state_count, state, execution->state, error);
  }
  if (status != SIMBA_OK) return status;
  run->batch = reading->batch ? reading->batch : 1;
  make_results(reading->compiler, program, run, execution->output);
  note_unused(reading, options, run);
  status = execution_prepare(execution, error);
  if (status != SIMBA_OK) return status;
  return execution_run(execution, run->batch, options->seed, 0, error);
}

/* The batch of the file's inputs, for the memory budget; 0 where they do not say. Shapes are checked later. */
static int64_t file_batch(Compiler *compiler, const Graph *graph, const TensorFile *in) {
  for (NodeId id = 1; id <= graph->node_count; id++) {
    if (graph_op(graph, id) != OP_INPUT) continue;
    const Shape *shape = graph_shape(graph, id);
    const char *name = arena_format(compiler->arena, "in.%s", node_text(graph_node(graph, id), LEAF_NAME));
    const Tensor *tensor = tensor_file_find(in, name);
    for (int32_t k = 0; tensor && tensor->rank == shape->rank && k < shape->rank; k++) {
      if (!dim_is_constant(shape->dim[k])) return tensor->shape[k] / shape->dim[k].factor;
    }
  }
  return 0;
}

simba_status tensor_run(Compiler *compiler, const TensorFile *in, const TensorRunOptions *options, TensorRun **out_run,
                        simba_error *error) {
  Model *model;
  simba_status status = compiler_model(compiler, options->training, &model, error);
  if (status != SIMBA_OK) return status;
  DifferentiateSpec spec = {.parameters = true, .inputs = true};
  const char **names;
  spec.cotangent_count = find_cotangents(compiler, model, in, &names);
  spec.cotangent = names;
  StepRequest request = {.training = options->training,
                         .values = true,
                         .loss = options->gradients,
                         .differentiate = options->gradients ? &spec : NULL,
                         .batch = file_batch(compiler, model->graph, in)};
  const Graph *graph;
  const Program *program;
  CompiledStep *step;
  status = compiler_graph(compiler, &request, &graph, error);
  if (status == SIMBA_OK) status = compiler_program(compiler, graph, &program, error);
  if (status == SIMBA_OK) status = compiler_step(compiler, program, &step, error);
  if (status != SIMBA_OK) return status;

  ThreadPool *pool;
  status = thread_pool_create(compiler->options.threads, &pool, error);
  if (status != SIMBA_OK) return status;
  Execution *execution = NULL;
  TensorRun *run = ARENA_NEW(compiler->arena, TensorRun);
  Reading reading = {.compiler = compiler, .in = in, .program = program, .model = model->graph};
  reading.used = ARENA_ARRAY(compiler->arena, bool, in->count + 1);
  status = execution_create(step, pool, &execution, error);
  if (status == SIMBA_OK) status = run_step(&reading, execution, options, run, error);
  execution_destroy(execution);
  thread_pool_destroy(pool);
  if (status == SIMBA_OK) *out_run = run;
  return status;
}

simba_status tensor_run_write(const TensorRun *run, const char *path, simba_error *error) {
  Tensor *tensors = memory_allocate(run->count + 1, sizeof *tensors);
  if (!tensors) return error_set_memory(error, "results");
  for (uint32_t k = 0; k < run->count; k++) {
    const TensorResult *result = &run->result[k];
    tensors[k] = (Tensor){.name = result->name, .type = TENSOR_F32, .rank = result->rank, .bytes = result->data};
    memcpy(tensors[k].shape, result->shape, sizeof result->shape);
  }
  simba_status status = tensor_file_write(path, tensors, run->count, NULL, 0, error);
  free(tensors);
  return status;
}

/* ---- Comparing ---- */

typedef enum GoldenKind { GOLDEN_OUT, GOLDEN_GIN, GOLDEN_GPARAM, GOLDEN_OTHER } GoldenKind;

static GoldenKind golden_kind(const char *name) {
  if (has_prefix(name, "out.") || has_prefix(name, "buf_after.") || !strcmp(name, "loss")) return GOLDEN_OUT;
  if (has_prefix(name, "gin.")) return GOLDEN_GIN;
  if (has_prefix(name, "gparam.")) return GOLDEN_GPARAM;
  return GOLDEN_OTHER;
}

/* "float32_torch_error_rel_to_max": {"out": 1.3e-07, "gin": ..., "gparam": ...} */
static double stated_tolerance(const TensorFile *golden, GoldenKind kind) {
  static const char *const keys[] = {"\"out\"", "\"gin\"", "\"gparam\""};
  const char *text = tensor_file_metadata(golden, "float32_torch_error_rel_to_max");
  const char *found = text ? strstr(text, keys[kind]) : NULL;
  found = found ? strchr(found, ':') : NULL;
  double stated = found ? strtod(found + 1, NULL) : 0;
  return fmax(20 * stated, 1e-5);
}

static const TensorResult *find_result(const TensorRun *run, const char *name) {
  for (uint32_t k = 0; k < run->count; k++) {
    if (!strcmp(run->result[k].name, name)) return &run->result[k];
  }
  return NULL;
}

static double relative_difference(const TensorResult *result, const double *reference) {
  double worst = 0, largest = 0;
  for (int64_t i = 0; i < result->count; i++) {
    double difference = fabs((double)result->data[i] - reference[i]);
    if (!isfinite(difference)) return INFINITY;
    worst = fmax(worst, difference);
    largest = fmax(largest, fabs(reference[i]));
  }
  if (largest == 0) return worst == 0 ? 0 : INFINITY;
  return worst / largest;
}

static simba_status check_one(const TensorRun *run, const TensorFile *golden, const Tensor *tensor, double tolerance,
                              Text *report, bool *agrees, simba_error *error) {
  const TensorResult *result = find_result(run, tensor->name);
  if (!result) {
    text_print(report, "FAIL  %-44s the model does not produce it\n", tensor->name);
    *agrees = false;
    return SIMBA_OK;
  }
  if (!tensor_shape_equal(tensor->rank, tensor->shape, result->rank, result->shape)) {
    char want[128], have[128];
    tensor_shape_text(tensor->rank, tensor->shape, want, sizeof want);
    tensor_shape_text(result->rank, result->shape, have, sizeof have);
    text_print(report, "FAIL  %-44s shape %s, expected %s\n", tensor->name, have, want);
    *agrees = false;
    return SIMBA_OK;
  }
  double *reference = memory_allocate((size_t)tensor->count + 1, sizeof *reference);
  if (!reference) return error_set_memory(error, "a comparison");
  simba_status status = tensor_read_f64(golden, tensor, reference, error);
  if (status == SIMBA_OK) {
    double difference = relative_difference(result, reference);
    bool within = difference <= tolerance;
    *agrees &= within;
    text_print(report, "%s  %-44s %.2e (at most %.2e)\n", within ? "ok  " : "FAIL", tensor->name, difference,
               tolerance);
  }
  free(reference);
  return status;
}

simba_status tensor_run_check(const TensorRun *run, const TensorFile *golden, bool gradients, double tolerance,
                              Text *out_report, bool *out_agrees, simba_error *error) {
  *out_agrees = true;
  uint32_t compared = 0;
  for (size_t k = 0; k < golden->count; k++) {
    const Tensor *tensor = &golden->tensor[k];
    GoldenKind kind = golden_kind(tensor->name);
    bool gradient = kind == GOLDEN_GIN || kind == GOLDEN_GPARAM || !strcmp(tensor->name, "loss");
    if (kind == GOLDEN_OTHER || (gradient && !gradients)) continue;
    double limit = tolerance >= 0 ? tolerance : stated_tolerance(golden, kind);
    simba_status status = check_one(run, golden, tensor, limit, out_report, out_agrees, error);
    if (status != SIMBA_OK) return status;
    compared++;
  }
  if (compared) return SIMBA_OK;
  return error_set(error, SIMBA_DATA_ERROR, "%s: holds no tensor to compare with", golden->path);
}
