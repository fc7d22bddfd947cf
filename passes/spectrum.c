/* Halves and groups of bins: cutting, joining, folding. */
#include "spectrum.h"

#include "ir/guard.h"

#include <string.h>

Bins bins_create(const Dim *extents, const int64_t *axes, uint32_t count) {
  Bins bins = {.count = count, .block = -1};
  for (uint32_t k = 0; k < count; k++) {
    bins.extent[k] = extents[axes[k]].factor;
    if (bins.extent[k] > bins.extent[bins.half]) bins.half = k;
  }
  uint32_t others = 0;
  for (uint32_t k = 0; k < count; k++) {
    if (k == bins.half || bins.extent[k] <= 2) continue;
    bins.block = (int32_t)k;
    others++;
  }
  if (others != 1) bins.block = -1;
  return bins;
}

bool bins_equal(const Bins *a, const Bins *b) {
  if (a->count != b->count || a->half != b->half) return false;
  return memcmp(a->extent, b->extent, a->count * sizeof a->extent[0]) == 0;
}

uint32_t bins_groups(const Bins *bins, bool grouped, Group *out_groups) {
  if (!grouped) {
    out_groups[0] = (Group){.stride = 1};
    return 1;
  }
  int64_t extent = bins->extent[bins->block], middle = extent / 2;
  if (extent % 2 != 0) {
    out_groups[0] = (Group){0, 1, 1, 0, true};
    out_groups[1] = (Group){1, 1, extent - 1, 1, false};
    return 2;
  }
  out_groups[0] = (Group){0, middle, 2, 0, true};
  if (extent == 4) {
    out_groups[1] = (Group){1, 2, 2, 1, false};
    return 2;
  }
  out_groups[1] = (Group){1, 1, middle - 1, 2, false};
  out_groups[2] = (Group){middle + 1, 1, middle - 1, 1, false};
  return 3;
}

Shape bins_piece_shape(const Bins *bins, const Group *group, bool grouped, const int32_t *axis, const Shape *shape) {
  Shape piece = *shape;
  if (axis[bins->half] >= 0) piece.dim[axis[bins->half]] = dim_constant(bins_half_extent(bins));
  if (grouped && axis[bins->block] >= 0) piece.dim[axis[bins->block]] = dim_constant(group->count);
  return piece;
}

/* --- signs --------------------------------------------------------------------------------------------------- */

/* [2]: -1 at odd parts, 1 at even ones. */
static NodeId part_signs(Graph *graph, Parity parity) {
  Shape shape = {1, {dim_constant(2)}};
  NodeId part = graph_index(graph, shape.dim[0]);
  double first = parity & 1 ? -1 : 1;
  NodeId step = graph_binary(graph, OP_MULTIPLY, part, graph_constant_like(graph, -2 * first, &shape));
  return graph_binary(graph, OP_ADD, step, graph_constant_like(graph, first, &shape));
}

NodeId negate_odd(Graph *graph, NodeId x, int32_t part, Parity parity) {
  if (parity == PARITY_EVEN) return x;
  if (parity == PARITY_ODD) return graph_unary(graph, OP_NEGATE, x);
  Shape shape = *graph_shape(graph, x);
  int64_t axis = part;
  NodeId signs = graph_broadcast(graph, part_signs(graph, parity), &shape, &axis);
  return graph_binary(graph, OP_MULTIPLY, x, signs);
}

NodeId piece_at(Graph *graph, const Piece *piece, int32_t part, int sign) {
  if (sign == 0) return piece->node[0];
  if (piece->parity == PARITY_NONE) return piece->node[1];
  return negate_odd(graph, piece->node[0], part, piece->parity);
}

/* --- groups -------------------------------------------------------------------------------------------------- */

/* One axis as two, or two as one. */
static NodeId reshape_axis(Graph *graph, NodeId x, int32_t axis, int32_t taken, const int64_t *extents, int32_t count) {
  Shape shape = *graph_shape(graph, x), result = {.rank = shape.rank - taken + count};
  for (int32_t k = 0; k < axis; k++) result.dim[k] = shape.dim[k];
  for (int32_t k = 0; k < count; k++) result.dim[axis + k] = dim_constant(extents[k]);
  for (int32_t k = axis + taken; k < shape.rank; k++) result.dim[k - taken + count] = shape.dim[k];
  return graph_reshape(graph, x, &result);
}

static NodeId cut(Graph *graph, NodeId x, int32_t axis, const Group *group) {
  if (group->stride == 1) return graph_slice(graph, x, axis, group->start, group->count);
  if (graph_shape(graph, x)->rank == SHAPE_MAX_RANK) {
    NodeId blocks[2];
    ASSERT(group->count == 2);
    for (int64_t k = 0; k < 2; k++) blocks[k] = graph_slice(graph, x, axis, group->start + k * group->stride, 1);
    return graph_concat(graph, blocks, 2, axis);
  }
  x = reshape_axis(graph, x, axis, 1, (int64_t[]){group->count, group->stride}, 2);
  x = graph_slice(graph, x, axis + 1, group->start, 1);
  return reshape_axis(graph, x, axis, 2, &group->count, 1);
}

