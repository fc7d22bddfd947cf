/* Rule of spectral_symmetry for products: where they sum over the parts of a Hermitian value, both signs share them. */
#include "spectral_symmetry.h"

#include "ir/guard.h"

#include <string.h>

typedef struct Product {
  Labels labels;
  const Spectrum *of[2];           /* the operands that are spectra */
  int32_t axis[2][SHAPE_MAX_RANK]; /* by operand and transformed axis: its place; -1: lacks it */
} Product;

static char *letters_of(Product *product, int side) { return side == 0 ? product->labels.a : product->labels.b; }

static int32_t find_letter(const char *letters, char letter) {
  const char *at = strchr(letters, letter);
  return at == NULL ? -1 : (int32_t)(at - letters);
}

/* Labels, and the transformed axes in both operands and in the result; false where one of them is summed or has two
 * letters. */
static bool read_product(const Halving *halving, const Node *node, Product *product, Spectrum *out) {
  const char *message;
  bool parsed = labels_parse(node_text(node, CONTRACT_LABELS), &product->labels, &message);
  ASSERT(parsed);
  const Spectrum *like = common_spectrum(halving, node, false);
  if (like == NULL) return false;
  int from = halving->spectrum[node->operand[0]] != NULL ? 0 : 1;
  *out = (Spectrum){.bins = like->bins, .part = -1, .source = like->source};
  for (uint32_t k = 0; k < like->bins.count; k++) {
    char letter = letters_of(product, from)[like->axis[k]];
    out->axis[k] = find_letter(product->labels.result, letter);
    if (out->axis[k] < 0) return false;
    for (int side = 0; side < 2; side++) {
      const Spectrum *spectrum = product->of[side] = halving->spectrum[node->operand[side]];
      product->axis[side][k] = find_letter(letters_of(product, side), letter);
      if (spectrum != NULL && product->axis[side][k] != spectrum->axis[k]) return false;
    }
  }
  return true;
}

/* Both operands in pieces, cut into groups where an operand is or where that keeps a symmetry. */
static void cut_operands(Halving *halving, const Node *node, const Product *product, Spectrum *operands,
                         Spectrum *out) {
  bool symmetric = false, breaks = false;
  for (int side = 0; side < 2; side++) {
    const Spectrum *spectrum = product->of[side];
    if (spectrum == NULL) {
      breaks |= depends_on_block(&out->bins, product->axis[side]);
      continue;
    }
    out->grouped |= spectrum->grouped;
    symmetric |= spectrum->piece[0].parity != PARITY_NONE;
  }
  out->grouped |= symmetric && breaks;
  Group groups[SPECTRUM_GROUPS_MAX];
  out->count = bins_groups(&out->bins, out->grouped, groups);
  for (int side = 0; side < 2; side++) {
    Spectrum *operand = &operands[side];
    if (product->of[side] != NULL) {
      *operand = out->grouped ? spectrum_grouped(halving->to, product->of[side]) : *product->of[side];
      continue;
    }
    *operand = (Spectrum){.bins = out->bins, .part = -1, .grouped = out->grouped, .count = out->count};
    NodeId x = halving->map[node->operand[side]];
    for (uint32_t g = 0; g < out->count; g++) {
      operand->piece[g] = piece_of_tensor(halving->to, x, &out->bins, product->axis[side], out->grouped, g);
    }
  }
}

static NodeId contract(Graph *to, const Labels *labels, NodeId a, NodeId b) {
  return graph_contract(to, a, b, arena_format(to->arena, "%s,%s->%s", labels->a, labels->b, labels->result));
}

/* One part of an operand, without its axis. */
static NodeId take_part(Graph *to, NodeId x, int32_t axis, int64_t part) {
  x = graph_slice(to, x, axis, part, 1);
  Shape shape = *graph_shape(to, x);
  shape.rank--;
  for (int32_t k = axis; k < shape.rank; k++) shape.dim[k] = shape.dim[k + 1];
  return graph_reshape(to, x, &shape);
}

