/* The closed set of tensor ops, read out of ops.def. */
#ifndef SIMBAC_IR_OPS_H
#define SIMBAC_IR_OPS_H

#include "shape.h"

#include <stdint.h>

typedef enum OpCode {
  OP_NONE,
#define OP(code, ...) OP_##code,
#include "ops.def"
#undef OP
  OP_COUNT
} OpCode;

typedef enum AttributeKind {
  ATTRIBUTE_NONE,
  ATTRIBUTE_INTEGER,
  ATTRIBUTE_REAL,
  ATTRIBUTE_TEXT,
  ATTRIBUTE_INTEGERS,
  ATTRIBUTE_DIMS
} AttributeKind;

enum { OP_MAX_ATTRIBUTES = 5, OPERANDS_ANY = 255 };

/* How an op becomes code: a kernel family, or none. */
typedef enum LoweringKind {
  LOWER_LEAF,     /* a buffer, or a value known to every kernel */
  LOWER_VIEW,     /* another way to address its operand */
  LOWER_MAP,      /* elementwise with broadcast and reductions */
  LOWER_CONTRACT, /* Einstein product */
  LOWER_SCAN,     /* recurrence */
  LOWER_SPECTRAL, /* Fourier transform */
  LOWER_HOST      /* evaluated on the host when weights are initialised, never compiled */
} LoweringKind;

typedef struct AttributeSpec {
  const char *name;
  AttributeKind kind;
} AttributeSpec;

typedef struct OpInfo {
  const char *name, *doc;
  LoweringKind lowering;
  uint8_t operands_min, operands_max; /* OPERANDS_ANY: no upper bound */
  uint8_t attribute_count;
  AttributeSpec attribute[OP_MAX_ATTRIBUTES];
} OpInfo;

const OpInfo *op_info(OpCode op);
/* OP_NONE where there is none of that name. */
OpCode op_by_name(const char *name);
const char *lowering_name(LoweringKind kind); /* "map", "contract", ... */
bool op_is_elementwise(OpCode op);            /* result and operands share one shape */

/* The reference of all ops in Markdown, one entry a row of ops.def; docs/ir.md holds it. */
void ops_describe(Text *out);

/* Attribute slots, as ordered in ops.def. */
/* clang-format off */
enum {
  LEAF_NAME = 0, LEAF_SHAPE = 1,
  RANDOM_STREAM = 0, RANDOM_SHAPE = 1,
  CONSTANT_VALUE = 0,
  EXTENT_DIM = 0, /* index, extent */
  BROADCAST_SHAPE = 0, BROADCAST_AXES = 1,
  RESHAPE_SHAPE = 0,
  PERMUTE_AXES = 0,
  SLICE_AXIS = 0, SLICE_START = 1, SLICE_SIZE = 2,
  REVERSE_AXIS = 0,
  WINDOW_AXIS = 0, WINDOW_SIZE = 1, WINDOW_STRIDE = 2,
  UNWINDOW_AXIS = 0, UNWINDOW_EXTENT = 1, UNWINDOW_STRIDE = 2,
  PAD_AXIS = 0, PAD_LOW = 1, PAD_HIGH = 2,
  CONCAT_AXIS = 0,
  DELAY_AXIS = 0, DELAY_REVERSE = 1,
  REDUCE_AXES = 0,
  CONTRACT_LABELS = 0,
  SCAN_AXIS = 0, SCAN_REVERSE = 1, SCAN_LATE = 2,
  RESCAN_AXIS = 0, RESCAN_REVERSE = 1, RESCAN_STEPS = 2, RESCAN_LAST = 3,
  /* beside those of scan and rescan */ SCAN_PART_PART = 3, RESCAN_PART_PART = 4,
  /* the same of both */ CHECKPOINT_AXIS = 0, CHECKPOINT_REVERSE = 1, CHECKPOINT_STEPS = 2, CHECKPOINT_LAST = 3,
  DFT_AXES = 0, DFT_INVERSE = 1, DFT_FORM = 2, DFT_SCALE = 3, DFT_EXTENT = 4
};
/* clang-format on */

/* Operands of scan_part and rescan_part; INITIAL: of a rescan_part the checkpoints. */
enum { PART_DECAY = 0, PART_INPUT = 2, PART_INITIAL = 4 };

enum {
  DFT_COMPLEX = 0,
  DFT_REAL_TO_COMPLEX = 1,
  DFT_COMPLEX_TO_REAL = 2,
  DFT_REAL_TO_HALF = 3,
  DFT_HALF_TO_REAL = 4,
  DFT_FORM_COUNT = 5
};

/* Complex parts on each side of a transform. */
static inline int dft_parts_in(int64_t form) { return form == DFT_REAL_TO_COMPLEX || form == DFT_REAL_TO_HALF ? 1 : 2; }
static inline int dft_parts_out(int64_t form) {
  return form == DFT_COMPLEX_TO_REAL || form == DFT_HALF_TO_REAL ? 1 : 2;
}
/* Rows of one part on each side of a transform of `extent` samples. */
static inline int64_t dft_rows_in(int64_t form, int64_t extent) {
  return form == DFT_HALF_TO_REAL ? extent / 2 + 1 : extent;
}
static inline int64_t dft_rows_out(int64_t form, int64_t extent) {
  return form == DFT_REAL_TO_HALF ? extent / 2 + 1 : extent;
}

#endif
