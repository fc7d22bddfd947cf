# shellcheck shell=bash source-path=SCRIPTDIR
# An exported library, as its user has it: the bits of `simbac run`, from ten threads at once, libc and libm only.
. "$(dirname "$0")/common.sh"
: "${TENSORS:?the tool of tests/support/tensors.c}"

model=$SOURCE/examples/forecaster.simba
settings=(--set lookback=24 --set horizon=8 --set channels=3 --set d_model=16 --set depth=1 --set d_state=4)
{ head -n 1 "$SOURCE/examples/data/seattle-hourly.csv"; sed -n '2,401p' "$SOURCE/examples/data/seattle-hourly.csv"; } >series.csv
expect 0 "$SIMBAC" train "$model" "${settings[@]}" --data series.csv --out run --epochs 1
weights=run/weights.safetensors

expect 0 "$SIMBAC" compile "$model" "${settings[@]}" --weights $weights -o libforecaster.so
[ -s forecaster.h ] || fail "no header"
grep -q 'forecaster_deviation\[3\]' forecaster.h || fail "the header has no standardisation"
cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$SOURCE/tests/support/forecast_client.c" -I. -L. -lforecaster -pthread -lm \
  -Wl,-rpath,"$PWD" -o client
expect 0 "$TENSORS" make $weights in.safetensors x.raw 5 24 3
for threads in 1 2; do
  expect 0 "$SIMBAC" run "$model" "${settings[@]}" --tensors in.safetensors --out out.safetensors --threads $threads
  expect 0 "$TENSORS" raw out.safetensors out.y y_run.raw
  expect 0 ./client x.raw y_client.raw 5
  same y_run.raw y_client.raw
done

# The weights from their own file, beside tensors that have others.
expect 0 "$SIMBAC" run "$model" "${settings[@]}" --tensors in.safetensors --weights $weights --check out.safetensors --tolerance 0
says "ok    out.y"
expect 1 "$SIMBAC" run "$model" "${settings[@]}" --set d_model=8 --tensors in.safetensors --weights $weights --out other.safetensors
says "$weights: 23 of another shape"

# The header is C99 and C++, beside simba.h too.
{ echo '#include "forecaster.h"'; echo '#include "runtime/simba.h"'; echo '#include "forecaster.h"'; } >header.c
strict=(-Wall -Wextra -Wpedantic -Werror -fsyntax-only -I. -I"$SOURCE")
cc -std=c99 "${strict[@]}" header.c
if command -v c++ >/dev/null; then c++ -std=c++11 -x c++ "${strict[@]}" header.c; fi

# Nothing but libc and libm; only the model's own names; little code.
if ldd libforecaster.so | grep -vE 'linux-vdso|libc\.so|libm\.so|ld-linux|statically linked'; then fail "needs more than libc and libm"; fi
nm -D --defined-only libforecaster.so | awk '{ print $3 }' >names
expect 0 "$SIMBAC" compile "$model" "${settings[@]}" -o forecaster.o
nm -g --defined-only forecaster.o | awk '{ print $3 }' >>names
if grep -v '^forecaster_' names; then fail "symbols that are not the model's"; fi
text=$(size libforecaster.so | awk 'NR == 2 { print $1 }')
data=$(stat -c %s $weights)
[ $((text - data)) -lt 1000000 ] || fail "$((text - data)) bytes of code"

# The other forms link too.
for form in a o; do
  expect 0 "$SIMBAC" compile "$model" "${settings[@]}" --weights $weights -o forecaster.$form
  cc -std=c11 "$SOURCE/tests/support/forecast_client.c" -I. forecaster.$form -pthread -lm -o client_$form
  expect 0 ./client_$form x.raw y_$form.raw 5
  same y_run.raw y_$form.raw
done
if readelf -SW forecaster.o | grep -E 'init_array|fini_array|ctors|dtors'; then fail "work to do when it is loaded"; fi

