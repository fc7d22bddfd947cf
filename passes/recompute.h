/* Launches in order as a plan that can be changed: what is alive when, and what becomes of that where a value dies
 * early and is computed again before its late readers. For rematerialise.c.
 *
 * A run is a launch, or the repetition of a part of one. A version is a buffer that runs write and read: the value of a
 * node, computed for the first time or again. */
#ifndef SIMBAC_PASSES_RECOMPUTE_H
#define SIMBAC_PASSES_RECOMPUTE_H

#include "ir/program.h"
#include "lower_internal.h"

#define RUN_NONE UINT32_MAX
#define VERSION_NONE UINT32_MAX

typedef struct Version {
  NodeId node;
  Dim count;
  int64_t bytes;        /* 0: not in the arena */
  uint32_t maker;       /* run; the last one where several write it; RUN_NONE: bound, constant or prepared */
  bool again, shared;   /* made by a repetition; written by several runs */
  uint32_t next;        /* of the same node */
  uint32_t first, last; /* places in the order between which it is alive */
  uint32_t early,
      late; /* the place of its last reader (or maker) up to the peak; where its first one behind it begins */
} Version;

typedef struct Run {
  uint32_t cluster;
  bool again; /* a repetition: it computes its one result from what it reads, which may be of its own cluster */
  bool fixed; /* neither changed nor repeated: not the only launch of its cluster */
  uint32_t next, leader; /* the launch of the same cluster before this one, RUN_NONE: none; the first one of them */
  uint32_t read_count, write_count;
  uint32_t *read, *write; /* versions */
  uint32_t place;
} Run;

typedef struct Plan {
  const Clusters *clusters;
  const Lowered *lowered;
  const Program *program;
  Arena *arena;
  Arena *trial; /* of the changes that are being compared */
  int64_t symbols[SYMBOL_MAX];
  bool strict; /* kernels that take sums stay what they are */
  uint32_t version_count, run_count, order_count;
  Version *version;
  Run *run;
  uint32_t *order; /* runs */
  size_t version_capacity, run_capacity, order_capacity;
  uint32_t *first_version; /* by node; the newest */
  uint32_t *run_of;        /* by cluster: its last launch; RUN_NONE: none */
  uint32_t *mark, stamp;   /* by node: the walk that saw it last */
  int64_t *live, *start;   /* by place: bytes alive there, and those of them that begin there */
  size_t live_capacity;    /* of both */
  uint32_t peak;           /* the first place where most is alive */
} Plan;

enum { REPETITIONS_MAX = 8, EXTENDED_MAX = 32 };

/* A version dies early, and is made again right before its first late reader. */
typedef struct Change {
  uint32_t version;
  uint32_t at;    /* the place of that reader */
  bool keeps;     /* the first maker still writes it, for early readers */
  uint32_t count; /* repetitions, in order; the last one makes the version again. One more version each */
  Run run[REPETITIONS_MAX];
  NodeId node[REPETITIONS_MAX];
  uint32_t extended_count;
  uint32_t extended[EXTENDED_MAX]; /* versions that live longer for it */
  int64_t freed;                   /* at the peak */
  int64_t peak;                    /* most bytes alive then, and at how many places */
  uint32_t peak_count;
  double cost;
} Change;

Plan *plan_create(const Clusters *clusters, const Lowered *lowered, const Program *program, int64_t batch, bool strict,
                  Arena *arena);
/* Bytes of the arena, as the memory planner lays it out. */
int64_t plan_bytes(const Plan *plan, Arena *scratch);
/* Bytes alive at once: no layout takes less. */
int64_t plan_least_bytes(const Plan *plan, Arena *scratch);
/* The change that frees most at the peak for what it costs; false where none makes the peak lower or rarer. Does not
 * depend on any budget. */
bool plan_find_change(Plan *plan, Change *out_change);
/* What was found may be applied to any plan that is as the one was in which it was found. */
void plan_apply(Plan *plan, const Change *change);

#endif
