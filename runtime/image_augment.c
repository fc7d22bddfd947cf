#include "image_augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image_augment_internal.h"
#include "image_operations.h"

enum {
  ATTEMPTS = 10,       /* of drawing a rectangle that fits, in torchvision and timm */
  LONGEST_SIDE = 65535 /* of a source: what resizing needs grows with its sides, not its pixels */
};

/* ---- Settings ---- */

void image_augmentation_defaults(int32_t channels, int32_t height, int32_t width, ImageAugmentation *out_augmentation) {
  *out_augmentation = (ImageAugmentation){
      .channels = channels,
      .height = height,
      .width = width,
      .deviation = {1, 1, 1},
      .filter = FILTER_BILINEAR,
      .centre_fraction = 1,
      .crop = CROP_WHOLE,
      .crop_area = {0.08F, 1},
      .crop_ratio = {3.0F / 4, 4.0F / 3},
      .operation_probability = 0.5F,
      .magnitude = 9,
      .magnitude_deviation = 0.5F,
      .erase_area = {0.02F, 1.0F / 3},
      .erase_ratio = {0.3F, 10.0F / 3},
      .erase_fill = ERASE_CONSTANT,
  };
}

typedef struct Range {
  const char *name;
  double value, low, high;
} Range;

static simba_status check_ranges(const Range *ranges, size_t count, simba_error *error) {
  for (size_t i = 0; i < count; i++) {
    const Range *range = &ranges[i];
    if (range->value >= range->low && range->value <= range->high) continue; /* NaN is nowhere */
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%s is %g: expected %g to %g", range->name, range->value,
                     range->low, range->high);
  }
  return SIMBA_OK;
}

simba_status image_augmentation_check(const ImageAugmentation *augmentation, simba_error *error) {
  const ImageAugmentation *a = augmentation;
  if (a->channels != 1 && a->channels != 3) {
    return error_set(error, SIMBA_INVALID_ARGUMENT, "images have 1 or 3 channels, not %d", a->channels);
  }
  const double side = 1 << 14;
  const Range ranges[] = {
      {"height", a->height, 1, side},
      {"width", a->width, 1, side},
      {"the deviation of the first channel", (double)a->deviation[0], 1e-6, 1e6},
      {"the deviation of the second channel", (double)a->deviation[1], a->channels > 1 ? 1e-6 : -INFINITY, 1e6},
      {"the deviation of the third channel", (double)a->deviation[2], a->channels > 2 ? 1e-6 : -INFINITY, 1e6},
      {"the centre crop's fraction", (double)a->centre_fraction, 0.01, 1},
      {"the least area of a crop", (double)a->crop_area[0], 1e-6, (double)a->crop_area[1]},
      {"the largest area of a crop", (double)a->crop_area[1], 1e-6, 1},
      {"the least ratio of a crop", (double)a->crop_ratio[0], 1e-3, (double)a->crop_ratio[1]},
      {"the largest ratio of a crop", (double)a->crop_ratio[1], 1e-3, 1e3},
      {"padding", a->pad, 0, side},
      {"the probability of a flip", (double)a->flip, 0, 1},
      {"the number of random operations", a->operations, 0, 100},
      {"the probability of an operation", (double)a->operation_probability, 0, 1},
      {"the magnitude", (double)a->magnitude, 0, 10},
      {"the magnitude's deviation", (double)a->magnitude_deviation, 0, 100},
      {"the side of a cutout", a->cutout, 0, side},
      {"the probability of erasing", (double)a->erase, 0, 1},
      {"the least area that is erased", (double)a->erase_area[0], 1e-6, (double)a->erase_area[1]},
      {"the largest area that is erased", (double)a->erase_area[1], 1e-6, 1},
      {"the least ratio of what is erased", (double)a->erase_ratio[0], 1e-3, (double)a->erase_ratio[1]},
      {"the largest ratio of what is erased", (double)a->erase_ratio[1], 1e-3, 1e3},
  };
  return check_ranges(ranges, sizeof ranges / sizeof *ranges, error);
}

/* ---- Workspace ---- */

