/* What `eval` shows of a classifier: each class's accuracy, the confusion matrix, the worst mistakes. */
#include "confusion.h"
#include "image_source.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MISTAKES = 32, SHEET_COLUMNS = 8, LISTED_MISTAKES = 5, LISTED_CLASSES = 20, MOST_IN_JSON = 100 };

typedef struct Mistake {
  int64_t sample;
  int32_t label, taken;
  float margin; /* logit of the class it was taken for, less that of its own */
} Mistake;

typedef struct Findings {
  const ImageSource *source;
  simba_model *model;
  const Examination *examination;
  Confusion confusion;
  Mistake mistake[MISTAKES]; /* the largest margins first */
  int32_t mistakes;
  float *logits, **output; /* of a batch */
} Findings;

/* ---- Predictions ---- */

static void add_mistake(Findings *findings, Mistake mistake) {
  int32_t at = findings->mistakes;
  if (at == MISTAKES && mistake.margin <= findings->mistake[MISTAKES - 1].margin) return;
  if (at == MISTAKES) at--;
  for (; at > 0 && findings->mistake[at - 1].margin < mistake.margin; at--)
    findings->mistake[at] = findings->mistake[at - 1];
  findings->mistake[at] = mistake;
  if (findings->mistakes < MISTAKES) findings->mistakes++;
}

static void add_batch(Findings *findings, const ImageBatch *batch) {
  int32_t classes = findings->confusion.classes;
  for (int64_t i = 0; i < batch->count; i++) {
    const float *logits = findings->logits + i * classes;
    int32_t taken = 0, label = batch->classes[i];
    for (int32_t k = 1; k < classes; k++)
      if (logits[k] > logits[taken]) taken = k;
    findings->confusion.count[(int64_t)label * classes + taken]++;
    if (taken != label)
      add_mistake(findings, (Mistake){batch->samples[i], label, taken, logits[taken] - logits[label]});
  }
}

static simba_status predict(Findings *findings, DataStream *stream, simba_error *error) {
  const Examination *examination = findings->examination;
  int64_t total = stream->samples;
  data_stream_start(stream, 0, 0);
  for (int64_t done = 0; done < total;) {
    DataBatch batch;
    simba_status status = data_stream_next(stream, &batch, error);
    if (status != SIMBA_OK) return status;
    status = simba_model_infer(findings->model, batch.count, batch.inputs, findings->output);
    if (status != SIMBA_OK) return error_set(error, status, "%s", simba_model_message(findings->model));
    add_batch(findings, &((const ImageStream *)stream)->batch);
    done += batch.count;
    if (examination->progress && !examination->progress(examination->context, done, total))
      return error_set(error, SIMBA_INTERRUPTED, "interrupted");
  }
  return SIMBA_OK;
}

/* ---- Showing ---- */

static int64_t right_ones(const Confusion *confusion) {
  int64_t right = 0;
  for (int32_t k = 0; k < confusion->classes; k++) right += confusion->count[(int64_t)k * confusion->classes + k];
  return right;
}

/* The class with the least share told right that is not `shown` yet; -1 at the end. */
static int32_t worst_class(const Confusion *confusion, const bool *shown) {
  int32_t worst = -1;
  for (int32_t k = 0; k < confusion->classes; k++) {
    if (shown[k] || confusion_images(confusion, k) == 0) continue;
    if (worst < 0 || confusion_recall(confusion, k) < confusion_recall(confusion, worst)) worst = k;
  }
  return worst;
}

static int32_t most_taken_for(const Confusion *confusion, int32_t label) {
  const int64_t *row = confusion->count + (int64_t)label * confusion->classes;
  int32_t most = -1;
  for (int32_t k = 0; k < confusion->classes; k++)
    if (k != label && row[k] > 0 && (most < 0 || row[k] > row[most])) most = k;
  return most;
}

static void print_classes(const Findings *findings, Text *out) {
  const Confusion *confusion = &findings->confusion;
  bool *shown = ARENA_ARRAY(out->arena, bool, (size_t)confusion->classes);
  int32_t lines = 0, label;
  text_print(out, "  by class, the least accurate first:\n");
  while (lines++ < LISTED_CLASSES && (label = worst_class(confusion, shown)) >= 0) {
    shown[label] = true;
    text_print(out, "    %6.2f %%  %s", 100 * confusion_recall(confusion, label), confusion->name[label]);
    int32_t other = most_taken_for(confusion, label);
    if (other >= 0)
      text_print(out, " (%lld taken for %s)", (long long)confusion->count[(int64_t)label * confusion->classes + other],
                 confusion->name[other]);
    text_puts(out, "\n");
  }
  if (worst_class(confusion, shown) >= 0)
    text_print(out, "    and %d classes more\n", confusion->classes - LISTED_CLASSES);
}

static void print_mistakes(const Findings *findings, Text *out) {
  if (findings->mistakes) text_puts(out, "  the surest mistakes:\n");
  for (int32_t k = 0; k < findings->mistakes && k < LISTED_MISTAKES; k++) {
    const Mistake *mistake = &findings->mistake[k];
    char place[512];
    image_set_source(findings->source->set, findings->examination->split, mistake->sample, place, sizeof place);
    text_print(out, "    %s: %s taken for %s\n", place, findings->confusion.name[mistake->label],
               findings->confusion.name[mistake->taken]);
  }
}

