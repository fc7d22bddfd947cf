#include "kernel.h"

#include <inttypes.h>

static const char *const role_name[] = {[AXIS_PARALLEL] = "parallel",
                                        [AXIS_REDUCED] = "reduced",
                                        [AXIS_LANE] = "lane",
                                        [AXIS_TIME] = "time",
                                        [AXIS_STATE] = "state"};

static void print_axes(Text *out, AxisMask axes) {
  const char *separator = "";
  for (uint32_t k = 0; k < KERNEL_MAX_AXES; k++) {
    if (!(axes >> k & 1)) continue;
    text_print(out, "%si%u", separator, k);
    separator = ",";
  }
}

static void print_linear(Text *out, const Linear *linear, const char *const *names) {
  text_print(out, "%lld", (long long)linear->constant);
  for (int s = 0; s < SYMBOL_MAX; s++) {
    if (linear->per_symbol[s] == 0) continue;
    text_puts(out, " + ");
    text_dim(out, dim_symbol(linear->per_symbol[s], s + 1), names);
  }
}

static void print_index(Text *out, const IndexGuard *index) {
  text_print(out, "%lld", (long long)index->constant);
  for (uint32_t k = 0; k < KERNEL_MAX_AXES; k++) {
    if (index->coefficient[k] == 1) {
      text_print(out, " + i%u", k);
    } else if (index->coefficient[k] != 0) {
      text_print(out, " + %lld*i%u", (long long)index->coefficient[k], k);
    }
  }
}

static void print_access(Text *out, const Access *access, const char *const *names) {
  text_print(out, "a%u[", access->slot);
  print_linear(out, &access->offset, names);
  for (uint32_t k = 0; k < KERNEL_MAX_AXES; k++) {
    if (access->stride[k].factor == 0) continue;
    text_puts(out, " + ");
    if (!dim_equal(access->stride[k], dim_constant(1))) {
      text_dim(out, access->stride[k], names);
      text_puts(out, "*");
    }
    text_print(out, "i%u", k);
  }
  text_puts(out, "]");
  for (uint32_t g = 0; g < access->guard_count; g++) {
    text_puts(out, " if 0 <= ");
    print_index(out, &access->guard[g]);
    text_puts(out, " < ");
    text_dim(out, access->guard[g].extent, names);
  }
}

static void print_expr(Text *out, const Expr *expr, const char *const *names) {
  switch (expr->kind) {
    case EXPR_CONSTANT:
      text_real(out, expr->value);
      break;
    case EXPR_LOAD:
      text_puts(out, "load ");
      print_access(out, &expr->access, names);
      if (expr->sign != SIGN_ANY) text_puts(out, expr->sign == SIGN_NOT_NEGATIVE ? ", not negative" : ", not positive");
      break;
    case EXPR_INDEX:
      text_puts(out, "index ");
      print_index(out, &expr->index);
      break;
    case EXPR_EXTENT:
      text_puts(out, "extent ");
      text_dim(out, expr->dim, names);
      break;
    case EXPR_RANDOM:
      text_print(out, "random stream %lld at ", (long long)expr->stream);
      print_access(out, &expr->access, names);
      break;
    case EXPR_OP: {
      const OpInfo *info = op_info(expr->op);
      text_puts(out, info->name);
      for (int k = 0; k < info->operands_min; k++) text_print(out, " e%u", expr->arg[k]);
      break;
    }
    case EXPR_REDUCED:
      text_print(out, "reduced r%u", expr->which);
      break;
    case EXPR_PRODUCT:
      text_puts(out, "product");
      break;
    case EXPR_STATE:
      text_print(out, "state h%u", expr->which);
      break;
    case EXPR_PREVIOUS:
      text_print(out, "previous h%u", expr->which);
      break;
  }
}

