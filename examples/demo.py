"""Speak three sentences with shipped voices and once more with a cloned clip; what `make demo` runs.

    python examples/demo.py [FOLDER]

Writes sound files with their manifests to FOLDER (outputs by default) and prints the seed and real time factor of each.
"""

from __future__ import annotations

import sys
from pathlib import Path

from resay import VoiceLibrary
from resay.cli import main as resay

SEED = 42
CLIP = Path(__file__).parent / "clone_me.wav"  # spoken by resay itself: nobody's voice, free to copy
SENTENCES = {
    "mandarin": ("zh", "你好，很高兴认识你。今天是二〇二六年三月八日，天气不错。"),
    "english": ("en", "Say it again, exactly: the same words, the same voice, the same speech every time."),
    "mixed": ("zh", "请打开 Wi-Fi，然后把 report 发到我的邮箱，谢谢。"),
}


def speak(text: str, output: Path, *options: str) -> None:
    """What `resay speak` does on the command line."""
    code = resay(["speak", text, "-o", str(output), "--seed", str(SEED), *options])
    if code:
        raise SystemExit(code)


def main(folder: Path) -> None:
    """Every shipped sentence in the first voice of its language, then in the voice of the clip."""
    voices = {voice.language: voice.name for voice in reversed(list(VoiceLibrary()))}
    for name, (language, text) in SENTENCES.items():
        speak(text, folder / f"{name}.wav", "--voice", voices[language])
        speak(text, folder / f"{name}-cloned.wav", "--voice", str(CLIP), "--consent", "own")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("outputs"))
