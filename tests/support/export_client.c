/* A user of the exported model `net` (tests/unit/codegen_export.c): batch x[batch][12] from one file, outputs to
 * another.
 *
 *   client BATCH INPUT OUTPUT
 *
 * Ten threads call at once and must agree, an executor that divides the work must give the same bits, and every misuse
 * must be refused. With EXTERNAL_WEIGHTS the parameters follow the inputs in INPUT. */
#include "net.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IN = 12, OUT = 8, THREADS = 10, REPEATS = 20, PARTS = 7 };

typedef struct Call {
  int64_t batch;
  const float *x;
  float *hidden, *total;
  void *arena;
  int32_t status;
#ifdef EXTERNAL_WEIGHTS
  const net_weights *weights;
#endif
} Call;

static void require(int condition, const char *what) {
  if (condition) return;
  fprintf(stderr, "client: %s\n", what);
  exit(1);
}

static void *block(int64_t bytes) {
  void *memory = aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64);
  require(memory != NULL, "memory");
  memset(memory, 0xff, (size_t)bytes);
  return memory;
}

static int32_t infer(Call *call, simba_executor *executor) {
#ifdef EXTERNAL_WEIGHTS
  return net_infer_threads(call->batch, call->weights, call->x, call->hidden, call->total, call->arena, executor);
#else
  return net_infer_threads(call->batch, call->x, call->hidden, call->total, call->arena, executor);
#endif
}

static Call new_call(const Call *like, int32_t workers) {
  Call call = *like;
  call.hidden = block(call.batch * OUT * 4);
  call.total = block(call.batch * 4);
  call.arena = block(net_arena_bytes_threads(call.batch, workers));
  return call;
}

static int same(const Call *a, const Call *b) {
  return !memcmp(a->hidden, b->hidden, (size_t)a->batch * OUT * 4) && !memcmp(a->total, b->total, (size_t)a->batch * 4);
}

static void release(Call *call) {
  free(call->hidden);
  free(call->total);
  free(call->arena);
}

static void *call_often(void *argument) {
  Call *call = argument;
  for (int k = 0; k < REPEATS && !call->status; k++) call->status = infer(call, NULL);
  return NULL;
}

static void check_threads(const Call *expected) {
  pthread_t thread[THREADS];
  Call call[THREADS];
  for (int k = 0; k < THREADS; k++) {
    call[k] = new_call(expected, 1);
    require(!pthread_create(&thread[k], NULL, call_often, &call[k]), "a thread");
  }
  for (int k = 0; k < THREADS; k++) {
    pthread_join(thread[k], NULL);
    require(!call[k].status && same(expected, &call[k]), "threads that call at once disagree");
    release(&call[k]);
  }
}

/* Ranges in another order than one thread would take them. */
static void run_parts(simba_executor *self, simba_kernel *kernel, const struct simba_call *call, void *const *arguments,
                      char *scratch, size_t scratch_bytes, int64_t items, int32_t launch) {
  (void)launch;
  for (int64_t part = PARTS; part-- > 0;)
    kernel(call, arguments, scratch + (size_t)(part % self->workers) * scratch_bytes, items * part / PARTS,
           items * (part + 1) / PARTS);
}

static void check_executor(const Call *expected) {
  simba_executor executor = {3, 0, run_parts};
  Call call = new_call(expected, executor.workers);
  require(!infer(&call, &executor) && same(expected, &call), "an executor changes the result");
  executor.workers = 0;
  require(infer(&call, &executor) == NET_BAD_EXECUTOR, "an executor without workers");
  executor = (simba_executor){1, 1, run_parts};
  require(infer(&call, &executor) == NET_BAD_EXECUTOR, "an executor of another version");
  release(&call);
}

