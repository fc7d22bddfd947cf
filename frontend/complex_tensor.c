/* Complex tensors: a real node with a leading axis of 2, [0] the real and [1] the imaginary part. */
#include "elaborator.h"

#include <string.h>

NamedTensor complex_part(Elaborator *elaborator, Span span, const NamedTensor *x, int64_t part) {
  NamedTensor result = *x;
  result.complex = false;
  Shape shape = tensor_shape(&result);
  result.node = emit_reshape(elaborator, span, emit_slice(elaborator, span, x->node, 0, part, 1), &shape);
  return result;
}

static NodeId with_leading_axis(Elaborator *elaborator, Span span, const NamedTensor *real) {
  Shape shape = {.rank = 1, .dim = {dim_constant(1)}};
  for (int32_t i = 0; i < real->rank && shape.rank < SHAPE_MAX_RANK; i++)
    shape.dim[shape.rank++] = real->axis[i].extent;
  return emit_reshape(elaborator, span, real->node, &shape);
}

static bool room_for_parts(Elaborator *elaborator, Span span, const NamedTensor *x) {
  if (x->rank < SHAPE_MAX_RANK) return true;
  REPORT(elaborator, DIAG_RANGE, span, "the number of axes of a complex tensor", "7 at most", "8");
  return false;
}

NamedTensor complex_join(Elaborator *elaborator, Span span, const NamedTensor *real, const NamedTensor *imaginary) {
  NamedTensor result = {0};
  if (!tensor_union(elaborator, span, real, span, imaginary, span, &result)) return result;
  if (!room_for_parts(elaborator, span, &result)) return result;
  NamedTensor left = tensor_permute(elaborator, span, real, &result),
              right = tensor_permute(elaborator, span, imaginary, &result);
  NodeId part[] = {with_leading_axis(elaborator, span, &left), with_leading_axis(elaborator, span, &right)};
  result.node = emit_concat(elaborator, span, part, 2, 0);
  result.complex = true;
  return result;
}

NamedTensor complex_from_real(Elaborator *elaborator, Span span, const NamedTensor *real) {
  NamedTensor result = *real;
  result.node = NODE_NONE;
  if (!room_for_parts(elaborator, span, real)) return result;
  result.complex = true;
  result.node = emit_pad(elaborator, span, with_leading_axis(elaborator, span, real), 0, 0, 1);
  return result;
}

NamedTensor complex_conjugate(Elaborator *elaborator, Span span, const NamedTensor *x) {
  NamedTensor real = complex_part(elaborator, span, x, 0), imaginary = complex_part(elaborator, span, x, 1);
  imaginary.node = emit_unary(elaborator, span, OP_NEGATE, imaginary.node);
  return complex_join(elaborator, span, &real, &imaginary);
}

static NamedTensor squared_magnitude(Elaborator *elaborator, Span span, const NamedTensor *x) {
  NamedTensor real = complex_part(elaborator, span, x, 0), imaginary = complex_part(elaborator, span, x, 1);
  NodeId a = emit_binary(elaborator, span, OP_MULTIPLY, real.node, real.node);
  NodeId b = emit_binary(elaborator, span, OP_MULTIPLY, imaginary.node, imaginary.node);
  real.node = emit_binary(elaborator, span, OP_ADD, a, b);
  return real;
}

NamedTensor complex_magnitude(Elaborator *elaborator, Span span, const NamedTensor *x) {
  NamedTensor square = squared_magnitude(elaborator, span, x);
  return tensor_unary(elaborator, span, OP_SQRT, &square);
}

/* i z: part 0 is -Im z, part 1 is Re z. The parts are read the other way round, which moves nothing. */
static NamedTensor complex_turned(Elaborator *elaborator, Span span, const NamedTensor *z) {
  Dim two = dim_constant(2);
  Shape vector = {.rank = 1, .dim = {two}}, shape = tensor_shape(z);
  NodeId part = emit(elaborator, span, OP_INDEX, NULL, 0, &(Attribute){.count = 1, .dims = &two});
  NodeId twice = emit_binary(elaborator, span, OP_ADD, part, part);
  NodeId signs = emit_binary(elaborator, span, OP_SUBTRACT, twice, emit_constant_like(elaborator, span, 1, &vector));
  Attribute spread[] = {{.count = (uint32_t)shape.rank, .dims = shape.dim}, {.count = 1, .integers = (int64_t[]){0}}};
  signs = emit(elaborator, span, OP_BROADCAST, &signs, 1, spread);
  NodeId swapped = emit(elaborator, span, OP_REVERSE, &z->node, 1, &(Attribute){.integer = 0});
  NamedTensor result = *z;
  result.node = emit_binary(elaborator, span, OP_MULTIPLY, swapped, signs);
  return result;
}

/* a b = a Re b + (i a) Im b: both terms are elementwise over all parts, so the product is one kernel. */
NamedTensor complex_multiply(Elaborator *elaborator, Span span, const NamedTensor *a, Span a_span, const NamedTensor *b,
                             Span b_span) {
  NamedTensor real = complex_part(elaborator, span, b, 0), imaginary = complex_part(elaborator, span, b, 1);
  NamedTensor turned = complex_turned(elaborator, span, a);
  NamedTensor straight = tensor_binary(elaborator, span, OP_MULTIPLY, a, a_span, &real, b_span);
  NamedTensor crossed = tensor_binary(elaborator, span, OP_MULTIPLY, &turned, a_span, &imaginary, b_span);
  if (straight.node == NODE_NONE || crossed.node == NODE_NONE) return straight;
  return tensor_binary(elaborator, span, OP_ADD, &straight, span, &crossed, span);
}

