# shellcheck shell=bash source-path=SCRIPTDIR
# The experiments on a small series, in their quick form: tables, curves, and nothing is done twice.
. "$(dirname "$0")/common.sh"

{ head -n 1 "$SOURCE/examples/data/seattle-hourly.csv"; sed -n '2,1501p' "$SOURCE/examples/data/seattle-hourly.csv"; } >small.csv
experiment() { "$SOURCE/examples/experiments/$1" --quick --data small.csv "${@:2}"; }

expect 0 experiment forecast_horizons --out horizons
grep -q "^| small | 96 | 0\.[0-9]* | 0\.[0-9]* | - | .* | 1 |$" horizons/results.md || fail "no row: $(cat horizons/results.md)"
[ "$(wc -l <horizons/results.csv)" = 2 ] || fail "results.csv: $(cat horizons/results.csv)"
[ -s horizons/curves.png ] || fail "no curves"
cp horizons/results.csv before.csv
expect 0 experiment forecast_horizons --out horizons
if grep -q "epoch 1" err; then fail "a run was done again"; fi
same before.csv horizons/results.csv

expect 0 experiment spectra --out spectra
for case in einfft mlp none; do
  grep -q "^| $case | blocks.1.attn.mamba.A_log | 0\..* % | 0\.[0-9]* |$" spectra/results.md || fail "$(cat spectra/results.md)"
done
[ -s spectra/curves.png ] || fail "no curves"

expect 1 experiment mixers --nonsense
says "unknown option"
expect 0 "$SOURCE/examples/experiments/transfer" --help
says "frozen_random"
