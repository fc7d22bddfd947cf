/* How a CONTRACT kernel is tiled: which axis lies along the vector lanes, which one fills the rows of a register tile,
 * what is blocked and packed. A pure function of the kernel and the target, so that work, code and bits agree. */
#ifndef SIMBAC_CODEGEN_CONTRACT_PLAN_H
#define SIMBAC_CODEGEN_CONTRACT_PLAN_H

#include "emit.h"

enum { NO_AXIS = -1, CONTRACT_MAX_SIZES = 6 };

/* How the left operand's block is read: where it is, or from a copy in scratch that several panels share. What is read
 * one behind the other lies so in a copy: a tile meets few pages, and lines in different sets of the caches. */
typedef enum LeftForm {
  LEFT_IN_PLACE,
  LEFT_ROWS,  /* [row][term] */
  LEFT_STRIPS /* [strip][term][STRIP_TILES tiles' rows] */
} LeftForm;

enum { STRIP_TILES = 2 };

/* Row counts of the tiles that a block is cut into, in this order, as many of each as fit. */
typedef struct TileHeights {
  uint32_t count;
  int rows[CONTRACT_MAX_SIZES];
} TileHeights;

typedef struct ContractPlan {
  Kernel kernel; /* the kernel with axes merged where every access allows; a merged axis stays behind with extent 1 */
  const Access *left, *right; /* right varies along the vector axis: the operands are exchanged if need be */
  int vector_axis, row_axis;  /* NO_AXIS: none */
  uint32_t item_count;        /* the PARALLEL axes that are neither, outermost first */
  int item_axis[KERNEL_MAX_AXES];
  uint32_t reduced_count;
  int reduced_axis[KERNEL_MAX_AXES];
  int lanes, vectors, rows; /* a tile is rows x (vectors * lanes) */
  int64_t block_rows;       /* rows of one item: some tiles one below the other, which share a packed panel */
  int64_t panel;            /* columns of a packed panel: vectors * lanes */
  int64_t panels;           /* panels of one item: several where they share a copy of the left operand */
  /* Terms summed before moving to the next tile: depth_block steps of reduced axis number depth_axis, each with all of
   * those within it, depth_terms in all, for each step of those around it. 0: all terms. */
  uint32_t depth_axis;
  int64_t depth_block, depth_terms;
  bool packed;    /* the right operand's panel is copied to scratch first: [depth][panel] */
  int prefetched; /* lines of the panel that is packed next that each tile asks for; 0: none */
  LeftForm left_form;
  int64_t left_terms; /* of a strip or row of the copy, with padding */
  bool direct;        /* the epilogue runs on the registers of a tile, not on a copy in scratch */
  /* The panel across the end of the columns: its vectors (0: there is no such panel), those of them within, and the rows
   * of its tiles. */
  int tail_vectors, tail_whole, tail_rows;
  TileHeights tiles, tail_tiles, strips;
  /* In scratch: the right panel at 0, then the left copy, then finished or partial sums [panels][block_rows][panel]. */
  size_t left_offset, sums_offset;
  KernelWork work;
} ContractPlan;

void contract_plan(const Kernel *kernel, const Target *target, int lanes, Arena *arena, ContractPlan *out);

static inline bool dim_is(Dim dim, int64_t value) { return dim_is_constant(dim) && dim.factor == value; }
/* By its address or by one of its guards. */
static inline bool access_varies(const Access *access, int axis) {
  for (uint32_t g = 0; g < access->guard_count; g++)
    if (access->guard[g].coefficient[axis]) return true;
  return access->stride[axis].factor != 0;
}
/* An address is affine in all loops: no guard has to be asked. */
static inline bool access_is_affine(const Access *access) { return access->guard_count == 0; }

#endif
