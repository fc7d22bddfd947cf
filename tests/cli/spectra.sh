# shellcheck shell=bash source-path=SCRIPTDIR
# --watch-spectra: logs and draws, changes no bit of the run, and a run that was interrupted writes the same log.
. "$(dirname "$0")/common.sh"

model=$SOURCE/examples/forecaster.simba
{ head -n 1 "$SOURCE/examples/data/seattle-hourly.csv"; sed -n '2,601p' "$SOURCE/examples/data/seattle-hourly.csv"; } >series.csv
small=(--set lookback=24 --set horizon=8 --set d_model=16 --set depth=1 --set d_state=4 --set recipe.batch=16)
train() { # DIR [OPTION...]
  local to=$1
  shift
  "$SIMBAC" train "$model" "${small[@]}" --data series.csv --out "$to" --epochs 3 --seed 7 "$@"
}

expect 0 train plain
[ ! -e plain/spectra.jsonl ] || fail "spectra that nobody asked for"
expect 0 train watched --watch-spectra
same plain/checkpoint.safetensors watched/checkpoint.safetensors
same plain/metrics.jsonl watched/metrics.jsonl
[ -s watched/spectra.png ] || fail "no picture"
for epoch in 0 1 2 3; do
  grep -q "^{\"epoch\":$epoch,.*\"scan\":\"blocks.0.attn.mamba.A_log\",\"count\":128,\"decay\":\[.*\"a\":\[-" watched/spectra.jsonl ||
    fail "no decays after epoch $epoch"
  grep -q "^{\"epoch\":$epoch,.*\"matrix\":\"blocks.0.mlp.complex_weight_1\",\"count\":4,\"size\":4,.*\"eigenvalues\":\[\[" \
    watched/spectra.jsonl || fail "no eigenvalues after epoch $epoch"
done

validated() { cat broken/metrics.jsonl 2>/dev/null | sed -n '/"val"/p' | wc -l; }
grep -q '^{"epoch":3,.*"a_moved":0\.' watched/spectra.jsonl || fail "not said how far A has moved"

resume=()
for epochs in 1 2; do
  train broken --watch-spectra "${resume[@]}" >out 2>err &
  pid=$!
  while kill -0 $pid 2>/dev/null && [ "$(validated)" -lt $epochs ]; do sleep 0.01; done
  kill -INT $pid 2>/dev/null || true
  wait $pid || true
  resume=(--resume)
done
# What a killed run wrote ahead of its checkpoint, and half a line.
echo '{"epoch":7,"step":1,"scan":"x"}' >>broken/spectra.jsonl
printf '{"epo' >>broken/spectra.jsonl
expect 0 train broken --watch-spectra --resume
same watched/spectra.jsonl broken/spectra.jsonl
same watched/weights.safetensors broken/weights.safetensors

# A glob chooses matrices; where nothing is left to watch, that is said.
expect 0 train some --watch-spectra='*weight_2'
! grep -q weight_1 some/spectra.jsonl || fail "the glob was ignored"
cat >plain.simba <<'END'
model plain(T = 24, H = 8, channels = 3) {
  input x: f32[B, T, V = channels]
  target target: f32[B, H, V]
  output y: [B, H, V] = linear(x, T -> H)
  loss mse = mean((y - target) ^ 2)
}
recipe {
  data series(input = x, target = target, channels = channels)
}
END
expect 1 "$SIMBAC" train plain.simba --data series.csv --out nothing --epochs 1 --watch-spectra
says "there is nothing to watch"
