#include "data_source.h"

#include <string.h>

simba_status data_open(const DataRequest *request, DataSource **out_data, simba_error *error) {
  const DataKind *kind = request->recipe->data == DATA_IMAGES ? &images_kind : &series_kind;
  return kind->open(request, out_data, error);
}

void data_close(DataSource *data) {
  if (data) data->kind->close(data);
}

simba_status data_stream_open(DataSource *data, const StreamOptions *options, DataStream **out_stream,
                              simba_error *error) {
  return data->kind->open_stream(data, options, out_stream, error);
}

void data_stream_start(DataStream *stream, int64_t epoch, int64_t first_batch) {
  stream->data->kind->start(stream, epoch, first_batch);
}

simba_status data_stream_next(DataStream *stream, DataBatch *out_batch, simba_error *error) {
  return stream->data->kind->next(stream, out_batch, error);
}

void data_stream_close(DataStream *stream) {
  if (stream) stream->data->kind->close_stream(stream);
}

int32_t data_find_tensor(const ModelTensor *tensors, uint32_t count, const char *name) {
  for (uint32_t k = 0; k < count; k++) {
    if (!strcmp(tensors[k].declared, name) || !strcmp(tensors[k].name, name)) return (int32_t)k;
  }
  return -1;
}
