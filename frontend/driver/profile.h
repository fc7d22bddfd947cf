/* `simbac bench`: how long each kernel of a model's step takes. A step is what `simbac train` and the C interface run:
 * inference on prepared weights, or forward, backward and update; or, for a model without a loss, what
 * `simbac run --grad` does: forward and backward from given derivatives of the outputs.
 *
 * A launch in which the system took the processor away from one of the threads is no sample; of what is left the least
 * and the median count. Where nothing is left, on a busy machine, they are of all launches, and marked. */
#ifndef SIMBAC_DRIVER_PROFILE_H
#define SIMBAC_DRIVER_PROFILE_H

#include "handle.h"
#include "ir/cost.h"
#include "runtime/safetensors.h"

typedef enum ProfileEntry { PROFILE_INFER, PROFILE_TRAIN, PROFILE_GRADIENTS, PROFILE_ENTRIES } ProfileEntry;

typedef struct ProfileOptions {
  ProfileEntry entry;
  const TensorFile *data; /* in.<input or target>, lw.<output>; NULL: random numbers in [-1, 1) */
  int64_t batch;          /* 0: the data's, the recipe's, or 1 */
  double seconds;         /* to measure for; several times that on a machine that is busy with other things */
} ProfileOptions;

/* Seconds. */
typedef struct Timing {
  double least, median;
  uint32_t count; /* of undisturbed samples; 0: the times are of disturbed ones */
} Timing;

/* All launches of one kernel in a step, or a group of launches that runs image by image (ir/program.h). */
typedef struct KernelProfile {
  uint32_t number;    /* of the kernel in the program; kernel_count + that of the group */
  const char *family; /* "map", "contract", "scan", "spectral"; "group" */
  uint32_t launches;  /* in the group, else 1 */
  uint32_t calls;
  const char *label;  /* "%12 contract[B, 96, 256], computed at model.simba:7:3" of the first launch */
  const char *choice; /* lines on how its transforms are computed and what else they could have been; "" */
  Cost cost;          /* of one call */
  Timing time;        /* of all calls */
} KernelProfile;

typedef struct Profile {
  const Program *program;
  int64_t batch;
  int32_t threads;
  uint32_t kernel_count;
  KernelProfile *kernel; /* those with the longest median first */
  Timing step, update;   /* update: the optimizer's, in training */
  uint32_t steps, disturbed;
  int64_t arena_bytes, prepared_bytes, scratch_bytes; /* as planned; scratch is a thread's */
  int64_t resident_bytes;                             /* the most that the process has had of the memory so far */
} Profile;

/* "infer", "train", "gradients" */
const char *profile_entry_name(ProfileEntry entry);
/* Compiles what is needed. A model for PROFILE_TRAIN was created with options.training. Several models (at least one)
 * take turns, so that their times can be compared. A profile lives as long as its model. */
simba_status profile_run(simba_model *const *models, uint32_t count, const ProfileOptions *options,
                         Profile **out_profiles, simba_error *error);

#endif
