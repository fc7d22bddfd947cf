/* What the readers of tensor files share (safetensors.c, torch_file.c, weights.c): who owns a TensorFile's memory. */
#ifndef SIMBA_TENSOR_FILE_INTERNAL_H
#define SIMBA_TENSOR_FILE_INTERNAL_H

#include "safetensors.h"

/* What TensorFile.memory owns; tensor_file_close frees it. */
enum { MEMORY_BYTES, MEMORY_PATH, MEMORY_JSON, MEMORY_NOTE, MEMORY_NAMES, MEMORY_COPIES, MEMORY_MAPPED, MEMORY_COUNT };

/* A file without tensors that has taken over `bytes`, also where it fails. */
simba_status tensor_file_create(const char *path, char *bytes, TensorFile **out_file, simba_error *error);
/* Reads a safetensors header from the file's bytes. */
simba_status tensor_file_read_header(TensorFile *file, size_t size, simba_error *error);
/* The names must be unique: SIMBA_DATA_ERROR with the first that is not. */
simba_status tensor_file_check_names(const TensorFile *file, simba_error *error);
/* One note more. */
simba_status tensor_file_add_note(TensorFile *file, simba_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
