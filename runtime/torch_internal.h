/* Between the files that read PyTorch's format: torch_file.c (what is in the file), torch_state.c (which of it are the
 * weights), torch_tensor.c (their elements). */
#ifndef SIMBA_TORCH_INTERNAL_H
#define SIMBA_TORCH_INTERNAL_H

#include "pickle.h"
#include "torch_file.h"

/* Roles of the names that a pickle may use. */
typedef enum TorchRole {
  TORCH_OTHER,     /* harmless, and no tensor */
  TORCH_TENSOR,    /* (storage, offset, sizes, strides, ...) */
  TORCH_PARAMETER, /* (tensor, ...) */
  TORCH_STORAGE    /* a type of storages; PickleGlobal.type is a TensorType or TORCH_NO_TYPE */
} TorchRole;

enum {
  TORCH_NO_TYPE = -1,
  TORCH_MAX_NAME = 1000,
  TORCH_MAX_DEPTH = 64,
  TORCH_MAX_VISITS = 1 << 22,
  TORCH_MAX_TENSORS = 1 << 18
};

extern const PickleGlobal TORCH_GLOBALS[];
extern const size_t TORCH_GLOBAL_COUNT;

typedef struct TorchStorage {
  const char *key; /* key_length characters */
  size_t key_length;
  const char *bytes;
  size_t size;
  const void *entry; /* the ZipEntry whose checksum has still to be compared; NULL: none */
} TorchStorage;

/* A tensor as the pickle describes it, checked against its storage. */
typedef struct TorchTensor {
  size_t name; /* offset in TorchReader.names */
  TensorType type;
  int32_t rank;
  int64_t shape[SIMBA_MAX_RANK], stride[SIMBA_MAX_RANK];
  int64_t offset, count; /* elements */
  const char *bytes;     /* of the storage */
  bool in_order;         /* its elements lie one behind another in C order */
} TorchTensor;

typedef struct TorchReader {
  TensorFile *file;
  size_t size;
  const char *key, *entry; /* entry: of the pickle, for messages */
  const char *describing;  /* the tensor that is described at the moment; NULL: none */
  Pickle *pickle;
  TorchStorage *storage; /* in the order of their keys */
  size_t storage_count;
  TorchTensor *tensor;
  size_t tensor_count, tensor_capacity;
  char *names; /* each ends in 0 */
  size_t names_size, names_capacity;
  simba_error *error;
} TorchReader;

simba_status torch_fail(const TorchReader *reader, const PickleValue *value, const char *found);
/* NULL where there is none of that key. */
TorchStorage *torch_find_storage(const TorchReader *reader, const char *key, size_t length);
/* Chooses the dict and describes its tensors in reader->tensor. */
simba_status torch_describe(TorchReader *reader);
bool torch_is_tensor(const TorchReader *reader, PickleId id);
/* Appends the description of a tensor; `name` ends in 0. No more than TORCH_MAX_TENSORS. */
simba_status torch_add_tensor(TorchReader *reader, PickleId id, const char *name);
/* Fills in file->tensor from the descriptions. */
simba_status torch_materialise(TorchReader *reader);

#endif
