# shellcheck shell=bash source-path=SCRIPTDIR
# Training and evaluation on images: the bits of interrupted and resumed runs, heads, frozen trunks, rates, and what is said
# of images that do not fit.
. "$(dirname "$0")/common.sh"
export LC_ALL=C

# idx DIR SIDE COUNT CLASSES: a folder of IDX files, of which class k has a bright row k (and some noise). The test images
# are a fifth of COUNT.
idx() {
  mkdir -p "$1"
  local part count
  for part in train t10k; do
    count=$3
    [ $part = train ] || count=$(($3 / 5))
    images "$2" "$count" "$4" >"$1/$part-images-idx3-ubyte"
    labels "$count" "$4" >"$1/$part-labels-idx1-ubyte"
  done
}
number() { printf '%b' "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 >> 24)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)))"; }
images() { # SIDE COUNT CLASSES
  printf '\0\0\10\3' && number "$2" && number "$1" && number "$1"
  awk -v side="$1" -v count="$2" -v classes="$3" 'BEGIN {
    for (i = 0; i < count; i++) for (r = 0; r < side; r++) for (c = 0; c < side; c++) {
      noise = (i * 31 + r * 17 + c * 7 + i * r * c) % 60
      printf "%c", 1 + noise + (r == i % classes ? 150 : 0)
    }
  }'
}
labels() { # COUNT CLASSES
  printf '\0\0\10\1' && number "$1"
  local i
  for ((i = 0; i < $1; i++)); do printf '%b' "\\x0$((i % $2))"; done
}

cat >model.simba <<'END'
model small(size = 8, channels = 1, classes = 4, width = 8) {
  input x: f32[B, C = channels, H = size, W = size]
  target labels: f32[B, K = classes]
  let t: [B, H, W, C] = x
  let t = conv2d(t, C -> width, rows = H, columns = W, width = 3, stride = 2) @ stem.conv
  let t = relu(batch_norm2d(t, rows = H, columns = W) @ stem.norm)
  let t = dropout(t, p = 0.1)
  output logits: [B, K] = linear(reshape(t, H*W*width = F), F -> K) @ head
  loss entropy = cross_entropy(logits, labels)
  metric accuracy = top_accuracy(logits, labels)
}

recipe {
  data images(input = x, target = labels, channels = channels, classes = classes, size = size, validation = 0.2)
  augment(crop = padded, pad = 1, flip = 0.5, erase = 0.1)
  mix(mixup = 0.2, mix_probability = 0.5)
  smoothing 0.1
  optimizer adamw(lr = 1e-2, weight_decay = 0.01, decay = matrices)
  schedule cosine(epochs = 4)
  batch 16
  average 0.9
  clip 1
  best accuracy
  head "head.*"
}
END

train() { # DIR [OPTION...]
  local to=$1
  shift
  "$SIMBAC" train model.simba --data set --out "$to" --seed 7 "$@"
}

idx set 8 400 4
expect 0 train whole --threads 2
says "set: 4 classes; 320 / 80 / 80 images to train, validate, test (IDX, 8x8)"
says "accuracy 0."
says "validation accuracy"
for name in checkpoint.safetensors weights.safetensors metrics.jsonl loss.png; do
  [ -s whole/$name ] || fail "whole/$name is missing"
done
expect 0 train one --threads 1
same whole/weights.safetensors one/weights.safetensors

# Interrupted after some steps, and killed: the bits of the whole run.
resume=()
for lines in 3 30 60; do
  train broken "${resume[@]}" >out 2>err &
  pid=$!
  while kill -0 $pid 2>/dev/null && [ "$(wc -l <broken/metrics.jsonl 2>/dev/null || echo 0)" -lt $lines ]; do sleep 0.01; done
  kill -INT $pid 2>/dev/null || true
  code=0
  wait $pid || code=$?
  resume=(--resume)
  [ "$code" != 0 ] || break
  [ "$code" = 130 ] || fail "exit code $code: $(cat err)"
done
expect 0 train broken --resume
same whole/weights.safetensors broken/weights.safetensors
same whole/metrics.jsonl broken/metrics.jsonl
resume=()
for pause in 0.5 0.6 0.7; do
  timeout -s KILL $pause "$SIMBAC" train model.simba --data set --out killed --seed 7 "${resume[@]}" >out 2>err || true
  [ -f killed/checkpoint.safetensors ] && resume=(--resume)
