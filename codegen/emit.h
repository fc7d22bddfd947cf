/* The emitter that all kernel families share: the function of a kernel, loops, and the values of expressions
 * (ir/kernel.h) at a place in the loop nest.
 *
 * A kernel's work is a grid: the product of parts, part k has ceil(extent / tile) tiles, items are numbered row-major.
 * A family says what its grid is (KernelWork, a pure function of kernel and target, which codegen/entry.c also calls)
 * and emits one function:
 *
 *   Emitter e;
 *   emitter_begin(&e, session, kernel, name);      // function, flush-to-zero, symbols, builder in the body
 *   Loop items; loop_begin(&e, &items, e.begin, e.end, 1);
 *   LLVMValueRef tile[KERNEL_MAX_AXES]; emit_item(&e, &work, items.index, tile);
 *   Place place; place_begin(&e, &place); ... place_set_axis(...); emit_store(&e, &place, 0) ...
 *   loop_end(&e, &items);
 *   emitter_end(&e);
 *
 * Values. An expression at a place is a scalar f32 where it does not depend on the place's vector axis, else a vector
 * of W = e.lanes f32 whose lane l belongs to index[vector_axis] + l. Functions that take f32 values take both, and
 * mixed operands are splatted. Lanes that the mask switches off load 0 and store nothing; what they hold is
 * unspecified. Pointers of users are aligned to 4 only. Multiply and add are rounded separately unless emit_fma is
 * called. */
#ifndef SIMBAC_CODEGEN_EMIT_H
#define SIMBAC_CODEGEN_EMIT_H

#include "session.h"

#include "ir/kernel.h"

enum { NO_VECTOR_AXIS = -1 };

typedef struct WorkPart {
  Dim extent;
  int64_t tile;
} WorkPart;

typedef struct KernelWork {
  uint32_t part_count;
  WorkPart part[KERNEL_MAX_AXES]; /* outermost first; none: one item */
  size_t scratch_bytes;           /* what one worker needs; constant */
} KernelWork;

typedef struct Emitter {
  Session *session;
  LLVMBuilderRef builder; /* the session's */
  int lanes;
  bool has_fma;
  const Kernel *kernel;
  LLVMValueRef function, call, arguments, scratch, begin, end; /* simba_kernel and its parameters */
  LLVMValueRef symbol[SYMBOL_MAX];                             /* i64, loaded in the entry block */
  LLVMValueRef seed, step;                                     /* i64 */
  LLVMValueRef *slot;                                          /* pointer of each argument */
  LLVMBasicBlockRef entry;                                     /* for allocas: emit_alloca */
  LLVMValueRef saved_mode;                                     /* flush-to-zero state of the caller */
  LLVMValueRef zeros;                                          /* constant of W zeros */
} Emitter;

void emitter_begin(Emitter *e, Session *session, const Kernel *kernel, const char *name);
void emitter_end(Emitter *e);
/* The same for a function without a kernel (codegen/entry.c, tests of vector math): only session, builder, lanes. */
void emitter_begin_plain(Emitter *e, Session *session, LLVMValueRef function);
/* Loads symbols, seed and step of a simba_call into the emitter. */
void emitter_load_call(Emitter *e, LLVMValueRef call);
/* Field number `field` of the simba_call. */
LLVMValueRef emit_call_field(Emitter *e, unsigned field, LLVMTypeRef type, const char *name);

