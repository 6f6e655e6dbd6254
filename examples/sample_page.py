"""One page to listen to: every shipped voice, several seeds, styles, ways to sample, and clones of clips you name.

    python examples/sample_page.py [-o outputs/samples.html] [--clip FILE …]

Pictures and sounds lie inside the page, so that it can be sent or put on any web server. Each sample stands with the
command that makes it again.
"""

from __future__ import annotations

import argparse
import base64
import html
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from resay import Engine, Request, Voice, VoiceLibrary, audio, consent
from resay.audio import Audio
from resay.compare import drawn
from resay.pictures import picture
from resay.prosody import Sampling

CLIP = Path(__file__).parent / "clone_me.wav"  # spoken by resay itself: nobody's voice, free to copy
TEXTS = {
    "zh": "重要的事情说三遍：同一段文字，同一个声音，同一个种子，每次都一模一样。",
    "en": "I never said that she borrowed the green umbrella; I said that somebody did.",
}
SEEDS = (42, 100, 999)
LOOK = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
article { border-top: 1px solid #ccc; padding: 0.8rem 0 } audio, svg { width: 100% } code { overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #e6e6e6 } }"""


@dataclass(frozen=True, eq=False)
class Sample:
    """A sound, and what is said of it."""

    title: str
    sound: Audio
    command: str = ""
    """Makes it again; empty for a recording."""


def spoken(engine: Engine, title: str, request: Request, voice: Voice, name: str, *options: str) -> Sample:
    """`name` is what the command line calls the voice; `options` are what the request differs in."""
    words = ["resay", "speak", request.text, "--voice", name, "--seed", str(request.seed), *options]
    return Sample(title, engine.say(request, voice).audio, shlex.join(words))


def sections(engine: Engine, clips: Sequence[Path]) -> Iterator[tuple[str, list[Sample]]]:
    """Headings, each with its samples."""
    voices = list(VoiceLibrary())
    yield (
        "Voices",
        [spoken(engine, f"{it.name}: {it.description}", Request(TEXTS[it.language]), it, it.name) for it in voices],
    )
    first = {voice.language: voice for voice in reversed(voices)}
    yield (
        "One text, three seeds",
        [
            spoken(engine, f"seed {seed}", Request(TEXTS[language], seed=seed), voice, voice.name)
            for language, voice in first.items()
            for seed in SEEDS
        ],
    )
    voice = first["en"]
    usual = Request(TEXTS["en"])
    yield (
        "Ways to sample",
        [
            spoken(engine, method, replace(usual, sampling=Sampling(method)), voice, voice.name, "--sampling", method)
            for method in ("ras", "topk", "greedy")
        ],
    )
    strengths = (0.0, 1.0, 2.0)
    yield (
        "Strength of the style",
        [
            spoken(
                engine,
                f"{strength:g}",
                replace(usual, style_strength=strength),
                voice,
                voice.name,
                "--style-strength",
                f"{strength:g}",
            )
            for strength in strengths
        ],
    )
    yield "Clones", [sample for clip in clips for sample in _cloned(engine, clip)]


def _cloned(engine: Engine, clip: Path) -> Iterator[Sample]:
    """The clip, and what its voice says in both languages."""
    sound = audio.read(clip)
    profile, _ = engine.listen(sound)
    yield Sample(f"{clip.name}, the clip itself", sound)
    for language, text in TEXTS.items():
        voice = Voice(clip.stem, language, profile, consent.own())
        title = f"{clip.stem} says something else"
        yield spoken(engine, title, Request(text), voice, str(clip), "--consent", "own")


def _article(sample: Sample) -> str:
    sound = sample.sound.resampled(audio.FORMAT.sample_rate)
    encoded = base64.b64encode(audio.encode(sound, "mp3")).decode()
    made = f"<p><code>{html.escape(sample.command)}</code></p>" if sample.command else ""
    player = f'<audio controls preload="none" src="data:audio/mpeg;base64,{encoded}"></audio>'
    return f"<article><h3>{html.escape(sample.title)}</h3>{player}{picture([drawn('', sound)])}{made}</article>"


def page(engine: Engine, clips: Sequence[Path]) -> str:
    """The whole page as HTML."""
    body = "".join(
        f"<h2>{heading}</h2>{''.join(map(_article, samples))}" for heading, samples in sections(engine, clips)
    )
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>resay</title><style>{LOOK}'
    return f'<!doctype html><html lang="en"><head>{head}</style></head><body><h1>resay, to listen to</h1>{body}</body>'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("outputs/samples.html"))
    parser.add_argument("--clip", type=Path, action="append", help="Recordings whose speakers allow it.")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    audio.write_bytes(options.output, page(Engine(), options.clip or [CLIP]).encode())
    print(options.output)


if __name__ == "__main__":
    main()