# The example's program.
expect 0 "$SIMBAC" compile "$model" "${settings[@]}" --weights $weights -o libforecaster.so
cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$SOURCE/examples/forecast.c" -I. -L. -lforecaster -lm -Wl,-rpath,"$PWD" -o forecast
expect 0 ./forecast series.csv
[ "$(wc -l <out)" = 9 ] || fail "not a table of 8 steps: $(cat out)"
cp out table
sed 's/$/\r/' series.csv >dos.csv
expect 0 ./forecast dos.csv
same out table
sed '7s/,[^,]*$/,calm/' series.csv >bad.csv
expect 1 ./forecast bad.csv
says "bad.csv:7"
expect 1 ./forecast absent.csv
says "absent.csv: cannot be read"
head -n 20 series.csv >short.csv
expect 1 ./forecast short.csv
says "looks back"

# Mistakes leave nothing half-written: not a new file, and what was there before stays.
mkdir bad && cd bad
refused() { # CODE TEXT ARGUMENTS...: refused with the code and a message that holds the text
  expect "$1" env "${environment[@]}" "$SIMBAC" compile "$model" "${settings[@]}" "${@:3}"
  says "$2"
  rm -f out err
  [ -z "$(ls -A)" ] || fail "left behind: $(ls -A)"
}
environment=()
trained=(--weights ../$weights)
refused 1 ".so, .a or .o" "${trained[@]}" -o forecaster.dll
refused 1 "$weights" --set d_model=32 "${trained[@]}" -o libforecaster.so
refused 3 "none.safetensors" --weights none.safetensors -o libforecaster.so
refused 3 "absent" "${trained[@]}" -o absent/libforecaster.so
refused 3 "series.csv" "${trained[@]}" -o ../series.csv/libforecaster.so
refused 1 "write libforecaster.o or .a" --target aarch64-linux-gnu -o libforecaster.so
refused 1 "known are" --target nonsense -o forecaster.o
refused 2 "simbac's kernels only" --kernels library -o libforecaster.so
environment=(CC=no-such-compiler)
refused 3 "no-such-compiler" "${trained[@]}" -o libforecaster.so
environment=(CC=false)
refused 3 "'false' failed" "${trained[@]}" -o libforecaster.so
environment=(PATH=)
refused 3 "needs 'cc'" "${trained[@]}" -o libforecaster.so
refused 3 "needs 'ar'" "${trained[@]}" -o libforecaster.a
cd ..
echo old >kept.so && echo old >kept.h && cp kept.so kept
expect 3 env PATH= "$SIMBAC" compile "$model" "${settings[@]}" -o kept.so
same kept kept.so
same kept kept.h
mkdir taken.h
expect 3 "$SIMBAC" compile "$model" "${settings[@]}" -o taken.so
says "taken.h"
[ ! -e taken.so ] || fail "a library without its header"
code=0
(ulimit -f 8 && "$SIMBAC" compile "$model" "${settings[@]}" -o full.so >out 2>err) || code=$?
[ "$code" = 3 ] || fail "a full disk gives exit code $code: $(cat err)"
# Names that the tools could take for options, lists of files or several words.
for name in a,b.so @c.so =d.so -e.so -f.a @g.a; do
  expect 0 "$SIMBAC" compile "$model" "${settings[@]}" "--output=$name"
  [ -s "./$name" ] || fail "no $name"
done
readelf -d a,b.so >out 2>err
says "soname: [a,b.so]"
# Ended while the linker runs: it is waited for, and nothing is left.
printf '#!/bin/sh\ntouch linking\nsleep 1\nexec cc "$@"\n' >slow-cc && chmod +x slow-cc
CC=./slow-cc "$SIMBAC" compile "$model" "${settings[@]}" -o libended.so >out 2>err &
child=$!
while [ ! -e linking ]; do sleep 0.05; done
kill -TERM $child
code=0
wait $child || code=$?
[ "$code" = 143 ] || fail "ended with $code: $(cat err)"
left=$(find . -name '*.part*' -o -name '*.tmp' -o -name 'full.*')
[ -z "$left" ] || fail "left behind: $left"
