/* Between series.c and series_windows.c. */
#ifndef SIMBA_SERIES_INTERNAL_H
#define SIMBA_SERIES_INTERNAL_H

#include "series.h"

/* Adds to series->warning; "<path>: " goes before the text. */
simba_status series_warn(Series *series, simba_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
