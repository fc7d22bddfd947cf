/* The cache of objects: what hits and what does not, what is never believed, and who may write to it. */
#include "tests/kernel_bench.h"
#include "tests/suite_run.h"
#include "tests/temporary_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { ROW = 19, MEGABYTE = 1 << 20 };

/* y = factor * x, over ROW elements. */
static Kernel *scale_kernel(Arena *arena, double factor) {
  Kernel *kernel = kernel_begin(arena, LOWER_MAP);
  kernel_add_axis(kernel, AXIS_PARALLEL, dim_constant(ROW));
  Access from = kernel_add_slot(kernel, true), to = kernel_add_slot(kernel, false);
  from.stride[0] = to.stride[0] = dim_constant(1);
  uint32_t x = kernel_add_load(kernel, from), by = kernel_add_constant(kernel, factor);
  kernel_add_store(kernel, kernel_add_op(kernel, OP_MULTIPLY, x, by, 0), to);
  return kernel;
}

/* A launch each of kernels that scale by first, first + 1, ... */
static const Program *scale_program(Arena *arena, int first, int count) {
  static const int64_t counts[] = {ROW, ROW};
  KernelBench *bench = bench_create(arena);
  for (int k = 0; k < count; k++) bench_add(bench, scale_kernel(arena, first + k), counts, 0, 1, 0);
  return &bench->program;
}

static CodegenObjects compile(const Program *program, const CodegenOptions *options, Arena *arena) {
  CodegenObjects objects;
  const char *message = "";
  if (codegen_library()->compile(program, "net", options, arena, &objects, &message)) ck_abort_msg("%s", message);
  return objects;
}

static CodegenOptions cached_options(char path[128]) {
  return (CodegenOptions){.threads = 2, .cache_folder = in_folder("cache", path)};
}

/* Compiles; the result must be `expected`, `hits` objects of it from the cache. */
static void expect_hits(const Program *program, const CodegenOptions *options, uint32_t hits,
                        const CodegenObjects *expected, Arena *arena) {
  CodegenObjects objects = compile(program, options, arena);
  ck_assert_uint_eq(objects.times.cached, hits);
  ck_assert_msg(!objects.cache_problem, "%s", objects.cache_problem);
  for (uint32_t k = 0; expected && k < objects.count; k++) {
    ck_assert_uint_eq(objects.object[k].size, expected->object[k].size);
    ck_assert_mem_eq(objects.object[k].bytes, expected->object[k].bytes, objects.object[k].size);
  }
}

/* Does something to every file of the folder; returns how many there are. */
static int for_each_file(const char *folder, void (*action)(const char *path)) {
  DIR *directory = opendir(folder);
  ck_assert_ptr_nonnull(directory);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(directory));) {
    if (entry->d_name[0] == '.') continue;
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (action) action(path);
    count++;
  }
  closedir(directory);
  return count;
}

START_TEST(a_warm_start_compiles_nothing) {
  Arena *arena = arena_create();
  char path[128];
  CodegenOptions options = cached_options(path), alone = options;
  const Program *program = scale_program(arena, 1, 4);
  CodegenObjects expected = compile(program, &options, arena);
  ck_assert_uint_eq(expected.count, 5);
  ck_assert_uint_eq(expected.times.cached, 0);
  ck_assert_int_eq(for_each_file(path, NULL), 5);
  expect_hits(program, &options, 5, &expected, arena);
  alone.threads = 1;
  expect_hits(program, &alone, 5, &expected, arena);
  alone.cache_folder = NULL;
  expect_hits(program, &alone, 0, &expected, arena);
  arena_destroy(arena);
}
END_TEST

/* Programs share kernels: only what is new is compiled, the entry points with it. */
START_TEST(equal_kernels_of_programs_are_compiled_once) {
  Arena *arena = arena_create();
  char path[128];
  CodegenOptions options = cached_options(path);
  expect_hits(scale_program(arena, 1, 4), &options, 0, NULL, arena);
  expect_hits(scale_program(arena, 3, 4), &options, 2, NULL, arena);
  expect_hits(scale_program(arena, 1, 6), &options, 6, NULL, arena);
  arena_destroy(arena);
}
END_TEST

/* Of the first two only the CPU's name differs: lanes and instructions that emitters know of are the same. */
static const struct {
  CodegenOptions options;
  uint32_t shared; /* with those before */
} TARGETS[] = {
    {{.triple = "x86_64-linux-gnu", .cpu = "haswell"}, 0},
    {{.triple = "x86_64-linux-gnu", .cpu = "broadwell"}, 0},
    {{.triple = "x86_64-unknown-linux-musl", .cpu = "haswell"}, 0},
    {{.triple = "x86_64-linux-gnu", .cpu = "skylake-avx512"}, 0},
    {{.triple = "x86_64-linux-gnu", .cpu = "skylake-avx512", .lanes = 4}, 1}, /* entry points have no vectors */
    {{.triple = "aarch64-linux-gnu"}, 0},
};

