/* Whole files: the order of the system's calls behind an atomic write, each of them failing, links, and what must not
 * be replaced. The system's functions are defined here, in front of the C library's. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/file.h"
#include "tests/temporary_folder.h"
#include "tests/suite_run.h"

/* ---- The system ---- */

/* `calls` lists what was called while `watching`: l(ock), t(runcate), w(rite), s(ync), r(ename), d: sync of a folder.
 * The call with letter `failing` fails with `error` instead, once. */
static struct {
  bool watching;
  char calls[64], failing;
  int error;
  size_t count, most;       /* bytes that one write takes; 0: all */
  const char *published[2]; /* before the lock is taken, another writer renames the first to the second */
} kernel;

static bool fails(char letter) {
  if (!kernel.watching) return false;
  if (kernel.count + 1 < sizeof kernel.calls) kernel.calls[kernel.count++] = letter;
  if (kernel.failing != letter) return false;
  kernel.failing = 0;
  errno = kernel.error;
  return true;
}

int flock(int descriptor, int operation) {
  if (kernel.published[0]) {
    syscall(SYS_renameat2, AT_FDCWD, kernel.published[0], AT_FDCWD, kernel.published[1], 0);
    close(open(kernel.published[0], O_WRONLY | O_CREAT, 0666)); /* and a third begins */
    kernel.published[0] = NULL;
  }
  return fails('l') ? -1 : (int)syscall(SYS_flock, descriptor, operation);
}

int ftruncate(int descriptor, off_t size) { return fails('t') ? -1 : (int)syscall(SYS_ftruncate, descriptor, size); }

ssize_t write(int descriptor, const void *bytes, size_t size) {
  if (fails('w')) return -1;
  return syscall(SYS_write, descriptor, bytes,
                 kernel.watching && kernel.most && size > kernel.most ? kernel.most : size);
}

int fsync(int descriptor) {
  struct stat status;
  bool folder = fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode);
  return fails(folder ? 'd' : 's') ? -1 : (int)syscall(SYS_fsync, descriptor);
}

