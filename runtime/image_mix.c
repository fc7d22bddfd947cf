#include "image_mix.h"

#include <math.h>

/* timm's rand_bbox and cutmix_bbox_and_lam with correct_lam: a box around any pixel, cut at the edges, and lambda anew
 * from the area that it has then. */
static void draw_box(int32_t height, int32_t width, ImageDraws *draws, BatchMix *mix) {
  double ratio = sqrt(1 - mix->lambda);
  int32_t half_height = (int32_t)(height * ratio) / 2, half_width = (int32_t)(width * ratio) / 2;
  int32_t y = draw_index(draws, height), x = draw_index(draws, width);
  int32_t top = y - half_height < 0 ? 0 : y - half_height, left = x - half_width < 0 ? 0 : x - half_width;
  int32_t bottom = y + half_height > height ? height : y + half_height;
  int32_t right = x + half_width > width ? width : x + half_width;
  mix->box = (ImageBox){top, left, bottom - top, right - left};
  mix->lambda = 1 - (double)mix->box.height * mix->box.width / ((double)height * width);
}

BatchMix batch_mix_draw(const BatchOptions *options, const ImageKey *key) {
  BatchMix mix = {MIX_NONE, 1, {0}};
  bool blend = options->mixup > 0, box = options->cutmix > 0;
  if (!(blend || box)) return mix;
  ImageDraws draws = image_draws(key, DRAW_MIX);
  double chance = draw_uniform(&draws), choice = draw_uniform(&draws);
  if (chance >= (double)options->mix_probability) return mix;
  if (blend && box) box = choice < (double)options->switch_probability;
  mix.kind = box ? MIX_BOX : MIX_BLEND;
  mix.lambda = draw_beta(&draws, (double)(box ? options->cutmix : options->mixup));
  if (box) draw_box(options->augmentation.height, options->augmentation.width, &draws, &mix);
  return mix;
}

/* a and b become own * a + other * b and own * b + other * a. */
static void blend_pair(float own, float other, size_t size, float *a, float *b) {
  for (size_t i = 0; i < size; i++) {
    float value = a[i] * own + b[i] * other;
    b[i] = b[i] * own + a[i] * other;
    a[i] = value;
  }
}

void batch_mix_images(const BatchMix *mix, const ImageAugmentation *size, int64_t count, float *images) {
  if (mix->kind == MIX_NONE) return;
  size_t plane = (size_t)size->height * (size_t)size->width, channels = (size_t)size->channels;
  for (int64_t i = 0; i < count / 2; i++) {
    float *a = images + (size_t)i * plane * channels, *b = images + (size_t)(count - 1 - i) * plane * channels;
    if (mix->kind == MIX_BLEND) {
      blend_pair((float)mix->lambda, (float)(1 - mix->lambda), plane * channels, a, b);
      continue;
    }
    for (size_t c = 0; c < channels; c++) {
      for (int32_t y = mix->box.top; y < mix->box.top + mix->box.height; y++) {
        size_t at = c * plane + (size_t)y * (size_t)size->width + (size_t)mix->box.left;
        blend_pair(0, 1, (size_t)mix->box.width, a + at, b + at);
      }
    }
  }
}

/* How much of the interval from low to high lies between begin and end. */
static double share_within(double low, double high, double begin, double end) {
  return fmax(fmin(high, end) - fmax(low, begin), 0) / (high - low);
}

void batch_mix_tokens(const BatchMix *mix, const BatchOptions *options, int64_t count, float *tokens) {
  if (mix->kind == MIX_NONE) return;
  const ImageBox *box = &mix->box;
  size_t rows = (size_t)options->token_rows, columns = (size_t)options->token_columns;
  size_t classes = (size_t)options->classes;
  double height = (double)options->augmentation.height / (double)rows;
  double width = (double)options->augmentation.width / (double)columns;
  for (int64_t i = 0; i < count / 2; i++) {
    for (size_t p = 0; p < rows * columns; p++) {
      size_t row = p / columns, column = p % columns;
      double other = 1 - mix->lambda, y = height * (double)row, x = width * (double)column;
      if (mix->kind == MIX_BOX) {
        other = share_within(y, y + height, box->top, box->top + box->height) *
                share_within(x, x + width, box->left, box->left + box->width);
      }
      float *a = tokens + ((size_t)i * rows * columns + p) * classes;
      float *b = tokens + ((size_t)(count - 1 - i) * rows * columns + p) * classes;
      blend_pair((float)(1 - other), (float)other, classes, a, b);
    }
  }
}

void batch_labels(const BatchMix *mix, float smoothing, const int32_t *classes, int64_t count, int32_t class_count,
                  float *out_labels) {
  float off = smoothing / (float)class_count, on = 1 - smoothing;
  for (int64_t i = 0; i < count; i++) {
    float *label = out_labels + (size_t)i * (size_t)class_count;
    int32_t own = classes[i], other = classes[count - 1 - i];
    for (int32_t k = 0; k < class_count; k++) label[k] = off;
    if (own == other) {
      label[own] += on;
    } else {
      label[own] += on * (float)mix->lambda;
      label[other] += on * (float)(1 - mix->lambda);
    }
  }
}
