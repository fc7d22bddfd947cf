#include "shape_rules.h"

#include <inttypes.h>
#include <stdarg.h>

typedef const char *ShapeRule(const RuleContext *context, Shape *out);

/* Elements of a tensor with its symbol at 1; leaves room for the symbol and for bytes in an int64_t. */
static const int64_t LARGEST_COUNT = INT64_C(1) << 40;

#define FAIL(...) return arena_format(context->arena, __VA_ARGS__)
#define REQUIRE(condition, ...)          \
  do {                                   \
    if (!(condition)) FAIL(__VA_ARGS__); \
  } while (0)
#define TRY(call)                  \
  do {                             \
    const char *message_ = (call); \
    if (message_) return message_; \
  } while (0)

static const char *shape_text(const RuleContext *context, const Shape *shape) {
  Text text = text_begin(context->arena);
  text_shape(&text, shape, context->symbol);
  return text.data;
}

static const char *check_dim(const RuleContext *context, Dim dim) {
  REQUIRE(dim.factor >= 1 && dim.factor <= LARGEST_COUNT, "extent %" PRId64 " is not in 1 .. 2^40", dim.factor);
  REQUIRE(dim.symbol >= 0 && dim.symbol <= context->symbol_count, "an extent has symbol %d but the graph has %d",
          (int)dim.symbol, (int)context->symbol_count);
  return NULL;
}

static const char *check_shape(const RuleContext *context, const Shape *shape) {
  int symbolic = 0;
  int64_t count = 1;
  for (int32_t k = 0; k < shape->rank; k++) {
    TRY(check_dim(context, shape->dim[k]));
    symbolic += !dim_is_constant(shape->dim[k]);
    bool overflow = __builtin_mul_overflow(count, shape->dim[k].factor, &count);
    REQUIRE(!overflow && count <= LARGEST_COUNT, "the tensor has more than 2^40 elements");
  }
  REQUIRE(symbolic <= 1, "shape %s has more than one axis with a symbol", shape_text(context, shape));
  return NULL;
}

static const char *check_axis(const RuleContext *context, int64_t axis, int32_t rank) {
  REQUIRE(axis >= 0 && axis < rank, "axis %" PRId64 " is not an axis of a tensor of rank %d", axis, (int)rank);
  return NULL;
}

static const char *check_constant_axis(const RuleContext *context, int64_t axis) {
  const Shape *x = context->operand[0];
  TRY(check_axis(context, axis, x->rank));
  REQUIRE(dim_is_constant(x->dim[axis]), "axis %" PRId64 " of %s has no constant extent", axis, shape_text(context, x));
  return NULL;
}

static const char *check_ascending(const RuleContext *context, const Attribute *axes, int32_t rank) {
  for (uint32_t k = 0; k < axes->count; k++) {
    TRY(check_axis(context, axes->integers[k], rank));
    REQUIRE(k == 0 || axes->integers[k] > axes->integers[k - 1], "the axes are not ascending");
  }
  return NULL;
}

static const char *check_flag(const RuleContext *context, int slot) {
  int64_t value = context->attribute[slot].integer;
  REQUIRE(value == 0 || value == 1, "%s is %" PRId64 ", not 0 or 1", op_info(context->op)->attribute[slot].name, value);
  return NULL;
}

static void shape_from_dims(const Attribute *dims, Shape *out) {
  *out = (Shape){.rank = (int32_t)dims->count};
  for (uint32_t k = 0; k < dims->count; k++) out->dim[k] = dims->dims[k];
}

static void shape_remove(Shape *shape, int32_t axis) {
  for (int32_t k = axis; k + 1 < shape->rank; k++) shape->dim[k] = shape->dim[k + 1];
  shape->rank--;
}

/* Before its rule `out` may hold anything; dims of attributes have been checked one by one, not as a whole shape. */

