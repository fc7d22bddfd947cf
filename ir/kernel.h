/* The kernel IR: what the code generator is given, one Kernel for each fusion.
 *
 * A kernel is a loop nest over at most KERNEL_MAX_AXES axes and a body of scalar expressions. Every expression is a
 * function of the loop indices; `axes` says of which. Buffers are addressed by affine functions of the indices, so
 * views (broadcast, permute, slice, reverse, window, reshape) have vanished into strides. What a kernel computes is
 * fixed here; in which order, in which vector lanes and tiles is the emitter's choice, within the rules of determinism:
 * work is split by the problem, never by the number of threads, and sums have a fixed order.
 *
 * Four families:
 *   MAP       axes PARALLEL and REDUCED. Values are loaded, combined, reduced over REDUCED axes (EXPR_REDUCED reads a
 *             finished reduction, and may feed further reductions: mean, then variance, then the normalised row),
 *             stored.
 *   CONTRACT  sum over REDUCED axes of left * right (two loads), the sum is EXPR_PRODUCT; an epilogue of expressions
 *             over the PARALLEL axes follows, then stores. PARALLEL axes that both loads vary over are batch axes.
 *   SCAN      axes PARALLEL (batch), LANE (channels, the vector axis), TIME, and at most one STATE axis (n).
 *             Recurrences run along TIME; reductions may be over STATE, LANE, TIME or any subset. Never a buffer over
 *             all axes. A recurrence can leave its state at every `chunk` steps, and one that runs again for its
 *             adjoint can start from there: then no more than a chunk of states is kept at a time.
 *   SPECTRAL  one Fourier transform along an axis: EXPR_PRODUCT is the transform of the expression `source`; an
 *             epilogue follows, as in a CONTRACT.
 *
 * What lowering guarantees and an emitter may rely on (kernel_verify checks it):
 *   all       Operands come before users, also through reductions and recurrences: a reduction's expression and a
 *             recurrence's decay, input and initial come before whatever reads them. `axes` of a load are those with a
 *             stride or a guard coefficient. A store is made at every index of the axes along which it has a stride,
 *             each index writes an element of its own, and its expression depends on no other axes (it may depend on
 *             fewer). A sum over an axis on which its expression does not depend counts it `extent` times.
 *             No axis has the constant extent 1, except LANE and TIME of a scan and the last axis of a product.
 *   MAP       PARALLEL axes, then REDUCED ones. Every reduction is over all REDUCED axes. Stores may have the REDUCED
 *             axes too (the normalised row), all of them or none. A kernel without axes computes a scalar.
 *   CONTRACT  PARALLEL axes in the order batch (both factors vary), left-only, right-only, then REDUCED axes (perhaps
 *             none). The last PARALLEL axis, the vector axis, is right-only; lowering sees to it that `right` and the
 *             stores have unit stride along it wherever layouts allow, but that is not promised. The epilogue
 *             depends on PARALLEL axes only and has no reductions; every store has all PARALLEL axes. Factors may have
 *             guards, and are expressions of their own that only the product reads.
 *   SPECTRAL  The REDUCED axes number the rows of the source: q * (samples of a part) + n is the sum of index times
 *             Transform.row, for part q (0 real, 1 imaginary) of sample n; PARALLEL axes with a row number those of the
 *             result, part p of frequency k, likewise. Such axes have constant extents, and each row one index. The
 *             other PARALLEL axes number independent transforms. `form` says which sides have two parts and which a
 *             half spectrum (ops.def). EXPR_PRODUCT is scale times the real (p = 0) or imaginary part of the sum over n
 *             of the source times exp(-+ 2 pi i k n / N), + for inverse. `source` is any expression over the other
 *             PARALLEL axes and REDUCED ones. Epilogue and stores are as in a CONTRACT.
 *   SCAN      PARALLEL axes, LANE, TIME, then STATE if there is one: exactly one LANE and one TIME. Recurrences of one
 *             direction come before all those of the other and do not depend on them; the later ones, and what is
 *             reduced and stored with them, may depend on the earlier ones' states at every step. A complex recurrence
 *             is two coupled real ones, which take each step together. A reduction is over
 *             STATE, LANE or TIME or several of them, never over PARALLEL axes. One over STATE alone may be read by
 *             anything at its (PARALLEL, LANE, TIME) index; one over LANE or TIME is only stored. A scan that could not be fused
 *             loads its decay and input and stores its states over all axes.
 *
 * Kernels are compared by content, so equal ones are compiled once: they hold no buffer ids, names or addresses, only
 * argument slots that a Launch (program.h) binds. Spans and labels for people are in the Launch. */
