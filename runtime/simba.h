/* simbac: the public C interface. Compile a model, run it, train it, save and load it.
 *
 * What it computes: SiMBA blocks (arXiv 2403.15360, section 3: Mamba mixes the sequence, EinFFT the channels), the
 * selective scan (Mamba, arXiv 2312.00752, equations 2 and algorithm 2), AdamW (arXiv 1711.05101, algorithm 2).
 *
 * Conventions
 *   - Every function that can fail returns a simba_status; 0 is success. Nothing here aborts, prints or exits.
 *   - Why it failed: functions of a handle leave a text that simba_model_message or simba_trainer_message returns;
 *     functions without a handle take a simba_error that the caller owns (NULL where the text is not wanted).
 *   - Text (models, settings, files, messages) is read and written in the "C" locale, whatever the host has set.
 *   - No global state. A handle is used by one thread at a time; different handles by any number of threads.
 *   - Tensors are dense float32 in C order (last axis fastest), shapes as declared in the model file; a complex tensor
 *     has a leading axis of 2 (real, imaginary). Sizes that depend on the batch are shown as -1.
 *   - Out-parameters come last, are named out_..., and are written only on success unless stated.
 *   - Same inputs, same seed, same build, same CPU: same bits, for any number of threads.
 *
 *   simba_model *model = NULL;
 *   simba_error error;
 *   if (simba_model_compile_file("forecaster.simba", NULL, &model, &error)) { fputs(error.message, stderr); return 1; }
 *   simba_model_load_weights(model, "weights.safetensors");
 *   const float *inputs[] = {x};
 *   float *outputs[] = {y};
 *   simba_model_infer(model, batch, inputs, outputs);
 *   simba_model_destroy(model); */
#ifndef SIMBA_H
#define SIMBA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define SIMBA_API __attribute__((visibility("default")))
#else
#define SIMBA_API
#endif

/* Raised when a struct or a function here changes in a way that old callers would notice. Structs that may grow begin
 * with `size`: set it to sizeof the struct; members beyond what the library or the caller knows count as zero. */
enum { SIMBA_INTERFACE_VERSION = 1, SIMBA_MAX_RANK = 8, SIMBA_MESSAGE_SIZE = 2040 };

/* Version that the library was built with, to be compared with SIMBA_INTERFACE_VERSION of the caller's header. */
SIMBA_API uint32_t simba_interface_version(void);

/* ---- Status ---- */

typedef enum simba_status {
  SIMBA_OK = 0,
  SIMBA_INVALID_ARGUMENT, /* the call itself is wrong: a NULL, an unknown name, a size that does not fit */
  SIMBA_MODEL_ERROR,      /* the model's text is wrong: the message holds the diagnostics */
  SIMBA_DATA_ERROR,       /* a file's content is wrong: the message names file and place */
  SIMBA_IO_ERROR,         /* the system refused to read or write: the message names file and reason */
  SIMBA_OUT_OF_MEMORY,
  SIMBA_INTERRUPTED,
  SIMBA_NOT_FINITE, /* a loss or gradient is NaN or infinite: the message names the first bad tensor */
  SIMBA_BUG         /* a mistake of ours: the message says how to report it */
} simba_status;

typedef struct simba_error {
  simba_status status;
  char message[SIMBA_MESSAGE_SIZE]; /* ends in 0, cut with "..." where it is too long */
} simba_error;

/* "ok", "invalid argument", ... never NULL. */
SIMBA_API const char *simba_status_name(simba_status status);

/* ---- Compiling ---- */

typedef struct simba_model simba_model;

/* A static parameter of the model set from outside, as `--set d_model=256` does. */
typedef struct simba_setting {
  const char *name, *value;
} simba_setting;

typedef struct simba_options {
  size_t size; /* sizeof(simba_options) */
  const simba_setting *settings;
  size_t setting_count;
  int32_t threads; /* 0: one for each processor this process may use */
  bool training;   /* also compile the gradient; needed by simba_trainer_create */
  uint64_t seed;   /* of the initial parameters */
  /* Where compiled code is kept from one compilation to the next, by content; NULL: nowhere. The folder is made for its
   * owner alone where it is missing; one that is another user's, or that others may write to, is not used, and neither
   * is one that cannot be made: then everything is compiled. Entries have checksums; processes may share a folder. It
   * holds some 128 MB at most, those entries go that were used longest ago. The command line's folder is
   * $XDG_CACHE_HOME/simbac. */
  const char *cache_folder;
  /* Called with the full text of all errors and warnings (simba_error holds the beginning); may be NULL. */
  void (*on_diagnostics)(void *context, const char *text);
  void *context; /* given to on_diagnostics */
  /* Bytes that the intermediate values of a call may take for a batch of `memory_batch` (0: the batch of the model's
   * recipe); 0: any. Where they take more, values are computed again in place of being kept, which costs time and
   * changes no bit of a result; where that does not do, compiling a step is SIMBA_INVALID_ARGUMENT and the message says
   * how many would. */
  uint64_t memory_budget;
  int64_t memory_batch;
} simba_options;