static const char *shape_rule_leaf(const RuleContext *context, Shape *out) {
  REQUIRE(context->attribute[LEAF_NAME].text[0], "the name is empty");
  shape_from_dims(&context->attribute[LEAF_SHAPE], out);
  return NULL;
}

static const char *shape_rule_random(const RuleContext *context, Shape *out) {
  int64_t stream = context->attribute[RANDOM_STREAM].integer;
  REQUIRE(stream >= 0 && stream <= UINT32_MAX, "stream %" PRId64 " is not in 0 .. 2^32 - 1", stream);
  shape_from_dims(&context->attribute[RANDOM_SHAPE], out);
  return NULL;
}

static const char *shape_rule_scalar(const RuleContext *context, Shape *out) {
  (void)context;
  *out = (Shape){0};
  return NULL;
}

static const char *shape_rule_index(const RuleContext *context, Shape *out) {
  REQUIRE(context->attribute[EXTENT_DIM].count == 1, "extent is not one extent");
  shape_from_dims(&context->attribute[EXTENT_DIM], out);
  return NULL;
}

static const char *shape_rule_extent(const RuleContext *context, Shape *out) {
  REQUIRE(context->attribute[EXTENT_DIM].count == 1, "extent is not one extent");
  *out = (Shape){0};
  return NULL;
}

static const char *shape_rule_elementwise(const RuleContext *context, Shape *out) {
  *out = *context->operand[0];
  for (uint32_t k = 1; k < context->operand_count; k++) {
    REQUIRE(shape_equal(out, context->operand[k]), "operand 0 is %s but operand %u is %s", shape_text(context, out), k,
            shape_text(context, context->operand[k]));
  }
  return NULL;
}

static const char *shape_rule_same(const RuleContext *context, Shape *out) {
  *out = *context->operand[0];
  return check_axis(context, context->attribute[REVERSE_AXIS].integer, out->rank);
}

static const char *shape_rule_broadcast(const RuleContext *context, Shape *out) {
  const Shape *x = context->operand[0];
  const Attribute *axes = &context->attribute[BROADCAST_AXES];
  shape_from_dims(&context->attribute[BROADCAST_SHAPE], out);
  REQUIRE(axes->count == (uint32_t)x->rank, "%u axes for a tensor of rank %d", axes->count, (int)x->rank);
  TRY(check_ascending(context, axes, out->rank));
  for (int32_t k = 0; k < x->rank; k++) {
    REQUIRE(dim_equal(x->dim[k], out->dim[axes->integers[k]]), "axis %d of %s does not fit axis %" PRId64 " of %s",
            (int)k, shape_text(context, x), axes->integers[k], shape_text(context, out));
  }
  return NULL;
}

static const char *shape_rule_reshape(const RuleContext *context, Shape *out) {
  shape_from_dims(&context->attribute[RESHAPE_SHAPE], out);
  TRY(check_shape(context, out));
  Dim before, after;
  bool known = shape_count(context->operand[0], &before) && shape_count(out, &after);
  REQUIRE(known && dim_equal(before, after), "%s and %s do not have the same number of elements",
          shape_text(context, context->operand[0]), shape_text(context, out));
  return NULL;
}

static const char *shape_rule_permute(const RuleContext *context, Shape *out) {
  const Shape *x = context->operand[0];
  const Attribute *axes = &context->attribute[PERMUTE_AXES];
  REQUIRE(axes->count == (uint32_t)x->rank, "%u axes for a tensor of rank %d", axes->count, (int)x->rank);
  unsigned seen = 0;
  *out = (Shape){.rank = x->rank};
  for (int32_t k = 0; k < x->rank; k++) {
    TRY(check_axis(context, axes->integers[k], x->rank));
    REQUIRE(!(seen >> axes->integers[k] & 1), "axis %" PRId64 " is there twice", axes->integers[k]);
    seen |= 1u << axes->integers[k];
    out->dim[k] = x->dim[axes->integers[k]];
  }
  return NULL;
}

