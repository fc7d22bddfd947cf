/* Safetensors files: 8 bytes little-endian header length, a JSON header, then the tensors' bytes (little-endian, C
 * order). Nothing in a file is believed before it is checked: lengths against the file's size, names for being unique,
 * shapes for overflow, each tensor's bytes for being dtype * shape, inside the file and apart from every other's.
 * Errors are "file: tensor 'name': what was found, what was expected". */
#ifndef SIMBA_SAFETENSORS_H
#define SIMBA_SAFETENSORS_H

#include "status.h"

typedef enum TensorType {
  TENSOR_F32,
  TENSOR_F64,
  TENSOR_F16,
  TENSOR_BF16,
  TENSOR_I64, /* from here on: whole numbers */
  TENSOR_I32,
  TENSOR_I16,
  TENSOR_I8,
  TENSOR_U8,
  TENSOR_BOOL,
  TENSOR_TYPE_COUNT
} TensorType;

typedef struct Tensor {
  const char *name;
  TensorType type;
  int32_t rank;
  int64_t shape[SIMBA_MAX_RANK];
  int64_t count;     /* elements: product of shape, 1 for a scalar */
  const void *bytes; /* not aligned when read from a file */
} Tensor;

typedef struct TensorMetadata {
  const char *key, *value;
} TensorMetadata;

typedef struct TensorFile {
  const char *path;
  size_t count;
  Tensor *tensor; /* in the order of their bytes */
  size_t metadata_count;
  TensorMetadata *metadata;
  const char *note; /* NULL, or what is odd but harmless: bytes that belong to no tensor */
  void *memory[7];  /* owned */
} TensorFile;

const char *tensor_type_name(TensorType type);
size_t tensor_type_size(TensorType type);
bool tensor_type_is_real(TensorType type); /* no whole numbers */

simba_status tensor_file_open(const char *path, TensorFile **out_file, simba_error *error);
/* The same from memory, which is copied; `path` is for messages. */
simba_status tensor_file_parse(const char *path, const void *bytes, size_t size, TensorFile **out_file,
                               simba_error *error);
void tensor_file_close(TensorFile *file);
/* NULL where there is none. */
const Tensor *tensor_file_find(const TensorFile *file, const char *name);
const char *tensor_file_metadata(const TensorFile *file, const char *key);

/* Same shape, where [] and [1] are the same. */
bool tensor_shape_equal(int32_t rank_a, const int64_t *shape_a, int32_t rank_b, const int64_t *shape_b);
/* "[2, 3]" into `out`, cut to `size` bytes. */
void tensor_shape_text(int32_t rank, const int64_t *shape, char *out, size_t size);
/* Copies a tensor's elements as f32 (exact from F32, F16 and BF16, rounded from F64) or f64. Whole numbers are copied
 * where they can be exactly; SIMBA_DATA_ERROR names the tensor and the first one that cannot. */
simba_status tensor_read_f32(const TensorFile *file, const Tensor *tensor, float *out, simba_error *error);
simba_status tensor_read_f64(const TensorFile *file, const Tensor *tensor, double *out, simba_error *error);
/* Finds `name`, checks that its shape is the expected one, and reads it. */
simba_status tensor_file_read(const TensorFile *file, const char *name, int32_t rank, const int64_t *shape, float *out,
                              simba_error *error);

/* Writes atomically (file.h). Tensor.count need not be set. Names must be unique. */
simba_status tensor_file_write(const char *path, const Tensor *tensors, size_t count, const TensorMetadata *metadata,
                               size_t metadata_count, simba_error *error);

#endif
