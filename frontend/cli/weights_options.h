/* Options of commands that read weights, and what is said of their file. */
#ifndef SIMBAC_CLI_WEIGHTS_OPTIONS_H
#define SIMBAC_CLI_WEIGHTS_OPTIONS_H

#include "frontend/driver/handle.h"
#include "options.h"

/* --key and --map into a simba_weights_source, whose path is the command's own option; without a path they are a usage
 * error. A child of the command's argp, as common_argp is. */
extern const struct argp weights_argp;
/* "W.safetensors|W.pth", for the command's own option. */
extern const char WEIGHTS_ARGUMENT[];

/* On stderr: the file's note unless --quiet was given; the lines of the report, if any. */
void report_weights(const CommonOptions *common, const char *path, const char *note, const char *report);
void report_model_weights(const CommonOptions *common, const char *path, const simba_model *model);

#endif
