/* simbac's side of the comparison, through what `simbac bench` and the C interface run (worker.h has the commands):
 *
 *   open ID INPUTS OUTPUTS infer|gradients|train THREADS MODEL [NAME=VALUE | -PASS | kernels=library]...
 *
 * INPUTS holds in.<input or target> and lw.<output>. OUTPUTS gets param.<path>, the values that parameters began with,
 * so that others can start from them; out.<output>; gin.<input> and gparam.<path> for gradients; and for training
 * `losses`, those of the first five steps. Inference runs on prepared weights; gradients and training prepare them in
 * each step. */
#include "worker.h"

#include "frontend/driver/handle.h"
#include "frontend/driver/tensor_run.h"

enum { LOSSES = 5 };

struct Workload {
  Arena *arena;
  simba_model *model;
  simba_trainer *trainer; /* for training */
  Execution *execution, *own_execution;
  bool prepares; /* in each run */
  int64_t batch, run_bytes;
  float losses[LOSSES];
};

static void read_settings(const WorkloadRequest *request, CompilerOptions *options, Arena *arena) {
  simba_setting *settings = ARENA_ARRAY(arena, simba_setting, request->argument_count);
  const char **skip = ARENA_ARRAY(arena, const char *, request->argument_count);
  for (int k = 3; k < request->argument_count; k++) {
    char *argument = request->argument[k], *equals = strchr(argument, '=');
    if (!strcmp(argument, "kernels=library")) {
      options->library_kernels = true;
    } else if (equals) {
      settings[options->setting_count++] = (simba_setting){
          arena_format(arena, "%.*s", (int)(equals - argument), argument), arena_format(arena, "%s", equals + 1)};
    } else {
      skip[options->skip_count++] = arena_format(arena, "%s", argument + 1);
    }
  }
  options->setting = settings;
  options->skip = skip;
}

static void print_diagnostic(void *context, const char *text) {
  (void)context;
  fputs(text, stderr);
}

static bool create_model(const WorkloadRequest *request, Workload *workload, simba_error *error) {
  CompilerOptions options = {.threads = atoi(request->argument[1])};
  read_settings(request, &options, workload->arena);
  Compiler *compiler = NULL;
  simba_options model_options = {.size = sizeof model_options,
                                 .threads = options.threads,
                                 .training = !strcmp(request->argument[0], "train"),
                                 .on_diagnostics = print_diagnostic};
  if (compiler_open(request->argument[2], &options, &compiler, error)) {
    compiler_close(compiler);
    return false;
  }
  return !model_create(compiler, &model_options, &workload->model, error);
}

/* Of all outputs, with respect to all parameters and inputs. */
static simba_status create_gradients(Workload *workload, simba_error *error) {
  simba_model *model = workload->model;
  const Graph *graph = model->model->graph;
  const char **outputs = ARENA_ARRAY(model->compiler->arena, const char *, graph->output_count + 1);
  DifferentiateSpec spec = {.parameters = true, .inputs = true, .cotangent = outputs};
  for (uint32_t k = 0; k < graph->output_count; k++) {
    if (graph->output[k].kind == OUTPUT_VALUE) outputs[spec.cotangent_count++] = graph->output[k].name;
  }
  StepRequest request = {.training = true, .values = true, .differentiate = &spec};
  CompiledStep *step = NULL;
  simba_status status = model_bind_step(model, &request, &step, &workload->own_execution, error);
  workload->execution = workload->own_execution;
  workload->prepares = true;
  return status;
}

/* AdamW as the peers have it: a constant rate, weight decay of all parameters, no clipping. */
static simba_status create_trainer(Workload *workload, simba_error *error) {
  simba_training training = {.size = sizeof training,
                             .beta1 = 0.9,
                             .beta2 = 0.999,
                             .epsilon = 1e-8,
                             .weight_decay = 0.01,
                             .schedule = {.kind = SIMBA_CONSTANT, .rate = 1e-3}};
  simba_status status = simba_trainer_create(workload->model, &training, &workload->trainer, error);
  if (status == SIMBA_OK) workload->execution = workload->trainer->train;
  return status;
}

static simba_status create_step(const char *entry, Workload *workload, simba_error *error) {
  if (!strcmp(entry, "gradients")) return create_gradients(workload, error);
  if (!strcmp(entry, "train")) return create_trainer(workload, error);
  simba_status status = model_compile_inference(workload->model, error);
  workload->execution = workload->model->infer;
  return status;
}

static bool bind_inputs(const WorkloadRequest *request, Workload *workload, simba_error *error) {
  Execution *execution = workload->execution;
  simba_status status =
      tensor_run_inputs(workload->model->compiler, execution->step->program, workload->model->model->graph,
                        request->inputs, execution->input, &workload->batch, error);
  if (!workload->batch) workload->batch = 1;
  return status == SIMBA_OK;
}

/* Those of a trainer are bound already. */
static bool bind_outputs(Workload *workload, simba_error *error) {
  Execution *execution = workload->execution;
  const Program *program = execution->step->program;
  for (uint32_t k = 0; k < program->output_count && !workload->trainer; k++) {
    int64_t count = binding_count(&program->output[k], workload->batch);
    execution->output[k] = ARENA_ARRAY(workload->arena, float, count + 16);
  }
  return !execution_reserve(execution, workload->batch, error) && !execution_prepare(execution, error);
}