static const char *shape_rule_slice(const RuleContext *context, Shape *out) {
  int64_t axis = context->attribute[SLICE_AXIS].integer;
  int64_t start = context->attribute[SLICE_START].integer, size = context->attribute[SLICE_SIZE].integer;
  TRY(check_constant_axis(context, axis));
  int64_t extent = context->operand[0]->dim[axis].factor;
  REQUIRE(start >= 0 && size >= 1 && start < extent && size <= extent - start,
          "%" PRId64 " elements from %" PRId64 " do not lie in an axis of %" PRId64, size, start, extent);
  *out = *context->operand[0];
  out->dim[axis] = dim_constant(size);
  return NULL;
}

static const char *shape_rule_window(const RuleContext *context, Shape *out) {
  int64_t axis = context->attribute[WINDOW_AXIS].integer;
  int64_t size = context->attribute[WINDOW_SIZE].integer, stride = context->attribute[WINDOW_STRIDE].integer;
  const Shape *x = context->operand[0];
  TRY(check_constant_axis(context, axis));
  int64_t extent = x->dim[axis].factor;
  REQUIRE(size >= 1 && size <= extent && stride >= 1 && stride <= LARGEST_COUNT,
          "no window of size %" PRId64 " and stride %" PRId64 " in %" PRId64, size, stride, extent);
  REQUIRE(x->rank < SHAPE_MAX_RANK, "the result would have more than %d axes", SHAPE_MAX_RANK);
  *out = (Shape){.rank = x->rank + 1};
  for (int32_t k = 0; k < x->rank; k++) out->dim[k > axis ? k + 1 : k] = x->dim[k];
  out->dim[axis] = dim_constant((extent - size) / stride + 1);
  out->dim[axis + 1] = dim_constant(size);
  return NULL;
}

static const char *shape_rule_unwindow(const RuleContext *context, Shape *out) {
  int64_t axis = context->attribute[UNWINDOW_AXIS].integer;
  int64_t extent = context->attribute[UNWINDOW_EXTENT].integer, stride = context->attribute[UNWINDOW_STRIDE].integer;
  TRY(check_constant_axis(context, axis));
  TRY(check_constant_axis(context, axis + 1));
  const Shape *x = context->operand[0];
  int64_t count = x->dim[axis].factor, size = x->dim[axis + 1].factor;
  REQUIRE(stride >= 1 && stride <= LARGEST_COUNT && extent >= size && (extent - size) / stride + 1 == count,
          "%" PRId64 " windows of size %" PRId64 " and stride %" PRId64 " do not come from an axis of %" PRId64, count,
          size, stride, extent);
  *out = *x;
  shape_remove(out, (int32_t)axis);
  out->dim[axis] = dim_constant(extent);
  return NULL;
}

static const char *shape_rule_pad(const RuleContext *context, Shape *out) {
  int64_t axis = context->attribute[PAD_AXIS].integer;
  int64_t low = context->attribute[PAD_LOW].integer, high = context->attribute[PAD_HIGH].integer;
  TRY(check_constant_axis(context, axis));
  REQUIRE(low >= 0 && high >= 0 && low <= LARGEST_COUNT && high <= LARGEST_COUNT,
          "cannot pad by %" PRId64 " and %" PRId64, low, high);
  *out = *context->operand[0];
  out->dim[axis].factor += low + high;
  return NULL;
}

static const char *shape_rule_concat(const RuleContext *context, Shape *out) {
  int64_t axis = context->attribute[CONCAT_AXIS].integer;
  TRY(check_constant_axis(context, axis));
  *out = *context->operand[0];
  Shape expected = *out;
  for (uint32_t k = 1; k < context->operand_count; k++) {
    const Shape *x = context->operand[k];
    if (x->rank == expected.rank && dim_is_constant(x->dim[axis])) expected.dim[axis] = x->dim[axis];
    REQUIRE(shape_equal(&expected, x), "operand 0 is %s but operand %u is %s", shape_text(context, context->operand[0]),
            k, shape_text(context, x));
    out->dim[axis].factor += x->dim[axis].factor;
  }
  return NULL;
}

