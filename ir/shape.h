/* Extents and shapes. A tensor is a dense row-major array of f32 whose axes have extents that are known when compiling
 * or a multiple of a symbol that is known when running (the batch B; patches of V channels give 7*B). */
#ifndef SIMBAC_IR_SHAPE_H
#define SIMBAC_IR_SHAPE_H

#include "text.h"

#include <stdbool.h>
#include <stdint.h>

/* The last symbol is no extent: in a kernel that does the work of one image, it is the number of that image. */
enum { SHAPE_MAX_RANK = 8, SYMBOL_NONE = 0, SYMBOL_BATCH = 1, SYMBOL_MAX = 4, SYMBOL_IMAGE = SYMBOL_MAX };

/* factor * symbol, or just factor where symbol is SYMBOL_NONE. Symbols are numbered from 1 in their graph. */
typedef struct Dim {
  int64_t factor;
  int32_t symbol;
} Dim;

typedef struct Shape {
  int32_t rank;
  Dim dim[SHAPE_MAX_RANK];
} Shape;

static inline Dim dim_constant(int64_t value) { return (Dim){value, SYMBOL_NONE}; }
static inline Dim dim_symbol(int64_t factor, int32_t symbol) { return (Dim){factor, symbol}; }
static inline bool dim_is_constant(Dim dim) { return dim.symbol == SYMBOL_NONE; }
static inline bool dim_equal(Dim a, Dim b) { return a.factor == b.factor && a.symbol == b.symbol; }

/* False where the product is no Dim (two symbols) or overflows. */
bool dim_multiply(Dim a, Dim b, Dim *out);
/* False where b does not divide a for every value of the symbols. */
bool dim_divide(Dim a, Dim b, Dim *out);
/* Value with symbol s bound to values[s - 1]. */
int64_t dim_value(Dim dim, const int64_t *values);

bool shape_equal(const Shape *a, const Shape *b);
/* The shape with `count` axes in the place of `taken` ones from `axis` on. More than SHAPE_MAX_RANK are a bug. */
Shape shape_replace(const Shape *shape, int32_t axis, int32_t taken, const Dim *dims, int32_t count);
/* Product of the extents; false where it is no Dim. */
bool shape_count(const Shape *shape, Dim *out);
/* Row-major strides in elements; false where one is no Dim. */
bool shape_strides(const Shape *shape, Dim out[SHAPE_MAX_RANK]);

/* "96", "B", "7*B"; symbol names as in the graph, NULL prints s1, s2, ... */
void text_dim(Text *text, Dim dim, const char *const *symbol_names);
/* "[B, 96, 7]" */
void text_shape(Text *text, const Shape *shape, const char *const *symbol_names);

#endif
