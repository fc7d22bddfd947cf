# shellcheck shell=bash source-path=SCRIPTDIR
# Training on a small series: the same bits from any number of threads and from interrupted, killed and resumed runs.
. "$(dirname "$0")/common.sh"

model=$SOURCE/examples/forecaster.simba
{ head -n 1 "$SOURCE/examples/data/seattle-hourly.csv"; sed -n '2,601p' "$SOURCE/examples/data/seattle-hourly.csv"; } >series.csv
small=(--set lookback=24 --set horizon=8 --set d_model=16 --set depth=1 --set d_state=4 --set recipe.batch=16 --set recipe.average=0.9)
train() { # DIR [OPTION...]
  local to=$1
  shift
  "$SIMBAC" train "$model" "${small[@]}" --data series.csv --out "$to" --epochs 3 --seed 7 "$@"
}

expect 0 train whole --threads 2
for name in checkpoint.safetensors weights.safetensors metrics.jsonl loss.png; do
  [ -s whole/$name ] || fail "whole/$name is missing"
done
says "best epoch"

expect 0 train one --threads 1
same whole/weights.safetensors one/weights.safetensors

# A folder that holds a run is not overwritten.
expect 1 train one
says "--resume continues it"

# Ctrl-C, several times, each after some steps: saves, says how to go on, exits with 130, and in the end gives the same
# bits.
resume=()
for lines in 2 5 9; do
  train broken "${resume[@]}" >out 2>err &
  pid=$!
  while kill -0 $pid 2>/dev/null && [ "$(cat broken/metrics.jsonl 2>/dev/null | wc -l)" -lt $lines ]; do sleep 0.01; done
  kill -INT $pid 2>/dev/null || true
  code=0
  wait $pid || code=$?
  resume=(--resume)
  [ "$code" != 0 ] || break
  [ "$code" = 130 ] || fail "exit code $code: $(cat err)"
  says "interrupted at step"
  says "--resume"
done
expect 0 train broken --resume
same whole/weights.safetensors broken/weights.safetensors
same whole/metrics.jsonl broken/metrics.jsonl

# Before there is anything to save it ends at once. --foreground: one signal; without it the group gets a second one.
code=0
timeout --foreground --preserve-status -s INT 0.2 "$SIMBAC" train "$model" "${small[@]}" --data series.csv --out early --no-cache >out 2>err || code=$?
[ "$code" = 130 ] || fail "exit code $code: $(cat err)"
[ ! -e early ] || says "--resume"

# kill -9 at any moment leaves a checkpoint that loads.
resume=()
for pause in 0.7 0.9 1.1 1.3; do
  timeout -s KILL $pause "$SIMBAC" train "$model" "${small[@]}" --data series.csv --out killed --epochs 3 --seed 7 "${resume[@]}" \
    >out 2>err || true
  [ -f killed/checkpoint.safetensors ] && resume=(--resume)
done
expect 0 train killed "${resume[@]}"
same whole/weights.safetensors killed/weights.safetensors

# The best weights evaluate, as text and as JSON, with a picture.
expect 0 "$SIMBAC" eval "$model" "${small[@]}" --data series.csv --weights whole/weights.safetensors --picture forecast.png
says mse
[ -s forecast.png ] || fail "no picture"
ln -s /dev/null nowhere.png
expect 0 "$SIMBAC" eval "$model" "${small[@]}" --data series.csv --weights whole/weights.safetensors --picture nowhere.png
[ -L nowhere.png ] || fail "a picture took the place of a link"
expect 2 "$SIMBAC" eval "$model" "${small[@]}" --data series.csv --weights whole/weights.safetensors --picture forecast.gif
expect 0 "$SIMBAC" eval "$model" "${small[@]}" --data series.csv --weights whole/weights.safetensors --json
grep -q '"split":"test"' out || fail "no JSON: $(cat out)"

# Another seed is another run; resuming with it is refused.
expect 1 "$SIMBAC" train "$model" "${small[@]}" --data series.csv --out whole --epochs 3 --seed 8 --resume

# Without --data, the built-in series.
expect 0 "$SIMBAC" train "$model" "${small[@]}" --out builtin --epochs 1
says "seattle-hourly.csv: 8759 rows of 3 channels"
expect 0 "$SIMBAC" eval "$model" "${small[@]}" --weights builtin/weights.safetensors --json
grep -q '"data":"seattle-hourly.csv"' out || fail "not the built-in series: $(cat out)"
