#include "scan_explain.h"

#include "lower_internal.h"

static bool is_scan_cluster(const Graph *graph, uint32_t cluster) {
  return cluster != 0 && graph->cluster[cluster].family == LOWER_SCAN;
}

static const char *output_of(const Graph *graph, NodeId id) {
  for (uint32_t k = 0; k < graph->output_count; k++)
    if (graph->output[k].node == id) return graph->output[k].name;
  return NULL;
}

/* Why `reader`, which reads states of a scan, is not in the scan's kernel. */
static const char *why_outside(const Graph *graph, const Node *reader) {
  LoweringKind kind = op_info(reader->op)->lowering;
  if (is_scan_cluster(graph, reader->cluster)) return "the kernel of another scan, which cannot compute them again";
  if (kind == LOWER_VIEW) return "which takes them away from their own index";
  if (kind == LOWER_SCAN) return "a scan that does not run along with it";
  if (kind == LOWER_SPECTRAL) return "a transform, which is a kernel of its own";
  if (op_is_elementwise(reader->op) || kind == LOWER_CONTRACT || reader->op == OP_REDUCE_SUM ||
      reader->op == OP_REDUCE_MAX)
    return "which would load another tensor of the index space, or wait for the scan elsewhere";
  return "which no scan's kernel can compute";
}

/* The stored tensor `id` of the index space of `scan`. */
static void explain_stored(const Graph *graph, const Clusters *clusters, NodeId scan, NodeId id, PassContext *context) {
  const Node *node = graph_node(graph, id);
  const char *output = output_of(graph, id);
  if (output != NULL)
    pass_explain(context, "scan %%%u stores %%%u of its index space: output \"%s\" wants it", scan, id, output);
  for (uint32_t k = clusters->user_first[id]; k < clusters->user_first[id + 1]; k++) {
    const Node *reader = graph_node(graph, clusters->user[k]);
    if (reader->cluster == node->cluster) continue;
    const char *wanted = output_of(graph, clusters->user[k]);
    if (wanted != NULL && (reader->op == OP_COPY || op_info(reader->op)->lowering == LOWER_VIEW))
      pass_explain(context, "scan %%%u stores %%%u of its index space: output \"%s\" wants it", scan, id, wanted);
    else
      pass_explain(context, "scan %%%u stores %%%u of its index space: it is read by %%%u = %s, %s", scan, id,
                   clusters->user[k], op_info(reader->op)->name, why_outside(graph, reader));
  }
}

/* Why the kernel of a scan loads `operand`, which has its index space and is computed, instead of computing it. */
static const char *why_loaded(const Node *operand) {
  LoweringKind kind = op_info(operand->op)->lowering;
  if (kind == LOWER_SCAN) return "it is the states of a scan that does not run along with it";
  if (op_is_elementwise(operand->op) || operand->op == OP_DELAY || operand->op == OP_PAD)
    return "its own operands would have the kernel wait for itself";
  if (kind == LOWER_VIEW) return "it is a view, which is followed no further";
  return "no scan's kernel can compute it";
}

static void explain_loaded(const Graph *graph, NodeId scan, uint32_t cluster, PassContext *context, bool *said) {
  const Shape *full = graph_shape(graph, scan);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *member = graph_node(graph, id);
    for (uint32_t k = 0; member->cluster == cluster && k < member->operand_count; k++) {
      NodeId operand = member->operand[k];
      const Node *source = graph_node(graph, operand);
      bool computed = source->op != OP_BROADCAST && op_info(source->op)->lowering != LOWER_LEAF;
      if (source->cluster == cluster || !computed || said[operand]) continue;
      if (!shape_equal(&source->shape, full)) continue;
      said[operand] = true;
      pass_explain(context, "scan %%%u loads %%%u = %s of its index space: %s", scan, operand,
                   op_info(source->op)->name, why_loaded(source));
    }
  }
}

void scan_explain(const Graph *graph, PassContext *context) {
  Arena *scratch = arena_create();
  Clusters *clusters = clusters_create(graph, scratch);
  clusters_settle(clusters);
  for (NodeId id = 1; id <= graph->node_count; id++) {
    uint32_t cluster = graph->node[id].cluster;
    if (!is_scan_cluster(graph, cluster)) continue;
    NodeId scan = graph->cluster[cluster].anchor;
    if (clusters->stored[id] && shape_equal(graph_shape(graph, id), graph_shape(graph, scan)))
      explain_stored(graph, clusters, scan, id, context);
    if (id == scan) explain_loaded(graph, scan, cluster, context, ARENA_ARRAY(scratch, bool, graph->node_count + 1));
  }
  arena_destroy(scratch);
}
