/* Python's pickles, protocols 2 to 5, read as data. A pickle is a program for a small stack machine that may name any
 * function of Python and have it called. Here nothing is ever called: a name that is not on the caller's list ends the
 * reading, and calling one that is makes a value that says so. Neither is anything believed: every operand is checked
 * against the bytes that are there, and what a pickle may make is bounded.
 *
 * Errors are "file: entry byte 17: what was found". */
#ifndef SIMBA_PICKLE_H
#define SIMBA_PICKLE_H

#include "status.h"

typedef enum PickleKind {
  PICKLE_NONE,
  PICKLE_BOOLEAN,    /* integer is 0 or 1 */
  PICKLE_INTEGER,    /* that fits into 64 bits */
  PICKLE_REAL,       /* its value is not kept */
  PICKLE_BYTES,      /* bytes and whole numbers of more than 64 bits; not kept */
  PICKLE_TEXT,       /* text[0 .. count), in the pickle's bytes, may hold any */
  PICKLE_TUPLE,      /* item[0 .. count) */
  PICKLE_LIST,       /* likewise */
  PICKLE_SET,        /* likewise */
  PICKLE_DICT,       /* item[0 .. count): key, value, key, value, ... */
  PICKLE_GLOBAL,     /* global */
  PICKLE_CALL,       /* item[0] is what would be called, item[1] the tuple of its arguments */
  PICKLE_PERSISTENT, /* item[0]: what the file around the pickle gives a meaning to */
  PICKLE_KIND_COUNT
} PickleKind;

enum { PICKLE_MAX_BYTES = 1 << 26 };

/* A name that pickles may use. */
typedef struct PickleGlobal {
  const char *module, *name;
  bool makes_dict; /* calling it makes a dict: a PICKLE_DICT in place of a PICKLE_CALL */
  int role, type;  /* the caller's own */
} PickleGlobal;

typedef uint32_t PickleId;

/* Values may be parts of several others, and of themselves. */
typedef struct PickleValue {
  PickleKind kind;
  uint32_t count, capacity;
  uint32_t offset; /* the byte of the pickle that made it */
  union {
    int64_t integer;
    const char *text;
    PickleId *item;
    const PickleGlobal *global;
  };
} PickleValue;

typedef struct PickleSource {
  const char *path, *entry; /* for messages */
  const char *bytes;
  size_t size;  /* at most PICKLE_MAX_BYTES */
  size_t begin; /* where in `bytes` the pickle begins; offsets count from bytes[0] */
  const PickleGlobal *global;
  size_t global_count;
} PickleSource;

typedef struct Pickle {
  PickleValue *value;
  uint32_t count, capacity;
  PickleId root;
  size_t end; /* behind the pickle's last byte */
} Pickle;

/* What is made refers to the source's bytes. */
simba_status pickle_parse(const PickleSource *source, Pickle **out_pickle, simba_error *error);
void pickle_free(Pickle *pickle); /* takes NULL */

static inline const PickleValue *pickle_value(const Pickle *pickle, PickleId id) { return &pickle->value[id]; }
/* Whether it is this text. */
bool pickle_is_text(const PickleValue *value, const char *text);
/* Text as part of a message: what is no printable ASCII becomes '?', and what is too long ends. */
enum { PICKLE_PRINTABLE_SIZE = 96 };
void pickle_printable(const char *text, size_t length, char out[PICKLE_PRINTABLE_SIZE]);
/* "a dict", "a tuple": for messages. */
const char *pickle_kind_name(PickleKind kind);

#endif
