/* SPECTRAL kernels: one Fourier transform along one axis. */
#include "lower_internal.h"

#include "ir/guard.h"

static const Node *node_of(const Builder *builder, NodeId id) { return graph_node(builder->clusters->graph, id); }

/* Loops over the parts and indices of one side of the transform, and the rows that they number. */
typedef struct Side {
  int parts;
  Position part, index;
} Side;

static bool add_side(Builder *builder, int parts, int64_t rows, AxisRole role, Side *out) {
  uint32_t part, index;
  if (!builder_add_axis(builder, dim_constant(parts), role, false, &part)) return false;
  if (!builder_add_axis(builder, dim_constant(rows), role, false, &index)) return false;
  *out = (Side){parts, builder->logical[part].position, builder->logical[index].position};
  Position row = out->index;
  position_add(&row, &out->part, rows);
  for (uint32_t k = 0; k < builder->space.count; k++) {
    if (row.coefficient[k] != 0) builder->transform.row[k] = row.coefficient[k];
  }
  return true;
}

/* The place of one side, whose axes but the transformed one are those of `other`. */
static Place side_place(const Side *side, const Place *other, int other_parts, int64_t axis) {
  int first = side->parts - 1, other_first = other_parts - 1;
  Place place = {.rank = other->rank - other_first + first};
  for (int32_t k = 0; k < place.rank - first; k++) place.axis[k + first] = other->axis[k + other_first];
  place.axis[axis + first] = side->index;
  if (side->parts == 2) place.axis[0] = side->part;
  return place;
}

static bool add_other_axes(Builder *builder, const Shape *result, int parts, int64_t axis, Place *place) {
  for (int32_t k = parts - 1; k < result->rank; k++) {
    if (k - (parts - 1) == axis) continue;
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
  int64_t form = node_integer(node, DFT_FORM), axis = node->attribute[DFT_AXES].integers[0];
  int parts_in = dft_parts_in(form), parts_out = dft_parts_out(form);
  int64_t rows_in = graph_shape(builder->clusters->graph, node->operand[0])->dim[axis + parts_in - 1].factor;
  int64_t rows_out = node->shape.dim[axis + parts_out - 1].factor;
  builder->transform = (Transform){.form = form,
                                   .inverse = node_integer(node, DFT_INVERSE) != 0,
                                   .extent = form == DFT_REAL_TO_HALF ? rows_in : rows_out,
                                   .scale = node_real(node, DFT_SCALE)};
  Place place = {.rank = node->shape.rank};
  Side out, in;
  if (!add_side(builder, parts_out, rows_out, AXIS_PARALLEL, &out)) return false;
  if (!add_other_axes(builder, &node->shape, parts_out, axis, &place)) return false;
  if (!add_side(builder, parts_in, rows_in, AXIS_REDUCED, &in)) return false;
  Place result = side_place(&out, &place, parts_out, axis), source = side_place(&in, &place, parts_out, axis);
  if (!lower_value(builder, node->operand[0], &source, &builder->transform.source)) return false;
  product_register(builder, id, &result);
  return lower_roots(builder, id, &result) && product_check_epilogue(builder);
}