simba_status image_workspace_create(const ImageAugmentation *augmentation, ImageWorkspace **out_workspace,
                                    simba_error *error) {
  const ImageAugmentation *a = augmentation;
  simba_status status = image_augmentation_check(a, error);
  if (status) return status;
  ImageWorkspace *workspace = memory_allocate_aligned(1, sizeof *workspace);
  if (!workspace) return error_set_memory(error, "augmentation");
  for (int c = 0; c < a->channels; c++) {
    workspace->fill[c] = (uint8_t)fmin(fmax(rint(255 * (double)a->mean[c]), 0), 255);
    for (int i = 0; i < 256; i++) workspace->normalised[c][i] = ((float)i / 255 - a->mean[c]) / a->deviation[c];
  }
  status = image_reserve(&workspace->image, a->height, a->width, a->channels, error);
  if (!status) status = image_reserve(&workspace->other, a->height, a->width, a->channels, error);
  if (status) {
    image_workspace_destroy(workspace);
    return status;
  }
  *out_workspace = workspace;
  return SIMBA_OK;
}

void image_workspace_destroy(ImageWorkspace *workspace) {
  if (!workspace) return;
  image_clear(&workspace->image);
  image_clear(&workspace->other);
  resize_buffers_clear(&workspace->buffers);
  free(workspace);
}

/* ---- Crops ---- */

/* A part of the source, resized to a full size of which the input is a window. */
typedef struct Crop {
  ImageBox box, window;
  int32_t full_height, full_width;
} Crop;

static ImageBox centred(int32_t outer_height, int32_t outer_width, int32_t height, int32_t width) {
  return (ImageBox){(int32_t)rint((outer_height - height) / 2.0), (int32_t)rint((outer_width - width) / 2.0), height,
                    width};
}

/* Images that are thin as a line would get longer than a number holds. */
static int32_t size_within(int64_t size) { return (int32_t)(size < 1 << 30 ? size : 1 << 30); }

/* torchvision's Resize(shorter side) and CenterCrop, for inputs that are no squares too: the least size that covers the
 * input enlarged by 1 / centre_fraction. */
static Crop centre_crop(const ImageAugmentation *a, const Image *source) {
  double fraction = (double)a->centre_fraction;
  /* 224 / 0.875 is 256, though 0.9F is not 0.9. */
  int32_t least_height = (int32_t)floor(a->height / fraction + 1e-4);
  int32_t least_width = (int32_t)floor(a->width / fraction + 1e-4);
  Crop crop = {.box = {0, 0, source->height, source->width}};
  if ((int64_t)least_height * source->width >= (int64_t)least_width * source->height) {
    crop.full_height = least_height;
    crop.full_width = size_within((int64_t)least_height * source->width / source->height);
  } else {
    crop.full_width = least_width;
    crop.full_height = size_within((int64_t)least_width * source->height / source->width);
  }
  crop.window = centred(crop.full_height, crop.full_width, a->height, a->width);
  return crop;
}

static Crop whole_crop(const ImageAugmentation *a, const Image *source) {
  return (Crop){{0, 0, source->height, source->width}, {0, 0, a->height, a->width}, a->height, a->width};
}

/* torchvision's RandomResizedCrop.get_params: where no rectangle of ten fits, the largest centred one whose ratio is
 * within the limits. */
static ImageBox random_box(const ImageAugmentation *a, const Image *source, ImageDraws *draws) {
  double area = (double)source->height * source->width;
  double least = (double)a->crop_ratio[0], largest = (double)a->crop_ratio[1];
  for (int i = 0; i < ATTEMPTS; i++) {
    double wanted = area * draw_between(draws, (double)a->crop_area[0], (double)a->crop_area[1]);
    double ratio = exp(draw_between(draws, log(least), log(largest)));
    double width = rint(sqrt(wanted * ratio)), height = rint(sqrt(wanted / ratio));
    if (!(width > 0 && width <= source->width && height > 0 && height <= source->height)) continue;
    ImageBox box = {0, 0, (int32_t)height, (int32_t)width};
    box.top = draw_index(draws, source->height - box.height + 1);
    box.left = draw_index(draws, source->width - box.width + 1);
    return box;
  }
  double ratio = (double)source->width / source->height, height = source->height, width = source->width;
  if (ratio < least) height = fmax(rint(width / least), 1);
  if (ratio > largest) width = fmax(rint(height * largest), 1);
  ImageBox box = {.height = (int32_t)height, .width = (int32_t)width};
  box.top = (source->height - box.height) / 2;
  box.left = (source->width - box.width) / 2;
  return box;
}

