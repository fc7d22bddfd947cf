#include "bench_report.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static const char *const ENTRY_TITLES[PROFILE_ENTRIES] = {"inference", "training step", "gradients"};

/* The same kernel of the other run; both have the same kernels. */
static const KernelProfile *find_kernel(const Profile *profile, uint32_t number) {
  for (uint32_t k = 0; profile && k < profile->kernel_count; k++)
    if (profile->kernel[k].number == number) return &profile->kernel[k];
  return NULL;
}

static double kernel_flops(const KernelProfile *kernel) {
  return kernel->calls * (kernel->cost.adds + kernel->cost.multiplies);
}

static double kernel_bytes(const KernelProfile *kernel) {
  return kernel->calls * (kernel->cost.bytes_read + kernel->cost.bytes_written);
}

/* Share of what the machine could do at most. */
static double kernel_share(const BenchReport *report, const KernelProfile *kernel) {
  return kernel->calls * machine_seconds(&report->speed, &kernel->cost) / kernel->time.least;
}

/* ---- For people ---- */

static void print_size(Text *out, double bytes) {
  if (bytes < 1024 * 1024)
    text_print(out, "%.0f KB", bytes / 1024);
  else
    text_print(out, "%.*f MB", bytes < 100 * 1024 * 1024 ? 1 : 0, bytes / (1024 * 1024));
}

/* Times of disturbed samples are marked. */
static void print_milliseconds(Text *out, double seconds, const Timing *timing) {
  char number[32];
  snprintf(number, sizeof number, "%s%.4f", timing->count ? "" : "~", seconds * 1e3);
  text_print(out, "%10s", number);
}

/* Least and median, and under --kernels=library the least with libraries and how many times that is. `compared` without
 * a time: the libraries' run does not have this kernel. */
static void print_times(Text *out, const Timing *own, const Timing *library, bool compared) {
  print_milliseconds(out, own->least, own);
  print_milliseconds(out, own->median, own);
  if (!compared) return;
  if (library) {
    print_milliseconds(out, library->least, library);
    text_print(out, "%7.2f", library->least / own->least);
  } else {
    text_print(out, "%10s%7s", "", "");
  }
}

/* How transforms are computed, each kind once. */
static void print_choices(Text *out, const Profile *profile) {
  Text seen = text_begin(out->arena);
  for (uint32_t k = 0; k < profile->kernel_count; k++) {
    for (const char *line = profile->kernel[k].choice; *line;) {
      const char *one = arena_format(out->arena, "%.*s\n", (int)strcspn(line, "\n"), line);
      if (!strstr(seen.data, one)) text_puts(&seen, one);
      line += strlen(one);
    }
  }
  text_puts(out, seen.data);
}

static void print_kernel(Text *out, const BenchReport *report, const KernelProfile *kernel) {
  const KernelProfile *library = find_kernel(report->library, kernel->number);
  print_times(out, &kernel->time, library ? &library->time : NULL, report->library);
  text_print(out, "%6u%9.1f%8.1f%6.0f %%  %-8s  %s\n", kernel->calls, kernel_flops(kernel) / kernel->time.least * 1e-9,
             kernel_bytes(kernel) / kernel->time.least * 1e-9, 100 * kernel_share(report, kernel), kernel->family,
             kernel->label);
}

static void print_machine(Text *out, const BenchReport *report) {
  const MachineSpeed *speed = &report->speed;
  text_print(out, "machine, %d thread%s: %.1f GFLOP/s, %.2f billion elementary functions/s; reads, GB/s:",
             report->own->threads, report->own->threads == 1 ? "" : "s", speed->flops * 1e-9, speed->elementary * 1e-9);
  for (int k = 0; k < MACHINE_SIZES; k++) {
    text_print(out, "%s %.0f of ", k ? "," : "", speed->bandwidth[k] * 1e-9);
    print_size(out, (double)speed->size[k]);
  }
  text_puts(out, "\n");
}

static void print_memory(Text *out, const Profile *profile) {
  text_puts(out, "memory: arena ");
  print_size(out, (double)profile->arena_bytes);
  text_puts(out, ", prepared ");
  print_size(out, (double)profile->prepared_bytes);
  text_puts(out, ", scratch of a thread ");
  print_size(out, (double)profile->scratch_bytes);
  text_puts(out, "; the process at most ");
  print_size(out, (double)profile->resident_bytes);
  text_puts(out, "\n");
}

