#include "library_kernels.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static const char LIBRARY[] = "libfftw3f.so.3";

/* Of fftw3.h, which nobody needs to have installed. A plan by estimates depends on nothing but its arguments. */
enum { PLAN_ESTIMATE = 1 << 6 };

typedef struct FftwPlan FftwPlan;
typedef struct FftwDimension {
  ptrdiff_t extent, source_stride, result_stride;
} FftwDimension;

typedef FftwPlan *PlanComplexFunction(int rank, const FftwDimension *dimension, int many_rank,
                                      const FftwDimension *many, float *real, float *imaginary, float *out_real,
                                      float *out_imaginary, unsigned flags);
typedef FftwPlan *PlanToComplexFunction(int rank, const FftwDimension *dimension, int many_rank,
                                        const FftwDimension *many, float *source, float *out_real, float *out_imaginary,
                                        unsigned flags);
typedef FftwPlan *PlanToRealFunction(int rank, const FftwDimension *dimension, int many_rank, const FftwDimension *many,
                                     float *real, float *imaginary, float *out, unsigned flags);
typedef void ExecuteComplexFunction(const FftwPlan *plan, float *real, float *imaginary, float *out_real,
                                    float *out_imaginary);
typedef void ExecuteToComplexFunction(const FftwPlan *plan, float *source, float *out_real, float *out_imaginary);
typedef void ExecuteToRealFunction(const FftwPlan *plan, float *real, float *imaginary, float *out);

/* FFTW's functions and what they are called in its library; `64` takes ptrdiff_t. */
typedef struct Fftw {
  PlanComplexFunction *plan_complex;
  PlanToComplexFunction *plan_to_complex;
  PlanToRealFunction *plan_to_real;
  ExecuteComplexFunction *execute_complex;
  ExecuteToComplexFunction *execute_to_complex;
  ExecuteToRealFunction *execute_to_real;
} Fftw;

/* A plan and the arguments it was made for. Plans are used with other blocks than they were made with, which FFTW
 * allows for the same alignment and the same distance of the two parts: both follow from these arguments. */
typedef struct Plan {
  struct Plan *next;
  int32_t form;
  bool inverse; /* matters to complex transforms only: FFTW has the others in one direction each */
  int64_t extent, columns;
  FftwPlan *plan;
} Plan;

static struct {
  pthread_once_t once;
  bool loaded;
  Fftw fftw;
  pthread_mutex_t planner; /* FFTW's planner is for one thread at a time */
  _Atomic(Plan *) plans;   /* only added to, at the front */
} fft = {.once = PTHREAD_ONCE_INIT, .planner = PTHREAD_MUTEX_INITIALIZER};

static void load(void) {
  void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  Fftw *fftw = &fft.fftw;
  *(void **)&fftw->plan_complex = dlsym(library, "fftwf_plan_guru64_split_dft");
  *(void **)&fftw->plan_to_complex = dlsym(library, "fftwf_plan_guru64_split_dft_r2c");
  *(void **)&fftw->plan_to_real = dlsym(library, "fftwf_plan_guru64_split_dft_c2r");
  *(void **)&fftw->execute_complex = dlsym(library, "fftwf_execute_split_dft");
  *(void **)&fftw->execute_to_complex = dlsym(library, "fftwf_execute_split_dft_r2c");
  *(void **)&fftw->execute_to_real = dlsym(library, "fftwf_execute_split_dft_c2r");
  fft.loaded = fftw->plan_complex && fftw->plan_to_complex && fftw->plan_to_real && fftw->execute_complex &&
               fftw->execute_to_complex && fftw->execute_to_real;
}

simba_status library_fft_load(simba_error *error) {
  pthread_once(&fft.once, load);
  if (fft.loaded) return SIMBA_OK;
  return error_set(error, SIMBA_INVALID_ARGUMENT,
                   "%s cannot be loaded: transforms by FFTW need the Debian package libfftw3-single3", LIBRARY);
}

