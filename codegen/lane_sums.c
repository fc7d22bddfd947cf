#include "lane_sums.h"

#include <string.h>

enum { MAX_LANES = 16, GROUP = 4 /* lanes between which shuffles are cheapest */ };

static LLVMValueRef shuffle(Emitter *e, LLVMValueRef a, LLVMValueRef b, const int *lane, int count) {
  LLVMValueRef order[MAX_LANES];
  for (int k = 0; k < count; k++) order[k] = emit_i32(e, lane[k]);
  return LLVMBuildShuffleVector(e->builder, a, b, LLVMConstVector(order, (unsigned)count), "");
}

/* Two vectors that hold `states` interleaved partial sums each (lane l belongs to state l % states, up to GROUP lanes
 * together) become one of twice as many: the blocks of the lower half of every group, then those of the upper half. */
static LLVMValueRef merge_pair(Emitter *e, ReduceKind kind, LLVMValueRef a, LLVMValueRef b, int states) {
  int width = e->lanes, group = states < GROUP ? GROUP : width, half = group / 2;
  int low[MAX_LANES], high[MAX_LANES];
  for (int l = 0; l < width; l++) {
    int within = l % group, block = within / states;
    int source = l - within + block / 2 * states + within % states + (block % 2 ? width : 0);
    low[l] = source;
    high[l] = source + half;
  }
  return emit_combine(e, kind, shuffle(e, a, b, low, width), shuffle(e, a, b, high, width));
}

/* Halves are added until each of `states` states has one lane left. */
static LLVMValueRef fold(Emitter *e, ReduceKind kind, LLVMValueRef vector, int states) {
  for (int width = e->lanes; width > states; width /= 2) {
    int low[MAX_LANES], high[MAX_LANES];
    for (int l = 0; l < width / 2; l++) {
      low[l] = l;
      high[l] = l + width / 2;
    }
    LLVMValueRef upper = shuffle(e, vector, LLVMGetPoison(LLVMTypeOf(vector)), high, width / 2);
    LLVMValueRef lower = shuffle(e, vector, LLVMGetPoison(LLVMTypeOf(vector)), low, width / 2);
    vector = emit_combine(e, kind, lower, upper);
  }
  return vector;
}

/* `count` is a power of two and at most e->lanes; a vector of as many sums. */
static LLVMValueRef sum_group(Emitter *e, ReduceKind kind, const LLVMValueRef *vector, int count) {
  LLVMValueRef merged[MAX_LANES];
  memcpy(merged, vector, (size_t)count * sizeof *merged);
  for (int states = 1; states < count; states *= 2)
    for (size_t k = 0; k < (size_t)count / 2 / (size_t)states; k++)
      merged[k] = merge_pair(e, kind, merged[2 * k], merged[2 * k + 1], states);
  return fold(e, kind, merged[0], count);
}

LLVMValueRef emit_lane_sum_vector(Emitter *e, ReduceKind kind, const LLVMValueRef *vector) {
  return sum_group(e, kind, vector, e->lanes);
}

void emit_lane_sums(Emitter *e, ReduceKind kind, const LLVMValueRef *vector, int count, LLVMValueRef *out_scalar) {
  for (int done = 0; done < count;) {
    int group = e->lanes;
    while (group > count - done) group /= 2;
    LLVMValueRef sums = sum_group(e, kind, vector + done, group);
    for (int k = 0; k < group; k++)
      out_scalar[done + k] = LLVMBuildExtractElement(e->builder, sums, emit_i32(e, k), "");
    done += group;
  }
}
