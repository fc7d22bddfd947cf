/* CONTRACT kernels: which factor is `right`, in which order the loops stand, and the epilogue. */
#include "lower_internal.h"

#include "ir/guard.h"

#include <string.h>

static const Node *node_of(const Builder *builder, NodeId id) { return graph_node(builder->clusters->graph, id); }

typedef struct Product {
  NodeId id;
  Labels labels;
  NodeId operand[2];      /* left, right after a swap */
  const char *letters[2]; /* of left, right */
  char vector;            /* the letter of the vector axis; 0: none */
} Product;

static Dim letter_extent(const Builder *builder, const Product *product, char letter) {
  for (int side = 0; side < 2; side++) {
    const char *at = strchr(product->letters[side], letter);
    if (at != NULL) return node_of(builder, product->operand[side])->shape.dim[at - product->letters[side]];
  }
  guard_bug("contract: letter %c is in no operand", letter);
}

static bool is_single(const Builder *builder, const Product *product, char letter) {
  return dim_equal(letter_extent(builder, product, letter), dim_constant(1));
}

static bool has(const char *letters, char letter) { return strchr(letters, letter) != NULL; }

/* The last free letter of the result is the vector axis; the factor that has it is `right`. */
static void choose_right(const Builder *builder, NodeId id, Product *out) {
  const Node *node = node_of(builder, id);
  *out = (Product){.id = id, .operand = {node->operand[0], node->operand[1]}};
  const char *message;
  bool parsed = labels_parse(node_text(node, CONTRACT_LABELS), &out->labels, &message);
  ASSERT(parsed);
  out->letters[0] = out->labels.a;
  out->letters[1] = out->labels.b;
  for (size_t k = strlen(out->labels.result); k-- > 0 && out->vector == 0;) {
    char letter = out->labels.result[k];
    bool batch = has(out->labels.a, letter) && has(out->labels.b, letter);
    if (!batch && !is_single(builder, out, letter)) out->vector = letter;
  }
  if (out->vector != 0 && has(out->labels.a, out->vector)) {
    NodeId swap = out->operand[0];
    out->operand[0] = out->operand[1];
    out->operand[1] = swap;
    out->letters[0] = out->labels.b;
    out->letters[1] = out->labels.a;
  }
}

/* Does the left factor have a free axis of its own? */
static bool has_left_axis(const Builder *builder, const Product *product) {
  for (const char *letter = product->labels.result; *letter; letter++) {
    if (!has(product->letters[1], *letter) && !is_single(builder, product, *letter)) return true;
  }
  return false;
}

typedef struct LetterAxes {
  Position position[128]; /* by letter */
} LetterAxes;

static bool add_letters(Builder *builder, const Product *product, const char *letters, int stage, AxisRole role,
                        LetterAxes *axes) {
  for (const char *letter = letters; *letter; letter++) {
    bool left = has(product->letters[0], *letter), right = has(product->letters[1], *letter);
    int here = !has(product->labels.result, *letter) ? 3 : left && right ? 0 : left ? 1 : 2;
    if (here != stage) continue;
    uint32_t number;
    if (!builder_add_axis(builder, letter_extent(builder, product, *letter), role, false, &number)) return false;
    axes->position[(unsigned char)*letter] = builder->logical[number].position;
  }
  return true;
}

static bool load_factor(Builder *builder, const Product *product, int side, const LetterAxes *axes,
                        uint32_t *out_expr) {
  Place place = {.rank = node_of(builder, product->operand[side])->shape.rank};
  for (int32_t k = 0; k < place.rank; k++) {
    place.axis[k] = axes->position[(unsigned char)product->letters[side][k]];
  }
  builder->one_load = true;
  bool found = lower_value(builder, product->operand[side], &place, out_expr);
  builder->one_load = false;
  if (!found) return false;
  if (builder->expr[*out_expr].kind == EXPR_LOAD) return true;
  return builder_fail(builder, FAILURE_STORE, product->operand[side], "a factor is no plain load");
}

static bool is_worthwhile(const Builder *builder, const Product *product, const LetterAxes *axes) {
  if (product->vector == 0) return false;
  if (has_left_axis(builder, product)) return true;
  AxisMask vector = position_axes(&axes->position[(unsigned char)product->vector]);
  const Access *access = &builder->expr[builder->right].access;
  for (uint32_t k = 0; k < builder->space.count; k++) {
    if ((vector >> k & 1) && dim_equal(access->stride[k], dim_constant(1))) return true;
  }
  return false;
}

void product_register(Builder *builder, NodeId id, const Place *place) {
  /* What the factors were found through must not lead the epilogue to them. */
  builder->placed = ARENA_ARRAY(builder->arena, PlacedExpr *, builder->clusters->graph->node_count + 1);
  AxisMask axes = 0;
  for (uint32_t k = 0; k < builder->space.count; k++) {
    if (builder->space.axis[k].role == AXIS_PARALLEL) axes |= (AxisMask)1 << k;
  }
  PlacedExpr *placed = ARENA_NEW(builder->arena, PlacedExpr);
  placed->place = *place;
  placed->expr = builder_expr(builder, &(Expr){.kind = EXPR_PRODUCT, .axes = axes});
  builder->placed[id] = placed;
}

/* Every result has all PARALLEL axes, and nothing else is reduced. */
bool product_check_epilogue(Builder *builder) {
  if (builder->reduction_count != 0) return builder_fail(builder, FAILURE_SHAPE, NODE_NONE, "a sum in an epilogue");
  AxisMask all = 0;
  for (uint32_t k = 0; k < builder->space.count; k++) {
    if (builder->space.axis[k].role == AXIS_PARALLEL) all |= (AxisMask)1 << k;
  }
  for (uint32_t s = 0; s < builder->store_count; s++) {
    if (access_axes(&builder->store[s].access) == all) continue;
    return builder_fail(builder, FAILURE_SHAPE, NODE_NONE, "a result of an epilogue that lacks axes of the product");
  }
  return true;
}

bool lower_contract_cluster(Builder *builder) {
  NodeId id = builder->clusters->anchor[builder->cluster];
  Product product;
  choose_right(builder, id, &product);
  LetterAxes axes = {0};
  if (product.vector == 0) {
    builder->family = LOWER_MAP;
    return lower_map_cluster(builder);
  }
  for (int stage = 0; stage < 3; stage++) {
    if (!add_letters(builder, &product, product.labels.result, stage, AXIS_PARALLEL, &axes)) return false;
  }
  if (!add_letters(builder, &product, product.letters[1], 3, AXIS_REDUCED, &axes)) return false;
  if (!load_factor(builder, &product, 1, &axes, &builder->right)) return false;
  if (!is_worthwhile(builder, &product, &axes)) {
    builder_restart(builder, LOWER_MAP);
    return lower_map_cluster(builder);
  }
  if (!load_factor(builder, &product, 0, &axes, &builder->left)) return false;
  Place place = {.rank = node_of(builder, id)->shape.rank};
  for (int32_t k = 0; k < place.rank; k++) place.axis[k] = axes.position[(unsigned char)product.labels.result[k]];
  product_register(builder, id, &place);
  return lower_roots(builder, id, &place) && product_check_epilogue(builder);
}
