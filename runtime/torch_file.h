/* What PyTorch's torch.save writes (.pth, .pt): a zip file of stored entries, of which data.pkl describes the tensors
 * and data/<key> are their storages; and the format before PyTorch 1.6, pickles with the storages behind them. The
 * pickle is data (pickle.h): only the names of TORCH_GLOBALS may be in it, and nothing of it is ever called. Sizes,
 * strides and offsets are checked against the storages, and those against the file, before anything is allocated.
 *
 * Which dict of the file holds the weights: the one that `key` names, else
 *   - the file's own, where none of its entries is a dict with tensors in it;
 *   - else the first of 'state_dict', 'model_state_dict', 'model', 'module', 'net', 'weights' that holds tensors;
 *   - else the only dict that holds tensors, where the file's own has none beside it.
 * A dict within that dict, or a list, lends its name to what it holds: 'encoder' and 'weight' are 'encoder.weight'. */
#ifndef SIMBA_TORCH_FILE_H
#define SIMBA_TORCH_FILE_H

#include "tensor_file_internal.h"

/* Whether bytes begin like one. */
bool torch_file_recognise(const char *bytes, size_t size);
/* Reads the file's bytes (MEMORY_BYTES, `size` of them). Tensors refer to them where their elements are in order there,
 * else to a copy. `key`: NULL, an entry of the file's dict, "a.b" for one within another, or "." for the file's own. */
simba_status torch_file_read(TensorFile *file, size_t size, const char *key, simba_error *error);

#endif
