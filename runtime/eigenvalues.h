/* Eigenvalues of dense matrices by LAPACK, which OpenBLAS holds. It is opened at first need by dlopen: nothing is linked
 * with it, and nothing that is exported needs it. */
#ifndef SIMBA_EIGENVALUES_H
#define SIMBA_EIGENVALUES_H

#include "status.h"

#include <stdint.h>

/* To be called before eigenvalues_complex. Where it is missing the message names the Debian package. */
simba_status eigenvalues_load(simba_error *error);
/* Those of the matrix re + i im (row-major, size x size; im NULL: 0), in an order of LAPACK's choice.
 * SIMBA_NOT_FINITE where an entry is not finite or they do not converge. */
simba_status eigenvalues_complex(const float *re, const float *im, int64_t size, double *out_re, double *out_im,
                                 simba_error *error);

#endif
