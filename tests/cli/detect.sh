# shellcheck shell=bash source-path=SCRIPTDIR
# The exported maps of the vision models under a small head in C: examples/backbone.simba, examples/detect.c.
. "$(dirname "$0")/common.sh"
: "${TENSORS:?the tool of tests/support/tensors.c}"

model=$SOURCE/examples/backbone.simba
golden=$SOURCE/tests/parity/backbone_einfft.safetensors
settings=(--set height=40 --set width=72 --set hidden=4 --set width1=8 --set width2=8 --set width3=16 --set width4=16
  --set depth1=1 --set depth2=1 --set depth3=2 --set depth4=1 --set ratio1=2 --set ratio2=2 --set ratio3=2 --set ratio4=2
  --set d_state=16)
expect 0 "$TENSORS" plain "$golden" weights.safetensors
expect 0 "$SIMBAC" compile "$model" "${settings[@]}" --weights weights.safetensors -o libbackbone.so
cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$SOURCE/examples/detect.c" -I. -L. -lbackbone -lm -Wl,-rpath,"$PWD" -o detect

# An image of 72 by 40 pixels and a head, both by formula.
export LC_ALL=C
byte() { awk -v what="$1" 'BEGIN {
  for (r = 0; r < 40; r++) for (c = 0; c < 72; c++) for (k = 0; k < 3; k++) {
    value = 1 + (r * 7 + c * 3 + k * 50 + (r > 10 && r < 20 && c > 30 ? 90 : 0)) % 254
    if (what == "ppm") printf "%c", value
    else plane[k, r, c] = (value / 255 - substr("0.4850.4560.406", 5 * k + 1, 5)) / substr("0.2290.2240.225", 5 * k + 1, 5)
  }
  if (what != "ppm") for (k = 0; k < 3; k++) for (r = 0; r < 40; r++) for (c = 0; c < 72; c++) printf "%.8g\n", plane[k, r, c]
}'; }
{ printf 'P6\n72 40\n255\n'; byte ppm; } >image.ppm
[ "$(stat -c %s image.ppm)" = $((13 + 40 * 72 * 3)) ] || fail "the image has $(stat -c %s image.ppm) bytes"
byte text >x.txt
awk 'BEGIN { for (m = 0; m < 4; m++) { channels = m < 2 ? 8 : 16
  for (c = 0; c < channels; c++) printf "%.4f ", sin(3 * m + c); printf "%.4f\n", -0.5 } }' >head.txt

# The head's scores by another way: maps from `simbac run`, the sum in awk.
expect 0 "$TENSORS" given "$golden" in.safetensors x.txt 1 3 40 72
expect 0 "$SIMBAC" run "$model" "${settings[@]}" --tensors in.safetensors --out out.safetensors
for m in 1 2 3 4; do
  expect 0 "$TENSORS" raw out.safetensors out.map$m map$m.raw
  od -An -v -w4 -tf4 map$m.raw >map$m.txt
done
size=(0 "8 10 18" "8 5 9" "16 3 5" "16 2 3")
for m in 1 2 3 4; do
  read -r channels rows columns <<<"${size[$m]}"
  [ "$(wc -l <map$m.txt)" = $((channels * rows * columns)) ] || fail "map$m has another size"
  awk -v m=$m -v channels="$channels" -v rows="$rows" -v columns="$columns" 'NR == FNR { if (FNR == m) for (c = 1; c <= NF; c++) w[c] = $c; next }
    { i = FNR - 1; c = int(i / (rows * columns)); sum[i % (rows * columns)] += w[c + 1] * $1 }
    END { for (cell = 0; cell < rows * columns; cell++) { s = 2 ^ (m + 1); r = int(cell / columns); c = cell % columns
      right = (c + 1) * s; bottom = (r + 1) * s
      printf "%.4f %d %d %d %d %d\n", 1 / (1 + exp(-sum[cell] - w[channels + 1])), m, c * s, r * s,
        right < 72 ? right : 72, bottom < 40 ? bottom : 40 } }' head.txt map$m.txt
done | sort -k1,1gr | head -n 20 >expected.txt
expect 0 ./detect image.ppm head.txt 0
[ "$(wc -l <out)" = 21 ] || fail "not 20 cells: $(cat out)"
tail -n +2 out | paste -d' ' - expected.txt | awk '{ d = $1 - $7; if (d > 2e-4 || d < -2e-4) { print; bad = 1 } } END { exit bad }' ||
  fail "other scores"
# The boxes, where scores do not lie too close together to tell their order.
tail -n +2 out | awk '{ print $2, $3, $4, $5, $6 }' | sort >boxes
awk '{ print $2, $3, $4, $5, $6 }' expected.txt | sort | head -n 19 | comm -23 - boxes >missing
[ "$(wc -l <missing)" -le 1 ] || fail "other boxes: $(cat missing)"
expect 0 ./detect image.ppm head.txt 1
[ "$(wc -l <out)" = 1 ] || fail "cells above 1"

# A classifier's weights fit, without what makes it one.
whole=(--set size=64 --set hidden=8 --set width1=16 --set width2=32 --set width3=40 --set width4=48 --set depth1=1
  --set depth2=1 --set depth3=1 --set depth4=1 --set ratio1=4 --set ratio2=4 --set ratio3=2 --set ratio4=2)
expect 0 "$TENSORS" plain "$SOURCE/tests/parity/vision_einfft_token_label.safetensors" whole.safetensors
expect 0 "$SIMBAC" compile "$model" "${whole[@]}" --weights whole.safetensors --map "$SOURCE/examples/backbone.map" \
  -o whole.o
expect 1 "$SIMBAC" compile "$model" "${whole[@]}" --weights whole.safetensors -o whole.o
says "extra      aux_head.bias"

# What does not fit is named.
head -c 500 image.ppm >short.ppm
expect 1 ./detect short.ppm head.txt
says "short.ppm: the image ends too early"
{ printf 'P6\n40 72\n255\n'; byte ppm; } >turned.ppm
expect 1 ./detect turned.ppm head.txt
says "40 by 72 pixels, but the maps are of 72 by 40"
{ cat head.txt; echo 1; } >long.txt
expect 1 ./detect image.ppm long.txt
says "long.txt: more numbers"
head -n 3 head.txt >few.txt
expect 1 ./detect image.ppm few.txt
says "few.txt: fewer numbers"