static const char *check_initial(const RuleContext *context, uint32_t operand, int64_t axis) {
  Shape expected = *context->operand[0];
  shape_remove(&expected, (int32_t)axis);
  REQUIRE(shape_equal(&expected, context->operand[operand]), "the initial value is %s, not %s",
          shape_text(context, context->operand[operand]), shape_text(context, &expected));
  return NULL;
}

static const char *shape_rule_delay(const RuleContext *context, Shape *out) {
  int64_t axis = context->attribute[DELAY_AXIS].integer;
  *out = *context->operand[0];
  TRY(check_axis(context, axis, out->rank));
  TRY(check_flag(context, DELAY_REVERSE));
  return context->operand_count == 2 ? check_initial(context, 1, axis) : NULL;
}

static const char *shape_rule_reduce(const RuleContext *context, Shape *out) {
  const Shape *x = context->operand[0];
  const Attribute *axes = &context->attribute[REDUCE_AXES];
  REQUIRE(axes->count >= 1, "there is no axis to reduce");
  TRY(check_ascending(context, axes, x->rank));
  *out = *x;
  for (uint32_t k = axes->count; k-- > 0;) shape_remove(out, (int32_t)axes->integers[k]);
  return NULL;
}

/* Binds each letter to the extent it has in one operand. */
static const char *bind_letters(const RuleContext *context, const char *letters, uint32_t operand, Dim bound[128]) {
  const Shape *x = context->operand[operand];
  int32_t rank = 0;
  while (letters[rank]) rank++;
  REQUIRE(rank == x->rank, "'%s' labels operand %u of rank %d", letters, operand, (int)x->rank);
  for (int32_t k = 0; k < rank; k++) {
    Dim *dim = &bound[(unsigned char)letters[k]];
    REQUIRE(dim->factor == 0 || dim_equal(*dim, x->dim[k]), "axis '%c' has other extents in %s and %s", letters[k],
            shape_text(context, context->operand[0]), shape_text(context, context->operand[1]));
    *dim = x->dim[k];
  }
  return NULL;
}

static const char *shape_rule_contract(const RuleContext *context, Shape *out) {
  Labels labels;
  const char *message = NULL;
  if (!labels_parse(context->attribute[CONTRACT_LABELS].text, &labels, &message)) return message;
  Dim bound[128] = {{0}};
  TRY(bind_letters(context, labels.a, 0, bound));
  TRY(bind_letters(context, labels.b, 1, bound));
  *out = (Shape){0};
  for (const char *letter = labels.result; *letter; letter++) out->dim[out->rank++] = bound[(unsigned char)*letter];
  return NULL;
}

static const char *shape_rule_scan(const RuleContext *context, Shape *out) {
  int64_t axis = context->attribute[SCAN_AXIS].integer;
  *out = *context->operand[0];
  TRY(check_axis(context, axis, out->rank));
  TRY(check_flag(context, SCAN_REVERSE));
  TRY(check_flag(context, SCAN_LATE));
  REQUIRE(shape_equal(out, context->operand[1]), "the decay is %s but the input is %s", shape_text(context, out),
          shape_text(context, context->operand[1]));
  return context->operand_count == 3 ? check_initial(context, 2, axis) : NULL;
}

static const char *shape_rule_complex_scan(const RuleContext *context, Shape *out) {
  TRY(shape_rule_scan(context, out));
  REQUIRE(out->rank > 1 && dim_equal(out->dim[0], dim_constant(2)), "no leading axis of 2 in %s",
          shape_text(context, out));
  REQUIRE(context->attribute[SCAN_AXIS].integer > 0, "the axis of parts is no axis of time");
  return NULL;
}

