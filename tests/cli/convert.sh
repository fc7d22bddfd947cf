# shellcheck shell=bash source-path=SCRIPTDIR
# Weights of PyTorch: listed, renamed, compared, converted; read by every command that takes weights.
. "$(dirname "$0")/common.sh"

torch=$SOURCE/tests/torch
lm=("$SOURCE/examples/mamba_lm.simba")
small=(--set vocabulary=12 --set d_model=16 --set T=9 --set d_state=4)

expect 0 "$SIMBAC" convert "$torch/training.pth" --list
says "0.weight                                                 F32  [3, 2]"
says "the weights are those of 'model'"
says "'module.' was taken off the names"
expect 0 "$SIMBAC" convert "$torch/training.pth" --key model_ema -o ema.safetensors
expect 0 "$SIMBAC" convert "$torch/legacy.pth" -o legacy.safetensors
expect 0 "$SIMBAC" convert "$torch/training.pth" -q -o model.safetensors
[ ! -s err ] || fail "--quiet says: $(cat err)"
same legacy.safetensors model.safetensors
expect 1 cmp ema.safetensors model.safetensors
expect 0 "$SIMBAC" convert model.safetensors -o again.safetensors
same model.safetensors again.safetensors

# Published weights run as they are, by a map; and the answer is PyTorch's.
run=("$SIMBAC" run "${lm[@]}" "${small[@]}" --check "$torch/mamba_lm.safetensors")
expect 0 "${run[@]}" --weights "$torch/mamba_lm.pth" --map mamba-ssm
says "ok    out.logits"
says "second names of tensors that the model has, such as 'lm_head.weight'"
expect 0 "$SIMBAC" convert "$torch/mamba_lm.pth" --map mamba-ssm --model "${lm[@]}" "${small[@]}" -o lm.safetensors
says "all 22 parameters and states of 'mamba_lm' are there"
cat >published.map <<'EOF'
# from the model's names to those of Hugging Face
drop lm_head.weight
embedding.weight -> backbone.embeddings.weight
**               -> backbone.**
EOF
expect 0 "$SIMBAC" convert lm.safetensors --map published.map -o published.safetensors
expect 0 "${run[@]}" --weights published.safetensors --map huggingface
says "ok    out.logits"

# A library with these weights in it is the one that the converted file gives, but for second names.
expect 0 "$SIMBAC" compile "${lm[@]}" "${small[@]}" --weights "$torch/mamba_lm.pth" --map mamba-ssm -o liba.o
expect 0 "$SIMBAC" compile "${lm[@]}" "${small[@]}" --weights published.safetensors --map huggingface -o libb.o
same liba.o libb.o

# Names that do not fit are all reported, with the nearest ones, and nothing is written.
expect 1 "${run[@]}" --weights "$torch/mamba_lm.pth"
says "  missing    layers.1.mixer.A_log [32, 4]; is it the file's 'backbone.layers.1.mixer.A_log'?"
says "  extra      backbone.layers.1.mixer.A_log [32, 4]; is it the model's 'layers.1.mixer.A_log'?"
says "  missing    and 2 more"
expect 1 "$SIMBAC" convert "$torch/mamba_lm.pth" --map mamba-ssm --model "${lm[@]}" "${small[@]}" --set d_state=8 -o no.safetensors
says "  shape      layers.0.mixer.A_log is [32, 4] in the file, [32, 8] in the model"
[ ! -e no.safetensors ] || fail "weights were written that do not fit"
expect 1 "$SIMBAC" compile "${lm[@]}" "${small[@]}" --weights "$torch/mamba_lm.pth" -o libno.so
says "22 missing: 'embedding.weight'"
[ ! -e libno.so ] || fail "a library was written"

# Training begins with a PyTorch file, and its wrong names are told.
forecaster=("$SOURCE/examples/forecaster.simba" --set embed=time --set lookback=96 --set horizon=24 --set d_model=32 --set channels=7)
expect 0 "$SIMBAC" convert "$torch/forecaster_time.pth" --model "${forecaster[@]}"
{ echo "date,a,b,c,d,e,f,g"; for i in $(seq 1 700); do echo "$i,$i,$((i % 7)),$((i * i % 11)),$((i % 5)),$((i % 3)),$((i % 13)),$((i * 3 % 17))"; done; } >series.csv
expect 0 "$SIMBAC" train "${forecaster[@]}" --data series.csv --out trained --epochs 1 --init "$torch/forecaster_time.pth"
expect 0 "$SIMBAC" eval "${forecaster[@]}" --data series.csv --weights "$torch/forecaster_time.pth"
expect 1 "$SIMBAC" train "${forecaster[@]}" --data series.csv --out untrained --epochs 1 --init "$torch/mamba_lm.pth"
says "  missing    embed.weight [32, 7]"
[ ! -e untrained ] || fail "a run began"

# What is refused, and with which exit code.
expect 1 "$SIMBAC" convert "$torch/module.pth" --list
says "module.pth: module/data.pkl byte 2: names 'torch.nn.modules.container.Sequential'"
says "nothing was run"
printf 'a.{i -> b\n' >bad.map
expect 1 "$SIMBAC" convert model.safetensors --map bad.map --list
says "bad.map:1:3: expected {name}"
printf '0.weight -> w\n1.weight -> w\n' >twice.map
expect 1 "$SIMBAC" convert model.safetensors --map twice.map --list
says "both '0.weight' and '1.weight' get the name 'w'"
printf 'nothing -> w\n' >unused.map
expect 0 "$SIMBAC" convert model.safetensors --map unused.map --list
says "unused.map:1 fits no tensor"
expect 1 "$SIMBAC" convert model.safetensors --map mamba --list
says "there is no name map 'mamba': those built in are mamba-ssm and huggingface"
expect 1 "$SIMBAC" convert model.safetensors --key model --list
says "not a PyTorch file"
expect 3 "$SIMBAC" convert missing.pth --list
expect 3 "$SIMBAC" convert model.safetensors -o missing/out.safetensors
expect 2 "$SIMBAC" convert model.safetensors
expect 2 "$SIMBAC" convert --list
expect 2 "$SIMBAC" run "${lm[@]}" --tensors "$torch/mamba_lm.safetensors" --out out.safetensors --map mamba-ssm
says "--key and --map say how weights are read"
expect 0 "$SIMBAC" convert --help
says "Example:"
