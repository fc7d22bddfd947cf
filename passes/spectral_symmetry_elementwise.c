/* Rules of spectral_symmetry for elementwise ops and what the rules share. */
#include "spectral_symmetry.h"

#include "ir/guard.h"

#include <string.h>

const Spectrum *common_spectrum(const Halving *halving, const Node *node, bool same_axes) {
  const Spectrum *first = NULL;
  for (uint32_t k = 0; k < node->operand_count; k++) {
    const Spectrum *spectrum = halving->spectrum[node->operand[k]];
    if (spectrum == NULL) continue;
    if (first == NULL) {
      first = spectrum;
      continue;
    }
    if (!bins_equal(&first->bins, &spectrum->bins)) return NULL;
    for (uint32_t a = 0; same_axes && a < first->bins.count; a++) {
      if (first->axis[a] != spectrum->axis[a]) return NULL;
    }
  }
  return first;
}

bool spectrum_has_axis(const Spectrum *spectrum, int64_t axis) {
  for (uint32_t k = 0; k < spectrum->bins.count; k++) {
    if (spectrum->axis[k] == axis) return true;
  }
  return false;
}

bool spectrum_is_mixed(const Spectrum *spectrum) {
  for (uint32_t g = 0; g < spectrum->count; g++) {
    if (parity_is_mixed(spectrum->piece[g].parity)) return true;
  }
  return false;
}

void spectrum_release(Graph *graph, Spectrum *spectrum) {
  for (uint32_t g = 0; g < spectrum->count; g++) {
    Piece *piece = &spectrum->piece[g];
    piece->node[1] = piece_at(graph, piece, spectrum->part, 1);
    piece->parity = PARITY_NONE;
  }
  spectrum->part = -1;
}

bool depends_on_block(const Bins *bins, const int32_t *axis) {
  if (bins->block < 0 || axis[bins->block] < 0 || axis[bins->half] >= 0) return false;
  for (uint32_t k = 0; k < bins->count; k++) {
    if ((int32_t)k != bins->block && axis[k] >= 0 && bins->extent[k] > 2) return false;
  }
  return true;
}

/* The tensor that a broadcast repeats, and where the transformed axes are in it. */
static NodeId tensor_axes(const Halving *halving, NodeId id, const Spectrum *like, int32_t *out_axis) {
  memcpy(out_axis, like->axis, sizeof like->axis);
  const Node *node = graph_node(halving->to, id);
  if (node->op != OP_BROADCAST) return id;
  const Attribute *axes = &node->attribute[BROADCAST_AXES];
  for (uint32_t k = 0; k < like->bins.count; k++) {
    out_axis[k] = -1;
    for (uint32_t j = 0; j < axes->count; j++) {
      if (axes->integers[j] == like->axis[k]) out_axis[k] = (int32_t)j;
    }
  }
  return node->operand[0];
}

static NodeId repeat_again(Graph *graph, NodeId broadcast, NodeId x, const Shape *shape) {
  const int64_t *axes = graph_node(graph, broadcast)->attribute[BROADCAST_AXES].integers;
  int64_t copy[SHAPE_MAX_RANK];
  for (int32_t k = 0; k < graph_shape(graph, x)->rank; k++) copy[k] = axes[k];
  return graph_broadcast(graph, x, shape, copy);
}

/* A tensor that is no spectrum, in pieces. */
static Spectrum tensor_spectrum(Halving *halving, NodeId id, const Spectrum *like, bool grouped) {
  Graph *to = halving->to;
  Spectrum result = {.bins = like->bins, .part = -1, .source = like->source, .grouped = grouped};
  memcpy(result.axis, like->axis, sizeof result.axis);
  int32_t axis[SHAPE_MAX_RANK];
  NodeId x = tensor_axes(halving, id, like, axis);
  Group groups[SPECTRUM_GROUPS_MAX];
  result.count = bins_groups(&like->bins, grouped, groups);
  for (uint32_t g = 0; g < result.count; g++) {
    Piece piece = piece_of_tensor(to, x, &like->bins, axis, grouped, g);
    Shape shape = bins_piece_shape(&like->bins, &groups[g], grouped, like->axis, graph_shape(to, id));
    for (int sign = 0; sign < 2 && x != id; sign++) {
      if (piece.node[sign]) piece.node[sign] = repeat_again(to, id, piece.node[sign], &shape);
    }
    result.piece[g] = piece;
  }
  return result;
}

