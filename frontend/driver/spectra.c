#include "spectra.h"

#include "runtime/eigenvalues.h"
#include "runtime/file.h"
#include "spectra_graph.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARENA_BYTES = 256 << 20, MAX_LISTED = 1024 };

static const double quantile_at[SPECTRA_QUANTILES] = {0, 0.05, 0.25, 0.5, 0.75, 0.95, 1};

struct Spectra {
  simba_model *model;
  Observation *observation; /* in the compiler's arena */
  CompiledStep *step;       /* NULL where there is no scan */
  Execution *execution;
  float **output; /* of the step, for the largest batch */
  int64_t batch;
  char *path, *picture_path;
};

/* ---- Making ---- */

static simba_status observe_model(Spectra *spectra, const char *matrices, simba_error *error) {
  Compiler *compiler = spectra->model->compiler;
  Guard guard;
  if (!guard_enter(&guard)) return compiler_unwound(&guard, error);
  spectra->observation = observation_create(spectra->model->model, matrices, compiler->arena);
  guard_leave(&guard);
  const Observation *observation = spectra->observation;
  if (observation->scan_count || observation->matrix_count) return SIMBA_OK;
  return error_set(error, SIMBA_INVALID_ARGUMENT,
                   "there is nothing to watch: '%s' has no scan and no square matrices%s%s",
                   spectra->model->model->name, matrices ? " whose path matches " : "", matrices ? matrices : "");
}

static simba_status compile_observation(Spectra *spectra, simba_error *error) {
  spectra->batch = SPECTRA_MAX_BATCH;
  if (spectra->observation->scan_count == 0) return SIMBA_OK;
  StepRequest request = {.graph = spectra->observation->graph, .whole = true, .batch = SPECTRA_MAX_BATCH};
  simba_status status = model_bind_step(spectra->model, &request, &spectra->step, &spectra->execution, error);
  if (status != SIMBA_OK) return status;
  while (spectra->batch > 1 && execution_arena_bytes(spectra->step, spectra->batch) > ARENA_BYTES) spectra->batch /= 2;
  const Program *program = spectra->step->program;
  spectra->output = memory_allocate_aligned(program->output_count + 1, sizeof *spectra->output);
  for (uint32_t k = 0; spectra->output && k < program->output_count; k++) {
    size_t count = (size_t)binding_count(&program->output[k], spectra->batch);
    spectra->output[k] = memory_allocate_aligned(count + 16, sizeof(float));
    if (!spectra->output[k]) return error_set_memory(error, "spectra");
    spectra->execution->output[k] = spectra->output[k];
  }
  return spectra->output ? SIMBA_OK : error_set_memory(error, "spectra");
}