#ifndef SIMBAC_IR_KERNEL_H
#define SIMBAC_IR_KERNEL_H

#include "arena.h"
#include "ops.h"
#include "shape.h"

enum { KERNEL_MAX_AXES = 12, KERNEL_MAX_GUARDS = 4 };

typedef uint32_t AxisMask; /* bit k: loop axis k */

typedef enum AxisRole { AXIS_PARALLEL, AXIS_REDUCED, AXIS_LANE, AXIS_TIME, AXIS_STATE } AxisRole;

typedef struct LoopAxis {
  Dim extent;
  AxisRole role;
} LoopAxis;

/* constant + sum over symbols of per_symbol[s - 1] * value(s) */
typedef struct Linear {
  int64_t constant, per_symbol[SYMBOL_MAX];
} Linear;

/* The element may be touched only where 0 <= constant + sum_k coefficient[k] * index[k] < extent. */
typedef struct IndexGuard {
  int64_t constant, coefficient[KERNEL_MAX_AXES];
  Dim extent;
} IndexGuard;

/* Element `offset + sum_k stride[k] * index[k]` of the buffer bound to argument `slot`, counted in f32 from its start.
 * A load outside its guards gives 0; stores have no guards. */
typedef struct Access {
  uint32_t slot;
  Linear offset;
  Dim stride[KERNEL_MAX_AXES];
  uint32_t guard_count;
  IndexGuard guard[KERNEL_MAX_GUARDS];
} Access;

typedef enum ExprKind {
  EXPR_CONSTANT, /* value */
  EXPR_LOAD,     /* access */
  EXPR_INDEX,   /* the linear index constant + sum_k coefficient[k] * index[k] as f32: index_guard without its extent */
  EXPR_EXTENT,  /* dim as f32 */
  EXPR_RANDOM,  /* uniform [0, 1) of element `access` (slot unused: its linear address is the counter), stream `stream`
                 */
  EXPR_OP,      /* an elementwise OpCode of args */
  EXPR_REDUCED, /* reduction `which` */
  EXPR_PRODUCT, /* contract: the finished sum; spectral: the transform */
  EXPR_STATE,   /* scan: h[t] of recurrence `which` */
  EXPR_PREVIOUS /* scan: h[t - 1] of recurrence `which` in its direction; the initial state at its first step */
} ExprKind;

/* What is known of a value whatever the inputs are (sign.h). */
typedef enum Sign { SIGN_ANY, SIGN_NOT_NEGATIVE, SIGN_NOT_POSITIVE } Sign;

typedef struct Expr {
  ExprKind kind;
  OpCode op;
  uint32_t arg[3]; /* earlier expressions, by index in Kernel.expr */
  uint32_t which;
  int64_t stream;
  double value;
  Dim dim;
  Access access;
  IndexGuard index;
  AxisMask axes; /* the loop axes its value depends on */
  Sign sign;     /* of a load, where that is of use to the emitter: in scans */
} Expr;

typedef enum ReduceKind { REDUCE_SUM, REDUCE_MAX } ReduceKind;

typedef struct Reduction {
  ReduceKind kind;
  uint32_t expr;
  AxisMask over; /* REDUCED axes (map); STATE, LANE, TIME (scan) */
} Reduction;

typedef enum StoreWhen {
  STORE_EACH, /* at every index of the axes its expression depends on */
  STORE_LAST, /* scan: once, of a STATE or PREVIOUS at the last step of its recurrence; the access has no TIME axis */
  STORE_CHECKPOINT /* scan: of a PREVIOUS before every step k * Kernel.chunk of its recurrence; the TIME index is k */
} StoreWhen;

