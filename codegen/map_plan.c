/* How a MAP kernel is run: its vector axis, its passes, its work items. */
#include "map.h"

#include "ir/kernel_lanes.h"

enum {
  CHUNK_ELEMENTS = 1024, /* of one elementwise work item */
  SMALL_BODY = 4,
  BIG_BODY = 12 /* expressions in the innermost loop */
};

/* In ROW mode the vector axis is innermost. */
static void order_reduced_axes(const Kernel *kernel, MapPlan *plan) {
  for (int k = 0; k < (int)kernel->axis_count; k++)
    if ((plan->reduced >> k & 1) && k != plan->vector_axis) plan->order[plan->order_count++] = k;
  if (plan->row) plan->order[plan->order_count++] = plan->vector_axis;
}

/* level[e]: how many reductions lie one behind the other below expression e. */
static uint32_t *expression_levels(const Kernel *kernel, Arena *arena) {
  uint32_t *level = ARENA_ARRAY(arena, uint32_t, kernel->expr_count + 1);
  for (uint32_t k = 0; k < kernel->expr_count; k++) {
    const Expr *expr = &kernel->expr[k];
    if (expr->kind == EXPR_REDUCED) level[k] = level[kernel->reduction[expr->which].expr] + 1;
    for (uint32_t a = 0; expr->kind == EXPR_OP && a < op_info(expr->op)->operands_min; a++)
      if (level[expr->arg[a]] > level[k]) level[k] = level[expr->arg[a]];
  }
  return level;
}

static bool store_is_reduced(const MapPlan *plan, const Store *store) {
  return (access_axes(&store->access) & plan->reduced) != 0;
}

static MapPass *add_pass(MapPlan *plan) { return &plan->pass[plan->pass_count++]; }

static void plan_passes(const Kernel *kernel, MapPlan *plan, Arena *arena) {
  uint32_t *level = expression_levels(kernel, arena);
  plan->pass = ARENA_ARRAY(arena, MapPass, kernel->reduction_count + 1);
  uint32_t left = kernel->reduction_count;
  uint32_t last_level = 0;
  for (uint32_t at = 0; left; at++) {
    MapPass *pass = NULL;
    for (uint32_t r = 0; r < kernel->reduction_count; r++) {
      if (level[kernel->reduction[r].expr] != at) continue;
      if (!pass || pass->reduction_count == MAP_PASS_REDUCTIONS) pass = add_pass(plan);
      pass->reduction[pass->reduction_count++] = r;
      last_level = at;
      left--;
    }
  }
  /* All stores along REDUCED axes wait for the last pass: what they overwrite may still be read before. */
  bool stores = false, after = plan->pass_count == 0;
  for (uint32_t k = 0; k < kernel->store_count; k++) {
    if (!store_is_reduced(plan, &kernel->store[k])) continue;
    stores = true;
    after |= level[kernel->store[k].expr] > last_level;
  }
  if (!stores) return;
  MapPass *pass = after ? add_pass(plan) : &plan->pass[plan->pass_count - 1];
  pass->stores = true;
}

static uint32_t most_reductions(const MapPlan *plan) {
  uint32_t most = 0;
  for (uint32_t k = 0; k < plan->pass_count; k++)
    if (plan->pass[k].reduction_count > most) most = plan->pass[k].reduction_count;
  return most;
}

/* Expressions that the innermost loop of a pass computes: those below its reductions that vary there. */
static uint32_t pass_size(const Kernel *kernel, const MapPlan *plan, const MapPass *pass, Arena *arena) {
  bool *needed = ARENA_ARRAY(arena, bool, kernel->expr_count + 1);
  uint32_t size = 0;
  for (uint32_t k = 0; k < pass->reduction_count; k++) needed[kernel->reduction[pass->reduction[k]].expr] = true;
  for (uint32_t k = kernel->expr_count; k-- > 0;) {
    const Expr *expr = &kernel->expr[k];
    if (!needed[k] || !(expr->axes & plan->reduced)) continue;
    size++;
    for (uint32_t a = 0; expr->kind == EXPR_OP && a < op_info(expr->op)->operands_min; a++) needed[expr->arg[a]] = true;
  }
  return size;
}

