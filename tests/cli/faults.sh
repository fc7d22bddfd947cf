# shellcheck shell=bash source-path=SCRIPTDIR
# What goes wrong around a run is said precisely and loses nothing.
. "$(dirname "$0")/common.sh"

model=$SOURCE/examples/forecaster.simba
{ head -n 1 "$SOURCE/examples/data/seattle-hourly.csv"; sed -n '2,401p' "$SOURCE/examples/data/seattle-hourly.csv"; } >series.csv
small=(--set lookback=24 --set horizon=8 --set d_model=16 --set depth=1 --set d_state=4 --set recipe.batch=16)
train() { "$SIMBAC" train "$model" "${small[@]}" --epochs 1 "$@"; }

# The loss becomes NaN: stops, names the first bad tensor, keeps the run.
expect 3 train --data series.csv --out nan --set recipe.lr=1e30
says "first bad tensor"
[ -s nan/checkpoint.safetensors ] || fail "the checkpoint is gone"

# Data that a float32 squared cannot hold, in the validation split alone.
sed '300s/,[^,]*$/,1e30/' series.csv >burst.csv
expect 3 train --data burst.csv --out burst
says "epoch 1"
[ -s burst/checkpoint.safetensors ] || fail "the checkpoint is gone"

# Folders and files that cannot be written.
touch plain
expect 3 train --data series.csv --out plain/run
says "plain"
code=0
(ulimit -f 8 && train --data series.csv --out small >out 2>err) || code=$?
[ "$code" = 3 ] || fail "a full disk gives exit code $code: $(cat err)"
says "small/checkpoint.safetensors"
[ ! -e small/checkpoint.safetensors ] || fail "half a checkpoint was left"
[ -z "$(ls small 2>/dev/null | grep tmp || true)" ] || fail "a temporary file was left"

# Data.
bad() { # TEXT-IN-MESSAGE; the file is bad.csv
  expect 1 train --data bad.csv --out never
  says "$1"
  [ ! -e never/checkpoint.safetensors ] || fail "a run was begun"
}
sed '5s/,[^,]*$/,/' series.csv >bad.csv; bad "bad.csv:5:4"
sed '6s/,[^,]*$/,calm/' series.csv >bad.csv; bad "calm"
sed '7s/,[^,]*$//' series.csv >bad.csv; bad "bad.csv:7"
head -n 20 series.csv >bad.csv; bad "window"
: >bad.csv; bad "bad.csv"
expect 3 train --data absent.csv --out never
says "absent.csv"
expect 3 train --data /dev/zero --out never
says "a device"
expect 1 train --data series.csv --out never --init series.csv
expect 3 train --data series.csv --out never --resume
[ ! -e never ] || fail "a run that cannot begin made a folder"
expect 1 "$SIMBAC" check "$model" --no-pass simplfy
says "simplify"

# A device that is written to stays one.
expect 0 "$SIMBAC" dump "$model" "${small[@]}" -o /dev/null
[ -c /dev/null ] || fail "/dev/null is no device any more"

# A disk that fills while training runs: what is saved stays, and the run goes on from it.
long() { "$SIMBAC" train "$model" "${small[@]}" --set recipe.batch=4 --epochs 12 --data series.csv "$@"; }
expect 0 long --out whole
size=$(stat -c %s whole/checkpoint.safetensors)
code=0
(ulimit -f $(((size + 1023) / 1024)) && long --out full >out 2>err) || code=$?
[ "$code" = 3 ] || fail "a disk that fills gives exit code $code: $(cat err)"
says "the same command with --resume"
expect 0 long --out full --resume
same full/weights.safetensors whole/weights.safetensors

# A run is gone on with as it was begun, by one process at a time.
expect 0 train --data series.csv --out run
expect 1 train --data series.csv --out run --resume --freeze 'embed.*'
says "what differs: freeze"
expect 1 train --data series.csv --out run --resume --set recipe.lr=0.1 --seed 7
says "what differs: recipe, seed"
expect 3 flock run "$SIMBAC" train "$model" "${small[@]}" --epochs 1 --data series.csv --out run --resume
says "another process"

# CRLF and a byte-order mark change nothing.
expect 0 train --data series.csv --out unix
{ printf '\xef\xbb\xbf'; sed 's/$/\r/' series.csv; } >dos.csv
expect 0 train --data dos.csv --out dos
same unix/weights.safetensors dos/weights.safetensors

# Weights of another model, and files that are no weights.
evaluate() { "$SIMBAC" eval "$model" --data series.csv "$@"; }
expect 1 evaluate "${small[@]}" --set d_model=32 --weights unix/weights.safetensors
says "unix/weights.safetensors"
expect 1 evaluate "${small[@]}" --set depth=2 --weights unix/weights.safetensors
says "blocks.1."
head -c 200 unix/weights.safetensors >cut.safetensors
expect 1 evaluate "${small[@]}" --weights cut.safetensors
says "cut.safetensors"
expect 3 evaluate "${small[@]}" --weights absent.safetensors
says "absent.safetensors"
