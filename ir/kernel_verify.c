/* The promises of kernel.h, checked one by one. */
#include "kernel.h"

typedef struct Check {
  const Kernel *kernel;
  Arena *arena;
  AxisMask all, parallel, reduced, lane, time, state;
} Check;

static const char *check_access(const Check *check, const Access *access, const char *what, uint32_t which) {
  if (access->slot >= check->kernel->argument_count) return arena_format(check->arena, "%s %u: no slot", what, which);
  if (access->guard_count > KERNEL_MAX_GUARDS) return arena_format(check->arena, "%s %u: guards", what, which);
  if (access_axes(access) & ~check->all) return arena_format(check->arena, "%s %u: no such axis", what, which);
  return NULL;
}

/* Whatever the expression reads must come before it; `out_axes`: the axes it then depends on. */
static const char *check_sources(const Check *check, uint32_t e, AxisMask *out_axes) {
  const Kernel *kernel = check->kernel;
  const Expr *expr = &kernel->expr[e];
  uint32_t source[2 * RECURRENCE_MAX_SOURCES], count = 0;
  AxisMask removed = 0, added = 0;
  if (expr->kind == EXPR_OP) {
    for (; count < op_info(expr->op)->operands_min; count++) source[count] = expr->arg[count];
  } else if (expr->kind == EXPR_REDUCED) {
    if (expr->which >= kernel->reduction_count) return arena_format(check->arena, "e%u: no such reduction", e);
    source[count++] = kernel->reduction[expr->which].expr;
    removed = kernel->reduction[expr->which].over;
  } else if (expr->kind == EXPR_STATE || expr->kind == EXPR_PREVIOUS) {
    if (expr->which >= kernel->recurrence_count) return arena_format(check->arena, "e%u: no such recurrence", e);
    const Recurrence *recurrence = &kernel->recurrence[expr->which];
    if (recurrence->coupled && recurrence->partner >= kernel->recurrence_count)
      return arena_format(check->arena, "e%u: no such partner", e);
    count = recurrence_sources(recurrence, source);
    if (recurrence->coupled) count += recurrence_sources(&kernel->recurrence[recurrence->partner], source + count);
    added = check->time;
  }
  AxisMask axes = added;
  for (uint32_t k = 0; k < count; k++) {
    if (source[k] >= e) return arena_format(check->arena, "e%u reads e%u, which is not before it", e, source[k]);
    axes |= kernel->expr[source[k]].axes;
  }
  *out_axes = axes & ~removed;
  return NULL;
}

static const char *check_expr(const Check *check, uint32_t e) {
  const Expr *expr = &check->kernel->expr[e];
  AxisMask axes = 0;
  const char *message = check_sources(check, e, &axes);
  if (message != NULL) return message;
  bool product = check->kernel->family == LOWER_CONTRACT || check->kernel->family == LOWER_SPECTRAL;
  if (expr->kind == EXPR_LOAD) {
    message = check_access(check, &expr->access, "load", e);
    if (message != NULL) return message;
    if (expr->access.slot >= check->kernel->read_count) return arena_format(check->arena, "e%u loads a result", e);
    axes = access_axes(&expr->access);
  } else if (expr->kind == EXPR_RANDOM) {
    axes = access_axes(&expr->access);
  } else if (expr->kind == EXPR_INDEX) {
    axes = index_axes(&expr->index);
  } else if (expr->kind == EXPR_PRODUCT) {
    if (!product) return arena_format(check->arena, "e%u: a product in a kernel that has none", e);
    axes = check->parallel;
  }
  if (axes != expr->axes) return arena_format(check->arena, "e%u: axes %x, should be %x", e, expr->axes, axes);
  bool scans = expr->kind == EXPR_STATE || expr->kind == EXPR_PREVIOUS;
  if (scans && check->kernel->family != LOWER_SCAN) return arena_format(check->arena, "e%u: no scan here", e);
  return NULL;
}