static char *path_in(const char *folder, const char *name) {
  char *path = NULL;
  return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

simba_status spectra_create(simba_model *model, const char *folder, const char *matrices, Spectra **out_spectra,
                            simba_error *error) {
  Spectra *spectra = memory_allocate(1, sizeof *spectra);
  if (!spectra) return error_set_memory(error, "spectra");
  *spectra = (Spectra){.model = model};
  simba_status status = observe_model(spectra, matrices, error);
  if (status == SIMBA_OK && spectra->observation->matrix_count) status = eigenvalues_load(error);
  if (status == SIMBA_OK) status = compile_observation(spectra, error);
  if (status == SIMBA_OK) {
    spectra->path = path_in(folder, "spectra.jsonl");
    spectra->picture_path = path_in(folder, "spectra.png");
    if (!spectra->path || !spectra->picture_path) status = error_set_memory(error, "spectra");
  }
  if (status != SIMBA_OK)
    spectra_destroy(spectra);
  else
    *out_spectra = spectra;
  return status;
}

void spectra_destroy(Spectra *spectra) {
  if (!spectra) return;
  for (uint32_t k = 0; spectra->output && k < spectra->step->program->output_count; k++) free(spectra->output[k]);
  free(spectra->output);
  execution_destroy(spectra->execution);
  free(spectra->path);
  free(spectra->picture_path);
  free(spectra);
}

int64_t spectra_batch(const Spectra *spectra) { return spectra->batch; }

/* ---- Quantiles ---- */

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Of values, which are sorted on the way. */
static void quantiles_of(double *values, int64_t count, double out[SPECTRA_QUANTILES]) {
  qsort(values, (size_t)count, sizeof *values, compare_doubles);
  for (int k = 0; k < SPECTRA_QUANTILES; k++) {
    double at = quantile_at[k] * (double)(count - 1);
    int64_t low = (int64_t)at, high = low + 1 < count ? low + 1 : low;
    out[k] = values[low] + (at - (double)low) * (values[high] - values[low]);
  }
}

/* Of moduli of which below[i] are at most spectra_edge(i), which falls; between two edges by the logarithm of -log. */
static void quantiles_of_counts(const float *below, double count, double out[SPECTRA_QUANTILES]) {
  for (int k = 0; k < SPECTRA_QUANTILES; k++) {
    double wanted = fmax(quantile_at[k] * count, 1);
    int i = SPECTRA_EDGES;
    while (i > 0 && (double)below[i - 1] < wanted) i--;
    if (i == 0 || i == SPECTRA_EDGES) {
      out[k] = i == 0 ? 1 : spectra_edge(i - 1);
      continue;
    }
    double high = (double)below[i - 1], low = (double)below[i], share = (high - wanted) / (high - low);
    out[k] = spectra_edge(i - 1 + share);
  }
}

/* ---- A line a scan or matrix ---- */

static void print_numbers(FILE *file, const char *name, const double *values, int count) {
  fprintf(file, ",\"%s\":", name);
  for (int k = 0; k < count; k++) {
    fputc(k ? ',' : '[', file);
    if (isfinite(values[k]))
      fprintf(file, "%.7g", values[k]);
    else
      fputs("null", file);
  }
  fputc(']', file);
}

/* At most MAX_LISTED of them, evenly picked. */
static void print_points(FILE *file, const double *re, const double *im, int64_t count) {
  int64_t listed = count < MAX_LISTED ? count : MAX_LISTED;
  fputs(",\"eigenvalues\":[", file);
  for (int64_t k = 0; k < listed; k++) {
    int64_t i = k * count / listed;
    if (isfinite(re[i]) && isfinite(im[i])) fprintf(file, "%s[%.6g,%.6g]", k ? "," : "", re[i], im[i]);
  }
  fputc(']', file);
}

/* Paths come from model files: quotes and backslashes are escaped, and a path has no control characters. */
static void print_path(FILE *file, const char *path) {
  fputc('"', file);
  for (; *path; path++) {
    if (*path == '"' || *path == '\\') fputc('\\', file);
    fputc(*path, file);
  }
  fputc('"', file);
}

static const float *result(const Spectra *spectra, uint32_t scan, const char *what) {
  char name[48];
  snprintf(name, sizeof name, "%u.%s", scan, what);
  int32_t at = output_find(spectra->step->program, OUTPUT_VALUE, name);
  ASSERT(at >= 0);
  return spectra->output[at];
}

/* What the file has already: the lines of fewer epochs. */
typedef struct Before {
  char *bytes;
  size_t size;
} Before;

/* The line of a scan before the first step; NULL where the run was not watched then. cJSON_Delete it. */
static cJSON *first_line(const Before *before, const char *scan) {
  const char *end;
  for (const char *line = before->bytes; line; line = end + 1) {
    end = memchr(line, '\n', before->size - (size_t)(line - before->bytes));
    if (!end || strncmp(line, "{\"epoch\":0,", 11) != 0) return NULL;
    cJSON *object = cJSON_ParseWithLength(line, (size_t)(end - line));
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(object, "scan");
    if (cJSON_IsString(name) && !strcmp(name->valuestring, scan)) return object;
    cJSON_Delete(object);
  }
  return NULL;
}

/* Before the first step at most MAX_LISTED values of A, evenly picked; later how far these have moved, relative to what
 * they were, on average. */
static void print_a_moved(const double *a, const ScanObservation *scan, int64_t epochs, const Before *before,
                          FILE *file) {
  const int64_t listed = scan->eigenvalues < MAX_LISTED ? scan->eigenvalues : MAX_LISTED;
  cJSON *first = epochs > 0 ? first_line(before, scan->name) : NULL;
  const cJSON *value = cJSON_GetObjectItemCaseSensitive(first, "first_a");
  double moved = 0;
  int64_t k = 0;
  if (epochs == 0) fputs(",\"first_a\":", file);
  for (value = value ? value->child : NULL; k < listed; k++, value = value ? value->next : NULL) {
    double now = a[k * scan->eigenvalues / listed];
    if (epochs == 0)
      fprintf(file, "%c%.9g", k ? ',' : '[', now);
    else if (cJSON_IsNumber(value))
      moved += fabs(now / value->valuedouble - 1);
    else
      break;
  }
  if (epochs == 0)
    fputc(']', file);
  else if (k == listed)
    fprintf(file, ",\"a_moved\":%.7g", moved / (double)listed);
  cJSON_Delete(first);
}

static simba_status print_scan(const Spectra *spectra, uint32_t number, int64_t epochs, int64_t batch,
                               const Before *before, FILE *file, simba_error *error) {
  const ScanObservation *scan = &spectra->observation->scan[number];
  int64_t symbols[SYMBOL_MAX], n = scan->eigenvalues;
  for (int s = 0; s < SYMBOL_MAX; s++) symbols[s] = batch;
  double values = (double)dim_value(scan->values, symbols), each = values / (double)n, quantiles[SPECTRA_QUANTILES];
  double *re = memory_allocate((size_t)n, 3 * sizeof *re);
  if (!re) return error_set_memory(error, "spectra");
  double *im = re + n, *modulus = re + 2 * n;
  const float *sum = result(spectra, number, "sum"), *a = scan->has_a ? result(spectra, number, "a") : NULL;
  for (int64_t k = 0; k < n; k++) {
    re[k] = (double)sum[k] / each;
    im[k] = scan->complex ? (double)sum[n + k] / each : 0;
    modulus[k] = hypot(re[k], im[k]);
  }
  fputs(",\"scan\":", file);
  print_path(file, scan->name);
  fprintf(file, ",\"count\":%lld", (long long)n);
  quantiles_of_counts(result(spectra, number, "below"), values, quantiles);
  print_numbers(file, "decay", quantiles, SPECTRA_QUANTILES);
  quantiles_of(modulus, n, quantiles);
  print_numbers(file, "mean_decay", quantiles, SPECTRA_QUANTILES);
  if (scan->complex) print_points(file, re, im, n);
  for (int64_t k = 0; a && k < n; k++) modulus[k] = (double)a[k];
  if (a) { /* in its own order first */
    print_a_moved(modulus, scan, epochs, before, file);
    quantiles_of(modulus, n, quantiles);
    print_numbers(file, "a", quantiles, SPECTRA_QUANTILES);
  }
  free(re);
  return SIMBA_OK;
}

static simba_status print_matrix(const Spectra *spectra, const MatrixObservation *matrix, FILE *file,
                                 simba_error *error) {
  const simba_model *model = spectra->model;
  const ModelParameter *info = &model->model->parameter[matrix->parameter];
  const float *values = model->parameters.values + model->parameters.offset[matrix->parameter];
  int64_t n = matrix->size, all = matrix->count * n;
  fputs(",\"matrix\":", file);
  print_path(file, info->path);
  fprintf(file, ",\"count\":%lld,\"size\":%lld", (long long)matrix->count, (long long)n);
  if (n > SPECTRA_MAX_MATRIX) return SIMBA_OK;
  double *re = memory_allocate((size_t)all, 2 * sizeof *re), radius = 0;
  if (!re) return error_set_memory(error, "spectra");
  double *im = re + all;
  simba_status status = SIMBA_OK;
  for (int64_t k = 0; k < matrix->count && status == SIMBA_OK; k++) {
    const float *real = values + k * n * n;
    status = eigenvalues_complex(real, info->complex ? real + all * n : NULL, n, re + k * n, im + k * n, error);
  }
  if (status != SIMBA_OK) error_prefix(error, status, "%s: ", info->path);
  for (int64_t k = 0; k < all && status == SIMBA_OK; k++) radius = fmax(radius, hypot(re[k], im[k]));
  fprintf(file, ",\"radius\":%.7g", radius);
  if (status == SIMBA_OK) print_points(file, re, im, all);
  free(re);
  return status;
}

static simba_status print_lines(const Spectra *spectra, int64_t epochs, int64_t step, int64_t batch,
                                const Before *before, FILE *file, simba_error *error) {
  const Observation *observation = spectra->observation;
  simba_status status = SIMBA_OK;
  for (uint32_t k = 0; k < observation->scan_count + observation->matrix_count && status == SIMBA_OK; k++) {
    fprintf(file, "{\"epoch\":%lld,\"step\":%lld", (long long)epochs, (long long)step);
    status = k < observation->scan_count
                 ? print_scan(spectra, k, epochs, batch, before, file, error)
                 : print_matrix(spectra, &observation->matrix[k - observation->scan_count], file, error);
    fputs("}\n", file);
  }
  return status;
}

static simba_status run_observation(Spectra *spectra, int64_t batch, const float *const *inputs, simba_error *error) {
  const Model *model = spectra->model->model;
  if (!spectra->execution) return SIMBA_OK;
  simba_status status = model_bind_inputs(model->input, model->input_count, inputs, spectra->execution, error);
  if (status == SIMBA_OK) status = execution_prepare(spectra->execution, error);
  return status == SIMBA_OK ? execution_run(spectra->execution, batch, 0, 0, error) : status;
}

/* ---- The file ---- */

/* None where there is no file. */
static simba_status read_before(const char *path, int64_t epochs, Before *out_before, simba_error *error) {
  size_t size;
  if (access(path, F_OK) != 0) return SIMBA_OK;
  simba_status status = file_read(path, &out_before->bytes, &size, error);
  if (status != SIMBA_OK) return status;
  char *bytes = out_before->bytes;
  for (char *line = bytes, *end; (end = memchr(line, '\n', size - (size_t)(line - bytes))); line = end + 1) {
    long long epoch;
    if (sscanf(line, "{\"epoch\":%lld,", &epoch) != 1 || epoch >= epochs) break;
    out_before->size = (size_t)(end + 1 - bytes);
  }
  return SIMBA_OK;
}

simba_status spectra_observe(Spectra *spectra, int64_t epochs, int64_t step, int64_t batch, const float *const *inputs,
                             simba_error *error) {
  Before before = {0};
  char *bytes = NULL;
  size_t size = 0;
  simba_status status = run_observation(spectra, batch, inputs, error);
  if (status == SIMBA_OK) status = read_before(spectra->path, epochs, &before, error);
  FILE *memory = status == SIMBA_OK ? open_memstream(&bytes, &size) : NULL;
  if (status == SIMBA_OK && !memory) status = error_set_memory(error, "spectra");
  if (memory) {
    if (before.size) fwrite(before.bytes, 1, before.size, memory);
    status = print_lines(spectra, epochs, step, batch, &before, memory, error);
    if (fclose(memory) != 0 && status == SIMBA_OK) status = error_set_memory(error, "spectra");
  }
  if (status == SIMBA_OK) status = file_write(spectra->path, bytes, size, error);
  free(before.bytes);
  free(bytes);
  return status == SIMBA_OK ? spectra_draw(spectra->path, spectra->picture_path, error) : status;
}
