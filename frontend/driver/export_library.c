#include "export_library.h"

#include "codegen_library.h"
#include "fingerprint.h"
#include "link.h"
#include "runtime/file.h"
#include "runtime/weights.h"
#include "standardisation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum OutputForm { FORM_OBJECT, FORM_ARCHIVE, FORM_SHARED } OutputForm;

static simba_status output_form(const ExportOptions *options, OutputForm *out_form, simba_error *error) {
  static const char *const suffixes[] = {".o", ".a", ".so"};
  size_t length = strlen(options->output);
  for (int k = 0; k < 3; k++) {
    size_t suffix = strlen(suffixes[k]);
    if (length <= suffix || strcmp(options->output + length - suffix, suffixes[k]) != 0) continue;
    *out_form = (OutputForm)k;
    if (*out_form != FORM_SHARED || !options->triple) return SIMBA_OK;
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "a shared library is linked by this machine's compiler; for --target %s write %.*s.o or .a and "
                     "link it there",
                     options->triple, (int)(length - suffix), options->output);
  }
  return error_set(error, SIMBA_INVALID_ARGUMENT, "'%s' must end in .so, .a or .o", options->output);
}

/* "out/libforecaster.so" -> "out/forecaster.h" */
static void header_path(const char *output, char *out_path, size_t size) {
  const char *slash = strrchr(output, '/'), *name = slash ? slash + 1 : output, *dot = strrchr(name, '.');
  int folder = (int)(name - output);
  if (!strncmp(name, "lib", 3) && dot > name + 3) name += 3;
  snprintf(out_path, size, "%.*s%.*s.h", folder, output, (int)(dot - name), name);
}

/* The model's name becomes part of C names. The language's names are identifiers; a graph's may be any text. */
static simba_status check_name(const char *name, simba_error *error) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  bool identifier = name[0] && !strchr("0123456789", name[0]) && name[strspn(name, letters)] == '\0';
  return identifier
             ? SIMBA_OK
             : error_set(error, SIMBA_INVALID_ARGUMENT, "the graph's name '%s' cannot stand in C: rename it", name);
}

static CodegenExport export_spec(simba_model *model, const ExportOptions *options, const Standardisation *series) {
  Compiler *compiler = model->compiler;
  CodegenExport spec = {.model = model->model->name,
                        .version = SIMBAC_VERSION,
                        .source_hash = arena_format(compiler->arena, "%016llx",
                                                    (unsigned long long)fingerprint_model(compiler, model->model))};
  if (options->weights.path) {
    spec.parameter = model->infer->call.parameter;
    spec.state = model->infer->call.state;
    spec.prepared = model->infer->call.prepared;
    spec.channels = series->channels;
    spec.mean = series->mean;
    spec.deviation = series->deviation;
  }
  return spec;
}

static simba_status generate(simba_model *model, const ExportOptions *options, const Standardisation *series,
                             CodegenObjects *objects, const char **out_header, simba_error *error) {
  const CodegenApi *api;
  simba_status status = codegen_library(&api, error);
  if (status != SIMBA_OK) return status;
  CodegenOptions codegen = compiler_codegen_options(model->compiler);
  codegen.triple = options->triple;
  codegen.cpu = options->cpu;
  CodegenExport spec = export_spec(model, options, series);
  const char *message = NULL;
  double start = clock_seconds();
  CodegenStatus result = api->export_model(model->infer_step->program, &spec, &codegen, model->compiler->arena, objects,
                                           out_header, &message);
  compiler_add_phase(model->compiler, "export", clock_seconds() - start);
  return codegen_status(result, message, error);
}

static simba_status write_output(Compiler *compiler, const ExportOptions *options, OutputForm form,
                                 const CodegenBlob *object, simba_error *error) {
  if (form == FORM_OBJECT) return file_write(options->output, object->bytes, object->size, error);
  const char *volatile path = NULL;
  Guard guard;
  if (!guard_enter(&guard)) {
    if (path) unlink(path);
    return compiler_unwound(&guard, error);
  }
  path = arena_format(compiler->arena, "%s.part.o", options->output);
  simba_status status = file_write(path, object->bytes, object->size, error);
  const char *message = NULL;
  if (status == SIMBA_OK) {
    bool made = form == FORM_SHARED ? export_link_shared(path, options->output, NULL, compiler->arena, &message)
                                    : export_archive(path, options->output, NULL, compiler->arena, &message);
    unlink(path);
    if (!made) status = error_set(error, SIMBA_IO_ERROR, "%s: %s", options->output, message);
  }
  guard_leave(&guard);
  return status;
}

/* The header waits under its temporary name until the library stands. */
static simba_status write_files(Compiler *compiler, const ExportOptions *options, OutputForm form,
                                const CodegenBlob *object, const char *header, const char *header_path,
                                simba_error *error) {
  AtomicFile *file = NULL;
  simba_status status = atomic_file_open(header_path, &file, error);
  if (status == SIMBA_OK) status = atomic_file_write(file, header, strlen(header), error);
  if (status == SIMBA_OK) status = write_output(compiler, options, form, object, error);
  if (status == SIMBA_OK) return atomic_file_commit(file, error);
  atomic_file_abandon(file);
  return status;
}

static simba_status load_and_prepare(simba_model *model, const simba_weights_source *weights,
                                     Standardisation *out_series, simba_error *error) {
  TensorFile *file;
  simba_status status = weights_open(weights, &file, error);
  if (status != SIMBA_OK) return status;
  status = model_load_tensors(model, file, NULL, error);
  if (status == SIMBA_OK) status = standardisation_read(file, model->compiler->arena, out_series, error);
  tensor_file_close(file);
  return status == SIMBA_OK ? execution_prepare(model->infer, error) : status;
}

simba_status export_library(simba_model *model, const ExportOptions *options, ExportResult *out_result,
                            simba_error *error) {
  OutputForm form;
  CodegenObjects *objects = ARENA_NEW(model->compiler->arena, CodegenObjects);
  Standardisation series = {0};
  const char *header;
  simba_status status = output_form(options, &form, error);
  if (status == SIMBA_OK) status = check_name(model->model->name, error);
  if (status == SIMBA_OK) status = model_compile_inference(model, error);
  if (status == SIMBA_OK && options->weights.path) status = load_and_prepare(model, &options->weights, &series, error);
  if (status == SIMBA_OK) status = generate(model, options, &series, objects, &header, error);
  if (status != SIMBA_OK) return status;
  ASSERT(objects->count == 1);
  *out_result = (ExportResult){.object_bytes = (int64_t)objects->object[0].size};
  header_path(options->output, out_result->header_path, sizeof out_result->header_path);
  snprintf(out_result->triple, sizeof out_result->triple, "%s", objects->triple);
  snprintf(out_result->cpu, sizeof out_result->cpu, "%s", objects->cpu);
  out_result->weight_bytes = (model->parameters.size + model->states.size) * (int64_t)sizeof(float);
  out_result->arena_bytes = execution_arena_bytes(model->infer_step, 1) + (int64_t)objects->scratch_bytes;
  return write_files(model->compiler, options, form, &objects->object[0], header, out_result->header_path, error);
}
