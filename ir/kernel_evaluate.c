/* A naive interpreter of kernels: every expression becomes an array over the loop axes it depends on. */
#include "evaluate.h"
#include "guard.h"
#include "kernel.h"

#include <math.h>
#include <string.h>

typedef struct Evaluation {
  const Kernel *kernel;
  const int64_t *symbols;
  uint64_t seed, step;
  double *const *arguments;
  int64_t extent[KERNEL_MAX_AXES];
  double **value; /* value[e]: row-major over expr[e].axes, in axis order */
} Evaluation;

/* The position of `index` in an array over `axes`. */
static int64_t position_of(const Evaluation *evaluation, AxisMask axes, const int64_t *index) {
  int64_t position = 0;
  for (uint32_t k = 0; k < evaluation->kernel->axis_count; k++) {
    if (axes >> k & 1) position = position * evaluation->extent[k] + index[k];
  }
  return position;
}

static int64_t count_of(const Evaluation *evaluation, AxisMask axes) {
  int64_t count = 1;
  for (uint32_t k = 0; k < evaluation->kernel->axis_count; k++) {
    if (axes >> k & 1) count *= evaluation->extent[k];
  }
  return count;
}

/* The next index of `axes`, last axis fastest; false after the last one. Begin with all zero. */
static bool advance(const Evaluation *evaluation, AxisMask axes, int64_t *index) {
  for (uint32_t k = evaluation->kernel->axis_count; k-- > 0;) {
    if (!(axes >> k & 1)) continue;
    if (++index[k] < evaluation->extent[k]) return true;
    index[k] = 0;
  }
  return false;
}

static double value_at(const Evaluation *evaluation, uint32_t expr, const int64_t *index) {
  return evaluation->value[expr][position_of(evaluation, evaluation->kernel->expr[expr].axes, index)];
}

static int64_t index_value(const IndexGuard *guard, const int64_t *index) {
  int64_t value = guard->constant;
  for (uint32_t k = 0; k < KERNEL_MAX_AXES; k++) value += guard->coefficient[k] * index[k];
  return value;
}

static int64_t access_address(const Evaluation *evaluation, const Access *access, const int64_t *index) {
  int64_t address = access->offset.constant;
  for (int s = 0; s < SYMBOL_MAX; s++) {
    if (access->offset.per_symbol[s] != 0) address += access->offset.per_symbol[s] * evaluation->symbols[s];
  }
  for (uint32_t k = 0; k < evaluation->kernel->axis_count; k++) {
    if (access->stride[k].factor != 0) address += dim_value(access->stride[k], evaluation->symbols) * index[k];
  }
  return address;
}

static double load(const Evaluation *evaluation, const Access *access, const int64_t *index) {
  for (uint32_t g = 0; g < access->guard_count; g++) {
    int64_t at = index_value(&access->guard[g], index);
    if (at < 0 || at >= dim_value(access->guard[g].extent, evaluation->symbols)) return 0;
  }
  return evaluation->arguments[access->slot][access_address(evaluation, access, index)];
}

static double apply(OpCode op, double a, double b, double c) {
  switch (op) {
    case OP_NEGATE:
      return -a;
    case OP_ABSOLUTE:
      return fabs(a);
    case OP_SIGN:
      return (a > 0) - (a < 0);
    case OP_EXP:
      return exp(a);
    case OP_EXP2:
      return exp2(a);
    case OP_LOG:
      return log(a);
    case OP_SQRT:
      return sqrt(a);
    case OP_RSQRT:
      return 1 / sqrt(a);
    case OP_TANH:
      return tanh(a);
    case OP_SIGMOID:
      return 1 / (1 + exp(-a));
    case OP_SOFTPLUS:
      return fmax(a, 0) + log1p(exp(-fabs(a)));
    case OP_ERF:
      return erf(a);
    case OP_ADD:
      return a + b;
    case OP_SUBTRACT:
      return a - b;
    case OP_MULTIPLY:
      return a * b;
    case OP_DIVIDE:
      return a / b;
    case OP_MAXIMUM:
      return a > b ? a : b;
    case OP_MINIMUM:
      return a < b ? a : b;
    case OP_LESS:
      return a < b;
    case OP_LESS_EQUAL:
      return a <= b;
    case OP_EQUAL:
      return a == b;
    case OP_SELECT:
      return a != 0 ? b : c;
    case OP_DETACH:
    case OP_COPY:
      return a;
    default:
      guard_bug("kernel_evaluate: %s is no elementwise op", op_info(op)->name);
  }
}

