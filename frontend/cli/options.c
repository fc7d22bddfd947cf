#include "options.h"

#include "frontend/driver/cache_folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
  KEY_THREADS = 0x200,
  KEY_PASSES,
  KEY_NO_PASS,
  KEY_TIME,
  KEY_MODEL,
  KEY_KERNELS,
  KEY_EXPLAIN,
  KEY_DIAGNOSTICS,
  KEY_VERIFY,
  KEY_NO_CACHE,
  KEY_MEMORY_BUDGET
};

static const struct argp_option common_options[] = {
    {0, 0, 0, 0, "Every command:", 10},
    {"set", 's', "NAME=VALUE", 0, "Set a static parameter of the model, or recipe.NAME; may be repeated", 0},
    {"model", KEY_MODEL, "NAME", 0, "Which model of the file (default: the last one)", 0},
    {"threads", KEY_THREADS, "N", 0, "Threads to use (default: one a processor); results do not depend on it", 0},
    {"kernels", KEY_KERNELS, "own|library", 0,
     "Products and transforms by simbac's kernels (default) or by OpenBLAS and FFTW", 0},
    {"passes", KEY_PASSES, "LIST", 0, "Run only these optional passes, separated by commas", 0},
    {"no-pass", KEY_NO_PASS, "NAME", 0, "Skip a pass; may be repeated", 0},
    {"verify", KEY_VERIFY, 0, 0, "Verify the graph after every pass and LLVM's modules", 0},
    {"no-cache", KEY_NO_CACHE, 0, 0, "Compile everything: compiled code is neither read from nor kept in the cache", 0},
    {"memory-budget", KEY_MEMORY_BUDGET, "SIZE", 0,
     "What intermediate values may take, such as 64MB or 1.5GB: values are computed again until they fit", 0},
    {"explain", KEY_EXPLAIN, 0, 0, "Say why passes did not apply", 0},
    {"time", KEY_TIME, 0, 0, "Say how long each phase and pass took", 0},
    {"diagnostics", KEY_DIAGNOSTICS, "human|json", 0, "How mistakes in the model are written", 0},
    {"quiet", 'q', 0, 0, "Say nothing but results and errors", 0},
    {"verbose", 'v', 0, 0, "Say more", 0},
    {0},
};

void common_setting(CommonOptions *common, const char *text, struct argp_state *state) {
  const char *equals = strchr(text, '=');
  if (!equals || equals == text) argp_error(state, "--set takes NAME=VALUE, not '%s'", text);
  if (!equals) return;
  CompilerOptions *options = &common->compiler;
  common->setting = arena_grow(common->arena, common->setting, options->setting_count, &common->setting_capacity,
                               sizeof *common->setting);
  common->setting[options->setting_count++] =
      (simba_setting){arena_text(common->arena, text, (size_t)(equals - text)),
                      arena_text(common->arena, equals + 1, strlen(equals + 1))};
  options->setting = common->setting;
}

