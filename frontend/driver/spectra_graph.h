/* What `--watch-spectra` looks at, found in a model's graph by rules that know no model:
 *
 *   - every scan, real or complex: the decay by which its state is multiplied at each step. Its moduli are counted, and
 *     each eigenvalue is averaged over the data axes (time, and those that grow with the batch). Where a real decay is
 *     e^x and x a product, the factors of x that no input reaches are A and the others delta, so that the decay is
 *     exp(delta A) as in Mamba; where no input reaches any, A is all of x.
 *   - every parameter that a product takes as square matrices [..., d, d], real or complex: one of the last two axes is
 *     summed by the product, the other one is in its result. The axes before them count the matrices.
 *
 * The observation is a graph of its own, the model's nodes with these outputs, k being the scan's number:
 *   "k.below"  [SPECTRA_EDGES]   how many |decay| are at most spectra_edge(i)
 *   "k.sum"    [...] or [2, ...] the sum over the data axes for each eigenvalue
 *   "k.a"      [...]             A, where there is one */
#ifndef SIMBAC_DRIVER_SPECTRA_GRAPH_H
#define SIMBAC_DRIVER_SPECTRA_GRAPH_H

#include "frontend/frontend.h"

enum { SPECTRA_EDGES = 128 };

typedef struct ScanObservation {
  const char *name; /* the path of the first parameter of A, else of the decay; else "scan" */
  bool complex, has_a;
  int64_t eigenvalues;
  Dim values; /* decays in all, data axes included */
} ScanObservation;

typedef struct MatrixObservation {
  uint32_t parameter;  /* index in the model */
  int64_t count, size; /* matrices, and their rows */
} MatrixObservation;

typedef struct Observation {
  const Graph *graph; /* without outputs where there is no scan */
  ScanObservation *scan;
  MatrixObservation *matrix; /* in the order of parameters */
  uint32_t scan_count, matrix_count;
} Observation;

/* Everything is in `arena`. Matrices are those of parameters whose path matches the glob; NULL: all. May unwind
 * (ir/guard.h). */
Observation *observation_create(const Model *model, const char *matrices, Arena *arena);
/* exp(-10^s) with s from -5 to 1.4: fine where a state remembers long. Falls as i grows; i need not be whole. */
double spectra_edge(double i);

#endif
