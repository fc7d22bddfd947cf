# shellcheck shell=bash source-path=SCRIPTDIR
# Help, usage errors and hints.
. "$(dirname "$0")/common.sh"

for command in check train eval run compile convert bench dump chart; do
  expect 0 "$SIMBAC" $command --help
  says "Example:"
  says "simbac $command"
  expect 2 "$SIMBAC" $command --no-such-option
  expect 2 "$SIMBAC" $command
done
expect 0 "$SIMBAC" --help
expect 0 "$SIMBAC" --version
expect 2 "$SIMBAC"
expect 2 "$SIMBAC" comple
says "did you mean 'compile'"
expect 3 "$SIMBAC" check absent.simba
says "absent.simba"
expect 1 "$SIMBAC" check "$SOURCE/examples/forecaster.simba" --set d_modle=64
says "d_model"
expect 1 "$SIMBAC" check "$SOURCE/examples/forecaster.simba" --set embed=pach
says "patch"
expect 2 "$SIMBAC" check "$SOURCE/examples/forecaster.simba" --set d_model
expect 1 "$SIMBAC" dump "$SOURCE/examples/forecaster.simba" --no-pass simplfy
says "simplify"

# Options of which one would be ignored.
forecaster=$SOURCE/examples/forecaster.simba
expect 2 "$SIMBAC" train "$forecaster" --out run --resume --init weights.safetensors
says "--init"
expect 2 "$SIMBAC" train "$forecaster" --out run --epochs 3 --set recipe.epochs=4
expect 2 "$SIMBAC" train "$forecaster" --out run --seed 3 --set recipe.seed=4
expect 2 "$SIMBAC" check "$forecaster" --quiet --verbose
expect 2 "$SIMBAC" run "$forecaster" --tensors x.safetensors --out y.safetensors --tolerance 1
expect 2 "$SIMBAC" dump "$forecaster" --each --after cse
expect 2 "$SIMBAC" dump "$forecaster" --stage loops --cpu haswell
expect 2 "$SIMBAC" dump "$forecaster" --stage ast --set depth=1
expect 2 "$SIMBAC" dump "$forecaster" --stage ast --entry train
