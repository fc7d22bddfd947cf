/* A program: what a graph has become once it is fused, scheduled and planned. The code generator turns it into two
 * functions: `prepare` (what depends on parameters only: packed and transposed weights, -exp(A_log), ...; run once for
 * inference, once a step in training) and `run`. Handed from passes/ to codegen/ and to the driver. */
#ifndef SIMBAC_IR_PROGRAM_H
#define SIMBAC_IR_PROGRAM_H

#include "graph.h"
#include "kernel.h"

typedef enum BufferKind {
  BUFFER_INPUT,     /* index: in Program.input */
  BUFFER_OUTPUT,    /* index: in Program.output */
  BUFFER_PARAMETER, /* index: in Program.parameter */
  BUFFER_STATE,     /* index: in Program.state; read only, its new value is an output */
  BUFFER_PREPARED,  /* offset in the prepared block, lives as long as the weights */
  BUFFER_ARENA,     /* offset in the arena, lives from its first to its last launch */
  BUFFER_LOCAL      /* offset in a worker's scratch: one image's values, within a group of launches */
} BufferKind;

typedef uint32_t BufferId; /* from 0 */

typedef struct Buffer {
  BufferKind kind;
  uint32_t index;
  Dim count;            /* elements */
  Dim offset;           /* prepared, arena, local: bytes within the region of its symbol; a multiple of 64 */
  uint32_t first, last; /* arena, local: launches between which it is alive */
  NodeId node;          /* the graph node it holds, for people */
} Buffer;

typedef struct Launch {
  uint32_t kernel;
  BufferId *argument; /* kernel.argument_count of them */
  int64_t *advance;   /* in a group, by argument: elements from image to image. NULL: not in a group */
  NodeId node;        /* what it computes, in Program.graph: names and places for people */
} Launch;

/* Launches first .. first + count - 1, whose kernels do the work of one image (passes/image_kernel.h): all of them run
 * for an image, then all for the next one, each image on one worker. What only they need of an image, they leave in
 * the worker's scratch: its first `local_bytes`, and the scratch of kernels behind them. */
typedef struct LaunchGroup {
  uint32_t first, count;
  int64_t local_bytes; /* a multiple of 64 */
} LaunchGroup;

/* Name, shape and place in the caller's table of everything that is bound from outside. */
typedef struct Binding {
  const char *name;
  Shape shape;
  OutputKind kind; /* outputs */
} Binding;

/* Bytes as a function of the symbols: constant + sum of per_symbol[s - 1] * value(s). Buffers whose size is constant
 * and those that grow with a symbol are planned in regions of their own, laid one behind the other in this order, so
 * that every offset is a Linear too. */
typedef struct Program {
  Arena *arena;
  const Graph *graph; /* after the last pass */
  uint32_t kernel_count, buffer_count, prepare_count, launch_count;
  Kernel **kernel; /* no two equal */
  Buffer *buffer;
  Launch *prepare;
  Launch *launch;
  uint32_t group_count;
  LaunchGroup *group; /* in order; launches that are in none run over the whole batch */
  uint32_t input_count, output_count, parameter_count, state_count;
  Binding *input, *output, *parameter, *state;
  Linear arena_bytes, prepared_bytes;
} Program;

/* Byte offset of an arena or prepared buffer, with the regions laid out one behind the other. */
Linear program_offset(const Program *program, BufferId buffer);
/* The group that launch number `launch` belongs to; NULL: none. */
const LaunchGroup *program_group(const Program *program, uint32_t launch);
int64_t linear_value(const Linear *linear, const int64_t *symbols);
void program_print(const Program *program, Text *out); /* dump --stage loops */

#endif