Spectrum operand_spectrum(Halving *halving, const Node *node, uint32_t k, const Spectrum *like, bool grouped) {
  const Spectrum *spectrum = halving->spectrum[node->operand[k]];
  if (spectrum == NULL) return tensor_spectrum(halving, halving->map[node->operand[k]], like, grouped);
  return grouped ? spectrum_grouped(halving->to, spectrum) : *spectrum;
}

/* Are results cut into groups? Where an operand is, or where that keeps a symmetry that blocks would break. */
static bool wants_groups(const Halving *halving, const Node *node, const Spectrum *like) {
  bool symmetric = false, breaks = false;
  for (uint32_t k = 0; k < node->operand_count; k++) {
    const Spectrum *spectrum = halving->spectrum[node->operand[k]];
    if (spectrum != NULL) {
      if (spectrum->grouped) return true;
      symmetric |= spectrum->piece[0].parity != PARITY_NONE;
      continue;
    }
    int32_t axis[SHAPE_MAX_RANK];
    tensor_axes(halving, halving->map[node->operand[k]], like, axis);
    breaks |= depends_on_block(&like->bins, axis);
  }
  return symmetric && breaks;
}

static bool is_odd_function(OpCode op) {
  return op == OP_NEGATE || op == OP_SIGN || op == OP_TANH || op == OP_ERF || op == OP_DETACH || op == OP_COPY;
}

/* Of op(x, y, z) with operands of parities p that agree on their part axis. */
static Parity elementwise_parity(OpCode op, const Parity *p, uint32_t count) {
  bool even = true;
  for (uint32_t k = 0; k < count; k++) {
    if (p[k] == PARITY_NONE) return PARITY_NONE;
    even &= p[k] == PARITY_EVEN;
  }
  if (even || op == OP_ABSOLUTE) return PARITY_EVEN;
  if (count == 1) return is_odd_function(op) ? p[0] : PARITY_NONE;
  if (op == OP_MULTIPLY || op == OP_DIVIDE) return (Parity)(p[0] ^ p[1]);
  if (op == OP_ADD || op == OP_SUBTRACT) return p[0] == p[1] ? p[0] : PARITY_NONE;
  if (op == OP_SELECT && p[0] == PARITY_EVEN) return p[1] == p[2] ? p[1] : PARITY_NONE;
  return PARITY_NONE;
}

static Piece elementwise_piece(Graph *to, OpCode op, const Spectrum *operands, uint32_t count, uint32_t g) {
  Parity parity[3];
  int32_t part = -1;
  bool agree = true;
  for (uint32_t k = 0; k < count; k++) {
    parity[k] = operands[k].piece[g].parity;
    if (!parity_is_mixed(parity[k])) continue;
    agree &= part < 0 || part == operands[k].part;
    part = operands[k].part;
  }
  Piece result = {agree ? elementwise_parity(op, parity, count) : PARITY_NONE, {NODE_NONE, NODE_NONE}};
  for (int sign = 0; sign < (result.parity == PARITY_NONE ? 2 : 1); sign++) {
    NodeId x[3];
    for (uint32_t k = 0; k < count; k++) x[k] = piece_at(to, &operands[k].piece[g], operands[k].part, sign);
    result.node[sign] = graph_add(to, op, x, count, NULL);
  }
  return result;
}

bool halve_elementwise(Halving *halving, const Node *node, Spectrum *out) {
  const Spectrum *like = common_spectrum(halving, node, true);
  if (like == NULL) return false;
  bool grouped = wants_groups(halving, node, like);
  Spectrum operands[3];
  *out = (Spectrum){.bins = like->bins, .part = -1, .source = like->source, .grouped = grouped};
  memcpy(out->axis, like->axis, sizeof out->axis);
  for (uint32_t k = 0; k < node->operand_count; k++) {
    operands[k] = operand_spectrum(halving, node, k, like, grouped);
    if (spectrum_is_mixed(&operands[k])) out->part = operands[k].part;
  }
  out->count = operands[0].count;
  for (uint32_t g = 0; g < out->count; g++) {
    out->piece[g] = elementwise_piece(halving->to, node->op, operands, node->operand_count, g);
  }
  return true;
}