/* --- scalars and vectors ------------------------------------------------------------------------------------- */
LLVMValueRef emit_i64(Emitter *e, int64_t value);
LLVMValueRef emit_i32(Emitter *e, int32_t value);
LLVMValueRef emit_f32(Emitter *e, double value);        /* scalar constant */
LLVMValueRef emit_f32_vector(Emitter *e, double value); /* vector constant, all lanes equal */
LLVMValueRef emit_i32_vector(Emitter *e, int32_t value);
LLVMValueRef emit_lane_numbers(Emitter *e); /* <W x i32> 0, 1, ..., W - 1 */
bool emit_is_vector(LLVMValueRef value);
LLVMValueRef emit_splat(Emitter *e, LLVMValueRef scalar); /* of any scalar type; a vector is returned as it is */
LLVMValueRef emit_intrinsic(Emitter *e, IntrinsicId id, LLVMValueRef *arguments, unsigned count); /* overload: arg 0 */
LLVMValueRef emit_fma(Emitter *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c); /* a * b + c, fused with has_fma */
/* Sum or maximum of the lanes by a fixed tree of halves; scalar. */
LLVMValueRef emit_reduce_lanes(Emitter *e, ReduceKind kind, LLVMValueRef vector);
/* a + b or the larger of the two (scalars or vectors). */
LLVMValueRef emit_combine(Emitter *e, ReduceKind kind, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef emit_reduce_identity(Emitter *e, ReduceKind kind, bool vector);

/* Value of a Dim or a Linear (in elements), i64. */
LLVMValueRef emit_dim(Emitter *e, Dim dim);
LLVMValueRef emit_linear(Emitter *e, const Linear *linear);
/* i64 arithmetic that leaves out what is 0 or 1. */
LLVMValueRef emit_add_i64(Emitter *e, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef emit_multiply_i64(Emitter *e, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef emit_minimum_i64(Emitter *e, LLVMValueRef a, LLVMValueRef b);

/* Memory: `pointer + index` in f32. Vectors are accessed with alignment 4; mask NULL is all lanes. */
LLVMValueRef emit_element(Emitter *e, LLVMValueRef pointer, LLVMValueRef index);
LLVMValueRef emit_load_scalar(Emitter *e, LLVMValueRef pointer);
LLVMValueRef emit_load_vector(Emitter *e, LLVMValueRef pointer, LLVMValueRef mask);
void emit_store_scalar(Emitter *e, LLVMValueRef value, LLVMValueRef pointer);
void emit_store_vector(Emitter *e, LLVMValueRef value, LLVMValueRef pointer, LLVMValueRef mask);
/* Stores the first `count` (i32, 0 .. W) lanes: what a masked store means, as fast as the target can. */
void emit_store_first(Emitter *e, LLVMValueRef value, LLVMValueRef pointer, LLVMValueRef count);
/* Asks for the line at `pointer`, which need not exist, in the second cache level. */
void emit_prefetch(Emitter *e, LLVMValueRef pointer);
LLVMValueRef emit_alloca(Emitter *e, LLVMTypeRef type, uint64_t count, unsigned alignment); /* in the entry block */

/* --- loops --------------------------------------------------------------------------------------------------- */
enum { LOOP_MAX_CARRIED = 256 };

/* for (index = begin; index < end; index += step). After loop_begin the builder is in the body; carried values must be
 * added before anything else is emitted there. carried[k] is the value at the start of an iteration and, after
 * loop_end, the final one. */
typedef struct Loop {
  LLVMBasicBlockRef head, body, exit;
  LLVMValueRef index, end, step;
  uint32_t carried_count;
  LLVMValueRef carried[LOOP_MAX_CARRIED], next[LOOP_MAX_CARRIED];
} Loop;

void loop_begin(Emitter *e, Loop *loop, LLVMValueRef begin, LLVMValueRef end, int64_t step);
LLVMValueRef loop_carry(Emitter *e, Loop *loop, LLVMValueRef initial); /* sets next to the value itself */
void loop_end(Emitter *e, Loop *loop);                                 /* uses loop->next */

/* if (condition) { ... } : the builder is in the then-block until branch_end. No values come out. */
typedef struct Branch {
  LLVMBasicBlockRef end;
} Branch;
void branch_begin(Emitter *e, Branch *branch, LLVMValueRef condition);
void branch_end(Emitter *e, Branch *branch);

/* --- the grid ------------------------------------------------------------------------------------------------ */
LLVMValueRef emit_item_count(Emitter *e, const KernelWork *work); /* i64 */
/* Tile numbers (not yet times tile) of item `item`, one a part. */
void emit_item(Emitter *e, const KernelWork *work, LLVMValueRef item, LLVMValueRef *out_tile);

/* --- expressions --------------------------------------------------------------------------------------------- */
/* Indices of the loops we are in, and the values already emitted there. Copying a Place and changing the copy is how
 * one enters a loop: the values of the outer place stay valid in the inner one, not the other way round. */
typedef struct Place {
  LLVMValueRef index[KERNEL_MAX_AXES]; /* i64; NULL: not in that loop yet. Of the vector axis: lane 0's */
  int vector_axis;
  LLVMValueRef mask;   /* <W x i1> of the lanes that exist, NULL: all */
  LLVMValueRef active; /* with a mask: how many lanes exist, i32; they are the first ones */
  LLVMValueRef *value; /* by expression, NULL: not emitted */
} Place;

void place_begin(Emitter *e, Place *place); /* no index, no vector axis */
/* A place of its own with the values of `outer` that do not depend on `changes`, whose indices the caller then sets. */
void place_enter(Emitter *e, Place *place, const Place *outer, AxisMask changes);
/* Sets mask so that lanes with index + lane >= extent are off. `whole`: they are all known to be below it. */
void place_set_vector(Emitter *e, Place *place, int axis, LLVMValueRef index, bool whole);
/* Families provide the kinds that belong to them (REDUCED, PRODUCT, STATE, PREVIOUS), by expression number, before
 * something that uses them is emitted. */
void place_set_value(Place *place, uint32_t expr, LLVMValueRef value);

/* Value of an expression; operands are emitted as needed and remembered in the place. */
LLVMValueRef emit_expr(Emitter *e, Place *place, uint32_t expr);
LLVMValueRef emit_expr_vector(Emitter *e, Place *place, uint32_t expr); /* splatted where uniform */
/* Emits into `place` what `root` needs and can be had with the indices that are set (and set family values), so that it
 * need not be emitted again in loops inside. */
void emit_invariants(Emitter *e, Place *place, uint32_t root);
/* Element index of an access (i64, lane 0) and its stride along the vector axis (NULL: 0). */
LLVMValueRef emit_address(Emitter *e, const Place *place, const Access *access);
LLVMValueRef emit_load(Emitter *e, const Place *place, const Access *access);
/* Stores `value` (scalar or vector) at the place; `vector`: the access varies along the vector axis. */
void emit_store_value(Emitter *e, const Place *place, const Access *access, LLVMValueRef value, bool vector);
/* The same `offset` elements (i64) further on. */
void emit_store_value_at(Emitter *e, const Place *place, const Access *access, LLVMValueRef offset, LLVMValueRef value,
                         bool vector);
void emit_store(Emitter *e, Place *place, uint32_t store); /* expression and all */
/* An elementwise op of f32 values (vectors, or all scalars). */
LLVMValueRef emit_op(Emitter *e, OpCode op, const LLVMValueRef *operands, uint32_t count);

#endif
