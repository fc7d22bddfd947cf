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