START_TEST(targets_share_no_code) {
  Arena *arena = arena_create();
  char path[128];
  for (int round = 0; round < 2; round++) {
    for (size_t k = 0; k < sizeof TARGETS / sizeof *TARGETS; k++) {
      CodegenOptions options = TARGETS[k].options;
      options.cache_folder = in_folder("cache", path);
      expect_hits(scale_program(arena, 1, 2), &options, round ? 3 : TARGETS[k].shared, NULL, arena);
    }
  }
  arena_destroy(arena);
}
END_TEST

static void flip_bit(const char *path, long position) {
  FILE *file = fopen(path, "r+b");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_eq(fseek(file, position, SEEK_SET), 0);
  int byte = fgetc(file);
  ck_assert_int_eq(fseek(file, position, SEEK_SET), 0);
  fputc(byte ^ 1, file);
  fclose(file);
}

static void damage_magic(const char *path) { flip_bit(path, 0); }
static void damage_size(const char *path) { flip_bit(path, 15); }
static void damage_checksum(const char *path) { flip_bit(path, 20); }
static void damage_object(const char *path) { flip_bit(path, 200); }
static void shorten(const char *path) { ck_assert_int_eq(truncate(path, 100), 0); }
static void shorten_header(const char *path) { ck_assert_int_eq(truncate(path, 7), 0); }
static void make_empty(const char *path) { ck_assert_int_eq(truncate(path, 0), 0); }

static void lengthen(const char *path) {
  struct stat status;
  ck_assert_int_eq(stat(path, &status), 0);
  ck_assert_int_eq(truncate(path, status.st_size + 1), 0);
}

/* A sound entry under the name of another one. */
static void exchange(const char *path) {
  static char first[1024];
  char command[2100];
  snprintf(command, sizeof command, first[0] ? "cp '%s' '%s'" : "true", first, path);
  ck_assert_int_eq(system(command), 0);
  snprintf(first, sizeof first, "%s", path);
}

static void let_others_write(const char *path) { ck_assert_int_eq(chmod(path, 0622), 0); }