/* a / b = a conj(b) / |b|^2 */
NamedTensor complex_divide(Elaborator *elaborator, Span span, const NamedTensor *a, Span a_span, const NamedTensor *b,
                           Span b_span) {
  NamedTensor conjugate = complex_conjugate(elaborator, span, b), square = squared_magnitude(elaborator, span, b);
  NamedTensor dividend = a->complex ? *a : complex_from_real(elaborator, span, a);
  NamedTensor product = complex_multiply(elaborator, span, &dividend, a_span, &conjugate, b_span);
  return tensor_binary(elaborator, span, OP_DIVIDE, &product, a_span, &square, b_span);
}

NamedTensor complex_show_parts(Elaborator *elaborator, const NamedTensor *x) {
  if (!x->complex) return *x;
  NamedTensor result = {.node = x->node, .rank = x->rank + 1};
  result.axis[0] = (Axis){elaborator->part_label, dim_constant(2)};
  memcpy(result.axis + 1, x->axis, sizeof(Axis) * (size_t)x->rank);
  return result;
}

NamedTensor complex_hide_parts(Elaborator *elaborator, Span span, const NamedTensor *x) {
  int32_t part = tensor_find_axis(x, elaborator->part_label);
  if (part < 0) return *x;
  if (x->complex) {
    REPORT(elaborator, DIAG_EXPECTED_VALUE, span, "a real result for each part of the complex argument",
           "a complex one");
    return (NamedTensor){0};
  }
  NamedTensor order = {.rank = x->rank};
  int32_t place = 0;
  order.axis[place++] = x->axis[part];
  for (int32_t i = 0; i < x->rank; i++)
    if (i != part) order.axis[place++] = x->axis[i];
  NamedTensor result = tensor_permute(elaborator, span, x, &order);
  tensor_remove_axis(&result, 0);
  result.complex = true;
  return result;
}

/* [2, ...] -> [2 (part of the other factor), 2 (part of the product), ...] = [[Re, Im], [-Im, Re]], so that a complex
 * product is one real one. */
static NodeId stack_complex(Elaborator *elaborator, Span span, const NamedTensor *x) {
  NodeId real = emit_slice(elaborator, span, x->node, 0, 0, 1),
         imaginary = emit_slice(elaborator, span, x->node, 0, 1, 1);
  NodeId minus = emit_unary(elaborator, span, OP_NEGATE, imaginary);
  NodeId flat = emit_concat(elaborator, span, (NodeId[]){real, imaginary, minus, real}, 4, 0);
  Shape shape = {.rank = 2, .dim = {dim_constant(2), dim_constant(2)}};
  for (int32_t i = 0; i < x->rank; i++) shape.dim[shape.rank++] = x->axis[i].extent;
  return emit_reshape(elaborator, span, flat, &shape);
}

/* One letter for each label of the two operands: those of a, then the others of b. */
static void write_letters(const NamedTensor *a, const NamedTensor *b, char *a_letters, char *b_letters) {
  for (int32_t i = 0; i < a->rank; i++) a_letters[i] = (char)('a' + i);
  a_letters[a->rank] = '\0';
  char next = (char)('a' + a->rank);
  for (int32_t i = 0; i < b->rank; i++) {
    int32_t shared = tensor_find_axis(a, b->axis[i].label);
    b_letters[i] = shared >= 0 ? a_letters[shared] : next++;
  }
  b_letters[b->rank] = '\0';
}

NamedTensor tensor_dot(Elaborator *elaborator, Span span, const NamedTensor *a, Span a_span, const NamedTensor *b,
                       Span b_span, const AxisLabel *const *over, uint32_t count) {
  NamedTensor result = {0}, checked;
  if (!tensor_union(elaborator, span, a, a_span, b, b_span, &checked)) return result;
  char a_letters[SHAPE_MAX_RANK + 1], b_letters[SHAPE_MAX_RANK + 1], result_letters[2 * SHAPE_MAX_RANK + 1];
  write_letters(a, b, a_letters, b_letters);
  uint32_t letters = 0;
  for (int32_t i = 0; i < a->rank + b->rank; i++) {
    const Axis *axis = i < a->rank ? &a->axis[i] : &b->axis[i - a->rank];
    bool summed = i >= a->rank && tensor_find_axis(a, axis->label) >= 0;
    for (uint32_t k = 0; k < count; k++) summed = summed || over[k] == axis->label;
    if (summed) continue;
    if (result.rank == SHAPE_MAX_RANK) {
      REPORT(elaborator, DIAG_RANGE, span, "the number of axes", "8 at most", "more");
      return result;
    }
    result.axis[result.rank++] = *axis;
    result_letters[letters++] = i < a->rank ? a_letters[i] : b_letters[i - a->rank];
  }
  result_letters[letters] = '\0';
  result.complex = a->complex || b->complex;
  bool both = a->complex && b->complex;
  if (both && b->rank + 2 > SHAPE_MAX_RANK) {
    REPORT(elaborator, DIAG_RANGE, b_span, "the number of axes of the second factor of a complex product", "6 at most",
           "7");
    return result;
  }
  /* P: the part of the product, Q: the part that is summed. */
  const char *a_part = both ? "Q" : a->complex ? "P" : "", *b_part = both ? "QP" : b->complex ? "P" : "";
  const char *text = arena_format(elaborator->arena, "%s%s,%s%s->%s%s", a_part, a_letters, b_part, b_letters,
                                  result.complex ? "P" : "", result_letters);
  NodeId operand[] = {a->node, both ? stack_complex(elaborator, span, b) : b->node};
  result.node = emit(elaborator, span, OP_CONTRACT, operand, 2, &(Attribute){.text = text});
  return result;
}
