/* Transforms of real signals are computed and used by halves: V[-f] is conj V[f], so one of the two is enough, until
 * something breaks the symmetry; and of what goes back to a real signal only the Hermitian part matters.
 *
 *   %2 = dft(%1) form 1                           %2 = dft(%1) form 3                  half a spectrum
 *   %3 = contract(%2, W) over part, channel       E, O = the terms of real and imaginary part
 *   %4 = maximum(%3, 0)                      ->   V0 = maximum(E + O, 0), V1 = maximum(E - O, 0)    at f and at -f
 *   %5 = dft(%4) form 2                           %5 = dft((V0 + conj V1) w) form 4
 *
 * Each op that reads halves has a rule of its own (spectral_symmetry_*.c); any order of them composes:
 *   - a transform of a real signal along any axes is that of half the bins, Hermitian;
 *   - elementwise ops and products know even, odd and Hermitian values, of which one sign is enough;
 *   - a product that sums over the parts of a Hermitian value is the sum and the difference of two at f and -f: half
 *     the work, where its weights do not differ at f and -f;
 *   - parameters that differ from bin to bin are read at f and at -f; where they differ along one axis of blocks,
 *     blocks of their own mirror are kept apart from others, since their products are shared;
 *   - the real part of an inverse is the transform to a real signal of the fold of both signs;
 *   - anything else reads all bins again, put together of the halves. Where no product was shared on the way, that
 *     would cost more than it gains, and the transform stays as it was.
 *
 * Needs nothing. Keeps every value; sums of products over parts are taken part by part. Runs before differentiate, so
 * that the backward graph has halves too. A transform that stays as it was makes the rewriting start again. */
#include "spectral_symmetry.h"

#include "ir/guard.h"
#include "rebuild.h"

#include <string.h>

typedef struct Attempt {
  Halving halving;
  const bool *live;
  const char **reason; /* by old transform: why it stays as it was; NULL: it does not */
  bool failed;         /* a reason was added */
} Attempt;

static bool is_real_transform(const Node *node) {
  return node->op == OP_DFT && node_integer(node, DFT_FORM) == DFT_REAL_TO_COMPLEX;
}

static void start_spectrum(Attempt *attempt, NodeId id) {
  Halving *halving = &attempt->halving;
  const Node *node = graph_node(halving->from, id);
  const Attribute *axes = &node->attribute[DFT_AXES];
  NodeId x = halving->map[node->operand[0]];
  Spectrum spectrum = {
      .bins = bins_create(graph_shape(halving->to, x)->dim, axes->integers, axes->count), .source = id, .count = 1};
  if (spectrum.bins.extent[spectrum.bins.half] < 3) {
    attempt->reason[id] = "its axes are too short to have mirrored frequencies";
    attempt->failed = true;
    return;
  }
  int64_t others[SHAPE_MAX_RANK];
  uint32_t count = 0;
  for (uint32_t k = 0; k < axes->count; k++) {
    spectrum.axis[k] = (int32_t)axes->integers[k] + 1;
    if (k != spectrum.bins.half) others[count++] = axes->integers[k];
  }
  bool inverse = node_integer(node, DFT_INVERSE) != 0;
  NodeId half = graph_dft(halving->to, x, &axes->integers[spectrum.bins.half], 1, inverse, DFT_REAL_TO_HALF,
                          node_real(node, DFT_SCALE), 0);
  if (count > 0) half = graph_dft(halving->to, half, others, count, inverse, DFT_COMPLEX, 1, 0);
  spectrum.piece[0] = (Piece){PARITY_HERMITIAN, {half, NODE_NONE}};
  halving->spectrum[id] = arena_copy(halving->to->arena, &spectrum, sizeof spectrum);
}

static NodeId leader_of(const Halving *halving, NodeId source) {
  while (halving->leader[source] != NODE_NONE) source = halving->leader[source];
  return source;
}

/* Values of two transforms meet: what is gained is gained for both. */
static void join_sources(Halving *halving, NodeId a, NodeId b) {
  a = leader_of(halving, a);
  b = leader_of(halving, b);
  if (a == b) return;
  halving->leader[b] = a;
  halving->gained[a] |= halving->gained[b];
}

/* The inverse whose real part is wanted, along the axes of the spectrum. */
static bool finish_spectrum(Halving *halving, NodeId id) {
  const Node *node = graph_node(halving->from, id);
  const Spectrum *spectrum = halving->spectrum[node->operand[0]];
  if (node_integer(node, DFT_FORM) != DFT_COMPLEX_TO_REAL) return false;
  const Attribute *axes = &node->attribute[DFT_AXES];
  const Bins *bins = &spectrum->bins;
  if (axes->count != bins->count) return false;
  int64_t half = spectrum->axis[bins->half] - 1, others[SHAPE_MAX_RANK];
  uint32_t count = 0;
  for (uint32_t j = 0; j < axes->count; j++) {
    if (!spectrum_has_axis(spectrum, axes->integers[j] + 1)) return false;
    if (axes->integers[j] != half) others[count++] = axes->integers[j];
  }
  if (spectrum_is_mixed(spectrum) && spectrum->part != 0) return false;
  bool inverse = node_integer(node, DFT_INVERSE) != 0;
  NodeId x = spectrum_fold(halving->to, spectrum);
  if (count > 0) x = graph_dft(halving->to, x, others, count, inverse, DFT_COMPLEX, 1, 0);
  halving->map[id] = graph_dft(halving->to, x, &half, 1, inverse, DFT_HALF_TO_REAL, node_real(node, DFT_SCALE),
                               bins->extent[bins->half]);
  halving->gained[leader_of(halving, spectrum->source)] = true;
  return true;
}