Spectrum spectrum_grouped(Graph *graph, const Spectrum *spectrum) {
  Spectrum result = *spectrum;
  const Bins *bins = &spectrum->bins;
  if (spectrum->grouped || bins->block < 0) return result;
  Group groups[SPECTRUM_GROUPS_MAX];
  result.grouped = true;
  result.count = bins_groups(bins, true, groups);
  for (uint32_t g = 0; g < result.count; g++) {
    result.piece[g] = (Piece){.parity = spectrum->piece[0].parity};
    for (int sign = 0; sign < 2; sign++) {
      NodeId whole = spectrum->piece[0].node[sign];
      if (whole) result.piece[g].node[sign] = cut(graph, whole, spectrum->axis[bins->block], &groups[g]);
    }
  }
  return result;
}

/* --- tensors that are no spectra ------------------------------------------------------------------------------ */

/* Index f of an axis becomes -f. */
static NodeId mirror_axis(Graph *graph, NodeId x, int32_t axis) {
  int64_t extent = graph_shape(graph, x)->dim[axis].factor;
  if (extent <= 2) return x;
  NodeId parts[] = {graph_slice(graph, x, axis, 0, 1),
                    graph_reverse(graph, graph_slice(graph, x, axis, 1, extent - 1), axis)};
  return graph_concat(graph, parts, 2, axis);
}

/* x[f] (sign 0) or x[-f] for f in H along the halved axis. */
static NodeId half_axis(Graph *graph, NodeId x, int32_t axis, int64_t half, int sign) {
  if (sign == 0) return graph_slice(graph, x, axis, 0, half);
  int64_t extent = graph_shape(graph, x)->dim[axis].factor;
  NodeId mirrored = graph_slice(graph, x, axis, extent - half + 1, half - 1);
  NodeId parts[] = {graph_slice(graph, x, axis, 0, 1), graph_reverse(graph, mirrored, axis)};
  return graph_concat(graph, parts, 2, axis);
}

static NodeId tensor_at(Graph *graph, NodeId x, const Bins *bins, const int32_t *axis, const Group *groups,
                        bool grouped, uint32_t g, int sign) {
  for (uint32_t k = 0; k < bins->count; k++) {
    if (axis[k] < 0) continue;
    if (k == bins->half) {
      x = half_axis(graph, x, axis[k], bins_half_extent(bins), sign);
    } else if (grouped && (int32_t)k == bins->block) {
      const Group *group = &groups[sign == 1 ? groups[g].mirror : g];
      x = cut(graph, x, axis[k], group);
      if (sign == 1 && !group->own_mirror) x = graph_reverse(graph, x, axis[k]);
    } else if (sign == 1) {
      x = mirror_axis(graph, x, axis[k]);
    }
  }
  return x;
}

Piece piece_of_tensor(Graph *graph, NodeId x, const Bins *bins, const int32_t *axis, bool grouped, uint32_t g) {
  Group groups[SPECTRUM_GROUPS_MAX];
  bins_groups(bins, grouped, groups);
  bool even = axis[bins->half] < 0;
  for (uint32_t k = 0; k < bins->count; k++) {
    bool own_mirror = bins->extent[k] <= 2 || (grouped && (int32_t)k == bins->block && groups[g].own_mirror);
    if (k != bins->half && axis[k] >= 0 && !own_mirror) even = false;
  }
  Piece piece = {even ? PARITY_EVEN : PARITY_NONE, {NODE_NONE, NODE_NONE}};
  for (int sign = 0; sign < (even ? 1 : 2); sign++) {
    piece.node[sign] = tensor_at(graph, x, bins, axis, groups, grouped, g, sign);
  }
  return piece;
}

/* --- all bins, and their fold ---------------------------------------------------------------------------------- */

/* What is made of the two signs of each piece. */
typedef enum Whole { WHOLE_DIRECT, WHOLE_MIRRORED, WHOLE_FOLD } Whole;

/* [half]: 1/2 at bins that are their own mirror along the halved axis, else 1; times `scale`. */
static NodeId half_weights(Graph *graph, const Bins *bins, double scale) {
  int64_t half = bins_half_extent(bins);
  Shape shape = {1, {dim_constant(half)}};
  NodeId index = graph_index(graph, shape.dim[0]), weights = graph_constant_like(graph, scale, &shape);
  int64_t own[] = {0, half - 1};
  for (int k = 0; k < (bins->extent[bins->half] % 2 == 0 ? 2 : 1); k++) {
    NodeId is = graph_binary(graph, OP_EQUAL, index, graph_constant_like(graph, (double)own[k], &shape));
    is = graph_binary(graph, OP_MULTIPLY, is, graph_constant_like(graph, scale / 2, &shape));
    weights = graph_binary(graph, OP_SUBTRACT, weights, is);
  }
  return weights;
}

