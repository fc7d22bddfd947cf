/* RandAugment (Cubuk et al., "RandAugment: practical automated data augmentation with a reduced search space", 2019)
 * with timm's set of operations whose effect grows with the magnitude ("rand-m9-mstd0.5-inc1"): each is drawn with
 * replacement, skipped with probability 1 - operation_probability, and given a magnitude of its own around the set
 * one. */
#include <math.h>

#include "image_augment_internal.h"
#include "image_operations.h"

typedef enum Operation {
  AUTOCONTRAST,
  EQUALIZE,
  INVERT,
  ROTATE,
  POSTERIZE,
  SOLARIZE,
  SOLARIZE_ADD,
  COLOR,
  CONTRAST,
  BRIGHTNESS,
  SHARPNESS,
  SHEAR_X,
  SHEAR_Y,
  TRANSLATE_X,
  TRANSLATE_Y,
  OPERATION_COUNT
} Operation;

static const double LARGEST_TURN = 30, LARGEST_SHEAR = 0.3, LARGEST_MOVE = 0.45, LARGEST_CHANGE = 0.9;

ImageFilter image_filter_drawn(ImageFilter filter, ImageDraws *draws) {
  if (filter != FILTER_RANDOM) return filter;
  return draw_index(draws, 2) ? FILTER_BICUBIC : FILTER_BILINEAR;
}

static void workspace_swap(ImageWorkspace *workspace) {
  Image image = workspace->image;
  workspace->image = workspace->other;
  workspace->other = image;
}

/* `amount` is signed, a share of the largest move. */
static void move_image(Operation operation, double amount, ImageFilter filter, ImageWorkspace *workspace) {
  const Image *image = &workspace->image;
  double m[6] = {1, 0, 0, 0, 1, 0};
  if (operation == SHEAR_X) m[1] = amount * LARGEST_SHEAR;
  if (operation == SHEAR_Y) m[3] = amount * LARGEST_SHEAR;
  if (operation == TRANSLATE_X) m[2] = amount * LARGEST_MOVE * image->width;
  if (operation == TRANSLATE_Y) m[5] = amount * LARGEST_MOVE * image->height;
  if (operation == ROTATE) rotation_matrix(amount * LARGEST_TURN, image->height, image->width, m);
  image_affine(image, m, filter, workspace->fill, &workspace->other);
  workspace_swap(workspace);
}

/* `amount` is 0 .. 1, `sign` +1 or -1 for operations that have a direction. */
static void apply_operation(Operation operation, double amount, double sign, ImageFilter filter,
                            ImageWorkspace *workspace) {
  Image *image = &workspace->image;
  float factor = (float)fmax(0.1, 1 + sign * amount * LARGEST_CHANGE);
  switch (operation) {
    case AUTOCONTRAST:
      image_autocontrast(image);
      break;
    case EQUALIZE:
      image_equalize(image);
      break;
    case INVERT:
      image_invert(image);
      break;
    case POSTERIZE:
      image_posterize(image, 4 - (int32_t)(amount * 4));
      break;
    case SOLARIZE:
      image_solarize(image, 256 - (int32_t)(amount * 256));
      break;
    case SOLARIZE_ADD:
      image_solarize_add(image, (int32_t)(amount * 110));
      break;
    case COLOR:
      image_color(image, factor);
      break;
    case CONTRAST:
      image_contrast(image, factor);
      break;
    case BRIGHTNESS:
      image_brightness(image, factor);
      break;
    case SHARPNESS:
      image_sharpness(image, factor, &workspace->other);
      workspace_swap(workspace);
      break;
    default:
      move_image(operation, sign * amount, filter, workspace);
  }
}

void image_randaugment(const ImageAugmentation *augmentation, ImageDraws *draws, ImageWorkspace *workspace) {
  for (int32_t i = 0; i < augmentation->operations; i++) {
    Operation operation = (Operation)draw_index(draws, OPERATION_COUNT);
    double chance = draw_uniform(draws), normal[2], sign = draw_index(draws, 2) ? 1 : -1;
    draw_normals(draws, normal);
    ImageFilter filter = image_filter_drawn(augmentation->filter, draws);
    if (chance >= (double)augmentation->operation_probability) continue;
    double magnitude = (double)augmentation->magnitude + (double)augmentation->magnitude_deviation * normal[0];
    apply_operation(operation, fmin(fmax(magnitude / 10, 0), 1), sign, filter, workspace);
  }
}
