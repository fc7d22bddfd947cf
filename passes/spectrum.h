/* Values that are functions of the frequencies of a real signal, kept as halves (spectral_symmetry.c).
 *
 * The frequencies of a transform along axes of N1, ..., Nm samples are the bins f = (f1, ..., fm), and -f is the bin
 * (-f1 mod N1, ...). One axis, the longest, is halved: bins with 0 <= f <= N/2 along it are the half H, and -H are the
 * others. A value V over all bins becomes V[f] (sign 0) and V[-f] (sign 1) for f in H, each a tensor of the old shape
 * but for N/2 + 1 in place of N. Bins that are their own mirror along the halved axis are in both.
 *
 * Where symmetry ties the two, one of them is enough. Slices of V along an axis `part` of extent 2 are even, V[-f] =
 * V[f], or odd, V[-f] = -V[f]: the transform of a real signal has an even real and an odd imaginary part.
 *
 * Another transformed axis may be cut into groups of blocks: bins f with the same f as -f along it (0 and N/2), where
 * parameters that differ from block to block keep the symmetry, and the others. */
#ifndef SIMBAC_PASSES_SPECTRUM_H
#define SIMBAC_PASSES_SPECTRUM_H

#include "ir/graph.h"

enum { SPECTRUM_GROUPS_MAX = 3 };

/* Bit p: is slice p of the part axis odd? Both bits are equal where there is no part axis. A product has the exclusive
 * or of its factors' parities. */
typedef enum Parity {
  PARITY_EVEN = 0,
  PARITY_HERMITIAN = 2, /* even, odd */
  PARITY_ANTIHERMITIAN = 1,
  PARITY_ODD = 3,
  PARITY_NONE = 4 /* nothing ties the two signs */
} Parity;

static inline bool parity_is_mixed(Parity parity) {
  return parity == PARITY_HERMITIAN || parity == PARITY_ANTIHERMITIAN;
}
/* Of slice `part`. */
static inline Parity parity_of_part(Parity parity, int64_t part) {
  if (parity == PARITY_NONE) return parity;
  return parity >> part & 1 ? PARITY_ODD : PARITY_EVEN;
}

typedef struct Piece {
  Parity parity;
  NodeId node[2]; /* by sign; [1] only where the parity is none */
} Piece;

/* Blocks start, start + stride, ...; -f of blocks of group g are those of group `mirror`, from last to first. */
typedef struct Group {
  int64_t start, stride, count;
  uint32_t mirror;
  bool own_mirror; /* each block is its own */
} Group;

/* The bins of a transform. */
typedef struct Bins {
  uint32_t count;                 /* transformed axes */
  int64_t extent[SHAPE_MAX_RANK]; /* of each */
  uint32_t half;                  /* which is halved */
  int32_t block;                  /* which is cut into groups; -1: none */
} Bins;

typedef struct Spectrum {
  Bins bins;
  int32_t axis[SHAPE_MAX_RANK]; /* by transformed axis: its place in the shape */
  int32_t part;                 /* the axis of the parts; -1: none */
  NodeId source;                /* the transform it comes from, in the graph before */
  bool grouped;                 /* cut into groups; else one piece has all blocks */
  bool shared;                  /* products of it were shared by both signs */
  uint32_t count;               /* pieces */
  Piece piece[SPECTRUM_GROUPS_MAX];
} Spectrum;

/* Bins of `shape` transformed along `axes`. */
Bins bins_create(const Dim *extents, const int64_t *axes, uint32_t count);
static inline int64_t bins_half_extent(const Bins *bins) { return bins->extent[bins->half] / 2 + 1; }
bool bins_equal(const Bins *a, const Bins *b);
/* The groups that the blocks are cut into, or one of all blocks; their number. */
uint32_t bins_groups(const Bins *bins, bool grouped, Group *out_groups);
/* `shape` over all bins as that of a piece of `group`; `axis` as in Spectrum, -1 where the shape lacks an axis. */
Shape bins_piece_shape(const Bins *bins, const Group *group, bool grouped, const int32_t *axis, const Shape *shape);

/* The piece at a sign. */
NodeId piece_at(Graph *graph, const Piece *piece, int32_t part, int sign);
/* x with the slices along `part` negated that are odd: x itself at -f. */
NodeId negate_odd(Graph *graph, NodeId x, int32_t part, Parity parity);
/* The same value cut into groups; as it is where nothing is to be cut. */
Spectrum spectrum_grouped(Graph *graph, const Spectrum *spectrum);

/* A tensor that is no spectrum, but may have transformed axes at `axis` (-1: lacks it), as a piece of group `g`. */
Piece piece_of_tensor(Graph *graph, NodeId x, const Bins *bins, const int32_t *axis, bool grouped, uint32_t g);

/* The tensor over all bins. */
NodeId spectrum_unfold(Graph *graph, const Spectrum *spectrum);
/* Z with Re sum over all bins V[f] w^f = Re sum over H of Z[f] w^f for |w| = 1: Z[f] = V[f] + conj V[-f], half of that
 * where f is its own mirror along the halved axis. The part axis of V is its first. */
NodeId spectrum_fold(Graph *graph, const Spectrum *spectrum);

#endif