/* Compiles a model file and initialises its parameters from options->seed. options may be NULL: everything as if zero.
 * A graph as IR text, in a file whose name ends in .ir, is a model too; its parameters begin as 0.
 * Errors: SIMBA_IO_ERROR (cannot read), SIMBA_MODEL_ERROR (diagnostics as file:line:column), SIMBA_OUT_OF_MEMORY,
 * SIMBA_BUG. */
SIMBA_API simba_status simba_model_compile_file(const char *path, const simba_options *options, simba_model **out_model,
                                                simba_error *out_error);
/* The same from memory: `length` bytes of text; `name` stands for the file in diagnostics. */
SIMBA_API simba_status simba_model_compile_text(const char *text, size_t length, const char *name,
                                                const simba_options *options, simba_model **out_model,
                                                simba_error *out_error);
/* Takes NULL. Trainers of the model must be destroyed before. */
SIMBA_API void simba_model_destroy(simba_model *model);
/* Why the last call on this handle failed; "" after success. Valid until the next call on it. */
SIMBA_API const char *simba_model_message(const simba_model *model);
SIMBA_API const char *simba_model_name(const simba_model *model);

/* ---- What a model has ---- */

typedef enum simba_tensor_kind {
  SIMBA_INPUT,     /* what inference reads */
  SIMBA_TARGET,    /* what the loss needs besides */
  SIMBA_OUTPUT,    /* what inference writes */
  SIMBA_METRIC,    /* scalars reported beside the loss */
  SIMBA_PARAMETER, /* learned */
  SIMBA_STATE      /* kept between steps, not learned (running statistics) */
} simba_tensor_kind;

typedef struct simba_tensor_info {
  const char *name;              /* file name: a parameter's state-dict path. Lives as long as the model */
  int32_t rank;                  /* 0 for a scalar */
  int64_t shape[SIMBA_MAX_RANK]; /* -1: depends on the batch; simba_model_elements gives the size */
} simba_tensor_info;

SIMBA_API size_t simba_model_count(const simba_model *model, simba_tensor_kind kind);
/* index < simba_model_count; else SIMBA_INVALID_ARGUMENT. */
SIMBA_API simba_status simba_model_tensor(simba_model *model, simba_tensor_kind kind, size_t index,
                                          simba_tensor_info *out_info);
/* SIMBA_INVALID_ARGUMENT and the nearest name in the message where there is none. */
SIMBA_API simba_status simba_model_find(simba_model *model, simba_tensor_kind kind, const char *name,
                                        size_t *out_index);
/* Number of floats for this batch; 0 where the index is out of range. */
SIMBA_API size_t simba_model_elements(const simba_model *model, simba_tensor_kind kind, size_t index, int64_t batch);

/* Copies a parameter or state in or out; `count` must be its number of elements. */
SIMBA_API simba_status simba_model_set(simba_model *model, simba_tensor_kind kind, size_t index, const float *values,
                                       size_t count);
SIMBA_API simba_status simba_model_get(simba_model *model, simba_tensor_kind kind, size_t index, float *out_values,
                                       size_t count);

/* ---- Weights: safetensors, names as in the state dict, F32 (F16, BF16 and F64 are converted on loading) ---- */

/* Where weights are. */
typedef struct simba_weights_source {
  size_t size;      /* sizeof(simba_weights_source) */
  const char *path; /* safetensors, or what torch.save wrote (.pth, .pt; zip or older): told apart by their content. A
                     * PyTorch file is data only: its pickle is read by a list of what may be in it and never run */
  const char *key;  /* which dict of a PyTorch file holds the weights: "model_ema"; NULL: by rule (docs/weights.md) */
  const char *map;  /* NULL, or what its tensors are called in the model: "mamba-ssm", "huggingface", or a file */
} simba_weights_source;

/* All or nothing: on an error the model is unchanged. SIMBA_DATA_ERROR where a tensor is missing, extra or has another
 * shape: the message names some, simba_model_weights_report has all. */
SIMBA_API simba_status simba_model_load_weights(simba_model *model, const char *path);
SIMBA_API simba_status simba_model_load_weights_from(simba_model *model, const simba_weights_source *source);
/* Of the last of these two: a line for each tensor that is missing, extra or of another shape, with the nearest name of
 * the other side, up to 20 of a kind; "" after success. Valid until the next one. */