static void print_store(Text *out, const Store *store, const char *const *names) {
  text_puts(out, "  store ");
  print_access(out, &store->access, names);
  text_print(out, " = e%u", store->expr);
  if (store->when == STORE_LAST) text_puts(out, " last");
  if (store->when == STORE_CHECKPOINT) text_puts(out, " at checkpoints");
  if (store->tile_stride.factor != 0) {
    text_puts(out, " tiles apart ");
    text_dim(out, store->tile_stride, names);
  }
  text_puts(out, "\n");
}

static void print_rows(const Kernel *kernel, AxisRole role, Text *out) {
  text_puts(out, "0");
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    int64_t row = kernel->transform.row[k];
    if (row == 0 || kernel->axis[k].role != role) continue;
    if (row == 1)
      text_print(out, " + i%u", k);
    else
      text_print(out, " + %lld*i%u", (long long)row, k);
  }
}

static void print_transform(const Kernel *kernel, Text *out) {
  static const char *const form[] = {[DFT_COMPLEX] = "complex to complex",
                                     [DFT_REAL_TO_COMPLEX] = "real to complex",
                                     [DFT_COMPLEX_TO_REAL] = "complex to real",
                                     [DFT_REAL_TO_HALF] = "real to half spectrum",
                                     [DFT_HALF_TO_REAL] = "half spectrum to real"};
  const Transform *transform = &kernel->transform;
  text_print(out, "  product = %stransform of %lld, %s, times ", transform->inverse ? "inverse " : "",
             (long long)transform->extent, form[transform->form]);
  text_real(out, transform->scale);
  text_print(out, ", of e%u: row ", transform->source);
  print_rows(kernel, AXIS_PARALLEL, out);
  text_puts(out, " from rows ");
  print_rows(kernel, AXIS_REDUCED, out);
  text_puts(out, "\n");
}

void kernel_print(const Kernel *kernel, const char *const *names, Text *out) {
  static const char *const family[] = {
      [LOWER_MAP] = "map", [LOWER_CONTRACT] = "contract", [LOWER_SCAN] = "scan", [LOWER_SPECTRAL] = "spectral"};
  text_print(out, "%s reads %u of %u arguments\n", family[kernel->family], kernel->read_count, kernel->argument_count);
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    text_print(out, "  i%u < ", k);
    text_dim(out, kernel->axis[k].extent, names);
    text_print(out, " %s\n", role_name[kernel->axis[k].role]);
  }
  for (uint32_t k = 0; k < kernel->expr_count; k++) {
    text_print(out, "  e%u(", k);
    print_axes(out, kernel->expr[k].axes);
    text_puts(out, ") = ");
    print_expr(out, &kernel->expr[k], names);
    text_puts(out, "\n");
  }
  if (kernel->family == LOWER_CONTRACT) text_print(out, "  product = sum e%u * e%u\n", kernel->left, kernel->right);
  if (kernel->family == LOWER_SPECTRAL) print_transform(kernel, out);
  for (uint32_t k = 0; k < kernel->reduction_count; k++) {
    const Reduction *reduction = &kernel->reduction[k];
    text_print(out, "  r%u = %s of e%u over ", k, reduction->kind == REDUCE_SUM ? "sum" : "max", reduction->expr);
    print_axes(out, reduction->over);
    text_puts(out, "\n");
  }
  for (uint32_t k = 0; k < kernel->recurrence_count; k++) {
    const Recurrence *recurrence = &kernel->recurrence[k];
    text_print(out, "  h%u: decay e%u, input e%u", k, recurrence->decay, recurrence->input);
    if (recurrence->coupled) text_print(out, ", turn e%u of h%u", recurrence->turn, recurrence->partner);
    const char *from = recurrence->resumes ? "checkpoints" : "initial";
    if (recurrence->initial != EXPR_NO_INITIAL) text_print(out, ", %s e%u", from, recurrence->initial);
    text_print(out, "%s%s\n", recurrence->reverse ? ", reverse" : "", recurrence->late ? ", late" : "");
  }
  if (kernel->chunk) text_print(out, "  a checkpoint every %" PRId64 " steps\n", kernel->chunk);
  for (uint32_t k = 0; k < kernel->store_count; k++) print_store(out, &kernel->store[k], names);
}