static double reduce(const Evaluation *evaluation, const Reduction *reduction, const int64_t *outer) {
  int64_t index[KERNEL_MAX_AXES];
  memcpy(index, outer, sizeof index);
  for (uint32_t k = 0; k < KERNEL_MAX_AXES; k++) {
    if (reduction->over >> k & 1) index[k] = 0;
  }
  double result = reduction->kind == REDUCE_SUM ? 0 : -INFINITY;
  do {
    double value = value_at(evaluation, reduction->expr, index);
    result = reduction->kind == REDUCE_SUM ? result + value : fmax(result, value);
  } while (advance(evaluation, reduction->over, index));
  return result;
}

static int64_t row_of(const Kernel *kernel, AxisRole role, const int64_t *index) {
  int64_t row = 0;
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    if (kernel->axis[k].role == role) row += kernel->transform.row[k] * index[k];
  }
  return row;
}

/* One result, by the definition. */
static double transform_at(const Evaluation *evaluation, const int64_t *outer) {
  const Kernel *kernel = evaluation->kernel;
  const Transform *transform = &kernel->transform;
  int64_t rows_in = dft_rows_in(transform->form, transform->extent);
  int64_t rows_out = dft_rows_out(transform->form, transform->extent), row = row_of(kernel, AXIS_PARALLEL, outer);
  int64_t p = row / rows_out, k = row % rows_out;
  int64_t index[KERNEL_MAX_AXES];
  memcpy(index, outer, sizeof index);
  double sum = 0;
  do {
    int64_t from = row_of(kernel, AXIS_REDUCED, index), q = from / rows_in, n = from % rows_in;
    double angle = 2 * 3.14159265358979323846 * (double)(k * n % transform->extent) / (double)transform->extent;
    double sine = transform->inverse ? sin(angle) : -sin(angle);
    sum += value_at(evaluation, transform->source, index) * (p == q ? cos(angle) : p == 1 ? sine : -sine);
  } while (advance(evaluation, kernel_axes(kernel, AXIS_REDUCED), index));
  return transform->scale * sum;
}

static double product(const Evaluation *evaluation, const int64_t *outer) {
  const Kernel *kernel = evaluation->kernel;
  AxisMask over = kernel_axes(kernel, AXIS_REDUCED);
  int64_t index[KERNEL_MAX_AXES];
  memcpy(index, outer, sizeof index);
  double sum = 0;
  do {
    sum += load(evaluation, &kernel->expr[kernel->left].access, index) *
           load(evaluation, &kernel->expr[kernel->right].access, index);
  } while (advance(evaluation, over, index));
  return sum;
}

/* A recurrence, or the two of a couple: h (or c of a late one) before the step in progress, and h. */
typedef struct Line {
  uint32_t count, which[2];
  double carried[2], state[2];
} Line;

/* The states before the step `index` of a line that begins, or begins anew from checkpoint `piece`. */
static void start_line(const Evaluation *evaluation, Line *line, uint32_t time, int64_t *index, int64_t piece) {
  for (uint32_t k = 0; k < line->count; k++) {
    const Recurrence *recurrence = &evaluation->kernel->recurrence[line->which[k]];
    double initial = 0;
    if (recurrence->resumes) {
      index[time] = piece;
      initial = load(evaluation, &evaluation->kernel->expr[recurrence->initial].access, index);
    } else if (recurrence->initial != EXPR_NO_INITIAL) {
      initial = value_at(evaluation, recurrence->initial, index);
    }
    line->carried[k] = line->state[k] = initial;
  }
}

/* decay * own + turn * the partner's */
static double decayed(const Evaluation *evaluation, const Line *line, uint32_t k, const double *value,
                      const int64_t *index) {
  const Recurrence *recurrence = &evaluation->kernel->recurrence[line->which[k]];
  double result = value_at(evaluation, recurrence->decay, index) * value[k];
  return recurrence->coupled ? result + value_at(evaluation, recurrence->turn, index) * value[1 - k] : result;
}

