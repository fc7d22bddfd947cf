#include "lane_sums.h"
#include "scan_emit.h"

LLVMValueRef scan_emit_term(const Scan *scan, uint32_t q, Place *place, LLVMValueRef sum) {
  Emitter *e = scan->e;
  const Reduction *reduction = &scan->plan->kernel->reduction[q];
  const Expr *expr = &scan->plan->kernel->expr[reduction->expr];
  bool masked = scan->plan->reduction[q].over_lane && place->mask;
  if (scan->plan->fused[reduction->expr] && !masked)
    return emit_fma(e, emit_expr_vector(e, place, expr->arg[0]), emit_expr_vector(e, place, expr->arg[1]), sum);
  LLVMValueRef term = emit_expr_vector(e, place, reduction->expr);
  if (masked) term = LLVMBuildSelect(e->builder, place->mask, term, emit_reduce_identity(e, reduction->kind, true), "");
  return sum ? emit_combine(e, reduction->kind, sum, term) : term;
}

void scan_add_to_cells(const Scan *scan, uint32_t q, Place *place, LLVMValueRef n, int v) {
  int64_t cells = scan->plan->reduction[q].cells;
  scan_store_cell(scan, cells, n, v, scan_emit_term(scan, q, place, scan_load_cell(scan, cells, n, v)));
}

void scan_sum_lanes(const Scan *scan, ReduceKind kind, const LLVMValueRef *vector, int count, int stride,
                    LLVMValueRef *out_scalar) {
  LLVMValueRef combined[SCAN_MAX_UNROLL];
  for (int u = 0; u < count; u++) {
    const LLVMValueRef *group = vector + (ptrdiff_t)u * stride;
    combined[u] = group[0];
    for (int v = 1; v < scan->plan->vectors; v++) combined[u] = emit_combine(scan->e, kind, combined[u], group[v]);
  }
  emit_lane_sums(scan->e, kind, combined, count, out_scalar);
}

void scan_set_reduced(const Scan *scan, uint32_t q, Place *place, LLVMValueRef value) {
  const Kernel *kernel = scan->plan->kernel;
  for (uint32_t k = 0; k < kernel->expr_count; k++)
    if (kernel->expr[k].kind == EXPR_REDUCED && kernel->expr[k].which == q) place_set_value(place, k, value);
}

void scan_finish_state_sum(const Scan *scan, uint32_t q, Place *outer, LLVMValueRef *value) {
  const ScanPlan *plan = scan->plan;
  const ScanReduction *reduction = &plan->reduction[q];
  ReduceKind kind = plan->kernel->reduction[q].kind;
  LLVMValueRef sum = NULL;
  if (reduction->over_lane && !reduction->over_time) scan_sum_lanes(scan, kind, value, 1, plan->vectors, &sum);
  for (int v = 0; v < plan->vectors; v++) {
    if (reduction->over_time) {
      LLVMValueRef so_far = scan_load_cell(scan, reduction->cells, NULL, v);
      scan_store_cell(scan, reduction->cells, NULL, v, emit_combine(scan->e, kind, so_far, value[v]));
      continue;
    }
    scan_set_reduced(scan, q, &outer[v], sum ? sum : value[v]);
    if (reduction->cells != NO_CELLS) scan_store_cell(scan, reduction->cells, NULL, v, value[v]);
    if (reduction->rows != NO_CELLS)
      scan_store_row(scan, reduction->rows, false, scan_row(scan, &outer[v]), NULL, v, value[v]);
  }
}
