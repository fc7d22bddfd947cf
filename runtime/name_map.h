/* Name maps: what tensors of a file are called in a model, as lines of text.
 *
 *   # Mamba language models
 *   backbone.layers.{i}.mixer.**  ->  blocks.{i}.mamba.**
 *   backbone.norm_f.*             ->  norm.*
 *   drop lm_head.weight
 *
 * In a pattern `*` stands for one or more characters other than '.', `**` for one or more of any, and {name} is a `*`
 * that has a name; where there are several ways to fit, the first ones stand for as little as possible. In what is
 * behind the arrow the first `*` or `**` is what the pattern's first one stood for, and so on; {name} is what that one
 * did. The first line that fits a name counts, and a name that no line fits stays as it is. `drop` leaves tensors out.
 */
#ifndef SIMBA_NAME_MAP_H
#define SIMBA_NAME_MAP_H

#include "safetensors.h"

enum { NAME_MAX_LENGTH = 1000 };

typedef struct NameMap NameMap;

/* A map that is built in ("mamba-ssm", "huggingface"), else the file of that path. Mistakes are SIMBA_DATA_ERROR
 * "file:line:column: ...". */
simba_status name_map_open(const char *name, NameMap **out_map, simba_error *error);
simba_status name_map_parse(const char *path, const char *text, size_t size, NameMap **out_map, simba_error *error);
void name_map_free(NameMap *map); /* takes NULL */

/* What `name` is called: NULL in *out_name where it is dropped, `name` itself where no line fits, else text in
 * `buffer`. */
simba_status name_map_apply(NameMap *map, const char *name, char buffer[NAME_MAX_LENGTH + 1], const char **out_name,
                            simba_error *error);
/* Renames and drops a file's tensors. Two that get one name are SIMBA_DATA_ERROR; lines that fit no tensor are noted,
 * unless the map is built in. */
simba_status name_map_apply_file(NameMap *map, TensorFile *file, simba_error *error);

#endif
