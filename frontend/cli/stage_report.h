/* What a model costs, by stage: a stage is all that calls make whose paths begin with one name, "block1" of
 * "block1.0.mlp". Forward, for a batch of 1, before any pass. Products are matrix products and convolutions; beside them
 * the multiplications of scans, transforms and what goes element by element. */
#ifndef SIMBAC_CLI_STAGE_REPORT_H
#define SIMBAC_CLI_STAGE_REPORT_H

#include "frontend/frontend.h"
#include "ir/text.h"

/* A line a stage, where there are several, and one for the whole. */
void report_stages(const Model *model, Arena *arena, Text *out);

#endif
