/* The series that commands take where no --data is given: examples/data/seattle-hourly.csv, built into the binary. */
#ifndef SIMBAC_DRIVER_EXAMPLE_SERIES_H
#define SIMBAC_DRIVER_EXAMPLE_SERIES_H

#include "frontend/embedded_text.h"

extern const EmbeddedText example_series[];

#endif
