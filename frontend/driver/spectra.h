/* `simbac train --watch-spectra`: what becomes of the spectra of a model's scans and matrices while it trains
 * (spectra_graph.h says which they are). Decays are those of a fixed batch of the validation split, by a step of its own
 * that only reads the weights: the run's bits are the same as without it.
 *
 *   DIR/spectra.jsonl  a line for each scan or matrix and epoch; epoch 0 is before the first step
 *   DIR/spectra.png    per scan the quantiles of |decay| and of A over the epochs; per parameter of matrices (and per
 *                      complex scan) its eigenvalues in the plane, first and last, with the unit circle
 *
 * The line of a scan has "decay" (over all data), "mean_decay" (of each eigenvalue over the data) and "a" as quantiles
 * at 0, 5, 25, 50, 75, 95 and 100 %, and "a_moved", how far A has gone from where it began, |A / A_0 - 1| on average.
 * Moduli of decays are counted at SPECTRA_EDGES places. Of matrices of more than SPECTRA_MAX_MATRIX rows only the size
 * is logged. */
#ifndef SIMBAC_DRIVER_SPECTRA_H
#define SIMBAC_DRIVER_SPECTRA_H

#include "handle.h"

enum { SPECTRA_QUANTILES = 7, SPECTRA_MAX_BATCH = 8, SPECTRA_MAX_MATRIX = 1024 };

typedef struct Spectra Spectra;

/* Compiles the observation and finds LAPACK. `matrices`: a glob of parameter paths; NULL: all. `folder` must outlive it.
 * SIMBA_INVALID_ARGUMENT where the model has neither a scan nor such matrices. */
simba_status spectra_create(simba_model *model, const char *folder, const char *matrices, Spectra **out_spectra,
                            simba_error *error);
void spectra_destroy(Spectra *spectra); /* takes NULL */
/* Samples that spectra_observe is best given: few enough for the memory at hand. */
int64_t spectra_batch(const Spectra *spectra);
/* Writes the spectra after `epochs` epochs behind those of fewer (what the file has of as many or more is of a run that
 * was killed, and goes), and draws. `inputs` in the model's order. */
simba_status spectra_observe(Spectra *spectra, int64_t epochs, int64_t step, int64_t batch, const float *const *inputs,
                             simba_error *error);

/* spectra_picture.c: `jsonl` as a picture. */
simba_status spectra_draw(const char *jsonl, const char *picture, simba_error *error);

#endif