static void make_pipe(const char *path) {
  ck_assert_int_eq(unlink(path), 0);
  ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void make_link(const char *path) {
  char elsewhere[1100];
  snprintf(elsewhere, sizeof elsewhere, "../linked-%s", strrchr(path, '/') + 1);
  ck_assert_int_eq(rename(path, elsewhere + 3), 0);
  ck_assert_int_eq(symlink(elsewhere, path), 0);
}

/* Only root can. */
static void give_away(const char *path) { ck_assert(chown(path, 65534, 65534) == 0 || geteuid() != 0); }

static void make_folder(const char *path) {
  ck_assert_int_eq(unlink(path), 0);
  ck_assert_int_eq(mkdir(path, 0700), 0);
}

static const struct {
  void (*action)(const char *path);
  uint32_t left; /* entries that are sound still, once all files have been treated */
  bool stays;    /* no entry can take its place */
} DAMAGES[] = {
    {damage_magic, 0, false}, {damage_size, 0, false},    {damage_checksum, 0, false},  {damage_object, 0, false},
    {shorten, 0, false},      {shorten_header, 0, false}, {make_empty, 0, false},       {lengthen, 0, false},
    {exchange, 1, false},     {make_folder, 0, true},     {let_others_write, 0, false}, {make_pipe, 0, false},
    {make_link, 0, false},    {give_away, 0, false},
};

START_TEST(damaged_entries_are_compiled_and_replaced) {
  Arena *arena = arena_create();
  char path[128];
  CodegenOptions options = cached_options(path);
  const Program *program = scale_program(arena, 1, 2);
  CodegenObjects expected = compile(program, &options, arena);
  ck_assert_int_eq(for_each_file(path, DAMAGES[_i].action), 3);
  bool none = DAMAGES[_i].action == give_away && geteuid() != 0;
  expect_hits(program, &options, none ? 3 : DAMAGES[_i].left, &expected, arena);
  expect_hits(program, &options, DAMAGES[_i].stays ? 0 : 3, &expected, arena);
  ck_assert_int_eq(for_each_file(path, NULL), 3);
  arena_destroy(arena);
}
END_TEST

static mode_t mode_of(const char *path) {
  struct stat status;
  ck_assert_int_eq(lstat(path, &status), 0);
  return status.st_mode & 07777;
}

static void check_private(const char *path) { ck_assert_uint_eq(mode_of(path), 0600); }

START_TEST(folders_are_made_for_their_owner_alone) {
  Arena *arena = arena_create();
  char home[128], parent[160], folder[192];
  mode_t before = umask(0);
  snprintf(parent, sizeof parent, "%s/above", in_folder("home", home));
  snprintf(folder, sizeof folder, "%s/simbac", parent);
  CodegenOptions options = {.threads = 1, .cache_folder = folder};
  expect_hits(scale_program(arena, 1, 1), &options, 0, NULL, arena);
  umask(before);
  ck_assert_uint_eq(mode_of(home), 0700);
  ck_assert_uint_eq(mode_of(parent), 0700);
  ck_assert_uint_eq(mode_of(folder), 0700);
  ck_assert_int_eq(for_each_file(folder, check_private), 2);
  arena_destroy(arena);
}
END_TEST

/* Compiles with a folder that must not be used, and says why. */
static void expect_problem(const CodegenOptions *options, const char *problem) {
  Arena *arena = arena_create();
  CodegenObjects objects = compile(scale_program(arena, 1, 2), options, arena);
  ck_assert_uint_eq(objects.times.cached, 0);
  ck_assert_ptr_nonnull(objects.cache_problem);
  ck_assert_msg(strstr(objects.cache_problem, problem) && strstr(objects.cache_problem, options->cache_folder), "%s",
                objects.cache_problem);
  arena_destroy(arena);
}

START_TEST(folders_that_others_write_to_are_refused) {
  Arena *arena = arena_create();
  char path[128];
  CodegenOptions options = cached_options(path);
  expect_hits(scale_program(arena, 1, 2), &options, 0, NULL, arena);
  ck_assert_int_eq(chmod(path, 0755), 0);
  expect_hits(scale_program(arena, 1, 2), &options, 3, NULL, arena);
  ck_assert_int_eq(chmod(path, 0770), 0);
  expect_problem(&options, "other users may write");
  ck_assert_int_eq(chmod(path, 0702), 0);
  expect_problem(&options, "other users may write");
  ck_assert_int_eq(chmod(path, 0700), 0);
  if (geteuid() == 0) {
    ck_assert_int_eq(chown(path, 65534, 65534), 0);
    expect_problem(&options, "belongs to another user");
  }
  arena_destroy(arena);
}
END_TEST

START_TEST(what_is_no_folder_is_done_without) {
  Arena *arena = arena_create();
  char path[128];
  CodegenOptions options = {.cache_folder = "/proc/no/such/folder"};
  expect_problem(&options, "No such file");
  options.cache_folder = "";
  expect_problem(&options, "No such file");
  options.cache_folder = in_folder("file", path);
  fclose(fopen(path, "w"));
  expect_problem(&options, "Not a directory");
  arena_destroy(arena);
}
END_TEST

/* One that is full or read-only is read, and what cannot be stored is compiled each time. Root writes anywhere. */
START_TEST(a_folder_that_cannot_be_written_is_read) {
  Arena *arena = arena_create();
  char path[128];
  CodegenOptions options = cached_options(path);
  expect_hits(scale_program(arena, 1, 2), &options, 0, NULL, arena);
  ck_assert_int_eq(chmod(path, 0500), 0);
  for (int round = 0; round < 2 && geteuid() != 0; round++)
    expect_hits(scale_program(arena, 1, 4), &options, 2, NULL, arena);
  ck_assert_int_eq(chmod(path, 0700), 0);
  arena_destroy(arena);
}
END_TEST

static void check_finished(const char *path) { ck_assert_msg(!strstr(path, "unfinished"), "%s", path); }

START_TEST(processes_share_a_folder) {
  enum { PROCESSES = 4, ROUNDS = 3 };
  Arena *arena = arena_create();
  char path[128];
  CodegenOptions options = cached_options(path);
  pid_t process[PROCESSES];
  for (int k = 0; k < PROCESSES; k++) {
    process[k] = fork();
    ck_assert_int_ge(process[k], 0);
    if (process[k]) continue;
    bool same = true;
    for (int round = 0; round < ROUNDS; round++) {
      const Program *program = scale_program(arena, 1, 1 + round);
      CodegenOptions without = {.threads = 1};
      CodegenObjects here = compile(program, &options, arena), expected = compile(program, &without, arena);
      for (uint32_t o = 0; o < here.count; o++)
        same &= here.object[o].size == expected.object[o].size &&
                !memcmp(here.object[o].bytes, expected.object[o].bytes, here.object[o].size);
    }
    _exit(same ? 0 : 1);
  }
  for (int k = 0; k < PROCESSES; k++) {
    int status = -1;
    ck_assert_int_eq(waitpid(process[k], &status, 0), process[k]);
    ck_assert_int_eq(status, 0);
  }
  ck_assert_int_eq(for_each_file(path, check_finished), 3 + ROUNDS);
  expect_hits(scale_program(arena, 1, ROUNDS), &options, 1 + ROUNDS, NULL, arena);
  arena_destroy(arena);
}
END_TEST

/* A file of `size` bytes, nothing of which is on the disk, that was used `age` seconds ago. */
static void add_sparse_file(const char *folder, const char *name, off_t size, time_t age) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  ck_assert_int_ge(file, 0);
  ck_assert_int_eq(ftruncate(file, size), 0);
  struct timespec times[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};
  ck_assert_int_eq(futimens(file, times), 0);
  close(file);
}