/* --- plans ---------------------------------------------------------------------------------------------------- */

/* Values in one part of a column of the source or of the result. */
static int64_t part_rows(int32_t form, int32_t half_form, int64_t extent) {
  return form == half_form ? extent / 2 + 1 : extent;
}

/* The parts of both sides as FFTW is given them. Its complex transform goes forwards; backwards is the same with the
 * parts exchanged on both sides. */
typedef struct Blocks {
  float *real, *imaginary, *out_real, *out_imaginary;
} Blocks;

static Blocks blocks_of(int32_t form, bool inverse, int64_t extent, int64_t columns, float *source, float *result) {
  int64_t part = part_rows(form, LIBRARY_DFT_HALF_TO_REAL, extent) * columns;
  int64_t out_part = part_rows(form, LIBRARY_DFT_REAL_TO_HALF, extent) * columns;
  Blocks blocks = {source, source + part, result, result + out_part};
  if (form == LIBRARY_DFT_COMPLEX && inverse) blocks = (Blocks){source + part, source, result + out_part, result};
  return blocks;
}

static FftwPlan *make_plan(int32_t form, int64_t extent, int64_t columns, const Blocks *blocks) {
  FftwDimension dimension = {extent, columns, columns}, many = {columns, 1, 1};
  switch (form) {
    case LIBRARY_DFT_REAL_TO_COMPLEX:
    case LIBRARY_DFT_REAL_TO_HALF:
      return fft.fftw.plan_to_complex(1, &dimension, 1, &many, blocks->real, blocks->out_real, blocks->out_imaginary,
                                      PLAN_ESTIMATE);
    case LIBRARY_DFT_COMPLEX_TO_REAL:
    case LIBRARY_DFT_HALF_TO_REAL:
      return fft.fftw.plan_to_real(1, &dimension, 1, &many, blocks->real, blocks->imaginary, blocks->out_real,
                                   PLAN_ESTIMATE);
    default:
      return fft.fftw.plan_complex(1, &dimension, 1, &many, blocks->real, blocks->imaginary, blocks->out_real,
                                   blocks->out_imaginary, PLAN_ESTIMATE);
  }
}

static const Plan *find_plan(int32_t form, bool inverse, int64_t extent, int64_t columns) {
  for (const Plan *plan = atomic_load_explicit(&fft.plans, memory_order_acquire); plan; plan = plan->next)
    if (plan->form == form && plan->inverse == inverse && plan->extent == extent && plan->columns == columns)
      return plan;
  return NULL;
}

/* Under the planner's lock. */
static bool add_plan(int32_t form, bool inverse, int64_t extent, int64_t columns, float *source, float *result) {
  if (find_plan(form, inverse, extent, columns)) return true;
  Plan *plan = malloc(sizeof *plan);
  if (!plan) return false;
  Blocks blocks = blocks_of(form, inverse, extent, columns, source, result);
  Plan *first = atomic_load_explicit(&fft.plans, memory_order_relaxed);
  *plan = (Plan){first, form, inverse, extent, columns, make_plan(form, extent, columns, &blocks)};
  if (!plan->plan) {
    free(plan);
    return false;
  }
  atomic_store_explicit(&fft.plans, plan, memory_order_release);
  return true;
}

simba_status library_fft_plan(int32_t form, int64_t extent, int64_t columns, simba_error *error) {
  simba_status status = library_fft_load(error);
  if (status != SIMBA_OK) return status;
  size_t block = (size_t)((2 * extent + 2) * columns);
  float *source = memory_allocate_aligned(block, sizeof(float)),
        *result = memory_allocate_aligned(block, sizeof(float));
  bool planned = source && result;
  pthread_mutex_lock(&fft.planner);
  for (int inverse = 0; inverse < 2; inverse++)
    planned = planned && add_plan(form, inverse, extent, columns, source, result);
  pthread_mutex_unlock(&fft.planner);
  free(source);
  free(result);
  return planned ? SIMBA_OK : error_set_memory(error, "a plan of FFTW");
}

