#include "handle.h"
#include "plain_locale.h"

#include "runtime/weights.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What a model has ---- */

typedef struct Entry {
  const char *name;
  const Shape *shape;
} Entry;

static const Output *nth_output(const Graph *graph, OutputKind kind, size_t index, size_t *out_count) {
  const Output *found = NULL;
  *out_count = 0;
  for (uint32_t k = 0; k < graph->output_count; k++) {
    if (graph->output[k].kind != kind) continue;
    if (*out_count == index) found = &graph->output[k];
    ++*out_count;
  }
  return found;
}

/* The entry, with a NULL name where the index is out of range. */
static Entry model_entry(const simba_model *handle, simba_tensor_kind kind, size_t index, size_t *out_count) {
  const Model *model = handle->model;
  const ModelTensor *tensors = kind == SIMBA_INPUT ? model->input : model->target;
  const WeightBlock *block = kind == SIMBA_PARAMETER ? &handle->parameters : &handle->states;
  const Output *output;
  switch (kind) {
    case SIMBA_INPUT:
    case SIMBA_TARGET:
      *out_count = kind == SIMBA_INPUT ? model->input_count : model->target_count;
      return index < *out_count ? (Entry){tensors[index].name, &tensors[index].shape} : (Entry){0};
    case SIMBA_OUTPUT:
    case SIMBA_METRIC:
      output = nth_output(model->graph, kind == SIMBA_OUTPUT ? OUTPUT_VALUE : OUTPUT_METRIC, index, out_count);
      return output ? (Entry){output->name, graph_shape(model->graph, output->node)} : (Entry){0};
    case SIMBA_PARAMETER:
    case SIMBA_STATE:
      *out_count = block->count;
      return index < block->count ? (Entry){block->info[index].path, &block->info[index].shape} : (Entry){0};
  }
  *out_count = 0;
  return (Entry){0};
}

size_t simba_model_count(const simba_model *model, simba_tensor_kind kind) {
  size_t count;
  model_entry(model, kind, 0, &count);
  return count;
}

simba_status simba_model_tensor(simba_model *model, simba_tensor_kind kind, size_t index, simba_tensor_info *out_info) {
  error_clear(&model->error);
  size_t count;
  Entry entry = model_entry(model, kind, index, &count);
  if (!entry.name) {
    return error_set(&model->error, SIMBA_INVALID_ARGUMENT, "index %zu is out of range, there are %zu", index, count);
  }
  *out_info = (simba_tensor_info){.name = entry.name, .rank = entry.shape->rank};
  for (int32_t d = 0; d < entry.shape->rank; d++) {
    Dim dim = entry.shape->dim[d];
    out_info->shape[d] = dim_is_constant(dim) ? dim.factor : -1;
  }
  return SIMBA_OK;
}

