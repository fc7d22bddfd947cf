# shellcheck shell=bash
# Sourced by the experiments beside it: options, runs that are skipped once they are done, tables.
#
#   --quick        minutes instead of hours: fewer seeds, epochs and cases; shows that all works, finds little
#   --out DIR      where everything goes (default build/experiments/NAME); what is there already is not done again
#   --data FILE    a series to use instead of the experiment's own; may be repeated
#   --seeds LIST   such as "1 2 3"
#   --epochs N     instead of the recipes'
#   --tasks LIST   some of "series images", where an experiment has both
#   --set N=VALUE  of all models, such as d_model=32; may be repeated; belongs with an --out of its own
#   --threads N    of simbac; results do not depend on it
#
# DIR/runs/NAME is the folder of a training run (metrics.jsonl, loss.png, weights.safetensors; result.json is the test
# split's score). DIR/results.csv has a row a run, DIR/results.md the table, DIR/curves.png the curves.
set -euo pipefail
here=$PWD
self=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

simbac=${SIMBAC:-build/release/bin/simbac}
data_folder=${SIMBAC_DATA:-../shared/data}

fail() { echo "$(basename "$0"): $*" >&2; exit 1; }

# A path of the caller's, who may stand in another folder.
absolute() { case $1 in /*) echo "$1" ;; *) echo "$here/$1" ;; esac; }

# Sets quick, out, data, seeds, epochs, threads from the command line; the caller has set defaults of seeds.
read_options() {
  quick=false data=() threads=() settings_of_all=() epochs=() tasks="series images"
  out=build/experiments/$(basename "$0")
  while [ $# -gt 0 ]; do
    case $1 in
      --quick) quick=true ;;
      --help)
        sed -n '3,/^[^#]/s/^#$\|^# //p' "$self"
        sed -n 's/^#   --/  --/p' examples/experiments/common.sh
        exit 0 ;;
      --out | --data | --seeds | --epochs | --tasks | --set | --threads)
        [ $# -ge 2 ] || fail "$1 needs a value"
        case $1 in
          --out) out=$(absolute "$2") ;;
          --data) data+=("$(absolute "$2")") ;;
          --seeds) seeds=$2 ;;
          --epochs) epochs=(--epochs "$2") ;;
          --tasks) tasks=$2 ;;
          --set) settings_of_all+=(--set "$2") ;;
          --threads) threads=(--threads "$2") ;;
        esac
        shift ;;
      *) fail "unknown option $1; --help lists them" ;;
    esac
    shift
  done
  command -v "$simbac" >/dev/null || fail "no $simbac; run cmake --preset release && cmake --build --preset release --target simbac"
  mkdir -p "$out/runs"
}

has_task() { case " $tasks " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# need FILE...: or says where data come from.
need() {
  local file
  for file; do [ -f "$file" ] || fail "no $file; README.md says where to get it (SIMBAC_DATA is the folder)"; done
}

json_value() { # KEY FILE: the first number of that name
  grep -o "\"$1\":-\{0,1\}[0-9][0-9.eE+-]*" "$2" | head -n 1 | sed 's/.*://'
}

# Sets `only` to the options without those that a run which goes on does not take: it has its weights.
without_beginning() {
  only=()
  while [ $# -gt 0 ]; do
    case $1 in --init | --map | --new-head) shift ;; *) only+=("$1") ;; esac
    shift
  done
}

# run NAME MODEL OPTION... [-- OPTION...]: trains and scores the test split, unless that is done. Options after -- are
# for training alone. A run whose loss stops being a number leaves `diverged` instead of result.json.
run() {
  local folder=$out/runs/$1 model=$2 both=("${settings_of_all[@]}") only=() resume=() code=0
  shift 2
  while [ $# -gt 0 ] && [ "$1" != -- ]; do both+=("$1"); shift; done
  if [ $# -gt 0 ]; then shift; only=("$@"); fi
  if [ -f "$folder/result.json" ] || [ -f "$folder/diverged" ]; then return 0; fi
  if [ -f "$folder/checkpoint.safetensors" ]; then
    resume=(--resume)
    without_beginning "${only[@]}"
  fi
  echo "== $(basename "$folder")" >&2
  local start=$SECONDS
  "$simbac" train "$model" --out "$folder" "${both[@]}" "${only[@]}" "${threads[@]}" "${resume[@]}" 2>&1 |
    tee "$folder.log" >&2 || code=${PIPESTATUS[0]}
  if grep -q "is not finite" "$folder.log"; then touch "$folder/diverged"; return 0; fi
  [ "$code" = 0 ] || exit "$code"
  "$simbac" eval "$model" --weights "$folder/weights.safetensors" "${both[@]}" "${threads[@]}" --json >"$folder/result.tmp"
  echo $((SECONDS - start)) >>"$folder/seconds"
  mv "$folder/result.tmp" "$folder/result.json"
}

# value RUN KEY: of the test split's score; nothing where the run is not done or diverged.
value() { if [ -f "$out/runs/$1/result.json" ]; then json_value "$2" "$out/runs/$1/result.json"; fi; }
seconds_of() { if [ -f "$out/runs/$1/seconds" ]; then awk '{ s += $1 } END { print s }' "$out/runs/$1/seconds"; fi; }
# The best epoch's loss on the validation split.
validation_loss() {
  if [ -f "$out/runs/$1/metrics.jsonl" ]; then
    sed -n 's/.*"split":"val","loss":\([^,}]*\).*/\1/p' "$out/runs/$1/metrics.jsonl" | sort -g | head -n 1
  fi
}