SIMBA_API const char *simba_model_weights_report(const simba_model *model);
/* Of the last of these two: what is to be known of the file, such as what of it was left alone; "" for nothing. */
SIMBA_API const char *simba_model_weights_note(const simba_model *model);
/* Atomic: the file is complete and synced, or as it was before. */
SIMBA_API simba_status simba_model_save_weights(simba_model *model, const char *path);

/* ---- Inference ---- */

/* batch: 1 to 2147483647. inputs[i]: simba_model_elements(model, SIMBA_INPUT, i, batch) floats; outputs[i] likewise, an
 * output of NULL is not wanted. Buffers must not overlap. Keeps its working memory between calls of the same or a smaller batch. */
SIMBA_API simba_status simba_model_infer(simba_model *model, int64_t batch, const float *const *inputs,
                                         float *const *outputs);

/* ---- Learning rate ---- */

typedef enum simba_schedule_kind { SIMBA_CONSTANT = 0, SIMBA_COSINE } simba_schedule_kind;

/* Linear warm-up, then constant or cosine, as timm's CosineLRScheduler does (SGDR, arXiv 1608.03983, equation 5,
 * one cycle). Times are in epochs or in steps, as the caller likes.
 *   t < warmup:  warmup_rate + t (rate - warmup_rate) / warmup
 *   t < total:   minimum + (rate - minimum)/2 (1 + cos(pi t / total)), the cosine's clock starting at 0
 *   else:        minimum */
typedef struct simba_schedule {
  simba_schedule_kind kind;
  double rate;        /* the highest rate */
  double minimum;     /* cosine: where it ends */
  double warmup_rate; /* where warm-up starts */
  double warmup;      /* length of warm-up; 0: none */
  double total;       /* cosine: length, warm-up included */
} simba_schedule;

/* The rate at time t >= 0. */
SIMBA_API double simba_schedule_rate(const simba_schedule *schedule, double t);

/* ---- Training ---- */

typedef struct simba_trainer simba_trainer;

typedef enum simba_decay {
  SIMBA_DECAY_ALL,     /* every parameter */
  SIMBA_DECAY_MATRICES /* parameters with more than one axis whose name does not end in ".bias" (timm) */
} simba_decay;

typedef struct simba_training {
  size_t size; /* sizeof(simba_training) */
  double beta1, beta2, epsilon, weight_decay;
  simba_decay decay;
  double clip;   /* largest global gradient norm; 0: no clipping */
  uint64_t seed; /* of dropout masks */
  simba_schedule schedule;
} simba_training;

/* What the model's recipe says, and defaults for what it does not: betas 0.9 and 0.999, epsilon 1e-8. Set
 * out_training->size before the call. */
SIMBA_API simba_status simba_trainer_defaults(simba_model *model, simba_training *out_training);

/* A trainer updates the parameters and states of its model in place. The model must have been compiled with
 * options.training. The learning rate begins at schedule(0). */
SIMBA_API simba_status simba_trainer_create(simba_model *model, const simba_training *training,
                                            simba_trainer **out_trainer, simba_error *out_error);
SIMBA_API void simba_trainer_destroy(simba_trainer *trainer);
SIMBA_API const char *simba_trainer_message(const simba_trainer *trainer);

/* The rate that the next steps use. The caller moves it: simba_trainer_set_rate(t, simba_schedule_rate(&s, epoch)). */
SIMBA_API simba_status simba_trainer_set_rate(simba_trainer *trainer, double rate);
SIMBA_API double simba_trainer_rate(const simba_trainer *trainer);
/* Updates done so far. */
SIMBA_API int64_t simba_trainer_steps(const simba_trainer *trainer);

/* One AdamW step on a batch: forward, backward, clip, update. inputs[i] and targets[i] in the order of SIMBA_INPUT and
 * SIMBA_TARGET. out_loss is the loss before the update; out_metrics, if not NULL, gets one float for each SIMBA_METRIC.
 * SIMBA_NOT_FINITE leaves parameters, states and moments as they were. */
SIMBA_API simba_status simba_trainer_step(simba_trainer *trainer, int64_t batch, const float *const *inputs,
                                          const float *const *targets, float *out_loss, float *out_metrics);
/* Loss and metrics in inference mode; changes nothing. */
SIMBA_API simba_status simba_trainer_evaluate(simba_trainer *trainer, int64_t batch, const float *const *inputs,
                                              const float *const *targets, float *out_loss, float *out_metrics);

/* Everything that the next step depends on, in one file written atomically; continuing from it gives the bits of a run
 * that was never interrupted. Loading is all or nothing. */
SIMBA_API simba_status simba_trainer_save(simba_trainer *trainer, const char *path);
SIMBA_API simba_status simba_trainer_load(simba_trainer *trainer, const char *path);

#ifdef __cplusplus
}
#endif

#endif