static const char *check_reduction(const Check *check, uint32_t r) {
  const Reduction *reduction = &check->kernel->reduction[r];
  switch (check->kernel->family) {
    case LOWER_MAP:
      return reduction->over == check->reduced ? NULL : arena_format(check->arena, "r%u: not all REDUCED axes", r);
    case LOWER_SCAN:
      if (reduction->over != 0 && !(reduction->over & ~(check->lane | check->time | check->state))) return NULL;
      return arena_format(check->arena, "r%u: over axes that a scan does not sum", r);
    default:
      return arena_format(check->arena, "r%u: a product has no other reductions", r);
  }
}

static const char *check_couples(const Check *check) {
  const Kernel *kernel = check->kernel;
  for (uint32_t r = 0; r < kernel->recurrence_count; r++) {
    const Recurrence *one = &kernel->recurrence[r];
    if (!one->coupled) continue;
    if (one->partner >= kernel->recurrence_count || one->partner == r)
      return arena_format(check->arena, "h%u: no such partner", r);
    const Recurrence *other = &kernel->recurrence[one->partner];
    bool alike = other->coupled && other->partner == r && other->reverse == one->reverse && other->late == one->late &&
                 other->resumes == one->resumes;
    if (!alike) return arena_format(check->arena, "h%u and h%u are no couple", r, one->partner);
  }
  return NULL;
}

/* Only recurrences of the first direction start again from checkpoints, and none of them is stored at its last step,
 * which is not the last to be run. */
static const char *check_checkpoints(const Check *check) {
  const Kernel *kernel = check->kernel;
  bool resumes = false;
  for (uint32_t r = 0; r < kernel->recurrence_count; r++) {
    const Recurrence *recurrence = &kernel->recurrence[r];
    bool first = recurrence->reverse == kernel->recurrence[0].reverse;
    bool resumed = recurrence->resumes;
    if (resumed && (recurrence->late || recurrence->initial == EXPR_NO_INITIAL || !first || kernel->chunk < 1))
      return arena_format(check->arena, "h%u: checkpoints", r);
    if (resumed && kernel->expr[recurrence->initial].kind != EXPR_LOAD)
      return arena_format(check->arena, "h%u: checkpoints are no load", r);
    if (first && resumes != resumed && r > 0) return arena_format(check->arena, "h%u: some start from checkpoints", r);
    resumes |= resumed;
  }
  for (uint32_t s = 0; s < kernel->store_count; s++) {
    const Store *store = &kernel->store[s];
    const Expr *expr = &kernel->expr[store->expr];
    bool first = kernel->recurrence_count && (expr->kind == EXPR_STATE || expr->kind == EXPR_PREVIOUS) &&
                 kernel->recurrence[expr->which].reverse == kernel->recurrence[0].reverse;
    if (store->when == STORE_CHECKPOINT &&
        (expr->kind != EXPR_PREVIOUS || kernel->chunk < 1 || resumes || kernel->recurrence[expr->which].late))
      return arena_format(check->arena, "store %u: checkpoints", s);
    if (store->when == STORE_LAST && resumes && first) return arena_format(check->arena, "store %u: the last step", s);
  }
  return NULL;
}

/* A sum over LANE or TIME is only stored; a sum over LANE is stored by tiles. */
static const char *check_scan_uses(const Check *check) {
  const Kernel *kernel = check->kernel;
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    if (kernel->expr[e].kind != EXPR_OP) continue;
    for (int k = 0; k < op_info(kernel->expr[e].op)->operands_min; k++) {
      const Expr *source = &kernel->expr[kernel->expr[e].arg[k]];
      if (source->kind != EXPR_REDUCED) continue;
      if (kernel->reduction[source->which].over & (check->lane | check->time)) {
        return arena_format(check->arena, "e%u reads a sum over LANE or TIME", e);
      }
    }
  }
  for (uint32_t s = 0; s < kernel->store_count; s++) {
    const Expr *expr = &kernel->expr[kernel->store[s].expr];
    bool over_lane = expr->kind == EXPR_REDUCED && (kernel->reduction[expr->which].over & check->lane) != 0;
    if (over_lane != (kernel->store[s].tile_stride.factor != 0))
      return arena_format(check->arena, "store %u: tiles", s);
  }
  bool turned = false;
  for (uint32_t r = 1; r < kernel->recurrence_count; r++) {
    bool turns = kernel->recurrence[r].reverse != kernel->recurrence[r - 1].reverse;
    if (turns && turned) return arena_format(check->arena, "h%u: directions are mixed", r);
    turned |= turns;
  }
  return NULL;
}