# row RUN KEY...: "RUN,validation,KEY...,seconds" of a run that is done.
row() {
  local name=$1 key
  if [ ! -f "$out/runs/$name/result.json" ]; then return 0; fi
  printf '%s,%s' "$name" "$(validation_loss "$name")"
  shift
  for key; do printf ',%s' "$(value "$name" "$key")"; done
  printf ',%s\n' "$(seconds_of "$name")"
}

# Reads values, a line each: "mean ± deviation" (of n - 1) in the format $1, such as %.4f.
summary() {
  awk -v format="$1" 'NF { n++; s += $1; v[n] = $1 }
    END { if (!n) { print "-"; exit } m = s / n; for (k = 1; k <= n; k++) q += (v[k] - m) ^ 2
          if (n > 1) printf format " ± " format "\n", m, sqrt(q / (n - 1)); else printf format "\n", m }'
}
# mean FORMAT KEY RUN...: over the runs that are done; KEY may be `validation` and `seconds`.
mean() {
  local format=$1 key=$2 name
  shift 2
  for name; do
    case $key in
      validation) validation_loss "$name" ;;
      seconds) seconds_of "$name" ;;
      *) value "$name" "$key" ;;
    esac
  done | summary "$format"
}
# How many of the runs are done, and how many of those diverged: "3" or "3, 1 diverged".
outcomes() {
  local name done=0 diverged=0
  for name; do
    if [ -f "$out/runs/$name/result.json" ]; then done=$((done + 1)); fi
    if [ -f "$out/runs/$name/diverged" ]; then done=$((done + 1)) diverged=$((diverged + 1)); fi
  done
  if [ $diverged -gt 0 ]; then echo "$done, $diverged diverged"; else echo "$done"; fi
}

# curve PANEL LINE KEY RUN...: rows of a table for simbac chart: KEY on the validation split after each epoch, the mean
# of the runs.
curve() {
  local panel=$1 line=$2 key=$3 name
  shift 3
  for name; do
    if [ -f "$out/runs/$name/metrics.jsonl" ]; then
      sed -n "s/.*\"epoch\":\([0-9]*\),\"split\":\"val\".*\"$key\":\([^,}]*\).*/\1 \2/p" "$out/runs/$name/metrics.jsonl"
    fi
  done | sort -n | awk -v start="$panel,$line" '$2 != "null" { n[$1]++; s[$1] += $2 }
    END { for (epoch = 0; epoch in n; epoch++) printf "%s,%d,%.6g\n", start, epoch + 1, s[epoch] / n[epoch] }'
}
# draw TITLE-OF-Y: the rows of curves.csv, which has a heading by then.
draw() {
  if [ "$(wc -l <"$out/curves.csv")" -gt 1 ]; then
    "$simbac" chart "$out/curves.csv" -o "$out/curves.png" --x-label "${2:-epoch}" --y-label "$1"
  fi
}
parameters() { "$simbac" check "$@" "${settings_of_all[@]}" | sed -n 's/.* parameters, \([0-9]*\) numbers.*/\1/p'; }