static void step_line(const Evaluation *evaluation, Line *line, const int64_t *index) {
  const Recurrence *recurrence = evaluation->kernel->recurrence;
  bool late = recurrence[line->which[0]].late;
  for (uint32_t k = 0; k < line->count; k++) {
    double input = value_at(evaluation, recurrence[line->which[k]].input, index);
    line->state[k] = input + (late ? line->carried[k] : decayed(evaluation, line, k, line->carried, index));
  }
  for (uint32_t k = 0; k < line->count; k++)
    line->carried[k] = late ? decayed(evaluation, line, k, line->state, index) : line->state[k];
}

/* All steps of a recurrence at one index of the other axes: states h[t], or what came before them. */
static void run_recurrence(const Evaluation *evaluation, const Expr *expr, uint32_t time, int64_t *index,
                           double *result) {
  const Recurrence *recurrence = &evaluation->kernel->recurrence[expr->which];
  Line line = {.count = recurrence->coupled ? 2 : 1, .which = {expr->which, recurrence->partner}};
  int64_t steps = evaluation->extent[time];
  for (int64_t step = 0; step < steps; step++) {
    int64_t piece = recurrence->resumes ? step / evaluation->kernel->chunk : 0;
    if (recurrence->resumes ? step % evaluation->kernel->chunk == 0 : step == 0)
      start_line(evaluation, &line, time, index, piece);
    index[time] = recurrence->reverse ? steps - 1 - step : step;
    double before = line.state[0];
    step_line(evaluation, &line, index);
    result[position_of(evaluation, expr->axes, index)] = expr->kind == EXPR_STATE ? line.state[0] : before;
  }
  index[time] = 0;
}

static void evaluate_recurrence(const Evaluation *evaluation, const Expr *expr, double *result) {
  AxisMask time_mask = kernel_axes(evaluation->kernel, AXIS_TIME);
  uint32_t time = 0;
  while (!(time_mask >> time & 1)) time++;
  int64_t index[KERNEL_MAX_AXES] = {0};
  do {
    run_recurrence(evaluation, expr, time, index, result);
  } while (advance(evaluation, expr->axes & ~time_mask, index));
}

static double evaluate_at(const Evaluation *evaluation, const Expr *expr, const int64_t *index) {
  switch (expr->kind) {
    case EXPR_CONSTANT:
      return expr->value;
    case EXPR_LOAD:
      return load(evaluation, &expr->access, index);
    case EXPR_INDEX:
      return (double)index_value(&expr->index, index);
    case EXPR_EXTENT:
      return (double)dim_value(expr->dim, evaluation->symbols);
    case EXPR_RANDOM: {
      uint64_t element = (uint64_t)access_address(evaluation, &expr->access, index);
      return random_unit(random_word(evaluation->seed, evaluation->step, expr->stream, element, 0));
    }
    case EXPR_OP: {
      double argument[3] = {0};
      int count = op_info(expr->op)->operands_min;
      for (int k = 0; k < count; k++) argument[k] = value_at(evaluation, expr->arg[k], index);
      return apply(expr->op, argument[0], argument[1], argument[2]);
    }
    case EXPR_REDUCED:
      return reduce(evaluation, &evaluation->kernel->reduction[expr->which], index);
    case EXPR_PRODUCT:
      return evaluation->kernel->family == LOWER_SPECTRAL ? transform_at(evaluation, index)
                                                          : product(evaluation, index);
    default:
      guard_bug("kernel_evaluate: expression kind %d", expr->kind);
  }
}

static void evaluate_expr(Evaluation *evaluation, uint32_t e, Arena *arena) {
  const Kernel *kernel = evaluation->kernel;
  const Expr *expr = &kernel->expr[e];
  if (kernel->family == LOWER_CONTRACT && (e == kernel->left || e == kernel->right)) return; /* read by product() */
  for (uint32_t r = 0; r < kernel->recurrence_count; r++)
    if (kernel->recurrence[r].resumes && kernel->recurrence[r].initial == e) return; /* read by run_recurrence() */
  double *result = ARENA_ARRAY(arena, double, count_of(evaluation, expr->axes));
  evaluation->value[e] = result;
  if (expr->kind == EXPR_STATE || expr->kind == EXPR_PREVIOUS) {
    evaluate_recurrence(evaluation, expr, result);
    return;
  }
  int64_t index[KERNEL_MAX_AXES] = {0};
  int64_t at = 0;
  do {
    result[at++] = evaluate_at(evaluation, expr, index);
  } while (advance(evaluation, expr->axes, index));
}

