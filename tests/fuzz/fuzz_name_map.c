/* Any bytes as a name map, behind the names that it is applied to (a line each, up to an empty one): refused with a
 * place, or every name is dropped or becomes one that is not too long. */
#include <stdlib.h>
#include <string.h>

#include "runtime/name_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void apply(NameMap *map, const char *name) {
  char buffer[NAME_MAX_LENGTH + 1];
  const char *out;
  simba_error error = {0};
  if (name_map_apply(map, name, buffer, &out, &error)) {
    if (error.message[0] == 0) abort();
  } else if (out && strlen(out) > NAME_MAX_LENGTH) {
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char *text = malloc(size + 1);
  memcpy(text, bytes, size);
  text[size] = 0;
  char *end = strstr(text, "\n\n"), *rules = end ? end + 2 : text + size;
  NameMap *map = NULL;
  simba_error error = {0};
  if (name_map_parse("m", rules, size - (size_t)(rules - text), &map, &error)) {
    if (map || strncmp(error.message, "m:", 2) != 0) abort();
  } else if (end) {
    *end = 0;
    char *rest = NULL;
    for (char *name = strtok_r(text, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest)) apply(map, name);
  }
  name_map_free(map);
  free(text);
  return 0;
}
