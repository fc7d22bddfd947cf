/* FNV-1a, 64 bits: tells runs and models apart; no protection against malice. */
#ifndef SIMBAC_DRIVER_FINGERPRINT_H
#define SIMBAC_DRIVER_FINGERPRINT_H

#include "compiler.h"

#define FINGERPRINT_START UINT64_C(0xcbf29ce484222325)

uint64_t fingerprint_bytes(uint64_t hash, const void *bytes, size_t size);
uint64_t fingerprint_text(uint64_t hash, const char *text);
/* Of a model's graph and its settings. */
uint64_t fingerprint_model(Compiler *compiler, const Model *model);

#endif
