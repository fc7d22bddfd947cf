/* Loops, branches and the grid of work items. */
#include "emit.h"

static LLVMBasicBlockRef add_block(Emitter *e, const char *name) {
  return LLVMAppendBasicBlockInContext(e->session->context, e->function, name);
}

/* The test is at the head, so that the loop's carried values exist after it even where it never ran; LLVM's loop-rotate
 * moves it to the bottom. */
void loop_begin(Emitter *e, Loop *loop, LLVMValueRef begin, LLVMValueRef end, int64_t step) {
  LLVMBasicBlockRef before = LLVMGetInsertBlock(e->builder);
  *loop = (Loop){.head = add_block(e, "loop"), .body = add_block(e, "loop.body"), .exit = add_block(e, "loop.exit")};
  LLVMBuildBr(e->builder, loop->head);
  LLVMPositionBuilderAtEnd(e->builder, loop->head);
  loop->index = LLVMBuildPhi(e->builder, e->session->i64, "index");
  LLVMAddIncoming(loop->index, &begin, &before, 1);
  loop->end = end;
  loop->step = emit_i64(e, step);
  LLVMValueRef more = LLVMBuildICmp(e->builder, LLVMIntSLT, loop->index, end, "");
  LLVMBuildCondBr(e->builder, more, loop->body, loop->exit);
  LLVMPositionBuilderAtEnd(e->builder, loop->body);
}

static LLVMBasicBlockRef block_before(const Loop *loop) { return LLVMGetIncomingBlock(loop->index, 0); }

LLVMValueRef loop_carry(Emitter *e, Loop *loop, LLVMValueRef initial) {
  ASSERT(loop->carried_count < LOOP_MAX_CARRIED);
  LLVMBasicBlockRef before = block_before(loop);
  LLVMPositionBuilderBefore(e->builder, LLVMGetFirstInstruction(loop->head));
  LLVMValueRef phi = LLVMBuildPhi(e->builder, LLVMTypeOf(initial), "carried");
  LLVMAddIncoming(phi, &initial, &before, 1);
  LLVMPositionBuilderAtEnd(e->builder, loop->body);
  loop->carried[loop->carried_count] = loop->next[loop->carried_count] = phi;
  loop->carried_count++;
  return phi;
}

void loop_end(Emitter *e, Loop *loop) {
  LLVMBasicBlockRef last = LLVMGetInsertBlock(e->builder);
  LLVMValueRef next = LLVMBuildNSWAdd(e->builder, loop->index, loop->step, "");
  LLVMAddIncoming(loop->index, &next, &last, 1);
  for (uint32_t k = 0; k < loop->carried_count; k++) LLVMAddIncoming(loop->carried[k], &loop->next[k], &last, 1);
  LLVMBuildBr(e->builder, loop->head);
  LLVMMoveBasicBlockAfter(loop->exit, last);
  LLVMPositionBuilderAtEnd(e->builder, loop->exit);
}

void branch_begin(Emitter *e, Branch *branch, LLVMValueRef condition) {
  LLVMBasicBlockRef then = add_block(e, "then");
  branch->end = add_block(e, "after");
  LLVMBuildCondBr(e->builder, condition, then, branch->end);
  LLVMPositionBuilderAtEnd(e->builder, then);
}

void branch_end(Emitter *e, Branch *branch) {
  LLVMBasicBlockRef last = LLVMGetInsertBlock(e->builder);
  LLVMBuildBr(e->builder, branch->end);
  LLVMMoveBasicBlockAfter(branch->end, last);
  LLVMPositionBuilderAtEnd(e->builder, branch->end);
}

static LLVMValueRef tile_count(Emitter *e, const WorkPart *part) {
  LLVMValueRef extent = emit_dim(e, part->extent);
  if (part->tile == 1) return extent;
  LLVMValueRef rounded = LLVMBuildAdd(e->builder, extent, emit_i64(e, part->tile - 1), "");
  return LLVMBuildUDiv(e->builder, rounded, emit_i64(e, part->tile), "tiles");
}

LLVMValueRef emit_item_count(Emitter *e, const KernelWork *work) {
  LLVMValueRef count = emit_i64(e, 1);
  for (uint32_t k = 0; k < work->part_count; k++) count = emit_multiply_i64(e, count, tile_count(e, &work->part[k]));
  return count;
}

void emit_item(Emitter *e, const KernelWork *work, LLVMValueRef item, LLVMValueRef *out_tile) {
  for (uint32_t k = work->part_count; k-- > 1;) {
    LLVMValueRef count = tile_count(e, &work->part[k]);
    out_tile[k] = LLVMBuildURem(e->builder, item, count, "tile");
    item = LLVMBuildUDiv(e->builder, item, count, "");
  }
  if (work->part_count) out_tile[0] = item;
}
