# shellcheck shell=bash source-path=SCRIPTDIR
# --memory-budget: values are computed again until a step fits, with the same bits; what cannot fit is said with the
# least that would.
. "$(dirname "$0")/common.sh"

# least COMMAND...: runs into a budget of 1 KB and gives the one that is said to do.
least() {
  expect 1 "$@" --memory-budget=1KB
  says "and that is the least"
  sed -n 's/.*intermediate values take \([0-9]*\) KB.*/\1/p' err
}

# Gradients on the tensors of a file.
model=$SOURCE/examples/parity/forecaster.simba
tensors=$SOURCE/tests/parity/forecaster_time.safetensors
run=("$SIMBAC" run "$model" --set embed=time --grad --tensors "$tensors" --out)
expect 0 "${run[@]}" without.safetensors
small=$(least "${run[@]}" never.safetensors)
[ ! -e never.safetensors ] || fail "something was written"
expect 0 "${run[@]}" with.safetensors --memory-budget="${small}KB" --explain
says "is computed again"
same without.safetensors with.safetensors
expect 1 "${run[@]}" never.safetensors --memory-budget="$((small - 1))kb"
expect 1 "${run[@]}" never.safetensors --memory-budget="${small}KB" --no-pass rematerialise
says "without the pass rematerialise"
expect 0 "${run[@]}" roomy.safetensors --memory-budget=1.5GB --explain
says "the arena fits its budget"

# Training, for the batch of the recipe.
model=$SOURCE/examples/forecaster.simba
{ head -n 1 "$SOURCE/examples/data/seattle-hourly.csv"; sed -n '2,301p' "$SOURCE/examples/data/seattle-hourly.csv"; } >series.csv
train=("$SIMBAC" train "$model" --data series.csv --epochs 1 --set lookback=24 --set horizon=8 --set d_model=16
  --set depth=1 --set d_state=4 --set recipe.batch=16 --out)
expect 0 "${train[@]}" without
small=$(least "${train[@]}" never)
expect 0 "${train[@]}" with --memory-budget="${small}KB"
same without/weights.safetensors with/weights.safetensors

# Export, for a batch of 1; the stages of a dump.
small=$(least "$SIMBAC" compile "$model" -o never.o)
expect 0 "$SIMBAC" compile "$model" -o forecaster.o --memory-budget="${small}KB"
expect 0 "$SIMBAC" dump "$model" --entry train --after rematerialise --memory-budget=20MB

for size in 0 -1MB 64TB MB 1e99GB ""; do
  expect 2 "$SIMBAC" dump "$model" --memory-budget="$size"
  says "takes a size such as"
done
