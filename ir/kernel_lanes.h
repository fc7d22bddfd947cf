/* The loop that the vectors of a kernel lie along, where that decides its bits: the order of a MAP kernel's sums, and
 * which real signals share a transform of a SPECTRAL one. So it is part of what a kernel means: a pass that changes a
 * kernel and promises its bits asks for it as the emitter does. */
#ifndef SIMBAC_IR_KERNEL_LANES_H
#define SIMBAC_IR_KERNEL_LANES_H

#include "kernel.h"

/* Lanes that targets have: powers of two. */
enum { LANES_MIN = 4, LANES_MAX = 16 };

/* MAP, with an axis or more: the one with the lowest cost, of equals the last. */
int kernel_vector_axis(const Kernel *kernel, int lanes, Arena *arena);
/* SPECTRAL: the best PARALLEL axis that is not transformed, of equals the last; -1: there is none. */
int kernel_transform_axis(const Kernel *kernel, int lanes);
/* The extent of an axis, guessed where it is known only when running. */
double kernel_typical_extent(const Kernel *kernel, int axis);

#endif
