#include "library.h"

void panel_emit_columns(const Panel *panel, const Place *row, PanelBody *body, void *context) {
  Emitter *e = panel->e;
  Place place;
  if (panel->axis == NO_VECTOR_AXIS) {
    place_enter(e, &place, row, 0);
    body(context, &place, emit_i64(e, 0));
    return;
  }
  LLVMValueRef rest = LLVMBuildURem(e->builder, panel->count, emit_i64(e, e->lanes), "");
  LLVMValueRef middle = LLVMBuildSub(e->builder, panel->count, rest, "");
  for (int whole = 1; whole >= 0; whole--) {
    Loop loop;
    loop_begin(e, &loop, whole ? emit_i64(e, 0) : middle, whole ? middle : panel->count, e->lanes);
    place_enter(e, &place, row, (AxisMask)1 << panel->axis);
    place_set_vector(e, &place, panel->axis, emit_add_i64(e, panel->first, loop.index), whole);
    body(context, &place, loop.index);
    loop_end(e, &loop);
  }
}

static LLVMValueRef panel_element(const Panel *panel, LLVMValueRef block, LLVMValueRef row, LLVMValueRef column) {
  Emitter *e = panel->e;
  LLVMValueRef begin = emit_multiply_i64(e, row, emit_i64(e, panel->width));
  return emit_element(e, block, emit_add_i64(e, begin, column));
}

LLVMValueRef panel_load(const Panel *panel, LLVMValueRef block, LLVMValueRef row, LLVMValueRef column) {
  LLVMValueRef pointer = panel_element(panel, block, row, column);
  if (panel->axis == NO_VECTOR_AXIS) return emit_load_scalar(panel->e, pointer);
  return emit_load_vector(panel->e, pointer, NULL);
}

void panel_store(const Panel *panel, LLVMValueRef value, LLVMValueRef block, LLVMValueRef row, LLVMValueRef column) {
  LLVMValueRef pointer = panel_element(panel, block, row, column);
  if (panel->axis == NO_VECTOR_AXIS)
    emit_store_scalar(panel->e, value, pointer);
  else
    emit_store_vector(panel->e, emit_splat(panel->e, value), pointer, NULL);
}

void library_emit_epilogue(Emitter *e, Place *place, LLVMValueRef sum) {
  const Kernel *kernel = e->kernel;
  for (uint32_t k = 0; k < kernel->expr_count; k++)
    if (kernel->expr[k].kind == EXPR_PRODUCT) place_set_value(place, k, sum);
  for (uint32_t k = 0; k < kernel->store_count; k++) emit_store(e, place, k);
}

void library_begin_item(Emitter *e, Place *place, const int *axis, uint32_t axis_count, const LLVMValueRef *tile) {
  place_begin(e, place);
  for (uint32_t k = 0; k < e->kernel->axis_count; k++) place->index[k] = emit_i64(e, 0);
  for (uint32_t k = 0; k < axis_count; k++) place->index[axis[k]] = tile[k];
}

void library_call(Emitter *e, const char *name, LLVMValueRef *arguments, unsigned count) {
  Session *s = e->session;
  LLVMTypeRef *types = ARENA_ARRAY(s->arena, LLVMTypeRef, count);
  for (unsigned k = 0; k < count; k++) types[k] = LLVMTypeOf(arguments[k]);
  LLVMTypeRef type = LLVMFunctionType(s->void_type, types, count, false);
  LLVMValueRef function = LLVMGetNamedFunction(s->module, name);
  if (!function) function = LLVMAddFunction(s->module, name, type);
  LLVMBuildCall2(e->builder, type, function, arguments, count, "");
}