static bool workload_run(Workload *workload, simba_error *error) {
  if (workload->prepares || workload->trainer) {
    if (execution_prepare(workload->execution, error)) return false;
  }
  if (execution_run(workload->execution, workload->batch, 0, 0, error)) return false;
  simba_trainer *trainer = workload->trainer;
  return !trainer ||
         !optimizer_step(trainer->optimizer, trainer->model->parameters.values, trainer->gradients, trainer->rate,
                         thread_pool_executor(trainer->model->pool), &trainer->gradient_norm, error);
}

/* ---- Results ---- */

static const char *result_name(Arena *arena, const Program *program, uint32_t output) {
  const Binding *binding = &program->output[output];
  if (binding->kind == OUTPUT_VALUE) return arena_format(arena, "out.%s", binding->name);
  bool input = graph_op(program->graph, program->graph->output[output].leaf) == OP_INPUT;
  return arena_format(arena, input ? "gin.%s" : "gparam.%s", binding->name);
}

static uint32_t list_parameters(const Workload *workload, const float *values, Tensor *out_tensors) {
  const WeightBlock *block = &workload->model->parameters;
  for (uint32_t k = 0; k < block->count; k++) {
    simba_tensor_info info;
    simba_model_tensor(workload->model, SIMBA_PARAMETER, k, &info);
    out_tensors[k] = (Tensor){.name = arena_format(workload->arena, "param.%s", info.name),
                              .type = TENSOR_F32,
                              .rank = info.rank,
                              .bytes = values + block->offset[k]};
    memcpy(out_tensors[k].shape, info.shape, sizeof info.shape);
  }
  return block->count;
}

static bool write_results(const Workload *workload, const float *parameters, const char *path, simba_error *error) {
  const Program *program = workload->execution->step->program;
  Arena *arena = workload->arena;
  int64_t symbols[SYMBOL_MAX] = {workload->batch};
  Tensor *tensors = ARENA_ARRAY(arena, Tensor, workload->model->parameters.count + program->output_count + 1);
  uint32_t count = list_parameters(workload, parameters, tensors);
  if (workload->trainer) {
    tensors[count++] =
        (Tensor){.name = "losses", .type = TENSOR_F32, .rank = 1, .shape = {LOSSES}, .bytes = workload->losses};
  }
  for (uint32_t k = 0; k < program->output_count && !workload->trainer; k++) {
    if (program->output[k].kind == OUTPUT_LOSS) continue; /* the sum whose derivatives gradients are */
    const Shape *shape = &program->output[k].shape;
    Tensor *tensor = &tensors[count++];
    *tensor = (Tensor){.name = result_name(arena, program, k),
                       .type = TENSOR_F32,
                       .rank = shape->rank,
                       .bytes = workload->execution->output[k]};
    for (int32_t d = 0; d < shape->rank; d++) tensor->shape[d] = dim_value(shape->dim[d], symbols);
  }
  return !tensor_file_write(path, tensors, count, NULL, 0, error);
}

static bool run_first(Workload *workload, simba_error *error) {
  long before = worker_memory("VmRSS:");
  worker_forget_peak();
  if (!bind_outputs(workload, error)) return false;
  for (int k = 0; k < (workload->trainer ? LOSSES : 1); k++) {
    if (!workload_run(workload, error)) return false;
    if (workload->trainer) workload->losses[k] = workload->trainer->scalars[0];
  }
  workload->run_bytes = worker_memory("VmHWM:") - before;
  return true;
}

static bool open_workload(const WorkloadRequest *request, Workload *workload, simba_error *error) {
  if (!create_model(request, workload, error)) return false;
  if (create_step(request->argument[0], workload, error)) return false;
  const WeightBlock *block = &workload->model->parameters;
  float *parameters = ARENA_ARRAY(workload->arena, float, block->size + 1);
  memcpy(parameters, block->values, (size_t)block->size * sizeof(float));
  return bind_inputs(request, workload, error) && run_first(workload, error) &&
         write_results(workload, parameters, request->outputs, error);
}

static bool workload_open(const WorkloadRequest *request, Workload **out_workload, simba_error *error) {
  if (request->argument_count < 3) {
    error_set(error, SIMBA_INVALID_ARGUMENT, "open needs an entry, a number of threads and a model");
    return false;
  }
  Arena *arena = arena_create();
  Workload *workload = ARENA_NEW(arena, Workload);
  *workload = (Workload){.arena = arena};
  bool opened = open_workload(request, workload, error);
  if (opened)
    *out_workload = workload;
  else
    workload_close(workload);
  return opened;
}

static void workload_close(Workload *workload) {
  if (!workload) return;
  simba_trainer_destroy(workload->trainer);
  execution_destroy(workload->own_execution);
  simba_model_destroy(workload->model);
  arena_destroy(workload->arena);
}

static void workload_describe(const Workload *workload) {
  printf(", \"run_bytes\": %lld, \"arena_bytes\": %lld", (long long)workload->run_bytes,
         (long long)execution_arena_bytes(workload->execution->step, workload->batch));
}

int main(void) { return worker_main(); }
