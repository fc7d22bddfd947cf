#include "kernel.h"

#include <string.h>

/* FNV-1a over the fields one by one: padding bytes and addresses must not count. */
static void hash_word(uint64_t *hash, uint64_t word) {
  for (int byte = 0; byte < 8; byte++) *hash = (*hash ^ ((word >> (8 * byte)) & 0xff)) * 0x100000001b3u;
}

static void hash_dim(uint64_t *hash, Dim dim) {
  hash_word(hash, (uint64_t)dim.factor);
  hash_word(hash, (uint64_t)dim.symbol);
}

static void hash_guard(uint64_t *hash, const IndexGuard *guard, uint32_t axis_count) {
  hash_word(hash, (uint64_t)guard->constant);
  for (uint32_t k = 0; k < axis_count; k++) hash_word(hash, (uint64_t)guard->coefficient[k]);
  hash_dim(hash, guard->extent);
}

static void hash_access(uint64_t *hash, const Access *access, uint32_t axis_count) {
  hash_word(hash, access->slot);
  hash_word(hash, (uint64_t)access->offset.constant);
  for (int s = 0; s < SYMBOL_MAX; s++) hash_word(hash, (uint64_t)access->offset.per_symbol[s]);
  for (uint32_t k = 0; k < axis_count; k++) hash_dim(hash, access->stride[k]);
  hash_word(hash, access->guard_count);
  for (uint32_t g = 0; g < access->guard_count; g++) hash_guard(hash, &access->guard[g], axis_count);
}

