/* Which element of a tensor is meant, as a function of the loop indices of a kernel under construction.
 *
 * Views are composed here: given the place in a view's result, the place in its operand. Broadcast, permute, slice,
 * reverse and window are affine by nature; a reshape is where indices of merged axes divide without remainder. */
#ifndef SIMBAC_PASSES_POSITION_H
#define SIMBAC_PASSES_POSITION_H

#include "ir/graph.h"
#include "ir/kernel.h"

/* constant + sum_k coefficient[k] * (loop index k) */
typedef struct Position {
  Linear constant;
  int64_t coefficient[KERNEL_MAX_AXES];
} Position;

/* One position an axis; the value is needed only where all guards hold. */
typedef struct Place {
  int32_t rank;
  Position axis[SHAPE_MAX_RANK];
  uint32_t guard_count;
  IndexGuard guard[KERNEL_MAX_GUARDS];
} Place;

/* The loops as they stand. */
typedef struct LoopSpace {
  uint32_t count;
  LoopAxis axis[KERNEL_MAX_AXES];
} LoopSpace;

/* A loop index in the way of a reshape: it should be split so that its inner part has `inner` values. */
typedef struct SplitRequest {
  bool wanted;
  uint32_t axis;
  int64_t inner;
} SplitRequest;

Linear linear_of_dim(Dim dim);
void linear_add(Linear *sum, const Linear *term, int64_t scale);
/* At least 0 for all values >= 1 of the symbols. */
bool linear_is_never_negative(const Linear *linear);

Position position_constant(int64_t constant);
bool position_equal(const Position *a, const Position *b);
bool position_is_constant(const Position *position);
void position_add(Position *sum, const Position *term, int64_t scale);
/* Surely within 0 .. extent - 1 at every loop index? */
bool position_is_within(const LoopSpace *space, const Position *position, Dim extent);
/* Surely below 0, or not below `extent`, at every loop index? */
bool position_is_below(const LoopSpace *space, const Position *position, int64_t limit);
bool position_is_from(const LoopSpace *space, const Position *position, int64_t limit);
AxisMask position_axes(const Position *position);

bool place_equal(const Place *a, const Place *b);
AxisMask place_axes(const Place *place); /* guards included */
/* Adds the guard 0 <= position < extent unless it surely holds or is there already. False where there is no room or the
 * position depends on a symbol. `out_added` may be NULL. */
bool place_guard(const LoopSpace *space, Place *place, const Position *position, Dim extent, bool *out_added);

/* The place in the operand of view `node`, whose operand has shape `operand`. False where it is not affine; then
 * `out_split` says whether splitting a loop would help. */
bool place_through_view(const LoopSpace *space, const Node *node, const Shape *operand, const Place *place,
                        Place *out_place, SplitRequest *out_split);

/* Offset and strides of the element in a dense buffer of the shape. False where one is no Dim. */
bool place_access(const Place *place, const Shape *shape, Access *out_access);

#endif
