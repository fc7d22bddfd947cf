#include <math.h>

#include "image_batches.h"

/* Sums of levels and of their squares: below 2^63 for 10^14 pixels. */
typedef struct Moments {
  int64_t count, sum[3], squares[3];
} Moments;

static void add_image(const Image *image, Moments *moments) {
  size_t count = (size_t)image->height * (size_t)image->width, channels = (size_t)image->channels;
  for (size_t c = 0; c < channels; c++) {
    int64_t sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
      int64_t level = image->pixels[i * channels + c];
      sum += level;
      squares += level * level;
    }
    moments->sum[c] += sum;
    moments->squares[c] += squares;
  }
  moments->count += (int64_t)count;
}

simba_status image_set_moments(const ImageSet *set, DataSplit split, int32_t channels, int64_t most, float out_mean[3],
                               float out_deviation[3], simba_error *error) {
  int64_t images = image_set_count(set, split), taken = most > 0 && most < images ? most : images;
  Moments moments = {0};
  Image image = {0};
  simba_status status = SIMBA_OK;
  for (int64_t k = 0; k < taken && !status; k++) {
    int64_t i = k * (images / taken) + k * (images % taken) / taken;
    status = image_set_read(set, split, i, &image, error);
    if (!status && image.channels != channels) {
      char source[SIMBA_MESSAGE_SIZE / 2];
      image_set_source(set, split, image.index, source, sizeof source);
      status = error_set(error, SIMBA_DATA_ERROR, "%s: the image has %d channel%s, the model takes %d", source,
                         image.channels, image.channels == 1 ? "" : "s", channels);
    }
    if (!status) add_image(&image, &moments);
  }
  image_clear(&image);
  if (status) return status;
  if (taken == 0) return error_set(error, SIMBA_DATA_ERROR, "no images to take the mean of");
  for (int32_t c = 0; c < channels; c++) {
    double count = (double)moments.count, mean = (double)moments.sum[c] / count;
    double variance = (double)moments.squares[c] / count - mean * mean;
    out_mean[c] = (float)(mean / 255);
    out_deviation[c] = variance > 0 ? (float)(sqrt(variance) / 255) : 1;
  }
  return SIMBA_OK;
}