static const char *check_store(const Check *check, uint32_t s) {
  const Kernel *kernel = check->kernel;
  const Store *store = &kernel->store[s];
  const char *message = check_access(check, &store->access, "store", s);
  if (message != NULL) return message;
  if (store->access.guard_count != 0) return arena_format(check->arena, "store %u has guards", s);
  if (store->access.slot < kernel->read_count) return arena_format(check->arena, "store %u: read-only slot", s);
  if (store->expr >= kernel->expr_count) return arena_format(check->arena, "store %u: no such expression", s);
  AxisMask axes = access_axes(&store->access), needed = kernel->expr[store->expr].axes;
  if (store->when == STORE_LAST) {
    ExprKind kind = kernel->expr[store->expr].kind;
    if (kind != EXPR_STATE && kind != EXPR_PREVIOUS) return arena_format(check->arena, "store %u: last of no state", s);
    needed &= ~check->time;
  }
  if (needed & ~axes) return arena_format(check->arena, "store %u: the expression has more axes", s);
  bool partial = (axes & check->reduced) != 0 && (axes & check->reduced) != check->reduced;
  if (kernel->family == LOWER_MAP && partial) return arena_format(check->arena, "store %u: some REDUCED axes", s);
  bool product = kernel->family == LOWER_CONTRACT || kernel->family == LOWER_SPECTRAL;
  if (product && axes != check->parallel) return arena_format(check->arena, "store %u: not all PARALLEL axes", s);
  return NULL;
}

static const char *check_product(const Check *check) {
  const Kernel *kernel = check->kernel;
  if (kernel->left >= kernel->expr_count || kernel->right >= kernel->expr_count) return "factors are missing";
  const Expr *left = &kernel->expr[kernel->left], *right = &kernel->expr[kernel->right];
  if (left->kind != EXPR_LOAD || right->kind != EXPR_LOAD || kernel->left == kernel->right)
    return "factors are no loads";
  for (uint32_t e = 0; e < kernel->expr_count; e++) {
    if (kernel->expr[e].kind != EXPR_OP) continue;
    for (int k = 0; k < op_info(kernel->expr[e].op)->operands_min; k++) {
      uint32_t source = kernel->expr[e].arg[k];
      if (source == kernel->left || source == kernel->right) return arena_format(check->arena, "e%u reads a factor", e);
    }
  }
  int stage = 0; /* batch, left-only, right-only */
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    if (kernel->axis[k].role != AXIS_PARALLEL) continue;
    bool in_left = left->axes >> k & 1, in_right = right->axes >> k & 1;
    int here = in_left && in_right ? 0 : in_left ? 1 : 2;
    if (here < stage) return arena_format(check->arena, "axis %u is out of order", k);
    stage = here;
  }
  return stage == 2 ? NULL : "no axis is right-only";
}

/* The axes of one side number `count` rows, each once: the row of each axis is the product of the extents of those with
 * smaller ones. */
static bool numbers_rows(const Kernel *kernel, AxisRole role, int64_t count) {
  int64_t numbered = 1;
  for (uint32_t found = 0; found <= kernel->axis_count; found++) {
    uint32_t k = 0;
    while (k < kernel->axis_count && (kernel->axis[k].role != role || kernel->transform.row[k] != numbered)) k++;
    if (k == kernel->axis_count) break;
    if (!dim_is_constant(kernel->axis[k].extent)) return false;
    numbered *= kernel->axis[k].extent.factor;
  }
  return numbered == count;
}