static void add_passes(CommonOptions *common, const char *list) {
  CompilerOptions *options = &common->compiler;
  char *copy = arena_text(common->arena, list, strlen(list)), *rest = NULL;
  for (char *name = strtok_r(copy, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
    common->only =
        arena_grow(common->arena, common->only, options->only_count, &common->only_capacity, sizeof *common->only);
    common->only[options->only_count++] = name;
  }
  if (!common->only) common->only = ARENA_ARRAY(common->arena, const char *, 1); /* an empty list: none */
  options->only = common->only;
}

static error_t parse_common(int key, char *argument, struct argp_state *state) {
  CommonOptions *common = state->input;
  CompilerOptions *options = &common->compiler;
  switch (key) {
    case 's':
      common_setting(common, argument, state);
      return 0;
    case KEY_MODEL:
      options->model_name = argument;
      return 0;
    case KEY_THREADS:
      options->threads = (int32_t)option_integer("--threads", argument, 1, 1024, state);
      return 0;
    case KEY_PASSES:
      add_passes(common, argument);
      return 0;
    case KEY_NO_PASS:
      common->skip =
          arena_grow(common->arena, common->skip, options->skip_count, &common->skip_capacity, sizeof *common->skip);
      common->skip[options->skip_count++] = argument;
      options->skip = common->skip;
      return 0;
    case KEY_VERIFY:
      options->verify = true;
      return 0;
    case KEY_NO_CACHE:
      common->no_cache = true;
      return 0;
    case KEY_MEMORY_BUDGET:
      options->memory_budget = option_size("--memory-budget", argument, state);
      return 0;
    case KEY_TIME:
      common->time = true;
      return 0;
    case KEY_EXPLAIN:
      common->explain = options->explain = true;
      return 0;
    case KEY_KERNELS:
      if (strcmp(argument, "own") != 0 && strcmp(argument, "library") != 0) {
        argp_error(state, "--kernels is own or library, not '%s'", argument);
      }
      options->library_kernels = !strcmp(argument, "library");
      return 0;
    case KEY_DIAGNOSTICS:
      if (strcmp(argument, "human") != 0 && strcmp(argument, "json") != 0) {
        argp_error(state, "--diagnostics is human or json, not '%s'", argument);
      }
      common->style = strcmp(argument, "json") ? DIAGNOSTIC_HUMAN : DIAGNOSTIC_JSON;
      return 0;
    case 'q':
      common->quiet = true;
      return 0;
    case 'v':
      common->verbose = true;
      return 0;
    case ARGP_KEY_END:
      if (common->quiet && common->verbose) argp_error(state, "--quiet and --verbose: give one of them");
      if (!common->no_cache) options->cache_folder = cache_folder_default(common->arena);
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

const struct argp common_argp = {.options = common_options, .parser = parse_common};

void common_begin(CommonOptions *common) {
  *common = (CommonOptions){.arena = arena_create(), .style = DIAGNOSTIC_HUMAN};
}

void common_end(CommonOptions *common) { arena_destroy(common->arena); }

error_t common_positional(CommonOptions *common, char *argument, struct argp_state *state) {
  if (common->model_path) argp_error(state, "one model file, please: '%s' is a second one", argument);
  common->model_path = argument;
  return 0;
}

bool common_sets(const CommonOptions *common, const char *name) {
  for (uint32_t k = 0; k < common->compiler.setting_count; k++)
    if (!strcmp(common->setting[k].name, name)) return true;
  return false;
}

int64_t option_integer(const char *option, const char *text, int64_t low, int64_t high, struct argp_state *state) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (errno || end == text || *end || value < low || value > high) {
    argp_error(state, "%s takes a whole number from %lld to %lld, not '%s'", option, (long long)low, (long long)high,
               text);
  }
  return value;
}

int64_t option_size(const char *option, const char *text, struct argp_state *state) {
  static const struct {
    const char *suffix;
    double bytes;
  } units[] = {{"", 1}, {"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}};
  const double MOST = 0x1p62;
  char *end;
  double value = strtod(text, &end);
  for (size_t k = 0; end != text && k < sizeof units / sizeof *units; k++) {
    double bytes = value * units[k].bytes;
    if (strcasecmp(end, units[k].suffix) == 0 && bytes >= 1 && bytes < MOST) return (int64_t)bytes;
  }
  argp_error(state, "%s takes a size such as 512KB, 64MB or 1.5GB, not '%s'", option, text);
  return 0;
}

/* Names in a message may come from files of others: no control character reaches the terminal. */
static void print_message(const char *message) {
  char text[SIMBA_MESSAGE_SIZE];
  snprintf(text, sizeof text, "%s", message);
  for (char *line = text, *end; line; line = end ? end + 1 : NULL) {
    end = strchr(line, '\n');
    if (end) *end = 0;
    text_make_printable(line);
    fprintf(stderr, "%s\n", line);
  }
}

int report_failure(simba_status status, const simba_error *error) {
  if (status == SIMBA_OK) return EXIT_DONE;
  if (status == SIMBA_BUG) {
    fprintf(stderr, "simbac: internal error: %s\nThis is a bug in simbac, not in your input.\n", error->message);
    return EXIT_OUR_BUG;
  }
  /* Diagnostics have been written already; their error has no message of its own. */
  if (error->message[0]) {
    fputs("simbac: error: ", stderr);
    print_message(error->message);
  }
  switch (status) {
    case SIMBA_MODEL_ERROR:
    case SIMBA_DATA_ERROR:
    case SIMBA_INVALID_ARGUMENT:
      return EXIT_WRONG_INPUT;
    case SIMBA_INTERRUPTED:
      return EXIT_STOPPED;
    default:
      return EXIT_RUN_FAILED;
  }
}

void report_diagnostics(const CommonOptions *common, const Compiler *compiler) {
  if (!compiler) return;
  Text text = text_begin(common->arena);
  diagnostics_render(compiler->diagnostics, common->style, isatty(STDERR_FILENO), &text);
  fputs(text.data, stderr);
}

void report_compilation(const CommonOptions *common, const Compiler *compiler) {
  if (!compiler) return;
  if (compiler->cache_problem && !common->quiet)
    fprintf(stderr, "note: compiled code is not cached: %s (--no-cache asks for none)\n", compiler->cache_problem);
  if (common->explain) fputs(compiler->explain.data, stderr);
  for (uint32_t k = 0; common->time && k < compiler->phase_count; k++) {
    fprintf(stderr, "%9.2f ms  %s\n", compiler->phase[k].seconds * 1e3, compiler->phase[k].name);
  }
}
