/* Rules of spectral_symmetry for views, concatenations, padding and reductions: they act on the pieces as they would on
 * all bins, as long as they leave the transformed axes alone. */
#include "spectral_symmetry.h"

#include "ir/guard.h"

#include <string.h>

/* A view of each node of a spectrum, with the shape of the piece where the op has one as an attribute. */
typedef struct View {
  const Node *node;
  int32_t axis[SHAPE_MAX_RANK]; /* by axis of the operand: its place in the result; -1: gone */
} View;

static NodeId view_node(Graph *to, const View *view, const Spectrum *result, const Group *group, NodeId x) {
  const Node *node = view->node;
  Attribute attributes[OP_MAX_ATTRIBUTES];
  memcpy(attributes, node->attribute, sizeof attributes);
  Shape shape = bins_piece_shape(&result->bins, group, result->grouped, result->axis, &node->shape);
  if (node->op == OP_BROADCAST || node->op == OP_RESHAPE) attributes[0].dims = shape.dim;
  return graph_add(to, node->op, &x, 1, attributes);
}

static void view_pieces(Graph *to, const View *view, Spectrum *spectrum) {
  Group groups[SPECTRUM_GROUPS_MAX];
  bins_groups(&spectrum->bins, spectrum->grouped, groups);
  for (uint32_t k = 0; k < spectrum->bins.count; k++) spectrum->axis[k] = view->axis[spectrum->axis[k]];
  if (spectrum->part >= 0) spectrum->part = view->axis[spectrum->part];
  for (uint32_t g = 0; g < spectrum->count; g++) {
    for (int sign = 0; sign < 2; sign++) {
      NodeId *x = &spectrum->piece[g].node[sign];
      if (*x) *x = view_node(to, view, spectrum, &groups[g], *x);
    }
  }
}

/* Where an axis of one extent has gone in a reshape: the elements before it are as many as before; -1: it is no axis of
 * its own any more. */
static int32_t find_reshaped(const Shape *from, int32_t axis, const Shape *to, int32_t first) {
  Dim before = dim_constant(1), here = dim_constant(1);
  for (int32_t k = 0; k < axis; k++) {
    if (!dim_multiply(before, from->dim[k], &before)) return -1;
  }
  for (int32_t k = 0; k < to->rank; k++) {
    if (k >= first && dim_equal(here, before) && dim_equal(to->dim[k], from->dim[axis])) return k;
    if (!dim_multiply(here, to->dim[k], &here)) return -1;
  }
  return -1;
}

/* Where the axes that matter go; false where one is lost. */
static bool reshape_axes(const Spectrum *spectrum, const Shape *from, const Shape *to, View *out) {
  int32_t next = 0;
  for (int32_t k = 0; k < from->rank; k++) {
    out->axis[k] = -1;
    bool matters = spectrum_has_axis(spectrum, k) || (k == spectrum->part && spectrum_is_mixed(spectrum));
    if (!matters) continue;
    out->axis[k] = find_reshaped(from, k, to, next);
    if (out->axis[k] < 0) return false;
    next = out->axis[k] + 1;
  }
  return true;
}

static bool view_axes(const Spectrum *spectrum, const Shape *from, View *out) {
  const Node *node = out->node;
  for (int32_t k = 0; k < from->rank; k++) out->axis[k] = k;
  if (node->op == OP_RESHAPE) return reshape_axes(spectrum, from, &node->shape, out);
  if (node->op == OP_BROADCAST) {
    for (int32_t k = 0; k < from->rank; k++) {
      out->axis[k] = (int32_t)node->attribute[BROADCAST_AXES].integers[k];
    }
    return true;
  }
  if (node->op == OP_PERMUTE) {
    for (int32_t k = 0; k < from->rank; k++) out->axis[node->attribute[PERMUTE_AXES].integers[k]] = k;
    return true;
  }
  if (node->op != OP_SLICE && node->op != OP_REVERSE && node->op != OP_WINDOW && node->op != OP_PAD) return false;
  int64_t axis = node_integer(node, 0);
  for (int32_t k = (int32_t)axis + 1; node->op == OP_WINDOW && k < from->rank; k++) out->axis[k] = k + 1;
  return !spectrum_has_axis(spectrum, axis);
}

