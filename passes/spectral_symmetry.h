/* The rules of spectral_symmetry: what becomes of an op of the old graph that reads spectra. */
#ifndef SIMBAC_PASSES_SPECTRAL_SYMMETRY_H
#define SIMBAC_PASSES_SPECTRAL_SYMMETRY_H

#include "pipeline.h"
#include "spectrum.h"

typedef struct Halving {
  const Graph *from;
  Graph *to;
  NodeId *map;         /* by old node: the new one, where it is kept over all bins */
  Spectrum **spectrum; /* by old node: its halves; NULL: it is no spectrum */
  NodeId *leader;      /* by old transform: one that its values met; 0: itself */
  bool *gained;        /* by old transform that leads: something was folded or shared */
} Halving;

/* One rule for each kind of op that reads a spectrum, which is written to `out` without `shared` of its operands; false
 * where it needs all bins. */
bool halve_elementwise(Halving *halving, const Node *node, Spectrum *out);
bool halve_view(Halving *halving, const Node *node, Spectrum *out);
bool halve_concat(Halving *halving, const Node *node, Spectrum *out);
bool halve_reduction(Halving *halving, const Node *node, Spectrum *out);
bool halve_contract(Halving *halving, const Node *node, Spectrum *out);

/* Shared by the rules. */
/* The spectra among the operands agree on bins and, where `same_axes`, on their place; the first of them, or NULL. */
const Spectrum *common_spectrum(const Halving *halving, const Node *node, bool same_axes);
/* Nothing ties the signs of the pieces any more. */
void spectrum_release(Graph *graph, Spectrum *spectrum);
/* Does a piece need the part axis? */
bool spectrum_is_mixed(const Spectrum *spectrum);
/* Is the axis one of the transformed ones? */
bool spectrum_has_axis(const Spectrum *spectrum, int64_t axis);
/* Operand `k` in pieces, grouped or not; a tensor that is no spectrum has the axes of `like`. */
Spectrum operand_spectrum(Halving *halving, const Node *node, uint32_t k, const Spectrum *like, bool grouped);
/* Does a tensor that is no spectrum keep a symmetry among blocks of their own mirror only? `axis` as in Spectrum. */
bool depends_on_block(const Bins *bins, const int32_t *axis);

#endif
