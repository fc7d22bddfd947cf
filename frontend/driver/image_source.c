#include "image_source.h"

#include "fingerprint.h"
#include "runtime/label_map.h"
#include "runtime/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FINGERPRINT_IMAGES = 64 /* of a split, evenly spread */, LISTED_SKIPPED = 20 };

static ImageSource *source_of(DataSource *data) { return (ImageSource *)data; }
static const ImageSet *set_of(const DataSource *data) { return ((const ImageSource *)data)->set; }

/* ---- Opening ---- */

/* "fashion-mnist" is Debian's, unless there is a file of that name. */
static simba_status find_path(const char *given, const char **out_path, simba_error *error) {
  *out_path = given;
  if (given && (strcmp(given, "fashion-mnist") != 0 || access(given, F_OK) == 0)) return SIMBA_OK;
  return image_set_default_path(out_path, error);
}

static simba_status open_images(const DataRequest *request, DataSource **out_data, simba_error *error) {
  ImageSource *source = memory_allocate_aligned(1, sizeof *source);
  if (!source) return error_set_memory(error, "images");
  ImageSetOptions options = image_set_defaults();
  options.validation = request->recipe->validation;
  options.skip_corrupt = request->recipe->corrupt == 1;
  options.label_maps = request->label_maps;
  source->base.kind = &images_kind;
  source->label_maps = request->label_maps != NULL;
  simba_status status = find_path(request->path, &source->base.path, error);
  if (status == SIMBA_OK) status = image_set_open(source->base.path, &options, &source->set, error);
  if (status == SIMBA_OK)
    *out_data = &source->base;
  else
    free(source);
  return status;
}

static void close_images(DataSource *data) {
  image_set_close(source_of(data)->set);
  free(data);
}

static uint32_t follow_images(const DataSource *data, const Recipe *recipe, Arena *arena,
                              simba_setting out_settings[DATA_MAX_FOLLOWED]) {
  const ImageSet *set = set_of(data);
  int32_t height, width, channels = image_set_channels(set);
  image_set_size(set, &height, &width);
  const struct {
    const char *name;
    int32_t value; /* 0: not one number */
  } all[] = {{recipe->data_channels, channels},
             {recipe->data_classes, image_set_class_count(set)},
             {recipe->data_size, height == width ? height : 0}};
  uint32_t count = 0;
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
    if (all[k].name && all[k].value)
      out_settings[count++] = (simba_setting){all[k].name, arena_format(arena, "%d", all[k].value)};
  }
  return count;
}

/* ---- What a model takes ---- */

/* [batch, ...constants]; the constants into out_extents. */
static bool has_shape(const Shape *shape, int32_t rank, int32_t *out_extents) {
  if (shape->rank != rank || dim_is_constant(shape->dim[0])) return false;
  for (int32_t k = 1; k < rank; k++) {
    if (!dim_is_constant(shape->dim[k]) || shape->dim[k].factor > INT32_MAX) return false;
    out_extents[k - 1] = (int32_t)shape->dim[k].factor;
  }
  return true;
}

/* Rows and columns of P tokens in the proportions of the image. */
static bool token_grid(int32_t tokens, int32_t height, int32_t width, int32_t *out_rows, int32_t *out_columns) {
  *out_rows = (int32_t)lrint(sqrt((double)tokens * height / width));
  if (*out_rows < 1) *out_rows = 1;
  *out_columns = tokens / *out_rows;
  return *out_rows * *out_columns == tokens;
}

static int32_t small(int64_t value) { return value > INT32_MAX ? INT32_MAX : (int32_t)value; }

static void set_numbers(const RecipeNumbers *numbers, float out[3]) {
  for (uint32_t k = 0; k < 3; k++) out[k] = (float)numbers->value[numbers->count == 3 ? k : 0];
}

static void set_augmentation(const Recipe *recipe, ImageAugmentation *out) {
  set_numbers(&recipe->mean, out->mean);
  set_numbers(&recipe->deviation, out->deviation);
  out->filter = (ImageFilter)recipe->filter;
  out->centre_fraction = (float)recipe->centre;
  out->crop = (ImageCrop)recipe->crop;
  out->crop_area[0] = (float)recipe->area_min;
  out->crop_area[1] = (float)recipe->area_max;
  out->pad = small(recipe->pad);
  out->flip = (float)recipe->flip;
  out->operations = small(recipe->randaugment);
  out->operation_probability = (float)recipe->operation_probability;
  out->magnitude = (float)recipe->magnitude;
  out->magnitude_deviation = (float)recipe->magnitude_deviation;
  out->cutout = small(recipe->cutout);
  out->erase = (float)recipe->erase;
  out->erase_fill = (EraseFill)recipe->erase_fill;
}

