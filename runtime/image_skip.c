/* Images found corrupt, by any thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image_set_internal.h"

simba_status skip_list_create(int64_t count, SkipList **out_list, simba_error *error) {
  SkipList *list = calloc(1, sizeof *list);
  bool *corrupt = list ? calloc((size_t)count, sizeof *corrupt) : NULL;
  if (!corrupt) {
    free(list);
    return error_set_memory(error, "the list of corrupt images");
  }
  pthread_mutex_init(&list->lock, NULL);
  list->corrupt = corrupt;
  *out_list = list;
  return SIMBA_OK;
}

void skip_list_destroy(SkipList *list) {
  if (!list) return;
  for (int64_t i = 0; i < list->count; i++) free(list->message[i]);
  free(list->message);
  free(list->corrupt);
  pthread_mutex_destroy(&list->lock);
  free(list);
}

bool skip_list_has(SkipList *list, int64_t image) {
  pthread_mutex_lock(&list->lock);
  bool has = list->corrupt[image];
  pthread_mutex_unlock(&list->lock);
  return has;
}

static simba_status add(SkipList *list, int64_t image, const char *message, simba_error *error) {
  if (list->corrupt[image]) return SIMBA_OK;
  if (list->count == list->capacity) {
    int64_t capacity = list->capacity ? 2 * list->capacity : 16;
    char **larger = realloc(list->message, (size_t)capacity * sizeof *larger);
    if (!larger) return error_set_memory(error, "the list of corrupt images");
    list->message = larger;
    list->capacity = capacity;
  }
  list->message[list->count] = text_copy(message);
  if (!list->message[list->count]) return error_set_memory(error, "the list of corrupt images");
  list->count++;
  list->corrupt[image] = true;
  return SIMBA_OK;
}

simba_status skip_list_add(SkipList *list, int64_t image, const char *message, simba_error *error) {
  char copy[SIMBA_MESSAGE_SIZE]; /* the message may be the error's own */
  snprintf(copy, sizeof copy, "%s", message);
  pthread_mutex_lock(&list->lock);
  simba_status status = add(list, image, copy, error);
  pthread_mutex_unlock(&list->lock);
  return status;
}

int64_t image_set_skipped_count(const ImageSet *set) {
  if (!set->skipped) return 0;
  pthread_mutex_lock(&set->skipped->lock);
  int64_t count = set->skipped->count;
  pthread_mutex_unlock(&set->skipped->lock);
  return count;
}

void image_set_skipped(const ImageSet *set, int64_t i, char *out_text, size_t size) {
  pthread_mutex_lock(&set->skipped->lock);
  snprintf(out_text, size, "%s", set->skipped->message[i]);
  pthread_mutex_unlock(&set->skipped->lock);
}
