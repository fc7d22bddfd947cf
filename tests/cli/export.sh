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
cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$SOURCE/tests/support/forecast_client.c" -I. -L. -lforecaster -pthread -lm \
  -Wl,-rpath,"$PWD" -o client
expect 0 "$TENSORS" make $weights in.safetensors x.raw 5 24 3
for threads in 1 2; do
  expect 0 "$SIMBAC" run "$model" "${settings[@]}" --tensors in.safetensors --out out.safetensors --threads $threads
  expect 0 "$TENSORS" raw out.safetensors out.y y_run.raw
  expect 0 ./client x.raw y_client.raw 5
  same y_run.raw y_client.raw
done

# Nothing but libc and libm; only the model's own names; little code.
if ldd libforecaster.so | grep -vE 'linux-vdso|libc\.so|libm\.so|ld-linux|statically linked'; then fail "needs more than libc and libm"; fi
nm -D --defined-only libforecaster.so | awk '{ print $3 }' >names
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

# The example's program.
expect 0 "$SIMBAC" compile "$model" "${settings[@]}" --weights $weights -o libforecaster.so
cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$SOURCE/examples/forecast.c" -I. -L. -lforecaster -lm -Wl,-rpath,"$PWD" -o forecast
expect 0 ./forecast series.csv
[ "$(wc -l <out)" = 9 ] || fail "not a table of 8 steps: $(cat out)"
sed '7s/,[^,]*$/,calm/' series.csv >bad.csv
expect 1 ./forecast bad.csv
says "bad.csv:7"

# Mistakes leave nothing half-written.
rm -f libforecaster.so forecaster.h
expect 1 "$SIMBAC" compile "$model" "${settings[@]}" --weights $weights -o forecaster.dll
says ".so, .a or .o"
expect 1 "$SIMBAC" compile "$model" "${settings[@]}" --set d_model=32 --weights $weights -o libforecaster.so
says "$weights"
expect 3 "$SIMBAC" compile "$model" "${settings[@]}" --weights $weights -o absent/libforecaster.so
says "absent"
expect 3 env CC=no-such-compiler "$SIMBAC" compile "$model" "${settings[@]}" --weights $weights -o libforecaster.so
says "no-such-compiler"
expect 2 "$SIMBAC" compile "$model" --kernels library -o libforecaster.so
left=$(ls | grep -E '\.part|\.so$' || true)
[ -z "$left" ] || fail "left behind: $left"