void bench_report_text(const BenchReport *report, Text *out) {
  const Profile *own = report->own, *library = report->library;
  text_print(out, "%s: %s, batch %lld, %d thread%s, %u steps; in %u of them a thread lost its processor\n",
             report->model, ENTRY_TITLES[report->entry], (long long)own->batch, own->threads,
             own->threads == 1 ? "" : "s", own->steps, own->disturbed);
  print_machine(out, report);
  text_print(out, "%10s%10s%s%6s%9s%8s%8s  %-8s  %s\n", "least ms", "median", library ? "   library  times" : "",
             "calls", "GFLOP/s", "GB/s", "of roof", "family", "first computes");
  for (uint32_t k = 0; k < own->kernel_count; k++) print_kernel(out, report, &own->kernel[k]);
  if (report->entry == PROFILE_TRAIN) {
    print_times(out, &own->update, library ? &library->update : NULL, library);
    text_puts(out, "  update of parameters and moments\n");
  }
  print_times(out, &own->step, library ? &library->step : NULL, library);
  text_puts(out, "  the whole step\n");
  print_choices(out, own);
  print_memory(out, own);
}

/* ---- For programs ---- */

static void add_timing(cJSON *to, const char *name, const Timing *timing) {
  cJSON *object = cJSON_AddObjectToObject(to, name);
  cJSON_AddNumberToObject(object, "least", timing->least);
  cJSON_AddNumberToObject(object, "median", timing->median);
  cJSON_AddNumberToObject(object, "samples", timing->count);
}

static void add_kernel(cJSON *to, const BenchReport *report, const KernelProfile *kernel) {
  const KernelProfile *library = find_kernel(report->library, kernel->number);
  cJSON *object = cJSON_CreateObject();
  cJSON_AddItemToArray(to, object);
  cJSON_AddNumberToObject(object, "kernel", kernel->number);
  cJSON_AddStringToObject(object, "family", kernel->family);
  cJSON_AddStringToObject(object, "computes", kernel->label);
  if (kernel->choice[0]) cJSON_AddStringToObject(object, "choice", kernel->choice);
  cJSON_AddNumberToObject(object, "launches", kernel->launches);
  cJSON_AddNumberToObject(object, "calls", kernel->calls);
  add_timing(object, "seconds", &kernel->time);
  if (library) add_timing(object, "library_seconds", &library->time);
  cJSON_AddNumberToObject(object, "flops", kernel_flops(kernel));
  cJSON_AddNumberToObject(object, "elementary", kernel->calls * kernel->cost.transcendentals);
  cJSON_AddNumberToObject(object, "bytes", kernel_bytes(kernel));
  cJSON_AddNumberToObject(object, "share_of_roof", kernel_share(report, kernel));
}

static void add_machine(cJSON *to, const MachineSpeed *speed) {
  cJSON *machine = cJSON_AddObjectToObject(to, "machine");
  cJSON_AddNumberToObject(machine, "flops", speed->flops);
  cJSON_AddNumberToObject(machine, "elementary", speed->elementary);
  cJSON *reads = cJSON_AddArrayToObject(machine, "reads");
  for (int k = 0; k < MACHINE_SIZES; k++) {
    cJSON *read = cJSON_CreateObject();
    cJSON_AddNumberToObject(read, "size", (double)speed->size[k]);
    cJSON_AddNumberToObject(read, "bandwidth", speed->bandwidth[k]);
    cJSON_AddItemToArray(reads, read);
  }
}

static void add_memory(cJSON *to, const Profile *profile) {
  cJSON *memory = cJSON_AddObjectToObject(to, "memory");
  cJSON_AddNumberToObject(memory, "arena", (double)profile->arena_bytes);
  cJSON_AddNumberToObject(memory, "prepared", (double)profile->prepared_bytes);
  cJSON_AddNumberToObject(memory, "scratch_of_a_thread", (double)profile->scratch_bytes);
  cJSON_AddNumberToObject(memory, "resident", (double)profile->resident_bytes);
}

simba_status bench_report_json(const BenchReport *report, Text *out, simba_error *error) {
  const Profile *own = report->own;
  cJSON *object = cJSON_CreateObject();
  cJSON_AddStringToObject(object, "model", report->model);
  cJSON_AddStringToObject(object, "entry", profile_entry_name(report->entry));
  cJSON_AddNumberToObject(object, "batch", (double)own->batch);
  cJSON_AddNumberToObject(object, "threads", own->threads);
  cJSON_AddNumberToObject(object, "steps", own->steps);
  cJSON_AddNumberToObject(object, "disturbed", own->disturbed);
  add_machine(object, &report->speed);
  add_timing(object, "step_seconds", &own->step);
  if (report->library) add_timing(object, "library_step_seconds", &report->library->step);
  if (report->entry == PROFILE_TRAIN) add_timing(object, "update_seconds", &own->update);
  add_memory(object, own);
  cJSON *kernels = cJSON_AddArrayToObject(object, "kernels");
  for (uint32_t k = 0; k < own->kernel_count; k++) add_kernel(kernels, report, &own->kernel[k]);
  char *text = cJSON_PrintUnformatted(object);
  cJSON_Delete(object);
  if (!text) return error_set_memory(error, "the result");
  text_print(out, "%s\n", text);
  cJSON_free(text);
  return SIMBA_OK;
}