/* Parities where a view is along the part axis: a single part is even or odd. */
static void view_parts(Graph *to, const Node *node, Spectrum *spectrum) {
  if (!spectrum_is_mixed(spectrum)) return;
  if (node->op != OP_SLICE && node->op != OP_REVERSE && node->op != OP_WINDOW && node->op != OP_PAD) return;
  if (node_integer(node, 0) != spectrum->part) return;
  if (node->op != OP_SLICE || node_integer(node, SLICE_SIZE) != 1) {
    spectrum_release(to, spectrum);
    return;
  }
  for (uint32_t g = 0; g < spectrum->count; g++) {
    Piece *piece = &spectrum->piece[g];
    piece->parity = parity_of_part(piece->parity, node_integer(node, SLICE_START));
  }
  spectrum->part = -1;
}

bool halve_view(Halving *halving, const Node *node, Spectrum *out) {
  const Spectrum *spectrum = halving->spectrum[node->operand[0]];
  View view = {.node = node};
  if (!view_axes(spectrum, graph_shape(halving->from, node->operand[0]), &view)) return false;
  *out = *spectrum;
  view_parts(halving->to, node, out);
  if (!spectrum_is_mixed(out)) out->part = -1;
  view_pieces(halving->to, &view, out);
  return true;
}

/* Of parts side by side: one parity of all, or an even and an odd one that become the two parts of an axis. */
static Parity concat_parity(const Spectrum *parts, uint32_t count, uint32_t g, bool pair) {
  Parity first = parts[0].piece[g].parity, second = parts[count - 1].piece[g].parity;
  bool same = true;
  for (uint32_t k = 0; k < count; k++) {
    Parity parity = parts[k].piece[g].parity;
    if (parity == PARITY_NONE || parity_is_mixed(parity)) return PARITY_NONE;
    same &= parity == first;
  }
  if (same) return first;
  if (!pair) return PARITY_NONE;
  return first == PARITY_EVEN && second == PARITY_ODD ? PARITY_HERMITIAN : PARITY_ANTIHERMITIAN;
}

bool halve_concat(Halving *halving, const Node *node, Spectrum *out) {
  Graph *to = halving->to;
  const Spectrum *like = common_spectrum(halving, node, true);
  int64_t axis = node_integer(node, CONCAT_AXIS);
  if (like == NULL || spectrum_has_axis(like, axis)) return false;
  bool grouped = false;
  for (uint32_t k = 0; k < node->operand_count; k++) {
    const Spectrum *spectrum = halving->spectrum[node->operand[k]];
    grouped |= spectrum != NULL && spectrum->grouped;
  }
  Spectrum *parts = ARENA_ARRAY(to->arena, Spectrum, node->operand_count);
  for (uint32_t k = 0; k < node->operand_count; k++) parts[k] = operand_spectrum(halving, node, k, like, grouped);
  bool pair = node->operand_count == 2 && dim_equal(node->shape.dim[axis], dim_constant(2));
  *out = parts[0];
  out->part = pair ? (int32_t)axis : -1;
  for (uint32_t g = 0; g < out->count; g++) {
    Piece *piece = &out->piece[g];
    piece->parity = concat_parity(parts, node->operand_count, g, pair);
    for (int sign = 0; sign < (piece->parity == PARITY_NONE ? 2 : 1); sign++) {
      NodeId x[GRAPH_MAX_OPERANDS];
      for (uint32_t k = 0; k < node->operand_count; k++) x[k] = piece_at(to, &parts[k].piece[g], parts[k].part, sign);
      piece->node[sign] = graph_concat(to, x, node->operand_count, axis);
    }
    if (piece->parity != PARITY_NONE) piece->node[1] = NODE_NONE;
  }
  return true;
}

bool halve_reduction(Halving *halving, const Node *node, Spectrum *out) {
  Graph *to = halving->to;
  *out = *halving->spectrum[node->operand[0]];
  const Attribute *axes = &node->attribute[REDUCE_AXES];
  bool over_parts = false;
  for (uint32_t k = 0; k < axes->count; k++) {
    if (spectrum_has_axis(out, axes->integers[k])) return false;
    over_parts |= axes->integers[k] == out->part;
  }
  bool loses = over_parts && spectrum_is_mixed(out);
  for (uint32_t g = 0; g < out->count; g++) loses |= node->op == OP_REDUCE_MAX && out->piece[g].parity != PARITY_EVEN;
  if (loses) spectrum_release(to, out);
  if (!spectrum_is_mixed(out)) out->part = -1;
  View view = {.node = node};
  int32_t place = 0, rank = graph_shape(halving->from, node->operand[0])->rank;
  for (int32_t k = 0; k < rank; k++) {
    bool reduced = false;
    for (uint32_t a = 0; a < axes->count; a++) reduced |= axes->integers[a] == k;
    view.axis[k] = reduced ? -1 : place++;
  }
  view_pieces(to, &view, out);
  return true;
}