/* Decay and input, each of two parts. */
static const char *check_parts(const RuleContext *context, int part, Shape *out) {
  *out = *context->operand[0];
  for (uint32_t k = 1; k < PART_INITIAL; k++)
    REQUIRE(shape_equal(out, context->operand[k]), "one operand is %s, another %s", shape_text(context, out),
            shape_text(context, context->operand[k]));
  return check_flag(context, part);
}

static const char *shape_rule_scan_part(const RuleContext *context, Shape *out) {
  int64_t axis = context->attribute[SCAN_AXIS].integer;
  TRY(check_parts(context, SCAN_PART_PART, out));
  TRY(check_axis(context, axis, out->rank));
  TRY(check_flag(context, SCAN_REVERSE));
  TRY(check_flag(context, SCAN_LATE));
  REQUIRE(context->operand_count != 5, "an initial state of one part");
  if (context->operand_count == 4) return NULL;
  TRY(check_initial(context, PART_INITIAL, axis));
  return check_initial(context, PART_INITIAL + 1, axis);
}

/* The axis becomes one of pieces of `steps`, and axis `last` comes last. */
static const char *shape_of_checkpoints(const RuleContext *context, Shape *shape) {
  int64_t axis = context->attribute[CHECKPOINT_AXIS].integer, steps = context->attribute[CHECKPOINT_STEPS].integer;
  int64_t last = context->attribute[CHECKPOINT_LAST].integer;
  TRY(check_axis(context, axis, shape->rank));
  TRY(check_axis(context, last, shape->rank));
  TRY(check_flag(context, CHECKPOINT_REVERSE));
  REQUIRE(steps >= 1, "%" PRId64 " steps between checkpoints", steps);
  REQUIRE(dim_is_constant(shape->dim[axis]), "axis %" PRId64 " has no constant extent", axis);
  shape->dim[axis] = dim_constant((shape->dim[axis].factor + steps - 1) / steps);
  Dim moved = shape->dim[last];
  shape_remove(shape, (int32_t)last);
  shape->dim[shape->rank++] = moved;
  return NULL;
}

static const char *shape_rule_rescan(const RuleContext *context, Shape *out) {
  *out = *context->operand[0];
  REQUIRE(shape_equal(out, context->operand[1]), "the decay is %s but the input is %s", shape_text(context, out),
          shape_text(context, context->operand[1]));
  Shape expected = *out;
  TRY(shape_of_checkpoints(context, &expected));
  REQUIRE(shape_equal(&expected, context->operand[2]), "the checkpoints are %s, not %s",
          shape_text(context, context->operand[2]), shape_text(context, &expected));
  return NULL;
}

static const char *shape_rule_rescan_part(const RuleContext *context, Shape *out) {
  TRY(check_parts(context, RESCAN_PART_PART, out));
  Shape expected = *out;
  TRY(shape_of_checkpoints(context, &expected));
  for (uint32_t k = PART_INITIAL; k < context->operand_count; k++)
    REQUIRE(shape_equal(&expected, context->operand[k]), "the checkpoints are %s, not %s",
            shape_text(context, context->operand[k]), shape_text(context, &expected));
  return NULL;
}

static const char *shape_rule_checkpoint(const RuleContext *context, Shape *out) {
  *out = *context->operand[0];
  TRY(shape_of_checkpoints(context, out));
  return context->operand_count == 2 ? check_initial(context, 1, context->attribute[CHECKPOINT_AXIS].integer) : NULL;
}

/* From samples to frequencies 0 .. extent / 2 or back. */
static const char *change_half_axis(const RuleContext *context, int64_t form, Dim *dim) {
  int64_t extent = context->attribute[DFT_EXTENT].integer;
  if (form == DFT_HALF_TO_REAL) {
    REQUIRE(extent >= 1 && extent / 2 + 1 == dim->factor,
            "%" PRId64 " frequencies are not the half spectrum of %" PRId64 " samples", dim->factor, extent);
    *dim = dim_constant(extent);
    return NULL;
  }
  REQUIRE(extent == 0, "extent is %" PRId64 ", not 0", extent);
  if (form == DFT_REAL_TO_HALF) *dim = dim_constant(dim->factor / 2 + 1);
  return NULL;
}

