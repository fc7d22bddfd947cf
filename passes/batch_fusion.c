#include "batch_fusion.h"

#include "image_kernel.h"
#include "memory_plan.h"
#include "pipeline.h"
#include "recluster.h"

/* Bytes of weights that launches of a group share, and of values that are alive of one image: what stays in the caches
 * of a core, and its part of a shared one, from image to image. */
enum { SHARED_BYTES_MAX = 4 << 20, IMAGE_BYTES_MAX = 4 << 20 };

typedef struct Fusion {
  Program *program;
  Kernel **kernel; /* by launch */
  Arena *scratch;
  Text *explain;
  ImageSlice *slice;              /* by launch; advance NULL: it does not fall into images */
  uint32_t *first_use, *last_use; /* by buffer: launches */
  /* by buffer, of the run that began at launch `run` - 1: */
  uint32_t *written_in, *shared_in;
  int64_t *span; /* of those that are written */
  bool *apart;   /* all that wrote them so far stay within their image */
  int64_t shared_bytes;
} Fusion;

static void find_uses(Fusion *f) {
  const Program *program = f->program;
  for (BufferId b = 0; b < program->buffer_count; b++) f->first_use[b] = UINT32_MAX;
  for (uint32_t at = 0; at < program->launch_count; at++) {
    for (uint32_t a = 0; a < f->kernel[at]->argument_count; a++) {
      BufferId b = program->launch[at].argument[a];
      if (f->first_use[b] == UINT32_MAX) f->first_use[b] = at;
      f->last_use[b] = at;
    }
  }
}

static void explain_launch(const Fusion *f, uint32_t at, const char *why) {
  if (!f->explain) return;
  NodeId node = f->program->launch[at].node;
  text_print(f->explain, "batch-fusion: %%%u %s does not run image by image: %s\n", node,
             op_info(graph_op(f->program->graph, node))->name, why);
}

static void find_slices(Fusion *f) {
  for (uint32_t at = 0; at < f->program->launch_count; at++) {
    const char *why = NULL;
    if (image_slice_find(f->kernel[at], f->scratch, &f->slice[at], &why)) continue;
    f->slice[at].advance = NULL;
    explain_launch(f, at, why);
  }
}

/* ---- Runs ---- */

static bool reads_its_image(Fusion *f, uint32_t at, uint32_t slot, uint32_t run) {
  BufferId b = f->program->launch[at].argument[slot];
  if (f->written_in[b] == run) {
    bool same = f->apart[b] && f->slice[at].advance[slot] == f->span[b];
    return same && image_slice_is_apart(f->kernel[at], &f->slice[at], slot);
  }
  if (f->slice[at].advance[slot] == 0 && f->shared_in[b] != run) {
    f->shared_in[b] = run;
    f->shared_bytes += f->program->buffer[b].count.factor * (int64_t)sizeof(float);
  }
  return true;
}

static bool writes_its_image(Fusion *f, uint32_t at, uint32_t slot, uint32_t run) {
  BufferId b = f->program->launch[at].argument[slot];
  int64_t span = f->slice[at].advance[slot];
  bool apart = image_slice_is_apart(f->kernel[at], &f->slice[at], slot);
  if (f->written_in[b] == run && (f->span[b] != span || f->apart[b] != apart)) return false;
  f->written_in[b] = run;
  f->span[b] = span;
  f->apart[b] = apart;
  return true;
}

/* Bytes of an image that the run has written by launch `at` and that somebody still needs. */
static int64_t image_bytes(const Fusion *f, uint32_t at, uint32_t run) {
  int64_t bytes = 0;
  for (BufferId b = 0; b < f->program->buffer_count; b++) {
    bool alive = f->written_in[b] == run && f->last_use[b] >= at;
    if (alive) bytes += f->program->buffer[b].count.factor * (int64_t)sizeof(float);
  }
  return bytes;
}

static const char *why_not_joins(Fusion *f, uint32_t at, uint32_t run) {
  if (!f->slice[at].advance) return "";
  const Kernel *kernel = f->kernel[at];
  for (uint32_t a = 0; a < kernel->argument_count; a++) {
    bool own = a < kernel->read_count ? reads_its_image(f, at, a, run) : writes_its_image(f, at, a, run);
    if (!own) return "it reads another image";
  }
  if (f->shared_bytes > SHARED_BYTES_MAX) return "the weights before it and its own do not stay in a cache";
  if (image_bytes(f, at, run) > IMAGE_BYTES_MAX) return "the values of an image do not stay in a cache";
  return NULL;
}

/* The launch behind the run that begins at `begin`. */
static uint32_t end_of_run(Fusion *f, uint32_t begin) {
  f->shared_bytes = 0;
  for (uint32_t at = begin; at < f->program->launch_count; at++) {
    const char *why = why_not_joins(f, at, begin + 1);
    if (!why) continue;
    if (at > begin && *why) explain_launch(f, at, arena_format(f->scratch, "with those before it: %s", why));
    return at;
  }
  return f->program->launch_count;
}