done
expect 0 train killed "${resume[@]}"
same whole/weights.safetensors killed/weights.safetensors

# Another recipe is another run.
expect 1 train whole --resume --set recipe.smoothing=0
says "recipe"
expect 1 train whole --resume --rate 'head.*=2'
says "rates"

# Evaluation, as text and as JSON, with pictures.
evaluate() { "$SIMBAC" eval model.simba --data set "$@"; }
expect 0 evaluate --weights whole/weights.safetensors --picture confusion.png --mistakes mistakes.png
says "test, 80 images of set"
says "by class, the least accurate first:"
[ -s confusion.png ] || fail "no picture"
[ -s mistakes.png ] || says "every image was told right"
expect 0 evaluate --weights whole/weights.safetensors --json --split val --picture confusion.svg
grep -q '"images":80,.*"accuracy":.*"confusion":\[\[' out || fail "no JSON: $(cat out)"
# The head's last bias, before the two states of 8 numbers, is none.
{ head -c -68 whole/weights.safetensors && printf '\0\0\300\177' && tail -c 64 whole/weights.safetensors; } >nan.safetensors
expect 3 evaluate --weights nan.safetensors
says "the loss over the test split is not finite"
grep -q '<svg' confusion.svg || fail "no SVG"

# Fine-tuning on other classes: the head begins anew, by the recipe or as asked; the frozen trunk keeps its bits.
idx other 8 300 3
tune() { # DIR [OPTION...]
  local to=$1
  shift
  "$SIMBAC" train model.simba --data other --epochs 1 --out "$to" "$@"
}
expect 0 tune tuned --init whole/weights.safetensors --freeze 'stem.*'
says "these begin anew: 'head.weight' [3, 128] ([4, 128] in the file), 'head.bias' [3] ([4] in the file)"
: "${TENSORS:?the tool of tests/support/tensors.c}"
tensor() { expect 0 "$TENSORS" raw "$1/weights.safetensors" "$2" "$3"; }
for run in whole tuned; do
  tensor $run stem.conv.weight $run.weight
  tensor $run stem.norm.running_mean $run.mean
done
same whole.weight tuned.weight
if cmp -s whole.mean tuned.mean; then fail "statistics of the frozen stem do not follow the data"; fi
expect 0 train anew --epochs 1 --init whole/weights.safetensors --new-head 'head.*' --rate 'stem.*=0.1'
says "these begin anew: 'head.weight' [4, 128] ([4, 128] in the file)"
sed '/head "head/d' model.simba >headless.simba
expect 1 "$SIMBAC" train headless.simba --data other --out none --init whole/weights.safetensors
says "2 of another shape"
[ ! -e none ] || fail "a run that cannot begin left its folder"
expect 1 tune none --init whole/weights.safetensors --new-head 'haed.*'
says "no parameter matches 'haed.*' to begin anew"
expect 1 tune none --freeze '*'
says "all parameters are frozen"
expect 2 tune none --rate 'head.*'
says "--rate takes GLOB=FACTOR"
expect 2 tune none --new-head 'head.*'
says "there is no --init"
expect 1 tune none --rate 'haed.*=2'
says "no parameter matches 'haed.*' to have a rate"

# Another image size: convolutions fit, the head does not.
idx large 12 100 4
expect 0 "$SIMBAC" train model.simba --data large --epochs 1 --out larger --init whole/weights.safetensors
says "'head.weight' [4, 288] ([4, 128] in the file)"