static ImagePlacement placement_of(const Crop *crop, const Image *source) {
  double row = (double)crop->box.height / crop->full_height / source->height;
  double column = (double)crop->box.width / crop->full_width / source->width;
  double top = (double)crop->box.top / source->height, left = (double)crop->box.left / source->width;
  return (ImagePlacement){.top = top + row * crop->window.top,
                          .bottom = top + row * (crop->window.top + crop->window.height),
                          .left = left + column * crop->window.left,
                          .right = left + column * (crop->window.left + crop->window.width)};
}

/* Shifts the image by up to `pad` each way; what comes in is 0. */
static void shift_image(const ImageAugmentation *a, ImageDraws *draws, ImageWorkspace *workspace,
                        ImagePlacement *placement) {
  int32_t down = draw_index(draws, 2 * a->pad + 1) - a->pad, right = draw_index(draws, 2 * a->pad + 1) - a->pad;
  size_t channels = (size_t)a->channels, stride = (size_t)a->width * channels;
  int32_t begin = right < 0 ? -right : 0, end = right > 0 ? a->width - right : a->width; /* of a row of the output */
  memset(workspace->other.pixels, 0, (size_t)a->height * stride);
  for (int32_t y = 0; y < a->height && begin < end; y++) {
    if (y + down < 0 || y + down >= a->height) continue;
    memcpy(workspace->other.pixels + (size_t)y * stride + (size_t)begin * channels,
           workspace->image.pixels + (size_t)(y + down) * stride + (size_t)(begin + right) * channels,
           (size_t)(end - begin) * channels);
  }
  Image image = workspace->image;
  workspace->image = workspace->other;
  workspace->other = image;
  double rows = (double)down / a->height, columns = (double)right / a->width;
  *placement = (ImagePlacement){placement->top + rows, placement->bottom + rows, placement->left + columns,
                                placement->right + columns, false};
}

static simba_status crop_image(const ImageAugmentation *a, const Image *source, const ImageKey *key,
                               ImageWorkspace *workspace, ImagePlacement *out_placement, simba_error *error) {
  ImageDraws draws = {0};
  if (key) draws = image_draws(key, DRAW_CROP);
  ImageFilter filter = a->filter == FILTER_RANDOM ? FILTER_BICUBIC : a->filter;
  if (key) filter = image_filter_drawn(a->filter, &draws);
  Crop crop = !key || a->crop == CROP_CENTRE ? centre_crop(a, source) : whole_crop(a, source);
  if (key && a->crop == CROP_RANDOM_RESIZED) crop.box = random_box(a, source, &draws);
  *out_placement = placement_of(&crop, source);
  simba_status status = image_resize(source, crop.box, crop.full_height, crop.full_width, crop.window, filter,
                                     &workspace->buffers, &workspace->image, error);
  if (!status && key && a->crop == CROP_PADDED) shift_image(a, &draws, workspace, out_placement);
  return status;
}

/* ---- From pixels to the model's input ---- */

static void normalise(const ImageWorkspace *workspace, float *out_input) {
  const Image *image = &workspace->image;
  size_t count = (size_t)image->height * (size_t)image->width;
  const float(*table)[256] = workspace->normalised;
  const uint8_t *pixel = image->pixels;
  if (image->channels == 1) {
    for (size_t i = 0; i < count; i++) out_input[i] = table[0][pixel[i]];
    return;
  }
  float *red = out_input, *green = red + count, *blue = green + count;
  for (size_t i = 0; i < count; i++, pixel += 3) {
    red[i] = table[0][pixel[0]];
    green[i] = table[1][pixel[1]];
    blue[i] = table[2][pixel[2]];
  }
}