/* Chains of additions to keep going: the more there is to compute beside them, the fewer. */
static int wanted_sums(uint32_t size) { return size <= SMALL_BODY ? MAP_MAX_STRANDS : size <= BIG_BODY ? 2 : 1; }

static void plan_widths(const Kernel *kernel, int lanes, MapPlan *plan, Arena *arena) {
  plan->columns = 1;
  uint32_t most = most_reductions(plan);
  if (!plan->row && most && plan->vector_axis != NO_VECTOR_AXIS) {
    double vectors = kernel_typical_extent(kernel, plan->vector_axis) / lanes;
    int wanted = wanted_sums(pass_size(kernel, plan, &plan->pass[0], arena));
    while (plan->columns < wanted && plan->columns * 2 <= vectors && most * 2 * (uint32_t)plan->columns <= MAP_MAX_SUMS)
      plan->columns *= 2;
  }
  for (uint32_t k = 0; k < plan->pass_count; k++) {
    MapPass *pass = &plan->pass[k];
    int wanted = pass->reduction_count ? wanted_sums(pass_size(kernel, plan, pass, arena)) / plan->columns : 1;
    pass->strands = 1;
    while (pass->strands < wanted && pass->reduction_count * 2 * (uint32_t)pass->strands <= MAP_MAX_SUMS)
      pass->strands *= 2;
  }
}

/* The axis that the first load with lanes far apart is dense along; bodies that would make long blocks go without. */
static void plan_block(const Kernel *kernel, int lanes, MapPlan *plan) {
  plan->block_axis = NO_BLOCK_AXIS;
  if (plan->reduced || plan->vector_axis == NO_VECTOR_AXIS || kernel->expr_count > BIG_BODY) return;
  if (kernel_typical_extent(kernel, plan->vector_axis) < lanes) return;
  for (uint32_t k = 0; k < kernel->expr_count; k++) {
    for (int axis = 0; axis < (int)kernel->axis_count; axis++) {
      plan->block_axis = axis;
      if (axis != plan->vector_axis && kernel_typical_extent(kernel, axis) >= lanes &&
          map_is_transposed(plan, &kernel->expr[k]))
        return;
    }
  }
  plan->block_axis = NO_BLOCK_AXIS;
}

static void plan_work(const Kernel *kernel, int lanes, MapPlan *plan) {
  KernelWork *work = &plan->work;
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    if (!(plan->parallel >> k & 1) || (int)k == plan->vector_axis) continue;
    work->part[work->part_count++] = (WorkPart){kernel->axis[k].extent, (int)k == plan->block_axis ? lanes : 1};
  }
  if (plan->row || plan->vector_axis == NO_VECTOR_AXIS) return;
  /* Whole groups of columns, for about CHUNK_ELEMENTS elements of work. */
  double reduced = 1;
  for (uint32_t k = 0; k < plan->order_count; k++) reduced *= kernel_typical_extent(kernel, plan->order[k]);
  int64_t group = (int64_t)lanes * plan->columns, groups = (int64_t)(CHUNK_ELEMENTS / reduced) / group;
  plan->chunk = group * (groups < 1 ? 1 : groups);
  work->part[work->part_count++] = (WorkPart){kernel->axis[plan->vector_axis].extent, plan->chunk};
}

MapPlan map_plan(const Kernel *kernel, int lanes, Arena *arena) {
  MapPlan plan = {.parallel = kernel_axes(kernel, AXIS_PARALLEL),
                  .reduced = kernel_axes(kernel, AXIS_REDUCED),
                  .vector_axis = kernel->axis_count ? kernel_vector_axis(kernel, lanes, arena) : NO_VECTOR_AXIS};
  plan.row = plan.vector_axis != NO_VECTOR_AXIS && (plan.reduced >> plan.vector_axis & 1);
  order_reduced_axes(kernel, &plan);
  plan_passes(kernel, &plan, arena);
  plan_widths(kernel, lanes, &plan, arena);
  plan_block(kernel, lanes, &plan);
  plan_work(kernel, lanes, &plan);
  return plan;
}

KernelWork map_work(const Kernel *kernel, const Target *target, int lanes) {
  (void)target;
  Arena *arena = arena_create();
  KernelWork work = map_plan(kernel, lanes, arena).work;
  arena_destroy(arena);
  return work;
}
