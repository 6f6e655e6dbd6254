#!/usr/bin/env bash
# From nothing to a speaking model, the golden path: recordings in, weights and a first sentence out.
#
#   runs/speedrun.sh CORPUS [MODELS]     CORPUS: shards, or a folder of sound files with .txt beside them
#
# SCALE stretches every budget: 1 takes about six hours on two cores, 0.02 is a rehearsal of a few minutes.
# JUDGES=DIR, filled by `resay evaluate judges --into DIR`, lets a strong speaker encoder teach. DEVICE=cuda trains on a GPU. Every stage goes on from its checkpoint when the script is started again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

corpus=${1:?"say where the recordings are: runs/speedrun.sh CORPUS [MODELS]"}
models=${2:-runs/models}
scale=${SCALE:-1}
common=(--device "${DEVICE:-cpu}" --threads "${THREADS:-2}" --resume)
resay=.venv/bin/resay

minutes() { awk -v minutes="$1" -v scale="$scale" 'BEGIN { print minutes * scale }'; }

$resay train features "$corpus"

# Who speaks: needed by everything that follows.
taught=() heard=()
if [ -n "${JUDGES:-}" ]; then
    $resay train teacher "$JUDGES" --threads "${THREADS:-2}"
    taught=(--taught) heard=(--judges "$JUDGES")
fi
$resay train reference --minutes "$(minutes 15)" "${taught[@]}" "${common[@]}"
$resay train profiles

# Sound from mel: independent of all that follows.
$resay train vocoder --minutes "$(minutes 45)" "${common[@]}"

# What lies above 12 kHz, where there are full-band recordings; else as it ships.
if [ -f "$corpus/wide.tsv" ]; then
    $resay train upper-band "$corpus" --minutes "$(minutes 2)" "${common[@]}"
fi

# Where every sound is: what follows learns from that.
$resay train aligner --minutes "$(minutes 20)" --device "${DEVICE:-cpu}" --threads "${THREADS:-2}"

# What is meant: the semantic encoder that ships reads every text (`resay train semantic` makes another).
$resay train vectors

# Words and voices: with mean error first, then against a critic and, where there is a teacher, into its ears.
$resay train acoustic --real 0.6 --minutes "$(minutes 60)" "${common[@]}"
$resay train acoustic --real 0.6 --adversarial "${heard[@]}" --minutes "$(minutes 240)" "${common[@]}"

# How to say it, learnt from how the aligned speech was said.
$resay train prosody --minutes "$(minutes 25)" "${common[@]}"

$resay train export "$models" --init src/resay/models
$resay speak --models "$models" --voice lan "从头到尾，一步一步，现在它会说话了。" -o outputs/speedrun.wav
