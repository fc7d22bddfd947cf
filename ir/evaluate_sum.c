/* Ops that combine many elements into one: reductions, Einstein products, Fourier transforms. */
#include "evaluate_internal.h"
#include "guard.h"

#include <math.h>
#include <string.h>

/* Walks `x` in row-major order with the matching element of `out`, whose stride is 0 along reduced axes; returns the
 * end of what was read. */
static const double *reduce(bool largest, int32_t axis, const Shape *shape, const int64_t *stride, const double *x,
                            double *out) {
  if (axis == shape->rank) {
    *out = !largest ? *out + *x : *x > *out ? *x : *out;
    return x + 1;
  }
  for (int64_t k = 0; k < shape->dim[axis].factor; k++) {
    x = reduce(largest, axis + 1, shape, stride, x, out + k * stride[axis]);
  }
  return x;
}

static void evaluate_reduce(const EvaluateContext *context, NodeId id, const Value *out, bool largest) {
  const Value *x = evaluate_operand(context, id, 0);
  const Attribute *axes = &graph_node(context->graph, id)->attribute[REDUCE_AXES];
  int64_t own[SHAPE_MAX_RANK], stride[SHAPE_MAX_RANK] = {0};
  constant_strides(&out->shape, own);
  uint32_t reduced = 0;
  for (int32_t k = 0; k < x->shape.rank; k++) {
    bool gone = reduced < axes->count && axes->integers[reduced] == k;
    stride[k] = gone ? 0 : own[k - (int32_t)reduced];
    reduced += gone;
  }
  int64_t count = value_count(out);
  for (int64_t k = 0; largest && k < count; k++) out->data[k] = -INFINITY;
  reduce(largest, 0, &x->shape, stride, x->data, out->data);
}

void evaluate_reduce_sum(const EvaluateContext *context, NodeId id, const Value *out) {
  evaluate_reduce(context, id, out, false);
}

void evaluate_reduce_max(const EvaluateContext *context, NodeId id, const Value *out) {
  evaluate_reduce(context, id, out, true);
}

/* One letter of an Einstein product: its extent, and strides 0 in an operand that lacks it. */
typedef struct Letter {
  int64_t extent, a, b;
} Letter;

typedef struct Letters {
  int32_t count;
  Letter letter[SHAPE_MAX_RANK];
} Letters;

static void add_letter(Letters *letters, char name, const Labels *labels, const Value *a, const Value *b) {
  int64_t stride[SHAPE_MAX_RANK];
  Letter letter = {0};
  const char *in_a = strchr(labels->a, name), *in_b = strchr(labels->b, name);
  if (in_a) {
    constant_strides(&a->shape, stride);
    letter.a = stride[in_a - labels->a];
    letter.extent = a->shape.dim[in_a - labels->a].factor;
  }
  if (in_b) {
    constant_strides(&b->shape, stride);
    letter.b = stride[in_b - labels->b];
    letter.extent = b->shape.dim[in_b - labels->b].factor;
  }
  letters->letter[letters->count++] = letter;
}

/* One operand laid out anew: its kept letters in the order of the result, then the summed ones, so that every element
 * of the result is a product of two runs of `depth`. Changes the operand's strides in `kept` to those of the new
 * layout. */
static const double *pack(Letters *kept, const Letters *summed, bool second, int64_t depth, const double *data,
                          Arena *arena) {
  Shape shape = {0};
  int64_t stride[SHAPE_MAX_RANK] = {0}, count = depth;
  for (int32_t k = 0; k < kept->count; k++) {
    int64_t own = second ? kept->letter[k].b : kept->letter[k].a;
    if (own == 0) continue;
    stride[shape.rank] = own;
    shape.dim[shape.rank++] = dim_constant(kept->letter[k].extent);
    count *= kept->letter[k].extent;
  }
  for (int32_t k = 0; k < summed->count; k++) {
    stride[shape.rank] = second ? summed->letter[k].b : summed->letter[k].a;
    shape.dim[shape.rank++] = dim_constant(summed->letter[k].extent);
  }
  double *packed = ARENA_ARRAY(arena, double, count);
  evaluate_gather(&shape, stride, data, packed);
  for (int32_t k = kept->count - 1; k >= 0; k--) {
    int64_t *own = second ? &kept->letter[k].b : &kept->letter[k].a;
    if (*own == 0) continue;
    *own = depth;
    depth *= kept->letter[k].extent;
  }
  return packed;
}

