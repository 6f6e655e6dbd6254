"""What of an accent survives cloning: how far clones depart from native speech in the direction of their speakers.

    python bench/accent.py CORPUS_CACHE [--speakers 8] [--sentences 4] [--write docs/accents.md]

CORPUS_CACHE is the folder of `resay train features`. Held-out people who speak English with the accent of another first
language are cloned from one recording and read sentences that are in no recording, with `--accent` from 0 to 1. Melody
and rhythm are the sixteen statistics of style; sounds are the mean mel frames of every class of sound, less the mean
over the classes, in which microphone and voice lie.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sections
from rich.progress import track as progress

from resay import aligner, audio, consent, pitch
from resay.audio import Audio
from resay.evaluate import about, sentences
from resay.evaluate.tables import table
from resay.synthesis import Engine, Request
from resay.train.recordings import Clip, Recordings, is_held_out
from resay.voices import Voice, VoiceLibrary

ACCENTED, NATIVE = "so762", ("libri_tc100", "cv_en_v1dev")
"""Sets of the corpus: Mandarin speakers reading English, and people most of whom read their first language."""
STRENGTHS = (0.0, 0.5, 1.0)
SPEAKERS_LEAST = 4  # recordings of a speaker
HEARD_LEAST = 12
"""Frames of a class of sound from which on its mean counts."""
PAGE = """# Accents

Written by `python bench/accent.py`; do not edit. {people} held-out speakers of English whose first language is
Mandarin, {count} sentences each that are in no recording. Kept is the share of a speaker's departure from native
speech that the clone shows as well, by least squares over all speakers: 1 is all of it, 0 none. Beside it the same
against the departure of another of the speakers, which shows how much of it is the speaker's own.

{table}
Native speech is that of {natives} recordings for the people and of the shipped English voices for the clones, so that
what resay does to every voice does not count. Measured on {machine.processor}, {machine.cores} cores.
"""


@dataclass(frozen=True, eq=False)
class Manner:
    """How somebody speaks."""

    style: np.ndarray
    """(16,), standard deviations."""
    sounds: np.ndarray
    """Mean frames (K, M), NaN where too little is heard, less their mean."""


def manner(engine: Engine, spoken: Sequence[Audio]) -> Manner:
    """Of all that somebody said."""
    styles, mels, classes = [], [], []
    for sound in spoken:
        mel = audio.log_mel(sound.samples)
        styles.append(engine.reference.style(mel, pitch.track(sound)))
        mels.append(audio.scaled(mel))
        classes.append(engine.aligner.heard(mel))
    means = aligner.mean_sounds(np.concatenate(mels), np.concatenate(classes))
    sounds = np.where(means[:, -1:] >= HEARD_LEAST, means[:, :-1], np.nan)
    sounds[aligner.SILENCE] = np.nan
    return Manner(np.mean(styles, axis=0), sounds - np.nanmean(sounds, axis=0))


def departures(people: Sequence[Manner], native: Sequence[Manner]) -> list[Manner]:
    """How each differs from the mean of the natives."""
    style = np.mean([it.style for it in native], axis=0)
    sounds = np.nanmean([it.sounds for it in native], axis=0)
    return [Manner(it.style - style, it.sounds - sounds) for it in people]


def kept(clones: Sequence[Manner], speakers: Sequence[Manner], field: str) -> float:
    """Share of the speakers' departures that the clones show."""
    pairs = [(getattr(a, field).ravel(), getattr(b, field).ravel()) for a, b in zip(clones, speakers, strict=True)]
    said, meant = (np.concatenate(side) for side in zip(*pairs, strict=True))
    there = np.isfinite(said) & np.isfinite(meant)
    return float(said[there] @ meant[there] / (meant[there] @ meant[there]))


def chosen(data: Recordings, count: int) -> tuple[list[list[Clip]], list[Clip]]:
    """Recordings of each accented speaker, and one of each native."""
    people: dict[str, list[Clip]] = defaultdict(list)
    natives: dict[str, Clip] = {}
    for clip in data.clips:
        if not is_held_out(clip):
            continue
        if clip.set == ACCENTED:
            people[clip.speaker].append(clip)
        elif clip.set in NATIVE and clip.frames > 200:
            natives.setdefault(clip.speaker, clip)
    enough = [clips for clips in people.values() if len(clips) >= SPEAKERS_LEAST]
    return enough[:count], list(natives.values())[: 4 * count]


def measure(data: Recordings, engine: Engine, people: list[list[Clip]], natives: list[Clip], count: int) -> str:
    """The table."""

    def recorded(clips: Sequence[Clip]) -> Manner:
        return manner(engine, [Audio(data.samples(clip)) for clip in clips])

    # A single native clip holds few sounds: four make one person.
    speakers = departures(
        [recorded(clips) for clips in people], [recorded(natives[at : at + 4]) for at in range(0, len(natives), 4)]
    )
    texts = sentences.unseen("en", count)
    shipped = [voice for voice in VoiceLibrary() if voice.language == "en"]
    rows = []
    for strength in STRENGTHS:

        def said(voice: Voice, strength: float = strength) -> Manner:
            requests = [Request(text, language="en", accent=strength) for text in texts]
            return manner(engine, [engine.say(request, voice).audio for request in requests])

        found = []
        for clips in progress(people, f"accent {strength:g}", transient=True):
            profile, _ = engine.listen(Audio(data.samples(max(clips, key=lambda clip: clip.frames))))
            found.append(said(Voice(clips[0].speaker, "en", profile, consent.own())))
        clones = departures(found, [said(voice) for voice in shipped])
        others = [*speakers[1:], speakers[0]]
        figures = [kept(clones, side, field) for field in ("style", "sounds") for side in (speakers, others)]
        rows.append([f"--accent {strength:g}", *(f"{value:.2f}" for value in figures)])
    return table(["", "melody and rhythm kept", "of another's", "sounds kept", "of another's"], rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path, metavar="CORPUS_CACHE")
    parser.add_argument("--speakers", type=int, default=8)
    parser.add_argument("--sentences", type=int, default=4)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    data = Recordings(options.cache)
    people, natives = chosen(data, options.speakers)
    found = measure(data, Engine(threads=1), people, natives, options.sentences)
    page = PAGE.format(
        people=len(people), count=options.sentences, table=found, natives=len(natives), machine=about.machine()
    )
    sections.publish(page, options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
