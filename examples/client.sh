#!/usr/bin/env bash
# Speak through a running `resay serve` with curl.  RESAY_URL and RESAY_KEY say where and with which key.
#   examples/client.sh "Good morning. 早上好。" out.wav      (the text must hold no quotation marks)
set -euo pipefail
curl --fail-with-body --silent --show-error "${RESAY_URL:-http://127.0.0.1:8080}/v1/audio/speech" \
  --header "Authorization: Bearer ${RESAY_KEY:-none}" --header "Content-Type: application/json" \
  --data "{\"model\": \"resay\", \"voice\": \"${RESAY_VOICE:-ada}\", \"input\": \"$1\", \"response_format\": \"wav\", \"seed\": 100}" \
  --dump-header - --output "$2" | grep --ignore-case '^x-resay-'