/* Four sums side by side: their additions do not wait for each other. */
static double sum_products(int64_t depth, const double *a, const double *b) {
  double sum[4] = {0};
  int64_t k = 0;
  for (; k + 4 <= depth; k += 4) {
    for (int lane = 0; lane < 4; lane++) sum[lane] += a[k + lane] * b[k + lane];
  }
  for (; k < depth; k++) sum[0] += a[k] * b[k];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static double *contract(const Letters *kept, int64_t depth, int32_t at, const double *a, const double *b, double *out) {
  if (at == kept->count) {
    *out = sum_products(depth, a, b);
    return out + 1;
  }
  const Letter *letter = &kept->letter[at];
  for (int64_t k = 0; k < letter->extent; k++) {
    out = contract(kept, depth, at + 1, a + k * letter->a, b + k * letter->b, out);
  }
  return out;
}

void evaluate_contract(const EvaluateContext *context, NodeId id, const Value *out) {
  const Value *a = evaluate_operand(context, id, 0), *b = evaluate_operand(context, id, 1);
  Labels labels;
  const char *message;
  if (!labels_parse(node_text(graph_node(context->graph, id), CONTRACT_LABELS), &labels, &message)) {
    guard_bug("evaluate: %s", message);
  }
  Letters kept = {0}, summed = {0};
  for (const char *letter = labels.result; *letter; letter++) add_letter(&kept, *letter, &labels, a, b);
  for (const char *letter = labels.a; *letter; letter++) {
    if (!strchr(labels.result, *letter)) add_letter(&summed, *letter, &labels, a, b);
  }
  int64_t depth = 1;
  for (int32_t k = 0; k < summed.count; k++) depth *= summed.letter[k].extent;
  const double *left = pack(&kept, &summed, false, depth, a->data, context->arena);
  const double *right = pack(&kept, &summed, true, depth, b->data, context->arena);
  contract(&kept, depth, 0, left, right, out->data);
}

/* Transforms one axis of a complex tensor in place, every line by its definition. */
static void transform_axis(const Shape *shape, int64_t axis, bool inverse, double *re, double *im, Arena *arena) {
  AxisView view = axis_view(shape, axis);
  int64_t n = view.extent;
  double *cosine = ARENA_ARRAY(arena, double, n), *sine = ARENA_ARRAY(arena, double, n);
  double *line_re = ARENA_ARRAY(arena, double, n), *line_im = ARENA_ARRAY(arena, double, n);
  for (int64_t k = 0; k < n; k++) {
    double angle = 2 * 3.14159265358979323846 * (double)k / (double)n;
    cosine[k] = cos(angle);
    sine[k] = inverse ? sin(angle) : -sin(angle);
  }
  for (int64_t line = 0; line < view.outer * view.inner; line++) {
    int64_t first = line / view.inner * n * view.inner + line % view.inner;
    for (int64_t t = 0; t < n; t++) {
      line_re[t] = re[first + t * view.inner];
      line_im[t] = im[first + t * view.inner];
    }
    for (int64_t k = 0; k < n; k++) {
      double sum_re = 0, sum_im = 0;
      for (int64_t t = 0, turn = 0; t < n; t++) { /* turn = k t mod n */
        sum_re += line_re[t] * cosine[turn] - line_im[t] * sine[turn];
        sum_im += line_re[t] * sine[turn] + line_im[t] * cosine[turn];
        turn += k;
        if (turn >= n) turn -= n;
      }
      re[first + k * view.inner] = sum_re;
      im[first + k * view.inner] = sum_im;
    }
  }
}

/* Copies the first `half` indices of an axis between a tensor that has just those and the `whole` one. */
static void copy_half(const AxisView *whole, int64_t half, bool to_half, double *of_half, double *of_whole) {
  for (int64_t outer = 0; outer < whole->outer; outer++) {
    double *a = of_half + outer * half * whole->inner, *b = of_whole + outer * whole->extent * whole->inner;
    memcpy(to_half ? a : b, to_half ? b : a, (size_t)(half * whole->inner) * sizeof(double));
  }
}

/* The samples' shape, without the complex axis. Frequencies that a half spectrum lacks are 0, or computed in vain. */
static Shape sample_shape(const Node *node, const Value *x, const Value *out) {
  int64_t form = node_integer(node, DFT_FORM);
  Shape shape = dft_parts_in(form) == 1 ? x->shape : out->shape;
  if (form == DFT_COMPLEX) {
    shape.rank--;
    for (int32_t k = 0; k < shape.rank; k++) shape.dim[k] = out->shape.dim[k + 1];
  }
  return shape;
}

void evaluate_dft(const EvaluateContext *context, NodeId id, const Value *out) {
  const Node *node = graph_node(context->graph, id);
  const Value *x = evaluate_operand(context, id, 0);
  int64_t form = node_integer(node, DFT_FORM);
  const Attribute *axes = &node->attribute[DFT_AXES];
  int64_t last = axes->integers[axes->count - 1];
  Value part = {.shape = sample_shape(node, x, out)};
  int64_t count = value_count(&part);
  AxisView view = axis_view(&part.shape, last);
  double *pair[2] = {ARENA_ARRAY(context->arena, double, count), ARENA_ARRAY(context->arena, double, count)};
  int64_t half = view.extent / 2 + 1;
  int64_t kept_in = form == DFT_HALF_TO_REAL ? half : view.extent;
  int64_t kept_out = form == DFT_REAL_TO_HALF ? half : view.extent;
  for (int p = 0; p < dft_parts_in(form); p++) {
    copy_half(&view, kept_in, false, x->data + p * view.outer * kept_in * view.inner, pair[p]);
  }
  for (uint32_t k = 0; k < axes->count; k++) {
    bool inverse = node_integer(node, DFT_INVERSE) != 0;
    transform_axis(&part.shape, axes->integers[k], inverse, pair[0], pair[1], context->arena);
  }
  double scale = node_real(node, DFT_SCALE);
  for (int p = 0; p < dft_parts_out(form); p++) {
    for (int64_t k = 0; k < count; k++) pair[p][k] *= scale;
    copy_half(&view, kept_out, true, out->data + p * view.outer * kept_out * view.inner, pair[p]);
  }
}