typedef struct Store {
  uint32_t expr;
  Access access;
  StoreWhen when;
  /* scan, for a sum over LANE: the emitter sums the lanes of one channel tile, and tile number k of the channels stores
   * at k * tile_stride more; a MAP kernel that follows adds the tiles in order. 0: no such store. */
  Dim tile_stride;
} Store;

typedef struct Recurrence {
  uint32_t decay, input; /* expressions: h[t] = decay[t] * h[t - 1] + input[t] */
  uint32_t initial;      /* expression without TIME, or EXPR_NO_INITIAL */
  bool reverse;          /* t runs downwards */
  bool late;             /* h[t] = c + input[t], then c = decay[t] * h[t] */
  bool resumes;          /* `initial` is a load of checkpoints: with k for the TIME index, the state before step
                          * k * Kernel.chunk. Only in the direction of the first recurrence, and all or none there */
  bool coupled;          /* one part of a complex recurrence: `turn` times the partner's state is added to `decay` times
                          * its own, wherever that stands above. The partner is coupled with it, of the same direction
                          * and kind; neither's state is read before both are known */
  uint32_t turn, partner; /* an expression; the number of a recurrence */
} Recurrence;

#define EXPR_NO_INITIAL UINT32_MAX

typedef struct Transform {
  int64_t form; /* DFT_COMPLEX, ... */
  bool inverse;
  int64_t extent; /* N: samples of a whole period */
  double scale;
  uint32_t source;              /* expression */
  int64_t row[KERNEL_MAX_AXES]; /* what a step along the axis adds to the number of the row; 0: not transformed */
} Transform;

typedef struct Kernel {
  LoweringKind family;
  uint32_t axis_count;
  LoopAxis axis[KERNEL_MAX_AXES]; /* outermost first; in MAP and CONTRACT PARALLEL axes in the order of the result */
  uint32_t argument_count;        /* slots 0 .. argument_count - 1; read-only ones first */
  uint32_t read_count;            /* how many of them are read-only */
  uint32_t expr_count, reduction_count, recurrence_count, store_count;
  Expr *expr; /* operands before users */
  Reduction *reduction;
  Recurrence *recurrence;
  Store *store;
  uint32_t left, right; /* contract: two EXPR_LOADs */
  int64_t chunk;        /* scan: steps from checkpoint to checkpoint; 0: it has none */
  Transform transform;  /* spectral */
} Kernel;

/* Channels in one tile of a scan's LANE axis; part of the meaning of Store.tile_stride, the same on every target so
 * that buffers have one shape. Vector widths divide it. */
enum { SCAN_TILE = 16 };

/* The expressions that a recurrence reads itself, without its partner's. Returns how many. */
enum { RECURRENCE_MAX_SOURCES = 4 };
uint32_t recurrence_sources(const Recurrence *recurrence, uint32_t out_source[RECURRENCE_MAX_SOURCES]);
/* The axes along which an access or an index varies; the loop axes of a role. */
AxisMask access_axes(const Access *access);
AxisMask index_axes(const IndexGuard *index);
AxisMask kernel_axes(const Kernel *kernel, AxisRole role);
bool expr_equal(const Expr *a, const Expr *b, uint32_t axis_count);

/* Of everything but addresses in memory: equal kernels compute the same. */
uint64_t kernel_hash(const Kernel *kernel);
bool kernel_equal(const Kernel *a, const Kernel *b);
/* NULL where sound, else what is wrong (in `arena`). */
const char *kernel_verify(const Kernel *kernel, Arena *arena);
void kernel_print(const Kernel *kernel, const char *const *symbol_names, Text *out);
/* Runs it naively in f64 on f64 buffers (arguments[slot]), for tests of lowering and emitters. */
void kernel_evaluate(const Kernel *kernel, const int64_t *symbols, uint64_t seed, uint64_t step,
                     double *const *arguments);

#endif
