"""How the three ways to sample compare: how much two seeds differ, how lively each reading is, how well it is heard.

    python bench/sampling.py [--sentences 10] [--seeds 4] [--judges DIR] [--models DIR] [--write docs/sampling.md]

Every shipped voice says the same sentences with every seed in every way. Variety and liveliness are those of the plans,
which the sound follows; with judges, the words are heard as well, of the first two seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sections
from rich.progress import track as progress

from resay import audio
from resay.acoustic import contour
from resay.evaluate import about, hearing, intervals, norms, sentences
from resay.evaluate.hearing import Hearing, Utterance
from resay.evaluate.judges import Judges
from resay.evaluate.report import LANGUAGE_NAMES
from resay.evaluate.tables import NOTHING, figure, percent, table
from resay.prosody import Plan, Sampling
from resay.synthesis import SHIPPED, Engine, Request
from resay.voices import Voice, VoiceLibrary

METHODS = ("ras", "topk", "greedy")
HEARD_SEEDS = 2
SEMITONES = 12.0  # an octave
POINTS = 100
"""Places of a sentence at which pitch is compared, whatever its length."""
PAGE = """# Ways to sample

Written by `python bench/sampling.py --sentences {sentences} --seeds {seeds} --judges DIR --write docs/sampling.md`; do
not edit. {voices} voices, {sentences} sentences each that are in no corpus, {seeds} seeds, with the defaults of each
way.

{variety}
*Pitch differs*, *length differs*: standard deviation over the seeds of one sentence's pitch, at {points} places of it,
and of its length. *Pitch moves*: standard deviation of pitch within a sentence; people's is about 3 semitones.
*Strange*: sounds of a length more than three deviations from usual. *Same again*: share of sentences of which two
seeds gave the very same plan.

{heard}
Measured on {machine.processor}, {machine.cores} cores, onnxruntime {runtime}.
"""


@dataclass
class Way:
    """What one way to sample gave in one language; one entry a sentence and voice."""

    differs: list[float] = field(default_factory=list)
    """Semitones."""
    lengths: list[float] = field(default_factory=list)
    """Share of the length."""
    moves: list[float] = field(default_factory=list)
    """Semitones."""
    strange: list[float] = field(default_factory=list)
    sounds: list[float] = field(default_factory=list)
    same: list[float] = field(default_factory=list)
    heard: list[Hearing] = field(default_factory=list)

    def add(self, plans: Sequence[Plan]) -> None:
        """The plans of one sentence with every seed."""
        places = np.linspace(0.0, 1.0, POINTS)
        curves = []
        for plan in plans:
            course = SEMITONES * contour(plan)
            curves.append(np.interp(places, np.linspace(0.0, 1.0, len(course)), course))
        frames = np.array([plan.durations.sum() for plan in plans])
        self.differs.append(float(np.std(curves, axis=0).mean()))
        self.lengths.append(float(frames.std() / frames.mean()))
        self.moves.append(float(np.mean([np.std(curve) for curve in curves])))
        self.same.append(float(len({str(plan.to_json()) for plan in plans}) < len(plans)))


def spoken(engine: Engine, voice: Voice, text: str, way: Way, method: str, seeds: int) -> Iterator[Utterance]:
    """Say one sentence with every seed; what is to be heard comes back."""
    known, plans = norms.load(), []
    for seed in range(seeds):
        request = Request(text, seed=seed, language=voice.language, sampling=Sampling(method))
        pieces = list(engine.stream(request, voice))
        plans.append(_joined([piece.plan for piece in pieces]))
        for piece in pieces:
            timing = norms.timing(piece.sentence.phonemes, piece.plan.durations, voice.language, known)
            way.strange.append(timing.strange)
            way.sounds.append(timing.phonemes)
        if seed < HEARD_SEEDS:
            whole = audio.Audio.join(piece.audio for piece in pieces)
            yield Utterance(method, voice.language, voice.name, text, whole)
    way.add(plans)


def _joined(plans: Sequence[Plan]) -> Plan:
    parts = (np.concatenate([getattr(plan, name) for plan in plans]) for name in ("durations", "pitch", "energy"))
    return Plan(*parts)


def measure(engine: Engine, voices: Sequence[Voice], judges: Judges, count: int, seeds: int) -> dict[str, Way]:
    """By `method language`."""
    found = {f"{method} {language}": Way() for method in METHODS for language in sentences.LANGUAGES}
    for method in METHODS:
        for voice in progress(voices, method, transient=True):
            way = found[f"{method} {voice.language}"]
            for text in sentences.unseen(voice.language, count):
                for utterance in spoken(engine, voice, text, way, method, seeds):
                    if judges.recogniser:
                        way.heard.append(hearing.hear(utterance, judges))
    return found


def variety_rows(found: dict[str, Way]) -> list[list[str]]:
    rows = []
    for name, way in found.items():
        method, language = name.split()
        cells = [figure(intervals.mean(way.differs)), percent(intervals.mean(way.lengths))]
        cells += [figure(intervals.mean(way.moves)), percent(intervals.ratio(way.strange, way.sounds))]
        rows.append([method, LANGUAGE_NAMES[language], *cells, f"{100 * np.mean(way.same):.0f} %"])
    return rows


def heard_rows(found: dict[str, Way]) -> list[list[str]]:
    rows = []
    for name, way in found.items():
        method, language = name.split()
        errors = [one.errors for one in way.heard if one.errors]
        quality = [one.quality for one in way.heard if one.quality is not None]
        if errors:
            rate = percent(intervals.ratio([e.errors for e in errors], [e.length for e in errors]))
            heard = figure(intervals.mean(quality)) if quality else NOTHING
            rows.append([method, LANGUAGE_NAMES[language], rate, heard])
    return rows


def page(engine: Engine, options: argparse.Namespace) -> str:
    voices, judges = list(VoiceLibrary([options.models / "voices"])), Judges.open(options.judges)
    found = measure(engine, voices, judges, options.sentences, options.seeds)
    header = ["way", "language", "pitch differs, semitones", "length differs", "pitch moves, semitones"]
    heard = heard_rows(found)
    machine = about.machine()
    return PAGE.format(
        voices=len(voices),
        sentences=options.sentences,
        seeds=options.seeds,
        points=POINTS,
        variety=table([*header, "strange", "same again"], variety_rows(found)),
        heard=table(["way", "language", "CER / WER", "DNSMOS"], heard) if heard else "No judges were at hand.\n",
        machine=machine,
        runtime=machine.packages["onnxruntime"],
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--judges", type=Path)
    parser.add_argument("--models", type=Path, default=SHIPPED)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    written = page(Engine(options.models, options.threads), options)
    sections.publish(written, options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