static void set_batch_options(const Recipe *recipe, BatchOptions *out) {
  out->smoothing = (float)recipe->smoothing;
  out->mixup = (float)recipe->mixup;
  out->cutmix = (float)recipe->cutmix;
  out->mix_probability = (float)recipe->mix_probability;
  out->switch_probability = (float)recipe->switch_probability;
  out->repeats = small(recipe->repeats);
  out->token_scores = (TokenScores)recipe->token_scores;
  set_augmentation(recipe, &out->augmentation);
}

/* The targets: labels as the recipe says, and at most one more, of the tokens. */
static simba_status bind_targets(ImageSource *source, const char *model_path, const Model *model, int32_t *out_classes,
                                 simba_error *error) {
  int32_t target = data_find_tensor(model->target, model->target_count, model->recipe.data_target);
  if (target < 0 || !has_shape(&model->target[target].shape, 2, out_classes)) {
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "%s: the target of recipe data images(...) must be [batch, classes], a distribution over them",
                     model_path);
  }
  source->labels = (uint32_t)target;
  source->tokens = model->target_count == 2 ? 1 - target : -1;
  if (source->tokens < 0 && model->target_count != 1) {
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: a classifier has a target for labels, and at most one more",
                     model_path);
  }
  if (source->tokens < 0 && source->label_maps) {
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "%s: label maps are given, but the model has no target [batch, tokens, classes] for them",
                     model_path);
  }
  if (source->tokens < 0) return SIMBA_OK;
  int32_t extents[2];
  const ModelTensor *tokens = &model->target[source->tokens];
  ImageAugmentation *input = &source->options.augmentation;
  if (has_shape(&tokens->shape, 3, extents) && extents[1] == *out_classes &&
      token_grid(extents[0], input->height, input->width, &source->options.token_rows, &source->options.token_columns))
    return SIMBA_OK;
  return error_set(error, SIMBA_INVALID_ARGUMENT,
                   "%s: the target '%s' must be [batch, tokens, %d], of a grid of tokens in the image's proportions",
                   model_path, tokens->name, *out_classes);
}

static void find_logits(ImageSource *source, const Model *model) {
  source->output = 0;
  for (uint32_t k = 0; k < model->graph->output_count; k++) {
    const Output *output = &model->graph->output[k];
    if (output->kind != OUTPUT_VALUE) continue;
    if (shape_equal(graph_shape(model->graph, output->node), &model->target[source->labels].shape)) return;
    source->output++;
  }
}

static simba_status bind_images(DataSource *data, const char *model_path, const Model *model, simba_error *error) {
  ImageSource *source = source_of(data);
  const Recipe *recipe = &model->recipe;
  int32_t input = data_find_tensor(model->input, model->input_count, recipe->data_input), extents[3], classes = 0;
  if (input < 0 || model->input_count != 1 || !has_shape(&model->input[input].shape, 4, extents)) {
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "%s: a model of images has one input [batch, channels, height, width], named in recipe data "
                     "images(...)",
                     model_path);
  }
  if (extents[0] != 1 && extents[0] != 3) {
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: images have 1 or 3 channels, but the model takes %d",
                     model_path, extents[0]);
  }
  batch_options_defaults(extents[0], extents[1], extents[2], 1, &source->options);
  simba_status status = bind_targets(source, model_path, model, &classes, error);
  if (status != SIMBA_OK) return status;
  source->options.classes = classes;
  set_batch_options(recipe, &source->options);
  find_logits(source, model);
  status = image_augmentation_check(&source->options.augmentation, error);
  if (status != SIMBA_OK) return error_prefix(error, status, "%s: recipe: ", model_path);
  ImageNeeds needs = {.channels = extents[0],
                      .convert_channels = recipe->colours == 1,
                      .classes = classes,
                      .how_to_resize = "--set recipe.fit=resize",
                      .how_to_convert = "--set recipe.colours=convert"};
  if (recipe->fit == 0) {
    needs.height = extents[1];
    needs.width = extents[2];
  }
  return image_set_require(source->set, &needs, error);
}

