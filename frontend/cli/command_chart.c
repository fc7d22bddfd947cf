#include "options.h"

#include "frontend/driver/chart_table.h"

enum { KEY_TITLE = 0x100, KEY_X_LABEL, KEY_Y_LABEL, KEY_COLUMNS };
static const double WIDTH = 640, HEIGHT = 400;

typedef struct ChartOptions {
  const char *table, *picture, *title, *x_label, *y_label;
  int64_t columns;
} ChartOptions;

static const struct argp_option chart_options[] = {
    {"output", 'o', "FILE.png|FILE.svg", 0, "Where to", 1},
    {"title", KEY_TITLE, "TEXT", 0, "Of a chart without a panel's name", 1},
    {"x-label", KEY_X_LABEL, "TEXT", 0, "Below the axis across", 1},
    {"y-label", KEY_Y_LABEL, "TEXT", 0, "Above the axis upwards", 1},
    {"columns", KEY_COLUMNS, "N", 0, "Charts side by side (default 2)", 1},
    {0},
};

static error_t parse_chart(int key, char *argument, struct argp_state *state) {
  ChartOptions *options = state->input;
  switch (key) {
    case 'o':
      options->picture = argument;
      return 0;
    case KEY_TITLE:
      options->title = argument;
      return 0;
    case KEY_X_LABEL:
      options->x_label = argument;
      return 0;
    case KEY_Y_LABEL:
      options->y_label = argument;
      return 0;
    case KEY_COLUMNS:
      options->columns = option_integer("--columns", argument, 1, 100, state);
      return 0;
    case ARGP_KEY_ARG:
      if (options->table) argp_error(state, "one table at a time");
      options->table = argument;
      return 0;
    case ARGP_KEY_END:
      if (!options->table) argp_error(state, "which table?");
      if (!options->picture) argp_error(state, "--output says where the picture goes");
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

static simba_status draw(const ChartOptions *options, Arena *arena, simba_error *error) {
  ChartTable table;
  simba_status status = chart_table_read(options->table, arena, &table, error);
  if (status != SIMBA_OK) return status;
  if (table.count == 0) return error_set(error, SIMBA_DATA_ERROR, "%s: has no rows", options->table);
  for (size_t k = 0; k < table.count; k++) {
    if (!table.chart[k].title) table.chart[k].title = options->title;
    table.chart[k].x_label = options->x_label;
    table.chart[k].y_label = options->y_label;
  }
  return chart_write(table.chart, table.count, (size_t)options->columns, WIDTH, HEIGHT, options->picture, error);
}

int command_chart(int argc, char **argv) {
  static const struct argp parser = {
      .options = chart_options,
      .parser = parse_chart,
      .args_doc = "TABLE.csv",
      .doc =
          "Draw the lines of a table: columns `line`, `x` and `y`, and `panel` for more than one chart.\v"
          "Example:\n"
          "  printf 'line,x,y\\nmse,96,0.38\\nmse,192,0.43\\n' >table.csv\n"
          "  simbac chart table.csv -o table.png --x-label horizon\n"};
  ChartOptions options = {.columns = 2};
  argp_parse(&parser, argc, argv, 0, NULL, &options);
  Arena *arena = arena_create();
  simba_error error = {0};
  int code = report_failure(draw(&options, arena, &error), &error);
  arena_destroy(arena);
  return code;
}
