/* Scan fusion: a selective scan, forward and backward, stores no tensor of the full space; other recurrences fuse by
 * the same rule; what does not fuse says why and computes the same. */
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "tests/program_run.h"
#include "tests/suite_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static Arena *arena;
static Graph *graph;
static int32_t batch;

static void begin(void) {
  arena = arena_create();
  graph = graph_create(arena, "scan");
  batch = graph_symbol(graph, "B");
}
static void end(void) { arena_destroy(arena); }

enum { T = 5, E = 20, N = 3, M = 6 };

/* Letters are axes: b the batch, t, e, n, m constant ones. */
static Dim dim_of(char letter) {
  switch (letter) {
    case 'b':
      return dim_symbol(1, batch);
    case 't':
      return dim_constant(T);
    case 'e':
      return dim_constant(E);
    case 'n':
      return dim_constant(N);
    default:
      return dim_constant(M);
  }
}

static Shape shape_of(const char *letters) {
  Shape shape = {0};
  for (; *letters; letters++) shape.dim[shape.rank++] = dim_of(*letters);
  return shape;
}

static NodeId leaf(OpCode op, const char *name, const char *letters) {
  Shape shape = shape_of(letters);
  return graph_leaf(graph, op, name, &shape);
}

/* x with axes `from` as a tensor with axes `to`. */
static NodeId spread(NodeId x, const char *from, const char *to) {
  int64_t axes[SHAPE_MAX_RANK] = {0};
  for (int k = 0; from[k]; k++) axes[k] = strchr(to, from[k]) - to;
  Shape shape = shape_of(to);
  return graph_broadcast(graph, x, &shape, axes);
}

static NodeId multiply(NodeId a, NodeId b) { return graph_binary(graph, OP_MULTIPLY, a, b); }

typedef struct Selective {
  NodeId dt, u, b, c, z, a, d;
} Selective;

static Selective selective_leaves(void) {
  Selective s = {.dt = graph_unary(graph, OP_SOFTPLUS, leaf(OP_INPUT, "dt", "bte")),
                 .u = leaf(OP_INPUT, "u", "bte"),
                 .b = leaf(OP_INPUT, "b", "btn"),
                 .c = leaf(OP_INPUT, "c", "btn"),
                 .z = leaf(OP_INPUT, "z", "bte"),
                 .d = leaf(OP_PARAMETER, "d", "e")};
  NodeId a_log = leaf(OP_PARAMETER, "a_log", "en");
  s.a = graph_unary(graph, OP_NEGATE, graph_unary(graph, OP_EXP, a_log));
  return s;
}

/* h = scan of a selective state space with the letters' axes, y = dot(h, c) + d u, gated by silu(z). */
static NodeId selective_states(const Selective *s) {
  NodeId dt = spread(s->dt, "bte", "bten");
  NodeId decay = graph_unary(graph, OP_EXP, multiply(dt, spread(s->a, "en", "bten")));
  NodeId input = multiply(multiply(dt, spread(s->b, "btn", "bten")), spread(s->u, "bte", "bten"));
  return graph_scan(graph, decay, input, NODE_NONE, 1, false, false);
}

static NodeId selective_scan(bool gated) {
  Selective s = selective_leaves();
  NodeId h = selective_states(&s);
  NodeId y = graph_contract(graph, h, s.c, "bten,btn->bte");
  if (!gated) return y;
  y = graph_binary(graph, OP_ADD, y, multiply(spread(s.d, "e", "bte"), s.u));
  return multiply(y, multiply(s.z, graph_unary(graph, OP_SIGMOID, s.z)));
}

