/* The standard library's source texts, built into the binary. Ends with a row of NULLs. */
#ifndef SIMBAC_FRONTEND_LIBRARY_TEXT_H
#define SIMBAC_FRONTEND_LIBRARY_TEXT_H

typedef struct LibraryText {
  const char *name, *text;
} LibraryText;

extern const LibraryText library_texts[];

#endif