simba_status simba_model_find(simba_model *model, simba_tensor_kind kind, const char *name, size_t *out_index) {
  error_clear(&model->error);
  size_t count = simba_model_count(model, kind);
  const char **names = memory_allocate(count + 1, sizeof *names);
  if (!names) return error_set_memory(&model->error, "a search");
  size_t found = count;
  for (size_t k = 0; k < count; k++) {
    size_t ignored;
    names[k] = model_entry(model, kind, k, &ignored).name;
    if (!strcmp(names[k], name)) found = k;
  }
  const char *nearest = found == count ? text_nearest(name, names, count) : NULL;
  free(names);
  if (found < count) {
    *out_index = found;
    return SIMBA_OK;
  }
  return error_set(&model->error, SIMBA_INVALID_ARGUMENT, "there is no '%s'%s%s%s", name,
                   nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

size_t simba_model_elements(const simba_model *model, simba_tensor_kind kind, size_t index, int64_t batch) {
  size_t ignored;
  Entry entry = model_entry(model, kind, index, &ignored);
  if (!entry.name || batch < 1) return 0;
  Binding binding = {.shape = *entry.shape};
  return (size_t)binding_count(&binding, batch);
}

static simba_status find_block(simba_model *model, simba_tensor_kind kind, size_t index, size_t count,
                               float **out_values) {
  WeightBlock *block = kind == SIMBA_PARAMETER ? &model->parameters : &model->states;
  if ((kind != SIMBA_PARAMETER && kind != SIMBA_STATE) || index >= block->count) {
    return error_set(&model->error, SIMBA_INVALID_ARGUMENT, "there is no parameter or state %zu", index);
  }
  if ((size_t)block->info[index].count != count) {
    return error_set(&model->error, SIMBA_INVALID_ARGUMENT, "'%s' has %lld elements, not %zu", block->info[index].path,
                     (long long)block->info[index].count, count);
  }
  *out_values = block->values + block->offset[index];
  return SIMBA_OK;
}

simba_status simba_model_set(simba_model *model, simba_tensor_kind kind, size_t index, const float *values,
                             size_t count) {
  float *to = NULL;
  error_clear(&model->error);
  simba_status status = find_block(model, kind, index, count, &to);
  if (status != SIMBA_OK) return status;
  memcpy(to, values, count * sizeof *to);
  model->prepared = false;
  return SIMBA_OK;
}

simba_status simba_model_get(simba_model *model, simba_tensor_kind kind, size_t index, float *out_values,
                             size_t count) {
  float *from = NULL;
  error_clear(&model->error);
  simba_status status = find_block(model, kind, index, count, &from);
  if (status == SIMBA_OK) memcpy(out_values, from, count * sizeof *from);
  return status;
}

/* ---- Files ---- */

static void describe(const WeightBlock *block, uint32_t index, Tensor *out_tensor) {
  const ModelParameter *info = &block->info[index];
  *out_tensor = (Tensor){.name = info->path, .type = TENSOR_F32, .rank = info->shape.rank};
  for (int32_t d = 0; d < info->shape.rank; d++) out_tensor->shape[d] = info->shape.dim[d].factor;
  out_tensor->bytes = block->values + block->offset[index];
}

static bool matches(const RecipeGlobs *globs, const char *name) {
  for (uint32_t k = 0; k < globs->count; k++) {
    if (fnmatch(globs->glob[k], name, 0) == 0) return true;
  }
  return false;
}

/* What begins anew leaves the list of what is loaded, and with its likes the file's. */
static simba_status leave_fresh(TensorFile *file, CheckpointTensor *tensors, size_t *count, const FreshTensors *fresh,
                                char **out_note, simba_error *error) {
  size_t kept = 0, size;
  FILE *note = open_memstream(out_note, &size);
  if (!note) return error_set_memory(error, "weights");
  for (size_t k = 0; k < *count; k++) {
    const CheckpointTensor *tensor = &tensors[k];
    const Tensor *found = tensor_file_find(file, tensor->name);
    bool fits = found && tensor_shape_equal(found->rank, found->shape, tensor->rank, tensor->shape);
    if (!matches(&fresh->always, tensor->name) && (fits || !matches(&fresh->misfits, tensor->name))) {
      tensors[kept++] = *tensor;
      continue;
    }
    char in_file[200], in_model[200];
    tensor_shape_text(tensor->rank, tensor->shape, in_model, sizeof in_model);
    if (found) tensor_shape_text(found->rank, found->shape, in_file, sizeof in_file);
    fprintf(note, "%s'%s' %s%s%s%s", kept == k ? "these begin anew: " : ", ", tensor->name, in_model, found ? " (" : "",
            found ? in_file : "", found ? " in the file)" : "");
  }
  *count = kept;
  kept = 0;
  for (size_t k = 0; k < file->count; k++) {
    const Tensor *tensor = &file->tensor[k];
    bool wanted = false;
    for (size_t i = 0; i < *count && !wanted; i++) wanted = !strcmp(tensors[i].name, tensor->name);
    if (wanted || (!matches(&fresh->always, tensor->name) && !matches(&fresh->misfits, tensor->name)))
      file->tensor[kept++] = *tensor;
  }
  file->count = kept;
  return fclose(note) == 0 ? SIMBA_OK : error_set_memory(error, "weights");
}

/* Pieces of a note, NULL or "" where there is nothing to say. */
static char *join_notes(const char *a, const char *b) {
  bool both = a && *a && b && *b;
  char *note = NULL;
  return asprintf(&note, "%s%s%s", a ? a : "", both ? "; " : "", b ? b : "") < 0 ? NULL : note;
}

simba_status model_load_tensors(simba_model *model, TensorFile *file, const FreshTensors *fresh, simba_error *error) {
  size_t count;
  CheckpointTensor *tensors = model_checkpoint_tensors(model, NULL, NULL, NULL, &count);
  if (!tensors) return error_set_memory(error, "weights");
  char *anew = NULL;
  WeightsMatch match = {0};
  simba_status status = fresh ? leave_fresh(file, tensors, &count, fresh, &anew, error) : SIMBA_OK;
  if (status == SIMBA_OK) status = weights_match(file, tensors, count, &match, error);
  if (status == SIMBA_OK) {
    free(model->weights_report);
    free(model->weights_note);
    model->weights_report = match.report;
    model->weights_note = join_notes(file->note, anew);
    match.report = NULL; /* the model's now */
    status = weights_check(file, &match, error);
  }
  if (status == SIMBA_OK) status = weights_read(file, tensors, &match, error);
  if (status == SIMBA_OK) model->prepared = false;
  weights_match_free(&match);
  free(anew);
  free(tensors);
  return status;
}

/* What was asked for must be there. The recipe's head may name what only some settings have. */
static simba_status check_fresh(const simba_model *model, const RecipeGlobs *globs, simba_error *error) {
  for (uint32_t g = 0; g < globs->count; g++) {
    bool found = false;
    for (uint32_t k = 0; k < model->parameters.count && !found; k++)
      found = fnmatch(globs->glob[g], model->parameters.info[k].path, 0) == 0;
    if (!found)
      return error_set(error, SIMBA_INVALID_ARGUMENT, "no parameter matches '%s' to begin anew", globs->glob[g]);
  }
  return SIMBA_OK;
}

simba_status model_load_weights(simba_model *model, const simba_weights_source *source, const FreshTensors *fresh,
                                simba_error *error) {
  TensorFile *file;
  simba_status status = fresh ? check_fresh(model, &fresh->always, error) : SIMBA_OK;
  if (status == SIMBA_OK) status = weights_open(source, &file, error);
  if (status != SIMBA_OK) return status;
  status = model_load_tensors(model, file, fresh, error);
  tensor_file_close(file);
  return status;
}

simba_status simba_model_load_weights_from(simba_model *model, const simba_weights_source *given) {
  PLAIN_LOCALE(locale);
  error_clear(&model->error);
  simba_weights_source source = {0};
  if (given) memcpy(&source, given, given->size < sizeof source ? given->size : sizeof source);
  if (!source.path) return error_set(&model->error, SIMBA_INVALID_ARGUMENT, "the source must have a size and a path");
  return model_load_weights(model, &source, NULL, &model->error);
}

simba_status simba_model_load_weights(simba_model *model, const char *path) {
  const simba_weights_source source = {.size = sizeof source, .path = path};
  return simba_model_load_weights_from(model, &source);
}

const char *simba_model_weights_report(const simba_model *model) {
  return model->weights_report ? model->weights_report : "";
}

const char *simba_model_weights_note(const simba_model *model) {
  return model->weights_note ? model->weights_note : "";
}

simba_status simba_model_save_weights(simba_model *model, const char *path) {
  PLAIN_LOCALE(locale);
  error_clear(&model->error);
  size_t count;
  CheckpointTensor *tensors = model_checkpoint_tensors(model, NULL, NULL, NULL, &count);
  if (!tensors) return error_set_memory(&model->error, "weights");
  simba_status status = checkpoint_write_weights(path, tensors, count, false, NULL, 0, &model->error);
  free(tensors);
  return status;
}

CheckpointTensor *model_checkpoint_tensors(simba_model *model, simba_trainer *trainer, float *best_parameters,
                                           float *best_states, size_t *out_count) {
  size_t count = model->parameters.count + model->states.count;
  CheckpointTensor *tensors = memory_allocate(count + 1, sizeof *tensors);
  if (!tensors) return NULL;
  for (size_t k = 0; k < count; k++) {
    bool parameter = k < model->parameters.count;
    const WeightBlock *block = parameter ? &model->parameters : &model->states;
    uint32_t index = (uint32_t)(parameter ? k : k - model->parameters.count);
    float *best = parameter ? best_parameters : best_states;
    int64_t offset = block->offset[index];
    Tensor tensor;
    describe(block, index, &tensor);
    tensors[k] = (CheckpointTensor){.name = tensor.name, .rank = tensor.rank, .parameter = parameter};
    memcpy(tensors[k].shape, tensor.shape, sizeof tensor.shape);
    tensors[k].value = block->values + offset;
    if (parameter && trainer) {
      tensors[k].first_moment = optimizer_first_moment(trainer->optimizer) + offset;
      tensors[k].second_moment = optimizer_second_moment(trainer->optimizer) + offset;
    }
    if (best) tensors[k].best = best + offset;
  }
  *out_count = count;
  return tensors;
}

simba_status simba_trainer_save(simba_trainer *trainer, const char *path) {
  PLAIN_LOCALE(locale);
  error_clear(&trainer->error);
  size_t count;
  CheckpointTensor *tensors = model_checkpoint_tensors(trainer->model, trainer, NULL, NULL, &count);
  if (!tensors) return error_set_memory(&trainer->error, "a checkpoint");
  Progress progress = {.step = simba_trainer_steps(trainer),
                       .seed = trainer->seed,
                       .schedule = trainer->schedule,
                       .rate = trainer->rate,
                       .best_epoch = -1};
  simba_status status =
      checkpoint_save(path, simba_model_name(trainer->model), tensors, count, &progress, &trainer->error);
  free(tensors);
  return status;
}

simba_status simba_trainer_load(simba_trainer *trainer, const char *path) {
  PLAIN_LOCALE(locale);
  error_clear(&trainer->error);
  size_t count;
  CheckpointTensor *tensors = model_checkpoint_tensors(trainer->model, trainer, NULL, NULL, &count);
  if (!tensors) return error_set_memory(&trainer->error, "a checkpoint");
  Progress progress;
  simba_status status =
      checkpoint_load(path, simba_model_name(trainer->model), tensors, count, &progress, &trainer->error);
  free(tensors);
  if (status != SIMBA_OK) return status;
  optimizer_set_steps(trainer->optimizer, progress.step);
  trainer->seed = progress.seed;
  trainer->schedule = progress.schedule;
  trainer->rate = progress.rate;
  trainer->model->prepared = false;
  return SIMBA_OK;
}
