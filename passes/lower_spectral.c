/* SPECTRAL kernels: one Fourier transform along one axis as a product with a table of cosines and sines. */
#include "lower_internal.h"

#include "ir/guard.h"

#include <math.h>

static const Node *node_of(const Builder *builder, NodeId id) { return graph_node(builder->clusters->graph, id); }

typedef struct Transform {
  int64_t extent, axis;          /* samples; axis without the complex one */
  int64_t extent_in, extent_out; /* along the axis: of a half spectrum, extent / 2 + 1 */
  int parts_in, parts_out;
  bool table_right;
} Transform;

static int64_t transform_rows(const Transform *transform) { return transform->parts_out * transform->extent_out; }
static int64_t transform_columns(const Transform *transform) { return transform->parts_in * transform->extent_in; }

/* Entry (p, k; q, n), part p of frequency k from part q of sample n, is +- scale times the cosine (p == q) or sine of
 * 2 pi (k n mod extent) / extent: computed in f64 for each remainder, rounded once. */
static float *make_table(Arena *arena, const Node *node, const Transform *transform) {
  int64_t extent = transform->extent;
  int64_t rows = transform_rows(transform), columns = transform_columns(transform);
  float *table = ARENA_ARRAY(arena, float, rows *columns);
  float *cosine = ARENA_ARRAY(arena, float, extent), *sine = ARENA_ARRAY(arena, float, extent);
  double scale = node_real(node, DFT_SCALE), sign = node_integer(node, DFT_INVERSE) != 0 ? 1 : -1;
  for (int64_t k = 0; k < extent; k++) {
    double angle = 2 * 3.14159265358979323846 * (double)k / (double)extent;
    cosine[k] = (float)(scale * cos(angle));
    sine[k] = (float)(scale * sign * sin(angle));
  }
  for (int64_t row = 0; row < rows; row++) {
    for (int64_t column = 0; column < columns; column++) {
      int64_t p = row / transform->extent_out, q = column / transform->extent_in;
      int64_t turn = row % transform->extent_out * (column % transform->extent_in) % extent;
      int64_t at = transform->table_right ? column * rows + row : row * columns + column;
      table[at] = p == q ? cosine[turn] : p == 1 ? sine[turn] : -sine[turn];
    }
  }
  return table;
}

static Transform transform_of(const Node *node, const Shape *source) {
  int64_t form = node_integer(node, DFT_FORM);
  Transform transform = {.axis = node->attribute[DFT_AXES].integers[0],
                         .parts_in = dft_parts_in(form),
                         .parts_out = dft_parts_out(form),
                         .table_right = true};
  int first = transform.parts_out - 1;
  transform.extent_in = source->dim[transform.axis + transform.parts_in - 1].factor;
  transform.extent_out = node->shape.dim[transform.axis + first].factor;
  transform.extent = form == DFT_REAL_TO_HALF ? transform.extent_in : transform.extent_out;
  for (int32_t k = (int32_t)transform.axis + first + 1; k < node->shape.rank; k++) {
    if (!dim_equal(node->shape.dim[k], dim_constant(1))) transform.table_right = false;
  }
  return transform;
}

static Transform node_transform(const Builder *builder, const Node *node) {
  return transform_of(node, graph_shape(builder->clusters->graph, node->operand[0]));
}

static bool same_table(const Builder *builder, const Node *a, const Node *b) {
  Transform x = node_transform(builder, a), y = node_transform(builder, b);
  return node_integer(a, DFT_FORM) == node_integer(b, DFT_FORM) && x.extent == y.extent &&
         x.table_right == y.table_right && node_integer(a, DFT_INVERSE) == node_integer(b, DFT_INVERSE) &&
         node_real(a, DFT_SCALE) == node_real(b, DFT_SCALE);
}

/* Equal transforms of a program share a table. Passes that only try get none filled in. */
static ValueId table_value(Builder *builder, const Node *node, const Transform *transform) {
  Lowered *lowered = builder->lowered;
  for (ValueId v = 1; v <= lowered->value_count; v++) {
    const LoweredValue *value = &lowered->value[v];
    if (value->data != NULL && same_table(builder, node_of(builder, value->node), node)) return v;
  }
  Dim count = dim_constant(transform_rows(transform) * transform_columns(transform));
  const float *table = lowered->trial ? NULL : make_table(lowered->arena, node, transform);
  return lowered_add_value(lowered, builder->clusters->anchor[builder->cluster], count, table);
}

