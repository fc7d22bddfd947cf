# shellcheck shell=bash source-path=SCRIPTDIR
# Shared by the tests of the command line. Each test is a script of its own, run with SIMBAC (the executable) and SOURCE
# (the source tree) set, in an empty folder that goes when it ends. Any command that fails ends it.
set -euo pipefail
: "${SIMBAC:?the simbac executable}" "${SOURCE:?the source tree}"
folder=$(mktemp -d)
export XDG_CACHE_HOME=$folder.cache # never the user's
trap 'rm -rf "$folder" "$XDG_CACHE_HOME"' EXIT
cd "$folder"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# expect CODE COMMAND...: runs it, keeps its output in ./out and ./err, and fails where the exit code is another one.
expect() {
  local want=$1 code=0
  shift
  "$@" >out 2>err || code=$?
  if [ "$code" != "$want" ]; then
    cat out err >&2
    fail "exit code $code, expected $want: $*"
  fi
}

# says TEXT: the last command's stdout or stderr holds it.
says() {
  grep -qF -- "$1" out err || { cat out err >&2; fail "does not say: $1"; }
}

same() { cmp "$1" "$2" || fail "$1 and $2 differ"; }
