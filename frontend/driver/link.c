#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { OUTPUT_MAX = 4096 };

static const char *tool_name(const char *given, const char *variable, const char *usual) {
  if (given) return given;
  const char *name = getenv(variable);
  return name && *name ? name : usual;
}

/* What the tool writes; the rest of a long text is read and dropped, so that it never waits for us. */
static char *read_output(int pipe, Arena *arena) {
  char *text = arena_allocate(arena, OUTPUT_MAX + 1), rest[OUTPUT_MAX];
  size_t length = 0;
  for (;;) {
    bool full = length == OUTPUT_MAX;
    ssize_t count = full ? read(pipe, rest, sizeof rest) : read(pipe, text + length, OUTPUT_MAX - length);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    if (!full) length += (size_t)count;
  }
  while (length && text[length - 1] == '\n') length--;
  text[length] = '\0';
  return text;
}

/* The tool takes signals that this thread may hold back (runtime/file.h). */
static int spawn(char *const *arguments, int output, pid_t *out_child) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int error = posix_spawn_file_actions_init(&actions);
  if (error) return error;
  error = posix_spawnattr_init(&attributes);
  if (error) {
    posix_spawn_file_actions_destroy(&actions);
    return error;
  }
  sigset_t none;
  sigemptyset(&none);
  error = posix_spawnattr_setsigmask(&attributes, &none);
  if (!error) error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  if (!error) error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (!error) error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  if (!error) error = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  if (!error) error = posix_spawnp(out_child, arguments[0], &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

static const char *spawn_failure(const char *tool, const char *what, int error, Arena *arena) {
  if (error == ENOENT)
    return arena_format(arena,
                        "%s needs '%s', which is not installed or not in PATH; install it (on Debian: apt install gcc "
                        "binutils), or ask for an object (.o) and link it yourself",
                        what, tool);
  return arena_format(arena, "%s: '%s' could not be started: %s", what, tool, strerror(error));
}

/* Runs a tool to its end. */
static bool run_tool(char *const *arguments, const char *what, Arena *arena, const char **out_message) {
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC)) {
    *out_message = arena_format(arena, "%s: %s", what, strerror(errno));
    return false;
  }
  pid_t child = 0;
  int error = spawn(arguments, pipe[1], &child);
  close(pipe[1]);
  char *output = error ? NULL : read_output(pipe[0], arena);
  close(pipe[0]);
  if (error) {
    *out_message = spawn_failure(arguments[0], what, error, arena);
    return false;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) break;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  *out_message = WIFEXITED(status)
                     ? arena_format(arena, "%s: '%s' failed: %s", what, arguments[0], output)
                     : arena_format(arena, "%s: '%s' was ended by a signal: %s", what, arguments[0], output);
  return false;
}

/* A path that no tool takes for something else, as it would "-x.o", "@x.o" and "=x.o". */
static char *file_argument(const char *path, Arena *arena) {
  return arena_format(arena, path[0] == '/' ? "%s" : "./%s", path);
}

/* Runs the tool, which writes `temporary`, and renames: `library_path` is whole or as it was. */
static bool make_library(char *const arguments[], const char *what, const char *temporary, const char *library_path,
                         Arena *arena, const char **out_message) {
  bool made = run_tool(arguments, what, arena, out_message);
  if (made && rename(temporary, library_path) == 0) return true;
  if (made) *out_message = arena_format(arena, "%s: cannot write %s: %s", what, library_path, strerror(errno));
  unlink(temporary);
  return false;
}

bool export_link_shared(const char *object_path, const char *library_path, const char *compiler, Arena *arena,
                        const char **out_message) {
  const char *slash = strrchr(library_path, '/'), *name = slash ? slash + 1 : library_path;
  char *temporary = arena_format(arena, "%s.part", file_argument(library_path, arena));
  char *arguments[] = {arena_format(arena, "%s", tool_name(compiler, "CC", "cc")),
                       "-shared",
                       "-Wl,-z,defs,-z,noexecstack,--as-needed",
                       "-Xlinker", /* -Wl would cut the name at a comma */
                       "-soname",
                       "-Xlinker",
                       arena_format(arena, "%s", name),
                       "-o",
                       temporary,
                       file_argument(object_path, arena),
                       "-lm",
                       NULL};
  return make_library(arguments, "linking a shared library", temporary, library_path, arena, out_message);
}

bool export_archive(const char *object_path, const char *library_path, const char *archiver, Arena *arena,
                    const char **out_message) {
  char *temporary = arena_format(arena, "%s.part", file_argument(library_path, arena));
  unlink(temporary); /* ar would add to it */
  char *arguments[] = {arena_format(arena, "%s", tool_name(archiver, "AR", "ar")), "rcsD", temporary,
                       file_argument(object_path, arena), NULL};
  return make_library(arguments, "making a static library", temporary, library_path, arena, out_message);
}