static bool load_table(Builder *builder, ValueId table, const Transform *transform, const Position *out_index,
                       const Position *in_index, uint32_t *out_expr) {
  Shape shape = {.rank = 2};
  int64_t rows = transform_rows(transform), columns = transform_columns(transform);
  shape.dim[0] = dim_constant(transform->table_right ? columns : rows);
  shape.dim[1] = dim_constant(transform->table_right ? rows : columns);
  Place place = {.rank = 2};
  place.axis[0] = transform->table_right ? *in_index : *out_index;
  place.axis[1] = transform->table_right ? *out_index : *in_index;
  return builder_load(builder, table, &shape, &place, NODE_NONE, out_expr);
}

/* Loops over a part and an index of one side of the transform, and the row or column of the table they stand for. */
typedef struct TransformAxes {
  Position part, index, entry;
} TransformAxes;

static bool add_transform_axes(Builder *builder, int parts, int64_t extent, AxisRole role, bool keep,
                               TransformAxes *out) {
  uint32_t part, index;
  if (!builder_add_axis(builder, dim_constant(parts), role, false, &part)) return false;
  if (!builder_add_axis(builder, dim_constant(extent), role, keep, &index)) return false;
  out->part = builder->logical[part].position;
  out->index = builder->logical[index].position;
  out->entry = out->index;
  position_add(&out->entry, &out->part, extent);
  return true;
}

static bool add_other_axes(Builder *builder, const Shape *result, int first, const Transform *transform, Place *place) {
  for (int32_t k = first; k < result->rank; k++) {
    if (k - first == transform->axis) continue;
    uint32_t number;
    if (!builder_add_axis(builder, result->dim[k], AXIS_PARALLEL, false, &number)) return false;
    place->axis[k] = builder->logical[number].position;
  }
  return true;
}

bool lower_spectral_cluster(Builder *builder) {
  NodeId id = builder->clusters->anchor[builder->cluster];
  const Node *node = node_of(builder, id);
  ASSERT(node->attribute[DFT_AXES].count == 1);
  Transform transform = node_transform(builder, node);
  int out_first = transform.parts_out - 1, in_first = transform.parts_in - 1;
  Place place = {.rank = node->shape.rank};
  TransformAxes out, in;
  if (transform.table_right && !add_other_axes(builder, &node->shape, out_first, &transform, &place)) return false;
  bool keep = transform.table_right;
  if (!add_transform_axes(builder, transform.parts_out, transform.extent_out, AXIS_PARALLEL, keep, &out)) return false;
  if (!transform.table_right && !add_other_axes(builder, &node->shape, out_first, &transform, &place)) return false;
  if (!add_transform_axes(builder, transform.parts_in, transform.extent_in, AXIS_REDUCED, false, &in)) return false;
  if (out_first == 1) place.axis[0] = out.part;
  place.axis[transform.axis + out_first] = out.index;
  Place source = {.rank = node->shape.rank - out_first + in_first};
  for (int32_t k = 0; k < source.rank - in_first; k++) source.axis[k + in_first] = place.axis[k + out_first];
  source.axis[transform.axis + in_first] = in.index;
  if (in_first == 1) source.axis[0] = in.part;
  uint32_t data, table;
  builder->one_load = true;
  bool found = lower_value(builder, node->operand[0], &source, &data);
  builder->one_load = false;
  if (!found) return false;
  if (builder->expr[data].kind != EXPR_LOAD) {
    return builder_fail(builder, FAILURE_STORE, node->operand[0], "a factor is no plain load");
  }
  ValueId entries = table_value(builder, node, &transform);
  if (!load_table(builder, entries, &transform, &out.entry, &in.entry, &table)) return false;
  builder->table = table;
  builder->left = transform.table_right ? data : table;
  builder->right = transform.table_right ? table : data;
  product_register(builder, id, &place);
  return lower_roots(builder, id, &place) && product_check_epilogue(builder);
}
