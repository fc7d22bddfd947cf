#include "fingerprint.h"

#include <string.h>

uint64_t fingerprint_bytes(uint64_t hash, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  for (size_t k = 0; k < size; k++) hash = (hash ^ at[k]) * UINT64_C(0x100000001b3);
  return hash;
}

uint64_t fingerprint_text(uint64_t hash, const char *text) { return fingerprint_bytes(hash, text, strlen(text) + 1); }

uint64_t fingerprint_model(Compiler *compiler, const Model *model) {
  Text text = text_begin(compiler->arena);
  graph_print(model->graph, &text);
  graph_print(model->initial, &text);
  uint64_t hash = fingerprint_bytes(FINGERPRINT_START, text.data, text.length);
  for (uint32_t k = 0; k < model->setting_count; k++) {
    hash = fingerprint_text(fingerprint_text(hash, model->setting[k].name), model->setting[k].text);
  }
  return hash;
}
