"""Speak through a running `resay serve` with OpenAI's own client. RESAY_URL and RESAY_KEY: where, with which key.

python examples/client.py "Good morning. 早上好。" out.wav
"""

from __future__ import annotations

import os
import sys

import openai

client = openai.OpenAI(
    base_url=os.environ.get("RESAY_URL", "http://127.0.0.1:8080") + "/v1", api_key=os.environ.get("RESAY_KEY", "none")
)
speech = client.audio.speech.create(
    model="resay",
    voice=os.environ.get("RESAY_VOICE", "ada"),
    input=sys.argv[1],
    response_format="wav",
    extra_body={"seed": 100},
)
speech.write_to_file(sys.argv[2])
print(f"seed {speech.response.headers['x-resay-seed']}, manifest {speech.response.headers['x-resay-manifest']}")