/* -0 and 0 are different constants, a NaN equals itself. */
static uint64_t real_bits(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static void hash_expr(uint64_t *hash, const Expr *expr, uint32_t axis_count) {
  hash_word(hash, expr->kind);
  hash_word(hash, expr->op);
  for (int k = 0; k < 3; k++) hash_word(hash, expr->arg[k]);
  hash_word(hash, expr->which);
  hash_word(hash, (uint64_t)expr->stream);
  hash_word(hash, real_bits(expr->value));
  hash_dim(hash, expr->dim);
  hash_word(hash, expr->axes);
  hash_word(hash, expr->sign);
  hash_access(hash, &expr->access, axis_count);
  hash_guard(hash, &expr->index, axis_count);
}

static void hash_transform(uint64_t *hash, const Transform *transform, uint32_t axis_count) {
  hash_word(hash, (uint64_t)transform->form);
  hash_word(hash, transform->inverse);
  hash_word(hash, (uint64_t)transform->extent);
  hash_word(hash, real_bits(transform->scale));
  hash_word(hash, transform->source);
  for (uint32_t k = 0; k < axis_count; k++) hash_word(hash, (uint64_t)transform->row[k]);
}

uint64_t kernel_hash(const Kernel *kernel) {
  uint64_t hash = 0xcbf29ce484222325u;
  uint32_t axes = kernel->axis_count;
  hash_word(&hash, kernel->family);
  hash_word(&hash, axes);
  for (uint32_t k = 0; k < axes; k++) {
    hash_dim(&hash, kernel->axis[k].extent);
    hash_word(&hash, kernel->axis[k].role);
  }
  hash_word(&hash, kernel->argument_count);
  hash_word(&hash, kernel->read_count);
  hash_word(&hash, kernel->left);
  hash_word(&hash, kernel->right);
  hash_word(&hash, (uint64_t)kernel->chunk);
  hash_transform(&hash, &kernel->transform, axes);
  hash_word(&hash, kernel->expr_count);
  for (uint32_t k = 0; k < kernel->expr_count; k++) hash_expr(&hash, &kernel->expr[k], axes);
  hash_word(&hash, kernel->reduction_count);
  for (uint32_t k = 0; k < kernel->reduction_count; k++) {
    hash_word(&hash, kernel->reduction[k].kind);
    hash_word(&hash, kernel->reduction[k].expr);
    hash_word(&hash, kernel->reduction[k].over);
  }
  hash_word(&hash, kernel->recurrence_count);
  for (uint32_t k = 0; k < kernel->recurrence_count; k++) {
    const Recurrence *recurrence = &kernel->recurrence[k];
    hash_word(&hash, recurrence->decay);
    hash_word(&hash, recurrence->input);
    hash_word(&hash, recurrence->initial);
    hash_word(&hash, (uint64_t)recurrence->reverse * 4 + recurrence->late * 2u + recurrence->resumes);
    hash_word(&hash, recurrence->coupled);
    hash_word(&hash, recurrence->turn);
    hash_word(&hash, recurrence->partner);
  }
  hash_word(&hash, kernel->store_count);
  for (uint32_t k = 0; k < kernel->store_count; k++) {
    hash_word(&hash, kernel->store[k].expr);
    hash_access(&hash, &kernel->store[k].access, axes);
    hash_word(&hash, kernel->store[k].when);
    hash_dim(&hash, kernel->store[k].tile_stride);
  }
  return hash;
}

static bool guard_equal(const IndexGuard *a, const IndexGuard *b, uint32_t axis_count) {
  if (a->constant != b->constant || !dim_equal(a->extent, b->extent)) return false;
  for (uint32_t k = 0; k < axis_count; k++) {
    if (a->coefficient[k] != b->coefficient[k]) return false;
  }
  return true;
}

static bool access_equal(const Access *a, const Access *b, uint32_t axis_count) {
  if (a->slot != b->slot || a->guard_count != b->guard_count || a->offset.constant != b->offset.constant) return false;
  for (int s = 0; s < SYMBOL_MAX; s++) {
    if (a->offset.per_symbol[s] != b->offset.per_symbol[s]) return false;
  }
  for (uint32_t k = 0; k < axis_count; k++) {
    if (!dim_equal(a->stride[k], b->stride[k])) return false;
  }
  for (uint32_t g = 0; g < a->guard_count; g++) {
    if (!guard_equal(&a->guard[g], &b->guard[g], axis_count)) return false;
  }
  return true;
}

bool expr_equal(const Expr *a, const Expr *b, uint32_t axis_count) {
  return a->kind == b->kind && a->op == b->op && a->arg[0] == b->arg[0] && a->arg[1] == b->arg[1] &&
         a->arg[2] == b->arg[2] && a->which == b->which && a->stream == b->stream &&
         real_bits(a->value) == real_bits(b->value) && dim_equal(a->dim, b->dim) && a->axes == b->axes && a->sign == b->sign &&
         access_equal(&a->access, &b->access, axis_count) && guard_equal(&a->index, &b->index, axis_count);
}

static bool store_equal(const Store *a, const Store *b, uint32_t axis_count) {
  return a->expr == b->expr && a->when == b->when && dim_equal(a->tile_stride, b->tile_stride) &&
         access_equal(&a->access, &b->access, axis_count);
}

static bool recurrence_equal(const Recurrence *a, const Recurrence *b) {
  return a->decay == b->decay && a->input == b->input && a->initial == b->initial && a->reverse == b->reverse &&
         a->late == b->late && a->resumes == b->resumes && a->coupled == b->coupled && a->turn == b->turn &&
         a->partner == b->partner;
}

static bool reduction_equal(const Reduction *a, const Reduction *b) {
  return a->kind == b->kind && a->expr == b->expr && a->over == b->over;
}

static bool transform_equal(const Transform *a, const Transform *b, uint32_t axis_count) {
  for (uint32_t k = 0; k < axis_count; k++) {
    if (a->row[k] != b->row[k]) return false;
  }
  return a->form == b->form && a->inverse == b->inverse && a->extent == b->extent &&
         real_bits(a->scale) == real_bits(b->scale) && a->source == b->source;
}

bool kernel_equal(const Kernel *a, const Kernel *b) {
  uint32_t axes = a->axis_count;
  if (a->family != b->family || axes != b->axis_count || a->argument_count != b->argument_count ||
      a->read_count != b->read_count || a->left != b->left || a->right != b->right ||
      !transform_equal(&a->transform, &b->transform, axes) || a->chunk != b->chunk || a->expr_count != b->expr_count ||
      a->reduction_count != b->reduction_count || a->recurrence_count != b->recurrence_count ||
      a->store_count != b->store_count) {
    return false;
  }
  for (uint32_t k = 0; k < axes; k++) {
    if (!dim_equal(a->axis[k].extent, b->axis[k].extent) || a->axis[k].role != b->axis[k].role) return false;
  }
  for (uint32_t k = 0; k < a->expr_count; k++) {
    if (!expr_equal(&a->expr[k], &b->expr[k], axes)) return false;
  }
  for (uint32_t k = 0; k < a->reduction_count; k++) {
    if (!reduction_equal(&a->reduction[k], &b->reduction[k])) return false;
  }
  for (uint32_t k = 0; k < a->recurrence_count; k++) {
    if (!recurrence_equal(&a->recurrence[k], &b->recurrence[k])) return false;
  }
  for (uint32_t k = 0; k < a->store_count; k++) {
    if (!store_equal(&a->store[k], &b->store[k], axes)) return false;
  }
  return true;
}

uint32_t recurrence_sources(const Recurrence *recurrence, uint32_t out_source[RECURRENCE_MAX_SOURCES]) {
  uint32_t count = 0;
  out_source[count++] = recurrence->decay;
  out_source[count++] = recurrence->input;
  if (recurrence->initial != EXPR_NO_INITIAL) out_source[count++] = recurrence->initial;
  if (recurrence->coupled) out_source[count++] = recurrence->turn;
  return count;
}

AxisMask access_axes(const Access *access) {
  AxisMask axes = 0;
  for (uint32_t k = 0; k < KERNEL_MAX_AXES; k++) {
    bool used = access->stride[k].factor != 0;
    for (uint32_t g = 0; g < access->guard_count; g++) used |= access->guard[g].coefficient[k] != 0;
    if (used) axes |= (AxisMask)1 << k;
  }
  return axes;
}

AxisMask index_axes(const IndexGuard *index) {
  AxisMask axes = 0;
  for (uint32_t k = 0; k < KERNEL_MAX_AXES; k++) {
    if (index->coefficient[k] != 0) axes |= (AxisMask)1 << k;
  }
  return axes;
}

AxisMask kernel_axes(const Kernel *kernel, AxisRole role) {
  AxisMask axes = 0;
  for (uint32_t k = 0; k < kernel->axis_count; k++) {
    if (kernel->axis[k].role == role) axes |= (AxisMask)1 << k;
  }
  return axes;
}