/* --- transforms ----------------------------------------------------------------------------------------------- */

static void negate(int64_t count, float *values) {
  for (int64_t k = 0; k < count; k++) values[k] = -values[k];
}

/* FFTW makes frequencies 0 .. extent / 2 of a real signal, forwards; backwards they are conjugated. The others are the
 * conjugates of those. */
static void complete_spectrum(int64_t extent, int64_t columns, float *real, float *imaginary) {
  for (int64_t k = extent / 2 + 1; k < extent; k++) {
    const float *from_real = real + (extent - k) * columns, *from_imaginary = imaginary + (extent - k) * columns;
    for (int64_t c = 0; c < columns; c++) {
      real[k * columns + c] = from_real[c];
      imaginary[k * columns + c] = -from_imaginary[c];
    }
  }
}

/* The real part of a transform is that of the half of its spectrum which is conjugate to its mirror image,
 * (x[k] + conj(x[-k])) / 2, and all that FFTW reads are frequencies 0 .. extent / 2 of it, backwards. */
static void keep_even_part(bool inverse, int64_t extent, int64_t columns, float *real, float *imaginary) {
  float sign = inverse ? 0.5F : -0.5F;
  for (int64_t k = 0; k <= extent / 2; k++) {
    int64_t mirror = k ? extent - k : 0;
    const float *from_real = real + mirror * columns, *from_imaginary = imaginary + mirror * columns;
    for (int64_t c = 0; c < columns; c++) {
      real[k * columns + c] = 0.5F * (real[k * columns + c] + from_real[c]);
      imaginary[k * columns + c] = sign * (imaginary[k * columns + c] - from_imaginary[c]);
    }
  }
}

/* FFTW counts every frequency but 0 and extent / 2 for its mirror image as well. */
static void halve_inner(bool inverse, int64_t extent, int64_t columns, float *real, float *imaginary) {
  int64_t first = columns, end = (extent - 1) / 2 * columns + columns;
  for (int64_t k = first; k < end; k++) {
    real[k] *= 0.5F;
    imaginary[k] *= 0.5F;
  }
  if (!inverse) negate((extent / 2 + 1) * columns, imaginary);
}

void simba_library_dft(int32_t form, int32_t inverse, int64_t extent, int64_t columns, float *source, float *result) {
  const Plan *plan = find_plan(form, inverse != 0, extent, columns);
  Blocks blocks = blocks_of(form, inverse != 0, extent, columns, source, result);
  switch (form) {
    case LIBRARY_DFT_REAL_TO_COMPLEX:
    case LIBRARY_DFT_REAL_TO_HALF:
      fft.fftw.execute_to_complex(plan->plan, blocks.real, blocks.out_real, blocks.out_imaginary);
      if (inverse) negate((extent / 2 + 1) * columns, blocks.out_imaginary);
      if (form == LIBRARY_DFT_REAL_TO_COMPLEX)
        complete_spectrum(extent, columns, blocks.out_real, blocks.out_imaginary);
      break;
    case LIBRARY_DFT_COMPLEX_TO_REAL:
      keep_even_part(inverse != 0, extent, columns, blocks.real, blocks.imaginary);
      fft.fftw.execute_to_real(plan->plan, blocks.real, blocks.imaginary, blocks.out_real);
      break;
    case LIBRARY_DFT_HALF_TO_REAL:
      halve_inner(inverse != 0, extent, columns, blocks.real, blocks.imaginary);
      fft.fftw.execute_to_real(plan->plan, blocks.real, blocks.imaginary, blocks.out_real);
      break;
    default:
      fft.fftw.execute_complex(plan->plan, blocks.real, blocks.imaginary, blocks.out_real, blocks.out_imaginary);
  }
}