/* V + conj V[-f], which is 2 V where V is Hermitian; half of it at bins that are their own mirrors. */
static NodeId fold_piece(Graph *graph, const Spectrum *spectrum, const Piece *piece) {
  bool hermitian = piece->parity == PARITY_HERMITIAN;
  NodeId sum = piece->node[0];
  if (!hermitian) {
    NodeId conjugate = negate_odd(graph, piece_at(graph, piece, 0, 1), 0, PARITY_HERMITIAN);
    sum = graph_binary(graph, OP_ADD, sum, conjugate);
  }
  Shape shape = *graph_shape(graph, sum);
  int64_t axis = spectrum->axis[spectrum->bins.half];
  NodeId weights = half_weights(graph, &spectrum->bins, hermitian ? 2 : 1);
  return graph_binary(graph, OP_MULTIPLY, sum, graph_broadcast(graph, weights, &shape, &axis));
}

static NodeId make_whole(Graph *graph, const Spectrum *spectrum, const Piece *piece, Whole whole) {
  if (whole == WHOLE_FOLD) return fold_piece(graph, spectrum, piece);
  return piece_at(graph, piece, spectrum->part, whole == WHOLE_MIRRORED);
}

/* Groups that take turns, each two blocks: results [.., 2, 1, ..] side by side. */
static NodeId join_in_turns(Graph *graph, const Spectrum *spectrum, Whole whole) {
  int32_t axis = spectrum->axis[spectrum->bins.block];
  Spectrum apart = *spectrum;
  for (uint32_t k = 0; k < apart.bins.count; k++) apart.axis[k] += apart.axis[k] > axis;
  apart.part += apart.part > axis;
  NodeId results[SPECTRUM_GROUPS_MAX];
  for (uint32_t g = 0; g < spectrum->count; g++) {
    Piece piece = spectrum->piece[g];
    for (int sign = 0; sign < 2; sign++) {
      NodeId *x = &piece.node[sign];
      if (*x) *x = reshape_axis(graph, *x, axis, 1, (int64_t[]){2, 1}, 2);
    }
    results[g] = make_whole(graph, &apart, &piece, whole);
  }
  NodeId all = graph_concat(graph, results, spectrum->count, axis + 1);
  return reshape_axis(graph, all, axis, 2, &spectrum->bins.extent[spectrum->bins.block], 1);
}

/* The piece that has `block`, cut down to it and what follows it there; how many blocks that is. */
static int64_t run_from(Graph *graph, const Spectrum *spectrum, const Group *groups, int64_t block, Piece *out) {
  int32_t axis = spectrum->axis[spectrum->bins.block];
  for (uint32_t g = 0; g < spectrum->count; g++) {
    const Group *group = &groups[g];
    int64_t at = block - group->start;
    if (at < 0 || at % group->stride != 0 || at / group->stride >= group->count) continue;
    int64_t first = at / group->stride, count = group->stride == 1 ? group->count - first : 1;
    *out = spectrum->piece[g];
    for (int sign = 0; sign < 2; sign++) {
      if (out->node[sign]) out->node[sign] = graph_slice(graph, out->node[sign], axis, first, count);
    }
    return count;
  }
  guard_bug("spectrum: block %lld is in no group", (long long)block);
}

/* All blocks in their order. */
static NodeId join_pieces(Graph *graph, const Spectrum *spectrum, Whole whole) {
  if (!spectrum->grouped) return make_whole(graph, spectrum, spectrum->piece, whole);
  Group groups[SPECTRUM_GROUPS_MAX];
  bins_groups(&spectrum->bins, true, groups);
  bool turns = groups[0].count == 2 && groups[1].stride == 2;
  if (turns && graph_shape(graph, spectrum->piece[0].node[0])->rank < SHAPE_MAX_RANK) {
    return join_in_turns(graph, spectrum, whole);
  }
  NodeId runs[SPECTRUM_GROUPS_MAX + 1];
  uint32_t count = 0;
  for (int64_t block = 0; block < spectrum->bins.extent[spectrum->bins.block];) {
    ASSERT(count <= SPECTRUM_GROUPS_MAX);
    Piece piece;
    block += run_from(graph, spectrum, groups, block, &piece);
    runs[count++] = make_whole(graph, spectrum, &piece, whole);
  }
  return graph_concat(graph, runs, count, spectrum->axis[spectrum->bins.block]);
}

NodeId spectrum_unfold(Graph *graph, const Spectrum *spectrum) {
  const Bins *bins = &spectrum->bins;
  int32_t half = spectrum->axis[bins->half];
  NodeId parts[] = {join_pieces(graph, spectrum, WHOLE_DIRECT), join_pieces(graph, spectrum, WHOLE_MIRRORED)};
  for (uint32_t k = 0; k < bins->count; k++) {
    if (k != bins->half) parts[1] = mirror_axis(graph, parts[1], spectrum->axis[k]);
  }
  int64_t rest = bins->extent[bins->half] - bins_half_extent(bins);
  parts[1] = graph_reverse(graph, graph_slice(graph, parts[1], half, 1, rest), half);
  return graph_concat(graph, parts, 2, half);
}

NodeId spectrum_fold(Graph *graph, const Spectrum *spectrum) { return join_pieces(graph, spectrum, WHOLE_FOLD); }