int rename(const char *from, const char *to) {
  return fails('r') ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

static simba_status write_watched(const char *path, const char *text, char failing, int failure, simba_error *error) {
  memset(&kernel, 0, sizeof kernel);
  kernel.watching = true;
  kernel.failing = failing;
  kernel.error = failure;
  simba_status status = file_write(path, text, strlen(text), error);
  kernel.watching = false;
  return status;
}

/* ---- Files ---- */

static void check_content(const char *path, const char *expected) {
  char *bytes = NULL;
  size_t size;
  ck_assert_int_eq(file_read(path, &bytes, &size, NULL), SIMBA_OK);
  ck_assert_str_eq(bytes, expected);
  ck_assert_uint_eq(size, strlen(expected));
  free(bytes);
}

static bool exists(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0;
}

static bool is_link(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

/* ---- Tests ---- */

START_TEST(content_before_name_before_folder) {
  char path[128];
  ck_assert_int_eq(write_watched(in_folder("a", path), "new", 0, 0, NULL), SIMBA_OK);
  ck_assert_str_eq(kernel.calls, "ltwsrd");
  check_content(path, "new");
}
END_TEST

static const struct Fault {
  char call;
  int error;
  const char *message; /* NULL: tolerated */
  bool published;      /* the new content is there although it failed */
} FAULTS[] = {
    {'l', ENOLCK, NULL}, /* a file system without locks */
    {'l', EOPNOTSUPP, NULL},
    {'l', EWOULDBLOCK, "another process is writing this file"},
    {'t', EIO, "cannot write: Input/output error"},
    {'w', ENOSPC, "cannot write: No space left on device"},
    {'w', EINTR, NULL},
    {'s', EIO, "cannot write: Input/output error"},
    {'s', ENOSPC, "cannot write: No space left on device"},
    {'s', EINVAL, NULL}, /* a file system that cannot sync */
    {'r', EACCES, "cannot write: Permission denied"},
    {'d', EIO, "cannot sync the folder of: Input/output error", true},
    {'d', EINVAL, NULL},
};

START_TEST(every_call_may_fail) {
  const struct Fault *fault = &FAULTS[_i];
  char path[128], temporary[128], expected[256];
  simba_error error = {0};
  ck_assert_int_eq(file_write(in_folder("a", path), "old", 3, NULL), SIMBA_OK);
  simba_status status = write_watched(path, "new", fault->call, fault->error, &error);
  ck_assert_int_eq(kernel.failing, 0);
  ck_assert_int_eq(status, fault->message ? SIMBA_IO_ERROR : SIMBA_OK);
  if (fault->message) {
    snprintf(expected, sizeof expected, "%s: %s", path, fault->message);
    ck_assert_str_eq(error.message, expected);
  }
  check_content(path, fault->message && !fault->published ? "old" : "new");
  /* The name is left for who holds the lock, and removed by who held it. */
  ck_assert_int_eq(exists(in_folder("a.tmp", temporary)), fault->call == 'l' && fault->message);
}
END_TEST

START_TEST(short_writes_go_on) {
  char path[128];
  memset(&kernel, 0, sizeof kernel);
  AtomicFile *file = NULL;
  ck_assert_int_eq(atomic_file_open(in_folder("a", path), &file, NULL), SIMBA_OK);
  kernel.watching = true;
  kernel.most = 3;
  ck_assert_int_eq(atomic_file_write(file, "0123456789", 10, NULL), SIMBA_OK);
  kernel.watching = false;
  ck_assert_str_eq(kernel.calls, "wwww");
  ck_assert_int_eq(atomic_file_commit(file, NULL), SIMBA_OK);
  check_content(path, "0123456789");
}
END_TEST

START_TEST(abandoned_files_leave_nothing) {
  char path[128], temporary[128];
  AtomicFile *file = NULL;
  ck_assert_int_eq(file_write(in_folder("a", path), "old", 3, NULL), SIMBA_OK);
  ck_assert_int_eq(atomic_file_open(path, &file, NULL), SIMBA_OK);
  ck_assert_int_eq(atomic_file_write(file, "new", 3, NULL), SIMBA_OK);
  ck_assert(exists(in_folder("a.tmp", temporary)));
  atomic_file_abandon(file);
  atomic_file_abandon(NULL);
  ck_assert(!exists(temporary));
  check_content(path, "old");
}
END_TEST

/* Another writer's file gets its final name after we have opened it and before we lock it: it is not cut. */
START_TEST(published_between_open_and_lock) {
  char path[128], temporary[128], text[8] = "";
  ck_assert_int_eq(file_write(in_folder("a.tmp", temporary), "other", 5, NULL), SIMBA_OK);
  int other = open(temporary, O_RDONLY);
  ck_assert_int_ge(other, 0);
  in_folder("a", path);
  memset(&kernel, 0, sizeof kernel);
  kernel.published[0] = temporary;
  kernel.published[1] = path;
  ck_assert_int_eq(file_write(path, "ours", 4, NULL), SIMBA_OK);
  ck_assert_int_eq(read(other, text, sizeof text), 5);
  ck_assert_str_eq(text, "other");
  close(other);
  check_content(path, "ours");
  ck_assert(!exists(temporary));
}
END_TEST

/* What a killed run left may be longer than what takes its place. */
START_TEST(leftovers_are_overwritten) {
  char path[128], temporary[128];
  ck_assert_int_eq(file_write(in_folder("a.tmp", temporary), "a long leftover", 15, NULL), SIMBA_OK);
  ck_assert_int_eq(file_write(in_folder("a", path), "new", 3, NULL), SIMBA_OK);
  check_content(path, "new");
  ck_assert(!exists(temporary));
}
END_TEST

START_TEST(links_stay) {
  char path[128], link[128], other[128];
  simba_error error = {0};
  ck_assert_int_eq(folder_create(in_folder("elsewhere", other), NULL), SIMBA_OK);
  ck_assert_int_eq(file_write(in_folder("elsewhere/a", path), "old", 3, NULL), SIMBA_OK);
  ck_assert_int_eq(symlink("elsewhere/a", in_folder("link", link)), 0);
  ck_assert_int_eq(file_write(link, "new", 3, NULL), SIMBA_OK);
  ck_assert(is_link(link));
  check_content(path, "new");
  /* But what someone put in the temporary file's place is not followed. */
  ck_assert_int_eq(symlink("elsewhere/a", in_folder("b.tmp", link)), 0);
  ck_assert_int_eq(file_write(in_folder("b", other), "b", 1, &error), SIMBA_IO_ERROR);
  check_content(path, "new");
  ck_assert_int_eq(unlink(link), 0);
  /* A link that leads nowhere is replaced. */
  ck_assert_int_eq(symlink("nowhere", in_folder("lost", link)), 0);
  ck_assert_int_eq(file_write(link, "found", 5, NULL), SIMBA_OK);
  ck_assert(!is_link(link));
  check_content(link, "found");
}
END_TEST

/* In a child: output goes to the file `path`, and what is written to it by name stands between what is printed. */
static void print_around(const char *path, const char *name) {
  int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (descriptor < 0 || dup2(descriptor, STDOUT_FILENO) < 0) _exit(2);
  bool complete = write(STDOUT_FILENO, "before ", 7) == 7 && file_write(name, "between ", 8, NULL) == SIMBA_OK &&
                  write(STDOUT_FILENO, "after", 5) == 5;
  _exit(!complete);
}

START_TEST(own_output_is_not_replaced) {
  char path[128], link[128], temporary[128];
  ck_assert_int_eq(symlink("/proc/self/fd/1", in_folder("stdout", link)), 0); /* as /dev/stdout */
  in_folder("captured", path);
  const char *const names[] = {link, path};
  for (int i = 0; i < 2; i++) {
    int status;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) print_around(path, names[i]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    check_content(path, "before between after");
    ck_assert(is_link(link));
    ck_assert(!exists(in_folder("stdout.tmp", temporary)));
  }
}
END_TEST

START_TEST(pipes_are_written_as_they_are) {
  char path[128], text[8] = "";
  simba_error error = {0};
  ck_assert_int_eq(mkfifo(in_folder("pipe", path), 0600), 0);
  int reader = open(path, O_RDONLY | O_NONBLOCK);
  ck_assert_int_ge(reader, 0);
  ck_assert_int_eq(file_write(path, "through", 7, &error), SIMBA_OK);
  ck_assert_int_eq(read(reader, text, 7), 7);
  ck_assert_str_eq(text, "through");
  close(reader);
  ck_assert_int_eq(file_write("/dev/full", "x", 1, &error), SIMBA_IO_ERROR);
  ck_assert_str_eq(error.message, "/dev/full: cannot write: No space left on device");
}
END_TEST

START_TEST(whole_files_are_read) {
  char *bytes, *large = malloc(300000);
  size_t size;
  simba_error error = {0};
  memset(large, 'x', 300000);
  char path[128];
  ck_assert_int_eq(file_write(in_folder("empty", path), "", 0, NULL), SIMBA_OK);
  check_content(path, "");
  ck_assert_int_eq(mkfifo(in_folder("pipe", path), 0600), 0); /* no size beforehand, and more than fits at first */
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) _exit(file_write(path, large, 300000, NULL) != SIMBA_OK);
  ck_assert_int_eq(file_read(path, &bytes, &size, &error), SIMBA_OK);
  ck_assert_int_eq(waitpid(child, NULL, 0), child);
  ck_assert_uint_eq(size, 300000);
  ck_assert_mem_eq(bytes, large, size);
  ck_assert_int_eq(bytes[size], 0);
  free(bytes);
  free(large);
  ck_assert_int_eq(file_read("/dev/zero", &bytes, &size, &error), SIMBA_IO_ERROR);
  ck_assert_str_eq(error.message, "/dev/zero: cannot read: a device, not a file");
}
END_TEST

START_TEST(folders_are_created) {
  char path[128], expected[256];
  simba_error error = {0};
  ck_assert_int_eq(folder_create(in_folder("a//b/c/", path), &error), SIMBA_OK);
  ck_assert_int_eq(folder_create(path, &error), SIMBA_OK);
  ck_assert(exists(in_folder("a/b/c", path)));
  ck_assert_int_eq(file_write(in_folder("a/file", path), "x", 1, NULL), SIMBA_OK);
  ck_assert_int_eq(folder_create(path, &error), SIMBA_IO_ERROR);
  snprintf(expected, sizeof expected, "%s: cannot create the folder: Not a directory", path);
  ck_assert_str_eq(error.message, expected);
  ck_assert_int_eq(folder_create("/", &error), SIMBA_OK);
  ck_assert_int_eq(folder_create("", &error), SIMBA_IO_ERROR);
}
END_TEST

START_TEST(folders_are_held_by_one) {
  int lock = -1, again = -1;
  simba_error error = {0};
  char expected[128];
  ck_assert_int_eq(folder_lock(temporary_folder, &lock, NULL), SIMBA_OK);
  ck_assert_int_eq(folder_lock(temporary_folder, &again, &error), SIMBA_IO_ERROR);
  snprintf(expected, sizeof expected, "%s: another process is working in this folder", temporary_folder);
  ck_assert_str_eq(error.message, expected);
  folder_unlock(lock);
  ck_assert_int_eq(folder_lock(temporary_folder, &again, NULL), SIMBA_OK);
  folder_unlock(again);
  folder_unlock(-1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_file");
  TCase *cases = tcase_create("file");
  tcase_add_checked_fixture(cases, enter_folder, leave_folder);
  tcase_add_test(cases, content_before_name_before_folder);
  tcase_add_loop_test(cases, every_call_may_fail, 0, (int)(sizeof FAULTS / sizeof *FAULTS));
  tcase_add_test(cases, short_writes_go_on);
  tcase_add_test(cases, abandoned_files_leave_nothing);
  tcase_add_test(cases, published_between_open_and_lock);
  tcase_add_test(cases, leftovers_are_overwritten);
  tcase_add_test(cases, links_stay);
  tcase_add_test(cases, own_output_is_not_replaced);
  tcase_add_test(cases, pipes_are_written_as_they_are);
  tcase_add_test(cases, whole_files_are_read);
  tcase_add_test(cases, folders_are_created);
  tcase_add_test(cases, folders_are_held_by_one);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