static int64_t count_images(const DataSource *data, DataSplit split) { return image_set_count(set_of(data), split); }

/* ---- Batches ---- */

static simba_status open_batches(DataSource *data, const StreamOptions *options, DataStream **out_stream,
                                 simba_error *error) {
  ImageSource *source = source_of(data);
  ImageStream *stream = memory_allocate_aligned(1, sizeof *stream);
  if (!stream) return error_set_memory(error, "batches of images");
  BatchOptions batch = source->options;
  batch.batch = small(options->batch);
  batch.split = options->split;
  batch.training = options->training;
  batch.seed = options->seed;
  simba_status status = image_batches_open(source->set, &batch, &stream->batches, error);
  if (status != SIMBA_OK) {
    free(stream);
    return status;
  }
  stream->base =
      (DataStream){data, *options, image_batches_count(stream->batches), image_batches_images(stream->batches)};
  *out_stream = &stream->base;
  return SIMBA_OK;
}

static void start_batches(DataStream *base, int64_t epoch, int64_t first_batch) {
  image_batches_start_epoch(((ImageStream *)base)->batches, epoch, first_batch);
}

static simba_status next_batch(DataStream *base, DataBatch *out_batch, simba_error *error) {
  ImageStream *stream = (ImageStream *)base;
  const ImageSource *source = source_of(base->data);
  simba_status status = image_batches_next(stream->batches, &stream->batch, error);
  if (status != SIMBA_OK) return status;
  stream->input[0] = stream->batch.images;
  stream->target[source->labels] = stream->batch.labels;
  if (source->tokens >= 0) stream->target[source->tokens] = stream->batch.token_labels;
  *out_batch = (DataBatch){stream->batch.count, stream->input, stream->target};
  return SIMBA_OK;
}

static void close_batches(DataStream *base) {
  image_batches_close(((ImageStream *)base)->batches);
  free(base);
}

static simba_status gather_images(DataSource *data, DataSplit split, const int64_t *samples, int64_t count,
                                  float *const *out_inputs, simba_error *error) {
  const ImageSource *source = source_of(data);
  const ImageAugmentation *augmentation = &source->options.augmentation;
  size_t size = (size_t)augmentation->channels * (size_t)augmentation->height * (size_t)augmentation->width;
  ImageWorkspace *workspace;
  Image image = {0};
  simba_status status = image_workspace_create(augmentation, &workspace, error);
  if (status != SIMBA_OK) return status;
  for (int64_t k = 0; status == SIMBA_OK && k < count; k++) {
    status = image_set_read(source->set, split, samples[k], &image, error);
    if (status != SIMBA_OK) break;
    status = image_augment(augmentation, &image, NULL, workspace, out_inputs[0] + (size_t)k * size, NULL, error);
  }
  image_clear(&image);
  image_workspace_destroy(workspace);
  return status;
}

/* ---- What there is ---- */

static uint64_t fingerprint_split(const ImageSet *set, DataSplit split, uint64_t hash) {
  Image image = {0};
  int64_t count = image_set_count(set, split);
  hash = fingerprint_bytes(hash, &count, sizeof count);
  for (int64_t k = 0; k < count; k++) {
    int32_t label = image_set_label(set, split, k);
    hash = fingerprint_bytes(hash, &label, sizeof label);
  }
  int64_t looked_at = count < FINGERPRINT_IMAGES ? count : FINGERPRINT_IMAGES;
  for (int64_t k = 0; k < looked_at; k++) {
    simba_error ignored; /* who reads it to learn from it says so */
    if (image_set_read(set, split, k * count / looked_at, &image, &ignored) != SIMBA_OK) continue;
    hash = fingerprint_bytes(hash, image.pixels, (size_t)image.height * (size_t)image.width * (size_t)image.channels);
  }
  image_clear(&image);
  return hash;
}

