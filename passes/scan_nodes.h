/* The ops of the SCAN family, seen alike: scan and scan_part, and the same run again from checkpoints. Their attributes
 * begin with the axis and the direction. */
#ifndef SIMBAC_PASSES_SCAN_NODES_H
#define SIMBAC_PASSES_SCAN_NODES_H

#include "ir/graph.h"

static inline bool op_is_part(OpCode op) { return op == OP_SCAN_PART || op == OP_RESCAN_PART; }
static inline bool op_is_first_run(OpCode op) { return op == OP_SCAN || op == OP_SCAN_PART; }
static inline bool op_is_rescan(OpCode op) { return op == OP_RESCAN || op == OP_RESCAN_PART; }
static inline bool op_is_recurrence(OpCode op) { return op_is_first_run(op) || op_is_rescan(op); }

static inline bool scan_is_late(const Node *scan) {
  return op_is_first_run(scan->op) && node_integer(scan, SCAN_LATE) != 0;
}

/* 0 of a real one. */
static inline int64_t scan_part_number(const Node *scan) {
  if (!op_is_part(scan->op)) return 0;
  return node_integer(scan, scan->op == OP_SCAN_PART ? SCAN_PART_PART : RESCAN_PART_PART);
}

/* The operand that is the initial state, or the checkpoints, of part `part`; NODE_NONE. */
static inline NodeId scan_initial(const Node *scan, int64_t part) {
  uint32_t k = op_is_part(scan->op) ? (uint32_t)(PART_INITIAL + part) : 2;
  return k < scan->operand_count ? scan->operand[k] : NODE_NONE;
}

/* Do both run the same recurrence? They may be its two parts. */
bool scan_is_same(const Node *a, const Node *b);
/* The other part of the complex recurrence that scan_part or rescan_part `id` is one of; NODE_NONE where nothing reads
 * it, or of a real one. Linear. */
NodeId scan_find_other_part(const Graph *graph, NodeId id);

/* The widest constant axis beside that of time: the channels, which are the lanes of a kernel. -1: there is none. */
int32_t scan_find_channels(const Node *scan);
/* The states of one step that one tile of channels has, in bytes. */
int64_t scan_step_bytes(const Node *scan);

#endif
