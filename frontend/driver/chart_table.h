/* Charts from a table: a CSV file with a header and the columns `line`, `x` and `y`, and `panel` where there is more
 * than one chart. Rows of one line are its points, in their order; lines and panels are in the order of their first
 * rows. A cell has no quotes; an empty y interrupts the line. */
#ifndef SIMBAC_DRIVER_CHART_TABLE_H
#define SIMBAC_DRIVER_CHART_TABLE_H

#include "chart.h"
#include "ir/arena.h"

typedef struct ChartTable {
  Chart *chart; /* titles are the panels' names, NULL without that column; labels of axes NULL */
  size_t count;
} ChartTable;

/* Everything is in `arena`. SIMBA_DATA_ERROR "file:line: ..." */
simba_status chart_table_read(const char *path, Arena *arena, ChartTable *out_table, simba_error *error);

#endif