static const char *shape_rule_dft(const RuleContext *context, Shape *out) {
  const Attribute *axes = &context->attribute[DFT_AXES];
  int64_t form = context->attribute[DFT_FORM].integer;
  REQUIRE(form >= 0 && form < DFT_FORM_COUNT, "form is %" PRId64 ", not 0 to 4", form);
  TRY(check_flag(context, DFT_INVERSE));
  Shape bare = *context->operand[0];
  if (dft_parts_in(form) == 2) {
    REQUIRE(bare.rank >= 1 && dim_equal(bare.dim[0], dim_constant(2)), "%s has no leading axis of 2",
            shape_text(context, &bare));
    shape_remove(&bare, 0);
  }
  REQUIRE(axes->count >= 1, "there is no axis to transform");
  TRY(check_ascending(context, axes, bare.rank));
  for (uint32_t k = 0; k < axes->count; k++) {
    REQUIRE(dim_is_constant(bare.dim[axes->integers[k]]), "axis %" PRId64 " has no constant extent", axes->integers[k]);
  }
  TRY(change_half_axis(context, form, &bare.dim[axes->integers[axes->count - 1]]));
  if (dft_parts_out(form) == 1) {
    *out = bare;
    return NULL;
  }
  REQUIRE(bare.rank < SHAPE_MAX_RANK, "the result would have more than %d axes", SHAPE_MAX_RANK);
  *out = (Shape){.rank = bare.rank + 1, .dim = {dim_constant(2)}};
  for (int32_t k = 0; k < bare.rank; k++) out->dim[k + 1] = bare.dim[k];
  return NULL;
}

static ShapeRule *const shape_rule[OP_COUNT] = {
#define OP(code, name, least, most, attributes, shape, ...) [OP_##code] = shape_rule_##shape,
#include "ops.def"
#undef OP
};

bool op_is_elementwise(OpCode op) { return shape_rule[op] == shape_rule_elementwise; }

static const char *check_attribute(const RuleContext *context, const AttributeSpec *spec, const Attribute *attribute) {
  switch (spec->kind) {
    case ATTRIBUTE_TEXT:
      REQUIRE(attribute->text, "%s is missing", spec->name);
      break;
    case ATTRIBUTE_INTEGERS:
    case ATTRIBUTE_DIMS:
      REQUIRE(attribute->count <= SHAPE_MAX_RANK, "%s has more than %d entries", spec->name, SHAPE_MAX_RANK);
      for (uint32_t k = 0; spec->kind == ATTRIBUTE_DIMS && k < attribute->count; k++) {
        TRY(check_dim(context, attribute->dims[k]));
      }
      break;
    case ATTRIBUTE_NONE:
    case ATTRIBUTE_INTEGER:
    case ATTRIBUTE_REAL:
      break;
  }
  return NULL;
}

const char *shape_rule_apply(const RuleContext *context, Shape *out_shape) {
  const OpInfo *info = op_info(context->op);
  bool too_many = info->operands_max != OPERANDS_ANY && context->operand_count > info->operands_max;
  REQUIRE(context->operand_count >= info->operands_min && !too_many, "%u operands where it takes %s%u",
          context->operand_count,
          info->operands_min == info->operands_max ? ""
          : too_many                               ? "at most "
                                                   : "at least ",
          too_many ? info->operands_max : info->operands_min);
  for (uint8_t k = 0; k < info->attribute_count; k++) {
    TRY(check_attribute(context, &info->attribute[k], &context->attribute[k]));
  }
  TRY(shape_rule[context->op](context, out_shape));
  return check_shape(context, out_shape);
}