static bool exists(const char *folder, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return access(path, F_OK) == 0;
}

#define EIGHT(digit) digit digit digit digit digit digit digit digit
#define ENTRY(digit) EIGHT(EIGHT(digit)) ".o"

START_TEST(what_was_used_longest_ago_goes) {
  static const char *const others[] = {"somebody's.o", "unfinished-work.o", EIGHT("0") ".o", ENTRY("0") ".o"};
  enum { OTHERS = sizeof others / sizeof *others };
  Arena *arena = arena_create();
  char path[128];
  CodegenOptions options = cached_options(path);
  expect_hits(scale_program(arena, 1, 1), &options, 0, NULL, arena);
  const char *oldest = ENTRY("a"), *old = ENTRY("b"), *new = ENTRY("c"), *newest = ENTRY("d");
  const char *dead = "unfinished-1-" ENTRY("e"), *alive = "unfinished-2-" ENTRY("e");
  add_sparse_file(path, oldest, 40 * MEGABYTE, 4000);
  add_sparse_file(path, old, 40 * MEGABYTE, 3000);
  add_sparse_file(path, new, 40 * MEGABYTE, 1000);
  add_sparse_file(path, dead, 1, 4000);
  add_sparse_file(path, alive, 1, 1000);
  for (int k = 0; k < OTHERS; k++) add_sparse_file(path, others[k], 40 * MEGABYTE, 5000);
  expect_hits(scale_program(arena, 1, 1), &options, 2, NULL, arena); /* nothing stored, nothing looked at */
  ck_assert(exists(path, dead));
  expect_hits(scale_program(arena, 1, 2), &options, 1, NULL, arena);
  ck_assert(exists(path, oldest)); /* 120 MB are not too many */
  ck_assert(!exists(path, dead));
  ck_assert(exists(path, alive));
  add_sparse_file(path, newest, 20 * MEGABYTE, 500);
  expect_hits(scale_program(arena, 1, 3), &options, 2, NULL, arena);
  ck_assert(!exists(path, oldest) && !exists(path, old));
  ck_assert(exists(path, new) && exists(path, newest));
  for (int k = 0; k < OTHERS; k++) ck_assert(exists(path, others[k]));
  expect_hits(scale_program(arena, 1, 3), &options, 4, NULL, arena);
  arena_destroy(arena);
}
END_TEST

/* A hit counts as use. */
START_TEST(what_is_used_stays) {
  Arena *arena = arena_create();
  char path[128], command[192];
  CodegenOptions options = cached_options(path);
  expect_hits(scale_program(arena, 1, 2), &options, 0, NULL, arena);
  snprintf(command, sizeof command, "touch -d '2 days ago' %s/*", path);
  ck_assert_int_eq(system(command), 0);
  expect_hits(scale_program(arena, 1, 1), &options, 1, NULL, arena); /* entry points of their own */
  add_sparse_file(path, ENTRY("f"), 130 * MEGABYTE, 3600);
  expect_hits(scale_program(arena, 5, 1), &options, 0, NULL, arena);
  ck_assert(!exists(path, ENTRY("f")));
  expect_hits(scale_program(arena, 1, 1), &options, 2, NULL, arena);
  expect_hits(scale_program(arena, 2, 1), &options, 0, NULL, arena);
  arena_destroy(arena);
}
END_TEST

int main(void) {
  codegen_library(); /* loaded once, before the tests fork */
  Suite *suite = suite_create("codegen_cache");
  TCase *cases = tcase_create("cache");
  tcase_add_checked_fixture(cases, enter_folder, leave_folder);
  tcase_set_timeout(cases, 300);
  tcase_add_test(cases, a_warm_start_compiles_nothing);
  tcase_add_test(cases, equal_kernels_of_programs_are_compiled_once);
  tcase_add_test(cases, targets_share_no_code);
  tcase_add_loop_test(cases, damaged_entries_are_compiled_and_replaced, 0, (int)(sizeof DAMAGES / sizeof *DAMAGES));
  tcase_add_test(cases, folders_are_made_for_their_owner_alone);
  tcase_add_test(cases, folders_that_others_write_to_are_refused);
  tcase_add_test(cases, what_is_no_folder_is_done_without);
  tcase_add_test(cases, a_folder_that_cannot_be_written_is_read);
  tcase_add_test(cases, processes_share_a_folder);
  tcase_add_test(cases, what_was_used_longest_ago_goes);
  tcase_add_test(cases, what_is_used_stays);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