static NodeId total(NodeId x) {
  int64_t axes[SHAPE_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  NodeId square = multiply(x, x);
  return graph_reduce(graph, OP_REDUCE_SUM, square, axes, (uint32_t)graph_shape(graph, x)->rank);
}

static Program *build(bool backward, Text *explain) {
  const DifferentiateSpec spec = {.parameters = true, .inputs = true};
  PipelineOptions options = {.verify = true, .explain = explain};
  const Graph *source = backward ? graph_differentiate(graph, arena, &spec) : graph;
  Program *program = program_build(pipeline_run(source, arena, &options, NULL), arena, NULL);
  for (int64_t size = 1; size <= 3; size++) {
    int64_t symbols[SYMBOL_MAX] = {size};
    double error = program_error(source, program, symbols, arena);
    if (!(error <= 1e-9)) {
      Text text = text_begin(arena);
      graph_print(program->graph, &text);
      program_print(program, &text);
      fprintf(stderr, "%s", text.data);
    }
    ck_assert_double_le(error, 1e-9);
  }
  return program;
}

static int64_t largest_buffer(const Program *program) {
  int64_t symbols[SYMBOL_MAX] = {2}, largest = 0;
  for (BufferId b = 0; b < program->buffer_count; b++) {
    int64_t count = dim_value(program->buffer[b].count, symbols);
    if (count > largest) largest = count;
  }
  return largest;
}

static uint32_t count_scans(const Program *program) {
  uint32_t count = 0;
  for (uint32_t k = 0; k < program->launch_count; k++) {
    count += program->kernel[program->launch[k].kernel]->family == LOWER_SCAN;
  }
  return count;
}

START_TEST(selective_forward) {
  graph_add_output(graph, OUTPUT_VALUE, "y", selective_scan(_i), NODE_NONE);
  Program *program = build(false, NULL);
  ck_assert_int_le(largest_buffer(program), 2 * T * E);
  ck_assert_uint_eq(count_scans(program), 1);
}
END_TEST

START_TEST(selective_backward) {
  graph_add_output(graph, OUTPUT_LOSS, "loss", total(selective_scan(_i)), NODE_NONE);
  Program *program = build(true, NULL);
  ck_assert_int_le(largest_buffer(program), 2 * T * E);
  ck_assert_uint_eq(count_scans(program), 2);
}
END_TEST

/* The last state and the initial one take part in the loss too. */
START_TEST(carried_state) {
  Selective s = selective_leaves();
  NodeId dt = spread(s.dt, "bte", "bten");
  NodeId decay = graph_unary(graph, OP_EXP, multiply(dt, spread(s.a, "en", "bten")));
  NodeId input = multiply(multiply(dt, spread(s.b, "btn", "bten")), spread(s.u, "bte", "bten"));
  bool reverse = _i % 2 != 0;
  NodeId h = graph_scan(graph, decay, input, leaf(OP_INPUT, "h0", "ben"), 1, reverse, false);
  Shape last = shape_of("ben");
  NodeId carried = graph_reshape(graph, graph_slice(graph, h, 1, reverse ? 0 : T - 1, 1), &last);
  graph_add_output(graph, OUTPUT_VALUE, "last", carried, NODE_NONE);
  NodeId y = graph_contract(graph, h, s.c, "bten,btn->bte");
  graph_add_output(graph, OUTPUT_LOSS, "loss", graph_binary(graph, OP_ADD, total(y), total(carried)), NODE_NONE);
  Program *program = build(_i / 2, NULL);
  if (_i / 2 == 0) ck_assert_int_le(largest_buffer(program), 2 * T * E);
}
END_TEST

/* Both directions over one input, added; each is a kernel. */
START_TEST(bidirectional) {
  Selective s = selective_leaves();
  NodeId decay = graph_unary(graph, OP_EXP, multiply(spread(s.dt, "bte", "bten"), spread(s.a, "en", "bten")));
  NodeId input = multiply(spread(s.b, "btn", "bten"), spread(s.u, "bte", "bten"));
  NodeId y[2];
  for (int reverse = 0; reverse < 2; reverse++) {
    NodeId h = graph_scan(graph, decay, input, NODE_NONE, 1, reverse, false);
    y[reverse] = graph_contract(graph, h, s.c, "bten,btn->bte");
  }
  graph_add_output(graph, OUTPUT_LOSS, "loss", total(graph_binary(graph, OP_ADD, y[0], y[1])), NODE_NONE);
  Program *program = build(_i, NULL);
  ck_assert_int_le(largest_buffer(program), 2 * T * E);
  ck_assert_uint_eq(count_scans(program), _i ? 3 : 2); /* the adjoints share a cotangent, so they share a kernel */
}
END_TEST

/* A linear recurrent unit: a decay for each channel, no inner states; and a nonlinearity on the states. */
START_TEST(channels_only) {
  NodeId x = leaf(OP_INPUT, "x", "bte"), a = leaf(OP_PARAMETER, "a", "e");
  NodeId decay = spread(graph_unary(graph, OP_SIGMOID, a), "e", "bte");
  NodeId h = graph_scan(graph, decay, multiply(x, x), NODE_NONE, 1, false, false);
  NodeId y = multiply(graph_unary(graph, OP_TANH, h), x);
  graph_add_output(graph, OUTPUT_VALUE, "y", y, NODE_NONE);
  graph_add_output(graph, OUTPUT_LOSS, "loss", total(y), NODE_NONE);
  Program *program = build(_i, NULL);
  ck_assert_uint_eq(count_scans(program), 1); /* backward too: the cotangent is made of the states alone */
}
END_TEST

START_TEST(nonlinear_states) {
  Selective s = selective_leaves();
  NodeId h = graph_unary(graph, OP_TANH, selective_states(&s));
  NodeId y = graph_contract(graph, h, s.c, "bten,btn->bte");
  graph_add_output(graph, OUTPUT_LOSS, "loss", total(y), NODE_NONE);
  Program *program = build(_i, NULL);
  ck_assert_int_le(largest_buffer(program), 2 * T * E);
}
END_TEST

/* One axis only; the batch as channels; no batch. */
START_TEST(few_axes) {
  static const char *const letters[] = {"t", "bt", "te", "bt"};
  Shape shape = shape_of(letters[_i]);
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &shape);
  int64_t axis = _i == 2 ? 0 : shape.rank - 1;
  NodeId h = graph_scan(graph, graph_unary(graph, OP_SIGMOID, x), multiply(x, x), NODE_NONE, axis, _i == 3, false);
  graph_add_output(graph, OUTPUT_VALUE, "h", h, NODE_NONE);
  graph_add_output(graph, OUTPUT_LOSS, "loss", total(h), NODE_NONE);
  build(false, NULL);
  build(true, NULL);
}
END_TEST

