/* The pipeline: the list of passes in passes.def, run in order over a graph.
 *
 * A pass is a function from a graph to a new graph; it never changes the one it is given and builds in context->arena.
 * It keeps the outputs (kinds, names, order) and what they compute, and copies spans to what it builds. Each can be
 * skipped, dumped after, timed, and asked why it did not apply; after each the verifier runs in debug builds or when
 * asked, and a violation is our bug, named after the pass. */
#ifndef SIMBAC_PASSES_PIPELINE_H
#define SIMBAC_PASSES_PIPELINE_H

#include "differentiate.h"
#include "ir/graph.h"

/* The value of symbols that memory is weighed for where nobody says. */
enum { PASS_TYPICAL_BATCH = 32 };

typedef struct PassContext {
  Arena *arena;                           /* owns what passes build, intermediate graphs included */
  const DifferentiateSpec *differentiate; /* NULL: no gradients are wanted */
  bool differentiated;                    /* no derivative will be taken from here on: detach means nothing any more */
  Text *explain;                          /* lines that say why a pass did not apply; NULL: nobody asks */
  const char *pass;                       /* the name of the running pass */
  int64_t memory_budget;                  /* bytes that the arena may have; 0: any */
  int64_t batch;                          /* the value of symbols that the budget is for; 0: PASS_TYPICAL_BATCH */
} PassContext;

typedef Graph *PassFunction(const Graph *graph, PassContext *context);

typedef enum PassKind { PASS_OPTIONAL, PASS_REQUIRED } PassKind;

typedef struct PassInfo {
  const char *name;
  PassFunction *run;
  PassKind kind;
  const char *doc;
} PassInfo;

#define PASS(name, function, kind, doc) PassFunction function;
#include "passes.def"
#undef PASS

typedef void PassDump(void *user, uint32_t position, const PassInfo *pass, const Graph *graph);

typedef struct PipelineOptions {
  const char *const *only; /* run just these optional passes; NULL: all */
  uint32_t only_count;
  const char *const *skip;
  uint32_t skip_count;
  bool verify;    /* verify after each pass also where NDEBUG is defined */
  PassDump *dump; /* called after each pass that ran; position counts the rows of passes.def from 0 */
  void *dump_user;
  Text *explain;
  const DifferentiateSpec *differentiate;
  int64_t memory_budget, batch; /* as in PassContext */
} PipelineOptions;

typedef struct PassReport {
  bool ran;
  double seconds; /* of the pass alone, without verifying and dumping */
  uint32_t nodes_before, nodes_after;
} PassReport;

/* What happened, also where a bug unwound out of pipeline_run: the report lives in an arena, so `running` and `before`
 * then say which pass it was and hold the graph that replays it. */
typedef struct PipelineReport {
  PassReport *pass;    /* pipeline_length() of them */
  const char *running; /* NULL between passes */
  const Graph *before; /* the graph given to the newest pass */
} PipelineReport;

uint32_t pipeline_length(void);
const PassInfo *pipeline_pass(uint32_t position);
PipelineReport *pipeline_report_create(Arena *arena);

/* "there is no pass 'NAME'", with the nearest name, or with all of them where none is near. */
const char *pipeline_unknown_pass(const char *name, Arena *arena);
/* True where every name in `only` and `skip` is one of an optional pass; else a message in `arena` that says which is
 * not. To be asked before pipeline_run, for which a wrong name is a bug. */
bool pipeline_check(const PipelineOptions *options, Arena *arena, const char **out_message);

/* The graph after the last pass, in `arena`. `report` may be NULL. */
const Graph *pipeline_run(const Graph *graph, Arena *arena, const PipelineOptions *options, PipelineReport *report);

/* "pass: reason" as a line to context->explain, where somebody asks. */
void pass_explain(PassContext *context, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
