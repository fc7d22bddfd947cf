/* The standard library's source texts, built into the binary. */
#ifndef SIMBAC_FRONTEND_LIBRARY_TEXT_H
#define SIMBAC_FRONTEND_LIBRARY_TEXT_H

#include "embedded_text.h"

extern const EmbeddedText library_texts[];

#endif
