# shellcheck shell=bash source-path=SCRIPTDIR
# bench: a row a kernel for inference and training, as text and as JSON, on random and on given inputs.
. "$(dirname "$0")/common.sh"

cat >m.simba <<'END'
model m(L = 12, H = 4, channels = 2) {
  input x: f32[B, T = L, V = channels]
  target y: f32[B, H, V]
  output z: [B, H, V] = tanh(linear(x, T -> H) @ head)
  loss mse = mean((z - y) ^ 2)
}
recipe {
  data series(input = x, target = y, channels = channels)
  batch 8
}
END

expect 0 "$SIMBAC" bench m.simba --seconds 0
says "m: inference, batch 8"
says "GFLOP/s"
says "contract"
says "m.simba:4"
says "the whole step"
says "memory: arena"
if grep -q "update of parameters" out; then fail "inference updates nothing"; fi

expect 0 "$SIMBAC" bench m.simba --seconds 0 --entry train --batch 5 --threads 1
says "m: training step, batch 5, 1 thread,"
says "update of parameters and moments"

# A model without a loss, and a graph, which has no recipe.
sed '/loss/d; /recipe/,$d' m.simba >block.simba
expect 1 "$SIMBAC" bench block.simba --seconds 0 --entry train
says "has no loss"
expect 0 "$SIMBAC" bench block.simba --seconds 0 --entry gradients --batch 5
says "m: gradients, batch 5"
says "contract"
if grep -q "update of parameters" out; then fail "gradients update nothing"; fi
"$SIMBAC" dump block.simba -o block.ir
expect 0 "$SIMBAC" bench block.ir --seconds 0
says "m: inference, batch 1,"

# What outputs are weighed with for gradients has a name that an input may have.
output=$(sed -n 's/.*output value "\([^"]*\)".*/\1/p' block.ir)
sed "s/\"x\"/\"lw.$output\"/" block.ir >taken.ir
expect 0 "$SIMBAC" bench taken.ir --seconds 0
expect 1 "$SIMBAC" bench taken.ir --seconds 0 --entry gradients
says "the input 'lw.$output' of 'm' has the name of the weights of output '$output'"
sed 's/"x"/"lw.other"/' block.ir >other.ir
expect 0 "$SIMBAC" bench other.ir --seconds 0 --entry gradients

expect 0 "$SIMBAC" bench m.simba --seconds 0 --entry train --json
for key in model entry batch threads steps disturbed machine step_seconds update_seconds memory kernels flops bytes; do
  grep -q "\"$key\":" out || fail "no $key in $(cat out)"
done
says '"entry":"train"'
says '"batch":8'
[ "$(wc -l <out)" = 1 ] || fail "more than one line"

# How a transform is computed, and at which cost it could have been otherwise.
cat >wave.simba <<'END'
model wave(T = 37, C = 16) {
  input x: f32[B, T, C]
  output y = real(fft(x, over = [T]))
}
END
expect 0 "$SIMBAC" bench wave.simba --seconds 0 --explain
says "transform of 37: dense 37: "
says " cycles; chirp of "
says "; product with a matrix: "
grep -q "^kernel k0: transform of 37: " err || fail "no choice is explained"

{ printf 'a,b\n'; for i in $(seq 200); do echo "$((i % 7)),$((i % 11))"; done; } >series.csv
expect 0 "$SIMBAC" train m.simba --data series.csv --epochs 1 --out run
"$TENSORS" make run/weights.safetensors in.safetensors x.raw 3 12 2
expect 0 "$SIMBAC" bench m.simba --seconds 0 --tensors in.safetensors
says "batch 3"
expect 1 "$SIMBAC" bench m.simba --seconds 0 --entry train --tensors in.safetensors
says "there is no tensor 'in.y'"
expect 1 "$SIMBAC" bench m.simba --seconds 0 --tensors in.safetensors --batch 4
says "the batch is 3, not 4"
expect 3 "$SIMBAC" bench m.simba --tensors absent.safetensors
expect 3 "$SIMBAC" bench absent.simba
expect 2 "$SIMBAC" bench m.simba --entry forward
expect 2 "$SIMBAC" bench m.simba --seconds -1

code=0
"$SIMBAC" bench m.simba --seconds 0 --kernels=library --json >out 2>err || code=$?
if [ "$code" = 0 ]; then
  says '"library_seconds":'
  says '"library_step_seconds":'
else
  says "OpenBLAS" # is not installed
fi
