/* How a SPECTRAL kernel is made: lanes along an axis that is not transformed, so that a transform needs no shuffles.
 *
 * An item has `units` complex transforms of vectors side by side, some 16 lanes. Where one side is real, a unit is two
 * vectors of lanes: the real signals a and b as a + i b, so that they cost half; the errors of both are relative to the larger one, and a NaN
 * in one is in both. Its steps:
 *
 *   staging      lanes that the axis has no more of, guards, expressions and other layouts: rows copied to scratch
 *   combination  only from a spectrum to real signals: its Hermitian part, of a and b together, to scratch
 *   levels       fft.h, from the argument itself or from scratch
 *   separation   only from real signals to a spectrum: the spectra of a and b
 *   epilogue     from scratch, unless the last level writes the results themselves
 *
 * Of a length that has a codelet all these are made in registers, unless the epilogue is long. */
#ifndef SIMBAC_CODEGEN_SPECTRAL_PLAN_H
#define SIMBAC_CODEGEN_SPECTRAL_PLAN_H

#include "emit.h"
#include "fft_plan.h"

enum { NO_SPECTRAL_AXIS = -1 };

/* Whether an item has all its lanes. */
typedef enum Wholeness { WHOLE_ALWAYS, WHOLE_NEVER, WHOLE_SOMETIMES } Wholeness;

typedef struct SpectralPlan {
  const Kernel *kernel;
  FftPlan fft;
  int64_t samples, rows_in, rows_out; /* N; rows of one part on each side */
  bool real_in, real_out;
  int vector_axis; /* NO_SPECTRAL_AXIS: values are scalars */
  int lanes;       /* of a value: 1 without a vector axis */
  int vectors;     /* of lanes in a unit: 2 where one side is real and there is a vector axis */
  int64_t units;
  Wholeness whole;
  uint32_t item_count; /* the other axes, outermost first */
  int item_axis[KERNEL_MAX_AXES];
  bool direct_in, direct_out;         /* whole items read or write the arguments as they are */
  bool in_registers;                  /* one codelet, with everything before and after it */
  double factor;                      /* of the complex transform's results */
  int64_t staged_rows;                /* of a unit in scratch; 0: none */
  size_t staged_offset, terms_offset; /* in scratch; the rows between levels are at 0 */
  KernelWork work;
} SpectralPlan;

void spectral_plan(const Kernel *kernel, const Target *target, int lanes, SpectralPlan *out);

/* The axis along which rows of one side lie one by one, in order; NO_SPECTRAL_AXIS where it takes several. A side of one
 * row has none, and says so with `out_single`. */
int spectral_row_axis(const Kernel *kernel, AxisRole role, int64_t rows, bool *out_single);

#endif