static const char *check_transform(const Check *check) {
  const Kernel *kernel = check->kernel;
  const Transform *transform = &kernel->transform;
  if (transform->form < 0 || transform->form >= DFT_FORM_COUNT || transform->extent < 1) return "no such transform";
  if (transform->source >= kernel->expr_count) return "the source is missing";
  AxisMask others = check->parallel;
  int64_t product_of[2] = {1, 1};
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    if (transform->row[k] != 0) others &= ~((AxisMask)1 << k);
    if (transform->row[k] == 0 && kernel->axis[k].role == AXIS_REDUCED) return "a REDUCED axis numbers no rows";
    if (transform->row[k] == 0) continue;
    product_of[kernel->axis[k].role == AXIS_REDUCED] *= kernel->axis[k].extent.factor;
  }
  int64_t rows[2] = {dft_parts_out(transform->form) * dft_rows_out(transform->form, transform->extent),
                     dft_parts_in(transform->form) * dft_rows_in(transform->form, transform->extent)};
  bool numbered = numbers_rows(kernel, AXIS_PARALLEL, rows[0]) && numbers_rows(kernel, AXIS_REDUCED, rows[1]);
  if (!numbered || product_of[0] != rows[0] || product_of[1] != rows[1])
    return "the axes do not number the rows of the transform";
  if (kernel->expr[transform->source].axes & ~(others | check->reduced))
    return "the source depends on the result's rows";
  return NULL;
}

static const char *check_axes(const Check *check) {
  const Kernel *kernel = check->kernel;
  static const int order[] = {
      [AXIS_PARALLEL] = 0, [AXIS_LANE] = 1, [AXIS_TIME] = 2, [AXIS_STATE] = 3, [AXIS_REDUCED] = 4};
  int lanes = 0, times = 0, states = 0;
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    AxisRole role = kernel->axis[k].role;
    if (k > 0 && order[role] < order[kernel->axis[k - 1].role]) return "axes are out of order";
    lanes += role == AXIS_LANE;
    times += role == AXIS_TIME;
    states += role == AXIS_STATE;
  }
  bool scan = kernel->family == LOWER_SCAN;
  if (lanes != scan || times != scan || states > scan) return "axes do not fit the family";
  return scan && check->reduced != 0 ? "a scan has no REDUCED axes" : NULL;
}

const char *kernel_verify(const Kernel *kernel, Arena *arena) {
  Check check = {.kernel = kernel,
                 .arena = arena,
                 .all = ((AxisMask)1 << kernel->axis_count) - 1,
                 .parallel = kernel_axes(kernel, AXIS_PARALLEL),
                 .reduced = kernel_axes(kernel, AXIS_REDUCED),
                 .lane = kernel_axes(kernel, AXIS_LANE),
                 .time = kernel_axes(kernel, AXIS_TIME),
                 .state = kernel_axes(kernel, AXIS_STATE)};
  const char *message = check_axes(&check);
  for (uint32_t e = 0; e < kernel->expr_count && message == NULL; e++) message = check_expr(&check, e);
  for (uint32_t r = 0; r < kernel->reduction_count && message == NULL; r++) message = check_reduction(&check, r);
  for (uint32_t s = 0; s < kernel->store_count && message == NULL; s++) message = check_store(&check, s);
  if (message != NULL) return message;
  if (kernel->store_count == 0) return "nothing is stored";
  if (kernel->family == LOWER_CONTRACT) return check_product(&check);
  if (kernel->family == LOWER_SPECTRAL) return check_transform(&check);
  if (kernel->family != LOWER_SCAN) return NULL;
  message = check_scan_uses(&check);
  if (message == NULL) message = check_couples(&check);
  return message ? message : check_checkpoints(&check);
}