/* A reduction over LANE of which every channel tile is stored apart: that of each tile. */
static void store_tiles(const Evaluation *evaluation, const Store *store) {
  const Kernel *kernel = evaluation->kernel;
  const Reduction *reduction = &kernel->reduction[kernel->expr[store->expr].which];
  uint32_t lane = 0;
  while (kernel->axis[lane].role != AXIS_LANE) lane++;
  int64_t channels = evaluation->extent[lane];
  AxisMask axes = access_axes(&store->access);
  for (int64_t first = 0; first < channels; first += SCAN_TILE) {
    int64_t limit = first + SCAN_TILE < channels ? first + SCAN_TILE : channels;
    int64_t index[KERNEL_MAX_AXES] = {0};
    do {
      bool largest = reduction->kind == REDUCE_MAX;
      double sum = largest ? -INFINITY : 0;
      AxisMask others = reduction->over & ~((AxisMask)1 << lane);
      do {
        for (index[lane] = first; index[lane] < limit; index[lane]++) {
          double value = value_at(evaluation, reduction->expr, index);
          sum = largest ? fmax(sum, value) : sum + value;
        }
      } while (advance(evaluation, others, index));
      index[lane] = 0;
      int64_t address = access_address(evaluation, &store->access, index);
      address += first / SCAN_TILE * dim_value(store->tile_stride, evaluation->symbols);
      evaluation->arguments[store->access.slot][address] = sum;
    } while (advance(evaluation, axes, index));
  }
}

static void store_checkpoints(const Evaluation *evaluation, const Store *store) {
  const Kernel *kernel = evaluation->kernel;
  const Expr *expr = &kernel->expr[store->expr];
  bool reverse = kernel->recurrence[expr->which].reverse;
  uint32_t time = 0;
  while (kernel->axis[time].role != AXIS_TIME) time++;
  AxisMask others = (access_axes(&store->access) | expr->axes) & ~((AxisMask)1 << time);
  int64_t index[KERNEL_MAX_AXES] = {0};
  do {
    for (int64_t step = 0; step < evaluation->extent[time]; step += kernel->chunk) {
      index[time] = reverse ? evaluation->extent[time] - 1 - step : step;
      double value = value_at(evaluation, store->expr, index);
      index[time] = step / kernel->chunk;
      evaluation->arguments[store->access.slot][access_address(evaluation, &store->access, index)] = value;
    }
    index[time] = 0;
  } while (advance(evaluation, others, index));
}

static void evaluate_store(const Evaluation *evaluation, const Store *store) {
  const Kernel *kernel = evaluation->kernel;
  if (store->tile_stride.factor != 0) {
    store_tiles(evaluation, store);
    return;
  }
  if (store->when == STORE_CHECKPOINT) {
    store_checkpoints(evaluation, store);
    return;
  }
  int64_t index[KERNEL_MAX_AXES] = {0};
  if (store->when == STORE_LAST) {
    const Recurrence *recurrence = &kernel->recurrence[kernel->expr[store->expr].which];
    for (uint32_t k = 0; k < kernel->axis_count; k++) {
      if (kernel->axis[k].role == AXIS_TIME && !recurrence->reverse) index[k] = evaluation->extent[k] - 1;
    }
  }
  do {
    int64_t address = access_address(evaluation, &store->access, index);
    evaluation->arguments[store->access.slot][address] = value_at(evaluation, store->expr, index);
  } while (advance(evaluation, access_axes(&store->access), index));
}

void kernel_evaluate(const Kernel *kernel, const int64_t *symbols, uint64_t seed, uint64_t step,
                     double *const *arguments) {
  Arena *arena = arena_create();
  Evaluation evaluation = {.kernel = kernel, .symbols = symbols, .seed = seed, .step = step, .arguments = arguments};
  evaluation.value = ARENA_ARRAY(arena, double *, kernel->expr_count);
  bool empty = false;
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    evaluation.extent[k] = dim_value(kernel->axis[k].extent, symbols);
    empty |= evaluation.extent[k] == 0;
  }
  if (!empty) {
    for (uint32_t e = 0; e < kernel->expr_count; e++) evaluate_expr(&evaluation, e, arena);
    for (uint32_t s = 0; s < kernel->store_count; s++) evaluate_store(&evaluation, &kernel->store[s]);
  }
  arena_destroy(arena);
}
