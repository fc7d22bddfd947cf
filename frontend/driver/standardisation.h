/* How a series was standardised for training. Weights carry it in their file's metadata, so that whoever uses them
 * needs no series: `series.mean` and `series.deviation`, a number for each channel, parted by spaces. */
#ifndef SIMBAC_DRIVER_STANDARDISATION_H
#define SIMBAC_DRIVER_STANDARDISATION_H

#include "ir/arena.h"
#include "runtime/safetensors.h"
#include "runtime/series.h"

enum { STANDARDISATION_KEYS = 2 };

typedef struct Standardisation {
  int64_t channels; /* 0: the weights were not trained on a series, or by something else */
  const double *mean, *deviation;
} Standardisation;

void standardisation_metadata(const Series *series, Arena *arena, TensorMetadata out_metadata[STANDARDISATION_KEYS]);
/* From a weights file. SIMBA_DATA_ERROR where it has one that does not make sense. */
simba_status standardisation_read(const TensorFile *weights, Arena *arena, Standardisation *out, simba_error *error);

#endif
