/* Labels of tokens from a dense label map: what Jiang et al., "All tokens matter: token labeling for training better
 * vision transformers" (2021) learn from. The part of the map that the image shows is averaged over the cells of the
 * tokens' grid by ROI alignment, as torchvision's roi_align does it. */
#ifndef SIMBA_IMAGE_TOKENS_H
#define SIMBA_IMAGE_TOKENS_H

#include "image_batches.h"
#include "label_map.h"

/* out_tokens [rows x columns, K], smoothed. A token of which the map knows nothing has `label`. SIMBA_DATA_ERROR where
 * scores that should be probabilities are negative; the message does not name the file. */
simba_status token_labels(const LabelMap *map, const ImagePlacement *placement, const BatchOptions *options,
                          int32_t label, float *out_tokens, simba_error *error);
/* Every token has the label. */
void token_labels_uniform(const BatchOptions *options, int32_t label, float *out_tokens);

#endif
