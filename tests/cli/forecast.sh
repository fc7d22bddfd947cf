# shellcheck shell=bash source-path=SCRIPTDIR
# Forecasters that are unusual but legal: many outputs, no loss, columns whose names are not UTF-8, dropout that only
# the graph of training has.
. "$(dirname "$0")/common.sh"

{ printf 'temp\351rature,wind\n'; for i in $(seq 200); do echo "$((i % 7)),$((i % 11))"; done; } >series.csv
write_model() { # NAME OUTPUTS LOSS DROPOUT
  cat >"$1.simba" <<END
model m(L = 12, H = 4, channels = 2) {
  input x: f32[B, T = L, V = channels]
  target y: f32[B, H, V]
  for i in 0..$2 { output other @ others[i] = x * i }
  output z: [B, H, V] = linear(dropout(x, p = $4), T -> H) @ head
  $3
}
recipe {
  data series(input = x, target = y, channels = channels)
  schedule cosine(epochs = 2)
}
END
}
write_model many 100 "loss mse = mean((z - y) ^ 2)" 0.1
write_model silent 0 "" 0.1
write_model other 100 "loss mse = mean((z - y) ^ 2)" 0.2

expect 0 "$SIMBAC" train many.simba --data series.csv --out run
expect 0 "$SIMBAC" eval many.simba --data series.csv --weights run/weights.safetensors --picture forecast.png
[ -s forecast.png ] || fail "no picture"
expect 1 "$SIMBAC" eval silent.simba --data series.csv --weights run/weights.safetensors
says "the model 'm' has no loss"
expect 1 "$SIMBAC" train other.simba --data series.csv --out run --resume
says "model"

# What does not fit on the disk is said, of long results too.
code=0
"$SIMBAC" check many.simba >/dev/full 2>err || code=$?
[ "$code" = 3 ] || fail "a full disk gives exit code $code"
