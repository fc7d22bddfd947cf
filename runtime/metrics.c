#include "metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "file.h"

/* ---- Writing ---- */

/* NULL where memory is exhausted; cJSON_free() it. cJSON writes NaN and infinities as null. */
static char *line_text(const MetricLine *line) {
  cJSON *object = cJSON_CreateObject();
  bool complete = object && cJSON_AddNumberToObject(object, "step", (double)line->step) &&
                  cJSON_AddNumberToObject(object, "epoch", (double)line->epoch) &&
                  cJSON_AddStringToObject(object, "split", line->split);
  for (int32_t i = 0; complete && i < line->count; i++)
    complete = cJSON_AddNumberToObject(object, line->value[i].name, line->value[i].value) != NULL;
  char *text = complete ? cJSON_PrintUnformatted(object) : NULL;
  cJSON_Delete(object);
  return text;
}

/* One write for line and newline. A full disk may tear it: then the torn part is cut off again. */
static int append_bytes(const char *path, const char *bytes, size_t size) {
  int descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) return errno;
  struct stat before;
  int failure = fstat(descriptor, &before) ? errno : 0;
  if (!failure) {
    ssize_t written;
    do written = write(descriptor, bytes, size);
    while (written < 0 && errno == EINTR);
    if (written < 0) failure = errno;
    if (written >= 0 && (size_t)written < size)
      failure = S_ISREG(before.st_mode) && ftruncate(descriptor, before.st_size) ? errno : ENOSPC;
  }
  if (close(descriptor) && !failure) failure = errno;
  return failure;
}

simba_status metrics_append(const char *path, const MetricLine *line, simba_error *error) {
  if (line->count < 0 || line->count > METRICS_MAX_VALUES)
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: %d values in a line: at most %d", path, line->count,
                     METRICS_MAX_VALUES);
  char *text = line_text(line);
  if (!text) return error_set_memory(error, path);
  /* The newline takes the place of the 0 byte. */
  size_t length = strlen(text);
  text[length] = '\n';
  int failure = append_bytes(path, text, length + 1);
  cJSON_free(text);
  return failure ? error_set_system(error, path, "write", failure) : SIMBA_OK;
}

simba_status metrics_sync(const char *path, simba_error *error) {
  int descriptor = open(path, O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return errno == ENOENT ? SIMBA_OK : error_set_system(error, path, "open", errno);
  int failure = fsync(descriptor) && errno != EINVAL ? errno : 0; /* EINVAL: a device or pipe */
  close(descriptor);
  return failure ? error_set_system(error, path, "sync", failure) : SIMBA_OK;
}

/* ---- Reading ---- */

/* Takes the line out of its JSON; names point into `object`. */
static bool line_read(const cJSON *object, MetricLine *out_line) {
  const cJSON *step = cJSON_GetObjectItemCaseSensitive(object, "step");
  const cJSON *epoch = cJSON_GetObjectItemCaseSensitive(object, "epoch");
  const cJSON *split = cJSON_GetObjectItemCaseSensitive(object, "split"), *item;
  if (!cJSON_IsNumber(step) || !cJSON_IsNumber(epoch) || !cJSON_IsString(split)) return false;
  if (!(fabs(step->valuedouble) < 0x1p53) || !(fabs(epoch->valuedouble) < 0x1p53)) return false;
  *out_line = (MetricLine){
      .step = (int64_t)step->valuedouble, .epoch = (int64_t)epoch->valuedouble, .split = split->valuestring};
  cJSON_ArrayForEach(item, object) {
    if (item == step || item == epoch || item == split) continue;
    if ((!cJSON_IsNumber(item) && !cJSON_IsNull(item)) || out_line->count == METRICS_MAX_VALUES) return false;
    out_line->value[out_line->count++] = (MetricValue){item->string, cJSON_IsNull(item) ? NAN : item->valuedouble};
  }
  return true;
}

/* Reads the line of `length` bytes. NULL where it is none; the line lives until cJSON_Delete. */
static cJSON *line_parse(const char *text, size_t length, MetricLine *out_line) {
  cJSON *object = cJSON_ParseWithLength(text, length);
  if (cJSON_IsObject(object) && line_read(object, out_line)) return object;
  cJSON_Delete(object);
  return NULL;
}

simba_status metrics_read(const char *path, void (*visit)(void *context, const MetricLine *line), void *context,
                          simba_error *error) {
  char *bytes;
  size_t size;
  simba_status status = file_read(path, &bytes, &size, error);
  if (status) return status;
  long long number = 0;
  for (const char *at = bytes, *end = bytes + size; at < end && !status;) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    if (!newline) break; /* torn: still being written, or the run was killed while writing it */
    number++;
    MetricLine line;
    cJSON *object = line_parse(at, (size_t)(newline - at), &line);
    if (object)
      visit(context, &line);
    else
      status = error_set(error, SIMBA_DATA_ERROR, "%s:%lld: not a line of metrics", path, number);
    cJSON_Delete(object);
    at = newline + 1;
  }
  free(bytes);
  return status;
}

/* Moves the lines to keep to the front of `bytes`; returns their size, or SIZE_MAX and the number of a bad line. */
static size_t keep_lines(char *bytes, size_t size, int64_t step, int64_t epochs, long long *out_bad) {
  char *to = bytes;
  long long number = 0;
  for (const char *at = bytes, *end = bytes + size; at < end;) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    if (!newline) break;
    size_t length = (size_t)(newline - at);
    MetricLine line;
    number++;
    cJSON *object = line_parse(at, length, &line);
    if (!object) {
      *out_bad = number;
      return SIZE_MAX;
    }
    bool keep = line.step <= step && (strcmp(line.split, "val") != 0 || line.epoch < epochs);
    cJSON_Delete(object);
    if (keep) {
      memmove(to, at, length + 1);
      to += length + 1;
    }
    at = newline + 1;
  }
  return (size_t)(to - bytes);
}

simba_status metrics_cut(const char *path, int64_t step, int64_t epochs, simba_error *error) {
  if (access(path, F_OK) && errno == ENOENT) return SIMBA_OK;
  char *bytes;
  size_t size;
  simba_status status = file_read(path, &bytes, &size, error);
  if (status) return status;
  long long bad = 0;
  size_t kept = keep_lines(bytes, size, step, epochs, &bad);
  if (kept == SIZE_MAX)
    status = error_set(error, SIMBA_DATA_ERROR, "%s:%lld: not a line of metrics", path, bad);
  else if (kept != size)
    status = file_write(path, bytes, kept, error);
  free(bytes);
  return status;
}

/* ---- Estimates ---- */

Estimate progress_estimate(int64_t skipped, int64_t done, int64_t total, double seconds) {
  Estimate estimate = {.rate = 0, .seconds_left = -1};
  if (done <= skipped || !(seconds > 0)) return estimate;
  estimate.rate = (double)(done - skipped) / seconds;
  estimate.seconds_left = done < total ? (double)(total - done) / estimate.rate : 0;
  return estimate;
}

void duration_text(double seconds, char *out, size_t size) {
  if (!(seconds >= 0 && seconds < 1e9)) {
    snprintf(out, size, "?");
    return;
  }
  long long whole = (long long)(seconds + 0.5);
  if (whole < 60)
    snprintf(out, size, "%lld s", whole);
  else if (whole < 3600)
    snprintf(out, size, "%lld min %02lld s", whole / 60, whole % 60);
  else
    snprintf(out, size, "%lld h %02lld min", whole / 3600, whole % 3600 / 60);
}
