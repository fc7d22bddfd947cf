# shellcheck shell=bash source-path=SCRIPTDIR
# Every stage in every format it has.
. "$(dirname "$0")/common.sh"

model=$SOURCE/examples/forecaster.simba
for stage in ast ir loops llvm asm; do
  expect 0 "$SIMBAC" dump "$model" --stage $stage
  [ -s out ] || fail "--stage $stage shows nothing"
done
for stage in ast ir; do
  expect 0 "$SIMBAC" dump "$model" --stage $stage --format dot -o $stage.dot
  grep -q digraph $stage.dot || fail "$stage.dot is no DOT"
  expect 0 "$SIMBAC" dump "$SOURCE/examples/parity/mlp.simba" --stage $stage --format svg -o $stage.svg
  grep -q '<svg' $stage.svg || fail "$stage.svg is no SVG"
done
expect 0 "$SIMBAC" dump "$model" --set depth=1 --stage ir --format png -o ir.png
[ "$(head -c 4 ir.png | tail -c 3)" = PNG ] || fail "ir.png is no PNG"
expect 0 "$SIMBAC" dump "$model" --after cse
expect 0 "$SIMBAC" dump "$model" --after none
expect 0 "$SIMBAC" dump "$model" --each --entry train
says "after cse"
expect 0 "$SIMBAC" dump "$model" --entry train --stage loops
grep -qi scan out || fail "the training step has no scan kernel"
expect 1 "$SIMBAC" dump "$model" --after cs
says "did you mean 'cse'"

# IR text in the place of a model: what was printed is the same graph, before the passes and after them.
small=$SOURCE/examples/parity/mamba.simba
expect 0 "$SIMBAC" dump "$small" --after none -o before.ir
expect 0 "$SIMBAC" check before.ir
says "[B, 37, 24]"
expect 0 "$SIMBAC" dump before.ir --after none -o again.ir
same before.ir again.ir
for stage in ir loops asm; do
  expect 0 "$SIMBAC" dump "$small" --stage $stage -o model.$stage
  expect 0 "$SIMBAC" dump before.ir --stage $stage -o graph.$stage
  same model.$stage graph.$stage
done
expect 0 "$SIMBAC" run "$small" --tensors "$SOURCE/tests/parity/mamba_block.safetensors" --out model.safetensors
expect 0 "$SIMBAC" run before.ir --tensors "$SOURCE/tests/parity/mamba_block.safetensors" --out graph.safetensors
same model.safetensors graph.safetensors
expect 0 "$SIMBAC" compile before.ir -o libmamba.so
expect 0 "$SIMBAC" dump "$model" --after none -o forecaster.ir
expect 0 "$SIMBAC" dump forecaster.ir --entry train -o step.ir
grep -q "output gradient" step.ir || fail "step.ir has no gradient"
expect 0 "$SIMBAC" dump step.ir --stage loops
expect 1 "$SIMBAC" dump step.ir --entry train
says "has gradients already"
expect 1 "$SIMBAC" check before.ir --set L=4
says "no settings"
expect 1 "$SIMBAC" dump before.ir --stage ast
says "no syntax tree"
echo 'graph "two words" { %1 = input {name = "x", shape = [3]} %2 = exp(%1) output value "y" = %2 }' >words.ir
expect 0 "$SIMBAC" check words.ir
expect 1 "$SIMBAC" compile words.ir -o words.o
says "'two words'"
echo 'graph g { symbols B %1 = param {name = "w", shape = [B]} output value "y" = %1 }' >open.ir
expect 1 "$SIMBAC" check open.ir
says "the shape of 'w'"
echo 'graph g { %1 = exp(%2) }' >wrong.ir
expect 1 "$SIMBAC" check wrong.ir
says "E0403"
expect 1 "$SIMBAC" train before.ir --out run

# Why passes did not apply is said by every command that runs them.
expect 0 "$SIMBAC" dump "$small" --explain -o explained.ir
mv err dump.err
expect 0 "$SIMBAC" run "$small" --explain --quiet --tensors "$SOURCE/tests/parity/mamba_block.safetensors" --out y.safetensors
[ -s err ] || fail "run explains nothing"
