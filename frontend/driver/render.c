#include "render.h"

#include "codegen_library.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The text goes through an unlinked temporary file, so that neither side can wait for the other. */
static int text_file(const char *text, size_t length) {
  char path[] = "/tmp/simbac-XXXXXX";
  const char *folder = getenv("TMPDIR");
  char *named = NULL;
  if (folder && asprintf(&named, "%s/simbac-XXXXXX", folder) < 0) return -1;
  int file = mkstemp(named ? named : path);
  if (file >= 0) unlink(named ? named : path);
  free(named);
  for (size_t done = 0; file >= 0 && done < length;) {
    ssize_t written = write(file, text + done, length - done);
    if (written <= 0) {
      close(file);
      return -1;
    }
    done += (size_t)written;
  }
  if (file >= 0) lseek(file, 0, SEEK_SET);
  return file;
}

static simba_status read_picture(int from, Text *out) {
  char bytes[1 << 14];
  ssize_t length;
  while ((length = read(from, bytes, sizeof bytes)) > 0) text_add(out, bytes, (size_t)length);
  return length == 0 ? SIMBA_OK : SIMBA_IO_ERROR;
}

simba_status render_dot(const char *dot, size_t length, const char *format, Text *out, simba_error *error) {
  char program[PATH_MAX];
  if (!executable_neighbour("simbac-render", program, sizeof program) || access(program, X_OK) != 0) {
    return error_set(error, SIMBA_IO_ERROR, "simbac-render is not beside this program; --format dot needs no helper");
  }
  int ends[2], input = text_file(dot, length);
  if (input < 0 || pipe(ends) != 0) {
    int reason = errno;
    if (input >= 0) close(input);
    return error_set_system(error, program, "start", reason);
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  pid_t child;
  char *const arguments[] = {program, (char *)format, NULL};
  int failed = posix_spawn(&child, program, &actions, NULL, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(input);
  close(ends[1]);
  simba_status status = failed ? SIMBA_IO_ERROR : read_picture(ends[0], out);
  close(ends[0]);
  if (failed) return error_set_system(error, program, "start", failed);
  int ended = 0;
  while (waitpid(child, &ended, 0) < 0 && errno == EINTR) continue;
  if (status == SIMBA_OK && WIFEXITED(ended) && WEXITSTATUS(ended) == 0) return SIMBA_OK;
  return error_set(error, SIMBA_IO_ERROR, "simbac-render could not draw the graph");
}
