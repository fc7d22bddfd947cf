/* Every output gets a node that a kernel computes and that no other output names: leaves, views and values that are
 * wanted twice are copied. The reshape of a computed value is left alone, it is the same buffer. Linear.
 *
 *   output a %1; output b %1     ->     output a %1; %2 = copy %1; output b %2 */
#include "pipeline.h"
#include "rebuild.h"

/* The computed node whose buffer holds the output as it is, or NODE_NONE. */
static NodeId computed_base(const Graph *graph, NodeId id) {
  while (graph_op(graph, id) == OP_RESHAPE) id = graph_operand(graph, id, 0);
  LoweringKind kind = op_info(graph_op(graph, id))->lowering;
  return kind == LOWER_VIEW || kind == LOWER_LEAF ? NODE_NONE : id;
}

Graph *pass_separate_outputs(const Graph *graph, PassContext *context) {
  Graph *to = graph_copy_live(graph, context->arena);
  bool *taken = ARENA_ARRAY(context->arena, bool, to->node_count + 1);
  for (uint32_t k = 0; k < to->output_count; k++) {
    NodeId base = computed_base(to, to->output[k].node);
    if (base != NODE_NONE && !taken[base]) {
      taken[base] = true;
      continue;
    }
    to->output[k].node = graph_add_clone(to, OP_COPY, &to->output[k].node, 1, NULL);
  }
  return to;
}