static uint64_t fingerprint_maps(const ImageSet *set, uint64_t hash) {
  LabelMap map = {0};
  int64_t count = image_set_count(set, SPLIT_TRAIN);
  int64_t looked_at = count < FINGERPRINT_IMAGES ? count : FINGERPRINT_IMAGES;
  for (int64_t k = 0; k < looked_at; k++) {
    simba_error ignored;
    if (image_set_label_map(set, k * count / looked_at, &map, &ignored) != SIMBA_OK) continue;
    size_t scores = (size_t)map.count * (size_t)map.height * (size_t)map.width;
    hash = fingerprint_bytes(hash, map.scores, scores * sizeof *map.scores);
    if (!map.dense) hash = fingerprint_bytes(hash, map.classes, scores * sizeof *map.classes);
  }
  label_map_clear(&map);
  return hash;
}

/* All labels, and some of the pixels and label maps: to read all files of a large folder would take long. */
static uint64_t fingerprint_images(DataSource *data) {
  const ImageSource *source = source_of(data);
  uint64_t hash = fingerprint_split(source->set, SPLIT_TRAIN, FINGERPRINT_START);
  hash = fingerprint_split(source->set, SPLIT_VALIDATION, hash);
  return source->label_maps ? fingerprint_maps(source->set, hash) : hash;
}

static const char *numbers_text(const float *values, int32_t count, Arena *arena) {
  Text text = text_begin(arena);
  for (int32_t k = 0; k < count; k++) {
    char number[NUMBER_TEXT_SIZE];
    number_text((double)values[k], number);
    text_print(&text, "%s%s", k ? " " : "", number);
  }
  return text.data;
}

/* What whoever uses the weights must do to images, and what the classes are called, a line each. */
static uint32_t image_metadata(const DataSource *data, Arena *arena, TensorMetadata out_metadata[DATA_MAX_METADATA]) {
  const ImageSource *source = (const ImageSource *)data;
  const ImageAugmentation *augmentation = &source->options.augmentation;
  Text classes = text_begin(arena);
  for (int32_t k = 0; k < image_set_class_count(source->set); k++)
    text_print(&classes, "%s%s", k ? "\n" : "", image_set_class_name(source->set, k));
  out_metadata[0] = (TensorMetadata){"images.mean", numbers_text(augmentation->mean, augmentation->channels, arena)};
  out_metadata[1] =
      (TensorMetadata){"images.deviation", numbers_text(augmentation->deviation, augmentation->channels, arena)};
  out_metadata[2] = (TensorMetadata){"images.classes", classes.data};
  return 3;
}

static void describe_images(const DataSource *data, Text *out) {
  const ImageSet *set = set_of(data);
  for (size_t k = 0; k < image_set_note_count(set); k++) text_print(out, "note: %s\n", image_set_note(set, k));
  text_print(out, "%s: %d classes; %lld / %lld / %lld images to train, validate, test (%s)\n", data->path,
             image_set_class_count(set), (long long)image_set_count(set, SPLIT_TRAIN),
             (long long)image_set_count(set, SPLIT_VALIDATION), (long long)image_set_count(set, SPLIT_TEST),
             image_set_format(set));
}

static void remark_images(const DataSource *data, Text *out) {
  const ImageSet *set = set_of(data);
  int64_t skipped = image_set_skipped_count(set);
  if (skipped == 0) return;
  text_print(out, "note: %lld corrupt image%s skipped, others took the place:\n", (long long)skipped,
             skipped == 1 ? " was" : "s were");
  for (int64_t k = 0; k < skipped && k < LISTED_SKIPPED; k++) {
    char message[SIMBA_MESSAGE_SIZE];
    image_set_skipped(set, k, message, sizeof message);
    text_make_printable(message);
    text_print(out, "  %s\n", message);
  }
  if (skipped > LISTED_SKIPPED) text_print(out, "  and %lld more\n", (long long)(skipped - LISTED_SKIPPED));
}

const DataKind images_kind = {.samples = "images",
                              .open = open_images,
                              .close = close_images,
                              .follow = follow_images,
                              .bind = bind_images,
                              .count = count_images,
                              .open_stream = open_batches,
                              .start = start_batches,
                              .next = next_batch,
                              .close_stream = close_batches,
                              .gather = gather_images,
                              .fingerprint = fingerprint_images,
                              .metadata = image_metadata,
                              .describe = describe_images,
                              .remark = remark_images,
                              .examine = image_source_examine};