static bool apply_rule(Halving *halving, NodeId id) {
  const Node *node = graph_node(halving->from, id);
  Spectrum result = {0};
  bool found = false;
  if (node->op == OP_DFT) return finish_spectrum(halving, id);
  if (op_is_elementwise(node->op)) {
    found = halve_elementwise(halving, node, &result);
  } else if (node->op == OP_CONTRACT) {
    found = halve_contract(halving, node, &result);
  } else if (node->op == OP_CONCAT) {
    found = halve_concat(halving, node, &result);
  } else if (node->op == OP_REDUCE_SUM || node->op == OP_REDUCE_MAX) {
    found = halve_reduction(halving, node, &result);
  } else if (op_info(node->op)->lowering == LOWER_VIEW || node->op == OP_PAD) {
    found = halve_view(halving, node, &result);
  }
  if (!found) return false;
  for (uint32_t k = 0; k < node->operand_count; k++) {
    const Spectrum *operand = halving->spectrum[node->operand[k]];
    if (operand == NULL) continue;
    result.shared |= operand->shared;
    join_sources(halving, result.source, operand->source);
  }
  if (result.shared) halving->gained[leader_of(halving, result.source)] = true;
  halving->spectrum[id] = arena_copy(halving->to->arena, &result, sizeof result);
  return true;
}

/* Operand or output `id` over all bins. */
static void need_all_bins(Attempt *attempt, NodeId id, const char *reader) {
  Halving *halving = &attempt->halving;
  const Spectrum *spectrum = halving->spectrum[id];
  if (spectrum == NULL || halving->map[id] != NODE_NONE) return;
  halving->map[id] = spectrum_unfold(halving->to, spectrum);
  if (spectrum->shared) return;
  const char *before = attempt->reason[spectrum->source];
  if (before != NULL) return;
  attempt->reason[spectrum->source] = arena_format(
      halving->to->arena, "%s reads all frequencies of %%%u, and no product was shared before", reader, id);
  attempt->failed = true;
}

static void rewrite_node(Attempt *attempt, NodeId id) {
  Halving *halving = &attempt->halving;
  const Node *node = graph_node(halving->from, id);
  bool reads = false;
  for (uint32_t k = 0; k < node->operand_count; k++) reads |= halving->spectrum[node->operand[k]] != NULL;
  if (reads && apply_rule(halving, id)) return;
  for (uint32_t k = 0; k < node->operand_count; k++) need_all_bins(attempt, node->operand[k], op_info(node->op)->name);
  if (is_real_transform(node) && attempt->reason[id] == NULL) start_spectrum(attempt, id);
  if (halving->spectrum[id] == NULL) halving->map[id] = graph_copy_node(halving->to, halving->from, id, halving->map);
}

static Graph *run_attempt(Attempt *attempt, Arena *arena, const Graph *from) {
  Graph *to = graph_create_like(arena, from);
  attempt->halving = (Halving){.from = from, .to = to};
  attempt->halving.map = ARENA_ARRAY(arena, NodeId, from->node_count + 1);
  attempt->halving.spectrum = ARENA_ARRAY(arena, Spectrum *, from->node_count + 1);
  attempt->halving.leader = ARENA_ARRAY(arena, NodeId, from->node_count + 1);
  attempt->halving.gained = ARENA_ARRAY(arena, bool, from->node_count + 1);
  attempt->failed = false;
  for (NodeId id = 1; id <= from->node_count; id++) {
    if (!attempt->live[id]) continue;
    to->span = graph_node(from, id)->span;
    rewrite_node(attempt, id);
  }
  for (uint32_t k = 0; k < from->output_count; k++) need_all_bins(attempt, from->output[k].node, "an output");
  for (NodeId id = 1; id <= from->node_count; id++) {
    if (attempt->halving.spectrum[id] == NULL || !is_real_transform(graph_node(from, id))) continue;
    if (attempt->halving.gained[leader_of(&attempt->halving, id)] || attempt->reason[id] != NULL) continue;
    attempt->reason[id] = "nothing would be saved";
    attempt->failed = true;
  }
  return to;
}

Graph *pass_spectral_symmetry(const Graph *graph, PassContext *context) {
  Arena *arena = context->arena;
  Attempt attempt = {.live = pass_find_live(graph, context),
                     .reason = ARENA_ARRAY(arena, const char *, graph->node_count + 1)};
  Graph *to;
  do {
    to = run_attempt(&attempt, arena, graph);
  } while (attempt.failed);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    if (attempt.reason[id]) pass_explain(context, "transform %%%u keeps all frequencies: %s", id, attempt.reason[id]);
  }
  to->span = graph->span;
  graph_copy_outputs(to, graph, attempt.halving.map);
  return graph_rewrite(to, pass_find_live(to, context), arena, NULL, NULL);
}