/* ---- Groups ---- */

static bool is_local(const Fusion *f, BufferId b, uint32_t begin, uint32_t end) {
  const Buffer *buffer = &f->program->buffer[b];
  return buffer->kind == BUFFER_ARENA && f->written_in[b] == begin + 1 && f->apart[b] && f->first_use[b] >= begin &&
         f->last_use[b] < end;
}

static int64_t place_locals(Fusion *f, const bool *local) {
  Program *program = f->program;
  Lifetime *lifetimes = ARENA_ARRAY(f->scratch, Lifetime, program->buffer_count + 1);
  uint32_t count = 0;
  for (BufferId b = 0; b < program->buffer_count; b++) {
    if (!local[b]) continue;
    lifetimes[count++] =
        (Lifetime){dim_constant(program->buffer[b].count.factor), f->first_use[b], f->last_use[b], {0}};
  }
  int64_t bytes = memory_plan(lifetimes, count, f->scratch).constant;
  count = 0;
  for (BufferId b = 0; b < program->buffer_count; b++) {
    if (!local[b]) continue;
    Buffer *buffer = &program->buffer[b];
    buffer->kind = BUFFER_LOCAL;
    buffer->count = dim_constant(buffer->count.factor);
    buffer->offset = lifetimes[count++].offset;
    buffer->first = f->first_use[b];
    buffer->last = f->last_use[b];
  }
  return (bytes + 63) / 64 * 64;
}

static void make_group(Fusion *f, uint32_t begin, uint32_t end, const bool *local) {
  Program *program = f->program;
  int64_t bytes = place_locals(f, local);
  program->group[program->group_count++] = (LaunchGroup){begin, end - begin, bytes};
  for (uint32_t at = begin; at < end; at++) {
    const Kernel *kernel = f->kernel[at];
    Launch *launch = &program->launch[at];
    bool *slots = ARENA_ARRAY(f->scratch, bool, kernel->argument_count + 1);
    for (uint32_t a = 0; a < kernel->argument_count; a++) slots[a] = local[launch->argument[a]];
    f->kernel[at] = image_kernel(kernel, &f->slice[at], slots, program->arena);
    launch->advance = arena_copy(program->arena, f->slice[at].advance, kernel->argument_count * sizeof(int64_t));
    for (uint32_t a = 0; a < kernel->argument_count; a++) {
      if (slots[a]) launch->advance[a] = 0;
    }
  }
  if (f->explain) {
    text_print(f->explain, "batch-fusion: %u launches from %%%u on run image by image, with %lld bytes of scratch\n",
               end - begin, program->launch[begin].node, (long long)bytes);
  }
}

static void try_group(Fusion *f, uint32_t begin, uint32_t end) {
  if (end - begin < 2) return;
  bool *local = ARENA_ARRAY(f->scratch, bool, f->program->buffer_count + 1), some = false;
  for (BufferId b = 0; b < f->program->buffer_count; b++) some |= local[b] = is_local(f, b, begin, end);
  if (some) make_group(f, begin, end, local);
}

void batch_fusion(Program *program, Kernel **kernels, Arena *scratch, Text *explain) {
  uint32_t launches = program->launch_count + 1, buffers = program->buffer_count + 1;
  Fusion f = {.program = program,
              .kernel = kernels,
              .scratch = scratch,
              .explain = explain,
              .slice = ARENA_ARRAY(scratch, ImageSlice, launches),
              .first_use = ARENA_ARRAY(scratch, uint32_t, buffers),
              .last_use = ARENA_ARRAY(scratch, uint32_t, buffers),
              .written_in = ARENA_ARRAY(scratch, uint32_t, buffers),
              .shared_in = ARENA_ARRAY(scratch, uint32_t, buffers),
              .span = ARENA_ARRAY(scratch, int64_t, buffers),
              .apart = ARENA_ARRAY(scratch, bool, buffers)};
  program->group = ARENA_ARRAY(program->arena, LaunchGroup, launches);
  find_uses(&f);
  find_slices(&f);
  for (uint32_t begin = 0; begin < program->launch_count;) {
    uint32_t end = end_of_run(&f, begin);
    try_group(&f, begin, end);
    begin = end > begin ? end : begin + 1;
  }
}

/* ---- The pass ---- */

Graph *pass_batch_fusion(const Graph *graph, PassContext *context) {
  Assignment assignment = assignment_of_graph(graph, 0, context->arena);
  Graph *fused = graph_recluster(graph, context->arena, &assignment, NULL);
  fused->batch_fused = true;
  return fused;
}
