# shellcheck shell=bash source-path=SCRIPTDIR
# Every golden file of the kinds that the examples of parity/ and mixers/ cover, forward and every gradient, through --set alone.
. "$(dirname "$0")/common.sh"

golden=$SOURCE/tests/parity
checked=0
parity() { # MODEL FILE [NAME=VALUE | --OPTION]...
  local model=$1 file=$golden/$2.safetensors
  shift 2
  local settings=()
  for setting in "$@"; do
    case $setting in
      --*) settings+=("$setting") ;;
      *) settings+=(--set "$setting") ;;
    esac
  done
  expect 0 "$SIMBAC" run "$SOURCE/examples/parity/$model.simba" "${settings[@]}" --grad --tensors "$file" --check "$file"
  grep -q '^ok ' out || fail "$file: nothing was compared"
  checked=$((checked + 1))
}

parity selective_scan selective_scan_n16 D=24 N=16 L=37
parity selective_scan selective_scan_n64 D=24 N=64 L=37
parity selective_scan selective_scan_plain D=24 N=16 L=37 plain=true
parity activations activations n=500
parity mamba mamba_block d_model=24 d_state=16 L=37
parity mamba mamba_block_n64 d_model=32 d_state=64 L=49
parity mamba mamba_block_l1 d_model=24 d_state=64 L=1
parity mamba mamba_block_l3 d_model=16 d_state=16 L=3
parity mamba mamba_layer d_model=24 d_state=16 L=20 norm=true
parity einfft einfft_n49_c64 N=49 C=64
parity einfft einfft_n49_c64 N=49 C=64 --no-pass=spectral-symmetry
parity einfft einfft_n96_c32 N=96 C=32
parity einfft einfft_n96_c32 N=96 C=32 --no-pass=spectral-symmetry
parity einfft einfft_n49_c64 N=49 C=64 --kernels=library
parity einfft einfft_n37_c32 N=37 C=32 --kernels=library
parity einfft einfft_n1_c64 N=1 C=64
parity einfft einfft_n37_c32 N=37 C=32
parity einfft einfft_n49_c64_large N=49 C=64
parity einfft einfft_n16_c48_large N=16 C=48
parity einfft einfft_n2_c16_large N=2 C=16
parity mlp mlp dim=24 hidden=96 L=10
parity conv_mlp pvt2ffn H=5 W=7 dim=16 hidden=64
parity pvt2ffn pvt2ffn H=5 W=7 dim=16 hidden=64
parity block block_einfft H=4 W=5 dim=32
parity block block_mlp H=4 W=5 dim=32 mixer=mlp
parity class_block class_block_einfft L=10 dim=32
parity class_block class_block_mlp L=10 dim=32 mixer=mlp
parity stem stem_eval H=30 W=28 hidden=8 width=16
parity stem stem_train H=30 W=28 hidden=8 width=16 --mode=train
parity downsample downsample H=9 W=6 channels=16 width=24
parity vision vision_einfft height=64 width=64
parity vision vision_einfft_token_label height=64 width=64 token_label=true
parity vision vision_mlp height=64 width=64 mixer=mlp
parity vision vision_mlp_token_label height=64 width=64 mixer=mlp token_label=true
parity vision vision_train_mixtoken height=64 width=64 token_label=true width1=8 width2=8 width3=16 width4=16 \
  top=0 bottom=1 left=1 right=2 --mode=train
trunk="hidden=4 width1=8 width2=8 width3=16 width4=16 depth1=1 depth2=1 depth3=2 depth4=1 ratio1=2 ratio2=2 ratio3=2 ratio4=2"
# shellcheck disable=SC2086 # a list of settings
{
  parity ../backbone backbone_einfft $trunk height=40 width=72 d_state=16
  parity ../backbone backbone_mlp $trunk height=36 width=50 d_state=8 mixer=mlp
}
parity ../mixers/tokens mixer_block_mlp kind=block_mlp T=11 C=12 blocks=3 ratio=2
parity ../mixers/tokens mixer_monarch kind=monarch T=11 C=12 blocks=3 ratio=2
parity ../mixers/tokens mixer_depthwise kind=depthwise T=11 C=12 width=4
parity ../mixers/tokens mixer_conv_mlp kind=conv_mlp T=11 C=12 ratio=2
parity ../mixers/tokens mixer_gfnet_t11 kind=gfnet T=11 C=8
parity ../mixers/tokens mixer_gfnet_t12 kind=gfnet T=12 C=8
parity ../mixers/tokens mixer_afno_t1 kind=afno T=1 C=8 blocks=2
parity ../mixers/tokens mixer_afno_t2 kind=afno T=2 C=8 blocks=2
parity ../mixers/tokens mixer_afno_t11 kind=afno T=11 C=8 blocks=2
parity ../mixers/tokens mixer_afno_t12 kind=afno T=12 C=8 blocks=2
parity ../mixers/tokens mixer_fremlp_t1 kind=fremlp T=1 C=8
parity ../mixers/tokens mixer_fremlp_t2 kind=fremlp T=2 C=8
parity ../mixers/tokens mixer_fremlp_t11 kind=fremlp T=11 C=8
parity ../mixers/tokens mixer_fremlp_t12 kind=fremlp T=12 C=8
parity ../mixers/images mixer_gfnet_5x7 kind=gfnet H=5 W=7 C=8
parity ../mixers/images mixer_gfnet_6x4 kind=gfnet H=6 W=4 C=8
parity ../mixers/images mixer_afno_5x7 kind=afno H=5 W=7 C=8 blocks=2
parity ../mixers/images mixer_afno_6x4 kind=afno H=6 W=4 C=8 blocks=2
parity ../mixers/images mixer_depthwise_5x7 kind=depthwise H=5 W=7 C=6
parity ../mixers/images mixer_conv_mlp_5x4 kind=conv_mlp H=5 W=4 C=6 ratio=2
parity forecaster forecaster_time lookback=96 horizon=24 channels=7 d_model=32 depth=2 d_state=16
parity forecaster forecaster_time_norevin lookback=96 horizon=24 channels=7 d_model=32 depth=2 d_state=16 revin=false
parity forecaster forecaster_inverted lookback=96 horizon=24 channels=7 d_model=32 depth=2 d_state=16 embed=inverted affine=true
parity forecaster forecaster_patch lookback=96 horizon=24 channels=7 d_model=32 depth=1 d_state=16 embed=patch

# A wrong number must not pass: the same weights through another model.
expect 1 "$SIMBAC" run "$SOURCE/examples/parity/forecaster.simba" --set lookback=96 --set horizon=24 --set channels=7 \
  --set d_model=32 --set depth=2 --set d_state=16 --set revin=false --grad \
  --tensors "$golden/forecaster_time.safetensors" --check "$golden/forecaster_time.safetensors"
says FAIL
echo "$checked golden files agree"

# Without --grad the tensors of gradients are named as what they are; results do not go into a folder's place.
small=$SOURCE/examples/parity/mlp.simba
expect 0 "$SIMBAC" run "$small" --tensors "$golden/mlp.safetensors" --check "$golden/mlp.safetensors"
says "tensors of gradients are left alone (7, such as 'gin.x')"
says "--grad computes and checks them"
! grep -q "no part of the model" err || fail "gradients are called no part of the model"
expect 3 "$SIMBAC" run "$small" --tensors "$golden/mlp.safetensors" --out .
says ".: cannot write: Is a directory"
