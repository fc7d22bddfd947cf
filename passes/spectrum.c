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

typedef NodeId PieceFunction(Graph *graph, const Spectrum *spectrum, const NodeId *signs, const void *user);

/* A run of blocks of a group that follow each other. */
static NodeId map_run(Graph *graph, const Spectrum *spectrum, const Piece *piece, int64_t first, int64_t count,
                      PieceFunction *function, const void *user) {
  int32_t axis = spectrum->axis[spectrum->bins.block];
  NodeId signs[2];
  for (int sign = 0; sign < 2; sign++) {
    signs[sign] = graph_slice(graph, piece_at(graph, piece, spectrum->part, sign), axis, first, count);
  }
  return function(graph, spectrum, signs, user);
}

/* Groups that take turns, each two blocks: results [.., 2, 1, ..] side by side. */
static NodeId map_in_turns(Graph *graph, const Spectrum *spectrum, PieceFunction *function, const void *user) {
  int32_t axis = spectrum->axis[spectrum->bins.block];
  NodeId parts[SPECTRUM_GROUPS_MAX];
  for (uint32_t g = 0; g < spectrum->count; g++) {
    NodeId signs[2];
    for (int sign = 0; sign < 2; sign++) {
      signs[sign] = piece_at(graph, &spectrum->piece[g], spectrum->part, sign);
      signs[sign] = reshape_axis(graph, signs[sign], axis, 1, (int64_t[]){2, 1}, 2);
    }
    Spectrum two = *spectrum;
    for (uint32_t k = 0; k < two.bins.count; k++) two.axis[k] += two.axis[k] > axis;
    parts[g] = function(graph, &two, signs, user);
  }
  int32_t result_axis = axis;
  NodeId all = graph_concat(graph, parts, spectrum->count, result_axis + 1);
  return reshape_axis(graph, all, result_axis, 2, &spectrum->bins.extent[spectrum->bins.block], 1);
}

/* `function` of both signs of every piece, joined along the blocks. It is elementwise over the blocks. */
static NodeId map_pieces(Graph *graph, const Spectrum *spectrum, PieceFunction *function, const void *user) {
  if (!spectrum->grouped) {
    NodeId signs[2];
    for (int sign = 0; sign < 2; sign++) signs[sign] = piece_at(graph, spectrum->piece, spectrum->part, sign);
    return function(graph, spectrum, signs, user);
  }
  Group groups[SPECTRUM_GROUPS_MAX];
  uint32_t count = bins_groups(&spectrum->bins, true, groups);
  int32_t rank = graph_shape(graph, spectrum->piece[0].node[0])->rank;
  if (groups[0].count == 2 && groups[1].stride == 2 && rank < SHAPE_MAX_RANK) {
    return map_in_turns(graph, spectrum, function, user);
  }
  NodeId parts[SPECTRUM_GROUPS_MAX + 2];
  uint32_t part_count = 0;
  int64_t extent = spectrum->bins.extent[spectrum->bins.block];
  for (int64_t block = 0; block < extent;) {
    for (uint32_t g = 0; g < count; g++) {
      const Group *group = &groups[g];
      int64_t at = block - group->start;
      if (at < 0 || at % group->stride != 0 || at / group->stride >= group->count) continue;
      int64_t run = group->stride == 1 ? group->count : 1;
      parts[part_count++] =
          map_run(graph, spectrum, &spectrum->piece[g], at / group->stride, run, function, user);
      block += run;
      break;
    }
  }
  return graph_concat(graph, parts, part_count, spectrum->axis[spectrum->bins.block]);
}

static NodeId take_sign(Graph *graph, const Spectrum *spectrum, const NodeId *signs, const void *user) {
  (void)graph;
  (void)spectrum;
  return signs[*(const int *)user];
}

NodeId spectrum_unfold(Graph *graph, const Spectrum *spectrum) {
  const Bins *bins = &spectrum->bins;
  int32_t half = spectrum->axis[bins->half];
  NodeId part[2];
  for (int sign = 0; sign < 2; sign++) part[sign] = map_pieces(graph, spectrum, take_sign, &sign);
  for (uint32_t k = 0; k < bins->count; k++) {
    if (k != bins->half) part[1] = mirror_axis(graph, part[1], spectrum->axis[k]);
  }
  int64_t rest = bins->extent[bins->half] - bins_half_extent(bins);
  part[1] = graph_reverse(graph, graph_slice(graph, part[1], half, 1, rest), half);
  return graph_concat(graph, part, 2, half);
}

/* [half]: 1/2 at bins that are their own mirror along the halved axis, else 1. */
static NodeId half_weights(Graph *graph, const Bins *bins) {
  int64_t half = bins_half_extent(bins);
  Shape shape = {1, {dim_constant(half)}};
  NodeId index = graph_index(graph, shape.dim[0]), weights = graph_constant_like(graph, 1, &shape);
  int64_t own[] = {0, half - 1};
  for (int k = 0; k < (bins->extent[bins->half] % 2 == 0 ? 2 : 1); k++) {
    NodeId is = graph_binary(graph, OP_EQUAL, index, graph_constant_like(graph, (double)own[k], &shape));
    is = graph_binary(graph, OP_MULTIPLY, is, graph_constant_like(graph, 0.5, &shape));
    weights = graph_binary(graph, OP_SUBTRACT, weights, is);
  }
  return weights;
}

static NodeId fold_signs(Graph *graph, const Spectrum *spectrum, const NodeId *signs, const void *user) {
  (void)user;
  NodeId conjugate = negate_odd(graph, signs[1], 0, PARITY_HERMITIAN);
  NodeId sum = graph_binary(graph, OP_ADD, signs[0], conjugate);
  Shape shape = *graph_shape(graph, sum);
  int64_t axis = spectrum->axis[spectrum->bins.half];
  NodeId weights = graph_broadcast(graph, half_weights(graph, &spectrum->bins), &shape, &axis);
  return graph_binary(graph, OP_MULTIPLY, sum, weights);
}

NodeId spectrum_fold(Graph *graph, const Spectrum *spectrum) {
  return map_pieces(graph, spectrum, fold_signs, NULL);
}
