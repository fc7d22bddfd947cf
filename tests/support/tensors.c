/* A small tool for the tests of the command line.
 *   tensors make WEIGHTS OUT RAW ROWS...    OUT gets WEIGHTS as param.* and in.x of shape ROWS...; RAW gets x as floats
 *   tensors plain FILE OUT                  OUT gets the param.* and buf.* of FILE under their own names, as weights
 *   tensors given FILE OUT TEXT ROWS...     OUT gets FILE, but in.x of shape ROWS... from the numbers of TEXT
 *   tensors raw FILE NAME RAW               one tensor as plain floats */
#include "runtime/file.h"
#include "runtime/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 512, MAX_NAME = 160 };

static int fail(const simba_error *error) {
  fprintf(stderr, "tensors: %s\n", error->message);
  return 1;
}

static int make(char **argv, int axes) {
  static char names[MAX_TENSORS][MAX_NAME];
  static Tensor tensors[MAX_TENSORS];
  simba_error error = {0};
  TensorFile *weights;
  if (tensor_file_open(argv[0], &weights, &error) != SIMBA_OK) return fail(&error);
  size_t count = 0;
  for (; count < weights->count && count + 1 < MAX_TENSORS; count++) {
    tensors[count] = weights->tensor[count];
    snprintf(names[count], MAX_NAME, "param.%s", weights->tensor[count].name);
    tensors[count].name = names[count];
  }
  Tensor *x = &tensors[count++];
  *x = (Tensor){.name = "in.x", .type = TENSOR_F32, .rank = axes, .count = 1};
  for (int k = 0; k < axes; k++) x->count *= x->shape[k] = atoll(argv[3 + k]);
  float *values = malloc((size_t)x->count * sizeof *values);
  for (int64_t i = 0; i < x->count; i++) values[i] = sinf((float)i * 0.37f) + 0.1f * cosf((float)i * 1.7f);
  x->bytes = values;
  simba_status status = tensor_file_write(argv[1], tensors, count, NULL, 0, &error);
  if (status == SIMBA_OK) status = file_write(argv[2], values, (size_t)x->count * sizeof *values, &error);
  free(values);
  tensor_file_close(weights);
  return status == SIMBA_OK ? 0 : fail(&error);
}

static int plain(char **argv) {
  static Tensor tensors[MAX_TENSORS];
  simba_error error = {0};
  TensorFile *file;
  if (tensor_file_open(argv[0], &file, &error) != SIMBA_OK) return fail(&error);
  size_t count = 0;
  for (size_t k = 0; k < file->count && count < MAX_TENSORS; k++) {
    const char *name = file->tensor[k].name;
    size_t prefix = !strncmp(name, "param.", 6) ? 6 : !strncmp(name, "buf.", 4) ? 4 : 0;
    if (!prefix) continue;
    tensors[count] = file->tensor[k];
    tensors[count++].name = name + prefix;
  }
  simba_status status = tensor_file_write(argv[1], tensors, count, NULL, 0, &error);
  tensor_file_close(file);
  return status == SIMBA_OK ? 0 : fail(&error);
}

static int given(char **argv, int axes) {
  static Tensor tensors[MAX_TENSORS];
  simba_error error = {0};
  TensorFile *file;
  if (tensor_file_open(argv[0], &file, &error) != SIMBA_OK) return fail(&error);
  size_t count = 0;
  for (size_t k = 0; k < file->count && count + 1 < MAX_TENSORS; k++)
    if (strcmp(file->tensor[k].name, "in.x") != 0) tensors[count++] = file->tensor[k];
  Tensor *x = &tensors[count++];
  *x = (Tensor){.name = "in.x", .type = TENSOR_F32, .rank = axes, .count = 1};
  for (int k = 0; k < axes; k++) x->count *= x->shape[k] = atoll(argv[3 + k]);
  float *values = calloc((size_t)x->count, sizeof *values);
  FILE *text = fopen(argv[2], "r");
  for (int64_t i = 0; text && i < x->count; i++)
    if (fscanf(text, "%f", &values[i]) != 1) fprintf(stderr, "tensors: %s: too few numbers\n", argv[2]);
  if (text) fclose(text);
  x->bytes = values;
  simba_status status = tensor_file_write(argv[1], tensors, count, NULL, 0, &error);
  free(values);
  tensor_file_close(file);
  return status == SIMBA_OK ? 0 : fail(&error);
}

static int raw(char **argv) {
  simba_error error = {0};
  TensorFile *file;
  if (tensor_file_open(argv[0], &file, &error) != SIMBA_OK) return fail(&error);
  const Tensor *tensor = tensor_file_find(file, argv[1]);
  if (!tensor) {
    fprintf(stderr, "tensors: %s has no %s\n", argv[0], argv[1]);
    return 1;
  }
  simba_status status = file_write(argv[2], tensor->bytes, (size_t)tensor->count * sizeof(float), &error);
  tensor_file_close(file);
  return status == SIMBA_OK ? 0 : fail(&error);
}

int main(int argc, char **argv) {
  if (argc > 5 && !strcmp(argv[1], "make")) return make(argv + 2, argc - 5);
  if (argc == 4 && !strcmp(argv[1], "plain")) return plain(argv + 2);
  if (argc > 5 && !strcmp(argv[1], "given")) return given(argv + 2, argc - 5);
  if (argc == 5 && !strcmp(argv[1], "raw")) return raw(argv + 2);
  fputs(
      "usage: tensors make WEIGHTS OUT RAW ROWS... | plain FILE OUT | given FILE OUT TEXT ROWS... | raw FILE NAME "
      "RAW\n",
      stderr);
  return 2;
}
