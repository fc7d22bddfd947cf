/* A file's text built into the binary by embed.cmake. Tables of them end with a row of NULLs. */
#ifndef SIMBAC_FRONTEND_EMBEDDED_TEXT_H
#define SIMBAC_FRONTEND_EMBEDDED_TEXT_H

typedef struct EmbeddedText {
  const char *name, *text;
} EmbeddedText;

#endif