/* Numbers in a rectangle of every channel. */
static void fill_box(const ImageAugmentation *a, ImageBox box, EraseFill fill, ImageDraws *draws, float *input) {
  double normals[2] = {0};
  int left = 0;
  for (int32_t c = 0; c < a->channels; c++) {
    if (fill == ERASE_COLOUR) draw_normals(draws, normals);
    for (int32_t y = box.top; y < box.top + box.height; y++) {
      float *row = input + ((size_t)c * (size_t)a->height + (size_t)y) * (size_t)a->width;
      for (int32_t x = box.left; x < box.left + box.width; x++) {
        if (fill == ERASE_NOISE && left-- == 0) {
          draw_normals(draws, normals);
          left = 1;
        }
        row[x] = (float)normals[fill == ERASE_NOISE ? left : 0];
      }
    }
  }
}

/* CutOut (DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017): a square
 * around a pixel anywhere, cut at the edges. */
static void cut_out(const ImageAugmentation *a, ImageDraws *draws, float *input) {
  int32_t y = draw_index(draws, a->height) - a->cutout / 2, x = draw_index(draws, a->width) - a->cutout / 2;
  int32_t top = y < 0 ? 0 : y, left = x < 0 ? 0 : x;
  int32_t bottom = y + a->cutout < a->height ? y + a->cutout : a->height;
  int32_t right = x + a->cutout < a->width ? x + a->cutout : a->width;
  fill_box(a, (ImageBox){top, left, bottom - top, right - left}, ERASE_CONSTANT, draws, input);
}

/* timm's RandomErasing (Zhong et al., "Random erasing data augmentation", 2017): nothing where none of ten fits. */
static void erase_randomly(const ImageAugmentation *a, ImageDraws *draws, float *input) {
  if (draw_uniform(draws) >= (double)a->erase) return;
  double area = (double)a->height * a->width;
  double least = log((double)a->erase_ratio[0]), largest = log((double)a->erase_ratio[1]);
  for (int i = 0; i < ATTEMPTS; i++) {
    double wanted = area * draw_between(draws, (double)a->erase_area[0], (double)a->erase_area[1]);
    double ratio = exp(draw_between(draws, least, largest));
    double height = rint(sqrt(wanted * ratio)), width = rint(sqrt(wanted / ratio));
    if (!(height < a->height && width < a->width)) continue;
    ImageBox box = {0, 0, (int32_t)height, (int32_t)width};
    box.top = draw_index(draws, a->height - box.height + 1);
    box.left = draw_index(draws, a->width - box.width + 1);
    fill_box(a, box, a->erase_fill, draws, input);
    return;
  }
}

simba_status image_augment(const ImageAugmentation *augmentation, const Image *source, const ImageKey *key,
                           ImageWorkspace *workspace, float *out_input, ImagePlacement *out_placement,
                           simba_error *error) {
  const ImageAugmentation *a = augmentation;
  if (source->channels != a->channels) {
    return error_set(error, SIMBA_DATA_ERROR, "the image has %d channel%s, the model takes %d", source->channels,
                     source->channels == 1 ? "" : "s", a->channels);
  }
  if (source->height > LONGEST_SIDE || source->width > LONGEST_SIDE) {
    return error_set(error, SIMBA_DATA_ERROR, "the image has %dx%d pixels: expected sides of at most %d",
                     source->height, source->width, LONGEST_SIDE);
  }
  ImagePlacement placement;
  simba_status status = crop_image(a, source, key, workspace, &placement, error);
  if (status) return status;
  if (key && a->flip > 0) {
    ImageDraws draws = image_draws(key, DRAW_FLIP);
    placement.flipped = draw_uniform(&draws) < (double)a->flip;
    if (placement.flipped) image_flip(&workspace->image);
  }
  if (key && a->operations > 0) {
    ImageDraws draws = image_draws(key, DRAW_OPERATIONS);
    image_randaugment(a, &draws, workspace);
  }
  normalise(workspace, out_input);
  if (key && a->cutout > 0) {
    ImageDraws draws = image_draws(key, DRAW_CUTOUT);
    cut_out(a, &draws, out_input);
  }
  if (key && a->erase > 0) {
    ImageDraws draws = image_draws(key, DRAW_ERASE);
    erase_randomly(a, &draws, out_input);
  }
  if (out_placement) *out_placement = placement;
  return SIMBA_OK;
}