/* The product sums over the parts of one operand: sum and difference of the terms of each. */
static Piece share_product(Graph *to, Product *product, char part, const Piece *a, const Piece *b, Parity parity) {
  Labels labels = product->labels;
  NodeId term[2];
  char *letters[2] = {labels.a, labels.b};
  const NodeId whole[2] = {a->node[0], b->node[0]};
  int32_t axis[2];
  for (int side = 0; side < 2; side++) {
    axis[side] = find_letter(letters[side], part);
    if (axis[side] >= 0)
      memmove(letters[side] + axis[side], letters[side] + axis[side] + 1, strlen(letters[side]) - (size_t)axis[side]);
  }
  for (int64_t p = 0; p < 2; p++) {
    NodeId x[2];
    for (int side = 0; side < 2; side++) {
      x[side] = axis[side] < 0 ? whole[side] : take_part(to, whole[side], axis[side], p);
    }
    term[p] = contract(to, &labels, x[0], x[1]);
  }
  bool first_odd = parity & 1;
  Piece piece = {PARITY_NONE, {graph_binary(to, OP_ADD, term[0], term[1]), NODE_NONE}};
  piece.node[1] = graph_binary(to, OP_SUBTRACT, term[first_odd ? 1 : 0], term[first_odd ? 0 : 1]);
  return piece;
}

/* At -f with the signs of odd parts on the other operand where it has the parts too: there they cost nothing if it is
 * a weight. */
static NodeId product_at(Graph *to, Product *product, const Spectrum *operands, uint32_t g, int sign) {
  NodeId x[2];
  for (int side = 0; side < 2; side++) x[side] = piece_at(to, &operands[side].piece[g], operands[side].part, sign);
  for (int side = 0; side < 2 && sign == 1; side++) {
    const Piece *piece = &operands[side].piece[g];
    if (!parity_is_mixed(piece->parity) || product->of[1 - side] != NULL) continue;
    int32_t axis = find_letter(letters_of(product, 1 - side), letters_of(product, side)[operands[side].part]);
    if (axis < 0) continue;
    x[side] = piece->node[0];
    x[1 - side] = negate_odd(to, x[1 - side], axis, piece->parity);
  }
  return contract(to, &product->labels, x[0], x[1]);
}

static Piece product_piece(Graph *to, Product *product, const Spectrum *operands, uint32_t g, Spectrum *out) {
  const Piece *a = &operands[0].piece[g], *b = &operands[1].piece[g];
  bool mixed_a = parity_is_mixed(a->parity), mixed_b = parity_is_mixed(b->parity);
  bool tied = a->parity != PARITY_NONE && b->parity != PARITY_NONE && !(mixed_a && mixed_b);
  char part = 0;
  if (mixed_a) part = product->labels.a[operands[0].part];
  if (mixed_b) part = product->labels.b[operands[1].part];
  Parity parity = (Parity)(a->parity ^ b->parity);
  if (tied && part != 0 && find_letter(product->labels.result, part) < 0) {
    out->shared = true;
    return share_product(to, product, part, a, b, parity);
  }
  Piece piece = {tied ? parity : PARITY_NONE, {NODE_NONE, NODE_NONE}};
  if (tied && part != 0) out->part = find_letter(product->labels.result, part);
  for (int sign = 0; sign < (tied ? 1 : 2); sign++) piece.node[sign] = product_at(to, product, operands, g, sign);
  return piece;
}

bool halve_contract(Halving *halving, const Node *node, Spectrum *out) {
  Product product;
  if (!read_product(halving, node, &product, out)) return false;
  Spectrum operands[2];
  cut_operands(halving, node, &product, operands, out);
  for (uint32_t g = 0; g < out->count; g++) out->piece[g] = product_piece(halving->to, &product, operands, g, out);
  return true;
}
