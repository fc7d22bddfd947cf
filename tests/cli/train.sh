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

# Ctrl-C, several times: saves, says how to go on, exits with 130, and in the end gives the same bits.
# --foreground: one signal; without it the process group gets a second one, which ends at once.
resume=()
for _ in 1 2 3 4 5 6 7 8; do
  code=0
  timeout --foreground -s INT 1.2 "$SIMBAC" train "$model" "${small[@]}" --data series.csv --out broken --epochs 3 --seed 7 "${resume[@]}" \
    >out 2>err || code=$?
  [ -f broken/checkpoint.safetensors ] && resume=(--resume)
  # 124: `timeout` reports that it had to send the signal, which may come before the first step or after the last one
  if [ "$code" = 124 ]; then
    grep -q -- "--resume" err || grep -q "^done: " err || [ ! -f broken/metrics.jsonl ] ||
      fail "does not say how to go on: $(cat err)"
  elif [ "$code" = 0 ]; then
    break
  else
    cat err >&2
    fail "exit code $code"
  fi
done
[ "$code" = 0 ] || expect 0 train broken --resume
same whole/weights.safetensors broken/weights.safetensors
same whole/metrics.jsonl broken/metrics.jsonl

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
