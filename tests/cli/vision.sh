# shellcheck shell=bash source-path=SCRIPTDIR
# The published vision models: parameter counts, costs by stage, any size of image.
. "$(dirname "$0")/common.sh"

# Exactly as many parameters as the published models have.
count() { # SIZE MIXER TENSORS NUMBERS
  expect 0 "$SIMBAC" check "$SOURCE/examples/simba_$1.simba" --set mixer="$2"
  says "$3 parameters, $4 numbers"
}
count s einfft 326 15309104
count b einfft 428 22819984
count l einfft 564 36641264
count s mlp 358 26591088
count b mlp 472 40209744
count l mlp 624 66762512

# A line a stage: its parameters, multiply-adds of its products, other multiplications.
stage() { # NAME PARAMETERS PRODUCTS
  grep -qE "^ +$1 +$2 +$3 " out || { cat out >&2; fail "no stage $1 with $2 parameters and $3 million multiply-adds"; }
}
expect 0 "$SIMBAC" check "$SOURCE/examples/simba_s.simba"
stage patch_embed1 41952 348.021
stage block1 167040 549.126
stage patch_embed2 74112 57.803
stage block3 5233920 1137.992
stage norm4 896 0.000
stage head 449000 0.448
stage aux_head 449000 21.952
stage "forward, batch 1" 15309104 3099.364
expect 0 "$SIMBAC" check "$SOURCE/examples/forecaster.simba"
stage "\(the model itself\)" 768 0.000
stage head 73824 0.516

# Nothing depends on the size: odd ones, no square, one channel, as many classes as wanted, every mixer.
small=(--set height=33 --set width=70 --set channels=1 --set classes=4)
for mixer in einfft einfft_tokens mlp plain_mlp block_mlp monarch depthwise gfnet afno fremlp none; do
  expect 0 "$SIMBAC" check "$SOURCE/examples/simba_s.simba" "${small[@]}" --set mixer=$mixer --set dense_labels=true
  says "[B, 1, 33, 70]"
  says "token_labels                 [B, 6, 4]"
  ! grep -q top5 out || fail "the best 5 of 4 classes"
done
expect 1 "$SIMBAC" check "$SOURCE/examples/simba_s.simba" --set token_label=false --set dense_labels=true
says "token_label must be true"
