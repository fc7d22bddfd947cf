#include "options.h"

#include "bench_report.h"
#include "frontend/driver/codegen_library.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_ENTRY = 0x100, KEY_BATCH, KEY_TENSORS, KEY_SECONDS, KEY_JSON };

typedef struct BenchOptions {
  CommonOptions common;
  ProfileOptions profile;
  const char *tensors;
  bool json;
} BenchOptions;

static const struct argp_option bench_options[] = {
    {"entry", KEY_ENTRY, "infer|train|gradients", 0,
     "Inference (default), a training step (forward, backward, update), or forward and backward from derivatives of "
     "the "
     "outputs, for which a model needs no loss",
     1},
    {"batch", KEY_BATCH, "N", 0, "Samples in a step (default the recipe's)", 1},
    {"tensors", KEY_TENSORS, "IN.safetensors", 0,
     "in.<input or target>, for gradients lw.<output> (default: random numbers)", 1},
    {"seconds", KEY_SECONDS, "S", 0, "How long to measure (default 3)", 1},
    {"json", KEY_JSON, 0, 0, "One JSON object on standard output", 1},
    {0},
};

static ProfileEntry parse_entry(const char *text, struct argp_state *state) {
  for (int entry = 0; entry < PROFILE_ENTRIES; entry++)
    if (!strcmp(text, profile_entry_name((ProfileEntry)entry))) return (ProfileEntry)entry;
  argp_error(state, "--entry is infer, train or gradients, not '%s'", text);
  return PROFILE_INFER;
}

static double parse_seconds(const char *text, struct argp_state *state) {
  char *end;
  double seconds = strtod(text, &end);
  if (end == text || *end || !(seconds >= 0 && seconds <= 3600))
    argp_error(state, "--seconds takes a number from 0 to 3600, not '%s'", text);
  return seconds;
}

static error_t parse_bench(int key, char *argument, struct argp_state *state) {
  BenchOptions *options = state->input;
  switch (key) {
    case ARGP_KEY_INIT:
      state->child_inputs[0] = &options->common;
      return 0;
    case KEY_ENTRY:
      options->profile.entry = parse_entry(argument, state);
      return 0;
    case KEY_BATCH:
      options->profile.batch = option_integer("--batch", argument, 1, 1 << 20, state);
      return 0;
    case KEY_TENSORS:
      options->tensors = argument;
      return 0;
    case KEY_SECONDS:
      options->profile.seconds = parse_seconds(argument, state);
      return 0;
    case KEY_JSON:
      options->json = true;
      return 0;
    case ARGP_KEY_ARG:
      return common_positional(&options->common, argument, state);
    case ARGP_KEY_END:
      if (!options->common.model_path) argp_error(state, "which model file?");
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

/* The same model with simbac's own kernels and with those of libraries. */
enum { WAY_OWN, WAY_LIBRARY, WAYS };

/* `out_model` is set as soon as there is something to destroy. */
static simba_status create_model(const BenchOptions *options, bool library, simba_model **out_model,
                                 simba_error *error) {
  const CommonOptions *common = &options->common;
  CompilerOptions compile = common->compiler;
  compile.library_kernels = library;
  compile.batch = options->profile.batch; /* that a memory budget is for */
  Compiler *compiler = NULL;
  simba_options model_options = {
      .size = sizeof model_options, .threads = compile.threads, .training = options->profile.entry == PROFILE_TRAIN};
  simba_status status = compiler_open(common->model_path, &compile, &compiler, error);
  if (status == SIMBA_OK) return model_create(compiler, &model_options, out_model, error);
  report_diagnostics(common, compiler);
  report_compilation(common, compiler);
  compiler_close(compiler);
  return status;
}

/* Both ways take turns. What the compiler has to say is the same for both. */
static simba_status profile_models(BenchOptions *options, simba_model **out_models, Profile **out_profiles,
                                   simba_error *error) {
  uint32_t ways = options->common.compiler.library_kernels ? WAYS : WAY_OWN + 1;
  for (uint32_t way = 0; way < ways; way++) {
    simba_status status = create_model(options, way == WAY_LIBRARY, &out_models[way], error);
    if (status != SIMBA_OK) return status;
  }
  simba_status status = profile_run(out_models, ways, &options->profile, out_profiles, error);
  report_diagnostics(&options->common, out_models[WAY_OWN]->compiler);
  for (uint32_t way = 0; way < ways; way++) report_compilation(&options->common, out_models[way]->compiler);
  return status;
}

static simba_status measure_machine(const BenchOptions *options, simba_model *model, MachineSpeed *out_speed,
                                    simba_error *error) {
  const CodegenApi *api;
  simba_status status = codegen_library(&api, error);
  if (status != SIMBA_OK) return status;
  CodegenOptions codegen = {.verify = options->common.compiler.verify};
  return machine_measure(api, &codegen, model->pool, out_speed, error);
}

static simba_status print_report(const BenchOptions *options, const BenchReport *report, simba_error *error) {
  Text text = text_begin(options->common.arena);
  simba_status status = SIMBA_OK;
  if (options->json)
    status = bench_report_json(report, &text, error);
  else
    bench_report_text(report, &text);
  if (status == SIMBA_OK) fputs(text.data, stdout);
  return status;
}

/* The machine is measured last: that takes memory which is none of the model's. */
static int bench_model(BenchOptions *options) {
  simba_model *model[WAYS] = {0};
  Profile *profile[WAYS] = {0};
  TensorFile *data = NULL;
  simba_error error = {0};
  simba_status status = options->tensors ? tensor_file_open(options->tensors, &data, &error) : SIMBA_OK;
  options->profile.data = data;
  if (status == SIMBA_OK) status = profile_models(options, model, profile, &error);
  BenchReport report = {.entry = options->profile.entry, .own = profile[WAY_OWN], .library = profile[WAY_LIBRARY]};
  if (status == SIMBA_OK) status = measure_machine(options, model[WAY_OWN], &report.speed, &error);
  if (status == SIMBA_OK) {
    report.model = simba_model_name(model[WAY_OWN]);
    status = print_report(options, &report, &error);
  }
  int code = report_failure(status, &error);
  for (int way = 0; way < WAYS; way++) simba_model_destroy(model[way]);
  tensor_file_close(data);
  return code;
}

int command_bench(int argc, char **argv) {
  static const struct argp_child children[] = {{&common_argp, 0, 0, 10}, {0}};
  static const struct argp parser = {
      .options = bench_options,
      .parser = parse_bench,
      .args_doc = "MODEL",
      .doc =
          "Time each kernel of a model's step, beside what this machine can do at most. With --kernels=library the "
          "times with OpenBLAS and FFTW stand beside. docs/performance.md says how to measure.\v"
          "Example:\n"
          "  simbac bench examples/forecaster.simba --entry train\n",
      .children = children};
  BenchOptions options = {.profile = {.seconds = 3}};
  common_begin(&options.common);
  argp_parse(&parser, argc, argv, 0, NULL, &options);
  int code = bench_model(&options);
  common_end(&options.common);
  return code;
}