static void check_refusals(const Call *sound) {
  require(net_arena_bytes(0) == NET_BAD_BATCH && net_arena_bytes(INT64_MAX) == NET_BAD_BATCH, "sizes of odd batches");
  require(net_arena_bytes_threads(1, 0) == NET_BAD_EXECUTOR, "sizes without workers");
  Call call = *sound;
  call.batch = 0;
  require(infer(&call, NULL) == NET_BAD_BATCH, "an empty batch");
  call.batch = INT64_MAX;
  require(infer(&call, NULL) == NET_BAD_BATCH, "an endless batch");
  call = *sound;
  call.x = NULL;
  require(infer(&call, NULL) == NET_NULL_POINTER, "no input");
  call = *sound;
  call.total = NULL;
  require(infer(&call, NULL) == NET_NULL_POINTER, "no output");
  call = *sound;
  call.arena = NULL;
  require(infer(&call, NULL) == NET_NULL_POINTER, "no arena");
  call.arena = (char *)sound->arena + 4;
  require(infer(&call, NULL) == NET_MISALIGNED, "a misaligned arena");
}

static void check_facts(void) {
  int32_t count = 0;
  const simba_exported_tensor *input = net_inputs(&count);
  require(count == 1 && !strcmp(input->name, "x") && input->rank == 2, "the input");
  require(input->extent[0] == -1 && input->extent[1] == IN, "the shape of the input");
  const simba_exported_tensor *output = net_outputs(NULL);
  require(!strcmp(output[0].name, "hidden") && !strcmp(output[1].name, "total"), "the outputs");
  require(!strcmp(net_parameters(&count)[0].name, "layer.weight") && count == 3, "the parameters");
  net_states(&count);
  require(count == 0, "states");
  require(!strcmp(net_version(), "1.2") && !strcmp(net_source_hash(), "0123abcd"), "version and hash");
  require(net_abi_version() == 1, "version of the interface");
}

static void read_floats(FILE *file, float *data, size_t count) {
  require(fread(data, sizeof *data, count, file) == count, "a short input file");
}

int main(int count, char **arguments) {
  require(count == 4, "usage: client BATCH INPUT OUTPUT");
  int64_t batch = atoll(arguments[1]);
  FILE *file = fopen(arguments[2], "rb");
  require(file != NULL, "the input file");
  float *x = malloc((size_t)batch * IN * sizeof *x);
  require(x != NULL, "memory");
  read_floats(file, x, (size_t)batch * IN);
  Call like = {.batch = batch, .x = x};
#ifdef EXTERNAL_WEIGHTS
  int32_t tensors = 0;
  const simba_exported_tensor *info = net_parameters(&tensors);
  const float *parameter[8];
  for (int32_t k = 0; k < tensors; k++) {
    int64_t size = 1;
    for (int32_t axis = 0; axis < info[k].rank; axis++) size *= info[k].extent[axis];
    float *data = malloc((size_t)size * sizeof *data);
    require(data != NULL, "memory");
    read_floats(file, data, (size_t)size);
    parameter[k] = data;
  }
  net_weights weights = {parameter, parameter, block(net_prepared_bytes())};
  void *arena = block(net_arena_bytes(1));
  require(net_prepare(NULL, arena) == NET_NULL_POINTER, "preparing nothing");
  require(net_prepare(&weights, arena) == NET_OK, "preparing");
  free(arena);
  like.weights = &weights;
#endif
  fclose(file);
  Call call = new_call(&like, 1);
  require(infer(&call, NULL) == NET_OK, "a call");
  check_threads(&call);
  check_executor(&call);
  check_refusals(&call);
  check_facts();
  file = fopen(arguments[3], "wb");
  require(file != NULL, "the output file");
  fwrite(call.hidden, sizeof(float), (size_t)batch * OUT, file);
  fwrite(call.total, sizeof(float), (size_t)batch, file);
  require(!fclose(file), "the output file");
  release(&call);
  free(x);
#ifdef EXTERNAL_WEIGHTS
  for (int32_t k = 0; k < tensors; k++) free((void *)(uintptr_t)parameter[k]);
  free(weights.prepared);
#endif
  return 0;
}