/* States that somebody outside wants in full are stored, and that is said. */
START_TEST(says_what_it_stores) {
  Selective s = selective_leaves();
  NodeId h = selective_states(&s);
  graph_add_output(graph, OUTPUT_VALUE, "h", h, NODE_NONE);
  graph_add_output(graph, OUTPUT_VALUE, "y", graph_contract(graph, h, s.c, "bten,btn->bte"), NODE_NONE);
  Text explain = text_begin(arena);
  Program *program = build(false, &explain);
  ck_assert_int_eq(largest_buffer(program), 2 * T * E * N);
  ck_assert_msg(strstr(explain.data, "of its index space: output \"h\" wants it") != NULL, "%s", explain.data);
}
END_TEST

/* The decay of a kernel's channels does not depend on time: it is loaded by vectors, from what was prepared. */
START_TEST(channels_are_contiguous) {
  graph_add_output(graph, OUTPUT_VALUE, "y", selective_scan(true), NODE_NONE);
  Program *program = build(false, NULL);
  for (uint32_t l = 0; l < program->launch_count; l++) {
    const Kernel *kernel = program->kernel[program->launch[l].kernel];
    if (kernel->family != LOWER_SCAN) continue;
    for (uint32_t e = 0; e < kernel->expr_count; e++) {
      const Expr *expr = &kernel->expr[e];
      for (uint32_t k = 0; k < kernel->axis_count; k++) {
        if (expr->kind != EXPR_LOAD || kernel->axis[k].role != AXIS_LANE || !(expr->axes >> k & 1)) continue;
        ck_assert(dim_equal(expr->access.stride[k], dim_constant(1)));
      }
    }
  }
  ck_assert_uint_gt(program->prepare_count, 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fuse_scan");
  TCase *scans = tcase_create("scans");
  tcase_set_timeout(scans, 60);
  tcase_add_checked_fixture(scans, begin, end);
  tcase_add_loop_test(scans, selective_forward, 0, 2);
  tcase_add_loop_test(scans, selective_backward, 0, 2);
  tcase_add_loop_test(scans, carried_state, 0, 4);
  tcase_add_loop_test(scans, bidirectional, 0, 2);
  tcase_add_loop_test(scans, channels_only, 0, 2);
  tcase_add_loop_test(scans, nonlinear_states, 0, 2);
  tcase_add_loop_test(scans, few_axes, 0, 4);
  tcase_add_test(scans, says_what_it_stores);
  tcase_add_test(scans, channels_are_contiguous);
  suite_add_tcase(suite, scans);
  return suite_run(suite);
}
