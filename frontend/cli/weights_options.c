#include "weights_options.h"

#include <stdio.h>

enum { KEY_KEY = 0x300, KEY_MAP };

static const struct argp_option weights_options[] = {
    {0, 0, 0, 0, "Weights (safetensors, or what torch.save wrote):", 5},
    {"key", KEY_KEY, "NAME", 0,
     "Which dict of a PyTorch file holds the weights, such as model_ema; '.': the file's own", 0},
    {"map", KEY_MAP, "FILE|mamba-ssm|huggingface", 0, "What the tensors are called in the model (docs/weights.md)", 0},
    {0},
};

const char WEIGHTS_ARGUMENT[] = "W.safetensors|W.pth";

static error_t parse_weights(int key, char *argument, struct argp_state *state) {
  simba_weights_source *source = state->input;
  switch (key) {
    case KEY_KEY:
      source->key = argument;
      return 0;
    case KEY_MAP:
      source->map = argument;
      return 0;
    case ARGP_KEY_END:
      if (!source->path && (source->key || source->map))
        argp_error(state, "--key and --map say how weights are read; none are");
      source->size = sizeof *source;
      return 0;
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

const struct argp weights_argp = {.options = weights_options, .parser = parse_weights};

void report_weights(const CommonOptions *common, const char *path, const char *note, const char *report) {
  if (note && *note && !common->quiet) fprintf(stderr, "note: %s: %s\n", path, note);
  if (report && *report) fprintf(stderr, "%s:\n%s", path, report);
}

void report_model_weights(const CommonOptions *common, const char *path, const simba_model *model) {
  if (model && path) report_weights(common, path, simba_model_weights_note(model), simba_model_weights_report(model));
}