static void add_members(const Findings *findings, cJSON *object) {
  const Confusion *confusion = &findings->confusion;
  cJSON *classes = cJSON_AddArrayToObject(object, "classes");
  cJSON *matrix = confusion->classes <= MOST_IN_JSON ? cJSON_AddArrayToObject(object, "confusion") : NULL;
  for (int32_t k = 0; k < confusion->classes; k++) {
    cJSON *class = cJSON_CreateObject();
    cJSON_AddStringToObject(class, "name", confusion->name[k]);
    cJSON_AddNumberToObject(class, "images", (double)confusion_images(confusion, k));
    if (confusion_images(confusion, k))
      cJSON_AddNumberToObject(class, "accuracy", confusion_recall(confusion, k));
    else
      cJSON_AddNullToObject(class, "accuracy");
    cJSON_AddItemToArray(classes, class);
    if (!matrix) continue;
    cJSON *row = cJSON_CreateArray();
    for (int32_t j = 0; j < confusion->classes; j++)
      cJSON_AddItemToArray(row, cJSON_CreateNumber((double)confusion->count[(int64_t)k * confusion->classes + j]));
    cJSON_AddItemToArray(matrix, row);
  }
}

static simba_status draw_mistakes(const Findings *findings, simba_error *error) {
  const ImageAugmentation *input = &findings->source->options.augmentation;
  size_t size = (size_t)input->channels * (size_t)input->height * (size_t)input->width;
  if (findings->mistakes == 0)
    return error_set(error, SIMBA_INVALID_ARGUMENT, "there are no mistakes to show: every image was told right");
  int64_t samples[MISTAKES];
  for (int32_t k = 0; k < findings->mistakes; k++) samples[k] = findings->mistake[k].sample;
  float *images = memory_allocate_aligned((size_t)findings->mistakes * size + 16, sizeof *images);
  if (!images) return error_set_memory(error, "a picture");
  DataSource *data = (DataSource *)&findings->source->base;
  simba_status status =
      data->kind->gather(data, findings->examination->split, samples, findings->mistakes, &images, error);
  const ImageBatch batch = {.count = findings->mistakes, .images = images};
  if (status == SIMBA_OK)
    status = image_batch_sheet(&batch, input, SHEET_COLUMNS, findings->examination->mistakes, error);
  free(images);
  return status;
}

static simba_status draw_confusion(const Findings *findings, simba_error *error) {
  char title[200];
  int64_t images = 0;
  for (int32_t k = 0; k < findings->confusion.classes; k++) images += confusion_images(&findings->confusion, k);
  snprintf(title, sizeof title, "%.80s: %.2f %% of %lld images told right (%s)", findings->model->model->name,
           100 * (double)right_ones(&findings->confusion) / (double)images, (long long)images,
           data_split_name(findings->examination->split));
  return confusion_draw(&findings->confusion, title, findings->examination->picture, error);
}

/* ---- All together ---- */

/* The model may tell more classes apart than the data has. */
static bool allocate(Findings *findings, Arena *arena, int64_t batch) {
  Confusion *confusion = &findings->confusion;
  size_t classes = (size_t)confusion->classes;
  const char **names = ARENA_ARRAY(arena, const char *, classes);
  for (int32_t k = 0; k < confusion->classes; k++)
    names[k] = k < image_set_class_count(findings->source->set) ? image_set_class_name(findings->source->set, k)
                                                                : arena_format(arena, "%d", k);
  confusion->name = names;
  confusion->count = memory_allocate_aligned(classes * classes, sizeof *confusion->count);
  findings->logits = memory_allocate_aligned((size_t)batch * classes + 16, sizeof(float));
  findings->output = memory_allocate_aligned(simba_model_count(findings->model, SIMBA_OUTPUT) + 1, sizeof(float *));
  if (!confusion->count || !findings->logits || !findings->output) return false;
  findings->output[findings->source->output] = findings->logits;
  return true;
}

static simba_status show(const Findings *findings, Text *out_lines, cJSON *object, simba_error *error) {
  print_classes(findings, out_lines);
  print_mistakes(findings, out_lines);
  if (object) add_members(findings, object);
  simba_status status = SIMBA_OK;
  if (findings->examination->picture) status = draw_confusion(findings, error);
  if (status == SIMBA_OK && findings->examination->mistakes) status = draw_mistakes(findings, error);
  return status;
}

simba_status image_source_examine(DataSource *data, simba_model *model, const Examination *examination, Text *out_lines,
                                  cJSON *object, simba_error *error) {
  Findings findings = {.source = (const ImageSource *)data, .model = model, .examination = examination};
  if (findings.source->output >= simba_model_count(model, SIMBA_OUTPUT)) {
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "no output of the model has the shape of the labels: there is no "
                     "telling which class it takes an image for");
  }
  int64_t total = data->kind->count(data, examination->split);
  const StreamOptions options = {.split = examination->split,
                                 .batch = examination->batch < total ? examination->batch : total};
  findings.confusion.classes = findings.source->options.classes;
  DataStream *stream = NULL;
  simba_status status = allocate(&findings, out_lines->arena, options.batch)
                            ? data_stream_open(data, &options, &stream, error)
                            : error_set_memory(error, "predictions");
  if (status == SIMBA_OK) status = predict(&findings, stream, error);
  if (status == SIMBA_OK) status = show(&findings, out_lines, object, error);
  data_stream_close(stream);
  free(findings.confusion.count);
  free(findings.logits);
  free(findings.output);
  return status;
}
