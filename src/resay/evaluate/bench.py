"""`resay bench`: speed and memory, printed, as JSON, or as `docs/benchmarks.md`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .. import audio
from ..errors import UnknownVoice
from ..synthesis import SHIPPED, Engine
from ..voices import Voice, VoiceLibrary
from . import about, speed
from .about import Machine
from .sentences import LANGUAGES, unseen
from .speed import Cold, Speed
from .tables import NOTHING, table

app = typer.Typer(help="Measure speed and memory.", add_completion=False, rich_markup_mode=None)
SHORT = {"en": "Good morning, how are you?", "zh": "早上好，你今天怎么样？"}

MARK = "<!-- "
HEAD = """# Benchmarks

Made by `resay bench --write docs/benchmarks.md` on {day}; do not edit. Medians; thread counts take turns sentence by
sentence in one run. {processor}, {cores} cores, {system}, Python {python}, {packages}; networks run on {provider}.
Load before the run: {load} (processes that wanted the processor; figures taken beside other work are too slow).
"""


@dataclass(frozen=True)
class Benchmark:
    """One run."""

    day: date
    machine: Machine
    warm: list[Speed]
    cold: dict[str, Cold]
    """By what was spoken."""
    weights_bytes: int | None
    provider: str = "cpu"
    """What the networks ran on."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "day": self.day.isoformat()}

    def markdown(self) -> str:
        """The whole page."""
        machine = asdict(self.machine)
        machine["packages"] = ", ".join(f"{name} {version}" for name, version in self.machine.packages.items())
        header = ("threads", "sentences", "real time factor", "first sound of twenty words, ms")
        rows = [
            (str(one.threads), str(one.sentences), f"{one.real_time_factor:.4f}", f"{1000 * one.first_sound:.0f}")
            for one in self.warm
        ]
        stages = [(str(one.threads), *(f"{one.stages[stage]:.4f}" for stage in speed.STAGES)) for one in self.warm]
        parts = [
            HEAD.format(day=self.day.isoformat(), provider=self.provider, **machine),
            "## Warm engine\n\n" + table(header, rows),
            "## Seconds of work a second of sound, by stage\n\n" + table(("threads", *speed.STAGES), stages),
        ]
        if self.cold:
            parts.append("## The whole command, from nothing to a written file\n\n" + self._cold_table())
        if self.weights_bytes:
            parts.append(f"Weights on disk: {self.weights_bytes / 1e6:.1f} MB.\n")
        return "\n".join(parts)

    def _cold_table(self) -> str:
        rows = [
            (
                *(spoken, f"{one.seconds:.2f}", f"{one.slowest:.2f}", f"{one.sound:.1f}"),
                *(f"{one.seconds / one.sound:.3f}", f"{one.peak_bytes / 1e6:.0f}" if one.peak_bytes else NOTHING),
            )
            for spoken, one in self.cold.items()
        ]
        header = ("spoken", "median, s", "slowest, s", "sound, s", "real time factor", "peak memory, MB")
        return table(header, rows)


def voice_of_each_language(library: VoiceLibrary, name: str | None = None) -> dict[str, Voice]:
    """The named voice for its language, or the first of every language. Raises UnknownVoice where there is none."""
    chosen = [library.get(name)] if name else list(library)
    voices = {language: voice for language in LANGUAGES for voice in reversed(chosen) if voice.language == language}
    if not voices:
        raise UnknownVoice("there is no voice to measure with")
    return voices


def short_sentence(voices: Mapping[str, Voice]) -> tuple[str, str]:
    """Name and text for a cold command in the first of the voices' languages."""
    language, voice = next(iter(voices.items()))
    return voice.name, SHORT[language]


def _cold(voices: Mapping[str, Voice], models: Path | None, provider: str) -> dict[str, Cold]:
    """A short sentence and ten sentences in every language."""
    found = {}
    for language, voice in voices.items():
        texts = {"short sentence": SHORT[language], "ten sentences": " ".join(unseen(language, 10))}
        for name, text in texts.items():
            found[f"{language}, {name}"] = speed.cold(voice.name, text, models, provider=provider)
    return found


def _others(page: Path) -> str:
    """The sections behind ours, which other scripts write between marks of their own."""
    _, mark, rest = page.read_text(encoding="utf-8").partition(MARK) if page.exists() else ("", "", "")
    return f"\n{mark}{rest}" if mark else ""


@app.command()
def bench(
    threads: Annotated[list[int] | None, typer.Option(min=1, help="May repeat; 1 and 2 by default.")] = None,
    voice: Annotated[str | None, typer.Option(help="Measure this voice only.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=12, help="Five other sentences each.")] = 3,
    cold: Annotated[bool, typer.Option("--cold/--no-cold", help="Time whole commands too.")] = True,
    models: Annotated[Path | None, typer.Option(metavar="DIR", help="Weights, instead of the shipped ones.")] = None,
    provider: Annotated[
        Literal["cpu", "cuda", "tensorrt"], typer.Option(help="What the networks run on; `resay providers` lists them.")
    ] = "cpu",
    write: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the page, e.g. docs/benchmarks.md.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")] = False,
) -> None:
    """Measure speed and memory of this machine."""
    machine = about.machine()
    voices = voice_of_each_language(VoiceLibrary(), voice)
    engines = {count: Engine(models, count, provider) for count in threads or (1, 2)}
    result = Benchmark(
        day=date.today(),
        machine=machine,
        warm=speed.warm(engines, voices, rounds),
        cold=_cold(voices, models, provider) if cold else {},
        weights_bytes=about.weights(models or SHIPPED).get("bytes"),
        provider=provider,
    )
    if write:
        audio.write_bytes(write, (result.markdown() + _others(write)).encode())
    print(json.dumps(result.to_json(), ensure_ascii=False) if as_json else result.markdown())
