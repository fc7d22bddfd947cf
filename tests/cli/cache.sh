# shellcheck shell=bash source-path=SCRIPTDIR
# Compiled code is kept in the user's cache and found there by every command that runs a model.
. "$(dirname "$0")/common.sh"

cache=$XDG_CACHE_HOME/simbac
golden=$SOURCE/tests/parity/mamba_block.safetensors
cat >m.simba <<'END'
model m(L = 12, H = 4, channels = 2) {
  input x: f32[B, T = L, V = channels]
  target y: f32[B, H, V]
  output z: [B, H, V] = linear(x, T -> H) @ head
  loss mse = mean((z - y) ^ 2)
}
recipe {
  data series(input = x, target = y, channels = channels)
  schedule cosine(epochs = 2)
}
END
{ printf 'a,b\n'; for i in $(seq 200); do echo "$((i % 7)),$((i % 11))"; done; } >series.csv

# all_cached: each compilation of the last command, which had --time, found all of its objects.
all_cached() {
  grep -q "objects were cached" err || fail "no compilation: $(cat err)"
  if grep "compile .* kernels" err | grep -vE "; ([0-9]+) of \1 objects were cached"; then fail "something was compiled"; fi
}

expect 0 "$SIMBAC" train m.simba --data series.csv --out cold --time
says "; 0 of "
[ "$(stat -c %a "$cache")" = 700 ] || fail "mode of $cache"
expect 0 "$SIMBAC" train m.simba --data series.csv --out warm --threads 1 --time
all_cached
same cold/weights.safetensors warm/weights.safetensors
expect 0 "$SIMBAC" eval m.simba --data series.csv --weights cold/weights.safetensors --time
all_cached
expect 0 "$SIMBAC" compile m.simba --weights cold/weights.safetensors -o libm.so --time
says " objects were cached"
expect 0 "$SIMBAC" compile m.simba --weights cold/weights.safetensors -o libagain.so --time
all_cached

# Damaged entries are neither loaded nor kept; --no-cache reads nothing and keeps nothing.
run() { "$SIMBAC" run "$SOURCE/examples/parity/mamba.simba" --set d_model=24 --set L=37 --tensors "$golden" --check "$golden" --time "$@"; }
rm -r "$cache"
expect 0 run --no-cache
says "; no cache"
[ ! -e "$cache" ] || fail "--no-cache wrote to $cache"
expect 0 run
says "; 0 of "
expect 0 run
all_cached
for entry in "$cache"/*; do printf 'garbage' | dd of="$entry" bs=1 seek=300 conv=notrunc status=none; done
expect 0 run
says "; 0 of "
expect 0 run
all_cached

# A folder that others may write to is refused, with a note; one that cannot be made is done without.
chmod 777 "$cache"
expect 0 run
says "note: compiled code is not cached: $cache: other users may write to the folder"
says "; no cache"
expect 0 run --no-cache
if grep -q "is not cached" err; then fail "a note though no cache was asked for"; fi
chmod 700 "$cache"
expect 0 env XDG_CACHE_HOME=/proc/none "$SIMBAC" eval m.simba --data series.csv --weights cold/weights.safetensors
says "note: compiled code is not cached: /proc/none/simbac: "
expect 0 env XDG_CACHE_HOME=relative HOME="$folder/home" "$SIMBAC" eval m.simba --data series.csv --weights cold/weights.safetensors
[ ! -e relative ] || fail "a relative XDG_CACHE_HOME counts"
[ -n "$(ls home/.cache/simbac)" ] || fail "nothing in ~/.cache/simbac"
expect 0 env -u XDG_CACHE_HOME -u HOME "$SIMBAC" eval m.simba --data series.csv --weights cold/weights.safetensors --time
says "; no cache"
