/* DOT text to a picture, by the helper program simbac-render (Graphviz in a process of its own). */
#ifndef SIMBAC_DRIVER_RENDER_H
#define SIMBAC_DRIVER_RENDER_H

#include "ir/text.h"
#include "runtime/status.h"

/* `format` is "svg" or "png"; the picture's bytes are added to `out`. */
simba_status render_dot(const char *dot, size_t length, const char *format, Text *out, simba_error *error);

#endif
