/* What a model learns from: samples in three splits, in batches as the model's inputs and targets want them. A kind of
 * data (windows of a series, images with classes) is a table of functions; training, evaluation and the commands know
 * no more of it than this.
 *
 *   data_open(&request, &data, &error);          reads the files
 *   data->kind->follow(...);                     static parameters of the model that follow the data
 *   data->kind->bind(data, path, model, &error); which input and target hold what; SIMBA_DATA_ERROR where it does not fit
 *   data_stream_open(data, &options, &stream, &error);
 *   data_stream_start(stream, epoch, first_batch);
 *   while (!(status = data_stream_next(stream, &batch, &error)) && batch.count) ...
 *   data_stream_close(stream);  data_close(data);
 *
 * What a batch holds is a function of (data, options, epoch, number of the batch): a run that goes on in the middle of
 * an epoch sees the same bits. */
#ifndef SIMBAC_DRIVER_DATA_SOURCE_H
#define SIMBAC_DRIVER_DATA_SOURCE_H

#include "handle.h"
#include "runtime/safetensors.h"
#include "runtime/split.h"

struct cJSON;

typedef struct DataKind DataKind;

/* The beginning of each kind's own. */
typedef struct DataSource {
  const DataKind *kind;
  const char *path;
} DataSource;

typedef struct StreamOptions {
  DataSplit split;
  bool training; /* shuffled by the seed and the epoch, and augmented; else in order */
  int64_t batch; /* at most the samples of the split */
  uint64_t seed;
} StreamOptions;

typedef struct DataStream {
  DataSource *data;
  StreamOptions options;
  int64_t batches, samples; /* of an epoch */
} DataStream;

/* Valid until the stream's next batch. */
typedef struct DataBatch {
  int64_t count;                               /* of samples; 0: the epoch has ended */
  const float *const *inputs, *const *targets; /* in the model's order */
} DataBatch;

typedef struct DataRequest {
  const char *path;       /* NULL: the kind's default */
  const char *label_maps; /* a folder; NULL: none */
  const Recipe *recipe;
} DataRequest;

typedef bool DataProgress(void *context, int64_t done, int64_t total);

/* What eval shows beside loss and metrics. */
typedef struct Examination {
  DataSplit split;
  int64_t batch;
  const char *picture;  /* PNG or SVG; NULL: none */
  const char *mistakes; /* PNG of the worst mistakes; NULL: none */
  DataProgress *progress;
  void *context;
} Examination;

enum { DATA_MAX_FOLLOWED = 4, DATA_MAX_METADATA = 4 };

struct DataKind {
  const char *samples; /* "windows" */
  simba_status (*open)(const DataRequest *request, DataSource **out_data, simba_error *error);
  void (*close)(DataSource *data);
  uint32_t (*follow)(const DataSource *data, const Recipe *recipe, Arena *arena,
                     simba_setting out_settings[DATA_MAX_FOLLOWED]);
  /* `model` outlives the data. */
  simba_status (*bind)(DataSource *data, const char *model_path, const Model *model, simba_error *error);
  int64_t (*count)(const DataSource *data, DataSplit split);
  simba_status (*open_stream)(DataSource *data, const StreamOptions *options, DataStream **out_stream,
                              simba_error *error);
  void (*start)(DataStream *stream, int64_t epoch, int64_t first_batch);
  simba_status (*next)(DataStream *stream, DataBatch *out_batch, simba_error *error);
  void (*close_stream)(DataStream *stream);
  /* Samples as evaluation sees them into a buffer for each of the model's inputs. */
  simba_status (*gather)(DataSource *data, DataSplit split, const int64_t *samples, int64_t count,
                         float *const *out_inputs, simba_error *error);
  /* Of what decides a training run's numbers. */
  uint64_t (*fingerprint)(DataSource *data);
  /* For the metadata of weights files; returns how many. */
  uint32_t (*metadata)(const DataSource *data, Arena *arena, TensorMetadata out_metadata[DATA_MAX_METADATA]);
  /* Warnings and what there is, for the user: whole lines. */
  void (*describe)(const DataSource *data, Text *out);
  /* What came up while the data were read, for the user: whole lines. */
  void (*remark)(const DataSource *data, Text *out);
  /* Lines, or members of the object where one is given; pictures. */
  simba_status (*examine)(DataSource *data, simba_model *model, const Examination *examination, Text *out_lines,
                          struct cJSON *object, simba_error *error);
};

extern const DataKind series_kind, images_kind;

/* The kind is the recipe's. */
simba_status data_open(const DataRequest *request, DataSource **out_data, simba_error *error);
void data_close(DataSource *data); /* takes NULL */

simba_status data_stream_open(DataSource *data, const StreamOptions *options, DataStream **out_stream,
                              simba_error *error);
void data_stream_start(DataStream *stream, int64_t epoch, int64_t first_batch);
simba_status data_stream_next(DataStream *stream, DataBatch *out_batch, simba_error *error);
void data_stream_close(DataStream *stream); /* takes NULL */

/* Which of the tensors has this name, in the text or in files; -1: none. */
int32_t data_find_tensor(const ModelTensor *tensors, uint32_t count, const char *name);

#endif
