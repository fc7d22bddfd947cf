#include "shape.h"

#include "guard.h"

bool dim_multiply(Dim a, Dim b, Dim *out) {
  if (a.symbol != SYMBOL_NONE && b.symbol != SYMBOL_NONE) return false;
  int64_t factor;
  if (__builtin_mul_overflow(a.factor, b.factor, &factor)) return false;
  *out = (Dim){factor, a.symbol != SYMBOL_NONE ? a.symbol : b.symbol};
  return true;
}

bool dim_divide(Dim a, Dim b, Dim *out) {
  if (b.factor <= 0 || a.factor % b.factor != 0) return false;
  if (b.symbol != SYMBOL_NONE && a.symbol != b.symbol) return false;
  *out = (Dim){a.factor / b.factor, b.symbol != SYMBOL_NONE ? SYMBOL_NONE : a.symbol};
  return true;
}

int64_t dim_value(Dim dim, const int64_t *values) {
  return dim.symbol == SYMBOL_NONE ? dim.factor : dim.factor * values[dim.symbol - 1];
}

bool shape_equal(const Shape *a, const Shape *b) {
  if (a->rank != b->rank) return false;
  for (int32_t k = 0; k < a->rank; k++) {
    if (!dim_equal(a->dim[k], b->dim[k])) return false;
  }
  return true;
}

Shape shape_replace(const Shape *shape, int32_t axis, int32_t taken, const Dim *dims, int32_t count) {
  Shape result = {.rank = shape->rank - taken + count};
  if (result.rank > SHAPE_MAX_RANK) guard_bug("a shape of more than %d axes", SHAPE_MAX_RANK);
  for (int32_t k = 0; k < axis; k++) result.dim[k] = shape->dim[k];
  for (int32_t k = 0; k < count; k++) result.dim[axis + k] = dims[k];
  for (int32_t k = axis + taken; k < shape->rank; k++) result.dim[k - taken + count] = shape->dim[k];
  return result;
}

bool shape_count(const Shape *shape, Dim *out) {
  Dim count = dim_constant(1);
  for (int32_t k = 0; k < shape->rank; k++) {
    if (!dim_multiply(count, shape->dim[k], &count)) return false;
  }
  *out = count;
  return true;
}

bool shape_strides(const Shape *shape, Dim out[SHAPE_MAX_RANK]) {
  Dim stride = dim_constant(1);
  for (int32_t k = shape->rank - 1; k >= 0; k--) {
    out[k] = stride;
    if (k > 0 && !dim_multiply(stride, shape->dim[k], &stride)) return false;
  }
  return true;
}

void text_dim(Text *text, Dim dim, const char *const *symbol_names) {
  if (dim_is_constant(dim)) {
    text_print(text, "%lld", (long long)dim.factor);
    return;
  }
  if (dim.factor != 1) text_print(text, "%lld*", (long long)dim.factor);
  if (symbol_names) {
    text_puts(text, symbol_names[dim.symbol - 1]);
  } else {
    text_print(text, "s%d", (int)dim.symbol);
  }
}

void text_shape(Text *text, const Shape *shape, const char *const *symbol_names) {
  text_puts(text, "[");
  for (int32_t k = 0; k < shape->rank; k++) {
    if (k) text_puts(text, ", ");
    text_dim(text, shape->dim[k], symbol_names);
  }
  text_puts(text, "]");
}