# What does not fit.
wrong() { # TEXT OPTION...
  local text=$1
  shift
  expect 1 "$SIMBAC" train model.simba --out none --epochs 1 "$@"
  says "$text"
  [ ! -e none ] || fail "a run that cannot begin left its folder"
}
wrong "the images have 12x12 pixels, but the model takes 8x8" --data large --set size=8
expect 0 "$SIMBAC" train model.simba --data large --set size=8 --set recipe.fit=resize --epochs 1 --out resized
wrong "grey (1 channel), but the model takes 3 channels" --data set --set channels=3
expect 0 "$SIMBAC" train model.simba --data set --set channels=3 --set recipe.colours=convert --epochs 1 --out coloured
wrong "label 3 (3) is out of range: the model tells 3 classes apart" --data set --set classes=3
wrong "images have 1 or 3 channels, but the model takes 2" --data set --set channels=2
expect 3 "$SIMBAC" train model.simba --data nowhere --out none
says "nowhere: cannot open"
sed 's/metric accuracy/metric share/' model.simba >nameless.simba
expect 1 "$SIMBAC" train nameless.simba --data set --out none
says "no metric of that name"
mkdir -p empty/cat empty/dog
wrong "empty/cat: a class folder without an image" --data empty

# A corrupt image is named, and stops the run or is passed over.
jpeg=/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//wAALCAAJAAkBAREA/8QAFgABAQEAAAAAAAAAAAAAAAAAAAQH/8QAFxABAAMAAAAAAAAAAAAAAAAAABZjof/aAAgBAQAAPwCqdXaTq7WTD//Z
mkdir -p pets/cat pets/dog
for ((i = 0; i < 12; i++)); do
  printf '%s' "$jpeg" | base64 -d >pets/cat/$i.jpg
  cp pets/cat/$i.jpg pets/dog/$i.jpeg
done
pets=(--data pets --set size=9 --set recipe.mean=0.5)
expect 0 "$SIMBAC" train model.simba "${pets[@]}" --epochs 1 --out pets-run
for ((i = 0; i < 12; i++)); do head -c 120 pets/cat/$i.jpg >cut.jpg && mv cut.jpg pets/cat/$i.jpg; done
expect 1 "$SIMBAC" train model.simba "${pets[@]}" --epochs 1 --out pets-corrupt
says "pets/cat/"
says ".jpg: "
for ((i = 4; i < 12; i++)); do printf '%s' "$jpeg" | base64 -d >pets/cat/$i.jpg; done
expect 0 "$SIMBAC" train model.simba "${pets[@]}" --set recipe.corrupt=skip --epochs 1 --out pets-skipped
says "corrupt images were skipped, others took the place:"
says "  pets/cat/1.jpg: byte 120 of 120: JPEG: the file ends"
wrong ": the image has 9x9 pixels, but the model takes 8x8: build it for that size, or let images be resized (--set recipe.fit=resize)" --data pets --set size=8
sed '/data images/d' model.simba >dataless.simba
expect 1 "$SIMBAC" train dataless.simba --data set --out none
says "data images(input = x, target = labels)"

# Dense label maps: [classes, rows, columns] of each training image, for a target of each of 2 by 2 tokens.
map() { # IMAGE ROWS
  local header="{\"labels\":{\"dtype\":\"F32\",\"shape\":[4,$2,2],\"data_offsets\":[0,$((32 * $2))]}}"
  printf '%b\0\0\0\0\0\0\0%s' "$(printf '\\x%02x' ${#header})" "$header"
  local k
  for ((k = 0; k < 8 * $2; k++)); do printf '\0\0\200\77'; done # 1
}
mkdir maps
for ((i = 0; i < 400; i++)); do map >"maps/$i.safetensors" $i 2; done
sed -e 's/  output logits/  target tokens: f32[B, P = 4, K]\n  output logits/' \
  -e 's/cross_entropy(logits, labels)/cross_entropy(logits, labels) + cross_entropy(expand(logits, P), tokens)/' model.simba >tokens.simba
tokens() { "$SIMBAC" train tokens.simba --data set --epochs 1 "$@"; }
expect 0 tokens --out tokens --label-maps maps
expect 0 tokens --out untold
if cmp -s tokens/weights.safetensors untold/weights.safetensors; then fail "label maps change nothing"; fi
wrong "has no target [batch, tokens, classes]" --data set --label-maps maps
expect 1 tokens --out tokens --resume
says "what differs: data"
expect 0 tokens --out tokens --label-maps maps --resume
map >maps/7.safetensors 7 3
expect 1 tokens --out other-size --label-maps maps
says "7.safetensors"
rm maps/7.safetensors
expect 1 tokens --out missing --label-maps maps
says "7.safetensors"
